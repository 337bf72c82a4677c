"""What a page asks for while a run goes on: what has changed, and no more."""

from __future__ import annotations

import re

import httpx2

from api.bootstrap import Application
from tests.api.desk import PLAN, Caller, until
from tests.api.test_pages import Page, show

ROW = re.compile(r'<tr data-k="row-([^"]+)".*?</tr>', re.DOTALL)
SECTION = re.compile(r'<(section|nav|svg|th)[^>]* data-k="([a-z]+)".*?</\1>', re.DOTALL)
PASSING = frozenset({"marks"})
"""What the clock moves within less than a second."""


def rows(text: str) -> dict[str, str]:
    return {found[1]: found[0] for found in ROW.finditer(text)}


def sections(text: str) -> dict[str, str]:
    return {f[2]: f[0] for f in SECTION.finditer(text) if f[2] not in PASSING}


def seq_of(text: str) -> int:
    found = re.search(r'data-seq="(\d+)"', text)
    assert found is not None
    return int(found[1])


async def test_changes_put_into_an_old_page_make_the_new_one(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    await api.store()
    run = await api.start()
    await api.asks(run, "san")
    old = (await http.get(f"/runs/{run}?show=all")).text
    await api.post(f"/runs/{run}/steps/san/approve", json={"by": "bruno"})
    await api.status(run, "succeeded")
    at = f"/runs/{run}/changes?after={seq_of(old)}&show=all&to=3"
    changes = (await http.get(at)).text
    new = (await http.get(f"/runs/{run}?show=all")).text
    assert {**rows(old), **rows(changes)} == rows(new)
    assert {**sections(old), **sections(changes)} == sections(new)
    assert seq_of(changes) == seq_of(new)
    assert Page(changes).all("title") is not None
    assert re.findall(r"<title>.*?</title>", changes) == re.findall(r"<title>.*?</title>", new)


async def test_nothing_new_is_nothing_to_send(http: httpx2.AsyncClient, api: Caller) -> None:
    """A page that nobody made here gets everything: somebody else may have made it."""
    await api.store()
    run = await api.start()
    page = (await http.get(f"/runs/{run}")).text
    known = (await http.get(f"/runs/{run}/changes?after={seq_of(page)}&to=3")).text
    assert not rows(known)
    assert set(sections(known)) <= {"approve", "controls", "now"}, "theirs, and the minute's"
    strange = (await http.get(f"/runs/{run}/changes?after={seq_of(page) + 1}&to=3")).text
    assert rows(strange) == rows(page)
    assert sections(strange) == {k: v for k, v in sections(page).items() if k in sections(strange)}
    assert {"head", "now", "next", "services"} <= set(sections(strange))


async def test_a_row_leaves_when_the_filter_does_not_fit_any_more(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    await api.store(
        PLAN.replace("depends_on: [core]", "depends_on: [core, pause]") + "  pause: {wait: 1h}\n"
    )
    run = await api.start()
    await api.asks(run, "san")
    old = (await http.get(f"/runs/{run}")).text
    assert set(rows(old)) == {"san", "db", "web", "mail", "pause"}
    await api.post(f"/runs/{run}/steps/san/approve", json={"by": "bruno"})

    async def gone() -> bool:
        changes = (await http.get(f"/runs/{run}/changes?after={seq_of(old)}&to=4")).text
        return 'data-order="1,2,3,4"' in changes

    await until(gone)


async def test_the_address_says_the_mode_and_another_one_is_put_right(
    http: httpx2.AsyncClient, api: Caller
) -> None:
    await api.store()
    run = await api.start("dry-run")
    wrong = await http.get(f"/runs/{run}?mode=live&show=all")
    assert (wrong.status_code, wrong.headers["location"]) == (
        303,
        f"/runs/{run}?mode=dry-run&show=all",
    )
    step = await http.get(f"/runs/{run}/steps/san?mode=%2F%2Fevil.example")
    assert step.headers["location"] == f"/runs/{run}/steps/san?mode=dry-run"
    page = await show(http, f"/runs/{run}?mode=dry-run")
    links = [a["href"] or "" for a in page.all("a")]
    inside = [link for link in links if f"/runs/{run}/steps/" in link or "show=" in link]
    assert inside
    assert all("mode=dry-run" in link for link in inside)


async def test_marks_of_the_mode_stand_on_every_page(http: httpx2.AsyncClient, api: Caller) -> None:
    """Band, title, icon, frame, address; colours and the water-mark are the style's."""
    await api.store()
    icons = set()
    for mode, short in (("live", "LIVE, SIMULATED"), ("dry-run", "DRY RUN"), ("simulate", "SIM")):
        run = await api.start(mode)
        for path in (f"/runs/{run}", f"/runs/{run}/steps/san"):
            page = await show(http, path)
            assert f"[{short}]" in page.words
            icons.add(page.all("link")[-1]["href"])
            assert [p["data-mark"] for p in page.all("p") if "data-mark" in p] == [short]
        await api.post(f"/runs/{run}/abort", 202, json={"by": "me"}) if mode == "live" else None
    assert len(icons) == 3


async def test_filters_are_links_and_nobody_unknown_has_steps_of_their_own(
    http: httpx2.AsyncClient, api: Caller
) -> None:
    await api.store()
    run = await api.start()
    page = await show(http, f"/runs/{run}")
    shown = {re.sub(r".*show=(\w+).*", r"\1", a["href"] or "") for a in page.all("a")}
    assert {"all", "stuck", "failed", "critical"} <= shown
    assert "mine" not in shown
    assert (await http.get(f"/runs/{run}?show=nonsense")).status_code == 422
    none = await show(http, f"/runs/{run}?show=failed")
    assert "No step is like that now." in none.words
