"""The port to one hypervisor estate: look at machines, order them on, ask what became of it.

Every implementation passes ``tests/contract/connector_contract.py``.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import field
from datetime import datetime
from enum import StrEnum
from typing import Protocol, TypeAlias, runtime_checkable

from drorch.model.value import value


class Power(StrEnum):
    """What the hypervisor says about a machine's process; says nothing about its guest.

    ``RUNNING`` means its virtual processors run. ``PAUSED`` and ``CRASHED`` have a process that
    serves nobody. ``UNKNOWN`` means the estate answers but cannot tell (its node is dark).
    """

    OFF = "off"
    STARTING = "starting"
    RUNNING = "running"
    PAUSED = "paused"
    CRASHED = "crashed"
    UNKNOWN = "unknown"


@value
class Sighting:
    """One reading of one machine.

    ``host`` is the node it is on now. ``lock`` names what holds it (``backup``), ``autostart``
    says why the hypervisor may start it by itself (``onboot``, ``HA started``), ``problem`` is a
    sentence about something only a person can cure (``HA error``, a template) with ``hint`` as
    what to do. ``memory`` is its configured memory in bytes.
    """

    machine: str
    name: str
    power: Power
    host: str | None = None
    memory: int | None = None
    lock: str | None = None
    template: bool = False
    autostart: str | None = None
    problem: str | None = None
    hint: str = ""


@value
class HostSighting:
    """One hypervisor node; ``memory_free`` in bytes where known; ``reason`` when not online."""

    name: str
    online: bool
    memory_total: int | None = None
    memory_free: int | None = None
    reason: str = ""


@value
class Survey:
    """A bulk reading. ``machines`` holds those seen, by machine id; absent means not seen.

    ``quorate`` False means the estate answers but accepts no starts; ``reason`` says why.
    """

    machines: Mapping[str, Sighting]
    hosts: Mapping[str, HostSighting] = field(default_factory=dict)
    quorate: bool = True
    reason: str = ""


@value
class Estate:
    """Who answers: ``identity`` is the same for every way to reach the same estate."""

    identity: str
    product: str
    version: str


@value
class Order:
    """An order that the hypervisor has accepted; ``handle`` finds it again after a crash.

    A connector without tasks gives an empty handle; then only looking tells.
    ``already`` means nothing had to be ordered: the machine runs or is starting.
    """

    handle: str = ""
    already: bool = False


class OrderStatus(StrEnum):
    """``UNKNOWN``: the task was lost or killed; look at the machine to learn the outcome."""

    ACTIVE = "active"
    DONE = "done"
    FAILED = "failed"
    UNKNOWN = "unknown"


@value
class Outcome:
    """What became of an order; ``retryable`` False means the same order will fail again."""

    status: OrderStatus
    detail: str = ""
    hint: str = ""
    retryable: bool = True


class Severity(StrEnum):
    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@value
class Finding:
    """Something a dry run noticed. ``step`` is filled in by the engine.

    ``code`` is a stable word (``machine-missing``), ``hint`` what a person does about it.
    """

    severity: Severity
    code: str
    message: str
    hint: str = ""
    machine: str | None = None
    step: str | None = None


@value
class AgentAnswer:
    """Whether the guest agent answered, and what was seen."""

    healthy: bool
    evidence: str


@value
class Capabilities:
    """What a connector can do, told before a run and checked against its plan.

    ``survey_every`` is the shortest useful time in seconds between two bulk readings that keeps
    within two observing calls per node and second. ``events`` tells that `subscribe` pushes
    changes, so that polling is only a safety net. ``settles`` is the time in seconds after which
    an order that was sent either shows in a reading or was never received.
    """

    events: bool = False
    agent: bool = False
    restart: bool = True
    survey_every: float = 0.5
    settles: float = 2.0


Watcher: TypeAlias = Callable[[Sequence[Sighting]], None]

Permit: TypeAlias = Callable[[], None]
"""The last look before an order leaves; raises `OrderWithheldError` to forbid it.

A connector calls it synchronously, possibly in a worker thread, immediately before it sends the
request that changes something: after any waiting, pacing, connecting and choice of an endpoint,
and again before the request is sent to another endpoint. Once for each request that is sent, and
not at all when none is. When it raises, nothing may be sent, and what it raises comes out
unchanged. It is quick and never blocks.
"""


class Connector(Protocol):
    """One open connection to one estate. Methods may be called concurrently.

    All methods may raise `AuthenticationError`, `CertificateError`, `ProtocolError` and
    `UnavailableError`. Reads may be retried inside; orders never are, and none is sent without
    its `Permit`. Cancelling a call stops the waiting and undoes nothing.
    """

    @property
    def name(self) -> str: ...

    @property
    def capabilities(self) -> Capabilities: ...

    async def open(self) -> None:
        """Prepare; no network is needed for it to succeed. Safe to repeat."""

    async def close(self) -> None:
        """Let go of threads and sockets. Safe to repeat."""

    async def identify(self) -> Estate:
        """Ask who answers; proves reachability and credentials."""

    async def survey(self) -> Survey:
        """Read every machine that the credentials may see, freshly, in bulk.

        The reading begins after the call; power states are not older than it.
        """

    async def look(self, machine: str) -> Sighting:
        """Read one machine freshly. Raises `MachineNotFoundError`."""

    async def start(self, machine: str, *, permit: Permit) -> Order:
        """Order *machine* on, once. On return the order is accepted, not carried out.

        A machine that is starting or running already gives ``already=True`` and no second
        order. Raises `UnavailableError` when it was certainly not received, `BusyError` or
        `RefusedError` when it was refused, `OutcomeUnknownError` when the answer never came,
        and `OrderWithheldError` when *permit* forbade it at the last moment.
        """

    async def stop(self, machine: str, *, permit: Permit) -> Order:
        """Order *machine* off, hard. A stopped one gives ``already=True``. Errors as `start`."""

    async def outcome(self, order: Order, machine: str) -> Outcome:
        """Ask what became of an accepted order; never blocks until it ends."""

    async def find_order(self, machine: str, since: datetime) -> Order | None:
        """Find a start order of ours for *machine* accepted at or after *since* (UTC).

        None means that none can be found, which proves nothing where there are no tasks.
        """

    async def ping_agent(self, machine: str) -> AgentAnswer:
        """Ask the guest agent; an agent that is absent is an answer, not an error."""

    async def examine(self, machines: Collection[str]) -> Sequence[Finding]:
        """Look for what would keep *machines* from starting, without one write.

        Rights that are missing, locks, templates, storage or memory that lacks.
        """

    def subscribe(self, watcher: Watcher) -> Callable[[], None]:
        """Call *watcher* in the event loop with changed machines; return the way to stop it.

        Connectors without events return a function that does nothing.
        """


@runtime_checkable
class KeepsLogs(Protocol):
    """What a connector offers besides where its hypervisor keeps a log of each order."""

    async def order_log(self, order: Order) -> Sequence[str]:
        """Return the lines of the hypervisor's own log of an accepted order, oldest first.

        Reads only. None of an order whose handle is strange or whose log is gone. Errors as
        `Connector`.
        """
