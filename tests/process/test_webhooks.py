"""Web hooks of real processes that are killed: every message arrives, under one id."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2
import pytest

from api.settings import Settings
from connectors.network import Network
from connectors.notifiers import HookSettings, Webhooks
from connectors.simulated import fleet as fleets
from connectors.simulated.server import simulating
from drorch.failpoints import Name
from drorch.journal.outbox import Outbox
from drorch.journal.store import Store
from drorch.outbox.rules import Verdict
from tests.api.desk import FLEET, until
from tests.fakes.receiver import SECRET, Receiver, Reply, receiving
from tests.process.installation import ROOT, Installation, line_with
from tests.unit.outbox.stage import begin, paused

pytestmark = pytest.mark.process

EVENTS = 12


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


@pytest.fixture(params=["sqlite", "postgresql"])
def database(request: pytest.FixtureRequest) -> str:
    if request.param == "sqlite":
        return "sqlite"
    return str(request.getfixturevalue("postgres_url"))


@asynccontextmanager
async def sender(
    settings: Settings, failpoint: str = ""
) -> AsyncIterator[asyncio.subprocess.Process]:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "HOOK_SECRET": SECRET}
    if failpoint:
        environment["DRORCH_FAILPOINT"] = failpoint
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "tests.process.webhook_sender"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.DEVNULL,
        env=environment,
    )
    assert process.stdin is not None
    process.stdin.write(settings.model_dump_json().encode() + b"\n")
    await process.stdin.drain()
    try:
        yield process
    finally:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()


def configured(folder: Path, database: str, receiver: Receiver) -> Settings:
    return Settings.model_validate(
        {
            "data_dir": folder / "data",
            "database": {"url": database},
            "webhooks": {"desk": {"url": receiver.url, "secret": {"env": "HOOK_SECRET"}}},
        }
    )


async def happened(settings: Settings) -> None:
    """Make a run with events that the hook, which begins before it, has to tell."""
    store = Store(settings.place)
    await Outbox(store).fill({"desk": frozenset()})
    run = await begin(store)
    await store.append(run, [paused() for _ in range(EVENTS - 1)], after=1)
    store.close()


async def whole(receiver: Receiver) -> bool:
    return {content["data"]["seq"] for content in receiver.told()} >= set(range(1, EVENTS + 1))


@pytest.mark.parametrize(("point", "again"), [("outbox.send.before", 0), ("outbox.send.after", 1)])
async def test_a_sender_that_is_killed_loses_nothing(
    tmp_path: Path, database: str, receiver: Receiver, point: Name, again: int
) -> None:
    settings = configured(tmp_path, database, receiver)
    await happened(settings)
    async with sender(settings, f"{point}:4:kill") as process:
        assert await asyncio.wait_for(process.wait(), 30) == -signal.SIGKILL

    async def all_sent() -> bool:
        # what was in hand is due again only when its claim has run out, behind all the others
        return await whole(receiver) and len(receiver.arrived) >= EVENTS + again

    async with sender(settings):
        await until(all_sent, within=60)
    messages = [got.message for got in receiver.arrived]
    assert len(set(messages)) == EVENTS, "one id for each event"
    assert len(messages) == EVENTS + again, "only what was in hand is sent again"
    assert receiver.forged == []


async def test_two_senders_share_and_one_takes_over(
    tmp_path: Path, database: str, receiver: Receiver
) -> None:
    receiver.usual = Reply(204, delay=0.02)
    settings = configured(tmp_path, database, receiver)
    async with sender(settings) as lost, sender(settings):
        await happened(settings)
        await until(lambda: _some(receiver))
        lost.kill()
        await until(lambda: whole(receiver))
    assert len({got.message for got in receiver.arrived}) == EVENTS
    assert len(receiver.arrived) <= EVENTS + 1


async def _some(receiver: Receiver) -> bool:
    return len(receiver.arrived) >= 3


async def test_a_served_run_is_told_while_the_receiver_comes_and_goes(
    tmp_path: Path, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The service as people start it: its engine sends, the REST API shows how it goes."""
    secret = tmp_path / "hook.secret"
    secret.write_text(SECRET)
    async with simulating(fleets.build(FLEET), 0, seed=1) as simulator:
        installation = Installation(tmp_path, simulator.url)
        with installation.config.open("a") as config:
            config.write(
                f'[server]\nport = 0\n[webhooks.desk]\nurl = "{receiver.url}"\n'
                f'secret = {{file = "{secret}"}}\nevents = ["run.*"]\n'
            )
        process = await installation.launch("serve")
        try:
            url = (await line_with(process, "serves on")).split()[3]
            async with httpx2.AsyncClient(base_url=f"{url}/api/v1", trust_env=False) as http:
                await http.post("/webhooks/desk/test")
                await until(lambda: _of(receiver, "webhook.test"))
                receiver.script.append(Reply(500))  # the first message of the run comes again
                await _start(http)
                await until(lambda: _of(receiver, "run.requested"))
                await until(lambda: _of(receiver, "run.ended"))
                text = (await http.get(f"{url}/metrics")).text
        finally:
            process.terminate()
            await process.communicate()
    assert 'drorch_webhooks_failed_total{hook="desk"} 1.0' in text
    assert receiver.forged == []


async def test_the_receiver_of_the_document_takes_what_is_sent(tmp_path: Path) -> None:
    """Once: what comes a second time under the same id is not told again."""
    document = (ROOT / "docs" / "webhooks.md").read_text()
    program = document.split("```python\n")[1].split("```")[0].replace("8150", "0")
    program = program.replace("HTTPServer((", "server = HTTPServer((", 1)
    program = program.replace(").serve_forever()", ")\nprint(server.server_port, flush=True)")
    program += "server.serve_forever()\n"
    (tmp_path / "hook.secret").write_text(SECRET + "\n")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-u", "-W", "ignore", "-c", program),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=tmp_path,
    )
    assert process.stdout is not None
    try:
        port = int(await asyncio.wait_for(process.stdout.readline(), 60))
        url = f"http://127.0.0.1:{port}/"
        good, bad = tmp_path / "hook.secret", tmp_path / "bad.secret"
        bad.write_text("whsec_" + "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU=")
        verdicts = [await _delivered(url, file, "msg_1") for file in (good, good, bad)]
        verdicts.append(await _delivered(url, good, "msg_2"))
        lines = [(await process.stdout.readline()).decode() for _ in range(2)]
    finally:
        process.kill()
        await process.wait()
    assert verdicts == [Verdict.DELIVERED, Verdict.DELIVERED, Verdict.AGAIN, Verdict.DELIVERED]
    assert lines == ["run.ended {'n': 'msg_1'}\n", "run.ended {'n': 'msg_2'}\n"]


async def _delivered(url: str, secret: Path, message: str) -> Verdict:
    table = HookSettings.model_validate({"url": url, "secret": {"file": secret}})
    hooks = Webhooks({"desk": table}, network=Network())
    payload = f'{{"type":"run.ended","data":{{"n":"{message}"}}}}'
    return (await hooks.deliver("desk", message, payload)).verdict


async def _start(http: httpx2.AsyncClient) -> None:
    plan: dict[str, Any] = {"drorch": 1, "plan": "p", "steps": {"a": {"vm": "sim/101"}}}
    stored = await http.post("/plans", json=plan, headers={"Content-Type": "application/yaml"})
    assert stored.status_code == 201, stored.text
    started = await http.post("/runs", json={"plan": "p", "mode": "simulate", "reason": "try"})
    assert started.status_code == 202, started.text


async def _of(receiver: Receiver, kind: str) -> bool:
    return bool(receiver.told(kind))
