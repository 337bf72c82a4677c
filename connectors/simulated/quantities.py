"""Durations (``1m30s``, ``20ms``) and sizes (``256G``) as fleet files and settings write them."""

from __future__ import annotations

import re
from typing import Annotated, TypeAlias

from pydantic import BeforeValidator

_SECONDS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_BYTES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
_PARTS = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?(?:ms|s|m|h))+")
_SIZE = re.compile(r"(\d+(?:\.\d+)?)([KMGT]?)(?:i?B)?")


def seconds(value: object) -> float:
    """Return the seconds of a duration such as ``1m30s``; a bare 0 needs no unit."""
    if value == 0 and not isinstance(value, bool):
        return 0.0
    if not isinstance(value, str) or not _DURATION.fullmatch(value.strip()):
        raise ValueError("not a duration; write for example 40s, 1m30s or 20ms")
    return sum(float(n) * _SECONDS[unit] for n, unit in _PARTS.findall(value))


def size(value: object) -> int:
    """Return the bytes of a size such as ``256G``; a bare number is bytes."""
    if isinstance(value, int) and not isinstance(value, bool) and value >= 0:
        return value
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise ValueError("not a size; write for example 8G or 512M")
    return int(float(found[1]) * _BYTES[found[2]])


Seconds: TypeAlias = Annotated[float, BeforeValidator(seconds)]
Bytes: TypeAlias = Annotated[int, BeforeValidator(size)]


def readable(amount: int) -> str:
    """Return *amount* bytes in GiB for people."""
    return f"{amount / 2**30:.1f} GiB"
