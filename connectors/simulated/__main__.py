"""Run the simulated hypervisor: ``python -m connectors.simulated --fleet FILE --port N``."""

from __future__ import annotations

import argparse
import asyncio
import sys
from pathlib import Path

from connectors.simulated.server import run
from drorch.errors import ConfigurationError


def main() -> int:
    """Return 0 after an orderly end, 2 when the fleet file or a port cannot be used."""
    parser = argparse.ArgumentParser(prog="simulator", description="a simulated hypervisor")
    parser.add_argument("--fleet", type=Path, required=True, help="the fleet file (YAML)")
    parser.add_argument("--port", type=int, default=8141, help="0 finds a free one")
    parser.add_argument("--host", default="127.0.0.1", help="loopback only")
    parser.add_argument("--seed", type=int, help="makes injected faults reproducible")
    given = parser.parse_args()
    try:
        asyncio.run(run(given.fleet, given.port, host=given.host, seed=given.seed))
    except ConfigurationError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
