"""What sending needs from outside: a box that survives crashes, and somebody who delivers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from drorch.outbox.rules import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Claimed:
    """A message in hand; *tries* counts this one. *message* is the same at every try."""

    id: int
    hook: str
    message: str
    payload: str
    tries: int


class Box(Protocol):
    """The outbox. Every method may raise `JournalError`; then nothing of it was done."""

    async def fill(self, hooks: Mapping[str, frozenset[str]]) -> frozenset[str]:
        """Make messages of what has happened; return the hooks that have something due.

        *hooks* gives the types of event that each wants. A hook that is not known begins now.
        A message and the cursor that says it was made are stored together: each event of the
        journal becomes one message of a hook, whoever else fills.
        """

    async def claim(self, hook: str, lease: float) -> Claimed | None:
        """Take the message that is due longest; nobody else gets it for *lease* seconds.

        Who is lost with it in hand is followed by somebody else: it is sent again.
        """

    async def delivered(self, claimed: Claimed) -> None:
        """Note that it has arrived."""

    async def put_back(self, claimed: Claimed, reason: str, wait: float) -> None:
        """Let it be due again in *wait* seconds."""

    async def give_up(self, claimed: Claimed, reason: str) -> None:
        """Note that it will not be tried again."""

    async def disable(self, claimed: Claimed, reason: str) -> None:
        """Give up all messages of its hook, and make no more until somebody enables it."""

    async def clean(self) -> None:
        """Forget what was sent or given up long ago."""


class Deliverer(Protocol):
    """Carries one message to its target."""

    async def deliver(self, hook: str, message: str, payload: str) -> Outcome:
        """Try once, within bounded time. What goes wrong is an outcome, never an error."""
