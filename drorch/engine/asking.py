"""Asks a service's checks, bounded in time and number, and believes a change when told twice."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import structlog

from drorch.engine.stopping import is_stopped
from drorch.model.plan import CheckSpec, MachineRef
from drorch.ports.check import CheckResult, Prober, Verdict
from drorch.run.words import seen_by

log = structlog.get_logger()

GRACE = 1.0
"""Seconds over a check's own timeout after which its prober is not waited for any more."""
_MOST = 500
"""Characters of evidence."""

Question: TypeAlias = tuple[CheckSpec, MachineRef | None]
"""A check, and the machine whose hypervisor it may have to ask."""


class Answer(NamedTuple):
    """What all checks of a service say together; None: they cannot be carried out here."""

    healthy: bool | None
    evidence: str


async def ask(
    prober: Prober,
    questions: Sequence[Question],
    slots: asyncio.Semaphore,
    *,
    service: str,
    patience: float = GRACE,
) -> Answer:
    """Carry out each check once, as many at a time as there are *slots*, and never raise.

    A prober gets *patience* seconds over the check's own timeout.
    """
    results = await asyncio.gather(
        *(_probe(prober, q, slots, service, patience) for q in questions)
    )
    return _together([(q[0], result) for q, result in zip(questions, results, strict=True)])


async def _probe(
    prober: Prober, question: Question, slots: asyncio.Semaphore, service: str, patience: float
) -> CheckResult:
    check, machine = question
    limit = check.timeout.total_seconds() + patience
    async with slots:
        try:
            async with asyncio.timeout(limit):
                return await prober.probe(check, machine)
        except TimeoutError:
            told = f"no answer within {limit:g} s"
            return CheckResult(verdict=Verdict.UNREACHABLE, evidence=told)
        except (Exception, asyncio.CancelledError) as error:
            if is_stopped(error):
                raise
            # A defect in a check must not end a recovery that does not even need it.
            log.exception("external.broke", service=service, check=check.name)
            told = f"unexpected {type(error).__name__}: {str(error)[:300]}"
            return CheckResult(verdict=Verdict.BROKEN, evidence=told)


def _together(results: list[tuple[CheckSpec, CheckResult]]) -> Answer:
    """One check that fails is enough; one that cannot be carried out leaves the rest unsure."""
    bad = [one for one in results if not one[1].healthy]
    failing = [one for one in bad if one[1].verdict is not Verdict.BROKEN]
    told = "; ".join(seen_by(check, one.evidence) for check, one in failing or bad or results)
    return Answer(False if failing else None if bad else True, told[:_MOST])


class Belief:
    """What is believed of a service. An answer that differs has to be given twice in a row."""

    def __init__(self, known: bool | None, *, is_known: bool) -> None:
        self._known = known
        self.is_known = is_known
        self._doubted: Answer | None = None

    @property
    def is_doubted(self) -> bool:
        """Tell whether the last answer was another one: it is asked for again soon."""
        return self._doubted is not None

    def hear(self, answer: Answer, *, at_once: bool = False) -> bool:
        """Tell whether *answer* changes what is believed.

        *at_once* lets the first answer ever be believed as it is.
        """
        if self.is_known and answer.healthy is self._known:
            self._doubted = None
            return False
        twice = self._doubted is not None and self._doubted.healthy is answer.healthy
        if not twice and (self.is_known or not at_once):
            self._doubted = answer
            return False
        self.is_known, self._known, self._doubted = True, answer.healthy, None
        return True
