"""The types of problems of who may do what: not logged in, not allowed, halted, not signed."""

from __future__ import annotations

from collections.abc import Mapping

from api.schemas.kind import Kind
from drorch.access.oidc import OidcError
from drorch.access.people import WeakPasswordError
from drorch.access.policy import HaltedError, UnsignedPlanError
from drorch.access.principal import NotAllowedError
from drorch.access.sealing import SealError
from drorch.access.tokens import AuthenticationNeededError
from drorch.errors import DrorchError
from drorch.journal.gate import AccessConflictError, PersonNotFoundError, TokenNotFoundError
from drorch.journal.outbox import WebhookDisabledError, WebhookNotFoundError
from drorch.journal.site_rules import NotHaltedError, NoticeNotFoundError


class CsrfError(DrorchError):
    """A browser's request that changes something lacks the word that only our pages know."""

    code = "csrf"


class LoginRefusedError(DrorchError):
    """Name, password or code are not right; which of them is not said."""

    code = "login-refused"


class TooManyRequestsError(DrorchError):
    """Asked too often. *again* is in how many seconds to come back."""

    code = "too-many-requests"

    def __init__(self, message: str, *, again: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.again = again


class ServiceNotFoundError(DrorchError):
    code = "service-not-found"


ACCESS_KINDS: Mapping[type[DrorchError], Kind] = {
    AuthenticationNeededError: Kind(
        401,
        "Who asks?",
        "Send a token as 'Authorization: Bearer drt_...', or log in at /login. 'drorch token "
        "create' on the machine of the service makes a token; it is shown once.",
    ),
    LoginRefusedError: Kind(
        401,
        "Not logged in",
        "Name, password and code have to be right together. 'drorch user password NAME' on the "
        "machine of the service gives a new password.",
    ),
    OidcError: Kind(
        401,
        "The provider's answer proves nothing",
        "Nobody was logged in. Begin again at /login; name and password work without the provider.",
    ),
    SealError: Kind(
        500,
        "A sealed secret cannot be opened",
        "The key is another one than it was sealed with, or it was changed. Put the former "
        "[access] key back, or give new one-time codes: 'drorch user totp NAME'.",
    ),
    NotAllowedError: Kind(
        403,
        "Your role does not include this",
        "viewer reads; operator rehearses and decides in a run; responder starts, approves and "
        "aborts live runs; admin does the rest. Ask somebody with the role that the detail names.",
    ),
    CsrfError: Kind(
        403,
        "The page is old, or not ours",
        "Load the page again and repeat what you did. Nothing was done.",
    ),
    HaltedError: Kind(
        409,
        "drorch is halted",
        "Somebody has halted it: nothing new goes out anywhere. An admin lifts it with "
        "'drorch halt --lift' or DELETE /api/v1/halt, once it is known why it was halted.",
    ),
    NotHaltedError: Kind(409, "drorch is not halted", "There is nothing to lift."),
    UnsignedPlanError: Kind(
        409,
        "The plan is not signed as the policy asks",
        "It was stored, and may be rehearsed; a live run takes a signature by somebody in [policy] "
        "allowed_signers over exactly this file.",
    ),
    AccessConflictError: Kind(
        409, "There is one of that name", "Take another name, or remove the one that is there."
    ),
    TokenNotFoundError: Kind(
        404, "There is no such token", "GET /api/v1/tokens lists them, also the revoked ones."
    ),
    PersonNotFoundError: Kind(
        404, "There is no such person", "'drorch user list' on the machine of the service."
    ),
    NoticeNotFoundError: Kind(
        404, "There is no notice", "GET /api/v1/services shows the notices that there are."
    ),
    ServiceNotFoundError: Kind(
        404, "No stored plan has such a service", "GET /api/v1/services lists them."
    ),
    WebhookNotFoundError: Kind(
        404, "There is no such web hook", "GET /api/v1/webhooks lists those of the configuration."
    ),
    WebhookDisabledError: Kind(
        409,
        "The web hook is disabled",
        "Its target answered 410: it wants no messages any more. When it is back, an admin enables "
        "it with POST /api/v1/webhooks/NAME/enable; it begins with what happens from then on.",
    ),
    WeakPasswordError: Kind(
        422, "The password is too weak", "Three or four words with spaces are easy to keep."
    ),
    TooManyRequestsError: Kind(
        429,
        "Too many requests",
        "Come back after the seconds that Retry-After names. Decisions in a running recovery "
        "have a share of their own.",
    ),
}
"""By class; merged into the others."""
