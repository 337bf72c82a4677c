"""Reads YAML parser events into a tree, strictly and within limits.

No constructor ever runs: tags are refused, aliases are counted instead of expanded, and reading
stops at a limit, because libyaml itself grows quadratic on documents nested without end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NoReturn

import yaml

from plans.problems import START, Position, Report
from plans.source.nodes import Entry, Mapping, Node, Scalar, Sequence, shorten
from plans.source.syntax import report_syntax
from plans.source.text import FORBIDDEN, decode
from plans.source.values import plain_value

MOST_DEPTH = 32
MOST_NODES = 150_000
"""Enough for ten thousand machines with their checks; more would take seconds to read."""
MOST_EXPANDED_NODES = 100_000

PARSER: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class _GiveUpError(Exception):
    """Nothing after this point can be read; the reason is in the report."""

    def __init__(self, at: Position) -> None:
        super().__init__()
        self.at = at


class _Open:
    """A collection whose end has not come; ``key`` waits for its value (None: a refused key)."""

    __slots__ = ("anchor", "key", "node", "seen")

    def __init__(self, node: Sequence | Mapping, anchor: str | None) -> None:
        self.node = node
        self.anchor = anchor
        self.key: tuple[str | None, Position] | None = None
        self.seen: dict[str, Position] = {}

    @property
    def awaits_key(self) -> bool:
        return isinstance(self.node, Mapping) and self.key is None


@dataclass(frozen=True, slots=True)
class Tree:
    """What was read: ``root`` is None without a document, ``stopped`` tells where it was cut."""

    root: Node | None
    stopped: Position | None = None


def read_tree(source: bytes | str, report: Report) -> Tree:
    """Read one YAML document; everything wrong with it goes to *report*."""
    text = decode(source, report)
    if text is None:
        return Tree(None, START)
    builder = _Builder(report)
    try:
        for event in yaml.parse(text, Loader=PARSER):
            builder.take(event)
    except _GiveUpError as stop:
        return Tree(builder.cut_short(), stop.at)
    except yaml.YAMLError as error:
        return Tree(builder.cut_short(), report_syntax(error, text, report))
    return Tree(builder.root)


class _Builder:
    def __init__(self, report: Report) -> None:
        self.root: Node | None = None
        self._report = report
        self._open: list[_Open] = []
        self._anchors: dict[str, Node] = {}
        self._documents = 0
        self._nodes = 0
        self._aliased: Position | None = None

    def take(self, event: yaml.Event) -> None:
        if getattr(event, "tag", None) is not None:
            self._refuse_tag(event)
        match event:
            case yaml.ScalarEvent():
                self._scalar(event)
            case yaml.MappingStartEvent():
                self._begin(Mapping(_at(event)), event.anchor)
            case yaml.SequenceStartEvent():
                self._begin(Sequence(_at(event)), event.anchor)
            case yaml.CollectionEndEvent():
                self._end()
            case yaml.AliasEvent():
                self._alias(str(event.anchor), _at(event))
            case yaml.DocumentStartEvent():
                self._document(_at(event))
            case _:
                pass

    def cut_short(self) -> Node | None:
        """Return what was complete when reading stopped."""
        while self._open:
            opened = self._open.pop()
            node = opened.node
            if isinstance(node, Mapping):
                node.flawed = True
            holder = self._open[-1] if self._open else None
            if holder is None:
                self.root = node
            elif isinstance(holder.node, Sequence):
                holder.node.items.append(node)
            elif holder.key is not None and holder.key[0] is not None:
                holder.node.entries.append(Entry(holder.key[0], holder.key[1], node))
        return self.root

    def _document(self, at: Position) -> None:
        self._documents += 1
        if self._documents > 1:
            self._give_up(
                at,
                "several-documents",
                "a second YAML document begins here",
                "a file holds one plan: delete the line --- or move what follows to its own file",
            )

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        at = _at(event)
        plain = not event.style and event.implicit[0]
        key = bool(self._open) and self._open[-1].awaits_key
        if key:
            self._key(event.value, plain, at)
            return
        value = plain_value(event.value, at, self._report) if plain else event.value
        if not plain:
            self._refuse_controls(event.value, at)
        self._place(Scalar(at, value, event.value), event.anchor)

    def _key(self, text: str, plain: bool, at: Position) -> None:
        opened = self._open[-1]
        self._count()
        opened.node.size += 1
        opened.key = (text, at)
        if plain and text == "<<":
            self._refuse_key(
                at,
                "merge-key",
                "merge keys (<<) are not part of the language",
                "put what is common under defaults or into a group",
            )
        elif plain and not isinstance(plain_value(text, at, self._report), str):
            shown = shorten(text) or "(empty)"
            self._refuse_key(
                at, "key-not-text", f"the key {shown} is not text", f'quote it: "{shorten(text)}"'
            )
        elif text in opened.seen:
            first = opened.seen[text]
            self._refuse_key(
                at,
                "duplicate-key",
                f'the key "{shorten(text)}" stands here a second time',
                f"the first is at line {first.line}, column {first.column}; keep one of the two",
            )
        else:
            opened.seen[text] = at

    def _refuse_key(self, at: Position, code: str, message: str, hint: str) -> None:
        """Report the key that was just read and drop it with its value."""
        self._report.add(at, code, message, hint)
        opened = self._open[-1]
        if isinstance(opened.node, Mapping) and code != "duplicate-key":
            opened.node.flawed = True
        opened.key = (None, at)

    def _begin(self, node: Sequence | Mapping, anchor: str | None) -> None:
        if len(self._open) >= MOST_DEPTH:
            self._too_deep(node.at)
        if self._open and self._open[-1].awaits_key:
            self._give_up(
                node.at,
                "key-not-text",
                "a list or a mapping stands where a key should",
                "text with { } or [ ] has to be quoted; see whether a key is missing",
            )
        self._open.append(_Open(node, anchor))

    def _end(self) -> None:
        opened = self._open.pop()
        self._place(opened.node, opened.anchor)

    def _alias(self, name: str, at: Position) -> None:
        self._aliased = self._aliased or at
        if self._open and self._open[-1].awaits_key:
            self._give_up(
                at, "key-not-text", "an alias stands where a key should", "write the key itself"
            )
        if any(opened.anchor == name for opened in self._open):
            self._give_up(
                at,
                "alias-cycle",
                f"the alias *{shorten(name)} stands inside what it repeats",
                "an alias can repeat only what is complete before it",
            )
        node = self._anchors.get(name)
        if node is None:
            self._report.add(
                at,
                "unknown-alias",
                f"nothing before this line is marked &{shorten(name)}",
                "mark what should be repeated, or quote text that begins with *",
            )
            self._skip()
            return
        if len(self._open) + node.height > MOST_DEPTH:
            self._too_deep(at)
        self._place(node, None)

    def _skip(self) -> None:
        """Leave out a value that was refused, and its key."""
        opened = self._open[-1] if self._open else None
        if opened is not None and isinstance(opened.node, Mapping):
            opened.node.flawed = True
            opened.key = None

    def _place(self, node: Node, anchor: str | None) -> None:
        self._count()
        if anchor is not None:
            self._anchors[anchor] = node
        if not self._open:
            self.root = node
            return
        opened = self._open[-1]
        holder = opened.node
        holder.size += node.size
        holder.height = max(holder.height, node.height + 1)
        if isinstance(holder, Sequence):
            holder.items.append(node)
        elif opened.key is not None:
            key, at = opened.key
            opened.key = None
            if key is not None:
                holder.entries.append(Entry(key, at, node))
        if self._aliased is not None:
            self._limit_expansion(holder, self._aliased)

    def _limit_expansion(self, holder: Node, aliased: Position) -> None:
        if holder.size > MOST_EXPANDED_NODES:
            self._give_up(
                aliased,
                "explodes",
                f"with its aliases written out the document has over {MOST_EXPANDED_NODES} nodes",
                "use fewer aliases; defaults and groups say the same in less",
            )

    def _count(self) -> None:
        self._nodes += 1
        if self._report.full:
            raise _GiveUpError(START)  # whatever else is wrong would be dropped
        if self._nodes > MOST_NODES:
            self._give_up(
                START,
                "file-too-large",
                f"the document has more than {MOST_NODES} nodes",
                "split it into several plans",
            )

    def _too_deep(self, at: Position) -> None:
        self._give_up(
            at,
            "too-deep",
            f"nested more than {MOST_DEPTH} levels deep",
            "no key of a plan needs more than six; look for brackets that are not closed",
        )

    def _refuse_tag(self, event: Any) -> None:
        tag = str(event.tag).replace("tag:yaml.org,2002:", "!!")
        self._report.add(
            _at(event),
            "tag",
            f"the tag {shorten(tag)} is not allowed",
            "delete it; quote text that begins with !",
        )

    def _refuse_controls(self, text: str, at: Position) -> None:
        found = FORBIDDEN.search(text)
        if found is not None:
            self._report.add(
                at,
                "control-character",
                f"the text holds the character U+{ord(found.group()):04X}, which is not allowed",
                "delete its escape sequence",
            )

    def _give_up(self, at: Position, code: str, message: str, hint: str) -> NoReturn:
        self._report.add(at, code, message, hint)
        raise _GiveUpError(at)


def _at(event: yaml.Event) -> Position:
    mark = event.start_mark
    return START if mark is None else Position(mark.line + 1, mark.column + 1)
