"""``make bench-peers``: everybody in turn, several times; writes docs/benchmarks.{md,svg}.

``python -m bench.peers [--venv DIR] [--repeat N] [--docs DIR] [--quick]``
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sqlite3
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from bench.peers import chart, table
from bench.peers.arena import ROOT, Arena, Failed, postgres, prepare, sync_ms
from bench.peers.contestants import (
    CONTESTANTS,
    DISCIPLINES,
    FIFTY,
    LARGE,
    OURS,
    Contestant,
)
from bench.peers.dag import SLOTS, layered
from bench.peers.results import Results

_FIFTY = Contestant(key=OURS.key, title=OURS.title, module="fifty", disciplines=())
_FIFTIES = {
    FIFTY: ("--median", "1.0"),
    f"{FIFTY}-at-once": ("--median", "1.0", "--at-once"),
    f"{FIFTY}-fast": ("--median", "0.2"),
}
_BUSY = 0.5
"""Load average above which the document says that the machine was not quiet."""


def measure(arena: Arena, repeat: int, *, quick: bool) -> Results:
    """Let everybody run once, then everybody again, as often as asked."""
    results = Results(bound_s=layered(1000).lower_bound(SLOTS))
    for turn in range(repeat):
        for discipline in DISCIPLINES:
            for one in CONTESTANTS:
                if discipline.key in one.disciplines and not (quick and discipline.key == LARGE):
                    _one(arena, results, discipline.key, one, discipline.arguments)
        # The first one is the promise's; the others show what saturates, once each.
        for key, arguments in _FIFTIES.items():
            if not quick and not (turn and key != FIFTY):
                _one(arena, results, key, _FIFTY, arguments)
    return results


def _one(
    arena: Arena, results: Results, discipline: str, one: Contestant, arguments: Sequence[str]
) -> None:
    if one.key in results.failures.get(discipline, {}):
        return
    try:
        measured = arena.run(one, arguments)
    except Failed as failed:
        results.fail(discipline, one.key, str(failed))
        print(f"{discipline:12} {one.key:10} {failed}", flush=True)
        return
    results.add(discipline, one.key, measured)
    print(f"{discipline:12} {one.key:10} {json.dumps(measured)}", flush=True)


def about(peers: Path, folder: Path, server: str, repeat: int, load: float) -> dict[str, str]:
    """Return the machine, the versions and the circumstances."""
    wanted = ("dbos", "doit", "prefect")
    code = "import importlib.metadata as m,sys;print(*map(m.version,sys.argv[1:]))"
    found = subprocess.run(
        [str(peers), "-c", code, *wanted], capture_output=True, text=True, check=True
    )
    versions = ", ".join(map(" ".join, zip(wanted, found.stdout.split(), strict=True)))
    quiet = "quiet" if load < _BUSY else "**not quiet**: other work was using it"
    return {
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()} "
        f"{platform.release()}, Python {platform.python_version()}",
        "disk": f"4 KiB written and synced in {sync_ms(folder)} ms (median)",
        "versions": f"drorch {metadata.version('drorch')}, SQLite {sqlite3.sqlite_version}, "
        f"{versions}, PostgreSQL {server or 'not there'}",
        "repetitions": f"{repeat}, everybody in turn; medians",
        "load before the first": f"{load:.2f} ({quiet})",
    }


def _write(results: Results, docs: Path) -> None:
    raw: dict[str, Any] = asdict(results)
    (ROOT / "var").mkdir(exist_ok=True)
    (ROOT / "var" / "bench-peers.json").write_text(json.dumps(raw, indent=2) + "\n")
    (docs / "benchmarks.svg").write_text(chart.draw(results), encoding="utf-8")
    table.write(results, docs / "benchmarks.md")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, default=ROOT / ".venv-peers")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    parser.add_argument("--quick", action="store_true", help="without 10,000 and the fifty")
    given = parser.parse_args()
    peers = prepare(given.venv)
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        with postgres(peers, home) as (url, version):
            results = measure(Arena(peers, home, url), given.repeat, quick=given.quick)
            results.about = about(peers, home, version, given.repeat, load)
    _write(results, given.docs)


if __name__ == "__main__":
    main()
