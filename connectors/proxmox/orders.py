"""Orders: sent once after a fresh look, found again after a crash, judged by what came of them."""

from __future__ import annotations

import asyncio
from datetime import datetime

from connectors.proxmox import tasks
from connectors.proxmox.board import TaskBoard, TaskList
from connectors.proxmox.errors import AlreadyError, TaskGoneError, unlock_hint
from connectors.proxmox.inventory import OLDEST_PLACEMENT, Found, Inventory
from connectors.proxmox.session import Ask, Gateway
from connectors.proxmox.sightings import HA_RUNS, ha_hint
from connectors.proxmox.tasks import Ending, Exit, TaskState, Upid
from drorch.errors import (
    BusyError,
    ConnectorError,
    HostUnavailableError,
    MachineNotFoundError,
    NoQuorumError,
    ProtocolError,
    RefusedError,
    UnavailableError,
)
from drorch.ports.connector import Order, OrderStatus, Outcome, Permit, Power, Sighting

HARMLESS_LOCKS = frozenset({"suspended", "mounted"})
"""A start resumes a machine suspended to disk; LXC tolerates ``mounted``."""

FRESH = 1.5
"""Seconds that a node's list may be old before an order: the surveys read one each second, and a
node refuses a second start itself."""

SAME_CLOCK = 3.0
SAME_CLUSTER = 5.0
UNKNOWN_CLOCK = 60.0
"""Seconds by which a task may seem older than the order it came from: both clocks count whole
seconds; the nodes of a cluster may differ; a node whose clock is unknown may be a minute off."""

_ON = frozenset({Power.RUNNING, Power.STARTING})


class Orders:
    """Sends orders and tells what became of them."""

    def __init__(self, gateway: Gateway, inventory: Inventory, board: TaskBoard) -> None:
        self._gateway = gateway
        self._inventory = inventory
        self._board = board

    async def start(self, machine: str, permit: Permit) -> Order:
        placement = await self._inventory.placement(OLDEST_PLACEMENT)
        guest = placement.guests.get(machine)
        # Both questions at once: each waits for its turn, and an order should not wait twice.
        found, listing = await asyncio.gather(
            self._inventory.find(machine, max_age=FRESH),
            self._tasks_of(guest.node if guest else ""),
        )
        if found.sighting.power in _ON and found.sighting.problem is None:
            return Order(already=True)
        _refuse_start(found)
        if guest is None or found.node != guest.node:
            listing = await self._tasks_of(found.node)
        return _working_start(listing, machine) or await self._send(found, "start", permit)

    async def stop(self, machine: str, permit: Permit) -> Order:
        found = await self._inventory.find(machine)
        if found.row is None:
            raise _dark(found)
        if not found.row.running:
            return Order(already=True)
        if found.row.lock is not None and found.row.lock not in HARMLESS_LOCKS:
            raise _locked(found)
        return await self._send(found, "stop", permit)

    async def outcome(self, order: Order, machine: str) -> Outcome:
        if not order.handle:
            status = OrderStatus.DONE if order.already else OrderStatus.UNKNOWN
            return Outcome(status=status, detail="there was no task to follow")
        try:
            upid = tasks.parse_upid(order.handle)
        except ProtocolError:
            return Outcome(status=OrderStatus.UNKNOWN, detail="the handle is no Proxmox task id")
        try:
            state = await self._board.status(upid)
        except TaskGoneError as error:
            return Outcome(status=OrderStatus.UNKNOWN, detail=error.message)
        except UnavailableError as error:
            return await self._left_behind(upid, machine, error)
        if state.exit is None:
            return Outcome(status=OrderStatus.ACTIVE, detail=f"task {upid.kind} works")
        return await self._ended(upid, machine, tasks.read_exit(state.exit, upid))

    async def find_order(self, machine: str, since: datetime) -> Order | None:
        try:
            found = await self._inventory.find(machine)
        except MachineNotFoundError:
            return None
        nodes = [found.node]
        if found.guest.hastate is not None:  # HA may have moved it since the order
            nodes += [n for n in found.placement.reachable() if n != found.node]
        for node in nodes:
            listing = await self._board.listing(node)
            if task := self._newest(listing, machine, since.timestamp()):
                return Order(handle=task.upid.text)
        return None

    async def log(self, order: Order) -> list[str]:
        """Return the lines of an order's task log; none where there is no such task."""
        try:
            return await self._board.log(tasks.parse_upid(order.handle))
        except (ProtocolError, TaskGoneError):
            return []

    def _newest(self, listing: TaskList, machine: str, since: float) -> TaskState | None:
        """Find our start with *since* put into the node's own clock.

        The allowance is no wider than the clocks are unknown: a wide one would find the order
        of an attempt before.
        """
        slack = SAME_CLOCK if listing.same_clock else SAME_CLUSTER
        if listing.ahead is None:
            slack = UNKNOWN_CLOCK
        floor = since + (listing.ahead or 0.0) - slack
        token = self._gateway.settings.token_id
        return tasks.newest_start(list(listing.states.values()), machine, token, floor)

    async def _tasks_of(self, node: str) -> TaskList | None:
        """Return our tasks on *node*; None where it cannot tell, as its guests will show too."""
        if not node:
            return None
        try:
            return await self._board.listing(node)
        except UnavailableError:
            return None

    async def _send(self, found: Found, action: str, permit: Permit) -> Order:
        try:
            return await self._post(found, action, permit)
        except MachineNotFoundError:
            # It moved between the look and the order, and the order was refused: look again, once.
            await self._inventory.placement(0.0)
            again = await self._inventory.find(found.guest.machine)
            if again.node == found.node:
                raise
            return await self._post(again, action, permit)

    async def _post(self, found: Found, action: str, permit: Permit) -> Order:
        ask = Ask(
            verb="POST",
            path=(*found.path, "status", action),
            node=found.node,
            machine=found.guest.machine,
            permit=permit,
        )
        try:
            reply = await self._gateway.send(ask)
        except AlreadyError:
            return Order(already=True)
        return Order(handle=tasks.parse_upid(reply.data).text)

    async def _left_behind(self, upid: Upid, machine: str, error: UnavailableError) -> Outcome:
        """The task's node is dark: say so, unless the machine lives on elsewhere."""
        try:
            placement = await self._inventory.placement(0.0)
        except ConnectorError:
            raise error from None
        guest = placement.guests.get(machine)
        if guest is None or guest.node == upid.node:
            raise error
        return Outcome(
            status=OrderStatus.UNKNOWN,
            detail=f"node {upid.node}, which carried the order out, is dark; "
            f"the machine is on {guest.node} now",
        )

    async def _ended(self, upid: Upid, machine: str, end: Exit) -> Outcome:
        if end.ending is Ending.LOST:
            return Outcome(status=OrderStatus.UNKNOWN, detail=end.text, hint=end.hint)
        if end.ending is Ending.ALREADY:
            return await self._was_already(upid, machine, end)
        text = await self._with_cause(upid, end) if end.cause_in_log else end.text
        if end.ending is Ending.FAILED:
            return Outcome(
                status=OrderStatus.FAILED, detail=text, hint=end.hint, retryable=end.retryable
            )
        if upid.kind in {"hastart", "hastop"}:
            return await self._by_ha(upid, machine)
        return Outcome(status=OrderStatus.DONE, detail=text)

    async def _was_already(self, upid: Upid, machine: str, end: Exit) -> Outcome:
        row = (await self._inventory.find(machine)).row
        if row is None:
            return Outcome(status=OrderStatus.UNKNOWN, detail=end.text)
        if row.running == (upid.kind in tasks.STARTS):
            return Outcome(status=OrderStatus.DONE, detail=end.text)
        return Outcome(status=OrderStatus.FAILED, detail=f"{end.text}, but that has changed since")

    async def _with_cause(self, upid: Upid, end: Exit) -> str:
        try:
            told = await self._board.cause(upid)
        except ConnectorError:
            return end.text
        return f"{end.text}: {told}" if told and told != end.text else end.text

    async def _by_ha(self, upid: Upid, machine: str) -> Outcome:
        """A hastart or hastop task only records a wish; the HA manager fulfils it later."""
        found = await self._inventory.find(machine)
        state, running = found.guest.hastate, found.row is not None and found.row.running
        if state == "error":
            return Outcome(
                status=OrderStatus.FAILED,
                detail="the HA manager has given the machine up (state error)",
                hint=ha_hint(found.guest),
                retryable=False,
            )
        if upid.kind == "hastop":
            done = not running and found.row is not None
        else:
            done = running and (state is None or state in HA_RUNS)
        where = f"HA state {state or 'none'}, on {found.node}, {_process(found.sighting)}"
        return Outcome(status=OrderStatus.DONE if done else OrderStatus.ACTIVE, detail=where)


