"""The board: what is copied out of what is known, how exact it is, and one line for a service."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.locale import speaking
from api.status.board import Board, State, board_from, board_json, board_of, board_text
from api.status.words import headline, moment, state_word, window

NOW = datetime(2026, 11, 22, 3, 7, 41, tzinfo=UTC)
ZONE = "Europe/Rome"


def told(name: str = "registry", state: str = "down", **more: Any) -> dict[str, Any]:
    base = {
        "id": name, "title": {"it": "Anagrafe", "en": "Registry"}, "state": state,
        "derived_state": state, "known_by": "sighting", "eta": None, "notice": None,
        "since": "2026-11-22T02:59:59.123Z", "fallback": {"it": "Carta", "en": "Paper"},
    }  # fmt: skip
    return {**base, **more}


def notice(**more: Any) -> dict[str, Any]:
    base = {"service": "registry", "state": "restoring", "text": {"it": "Testo"}, "by": "anna",
            "expected_at": None, "at": "2026-11-22T03:00:30.000Z"}  # fmt: skip
    return {**base, **more}


def line(**more: Any) -> Any:
    return board_of([told(**more)], NOW, ZONE).lines[0]


def test_moments_are_to_the_minute() -> None:
    board = board_of([told()], NOW, ZONE)
    assert board.at == NOW.replace(second=0)
    assert board.lines[0].since == datetime(2026, 11, 22, 2, 59, tzinfo=UTC)
    assert line(since=None).since is None


@pytest.mark.parametrize(
    ("eta", "begin", "end"),
    [
        (None, None, None),
        ("2026-11-22T03:52:01.200Z", None, "04:00"),
        ("2026-11-22T04:00:00.000Z", None, "04:00"),
        ("2026-11-22T04:00:00.001Z", None, "04:15"),
        ({"p10": "x", "p50": "2026-11-22T03:40:00Z", "p90": "2026-11-22T04:31:00Z"}, "03:45", "04:45"),
        ({"p50": "2026-11-22T04:31:00Z", "p90": "2026-11-22T04:32:00Z"}, None, "04:45"),
        ({"p50": "2026-11-22T03:01:00Z", "p90": "2026-11-22T03:31:00Z"}, "03:15", "03:45"),
        ("2026-11-22T02:31:00Z", None, None),
    ],
)  # fmt: skip
def test_what_is_expected_is_a_window_of_whole_quarters(eta: Any, begin: Any, end: Any) -> None:
    expected = line(eta=eta).expected
    if end is None:
        assert expected is None
        return
    assert expected.end.strftime("%H:%M") == end
    assert (expected.begin.strftime("%H:%M") if expected.begin else None) == begin


def test_what_is_up_is_neither_expected_nor_replaced_by_paper() -> None:
    up = line(state="up", eta="2026-11-22T05:00:00Z")
    assert (up.expected, up.fallback) == (None, {})
    assert line(state="unknown").fallback == {}
    assert line().fallback == {"it": "Carta", "en": "Paper"}


def test_what_a_person_says_is_marked_and_has_its_own_time() -> None:
    said = line(state="restoring", notice=notice(expected_at="2026-11-22T05:01:00.000Z"), eta="x")
    assert (said.announced, said.text, said.state) == (True, {"it": "Testo"}, State.RESTORING)
    assert said.since == datetime(2026, 11, 22, 3, 0, tzinfo=UTC)
    assert (said.expected.begin, said.expected.end.strftime("%H:%M")) == (None, "05:15")


def test_a_service_of_several_plans_is_one_line() -> None:
    def best(*all_of: dict[str, Any]) -> str:
        one, other = (
            board_of(order, NOW, ZONE).lines for order in (all_of, tuple(reversed(all_of)))
        )
        assert len(one) == 1
        assert one == other
        return str(one[0].state)

    run = told(state="restoring", known_by="run")
    assert best(run, told(state="down")) == "restoring", "who restores it knows better"
    assert best(told(state="up"), told(state="down")) == "down", "of equals the worse"
    assert best(told(state="down", known_by="ended_run"), told(state="up")) == "up"
    assert best(told(state="unknown", known_by="nothing"), told(state="up")) == "up"


@pytest.mark.parametrize(
    ("states", "overall", "english", "italian"),
    [
        (["up", "not_affected"], State.UP, "All services are available", "Tutti i servizi sono attivi"),
        (["up", "unknown"], State.UNKNOWN, "No information about 1 service", "Nessuna informazione su 1 servizio"),
        (["up", "restoring", "unknown"], State.RESTORING, "1 service is being restored", "1 servizio in ripristino"),
        (["down", "up", "down"], State.DOWN, "2 services are not available", "2 servizi non disponibili"),
        (["down", "restoring", "down"], State.DOWN, "2 services are not available · 1 service is being restored", "2 servizi non disponibili · 1 servizio in ripristino"),
        ([], State.UNKNOWN, "No services are listed here yet", "Qui non è ancora elencato nessun servizio"),
    ],
)  # fmt: skip
def test_the_headline_tells_the_worst_and_hides_no_service_that_is_away(
    states: list[str], overall: State, english: str, italian: str
) -> None:
    board = board_of([told(f"s{n}", state) for n, state in enumerate(states)], NOW, ZONE)
    assert board.overall is overall
    assert headline(board) == english
    with speaking("it"):
        assert headline(board) == italian


def test_the_words_of_citizens() -> None:
    with speaking("it"):
        assert [state_word(state) for state in State] == [
            "Non disponibile", "In ripristino", "Nessuna informazione", "Non coinvolto", "Attivo",
        ]  # fmt: skip


def test_a_time_of_another_day_has_its_date() -> None:
    board = board_of([], NOW, ZONE)
    assert moment(NOW, board) == "04:07"
    assert moment(NOW - timedelta(hours=6), board) == "21/11/2026, 22:07"
    both = line(eta={"p50": "2026-11-22T22:50:00Z", "p90": "2026-11-22T23:20:00Z"}).expected
    assert window(both, board) == "23/11/2026, 00:00 \N{EN DASH} 23/11/2026, 00:30"


def test_a_board_is_read_back_from_its_text() -> None:
    eta = {"p50": "2026-11-22T03:40:00Z", "p90": "2026-11-22T04:31:00Z"}
    board = board_of(
        [
            told("registry", eta=eta),
            told("taxes", "up", since=None),
            told("post", "restoring", notice=notice()),
        ],
        NOW,
        ZONE,
    )
    for each in (board, board.grown_stale(), Board(at=NOW, zone="UTC", lines=[])):
        assert board_json(board_from(json.loads(board_text(each)))) == board_json(each)
        assert board_from(json.loads(board_text(each))) == each
