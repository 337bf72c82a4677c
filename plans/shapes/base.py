"""What every shape can do: read a node, and say in JSON Schema what it reads."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Generic, TypeAlias, TypeVar

from plans.problems import Report
from plans.source.nodes import Node, describe

T = TypeVar("T")
JsonSchema: TypeAlias = dict[str, Any]


class Definitions:
    """The named parts of a schema, filled while it is written."""

    def __init__(self) -> None:
        self.parts: dict[str, JsonSchema] = {}

    def refer(self, name: str, shape: Shape[Any]) -> JsonSchema:
        """Return a reference to *shape*, describing it under *name* the first time."""
        if name not in self.parts:
            self.parts[name] = {}
            self.parts[name] = shape.describe_part(self)
        return {"$ref": f"#/$defs/{name}"}


class Shape(ABC, Generic[T]):
    """``expected`` names what it reads, for a sentence: "a duration such as 90s"."""

    expected: str = ""
    part: ClassVar[str | None] = None

    @abstractmethod
    def read(self, node: Node, report: Report) -> T | None:
        """Return what *node* says, or None with the reason in *report*."""

    @abstractmethod
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        """Return the JSON Schema of what `read` accepts."""

    def schema(self, definitions: Definitions) -> JsonSchema:
        if self.part is not None:
            return definitions.refer(self.part, self)
        return self.describe_part(definitions)

    def refuse(self, node: Node, report: Report, hint: str, code: str = "wrong-type") -> None:
        report.add(node.at, code, f"expected {self.expected}, found {describe(node)}", hint)


def quoted(text: str) -> str:
    """Return *text* in double quotes as YAML reads it back."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
