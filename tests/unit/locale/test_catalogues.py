"""The catalogues hold what the code says, translated, with the same places in it."""

from __future__ import annotations

import re

import pytest
from babel.messages.catalog import Message

from api.locale.catalogue import CORE, LANGUAGES, WRITTEN
from plans.shapes.words import ID_RULE
from scripts.catalogues import (
    FACES,
    catalogue_file,
    collect,
    literals,
    read,
    refreshed,
    translated,
)
from scripts.catalogues import Message as Said

OTHERS = [language for language in LANGUAGES if language != WRITTEN]
COMPOSED = {
    "slots are taken": ("slots", "are taken"),
    "slots of connector": ("slots", " of {} {}", "connector"),
    "slots of group": ("slots", " of {} {}", "group"),
    "slots of host": ("slots", " of {} {}", "host"),
    "its machine RUNS, unverified; last seen": ("its machine RUNS, unverified", "last seen"),
    "and asks no question": ("asks no question",),
    "and belongs to an aborting run": ("belongs to an aborting run",),
    "and cannot be accepted now": ("cannot be accepted now",),
    "and cannot be skipped now": ("cannot be skipped now",),
    "and has not failed": ("has not failed",),
    "-> reads needs; remove one, at line": ("-> reads needs", "{}; remove one, at ", "line {}"),
    "-> reads needs; remove one, at lines": ("-> reads needs", "{}; remove one, at ", "lines "),
    "there is no contact": ("there is no {} ", "contact"),
    "there is no group": ("there is no {} ", "group"),
    "there is no step": ("there is no {} ", "step"),
    "there is no step or group": ("there is no {} ", "step or group"),
    f"use {ID_RULE}": ("use {}", ID_RULE),
    f"use {ID_RULE}; for example": ("use {}", ID_RULE, "; for example"),
    "Missing argument": ("Missing {}{}.", "argument"),
    "Missing option": ("Missing {}{}.", "option"),
    "unknown table": ("unknown {} ", "table"),
    "is missing, the first is number": ("is missing", "{}, the first is number "),
    "events are missing, the first is number": ("events are missing", "{}, the first is number "),
    "more) belongs to the open live run": (" more)", " belongs to the open live run "),
    "requires an argument.": ("requires ", "an argument."),
}
"""Words that the code puts together, and from what."""
PYDANTIC = "Input should be "
"""With this pydantic begins what it says of a value; its texts are compiled."""
EACH = [(language, face) for language in OTHERS for face in (*FACES, CORE)]


def messages(language: str, face: str) -> list[Message]:
    return [message for message in read(language, face) if message.id]


def forms(message: Message) -> list[tuple[str, str]]:
    """Return each English form with what it is in the other language."""
    if isinstance(message.id, str):
        return [(message.id, str(message.string))]
    return list(zip(message.id, message.string or (), strict=False))


@pytest.mark.parametrize(("language", "face"), [e for e in EACH if e[1] != CORE])
def test_a_catalogue_has_what_the_code_says_and_nothing_else(language: str, face: str) -> None:
    file = catalogue_file(language, face)
    fresh = refreshed(language, face, collect()[face], translated(language))
    assert file.read_text(encoding="utf-8") == fresh, "run 'make catalogues'"


def test_a_text_that_another_face_says_now_keeps_its_translation() -> None:
    texts: set[Said] = {
        ("Overview", None),
        (("{n} step needs a person", "{n} steps need a person"), None),
        ("said by nobody", None),
    }
    fresh = refreshed("it", "status", texts, translated("it"))
    assert 'msgstr "Quadro generale"' in fresh
    assert 'msgstr[1] "{n} passi attendono una persona"' in fresh
    assert 'msgid "said by nobody"\nmsgstr ""\n\n' in fresh


@pytest.mark.parametrize(("language", "face"), EACH)
def test_every_text_is_translated(language: str, face: str) -> None:
    missing = [m.id for m in messages(language, face) if not all(t for _, t in forms(m))]
    assert missing == []
    assert [m.id for m in messages(language, face) if m.fuzzy] == []


@pytest.mark.parametrize("language", OTHERS)
def test_a_text_of_several_catalogues_is_the_same_in_all(language: str) -> None:
    """They are spoken as one: another translation in one of them is said by nobody, or by all."""
    found: dict[object, set[object]] = {}
    for face in (*FACES, CORE):
        for message in messages(language, face):
            found.setdefault((message.context, message.id), set()).add(message.string)
    assert {text: said for text, said in found.items() if len(said) > 1} == {}


@pytest.mark.parametrize(("language", "face"), EACH)
def test_places_are_the_same(language: str, face: str) -> None:
    for message in messages(language, face):
        for english, other in forms(message):
            places = [set(re.findall(r"\{(\w*)\}", text)) for text in (english, other)]
            assert places[1] <= places[0], (english, other)
            assert places[0] - places[1] <= {"n"}, (english, other)


@pytest.mark.parametrize("language", OTHERS)
def test_the_core_still_says_what_its_catalogue_translates(language: str) -> None:
    """A sentence may be put together from parts; each part has to stand in the code."""
    said = "\n".join(sorted(literals()))
    gone = []
    for message in messages(language, CORE):
        parts = re.split(r"\{\w+\}", str(message.id).replace("{{", "{").replace("}}", "}"))
        words = [part.strip(" ():;,") for part in parts]
        for word in words:
            stands = all(part in said for part in COMPOSED.get(word, (word,)))
            stands = stands or word.startswith(PYDANTIC)
            gone += [message.id] if len(word) > 3 and not stands else []
    assert gone == []
