"""The live page of a run and of a step."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import quote, urlencode

from fastapi import APIRouter, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from starlette.responses import Response

from api.auth import READING
from api.dashboard.around import around
from api.dashboard.rendering import page
from api.dashboard.run_board import Board, Boards, refresh, row_key
from api.dashboard.run_cards import cards, names_of, rights_of
from api.dashboard.run_rows import Show, View
from api.dashboard.run_view import Band, band_of, sections, whole
from api.dashboard.step_history import event_line
from api.dashboard.step_view import step_view
from api.driven import driven_json
from api.rendering.visitor import visitor_of
from api.routes.desk import Desk, TheDesk
from api.telling import connector_types, told_run
from drorch.journal.pages import events_page
from drorch.run.state import RunState
from drorch.run.views import Json

router = APIRouter()

_RECENT = 12
_SECTIONS = (
    *("head", "now", "next", "obstacles", "services", "findings", "show", "marks", "scale"),
    "events",
)
Shown = Annotated[Show, Query()]
From = Annotated[int, Query(alias="from", ge=0, le=10_000_000)]
To = Annotated[int, Query(ge=-1, le=10_000_000)]
After = Annotated[int, Query(ge=0, le=1_000_000_000)]
Mode = Annotated[str, Query(max_length=30)]
"""The mode in the address of a page, for whoever reads the address: another is put right."""


@router.get("/runs/{run}", response_class=HTMLResponse, dependencies=[READING])
async def run_page(
    run: str,
    request: Request,
    desk: TheDesk,
    *,
    show: Shown = "",
    mode: Mode = "",
    first: From = 0,
) -> Response:
    """Show a run as it is now; a script keeps the page fresh, or the browser reloads it."""
    state = await desk.reader.state(run)
    band = band_of(state, _types(desk))
    if mode and mode != band.address:
        return _put_right(request, f"/runs/{quote(run, safe='')}", band)
    view = _view(request, desk, state, show=show, first=first)
    board, made = await _looked_at(request, desk, view)
    told = request.query_params.get("told", "")
    return page(
        "run.html",
        **made,
        pieces={name: board.piece(name) for name in _SECTIONS},
        rows=[board.piece(row_key(view, n)) for n in board.window.numbers],
        told=told if told in ("taken", "recorded") else "",
    )


@router.get("/runs/{run}/changes", response_class=HTMLResponse, dependencies=[READING])
async def run_changes(
    run: str,
    request: Request,
    desk: TheDesk,
    *,
    after: After = 0,
    show: Shown = "",
    first: From = 0,
    to: To = -1,
) -> HTMLResponse:
    """Return what has changed on a run's page since event *after*, as parts of that page.

    *to* is the number of the last row that the page has: rows behind it are new to it.
    """
    state = await desk.reader.state(run)
    view = _view(request, desk, state, show=show, first=first)
    board, made = await _looked_at(request, desk, view)
    numbers = board.window.numbers
    keys = ((n, row_key(view, n)) for n in numbers)
    rows = [board.piece(key, None if n > to else after) for n, key in keys]
    return page(
        "run/changes.html",
        **made,
        pieces={name: board.piece(name, after) for name in _SECTIONS},
        rows=[row for row in rows if row is not None],
        order=",".join(map(str, numbers)),
    )


def _view(request: Request, desk: Desk, state: RunState, *, show: Show, first: int) -> View:
    return View(
        state=state,
        spans=desk.reader.spans(state.run),
        now=desk.app.clock.now(),
        show=show,
        first=first,
        who=names_of(request),
    )


async def _looked_at(request: Request, desk: Desk, view: View) -> tuple[Board, dict[str, Any]]:
    """Return the board of a run, brought up to date, and what the rest of a page is made of."""
    state = view.state
    boards: Boards = request.app.state.boards
    board = boards.of(view)
    driven = await driven_json(desk.app, desk.reader, state)
    foreseen = await desk.forecaster.forecast(state)
    zone = desk.app.settings.server.timezone
    events = [] if board.is_of(view) else await _newest(desk, state, zone)
    # From here on nobody else has a turn: all is made of the same moment, and says so.
    run = told_run(desk.app, state, foreseen) | driven
    band = band_of(state, _types(desk))
    asked, rights = cards(state), rights_of(request, state)
    at = f"/runs/{quote(state.run, safe='')}"
    place = {"at": at, "mode": band.address, "zone": zone, "has_names": bool(view.who)}
    if events:
        refresh(board, view, sections(view, run, asked, events), place)
    made = {**place, **around(desk), **whole(state, run, band, asked, rights)}
    return board, {**made, "visitor": visitor_of(request), "now": view.now}


async def _newest(desk: Desk, state: RunState, zone: str) -> list[Json]:
    newest = await events_page(desk.app.store, state.run, max(0, state.seq - _RECENT), _RECENT)
    return [event_line(event, zone) for event in reversed(newest.events)]


def _put_right(request: Request, at: str, band: Band) -> RedirectResponse:
    """Lead from an address that says another mode to the one that says what is."""
    rest = [(key, value) for key, value in request.query_params.multi_items() if key != "mode"]
    query = urlencode([("mode", band.address), *rest])
    return RedirectResponse(f"{at}?{query}", 303)


@router.get("/runs/{run}/steps/{step}", response_class=HTMLResponse, dependencies=[READING])
async def step_page(
    run: str,
    step: str,
    request: Request,
    desk: TheDesk,
    *,
    mode: Mode = "",
    log: Annotated[bool, Query()] = False,
) -> Response:
    """Show one step: its evidence, attempts, what it waits for and unlocks, and its form.

    With *log*, also what its hypervisor's own log says, which has to be asked for that.
    """
    state, number = await desk.step(run, step)
    band = band_of(state, _types(desk))
    if mode and mode != band.address:
        at = f"/runs/{quote(run, safe='')}/steps/{quote(step, safe='')}"
        return _put_right(request, at, band)
    shown = await step_view(desk, state, number, log=log)
    return page(
        "step.html",
        visitor=visitor_of(request),
        run=run,
        band=band,
        at=f"/runs/{quote(run, safe='')}",
        mode=band.address,
        rights=rights_of(request, state),
        **shown,
        **around(desk),
    )


def _types(desk: Desk) -> Mapping[str, str]:
    return connector_types(desk.app.settings.connectors)
