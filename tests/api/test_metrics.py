"""What Prometheus sees: every figure of a real run, bounded labels, and one scrape for all."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator, Iterable
from pathlib import Path

import httpx2
import pytest
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.parser import text_string_to_metric_families

from api.app import create_app
from api.bootstrap import Application
from api.metrics import collectors
from api.metrics.exchange import asked, shown
from api.metrics.exposition import Exposition
from api.metrics.figures import Figures
from api.routes.desk import Desk
from connectors.simulated.server import Simulator
from drorch.errors import JournalUnavailableError
from tests.api.desk import BASE, PLAN, Caller, settings, until

Samples = dict[tuple[str, tuple[tuple[str, str], ...]], float]


def parsed(text: str) -> Samples:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float | None:
    return samples.get((name, tuple(sorted(labels.items()))))


async def scraped(http: httpx2.AsyncClient) -> Samples:
    answer = await http.get("/metrics")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    return parsed(answer.text)


@contextlib.asynccontextmanager
async def counting(tmp_path: Path, simulator: Simulator) -> AsyncIterator[Caller]:
    """Give an HTTP side and, as another process's part, an engine whose figures it asks for."""
    config = settings(tmp_path / "data", simulator.url)
    theirs, ours = Figures(), Figures()
    async with (
        Application(config, theirs) as engine,
        shown(theirs, config.data_dir),
        Application(config, ours) as application,
    ):
        driving = asyncio.create_task(engine.supervisor.adopt_for_ever())
        transport = httpx2.ASGITransport(create_app(application, ours))
        async with httpx2.AsyncClient(transport=transport, base_url=BASE) as client:
            yield Caller(client)
        driving.cancel()
        await asyncio.gather(driving, return_exceptions=True)


async def test_a_run_is_told_by_both_processes(tmp_path: Path, simulator: Simulator) -> None:
    async with counting(tmp_path, simulator) as api:
        await api.store()
        run = await api.start()
        await api.asks(run, "san")
        seen = await scraped(api.http)
        assert value(seen, "drorch_runs", mode="live", status="waiting") == 1
        assert value(seen, "drorch_run_steps", run=run, status="waiting") == 1
        assert value(seen, "drorch_lease_held", run=run) == 1
        margin = value(seen, "drorch_rto_margin_seconds", run=run, service="registry")
        assert margin is not None
        assert 1100 < margin <= 1200

        await api.post(f"/runs/{run}/steps/san/approve", json={"comment": "yes"})
        await api.status(run, "succeeded")

        async def over() -> Samples:
            found = await scraped(api.http)
            ended = value(found, "drorch_runs", mode="live", status="succeeded")
            return found if ended else {}

        seen = await until(over)
        # Only open runs have series of their own.
        assert not [key for key in seen if ("run", run) in key[1]]
        ok = {"connector": "sim", "result": "ok"}
        assert value(seen, "drorch_connector_calls_total", call="start", **ok) == 3
        assert value(seen, "drorch_connector_calls_total", call="survey", **ok)
        assert (
            value(seen, "drorch_connector_call_seconds_count", connector="sim", call="start") == 3
        )
        assert value(seen, "drorch_step_duration_seconds_count", phase="start") == 3
        assert (value(seen, "drorch_step_duration_seconds_count", phase="verify") or 0) >= 3
        appends = value(seen, "drorch_journal_append_seconds_count")
        assert appends
        assert value(seen, "drorch_journal_append_seconds_bucket", le="+Inf") == appends
        assert value(seen, "drorch_journal_errors_total") == 0


async def test_what_is_always_there(http: httpx2.AsyncClient) -> None:
    seen = await scraped(http)
    names = {name for name, _ in seen}
    assert names >= {
        "drorch_build_info",
        "drorch_journal_errors_total",
        "drorch_journal_append_seconds_bucket",
        "drorch_sse_listeners",
        "drorch_nodes_alive",
        "drorch_engine_alive",
        "drorch_clock_offset_seconds",
        "drorch_halted",
        "drorch_audit_entries_unanchored",
    }
    assert value(seen, "drorch_halted") == 0
    assert value(seen, "drorch_engine_alive") == 0
    assert value(seen, "drorch_clock_offset_seconds") == 0


