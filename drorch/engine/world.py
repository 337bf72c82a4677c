"""What an executor needs of the outside, gathered: estates, checks, callouts, holds."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, TypeAlias

import structlog

from drorch.engine.watch import EstateWatch
from drorch.errors import JournalUnavailableError
from drorch.ports.callout import Callouts
from drorch.ports.check import Prober
from drorch.ports.clock import Clock
from drorch.ports.journal import EVERYTHING, Journal

log = structlog.get_logger()

HOLDS_UNKNOWN = "the holds cannot be read, and one of them may forbid this order"
REFRESH = 0.25
"""Seconds between two readings of the holds while an order is pending."""
STALE = 1.0
"""Seconds after which a reading of the holds no longer lets an order leave."""
_AGAIN = 1.0

_Key: TypeAlias = tuple[str, str]
_Question: TypeAlias = tuple[tuple[_Key, ...], asyncio.Future[str]]
"""The names of one machine, each with its connector, and where the answer goes."""


class _Reading(NamedTuple):
    """What was said about which names, and when; never changed, so any thread may look at it."""

    taken_at: float
    about: frozenset[_Key]
    held: Mapping[_Key, str]
    clock: Callable[[], float]


class HoldGuard:
    """Asks for holds just before each order, and again and again until the order has left.

    Orders that wait at the same time share a read.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._asking: list[_Question] = []
        self._foreseen: set[_Key] = set()
        self._pending: dict[tuple[_Key, ...], int] = {}
        self._reading: _Reading | None = None
        self._task: asyncio.Task[None] | None = None
        self._refresh: asyncio.TimerHandle | None = None

    async def reason(self, connector: str, *machine: str, since: float | None = None) -> str:
        """Return why a machine must not be started, empty if nothing forbids it now.

        *machine* is its id and whatever else a person may have called it when holding it.

        The read begins after this call: a hold that was placed before it is seen. With *since*,
        by the loop's clock, a young one that began then or later will do, if it was `foreseen`.
        """
        return await self._reason(_keys(connector, machine), since)

    async def _reason(self, keys: tuple[_Key, ...], since: float | None) -> str:
        last = self._reading
        if since is not None and last is not None and since <= last.taken_at:
            young = last.clock() - last.taken_at < REFRESH
            if young and last.about.issuperset(keys):
                return _first(last.held, keys) if last.held else ""
        answer: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._asking.append((keys, answer))
        self._read_on()
        return await answer

    def foresee(self, machines: Iterable[tuple[str, str]]) -> None:
        """Read soon about these (connector, name): orders are intended whose `reason` is next."""
        self._foreseen.update(machines)
        self._read_on()

    def pending(self, connector: str, *machine: str) -> Pending:
        """Keep `forbids` up to date about a machine for as long as an order for it is pending."""
        return Pending(self, _keys(connector, machine))

    def _await(self, keys: tuple[_Key, ...]) -> None:
        self._pending[keys] = self._pending.get(keys, 0) + 1
        if self._refresh is None:
            self._read_again()

    def _leave(self, keys: tuple[_Key, ...]) -> None:
        left = self._pending[keys] - 1
        if left:
            self._pending[keys] = left
        else:
            del self._pending[keys]

    def forbids(self, connector: str, *machine: str) -> str:
        """Return why an order must not leave at this instant, empty if it may; from any thread.

        Answers from the last reading, of which it is `HOLDS_UNKNOWN` that it is too old or says
        nothing about this machine: ask for the `reason` while it is `pending` first.
        """
        return self._forbids(_keys(connector, machine))

    def _forbids(self, keys: tuple[_Key, ...]) -> str:
        last = self._reading
        if last is None or last.clock() - last.taken_at > STALE or not last.about.issuperset(keys):
            return HOLDS_UNKNOWN
        return _first(last.held, keys) if last.held else ""

    @property
    def halted(self) -> str:
        """Why nothing at all may be ordered, by the last reading; empty when drorch goes on."""
        return self._reading.held.get(EVERYTHING, "") if self._reading is not None else ""

    def _read_on(self) -> None:
        if self._task is None:
            self._task = asyncio.create_task(self._read())

    async def _read(self) -> None:
        """Read as long as somebody asks, one reading after the other."""
        try:
            while True:
                asking, self._asking = self._asking, []
                await self._read_once(asking)
                if not (self._asking or self._foreseen):
                    return
        finally:
            self._task = None
            self._read_again()

    def _read_again(self) -> None:
        """Have the next reading soon, as long as an order is pending."""
        if self._refresh is None and self._pending:
            loop = asyncio.get_running_loop()
            self._refresh = loop.call_later(REFRESH, self._refreshed)

    def _refreshed(self) -> None:
        self._refresh = None
        if self._pending:
            self._read_on()

    async def _read_once(self, asking: list[_Question]) -> None:
        about = {key for keys, _ in asking for key in keys}.union(self._foreseen, *self._pending)
        self._foreseen.clear()
        clock = asyncio.get_running_loop().time
        began = clock()  # an answer that was long on its way is as old as its question
        try:
            held = await self._journal.held(list(about))
        except JournalUnavailableError as error:
            log.warning("holds.unavailable", reason=error.message)
            await asyncio.sleep(_AGAIN)  # what is not known may forbid the order
            self._asking += [ask for ask in asking if not ask[1].done()]
        except Exception as error:
            if not asking:
                log.exception("holds.broke")
            _tell(asking, error)
        else:
            self._reading = _Reading(began, frozenset(about), held, clock)
            for keys, answer in asking:
                if not answer.done():
                    answer.set_result(_first(held, keys))


class Pending:
    """An order about to leave, from the ``with`` on until it has left or nobody waits for it."""

    __slots__ = ("_guard", "_keys")

    def __init__(self, guard: HoldGuard, keys: tuple[_Key, ...]) -> None:
        self._guard = guard
        self._keys = keys

    def __enter__(self) -> None:
        self._guard._await(self._keys)  # noqa: SLF001 (a part of the guard)

    def __exit__(self, *_: object) -> None:
        self._guard._leave(self._keys)  # noqa: SLF001

    def reason(self, since: float | None) -> Awaitable[str]:
        """Return what `HoldGuard.reason` does of its machine."""
        return self._guard._reason(self._keys, since)  # noqa: SLF001

    def forbids(self) -> str:
        """Return what `HoldGuard.forbids` does of its machine."""
        return self._guard._forbids(self._keys)  # noqa: SLF001


def _keys(connector: str, machine: Sequence[str]) -> tuple[_Key, ...]:
    return tuple([(connector, name) for name in machine])


def _first(held: Mapping[_Key, str], keys: Sequence[_Key]) -> str:
    return next((held[key] for key in (EVERYTHING, *keys) if key in held), "")


def _tell(asking: list[_Question], error: Exception) -> None:
    for _, answer in asking:
        if not answer.done():
            answer.set_exception(error)


def _may_act() -> str:
    return ""


async def _may_stop(machine: str) -> str:
    del machine
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """``estates`` by connector name.

    ``may_act`` tells why this process must not order anything (it lost the run, or is about to
    end), empty if it may. It is asked from any thread just before an order leaves, and is quick.
    """

    estates: Mapping[str, EstateWatch]
    prober: Prober
    callouts: Callouts
    holds: HoldGuard
    clock: Clock
    may_act: Callable[[], str] = _may_act
    may_stop: Callable[[str], Awaitable[str]] = _may_stop
    """Tells why a machine must not be stopped now, empty if it may: then the order is counted."""
    driven_since: float | None = None
    """By the loop's clock: when this process began to drive the run, after its last owner's end."""
