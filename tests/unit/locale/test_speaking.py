"""Which language is spoken to whom, and what is said in it."""

from __future__ import annotations

import time

import pytest

from api.locale import _, language, ngettext, of_plan, speaking, time_of_day, told
from api.locale.choosing import preferred
from api.locale.statuses import status_word


@pytest.mark.parametrize(
    ("header", "code"),
    [
        ("", "en"),
        ("it", "it"),
        ("it-IT,it;q=0.9,en-US;q=0.8,en;q=0.7", "it"),
        ("en-GB,en;q=0.9,it;q=0.5", "en"),
        ("de-DE,de;q=0.9,it;q=0.4", "it"),
        ("de, fr;q=0.5", "en"),
        ("it;q=0, en;q=0.1", "en"),
        ("it;q=rubbish, en", "en"),
        (",,;;q==,it" + "," * 500, "it"),
    ],
)
def test_a_browser_gets_the_language_it_likes_best(header: str, code: str) -> None:
    assert preferred(header) == code


def test_a_language_lasts_as_long_as_it_is_spoken() -> None:
    with speaking("it"):
        assert language() == "it"
        assert status_word("healthy") == "in salute"
    assert language() == "en"
    assert status_word("healthy") == "healthy"
    assert status_word("awaiting_approval") == "awaiting approval"


def test_a_status_that_has_no_word_is_shown_as_it_is() -> None:
    assert status_word("half_way") == "half way"


def test_what_nobody_translated_stays_english() -> None:
    with speaking("it"):
        assert _("no catalogue has {this}", this="{that}") == "no catalogue has {that}"
        assert ngettext("{n} xyzzy", "{n} xyzzies", 3) == "3 xyzzies"
        assert told("550 5.7.1 relaying denied") == "550 5.7.1 relaying denied"


def test_texts_of_a_plan_come_in_any_language_they_have() -> None:
    with speaking("it"):
        assert of_plan({"en": "Taxes", "it": "Tributi"}) == "Tributi"
        assert of_plan({"en": "Taxes"}) == "Taxes"
    assert of_plan({"it": "Tributi"}) == "Tributi"
    assert of_plan({"de": "Steuern"}) == "Steuern"
    assert of_plan({}) == ""


def test_times_are_those_of_the_zone() -> None:
    assert time_of_day("2026-07-01T01:02:03Z", "Europe/Rome") == "03:02:03"
    assert time_of_day(None, "Europe/Rome") == ""


@pytest.mark.parametrize(
    ("english", "italian"),
    [
        ("its turn", "il suo turno"),
        ("db (starting), core (2 of 3)", "db (in avvio), core (2 di 3)"),
        ("all 4 slots of host pve1 are taken", "tutti i 4 posti dell'host pve1 sono occupati"),
        ("db (starting) and 3 more", "db (in avvio) e altri 3"),
        (
            "asked tcp 10.1.1.1:5432: connection refused: the host is there and nothing listens",
            "chiesto tcp 10.1.1.1:5432: connessione rifiutata: l'host c'è e non ascolta nessuno",
        ),
        ("node pve2 is dark: it {burns}", "il nodo pve2 è spento o irraggiungibile: it {burns}"),
    ],
)
def test_a_sentence_of_the_core_is_said_anew(english: str, italian: str) -> None:
    assert told(english) == english
    with speaking("it"):
        assert told(english) == italian


def test_hostile_sentences_are_quick_and_stay_text() -> None:
    with speaking("it"):
        for text in (
            "asked " * 2_000,
            "{n} {n}",
            "check " + "x" * 3_900,
            ": " * 1_900,
            "{0.__class__}",
        ):
            assert isinstance(told(text), str)
        assert told("check {0.__class__}") == "il controllo {0.__class__}"


@pytest.mark.parametrize("text", ["no answer; ", ", db (starting)", "; ", "its turn, "])
def test_an_empty_part_of_a_list_stays_empty(text: str) -> None:
    with speaking("it"):
        assert "Project-Id-Version" not in told(text)
    assert told("") == ""


def test_a_text_made_to_fit_almost_holds_nobody_up() -> None:
    parts = "a is " * 170 + "b, and this takes " * 56 + "c (" * 340
    began = time.process_time()
    with speaking("it"):
        told(parts)
    assert time.process_time() - began < 1
