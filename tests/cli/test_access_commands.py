"""``drorch token``, ``user``, ``halt``, ``audit``, ``approve`` and ``openapi``, as people type them."""

from __future__ import annotations

import json
import re
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from api.cli.status_table import print_status
from drorch.access.tokens import id_of
from tests.cli.conftest import Drorch

PASSWORD = "quattro gatti sul tetto"


@pytest.fixture(autouse=True)
def configured(tmp_path: Path) -> Path:
    """Give a store of its own; nothing here needs a hypervisor."""
    path = tmp_path / "drorch.toml"
    path.write_text(f'data_dir = "{tmp_path / "data"}"\n')
    (tmp_path / "password").write_text(PASSWORD + "\nnot this line\n")
    return path


def token(drorch: Drorch, *more: str) -> str:
    told = drorch("token", "create", "--name", "monitoring", "--role", "viewer", *more)
    assert told.code == 0, told.err
    return told.out


def test_a_token_goes_alone_into_a_pipe(drorch: Drorch, tmp_path: Path) -> None:
    made = token(drorch)
    assert made.endswith("\n")
    assert made.count("\n") == 1
    secret = made.strip()
    assert id_of(secret) is not None
    stored = b"".join(file.read_bytes() for file in (tmp_path / "data").glob("*.db*"))
    assert secret.encode() not in stored
    assert b"monitoring" in stored


def test_a_token_is_listed_without_its_secret_and_revoked(drorch: Drorch) -> None:
    secret = token(drorch, "--days", "7", "--address", "10.1.0.0/24").strip()
    listed = drorch("token", "list", "--format", "json")
    assert secret not in listed.out
    (found,) = listed.json
    assert (found["name"], found["role"]) == ("monitoring", "viewer")
    assert found["addresses"] == ["10.1.0.0/24"]
    assert "monitoring" in drorch("token", "list").out
    assert drorch("token", "revoke", "monitoring").code == 0
    assert drorch("token", "list", "--format", "json").json[0]["revoked_at"] is not None
    again = drorch("token", "revoke", "monitoring")
    assert again.code == 2
    assert "token list" in again.err


def test_a_token_in_json_has_all_of_it(drorch: Drorch) -> None:
    told = json.loads(token(drorch, "--never", "--format", "json"))
    assert id_of(told["token"]) == told["id"]
    assert told["expires_at"] is None


@pytest.mark.parametrize(
    "wrong",
    [
        ("--role", "king"),
        ("--address", "everywhere"),
        ("--days", "0"),
        ("--days", "4000"),
        ("--name", " "),
        ("--name", "a\nb"),
    ],
)
def test_a_wrong_token_is_refused(drorch: Drorch, wrong: tuple[str, str]) -> None:
    told = drorch("token", "create", "--name", "m", "--role", "viewer", *wrong)
    assert (told.code, told.out) == (2, "")
    assert drorch("token", "list", "--format", "json").json == []


def test_a_second_token_of_the_same_name_is_refused(drorch: Drorch) -> None:
    token(drorch)
    told = drorch("token", "create", "--name", "monitoring", "--role", "admin")
    assert (told.code, told.out) == (2, "")


def user(drorch: Drorch, *more: str) -> Any:
    return drorch(
        "user", "add", "Mario", "--role", "operator", "--password-file", "password", *more
    )


def test_people_are_added_changed_and_removed(drorch: Drorch) -> None:
    assert user(drorch).code == 0
    (found,) = drorch("user", "list", "--format", "json").json
    assert found == {
        "name": "mario",
        "role": "operator",
        "password": True,
        "totp": False,
        "subject": None,
        "disabled_at": None,
    }
    assert drorch("user", "role", "mario", "responder").code == 0
    assert drorch("user", "disable", "mario").code == 0
    (found,) = drorch("user", "list", "--format", "json").json
    assert found["role"] == "responder"
    assert found["disabled_at"]
    assert drorch("user", "enable", "mario").code == 0
    assert drorch("user", "password", "mario", "--password-file", "password").code == 0
    assert "may log in" in drorch("user", "list").out
    assert drorch("user", "remove", "mario").code == 0
    assert drorch("user", "list", "--format", "json").json == []
    assert drorch("user", "remove", "mario").code == 2


