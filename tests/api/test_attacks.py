"""What somebody with bad intentions, or a tired admin, could do; each has worked once."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from pathlib import Path

import pytest
from limits import RateLimitItemPerMinute

from api.access import WantedToken, make_token
from api.bootstrap import Application
from api.callers import system_caller
from api.cli.access import Given, Verb
from api.cli.local import LocalAccess
from api.entrance import look_at_entrance
from api.login_limits import A_MINUTE, LoginLimits
from api.operations import Approval, Wish, choose_plan, start_run
from api.people import remove
from api.routes.limits import LIMITS, Lane
from api.schemas.access_problems import TooManyRequestsError
from api.settings import Settings
from connectors.simulated.server import Simulator
from drorch.access.roles import Role
from drorch.errors import CommandRejectedError
from drorch.journal.ledger import entries
from drorch.run.status import Mode
from tests.api.desk import PLAN, YAML, calling, driven, settings
from tests.api.people import person


async def revoke(app: Application, name: str) -> None:
    await app.gate.revoke_token(name, system_caller("test").act("token.revoke", f"token/{name}"))


@pytest.mark.parametrize("what", ["token", "person"])
async def test_who_takes_away_the_last_way_in_does_not_open_the_service_to_everybody(
    tmp_path: Path, what: str
) -> None:
    """After a suspicion tokens are revoked: any user of that machine would be admin then."""
    async with Application(Settings(data_dir=tmp_path)) as app:
        async with calling(app) as http:
            assert (await http.get("/api/v1/runs")).status_code == 200
        if what == "token":
            wanted = WantedToken(name="only", role=Role.ADMIN, days=None)
            await make_token(app, wanted, system_caller("test"))
            await revoke(app, "only")
        else:
            await person(app)
            await remove(app, "mario", system_caller("test"))
        async with calling(app) as http:
            assert (await http.get("/api/v1/runs")).status_code == 401
        told = await look_at_entrance(app)
        assert "nobody can log in" in told
        assert "runs open" not in told


def two_persons(folder: Path, url: str) -> Settings:
    given = settings(folder, url).model_dump()
    return Settings.model_validate(given | {"policy": {"live_runs": "two-person"}})


async def test_the_glass_is_not_broken_without_a_reason(
    tmp_path: Path, simulator: Simulator
) -> None:
    plan = tmp_path / "town.yaml"
    plan.write_text(PLAN)
    config = two_persons(tmp_path / "data", simulator.url)
    async with driven(config), Application(config) as app:
        caller = system_caller()
        chosen = await choose_plan(app, str(plan), caller=caller)
        wish = Wish(chosen=chosen, mode=Mode.LIVE, caller=caller, break_glass=" \t\n")
        run, _ = await start_run(app, wish, keep_lease=False)
        access = LocalAccess(app)
        assert (await access.run(run))["status"] == "awaiting_approval"
        for blank in (" ", "\u3164\u200b"):
            yes = Given(run=run, verb=Verb.APPROVE, approval=Approval(break_glass=blank))
            with pytest.raises(CommandRejectedError, match="a second person"):
                await access.decide(yes)
        found = await app.store.reading(lambda c: entries(c, before=None, limit=10))
        assert "run.break-glass" not in [entry["action"] for _, entry, _ in found]


async def people_of(app: Application) -> dict[str, dict[str, str]]:
    """Make a token for each of some people, and return their headers."""
    found = {}
    for name, role in (("anna", Role.RESPONDER), ("bruno", Role.RESPONDER), ("ada", Role.ADMIN)):
        wanted = WantedToken(name=name, role=role, days=None)
        secret, _ = await make_token(app, wanted, system_caller("test"))
        found[name] = {"Authorization": f"Bearer {secret}"}
    return found


async def test_a_hundred_yes_and_no_at_once_are_one_decision(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever asked never approves it, and of all the others one does."""
    often = LIMITS[Lane.URGENT]._replace(rate=RateLimitItemPerMinute(10**6))
    monkeypatch.setitem(LIMITS, Lane.URGENT, often)  # else most of them wait for the next minute
    config = two_persons(tmp_path / "data", simulator.url)
    async with driven(config), Application(config) as app, calling(app) as http:
        who = await people_of(app)
        await http.post("/api/v1/plans", content=PLAN, headers={**YAML, **who["ada"]})
        body = {"plan": "town", "mode": "live", "confirm": "town"}
        run = (await http.post("/api/v1/runs", json=body, headers=who["anna"])).json()["id"]
        tried = [("anna", "approve"), ("bruno", "approve"), ("ada", "approve"), ("bruno", "abort")]
        dice = random.Random()

        async def ask(name: str, verb: str) -> tuple[str, str, int]:
            await asyncio.sleep(dice.random() * 0.05)
            while True:
                answer = await http.post(f"/api/v1/runs/{run}/{verb}", headers=who[name])
                if answer.status_code != 429:
                    assert answer.status_code in (200, 409), answer.text
                    if answer.status_code == 409:
                        assert answer.json()["code"] == "command-rejected", answer.text
                    return name, verb, answer.status_code
                await asyncio.sleep(0.05)

        told = await asyncio.gather(*(ask(*tried[n % len(tried)]) for n in range(100)))
        taken = Counter((name, verb) for name, verb, status in told if status == 200)
        assert ("anna", "approve") not in taken
        assert sum(n for (_, verb), n in taken.items() if verb == "approve") <= 1, taken
        assert taken["bruno", "abort"] == 1, taken
        events = (await http.get(f"/api/v1/runs/{run}/events", headers=who["ada"])).json()["items"]
        types = Counter(event["type"] for event in events)
        assert types["run.approved"] == sum(v == "approve" for _, v in taken), types
        assert types["run.ended"] == 1, types


async def test_why_the_glass_was_broken_stands_in_the_record(
    tmp_path: Path, simulator: Simulator
) -> None:
    config = two_persons(tmp_path / "data", simulator.url)
    async with driven(config), Application(config) as app, calling(app) as http:
        who = await people_of(app)
        await http.post("/api/v1/plans", content=PLAN, headers={**YAML, **who["ada"]})
        body = {"plan": "town", "mode": "live", "confirm": "town", "reason": "power cut"}
        asked = {**body, "break_glass": "nobody answers"}
        answer = await http.post("/api/v1/runs", json=asked, headers=who["anna"])
        assert answer.status_code == 202, answer.text
        found = await app.store.reading(lambda c: entries(c, before=None, limit=10))
        loud = next(entry for _, entry, _ in found if entry["action"] == "run.break-glass")
        assert loud["reason"] == "power cut; alone: nobody answers"


HERE = "127.0.0.1"


def test_others_behind_the_same_address_do_not_lock_out_who_has_logged_in_there() -> None:
    """Tunnels, proxies and a town's firewall give all the same address."""
    limits = LoginLimits()
    limits.succeeded("mario", HERE)
    for _ in range(A_MINUTE):
        limits.failed("nobody", HERE)
    with pytest.raises(TooManyRequestsError) as refused:
        limits.refuse("nobody", HERE)
    assert "does not end the pause" in refused.value.hint
    limits.refuse("mario", HERE)


def test_who_has_logged_in_somewhere_is_still_not_guessed_there() -> None:
    limits = LoginLimits()
    limits.succeeded("mario", HERE)
    for _ in range(A_MINUTE):
        limits.refuse("mario", HERE)
        limits.failed("mario", HERE)
    with pytest.raises(TooManyRequestsError):
        limits.refuse("mario", HERE)
