"""At a terminal: a question is read before it is answered, and the picture stays alive."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from connectors.simulated.fleet import build
from connectors.simulated.server import Simulator, simulating
from tests.process.installation import PATIENCE, Installation
from tests.process.terminal import Terminal

pytestmark = pytest.mark.process

TWO: dict[str, Any] = {
    "drorch": 1,
    "plan": "two",
    "defaults": {"connector": "sim", "expect": "1s"},
    "steps": {
        "san": {"manual": "Is the storage well?"},
        "net": {"manual": "Is the network well?", "depends_on": ["san"]},
        "db": {"vm": 1000, "depends_on": ["net"], "verify": [{"agent": {"interval": "100ms"}}]},
    },
}
LIVE = ("--mode", "live", "--confirm", "two")


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with simulating(build({"generate": {"count": 2}})) as simulator:
        yield simulator


async def step(where: Installation, name: str) -> Any:
    return next(s for s in (await where.report("two-1"))["steps"] if s["id"] == name)


async def test_what_was_typed_ahead_answers_nothing(tmp_path: Path, simulator: Simulator) -> None:
    where = Installation(tmp_path, simulator.url)
    terminal = await Terminal.of(where, "run", where.plan(TWO), *LIVE)
    try:
        terminal.type("y\r\ry\r\r")  # before any question is there
        await terminal.shows("[y]es, [n]o, Enter for later: ")
        assert (await step(where, "san"))["status"] == "waiting"
        # All of it in one go: the second question has not been asked.
        await terminal.answer("y\r\ry\r\r", "comment")
        terminal.type("green\r")
        terminal.type("y\r\r")
        await terminal.shows("Is the network well?")
        await terminal.shows("[y]es, [n]o, Enter for later: ")
        assert (await step(where, "san"))["comment"] == "green"
        assert (await step(where, "net"))["status"] == "waiting"
    finally:
        await terminal.end()
    assert not simulator.world.log


async def test_unknown_words_are_no_answer_and_si_is_yes(
    tmp_path: Path, simulator: Simulator
) -> None:
    where = Installation(tmp_path, simulator.url)
    terminal = await Terminal.of(where, "run", where.plan(TWO), *LIVE)
    try:
        await terminal.shows("Enter for later: ")
        await terminal.answer("maybe\r", "'maybe' is not an answer")
        await terminal.answer("sì\r", "comment")
        terminal.type("\r")
        await terminal.shows("Is the network well?")
        assert (await step(where, "san"))["status"] == "healthy"
        await terminal.shows("Enter for later: ")
        await terminal.answer("\r", "put off until ")
    finally:
        await terminal.end()


async def test_a_run_that_nobody_drives_says_so_and_can_be_aborted(
    tmp_path: Path, simulator: Simulator
) -> None:
    where = Installation(tmp_path, simulator.url)
    terminal = await Terminal.of(where, "run", where.plan(TWO), *LIVE)
    watching: Terminal | None = None
    try:
        await terminal.shows("Enter for later: ")
        watching = await Terminal.of(where, "watch", "last")
        await watching.shows("driven by ")
        terminal.process.send_signal(signal.SIGKILL)
        await terminal.process.wait()
        await watching.shows("NOBODY DRIVES THIS RUN since")
        code, out, complaints = await where.drorch("runs")
        assert (code, complaints) == (0, "")
        assert "(no driver)" in out
        code, out, complaints = await where.drorch("abort", "two")
        assert code == 2
        assert "two is a plan; its open run is two-1" in complaints
        code, out, complaints = await where.drorch("abort", "two-1")
        assert (code, complaints) == (0, "")
        assert "aborted here, as nobody drove it" in out
        await asyncio.wait_for(watching.process.wait(), PATIENCE)
    finally:
        await terminal.end()
        if watching is not None:
            await watching.end()
    assert not simulator.world.log


INTERRUPT, END = "\x03", "\x04"
QUIET = 130


def says_nothing_odd(shown: str) -> None:
    for word in ("unforeseen", "Traceback", "Abort", "stays open"):
        assert word not in shown, shown


@pytest.mark.parametrize("key", [INTERRUPT, END])
async def test_a_live_run_that_is_not_confirmed_after_all(
    tmp_path: Path, simulator: Simulator, key: str
) -> None:
    where = Installation(tmp_path, simulator.url)
    terminal = await Terminal.of(where, "run", where.plan(TWO), "--mode", "live")
    await terminal.shows("to go on: ")
    terminal.type(key)
    code, shown = await terminal.ended()
    assert code == QUIET
    assert "nothing was started" in shown
    says_nothing_odd(shown)
    code, out, complaints = await where.drorch("runs")
    assert (code, "two-1" in out + complaints) == (0, False)
    assert not simulator.world.log


@pytest.mark.parametrize("key", [INTERRUPT, END])
async def test_a_password_that_is_not_typed_after_all(
    tmp_path: Path, simulator: Simulator, key: str
) -> None:
    where = Installation(tmp_path, simulator.url)
    terminal = await Terminal.of(where, "user", "add", "ada", "--role", "viewer")
    await terminal.shows("Password: ")
    terminal.type(key)
    code, shown = await terminal.ended()
    assert code == QUIET
    says_nothing_odd(shown)
    assert "ada" not in (await where.drorch("user", "list"))[1]


async def test_a_sheet_that_was_half_typed_is_not_lost(
    tmp_path: Path, simulator: Simulator
) -> None:
    where = Installation(tmp_path, simulator.url)
    assert (await where.drorch("run", where.plan(TWO), *LIVE, "--no-input"))[0] == 3
    now = datetime.now(ZoneInfo((await where.report("two-1"))["run"]["timezone"]))
    terminal = await Terminal.of(where, "paper", "last")
    for asked, typed in (
        ("code: ", "san"),
        ("time (HH:MM): ", f"{now:%H:%M}"),
        ("name or initials: ", "Maria, R."),
        ("failed [done]: ", ""),
        ("note: ", "all green"),
        ("code: ", "net"),
    ):
        await terminal.shows(asked)
        terminal.type(f"{typed}\r")
    await terminal.shows("time (HH:MM): ")
    terminal.type(INTERRUPT)
    code, shown = await terminal.ended()
    assert code == QUIET
    says_nothing_odd(shown)
    assert "nothing was entered" in shown
    assert (await step(where, "san"))["status"] == "waiting"
    kept = next(line for line in shown.splitlines() if line.startswith("san,"))
    (tmp_path / "kept.csv").write_text(kept)
    code, out, complaints = await where.drorch(
        "paper", "last", "--from", str(tmp_path / "kept.csv")
    )
    assert (code, "1 tick is entered" in out) == (0, True), complaints
