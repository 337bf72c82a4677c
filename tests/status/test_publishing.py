"""The page as files: whole at every moment, relative, and written by the command line."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import stat
import sys
import threading
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.bootstrap import Application
from api.cli import main
from api.cli.local import LocalAccess
from api.status.board import Board, Line, State, board_from
from api.status.publishing import publish
from tests.api.desk import settings, until
from tests.api.test_pages import Page
from tests.api.test_serve import ROOT, service

NOW = datetime(2026, 11, 22, 3, 7, tzinfo=UTC)
BOARD = Board(
    at=NOW,
    zone="Europe/Rome",
    lines=[
        Line(
            id="registry", title={"it": "Anagrafe", "en": "Registry"}, state=State.DOWN, text={},
            since=NOW, expected=None, fallback={"it": "Carta"},
        )
    ],
)  # fmt: skip
NAMES = {
    "index.html", "index.it.html", "index.en.html", "status.json", "board.css", "board.js",
    "icon-up.svg", "icon-down.svg", "icon-restoring.svg", "icon-unknown.svg",
}  # fmt: skip


async def published(app: Application, folder: Path) -> Mapping[str, str]:
    """Return the files that the local store gives."""
    out = folder / "published"
    publish(board_from(await LocalAccess(app).public_status()), out)
    return {file.name: file.read_text() for file in out.iterdir()}


def test_every_file_is_there_for_everybody_to_read(tmp_path: Path) -> None:
    out = tmp_path / "deep" / "er"
    assert set(publish(BOARD, out)) == NAMES
    assert {file.name for file in out.iterdir()} == NAMES
    assert {stat.S_IMODE(file.stat().st_mode) for file in out.iterdir()} == {0o644}
    assert (out / "index.html").read_text() == (out / "index.it.html").read_text()
    assert "Anagrafe" in Page((out / "index.it.html").read_text()).words
    assert "Registry" in Page((out / "index.en.html").read_text()).words
    assert board_from(json.loads((out / "status.json").read_text())) == BOARD


def test_the_files_of_a_simulated_fleet_say_so(tmp_path: Path) -> None:
    publish(replace(BOARD, simulated=True), tmp_path)
    for name, mark in (
        ("index.html", "SIMULAZIONE"),
        ("index.it.html", "SIMULAZIONE"),
        ("index.en.html", "SIMULATION"),
    ):
        page = (tmp_path / name).read_text()
        assert f"<title>[{mark}] " in page
        assert f"<strong>{mark}</strong>" in page
    told = json.loads((tmp_path / "status.json").read_text())
    assert told["simulated"] is True
    assert board_from(told).simulated
    del told["simulated"]
    assert not board_from(told).simulated, "a service of an older version"
    publish(BOARD, tmp_path)
    assert "SIMULAZIONE" not in (tmp_path / "index.html").read_text()


async def test_the_local_store_knows_whether_it_is_simulated(tmp_path: Path) -> None:
    async with Application(settings(tmp_path / "data", "http://127.0.0.1:9")) as app:
        files = await published(app, tmp_path)
    assert "SIMULAZIONE" in files["index.html"]
    assert json.loads(files["status.json"])["simulated"] is True


def test_everything_it_names_is_beside_it(tmp_path: Path) -> None:
    publish(BOARD, tmp_path)
    for page in tmp_path.glob("*.html"):
        named = re.findall(r'(?:href|src)="([^"]+)"', page.read_text())
        assert len(named) >= 5
        assert set(named) <= NAMES
        assert "Content-Security-Policy" in page.read_text()
        assert "/status" not in page.read_text()


def test_only_what_changed_is_written(tmp_path: Path) -> None:
    publish(BOARD, tmp_path)
    assert publish(BOARD, tmp_path) == []
    later = replace(BOARD, at=NOW.replace(minute=8))
    assert set(publish(later, tmp_path)) == {
        "index.html", "index.it.html", "index.en.html", "status.json",
    }  # fmt: skip
    assert {file.name for file in tmp_path.iterdir()} == NAMES


def test_who_reads_meanwhile_reads_a_whole_file(tmp_path: Path) -> None:
    publish(BOARD, tmp_path)
    boards = [replace(BOARD, at=NOW.replace(minute=minute)) for minute in range(60)]
    torn: list[str] = []
    over = threading.Event()

    def read() -> None:
        while not over.is_set():
            for name in ("index.html", "status.json"):
                text = (tmp_path / name).read_text()
                if not text.endswith(("</html>", "}\n")):
                    torn.append(text)

    reader = threading.Thread(target=read)
    reader.start()
    for board in boards:
        publish(board, tmp_path)
    over.set()
    reader.join()
    assert torn == []


def test_what_a_killed_one_left_is_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / ".index.html.new").write_text("half")
    victim = tmp_path / "elsewhere"
    victim.write_text("precious")
    (tmp_path / ".status.json.new").symlink_to(victim)
    publish(BOARD, tmp_path)
    assert victim.read_text() == "precious"
    assert {file.name for file in tmp_path.iterdir()} == {*NAMES, "elsewhere"}


def test_the_command_writes_from_the_local_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DRORCH_DATA_DIR", str(tmp_path / "data"))
    assert main(["status-page", "--out", str(tmp_path / "www")]) == 0
    assert json.loads((tmp_path / "www" / "status.json").read_text())["services"] == []
    assert str(tmp_path / "www") in capsys.readouterr().err
    (tmp_path / "file").write_text("")
    assert main(["status-page", "--out", str(tmp_path / "file")]) == 2
    assert "--out" in capsys.readouterr().err
    for every in ("soon", "1s"):
        assert main(["status-page", "--out", str(tmp_path / "www"), "--every", every]) == 2
    away = ["--server", "http://127.0.0.1:9", "status-page", "--out", str(tmp_path / "www")]
    assert main(away) == 4


PLAN = """\
drorch: 1
plan: town
services:
  front: {title: {it: Sportello, en: Desk}, external: true, verify: [{tcp: "127.0.0.1:PORT"}]}
