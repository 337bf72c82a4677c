"""The pages with the dependency graph of a run or of a plan."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal
from urllib.parse import quote

from fastapi import APIRouter, Depends, Query, Request
from fastapi.responses import HTMLResponse

from api.auth import READING
from api.dashboard.graph.drawing import Drawing, draw
from api.dashboard.graph.near import around, everything, opened
from api.dashboard.graph.overview import overview
from api.dashboard.graph.picture import Picture, picture
from api.dashboard.graph.views import MOST_NODES, Anatomy, View
from api.dashboard.rendering import page
from api.dashboard.run_view import band_of
from api.locale import _
from api.rendering.visitor import visitor_of
from api.routes.desk import Desk, Recent, TheDesk
from api.telling import connector_types
from api.version import VERSION
from drorch.model.plan import Plan
from drorch.run.state import RunState
from drorch.run.views import examined_words, shown_status

router = APIRouter()

_LONGEST = 200
_KEPT = 48
Focus = Annotated[str, Query(max_length=_LONGEST)]
Opened = Annotated[str, Query(alias="open", max_length=_LONGEST)]
Everything = Annotated[Literal["", "all"], Query()]


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants to see of a plan: ``overview``, ``all``, ``focus`` or ``open``."""

    shows: str
    name: str = ""


def _wish(focus: Focus = "", box: Opened = "", view: Everything = "") -> Wish:
    if view:
        return Wish(view, focus)
    if focus:
        return Wish("focus", focus)
    return Wish("open", box) if box else Wish("overview")


TheWish = Annotated[Wish, Depends(_wish)]


@router.get("/runs/{run}/graph", response_class=HTMLResponse, dependencies=[READING])
async def run_graph_page(run: str, request: Request, desk: TheDesk, wish: TheWish) -> HTMLResponse:
    """Show how the steps of a run depend on each other, and how each of them is."""
    state = await desk.reader.state(run)
    where = f"/runs/{quote(run, safe='')}"
    types = connector_types(desk.app.settings.connectors)
    return await _page(
        request,
        desk,
        (state.plan, wish),
        state,
        where=f"{where}/graph",
        steps=f"{where}/steps/",
        back=where,
        back_words=_("run {run}", run=run),
        name=run,
        band=band_of(state, types),
        live=not state.is_over and not state.imported,
        now=desk.app.clock.now(),
    )


@router.get("/plans/{plan}/graph", response_class=HTMLResponse, dependencies=[READING])
async def plan_graph_page(
    plan: str, request: Request, desk: TheDesk, wish: TheWish
) -> HTMLResponse:
    """Show how the steps of a stored plan depend on each other."""
    found, _stored = await desk.plan(plan)
    where = f"/plans/{quote(plan, safe='')}"
    return await _page(
        request,
        desk,
        (found, wish),
        None,
        where=f"{where}/graph",
        steps="",
        back=where,
        back_words=_("plan {plan}", plan=plan),
        name=plan,
        band=None,
        live=False,
        now=None,
    )


class Pictures:
    """The pictures that somebody looked at last.

    Places are worked out once for each plan, selection of it, and wish.
    """

    def __init__(self) -> None:
        self._kept: Recent[Picture] = Recent(_KEPT)

    async def drawing(self, plan: Plan, wish: Wish, state: RunState | None) -> Drawing | None:
        """Return what *wish* shows of *plan*, with a run's states; None if it can't be drawn."""
        only = state.only if state else ()
        key = "\n".join([plan.digest, str(len(plan.steps)), *only, wish.shows, wish.name])
        found = self._kept.get(key)
        if found is None:
            found = await asyncio.to_thread(_pictured, plan, wish)
            if found is not None and plan.digest:
                self._kept.keep(key, found)
        words = _words(state) if state else ()
        return draw(found, len(plan.steps), words) if found else None


def _pictured(plan: Plan, wish: Wish) -> Picture | None:
    view = _view(Anatomy(plan), wish)
    return picture(view) if view else None


def _view(anatomy: Anatomy, wish: Wish) -> View | None:
    number = anatomy.graph.index.get(wish.name)
    match wish.shows:
        case "focus" if number is not None:
            return around(anatomy, number)
        case "all":
            return everything(anatomy, number)
        case "open":
            return opened(anatomy, wish.name)
        case _:
            return overview(anatomy)


def _words(state: RunState) -> list[str]:
    return [
        examined_words(state, number) or str(shown_status(state, number))
        for number in range(len(state.steps))
    ]


def _resolved(plan: Plan, wish: Wish) -> tuple[Wish, str]:
    """Return the wish as it can be met, and the name of what the plan doesn't have."""
    steps = {step.id for step in plan.steps}
    if not wish.name or wish.shows == "open" or wish.name in steps:
        return wish, ""
    if wish.shows == "focus" and any(group.id == wish.name for group in plan.groups):
        return Wish("open", f"group:{wish.name}"), ""
    return Wish("overview" if wish.shows == "focus" else wish.shows), wish.name


async def _page(
    request: Request,
    desk: Desk,
    wanted: tuple[Plan, Wish],
    state: RunState | None,
    **around_it: Any,
) -> HTMLResponse:
    plan, asked = wanted
    pictures: Pictures = request.app.state.pictures
    wish, missing = _resolved(plan, asked)
    drawn = await pictures.drawing(plan, wish, state)
    if drawn is None and wish.shows == "open":
        missing, wish = wish.name, Wish("overview")
        drawn = await pictures.drawing(plan, wish, state)
    context: Mapping[str, Any] = {
        "drawing": drawn,
        "shows": wish.shows,
        "chosen": wish.name,
        "box": await _box(pictures, plan, wish, state),
        "missing": missing,
        "near": _leads_to_steps(wish, drawn),
        "total": len(plan.steps),
        "most": MOST_NODES,
        "title": plan.title or plan.id,
        "zone": desk.app.settings.server.timezone,
        "version": VERSION,
    }
    status = 404 if missing else 200
    visitor = visitor_of(request)
    return await asyncio.to_thread(
        page, "graph.html", status, visitor=visitor, **context, **around_it
    )


async def _box(pictures: Pictures, plan: Plan, wish: Wish, state: RunState | None) -> Any:
    """Return the box of the overview that was opened, for its name; None if it is none of it."""
    if wish.shows != "open":
        return None
    whole = await pictures.drawing(plan, Wish("overview"), state)
    return next((b.node for b in whole.boxes if b.node.key == wish.name), None) if whole else None


def _leads_to_steps(wish: Wish, drawn: Drawing | None) -> bool:
    """Tell whether a step's box leads to its page: in the big pictures it leads closer first."""
    if wish.shows in ("focus", "open"):
        return True
    return drawn is not None and drawn.picture.view.grouping == "steps" and wish.shows != "all"
