"""What is no HTTP, or more than any request needs, on a real connection: told as any other error."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from api.app import create_app
from api.bootstrap import Application
from tests.api.test_events_slow import answering

HOST = b"Host: 127.0.0.1\r\n"
LONG = b"a" * 40_000
"""More than a head may have; without an end the connection is what refuses it."""


@pytest.fixture
async def port(application: Application) -> AsyncIterator[int]:
    async with answering(create_app(application)) as port:
        yield port


async def said(port: int, sent: bytes) -> tuple[int, dict[str, str], Any]:
    """Send bytes, and return status, headers and body of the answer, and that it was the last."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(sent)
    async with asyncio.timeout(10):
        whole = await reader.read()
    writer.close()
    head, _, body = whole.partition(b"\r\n\r\n")
    line, *fields = head.decode().split("\r\n")
    headers = dict(field.lower().split(": ", 1) for field in fields)
    return int(line.split()[1]), headers, body


@pytest.mark.parametrize(
    ("sent", "status", "code"),
    [
        (b"rubbish\r\n\r\n", 400, "invalid-http"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400, "invalid-http"),
        (b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400, "invalid-http"),
        (b"GET / HTTP/1.1\r\n\r\n", 400, "invalid-http"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n", 400, "invalid-http"),
        (b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: -1\r\n\r\n", 400, "invalid-http"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + LONG, 431, "headers-too-large"),
        (b"GET /" + LONG, 431, "headers-too-large"),
        (b"GET / HTTP/1.1\r\n" + HOST + b"X: " + LONG + b"\r\n\r\n", 431, "headers-too-large"),
    ],
)
async def test_what_is_no_http_is_a_problem_too(
    port: int, sent: bytes, status: int, code: str
) -> None:
    found, headers, body = await said(port, sent)
    assert (found, headers["content-type"]) == (status, "application/problem+json")
    assert headers["connection"] == "close"
    assert headers["x-content-type-options"] == "nosniff"
    told = json.loads(body[body.index(b"{") : body.rindex(b"}") + 1])
    assert (told["status"], told["type"]) == (status, f"/problems/{code}")
    assert told["detail"] and told["request_id"]


async def test_rubbish_behind_a_request_spoils_no_answer(port: int) -> None:
    asked = b"GET /healthz HTTP/1.1\r\n" + HOST + b"\r\n"
    status, _, body = await said(port, asked + b"rubbish\r\n\r\n")
    assert status == 200
    assert b'"status":"ok"' in body
    assert b"/problems/invalid-http" in body
