"""The simulator's process: its API, the machines' ports, and the faults of the API itself."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest

from connectors.simulated.fleet import build
from connectors.simulated.machine import State
from connectors.simulated.server import Simulator, simulating
from drorch.errors import ConfigurationError


def free_ports(count: int) -> list[int]:
    held = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in held]
    for each in held:
        each.close()
    return ports


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    first, second = free_ports(2)
    fleet = {
        "time_scale": 20,
        "hosts": {"pve1": {"memory": "8G"}},
        "machines": [
            {"id": 101, "name": "dc01", "boot": "2s", "app": "2s", "port": first},
            {"id": 201, "name": "db", "boot": "2s", "app": "2s", "port": second, "needs": [101]},
            {"id": "big", "memory": "16G"},
        ],
    }
    async with simulating(build(fleet), seed=1) as running:
        yield running


@pytest.fixture
async def api(simulator: Simulator) -> AsyncIterator[httpx2.AsyncClient]:
    async with httpx2.AsyncClient(base_url=simulator.url, trust_env=False, timeout=5) as client:
        yield client


async def holds(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def health(simulator: Simulator, machine: str) -> int:
    """Return the status that the machine's port answers; 0 when it refuses connections."""
    port = simulator.world.machines[machine].spec.port
    async with httpx2.AsyncClient(trust_env=False, timeout=5) as client:
        try:
            return (await client.get(f"http://127.0.0.1:{port}/health")).status_code
        except httpx2.ConnectError:
            return 0


async def test_a_machine_as_the_api_shows_it(simulator: Simulator, api: httpx2.AsyncClient) -> None:
    machines = (await api.get("/machines")).json()
    assert [machine["id"] for machine in machines] == [101, 201, "big"]
    one = (await api.get("/machines/101")).json()
    assert one == machines[0]
    assert (one["name"], one["host"], one["state"], one["well"]) == (
        "dc01", "pve1", "stopped", False,
    )  # fmt: skip
    both = (await api.get("/machines?with=hosts")).json()
    assert both["machines"] == machines
    assert both["hosts"] == (await api.get("/hosts")).json()
    assert both["hosts"][0]["memory_free"] == 8 * 2**30


async def test_an_order_is_a_task_and_a_line_in_the_log(
    simulator: Simulator, api: httpx2.AsyncClient
) -> None:
    ordered = await api.post("/machines/101/start")
    assert ordered.status_code == 202
    task = ordered.json()["task"]
    again = await api.post("/machines/101/start")
    assert (again.status_code, again.json()["reason"]) == (409, "already starting")
    refused = await api.post("/machines/big/start")
    assert (refused.status_code, refused.json()["already"]) == (409, False)
    assert "not enough memory on pve1" in refused.json()["reason"]
    assert (await api.post("/machines/7/start")).status_code == 404
    await holds(lambda: simulator.world.machines["101"].state is State.RUNNING)
    done = (await api.get(f"/tasks/{task}")).json()
    assert (done["status"], done["machine"], done["action"]) == ("done", 101, "start")
    assert (await api.get("/tasks?machine=101")).json() == [done]
    assert (await api.get("/tasks?machine=201")).json() == []
    assert (await api.post("/machines/101/shutdown")).status_code == 202
    assert (await api.post("/machines/101/stop")).status_code == 202
    log = (await api.get("/log")).json()
    assert [(e["seq"], e["machine"], e["action"], e["result"]) for e in log] == [
        (1, 101, "start", "accepted"),
        (2, 101, "start", "refused"),
        (3, "big", "start", "refused"),
        (4, "7", "start", "refused"),
        (5, 101, "shutdown", "accepted"),
        (6, 101, "stop", "accepted"),
    ]
    assert (await api.get("/log?after=4")).json() == log[4:]


async def test_what_does_not_exist_is_not_found(
    simulator: Simulator, api: httpx2.AsyncClient
) -> None:
    for path in ("/machines/7", "/tasks/7", "/nothing", "/machines/101/x"):
        assert (await api.get(path)).status_code == 404
    assert (await api.post("/machines/101/fly")).status_code == 404


