"""Says in somebody's language what the core has said, or the journal has kept, in English.

The journal, the REST API and the logs have one language, so that a record means the same to
everybody who reads it. Faces that speak to people translate its sentences here: the catalogue
``core`` has each with its ``{places}``, and a sentence that fits is said anew around what stood
in them. What fits none (the answer of a server, a comment of a person) stays as it is.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache, lru_cache
from typing import NamedTuple

from babel.messages.pofile import read_po

from api.locale.catalogue import CORE, WRITTEN, files, translations
from api.locale.speaking import language

_PLACE = re.compile(r"\{(\w+)\}")
_BETWEEN = ("; ", ", ")
_DEEPEST = 4
_LONGEST = 4_000


class Sentence(NamedTuple):
    """A sentence of the core: how it is recognised, and how it is said."""

    names: tuple[str, ...]
    around: tuple[str, ...]
    """What stands before, between and behind the places."""
    said: str

    def places(self, text: str) -> dict[str, str] | None:
        """Return what stands in each place if *text* is this sentence, else None.

        Each place ends where what follows it first appears. Nothing is tried twice: texts come
        from guests and servers, and one that was made for it must not hold up a page.
        """
        first, *between, last = self.around
        end = len(text) - len(last)
        if not text.startswith(first) or not text.endswith(last):
            return None
        found, at = [], len(first)
        for word in between:
            stop = text.find(word, at + 1, end)
            if stop < 0:
                return None
            found.append(text[at:stop])
            at = stop + len(word)
        if at >= end:
            return None
        return dict(zip(self.names, [*found, text[at:end]], strict=True))


def told(text: str) -> str:
    """Return a text of the core in the language spoken here; unknown ones as they are."""
    code = language()
    if code == WRITTEN:
        return text
    return _told(code, text, _DEEPEST)


@lru_cache(maxsize=8192)
def _told(code: str, text: str, depth: int) -> str:
    if not text:  # a list may end with a comma; of nothing, a catalogue tells its own head
        return text
    whole = translations(code).gettext(text)
    if whole != text or depth == 0 or len(text) > _LONGEST:
        return whole
    if (listed := _all_known(code, text, depth)) is not None:
        return listed
    for sentence in _candidates(code, text):
        if found := sentence.places(text):
            parts = {name: _told(code, part, depth - 1) for name, part in found.items()}
            return sentence.said.format_map(parts)
    return _one_by_one(code, text, depth)


def _all_known(code: str, text: str, depth: int) -> str | None:
    """Return a list said anew if every part of it is known: no place may reach over a comma."""
    for between in _BETWEEN:
        if between in text:
            parts = text.split(between)
            said = [_told(code, part, depth - 1) for part in parts]
            if all(after != before for before, after in zip(parts, said, strict=True)):
                return between.join(said)
    return None


def _one_by_one(code: str, text: str, depth: int) -> str:
    """Say the parts of a list each for itself; put together, unknown ones are as they were."""
    for between in _BETWEEN:
        if between in text:
            return between.join(_told(code, part, depth - 1) for part in text.split(between))
    return text


def _candidates(code: str, text: str) -> Iterator[Sentence]:
    """Yield the sentences that may fit: those that begin alike, then those that begin openly."""
    book = _book(code)
    yield from book.get(text[:1], ())
    yield from book.get("", ())


@cache
def _book(code: str) -> dict[str, list[Sentence]]:
    """Return the sentences with places by their first letter; empty where a place comes first."""
    book: dict[str, list[Sentence]] = defaultdict(list)
    for file in files(code):
        if file.stem != CORE:
            continue
        with file.open("rb") as text:
            for message in read_po(text, locale=code):
                if isinstance(message.id, str) and _PLACE.search(message.id) and message.string:
                    first = "" if message.id.startswith("{") else message.id[0]
                    book[first].append(_sentence(message.id, str(message.string)))
    for sentences in book.values():
        sentences.sort(key=lambda sentence: -sum(map(len, sentence.around)))
    return book


def _sentence(written: str, said: str) -> Sentence:
    parts = _PLACE.split(written)
    around = (part.replace("{{", "{").replace("}}", "}") for part in parts[::2])
    return Sentence(tuple(parts[1::2]), tuple(around), said)
