"""Shapes of mappings with fixed keys, read into document classes."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any, Generic, TypeVar

from typing_extensions import override

from drorch.model.duration import format_duration
from plans.problems import START, Position, Report
from plans.shapes.base import Definitions, JsonSchema, Shape
from plans.shapes.keys import Key, refuse_key
from plans.source.nodes import Mapping, Node, Sequence


@dataclass(slots=True, kw_only=True)
class Document:
    """One mapping of the plan as written.

    ``written`` holds the place of every key, also of refused ones, ``meant`` the keys that
    refused ones probably stood for, so that nobody complains a second time about what is missing.
    ``flawed`` tells that something in it was refused.
    """

    at: Position = START
    written: dict[str, Position] = field(default_factory=dict)
    values_at: dict[str, Position] = field(default_factory=dict)
    meant: set[str] = field(default_factory=set)
    flawed: bool = False

    def place(self, name: str) -> Position:
        """Return where the value of *name* stands, or the mapping if it is absent."""
        return self.values_at.get(name, self.at)


D = TypeVar("D", bound=Document)


class Record(Shape[D], Generic[D]):
    """A mapping that is read into the document class *kind*, one field for each key.

    *example* is shown where something else stands in its place; *reserved* tells that keys of
    later versions are named as such; *rules* is JSON Schema that is added to what the keys give.
    """

    def __init__(
        self,
        kind: type[D],
        expected: str,
        *,
        about: str = "",
        example: str = "",
        reserved: bool = True,
        part: str | None = None,
        rules: JsonSchema | None = None,
    ) -> None:
        self.kind = kind
        self.expected = expected
        self.keys = {f.name.rstrip("_"): (f.name, _key(f)) for f in _declared(kind)}
        self._about = about
        self._example = example
        self._reserved = reserved
        self._part = part
        self._rules = rules or {}

    @override
    def read(self, node: Node, report: Report) -> D | None:
        if not isinstance(node, Mapping):
            self.refuse(node, report, self._hint(node))
            return None
        document = self.kind(at=node.at, flawed=node.flawed)
        for entry in node.entries:
            document.written[entry.key] = entry.at
            document.values_at[entry.key] = entry.value.at
            if entry.key in self.keys:
                self._take(document, entry.key, entry.value, report)
            else:
                document.flawed = True
                meant = refuse_key(entry, self.keys, self.expected, report, reserved=self._reserved)
                document.meant.add(meant or "")
        if not node.flawed:
            self._miss(document, report)
        return document

    def _take(self, document: D, name: str, node: Node, report: Report) -> None:
        attribute, declared = self.keys[name]
        value = declared.shape.read(node, report)
        if value is None:
            document.flawed = True
        else:
            setattr(document, attribute, value)

    def _miss(self, document: D, report: Report) -> None:
        for name, (_, declared) in self.keys.items():
            there = name in document.written or name in document.meant
            if declared.required and not there:
                report.add(
                    document.at,
                    "missing-key",
                    f'{self.expected} needs the key "{name}"',
                    f"add {name}: {declared.about[0].lower()}{declared.about[1:].rstrip('.')}",
                )

    def _hint(self, node: Node) -> str:
        if self._example:
            return f"write its keys and what they are, for example {self._example}"
        if isinstance(node, Sequence):
            return f"write keys without dashes: {', '.join(list(self.keys)[:4])}, ..."
        return f"write a mapping with the keys {', '.join(self.keys)}" if self.keys else "write {}"

    @override
    def schema(self, definitions: Definitions) -> JsonSchema:
        if self._part is not None:
            return definitions.refer(self._part, self)
        return self.describe_part(definitions)

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        schema: JsonSchema = {"type": "object", "additionalProperties": False}
        if self._about:
            schema["description"] = self._about
        schema["properties"] = {
            name: _property(declared, definitions) for name, (_, declared) in self.keys.items()
        }
        required = [name for name, (_, declared) in self.keys.items() if declared.required]
        if required:
            schema["required"] = required
        return schema | self._rules


def _declared(kind: type[Document]) -> list[dataclasses.Field[Any]]:
    return [f for f in dataclasses.fields(kind) if "key" in f.metadata]


def _key(declared: dataclasses.Field[Any]) -> Key:
    found: Key = declared.metadata["key"]
    return found


def _property(declared: Key, definitions: Definitions) -> JsonSchema:
    about = declared.about
    if declared.default_text:
        about += f" Default: {declared.default_text}."
    schema = declared.shape.schema(definitions) | {"description": about}
    if declared.default is not None:
        schema["default"] = _plain(declared.default)
    return schema


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, StrEnum):
        return value.value
    return list(value) if isinstance(value, tuple) else value
