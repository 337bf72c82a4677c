"""What was seen last of a machine, and of a check."""

from __future__ import annotations

from dataclasses import dataclass

from drorch.ports.connector import Power


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the hypervisor says of a step's machine: its id, power and node."""

    power: Power
    host: str | None
    machine: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSeen:
    """The last result of one check."""

    healthy: bool
    evidence: str
