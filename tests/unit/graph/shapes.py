"""Plans of every shape, and the places of a picture as rectangles."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from hypothesis import strategies as st

from api.dashboard.graph.picture import Picture
from drorch.model.plan import Dependency, Group, Plan, Service, Step, When
from tests.fakes.plans import gate, plan

WHEN = list(When)


class Rectangle(NamedTuple):
    left: int
    top: int
    right: int
    bottom: int


def boxes(picture: Picture) -> list[Rectangle]:
    """Return where each node stands."""
    size = picture.layout.size
    return [Rectangle(x, y, x + size.width, y + size.height) for x, y in picture.layout.corners]


@st.composite
def plans(draw: st.DrawFn, most: int = 40) -> Plan:
    """Draw a plan in which a step needs earlier ones, or groups whose members are all earlier.

    Groups are scattered over the steps, so that many of them need each other's members.
    """
    count = draw(st.integers(1, most))
    groups = draw(st.integers(0, 6))
    of = [draw(st.integers(-1, groups - 1)) for _ in range(count)] if groups else [-1] * count
    steps: list[Step] = []
    for number in range(count):
        earlier = st.lists(st.integers(0, number - 1), max_size=4, unique=True)
        needs = draw(earlier) if number else []
        after = [Dependency(target=f"s{n}", when=draw(st.sampled_from(WHEN))) for n in needs]
        done = [g for g in range(groups) if g in of and g not in of[number:]]
        waits_for_group = draw(st.booleans())
        if done and waits_for_group:
            after.append(Dependency(target=f"g{draw(st.sampled_from(done))}"))
        step = gate(f"s{number}", *after)
        steps.append(replace(step, group=f"g{of[number]}") if of[number] >= 0 else step)
    wanted = st.lists(st.integers(0, count - 1), min_size=1, max_size=3, unique=True)
    services = [
        Service(
            id=f"v{number}",
            title={"en": f"Service {number}"},
            tier=draw(st.integers(1, 5)),
            steps=tuple(f"s{n}" for n in draw(wanted)),
        )
        for number in range(draw(st.integers(0, 8)))
    ]
    return plan(*steps, groups=[Group(id=f"g{n}") for n in range(groups)], services=tuple(services))
