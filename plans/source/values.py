"""What a plain scalar means: the YAML 1.2 core rules, and nothing that surprises."""

from __future__ import annotations

import re

from plans.problems import Position, Report
from plans.source.nodes import Value, shorten

NULLS = frozenset({"", "~", "null", "Null", "NULL"})
TRUE = frozenset({"true", "True", "TRUE"})
FALSE = frozenset({"false", "False", "FALSE"})
NUMERIC_START = frozenset("0123456789+-.")
LEADING_ZERO = re.compile(r"[-+]?0[0-9]+\Z")
INTEGER = re.compile(r"[-+]?[0-9]+\Z")
OTHER_BASE = re.compile(r"0o[0-7]+\Z|0x[0-9a-fA-F]+\Z")
DECIMAL = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?\Z")
MOST_DIGITS = 18


def plain_value(text: str, at: Position, report: Report) -> Value:
    """Return the value of the unquoted *text*; doubtful numbers are reported."""
    if text in NULLS:
        return None
    if text in TRUE:
        return True
    if text in FALSE:
        return False
    return _number(text, at, report) if text[0] in NUMERIC_START else text


def _number(text: str, at: Position, report: Report) -> Value:
    if LEADING_ZERO.match(text) or OTHER_BASE.match(text):
        report.add(
            at,
            "ambiguous-number",
            f"{shorten(text)} reads as different numbers in different YAML programs",
            f'quote it if it is text: "{shorten(text)}"',
        )
        return text
    if INTEGER.match(text) and len(text) <= MOST_DIGITS:
        return int(text)
    return float(text) if DECIMAL.match(text) and len(text) <= MOST_DIGITS else text
