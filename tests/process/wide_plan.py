"""140 machines in seven layers, and the simulated fleet beneath them."""

from __future__ import annotations

import random
import socket
from typing import Any

from connectors.simulated.fleet import Fleet, build

COUNT = 140
LAYERS = 7


def free_ports() -> int:
    """Return the first of COUNT ports of loopback that nobody listens on now."""
    chance = random.SystemRandom()
    while True:
        base = chance.randrange(10_000, 20_000)
        if all(_is_free(base + n) for n in range(COUNT)):
            return base


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def wide_plan(seed: int, ports: int, *, attempts: int = 3, parallel: int = 14) -> dict[str, Any]:
    """Return a plan whose machines need up to three of the layer before theirs."""
    chance = random.Random(seed)
    layers = [list(range(n, COUNT, LAYERS)) for n in range(LAYERS)]
    steps: dict[str, Any] = {}
    for depth, layer in enumerate(layers):
        for number in layer:
            before = chance.sample(layers[depth - 1], chance.randint(1, 3)) if depth else []
            steps[f"m{number}"] = {
                "vm": 1000 + number,
                "depends_on": [f"m{n}" for n in sorted(before)],
                "verify": [
                    {
                        "http": {
                            "url": f"http://127.0.0.1:{ports + number}/health",
                            "interval": "500ms",
                            "timeout": "3s",
                        }
                    }
                ],
            }
    return {
        "drorch": 1,
        "plan": "wide",
        "defaults": {
            "connector": "sim",
            "expect": "2s",
            "start_timeout": "1m",
            "verify_timeout": "1m",
            "retry": {"attempts": attempts, "wait": "200ms", "max_wait": "1s"},
        },
        "limits": {"parallel": parallel},
        "steps": steps,
    }


def wide_fleet(ports: int) -> Fleet:
    return build(
        {
            "latency": "5ms",
            "generate": {
                "count": COUNT,
                "hosts": 4,
                "port_base": ports,
                "boot": "500ms",
                "app": "200ms",
                "spread": 0.5,
                "seed": 3,
            },
        }
    )
