"""The types of problems: the status of each, what it means and what a person does about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from api.schemas.access_problems import ACCESS_KINDS
from api.schemas.kind import Kind
from drorch import errors
from drorch.access.signatures import PlanSignatureError
from drorch.engine.supervisor import RunIsDrivenError
from drorch.errors import DrorchError
from plans import InvalidPlanError


class StepNotFoundError(DrorchError):
    code = "step-not-found"


class ConnectorNotFoundError(DrorchError):
    code = "connector-not-found"


class HoldNotFoundError(DrorchError):
    code = "hold-not-found"


class HostRefusedError(DrorchError):
    code = "host-refused"


class OriginRefusedError(DrorchError):
    code = "origin-refused"


class HeadTooLargeError(DrorchError):
    """The request's line and headers are more than any request here needs."""

    code = "headers-too-large"


class ConfirmationNeededError(DrorchError):
    code = "confirmation-needed"


class InvalidRequestError(DrorchError):
    code = "invalid-request"


class MediaTypeError(DrorchError):
    code = "media-type"


class KeyReusedError(DrorchError):
    code = "idempotency-key-reused"


class KeyInUseError(DrorchError):
    code = "idempotency-key-in-use"


class PreconditionFailedError(DrorchError):
    """What If-Match or If-None-Match asks for does not hold: somebody was there first."""

    code = "precondition-failed"


class NotReadyError(DrorchError):
    """``failing``: each check that does not hold, as JSON with ``check``, ``message``, ``hint``."""

    code = "not-ready"

    def __init__(self, message: str, *, failing: Sequence[Mapping[str, str]], hint: str) -> None:
        super().__init__(message, hint=hint)
        self.failing = failing


class TooManyListenersError(DrorchError):
    code = "too-many-listeners"


class CursorUnknownError(DrorchError):
    code = "cursor-unknown"


_HYPERVISOR = "A hypervisor was asked and did not do it. "
_NOT_SENT = "Nothing was received there, so nothing was done; ask again when it answers."

