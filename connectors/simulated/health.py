"""The machines' own ports: refused while a machine is off, 503 until its application is well."""

from __future__ import annotations

import resource
import sys

from connectors.simulated.machine import Machine, State
from connectors.simulated.wire import Listener, Reply, Request, listening_socket
from connectors.simulated.world import World
from drorch.errors import ConfigurationError

_SPARE_FILES = 256


class HealthPorts:
    """Opens and closes the port of each machine as it runs and stops."""

    def __init__(self, world: World) -> None:
        self._listeners: dict[str, Listener] = {}
        machines = [m for m in world.machines.values() if m.spec.port is not None]
        _allow_files(len(machines))
        for machine in machines:
            self._prepare(machine)
        self._ignore = world.witness(self._changed)

    def close(self) -> None:
        self._ignore()
        for listener in self._listeners.values():
            listener.close()

    def _prepare(self, machine: Machine) -> None:
        port = machine.spec.port or 0
        try:
            listening_socket(port).close()
        except OSError as error:
            raise ConfigurationError(
                f"machine {machine.spec.id} ({machine.spec.name}): port {port} cannot be used:"
                f" {error.strerror}",
                hint="end the program that uses it, or give the machine another 'port'",
            ) from error

        async def health(request: Request) -> Reply | None:
            return _answer(machine, request)

        self._listeners[machine.spec.id] = Listener(health, port)

    def _changed(self, machine: Machine) -> None:
        listener = self._listeners.get(machine.spec.id)
        if listener is None:
            return
        if machine.state is State.RUNNING:
            _open(listener, machine)
        else:
            listener.close()


def _open(listener: Listener, machine: Machine) -> None:
    """Open the port; one that was taken meanwhile is the machine's trouble, not the world's."""
    try:
        listener.open()
        machine.problem = ""
    except OSError as error:
        machine.problem = f"port {listener.port} cannot be used: {error.strerror}"
        sys.stderr.write(f"machine {machine.spec.id} ({machine.spec.name}): {machine.problem}\n")


def _answer(machine: Machine, request: Request) -> Reply:
    if request.path[:1] not in {("health",), ("",)}:
        return Reply(404, b"not found\n", "text/plain")
    if machine.well:
        return Reply(200, b"ok\n", "text/plain")
    why = "starting" if not machine.app_up else "what it needs does not answer"
    return Reply(503, f"not well: {why}\n".encode(), "text/plain")


def _allow_files(ports: int) -> None:
    """Raise this process's limit of open files far enough for *ports* sockets."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = 2 * ports + _SPARE_FILES
    if soft != resource.RLIM_INFINITY and soft < wanted:
        top = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (top, hard))
