"""What people get wrong, and what they are told: plain words, a hint, the right exit code."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from api.cli.entry import globals_first
from tests.cli.conftest import Drorch, asking, plan, write_config


def closed_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_plain(told: str) -> bool:
    return "Traceback" not in told and told.startswith("error: ")


@pytest.mark.parametrize("mode", ["live", "dry-run"])
def test_an_absent_hypervisor_ends_with_four_and_nothing_half_done(
    drorch: Drorch, tmp_path: Path, mode: str
) -> None:
    write_config(tmp_path, f"http://127.0.0.1:{closed_port()}")
    confirm = ("--confirm", "small") if mode == "live" else ()
    told = drorch("run", plan(tmp_path), "--mode", mode, *confirm)
    assert told.code == 4
    assert "cannot be reached" in told.err
    assert "hint: " in told.err
    open_runs = [r for r in drorch("runs", "--format", "json").json if r["ended_at"] is None]
    assert open_runs == []


def test_connectors_tells_who_does_not_answer(drorch: Drorch, tmp_path: Path) -> None:
    write_config(tmp_path, f"http://127.0.0.1:{closed_port()}")
    listed = drorch("connectors")
    assert listed.code == 4
    assert "cannot be reached" in listed.out
    for command in (("connectors", "check", "sim"), ("fleet",)):
        told = drorch(*command)
        assert (told.code, told.out) == (4, "")
        assert is_plain(told.err)


def test_a_black_start_waits_for_its_hypervisor(drorch: Drorch, tmp_path: Path) -> None:
    write_config(tmp_path, f"http://127.0.0.1:{closed_port()}")
    told = drorch("run", asking(tmp_path), "--mode", "live", "--confirm", "asking", "--no-input")
    assert told.code == 3
    assert "drorch waits for it" in told.err


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('data_dri = "x"\n', "data_dri"),
        ("[server]\nport = 99999\n", "server.port"),
        ("[connectors.sim]\nurl = 1\n", "has no 'type'"),
        ('[connectors.sim]\ntype = "vcenter"\n', "'vcenter' is not known"),
        ("this is no toml", "drorch.toml"),
    ],
)
def test_a_configuration_with_a_mistake(
    drorch: Drorch, tmp_path: Path, text: str, told: str
) -> None:
    (tmp_path / "drorch.toml").write_text(text)
    answer = drorch("runs")
    assert answer.code == 2
    assert is_plain(answer.err)
    assert told in answer.err


def test_a_configuration_that_is_not_there(drorch: Drorch) -> None:
    told = drorch("runs", "--config", "other.toml")
    assert told.code == 2
    assert "there is no configuration file other.toml" in told.err


def test_a_connector_that_is_not_configured(drorch: Drorch, tmp_path: Path) -> None:
    (tmp_path / "drorch.toml").write_text(f'data_dir = "{tmp_path / "data"}"\n')
    for arguments in (("--mode", "live", "--confirm", "small"), ()):
        told = drorch("run", plan(tmp_path), *arguments)
        assert told.code == 2
        assert "'sim', which is not configured" in told.err


def test_a_wrong_plan_is_told_with_every_line(drorch: Drorch, tmp_path: Path) -> None:
    path = tmp_path / "bad.yaml"
    path.write_text(
        "drorch: 1\nplan: bad\nsteps:\n  a: {vmm: 1}\n  b: {vm: x/1, depends_on: [c]}\n"
    )
    told = drorch("validate", str(path), "--format", "json")
    assert told.code == 2
    assert {"file", "line", "column", "code", "message", "hint"} == set(told.json[0])
    assert {4, 5} <= {problem["line"] for problem in told.json}
    assert drorch("validate", str(path)).out.count("error: ") == len(told.json)
    run = drorch("run", str(path))
    assert run.code == 2
    assert f"{path}:4:" in run.err
    assert is_plain(run.err)


def test_a_plan_that_is_not_there(drorch: Drorch, tmp_path: Path) -> None:
    (tmp_path / "drorch.toml").write_text(f'data_dir = "{tmp_path / "data"}"\n')
    for command in (
        ("validate", "no.yaml"),
        ("run", "no.yaml"),
        ("run", "nope"),
        ("show", "no.yaml"),
    ):
        told = drorch(*command)
        assert told.code == 2, command
        assert is_plain(told.err)
    assert drorch("run").code == 2


def test_advice_does_not_fail_a_plan(drorch: Drorch, tmp_path: Path) -> None:
    path = plan(tmp_path, steps={"db": {"vm": 101}, "web": {"vm": 102}})
    told = drorch("validate", path)
    assert told.code == 0
    assert "advice: " in told.err
    assert "valid" in told.out
    assert drorch("validate", path, "--format", "json").json == []


def test_unknown_runs_and_steps(drorch: Drorch, tmp_path: Path) -> None:
    (tmp_path / "drorch.toml").write_text(f'data_dir = "{tmp_path / "data"}"\n')
    assert drorch("run", plan(tmp_path), "--mode", "simulate").code == 0
    for command in (
        ("status", "small-9"),
        ("watch", "small-9"),
        ("report", "small-9"),
        ("abort", "small-9"),
        ("approve", "small-9", "db"),
        ("approve", "small-1", "nope"),
        ("run", "--continue", "small-9"),
        ("run", "--continue"),
    ):
        told = drorch(*command)
        assert (told.code, told.out if command[0] != "run" else "") == (2, ""), command
        assert "error: " in told.err


@pytest.mark.parametrize(
    "arguments",
    [
        ("dance",),
        ("run", "x.yaml", "--mode", "drill"),
        ("run", "x.yaml", "--moed", "live"),
        ("approve", "last"),
        ("hold", "101", "--reason", "x"),
        ("runs", "--server", "nowhere"),
    ],
)
def test_wrong_words(drorch: Drorch, arguments: tuple[str, ...]) -> None:
    told = drorch(*arguments)
    assert told.code == 2
    assert is_plain(told.err)


def test_a_service_that_does_not_answer(drorch: Drorch) -> None:
    server = f"http://127.0.0.1:{closed_port()}"
    for command in (("runs",), ("status", "x-1"), ("approve", "x-1", "a"), ("holds",)):
        told = drorch(*command, "--server", server)
        assert (told.code, told.out) == (4, ""), command
        assert "does not answer" in told.err
    assert drorch("run", "x.yaml", "--server", server).code == 2


def test_global_options_stand_anywhere() -> None:
    given = ["runs", "--server", "http://x", "--limit", "3", "--config=a.toml", "--", "--token"]
    assert globals_first(given) == [
        *("--server", "http://x", "--config=a.toml", "runs", "--limit", "3", "--", "--token")
    ]


def test_help_explains_itself(drorch: Drorch) -> None:
    told = drorch("--help")
    assert told.code == 0
    for command in ("demo", "simulator", "serve", "validate", "show", "run", "runs", "status",
                    "watch", "approve", "reject", "retry", "skip", "accept", "pause", "resume",
                    "abort", "report", "connectors", "fleet", "schema", "hold"):  # fmt: skip
        assert f"\n  {command} " in told.out
    assert "Exit codes" in told.out
