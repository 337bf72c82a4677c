"""SIGKILL at random moments, again and again: every machine is ordered on exactly once, in order.

``DRORCH_KILLS`` says how many (``make crash`` takes 100), ``DRORCH_CRASH_SEED`` repeats a bad day.
"""

from __future__ import annotations

import asyncio
import os
import random
from asyncio.subprocess import Process
from collections import Counter
from pathlib import Path
from typing import Any

import httpx2
import pytest

from connectors.simulated.server import simulating
from tests.process.installation import Installation, kill, line_with
from tests.process.wide_plan import COUNT, free_ports, wide_fleet, wide_plan

pytestmark = pytest.mark.process

KILLS = int(os.environ.get("DRORCH_KILLS", "10"))
SEED = int(os.environ.get("DRORCH_CRASH_SEED") or random.SystemRandom().randrange(10**6))
KILLS_PER_RUN = 10
LIMIT = 120 + 12 * KILLS

RUN = "wide-1"
REFUSED = 4


async def _first_life(where: Installation, plan: str) -> Process:
    return await where.launch(
        *("run", plan, "--mode", "live", "--confirm", "wide", "--reason", "crash test")
    )


async def _die_some_time(process: Process, chance: random.Random) -> bool:
    """Kill *process* while it starts, or soon after it took the run; False if it ended first."""
    if chance.random() < 0.2:
        await asyncio.sleep(chance.uniform(0.3, 2.0))
    else:
        if not await line_with(process, " by "):  # the run begins, or is carried on
            return False
        await asyncio.sleep(chance.uniform(0.0, 1.2))
    if process.returncode is not None:
        return False
    await kill(process)
    return True


async def _killed_until_done(where: Installation, plan: str, kills: int, seed: int) -> int:
    """Kill the run's process *kills* times at random moments, then let it finish; return kills."""
    chance = random.Random(seed)
    done = 0
    exists = False
    while True:
        process = (
            await where.launch("run", "--continue", RUN)
            if exists
            else await _first_life(where, plan)
        )
        if done < kills and await _die_some_time(process, chance):
            done += 1
            exists = exists or (await where.drorch("status", RUN))[0] == 0
            continue
        out, complaints = await process.communicate()
        if process.returncode == REFUSED and not exists:
            # Its hypervisor failed while it was looked at: nothing was begun, people try again.
            assert (await where.drorch("status", RUN))[0] != 0
            continue
        assert process.returncode == 0, f"{out.decode()}\n{complaints.decode()}"
        return done


def _check_orders(log: list[dict[str, Any]], plan: dict[str, Any]) -> None:
    starts = [entry for entry in log if entry["action"] == "start"]
    accepted = [entry for entry in starts if entry["result"] == "accepted"]
    times = Counter(entry["machine"] for entry in accepted)
    assert set(times) == {1000 + n for n in range(COUNT)}, "a machine was forgotten"
    assert {m: n for m, n in times.items() if n > 1} == {}, "a machine was ordered on twice"
    assert [e for e in starts if e["already"]] == [], "an order for a machine that was on"
    place = {entry["machine"]: entry["seq"] for entry in accepted}
    for step in plan["steps"].values():
        for before in step["depends_on"]:
            assert place[plan["steps"][before]["vm"]] < place[step["vm"]], (step, before)


def _check_journal(report: dict[str, Any], plan: dict[str, Any]) -> None:
    """Every intent lies behind the health of all that its step needs."""
    assert report["run"]["status"] == "succeeded"
    assert report["run"]["counts"]["healthy"] == COUNT
    healthy: set[str] = set()
    for event in report["timeline"]:
        if event["type"] == "step.healthy":
            healthy.add(event["step"])
        if event["type"] == "step.started":
            missing = set(plan["steps"][event["step"]]["depends_on"]) - healthy
            assert not missing, f"{event['step']} began before {missing} were healthy"


async def _log(url: str) -> list[dict[str, Any]]:
    async with httpx2.AsyncClient() as client:
        log: list[dict[str, Any]] = (await client.get(f"{url}/log")).json()
        return log


def _shares() -> list[int]:
    return [min(KILLS_PER_RUN, KILLS - n) for n in range(0, KILLS, KILLS_PER_RUN)]


@pytest.mark.timeout(LIMIT)
async def test_killed_at_random_moments_nothing_is_lost_or_doubled(tmp_path: Path) -> None:
    done = 0
    for number, kills in enumerate(_shares()):
        seed = SEED + number
        print(f"crash seed {seed}: {kills} kills")
        folder = tmp_path / str(number)
        folder.mkdir()
        ports = free_ports()
        plan = wide_plan(seed, ports)
        async with simulating(wide_fleet(ports)) as simulator:
            where = Installation(folder, simulator.url)
            done += await _killed_until_done(where, where.plan(plan), kills, seed)
            _check_orders(await _log(simulator.url), plan)
            _check_journal(await where.report(RUN), plan)
    print(f"{done} kills in {len(_shares())} runs")
    assert done >= KILLS * 0.8, "the runs ended before they could be killed often enough"


@pytest.mark.timeout(LIMIT)
async def test_so_it_is_when_answers_get_lost_and_calls_fail(tmp_path: Path) -> None:
    kills = max(3, KILLS // 5)
    print(f"crash seed {SEED}: {kills} kills, with 20 % lost replies and 20 % errors")
    ports = free_ports()
    plan = wide_plan(SEED, ports, attempts=10, parallel=28)
    async with simulating(wide_fleet(ports), seed=SEED) as simulator:
        async with httpx2.AsyncClient(base_url=simulator.url) as client:
            for kind in ("reply_lost_rate", "error_rate"):
                body = {"kind": kind, "rate": 0.2}
                (await client.post("/faults", json=body)).raise_for_status()
        where = Installation(tmp_path, simulator.url)
        await _killed_until_done(where, where.plan(plan), kills, SEED)
        log = await _log(simulator.url)
        report = await where.report(RUN)
    _check_orders(log, plan)
    _check_journal(report, plan)
    assert any(entry["reply_lost"] for entry in log), "no reply was lost: the test tested nothing"
    assert any(entry["result"] == "error" for entry in log)
    orders = Counter(e["machine"] for e in log if e["result"] == "accepted")
    for step in report["steps"]:
        assert orders[int(step["vm"])] <= step["attempt"], step["id"]
