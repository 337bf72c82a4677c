"""From many nodes to few boxes: which boxes need which, without circles and repetitions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from api.dashboard.graph.layout import longest_paths

Line = tuple[int, int]


def circles(count: int, lines: Iterable[Line]) -> list[list[int]]:
    """Return *count* nodes in sets: nodes that need each other, directly or not, are in one.

    Sets and their members are in the order of the nodes' numbers.
    """
    after: list[list[int]] = [[] for _ in range(count)]
    before: list[list[int]] = [[] for _ in range(count)]
    for source, target in lines:
        after[source].append(target)
        before[target].append(source)
    seen = [False] * count
    done: list[int] = []
    for node in range(count):
        done += _reached(node, after, seen)
    seen = [False] * count
    sets = [sorted(found) for node in reversed(done) if (found := _reached(node, before, seen))]
    return sorted(sets)


def _reached(start: int, ways: Sequence[Sequence[int]], seen: list[bool]) -> list[int]:
    """Return what is reached from *start* and was not seen before, in the order of leaving it."""
    if seen[start]:
        return []
    seen[start] = True
    left: list[int] = []
    path = [(start, iter(ways[start]))]
    while path:
        node, further = path[-1]
        for other in further:
            if not seen[other]:
                seen[other] = True
                path.append((other, iter(ways[other])))
                break
        else:
            left.append(node)
            path.pop()
    return left


def reduced(count: int, lines: Iterable[Line]) -> list[Line]:
    """Return *lines* without those that follow from others; they form no circle."""
    unique = sorted(set(lines))
    layer = longest_paths(count, unique)
    after: list[list[int]] = [[] for _ in range(count)]
    for source, target in unique:
        after[source].append(target)
    reach = [0] * count
    kept: list[Line] = []
    for node in sorted(range(count), key=lambda n: -layer[n]):
        for target in sorted(after[node], key=lambda n: layer[n]):
            if not reach[node] >> target & 1:
                kept.append((node, target))
            reach[node] |= reach[target] | 1 << target
    return sorted(kept)
