"""Nobody is shown a button that they may not press; the page says who may."""

from __future__ import annotations

import re

import httpx2
import pytest

from api.access import WantedToken, make_token
from api.bootstrap import Application
from api.callers import system_caller
from drorch.access.roles import Role
from tests.api.desk import PLAN, YAML, Caller
from tests.api.people import log_in, person
from tests.api.test_pages import Page


async def bearer(app: Application, name: str, role: Role) -> dict[str, str]:
    wanted = WantedToken(name=name, role=role, days=1)
    secret, _ = await make_token(app, wanted, system_caller("root"))
    return {"Authorization": f"Bearer {secret}"}


def pressed(page: Page, run: str) -> set[str]:
    """Return where the forms of a page lead."""
    buttons = {b.get("formaction") or "" for b in page.all("button")}
    forms = {f["action"] or "" for f in page.all("form")}
    found = {at.removeprefix(f"/runs/{run}/") for at in buttons | forms}
    return found - {"", "/logout"}


@pytest.mark.parametrize(
    ("role", "may", "says"),
    [
        (Role.VIEWER, set(), ("the role operator; yours is viewer", "role responder")),
        (
            Role.OPERATOR,
            {"pause", "steps/san/approve", "steps/san/reject"},
            ("Aborting this run takes the role responder; yours is operator.",),
        ),
        (Role.RESPONDER, {"pause", "abort", "steps/san/approve", "steps/san/reject"}, ()),
    ],
)
async def test_buttons_are_for_whom_they_are(
    application: Application,
    http: httpx2.AsyncClient,
    engine: Application,
    *,
    role: Role,
    may: set[str],
    says: tuple[str, ...],
) -> None:
    admin = await bearer(application, "admin", Role.ADMIN)
    who = await bearer(application, "somebody", role)
    http.headers.update(admin)
    api = Caller(http)
    await http.post("/api/v1/plans", content=PLAN, headers=YAML)
    run = await api.start()
    await api.asks(run, "san")
    for path in (f"/runs/{run}", f"/runs/{run}/steps/san"):
        page = Page((await http.get(path, headers=who)).text)
        told = pressed(page, run)
        here = may if not path.endswith("san") else {m for m in may if m.startswith("steps")}
        assert told == here, path
        assert not [i for i in page.all("input") if i.get("name") == "by"], "the name is known"
    whole = Page((await http.get(f"/runs/{run}", headers=who)).text).words
    for words in says:
        assert words in whole
    for verb in ("pause", "steps/san/approve"):
        answer = await http.post(f"/runs/{run}/{verb}", data={"comment": ""}, headers=who)
        assert (answer.status_code == 403) == (verb not in may)


async def test_a_rehearsal_is_aborted_by_whoever_may_begin_one(
    application: Application, http: httpx2.AsyncClient
) -> None:
    admin = await bearer(application, "admin", Role.ADMIN)
    who = await bearer(application, "olga", Role.OPERATOR)
    http.headers.update(admin)
    await http.post("/api/v1/plans", content=PLAN, headers=YAML)
    run = await Caller(http).start("dry-run")
    page = Page((await http.get(f"/runs/{run}", headers=who)).text)
    assert "abort" in pressed(page, run)


async def test_my_steps_are_those_that_name_me(
    application: Application, http: httpx2.AsyncClient
) -> None:
    desk = await bearer(application, "On-Call Desk", Role.VIEWER)
    other = await bearer(application, "somebody", Role.VIEWER)
    http.headers.update(await bearer(application, "admin", Role.ADMIN))
    await http.post("/api/v1/plans", content=PLAN, headers=YAML)
    run = await Caller(http).start()
    for who, steps in ((desk, ["row-san"]), (other, [])):
        page = Page((await http.get(f"/runs/{run}?show=mine", headers=who)).text)
        assert [tr["data-k"] for tr in page.all("tr") if "data-k" in tr] == steps


async def test_a_page_that_follows_names_whoever_its_buttons_act_for(
    application: Application, http: httpx2.AsyncClient, engine: Application
) -> None:
    """Two share a screen: one tab was opened by Anna, then Bruno logged in in another."""
    http.headers.update(await bearer(application, "admin", Role.ADMIN))
    api = Caller(http)
    await http.post("/api/v1/plans", content=PLAN, headers=YAML)
    run = await api.start()
    await api.asks(run, "san")
    del http.headers["Authorization"]
    for name in ("anna", "bruno"):
        await person(application, name, Role.RESPONDER)
        await log_in(http, name)
        looked = await http.get(f"/runs/{run}/changes")
        whole = await http.get(f"/runs/{run}")
        for answer in (whole, looked):
            (who,) = re.findall(r'<form class="who" data-k="who".*?</form>', answer.text)
            assert f"<strong>{name}</strong>" in who
            word = re.findall(r'name="csrf" value="([^"]+)"', answer.text)
            assert len(set(word)) == 1
