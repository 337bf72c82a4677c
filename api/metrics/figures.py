"""Counters and histograms in memory: cheap where things happen, added up when somebody looks."""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from prometheus_client.core import CounterMetricFamily, HistogramMetricFamily, Metric

Labels: TypeAlias = tuple[str, ...]
_COMMIT = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
_CALL = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_STEP = (1.0, 2.5, 5.0, 10.0, 20.0, 40.0, 60.0, 120.0, 180.0, 300.0, 600.0, 1200.0, 3600.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A metric: what it tells, its labels, and where it is a histogram the bounds in seconds."""

    help: str
    labels: Labels = ()
    bounds: tuple[float, ...] = ()


KINDS: Mapping[str, Kind] = {
    "drorch_connector_calls": Kind(
        help="Calls to hypervisors by result.", labels=("connector", "call", "result")
    ),
    "drorch_connector_call_seconds": Kind(
        help="How long hypervisors took to answer.", labels=("connector", "call"), bounds=_CALL
    ),
    "drorch_journal_append_seconds": Kind(
        help="From an event that is to be recorded until it is durable.", bounds=_COMMIT
    ),
    "drorch_journal_errors": Kind(help="Writes to the journal that failed."),
    "drorch_step_duration_seconds": Kind(
        help="Steps of live runs: from order to running, from running to healthy.",
        labels=("phase",),
        bounds=_STEP,
    ),
    "drorch_webhooks_failed": Kind(
        help="Deliveries to web hooks that failed, each try by itself.", labels=("hook",)
    ),
    "drorch_http_requests": Kind(
        help="Requests that were answered.", labels=("method", "route", "status")
    ),
    "drorch_http_request_seconds": Kind(
        help="How long requests took; of a stream, until it began.",
        labels=("route",),
        bounds=_COMMIT,
    ),
}
"""By name; counters without the ending ``_total`` that they are shown with."""


@dataclass(slots=True)
class Timings:
    """A histogram of seconds: how many fell between two bounds (the last: above all), the sum."""

    bounds: tuple[float, ...]
    counts: list[int] = field(default_factory=list)
    total: float = 0.0

    def __post_init__(self) -> None:
        self.counts = self.counts or [0] * (len(self.bounds) + 1)

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(self.bounds, seconds)] += 1
        self.total += seconds

    def add(self, other: Timings) -> None:
        self.counts = [mine + more for mine, more in zip(self.counts, other.counts, strict=True)]
        self.total += other.total


class Figures:
    """The figures of one process; implements `drorch.ports.meter.Meter`.

    For one thread, the event loop's: that is what keeps a measurement below a microsecond.
    """

    def __init__(self) -> None:
        self.counters: dict[tuple[str, Labels], float] = {("drorch_journal_errors", ()): 0}
        self.timings: dict[tuple[str, Labels], Timings] = {}
        self._appends = self._timing("drorch_journal_append_seconds", ())

    def appended(self, seconds: float) -> None:
        self._appends.observe(seconds)

    def journal_failed(self) -> None:
        self.count("drorch_journal_errors")

    def called(self, connector: str, call: str, result: str, seconds: float) -> None:
        self.count("drorch_connector_calls", connector, call, result)
        self._timing("drorch_connector_call_seconds", (connector, call)).observe(seconds)

    def step_took(self, phase: str, seconds: float) -> None:
        self._timing("drorch_step_duration_seconds", (phase,)).observe(seconds)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request over HTTP; *route* is a template, never the address that was asked."""
        self.count("drorch_http_requests", method, route, str(status))
        self._timing("drorch_http_request_seconds", (route,)).observe(seconds)

    def count(self, name: str, *labels: str) -> None:
        key = name, labels
        self.counters[key] = self.counters.get(key, 0) + 1

    def _timing(self, name: str, labels: Labels) -> Timings:
        key = name, labels
        if key not in self.timings:
            self.timings[key] = Timings(KINDS[name].bounds)
        return self.timings[key]

    def add(self, other: Figures) -> None:
        """Add what another process has counted."""
        for key, value in other.counters.items():
            self.counters[key] = self.counters.get(key, 0) + value
        for (name, labels), timing in other.timings.items():
            self._timing(name, labels).add(timing)

    def packed(self) -> bytes:
        """Return these figures for another process."""
        counters = [[*key, value] for key, value in self.counters.items()]
        timings = [[*key, t.counts, t.total] for key, t in self.timings.items()]
        return json.dumps({"counters": counters, "timings": timings}).encode()

    def families(self) -> Iterator[Metric]:
        """Give every metric with all of its samples, also one that counted nothing yet."""
        for name, kind in KINDS.items():
            if kind.bounds:
                yield self._histogram(name, kind)
            else:
                counter = CounterMetricFamily(name, kind.help, labels=kind.labels)
                for (own, labels), value in self.counters.items():
                    if own == name:
                        counter.add_metric(labels, value)
                yield counter

    def _histogram(self, name: str, kind: Kind) -> Metric:
        family = HistogramMetricFamily(name, kind.help, labels=kind.labels)
        for (own, labels), timing in self.timings.items():
            if own == name:
                family.add_metric(labels, _buckets(timing), timing.total)
        return family


def _buckets(timing: Timings) -> list[tuple[str, float]]:
    """Return the cumulative counts that Prometheus wants."""
    found, so_far = [], 0
    for bound, count in zip((*timing.bounds, float("inf")), timing.counts, strict=True):
        so_far += count
        found.append((_written(bound), float(so_far)))
    return found


def _written(bound: float) -> str:
    return "+Inf" if bound == float("inf") else str(bound)


def unpacked(data: bytes) -> Figures:
    """Return what `Figures.packed` gave. Raises ValueError for anything else."""
    figures = Figures()
    try:
        table = json.loads(data)
        for name, labels, value in table["counters"]:
            figures.counters[name, tuple(labels)] = float(value)
        for name, labels, counts, total in table["timings"]:
            figures.timings[name, tuple(labels)] = _timings(name, counts, total)
    except (KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"not the figures of this version of drorch: {error!r}") from error
    return figures


def _timings(name: str, counts: Sequence[Any], total: float) -> Timings:
    bounds = KINDS[name].bounds
    if len(counts) != len(bounds) + 1:
        raise KeyError(name)
    return Timings(bounds, [int(count) for count in counts], float(total))
