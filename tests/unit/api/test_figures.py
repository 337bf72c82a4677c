"""Figures add up, pass from one process to another, and cost next to nothing."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import generate_latest
from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector
from typing_extensions import override

from api.metrics.figures import KINDS, Figures, unpacked
from drorch.ports.meter import SILENT, Meter

SECONDS = st.floats(min_value=0, max_value=1e6, allow_nan=False)


class Shown(Collector):
    def __init__(self, figures: Figures) -> None:
        self.figures = figures

    @override
    def collect(self) -> list[Metric]:
        return list(self.figures.families())


def samples(figures: Figures) -> dict[str, float]:
    text = generate_latest(Shown(figures)).decode()
    return {
        f"{s.name}{sorted(s.labels.items())}": s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }


@given(st.lists(SECONDS, max_size=30))
def test_a_histogram_is_cumulative_and_ends_with_all(seconds: list[float]) -> None:
    figures = Figures()
    for one in seconds:
        figures.appended(one)
    name = "drorch_journal_append_seconds"
    found = samples(figures)
    bounds = KINDS[name].bounds
    for bound in bounds:
        want = sum(one <= bound for one in seconds)
        assert found[f"{name}_bucket[('le', '{bound}')]"] == want
    assert found[f"{name}_bucket[('le', '+Inf')]"] == len(seconds)
    assert found[f"{name}_count[]"] == len(seconds)
    assert found[f"{name}_sum[]"] == pytest.approx(sum(seconds))


@given(st.lists(st.tuples(st.sampled_from(["a", 'b"\n\\']), SECONDS), max_size=20), st.integers(0))
def test_two_processes_add_up(calls: list[tuple[str, float]], cut: int) -> None:
    whole, first, second = Figures(), Figures(), Figures()
    for number, (label, seconds) in enumerate(calls):
        for figures in (whole, first if number < cut % 21 else second):
            figures.called(label, "start", "ok", seconds)
            figures.answered("GET", label, 200, seconds)
            figures.step_took("start", seconds)
            figures.journal_failed()
    first.add(unpacked(second.packed()))
    assert samples(first) == pytest.approx(samples(whole))


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"[]",
        b"{}",
        b'{"counters": 1, "timings": []}',
        b'{"counters": [], "timings": [["drorch_journal_append_seconds", [], [1], 1]]}',
        b'{"counters": [], "timings": [["of_another_version", [], [1], 1]]}',
        b"\xff",
        b"[" * 100_000,
    ],
)
def test_what_another_version_says_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (whatever the reason)
        unpacked(data)


def test_every_kind_is_shown_under_its_fixed_name() -> None:
    shown = {family.name for family in Figures().families()}
    assert shown == set(KINDS)


def test_a_measurement_costs_about_a_microsecond() -> None:
    figures = Figures()
    many = 20_000
    best = 1.0
    for _ in range(5):
        began = time.perf_counter()
        for _ in range(many):
            figures.appended(0.003)
        best = min(best, (time.perf_counter() - began) / many)
    assert best < 5e-6  # a loaded machine; alone it is 0.4


def test_the_silent_one_takes_the_same_calls() -> None:
    meters: tuple[Meter, ...] = (SILENT, Figures())
    for meter in meters:
        meter.appended(1)
        meter.journal_failed()
        meter.called("a", "b", "ok", 1)
        meter.step_took("start", 1)
