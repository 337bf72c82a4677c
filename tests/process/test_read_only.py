"""A disk that the system has made read-only: what it holds can be read, nothing can be decided."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from api.callers import system_caller
from drorch.journal.shelf import Hold, Shelf
from drorch.journal.store import Store
from tests.lab_gate import need, need_root

DRORCH = f"{sys.executable} -P -m api.cli"


@pytest.fixture
async def data(tmp_path: Path) -> Path:
    """Return a data folder with a hold, the newest of it still in the write-ahead log."""
    folder = tmp_path / "data"
    store = Store(folder / "drorch.db")
    hold = Hold(connector="pve", machine="201", reason="encrypted?", by="anna", at="2026-11-22")
    await Shelf(store).hold(hold, system_caller("anna").act("hold.place", "machine/pve/201"))
    copied = tmp_path / "cut"
    copied.mkdir(mode=0o700)
    for part in ("", "-wal"):  # as a power cut leaves it: nothing was put in order
        (copied / f"drorch.db{part}").write_bytes((folder / f"drorch.db{part}").read_bytes())
    store.close()
    assert (copied / "drorch.db-wal").stat().st_size > 0
    return copied


def on_read_only(folder: Path, command: str) -> subprocess.CompletedProcess[str]:
    """Carry *command* out where *folder* is mounted read-only, in a name space of its own."""
    need_root(why="a folder is mounted read-only")
    unshare = need("unshare", why="a mount of its own", install="apt-get install util-linux")
    script = f"mount --bind {folder} {folder} && mount -o remount,ro,bind {folder} && {command}"
    root = Path(__file__).parents[2]
    return subprocess.run(
        [unshare, "--mount", "sh", "-c", script],
        cwd=root,
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "DRORCH_DATA_DIR": str(folder)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


async def test_what_is_held_can_still_be_read_with_the_newest_of_it(data: Path) -> None:
    told = on_read_only(data, f"{DRORCH} holds")
    assert told.returncode == 0, told.stderr
    assert "pve/201" in told.stdout
    assert "is read-only: this is a copy of what it holds" in told.stderr.replace("\n", " ")


async def test_nothing_can_be_decided_there_and_the_way_out_is_told(data: Path) -> None:
    told = on_read_only(data, f"{DRORCH} release pve/201")
    words = " ".join(told.stderr.split())
    assert told.returncode == 4, told.stderr
    assert "nothing can be recorded: the disk of" in words
    assert "mount -o remount,rw" in words
    again = on_read_only(data, f"{DRORCH} holds")
    assert "pve/201" in again.stdout
