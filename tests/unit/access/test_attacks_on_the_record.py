"""A thousand attacks on the record, by somebody who may write to the database: all are found."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from drorch.access.checkpoints import CheckPoint, Verdict, as_json, public_of, signed, verdict
from drorch.access.record import FIRST, Filed, Line, digest, follow, sealed

KEY, OTHER = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
TRUSTED = frozenset({public_of(KEY)})
Record = list[Line]
Attack = Callable[[Record, int, random.Random], Record]
"""Changes something at an entry that a check-point vouches for, or before it."""


def written(count: int, start: int = 0, previous: str = FIRST) -> Record:
    lines: Record = []
    for number in range(start + 1, start + count + 1):
        content = {"action": "run.start", "object": f"run/{number}", "actor": {"name": "mario"}}
        lines.append(sealed(number, previous, content))
        previous = lines[-1].hash
    return lines


def point(record: Record, count: int, key: Ed25519PrivateKey = KEY) -> str:
    found = CheckPoint(record=record[0].hash, count=count, head=record[count - 1].hash, at="then")
    return signed(found, key)


def looked_at(record: Record, points: Sequence[str]) -> Verdict:
    return verdict(follow(record), points, TRUSTED)


def edit(record: Record, at: int, dice: random.Random) -> Record:
    """Change the text of an entry."""
    line = record[at]
    position = dice.randrange(len(line.entry))
    other = chr((ord(line.entry[position]) + dice.randrange(1, 90) - 32) % 95 + 32)
    if other == line.entry[position]:
        other = "#"
    text = line.entry[:position] + other + line.entry[position + 1 :]
    return [*record[:at], line._replace(entry=text), *record[at + 1 :]]


def edit_and_seal(record: Record, at: int, dice: random.Random) -> Record:
    """Change an entry and give it the hash that fits; what follows stays."""
    line = record[at]
    content = {**json.loads(line.entry), "actor": {"name": f"luca {dice.random()}"}}
    previous = content.pop("prev")
    content.pop("seq")
    return [*record[:at], sealed(line.seq, previous, content), *record[at + 1 :]]


def rewrite(record: Record, at: int, dice: random.Random) -> Record:
    """Change an entry and all hashes behind it: the chain alone is whole again."""
    lines = record[:at]
    previous = lines[-1].hash if lines else FIRST
    for line in record[at:]:
        content = json.loads(line.entry)
        content.pop("prev"), content.pop("seq")
        if line.seq == at + 1:
            content["actor"] = {"name": f"luca {dice.random()}"}
        lines.append(sealed(line.seq, previous, content))
        previous = lines[-1].hash
    return lines


def delete(record: Record, at: int, _: random.Random) -> Record:
    return [*record[:at], *record[at + 1 :]]


def delete_and_renumber(record: Record, at: int, dice: random.Random) -> Record:
    """Leave an entry out, and write the rest anew so that nothing seems to be missing."""
    lines = record[:at]
    previous = lines[-1].hash if lines else FIRST
    for line in record[at + 1 :]:
        content = json.loads(line.entry)
        content.pop("prev"), content.pop("seq")
        lines.append(sealed(len(lines) + 1, previous, content))
        previous = lines[-1].hash
    del dice
    return lines


def truncate(record: Record, at: int, _: random.Random) -> Record:
    return record[:at]


def swap(record: Record, at: int, dice: random.Random) -> Record:
    """Exchange the texts of two entries."""
    other = dice.choice([n for n in range(len(record)) if n != at])
    lines = list(record)
    lines[at] = record[at]._replace(entry=record[other].entry)
    lines[other] = record[other]._replace(entry=record[at].entry)
    return lines


def swap_whole(record: Record, at: int, dice: random.Random) -> Record:
    """Exchange two entries with their hashes, each under the other's number."""
    other = dice.choice([n for n in range(len(record)) if n != at])
    lines = list(record)
    lines[at] = record[other]._replace(seq=record[at].seq)
    lines[other] = record[at]._replace(seq=record[other].seq)
    return lines


def insert(record: Record, at: int, dice: random.Random) -> Record:
    """Put an entry between two others, and write the rest anew."""
    previous = record[at - 1].hash if at else FIRST
    lines = [*record[:at], sealed(at + 1, previous, {"action": f"invented {dice.random()}"})]
    for line in record[at:]:
        content = json.loads(line.entry)
        content.pop("prev"), content.pop("seq")
        lines.append(sealed(len(lines) + 1, lines[-1].hash, content))
    return lines


def other_form(record: Record, at: int, _: random.Random) -> Record:
    """Write the same content in another form of JSON, with a hash that fits."""
    line = record[at]
    text = json.dumps(json.loads(line.entry), indent=1)
    previous = json.loads(line.entry)["prev"]
    spoiled = line._replace(entry=text, hash=digest(previous, text))
    return [*record[:at], spoiled, *record[at + 1 :]]


def file_elsewhere(record: Record, at: int, dice: random.Random) -> Record:
    """Leave the entry as it is, and change one of the words under which it is looked for."""
    line = record[at]
    word = dice.choice(Filed._fields)
    other = line.filed._replace(**{word: f"another {dice.random()}"})
    return [*record[:at], line._replace(filed=other), *record[at + 1 :]]