async def test_the_port_of_a_machine_says_how_it_is(simulator: Simulator) -> None:
    world = simulator.world
    assert await health(simulator, "201") == 0
    await order(simulator, "201")
    assert await health(simulator, "201") == 0
    await holds(lambda: world.machines["201"].app_up)
    assert await health(simulator, "201") == 503  # its database does not answer
    await order(simulator, "101")
    await holds(lambda: world.machines["101"].state is State.RUNNING)
    code = await health(simulator, "101")
    assert code == 503 or world.machines["101"].well, "well already on a busy machine"
    await holds(lambda: world.machines["201"].well)
    assert await health(simulator, "101") == 200
    assert await health(simulator, "201") == 200
    await order(simulator, "101", "stop")
    assert await health(simulator, "101") == 0
    assert await health(simulator, "201") == 503


async def test_a_machine_that_stops_cuts_its_open_connections(simulator: Simulator) -> None:
    await order(simulator, "101")
    await holds(lambda: simulator.world.machines["101"].well)
    port = simulator.world.machines["101"].spec.port
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
    assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    await order(simulator, "101", "stop")
    async with asyncio.timeout(5):
        await ended(reader)
    writer.close()


async def test_a_port_that_is_in_use_names_the_machine() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        fleet = build({"machines": [{"id": 5, "name": "web", "port": port}]})
        with pytest.raises(ConfigurationError, match=rf"machine 5 \(web\): port {port} "):
            async with simulating(fleet):
                pass
        with pytest.raises(ConfigurationError, match=f"listen on port {port}"):
            async with simulating(build({"machines": [{"id": 5}]}), port):
                pass


async def test_a_port_that_is_taken_later_is_the_machines_problem(simulator: Simulator) -> None:
    port = simulator.world.machines["101"].spec.port
    with socket.create_server(("127.0.0.1", port)):
        await order(simulator, "101")
        await holds(lambda: simulator.world.machines["101"].state is State.RUNNING)
        async with httpx2.AsyncClient(base_url=simulator.url, trust_env=False) as client:
            assert str(port) in (await client.get("/machines/101")).json()["problem"]


async def test_injected_errors_do_nothing_and_are_logged(
    simulator: Simulator, api: httpx2.AsyncClient
) -> None:
    await inject(api, kind="error_rate", rate=1.0)
    assert (await api.post("/machines/101/start")).status_code == 500
    assert (await api.get("/machines")).status_code == 500
    assert (await api.get("/log")).json()[0]["result"] == "error"
    assert simulator.world.machines["101"].state is State.STOPPED
    assert (await api.delete("/faults")).status_code == 200
    assert (await api.post("/machines/101/start")).status_code == 202


async def test_a_lost_reply_hides_an_order_that_was_carried_out(
    simulator: Simulator, api: httpx2.AsyncClient
) -> None:
    await inject(api, kind="reply_lost_rate", rate=1.0, times=1)
    with pytest.raises(httpx2.RemoteProtocolError):
        await api.post("/machines/101/start")
    entry = (await api.get("/log")).json()[0]
    assert (entry["result"], entry["reply_lost"]) == ("accepted", True)
    assert (await api.get("/machines/101")).json()["state"] == "starting"
    assert (await api.get("/tasks?machine=101")).json()[0]["task"] == entry["task"]


async def test_a_call_that_times_out_did_nothing(
    simulator: Simulator, api: httpx2.AsyncClient
) -> None:
    await inject(api, kind="timeout_rate", rate=1.0)
    with pytest.raises(httpx2.ReadTimeout):
        await api.post("/machines/101/start", timeout=0.2)
    entry = (await api.get("/log")).json()[0]
    assert (entry["result"], entry["reason"]) == ("error", "injected fault timeout_rate")
    assert simulator.world.machines["101"].state is State.STOPPED


async def test_an_outage_refuses_connections_and_ends_by_itself(
    simulator: Simulator, api: httpx2.AsyncClient
) -> None:
    await order(simulator, "101")
    await inject(api, kind="down_for", seconds=0.5)
    async with asyncio.timeout(5):
        while await answers(api):
            await asyncio.sleep(0)
        with pytest.raises(httpx2.ConnectError):
            await api.get("/log")
    async with asyncio.timeout(5):
        while not await answers(api):
            await asyncio.sleep(0.02)
    assert len((await api.get("/log")).json()) == 1


