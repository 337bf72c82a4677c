"""One watch per hypervisor estate: one bulk reading serves every step that waits on it.

The number of observing calls does not depend on the number of machines: readings are shared,
spaced by the connector's ``survey_every``, and fast only while something is about to happen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
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

_EVER = float("-inf")
_ANY = ""
"""Waits for a change to any machine."""


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
        self._listeners: dict[Listener, list[str]] = {}
        self._followers: dict[str, list[Listener]] = {}
        self._waiters: dict[str, list[asyncio.Future[None]]] = {}
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
        """Tell *listener* of every reading; return the way to stop it.

        Of changes that are pushed it hears for the machines that it follows.
        """
        self._listeners[listener] = []

        def stop() -> None:
            for machine in self._listeners.pop(listener):
                self._followers[machine].remove(listener)

        return stop

    def follow(self, machines: Iterable[str], listener: Listener) -> None:
        """Tell *listener*, who listens already, of the changes to *machines* that are pushed."""
        followed = self._listeners[listener]
        for machine in machines:
            followers = self._followers.setdefault(machine, [])
            if listener not in followers:
                followers.append(listener)
                followed.append(machine)

    def hurry(self, who: object, *, on: bool) -> None:
        """Read fast while anybody is in a hurry."""
        if on and not self._busy:
            self._hasten()
        (self._busy.add if on else self._busy.discard)(who)

    def _hasten(self) -> None:
        """Have a reading soon: at once, unless what is pushed keeps the last one true."""
        if self.taken_at is None or not self.connector.capabilities.events:
            self._demanded.set()
        else:
            loop = asyncio.get_running_loop()
            loop.call_at(self.taken_at + IDLE_EVERY, self._demanded.set)

    def find(self, ref: MachineRef) -> Sighting | None:
        """Return the last reading of the machine that a plan names, if it was seen."""
        if ref.id is not None:
            # A connector may know a machine by more ids than the one that it lists it under.
            known = self.machines.get(ref.id) or self._read_by_name.get(ref.id)
            if known is not None and known.machine == ref.id:
                return known
            return self.machines.get(known.machine, known) if known else None
        if self._names is None:
            self._names = {}
            for sighting in self.machines.values():
                self._names.setdefault(sighting.name, []).append(sighting.machine)
        found = self._names.get(ref.name or "", [])
        return self.machines[found[0]] if len(found) == 1 else None

    def recall(self, ref: MachineRef, *, max_age: float) -> Sighting | None:
        """Return what `look` would, if that is known already."""
        if self.failure is not None or self.taken_at is None:
            return None
        # Where changes are pushed, what was read is still true, however long ago that was.
        if not self.connector.capabilities.events and self.taken_at < _time() - max_age:
            return None
        return self.find(ref)

    async def look(self, ref: MachineRef, *, max_age: float) -> Sighting:
        """Return a reading of *ref* that began at most *max_age* seconds ago.

        0 means: after this call. Raises what keeps the estate from answering, or
        `MachineNotFoundError`.
        """
        if max_age > 0 and self.connector.capabilities.events:
            return await self.look_since(ref, _EVER)  # what changes is pushed: still true
        return await self.look_since(ref, _time() - max_age)

    async def look_since(self, ref: MachineRef, moment: float) -> Sighting:
        """Return a reading of *ref* that began at *moment* of the loop's clock or later.

        Raises as `look` does.
        """
        while self.failure is not None or self.taken_at is None or self.taken_at < moment:
            self._demanded.set()
            await self.next_reading()
            if self.failure is not None:
                raise self.failure
        sighting = self.find(ref)
        if sighting is None:
            raise self._not_found(ref)
        return sighting

    async def next_reading(self, ref: MachineRef | None = None) -> None:
        """Return after the next reading, also a failed one, or the next change that is pushed.

        With *ref* only changes to that machine count, as far as it has been seen.
        """
        found = self.find(ref) if ref is not None else None
        machine = found.machine if found is not None else _ANY
        waiter = asyncio.get_running_loop().create_future()
        self._waiters.setdefault(machine, []).append(waiter)
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
        self._publish()

    def _failed(self, error: ConnectorError) -> None:
        if self.failure is None:
            log.warning("estate.away", connector=self.name, reason=error.message)
        self.failure = error
        self._publish()

    def _pushed(self, sightings: Sequence[Sighting]) -> None:
        if self.taken_at is None:
            return
        changed = {sighting.machine: sighting for sighting in sightings}
        self.machines.update(changed)
        self._pushed_meanwhile.update(changed)
        told: dict[Listener, list[Sighting]] = {}
        for machine, sighting in changed.items():
            for listener in self._followers.get(machine, ()):
                told.setdefault(listener, []).append(sighting)
        for listener, news in told.items():
            listener(self, news)
        self._wake((_ANY, *changed))

    def _publish(self) -> None:
        """Tell everybody of a reading."""
        for listener in list(self._listeners):
            listener(self, None)
        self._wake(list(self._waiters))

    def _wake(self, machines: Iterable[str]) -> None:
        for machine in machines:
            for waiter in self._waiters.pop(machine, ()):
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
