"""The seed of all chance in these tests: ``DRORCH_CHAOS_SEED`` repeats a bad day."""

from __future__ import annotations

import os
import random
import zlib


def _seed() -> int:
    """Return the same number in every worker of one session."""
    if given := os.environ.get("DRORCH_CHAOS_SEED"):
        return int(given)
    if session := os.environ.get("PYTEST_XDIST_TESTRUNUID"):
        return zlib.crc32(session.encode()) % 10**6
    return random.SystemRandom().randrange(10**6)


SEED = _seed()


def chance(*parts: object) -> random.Random:
    """Return chance that depends on the seed and *parts*, alike in every process."""
    return random.Random(zlib.crc32(repr((SEED, *parts)).encode()))
