"""``drorch db``, ``export``, ``import``, ``nodes``: what a person types, and what it says."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from drorch.journal.locks import FileLeases
from drorch.journal.tables import REVISION
from tests.cli.conftest import Drorch, asking, plan
from tests.cli.test_wrong_use import is_plain
from tests.unit.journal.places import recorded


@pytest.fixture
def elsewhere(tmp_path: Path) -> str:
    """Return the configuration of another installation with the same simulator."""
    text = (tmp_path / "drorch.toml").read_text().replace("/data", "/other-data")
    path = tmp_path / "other.toml"
    path.write_text(text)
    return str(path)


@pytest.fixture
def interrupted(drorch: Drorch, tmp_path: Path, config: Path) -> str:
    """Return a live run that waits for a person, and that nobody drives."""
    told = drorch("run", asking(tmp_path), "--mode", "live", "--confirm", "asking", "--no-input")
    assert told.code == 3, told.err
    return "asking-1"


def test_an_upgrade_says_the_old_and_the_new_version(drorch: Drorch, tmp_path: Path) -> None:
    file = tmp_path / "home" / ".local" / "share" / "drorch" / "drorch.db"
    recorded(file)
    told = drorch("runs")
    assert told.code == 4
    assert "drorch db upgrade" in told.err
    engine = FileLeases(file.parent / "leases").take("engine")
    assert engine is not None
    told = drorch("db", "upgrade")
    assert told.code == 1
    assert "'drorch serve' runs on" in told.err
    engine.let_go()
    told = drorch("db", "upgrade")
    assert (told.code, told.out) == (0, f"{file}: schema 0001 -> schema {REVISION}\n"), told.err
    assert "nothing to do" in drorch("db", "upgrade").out
    assert [run["id"] for run in drorch("runs", "--format", "json").json] == ["test-1"]
    assert drorch("db", "check").code == 0


def test_a_journal_that_lost_rows_is_named(
    drorch: Drorch, tmp_path: Path, interrupted: str
) -> None:
    told = drorch("db", "check", "--format", "json")
    assert (told.code, told.json["flaws"], told.json["runs"]) == (0, [], 1)
    line = sqlite3.connect(tmp_path / "data" / "drorch.db")
    line.execute("DELETE FROM events WHERE seq = 2")
    line.commit()
    line.close()
    told = drorch("db", "check")
    assert told.code == 1
    assert is_plain(told.err)
    assert "asking-1: event 2 is missing" in told.out
    assert "do not delete anything" in told.err
    assert drorch("run", "--continue", interrupted).code == 1
    assert drorch("export", interrupted).code == 1


def test_a_backup_is_opened_elsewhere(
    drorch: Drorch, tmp_path: Path, interrupted: str, elsewhere: str
) -> None:
    told = drorch("db", "backup", "copy.db")
    assert told.code == 0, told.err
    assert "open in it: asking-1" in told.err
    again = drorch("db", "backup", "copy.db")
    assert again.code == 2
    assert "exists already" in again.err
    told = drorch("--config", elsewhere, "db", "restore", "copy.db")
    assert told.code == 0, told.err
    assert "asking-1" in told.err
    assert drorch("--config", elsewhere, "status", interrupted).code == 0
    again = drorch("--config", elsewhere, "db", "restore", "copy.db")
    assert again.code == 1
    assert "not empty" in again.err


def test_a_run_is_read_elsewhere_and_never_driven(
    drorch: Drorch, tmp_path: Path, interrupted: str, elsewhere: str
) -> None:
    assert drorch("export", "last", "--out", "run.jsonl").code == 0
    assert drorch("export", "last", "--out", "run.jsonl").code == 2, "nothing is replaced"
    there = ("--config", elsewhere)
    told = drorch(*there, "import", "run.jsonl")
    assert told.code == 0, told.err
    assert "for reading only" in told.err
    assert drorch(*there, "status", interrupted, "--format", "json").json["status"] == "imported"
    assert drorch(*there, "runs", "--format", "json").json[0]["status"] == "imported"
    assert drorch(*there, "report", interrupted).json["run"]["status"] == "imported"
    assert "imported" in drorch(*there, "watch", interrupted).out
    for refused in (
        ("run", "--continue", interrupted),
        ("approve", interrupted, "san"),
        ("abort", interrupted),
    ):
        told = drorch(*there, *refused)
        assert told.code == 1, refused
        assert "--carry-on" in told.err
    assert "no run was interrupted" in drorch(*there, "run", "--continue").err
    assert "already" in drorch(*there, "import", "run.jsonl").err


def test_a_run_is_carried_on_elsewhere(
    drorch: Drorch, tmp_path: Path, interrupted: str, elsewhere: str
) -> None:
    drorch("export", interrupted, "--out", "run.jsonl")
    there = ("--config", elsewhere)
    told = drorch(*there, "import", "run.jsonl", "--carry-on")
    assert told.code == 0, told.err
    assert "MUST NEVER BE CARRIED ON AGAIN" in told.err
    path = plan(tmp_path)
    refused = drorch(*there, "run", path, "--mode", "live", "--confirm", "small")
    assert refused.code == 1
    assert "belongs to the open live run asking-1" in refused.err
    assert drorch(*there, "approve", interrupted, "san").code == 0
    told = drorch(*there, "run", "--continue", interrupted)
    assert told.code == 0, told.err
    done = drorch(*there, "status", interrupted, "--format", "json").json
    assert done["status"] == "succeeded"


def test_a_spoilt_file_is_refused_plainly(
    drorch: Drorch, tmp_path: Path, interrupted: str, elsewhere: str
) -> None:
    drorch("export", interrupted, "--out", "run.jsonl")
    content = (tmp_path / "run.jsonl").read_bytes()
    (tmp_path / "cut.jsonl").write_bytes(content[:-10])
    (tmp_path / "changed.jsonl").write_bytes(content.replace(b"asking", b"Asking", 3))
    for name in ("cut.jsonl", "changed.jsonl", "absent.jsonl", "drorch.toml"):
        told = drorch("--config", elsewhere, "import", name)
        assert told.code == 2, name
        assert is_plain(told.err)
    assert drorch("--config", elsewhere, "runs", "--format", "json").json == []


def test_the_database_is_not_looked_after_through_a_service(drorch: Drorch) -> None:
    server = ("--server", "http://127.0.0.1:9")
    for command in (
        ("db", "upgrade"),
        ("db", "check"),
        ("db", "backup", "x"),
        ("db", "restore", "x"),
        ("export", "x"),
        ("import", "x"),
    ):
        told = drorch(*command, *server)
        assert told.code == 2, command
        assert "--server" in told.err
    assert drorch("nodes", *server).code == 4


def test_there_may_be_nobody(drorch: Drorch, tmp_path: Path, config: Path) -> None:
    told = drorch("nodes")
    assert (told.code, told.out) == (0, "")
    assert "drorch serve" in told.err


def test_who_drives_a_run_is_listed(drorch: Drorch, tmp_path: Path, interrupted: str) -> None:
    driver = drorch("status", interrupted, "--format", "json").json["driver"]
    lease = FileLeases(tmp_path / "data" / "leases").take(interrupted)
    assert lease is not None
    found = drorch("nodes", "--format", "json").json
    told = drorch("nodes")
    lease.let_go()
    assert [(node["name"], node["alive"], node["drives"]) for node in found] == [
        (driver, True, [interrupted])
    ]
    assert interrupted in told.out
    assert drorch("nodes", "--format", "json").json == [], "and nobody once it is free"
