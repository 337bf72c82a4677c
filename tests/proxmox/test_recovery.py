"""Whole runs against a Proxmox VE cluster: the engine, the connector and real TLS between."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from api.bootstrap import Application
from api.callers import system_caller
from api.operations import Wish, start_run, store_plan
from api.settings import Settings
from drorch.journal.pages import runs_page
from drorch.journal.store import Store
from drorch.run import events as ev
from drorch.run.evolve import fold
from drorch.run.state import RunState
from drorch.run.status import Mode, RunStatus, StepStatus
from tests.proxmox.certificates import make_certificate
from tests.proxmox.cluster import FakeCluster, ct, vm

PATIENCE = 90.0
PLAN = """
drorch: 1
plan: small
title: A small cluster
defaults: {connector: pve, retry: {attempts: 2, wait: 1s}, start_timeout: 60s}
steps:
  db: {vm: 101}
  app: {vm: 102, depends_on: [db]}
  proxy: {vm: 201, depends_on: [db]}
  web: {vm: {name: vm103}, depends_on: [app, proxy]}
"""


class Running:
    """A run under way, and what its journal says."""

    def __init__(self, app: Application, run: str, drive: asyncio.Task[RunState]) -> None:
        self.app = app
        self.run = run
        self.drive = drive

    async def events(self) -> list[ev.Event]:
        return [record.event for record in await self.app.store.read(self.run)]

    async def reached(self, condition: Callable[[RunState], bool]) -> RunState:
        async with asyncio.timeout(PATIENCE):
            while not condition(state := fold(await self.events())):
                await asyncio.sleep(0.1)
        return state

    async def end(self) -> RunState:
        async with asyncio.timeout(PATIENCE):
            return await self.drive


@asynccontextmanager
async def running(
    fake: FakeCluster, folder: Path, plan: str = PLAN, mode: Mode = Mode.LIVE
) -> AsyncIterator[Running]:
    table = {"type": "proxmox", **fake.table("pve1", "pve2")}
    settings = Settings(data_dir=folder / "data", connectors={"pve": table})
    async with Application(settings) as app:
        chosen, _ = await store_plan(
            app, plan.encode(), file="small.yaml", caller=system_caller("test")
        )
        wish = Wish(chosen=chosen, mode=mode, caller=system_caller("test"))
        run, lease = await start_run(app, wish, keep_lease=True)
        drive = asyncio.create_task(app.supervisor.drive(run, lease=lease))
        try:
            yield Running(app, run, drive)
        finally:
            drive.cancel()
            await asyncio.gather(drive, return_exceptions=True)


def guests(**changes: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the plan's guests on two nodes; *changes* by ``vm101``."""
    made = [vm(101), vm(102, node="pve2"), vm(103), ct(201, node="pve2")]
    return [guest | changes.get(f"vm{guest['vmid']}", {}) for guest in made]


def starts(fake: FakeCluster) -> dict[str, int]:
    return {vmid: len(fake.orders(vmid, "/start")) for vmid in ("101", "102", "103", "201")}


async def test_a_cluster_comes_up_in_order_with_one_order_each(
    fake: FakeCluster, tmp_path: Path
) -> None:
    fake.reset(*guests(vm102={"hastate": "stopped"}))
    async with running(fake, tmp_path) as recovery:
        state = await recovery.end()
        events = await recovery.events()
    assert state.status is RunStatus.SUCCEEDED
    assert starts(fake) == {"101": 1, "102": 1, "103": 1, "201": 1}
    begun = [e.step for e in events if isinstance(e, ev.StepStarted)]
    assert begun[0] == "db"
    assert begun[-1] == "web"
    handles = {e.step: e.handle for e in events if isinstance(e, ev.OrderAccepted)}
    assert handles["db"].startswith("UPID:pve1:")
    assert "hastart" in handles["app"]
    assert state.steps[state.index("web")].machine == "103"
    assert state.steps[state.index("app")].host == "pve2"


async def test_a_reply_that_is_lost_is_looked_up_and_never_repeated(
    fake: FakeCluster, tmp_path: Path
) -> None:
    fake.reset(*guests(vm101={"start_secs": 1.0}))
    fake.do("fault", kind="lost", method="POST", path="/101/status/start")
    async with running(fake, tmp_path) as recovery:
        state = await recovery.end()
        events = await recovery.events()
    assert state.status is RunStatus.SUCCEEDED
    assert any(isinstance(e, ev.OrderInDoubt) and e.step == "db" for e in events)
    assert starts(fake) == {"101": 1, "102": 1, "103": 1, "201": 1}


