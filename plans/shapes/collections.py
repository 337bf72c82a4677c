"""Shapes of lists and of mappings with free keys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from typing_extensions import override

from plans.problems import Position, Report
from plans.shapes.base import Definitions, JsonSchema, Shape
from plans.shapes.keys import refuse_secret
from plans.shapes.words import Identifier, Text, valid_id
from plans.source.nodes import Mapping, Node, Scalar, Sequence, describe, shorten

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Item(Generic[T]):
    """One named entry of a mapping; ``at`` is where its name stands."""

    id: str
    at: Position
    value: T


class ListOf(Shape[list[T]], Generic[T]):
    def __init__(self, item: Shape[T], expected: str, *, single: bool = False) -> None:
        """*single* lets one item stand without a list around it."""
        self._item = item
        self._single = single
        self.expected = expected

    @override
    def read(self, node: Node, report: Report) -> list[T] | None:
        if not isinstance(node, Sequence):
            if self._single:
                value = self._item.read(node, report)
                return None if value is None else [value]
            self.refuse(node, report, self._hint(node))
            return None
        values = [self._item.read(item, report) for item in node.items]
        good = [value for value in values if value is not None]
        # None tells that something was there and was refused; an empty list that nothing was.
        return good if good or not values else None

    def _hint(self, node: Node) -> str:
        if isinstance(node, Scalar) and node.value is None:
            return "write at least one item, or delete the key"
        if isinstance(node, Scalar):
            return f"put it in brackets: [{shorten(node.text)}]"
        return "write it as a list: begin each item with a dash"

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        item = self._item.schema(definitions)
        several = {"type": "array", "items": item}
        return {"anyOf": [item, several]} if self._single else several


class MapOf(Shape[list[Item[T]]], Generic[T]):
    """Named entries in the order of the file; a name is an id."""

    def __init__(self, value: Shape[T], expected: str, example: str) -> None:
        self._value = value
        self._example = example
        self.expected = expected

    @override
    def read(self, node: Node, report: Report) -> list[Item[T]] | None:
        if not isinstance(node, Mapping):
            self.refuse(node, report, f"write a name, a colon and what it is: {self._example}")
            return None
        items = []
        for entry in node.entries:
            valid = valid_id(entry.key, entry.at, report)
            value = self._value.read(entry.value, report)
            if valid and value is not None:
                items.append(Item(entry.key, entry.at, value))
            else:
                node.flawed = True
        return items

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        return {
            "type": "object",
            "propertyNames": Identifier().schema(definitions),
            "additionalProperties": self._value.schema(definitions),
        }


class FreeMap(Shape[dict[str, str]]):
    """Free keys with short texts; keys that look like a secret are refused."""

    def __init__(self, expected: str) -> None:
        self.expected = expected

    @override
    def read(self, node: Node, report: Report) -> dict[str, str] | None:
        if not isinstance(node, Mapping):
            self.refuse(node, report, "write keys and texts, for example {zone: comune.example}")
            return None
        text = Text(numbers=True)
        result = {}
        for entry in node.entries:
            if refuse_secret(entry, report):
                continue
            if not isinstance(entry.value, Scalar):
                report.add(
                    entry.value.at,
                    "wrong-type",
                    f"expected text, found {describe(entry.value)}",
                    "write one line of text",
                )
            elif (value := text.read(entry.value, report)) is not None:
                result[entry.key] = value
        return result

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        return {
            "type": "object",
            "additionalProperties": {"type": ["string", "number", "boolean"]},
        }
