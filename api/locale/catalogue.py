"""Catalogues: gettext's text files, compiled in memory when a language is first spoken.

Nothing has to be built, and nothing that was built can be older than its text.
"""

from __future__ import annotations

import gettext
import io
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType

from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po

FOLDER = Path(__file__).parent
LANGUAGES: Mapping[str, str] = MappingProxyType({"it": "Italiano", "en": "English"})
"""The languages that people may choose, each by its own name."""
WRITTEN = "en"
"""The language of the code."""
CORE = "core"
"""The catalogue of what the core and the connectors say; see `api.locale.phrasebook`."""

_guests: dict[str, gettext.NullTranslations] = {}


def is_spoken(code: str) -> bool:
    """Tell whether there is a language of this code."""
    return code in LANGUAGES or code in _guests


def invite(code: str, translations: gettext.NullTranslations) -> None:
    """Let one more language be spoken in this process; tests look for texts without it."""
    _guests[code] = translations


def translations(code: str) -> gettext.NullTranslations:
    """Return the words of a language; those of an unknown one are English."""
    return _guests.get(code) or _read(code)


def files(code: str) -> list[Path]:
    """Return the catalogues of a language, in order of their names."""
    return sorted((FOLDER / code / "LC_MESSAGES").glob("*.po"))


@cache
def _read(code: str) -> gettext.NullTranslations:
    found = gettext.NullTranslations()
    for file in files(code):
        with file.open("rb") as text:
            catalogue = read_po(text, locale=code)
        binary = io.BytesIO()
        write_mo(binary, catalogue)
        binary.seek(0)
        one = gettext.GNUTranslations(binary)
        one.add_fallback(found)
        found = one
    return found
