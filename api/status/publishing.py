"""Writes the public page as files, for another host: citizens never load the one that recovers."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from api.locale import speaking
from api.locale.catalogue import LANGUAGES
from api.status.board import Board, board_text
from api.status.rendering import ASSETS, ELSEWHERE, STATIC, board_page

_FIRST = next(iter(LANGUAGES))
"""The language of ``index.html``; the others are one link away."""
_MODE = 0o644


def files_of(board: Board) -> Iterator[tuple[str, bytes]]:
    """Yield every file by its name, those that pages name first."""
    for name in ASSETS:
        yield name, (STATIC / name).read_bytes()
    pages = {}
    for code in LANGUAGES:
        with speaking(code):
            pages[code] = board_page(board, ELSEWHERE).encode()
    for code, page in pages.items():
        yield ELSEWHERE.of(code), page
    yield ELSEWHERE.json, board_text(board)
    yield "index.html", pages[_FIRST]


def publish(board: Board, folder: Path) -> list[str]:
    """Write what has changed into *folder*, each file whole or not at all; return their names.

    A web server that reads at this moment gives the old file or the new one. Raises `OSError`.
    """
    folder.mkdir(parents=True, exist_ok=True)
    return [name for name, text in files_of(board) if _replaced(folder / name, text)]


def _replaced(path: Path, text: bytes) -> bool:
    if path.is_file() and path.read_bytes() == text:
        return False
    new = path.with_name(f".{path.name}.new")
    new.unlink(missing_ok=True)  # of one who was killed in the middle
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _MODE), "wb") as file:
        os.fchmod(file.fileno(), _MODE)
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    return True
