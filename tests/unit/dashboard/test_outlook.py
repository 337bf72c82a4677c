"""Will we make it: the first screen of a run looks no surer than its forecast is."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from api.dashboard.rendering import part
from api.dashboard.run_now import Outlook, Progress, outlook_of

NOW = datetime(2030, 1, 1, 0, 12, tzinfo=UTC)
BASIS: dict[str, Any] = {
    "runs": 6,
    "learned": 3,
    "guessed": 0,
    "answers": 0,
    "assumes": [],
    "incomplete": False,
    "left_out": 0,
}
RUN: dict[str, Any] = {
    "mode": "live",
    "started_at": "2030-01-01T00:00:00Z",
    "ended_at": None,
    "rto": {"seconds": 1800.0, "met": None},
    "eta": {"p50": "2030-01-01T00:15:00Z", "p90": "2030-01-01T00:18:00Z"},
    "eta_basis": BASIS,
    "services": [],
}
ASKING: dict[str, Any] = {"eta_basis": BASIS | {"incomplete": True, "left_out": 1}}
"""A step waits for a person: the forecast is of the others."""


def outlook(now: datetime = NOW, **more: Any) -> Outlook:
    return outlook_of(RUN | more, now)


def tile(told: Outlook) -> str:
    """Return the tile as the page shows it."""
    done = Progress(1, 2, 0, 0, 0, 0, 1, 2, 1, "")
    page = part(
        "run/now.html",
        progress=done,
        tally=[],
        o=told,
        ended_at=None,
        took="",
        is_simulated=False,
        examined_words="",
        zone="UTC",
    )
    found = re.search(r'<div class="tile v-\w+" id="outlook">.*?</div>', page, re.DOTALL)
    assert found is not None
    return found[0]


def test_a_forecast_of_everything_has_its_margin() -> None:
    assert outlook().verdict == "good"
    assert '<strong class="good">✓ margin 12 min</strong>' in tile(outlook())
    assert "Expected end<" in tile(outlook())


def test_a_margin_without_what_asks_a_person_is_none_to_rely_on() -> None:
    told = outlook(**ASKING)
    assert (told.verdict, told.margin_s) == ("unsure", 720.0)
    shown = tile(told)
    assert "v-unsure" in shown
    assert 'class="good"' not in shown
    assert "✓" not in shown
    assert "? margin 12 min at best" in shown
    assert "without 1 step that nothing brings up by itself" in shown
    assert "Expected end of the rest<" in shown


def test_a_range_within_a_minute_is_one_time() -> None:
    assert '<p class="big">00:15\N{EN DASH}00:18</p>' in tile(outlook())
    same = {"p50": "2030-01-01T00:15:02Z", "p90": "2030-01-01T00:15:40Z"}
    assert '<p class="big">00:15</p>' in tile(outlook(eta=same))


def test_nothing_that_comes_up_by_itself_is_not_good_either() -> None:
    told = outlook(eta=None, **ASKING)
    assert told.verdict == "unsure"
    assert "✓" not in tile(told)


@pytest.mark.parametrize(
    ("seconds", "later", "verdict"), [(1000.0, 0, "tight"), (800.0, 0, "late"), (800.0, 5, "over")]
)
def test_what_is_bad_stays_bad(seconds: float, later: int, verdict: str) -> None:
    goal = {"rto": {"seconds": seconds, "met": None}}
    assert outlook(NOW + timedelta(minutes=later), **goal, **ASKING).verdict == verdict