def all_anew(record: Record, _: int, dice: random.Random) -> Record:
    """Forget all of it, and write another history of the same length."""
    lines: Record = []
    for number in range(1, len(record) + 1):
        content = {"action": "run.start", "object": f"run/{number} {dice.random()}"}
        lines.append(sealed(number, lines[-1].hash if lines else FIRST, content))
    return lines


ATTACKS: tuple[Attack, ...] = (
    edit,
    edit_and_seal,
    rewrite,
    delete,
    delete_and_renumber,
    truncate,
    swap,
    swap_whole,
    insert,
    other_form,
    file_elsewhere,
    all_anew,
)


def test_a_thousand_attacks_are_found() -> None:
    """Whatever the attacker does up to the last check-point, without its key."""
    dice = random.Random(20261122)
    missed, late = [], []
    for number in range(1000):
        count = dice.randrange(2, 25)
        record = written(count)
        counts = sorted(dice.sample(range(1, count + 1), dice.randrange(1, min(4, count) + 1)))
        points = [point(record, one) for one in counts]
        at = dice.randrange(counts[-1])
        attack = ATTACKS[number % len(ATTACKS)]
        found = looked_at(attack(record, at, dice), points)
        told = f"{number} {attack.__name__} at {at + 1} of {count}, anchored {counts}"
        if found.broken is None:
            missed.append(told)
        elif attack is not all_anew and found.broken.seq > counts[-1]:
            late.append(told)
    assert missed == []
    assert late == []


@pytest.mark.parametrize(
    "attack", [edit, edit_and_seal, delete, swap, swap_whole, other_form, file_elsewhere]
)
def test_the_first_broken_entry_is_named(attack: Attack) -> None:
    record = written(12)
    dice = random.Random(7)
    # The last entry, sealed anew, has none behind it: there the check-point tells the range.
    for at in range(11 if attack is edit_and_seal else 12):
        spoiled = attack(record, at, dice)
        pairs = zip(record, [*spoiled, None], strict=False)
        first = next(n for n, (was, now) in enumerate(pairs, 1) if was != now)
        found = looked_at(spoiled, [point(record, 12)])
        assert found.broken is not None
        # An entry that was sealed anew is itself well chained; the one behind it tells.
        assert first <= found.broken.seq <= first + (attack is edit_and_seal)


def test_what_a_check_point_vouches_for_narrows_a_rewritten_chain() -> None:
    record = written(20)
    points = [point(record, 5), point(record, 10), point(record, 20)]
    dice = random.Random(1)
    found = looked_at(rewrite(record, 12, dice), points)
    assert found.broken is not None
    assert found.broken.seq == 11
    assert "from 11 to 20" in found.broken.reason
    assert found.anchored == 10


def test_the_tail_that_nobody_vouches_for_is_named() -> None:
    record = written(20)
    found = looked_at(record, [point(record, 15)])
    assert (found.is_whole, found.entries, found.anchored, found.unanchored) == (True, 20, 15, 5)
    # That is the promise, and its limit: behind the last check-point a cut cannot be seen.
    assert looked_at(record[:16], [point(record, 15)]).is_whole
    assert not looked_at(record[:14], [point(record, 15)]).is_whole
    assert as_json(found)["unanchored"] == 5


def test_a_rebuilt_chain_with_check_points_of_another_key_is_found() -> None:
    record, dice = written(10), random.Random(3)
    forged = all_anew(record, 0, dice)
    kept = looked_at(forged, [point(record, 10), point(forged, 10, OTHER)])
    assert kept.broken is not None
    assert kept.broken.seq == 1
    replaced = looked_at(forged, [point(forged, 10, OTHER)])
    assert (replaced.anchored, replaced.unanchored) == (0, 10)
    assert "not trusted" in replaced.notes[0]
    assert not replaced.is_sound
    assert as_json(replaced)["ok"] is False


def test_with_the_signing_key_only_the_check_points_elsewhere_tell() -> None:
    """Who has the key can vouch for a forgery: that is why the file belongs on another disk."""
    record, dice = written(10), random.Random(4)
    forged = all_anew(record, 0, dice)
    assert looked_at(forged, [point(forged, 10)]).is_whole
    assert not looked_at(forged, [point(record, 4), point(forged, 10)]).is_whole


def test_check_points_that_were_spoiled_vouch_for_nothing() -> None:
    record = written(6)
    line = point(record, 6)
    told = json.loads(line)
    spoiled = [
        line[:-10],
        "",
        "[]",
        "null",
        "{}",
        json.dumps({**told, "count": 3}),
        json.dumps({**told, "head": FIRST}),
        json.dumps({**told, "at": "now"}),
        json.dumps({**told, "signature": "00" * 64}),
        json.dumps({**told, "signature": "zz"}),
        json.dumps({**told, "count": "x"}),
        "[" * 5000,
    ]
    found = looked_at(record, spoiled)
    assert (found.anchored, found.checkpoints, len(found.notes)) == (0, 0, len(spoiled))
    assert found.is_whole


def test_older_check_points_behind_newer_ones_are_told() -> None:
    record = written(6)
    found = looked_at(record, [point(record, 6), point(record, 3)])
    assert found.is_whole
    assert "fewer entries" in found.notes[0]


def test_an_empty_record_is_whole_and_a_vanished_one_is_not() -> None:
    assert looked_at([], []).is_whole
    found = looked_at([], [point(written(3), 3)])
    assert found.broken is not None
    assert "entry 1 is missing" in found.broken.reason
