"""The port to health checks: an answer with evidence, never an exception."""

from __future__ import annotations

from enum import StrEnum
from typing import Protocol

from drorch.model.plan import CheckSpec, MachineRef
from drorch.model.value import value

ASKED = "asked "
"""Evidence that begins with it names what was asked, before a colon and what came back."""


class Verdict(StrEnum):
    """What one attempt of a check found.

    ``UNWELL``: something answered, but not what is wanted. ``REFUSED``: the host is there and
    nothing listens. ``UNREACHABLE``: nobody answered at all (route, firewall, machine off), so
    nothing is known about the application. ``BROKEN``: the check could not be carried out here
    (a missing driver or secret); no retry cures it without a person.
    """

    HEALTHY = "healthy"
    UNWELL = "unwell"
    REFUSED = "refused"
    UNREACHABLE = "unreachable"
    BROKEN = "broken"


@value
class CheckResult:
    """``evidence`` says in one line what was asked and what came back, without secrets.

    It holds at most 500 characters; control characters of the other side are escaped.
    """

    verdict: Verdict
    evidence: str

    @property
    def healthy(self) -> bool:
        return self.verdict is Verdict.HEALTHY


class Prober(Protocol):
    """Carries out one attempt of any check of the plan language."""

    async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
        """Try *check* once, within ``check.timeout`` whatever the other side does.

        *machine* is the step's machine, for checks that ask its hypervisor (``agent``).
        """
