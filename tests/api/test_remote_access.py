"""What the command line does through a service: tokens, halts, the record, approvals."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from api.access import WantedToken
from api.app import create_app
from api.bootstrap import Application
from api.cli.access import Given, Verb
from api.cli.exits import WrongUseError
from api.cli.remote import RemoteAccess
from api.operations import Approval
from api.settings import Settings
from drorch.access.policy import LiveRuns
from drorch.access.roles import Role
from drorch.errors import CommandRejectedError, DrorchError, RunNotFoundError
from tests.api.desk import BASE, Caller, calling


@pytest.fixture
async def remote(application: Application) -> AsyncIterator[RemoteAccess]:
    transport = httpx2.ASGITransport(create_app(application))
    async with RemoteAccess(BASE, None) as access:
        await access._client.aclose()
        access._client = httpx2.AsyncClient(transport=transport, base_url=f"{BASE}/api/v1")
        yield access


async def test_tokens_through_a_service(remote: RemoteAccess) -> None:
    wanted = WantedToken(name="first", role=Role.ADMIN, days=None, addresses=("127.0.0.0/8",))
    made = await remote.make_token(wanted)
    assert made["token"].startswith("drt_")
    with pytest.raises(WrongUseError):
        await remote.tokens()
    remote._client.headers["Authorization"] = f"Bearer {made['token']}"
    (found,) = await remote.tokens()
    assert (found["name"], found["addresses"]) == ("first", ["127.0.0.0/8"])
    second = await remote.make_token(WantedToken(name="second", role=Role.VIEWER, days=1))
    await remote.revoke_token(second["id"])
    with pytest.raises(RunNotFoundError):
        await remote.revoke_token("second")
    entries = await remote.audit(2)
    assert [one["entry"]["action"] for one in entries] == ["token.revoke", "token.create"]
    verdict = await remote.verify_audit(checkpoint=False)
    assert (verdict["ok"], verdict["entries"]) == (True, 3)
    with pytest.raises(WrongUseError, match="on the machine of the service"):
        await remote.verify_audit(checkpoint=True)


async def test_a_halt_through_a_service(remote: RemoteAccess) -> None:
    assert (await remote.halted())["halted"] is False
    assert (await remote.halt("ransomware"))["reason"] == "ransomware"
    assert (await remote.halted())["halted"] is True
    await remote.lift()
    with pytest.raises(DrorchError, match="not halted"):
        await remote.lift()


async def test_an_approval_through_a_service(
    application: Application, remote: RemoteAccess, engine: Application
) -> None:
    config = application.settings
    two = config.policy.model_copy(update={"live_runs": LiveRuns.TWO})
    strict: Settings = config.model_copy(update={"policy": two})
    async with Application(strict) as other, calling(other) as client:
        api = Caller(client)
        await api.store()
        run = await api.start()
    told = await remote.run(run)
    assert told["status"] == "awaiting_approval"
    digest = told["approval"]["digest"]
    wrong = Given(run=run, verb=Verb.APPROVE, approval=Approval(digest="0" * 64))
    with pytest.raises(CommandRejectedError):
        await remote.decide(wrong)
    alone = Approval(digest=digest, break_glass="nobody answers the phone")
    assert await remote.decide(Given(run=run, verb=Verb.APPROVE, approval=alone))
    approval = (await remote.run(run))["approval"]
    assert approval["until"] is None
    assert approval["break_glass"] == "nobody answers the phone"
