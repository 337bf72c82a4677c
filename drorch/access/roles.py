"""The roles and what each may do: one table, which every face asks."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from drorch.run.status import Mode


class Role(StrEnum):
    """Each includes the ones before."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    RESPONDER = "responder"
    ADMIN = "admin"


_ORDER = tuple(Role)


class Permission(StrEnum):
    """Something that a person or a program may be allowed to do."""

    READ = "read"
    """Everything but tokens, people and the audit."""
    VALIDATE_PLANS = "validate-plans"
    REHEARSE = "rehearse"
    """Start a dry run, a simulation or a drill, and abort those."""
    DECIDE = "decide"
    """Answer for a step of any run."""
    PAUSE = "pause"
    """Pause and resume any run."""
    CHECK_CONNECTORS = "check-connectors"
    HOLD = "hold"
    """Forbid the start of a machine."""
    PUBLISH = "publish"
    """Say by hand how a service is."""
    HALT = "halt"
    START_LIVE = "start-live"
    """Start a live or a shutdown run."""
    APPROVE_LIVE = "approve-live"
    """Approve a live run that somebody else asked for."""
    ABORT_LIVE = "abort-live"
    RELEASE = "release"
    """Allow again what a hold forbids."""
    READ_AUDIT = "read-audit"
    STORE_PLANS = "store-plans"
    MANAGE_ACCESS = "manage-access"
    """Tokens and people."""
    LIFT_HALT = "lift-halt"


LEAST: Mapping[Permission, Role] = {
    Permission.READ: Role.VIEWER,
    Permission.VALIDATE_PLANS: Role.VIEWER,
    Permission.REHEARSE: Role.OPERATOR,
    Permission.DECIDE: Role.OPERATOR,
    Permission.PAUSE: Role.OPERATOR,
    Permission.CHECK_CONNECTORS: Role.OPERATOR,
    Permission.HOLD: Role.OPERATOR,
    Permission.PUBLISH: Role.OPERATOR,
    Permission.HALT: Role.OPERATOR,
    Permission.START_LIVE: Role.RESPONDER,
    Permission.APPROVE_LIVE: Role.RESPONDER,
    Permission.ABORT_LIVE: Role.RESPONDER,
    Permission.RELEASE: Role.RESPONDER,
    Permission.READ_AUDIT: Role.RESPONDER,
    Permission.STORE_PLANS: Role.ADMIN,
    Permission.MANAGE_ACCESS: Role.ADMIN,
    Permission.LIFT_HALT: Role.ADMIN,
}
"""The least role that has each permission."""

_REHEARSALS = frozenset({Mode.DRY_RUN, Mode.SIMULATE, Mode.DRILL})


def is_allowed(role: Role, permission: Permission) -> bool:
    """Tell whether *role* includes *permission*."""
    return _ORDER.index(role) >= _ORDER.index(LEAST[permission])


def to_start(mode: Mode) -> Permission:
    """Return what starting a run of *mode* takes."""
    return Permission.REHEARSE if mode in _REHEARSALS else Permission.START_LIVE


def to_abort(mode: Mode) -> Permission:
    """Return what aborting a run of *mode* takes."""
    return Permission.REHEARSE if mode in _REHEARSALS else Permission.ABORT_LIVE
