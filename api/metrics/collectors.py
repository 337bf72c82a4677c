"""What is looked up at a scrape: runs, services, who is there. Never a hypervisor."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from prometheus_client.core import GaugeMetricFamily, InfoMetricFamily, Metric

from api.bootstrap import ENGINE
from api.routes.desk import Desk
from api.version import VERSION
from drorch.journal.pages import open_runs, tally_of_ended
from drorch.journal.store import Store
from drorch.model.moment import stamp
from drorch.run.services import service_json
from drorch.run.state import RunState
from drorch.run.status import Mode
from drorch.run.views import counts

Collector: TypeAlias = Callable[[Desk], Awaitable[Iterable[Metric]]]
"""Gives metric families. What it raises of `DrorchError`, of a database or of a file leaves them
out, and the log says so."""

READ = 30
"""Open runs, the newest, that are looked into; a scrape must not grow with what was forgotten."""
_RECENT = timedelta(hours=24)


async def build(_: Desk) -> Iterable[Metric]:
    return [InfoMetricFamily("drorch_build", "What answers here.", value={"version": VERSION})]


async def runs(desk: Desk) -> Iterable[Metric]:
    """Tell of the runs that are open, and count those that ended within a day."""
    lines = await open_runs(desk.app.store)
    ended = await tally_of_ended(desk.app.store, stamp(datetime.now(UTC) - _RECENT))
    states = [await desk.reader.state(line.id) for line in lines[:READ]]
    tally = Counter(ended)
    tally.update((str(state.mode), str(state.status)) for state in states)
    tally.update((line.mode, "open") for line in lines[READ:])
    free = set(await desk.app.leases.free([line.id for line in lines[:READ]]))
    return [_tallied(tally), _driven(states, free), _steps(states), _margins(states)]


def _tallied(tally: Counter[tuple[str, str]]) -> Metric:
    told = "Runs that are open or ended within 24 hours."
    family = GaugeMetricFamily("drorch_runs", told, labels=("mode", "status"))
    for (mode, status), count in sorted(tally.items()):
        family.add_metric((mode, status), count)
    return family


def _driven(states: Sequence[RunState], free: set[str]) -> Metric:
    told = "1 where a living process drives the open run, else 0."
    family = GaugeMetricFamily("drorch_lease_held", told, labels=("run",))
    for state in states:
        family.add_metric((state.run,), state.run not in free)
    return family


def _steps(states: Sequence[RunState]) -> Metric:
    told = "Steps of open runs by status."
    family = GaugeMetricFamily("drorch_run_steps", told, labels=("run", "status"))
    for state in states:
        for status, count in counts(state).items():
            family.add_metric((state.run, status), count)
    return family


def _margins(states: Sequence[RunState]) -> Metric:
    told = "Seconds left until the RTO of a service, or to spare when it is up; negative: missed."
    family = GaugeMetricFamily("drorch_rto_margin_seconds", told, labels=("run", "service"))
    now = datetime.now(UTC)
    for state in states:
        if state.mode is Mode.LIVE:
            for service, margin in _margins_of(state, now):
                family.add_metric((state.run, service), margin)
    return family


def _margins_of(state: RunState, now: datetime) -> Iterator[tuple[str, float]]:
    elapsed = (now - state.started_at).total_seconds() if state.started_at else 0.0
    for service in state.plan.services:
        if service.rto is not None and not service.external:
            rta = service_json(state, service)["rta"]
            yield service.id, service.rto.total_seconds() - (elapsed if rta is None else rta)


async def presence(desk: Desk) -> Iterable[Metric]:
    """Tell who lives: the orchestrators on this store, and the engine beside this HTTP side."""
    nodes = await desk.app.nodes.all()
    alive = sum(node.alive for node in nodes)
    return [
        GaugeMetricFamily("drorch_nodes_alive", "Orchestrators on this store.", value=alive),
        GaugeMetricFamily(
            "drorch_engine_alive",
            "1 while an engine process lives on this data_dir.",
            value=desk.app.locks.holds(ENGINE),
        ),
    ]


async def streams(desk: Desk) -> Iterable[Metric]:
    told = "Live event streams that are open."
    return [GaugeMetricFamily("drorch_sse_listeners", told, value=desk.feeds.listeners)]


async def clock(desk: Desk) -> Iterable[Metric]:
    told = "Clock of the database minus this machine's; 0 where they are the same machine's."
    offset = await clock_offset(desk.app.store)
    return [GaugeMetricFamily("drorch_clock_offset_seconds", told, value=offset)]


async def clock_offset(store: Store) -> float:
    """Return by how many seconds the database's clock is ahead of ours; 0 for a file."""
    if store.place.url is None:
        return 0.0
    before = time.time()
    theirs = await store.reading(store.backend.now)
    return theirs - (before + time.time()) / 2


async def rules(desk: Desk) -> Iterable[Metric]:
    halted = await desk.app.site.halted() is not None
    told = "1 while drorch is halted: nothing new goes out anywhere."
    return [GaugeMetricFamily("drorch_halted", told, value=halted)]


async def audit(desk: Desk) -> Iterable[Metric]:
    behind = await asyncio.to_thread(desk.app.anchor.unanchored)
    told = "Entries of the record of acts that no signed check-point vouches for yet."
    return [GaugeMetricFamily("drorch_audit_entries_unanchored", told, value=behind)]


async def webhooks(desk: Desk) -> Iterable[Metric]:
    told = "Messages to web hooks that have not arrived yet."
    family = GaugeMetricFamily("drorch_webhooks_pending", told, labels=("hook",))
    for hook in await desk.app.outbox.states(sorted(desk.app.webhooks.settings)):
        family.add_metric((hook.name,), hook.pending)
    return [family]


COLLECTORS: tuple[Collector, ...] = (build, runs, presence, streams, clock, rules, audit, webhooks)
"""Asked in this order at each scrape; add yours here."""
