"""The record of acts: entries in canonical JSON, each with the hash of the one before.

A chain alone cannot show that its end was cut off, or that all of it was written anew: for that
there are check-points, which live outside of the database (`drorch.access.checkpoints`).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import rfc8785

FIRST = "0" * 64
"""What the first entry has for the hash of the one before."""


class Filed(NamedTuple):
    """The words under which an entry is looked for; they repeat what it says."""

    at: str
    actor: str
    action: str
    object: str


class Line(NamedTuple):
    """An entry as it is stored: *entry* is the very text that was hashed."""

    seq: int
    entry: str
    hash: str
    filed: Filed


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The first entry that is not what was written."""

    seq: int
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Chain:
    """What a look through the entries has found. ``hashes`` of the whole ones, by number.

    ``times`` are when those say that they were written.
    """

    count: int
    head: str
    hashes: Mapping[int, str]
    times: Mapping[int, str]
    broken: Broken | None


def sealed(seq: int, previous: str, content: Mapping[str, Any]) -> Line:
    """Return the entry number *seq* of *content*, chained to the hash of the one before."""
    entry = rfc8785.dumps({**content, "seq": seq, "prev": previous}).decode()
    return Line(seq, entry, digest(previous, entry), filed(content))


def filed(content: Mapping[str, Any]) -> Filed:
    """Return the words under which an entry of *content* is looked for."""
    actor = content.get("actor")
    who = actor.get("identity", "") if isinstance(actor, Mapping) else ""
    words = (content.get("at", ""), who, content.get("action", ""), content.get("object", ""))
    return Filed(*(word if isinstance(word, str) else "" for word in words))


def digest(previous: str, entry: str) -> str:
    """Return the hash of an entry: SHA-256 over the one before and the entry's own text."""
    return hashlib.sha256(bytes.fromhex(previous) + entry.encode()).hexdigest()


def follow(lines: Iterable[Line]) -> Chain:
    """Follow the chain from its first entry; stop at the first that is not right."""
    previous, count, broken = FIRST, 0, None
    hashes: dict[int, str] = {}
    times: dict[int, str] = {}
    for line in lines:
        if why := _flaw(line, count + 1, previous):
            broken = Broken(seq=count + 1, reason=why)
            break
        count, previous = line.seq, line.hash
        hashes[count], times[count] = previous, line.filed.at
    return Chain(count=count, head=previous, hashes=hashes, times=times, broken=broken)


def _flaw(line: Line, wanted: int, previous: str) -> str:
    if line.seq != wanted:
        return f"entry {wanted} is missing, {line.seq} is there"
    if digest(previous, line.entry) != line.hash:
        return f"entry {wanted} is not what was written: its hash does not fit"
    try:
        content = json.loads(line.entry)
        canonical = rfc8785.dumps(content).decode()
    except (ValueError, RecursionError) as error:
        return f"entry {wanted} is no JSON: {error}"
    if canonical != line.entry or not isinstance(content, dict):
        return f"entry {wanted} is not in the form in which entries are written"
    if content.get("prev") != previous or content.get("seq") != wanted:
        return f"entry {wanted} does not follow the one before"
    if line.filed != filed(content):
        return f"entry {wanted} is filed under other words than its own: who looks for it misses it"
    return ""
