"""The search for secrets finds them, wherever and however they stand."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from urllib.parse import quote

import pytest

from drorch.access.tokens import make
from tests.canary import Canaries

VALUE = "hünter 2/'hunter'"


@pytest.fixture
def canaries() -> Canaries:
    return Canaries({"the key": VALUE})


@pytest.mark.parametrize(
    "written",
    [
        f"level=info secret={VALUE} more",
        json.dumps({"secret": VALUE}),
        f"https://x/?key={quote(VALUE, safe='')}",
        base64.b64encode(VALUE.encode()).decode(),
    ],
)
def test_a_secret_is_found_in_a_file(tmp_path: Path, canaries: Canaries, written: str) -> None:
    (tmp_path / "deep").mkdir()
    for name, content in (("drorch.db-wal", f"\0\0{written}\0"), ("well", "nothing"), ("none", "")):
        (tmp_path / "deep" / name).write_text(content, encoding="utf-8")
    canaries.look(tmp_path)
    assert canaries.found == [f"{tmp_path}/deep/drorch.db-wal: the key"]


def test_a_token_of_any_value_is_found(tmp_path: Path, canaries: Canaries) -> None:
    # Taken back before the end: this run is searched, too.
    file = tmp_path / "report.json"
    file.write_text(make()[0])
    assert canaries.within(file) == ["a token of drorch"]
    file.write_text(make()[0][:-9])
    assert canaries.within(file) == []


def test_the_home_of_a_secret_and_what_is_gone_are_passed_over(
    tmp_path: Path, canaries: Canaries
) -> None:
    (tmp_path / "token").write_text(VALUE)
    (tmp_path / "away").symlink_to(tmp_path / "nowhere")
    canaries.look(tmp_path)
    assert canaries.found == []
    assert canaries.within(tmp_path / "nowhere") == []


def test_what_was_captured_is_searched(canaries: Canaries) -> None:
    canaries.look_into("a test: stderr", f"error: {VALUE}")
    canaries.look_into("another: stderr", "all is well")
    assert canaries.found == ["a test: stderr: the key"]


def test_what_drorch_makes_can_be_noted(canaries: Canaries) -> None:
    canaries.note("a cookie", "0123456789abcdef")
    canaries.look_into("it", "Cookie: drorch=0123456789abcdef")
    assert canaries.found == ["it: a cookie"]
