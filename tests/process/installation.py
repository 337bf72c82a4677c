"""One installation of drorch in a folder, and its processes."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from asyncio.subprocess import PIPE, Process
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PATIENCE = 90.0


class Installation:
    """A configuration, a store and plans in *folder*; its connector ``sim`` is at *url*."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.config = folder / "drorch.toml"
        self.config.write_text(
            f'data_dir = "{folder / "data"}"\n'
            f'[connectors.sim]\ntype = "simulated"\nurl = "{url}"\ntimeout = "3s"\n'
        )

    def plan(self, document: dict[str, Any]) -> str:
        """Write a plan (JSON is YAML) and return its path."""
        path = self.folder / f"{document['plan']}.yaml"
        path.write_text(json.dumps(document))
        return str(path)

    async def launch(self, *arguments: str) -> Process:
        """Start ``drorch`` with *arguments*, its outputs on pipes."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DRORCH_")}
        environment["DRORCH_LANG"] = os.environ.get("DRORCH_LANG", "en")
        environment |= {"PYTHONPATH": str(ROOT), "NO_COLOR": "1"}
        return await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "api.cli", "--config", str(self.config), *arguments),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            env=environment,
            cwd=self.folder,
            limit=2**24,
        )

    async def drorch(self, *arguments: str) -> tuple[int, str, str]:
        """Run a command to its end: exit code, stdout, stderr."""
        process = await self.launch(*arguments)
        out, complaints = await asyncio.wait_for(process.communicate(), PATIENCE)
        assert process.returncode is not None
        return process.returncode, out.decode(), complaints.decode()

    async def report(self, run: str) -> dict[str, Any]:
        code, out, complaints = await self.drorch("report", run)
        assert code == 0, complaints
        report: dict[str, Any] = json.loads(out)
        return report


async def line_with(process: Process, words: str) -> str:
    """Return the next line of stdout that has *words* in it; empty when the process ended."""
    assert process.stdout is not None
    while line := (await asyncio.wait_for(process.stdout.readline(), PATIENCE)).decode():
        if words in line:
            return line
    return ""


async def kill(process: Process) -> None:
    """End a process as a power cut would."""
    if process.returncode is None:
        process.kill()
    await process.communicate()
