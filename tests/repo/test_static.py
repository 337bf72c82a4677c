"""What pages name under ``/static`` comes out of several rooms: no file may hide another."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from pathlib import Path

from api.app import STATIC


def folders() -> list[Path]:
    found = []
    for room in STATIC:
        package, folder = room if isinstance(room, tuple) else (room, "statics")
        spec = find_spec(package)
        assert spec is not None and spec.origin is not None
        found.append(Path(spec.origin).parent / folder)
    return found


def test_a_name_stands_in_one_room_only() -> None:
    names = Counter(file.name for folder in folders() for file in folder.iterdir())
    assert {"style.css", "live.js", "report.css", "runbook.css"} <= set(names)
    assert [name for name, many in names.items() if many > 1] == []
