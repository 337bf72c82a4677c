"""What people get wrong, and what they are told: plain words, a hint, the right exit code."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from api.cli.entry import globals_first
from api.cli.program import remember, repeat_options
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


def test_a_file_that_cannot_be_read_is_one_problem_and_the_others_are_checked(
    drorch: Drorch, tmp_path: Path
) -> None:
    good, bad = plan(tmp_path), tmp_path / "bad.yaml"
    bad.write_text("drorch: 1\nplan: bad\nsteps: {a: {vmm: 1}}\n")
    missing, folder = str(tmp_path / "no.yaml"), str(tmp_path)
    files = (good, missing, str(bad), folder)
    told = drorch("validate", *files, "--format", "json")
    assert told.code == 2
    unreadable = [p for p in told.json if p["code"] == "file-unreadable"]
    assert [(p["file"], p["line"], p["column"]) for p in unreadable] == [
        (missing, 1, 1),
        (folder, 1, 1),
    ]
    assert all(p["message"] and p["hint"] for p in unreadable)
    assert [p["file"] for p in told.json if p not in unreadable] == [str(bad)]
    table = drorch("validate", *files)
    assert table.code == 2
    assert f"{good}: plan small, 2 steps: valid" in table.out
    assert table.out.count("error: ") == 1
    assert table.err.count("error: ") == 2


def test_hints_repeat_the_options_that_were_given(drorch: Drorch, tmp_path: Path) -> None:
    config = tmp_path / "other.toml"
    config.write_text(f'data_dir = "{tmp_path / "data"}"\n')
    for options in (("--config", str(config)), (f"--config={config}",)):
        told = drorch("status", "small-9", *options)
        assert f"hint: 'drorch --config {config} runs' lists the runs" in told.err
    none = drorch("runs", "--config", str(config)).err
    assert f"'drorch --config {config} run FILE' makes one" in none
    server = f"http://127.0.0.1:{closed_port()}"
    secret = ("--server", server, "--token", "very-secret")
    told = drorch("runs", "--config", str(config), *secret)
    assert f"hint: is 'drorch --config {config} serve' running there?" in told.err
    assert "very-secret" not in told.err
    config.rename(tmp_path / "drorch.toml")
    assert "hint: 'drorch runs' lists the runs" in drorch("status", "small-9").err


def test_only_commands_that_need_the_options_get_them() -> None:
    remember(["--server", "http://x:1", "--token", "t", "--config", "my files/a.toml", "runs"])
    assert repeat_options("'drorch watch a-1' or 'drorch run --continue a-1'") == (
        "'drorch --config 'my files/a.toml' --server http://x:1 watch a-1' "
        "or 'drorch --config 'my files/a.toml' run --continue a-1'"
    )
    for told in ("'drorch schema' prints it", "'drorch runs --help' says", "drorch waits", "'x'"):
        assert repeat_options(told) == told
    remember(["runs", "--config", "a.toml"])  # behind the command: `globals_first` has moved it
    assert repeat_options("'drorch runs'") == "'drorch runs'"


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