async def answers(api: httpx2.AsyncClient) -> bool:
    try:
        await api.get("/log")
    except httpx2.TransportError:
        return False
    return True


async def test_the_rate_is_kept_and_the_seed_repeats_it(simulator: Simulator) -> None:
    async def errors() -> list[bool]:
        async with (
            simulating(build({"machines": [{"id": 1}]}), seed=7) as other,
            httpx2.AsyncClient(base_url=other.url, trust_env=False) as client,
        ):
            await inject(client, kind="error_rate", rate=0.2)
            return [(await client.get("/hosts")).status_code == 500 for _ in range(300)]

    first = await errors()
    assert 30 < sum(first) < 90
    assert await errors() == first


async def test_faults_of_machines_are_listed_until_they_are_used_up(
    simulator: Simulator, api: httpx2.AsyncClient
) -> None:
    await inject(api, machine=101, kind="start_fails", times=1)
    assert (await api.get("/faults")).json() == [
        {"machine": "101", "kind": "start_fails", "times": 1}
    ]
    task = (await api.post("/machines/101/start")).json()["task"]
    assert (await api.get("/faults")).json() == []
    await holds(lambda: simulator.world.tasks[task].status == "failed")
    assert "start_fails" in (await api.get(f"/tasks/{task}")).json()["detail"]


@pytest.mark.parametrize(
    "fault",
    [
        {},
        {"kind": "explode", "machine": 101},
        {"kind": "hangs"},
        {"kind": "hangs", "machine": 999},
        {"kind": "hangs", "machine": 101, "times": 0},
        {"kind": "error_rate"},
        {"kind": "error_rate", "rate": 2},
        {"kind": "down_for"},
        {"kind": "error_rate", "rate": 0.5, "rates": 1},
        [],
    ],
)
async def test_a_fault_that_makes_no_sense_is_explained(
    simulator: Simulator, api: httpx2.AsyncClient, fault: Any
) -> None:
    answer = await api.post("/faults", json=fault)
    assert answer.status_code == 422
    assert answer.json().get("reason") or answer.json()["errors"]
    assert (await api.get("/faults")).json() == []


async def test_calls_are_counted_by_kind(simulator: Simulator, api: httpx2.AsyncClient) -> None:
    for path in ("/machines", "/machines?with=hosts", "/machines/101", "/hosts", "/tasks/x"):
        await api.get(path)
    await api.post("/machines/101/agent")
    await api.post("/machines/101/start")
    await api.get("/log")
    stats = (await api.get("/stats")).json()
    assert stats["total"] == {"observing": 5, "agent": 1, "order": 1}
    assert sum(second["observing"] for second in stats["seconds"]) == 5


async def test_the_front_page_counts_machines(
    simulator: Simulator, api: httpx2.AsyncClient
) -> None:
    await order(simulator, "101")
    about = (await api.get("/")).json()
    assert about["counts"] == {"stopped": 2, "starting": 1, "running": 0}
    assert (about["machines"], about["orders"], about["well"]) == (3, 1, 0)
    assert about["identity"].endswith(f":{simulator.port}")


@pytest.mark.parametrize(
    "rubbish", [b"\r\n\r\n", b"\x00\xff\r\n\r\n", b"GET / HTTP/1.1\r\ncontent-length: -4\r\n\r\n"]
)
async def test_rubbish_is_cut_and_harms_nobody(
    simulator: Simulator, api: httpx2.AsyncClient, rubbish: bytes
) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", simulator.port)
    writer.write(rubbish)
    async with asyncio.timeout(5):
        await ended(reader)
    writer.close()
    assert (await api.get("/log")).json() == []


async def ended(reader: asyncio.StreamReader) -> None:
    """Wait until the other side has cut the connection, by whatever means."""
    try:
        while await reader.read(100):
            pass
    except ConnectionError:
        return


async def order(simulator: Simulator, machine: str, action: str = "start") -> None:
    async with httpx2.AsyncClient(base_url=simulator.url, trust_env=False) as client:
        assert (await client.post(f"/machines/{machine}/{action}")).status_code == 202


async def inject(api: httpx2.AsyncClient, **fault: Any) -> None:
    (await api.post("/faults", json=fault)).raise_for_status()
