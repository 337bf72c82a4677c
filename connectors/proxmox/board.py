"""The tasks of each node: one of them asked alone, many of them by one list for all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass

from connectors.proxmox import rows, tasks
from connectors.proxmox.names import node_name
from connectors.proxmox.pacing import Pacers, SharedReading
from connectors.proxmox.session import Gateway
from connectors.proxmox.tasks import TaskState, Upid

LONGEST_LIST = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskList:
    """Our tasks on one node, those that ended too.

    ``ahead`` is by how many seconds the answering clock is ahead of ours, None if unknown;
    ``same_clock`` tells that it is the clock the tasks' times were taken from.
    """

    states: Mapping[str, TaskState]
    ahead: float | None
    same_clock: bool


class TaskBoard:
    """Reads tasks. Needs no right: a token always sees what it started itself."""

    def __init__(self, gateway: Gateway, pacers: Pacers) -> None:
        self._gateway = gateway
        self._pacers = pacers
        self._lists: dict[str, SharedReading[TaskList]] = {}
        self._asking: Counter[str] = Counter()

    def close(self) -> None:
        for reading in self._lists.values():
            reading.close()

    async def status(self, upid: Upid) -> TaskState:
        """Return the state of one task; raises `TaskGoneError` when the node forgot it.

        When several are asked about at once, the node is asked for its list, once.
        """
        with self._asked(upid.node) as others:
            if others:
                listing = await self.listing(upid.node)
                if upid.text in listing.states:
                    return listing.states[upid.text]
            return await self._alone(upid)

    async def listing(self, node: str) -> TaskList:
        """Return our tasks on *node*, read after this call."""
        if node not in self._lists:

            async def turn() -> None:
                await self._pacers.turn(node)

            async def read() -> TaskList:
                return await self._read_list(node)

            self._lists[node] = SharedReading(turn, read)
        return await self._lists[node].fresh()

    async def cause(self, upid: Upid) -> str:
        """Return what the task's log says about its end."""
        return tasks.cause(await self._log(upid))

    async def log(self, upid: Upid) -> list[str]:
        """Return the lines of a task's log."""
        return tasks.log_lines(await self._log(upid))

    async def _log(self, upid: Upid) -> object:
        await self._pacers.turn(upid.node)
        # Without limit=0 a log is cut after 50 lines, and the cause stands at its end.
        reply = await self._gateway.read(
            "nodes", upid.node, "tasks", upid.text, "log", node=upid.node, limit=0
        )
        return reply.data

    def _asked(self, node: str) -> AbstractContextManager[int]:
        @contextmanager
        def asking() -> Iterator[int]:
            others = self._asking[node]
            self._asking[node] += 1
            try:
                yield others
            finally:
                self._asking[node] -= 1

        return asking()

    async def _alone(self, upid: Upid) -> TaskState:
        await self._pacers.turn(upid.node)
        reply = await self._gateway.read(
            "nodes", upid.node, "tasks", upid.text, "status", node=upid.node
        )
        return tasks.task_status(upid, rows.record(reply.data))

    async def _read_list(self, node: str) -> TaskList:
        # source=all: without it only finished tasks are listed, and the one just sent is not.
        reply = await self._gateway.read(
            "nodes",
            node_name(node),
            "tasks",
            node=node,
            source="all",
            userfilter=self._gateway.settings.user,
            limit=LONGEST_LIST,
        )
        return TaskList(
            states=tasks.listed_tasks(reply.data),
            ahead=reply.ahead,
            same_clock=self._gateway.contacts.get(reply.endpoint) == node,
        )
