"""Says a text in the language of whoever is spoken to.

The language belongs to the request, or to the process of the command line, as the time zone of
a screen does; it is carried by a context variable, so that a sentence deep in a report need not
be handed it through everybody in between.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from api.locale.catalogue import WRITTEN, translations

_speaking: ContextVar[str] = ContextVar("language", default=WRITTEN)


def language() -> str:
    """Return the code of the language that is spoken here, such as ``it``."""
    return _speaking.get()


def speak(code: str) -> None:
    """Speak a language from here on, in this context."""
    _speaking.set(code)


@contextmanager
def speaking(code: str) -> Iterator[None]:
    """Speak a language for as long as this lasts."""
    before = _speaking.set(code)
    try:
        yield
    finally:
        _speaking.reset(before)


def _(message: str, **values: object) -> str:
    """Return *message* in the language spoken here, with ``{name}`` replaced by its value.

    Catalogues are collected by reading the code: *message* has to be a literal.
    """
    said = translations(language()).gettext(message) if message else ""
    return said.format_map(values) if values else said


def ngettext(one: str, many: str, n: int, **values: object) -> str:
    """Return the form of a text for *n* things; ``{n}`` stands for the number."""
    said = translations(language()).ngettext(one, many, n)
    return said.format_map({"n": n, **values})


def pgettext(context: str, message: str, **values: object) -> str:
    """Return a text whose English means several things; *context* tells which."""
    said = translations(language()).pgettext(context, message)
    return said.format_map(values) if values else said


def noted(message: str) -> str:
    """Return *message* as it is, marked for the catalogues: it is said later, by `_`."""
    return message
