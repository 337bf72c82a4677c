"""Plans as tests write them, and YAML as plain values."""

from __future__ import annotations

from typing import Any

import plans
from drorch.model.plan import Plan, Step
from plans.problems import Report
from plans.source.nodes import Mapping, Node, Sequence
from plans.source.reader import read_tree

HEAD = "drorch: 1\nplan: tried\ndefaults: {connector: pve}\n"


def load(body: str, head: str = HEAD) -> Plan:
    return plans.load(head + body)


def step(keys: str) -> Step:
    """Load a plan of one step ``tried`` with *keys* (flow style)."""
    return load(f"steps:\n  tried: {{{keys}}}\n").steps[0]


def problems(body: str | bytes, head: str = HEAD) -> list[str]:
    """Return ``line:column code`` of everything that is wrong."""
    text = body if isinstance(body, bytes) else head + body
    try:
        plans.load(text)
    except plans.InvalidPlanError as error:
        return [f"{p.line}:{p.column} {p.code}" for p in error.problems]
    return []


def plain(text: bytes | str) -> Any:
    """Return the document as editors' schema checkers see it."""
    root = read_tree(text, Report("plain")).root
    assert root is not None
    return _plain(root)


def _plain(node: Node) -> Any:
    if isinstance(node, Mapping):
        return {entry.key: _plain(entry.value) for entry in node.entries}
    if isinstance(node, Sequence):
        return [_plain(item) for item in node.items]
    return node.value
