"""Shapes of single values that are measured: numbers, durations, times, truth values."""

from __future__ import annotations

from datetime import date, timedelta
from typing import ClassVar

from typing_extensions import override

from drorch.model.duration import format_duration
from plans.problems import Report
from plans.shapes.base import Definitions, JsonSchema, Shape
from plans.source.nodes import Node, Scalar, shorten
from plans.units import (
    CLOCK_TIME,
    DURATION,
    guess_duration,
    guess_time,
    is_duration,
)
from plans.units import parse_duration as parse

ZERO = timedelta(0)


class Integer(Shape[int]):
    """A whole number from ``least`` to ``most``."""

    def __init__(self, expected: str, *, least: int, most: int) -> None:
        self.expected = expected
        self._least = least
        self._most = most

    @override
    def read(self, node: Node, report: Report) -> int | None:
        value = node.value if isinstance(node, Scalar) else None
        if isinstance(value, bool) or not isinstance(value, int):
            number = value.strip() if isinstance(value, str) else ""
            hint = f"write it without quotes: {number}" if number.isdecimal() else ""
            self.refuse(node, report, hint or f"write a number from {self._least} to {self._most}")
            return None
        if not self._least <= value <= self._most:
            report.add(
                node.at,
                "out-of-range",
                f"{value} is not {self.expected}",
                f"write a number from {self._least} to {self._most}",
            )
            return None
        return value

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        return {"type": "integer", "minimum": self._least, "maximum": self._most}


class Port(Integer):
    part: ClassVar[str | None] = "port"

    def __init__(self) -> None:
        super().__init__("a port", least=1, most=65535)


class Flag(Shape[bool]):
    """``true`` or ``false``; YAML 1.1's other words are not understood."""

    expected = "true or false"

    @override
    def read(self, node: Node, report: Report) -> bool | None:
        if isinstance(node, Scalar) and isinstance(node.value, bool):
            return node.value
        self.refuse(node, report, "write true or false, without quotes")
        return None

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        return {"type": "boolean"}


class Duration(Shape[timedelta]):
    """A span of time with its units."""

    expected = "a duration such as 90s, 5m or 1h30m"

    def __init__(self, *, zero: bool = False) -> None:
        self._zero = zero

    @override
    def read(self, node: Node, report: Report) -> timedelta | None:
        text = node.text if isinstance(node, Scalar) else ""
        value = parse(text)
        if value is None and is_duration(text):
            report.add(node.at, "out-of-range", f"{text} is more than a year", "write less")
        elif value is None:
            self.refuse(node, report, _duration_hint(node), "bad-duration")
        elif value == ZERO and not self._zero:
            report.add(
                node.at,
                "out-of-range",
                "a duration of nothing makes no sense here",
                "write at least 1s, or delete the key for its default",
            )
        else:
            return value
        return None

    @override
    def schema(self, definitions: Definitions) -> JsonSchema:
        return definitions.refer("duration", self)

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        return {
            "type": "string",
            "pattern": f"^{DURATION}$",
            "description": "A duration such as 90s, 5m or 1h30m (units d, h, m, s, ms).",
            "examples": ["30s", "5m", "1h30m"],
        }


class ClockTime(Shape[str]):
    """A local time of day, HH:MM."""

    expected = 'a time of day such as "08:15"'

    @override
    def read(self, node: Node, report: Report) -> str | None:
        text = node.text if isinstance(node, Scalar) else ""
        if guess_time(text) == text:
            return text
        guess = guess_time(text)
        hint = f'write "{guess}"' if guess else 'write hours and minutes in quotes: "08:15"'
        self.refuse(node, report, hint, "bad-time")
        return None

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        return {"type": "string", "pattern": f"^{CLOCK_TIME}$"}


class Day(Shape[str]):
    """A date in ISO form."""

    expected = "a date such as 2026-12-25"

    @override
    def read(self, node: Node, report: Report) -> str | None:
        text = node.text if isinstance(node, Scalar) else ""
        try:
            day = date.fromisoformat(text)
        except ValueError:
            self.refuse(node, report, "write year-month-day: 2026-12-25", "bad-date")
            return None
        return day.isoformat()

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        return {"type": "string", "format": "date"}


def _duration_hint(node: Node) -> str:
    if not isinstance(node, Scalar):
        return "write a number with its unit, for example 5m"
    if isinstance(node.value, int) and not isinstance(node.value, bool) and node.value > 0:
        seconds = timedelta(seconds=min(node.value, 86_400))
        same = format_duration(seconds)
        other = f" (the same as {same})" if same != f"{node.value}s" else ""
        return (
            f"a number needs its unit: {node.value}s for seconds{other}, {node.value}m for minutes"
        )
    guess = guess_duration(shorten(node.text))
    return f"write {guess}" if guess else "write a number with its unit, for example 5m"
