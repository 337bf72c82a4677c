"""What went wrong between us and the simulator, in our own words."""

from __future__ import annotations

import httpx2

from drorch.errors import (
    BusyError,
    ConnectorError,
    MachineNotFoundError,
    OutcomeUnknownError,
    ProtocolError,
    RefusedError,
    UnreachableError,
)

_NEVER_SENT = (httpx2.ConnectError, httpx2.ConnectTimeout, httpx2.PoolTimeout)
_NO_HYPERVISOR = "check 'url' of this connector: something else answers there"
_START_IT = "start it (drorch simulator --fleet FILE --port N) or check 'url' of this connector"


def translate(error: Exception, *, url: str, ordered: str | None = None) -> ConnectorError:
    """Return our error for *error* of the HTTP client.

    *ordered* is the machine that the call gave an order about; None for a mere reading.
    """
    if isinstance(error, _NEVER_SENT):
        return UnreachableError(f"the simulator at {url} cannot be reached: {_said(error)}",
                                hint=_START_IT)  # fmt: skip
    if isinstance(error, httpx2.HTTPStatusError):
        return _status(error.response, url, ordered)
    if _is_rubbish(error):
        return ProtocolError(f"what answers at {url} is no simulator: {_said(error)}",
                             hint=_NO_HYPERVISOR)  # fmt: skip
    if ordered is not None:
        return outcome_unknown(ordered, _said(error))
    return UnreachableError(f"the simulator at {url} did not answer: {_said(error)}",
                            hint=_START_IT)  # fmt: skip


def outcome_unknown(machine: str, why: str) -> OutcomeUnknownError:
    return OutcomeUnknownError(
        f"the order for machine {machine} was sent, and no answer came: {why}",
        hint="look at the machine before ordering anything again",
    )


def no_machine(machine: str) -> MachineNotFoundError:
    return MachineNotFoundError(
        f"the simulator has no machine {machine!r}",
        hint="check the id in the plan against the fleet file",
    )


def nothing_done(machine: str) -> BusyError:
    return BusyError(
        f"the simulator could not take the order for machine {machine}; nothing was done",
        hint="it is tried again; DELETE /faults ends injected errors",
    )


def refused(machine: str, reason: str) -> RefusedError:
    return RefusedError(
        f"the simulator refuses the order for machine {machine}: {reason}",
        hint="free what it lacks, or change the fleet file",
    )


def reading_failed(url: str, why: str) -> UnreachableError:
    return UnreachableError(
        f"the simulator at {url} did not answer: {why}",
        hint="it is asked again; DELETE /faults ends injected errors",
    )


def _status(response: httpx2.Response, url: str, ordered: str | None) -> ConnectorError:
    if response.status_code >= 500:
        if ordered is not None:
            return nothing_done(ordered)
        return reading_failed(url, f"it answers {response.status_code}")
    return ProtocolError(
        f"{url} answers {response.status_code} to a call that the simulator knows",
        hint=_NO_HYPERVISOR,
    )


def _is_rubbish(error: Exception) -> bool:
    """Tell nonsense from silence; the client has one class for both (httpx2 2.16)."""
    if isinstance(error, httpx2.RemoteProtocolError):
        return "disconnected" not in str(error) and "closed connection" not in str(error)
    return isinstance(
        error,
        (ValueError, LookupError, TypeError, httpx2.DecodingError, httpx2.LocalProtocolError,
         httpx2.UnsupportedProtocol),
    )  # fmt: skip


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
