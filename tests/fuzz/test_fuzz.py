"""A sample of the fuzz cases, others in each part; `make fuzz CASES=5000` runs as many as wanted."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.fuzz.measuring import Cost, measured
from tests.fuzz.plans import judge_plan, plan_case

ROOT = Path(__file__).parents[2]
SAMPLE = 600
MB = 1024 * 1024
ROUND = 5 * MB


@pytest.mark.timeout(300)
def test_no_case_of_a_sample_crashes_or_costs_too_much() -> None:
    command = [sys.executable, "-m", "tests.fuzz", str(SAMPLE), "--seed", "100000"]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stdout + run.stderr[-4000:]
    assert f"{SAMPLE} cases, all well" in run.stdout


def test_a_seed_is_the_same_case_everywhere() -> None:
    code = "import sys; from tests.fuzz.plans import plan_case; "
    code += "sys.stdout.buffer.write(b''.join(plan_case(n) for n in range(40)))"
    other = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    assert other.stdout == b"".join(plan_case(n) for n in range(40))


def test_what_costs_too_much_is_seen() -> None:
    """Without this, a broken measure would pass everything."""
    with measured() as cheap:
        pass
    with measured() as heavy:
        kept = b"x" * (150 * MB)
    assert heavy.peak_mb > cheap.peak_mb + 100
    del kept
    with measured() as slow:
        end = time.process_time() + 0.05
        while time.process_time() < end:
            pass
    assert slow.cpu >= 0.05
    assert Cost(cpu=1.1).is_too_much
    assert Cost(peak_mb=201).is_too_much


WORST = {
    "line ends before a bad byte": b"a\n" * (ROUND // 2 - 2) + b"\xff",
    "line ends before a control character": b"a\n" * (ROUND // 2 - 2) + b"\x01",
    "line ends": b"\n" * ROUND,
    "carriage returns": b"\r" * ROUND,
    "directives": b"%A\n" * (ROUND // 3),
    "document ends": b"...\n" * (ROUND // 4),
    "letters that come apart": b'drorch: 1\nplan: "' + "\ufdfa".encode() * MB + b'"\n',
    "the same key": b"a: 1\n" * 200_000,
    "a step that nobody knows, for each step": b"drorch: 1\nplan: x\nsteps:\n"
    + b"".join(b"  step%d: {vm: p/%d, depends_on: [stpe%d]}\n" % (n, n, n) for n in range(6000)),
    "advice for each step": b"drorch: 1\nplan: x\nsteps:\n"
    + b"".join(b"  s%d: {vm: p/%d}\n" % (n, n) for n in range(6000)),
    "nodes": b"a: [" + b"1," * (ROUND // 2 - 10) + b"]",
    "colons": b":" * ROUND,
    "brackets": b"[" * ROUND,
    "quotes": b"'" * ROUND,
}
"""The most expensive documents that were found; each cost seconds or hundreds of megabytes once."""


@pytest.mark.parametrize("source", WORST.values(), ids=WORST)
def test_the_most_expensive_documents_cost_little(source: bytes) -> None:
    best = Cost(cpu=float("inf"))
    with measured() as before:
        pass
    for _ in range(3):
        with measured() as cost:
            judge_plan(source)
        best = min(best, cost, key=lambda one: one.cpu)
        if best.cpu < 1.0:
            break
    assert best.cpu < 2.0, best  # a machine that does much else is twice as slow
    assert best.peak_mb - before.peak_mb < 140, best