def test_one_time_codes_are_shown_once(drorch: Drorch, tmp_path: Path) -> None:
    told = user(drorch, "--totp")
    secret = re.search(r"^secret +([A-Z2-7]{32})$", told.out, re.MULTILINE)
    assert secret is not None
    assert f"otpauth://totp/drorch:mario?secret={secret[1]}" in told.out
    stored = b"".join(file.read_bytes() for file in (tmp_path / "data").glob("*.db*"))
    assert secret[1].encode() not in stored
    assert PASSWORD.encode() not in stored
    other = drorch("user", "totp", "mario")
    assert "otpauth://" in other.out
    assert secret[1] not in other.out
    assert drorch("user", "totp", "mario", "--off").code == 0
    assert drorch("user", "list", "--format", "json").json[0]["totp"] is False


@pytest.mark.parametrize("password", ["short", "aaaaaaaaaaaaaaaa", "x" * 257, ""])
def test_a_weak_password_is_refused(drorch: Drorch, tmp_path: Path, password: str) -> None:
    (tmp_path / "password").write_text(password)
    assert user(drorch).code == 2
    assert drorch("user", "list", "--format", "json").json == []


def test_without_anybody_who_types_a_password_comes_from_a_file(drorch: Drorch) -> None:
    told = drorch("user", "add", "mario", "--role", "viewer")
    assert told.code == 2
    assert "--password-file" in told.err


@pytest.mark.parametrize("name", ["mario rossi", "../x", "", "-x", "a" * 61])
def test_a_name_is_one_that_can_be_typed(drorch: Drorch, name: str) -> None:
    told = drorch("user", "add", "--role", "viewer", "--password-file", "password", "--", name)
    assert told.code == 2


def test_people_are_not_managed_through_a_service(drorch: Drorch) -> None:
    told = drorch("user", "list", "--server", "http://127.0.0.1:9")
    assert told.code == 2
    assert "on the machine of the service" in told.err


def test_linking_takes_a_provider(drorch: Drorch, configured: Path) -> None:
    user(drorch)
    told = drorch("user", "link", "mario", "--subject", "abc")
    assert told.code == 2
    assert "[oidc]" in told.err
    with configured.open("a") as file:
        file.write('[oidc]\nissuer = "https://id.example"\nclient_id = "drorch"\n')
        file.write('client_secret = {env = "SECRET"}\n')
    assert drorch("user", "link", "mario", "--subject", "abc").code == 0
    found = drorch("user", "list", "--format", "json").json[0]["subject"]
    assert found == "https://id.example#abc"
    drorch("user", "add", "anna", "--role", "viewer", "--no-password")
    told = drorch("user", "link", "anna", "--subject", "abc")
    assert told.code == 2
    assert "mario" in told.err
    assert drorch("user", "link", "mario", "--off").code == 0
    assert drorch("user", "link", "mario").code == 2


def test_a_halt_is_given_shown_and_lifted(drorch: Drorch) -> None:
    assert "not halted" in drorch("halt").out
    assert drorch("halt", "--lift").code == 2
    given = drorch("halt", "--reason", "ransomware")
    assert given.code == 0
    assert "HALTED" in given.out
    assert drorch("halt", "--format", "json").json["reason"] == "ransomware"
    assert "HALTED" in drorch("runs").err
    second = drorch("halt", "--reason", "another")
    assert "ransomware" in second.out
    assert drorch("halt", "--reason", "x", "--lift").code == 2
    assert drorch("halt", "--lift").code == 0
    assert drorch("halt", "--format", "json").json["halted"] is False


def test_who_halts_or_holds_says_why(drorch: Drorch) -> None:
    for command in (("halt",), ("hold", "sim/101")):
        told = drorch(*command, "--reason", " \t")
        assert (told.code, "says nothing" in told.err) == (2, True), command
    assert drorch("halt", "--format", "json").json["halted"] is False


def test_what_was_done_is_in_the_record_and_anchored(drorch: Drorch, tmp_path: Path) -> None:
    token(drorch)
    user(drorch)
    drorch("halt", "--reason", "ransomware")
    found = drorch("audit", "--format", "json").json
    assert [one["entry"]["action"] for one in found] == ["halt", "person.add", "token.create"]
    assert found[0]["entry"]["reason"] == "ransomware"
    assert found[0]["entry"]["actor"]["identity"].startswith("system:")
    assert PASSWORD not in json.dumps(found)
    assert len(drorch("audit", "--limit", "1", "--format", "json").json) == 1
    assert "ransomware" in drorch("audit").out
    told = drorch("audit", "verify")
    assert (told.code, "3 entries" in told.out) == (0, True)
    verdict = drorch("audit", "verify", "--format", "json").json
    assert (verdict["anchored"], verdict["unanchored"]) == (3, 0)
    assert (tmp_path / "data" / "audit.checkpoints").read_text().count("\n") == 3


