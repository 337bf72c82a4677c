"""Signed check-points of the record: how many entries there were, and the hash of the last.

They are lines of a file that is only appended to, outside of the database. Whoever cuts the end
of the record off, or writes all of it anew, would have to change that file too, and to sign.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import rfc8785
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from drorch.access.record import FIRST, Broken, Chain


class ForgedError(ValueError):
    """A check-point that somebody else has signed, or changed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckPoint:
    """So many entries there were at that time; *head* is the hash of the last of them.

    *record* says which record it is about: the hash of its first entry, none before there is one.
    """

    record: str
    count: int
    head: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What is known about the record. Entries behind ``anchored`` are only chained.

    ``doubts`` are what a person has to look into, although the entries follow one another: whoever
    takes the check-points away, or signs others, could have written the record anew. ``notes`` are
    what else was seen of the check-points.
    """

    entries: int
    anchored: int
    broken: Broken | None
    checkpoints: int
    notes: tuple[str, ...]
    doubts: tuple[str, ...] = ()

    @property
    def unanchored(self) -> int:
        return max(0, self.entries - self.anchored)

    @property
    def is_whole(self) -> bool:
        return self.broken is None

    @property
    def is_sound(self) -> bool:
        """Tell whether nothing is broken and nobody has to look into anything."""
        return self.is_whole and not self.doubts


def signed(point: CheckPoint, key: Ed25519PrivateKey) -> str:
    """Return the line of the file for *point*, without its line end."""
    body = _body(point)
    signature = key.sign(rfc8785.dumps(body))
    return rfc8785.dumps({**body, "key": public_of(key), "signature": signature.hex()}).decode()


def _body(point: CheckPoint) -> dict[str, str | int]:
    return {
        "drorch": "audit-checkpoint-1",
        "record": point.record,
        "count": point.count,
        "head": point.head,
        "at": point.at,
    }


def read(line: str, trusted: frozenset[str]) -> CheckPoint:
    """Return the check-point in *line*. *trusted* are public keys in hex.

    Raises `ForgedError` with what is wrong with its key or its signature, and `ValueError` for
    what is no check-point.
    """
    told = json.loads(line)
    try:
        point = CheckPoint(
            record=str(told["record"]),
            count=int(told["count"]),
            head=str(told["head"]),
            at=str(told["at"]),
        )
        key, signature = str(told["key"]), bytes.fromhex(told["signature"])
    except (KeyError, TypeError, OverflowError) as error:
        raise ValueError("it is no check-point") from error
    if key not in trusted:
        raise ForgedError("it is signed with a key that is not trusted here")
    try:
        public = Ed25519PublicKey.from_public_bytes(bytes.fromhex(key))
        public.verify(signature, rfc8785.dumps(_body(point)))
    except InvalidSignature:
        raise ForgedError("its signature does not fit: it was changed") from None
    return point


def verdict(
    chain: Chain,
    lines: Iterable[str],
    trusted: frozenset[str],
    patience: timedelta = timedelta.max,
) -> Verdict:
    """Compare the record with its check-points: numbers *and* hashes.

    An entry that waited longer than *patience* for its check-point is told, too.
    """
    anchored, seen, last, forged = 0, 0, 0, 0
    notes: list[str] = []
    broken = chain.broken
    for number, line in enumerate(lines, start=1):
        try:
            point = read(line, trusted)
        except (ValueError, RecursionError) as error:
            notes.append(f"check-point {number}: {error}")
            forged += isinstance(error, ForgedError)
            continue
        seen += 1
        if point.count < last:
            notes.append(f"check-point {number} counts fewer entries than one before it")
        last = max(last, point.count)
        found = _contradicted(point, chain, anchored)
        if found is None:
            notes += _late(number, point, chain, anchored, patience)
            anchored = max(anchored, min(point.count, chain.count))
        elif broken is None or found.seq < broken.seq:
            broken = found
    return Verdict(
        entries=chain.count,
        anchored=anchored,
        broken=broken,
        checkpoints=seen,
        notes=tuple(notes),
        doubts=_doubts(forged),
    )


def _late(
    number: int, point: CheckPoint, chain: Chain, anchored: int, patience: timedelta
) -> list[str]:
    """Say that a check-point came late: whoever takes some away gets new ones from the engine."""
    if point.count <= anchored or anchored + 1 not in chain.times:
        return []
    since = chain.times[anchored + 1]
    try:
        waited = datetime.fromisoformat(point.at) - datetime.fromisoformat(since)
    except (ValueError, TypeError):
        return []
    if waited <= patience:
        return []
    told = (
        f"check-point {number}: it is of {point.at}, and the first to vouch for entry "
        f"{anchored + 1} of {since}: nothing of drorch ran in between, or others were taken away"
    )
    return [told]


def _doubts(forged: int) -> tuple[str, ...]:
    if not forged:
        return ()
    told = (
        f"{forged} check-points vouch for nothing: they were changed, or signed with a key that is "
        "not trusted here (a key that was replaced belongs into [audit] trusted)"
    )
    return (told,)


def overdue(found: Verdict, since: str) -> Verdict:
    """Return *found* with the doubt that entries from *since* on should have a check-point."""
    told = (
        f"entry {found.anchored + 1} is of {since}, and no check-point vouches for it: the "
        "check-points were taken away or are kept elsewhere, or nothing of drorch ran since"
    )
    return replace(found, doubts=(*found.doubts, told))


def _contradicted(point: CheckPoint, chain: Chain, anchored: int) -> Broken | None:
    first = chain.hashes.get(1, FIRST)
    if point.count > chain.count:
        if chain.broken is not None:
            return None  # the chain itself says where it breaks
        missing = chain.count + 1
        reason = (
            f"entry {missing} is missing: a check-point of {point.at} counted {point.count} "
            f"entries, {chain.count} are there"
        )
        return Broken(seq=missing, reason=reason)
    if point.count and point.record != first:
        return Broken(
            seq=1, reason=f"entry 1 is not the one that a check-point of {point.at} has seen"
        )
    if point.count and chain.hashes[point.count] != point.head:
        reason = (
            f"an entry from {anchored + 1} to {point.count} is not the one that a check-point of "
            f"{point.at} has seen: the record was written anew from there"
        )
        return Broken(seq=anchored + 1, reason=reason)
    return None


def public_of(key: Ed25519PrivateKey) -> str:
    """Return the public key in hex, as `read` wants it."""
    return key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw).hex()


def as_json(found: Verdict) -> Mapping[str, object]:
    """Return what every face says of the record."""
    broken = found.broken
    return {
        "ok": found.is_sound,
        "entries": found.entries,
        "anchored": found.anchored,
        "unanchored": found.unanchored,
        "checkpoints": found.checkpoints,
        "broken": None if broken is None else {"seq": broken.seq, "reason": broken.reason},
        "doubts": list(found.doubts),
        "notes": list(found.notes),
    }