steps: {calm: {wait: 1s}}
"""


@pytest.mark.process
async def test_a_service_looks_by_itself_and_another_host_publishes_it(tmp_path: Path) -> None:
    """Three processes: the service looks at a real server, and somebody else writes the page."""
    out = tmp_path / "www"
    front = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
    port = front.sockets[0].getsockname()[1]
    given = settings(tmp_path / "data", "http://127.0.0.1:9").model_dump()
    config = type(settings(tmp_path, ""))(**{**given, "services": {"look_every": 1}})

    def told() -> tuple[str, str]:
        file = out / "status.json"
        nothing: Any = {"services": [], "stale_since": ""}
        known = json.loads(file.read_text()) if file.is_file() else nothing
        states = [each["state"] for each in known["services"]]
        return (states or [""])[0], known["stale_since"]

    async def says(state: str) -> bool:
        return told()[0] == state

    async with service(config, tmp_path / "log") as (_, url):
        import httpx2

        async with httpx2.AsyncClient(base_url=url) as http:
            stored = await http.post(
                "/api/v1/plans", content=PLAN.replace("PORT", str(port)),
                headers={"Content-Type": "application/yaml"},
            )  # fmt: skip
            assert stored.status_code == 201, stored.text
        publisher = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "api.cli", "--server", url, "status-page", "--out", str(out),
            "--every", "5s", cwd=ROOT, env={**os.environ, "DRORCH_DATA_DIR": str(tmp_path / "none")},
        )  # fmt: skip
        try:
            await until(lambda: says("up"), within=60)
            front.close()
            await front.wait_closed()
            await until(lambda: says("down"), within=60)
        finally:
            publisher.send_signal(signal.SIGTERM)
            await publisher.wait()
    assert not list(out.glob(".*"))
