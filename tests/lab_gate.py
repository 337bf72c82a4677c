"""Real parts that a test needs: absent ones skip it with one line, or fail it in CI."""

from __future__ import annotations

import os
import shutil
from importlib.util import find_spec

import pytest

_PATHS = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/sbin", "/usr/local/sbin"))


def need(program: str, *, why: str, install: str) -> str:
    """Return the path of *program*; without it skip, or fail where the lab is required."""
    found = shutil.which(program, path=_PATHS)
    if found is None:
        _absent(f"needs {program} ({why}): {install}")
    assert found is not None
    return found


def need_module(module: str, *, why: str, install: str) -> None:
    """Go on only if *module* can be imported; else skip, or fail where the lab is required."""
    if find_spec(module) is None:
        _absent(f"needs the Python module {module} ({why}): {install}")


def need_root(*, why: str) -> None:
    """Go on only as root; else skip, or fail where the lab is required."""
    if os.geteuid() != 0:
        _absent(f"needs root ({why}): run the suite as root")


def _absent(message: str) -> None:
    if os.environ.get("DRORCH_REQUIRE_LAB") == "1":
        pytest.fail(message, pytrace=False)
    pytest.skip(message)
