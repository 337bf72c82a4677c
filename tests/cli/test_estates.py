"""``connectors``, ``fleet`` and the holds: what is seen, and who is away."""

from __future__ import annotations

from pathlib import Path

from tests.cli.conftest import Drorch, SimulatorProcess, plan
from tests.cli.test_wrong_use import closed_port


def two_connectors(folder: Path, url: str) -> None:
    """Configure the simulated fleet as ``sim``, and nobody as ``away``."""
    (folder / "drorch.toml").write_text(
        f'data_dir = "{folder / "data"}"\n'
        f'[connectors.sim]\ntype = "simulated"\nurl = "{url}"\n'
        '[connectors.away]\ntype = "simulated"\n'
        f'url = "http://127.0.0.1:{closed_port()}"\ntimeout = "2s"\n'
    )


def test_the_fleet_of_those_that_answer_is_listed(
    drorch: Drorch, tmp_path: Path, simulator: SimulatorProcess
) -> None:
    two_connectors(tmp_path, simulator.url)
    assert drorch("run", plan(tmp_path), "--mode", "simulate").code == 0  # stores the plan
    assert drorch("hold", "away/7", "--reason", "encrypted?").code == 0
    assert drorch("hold", "sim/spare", "--reason", "for parts").code == 0
    told = drorch("fleet")
    assert told.code == 4
    for words in ("sim/101", "sim/102", "held: for parts", "3 machines, 2 covered by a plan"):
        assert words in told.out
    assert told.err.startswith("error: away is away: ")
    assert "cannot be reached" in told.err
    assert "hint: " in told.err

    document = drorch("fleet", "--format", "json")
    assert document.code == 4
    assert set(document.json) == {"items", "away", "next"}
    assert [(m["machine"], m["plans"], m["hold"]) for m in document.json["items"]] == [
        ("101", ["small"], None),
        ("102", ["small"], None),
        ("103", [], "for parts"),
    ]
    (away,) = document.json["away"]
    assert away["connector"] == "away"
    assert away["error"] and away["hint"]


def test_connectors_are_listed_with_what_each_answers(
    drorch: Drorch, tmp_path: Path, simulator: SimulatorProcess
) -> None:
    two_connectors(tmp_path, simulator.url)
    told = drorch("connectors", "--format", "json")
    assert told.code == 4
    assert [(line["name"], line["ok"]) for line in told.json] == [("away", False), ("sim", True)]
    keys = {"name", "type", "ok", "product", "version", "error", "hint"}
    assert all(set(line) == keys for line in told.json)
    assert drorch("connectors", "check", "sim").code == 0
    for command in (("connectors", "check", "nothing"), ("hold", "nothing/1", "--reason", "x")):
        told = drorch(*command)
        assert told.code == 2
        assert "configured: away, sim" in told.err


def test_a_fleet_without_connectors_says_so(drorch: Drorch, tmp_path: Path) -> None:
    (tmp_path / "drorch.toml").write_text(f'data_dir = "{tmp_path / "data"}"\n')
    told = drorch("fleet")
    assert (told.code, told.out) == (0, "")
    assert "no machine is seen" in told.err


def test_the_newest_runs_are_listed_and_the_rest_is_one_word_away(
    drorch: Drorch, tmp_path: Path
) -> None:
    (tmp_path / "drorch.toml").write_text(f'data_dir = "{tmp_path / "data"}"\n')
    path = plan(tmp_path)
    for _ in range(3):
        assert drorch("run", path, "--mode", "simulate").code == 0
    told = drorch("runs", "--limit", "2", "--format", "json")
    assert [run["id"] for run in told.json] == ["small-3", "small-2"]
    assert "these are the newest 2; 'drorch runs --all' lists every run" in told.err
    for more in (("--all",), ("--limit", "3"), ()):
        told = drorch("runs", *more)
        assert all(f"small-{n}" in told.out for n in (1, 2, 3))
        assert told.err == ""
