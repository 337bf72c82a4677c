"""The keys of a mapping: what they read, what they mean, and which are not to be used."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from plans.problems import Report
from plans.shapes.base import Shape
from plans.shapes.words import closest
from plans.source.nodes import Entry, Scalar, shorten

RESERVED = frozenset(
    {
        "host",
        "restore",
        "rehearse_every",
        "requires",
        "expendable",
        "stop_timeout",
        "power_off",
        "stages",
    }
)
_SECRET = re.compile(
    r"pass(word|wd|phrase)?|pwd|secrets|(api|access|private|secret)[-_]?key|(\w*[-_])?token"
    r"|\w*[-_]pass(word|wd)|\w*[-_]secret|credentials?|community|(proxy-)?authorization"
    r"|(set-)?cookie|x-api-key",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a record; ``about`` is its documentation, ``default`` what absence means.

    ``default_text`` describes a default that is not a constant.
    """

    shape: Shape[Any]
    about: str
    required: bool = False
    default: Any = None
    default_text: str = ""


def key(
    shape: Shape[Any],
    about: str,
    *,
    required: bool = False,
    default: Any = None,
    default_text: str = "",
) -> Any:
    """Declare a key as a field of a document class; absent keys read as *default*."""
    declared = Key(shape, about, required, default, default_text)
    return field(default=default, metadata={"key": declared})


def refuse_key(
    entry: Entry, valid: Iterable[str], where: str, report: Report, *, reserved: bool = True
) -> str | None:
    """Report a key that does not belong to *where*; return what was probably meant by it."""
    shown = shorten(entry.key)
    if reserved and entry.key in RESERVED:
        report.add(
            entry.at,
            "reserved-key",
            f'"{shown}" is reserved for a later version of the language',
            "delete it; this version cannot act on it",
        )
        return entry.key
    if report.full or refuse_secret(entry, report):
        return None
    meant = closest(entry.key, valid)
    hint = f'did you mean "{meant}"?' if meant else f"valid keys are {', '.join(valid)}"
    if not list(valid):
        hint = "write nothing there: {}"
    elif meant is None and isinstance(entry.value, Scalar) and entry.value.value is None:
        hint += "; text with a comma in { } has to be quoted"
    report.add(entry.at, "unknown-key", f'unknown key "{shown}" in {where}', hint)
    return meant


def refuse_secret(entry: Entry, report: Report) -> bool:
    """Report and return True if the key looks like one that holds a secret."""
    if not _SECRET.fullmatch(entry.key):
        return False
    report.add(
        entry.at,
        "secret-in-plan",
        f'"{shorten(entry.key)}" does not belong in a plan: a plan holds no secrets',
        "write secret: NAME and define NAME under [secrets] in drorch.toml",
    )
    return True
