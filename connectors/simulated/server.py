"""The simulated hypervisor as a process: its API, its machines' ports, its end by a signal."""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from connectors.simulated import fleet as fleets
from connectors.simulated.fleet import Fleet
from connectors.simulated.health import HealthPorts
from connectors.simulated.routes import Routes
from connectors.simulated.wire import Listener, Reply, Request
from connectors.simulated.world import World
from drorch.errors import ConfigurationError

_LOOPBACK = {"127.0.0.1", "localhost"}
_REOPEN = 0.1
"""Seconds between two tries to take the port again after an outage that was asked for."""


class Simulator:
    """One simulated hypervisor in the running loop. ``port`` is known once it listens."""

    def __init__(self, fleet: Fleet, port: int = 0, *, chance: random.Random | None = None) -> None:
        self.world = World(fleet, chance=chance)
        self._listener = Listener(self._answer, port)
        self._health: HealthPorts | None = None
        self._routes: Routes | None = None
        self._reopening: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        return self._listener.port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def open(self) -> None:
        """Listen; raises `ConfigurationError` that names a port which cannot be used."""
        self._health = HealthPorts(self.world)
        try:
            self._listener.open()
        except OSError as error:
            self._health.close()
            raise ConfigurationError(
                f"the simulator cannot listen on port {self.port}: {error.strerror}",
                hint="end the program that uses it, or choose another with --port",
            ) from error
        identity = f"simulated:{self.world.fleet.digest[:16]}:{self.port}"
        self._routes = Routes(self.world, identity, self.go_dark)

    def close(self) -> None:
        if self._reopening is not None:
            self._reopening.cancel()
        self._listener.close()
        if self._health is not None:
            self._health.close()
        self.world.close()

    def go_dark(self, seconds: float) -> None:
        """Refuse every connection for *seconds*, beginning after the call that asked for it."""
        loop = asyncio.get_running_loop()
        loop.call_later(_REOPEN / 10, self._listener.close)
        self._light_up_later(seconds)

    def light_up(self) -> None:
        """Answer again, now or as soon as the port is free."""
        try:
            self._listener.open()
        except OSError:
            self._light_up_later(_REOPEN)

    def _light_up_later(self, seconds: float) -> None:
        if self._reopening is not None:
            self._reopening.cancel()
        self._reopening = asyncio.get_running_loop().call_later(seconds, self.light_up)

    async def _answer(self, request: Request) -> Reply | None:
        return await self._routes.answer(request) if self._routes else None


@contextlib.asynccontextmanager
async def simulating(
    fleet: Fleet, port: int = 0, *, seed: int | None = None
) -> AsyncIterator[Simulator]:
    """Run a simulator in this very process for as long as the context lasts."""
    chance = random.Random(seed)  # noqa: S311 (reproducible on purpose)
    simulator = Simulator(fleet, port, chance=chance)
    simulator.open()
    try:
        yield simulator
    finally:
        simulator.close()


async def run(
    fleet_path: Path,
    port: int,
    *,
    host: str = "127.0.0.1",
    seed: int | None = None,
    listening: Callable[[Simulator], None] | None = None,
) -> None:
    """Simulate the fleet of the file until SIGTERM or SIGINT.

    *listening* is called once connections are accepted; by default one line is printed then.
    Raises `ConfigurationError` for an unusable file or port, or an address beyond loopback.
    """
    if host not in _LOOPBACK:
        raise ConfigurationError(
            f"the simulator listens on loopback only, not on {host}",
            hint="it has no authentication; use 127.0.0.1",
        )
    ended = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, ended.set)
    async with simulating(fleets.load(fleet_path), port, seed=seed) as simulator:
        (listening or _announce)(simulator)
        await ended.wait()


def _announce(simulator: Simulator) -> None:
    machines = len(simulator.world.machines)
    sys.stdout.write(f"simulated hypervisor with {machines} machines on {simulator.url}\n")
    sys.stdout.flush()
