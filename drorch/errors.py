"""Every error that drorch raises on purpose, sorted by what the caller can do about it.

::

    DrorchError
    ├─ PlanError                     the plan cannot be used as written
    │  ├─ InvalidPlanError           carries every problem with its position
    │  └─ PlanNotFoundError
    ├─ ConfigurationError            drorch.toml or an environment variable is wrong
    ├─ CommandRejectedError          the run's state does not allow what was asked
    ├─ RunNotFoundError
    ├─ MachineClaimedError           another live run holds one of the machines
    ├─ JournalError
    │  ├─ JournalConflictError       somebody else appended: this owner has lost the run
    │  ├─ JournalUnavailableError    nothing can be written now; nothing new may start
    │  └─ JournalDamagedError        what is stored is not whole: never started anew in silence
    └─ ConnectorError                talking to a hypervisor went wrong
       ├─ UnavailableError           *not received*: nothing was done; costs no attempt
       │  ├─ UnreachableError        no route, refused, TLS broke before anything was sent
       │  ├─ HostUnavailableError    one node is dark, the rest of the estate answers
       │  └─ NoQuorumError           the cluster refuses every start until it is quorate
       ├─ OrderWithheldError         *withheld*: forbidden at the last moment, nothing was sent
       ├─ OutcomeUnknownError        *sent, no answer*: look before doing anything else
       ├─ BusyError                  *refused for now*: locked, settling; try again later
       ├─ RefusedError               *refused*: the same order will be refused again
       │  ├─ PermissionDeniedError
       │  ├─ MachineNotFoundError
       │  └─ UnsupportedError
       ├─ AuthenticationError        wrong token: refuses the run, never retried
       ├─ CertificateError           not the pinned certificate: no secret was sent
       └─ ProtocolError              the answer was rubbish; what answers is no hypervisor

Errors carry a ``hint``: what a tired person does next. The core never parses messages.
"""

from __future__ import annotations

from enum import StrEnum
from typing import ClassVar


class DrorchError(Exception):
    """Root of all errors that drorch raises on purpose."""

    code: ClassVar[str] = "error"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class PlanError(DrorchError):
    code = "plan"


class PlanNotFoundError(PlanError):
    code = "plan-not-found"


class ConfigurationError(DrorchError):
    code = "configuration"


class CommandRejectedError(DrorchError):
    code = "command-rejected"


class RunNotFoundError(DrorchError):
    code = "run-not-found"


class MachineClaimedError(DrorchError):
    """A machine of the plan belongs to another open live run."""

    code = "machine-claimed"

    def __init__(self, message: str, *, run: str, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.run = run


class JournalError(DrorchError):
    code = "journal"


class JournalConflictError(JournalError):
    code = "journal-conflict"


class JournalUnavailableError(JournalError):
    code = "journal-unavailable"


class JournalDamagedError(JournalError):
    """Rows are missing or unreadable. A person has to decide; nothing is driven meanwhile."""

    code = "journal-damaged"


class ConnectorError(DrorchError):
    code = "connector"


class UnavailableError(ConnectorError):
    """The order was certainly not received. Waiting is right; no attempt is spent.

    ``host`` names the node when only that one is concerned, else None for the whole estate.
    """

    code = "unavailable"

    def __init__(self, message: str, *, host: str | None = None, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.host = host


class UnreachableError(UnavailableError):
    code = "unreachable"


class HostUnavailableError(UnavailableError):
    code = "host-unavailable"


class NoQuorumError(UnavailableError):
    code = "no-quorum"


class Withheld(StrEnum):
    """What a withheld order waits for."""

    HOLD = "hold"
    """A person holds the machine, and releases it."""
    PROCESS = "process"
    """This process may order nothing at all now: it lost the run, or cannot read the holds."""


class OrderWithheldError(ConnectorError):
    """The last look before an order left forbade it. Nothing was sent; no attempt is spent."""

    code = "order-withheld"

    def __init__(self, message: str, *, scope: Withheld, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.scope = scope


class OutcomeUnknownError(ConnectorError):
    code = "outcome-unknown"


class BusyError(ConnectorError):
    code = "busy"


class RefusedError(ConnectorError):
    code = "refused"


class PermissionDeniedError(RefusedError):
    code = "permission-denied"


class MachineNotFoundError(RefusedError):
    code = "machine-not-found"


class UnsupportedError(RefusedError):
    code = "unsupported"


class AuthenticationError(ConnectorError):
    code = "authentication"


class CertificateError(ConnectorError):
    code = "certificate"


class ProtocolError(ConnectorError):
    code = "protocol"
