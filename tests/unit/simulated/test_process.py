"""The simulator from the command line: it says where it listens, and ends when it is told."""

from __future__ import annotations

import asyncio
import json
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from connectors.registry import connect
from connectors.simulated import factory
from connectors.simulated.connector import SimulatedConnector
from connectors.simulated.server import run
from drorch.errors import ConfigurationError

ROOT = Path(__file__).parents[3]


async def launched(tmp_path: Path, fleet: object, *arguments: str) -> Process:
    path = tmp_path / "fleet.yaml"
    path.write_text(json.dumps(fleet))
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "connectors.simulated", "--fleet", str(path), *arguments,
        stdout=PIPE, stderr=PIPE, cwd=ROOT,
    )  # fmt: skip


async def test_it_says_where_it_listens_and_ends_by_sigterm(tmp_path: Path) -> None:
    process = await launched(tmp_path, {"generate": {"count": 3}}, "--port", "0")
    assert process.stdout is not None
    line = (await asyncio.wait_for(process.stdout.readline(), 30)).decode()
    assert line.startswith("simulated hypervisor with 3 machines on http://127.0.0.1:")
    connector = factory("sim", {"url": line.split()[-1]})
    assert len((await connector.survey()).machines) == 3
    process.terminate()  # while a connection is open
    _, complaints = await asyncio.wait_for(process.communicate(), 10)
    assert (process.returncode, complaints) == (0, b"")
    await connector.close()


@pytest.mark.parametrize(
    ("fleet", "arguments", "said"),
    [
        ({"machines": [{"id": 1, "boot": "soon"}]}, ("--port", "0"), "boot (machine 1)"),
        ({"generate": {"count": 1}}, ("--port", "0", "--host", "0.0.0.0"), "loopback only"),
    ],
)
async def test_what_cannot_be_simulated_is_said_in_two_lines(
    tmp_path: Path, fleet: object, arguments: tuple[str, ...], said: str
) -> None:
    process = await launched(tmp_path, fleet, *arguments)
    _, complaints = await asyncio.wait_for(process.communicate(), 30)
    assert process.returncode == 2
    assert said in complaints.decode()
    assert len(complaints.decode().splitlines()) == 2


async def test_another_address_than_loopback_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="loopback only"):
        await run(tmp_path / "none.yaml", 0, host="10.0.0.1")


def test_the_registry_finds_the_connector() -> None:
    connector = connect("lab", {"type": "simulated", "url": "http://127.0.0.1:9", "timeout": "1s"})
    assert isinstance(connector, SimulatedConnector)
    assert connector.name == "lab"


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({"url": 7}, "url"),
        ({"url": "https://127.0.0.1"}, "url"),
        ({"url": "http://h:99999"}, "url"),
        ({"timeout": 3}, "timeout"),
        ({"timeout": "0s"}, "timeout"),
        ({"uri": "http://127.0.0.1"}, "uri"),
    ],
)
def test_wrong_settings_name_their_key(settings: dict[str, object], key: str) -> None:
    with pytest.raises(ConfigurationError, match=rf"\[connectors\.lab\] {key}: "):
        factory("lab", settings)
