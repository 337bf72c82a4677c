"""What is recovered in these tests: layers of machines, with callouts and troubles if wanted."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any

from connectors.simulated.fleet import Fleet, build

FIRST = 1000


def plan(
    count: int,
    *,
    parallel: int = 8,
    layers: int = 3,
    callouts: int = 0,
    troubled: Sequence[int] = (),
    checked: bool = True,
) -> dict[str, Any]:
    """Return a plan of *count* machines that need up to three of the layer before theirs.

    *troubled* are ports of machines that are restarted when they run without getting well. What
    is not *checked* makes room for the next as soon as it runs: guest agents are asked no more
    than once a second on a node.
    """
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
            }
            if checked:
                steps[f"m{number}"]["verify"] = [{"agent": {"interval": "200ms", "timeout": "3s"}}]
    for number in range(callouts):
        steps[f"c{number}"] = {
            "callout": "note",
            "with": {"name": f"c{number}"},
            "depends_on": [f"m{number * layers}"],
        }
    for number, port in enumerate(troubled):
        check = {"url": f"http://127.0.0.1:{port}/health", "interval": "200ms", "timeout": "2s"}
        steps[f"t{number}"] = {
            "vm": trouble(number),
            "depends_on": ["m0"],
            "on_unhealthy": "restart",
            "verify_timeout": "1500ms",
            "verify": [{"http": check}],
        }
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


def fleet(count: int, *, boot: str = "300ms", troubled: Sequence[int] = ()) -> Fleet:
    """Return *count* machines, and one more behind each of the ports of *troubled*."""
    many = {"count": count, "first_id": FIRST, "hosts": 4, "boot": boot, "spread": 0.5, "seed": 3}
    few = [
        {"id": trouble(n), "name": f"t{n}", "boot": "100ms", "port": port}
        for n, port in enumerate(troubled)
    ]
    return build({"latency": "5ms", "machines": few, "generate": many})


def trouble(number: int) -> int:
    """Return the id of the machine behind a troubled step."""
    return FIRST + 500 + number
