"""Exit codes, and which error ends with which."""

from __future__ import annotations

from collections.abc import Iterator
from enum import IntEnum

from api.locale import _
from api.schemas.common import is_seen
from api.schemas.problem_types import ConnectorNotFoundError, StepNotFoundError
from drorch.access.people import WeakPasswordError
from drorch.errors import (
    ConfigurationError,
    ConnectorError,
    DrorchError,
    JournalUnavailableError,
    MachineNotFoundError,
    PlanError,
    RunNotFoundError,
)
from drorch.journal.carrying import RunFileError
from drorch.journal.gate import AccessConflictError, PersonNotFoundError, TokenNotFoundError
from drorch.journal.site_rules import NotHaltedError


class Exit(IntEnum):
    """What a script can tell from how drorch ended."""

    DONE = 0
    ENDED_BADLY = 1
    WRONG_USE = 2
    NEEDS_PERSON = 3
    UNREACHABLE = 4
    INTERRUPTED = 130


class WrongUseError(DrorchError):
    """The command was given something that it cannot work with."""

    code = "wrong-use"


class ServiceUnreachableError(DrorchError):
    """The service named by ``--server`` does not answer."""

    code = "service-unreachable"


_WRONG_USE = (
    AccessConflictError,
    ConfigurationError,
    ConnectorNotFoundError,
    MachineNotFoundError,
    NotHaltedError,
    PersonNotFoundError,
    PlanError,
    RunFileError,
    RunNotFoundError,
    StepNotFoundError,
    TokenNotFoundError,
    WeakPasswordError,
    WrongUseError,
)
_UNREACHABLE = (ConnectorError, JournalUnavailableError, ServiceUnreachableError)


def refuse_unsaid(reason: str) -> None:
    """Raise `WrongUseError` for a reason that shows nothing on a screen."""
    if not is_seen(reason):
        raise WrongUseError(_("--reason says nothing"), hint=_("say why: others will ask"))


def exit_of(error: DrorchError) -> Exit:
    """Return the code with which a command that met *error* ends."""
    if isinstance(error, _WRONG_USE):
        return Exit.WRONG_USE
    return Exit.UNREACHABLE if isinstance(error, _UNREACHABLE) else Exit.ENDED_BADLY


def told_errors(error: BaseException) -> Iterator[DrorchError]:
    """Yield the errors that drorch raised on purpose, also out of a group of tasks."""
    if isinstance(error, DrorchError):
        yield error
    elif isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from told_errors(inner)
