"""Where every guest is and whether it runs, for few calls: one list for each node and reading.

``/cluster/resources`` is exact about placement, locks and HA, but up to 15 s late about power;
a node's own list is exact about power. Placement is therefore kept for a few seconds, while the
lists are read afresh for everybody who asks.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import chain

from connectors.proxmox import rows
from connectors.proxmox.errors import AlreadyError
from connectors.proxmox.names import machine_id, node_name
from connectors.proxmox.pacing import Pacers, SharedReading
from connectors.proxmox.rows import ClusterRow, Listed, NodeRow, Placed
from connectors.proxmox.session import Gateway, Reply
from connectors.proxmox.sightings import host_sighting, sighting, suspicious
from drorch.errors import (
    AuthenticationError,
    CertificateError,
    ConnectorError,
    MachineNotFoundError,
    PermissionDeniedError,
    ProtocolError,
    RefusedError,
    UnavailableError,
    UnreachableError,
)
from drorch.ports.connector import Sighting, Survey

PLACEMENT_AGE = 4.0
"""Seconds that placement, HA state and node states may be old in a survey."""
OLDEST_PLACEMENT = 15.0
"""Seconds for an order: the surveys between keep it younger, and a guest that moved is refused
by the node it has left, and looked for again."""
NODE_PATIENCE = 8.0
"""Seconds that a survey waits for one node: one that hangs must not hide all the others."""
SILENT_PATIENCE = 1.5
"""Seconds that it waits for a node that still owes the answer to an earlier question."""
QUORUM_AGE = 12.0
WORD_AGE = 10.0

_WRONG_WAY = (AuthenticationError, CertificateError, ProtocolError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """One reading of what the whole cluster says."""

    guests: Mapping[str, Placed]
    nodes: Mapping[str, NodeRow]
    cluster: ClusterRow
    at: float = 0.0

    def reachable(self) -> list[str]:
        """The nodes worth asking; one without statistics may still serve its API."""
        return [name for name, node in self.nodes.items() if node.status != "offline"]

    def kinds(self, node: str) -> set[str]:
        """The kinds of guests on *node*; every node is asked for QEMU guests."""
        return {"qemu", *(g.kind for g in self.guests.values() if g.node == node)}

    @property
    def identity(self) -> str:
        """The same for every endpoint; differs between clusters whose nodes are named alike."""
        names = sorted(self.nodes)
        if self.cluster.name:
            return f"proxmox:{self.cluster.name}:{_digest(names)}"
        known = [f"{name} {self.nodes[name].fingerprint}" for name in names]
        return f"proxmox:{_digest(known)}"


def _digest(parts: list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One guest, freshly read; ``row`` is None when its node cannot tell, ``dark`` says why."""

    guest: Placed
    row: Listed | None
    sighting: Sighting
    placement: Placement
    dark: str = ""

    @property
    def node(self) -> str:
        return self.row.node if self.row else self.guest.node

    @property
    def path(self) -> tuple[str, ...]:
        return ("nodes", node_name(self.node), self.guest.kind, machine_id(self.guest.machine))


@dataclass(slots=True)
class _Lists:
    """What the nodes said, and why those that said nothing did not."""

    rows: dict[str, Listed] = field(default_factory=dict)
    failures: dict[str, ConnectorError] = field(default_factory=dict)

    def add(self, node: str, answer: list[Listed] | BaseException) -> None:
        if isinstance(answer, ConnectorError) and not isinstance(answer, _WRONG_WAY):
            self.failures[node] = answer
        elif isinstance(answer, BaseException):
            raise answer
        else:
            for row in answer:
                seen = self.rows.get(row.machine)
                if seen is None or (row.running and not seen.running):
                    self.rows[row.machine] = row


