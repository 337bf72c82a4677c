"""The graph's pages: what leads where, what is said of what is missing, and text that stays text."""

from __future__ import annotations

import re

import httpx2
import pytest

from api.bootstrap import Application
from tests.api.desk import PLAN, Caller
from tests.api.test_pages import HOSTILE, Page

IN = {"Accept-Language": "en"}
WIDE = "drorch: 1\nplan: wide\nsteps:\n" + "".join(
    f"  s{n}: {{wait: 1s{f', depends_on: [s{n % 5}]' if n >= 5 else ''}}}\n" for n in range(400)
)


async def show(http: httpx2.AsyncClient, path: str, status: int = 200) -> Page:
    answer = await http.get(path, headers=IN)
    assert answer.status_code == status, answer.text
    return Page(re.sub(r"<(rect|path)([^>]*)/>", r"<\1\2></\1>", answer.text))


def nodes(page: Page) -> dict[str, dict[str, str | None]]:
    """Return the boxes of the picture, each with its link, by the key of what they stand for."""
    links = iter(a for a in page.all("a") if "aria-label" in a)
    found = [a for a in page.all("g") if (a.get("class") or "").startswith("node ")]
    return {(a["data-k"] or "").removeprefix("node-"): a | next(links) for a in found}


def listed(page: Page) -> list[str]:
    keys = [li["data-k"] or "" for li in page.all("li") if "data-k" in li]
    return [key.removeprefix("listed-") for key in keys]


