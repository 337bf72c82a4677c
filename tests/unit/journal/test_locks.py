"""Ownership across real processes: the kernel takes it back from the dead."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from drorch.journal.locks import FileLeases

_HOLDER = """
import sys
from pathlib import Path
from drorch.journal.locks import FileLeases
lease = FileLeases(Path(sys.argv[1])).take("run-1")
print("held" if lease else "refused", flush=True)
sys.stdin.read()
"""


def holder(folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", _HOLDER, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_one_process_holds_a_run_until_it_is_killed(tmp_path: Path) -> None:
    process = holder(tmp_path)
    try:
        assert said(process) == "held"
        leases = FileLeases(tmp_path)
        assert leases.holds("run-1")
        assert leases.take("run-1") is None
        assert leases.take("run-2") is not None, "another run is another matter"
        process.kill()
        process.wait(timeout=10)
        lease = leases.take("run-1")
        assert lease is not None, "free the moment its holder is dead"
        second = holder(tmp_path)
        try:
            assert said(second) == "refused"
        finally:
            second.kill()
            second.communicate()
        lease.let_go()
        lease.let_go()
        assert not leases.holds("run-1")
    finally:
        process.kill()
        process.communicate()


def test_a_child_does_not_inherit_the_lease(tmp_path: Path) -> None:
    leases = FileLeases(tmp_path)
    lease = leases.take("run-1")
    assert lease is not None
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        lease.let_go()
        assert not leases.holds("run-1")
    finally:
        child.kill()
        child.communicate()


def test_the_file_names_its_holder(tmp_path: Path) -> None:
    import os

    lease = FileLeases(tmp_path).take("run-1")
    assert lease is not None
    assert (tmp_path / "run-1.lock").read_text() == f"{os.getpid()}\n"
    lease.let_go()
