"""A service in this process: an application over a store, and a simulator that it may order."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx2

from api.app import create_app
from api.bootstrap import ENGINE, Application
from api.settings import Settings

T = TypeVar("T")
BASE = "http://127.0.0.1:8140"
YAML = {"Content-Type": "application/yaml"}

FLEET = {
    "latency": "1ms",
    "machines": [
        {"id": 101, "name": "db", "boot": "100ms", "app": "50ms"},
        {"id": 102, "name": "web", "boot": "100ms", "app": "50ms", "needs": [101]},
        {"id": 103, "name": "mail", "boot": "100ms", "app": "50ms"},
    ],
}

PLAN = """\
drorch: 1
plan: town
title: A small town
owner: desk
rto: 1h
defaults: {connector: sim, retry: {attempts: 1, wait: 1s}, expect: 5s}
contacts:
  desk: {name: On-call desk, phone: "+39 0000 1", email: desk@comune.example}
services:
  registry:
    title: {it: Anagrafe, en: Civil registry}
    tier: 1
    rto: 20m
    steps: [web]
    contact: desk
    fallback: {it: Carta, en: Paper}
groups:
  core: {title: Core}
steps:
  san: {manual: {ask: Is the storage online?, assign: desk}, group: core}
  db: {vm: 101, depends_on: [core], verify: [{agent: {}}]}
  web: {vm: 102, depends_on: [db], verify: [{agent: {}}]}
  mail: {vm: 103, depends_on: [{step: db, when: started}], verify: [{agent: {}}]}
"""
"""A question first, then three machines."""


def settings(folder: Path, url: str, *, port: int = 0) -> Settings:
    return Settings(
        data_dir=folder,
        server={"port": port},
        connectors={"sim": {"type": "simulated", "url": url, "timeout": "2s"}},
    )


async def until(look: Callable[[], Awaitable[T]], *, within: float = 20.0) -> T:
    """Return what *look* gives as soon as it is true, or fail."""
    end = time.monotonic() + within
    while not (found := await look()):
        assert time.monotonic() < end, f"still {found!r} after {within} s"
        await asyncio.sleep(0.03)
    return found


class Caller:
    """Asks the API as a program does."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def get(self, path: str, status: int = 200, **more: Any) -> Any:
        return await self._call("GET", path, status, **more)

    async def post(self, path: str, status: int = 200, **more: Any) -> Any:
        return await self._call("POST", path, status, **more)

    async def _call(self, method: str, path: str, status: int, **more: Any) -> Any:
        answer = await self.http.request(method, f"/api/v1{path}", **more)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def store(self, plan: str = PLAN, status: int = 201) -> Any:
        return await self.post("/plans", status, content=plan, headers=YAML)

    async def start(self, mode: str = "live", plan: str = "town", **more: Any) -> str:
        confirm = {"confirm": plan} if mode == "live" else {}
        body = {"plan": plan, "mode": mode, **confirm, **more}
        return str((await self.post("/runs", 202, json=body))["id"])

    async def status(self, run: str, *wanted: str) -> Any:
        """Wait until the run has one of the *wanted* statuses, and return it."""

        async def look() -> Any:
            found = await self.get(f"/runs/{run}")
            return found if found["status"] in wanted else None

        return await until(look)

    async def asks(self, run: str, step: str) -> None:
        async def look() -> bool:
            found = await self.get(f"/runs/{run}/steps/{step}")
            return bool(found["status"] == "waiting")

        await until(look)


@asynccontextmanager
async def calling(application: Application) -> AsyncIterator[httpx2.AsyncClient]:
    """Give a client of the HTTP side over *application*."""
    transport = httpx2.ASGITransport(create_app(application))
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
        yield client


@asynccontextmanager
async def serving(config: Settings) -> AsyncIterator[Caller]:
    """Give somebody who asks the HTTP side of a service with this configuration."""
    async with Application(config) as application, calling(application) as client:
        yield Caller(client)


@asynccontextmanager
async def driven(config: Settings) -> AsyncIterator[Application]:
    """Play another process's part, the engine's, over the same store."""
    async with Application(config) as other:
        lease = other.locks.take(ENGINE)
        driving = asyncio.create_task(other.supervisor.adopt_for_ever())
        yield other
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)
        if lease is not None:
            lease.let_go()
