"""Connectors, the fleet, holds and health over HTTP."""

from __future__ import annotations

from pydantic import Field

from api.schemas.common import By, In, Out, Reason
from api.schemas.runs import Finding


class Connector(Out):
    """A connector of the configuration, and who answered behind it just now."""

    name: str
    type: str
    ok: bool
    product: str | None
    version: str | None
    error: str | None
    hint: str | None


class Connectors(Out):
    items: list[Connector]
    next: str | None


class Node(Out):
    name: str
    online: bool
    reason: str


class ConnectorChecked(Out):
    """What was found; whoever does not answer as a hypervisor should is told as a problem."""

    name: str
    type: str
    product: str
    version: str
    identity: str
    machines: int
    hosts: list[Node]
    quorate: bool
    findings: list[Finding]


class FleetMachine(Out):
    """``plans`` are those whose newest revision has a step for it; ``hold`` is why it is held."""

    connector: str
    machine: str
    name: str
    power: str
    host: str | None
    plans: list[str]
    hold: str | None


class ConnectorAway(Out):
    connector: str
    error: str
    hint: str


class Fleet(Out):
    """Every machine that the connectors see; ``away`` are those that did not answer."""

    items: list[FleetMachine]
    away: list[ConnectorAway]
    next: str | None


class HoldPlaced(Out):
    """A hold as somebody placed it."""

    connector: str
    machine: str
    reason: str
    by: str
    at: str


class Hold(HoldPlaced):
    """``name`` and ``power`` are as seen just now; null, and ``told`` says why, if not seen."""

    name: str | None
    power: str | None
    told: str


class Held(Hold):
    """``also``: further machines of the name that was given; they are held, too."""

    also: list[Hold]


class Holds(Out):
    items: list[Hold]
    next: str | None


class HoldRequest(In):
    reason: Reason
    by: By = ""


class Alive(Out):
    status: str
    version: str


class CheckHolds(Out):
    check: str
    ok: bool
    detail: str


class Ready(Out):
    """``notes``: what is worth saying all the same, such as a run that this service lost."""

    status: str
    version: str
    checks: list[CheckHolds]
    notes: list[str] = Field(default_factory=list)
