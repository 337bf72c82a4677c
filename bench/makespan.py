"""The Piacenza plan: makespan against the lower bound, in virtual time and on the simulator."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import urllib.request
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bench.bounds import lower_bound
from connectors.simulated import fleet as fleets
from connectors.simulated.inprocess import InProcessConnector
from connectors.simulated.machine import State
from connectors.simulated.world import World as SimulatedWorld
from drorch.engine.executor import Executor
from drorch.engine.simulation import ImaginedCallouts
from drorch.engine.virtual import VirtualClock, run_virtually
from drorch.engine.watch import EstateWatch
from drorch.engine.world import HoldGuard, World
from drorch.journal.memory import MemoryJournal
from drorch.model.plan import CheckSpec, MachineRef, Plan
from drorch.ports.check import CheckResult, Verdict
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.evolve import fold
from drorch.run.state import RunState
from drorch.run.status import Ask, Mode
from plans import load_file

EXAMPLES = Path(__file__).parent.parent / "plans" / "examples"


def piacenza() -> tuple[Plan, fleets.Fleet]:
    """Return the plan and its fleet."""
    return load_file(EXAMPLES / "piacenza.yaml"), fleets.load(EXAMPLES / "piacenza.fleet.yaml")


class WorldProber:
    """Asks the simulated world itself instead of a socket: the application, or the guest agent."""

    def __init__(self, world: SimulatedWorld) -> None:
        self._by_port = {
            machine.spec.port: machine for machine in world.machines.values() if machine.spec.port
        }

    async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
        del machine
        port = check.params.get("port") or int(
            str(check.params.get("url", ":0")).split(":")[-1].split("/")[0]
        )
        found = self._by_port.get(port)
        well = found is None or (
            found.state is State.RUNNING if check.kind == "tcp" else found.well
        )
        verdict = Verdict.HEALTHY if well else Verdict.UNWELL
        return CheckResult(verdict=verdict, evidence="asked the world")


def bound_of(plan: Plan, fleet: fleets.Fleet) -> tuple[str, float]:
    """Return the tightest lower bound in simulated seconds, and its name."""
    boots = {m.id: (m.boot, m.app) for m in fleet.machines}
    hosts = {m.id: m.host for m in fleet.machines}
    bounds = lower_bound(plan, boots, hosts)
    name = max(bounds, key=lambda key: bounds[key])
    return name, bounds[name]


def virtual() -> dict[str, Any]:
    """Return the makespan in virtual time, where questions are answered at once."""
    plan, fleet = piacenza()
    state = run_virtually(_recover(plan, replace(fleet, time_scale=1.0, latency=0.0)))
    return _verdict(state, bound_of(plan, fleet), 1.0)


async def _recover(plan: Plan, fleet: fleets.Fleet) -> RunState:
    journal = MemoryJournal()
    now = datetime.now(UTC)
    world = SimulatedWorld(fleet, now=now)
    connector = InProcessConnector("sim", world)
    await connector.open()
    watch = EstateWatch(connector)
    outside = World(
        estates={"sim": watch},
        prober=WorldProber(world),
        callouts=ImaginedCallouts(),
        holds=HoldGuard(journal),
        clock=VirtualClock(now),
    )
    requested = ev.RunRequested(at=now, run="bench", plan=plan, mode=Mode.LIVE, by="bench")
    journal.create("bench", (requested,))
    watching = asyncio.create_task(watch.run())

    def answer(state: RunState, events: Any) -> None:
        del state
        for event in events:
            if isinstance(event, ev.StepAsked) and event.ask is Ask.MANUAL:
                executor.post(cmd.Approve(step=event.step, by="bench"))

    executor = Executor(
        "bench",
        journal=journal,
        world=outside,
        driver="bench",
        observer=answer,
        polls_inbox=False,
    )
    state = await executor.drive()
    watching.cancel()
    await connector.close()
    world.close()
    return state


def _verdict(state: RunState, bound: tuple[str, float], scale: float) -> dict[str, Any]:
    assert state.started_at is not None
    assert state.ended_at is not None
    took = (state.ended_at - state.started_at).total_seconds() * scale
    return {
        "status": str(state.status),
        "machines": sum(step.machine is not None for step in state.plan.steps),
        "makespan_s": round(took, 1),
        "bound": bound[0],
        "bound_s": round(bound[1], 1),
        "ratio": round(took / bound[1], 4),
    }


def on_simulator(time_scale: float) -> dict[str, Any]:
    """Return the makespan of a real run against the simulator process, and the calls it took."""
    plan, fleet = piacenza()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        source = (EXAMPLES / "piacenza.fleet.yaml").read_text()
        lines = [line for line in source.splitlines() if not line.startswith("time_scale")]
        (home / "fleet.yaml").write_text(f"time_scale: {time_scale}\n" + "\n".join(lines))
        simulator = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "connectors.simulated",
                "--fleet",
                str(home / "fleet.yaml"),
                "--port",
                "0",
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        try:
            assert simulator.stdout is not None
            url = next(
                word for word in simulator.stdout.readline().split() if word.startswith("http")
            )
            state = _run_for_real(home, url)
            stats = json.load(urllib.request.urlopen(f"{url}/stats"))
        finally:
            simulator.terminate()
            simulator.wait()
    out = _verdict(state, bound_of(plan, fleet), time_scale)
    return {**out, "time_scale": time_scale, **_calls(stats, len(fleet.hosts))}


def _run_for_real(home: Path, url: str) -> RunState:
    (home / "drorch.toml").write_text(
        f'data_dir = "{home}/data"\n[connectors.sim]\ntype = "simulated"\nurl = "{url}"\n'
    )
    work = subprocess.run(
        [
            sys.executable,
            "-m",
            "bench.recover",
            str(home / "drorch.toml"),
            str(EXAMPLES / "piacenza.yaml"),
        ],
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "DRORCH_CONFIG": str(home / "drorch.toml")},
    )
    run = work.stdout.split()[-1]
    from drorch.journal.store import Store

    store = Store(home / "data" / "drorch.db")
    state = fold(record.event for record in asyncio.run(store.read(run)))
    store.close()
    return state


def _calls(stats: dict[str, Any], nodes: int) -> dict[str, Any]:
    """One observing call of the simulator reads all nodes: it counts once for each."""
    seconds = stats["seconds"]
    busiest = max((second["observing"] for second in seconds), default=0)
    ordering = [second for second in seconds if second["order"]]
    span = ordering[-1]["second"] - ordering[0]["second"] + 1
    during = sum(
        s["observing"]
        for s in seconds
        if ordering[0]["second"] <= s["second"] <= ordering[-1]["second"]
    )
    return {
        "nodes": nodes,
        "observing_calls_per_second_mean": round(during / span, 2),
        "observing_calls_busiest_second": busiest,
        "agent_pings": stats["total"]["agent"],
        "orders": stats["total"]["order"],
    }
