"""How much is done: all of it by ``make chaos``, a sample that changes each time in CI."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TypeVar

from tests.chaos.chance import chance

T = TypeVar("T")

KILLS = int(os.environ.get("DRORCH_KILLS", "40"))
TAKEOVERS = int(os.environ.get("DRORCH_TAKEOVERS", "6"))
ALL = KILLS >= 200
"""So many kills asked for mean: every point and every case as well."""


def sample(cases: Sequence[T], count: int = 1) -> list[T]:
    """Return *count* of the *cases*, or every one."""
    return list(cases) if ALL else chance(*map(str, cases)).sample(list(cases), count)
