"""The geometry of bars: always inside the drawing, and where they were until the axis grows."""

from __future__ import annotations

from datetime import timedelta

import pytest

from api.dashboard.gantt import MOST_BARS, WIDTH, Bar, axis, bars, ghost
from drorch.run.spans import Span, SpanKind
from tests.fakes.script import T0


def after(seconds: float) -> timedelta:
    return timedelta(seconds=seconds)


@pytest.mark.parametrize(
    ("lasts", "planned", "rto", "whole"),
    [
        (0, 0, None, 60),
        (59, 0, None, 120),
        (10, 100, None, 120),
        (10, 3000, None, 3600),
        (10, 3000, 5000, 5400),
        (10, 300, 5000, 600),
        (100_000, 0, None, 172_800),
        (1_000_000, 0, None, 1_382_400),
    ],
)
def test_the_axis_holds_what_is_and_what_is_planned(
    lasts: float, planned: float, rto: float | None, whole: float
) -> None:
    """An objective that is far away would make a dot of everything else."""
    assert axis(T0, T0 + after(lasts), planned, rto).seconds == whole


def test_bars_stay_where_they_are_while_time_goes_on() -> None:
    first, later = (axis(T0, T0 + after(s), 600, None) for s in (10, 700))
    span = [Span(SpanKind.MACHINE, T0 + after(30), 1, T0 + after(90))]
    assert bars(first, span, T0 + after(100)) == bars(later, span, T0 + after(700))


def test_bars_begin_and_end_where_it_happened() -> None:
    whole = axis(T0, T0, 590, None)
    assert whole.seconds == 900
    spans = [
        Span(SpanKind.MACHINE, T0, 1, T0 + after(90), failed=True),
        Span(SpanKind.PERSON, T0 + after(90), 0, T0 + after(450)),
        Span(SpanKind.MACHINE, T0 + after(450), 2),
    ]
    assert bars(whole, spans, T0 + after(900)) == (
        Bar("machine-failed", 0, 24),
        Bar("person", 24, 96),
        Bar("machine", 120, 120),
    )
    assert ghost(whole, 450, 45) == Bar("plan", 120, 12)


@pytest.mark.parametrize("begin", [-100, 0, 59, 60, 10_000])
def test_no_bar_leaves_the_drawing_or_vanishes(begin: float) -> None:
    whole = axis(T0, T0, 0, None)
    span = Span(SpanKind.MACHINE, T0 + after(begin), 1, T0 + after(begin + 0.001))
    for bar in (*bars(whole, [span], T0), ghost(whole, max(begin, 0), 1)):
        assert 0 <= bar.x <= WIDTH
        assert bar.width >= 1


def test_a_step_that_was_tried_for_ever_has_its_newest_bars() -> None:
    whole = axis(T0, T0 + after(50), 0, None)
    spans = [Span(SpanKind.MACHINE, T0 + after(n), n, T0 + after(n + 1)) for n in range(50)]
    drawn = bars(whole, spans, T0 + after(50))
    assert len(drawn) == MOST_BARS
    assert drawn[-1].x == whole.x(T0 + after(49))
