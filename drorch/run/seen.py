"""What was seen last of a machine, and of a check."""

from __future__ import annotations

from drorch.model.value import value
from drorch.ports.connector import Power


@value
class Seen:
    """What the hypervisor says of a step's machine: its id, power and node."""

    power: Power
    host: str | None
    machine: str


@value
class CheckSeen:
    """The last result of one check."""

    healthy: bool
    evidence: str