class Inventory:
    """Reads the estate; every answer about power is younger than its question."""

    def __init__(self, gateway: Gateway, pacers: Pacers) -> None:
        self.onboot: set[str] = set()
        self._gateway = gateway
        self._pacers = pacers
        self._placement: Placement | None = None
        self._quorum: tuple[float, ClusterRow] | None = None
        self._whole = SharedReading(self._cluster_turn, self._read_placement)
        self._lists: dict[tuple[str, str], SharedReading[list[Listed]]] = {}
        self._words: dict[str, tuple[float, str]] = {}
        self._silent: set[str] = set()

    def close(self) -> None:
        self._whole.close()
        for reading in self._lists.values():
            reading.close()

    async def survey(self) -> Survey:
        """Read every guest that the token may see."""
        placement = await self.placement(PLACEMENT_AGE)
        lists = await self._read_lists(placement)
        if _moved(placement, lists):
            placement = await self.placement(1.0)
        await self._ask_words(placement, lists)
        machines = {
            guest.machine: self._sighting(guest, lists.rows.get(guest.machine))
            for guest in _guests(placement, lists).values()
        }
        return Survey(
            machines=machines,
            hosts={
                name: host_sighting(node, _reason(lists.failures.get(name)))
                for name, node in placement.nodes.items()
            },
            quorate=placement.cluster.quorate,
            reason=self._reason(placement, machines),
        )

    async def find(self, machine: str, *, max_age: float = 0.0) -> Found:
        """Read one guest, whose node's list serves everybody else who asks meanwhile.

        With *max_age* a list that is so many seconds old will do, and an older placement.
        Raises `MachineNotFoundError`, or `PermissionDeniedError` if the token sees no guest.
        """
        machine_id(machine)
        placement = await self.placement(OLDEST_PLACEMENT if max_age else PLACEMENT_AGE)
        found = await self._find(machine, placement, max_age)
        if found is None:
            placement = await self._whole.fresh()
            found = await self._find(machine, placement)
        if found is None:
            raise self._missing(machine, placement)
        return found

    async def placement(self, max_age: float) -> Placement:
        """Return the cluster's own view, at most *max_age* seconds old."""
        known = self._placement
        if known is not None and time.monotonic() - known.at <= max_age:
            return known
        return await self._whole.fresh()

    async def _find(self, machine: str, placement: Placement, max_age: float = 0.0) -> Found | None:
        guest = placement.guests.get(machine)
        if guest is None:
            return None
        node = placement.nodes.get(guest.node)
        if node is not None and node.status == "offline":
            return self._dark(guest, placement, host_sighting(node).reason)
        try:
            listing = await self._patiently(guest.node, guest.kind, max_age)
        except UnavailableError as error:
            if error.host is None:
                raise  # nobody answers at all, so nothing is known about this node
            return self._dark(guest, placement, error.message)
        row = next((r for r in listing if r.machine == machine), None)
        if row is None:
            return None
        if suspicious(guest, row):
            await self._ask_word(row)
        seen = self._sighting(guest, row)
        return Found(guest=guest, row=row, sighting=seen, placement=placement)

    def _dark(self, guest: Placed, placement: Placement, why: str) -> Found:
        seen = self._sighting(guest, None)
        return Found(guest=guest, row=None, sighting=seen, placement=placement, dark=why)

    def _missing(self, machine: str, placement: Placement) -> RefusedError:
        if not placement.guests:
            return PermissionDeniedError(
                f"the API token {self._gateway.settings.token_id} sees no machines, so not "
                f"{machine} either: it lacks VM.Audit",
                hint="pveum acl modify /vms --roles DrorchRecovery, for --users and for --tokens; "
                "docs/proxmox.md has the whole commands",
            )
        return MachineNotFoundError(
            f"machine {machine} is nowhere in the cluster, or the API token may not see it",
            hint=f"was it deleted or renumbered? otherwise give the token VM.Audit on "
            f"/vms/{machine}",
        )

    def _sighting(self, guest: Placed, row: Listed | None) -> Sighting:
        word = self._word(guest, row) if row and suspicious(guest, row) else None
        return sighting(guest, row, word=word, onboot=guest.machine in self.onboot)

    def _word(self, guest: Placed, row: Listed) -> str | None:
        """Return what QEMU itself said of this very process, unless that is too long ago."""
        at, word = self._words.get(guest.machine, (0.0, ""))
        age = time.monotonic() - at
        return word if word and age <= min(WORD_AGE, row.uptime + 2) else None

    def _reason(self, placement: Placement, machines: Mapping[str, Sighting]) -> str:
        if not placement.cluster.quorate:
            online, total = len(placement.reachable()), len(placement.nodes)
            return (
                f"cluster {placement.cluster.name} has no quorum ({online} of {total} nodes are "
                "seen) and accepts no starts"
            )
        if not machines:
            return (
                f"the API token {self._gateway.settings.token_id} sees no machines: it lacks "
                "VM.Audit (or there are none)"
            )
        return ""

    async def _cluster_turn(self) -> None:
        await self._pacers.turn(self._gateway.contact)

    async def _read_placement(self) -> Placement:
        at = time.monotonic()
        resources = await self._gateway.read("cluster", "resources", type="vm")
        await self._cluster_turn()
        answer = await self._gateway.read("nodes")
        nodes = rows.nodes(answer.data)
        self._learn_contact(nodes, answer)
        cluster = await self._read_cluster()
        self._placement = Placement(
            guests=rows.placed(resources.data), nodes=nodes, cluster=cluster, at=at
        )
        return self._placement

    async def _read_cluster(self) -> ClusterRow:
        """Read quorum and name, where the token may (Sys.Audit on /); else assume quorum."""
        if self._quorum and time.monotonic() - self._quorum[0] <= QUORUM_AGE:
            return self._quorum[1]
        await self._cluster_turn()
        try:
            reply = await self._gateway.read("cluster", "status")
            answer = rows.cluster(reply.data)
            if answer.local:
                self._gateway.contacts[reply.endpoint] = answer.local
        except PermissionDeniedError:
            answer = ClusterRow(readable=False)
        self._quorum = (time.monotonic(), answer)
        return answer

    def _learn_contact(self, nodes: Mapping[str, NodeRow], answer: Reply) -> None:
        """Find out which node answers at an endpoint: its certificate is in the list of nodes."""
        for node in nodes.values():
            shown = node.fingerprint.replace(":", "").lower()
            if shown == answer.certificate or len(nodes) == 1:
                self._gateway.contacts[answer.endpoint] = node.name
                self._pacers.learn(node.name)

    async def _read_lists(self, placement: Placement) -> _Lists:
        wanted = [(n, kind) for n in placement.reachable() for kind in placement.kinds(n)]
        answers = await asyncio.gather(
            *(self._patiently(node, kind) for node, kind in wanted), return_exceptions=True
        )
        lists = _Lists()
        for (node, _), answer in zip(wanted, answers, strict=True):
            lists.add(node, answer)
        if wanted and len(lists.failures) == len({node for node, _ in wanted}):
            _raise_if_nobody_answers(list(lists.failures.values()))
        return lists

    async def _patiently(self, node: str, kind: str, max_age: float = 0.0) -> list[Listed]:
        patience = NODE_PATIENCE
        if node in self._silent:
            patience = min(patience, SILENT_PATIENCE)
        try:
            async with asyncio.timeout(patience):
                return await self._list(node, kind).recent(max_age)
        except TimeoutError:
            self._silent.add(node)
            raise UnreachableError(
                f"node {node} did not answer within {NODE_PATIENCE:.0f} s",
                host=node,
                hint=f"on node {node}: systemctl status pvedaemon pveproxy; is it overloaded?",
            ) from None

    def _list(self, node: str, kind: str) -> SharedReading[list[Listed]]:
        if (node, kind) not in self._lists:

            async def turn() -> None:
                await self._pacers.turn(node)

            async def read() -> list[Listed]:
                reply = await self._gateway.read("nodes", node_name(node), kind, node=node)
                self._silent.discard(node)  # also when nobody waited so long for it
                return rows.listed(reply.data, node, kind)

            self._lists[node, kind] = SharedReading(turn, read)
        return self._lists[node, kind]

    async def _ask_words(self, placement: Placement, lists: _Lists) -> None:
        """Ask QEMU about one suspicious guest of each node, those not asked for longest."""
        ask: dict[str, Listed] = {}
        for row in lists.rows.values():
            guest = placement.guests.get(row.machine)
            if (
                guest
                and suspicious(guest, row)
                and self._asked(row) < self._asked(ask.get(row.node))
            ):
                ask[row.node] = row
        await asyncio.gather(*(self._ask_word(row) for row in ask.values()))

    def _asked(self, row: Listed | None) -> float:
        return float("inf") if row is None else self._words.get(row.machine, (0.0, ""))[0]

    async def _ask_word(self, row: Listed) -> None:
        await self._pacers.turn(row.node)
        try:
            reply = await self._gateway.read(
                "nodes", row.node, "qemu", row.machine, "status", "current", node=row.node
            )
        except (UnavailableError, RefusedError, AlreadyError):
            return  # the list was right a moment ago; the next reading will tell
        word = str(rows.record(reply.data).get("qmpstatus") or "running")
        self._words[row.machine] = (time.monotonic(), word)


def _guests(placement: Placement, lists: _Lists) -> dict[str, Placed]:
    """Return every guest, those included that only a node's list knows yet."""
    new = (
        Placed(machine=r.machine, kind=r.kind, node=r.node, name=r.name, word="unknown")
        for r in lists.rows.values()
        if r.machine not in placement.guests
    )
    return {g.machine: g for g in chain(placement.guests.values(), new)}


def _moved(placement: Placement, lists: _Lists) -> bool:
    """Tell whether a guest is not where the placement says, though its node answered."""
    dark = set(placement.nodes) - set(placement.reachable()) | set(lists.failures)
    expected = (g for g in placement.guests.values() if g.node not in dark)
    return any(g.machine not in lists.rows for g in expected)


def _reason(failure: ConnectorError | None) -> str:
    return failure.message if failure else ""


def _raise_if_nobody_answers(failures: list[ConnectorError]) -> None:
    """An estate of which no node answers is unreachable, not merely dark node by node."""
    for failure in failures:
        if isinstance(failure, UnavailableError) and failure.host is None:
            raise failure
