"""Drives a run in this process while showing it, asking about it, and telling how it ended."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass

from api.bootstrap import Application
from api.cli.access import Json
from api.cli.asking import Asker, exact_commands
from api.cli.board import Board
from api.cli.exits import Exit
from api.cli.follow import Attend, Show, Silence, follow, has_screen, nobody, showing
from api.cli.live import View
from api.cli.local import LocalAccess
from api.cli.screen import Format, complain, note, out, print_json
from api.cli.summary import print_rehearsal, print_summary
from api.locale import _, noted, told
from drorch.engine.rehearsal import UNSEEN
from drorch.ports.connector import Severity
from drorch.ports.lease import Lease
from drorch.run.state import RunState
from drorch.run.status import RunStatus

_STILL = 4
"""Looks in a row at which a run must wait for people before ``--no-input`` gives it up: an
answer may be in the inbox already."""

_REFUSALS = {"connector-refused": Exit.UNREACHABLE, "configuration": Exit.WRONG_USE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Manner:
    """How this process deals with people. ``may_ask`` when somebody sits at the terminal."""

    format: Format = Format.TABLE
    may_ask: bool = False
    no_input: bool = False
    program: str = "drorch"


class _NeedsPersonError(Exception):
    """Nothing moves until a person acts, and nobody may be asked here."""

    def __init__(self, run: Json) -> None:
        super().__init__(run["id"])
        self.run = run


async def carry_on(app: Application, run: str, lease: Lease | None, manner: Manner) -> Exit:
    """Drive *run* to its end here and return the code that this command ends with."""
    access = LocalAccess(app)
    try:
        ended = await _driven(app, access, run, lease, manner)
    except _NeedsPersonError as waiting:
        return _told_who_must_act(waiting.run, manner)
    except asyncio.CancelledError:
        command = f"{manner.program} run --continue {run}"
        note(_("the run {run} stays open; carry it on with: {command}", run=run, command=command))
        raise
    return await _told_end(access, ended, manner)


async def _driven(
    app: Application, access: LocalAccess, run: str, lease: Lease | None, manner: Manner
) -> Json:
    recorded = await access.events(run, 0)
    # One that begins here tells all of itself; one that is carried on has told it before.
    before = recorded[-1]["seq"] if lease is None and recorded else 0
    async with _driving(app, run, lease) as driven:
        imagined = (await access.run(run))["mode"] in ("dry-run", "simulate")
        if imagined or manner.format is Format.JSON:
            return await _followed(access, run, Silence(), _attend(manner), driven)
        view = View(board=Board(manner.program))
        with showing(app.settings.data_dir, view=view, told=before) as show:
            if not manner.may_ask:
                return await _followed(access, run, show, _attend(manner), driven)
            asker = Asker(access, show, manner.program, raw=has_screen(out()))
            with asker.listening():
                return await _followed(access, run, show, asker.attend, driven)


@contextlib.asynccontextmanager
async def _driving(
    app: Application, run: str, lease: Lease | None
) -> AsyncIterator[asyncio.Task[RunState]]:
    task = asyncio.create_task(app.supervisor.drive(run, lease=lease))
    anchoring = asyncio.create_task(app.anchor.keep())  # it may take the whole night
    try:
        yield task
    finally:
        for one in (task, anchoring):
            one.cancel()
        await asyncio.wait({task, anchoring})


async def _followed(
    access: LocalAccess, run: str, show: Show, attend: Attend, driven: asyncio.Task[RunState]
) -> Json:
    """Follow the run, but no longer than it is driven: what breaks the driver is raised."""
    following = asyncio.create_task(follow(access, run, show, attend))
    try:
        await asyncio.wait({driven, following}, return_when=asyncio.FIRST_COMPLETED)
        if driven.done() and not driven.cancelled() and (broken := driven.exception()):
            raise broken
        return await following
    finally:
        following.cancel()
        await asyncio.wait({following})


def _attend(manner: Manner) -> Attend:
    return _Patience().attend if manner.no_input else nobody


_FOR_PEOPLE = (RunStatus.WAITING, RunStatus.AWAITING_APPROVAL)
_OF_THE_RUN = noted("a second person has to approve it, within 15 minutes of when it was asked for")


class _Patience:
    """Ends the following once a run has waited for people at several looks in a row."""

    def __init__(self) -> None:
        self._looks = 0

    async def attend(self, run: Json) -> None:
        self._looks = self._looks + 1 if run["status"] in _FOR_PEOPLE else 0
        if self._looks >= _STILL:
            raise _NeedsPersonError(run)


def _told_who_must_act(run: Json, manner: Manner) -> Exit:
    if manner.format is Format.JSON:
        print_json(run)
    note(_("the run {run} waits for a person and stays open", run=run["id"]))
    for step, command in exact_commands(run, manner.program).items():
        found = next((s for s in run["steps"] if s["id"] == step), None)
        note(f"  {step}: {_wanted(found) if found else _(_OF_THE_RUN)}")
        note(f"    {command}")
    command = f"{manner.program} run --continue {run['id']}"
    note(_("then: {command}", command=command))
    return Exit.NEEDS_PERSON


def _wanted(step: Json) -> str:
    return step["question"] or told(step["error"] or step["waits_for"])


async def _told_end(access: LocalAccess, run: Json, manner: Manner) -> Exit:
    refusal = _refusal(run)
    if manner.format is Format.JSON:
        print_json(run)
    elif run["mode"] == "dry-run" and run["status"] != RunStatus.ABORTED and refusal is None:
        print_rehearsal(run)
    elif refusal is None:
        path = (await access.report(run["id"]))["critical_path"]
        print_summary(run, path if run["mode"] == "simulate" else (), program=manner.program)
    if refusal is not None:
        code, finding = refusal
        complain(finding["message"], finding["hint"])
        return code
    return _ended_with(run)


def _ended_with(run: Json) -> Exit:
    """Return the code for how *run* ended: a dry run whose only trouble is who was away says so."""
    if run["status"] == RunStatus.SUCCEEDED:
        return Exit.DONE
    errors = {f["code"] for f in run["findings"] if f["severity"] == Severity.ERROR}
    unseen = run["mode"] == "dry-run" and errors and errors <= UNSEEN
    return Exit.UNREACHABLE if unseen else Exit.ENDED_BADLY


def _refusal(run: Json) -> tuple[Exit, Json] | None:
    """Return what kept a dry run from looking at all, and the code for it."""
    for finding in run["findings"]:
        if run["mode"] == "dry-run" and finding["code"] in _REFUSALS:
            return _REFUSALS[finding["code"]], finding
    return None
