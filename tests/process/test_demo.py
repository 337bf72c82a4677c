"""The demo plays to its end by itself, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import tempfile
from asyncio.subprocess import PIPE, Process
from pathlib import Path

import pytest

from tests.process.installation import ROOT, line_with

pytestmark = pytest.mark.process

PATIENCE = 300.0


async def demo(folder: Path, *arguments: str) -> Process:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("DRORCH_")}
    environment["DRORCH_LANG"] = os.environ.get("DRORCH_LANG", "en")
    environment |= {"PYTHONPATH": str(ROOT), "TMPDIR": str(folder)}
    return await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "api.cli", "demo", *arguments),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=PIPE,
        stderr=PIPE,
        env=environment,
        cwd=folder,
    )


def children_of(folder: Path) -> list[str]:
    """Return the command lines of processes that work in *folder*."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if str(folder) in line:
            found.append(line)
    return found


@pytest.mark.timeout(PATIENCE + 30)
async def test_the_whole_story(tmp_path: Path) -> None:
    process = await demo(tmp_path, "--exit", "--speed", "3")
    out, complaints = await asyncio.wait_for(process.communicate(), PATIENCE)
    told = out.decode()
    assert process.returncode == 0, told + complaints.decode()
    for words in (
        "SIMULATED",
        "sim/999 does not exist there",
        "nothing listens",
        "san approved by demo",
        "runs, but is not healthy yet",
        "voip-gw retried by demo",
        "kill -9",
        "carried on",
        "140 machines, 140 orders accepted, 0 second orders",
        "23 of 23 services back within their objective",
    ):
        assert words in told, words
    assert "Traceback" not in told + complaints.decode()
    assert list(Path(tempfile.gettempdir()).glob(f"{tmp_path.name}/drorch-demo-*")) == []
    assert children_of(tmp_path) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
async def test_ctrl_c_or_a_closed_terminal_ends_all_of_it(
    tmp_path: Path, number: signal.Signals
) -> None:
    process = await demo(tmp_path, "--speed", "3")
    assert await line_with(process, "The run is piacenza-1; its page is http://127.0.0.1:")
    assert len(children_of(tmp_path)) >= 2
    process.send_signal(number)
    _, complaints = await asyncio.wait_for(process.communicate(), 60)
    assert "Traceback" not in complaints.decode()
    assert children_of(tmp_path) == []
    assert list(tmp_path.glob("drorch-demo-*")) == []
