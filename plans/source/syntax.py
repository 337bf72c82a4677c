"""YAML's own syntax errors in the words of somebody who edits a plan."""

from __future__ import annotations

import re
from typing import NamedTuple

import yaml

from plans.problems import START, Position, Report

# By a part of what libyaml or PyYAML say; the first that fits.
WORDS = (
    (
        "found unexpected ':'",
        "a colon with nothing after it",
        "write a value after the colon; in { } an empty one is {}",
    ),
    (
        "mapping values are not allowed",
        "a colon where no key can stand",
        "check the indentation here; text that holds ': ' has to be quoted",
    ),
    (
        "could not find expected ':'",
        "a key without a colon after it",
        "write key: value, with a space after the colon",
    ),
    (
        "block sequence entries are not allowed",
        "a list item where none can stand",
        "put the list below its key, each item on a line of its own",
    ),
    (
        "unexpected end of stream",
        "a quote is opened here and never closed",
        "close it, or quote the whole text the other way",
    ),
    (
        "document indicator",
        "a quoted text runs into --- or ...",
        "close the quote before that line",
    ),
    (
        "unknown escape character",
        "an unknown escape sequence in double quotes",
        r"use single quotes, or write the backslash twice: \\",
    ),
    (
        "escape code",
        "an escape sequence that names no character",
        "write the character itself",
    ),
    ("hexdecimal", "an escape sequence that names no character", "write the character itself"),
    (
        "alphabetic or numeric character",
        "* and & begin an alias or an anchor, and no name follows",
        "quote text that begins with * or &",
    ),
    (
        "<document start>",
        "text after the end of the document",
        "a plan is one document: delete the line ... or what follows it",
    ),
    (
        "expected '-' indicator",
        "a key among list items",
        "indent it under its item, or end the list",
    ),
    (
        "expected key",
        "this line belongs to no key",
        "check its indentation against the lines above",
    ),
    (
        "<block end>",
        "this line belongs to no key",
        "check its indentation against the lines above",
    ),
    ("',' or ']'", "a list in [ ] is not closed", "put a comma between items and ] at the end"),
    ("',' or '}'", "a mapping in { } is not closed", "put a comma between keys and } at the end"),
    (
        "node content",
        "a value was expected here",
        "write one, or delete the comma or bracket that stands in its place",
    ),
    ("YAML document", "this version of YAML is not supported", "delete the %YAML line"),
    ("directive", "% begins a YAML directive", "quote text that begins with %"),
    ("tag", "! begins a YAML tag", "quote text that begins with !"),
    ("tab character", "a tab is used for indentation", "use spaces"),
    ("block scalar", "a text block that begins wrongly", "write | or > alone and indent the text"),
)


# The parser's positions count these lines; editors do not know the last three.
_LINE_END = re.compile("\r\n|[\r\n\x85\u2028\u2029]")
_LONE_KEY = re.compile(r"( *)([\w.-]+)\s*")
_KEY_WITH_VALUE = re.compile(r"((?: |- )*)([\w.-]+):\s+[^\s#|>&]")

# Where these begin is where the hand goes; where they are noticed helps nobody.
OPENED = ("end of stream", "',' or ']'", "',' or '}'")


def report_syntax(error: yaml.YAMLError, text: str, report: Report) -> Position:
    """Add *error* to *report*: position, plain words, cure; return the position."""
    problem = str(getattr(error, "problem", None) or "")
    context = str(getattr(error, "context", None) or "")
    noticed = _position(error, "problem_mark") or START
    opened = _position(error, "context_mark") if any(part in problem for part in OPENED) else None
    lines = _LINE_END.split(text)
    if "mapping values" in problem and (swallowed := _deeper_than(lines, noticed)):
        report.add(swallowed.at, "yaml-syntax", "this line is indented too deep", swallowed.hint)
        return swallowed.before
    if "mapping values" in problem and (before := _line_without_colon(lines, noticed)):
        report.add(before, "yaml-syntax", "a key without a colon", "write key: value")
        return before
    at = opened or noticed
    message, hint = _words(f"{problem} {context}", _character(lines, at))
    if opened is not None and opened.line != noticed.line and noticed.line < len(lines):
        hint += f"; noticed at line {noticed.line}, column {noticed.column}"
    report.add(at, "yaml-syntax", message, hint)
    return at


def _position(error: yaml.YAMLError, name: str) -> Position | None:
    mark = getattr(error, name, None)
    return None if mark is None else Position(mark.line + 1, mark.column + 1)


class _Swallowed(NamedTuple):
    """A key that was read as the end of the value above it; nothing from there on is right."""

    at: Position
    before: Position
    hint: str


def _deeper_than(lines: list[str], at: Position) -> _Swallowed | None:
    """Return what is wrong if the key at *at* stands deeper than the key of the line above."""
    own = _LONE_KEY.fullmatch(lines[at.line - 1][: at.column - 1])
    above = at.line - 2
    while above >= 0 and not lines[above].strip():
        above -= 1
    line = _KEY_WITH_VALUE.match(lines[above]) if above >= 0 else None
    if own is None or line is None or len(own[1]) <= len(line[1]):
        return None
    return _Swallowed(
        Position(at.line, len(own[1]) + 1),
        Position(above + 1, 1),
        f'line {above + 1} has a value already; if "{own[2]}" belongs beside "{line[2]}", '
        f"begin it with {len(line[1])} spaces, too",
    )


def _line_without_colon(lines: list[str], at: Position) -> Position | None:
    """Return the line before *at* if it has no colon and so swallowed the key after it."""
    if at.line < 2 or ":" in lines[at.line - 1][: at.column - 1]:
        return None
    before = lines[at.line - 2]
    word = before.strip()
    if not word or word.startswith(("-", "#")) or ":" in before:
        return None
    return Position(at.line - 1, before.index(word) + 1)


def _character(lines: list[str], at: Position) -> str:
    line = lines[at.line - 1] if at.line <= len(lines) else ""
    rest = line[at.column - 1 :]
    return "\t" if "\t" in line[: len(line) - len(line.lstrip())] else rest[:1]


def _words(problem: str, character: str) -> tuple[str, str]:
    if character == "\t":
        return "a tab is used for indentation", "use spaces; YAML does not allow tabs there"
    if "cannot start any token" in problem:
        return f"a value cannot begin with {character}", f'quote it: "{character}..."'
    for part, message, hint in WORDS:
        if part in problem:
            return message, hint
    return "this is not valid YAML", "check quotes, brackets and indentation here"
