"""How long the dependency graph of thousands of steps takes to be laid out, on one core.

``python -m bench.pictures``; each figure is the median of five, the plan's own graph included.
"""

from __future__ import annotations

import random
import statistics
import time
from typing import Any

from api.dashboard.graph.near import everything
from api.dashboard.graph.overview import overview
from api.dashboard.graph.picture import picture
from api.dashboard.graph.views import Anatomy
from drorch.model.plan import Dependency, Gate, Plan, Step

SIZES = (140, 500, 1000, 2000)
_RUNS = 5
_WAVES = 20


def fleet_plan(count: int) -> Plan:
    """Return a seeded plan: 20 waves, near three dependencies a step, some over many waves."""
    chance = random.Random(7)
    wave = max(1, count // _WAVES)
    steps = []
    for number in range(count):
        own = number // wave
        needs = set()
        for _ in range(chance.choice((2, 3, 3, 4)) if own else 0):
            back = min(own, chance.choice((1, 1, 1, 2, 3, 5, 8)))
            needs.add(chance.randrange((own - back) * wave, (own - back + 1) * wave))
        after = tuple(Dependency(target=f"s{need}") for need in sorted(needs))
        steps.append(Step(id=f"s{number}", action=Gate(), depends_on=after))
    return Plan(id=f"fleet-{count}", title="Fleet", steps=tuple(steps))


def measured(count: int) -> dict[str, Any]:
    """Return the seconds of a core that the whole picture and the overview of *count* steps take."""
    plan = fleet_plan(count)
    whole, first = [], []
    for _ in range(_RUNS):
        began = time.process_time()
        view = everything(Anatomy(plan))
        assert view is not None
        picture(view)
        whole.append(time.process_time() - began)
        began = time.process_time()
        picture(overview(Anatomy(plan)))
        first.append(time.process_time() - began)
    return {
        "steps": count,
        "dependencies": sum(len(step.depends_on) for step in plan.steps),
        "whole_s": round(statistics.median(whole), 3),
        "overview_s": round(statistics.median(first), 3),
    }


def main() -> None:
    for count in SIZES:
        found = measured(count)
        print(
            f"{found['steps']:5} steps, {found['dependencies']:5} dependencies: "
            f"whole {found['whole_s']:.3f} s, overview {found['overview_s']:.3f} s"
        )


if __name__ == "__main__":
    main()
