"""A hypervisor, a database and the orchestrators on it, for as long as a test lasts."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from api.bootstrap import Application
from api.callers import system_caller
from api.operations import Wish, choose_plan, start_run
from api.settings import load_settings
from connectors.simulated.fleet import Fleet
from connectors.simulated.machine import Action, LogEntry, Result, State
from connectors.simulated.server import Simulator, simulating
from drorch.ports.journal import Recorded
from drorch.run import events as ev
from drorch.run.status import Mode
from tests.chaos import tally
from tests.chaos.seat import PATIENCE, Seat, pid_of
from tests.real.postgres import PostgresServer


async def until(condition: Callable[[], bool], what: str, within: float = PATIENCE) -> None:
    """Return as soon as *condition* holds."""
    deadline = time.monotonic() + within
    while not condition():
        assert time.monotonic() < deadline, f"not within {within:g} s: {what}"
        await asyncio.sleep(0.02)


@dataclass(slots=True)
class Scene:
    """``office`` is a process that drives nothing: it makes runs and reads journals."""

    folder: Path
    simulator: Simulator
    seats: Sequence[Seat]
    office: Application
    config: Path
    run: str = ""
    log_begins: int = 0
    _known: dict[str, list[Recorded]] = field(default_factory=dict)

    @property
    def database(self) -> str:
        return "PostgreSQL" if self.seats[0].line else "SQLite"

    async def begin(self, plan: dict[str, Any]) -> str:
        """Make a live run that the next engine takes up."""
        await self._all_off()
        self.run = await self.also(plan)
        return self.run

    async def reopen_office(self) -> None:
        """Look at the journal anew, after it was closed to be changed behind its back."""
        await self.leave()
        self._known.clear()
        self.office = await Application(load_settings(self.config, {})).__aenter__()

    async def leave(self) -> None:
        await self.office.__aexit__(None, None, None)

    async def also(self, plan: dict[str, Any]) -> str:
        """Make another live run beside it."""
        path = self.written(plan)
        chosen = await choose_plan(self.office, str(path), caller=system_caller("test"))
        wish = Wish(chosen=chosen, mode=Mode.LIVE, caller=system_caller("test"))
        run, _ = await start_run(self.office, wish, keep_lease=False)
        return run

    def written(self, plan: dict[str, Any]) -> Path:
        """Write *plan* to a file (JSON is YAML)."""
        path = self.folder / f"{plan['plan']}.yaml"
        path.write_text(json.dumps(plan))
        return path

    async def _all_off(self) -> None:
        world = self.simulator.world
        for machine in world.machines.values():
            if machine.state is not State.STOPPED:
                world.order(machine.spec.id, Action.STOP)
        machines = world.machines.values()
        await until(lambda: all(m.state is State.STOPPED for m in machines), "machines off")
        self.log_begins = len(world.log)

    def orders(self) -> list[LogEntry]:
        """Return the start orders that the hypervisor received in this run."""
        log = self.simulator.world.log[self.log_begins :]
        return [entry for entry in log if entry.action is Action.START]

    def accepted(self) -> list[LogEntry]:
        return [entry for entry in self.orders() if entry.result is Result.ACCEPTED]

    def carried_out(self) -> list[str]:
        """Return the callouts that were carried out, as they noted it themselves."""
        notes = self.seats[0].notes
        return notes.read_text().split() if notes.exists() else []

    async def journal(self, after: int = 0) -> Sequence[Recorded]:
        return await self.office.store.read(self.run, after)

    async def _news(self) -> Sequence[Recorded]:
        """Return the journal, of which only what is new is read: who looks often is no load."""
        known = self._known.setdefault(self.run, [])
        known += await self.journal(len(known))
        return known

    async def owners(self) -> list[ev.RunStarted | ev.RunAdopted]:
        """Return who began to drive the run, in order."""
        events = [record.event for record in await self._news()]
        return [e for e in events if isinstance(e, ev.RunStarted | ev.RunAdopted)]

    def seat_of(self, driver: str) -> Seat | None:
        """Return the orchestrator that calls itself *driver*, if it is still that process."""
        return next((seat for seat in self.seats if seat.engine == pid_of(driver)), None)

    async def orders_without_ownership(self) -> list[str]:
        """Return the orders that left a seat while the journal has another one as the owner."""
        owners = [(e.at.timestamp(), pid_of(e.driver)) for e in await self.owners()]
        found = []
        for seat in self.seats:
            lives = seat.lives()
            for at, machine in seat.tap.orders:
                owner = [pid for begun, pid in owners if begun <= at][-1:]
                if not lives.intersection(owner):
                    found.append(f"{machine} at {at:.3f} by {seat.folder.name}: {owners}")
        tally.count(self.database, tally.WITHOUT_OWNERSHIP, len(found))
        return found

    async def new_owner(self, than: int, within: float = PATIENCE) -> ev.RunStarted | ev.RunAdopted:
        """Return the first owner behind the first *than* ones, as soon as the journal has it."""
        deadline = time.monotonic() + within
        while len(found := await self.owners()) <= than:
            assert time.monotonic() < deadline, f"nobody took {self.run} over in {within:g} s"
            await asyncio.sleep(0.02)
        return found[than]

    async def is_over(self) -> bool:
        newest = (await self._news())[-1].event
        return isinstance(newest, ev.RunEnded)

    async def finish(self, within: float = PATIENCE) -> Sequence[Recorded]:
        """Return the journal once the run is over."""
        deadline = time.monotonic() + within
        while not await self.is_over():
            assert time.monotonic() < deadline, f"{self.run} did not end in {within:g} s"
            await asyncio.sleep(0.1)
        return await self.journal()

    async def has_appeared(self, seat: Seat, note: str = "") -> None:
        """Return once *seat* is listed as alive, with *note* in what it has to say.

        What it says about a run is forgotten when that is over.
        """
        deadline = time.monotonic() + PATIENCE
        while not any(
            node.alive and pid_of(node.identity.name) == seat.engine and note in node.note
            for node in await self.office.nodes.all()
        ):
            assert time.monotonic() < deadline, f"{seat.folder} did not appear, saying {note!r}"
            note = "" if note and await self.is_over() else note
            await asyncio.sleep(0.05)


@asynccontextmanager
async def scene(
    folder: Path,
    fleet: Fleet,
    *,
    postgres: PostgresServer | None = None,
    seats: int = 1,
    lease: float = 1.0,
    data: Path | None = None,
) -> AsyncIterator[Scene]:
    """Set a scene: on *postgres* (a database of its own), or on SQLite in one data folder."""
    database = postgres.make().rpartition("/")[2] if postgres else ""
    async with AsyncExitStack() as stack:
        simulator = await stack.enter_async_context(simulating(fleet, seed=1))
        places: list[Seat] = []
        for number in range(seats):
            seat = Seat(
                folder / f"seat{number}",
                hypervisor=simulator.port,
                postgres=postgres,
                database=database,
                lease=lease,
                data=data,
            )
            stack.push_async_callback(seat.leave)
            places.append(seat)
        config = folder / "office.toml"
        told = places[0].config.read_text()
        told = told.replace(str(places[0].way.port), str(simulator.port))
        if postgres is not None and places[0].line is not None:
            told = told.replace(str(places[0].line.port), str(postgres.port))
            told = told.replace(str(places[0].data), str(folder / "office"))
        config.write_text(told)
        office = await Application(load_settings(config, {})).__aenter__()
        found = Scene(folder, simulator, places, office, config)
        stack.push_async_callback(found.leave)
        yield found