async def test_a_run_shows_how_each_step_is_and_leads_to_it(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    await api.store()
    run = await api.start()
    await api.asks(run, "san")
    page = await show(http, f"/runs/{run}/graph")
    found = nodes(page)
    assert list(found)[:3] == ["san", "core", "db"]
    assert set(found) == {"san", "core", "db", "mail", "web"}
    san = found["san"]
    assert "s-waiting" in (san["class"] or "")
    assert san["href"] == f"/runs/{run}/steps/san"
    assert san["aria-label"] == ("san, waiting, blocks 3, step 1 of 4, in the longest chain")
    assert (await http.get(san["href"] or "")).status_code == 200
    assert found["web"]["aria-label"] == "web, pending, step 3 of 4, in the longest chain"
    assert found["core"]["href"] == f"/runs/{run}/graph?open=group%3Acore"
    assert listed(page) == list(found)
    assert page.all("body")[0]["class"] == "f-imagined"


async def test_a_plan_has_no_states_and_leads_closer(http: httpx2.AsyncClient, api: Caller) -> None:
    await api.store()
    page = await show(http, "/plans/town/graph")
    found = nodes(page)
    assert found["db"]["href"] == "/plans/town/graph?focus=db"
    assert found["db"]["aria-label"] == (
        "db, expected to take 5 s, 2 come after it, step 2 of 4, in the longest chain"
    )
    assert all("s-none" in (a["class"] or "") for a in found.values())
    near = await show(http, "/plans/town/graph?focus=mail")
    assert set(nodes(near)) == {"san", "core", "db", "mail"}
    assert nodes(near)["mail"]["aria-current"] == "true"


async def test_every_link_of_the_graph_leads_somewhere(
    http: httpx2.AsyncClient, api: Caller
) -> None:
    await api.store()
    run = await api.start("simulate")
    todo, done = [f"/runs/{run}/graph", "/plans/town/graph"], set[str]()
    while todo:
        path = todo.pop()
        if path in done:
            continue
        done.add(path)
        page = await show(http, path)
        links = [a.get("href") or "" for a in page.all("a")]
        todo += [link for link in links if "/graph" in link]
    assert len(done) > 15


@pytest.mark.parametrize("query", ["focus=nobody", "open=group:none", "open=db", "open=tier:9"])
async def test_what_the_plan_does_not_have_is_said_above_the_overview(
    http: httpx2.AsyncClient, api: Caller, query: str
) -> None:
    await api.store()
    page = await show(http, f"/plans/town/graph?{query}", 404)
    assert f"This plan has nothing called {query.partition('=')[2]}." in page.words
    assert "db" in nodes(page)


async def test_a_group_is_found_by_its_name_too(http: httpx2.AsyncClient, api: Caller) -> None:
    await api.store()
    assert list(nodes(await show(http, "/plans/town/graph?focus=core"))) == ["san"]


async def test_a_big_plan_is_shown_in_bounds_and_says_so(
    http: httpx2.AsyncClient, api: Caller
) -> None:
    await api.store(WIDE)
    first = await show(http, "/plans/wide/graph")
    assert list(nodes(first)) == ["waves:1", "waves:2"]
    assert "395 steps" in first.words
    inside = await show(http, "/plans/wide/graph?open=waves:2")
    assert len(nodes(inside)) == 60
    assert "335 steps are left out: at most 60 boxes" in inside.words
    near = await show(http, "/plans/wide/graph?focus=s0")
    assert len(nodes(near)) == 60
    assert "20 more steps that need it are not shown." in near.words
    whole = await show(http, "/plans/wide/graph?view=all&focus=s7")
    assert len(nodes(whole)) == 400
    lines = {(p["data-from"], p["data-to"]) for p in whole.all("path") if "data-from" in p}
    assert lines == {("0", "5"), ("2", "7")}
    assert "This picture has 400 boxes: only the longest chain" in whole.words
    assert len(listed(whole)) == 300
    assert "and 100 more, which this list leaves out" in whole.words


async def test_a_picture_that_would_be_too_big_is_refused_in_words(
    http: httpx2.AsyncClient, api: Caller
) -> None:
    steps = "".join(f"  s{n}: {{wait: 1s}}\n" for n in range(2_501))
    await api.store(f"drorch: 1\nplan: huge\nsteps:\n{steps}")
    page = await show(http, "/plans/huge/graph?view=all")
    assert not nodes(page)
    assert "2501 steps are too many for one picture" in page.words


async def test_a_graph_speaks_italian(http: httpx2.AsyncClient, api: Caller) -> None:
    await api.store()
    answer = await http.get("/plans/town/graph", headers={"Accept-Language": "it"})
    assert "Lo stesso come elenco" in answer.text
    assert "ha bisogno di" in answer.text


async def test_hostile_text_stays_text_in_a_picture(http: httpx2.AsyncClient, api: Caller) -> None:
    many = "".join(f"  x{n}: {{wait: 1s, group: core}}\n" for n in range(40))
    hostile = PLAN.replace("title: Core}", f'title: "{HOSTILE}"}}')
    hostile = hostile.replace("en: Civil registry", f'en: "{HOSTILE}"')
    hostile = hostile.replace("db: {vm", f'db: {{title: "{HOSTILE}", vm')
    await api.store(hostile + many)
    run = await api.start("simulate")
    queries = ("", "?view=all", "?focus=db", "?open=service:registry", "?open=group:core")
    wrong = httpx2.QueryParams({"focus": HOSTILE})
    for where in ("/plans/town/graph", f"/runs/{run}/graph"):
        pages = [await show(http, where + query) for query in queries]
        pages.append(await show(http, f"{where}?{wrong}", 404))
        for page in pages:
            assert not page.all("img")
            assert [s.get("src") for s in page.all("script")] == ["/static/graph.js"]
            assert not [a for _, attributes in page.tags for a in attributes if a[:2] == "on"]
        labels = [a["aria-label"] or "" for a in nodes(pages[0]).values()]
        assert any(label.startswith(HOSTILE) for label in labels)
        assert HOSTILE in pages[-1].words


async def test_a_picture_keeps_to_the_policy_of_pages(
    http: httpx2.AsyncClient, api: Caller
) -> None:
    """No inline style or script, one name for each id, a name for the picture and each box."""
    await api.store()
    run = await api.start()
    for path in (f"/runs/{run}/graph", "/plans/town/graph?view=all"):
        page = await show(http, path)
        ids = [a["id"] for _, a in page.tags if "id" in a]
        assert len(ids) == len(set(ids))
        assert len(page.all("h1")) == 1
        assert not page.all("style")
        assert not [tag for tag, attributes in page.tags if "style" in attributes]
        picture = page.all("svg")[0]
        assert picture["role"] == "group"
        assert set((picture["aria-labelledby"] or "").split()) <= set(ids)
        assert all(a["aria-label"] for a in nodes(page).values())
        fields = {label["for"] for label in page.all("label")}
        assert [i for i in page.all("input") if i["id"] not in fields] == []


async def test_an_open_run_is_kept_fresh_and_one_that_ended_is_not(
    http: httpx2.AsyncClient, api: Caller, engine: Application
) -> None:
    await api.store()
    run = await api.start()
    await api.asks(run, "san")
    page = await show(http, f"/runs/{run}/graph")
    assert [s["data-every"] for s in page.all("span") if "data-every" in s] == ["5"]
    assert [m for m in page.all("meta") if m.get("http-equiv") == "refresh"]
    await api.post(f"/runs/{run}/steps/san/approve", json={"by": "bruno"})
    await api.status(run, "succeeded")
    page = await show(http, f"/runs/{run}/graph")
    assert not [s for s in page.all("span") if "data-every" in s]
    assert not [m for m in page.all("meta") if m.get("http-equiv") == "refresh"]
    assert all("s-healthy" in (a["class"] or "") for a in nodes(page).values())
