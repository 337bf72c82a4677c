"""A broken page that nobody has read yet is found by looking for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from drorch.errors import JournalDamagedError
from drorch.journal.sqlite import SqliteBackend
from drorch.journal.url import place_of

_PAGE = 4096


def test_a_broken_page_is_told_with_help(tmp_path: Path) -> None:
    place = place_of("sqlite", tmp_path)
    assert place.file is not None
    backend = SqliteBackend(place)
    backend.refuse_damaged()
    backend.close()
    with place.file.open("r+b") as file:
        file.seek(4 * _PAGE)
        file.write(b"\xa5" * _PAGE)
    backend = SqliteBackend(place)
    with pytest.raises(JournalDamagedError, match="is damaged") as found:
        backend.refuse_damaged()
    backend.close()
    assert "put back the newest" in found.value.hint
