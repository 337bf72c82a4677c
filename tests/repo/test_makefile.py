"""`make help` is the menu, and the documents name only what is on it."""

from __future__ import annotations

import re
import subprocess

import pytest

from tests.lab_gate import need
from tests.repo.tree import ROOT, texts

WANTED = {
    *("setup", "demo", "test", "lint", "types", "check", "lab", "crash", "simulate", "bench"),
    *("schema", "lock", "bundle", "bundle-proof", "image-proof", "clean", "help"),
}


@pytest.fixture(scope="module")
def menu() -> str:
    make = need("make", why="the menu of the repository", install="apt-get install make")
    run = subprocess.run([make, "help"], cwd=ROOT, capture_output=True, text=True, check=True)
    return run.stdout


def test_the_menu_lists_every_target(menu: str) -> None:
    listed = set(re.findall(r"^  make ([a-z-]+) ", menu, re.MULTILINE))
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    assert listed == targets
    assert listed >= WANTED


def test_documents_name_only_targets_that_exist(menu: str) -> None:
    listed = set(re.findall(r"^  make ([a-z-]+) ", menu, re.MULTILINE))
    named = {
        (str(file.relative_to(ROOT)), target)
        for file, text in texts()
        if file.suffix == ".md"
        for target in re.findall(r"(?:^|`)make ([a-z-]+)", text, re.MULTILINE)
    }
    assert len(named) > 5
    assert [one for one in sorted(named) if one[1] not in listed] == []


def test_ci_calls_nothing_that_a_person_cannot(menu: str) -> None:
    listed = set(re.findall(r"^  make ([a-z-]+) ", menu, re.MULTILINE))
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    called = set(re.findall(r"\bstage [a-z]+ make ([a-z-]+)", script))
    assert called <= listed
    assert {"setup", "lint", "types", "test", "browser", "chaos-sample", "lab"} <= called
    assert "DRORCH_REQUIRE_LAB=1" in script
