"""The outbox on both databases."""

from tests.unit.journal.conftest import place, store

__all__ = ["place", "store"]
