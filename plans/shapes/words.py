"""Shapes of single values that are text: names, texts, choices, references."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar, Generic, TypeVar

from typing_extensions import override

from plans.problems import Position, Report
from plans.shapes.base import Definitions, JsonSchema, Shape, quoted
from plans.source.nodes import Node, Scalar, shorten

ID = r"[a-z0-9][a-z0-9._-]{0,62}"
ID_RULE = "lower-case letters, digits, - . _ (first a letter or digit), at most 63 characters"
_ID = re.compile(ID + r"\Z")
MOST_COMPARED = 200
MOST_LETTERS_OFF = 6
MOST_LETTERS = 200
E = TypeVar("E", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Name:
    """An id with the place where it stands, for references."""

    id: str
    at: Position


class Text(Shape[str]):
    """Text that may not be empty; a number has to be quoted unless ``numbers``."""

    def __init__(self, expected: str = "text", *, numbers: bool = False, most: int = 2000) -> None:
        self.expected = expected
        self._numbers = numbers
        self._most = most

    @override
    def read(self, node: Node, report: Report) -> str | None:
        if not isinstance(node, Scalar) or node.value is None:
            self.refuse(node, report, "write one line of text")
        elif not isinstance(node.value, str) and not self._numbers:
            self.refuse(node, report, f"quote it if it is text: {quoted(shorten(node.text))}")
        elif not node.text.strip():
            self.refuse(node, report, "write some text or delete the key")
        elif len(node.text) > self._most:
            report.add(
                node.at,
                "wrong-value",
                f"the text has {len(node.text)} characters, at most {self._most} are allowed",
                "make it shorter",
            )
        else:
            return node.text.strip()
        return None

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        kinds = ["string", "number", "boolean"] if self._numbers else "string"
        return {"type": kinds, "minLength": 1, "maxLength": self._most, "pattern": "\\S"}


class Identifier(Shape[Name]):
    """The name of a step, group, service, contact, connector, secret or callout."""

    part: ClassVar[str | None] = "id"

    def __init__(self, expected: str = "a name") -> None:
        self.expected = expected

    @override
    def read(self, node: Node, report: Report) -> Name | None:
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            hint = f"write {ID_RULE}"
            if isinstance(node, Scalar) and node.value is not None:
                hint = f"quote it: {quoted(shorten(node.text))}"
            self.refuse(node, report, hint)
            return None
        return Name(node.text, node.at) if valid_id(node.text, node.at, report) else None

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        return {"type": "string", "pattern": f"^{ID}$", "description": f"A name: {ID_RULE}."}


class Choice(Shape[E], Generic[E]):
    """One word out of a few."""

    def __init__(self, words: type[E]) -> None:
        self._words = words
        self.expected = listed([word.value for word in words])

    @override
    def read(self, node: Node, report: Report) -> E | None:
        text = node.text if isinstance(node, Scalar) else ""
        for word in self._words:
            if text == word.value:
                return word
        words = [word.value for word in self._words]
        self.refuse(node, report, nearest(text, words) or f"write {self.expected}", "wrong-value")
        return None

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        return {"enum": [word.value for word in self._words]}


class OneOf(Shape[str]):
    """One word out of a few, kept as text."""

    def __init__(self, words: Sequence[str]) -> None:
        self._words = tuple(words)
        self.expected = listed(self._words)

    @override
    def read(self, node: Node, report: Report) -> str | None:
        text = node.text if isinstance(node, Scalar) else ""
        if text in self._words:
            return text
        hint = nearest(text, self._words) or nearest(text.upper(), self._words)
        self.refuse(node, report, hint or f"write {self.expected}", "wrong-value")
        return None

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        return {"enum": list(self._words)}


def valid_id(text: str, at: Position, report: Report) -> bool:
    if _ID.match(text):
        return True
    # Letters keep their base: città becomes citta.
    # Only the beginning: a letter may come apart into eighteen.
    parts = unicodedata.normalize("NFKD", text[:MOST_LETTERS])
    bare = "".join(c for c in parts if not unicodedata.combining(c))
    better = re.sub(r"[^a-z0-9._-]+", "-", bare.lower()).strip("-._")[:63]
    hint = f"use {ID_RULE}"
    if better and better != text:
        hint += f"; for example {better}"
    report.add(at, "bad-id", f"{quoted(shorten(text))} is not a valid name", hint)
    return False


def closest(word: str, words: Iterable[str]) -> str | None:
    """Return that of *words* which was probably meant by *word*."""
    # difflib is quadratic in the length; nothing in the language is that long.
    near = [other for other in words if abs(len(other) - len(word)) <= MOST_LETTERS_OFF]
    if len(near) > MOST_COMPARED:
        # Ten thousand steps and as many typing errors must not cost minutes.
        near = [other for other in near if other[:1] == word[:1]][:MOST_COMPARED]
    # In a word of two or three letters one wrong letter is half of it.
    cutoff = 0.6 if len(word) > 3 else 0.5
    close = difflib.get_close_matches(word[:64], near, n=1, cutoff=cutoff)
    return close[0] if close else None


def nearest(word: str, words: Iterable[str]) -> str:
    """Return ``did you mean "x"?`` for the closest of *words*, or nothing."""
    close = closest(word, words)
    return "" if close is None else f'did you mean "{shorten(close)}"?'


def listed(words: Sequence[str]) -> str:
    """Write *words* as people do: ``a, b or c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} or {words[-1]}"
