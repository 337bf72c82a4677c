"""What a type of problem is."""

from __future__ import annotations

from typing import NamedTuple


class Kind(NamedTuple):
    """A type of problem; ``meaning`` is shown on its page and says what to do."""

    status: int
    title: str
    meaning: str
