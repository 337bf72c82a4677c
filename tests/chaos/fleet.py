"""What is recovered in these tests: layers of machines, with callouts and troubles if wanted."""

from __future__ import annotations

import random
from typing import Any

from connectors.simulated.fleet import Fleet, build

FIRST = 1000


def plan(count: int, *, parallel: int = 8, layers: int = 5, callouts: int = 0) -> dict[str, Any]:
    """Return a plan of *count* machines that need up to three of the layer before theirs."""
    chance = random.Random(count)
    ranks = [list(range(n, count, layers)) for n in range(layers)]
    steps: dict[str, Any] = {}
    for depth, rank in enumerate(ranks):
        for number in rank:
            above = ranks[depth - 1] if depth else []
            before = chance.sample(above, min(len(above), chance.randint(1, 3)))
            steps[f"m{number}"] = {
                "vm": FIRST + number,
                "depends_on": [f"m{n}" for n in sorted(before)],
                "verify": [{"agent": {"interval": "200ms", "timeout": "3s"}}],
            }
    for number in range(callouts):
        steps[f"c{number}"] = {"callout": "note", "depends_on": [f"m{number * layers}"]}
    return {
        "drorch": 1,
        "plan": "chaos",
        "defaults": {
            "connector": "sim",
            "expect": "2s",
            "start_timeout": "1m",
            "verify_timeout": "1m",
            "retry": {"attempts": 12, "wait": "200ms", "max_wait": "1s"},
        },
        "limits": {"parallel": parallel},
        "steps": steps,
    }


def fleet(count: int, *, boot: str = "400ms", app: str = "200ms") -> Fleet:
    machines = {"count": count, "first_id": FIRST, "hosts": 4, "boot": boot, "app": app}
    return build({"latency": "5ms", "generate": {**machines, "spread": 0.5, "seed": 3}})
