"""The four packages keep their shape: small files, short functions, names of their own."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import pytest

from tests.repo.tree import PACKAGES, ROOT, modules

MOST_LINES = 400
LONGEST_FUNCTION = 60
FLAT = {"drorch/run/evolve.py _evolve_step"}
"""Longer than that, and read at a glance: one flat, exhaustive match over the events."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
Function = ast.FunctionDef | ast.AsyncFunctionDef


def project() -> dict[str, Any]:
    """Return pyproject.toml."""
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def functions(file: Path) -> Iterator[Function]:
    """Yield every function of *file*, also inner ones."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, Function):
            yield node


def test_no_file_is_long() -> None:
    long = {str(f.relative_to(ROOT)): n for f in modules() if (n := _lines(f)) > MOST_LINES}
    assert long == {}


def test_no_function_is_long() -> None:
    found = [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.name}: {_length(node)} lines"
        for file in modules()
        for node in functions(file)
        if _length(node) > LONGEST_FUNCTION and f"{file.relative_to(ROOT)} {node.name}" not in FLAT
    ]
    assert found == []


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(file.relative_to(ROOT))
        for file in modules()
        if _lines(file) and not ast.get_docstring(ast.parse(file.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_nothing_that_we_depend_on_claims_our_names() -> None:
    """Four generic names at the top level: nobody else in the environment may have them."""
    ours = {*PACKAGES, "tests", "bench", "scripts"}
    claims = {
        (dist.metadata["Name"], top)
        for dist in distributions()
        if dist.metadata["Name"] != "drorch"
        for top in _top_level(dist.files or ())
        if top in ours
    }
    assert claims == set()


def test_the_check_of_names_sees_names() -> None:
    """Without this, an empty environment would pass it too."""
    tops = {top for dist in distributions() for top in _top_level(dist.files or ())}
    assert {"yaml", "fastapi", "pytest"} <= tops


def test_every_connector_and_the_command_are_announced() -> None:
    declared = project()["project"]
    assert declared["scripts"] == {"drorch": "api.cli:main"}
    assert set(declared["entry-points"]["drorch.connectors"]) >= {"simulated", "proxmox", "libvirt"}


def test_the_wheel_holds_the_four_packages() -> None:
    wheel = project()["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert sorted(wheel["packages"]) == sorted(PACKAGES)


def _top_level(files: Any) -> Iterator[str]:
    for file in files:
        first = file.parts[0]
        module = first.removesuffix(".py")
        if _NAME.fullmatch(module) and not first.endswith((".dist-info", ".egg-info", ".pth")):
            yield module


def _lines(file: Path) -> int:
    return len(file.read_text(encoding="utf-8").splitlines())


def _length(node: Function) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


@pytest.mark.parametrize("module", ["api.cli", "api.serving"])
def test_who_answers_nobody_loads_no_web_framework(module: str) -> None:
    """A command, the engine and its parent are there sooner without it; so is who restarts them."""
    told = f"import {module}, sys; print([m for m in ('fastapi', 'uvicorn') if m in sys.modules])"
    run = subprocess.run([sys.executable, "-c", told], cwd=ROOT, capture_output=True, text=True)
    assert (run.returncode, run.stdout.strip()) == (0, "[]"), run.stderr