KINDS: Mapping[type[DrorchError], Kind] = {
    DrorchError: Kind(500, "Something went wrong", "The detail says what; the log says more."),
    errors.PlanError: Kind(
        422, "The plan cannot be used", "The detail names what the plan does not have or allow."
    ),
    InvalidPlanError: Kind(
        422,
        "The plan is not valid",
        "Every problem stands in errors with its line, its column and what would be right. "
        "Nothing was stored. Correct the lines and send the plan again.",
    ),
    PlanSignatureError: Kind(
        422,
        "The plan is not signed as it has to be",
        "The detail says what is wrong with the signature: it is missing or malformed, made for "
        "something else, by a key that is not allowed (now), or not over these bytes. Sign the "
        "plan with ssh-keygen -Y sign -n drorch-plan, and send plan and signature again.",
    ),
    errors.PlanNotFoundError: Kind(
        404, "There is no such plan", "GET /api/v1/plans lists the plans that are stored."
    ),
    errors.ConfigurationError: Kind(
        422,
        "The configuration does not allow it",
        "drorch.toml on the machine of the service lacks something or has it wrong; the detail "
        "names it. The service reads its configuration when it starts.",
    ),
    errors.CommandRejectedError: Kind(
        409,
        "The run's state does not allow it",
        "The detail says why. Look at the run as it is now: somebody may have answered first.",
    ),
    errors.RunNotFoundError: Kind(
        404, "There is no such run", "GET /api/v1/runs lists the runs of this service."
    ),
    errors.MachineClaimedError: Kind(
        409,
        "Another live run holds one of the machines",
        "Two live runs never act on the same machine. The one that holds it is named in run_id: "
        "let it end, or abort it; aborting powers nothing off.",
    ),
    RunIsDrivenError: Kind(
        409, "Another process drives the run", "Its decisions are taken from here all the same."
    ),
    errors.JournalError: Kind(
        500, "The journal holds what cannot be read", "A newer drorch may have written it."
    ),
    errors.JournalConflictError: Kind(
        409, "Somebody else wrote first", "Read it again, and then decide again."
    ),
    errors.JournalUnavailableError: Kind(
        503,
        "The journal is not available",
        "Nothing can be recorded now, and nothing new is started. Look at the disk that holds "
        "data_dir: is it full, or was it mounted read-only?",
    ),
    errors.ConnectorError: Kind(502, "The hypervisor did not do it", _HYPERVISOR),
    errors.UnavailableError: Kind(502, "The hypervisor is not available", _NOT_SENT),
    errors.UnreachableError: Kind(502, "The hypervisor cannot be reached", _NOT_SENT),
    errors.HostUnavailableError: Kind(502, "A node of the hypervisor is dark", _NOT_SENT),
    errors.NoQuorumError: Kind(
        502,
        "The cluster has no quorum",
        "It refuses every start until enough of its nodes are back; drorch then goes on by itself.",
    ),
    errors.OutcomeUnknownError: Kind(
        502,
        "What became of the order is not known",
        "It was sent, and no answer came. Look at the machine before anything else.",
    ),
    errors.BusyError: Kind(
        502, "The hypervisor is busy", "It refused for now: something is locked. Ask again later."
    ),
    errors.RefusedError: Kind(
        502, "The hypervisor refused", _HYPERVISOR + "The same order will be refused again."
    ),
    errors.PermissionDeniedError: Kind(
        502, "The credentials lack a right", "The detail names the right; give it to the token."
    ),
    errors.MachineNotFoundError: Kind(
        404, "The hypervisor has no such machine", "It may have been restored under another id."
    ),
    errors.UnsupportedError: Kind(
        502, "This hypervisor cannot do that", "The plan asks for what its connector does not have."
    ),
    errors.AuthenticationError: Kind(
        502, "The hypervisor refused the credentials", "Correct the token in drorch.toml."
    ),
    errors.CertificateError: Kind(
        502,
        "The hypervisor shows another certificate",
        "It is not the one that drorch.toml pins, so no secret was sent. Find out why before you "
        "change the fingerprint.",
    ),
    errors.ProtocolError: Kind(
        502, "What answers is no hypervisor", "Is the address right? Is a proxy in between?"
    ),
    StepNotFoundError: Kind(
        404, "The run has no such step", "GET /api/v1/runs/RUN/steps lists the steps of a run."
    ),
    ConnectorNotFoundError: Kind(
        404, "There is no such connector", "GET /api/v1/connectors lists those of drorch.toml."
    ),
    HoldNotFoundError: Kind(
        404, "The machine is not held", "GET /api/v1/holds lists the machines that are held."
    ),
    HostRefusedError: Kind(
        403,
        "The service is asked under a name that it does not have",
        "It answers under localhost, the names and addresses of its certificate, and those in "
        "[server] names, and without TLS only to its own machine and to the named proxies. So no "
        "page elsewhere can reach it under a name of its own. 'drorch tls show' lists the "
        "certificate's names; a tunnel always works: ssh -L 8140:127.0.0.1:8140 HOST.",
    ),
    OriginRefusedError: Kind(
        403,
        "Another site asked for it",
        "A page of another site tried to change something here with your browser. Use the pages "
        "of this service itself, or a program that sends no Origin header.",
    ),
    HeadTooLargeError: Kind(
        431,
        "The headers are too large",
        "The request's line and its headers together may have 32 KiB, and there may be 100 of "
        "them. In a browser, old cookies of other services on the same host are often the reason.",
    ),
    ConfirmationNeededError: Kind(
        422,
        "A live run has to be confirmed",
        "It powers real machines on. Send the plan's id in confirm.",
    ),
    InvalidRequestError: Kind(
        422,
        "The request is not as this call takes it",
        "errors names each part that is wrong; /docs describes each call.",
    ),
    MediaTypeError: Kind(
        415,
        "The body is not of the type that this call takes",
        "Plans are sent as application/yaml, everything else as application/json.",
    ),
    KeyReusedError: Kind(
        422,
        "The idempotency key was used for something else",
        "A key belongs to one request; make a new one for another request.",
    ),
    KeyInUseError: Kind(
        409,
        "The first request with this idempotency key is not answered yet",
        "Ask again in a second.",
    ),
    PreconditionFailedError: Kind(
        412,
        "It is not as you have read it",
        "Somebody has changed it since, so nothing was done. Read it again, look at what is new, "
        "and then send your change with the new ETag.",
    ),
    NotReadyError: Kind(
        503,
        "The service is not ready",
        "errors names each check that does not hold, and what to do about it. The process itself "
        "lives: /healthz answers. Most of these end by themselves.",
    ),
    TooManyListenersError: Kind(
        503,
        "Too many streams of events are open",
        "Come back after Retry-After seconds and resume by Last-Event-ID: nothing is lost. If it "
        "stays, who keeps so many open? One stream of /api/v1/events tells everything.",
    ),
    CursorUnknownError: Kind(
        422,
        "There is no event at this place",
        "The id is not of this store: another one, or a backup of it, may have been put in its "
        "place. Read again what you need, with after=0 from the first event of all.",
    ),
}
"""By class; a class that is not here is told as its nearest ancestor."""
_ALL = {**KINDS, **ACCESS_KINDS}

HTTP_KINDS: Mapping[str, Kind] = {
    "not-found": Kind(
        404, "There is nothing here", "There is nothing at this address; /docs lists every call."
    ),
    "method-not-allowed": Kind(
        405, "This address takes another method", "The header Allow names those that it takes."
    ),
    "body-too-large": Kind(
        413, "The body is too large", "A plan may have 5 MiB, every other body 64 KiB."
    ),
    "internal": Kind(
        500,
        "Something went wrong inside drorch",
        "drorch could not answer this request; the service's log has the rest.",
    ),
    "invalid-http": Kind(
        400,
        "This is no HTTP request",
        "What was sent breaks the rules of HTTP/1.1, so nobody can tell what was meant: two Host "
        "headers, a line that is no header, https sent to a port without TLS.",
    ),
    "media-type": KINDS[MediaTypeError],
    "invalid-request": KINDS[InvalidRequestError],
}
"""What no error of drorch stands behind."""


def kind_of(error: type[DrorchError]) -> Kind:
    """Return the kind of an error's class, or of its nearest ancestor."""
    known = next(cls for cls in error.__mro__ if cls in _ALL)
    return _ALL[known]


def catalogue() -> Mapping[str, Kind]:
    """Return every type of problem by its code."""
    found = dict(HTTP_KINDS)
    found.update((cls.code, kind_of(cls)) for cls in _descendants(DrorchError))
    return dict(sorted(found.items()))


def _descendants(cls: type[DrorchError]) -> Iterator[type[DrorchError]]:
    yield cls
    for child in cls.__subclasses__():
        yield from _descendants(child)
