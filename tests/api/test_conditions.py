"""ETags: a reader is told that nothing is new, and nobody overwrites what they have not read."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest

from tests.api.desk import PLAN, YAML, Caller

NOTICE = {"state": "down", "text": {"en": "Closed"}, "expected_at": "2026-11-22T11:00:00+01:00"}
EDITED = {
    "/api/v1/holds/sim/102": {"reason": "encrypted"},
    "/api/v1/services/registry/notice": NOTICE,
}


def other(title: str) -> str:
    return PLAN.replace("A small town", title)


async def put(http: httpx2.AsyncClient, path: str, **headers: str) -> httpx2.Response:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return await http.put(path, json=EDITED[path], headers=names)


@pytest.mark.parametrize("path", EDITED)
async def test_a_change_is_made_only_to_what_was_read(http: httpx2.AsyncClient, path: str) -> None:
    await Caller(http).store()
    assert (await put(http, path, If_Match="*")).status_code == 412
    assert (await http.get(path)).status_code == 404
    first = await put(http, path, If_None_Match="*")
    tag = first.headers["etag"]
    assert (first.status_code, tag[0], tag[-1]) == (200, '"', '"')
    assert (await http.get(path)).headers["etag"] == tag
    assert (await put(http, path, If_None_Match="*")).status_code == 412
    assert (await put(http, path, If_Match=f'"x", {tag}')).status_code == 200
    stale = await put(http, path, If_Match=tag)
    assert (stale.status_code, stale.json()["code"]) == (412, "precondition-failed")
    assert (await http.delete(path, headers={"If-Match": tag})).status_code == 412
    assert (await put(http, path, If_Match=f"W/{tag}")).status_code == 412
    now = (await http.get(path)).headers["etag"]
    assert now != tag
    assert (await http.delete(path, headers={"If-Match": now})).status_code == 204
    assert (await http.get(path)).status_code == 404


@pytest.mark.parametrize(
    "path", [*EDITED, "/api/v1/plans/town", "/api/v1/plans/town/revisions/1", "/api/v1/halt"]
)
async def test_what_is_known_is_not_sent_again(http: httpx2.AsyncClient, path: str) -> None:
    await Caller(http).store()
    if path in EDITED:
        await put(http, path)
    first = await http.get(path)
    tag = first.headers["etag"]
    again = await http.get(path, headers={"If-None-Match": f"W/{tag}"})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", tag)
    changed = await http.get(path, headers={"If-None-Match": '"else"'})
    assert (changed.status_code, changed.json()) == (200, first.json())


async def test_of_two_who_edit_one_revision_one_is_told(http: httpx2.AsyncClient) -> None:
    await Caller(http).store()
    tag = (await http.get("/api/v1/plans/town")).headers["etag"]
    assert tag == '"1"'

    async def store(title: str) -> httpx2.Response:
        headers = {**YAML, "If-Match": tag}
        return await http.post("/api/v1/plans", content=other(title), headers=headers)

    answers = await asyncio.gather(*(store(f"By {name}") for name in ("anna", "bruno", "carla")))
    assert sorted(a.status_code for a in answers) == [201, 412, 412]
    (kept,) = [a for a in answers if a.status_code == 201]
    assert kept.headers["etag"] == '"2"'
    assert len((await http.get("/api/v1/plans/town/revisions")).json()["items"]) == 2
    # Whose answer was lost may send the same again: what they wanted is there.
    same = await store(kept.json()["title"])
    assert (same.status_code, same.json()["revision"]) == (200, 2)


async def test_a_plan_is_made_only_if_there_is_none(http: httpx2.AsyncClient) -> None:
    headers = {**YAML, "If-None-Match": "*"}
    assert (await http.post("/api/v1/plans", content=PLAN, headers=headers)).status_code == 201
    again = await http.post("/api/v1/plans", content=other("Else"), headers=headers)
    assert again.status_code == 412


async def test_a_notice_goes_before_what_drorch_sees(http: httpx2.AsyncClient) -> None:
    await Caller(http).store()

    async def shown() -> Any:
        return (await http.get("/api/v1/services")).json()["items"][0]

    before = await shown()
    assert (before["state"], before["derived_state"], before["notice"]) == (
        "unknown",
        "unknown",
        None,
    )
    path = "/api/v1/services/registry/notice"
    put_ = await http.put(path, json=NOTICE)
    assert put_.json()["expected_at"] == "2026-11-22T10:00:00.000Z"
    after = await shown()
    assert (after["state"], after["derived_state"]) == ("down", "unknown")
    assert after["notice"] == put_.json()
    assert (after["notice"]["by"], after["notice"]["text"]) == ("api", {"en": "Closed"})
    told = (await http.get("/api/v1/audit?action=notice.publish")).json()["items"]
    assert [entry["entry"]["object"] for entry in told] == ["service/registry"]
    assert (await http.delete(path)).status_code == 204
    assert (await shown())["state"] == "unknown"
    assert (await http.delete(path)).json()["code"] == "notice-not-found"
    unknown = await http.put("/api/v1/services/nothing/notice", json=NOTICE)
    assert (unknown.status_code, unknown.json()["code"]) == (404, "service-not-found")
    for moment in ("2026-11-22T11:00:00", 1795000000, "1795000000", 0, True, "tomorrow"):
        wrong = {**NOTICE, "expected_at": moment}
        assert (await http.put(path, json=wrong)).status_code == 422, moment
