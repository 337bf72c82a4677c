"""How the services are, as everybody may know."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from api.schemas.common import Out

Stands = Literal["up", "restoring", "down", "not_affected", "unknown"]


class Expected(Out):
    """When it is expected, to the quarter of an hour."""

    from_: str | None = Field(alias="from")
    by: str


class PublicService(Out):
    """``announced``: a person says so, in ``text``. ``fallback``: what to do meanwhile."""

    id: str
    title: dict[str, str]
    state: Stands
    announced: bool
    text: dict[str, str]
    since: str | None
    expected: Expected | None
    fallback: dict[str, str]


class PublicStatus(Out):
    """``state`` is the worst of all; ``stale_since``: nothing newer was learned since then.

    ``simulated``: there are only invented machines here, nothing of it is about real services.
    """

    at: str
    stale_since: str | None
    timezone: str
    simulated: bool
    state: Literal["up", "restoring", "down", "unknown"]
    services: list[PublicService]
