"""One table ``[webhooks.NAME]`` of the configuration."""

from __future__ import annotations

from typing import Annotated, Any

import httpx2
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from connectors.secrets import SecretRef
from drorch.outbox.rules import DEFAULT_EVENTS, chosen


def _events(patterns: tuple[str, ...]) -> tuple[str, ...]:
    chosen(patterns)
    return patterns


def _address(url: str) -> str:
    try:
        target = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise ValueError("it is no web address, write https://10.1.0.30/hooks/drorch") from error
    if target.scheme not in ("http", "https") or not target.host:
        raise ValueError("write it in full, like https://10.1.0.30/hooks/drorch")
    if target.userinfo:
        raise ValueError("it holds a password; messages are signed with 'secret' instead")
    return url


HookName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9._-]{0,62}$")]


class HookSettings(BaseModel):
    """Where messages go, what they are signed with, and which events become messages.

    ``previous_secret`` is for the days in which the receiver learns the new one: both sign.
    ``ca`` names one of ``[authorities]``; left away: those of the system.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: Annotated[str, AfterValidator(_address)]
    secret: SecretRef
    previous_secret: SecretRef | None = None
    events: Annotated[tuple[str, ...], Field(min_length=1), AfterValidator(_events)] = (
        DEFAULT_EVENTS
    )
    ca: str | None = None

    @property
    def host(self) -> str:
        """Return host and port: all of the address that is ever shown, the rest may be secret."""
        target: Any = httpx2.URL(self.url)
        return f"{target.host}:{target.port}" if target.port else str(target.host)

    @property
    def kinds(self) -> frozenset[str]:
        """Return the types of event that become messages."""
        return chosen(self.events)
