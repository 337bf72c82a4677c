"""The guest agent: at most one ping for each node and second, however many machines wait."""

from __future__ import annotations

import time
from collections.abc import Mapping

from connectors.proxmox.inventory import Inventory
from connectors.proxmox.pacing import Pacers, SharedReading
from connectors.proxmox.rights import agent_right
from connectors.proxmox.session import Ask, Gateway
from drorch.errors import PermissionDeniedError, RefusedError
from drorch.ports.connector import AgentAnswer

OLDEST = 2.0
"""Seconds that an answer counts, beside one for each ping that waits before the next."""


class Agents:
    """Pings guest agents. A deaf one costs a node up to 3 s, so pings queue for each node."""

    def __init__(self, gateway: Gateway, inventory: Inventory) -> None:
        self._gateway = gateway
        self._inventory = inventory
        self._pacers = Pacers(1)
        self._readings: dict[str, SharedReading[AgentAnswer]] = {}
        self._answers: dict[str, tuple[float, AgentAnswer]] = {}

    def close(self) -> None:
        for reading in self._readings.values():
            reading.close()

    async def ping(self, machine: str) -> AgentAnswer:
        """Return the agent's answer: a new one, or the last while a queue is before the next.

        The ping goes on when the caller gives up, so that its answer is there next time.
        """
        waiting = sum(reading.pending for reading in self._readings.values())
        at, known = self._answers.get(machine, (0.0, None))
        age = time.monotonic() - at
        if known is not None and age < OLDEST + waiting:
            return AgentAnswer(
                healthy=known.healthy, evidence=f"{known.evidence} ({age:.0f} s ago)"
            )
        return await self._reading(machine).fresh()

    def _reading(self, machine: str) -> SharedReading[AgentAnswer]:
        if machine not in self._readings:

            async def turn() -> None:
                placement = await self._inventory.placement(4.0)
                guest = placement.guests.get(machine)
                await self._pacers.turn(guest.node if guest else "")

            async def read() -> AgentAnswer:
                answer = await self._ask(machine)
                self._answers[machine] = (time.monotonic(), answer)
                return answer

            self._readings[machine] = SharedReading(turn, read)
        return self._readings[machine]

    async def _ask(self, machine: str) -> AgentAnswer:
        placement = await self._inventory.placement(4.0)
        guest = placement.guests.get(machine)
        if guest is None:
            return AgentAnswer(healthy=False, evidence=f"machine {machine} is not to be seen")
        if guest.kind == "lxc":
            return _unwell("containers have no guest agent: use a tcp check instead")
        path = ("nodes", guest.node, "qemu", machine, "agent", "ping")
        try:
            reply = await self._gateway.send(
                Ask(verb="POST", path=path, node=guest.node, machine=machine)
            )
        except PermissionDeniedError as error:
            return _unwell(f"{error.message}; the token needs {await self._right()}")
        except RefusedError as error:
            return _unwell(_explained(error.message))
        return _read(reply.data)

    async def _right(self) -> str:
        version = await self._gateway.read("version")
        return agent_right(str(version.data.get("version", "")))


def _read(data: object) -> AgentAnswer:
    """An error of the agent itself comes with status 200, inside the result."""
    result = data.get("result") if isinstance(data, Mapping) else None
    error = result.get("error") if isinstance(result, Mapping) else None
    if isinstance(error, Mapping):
        return _unwell(f"the agent answers an error: {error.get('desc') or error.get('class')}")
    if isinstance(data, Mapping) and "result" in data:
        return AgentAnswer(healthy=True, evidence="the guest agent answers a ping")
    return _unwell("Proxmox VE answered a ping without a result")


def _explained(message: str) -> str:
    if "No QEMU guest agent configured" in message:
        return f"{message}: set the option (qm set ID --agent 1), it counts from the next start"
    if "guest agent is not running" in message:
        return f"{message}: not yet up, hung, or qemu-guest-agent is not installed in the guest"
    return message


def _unwell(evidence: str) -> AgentAnswer:
    return AgentAnswer(healthy=False, evidence=evidence)
