"""The store on both databases: whatever holds on one holds on the other."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from drorch.journal.store import Store
from drorch.journal.url import Place, place_of


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Place:
    """Return an empty database of each kind."""
    if request.param == "sqlite":
        return place_of("sqlite", tmp_path)
    return place_of(request.getfixturevalue("postgres_url"), tmp_path)


@pytest.fixture
async def store(place: Place) -> AsyncIterator[Store]:
    opened = Store(place)
    yield opened
    opened.close()
