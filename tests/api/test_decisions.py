"""Decisions over HTTP: taken by whoever drives the run, or recorded until somebody does."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from api.bootstrap import Application
from api.routes.decisions import PATIENCE
from connectors.simulated.faults import MachineFault
from connectors.simulated.server import Simulator
from tests.api.desk import Caller, driven, serving, settings, until


async def test_nobody_drives_so_it_is_recorded_and_taken_later(
    api: Caller, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.routes.decisions.PATIENCE", 0.05)
    await api.store()
    run = await api.start()
    told = await api.post(f"/runs/{run}/pause", 202, json={"comment": "wait"})
    assert told["taken"] is False
    async with Application(application.settings) as other:
        driving = asyncio.create_task(other.supervisor.adopt_for_ever())
        await api.status(run, "paused")
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)


async def test_nobody_is_waited_for_when_nobody_is_there(
    api: Caller, application: Application
) -> None:
    """Without an engine a decision is recorded at once, and stays for the one that comes."""
    await api.store()
    run = await api.start()
    loop = asyncio.get_running_loop()
    began = loop.time()
    await api.post(f"/runs/{run}/pause", 202)
    # Behind a decision that nobody has taken, only the driver can tell what is possible.
    await api.post(f"/runs/{run}/resume", 202)
    assert loop.time() - began < PATIENCE
    assert len(await application.store.inbox(run)) == 2


async def test_what_the_state_does_not_allow_is_refused_with_the_reason(
    api: Caller, engine: Application
) -> None:
    await api.store()
    run = await api.start()
    await api.asks(run, "san")
    for step, verb in [("db", "approve"), ("db", "retry"), ("db", "accept")]:
        told = await api.post(f"/runs/{run}/steps/{step}/{verb}", 409)
        assert told["code"] == "command-rejected"
        assert step in told["detail"]
    told = await api.post(f"/runs/{run}/resume", 409)
    assert told["code"] == "command-rejected"
    told = await api.post(f"/runs/{run}/steps/nothing/skip", 404)
    assert told["code"] == "step-not-found"
    told = await api.post(f"/runs/{run}/steps/core/skip", 404)
    assert told["code"] == "step-not-found"


async def test_the_same_is_refused_while_nobody_drives(api: Caller) -> None:
    await api.store()
    run = await api.start()
    told = await api.post(f"/runs/{run}/steps/db/approve", 409)
    assert told["code"] == "command-rejected"


async def test_pause_resume_abort(api: Caller, engine: Application) -> None:
    await api.store()
    run = await api.start()
    await api.asks(run, "san")
    await api.post(f"/runs/{run}/pause", json={"by": "anna", "comment": "a call"})
    assert (await api.get(f"/runs/{run}"))["status"] == "paused"
    await api.post(f"/runs/{run}/resume")
    assert (await api.get(f"/runs/{run}"))["status"] == "waiting"
    await api.post(f"/runs/{run}/abort", json={"by": "anna", "comment": "false alarm"})
    await api.status(run, "aborted")
    events = (await api.get(f"/runs/{run}/events"))["items"]
    decided = [(e["type"], e["actor"]) for e in events if e["actor"] != "drorch"]
    assert decided == [
        ("run.requested", "api"),
        ("run.paused", "anna"),
        ("run.resumed", "api"),
        ("run.abort-requested", "anna"),
    ]
    told = await api.post(f"/runs/{run}/pause", 409)
    assert "ended" in told["detail"]


async def test_a_dry_run_whose_hypervisor_never_answers_is_aborted(tmp_path: Path) -> None:
    """The hypervisor takes the connection and is silent; the API's patience is shorter."""
    held: list[asyncio.StreamWriter] = []
    silent = await asyncio.start_server(lambda _, writer: held.append(writer), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    table = {"type": "simulated", "url": f"http://127.0.0.1:{port}", "timeout": "60s"}
    config = settings(tmp_path, "").model_copy(update={"connectors": {"sim": table}})
    async with serving(config) as api, driven(config):
        await api.store()
        run = await api.start("dry-run")
        await until(lambda: asyncio.sleep(0, bool(held)))
        told = await api.post(f"/runs/{run}/pause", 409)
        assert told["detail"] == "a dry run asks nobody: it can only be aborted"
        told = await api.post(f"/runs/{run}/abort", json={"by": "anna", "comment": "no answer"})
        assert told["taken"] is True
        done = await api.status(run, "aborted")
        assert done["counts"]["cancelled"] == 4
        events = (await api.get(f"/runs/{run}/events"))["items"]
        assert [(e["type"], e["actor"]) for e in events[1:]] == [
            ("run.started", "drorch"),
            ("run.abort-requested", "anna"),
            ("steps.cancelled", "drorch"),
            ("run.ended", "drorch"),
        ]
    for writer in held:
        writer.close()
    silent.close()
    await silent.wait_closed()


FAILING = """\
drorch: 1
plan: town
defaults: {connector: sim, retry: {attempts: 1}}
steps:
  a: {vm: 101}
  b: {vm: 102}
  c: {vm: 103}
  after: {gate: {}, depends_on: [a, b]}
"""


async def test_failed_steps_are_retried_skipped_or_left_failed(
    api: Caller, engine: Application, simulator: Simulator
) -> None:
    for machine in ("101", "102", "103"):
        simulator.world.faults.inject(machine, MachineFault.START_FAILS, 1)
    await api.store(FAILING)
    run = await api.start()
    for step in "abc":
        await api.asks(run, step)
    await api.post(f"/runs/{run}/steps/a/retry", json={"by": "anna"})
    await api.post(f"/runs/{run}/steps/b/skip", json={"by": "anna", "comment": "not today"})
    await api.post(f"/runs/{run}/steps/c/reject", json={"by": "anna"})
    done = await api.status(run, "failed", "succeeded")
    assert (done["status"], done["counts"]["failed"]) == ("failed", 1)
    steps = {s["id"]: s for s in (await api.get(f"/runs/{run}/steps"))["items"]}
    assert {k: s["status"] for k, s in steps.items()} == {
        "a": "healthy",
        "b": "skipped",
        "c": "failed",
        "after": "healthy",
    }
    assert steps["a"]["attempt"] == 2


async def test_an_accepted_step_names_who_vouched(
    api: Caller, engine: Application, simulator: Simulator
) -> None:
    simulator.world.faults.inject("101", MachineFault.START_FAILS, 1)
    await api.store("drorch: 1\nplan: town\nsteps: {a: {vm: sim/101, retry: {attempts: 1}}}\n")
    run = await api.start()
    await api.asks(run, "a")
    await api.post(f"/runs/{run}/steps/a/accept", json={"by": "vendor", "comment": "by hand"})
    await api.status(run, "succeeded")
    step = await api.get(f"/runs/{run}/steps/a")
    assert (step["accepted_by"], step["comment"]) == ("vendor", "by hand")


@pytest.mark.parametrize("text", ["\x1b[2J", "a\x00b", "\u202egnp.exe", "x" * 2001])
async def test_text_that_could_hide_something_is_refused(api: Caller, text: str) -> None:
    await api.store()
    run = await api.start()
    for body in ({"comment": text}, {"by": text[:100]}):
        if body.get("by") == "x" * 100:
            continue
        told = await api.post(f"/runs/{run}/pause", 422, json=body)
        assert told["code"] == "invalid-request"
