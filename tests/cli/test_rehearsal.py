"""``drorch run --mode dry-run``: a look that saw nothing is no success, and its code says why."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Drorch, SimulatorProcess, plan, write_config

NOWHERE = "http://127.0.0.1:9"


def behind_a_wait(folder: Path) -> str:
    """A black start: something comes before the first machine."""
    web = {"vm": 102, "depends_on": ["db"]}
    return plan(
        folder,
        steps={"calm": {"wait": "1s"}, "db": {"vm": 101, "depends_on": ["calm"]}, "web": web},
    )


def test_a_hypervisor_that_is_away_ends_the_look_with_4_and_is_said_first(
    drorch: Drorch, tmp_path: Path
) -> None:
    write_config(tmp_path, NOWHERE)
    told = drorch("run", behind_a_wait(tmp_path))
    assert told.code == 4
    assert "sim does not answer" in told.out.splitlines()[1]
    assert "0 of 2 machines could be examined, nothing touched" in told.out
    assert "healthy" not in told.out
    assert "0/2 examined" in drorch("runs").out
    status = drorch("status", "last", "--all").out
    assert "2 not examined" in status
    assert "healthy at" in status
    assert "healthy" not in status.replace("healthy at", "")
    found = drorch("run", behind_a_wait(tmp_path), "--format", "json")
    assert (found.code, found.json["status"]) == (4, "failed")
    assert found.json["examined"] == {"machines": 2, "seen": 0}


def test_a_look_that_saw_everything_says_so(
    drorch: Drorch, config: Path, simulator: SimulatorProcess, tmp_path: Path
) -> None:
    told = drorch("run", behind_a_wait(tmp_path))
    assert (told.code, "2 of 2 machines could be examined" in told.out) == (0, True)
    assert "2 could start" in drorch("status", "last", "--all").out
