"""What the other side said, made safe to show: one line, escaped, shortened, without secrets."""

from __future__ import annotations

import json
from collections.abc import Iterable
from urllib.parse import quote as percent

LONGEST = 500
MASK = "[secret]"
_SHORTEST_TAIL = 3


def as_text(data: bytes | str) -> str:
    """Decode *data* without ever failing; bytes that are no UTF-8 become escapes."""
    return data if isinstance(data, str) else data.decode("utf-8", "backslashreplace")


def escaped(text: str) -> str:
    """Return *text* with everything that does not print spelt out.

    Line breaks, terminal escapes, and the marks that turn the writing direction.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def without(text: str, secrets: Iterable[str]) -> str:
    """Return *text* with each of *secrets* masked, also where the end cuts one in two."""
    for secret in secrets:
        for form in _forms(secret):
            text = text.replace(form, MASK)
        text = _without_tail(text, secret)
    return text


def shortened(text: str, limit: int) -> str:
    """Return at most *limit* characters of *text*, with an ellipsis where something is lost."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def shown(data: bytes | str, secrets: Iterable[str] = (), limit: int = LONGEST) -> str:
    """Return *data* fit for evidence: masked first, then escaped, then shortened."""
    return shortened(escaped(without(as_text(data), secrets)).strip(), limit)


def _forms(secret: str) -> set[str]:
    forms = {secret, escaped(secret), json.dumps(secret)[1:-1], percent(secret, safe="")}
    forms.add(repr(secret.encode())[2:-1])
    return {form for form in forms if form}


def _without_tail(text: str, secret: str) -> str:
    for length in range(min(len(secret) - 1, len(text)), _SHORTEST_TAIL, -1):
        if text.endswith(secret[:length]):
            return text[:-length] + MASK
    return text
