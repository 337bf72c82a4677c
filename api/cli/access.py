"""What commands need of drorch, whether the store is here or behind a service."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeAlias

from api.access import WantedToken
from api.cli.exits import WrongUseError
from api.locale import _
from api.on_paper import Tick
from api.operations import Approval

Json: TypeAlias = dict[str, Any]

LAST = "last"
_LIKE_A_RUN = re.compile(r"-\d+$")
_LOOKED_AT = 100
"""Runs among which the one of a plan is looked for."""


class Verb(StrEnum):
    """What a person may decide; the words of the command line and of the REST API."""

    APPROVE = "approve"
    REJECT = "reject"
    RETRY = "retry"
    SKIP = "skip"
    ACCEPT = "accept"
    PAUSE = "pause"
    RESUME = "resume"
    ABORT = "abort"


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """A decision of a person; ``step`` None when it is about the whole run."""

    run: str
    verb: Verb
    step: str | None = None
    comment: str = ""
    approval: Approval | None = None
    """Set when the decision is the approval of a whole run."""


class RunList(NamedTuple):
    """Runs, newest first. ``more`` tells that there are older ones."""

    items: list[Json]
    more: bool


class Access(Protocol):
    """Reads and decides. ``RUN`` is an id here; `find_run` turns ``last`` into one."""

    async def runs(self, limit: int | None) -> RunList:
        """Return the newest runs, at most *limit* of them; None for all."""

    async def run(self, run: str) -> Json:
        """Return a run with its ``steps``. Raises `RunNotFoundError`."""

    async def events(self, run: str, after: int) -> list[Json]:
        """Return what the run has recorded behind event number *after*."""

    async def decide(self, given: Given) -> bool:
        """Give a decision; False when it waits for a process that drives the run."""

    async def paper(self, run: str, tick: Tick) -> bool:
        """Enter a tick of the printed runbook; False when it waits for a process that drives."""

    async def report(self, run: str) -> Json: ...

    async def holds(self) -> list[Json]: ...

    async def hold(self, connector: str, machine: str, reason: str) -> list[Json]:
        """Hold a machine, its id or name, and return what is held now, with what was seen of it."""

    async def release(self, connector: str, machine: str) -> bool:
        """Lift the hold of a machine, its id or name; False when it is not held."""

    async def connectors(self) -> list[Json]: ...

    async def check(self, name: str) -> Json: ...

    async def nodes(self) -> list[Json]: ...

    async def halted(self) -> Json:
        """Return whether drorch is ``halted``, since when, by whom and why."""

    async def halt(self, reason: str) -> Json:
        """Let nothing new out anywhere; a second halt leaves the first as it is."""

    async def lift(self) -> None:
        """Let things out again. Raises when drorch is not halted."""

    async def tokens(self) -> list[Json]: ...

    async def make_token(self, wanted: WantedToken) -> Json:
        """Make a token and return it with its secret as ``token``, which is nowhere else."""

    async def revoke_token(self, key: str) -> None:
        """Revoke a token by its id or name. Raises when there is none."""

    async def audit(self, limit: int) -> list[Json]:
        """Return the newest entries of the record, at most *limit* of them."""

    async def verify_audit(self, *, checkpoint: bool) -> Json:
        """Return what is known of the record; with *checkpoint* one is written first."""

    async def public_status(self) -> Json:
        """Return what the public may know of the services, as ``/status.json`` has it."""

    async def fleet(self) -> Json:
        """Return the machines (``items``) and the connectors that do not answer (``away``)."""


async def find_run(access: Access, name: str, command: str = "drorch status {run}") -> str:
    """Return the id that *name* stands for: ``last`` is the newest run.

    Raises `WrongUseError` for a plan's id, with its open run put into *command*.
    """
    if name == LAST:
        newest = await access.runs(1)
        if not newest.items:
            raise WrongUseError(_("there is no run yet"), hint=_("'drorch run FILE' makes one"))
        return str(newest.items[0]["id"])
    if not _LIKE_A_RUN.search(name):
        await _refuse_plan(access, name, command)
    return name


async def _refuse_plan(access: Access, name: str, command: str) -> None:
    """Help who types the name of a plan: at night that is what one remembers."""
    known = (await access.runs(_LOOKED_AT)).items
    if any(run["id"] == name for run in known):
        return
    runs = [run for run in known if run["plan"] == name]
    if not runs:
        return
    still_open = [run for run in runs if not run["ended_at"]]
    run = (still_open or runs)[0]["id"]
    if still_open:
        which = _("{plan} is a plan; its open run is {run}", plan=name, run=run)
    else:
        which = _("{plan} is a plan; its newest run (it has ended) is {run}", plan=name, run=run)
    raise WrongUseError(which, hint=_("type: {command}", command=command.format(run=run)))
