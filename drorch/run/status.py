"""The closed lists of states, each with a sentence, and what follows from them."""

from __future__ import annotations

from enum import StrEnum


class Mode(StrEnum):
    LIVE = "live"
    DRY_RUN = "dry-run"
    SIMULATE = "simulate"
    DRILL = "drill"
    SHUTDOWN = "shutdown"


class RunStatus(StrEnum):
    AWAITING_APPROVAL = "awaiting_approval"
    RUNNING = "running"
    PAUSED = "paused"
    WAITING = "waiting"
    """Nothing moves until a person acts."""
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    """Ended with a step failed or blocked."""
    ABORTED = "aborted"
    IMPORTED = "imported"
    """Still open where it came from, and here to be read: nobody drives it here."""


ENDED = frozenset({RunStatus.SUCCEEDED, RunStatus.FAILED, RunStatus.ABORTED})


class StepStatus(StrEnum):
    PENDING = "pending"
    """Something it depends on is not satisfied yet."""
    READY = "ready"
    """Dependencies met: waits for a slot, a back-off or a hypervisor that is away."""
    STARTING = "starting"
    """An order is intended or sent; the machine does not run yet."""
    VERIFYING = "verifying"
    """It runs; its checks do not all hold yet."""
    HEALTHY = "healthy"
    """Every check held, or a person vouched for it."""
    FAILED = "failed"
    """Final: no attempt is left and nobody is asked."""
    WAITING = "waiting"
    """A person must act: a manual step, or a failure that asks."""
    BLOCKED = "blocked"
    """Something that it needs failed or asks."""
    SKIPPED = "skipped"
    """A person left it out; what needs it goes on."""
    CANCELLED = "cancelled"
    """The run ended before it came to this step, or stopped waiting for it."""


IN_FLIGHT = frozenset({StepStatus.STARTING, StepStatus.VERIFYING})
NOT_BEGUN = frozenset({StepStatus.PENDING, StepStatus.READY, StepStatus.BLOCKED})


class OrderKind(StrEnum):
    """What an attempt does first."""

    START = "start"
    STOP = "stop"
    """Of a restart: off first; becomes START once the machine is seen stopped."""
    VERIFY = "verify"
    CALLOUT = "callout"
    WAIT = "wait"


class FailureKind(StrEnum):
    """The part of a failure that decisions and reports may depend on."""

    REFUSED = "refused"
    """The hypervisor or the callout said no, or its task failed."""
    TIMEOUT = "timeout"
    """It did not run in time."""
    UNHEALTHY = "unhealthy"
    """It runs, but its checks did not hold in time."""
    UNKNOWN = "unknown"
    """An order was sent and nothing can be learned about it."""
    LOST = "lost"
    """It ran and stopped by itself or by another's hand."""
    REJECTED = "rejected"
    """A person answered no, or a paper says that it failed."""


class Ask(StrEnum):
    """Why a step waits for a person."""

    MANUAL = "manual"
    FAILURE = "failure"


class PaperResult(StrEnum):
    """What a person noted on the printed runbook."""

    DONE = "done"
    """Done, and seen to work."""
    SKIPPED = "skipped"
    FAILED = "failed"


class Scope(StrEnum):
    """How much an obstacle holds up."""

    SITE = "site"
    """Everything: somebody has halted drorch."""
    CONNECTOR = "connector"
    HOST = "host"
    MACHINE = "machine"
