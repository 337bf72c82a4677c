"""One watch per hypervisor estate: one bulk reading serves every step that waits on it.

The number of observing calls does not depend on the number of machines: readings are shared,
spaced by the connector's ``survey_every``, and fast only while something is about to happen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import structlog

from drorch.errors import (
    AuthenticationError,
    CertificateError,
    ConnectorError,
    MachineNotFoundError,
    ProtocolError,
    UnreachableError,
)
from drorch.model.plan import MachineRef
from drorch.ports.connector import Connector, HostSighting, Sighting, Survey

log = structlog.get_logger()

IDLE_EVERY = 3.0
"""Seconds between readings when nothing is about to happen."""
IDLE_EVERY_WITH_EVENTS = 15.0
_DEADLINE = 60.0
_AWAY_FIRST, _AWAY_LONGEST = 1.0, 5.0

Listener: TypeAlias = Callable[["EstateWatch", Sequence[Sighting] | None], None]
"""Told after each reading (None: all may have changed) and after each pushed change."""


class EstateWatch:
    """The latest reading of one estate, kept fresh by a task that `run` is."""

    def __init__(self, connector: Connector) -> None:
        self.connector = connector
        self.name = connector.name
        self.machines: dict[str, Sighting] = {}
        self.hosts: dict[str, HostSighting] = {}
        self.quorum_lost = ""
        self.failure: ConnectorError | None = None
        self.taken_at: float | None = None
        self._names: dict[str, list[str]] | None = None
        self._read_by_name: Mapping[str, Sighting] = {}
        self._listeners: list[Listener] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._busy: set[object] = set()
        self._demanded = asyncio.Event()
        self._away = _AWAY_FIRST
        self._pushed_meanwhile: dict[str, Sighting] = {}

    async def run(self) -> None:
        """Read until cancelled."""
        stop = self.connector.subscribe(self._pushed)
        try:
            while True:
                began = _time()
                await self._read(began)
                await self._rest(began)
        finally:
            stop()

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Tell *listener* of every reading; return the way to stop it."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener)

    def hurry(self, who: object, *, on: bool) -> None:
        """Read fast while anybody is in a hurry."""
        if on and not self._busy:
            self._demanded.set()
        (self._busy.add if on else self._busy.discard)(who)

    def find(self, ref: MachineRef) -> Sighting | None:
        """Return the last reading of the machine that a plan names, if it was seen."""
        if ref.id is not None:
            # A connector may know a machine by more ids than the one that it lists it under.
            known = self.machines.get(ref.id) or self._read_by_name.get(ref.id)
            return self.machines.get(known.machine, known) if known else None
        if self._names is None:
            self._names = {}
            for sighting in self.machines.values():
                self._names.setdefault(sighting.name, []).append(sighting.machine)
        found = self._names.get(ref.name or "", [])
        return self.machines[found[0]] if len(found) == 1 else None

    async def look(self, ref: MachineRef, *, max_age: float) -> Sighting:
        """Return a reading of *ref* that began at most *max_age* seconds ago.

        0 means: after this call. Raises what keeps the estate from answering, or
        `MachineNotFoundError`.
        """
        oldest = _time() - max_age
        if self.connector.capabilities.events and max_age > 0:
            oldest = float("-inf")  # changes are pushed: the last reading is still true
        while self.failure is not None or self.taken_at is None or self.taken_at < oldest:
            self._demanded.set()
            await self.next_reading()
            if self.failure is not None:
                raise self.failure
        sighting = self.find(ref)
        if sighting is None:
            raise self._not_found(ref)
        return sighting

    async def next_reading(self) -> None:
        """Return after the next reading or pushed change, also a failed one."""
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.append(waiter)
        await waiter

    def _not_found(self, ref: MachineRef) -> MachineNotFoundError:
        if ref.name is not None and len((self._names or {}).get(ref.name, [])) > 1:
            ids = ", ".join((self._names or {})[ref.name])
            return MachineNotFoundError(
                f"{ref.connector} has several machines called {ref.name!r}: {ids}",
                hint="name the machine by its id in the plan",
            )
        return MachineNotFoundError(
            f"{ref.connector} has no machine {ref.id or ref.name!r} (or its credentials may not "
            "see it)",
            hint="compare the plan with 'drorch fleet'; a machine that was restored may have "
            "a new id",
        )

    async def _read(self, began: float) -> None:
        self._pushed_meanwhile.clear()
        try:
            async with asyncio.timeout(_DEADLINE):
                survey = await self.connector.survey()
        except TimeoutError:
            self._failed(UnreachableError(f"{self.name} did not answer within {_DEADLINE:g} s"))
        except ConnectorError as error:
            self._failed(error)
        except Exception as error:
            # A defect or a half-changed configuration must not leave every run here waiting.
            log.exception("estate.broke", connector=self.name)
            self._failed(ProtocolError(f"{self.name}: {type(error).__name__}: {error}"))
        else:
            self._succeeded(survey, began)

    def _succeeded(self, survey: Survey, began: float) -> None:
        # A change that was pushed while the reading was under way is newer than what it read.
        self.machines = {**survey.machines, **self._pushed_meanwhile}
        self._read_by_name = survey.machines
        self.hosts = dict(survey.hosts)
        self.quorum_lost = "" if survey.quorate else (survey.reason or "no quorum")
        self.failure, self._names, self.taken_at = None, None, began
        self._away = _AWAY_FIRST
        self._publish(None)

    def _failed(self, error: ConnectorError) -> None:
        if self.failure is None:
            log.warning("estate.away", connector=self.name, reason=error.message)
        self.failure = error
        self._publish(None)

    def _pushed(self, sightings: Sequence[Sighting]) -> None:
        if self.taken_at is None:
            return
        changed = {sighting.machine: sighting for sighting in sightings}
        self.machines.update(changed)
        self._pushed_meanwhile.update(changed)
        self._publish(sightings)

    def _publish(self, changed: Sequence[Sighting] | None) -> None:
        for listener in list(self._listeners):
            listener(self, changed)
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def _rest(self, began: float) -> None:
        """Wait for the interval; a demand shortens it, but never below ``survey_every``."""
        shortest = self.connector.capabilities.survey_every
        if self.failure is not None:
            # A refused credential is not worth asking often: some servers punish each attempt.
            denied = isinstance(self.failure, AuthenticationError | CertificateError)
            shortest = 30.0 if denied else self._away
            self._away = min(self._away * 2, _AWAY_LONGEST)
            self._demanded.clear()
        await asyncio.sleep(max(0.0, began + shortest - _time()))
        try:
            async with asyncio.timeout_at(began + self._interval(shortest)):
                await self._demanded.wait()
        except TimeoutError:
            return
        finally:
            self._demanded.clear()

    def _interval(self, shortest: float) -> float:
        if self.failure is not None:
            return shortest  # this long ago already: somebody waits for its return
        events = self.connector.capabilities.events
        idle = IDLE_EVERY_WITH_EVENTS if events else IDLE_EVERY
        if self._busy:
            return IDLE_EVERY if events else shortest
        return max(idle, shortest)


def _time() -> float:
    return asyncio.get_running_loop().time()