async def test_requests_are_counted_by_their_template_and_never_by_their_address(
    http: httpx2.AsyncClient,
) -> None:
    await http.get("/api/v1/runs/secret-name")
    await http.get("/api/v1/runs/other-name")
    await http.post("/api/v1/runs/secret-name")
    await http.get("/no/such/secret-name")
    await http.get("/static/live.js")
    await http.get("/api/v1/runs", headers={"Host": "evil.example"})
    await http.request("BREW", "/healthz")
    answer = await http.get("/metrics")
    assert "secret-name" not in answer.text
    seen = parsed(answer.text)
    name = "drorch_http_requests_total"
    run = "/api/v1/runs/{run}"
    assert value(seen, name, method="GET", route=run, status="404") == 2
    assert value(seen, name, method="POST", route=run, status="405") == 1
    assert value(seen, name, method="GET", route="unmatched", status="404") == 1
    assert value(seen, name, method="GET", route="/static/{path}", status="200") == 1
    assert value(seen, name, method="GET", route="unmatched", status="403") == 1
    assert [key for key in seen if key[0] == name and ("method", "OTHER") in key[1]]
    assert value(seen, "drorch_http_request_seconds_count", route=run) == 3


async def test_those_who_scrape_at_once_share_one_look(application: Application) -> None:
    looks = 0

    async def counted(_: Desk) -> Iterable[Metric]:
        nonlocal looks
        looks += 1
        await asyncio.sleep(0.05)
        return [GaugeMetricFamily("looks", "Looks.", value=looks)]

    exposition = Exposition(Desk(application), Figures(), (counted,))
    texts = await asyncio.gather(*(exposition.text() for _ in range(50)))
    assert looks == 1
    assert set(texts) == {texts[0]}
    await exposition.text()
    assert looks == 1  # kept for a moment


async def test_a_collector_that_fails_or_hangs_takes_only_its_own_figures_away(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.metrics.exposition._PATIENCE", 0.05)

    async def failing(_: Desk) -> Iterable[Metric]:
        raise JournalUnavailableError("no disk")

    async def hanging(_: Desk) -> Iterable[Metric]:
        await asyncio.Event().wait()
        return ()

    exposition = Exposition(Desk(application), Figures(), (failing, hanging, collectors.build))
    async with asyncio.timeout(5):
        text = (await exposition.text()).decode()
    assert "drorch_build_info" in text


async def test_the_engine_is_away_or_talks_rubbish(tmp_path: Path) -> None:
    assert await asked(tmp_path) is None
    assert await asked(tmp_path / "none") is None

    async def rubbish(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b'{"counters": [["x"]]}')
        writer.close()

    server = await asyncio.start_unix_server(rubbish, tmp_path / "figures.sock")
    assert await asked(tmp_path) is None
    server.close()


async def test_an_engine_that_hangs_delays_no_scrape(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.metrics.exchange._PATIENCE", 0.05)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "figures.sock"))
        listener.listen(1)
        async with asyncio.timeout(5):
            assert await asked(tmp_path) is None


async def test_the_socket_is_for_this_user_and_survives_a_dead_predecessor_and_a_long_path(
    tmp_path: Path,
) -> None:
    folder = tmp_path / ("deep" * 30)
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as dead, contextlib.chdir(folder):
        dead.bind("figures.sock")
    figures = Figures()
    async with shown(figures, folder):
        assert (folder / "figures.sock").stat().st_mode & 0o777 == 0o600
        figures.called("sim", "start", "refused", 0.2)
        found = await asked(folder)
        assert found is not None
        assert found.counters["drorch_connector_calls", ("sim", "start", "refused")] == 1


async def test_no_scrape_asks_a_hypervisor(
    simulator: Simulator, application: Application, http: httpx2.AsyncClient
) -> None:
    async with httpx2.AsyncClient(base_url=simulator.url) as client:
        before = (await client.get("/stats")).text
        await scraped(http)
        assert (await client.get("/stats")).text == before
    assert not [key for key in await scraped(http) if key[0] == "drorch_connector_calls_total"]


async def test_open_runs_beyond_the_newest_are_counted_and_not_looked_into(
    api: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collectors, "READ", 1)
    await api.store()
    for number in range(3):
        plan = PLAN.replace("plan: town", f"plan: town{number}")
        await api.store(plan)
        await api.start("dry-run", f"town{number}")
    seen = await scraped(api.http)
    assert value(seen, "drorch_runs", mode="dry-run", status="open") == 2
    assert len({dict(key[1])["run"] for key in seen if key[0] == "drorch_lease_held"}) == 1
