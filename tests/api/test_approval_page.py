"""A live run that takes two people, over HTTP and on its page."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from api.access import WantedToken, make_token
from api.bootstrap import Application
from api.callers import system_caller
from api.settings import PolicySettings
from connectors.simulated.server import Simulator
from drorch.access.policy import LiveRuns
from drorch.access.roles import Role
from drorch.journal.ledger import entries
from tests.api.desk import PLAN, YAML, calling, driven, settings

WANTED = {"plan": "town", "mode": "live", "confirm": "town", "only": ["db"]}


@pytest.fixture
async def town(tmp_path: Path, simulator: Simulator) -> AsyncIterator[Application]:
    """A town where a live run takes two people, with an engine beside the HTTP side."""
    two = PolicySettings(live_runs=LiveRuns.TWO)
    told = settings(tmp_path / "data", simulator.url).model_copy(update={"policy": two})
    async with Application(told) as opened, driven(told):
        yield opened


async def bearer(app: Application, name: str, role: Role) -> dict[str, str]:
    wanted = WantedToken(name=name, role=role, days=1)
    secret, _ = await make_token(app, wanted, system_caller("root"))
    return {"Authorization": f"Bearer {secret}"}


async def asked(app: Application, http: httpx2.AsyncClient, who: dict[str, str]) -> str:
    admin = await bearer(app, "admin", Role.ADMIN)
    await http.post("/api/v1/plans", content=PLAN, headers={**YAML, **admin})
    answer = await http.post("/api/v1/runs", json=WANTED, headers=who)
    assert answer.status_code == 202, answer.text
    told = answer.json()
    assert told["status"] == "awaiting_approval"
    return str(told["id"])


async def test_a_second_person_approves_on_the_page_and_the_first_cannot(
    town: Application, simulator: Simulator
) -> None:
    async with calling(town) as http:
        anna = await bearer(town, "anna", Role.RESPONDER)
        bruno = await bearer(town, "bruno", Role.RESPONDER)
        carla = await bearer(town, "carla", Role.OPERATOR)
        run = await asked(town, http, anna)
        page = await http.get(f"/runs/{run}", headers={**bruno, "Accept": "text/html"})
        digest = re.search(r'name="digest" value="([0-9a-f]{64})"', page.text)
        assert digest is not None
        assert "anna asks to start this live run" in page.text
        form = {"digest": digest[1], "comment": "seen"}
        for who, status in ((anna, 409), (carla, 403)):
            refused = await http.post(f"/runs/{run}/approve", data=form, headers=who)
            assert refused.status_code == status
        other = {**form, "digest": "0" * 64}
        assert (
            await http.post(f"/runs/{run}/approve", data=other, headers=bruno)
        ).status_code == 409
        assert simulator.world.log == []
        told = await http.post(f"/runs/{run}/approve", data=form, headers=bruno)
        assert told.status_code == 303, told.text
        shown = (await http.get(f"/api/v1/runs/{run}", headers=bruno)).json()
        assert shown["approval"]["approved_by"] == "bruno"
        assert shown["started_by"] == "anna"
    record = await town.store.reading(lambda c: entries(c, before=None, limit=50))
    approvals = [entry for _, entry, _ in record if entry["action"] == "run.approve"]
    assert [entry["actor"]["name"] for entry in approvals] == ["bruno"]
    assert approvals[0]["approval"] == digest[1]


async def test_one_person_may_break_the_glass_and_it_is_loud(town: Application) -> None:
    async with calling(town) as http:
        anna = await bearer(town, "anna", Role.RESPONDER)
        run = await asked(town, http, anna)
        form = {"break_glass": "nobody answers the telephone"}
        told = await http.post(f"/runs/{run}/approve", data=form, headers=anna)
        assert told.status_code == 303, told.text
        page = await http.get(f"/runs/{run}", headers=anna)
        assert "The glass was broken: anna started this alone" in page.text
    record = await town.store.reading(lambda c: entries(c, before=None, limit=50))
    loud = [entry for _, entry, _ in record if entry["action"] == "run.break-glass"]
    assert [entry["reason"] for entry in loud] == ["nobody answers the telephone"]


async def test_while_halted_nobody_starts_or_approves_a_live_run(town: Application) -> None:
    async with calling(town) as http:
        anna = await bearer(town, "anna", Role.RESPONDER)
        bruno = await bearer(town, "bruno", Role.RESPONDER)
        run = await asked(town, http, anna)
        halted = await http.post("/api/v1/halt", json={"reason": "what is it?"}, headers=anna)
        assert halted.json()["halted"] is True
        refused = await http.post(f"/api/v1/runs/{run}/approve", headers=bruno)
        assert (refused.status_code, refused.json()["code"]) == (409, "halted")
        again = await http.post("/api/v1/runs", json=WANTED, headers=bruno)
        assert (again.status_code, again.json()["code"]) == (409, "halted")
        assert (await http.delete("/api/v1/halt", headers=bruno)).status_code == 403
