"""Traces leave when somebody wants them, without secrets, and nobody waits for the collector."""

from __future__ import annotations

import asyncio
import socket
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import httpx2
import pytest
from typing_extensions import override

from api.app import create_app
from api.bootstrap import Application
from api.telemetry import ENDPOINT, telemetry
from tests.api.desk import BASE, until


class Collector(BaseHTTPRequestHandler):
    """Takes what is sent, as it is."""

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, body))  # type: ignore[attr-defined]  # given below
        self.send_response(200)
        self.end_headers()

    @override
    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def collector() -> Iterator[HTTPServer]:
    server = HTTPServer(("127.0.0.1", 0), Collector)
    server.taken = []  # type: ignore[attr-defined]  # for the handler
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_it_is_off_unless_an_address_is_named() -> None:
    for environ in ({}, {ENDPOINT: ""}, {ENDPOINT: "http://x", "OTEL_SDK_DISABLED": "true"}):
        off = telemetry(environ)
        assert off.provider is None
        assert off.config["tracing"] is off.config["metrics"] is off.config["logs"] is False


@pytest.mark.parametrize("wrong", ["nonsense", "://", "http://[", "ftp://x", "http://x:99999999"])
def test_an_address_that_makes_no_sense_stops_nothing(wrong: str) -> None:
    telemetry({ENDPOINT: wrong}).close()


def test_without_the_extra_it_says_how_to_get_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.exporter.otlp.proto.http.trace_exporter", None)
    assert telemetry({ENDPOINT: "http://x"}).provider is None
    assert "drorch[otel]" in capsys.readouterr().out


def test_the_end_does_not_wait_for_a_collector_that_swallows_everything(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("api.telemetry._FAREWELL", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        traces = telemetry({ENDPOINT: f"http://127.0.0.1:{silent.getsockname()[1]}"})
        tracer = traces.provider.get_tracer("test")
        for _ in range(2000):
            tracer.start_span("x").end()
        began = time.perf_counter()
        traces.close()
        assert time.perf_counter() - began < 2.0


async def test_requests_become_spans_without_queries(
    application: Application, collector: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{collector.server_port}")
    app = create_app(application)
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as http:
        await http.get("/no/drt_x_CANARY1?code=CANARY2", headers={"Authorization": "CANARY3"})
        await http.get("/healthz")
    await asyncio.to_thread(app.state.telemetry.close)
    taken: list[tuple[str, bytes]] = collector.taken  # type: ignore[attr-defined]  # see above
    assert [path for path, _ in taken] == ["/v1/traces"]
    body = taken[0][1]
    assert b"drorch" in body
    assert b"/no/" in body
    assert b"/healthz" not in body
    assert b"CANARY" not in body


async def test_a_collector_that_is_gone_costs_nothing(
    application: Application, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    monkeypatch.setenv(ENDPOINT, f"http://127.0.0.1:{port}")
    app = create_app(application)
    transport = httpx2.ASGITransport(app)
    took: list[float] = []
    async with httpx2.AsyncClient(transport=transport, base_url=BASE) as http:

        async def told() -> bool:
            began = time.perf_counter()
            assert (await http.get("/no/such")).status_code == 404
            took.append(time.perf_counter() - began)
            return "telemetry.away" in capsys.readouterr().out

        await until(told)
    assert statistics.median(took) < 0.5
    began = time.perf_counter()
    await asyncio.to_thread(app.state.telemetry.close)
    assert time.perf_counter() - began < 4.5  # the service's children get five seconds to end
