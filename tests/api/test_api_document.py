"""docs/api.md: its recovery in curl is executed, line by line, against a real service."""

from __future__ import annotations

import asyncio
import json
import re
from asyncio.subprocess import PIPE, STDOUT
from pathlib import Path

import httpx2
import pytest

from api.settings import Settings
from tests.api.test_serve import service, simulator

ROOT = Path(__file__).parents[2]
DOCUMENT = (ROOT / "docs" / "api.md").read_text(encoding="utf-8")
ADDRESS = "http://127.0.0.1:8140"
WITHIN = 90
pytestmark = [pytest.mark.process, pytest.mark.timeout(200)]


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", DOCUMENT, re.MULTILINE | re.DOTALL)


async def bash(script: str, folder: Path) -> tuple[int, str]:
    running = await asyncio.create_subprocess_exec(
        "bash", "-euo", "pipefail", "-c", script, stdout=PIPE, stderr=STDOUT, cwd=folder
    )
    assert running.stdout is not None
    lines: list[str] = []
    try:
        async with asyncio.timeout(WITHIN):
            async for line in running.stdout:
                lines.append(line.decode())
            await running.wait()
    except TimeoutError:
        running.kill()
        lines.append(f"no end within {WITHIN} s")
    return running.returncode or 0, "".join(lines)


async def test_the_recovery_in_the_document_is_one(tmp_path: Path) -> None:
    (plan,) = blocks("yaml")
    (tmp_path / "town.yaml").write_text(plan, encoding="utf-8")
    async with simulator(tmp_path) as hypervisor:
        given = Settings(
            data_dir=tmp_path / "data",
            server={"port": 0},
            connectors={"pve": {"type": "simulated", "url": hypervisor, "timeout": "2s"}},
            policy={"live_runs": "two-person"},
        )
        async with service(given, tmp_path / "serve.log") as (_, url):
            # curl is told by sed that its reader has gone: that is no failure of the recovery.
            script = "set -x\n" + "\n".join(blocks("sh")).replace(ADDRESS, url)
            script = script.replace("/q'", "/q' || test $? = 141 -o $? = 23")
            code, told = await bash(script, tmp_path)
            assert code == 0 and "no end" not in told, told[-3000:]
        async with httpx2.AsyncClient() as http:
            log = (await http.get(f"{hypervisor}/log")).json()
    started = [entry["machine"] for entry in log if entry["result"] == "accepted"]
    assert [str(machine) for machine in started] == ["101", "102"]
    report = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert report["run"]["status"] == "succeeded"
    assert [s["id"] for s in report["services"]] == ["anagrafe"]
    assert len((tmp_path / "report.csv").read_text().splitlines()) == 4
    assert "<!doctype html>" in (tmp_path / "report.html").read_text().lower()
    assert '"ok":true' in told, told[-2000:]


def test_every_call_in_the_document_is_one() -> None:
    told = json.loads((ROOT / "docs" / "openapi.json").read_text(encoding="utf-8"))
    known = {re.sub(r"\{\w+\}", "X", path) for path in told["paths"]}
    asked = set(re.findall(r"\$API(/[^\s\"?]*)", "\n".join(blocks("sh"))))
    assert len(asked) > 10
    for path in asked:
        shape = re.sub(r"\$\w+|/anagrafe|/storage", lambda m: "/X" if m[0][0] == "/" else "X", path)
        assert f"/api/v1{shape}" in known, path


def test_the_document_is_linked() -> None:
    assert "(api.md)" in (ROOT / "docs" / "README.md").read_text(encoding="utf-8")
