"""drorch dies, people go on by the paper, drorch comes back: nothing that they did is ordered."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import httpx2
import pytest

from api.runbook.codes import codes_of
from connectors.simulated.fleet import build
from connectors.simulated.machine import State
from connectors.simulated.server import Simulator, simulating
from tests.api.desk import until
from tests.process.installation import Installation, kill, line_with
from tests.process.terminal import Terminal

pytestmark = pytest.mark.process

STEPS = [f"vm{n}" for n in range(6)]
CODES = codes_of("chain", STEPS)
QUICK = [{"agent": {"interval": "100ms"}}]
CHAIN: dict[str, Any] = {
    "drorch": 1,
    "plan": "chain",
    "defaults": {"connector": "sim", "expect": "1s"},
    "steps": {
        name: {"vm": 1000 + n, "verify": QUICK} | ({"depends_on": [STEPS[n - 1]]} if n else {})
        for n, name in enumerate(STEPS)
    },
}
BY_HAND = STEPS[1:5]
"""What people did by the paper: what was in flight when drorch died, and three more."""


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    fleet = {"generate": {"count": 6, "boot": "700ms", "app": "100ms"}}
    async with simulating(build(fleet)) as simulator:
        yield simulator


async def _killed_at_work(where: Installation) -> None:
    """Let a run come to its second machine and die there."""
    plan = where.plan(CHAIN)
    driving = await where.launch("run", plan, "--mode", "live", "--confirm", "chain")
    assert await line_with(driving, "vm1 start ordered")
    await kill(driving)


async def _start_by_hand(simulator: Simulator) -> None:
    async with httpx2.AsyncClient(base_url=simulator.url) as http:
        for name in BY_HAND:
            machine = 1000 + STEPS.index(name)
            if simulator.world.machines[str(machine)].state is State.STOPPED:
                await http.post(f"/machines/{machine}/start")
    wanted = [str(1000 + STEPS.index(name)) for name in BY_HAND]

    async def up() -> bool:
        machines = simulator.world.machines
        return all(machines[name].state is State.RUNNING for name in wanted)

    await until(up)


def _now() -> str:
    return datetime.now(ZoneInfo("Europe/Rome")).strftime("%H:%M")


async def test_what_people_did_by_the_paper_is_not_ordered_again(
    tmp_path: Path, simulator: Simulator
) -> None:
    where = Installation(tmp_path, simulator.url)
    await _killed_at_work(where)
    await _start_by_hand(simulator)
    sheet = "\n".join(f"{CODES[name]},{_now()},Maria Rossi" for name in BY_HAND)
    (tmp_path / "sheet.csv").write_text(f"code,time,name\n{sheet}\n")
    before = len(simulator.world.log)
    for _ in range(2):  # the same sheet twice is one sheet
        code, out, complaints = await where.drorch("paper", "last", "--from", "sheet.csv")
        assert code == 0, complaints
        assert "4 ticks are entered" in out
    code, out, complaints = await where.drorch("run", "--continue", "--no-input")
    assert code == 0, complaints
    after = [(entry.machine, entry.action) for entry in simulator.world.log[before:]]
    assert after == [(1005, "start")]
    report = await where.report("chain-1")
    ticks = [e["step"] for e in report["timeline"] if e["type"] == "step.on-paper"]
    assert ticks == BY_HAND
    paper = {s["id"]: s["from_paper"] for s in report["steps"]}
    assert [name for name in STEPS if paper[name]] == BY_HAND
    assert {step["status"] for step in report["steps"]} == {"healthy"}


async def test_a_machine_that_was_ticked_and_is_off_is_asked_about(
    tmp_path: Path, simulator: Simulator
) -> None:
    where = Installation(tmp_path, simulator.url)
    await _killed_at_work(where)
    code, _, complaints = await where.drorch("paper", "last", CODES["vm4"], _now(), "MR")
    assert code == 0, complaints
    before = len(simulator.world.log)
    code, out, complaints = await where.drorch("run", "--continue", "--no-input")
    assert code == 3, out + complaints
    assert "the paper says that it was done, and the machine does not run" in out + complaints
    assert 1004 not in [entry.machine for entry in simulator.world.log[before:]]


async def test_somebody_types_it_in_at_a_terminal(tmp_path: Path, simulator: Simulator) -> None:
    where = Installation(tmp_path, simulator.url)
    await _killed_at_work(where)
    await _start_by_hand(simulator)
    terminal = await Terminal.of(where, "paper", "last")
    await terminal.shows("code")
    terminal.type("XXXXX\n")
    await terminal.shows("mistyped")
    terminal.type(f"{CODES['vm1'].lower()}\n")
    for words, typed in (
        ("time (HH:MM)", _now()),
        ("name or initials", "Maria Rossi"),
        ("done, skipped or failed", ""),
        ("note", "by hand"),
        ("code", ""),
    ):
        await terminal.shows(words)
        terminal.type(f"{typed}\n")
    await terminal.shows("Enter this into chain-1?")
    terminal.type("y\n")
    await terminal.shows("1 tick is entered from paper")
    code, out, _ = await where.drorch("run", "--continue", "--no-input", "--format", "json")
    assert code == 0
    assert '"Maria Rossi"' in out
