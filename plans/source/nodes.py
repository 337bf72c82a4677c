"""The tree of a YAML document; each node, key and item knows where it stands."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from plans.problems import Position

Value: TypeAlias = str | int | float | bool | None


@dataclass(slots=True, eq=False)
class Scalar:
    """``value`` by the YAML 1.2 core rules; ``text`` as it was written."""

    at: Position
    value: Value
    text: str
    size: int = 1
    height: int = 0


@dataclass(slots=True, eq=False)
class Sequence:
    """``size`` counts the nodes with aliases expanded, ``height`` the levels below."""

    at: Position
    items: list[Node] = field(default_factory=list)
    size: int = 1
    height: int = 0


class Entry(NamedTuple):
    key: str
    at: Position
    value: Node


@dataclass(slots=True, eq=False)
class Mapping:
    """Keys are unique. ``flawed`` tells that some may be missing: refused, or not reached."""

    at: Position
    entries: list[Entry] = field(default_factory=list)
    flawed: bool = False
    size: int = 1
    height: int = 0

    def get(self, key: str) -> Entry | None:
        return next((entry for entry in self.entries if entry.key == key), None)


Node: TypeAlias = Scalar | Sequence | Mapping


def describe(node: Node) -> str:
    """Name what was found, for a sentence: ``the number 90``, ``a list``."""
    if isinstance(node, Sequence):
        return "a list"
    if isinstance(node, Mapping):
        return "a mapping"
    if node.value is None:
        return "nothing"
    if isinstance(node.value, bool):
        return f"the truth value {shorten(node.text)}"
    if isinstance(node.value, int | float):
        return f"the number {shorten(node.text)}"
    return f'the text "{shorten(node.text)}"'


def shorten(text: str, most: int = 60) -> str:
    """Return *text* on one line, at most *most* characters, safe to print."""
    line = "".join(c if c.isprintable() else " " for c in text)
    return line if len(line) <= most else line[: most - 1] + "…"