async def test_a_locked_guest_says_what_a_person_has_to_do(
    fake: FakeCluster, tmp_path: Path
) -> None:
    fake.reset(*guests(vm102={"lock": "backup"}))
    async with running(fake, tmp_path) as recovery:
        state = await recovery.reached(lambda s: s.status is RunStatus.WAITING)
        locked = state.steps[state.index("app")]
        assert "locked" in locked.error
        assert "qm unlock 102" in locked.hint
        assert state.steps[state.index("proxy")].status is StepStatus.HEALTHY
        # A person unlocks it and starts it by hand: that is noticed, verified and goes on.
        fake.guest(102, lock=None, running=True)
        state = await recovery.end()
    assert state.status is RunStatus.SUCCEEDED
    assert state.steps[state.index("app")].outside


async def test_a_lost_quorum_costs_no_attempt_and_ends_by_itself(
    fake: FakeCluster, tmp_path: Path
) -> None:
    fake.reset(*guests())
    fake.do("set", quorate=False)
    async with running(fake, tmp_path) as recovery:
        state = await recovery.reached(lambda s: bool(s.obstacles) and "pve" in s.surveyed)
        assert "quorum" in next(iter(state.obstacles.values())).reason
        assert not any(isinstance(e, ev.AttemptFailed) for e in await recovery.events())
        fake.do("set", quorate=True)
        state = await recovery.end()
        events = await recovery.events()
    assert state.status is RunStatus.SUCCEEDED
    assert not any(isinstance(e, ev.AttemptFailed) for e in events)


async def test_a_dry_run_finds_what_is_wrong_without_one_write(
    fake: FakeCluster, tmp_path: Path
) -> None:
    fake.reset(
        vm(101, onboot=True), vm(102, lock="backup"), vm(103, template=True)
    )  # 201 does not exist
    async with running(fake, tmp_path, mode=Mode.DRY_RUN) as rehearsal:
        state = await rehearsal.end()
    assert state.status is RunStatus.FAILED
    found = {(f.code, f.step) for f in state.findings}
    assert {
        ("machine-missing", "proxy"),
        ("template", "web"),
        ("locked", "app"),
        ("autostart", "db"),
    } <= found
    assert all(f.hint for f in state.findings), "each says what to do"
    assert len(found) == len(state.findings), "nothing is said twice"
    assert {e["method"] for e in fake.log()} == {"GET"}


@pytest.mark.parametrize("trouble", ["absent", "token", "certificate", "rubbish"])
def test_a_hypervisor_that_refuses_ends_with_4_and_nothing_half_done(
    fake: FakeCluster, tmp_path: Path, trouble: str
) -> None:
    fake.reset(*guests())
    table = _troubled(fake, tmp_path, trouble)
    (tmp_path / "small.yaml").write_text(PLAN)
    (tmp_path / "drorch.toml").write_text(table)
    command = [sys.executable, "-m", "api.cli", "run", str(tmp_path / "small.yaml")]
    done = subprocess.run(
        [*command, "--mode", "live", "--confirm", "small", "--no-input"],
        env={**os.environ, "DRORCH_CONFIG": str(tmp_path / "drorch.toml")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 4, done.stdout + done.stderr
    assert "error:" in done.stderr
    assert "hint:" in done.stderr
    assert "Traceback" not in done.stderr
    assert not fake.log("POST")
    assert asyncio.run(_runs(tmp_path)) == 0


def _troubled(fake: FakeCluster, folder: Path, trouble: str) -> str:
    endpoint, secret = fake.endpoint(), fake.secret_file
    pin = fake.certificate.fingerprint
    if trouble == "absent":
        endpoint = "127.0.0.1:1"
    if trouble == "token":
        secret = folder / "token"
        secret.write_text("00000000-0000-0000-0000-000000000000\n")
    if trouble == "certificate":
        pin = make_certificate(folder, "other").fingerprint
    if trouble == "rubbish":
        fake.do("fault", kind="raw", body="<html>hello</html>", times=1000)
    return (
        f'data_dir = "{folder / "data"}"\n[connectors.pve]\ntype = "proxmox"\n'
        f'endpoints = ["{endpoint}"]\ntoken_id = "drorch@pve!recovery"\n'
        f'token_secret = {{ file = "{secret}" }}\nfingerprint = "{pin}"\n'
    )


async def _runs(folder: Path) -> int:
    store = Store(folder / "data" / "drorch.db")
    try:
        return len((await runs_page(store, 100)).lines)
    finally:
        store.close()
