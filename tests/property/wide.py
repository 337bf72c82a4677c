"""Strategies: wide plans, and histories of commands shaped towards interleavings."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, NamedTuple

from hypothesis import strategies as st

from drorch.model.plan import (
    Dependency,
    OnFailure,
    OnUnhealthy,
    Plan,
    RetryPolicy,
    Step,
    When,
)
from tests.fakes.plans import callout, check, gate, group, plan, question, service, vm, wait

_GROUPED = 4
"""The first steps may be members of groups; only the later ones may depend on a group."""
_KINDS = ("vm", "vm", "vm", "vm", "vm", "gate", "question", "wait", "callout")


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    """Five to nine steps with several roots, all actions, policies, edges, groups and limits."""
    size = draw(st.integers(5, 9))
    steps = tuple(draw(_steps(number)) for number in range(size))
    return plan(
        *steps,
        groups=(group("g0", draw(st.sampled_from([None, 1]))), group("g1")),
        services=(service("s", draw(st.integers(1, 3)), draw(st.sampled_from(steps)).id),),
        parallel=draw(st.sampled_from([1, 2, 3, 20])),
        per_connector=draw(st.sampled_from([{}, {"a": 1}, {"a": 2, "b": 1}])),
        per_host=draw(st.sampled_from([None, None, 1])),
    )


@st.composite
def _steps(draw: st.DrawFn, number: int) -> Step:
    name = f"s{number}"
    after = draw(_needs(number))
    more: dict[str, Any] = {
        "on_failure": draw(st.sampled_from(OnFailure)),
        "on_unhealthy": draw(st.sampled_from(OnUnhealthy)),
        "retry": RetryPolicy(attempts=draw(st.integers(1, 3)), wait=timedelta(seconds=5)),
        "verify": draw(st.sampled_from([(), (check(),), (check("x"), check("y"))])),
        "group": draw(st.sampled_from([None, "g0", "g1"])) if number < _GROUPED else None,
    }
    match draw(st.sampled_from(_KINDS)):
        case "vm":
            return vm(name, *after, connector=draw(st.sampled_from("ab")), **more)
        case "gate":
            return gate(name, *after, **more)
        case "question":
            return question(name, *after, timeout=draw(st.sampled_from([None, 60.0])), **more)
        case "wait":
            return wait(name, 30.0, *after, **more)
        case _:
            return callout(name, *after, **more)


@st.composite
def _needs(draw: st.DrawFn, number: int) -> list[Dependency]:
    """Few edges, so that plans are wide; the first steps have none or one."""
    targets = [f"s{n}" for n in range(number)]
    if number >= _GROUPED:
        targets += ["g0", "g1"]
    if not targets:
        return []
    most = 1 if number < _GROUPED else 3
    chosen = draw(st.lists(st.sampled_from(targets), max_size=most, unique=True))
    return [Dependency(target=t, when=draw(st.sampled_from(When))) for t in chosen]


class Move(NamedTuple):
    """One thing that happens; ``which`` and ``how`` choose step and outcome."""

    what: str
    which: int
    how: int


_WEIGHTS = {
    "later": 5,
    "report": 20,
    "stale": 1,
    "see": 4,
    "survey": 3,
    "obstacle": 1,
    "cleared": 3,
    "pause": 1,
    "resume": 2,
    "abort": 1,
    "approve": 4,
    "reject": 1,
    "retry": 3,
    "skip": 1,
    "accept": 2,
    "paper": 2,
    "adopt": 1,
}


def moves() -> st.SearchStrategy[list[Move]]:
    names = [name for name, weight in _WEIGHTS.items() for _ in range(weight)]
    one = st.builds(Move, st.sampled_from(names), st.integers(0, 8), st.integers(0, 11))
    # Left to itself Hypothesis prefers histories too short for anything to happen in them.
    return st.lists(one, min_size=40, max_size=80)
