"""What a plan's references may point to."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Iterable
from dataclasses import dataclass

from plans.problems import Position, Report
from plans.shapes.words import Name, nearest
from plans.source.nodes import Mapping, Node, shorten

MOST_GUESSES = 50
"""So many get a guess of what was meant: each is compared with every name of the plan."""


@dataclass(frozen=True, slots=True)
class Names:
    """The names as the tree holds them, so that a step that is wrong inside is still known."""

    steps: dict[str, Position]
    groups: dict[str, Position]
    contacts: dict[str, Position]
    steps_or_groups: dict[str, Position]


def names_in(root: Node) -> Names:
    steps, groups = _keys(root, "steps"), _keys(root, "groups")
    return Names(steps, groups, _keys(root, "contacts"), steps | groups)


def check_name(name: Name | None, known: Collection[str], what: str, report: Report) -> None:
    """Report *name* if no *what* (``contact``) of that name exists."""
    if name is not None and name.id not in known:
        unknown(name.id, name.at, known, what, report)


def unknown(name: str, at: Position, known: Collection[str], what: str, report: Report) -> None:
    if report.full:
        return
    hint = f"correct it, or define the {what} first"
    if report.count("unknown-reference") < MOST_GUESSES:
        hint = nearest(name, known) or _offer(known, what)
    report.add(at, "unknown-reference", f'there is no {what} "{name}"', hint)


def _offer(known: Iterable[str], what: str) -> str:
    names = heapq.nsmallest(9, known)
    if not names:
        return f"define it first: the plan has no {what}"
    more = ", ..." if len(names) > 8 else ""
    return f"define it, or use one of: {', '.join(shorten(name) for name in names[:8])}{more}"


def _keys(root: Node, section: str) -> dict[str, Position]:
    entry = root.get(section) if isinstance(root, Mapping) else None
    if entry is None or not isinstance(entry.value, Mapping):
        return {}
    return {item.key: item.at for item in entry.value.entries}
