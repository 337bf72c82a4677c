"""The files of this repository, as somebody who clones it gets them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PACKAGES = ("drorch", "api", "plans", "connectors")
_NOT_OURS = frozenset(
    {
        ".git",
        ".venv",
        ".venv-peers",
        "build",
        "dist",
        "var",
        "__pycache__",
        ".hypothesis",
        "node_modules",
    }
)


def files() -> Iterator[Path]:
    """Yield every file of the checkout that is not made by a tool."""
    for folder, names, found in os.walk(ROOT):
        names[:] = [n for n in names if n not in _NOT_OURS and not n.endswith("_cache")]
        yield from (Path(folder) / name for name in sorted(found) if not name.endswith(".pyc"))


def texts() -> Iterator[tuple[Path, str]]:
    """Yield the files that hold text, with their text."""
    for file in files():
        try:
            yield file, file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def modules() -> Iterator[Path]:
    """Yield every Python file of the four packages."""
    for package in PACKAGES:
        yield from sorted((ROOT / package).rglob("*.py"))
