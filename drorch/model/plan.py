"""A recovery plan: what to start, in which order, and how to know that it works."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Literal, TypeAlias

from typing_extensions import override

Text: TypeAlias = Mapping[str, str]
"""A text for people by language (``it``, ``en``)."""


class OnFailure(StrEnum):
    """What happens when all attempts of a step have failed."""

    ASK = "ask"
    CONTINUE = "continue"
    STOP = "stop"


class OnUnhealthy(StrEnum):
    """What the next attempt does when the machine runs but its checks do not hold."""

    VERIFY = "verify"
    RESTART = "restart"


class When(StrEnum):
    """How far a dependency must have come."""

    HEALTHY = "healthy"
    STARTED = "started"
    FINISHED = "finished"


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """How often and how fast a step is tried again; ``attempts`` includes the first."""

    attempts: int = 3
    wait: timedelta = timedelta(seconds=5)
    max_wait: timedelta = timedelta(minutes=1)

    def delay_after(self, spent: int) -> timedelta:
        """Return the back-off after *spent* attempts: doubling, up to ``max_wait``."""
        doublings = min(max(spent - 1, 0), 30)
        return min(self.wait * float(2**doublings), self.max_wait)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineRef:
    """A machine as a plan names it: by id, or by a name that the inventory resolves."""

    connector: str
    id: str | None = None
    name: str | None = None

    @override
    def __str__(self) -> str:
        return f"{self.connector}/{self.id if self.id is not None else self.name}"


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerOn:
    """Power a machine on and wait until it runs (``vm``)."""

    machine: MachineRef
    kind: Literal["vm"] = "vm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """No action: the step's checks decide."""

    kind: Literal["gate"] = "gate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manual:
    """A question to a person; overdue after ``timeout``, but never failed by it."""

    ask: str
    assign: str | None = None
    timeout: timedelta | None = None
    kind: Literal["manual"] = "manual"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A fixed pause, for what can neither be asked nor checked."""

    duration: timedelta
    kind: Literal["wait"] = "wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class Callout:
    """A command or web hook that the service's configuration defines by this name."""

    name: str
    arguments: Mapping[str, str] = field(default_factory=dict)
    kind: Literal["callout"] = "callout"


Action: TypeAlias = PowerOn | Gate | Manual | Wait | Callout


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSpec:
    """One health check as the plan asks for it.

    ``params`` are the long form's keys without the common ones, already typed by the plan
    language: hosts as ``str``, ports as ``int``. ``stable`` None means two successes in a row.
    """

    kind: str
    name: str
    params: Mapping[str, Any] = field(default_factory=dict)
    timeout: timedelta = timedelta(seconds=5)
    interval: timedelta = timedelta(seconds=2)
    stable: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """``target`` is the id of a step or of a group (they share one name space)."""

    target: str
    when: When = When.HEALTHY


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One machine brought to service and verified, or one other task of the plan."""

    id: str
    action: Action
    title: str = ""
    group: str | None = None
    depends_on: tuple[Dependency, ...] = ()
    verify: tuple[CheckSpec, ...] = ()
    start_timeout: timedelta = timedelta(minutes=3)
    verify_timeout: timedelta = timedelta(minutes=10)
    retry: RetryPolicy = RetryPolicy()
    on_unhealthy: OnUnhealthy = OnUnhealthy.VERIFY
    on_failure: OnFailure = OnFailure.ASK
    expect: timedelta = timedelta(minutes=1)
    contact: str | None = None

    @property
    def machine(self) -> MachineRef | None:
        """The machine that this step powers on, if it is such a step."""
        return self.action.machine if isinstance(self.action, PowerOn) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Steps that belong together; satisfied as a dependency when every member is.

    ``depends_on`` counts for each member; the compiler has already copied it to them.
    ``parallel`` limits how many members act or verify at once.
    """

    id: str
    title: str = ""
    depends_on: tuple[Dependency, ...] = ()
    parallel: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contact:
    id: str
    name: str
    phone: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class OpeningHours:
    """When a service has to be back: ``time`` is HH:MM local; ``closed`` are ISO dates."""

    time: str
    days: tuple[str, ...] = ()
    closed: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What citizens and counters know; tier 1 is restored first."""

    id: str
    title: Text
    tier: int = 3
    rto: timedelta | None = None
    open_by: OpeningHours | None = None
    steps: tuple[str, ...] = ()
    contact: str | None = None
    fallback: Text = field(default_factory=dict)
    external: bool = False
    verify: tuple[CheckSpec, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much may act or verify at once; None or absent means unlimited."""

    parallel: int = 20
    per_connector: Mapping[str, int] = field(default_factory=dict)
    per_host: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One revision of a recovery plan, compiled: defaults applied, references checked.

    ``digest`` is the SHA-256 (hex) of the source text.
    """

    id: str
    title: str
    steps: tuple[Step, ...]
    digest: str = ""
    owner: str | None = None
    rto: timedelta | None = None
    limits: Limits = Limits()
    contacts: tuple[Contact, ...] = ()
    services: tuple[Service, ...] = ()
    groups: tuple[Group, ...] = ()

    def contact(self, name: str | None) -> Contact | None:
        """Return the contact with the id *name*."""
        return next((contact for contact in self.contacts if contact.id == name), None)
