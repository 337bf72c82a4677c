"""An Italian machine: its locale decides, and a question is answered with an Italian key."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from connectors.simulated.fleet import build
from connectors.simulated.server import Simulator, simulating
from tests.process.installation import ROOT, Installation
from tests.process.terminal import Terminal

pytestmark = pytest.mark.process

PLAN: dict[str, Any] = {
    "drorch": 1,
    "plan": "one",
    "defaults": {"connector": "sim", "expect": "1s"},
    "steps": {
        "san": {"manual": "Lo storage sta bene?"},
        "net": {"manual": "La rete sta bene?", "depends_on": ["san"]},
    },
}


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with simulating(build({"generate": {"count": 1}})) as simulator:
        yield simulator


def spoken(folder: Path, *arguments: str, **locale: str) -> tuple[int, str, str]:
    """Call ``drorch`` where *locale* is all that tells the language."""
    environ = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT), **locale}
    command = [sys.executable, "-m", "api.cli", *arguments]
    ended = subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=90, check=False
    )
    return ended.returncode, ended.stdout, ended.stderr


def test_the_locale_of_the_machine_decides(tmp_path: Path) -> None:
    code, _, told = spoken(tmp_path, "status", LANG="it_IT.UTF-8")
    assert code == 2
    assert told.startswith("errore: manca l'argomento 'RUN'.\nconsiglio: ")
    code, _, told = spoken(tmp_path, "status", LANG="it_IT.UTF-8", LC_ALL="C")
    assert code == 2
    assert told.startswith("error: Missing argument 'RUN'.\nhint: ")


async def test_s_is_yes(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRORCH_LANG", "it")
    where = Installation(tmp_path, simulator.url)
    live = ("--mode", "live", "--confirm", "one")
    terminal = await Terminal.of(where, "run", where.plan(PLAN), *live)
    try:
        seen = await terminal.shows("[s]ì, [n]o, Invio per dopo: ")
        assert "RIPRISTINO REALE" in seen
        assert "deve agire una persona" in seen
        await terminal.answer("forse\r", "'forse' non è una risposta")
        await terminal.answer("s\r", "commento (che cosa avete visto, per il rapporto): ")
        terminal.type("spie verdi\r")
        await terminal.shows("La rete sta bene?")
        report = await where.report("one-1")
        assert report["steps"][0]["status"] == "healthy"
        assert report["steps"][0]["comment"] == "spie verdi"
    finally:
        await terminal.end()


async def test_after_a_failure_an_italian_key_decides(
    tmp_path: Path, simulator: Simulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRORCH_LANG", "it")
    where = Installation(tmp_path, simulator.url)
    broken = {"vm": 4711, "retry": {"attempts": 1}}
    plan = where.plan(PLAN | {"steps": {"db": broken}})
    terminal = await Terminal.of(where, "run", plan, "--mode", "live", "--confirm", "one")
    try:
        await terminal.shows("[l]ascia fallito, Invio per dopo: ")
        await terminal.answer("s\r", "db: salta")
        terminal.type("lo avviamo domani\r")
        await terminal.shows("l'esecuzione one-1: ")
        report = await where.report("one-1")
        assert report["steps"][0]["status"] == "skipped"
    finally:
        await terminal.end()
