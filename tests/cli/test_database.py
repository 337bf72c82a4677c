"""A database that is away, wrong or newer: said plainly, with what to do, never made anew."""

from __future__ import annotations

from pathlib import Path

import psycopg
import pytest

from drorch.journal.store import Store
from drorch.journal.url import place_of
from tests.cli.conftest import Drorch, Told
from tests.cli.test_wrong_use import closed_port, is_plain
from tests.real.postgres import PostgresServer


def config(folder: Path, url: str) -> Path:
    path = folder / "drorch.toml"
    path.write_text(f'data_dir = "{folder / "data"}"\n[database]\nurl = "{url}"\n')
    return path


def runs(drorch: Drorch, folder: Path, url: str) -> Told:
    return drorch("--config", str(config(folder, url)), "runs")


def test_a_database_that_does_not_answer(drorch: Drorch, tmp_path: Path) -> None:
    url = f"postgresql://drorch:s3cret-word@127.0.0.1:{closed_port()}/drorch"
    told = runs(drorch, tmp_path, url)
    assert told.code == 4
    assert is_plain(told.err)
    assert "is PostgreSQL running there" in told.err
    assert "s3cret-word" not in told.out + told.err


@pytest.mark.parametrize("url", ["mysql://x/y", "postgres", "sqlite:///tmp/x", "postgresql:/", ""])
def test_an_address_that_is_none(drorch: Drorch, tmp_path: Path, url: str) -> None:
    told = runs(drorch, tmp_path, url)
    assert told.code == 2
    assert is_plain(told.err)
    assert "postgresql://drorch@" in told.err


def test_a_database_that_is_not_there(
    drorch: Drorch, tmp_path: Path, postgres_server: PostgresServer
) -> None:
    told = runs(drorch, tmp_path, postgres_server.url("nowhere"))
    assert told.code == 4
    assert "createdb" in told.err


def test_a_database_of_a_newer_drorch_is_left_alone(
    drorch: Drorch, tmp_path: Path, postgres_url: str
) -> None:
    Store(place_of(postgres_url, tmp_path)).close()
    with psycopg.connect(postgres_url, autocommit=True) as line:
        line.execute("UPDATE alembic_version SET version_num = '9999'")
        told = runs(drorch, tmp_path, postgres_url)
        assert told.code == 4
        assert "newer drorch" in told.err
        assert "nothing has been changed" in told.err
        found = line.execute("SELECT version_num FROM alembic_version").fetchall()
        assert found == [("9999",)]


def test_tables_that_are_gone_are_not_made_anew(
    drorch: Drorch, tmp_path: Path, postgres_url: str
) -> None:
    Store(place_of(postgres_url, tmp_path)).close()
    with psycopg.connect(postgres_url, autocommit=True) as line:
        line.execute("DROP TABLE runs")
    told = runs(drorch, tmp_path, postgres_url)
    assert told.code == 1
    assert is_plain(told.err)
    assert "put back a backup" in told.err
