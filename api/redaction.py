"""Keeps secrets out of the log: by the name they stand under, and by what they look like."""

from __future__ import annotations

import re
from collections.abc import Mapping, MutableMapping
from typing import Any

HIDDEN = "***"

_NAMED = re.compile(r"token|passw|secret|authori[sz]ation|cookie|credential|totp", re.IGNORECASE)
_LOOKS = (
    # Ours; wherever it stands, also glued to something.
    (re.compile(r"drt_[A-Za-z0-9_]+"), HIDDEN),
    # A URL with a password; bounded, so that no hostile text makes this slow.
    (re.compile(r"://[^\s/@:]{0,256}:\S{1,256}@"), f"://{HIDDEN}@"),
    (re.compile(r"\b(bearer|basic) +[^\s,;'\"]+", re.IGNORECASE), rf"\1 {HIDDEN}"),
    (re.compile(r"\b(PVEAPIToken|PVEAuthCookie)=[^\s;'\"]+", re.IGNORECASE), rf"\1={HIDDEN}"),
    (
        re.compile(r"\b(\w{0,64}(?:token|passw(?:or)?d|secret))=[^\s&;,'\"]+", re.IGNORECASE),
        rf"\1={HIDDEN}",
    ),
)
_DEEPEST = 8


def redacted(text: str) -> str:
    """Return *text* without what looks like a secret."""
    for look, instead in _LOOKS:
        text = look.sub(instead, text)
    return text


def harmless(text: str, *, keep: str = "") -> str:
    """Return *text* with control characters as escapes: none may rewrite a terminal."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)


def for_terminal(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Be a processor of structlog, after `redact`, where a terminal shows the lines."""
    for key, value in event.items():
        if isinstance(value, str):
            event[key] = harmless(value, keep="\n\t" if key == "exception" else "")
    return event


def redact(_: Any, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Be a processor of structlog; the last one before what renders."""
    for key, value in event.items():
        event[key] = _value(key, value, 0)
    return event


def _value(key: object, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(key, str) and _NAMED.search(key):
        return HIDDEN
    if isinstance(value, str):
        return redacted(value)
    if depth < _DEEPEST and isinstance(value, Mapping):
        return {
            redacted(str(inner)): _value(inner, found, depth + 1) for inner, found in value.items()
        }
    if depth < _DEEPEST and isinstance(value, list | tuple | set | frozenset):
        return [_value("", found, depth + 1) for found in value]
    return redacted(str(value) if isinstance(value, BaseException) else repr(value))
