"""How many steps wait behind each other one: what a person does first is what frees most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from api.cli.access import Json


def count_behind(steps: Sequence[Json]) -> dict[str, int]:
    """Return for each step how many others need it, directly or not."""
    number = {step["id"]: place for place, step in enumerate(steps)}
    members: dict[str, int] = {}
    for place, step in enumerate(steps):
        if step["group"]:
            members[step["group"]] = members.get(step["group"], 0) | 1 << place
    after: list[list[int]] = [[] for _ in steps]
    for place, step in enumerate(steps):
        for need in step["depends_on"]:
            for before in _places(need["step"], number, members):
                after[before].append(place)
    return _closed(steps, after)


def _places(target: str, number: Mapping[str, int], members: Mapping[str, int]) -> list[int]:
    if target in number:
        return [number[target]]
    mask, places = members.get(target, 0), []
    while mask:
        low = mask & -mask
        places.append(low.bit_length() - 1)
        mask ^= low
    return places


def _closed(steps: Sequence[Json], after: Sequence[Sequence[int]]) -> dict[str, int]:
    """Count by sets of bits, so that ten thousand steps cost no more than a blink each."""
    masks: list[int | None] = [None] * len(steps)
    for start in range(len(steps)):
        stack = [start]
        while stack:
            place = stack[-1]
            missing = [n for n in after[place] if masks[n] is None]
            if missing:
                stack += missing
                continue
            stack.pop()
            mask = 0
            for n in after[place]:
                mask |= (masks[n] or 0) | 1 << n
            masks[place] = mask
    return {step["id"]: (masks[n] or 0).bit_count() for n, step in enumerate(steps)}
