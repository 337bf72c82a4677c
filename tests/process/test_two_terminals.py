"""Several processes on one store: decisions reach the run, and nobody drives it twice."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from connectors.simulated.fleet import build
from connectors.simulated.server import Simulator, simulating
from tests.process.installation import PATIENCE, Installation, kill, line_with

pytestmark = pytest.mark.process

ASKING: dict[str, Any] = {
    "drorch": 1,
    "plan": "asking",
    "defaults": {"connector": "sim", "expect": "1s"},
    "steps": {
        "san": {"manual": "Is the storage well?"},
        "db": {"vm": 1000, "depends_on": ["san"], "verify": [{"agent": {"interval": "100ms"}}]},
    },
}
OTHER = ASKING | {"plan": "other"}
LIVE = ("--mode", "live", "--confirm", "asking")


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with simulating(build({"generate": {"count": 2}})) as simulator:
        yield simulator


async def test_a_decision_from_another_terminal_reaches_the_run(
    tmp_path: Path, simulator: Simulator
) -> None:
    where = Installation(tmp_path, simulator.url)
    driving = await where.launch("run", where.plan(ASKING), *LIVE)
    assert await line_with(driving, "asks: Is the storage well?")
    watching = await where.launch("watch", "last")
    code, out, complaints = await where.drorch("approve", "last", "san", "--comment", "all green")
    assert (code, out) == (0, "asking-1 san: approved\n"), complaints
    for process in (driving, watching):
        told, complaints_ = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode == 0, complaints_.decode()
        assert "db healthy" in told.decode()
    assert simulator.world.log[-1].result == "accepted"


async def test_a_run_is_driven_once(tmp_path: Path, simulator: Simulator) -> None:
    where = Installation(tmp_path, simulator.url)
    plan, other = where.plan(ASKING), where.plan(OTHER)
    driving = await where.launch("run", plan, *LIVE)
    assert await line_with(driving, "asks:")

    for again in (("run", plan, *LIVE), ("run", other, "--mode", "live", "--confirm", "other")):
        code, _, complaints = await where.drorch(*again)
        assert code == 1, complaints
        assert "belongs to the open live run asking-1" in complaints
    code, _, complaints = await where.drorch("run", "--continue", "asking-1")
    assert code == 1
    assert "another process drives the run asking-1" in complaints

    await kill(driving)
    code, _, complaints = await where.drorch("run", plan, *LIVE)
    assert code == 1
    assert f"'drorch --config {where.config} run --continue asking-1'" in complaints
    code, out, _ = await where.drorch("runs", "--format", "json")
    assert [(run["id"], run["ended_at"]) for run in json.loads(out)] == [("asking-1", None)]
    assert (await where.drorch("approve", "asking-1", "san"))[0] == 0
    assert (await where.drorch("run", "--continue"))[0] == 0


async def test_a_dry_run_that_gets_no_answer_is_aborted_from_another_terminal(
    tmp_path: Path,
) -> None:
    held: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    where = Installation(tmp_path, f"http://127.0.0.1:{silent.sockets[0].getsockname()[1]}")
    where.config.write_text(where.config.read_text().replace('"3s"', '"120s"'))
    first = {k: v for k, v in ASKING.items() if k != "steps"} | {"steps": {"db": {"vm": 1000}}}
    driving = await where.launch("run", where.plan(first))
    assert await line_with(driving, "asking-1")
    code, out, complaints = await where.drorch("abort", "last", "--comment", "no answer")
    assert (code, out) == (0, "asking-1: aborting\n"), complaints
    told, complaints_ = await asyncio.wait_for(driving.communicate(), PATIENCE)
    assert driving.returncode == 1, complaints_.decode()
    assert "the dry run asking-1 aborted" in told.decode()
    for writer in held:
        writer.close()
    silent.close()
    await silent.wait_closed()


async def test_ctrl_c_leaves_the_run_open_and_says_how_to_go_on(
    tmp_path: Path, simulator: Simulator
) -> None:
    where = Installation(tmp_path, simulator.url)
    driving = await where.launch("run", where.plan(ASKING), *LIVE)
    assert await line_with(driving, "asks:")
    driving.send_signal(signal.SIGINT)
    _, complaints = await asyncio.wait_for(driving.communicate(), PATIENCE)
    assert driving.returncode == 130
    assert "run --continue asking-1" in complaints.decode()
    assert "Traceback" not in complaints.decode()
    assert (await where.drorch("run", "--continue", "--no-input"))[0] == 3


async def test_the_hypervisor_goes_away_and_comes_back(
    tmp_path: Path, simulator: Simulator
) -> None:
    """An outage costs no attempt, and the log of it stays out of stdout."""
    where = Installation(tmp_path, simulator.url)
    driving = await where.launch("run", where.plan(ASKING), *LIVE)
    assert await line_with(driving, "asks:")
    simulator.go_dark(3600)
    assert await line_with(driving, "cannot be reached")
    assert (await where.drorch("approve", "last", "san"))[0] == 0
    simulator.light_up()
    told, complaints = await asyncio.wait_for(driving.communicate(), PATIENCE)
    assert driving.returncode == 0, complaints.decode()
    assert "db healthy" in told.decode()
    assert "level=" not in told.decode()
    step = (await where.report("asking-1"))["steps"][1]
    assert (step["attempt"], step["status"]) == (1, "healthy")
