"""How long a step takes: a median with its spread, learned or guessed, before this run is seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from statistics import median
from typing import NamedTuple, TypeAlias

from drorch.forecast.lessons import Lessons, Took
from drorch.model.graph import expected
from drorch.model.plan import Callout, Manual, Plan, PowerOn, Step, Wait
from drorch.run.status import OrderKind

Cell: TypeAlias = tuple[bool, str, str]
"""Steps that are slow together: learned or not, of the same connector, in the same group."""

SHORTEST = 0.5
"""Seconds: what is shorter takes no time that anybody waits for, and has no logarithm to trust."""
_GUESSED, _LEARNED, _PEOPLE = 0.4, 0.2, 0.9
"""How far one step strays from its median, as a standard deviation of logarithms: by the plan's
word, by experience, and where a person answers."""
_OWN_WEIGHT = 4
"""So many observations of its own weigh as much as that."""
_BOOT_SHARE = 0.9
"""Of ``start_timeout``: a longer ``expect`` is a slow application, as a simulation has it."""
_RUNS_ALREADY = 15.0
"""Seconds for the checks of a machine that runs already, as long as nothing was learned."""


class Known:
    """What is known of the durations of a plan before a run of it is looked at, by step number."""

    def __init__(self, plan: Plan, lessons: Lessons) -> None:
        self.runs = lessons.runs
        self.whole = [length_of(step, lessons) for step in plan.steps]
        self.checks = [checks_of(step, lessons) for step in plan.steps]


class Length(NamedTuple):
    """The time of a step from its order: lognormal about ``median`` seconds.

    ``action`` is the part of it after which others see it started, ``cell`` with which others it
    is slow or fast (None: with nobody, as a person's answer or a pause), ``learned`` whether
    earlier runs say so.
    """

    median: float
    sigma: float
    action: float
    learned: bool
    cell: Cell | None


def length_of(step: Step, lessons: Lessons) -> Length:
    """Return how long *step* takes from its order to its health."""
    took = lessons.steps.get(step.id, ())
    match step.action:
        case Wait():
            checks = _checks(step, [t.checks for t in took])
            return Length(expected(step) + checks, 0.0, 0.0, learned=True, cell=None)
        case Manual():
            return _answer(step, [t for t in took if t.order is None])
        case PowerOn():
            return _measured(step, [t for t in took if t.order is OrderKind.START])
        case Callout():
            return _measured(step, [t for t in took if t.order is OrderKind.CALLOUT])
        case _:
            return _measured(step, [t for t in took if t.order is OrderKind.VERIFY])


def checks_of(step: Step, lessons: Lessons) -> Length:
    """Return how long the checks of *step* take once its machine runs, or its action is done."""
    took = lessons.steps.get(step.id, ())
    if not step.verify:
        return Length(0.0, 0.0, 0.0, learned=True, cell=None)
    seen = [t.checks for t in took if step.machine is None or t.order is OrderKind.START]
    cell = _cell(step, known=bool(seen))
    if not seen:
        return Length(min(_RUNS_ALREADY, expected(step)), _PEOPLE, 0.0, learned=False, cell=cell)
    middle = max(SHORTEST, median(seen))
    return Length(middle, _spread(seen, middle, 2 * _LEARNED), 0.0, learned=True, cell=cell)


def _cell(step: Step, *, known: bool) -> Cell | None:
    """Machines and callouts are slow together; a gate and a person are on their own."""
    if step.machine is None and not isinstance(step.action, Callout):
        return None
    return known, step.machine.connector if step.machine else "", step.group or ""


def _checks(step: Step, seen: Sequence[float]) -> float:
    if not step.verify:
        return 0.0
    return median(seen) if seen else SHORTEST


def _answer(step: Step, took: Sequence[Took]) -> Length:
    """People take their time: what they took earlier, else the plan's word, and widely so."""
    answers = [t.action for t in took]
    middle = median(answers) if answers else expected(step)
    sigma = _spread(answers, middle, _PEOPLE)
    whole = max(SHORTEST, middle) + _checks(step, [t.checks for t in took])
    return Length(whole, sigma, 0.0, learned=bool(took), cell=None)


def _measured(step: Step, took: Sequence[Took]) -> Length:
    machine, cell = step.machine, _cell(step, known=bool(took))
    if not took:
        whole = max(SHORTEST, expected(step))
        boot = min(whole, step.start_timeout.total_seconds() * _BOOT_SHARE)
        return Length(whole, _GUESSED, boot if machine else 0.0, learned=False, cell=cell)
    wholes = [t.whole for t in took]
    middle = max(SHORTEST, median(wholes))
    action = min(median([t.action for t in took]), middle) if machine else 0.0
    return Length(middle, _spread(wholes, middle, _LEARNED), action, learned=True, cell=cell)


def _spread(seen: Sequence[float], middle: float, usual: float) -> float:
    """Return how far the next one strays: as seen, drawn towards the usual while seen seldom."""
    if not seen:
        return usual
    centre = math.log(max(middle, SHORTEST))
    own = sum((math.log(max(value, SHORTEST)) - centre) ** 2 for value in seen)
    weight = _OWN_WEIGHT + len(seen)
    variance = (usual**2 * _OWN_WEIGHT + own) / weight
    return math.sqrt(variance * (1 + 1 / len(seen)))
