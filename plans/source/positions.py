"""Where the parts of a plan stand in its file."""

from __future__ import annotations

from plans.problems import START, Position
from plans.source.nodes import Entry, Mapping, Node, Sequence


class Positions:
    """Where the parts of a plan stand in its file."""

    def __init__(self, root: Node) -> None:
        self._root = root
        # Whoever asks for every step would otherwise search all steps for each of them.
        self._indexes: dict[int, dict[str, Entry]] = {}

    def find(self, *path: str | int) -> Position:
        """Return the place of the key or item at *path*, or of what comes nearest to it.

        ``find("steps", "dc01", "verify", 0)`` is the first check of the step dc01.
        """
        node, at = self._root, START
        for part in path:
            if isinstance(node, Mapping) and isinstance(part, str):
                entry = self._index(node).get(part)
                if entry is None:
                    break
                node, at = entry.value, entry.at
            elif isinstance(node, Sequence) and isinstance(part, int) and part < len(node.items):
                node = node.items[part]
                at = node.at
            else:
                break
        return at

    def _index(self, node: Mapping) -> dict[str, Entry]:
        index = self._indexes.get(id(node))
        if index is None:
            index = self._indexes[id(node)] = {entry.key: entry for entry in node.entries}
        return index
