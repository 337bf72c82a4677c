"""The disk of data_dir is full, locked, read-only or damaged in the middle of a run."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path

import pytest

from tests.chaos import fleet, verdict
from tests.chaos.quiet import now, quiet, said_since, under_way, went_on
from tests.chaos.sample import ALL
from tests.chaos.scene import Scene, scene, until
from tests.checks.serving import carried_out
from tests.lab_gate import need, need_root

pytestmark = [pytest.mark.chaos, pytest.mark.timeout(150)]

LOCKED_FOR = 20.0 if ALL else 7.0
"""Seconds; SQLite itself waits for five of them."""
COUNT = 40
PLAN = fleet.plan(COUNT, parallel=3)
_PAGE = 4096


@contextmanager
def mounted(folder: Path, *options: str | Path) -> Iterator[Path]:
    """Mount something on a new folder while the block lasts."""
    need_root(why="a small disk is mounted")
    folder.mkdir()
    carried_out(["mount", *options, folder])
    try:
        yield folder
    finally:
        carried_out(["umount", "--lazy", folder])


@asynccontextmanager
async def driven(folder: Path, data: Path) -> AsyncIterator[Scene]:
    """Set a scene on SQLite in *data* whose run is under way."""
    async with scene(folder, fleet.fleet(COUNT), data=data) as stage:
        await stage.seats[0].sit_down()
        await stage.begin(PLAN)
        await under_way(stage)
        yield stage


async def goes_on(stage: Scene, begun: float, ended: float) -> None:
    journal = await stage.finish()
    quiet(stage, begun, ended)
    went_on(stage, ended)
    verdict.check(stage, journal, PLAN)
    assert stage.seats[0].process is not None
    assert stage.seats[0].process.returncode is None, "it went on in another process"


async def test_full(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=3m", "tmpfs") as disk:
        async with driven(tmp_path, disk / "data") as stage:
            seat = stage.seats[0]
            before = len(seat.said())
            fill(disk / "filler")
            await until(said_since(seat, before, "journal.unavailable"), "why it waits", 30)
            begun = now()
            assert said_since(seat, before, "full")()
            await asyncio.sleep(3)
            ended = now()
            (disk / "filler").unlink()
            await goes_on(stage, begun, ended)


def fill(path: Path) -> None:
    """Write until there is no room for one byte more."""
    with path.open("wb", buffering=0) as filler:
        for size in (65536, _PAGE, 1):
            with suppress(OSError):
                while True:
                    filler.write(b"x" * size)


async def test_locked_by_somebody_else(tmp_path: Path) -> None:
    async with driven(tmp_path, tmp_path / "data") as stage:
        seat = stage.seats[0]
        other = sqlite3.connect(tmp_path / "data" / "drorch.db", isolation_level=None, timeout=30)
        other.execute("BEGIN EXCLUSIVE")
        before, begun = len(seat.said()), now()
        await until(said_since(seat, before, "locked"), "why it waits", LOCKED_FOR)
        await asyncio.sleep(max(0.0, begun + LOCKED_FOR - now()))
        ended = now()
        other.execute("COMMIT")
        other.close()
        await goes_on(stage, begun, ended)


async def test_read_only_as_after_an_error_of_the_disk(tmp_path: Path) -> None:
    """ext4 makes itself read-only; it can be written again when it was checked and mounted anew."""
    need_root(why="a disk is made read-only")
    mkfs = need("mkfs.ext4", why="a disk of its own", install="apt-get install e2fsprogs")
    fsck = need("e2fsck", why="a disk of its own", install="apt-get install e2fsprogs")
    image = tmp_path / "image"
    image.touch()
    os.truncate(image, 32 * 2**20)
    carried_out([mkfs, "-q", image])
    with mounted(tmp_path / "disk", "-o", "loop", image) as disk:
        async with scene(tmp_path, fleet.fleet(COUNT), data=disk / "data") as stage:
            seat = stage.seats[0]
            await seat.sit_down()
            await stage.begin(PLAN)
            await under_way(stage)
            before, begun = len(seat.said()), now()
            carried_out(["mount", "-o", "remount,abort", disk])
            await until(said_since(seat, before, "journal.unavailable"), "why it waits", 20)
            assert said_since(seat, before, "cannot be written")()
            await asyncio.sleep(3)
            quiet(stage, begun, now())
            await seat.kill()
            stage.office.store.close()
            ended = now()
            carried_out(["umount", disk])
            # 1: something was put right
            assert subprocess.run([fsck, "-p", image], check=False).returncode in (0, 1)
            carried_out(["mount", "-o", "loop", image, disk])
            await stage.reopen_office()
            await seat.sit_down()
            journal = await stage.finish()
            went_on(stage, ended)
            verdict.check(stage, journal, PLAN)


async def test_read_only_at_the_start_is_told(tmp_path: Path) -> None:
    with mounted(tmp_path / "disk", "-t", "tmpfs", "-o", "size=3m", "tmpfs") as disk:
        async with driven(tmp_path, disk / "data") as stage:
            seat = stage.seats[0]
            await seat.kill()
            stage.office.store.close()
            carried_out(["mount", "-o", "remount,ro", disk])
            ordered = len(stage.orders())
            await seat.serve()
            assert await seat.ended() == 4, seat.log.read_text()
            told = seat.log.read_text()
            assert "cannot open the journal" in told
            assert "may write there" in told
            carried_out(["mount", "-o", "remount,rw", disk])
            assert len(stage.orders()) == ordered
            await stage.reopen_office()
            await seat.sit_down()
            verdict.check(stage, await stage.finish(), PLAN)


async def test_damaged_while_stopped_is_refused(tmp_path: Path) -> None:
    async with driven(tmp_path, tmp_path / "data") as stage:
        seat = stage.seats[0]
        await seat.kill()
        stage.office.store.close()
        ordered = len(stage.orders())
        file = tmp_path / "data" / "drorch.db"
        whole = merged(file)
        for page in (0, 4, None):
            damage(file, whole, page)
            await seat.serve()
            assert await seat.ended() != 0, f"page {page}"
            told = seat.log.read_text()
            seat.log.unlink()
            assert "is damaged" in told or "is not a journal" in told, f"page {page}: {told}"
            assert "hint" in told or "put" in told
            assert len(stage.orders()) == ordered, "something was started"
        file.write_bytes(whole)
        await stage.reopen_office()
        await seat.sit_down()
        verdict.check(stage, await stage.finish(), PLAN)


def merged(file: Path) -> bytes:
    """Return the whole journal, in one file."""
    with sqlite3.connect(file) as line:
        line.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    line.close()
    return file.read_bytes()


def damage(file: Path, whole: bytes, page: int | None) -> None:
    """Overwrite one page of *whole*, or every one but the first."""
    broken = bytearray(whole)
    begin = _PAGE if page is None else page * _PAGE
    end = len(whole) if page is None else begin + _PAGE
    broken[begin:end] = b"\xa5" * (end - begin)
    file.write_bytes(broken)


async def test_damaged_while_it_runs_is_told_and_nothing_is_ordered(tmp_path: Path) -> None:
    async with driven(tmp_path, tmp_path / "data") as stage:
        seat = stage.seats[0]
        before, begun = len(seat.said()), now()
        file = tmp_path / "data" / "drorch.db"
        for part in (file, file.with_name("drorch.db-wal")):
            with part.open("r+b") as broken:
                broken.write(b"\xa5" * part.stat().st_size)
        await until(said_since(seat, before, "damaged"), "what is wrong", 30)
        await asyncio.sleep(3)
        quiet(stage, begun, now())
        assert len(stage.accepted()) < COUNT
        assert "put back" in seat.log.read_text()
        await seat.kill()
        await seat.serve()
        assert await seat.ended() != 0
        assert "damaged" in seat.log.read_text()