def _working_start(listing: TaskList | None, machine: str) -> Order | None:
    """Return a start that works already: the process is not there before it has ended."""
    for state in listing.states.values() if listing else ():
        same = state.upid.machine == machine and state.upid.kind in tasks.STARTS
        if same and state.exit is None:
            return Order(handle=state.upid.text, already=True)
    return None


def _process(seen: Sighting) -> str:
    return f"power {seen.power.value}"


def _refuse_start(found: Found) -> None:
    """Raise what a person has to know, instead of sending an order that cannot succeed."""
    seen = found.sighting
    if found.row is None and not seen.template:
        raise _dark(found)
    if seen.problem is not None:
        raise RefusedError(f"machine {seen.machine} ({seen.name}): {seen.problem}", hint=seen.hint)
    if not found.placement.cluster.quorate:
        raise NoQuorumError(
            f"cluster {found.placement.cluster.name} has no quorum and accepts no starts",
            hint="bring back more nodes (pvecm status shows the votes)",
        )
    resumes = found.row is not None and found.row.running  # a stopped one that is backed up
    if seen.lock is not None and seen.lock not in HARMLESS_LOCKS and not resumes:
        raise _locked(found)


def _locked(found: Found) -> BusyError:
    seen = found.sighting
    return BusyError(
        f"machine {seen.machine} ({seen.name}) is locked ({seen.lock})",
        hint=unlock_hint(seen.machine, found.node, seen.lock or ""),
    )


def _dark(found: Found) -> HostUnavailableError:
    return HostUnavailableError(
        f"machine {found.guest.machine} is on node {found.node}, which cannot be used: "
        f"{found.dark}",
        host=found.node,
        hint=f"power on node {found.node} or repair it; drorch goes on by itself, also when the "
        "machine turns up on another node",
    )
