"""Who acts: a token, a person in a browser, the operating system's user, or anybody."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from drorch.access.roles import LEAST, Permission, Role, is_allowed
from drorch.errors import DrorchError


class NotAllowedError(DrorchError):
    """The role of whoever asks does not include it."""

    code = "not-allowed"


class Means(StrEnum):
    """How somebody proved who they are."""

    TOKEN = "token"  # noqa: S105 (a word)
    PERSON = "person"
    SYSTEM = "system"
    """The user of the operating system that this process runs as."""
    OPEN = "open"
    """Nobody asked: the service runs without authentication, on loopback."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who acts. *id* tells two of one name apart, and stays the same; *name* is for people."""

    id: str
    name: str
    role: Role
    means: Means
    address: str = ""

    @property
    def identity(self) -> str:
        """Return what two acts of the same one have in common, such as ``person:mario``."""
        return f"{self.means}:{self.id}"

    def allow(self, permission: Permission) -> None:
        """Raise `NotAllowedError` unless the role includes *permission*."""
        if not is_allowed(self.role, permission):
            raise NotAllowedError(
                f"{self.name} is {self.role}, and this takes {LEAST[permission]} ({permission})",
                hint="ask somebody who has that role; on the machine of the service 'drorch token "
                "list' and 'drorch user list' show who",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestKey:
    """The ``Idempotency-Key`` of a request, and what else has to be the same for it to match."""

    caller: str
    key: str
    fingerprint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One change, as the audit record tells it. *object* may depend on the work's result."""

    by: Principal
    action: str
    object: str | Callable[[Any], str]
    after: Mapping[str, Any] | Callable[[Any], Mapping[str, Any]] | None = None
    before: Mapping[str, Any] | None = None
    reason: str = ""
    approval: str = ""
    request_id: str = ""
    key: RequestKey | None = None
    also: tuple[str, ...] = ()
    """Further actions that this was at the same time; each has an entry of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Somebody with one request in hand."""

    by: Principal
    request_id: str = ""
    key: RequestKey | None = None

    def without_key(self) -> Caller:
        """Return the same for a second change of one request: its key is for the first."""
        return replace(self, key=None)

    def act(
        self,
        action: str,
        object: str | Callable[[Any], str],  # noqa: A002 (the record's own word)
        *,
        after: Mapping[str, Any] | Callable[[Any], Mapping[str, Any]] | None = None,
        before: Mapping[str, Any] | None = None,
        reason: str = "",
        approval: str = "",
    ) -> Act:
        """Return what the record says of this change."""
        return Act(
            by=self.by,
            action=action,
            object=object,
            after=after,
            before=before,
            reason=reason,
            approval=approval,
            request_id=self.request_id,
            key=self.key,
        )
