"""Whoever hammers, drips or holds on is told off or cut off, and who decides gets through."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest

from bench.flood import Site
from bench.flooding import BODY, SLOWLY, flood

pytestmark = pytest.mark.process

DECIDED_WITHIN = 60.0
CUT_WITHIN = 60.0
ASKING = {
    "drorch": 1,
    "plan": "desk",
    "steps": {"ask": {"manual": {"ask": "Is it there?", "timeout": "1h"}}},
}


async def ended(port: int, head: bytes, *, first: bytes = b"") -> bytes:
    """Send *first*, a whole request, then *head*, and then a byte a second until cut off.

    Return what was answered.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    heard = b""
    try:
        if first:
            writer.write(first)
            heard = await reader.readuntil(b"\r\n\r\n")
        writer.write(head)
        async with asyncio.timeout(CUT_WITHIN):
            while True:
                try:
                    async with asyncio.timeout(1):
                        piece = await reader.read(65536)
                except TimeoutError:
                    writer.write(b"a")
                    continue
                except ConnectionError:
                    return heard
                if not piece:
                    return heard
                heard += piece
    finally:
        writer.transport.abort()


async def retry_after(port: int) -> int:
    """Ask too often; return in how many seconds to come back."""
    ask = b"GET /api/v1/runs HTTP/1.1\r\nHost: localhost\r\n\r\n"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        while True:
            writer.write(ask)
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 30)
            lines = dict(line.split(b": ", 1) for line in head.split(b"\r\n")[1:] if line)
            body = await reader.readexactly(int(lines[b"content-length"]))
            if b" 429 " in head.split(b"\r\n")[0]:
                assert json.loads(body)["code"] == "too-many-requests"
                return int(lines[b"retry-after"])
    finally:
        writer.transport.abort()


@pytest.mark.timeout(400)  # three decisions, each with its own deadline, while nothing else gets on
async def test_in_a_flood_who_decides_gets_through(tmp_path: Path) -> None:
    async with Site(tmp_path, 2) as site, site.operator() as operator:
        kind = {"Content-Type": "application/yaml"}
        stored = await operator.post("/plans", content=json.dumps(ASKING), headers=kind)
        assert stored.status_code == 201, stored.text
        wish = {"plan": "desk", "mode": "live", "confirm": "desk"}
        run = (await operator.post("/runs", json=wish)).json()["id"]
        flooding = asyncio.create_task(flood(site.port, 8))
        await retry_after(site.port)  # the flood is there
        for verb in ("pause", "resume", "pause"):
            began = time.monotonic()
            answer = await operator.post(f"/runs/{run}/{verb}", json={})
            assert answer.status_code in (200, 202, 409), answer.text
            assert time.monotonic() - began < DECIDED_WITHIN
        told = await flooding
        assert told["codes"].get("429"), told
        assert set(told["codes"]) <= {"401", "429"}, told
        assert await retry_after(site.port) >= 1


async def test_who_never_finishes_asking_is_cut_off(tmp_path: Path) -> None:
    whole = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"
    async with Site(tmp_path, 2) as site:
        first, later, body = await asyncio.gather(
            ended(site.port, SLOWLY),
            ended(site.port, SLOWLY, first=whole),
            ended(site.port, BODY),
        )
        assert first == b""
        assert later.startswith(b"HTTP/1.1 200 ")
        assert b" 429 " in body.split(b"\r\n")[0]
