"""No reader, however many, starves who decides; slow and broken callers are cut off."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx2
import pytest
from starlette.types import Receive, Scope, Send

from api.routes import limits
from api.routes.limits import Admission, Lane, lane_of


@pytest.mark.parametrize(
    ("method", "path", "lane"),
    [
        ("GET", "/api/v1/runs", Lane.READ),
        ("GET", "/api/v1/events", Lane.STREAM),
        ("HEAD", "/runs/town-1/report", Lane.READ),
        ("POST", "/api/v1/runs/town-1/abort", Lane.URGENT),
        ("POST", "/api/v1/runs/town-1/steps/db/retry", Lane.URGENT),
        ("POST", "/runs/town-1/steps/db/retry", Lane.URGENT),
        ("POST", "/api/v1/halt", Lane.URGENT),
        ("PUT", "/api/v1/holds/pve/101", Lane.URGENT),
        ("POST", "/api/v1/runs", Lane.CHANGE),
        ("POST", "/api/v1/plans", Lane.PLAN),
        ("HEAD", "/api/v1/events", Lane.READ),
        ("POST", "/login", Lane.CHANGE),
    ],
)
def test_what_people_do_in_a_recovery_has_a_lane_of_its_own(
    method: str, path: str, lane: Lane
) -> None:
    assert lane_of(method, path) is lane


class House:
    """Answers when it is told to; counts who is inside."""

    def __init__(self, status: int = 200) -> None:
        self.open = asyncio.Event()
        self.inside = 0
        self.status = status

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive
        self.inside += 1
        await self.open.wait()
        await send({"type": "http.response.start", "status": self.status, "headers": []})
        await send({"type": "http.response.body", "body": b"{}"})


def client(app: Any) -> httpx2.AsyncClient:
    return httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="http://localhost")


async def test_a_full_house_of_readers_lets_a_decision_through() -> None:
    house = House()
    async with client(Admission(house)) as http:
        readers = [asyncio.create_task(http.get("/api/v1/runs")) for _ in range(100)]
        full = limits.LIMITS[Lane.READ].at_once // 2  # nobody takes all seats alone
        async with asyncio.timeout(30):
            while len(done := [reader for reader in readers if reader.done()]) < 100 - full:
                await asyncio.wait(set(readers) - set(done), return_when=asyncio.FIRST_COMPLETED)
            assert {reader.result().status_code for reader in done} == {429}
        deciding = asyncio.create_task(http.post("/api/v1/runs/town-1/abort"))
        async with asyncio.timeout(30):
            while house.inside < full + 1:
                await asyncio.sleep(0)
        house.open.set()
        assert (await deciding).status_code == 200
        await asyncio.gather(*readers)


async def test_too_many_a_minute_are_told_when_to_come_back() -> None:
    house = House()
    house.open.set()
    async with client(Admission(house)) as http:
        most = limits.LIMITS[Lane.CHANGE].rate.amount
        codes = [(await http.post("/api/v1/runs")).status_code for _ in range(most)]
        assert set(codes) == {200}
        refused = await http.post("/api/v1/runs")
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "10"
        assert refused.json()["code"] == "too-many-requests"
        assert (await http.post("/api/v1/halt")).status_code == 200
        assert (await http.get("/api/v1/runs")).status_code == 200