def test_a_changed_record_is_told(drorch: Drorch, tmp_path: Path) -> None:
    token(drorch)
    user(drorch)
    with sqlite3.connect(next((tmp_path / "data").glob("*.db"))) as database:
        database.execute("UPDATE audit SET entry = replace(entry, 'viewer', 'admin') WHERE seq = 1")
    told = drorch("audit", "verify")
    assert told.code == 1
    assert "BROKEN at entry 1" in told.out


def test_check_points_by_another_key_need_a_person(drorch: Drorch, tmp_path: Path) -> None:
    token(drorch)
    (tmp_path / "data" / "keys" / "audit.pem").unlink()
    told = drorch("audit", "verify")
    assert told.code == 3
    assert "IN DOUBT" in told.out
    assert "not trusted here" in told.out
    assert drorch("audit", "verify", "--format", "json").json["ok"] is False


def test_looking_vouches_for_nothing(drorch: Drorch, tmp_path: Path) -> None:
    token(drorch)
    points = tmp_path / "data" / "audit.checkpoints"
    points.unlink()
    told = drorch("audit", "verify", "--format", "json").json
    assert (told["anchored"], told["unanchored"], points.exists()) == (0, 1, False)
    assert "entries 1 to 1" in drorch("audit", "verify").out
    told = drorch("audit", "verify", "--checkpoint", "--format", "json").json
    assert told["unanchored"] == 0


def test_a_record_that_cannot_be_anchored_spoils_no_command(drorch: Drorch, tmp_path: Path) -> None:
    (tmp_path / "data" / "audit.checkpoints").mkdir(parents=True)
    told = drorch("token", "create", "--name", "m", "--role", "viewer")
    assert told.code == 0
    assert id_of(told.out.strip())
    assert "was not anchored" in told.err


def test_the_document_needs_no_store(drorch: Drorch, tmp_path: Path) -> None:
    told = drorch("openapi")
    assert told.json["openapi"].startswith("3.1")
    assert "/api/v1/tokens" in told.json["paths"]
    assert not (tmp_path / "data").exists()


TWO = '[policy]\nlive_runs = "two-person"\n'
PLAN = "drorch: 1\nplan: small\nsteps:\n  san: {manual: {ask: Is it online?}}\n"


def asked_for(drorch: Drorch, tmp_path: Path, configured: Path) -> str:
    with configured.open("a") as file:
        file.write(TWO)
    (tmp_path / "small.yaml").write_text(PLAN)
    begun = drorch("run", "small.yaml", "--mode", "live", "--confirm", "small", "--no-input")
    assert begun.code == 3, begun.err
    assert begun.err.count("a second person has to approve it, within 15 minutes") == 1
    assert begun.err.count("drorch approve ") == 1
    return str(drorch("runs", "--format", "json").json[0]["id"])


def test_a_whole_run_is_approved_by_a_second_person(
    drorch: Drorch, tmp_path: Path, configured: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = asked_for(drorch, tmp_path, configured)
    told = drorch("status", run, "--format", "json").json
    assert told["status"] == "awaiting_approval"
    assert told["approval"]["until"]
    assert told["approval"]["approved_by"] is None
    print_status(told)
    shown = capsys.readouterr().out
    assert f"drorch approve {run} --comment" in shown
    assert told["approval"]["asked_by"] in shown
    alone = drorch("approve", run)
    assert alone.code == 1
    assert "a second person" in alone.err
    assert drorch("approve", run, "san").code == 1, "nothing of it has begun"
    assert drorch("approve", run, "san", "--break-glass", "x").code == 2
    broken = drorch("approve", run, "--break-glass", "nobody answers the phone")
    assert broken.code == 0
    assert "THE GLASS IS BROKEN" in broken.err
    assert drorch("audit", "--format", "json").json[0]["entry"]["action"] == "run.break-glass"


def test_a_run_that_needs_no_approval_says_so(drorch: Drorch, tmp_path: Path) -> None:
    (tmp_path / "small.yaml").write_text(PLAN)
    assert drorch("run", "small.yaml", "--mode", "simulate").code == 0
    told = drorch("approve", "last")
    assert told.code == 2
    assert "needs no approval" in told.err
