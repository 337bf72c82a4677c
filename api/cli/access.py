"""What commands need of drorch, whether the store is here or behind a service."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any, NamedTuple, Protocol, TypeAlias

from api.cli.exits import WrongUseError

Json: TypeAlias = dict[str, Any]

LAST = "last"


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

    async def report(self, run: str) -> Json: ...

    async def holds(self) -> list[Json]: ...

    async def hold(self, connector: str, machine: str, reason: str) -> None: ...

    async def release(self, connector: str, machine: str) -> bool: ...

    async def connectors(self) -> list[Json]: ...

    async def check(self, name: str) -> Json: ...

    async def fleet(self) -> Json:
        """Return the machines (``items``) and the connectors that do not answer (``away``)."""


async def find_run(access: Access, name: str) -> str:
    """Return the id that *name* stands for: ``last`` is the newest run."""
    if name != LAST:
        return name
    newest = await access.runs(1)
    if not newest.items:
        raise WrongUseError("there is no run yet", hint="'drorch run FILE' makes one")
    return str(newest.items[0]["id"])
