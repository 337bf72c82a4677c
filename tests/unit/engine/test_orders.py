"""Look first, order once, and find out what became of it: each errand against a slow estate."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import datetime

import pytest
from typing_extensions import override

from drorch.engine import orders
from drorch.engine.orders import Errand
from drorch.engine.virtual import VirtualClock, run_virtually
from drorch.engine.watch import EstateWatch
from drorch.engine.world import HOLDS_UNKNOWN, HoldGuard, World
from drorch.errors import (
    BusyError,
    ConnectorError,
    HostUnavailableError,
    JournalUnavailableError,
    NoQuorumError,
    OrderWithheldError,
    OutcomeUnknownError,
    PermissionDeniedError,
    UnreachableError,
)
from drorch.journal.memory import MemoryJournal
from drorch.model.plan import MachineRef
from drorch.ports.connector import Order, OrderStatus, Outcome, Permit, Power, Sighting
from drorch.run import commands as cmd
from drorch.run.words import CEILING_HINT
from tests.fakes.estate import CountedEstate
from tests.fakes.script import T0
from tests.fakes.stage import StageCallouts

Do = Callable[[Errand], Awaitable[cmd.Report]]


class LoggedEstate(CountedEstate):
    """Remembers what it was asked, and answers orders as it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.ordered: list[str] = []
        self.delay = 0.0
        self.called = ""
        self.refuses: ConnectorError | None = None
        self.traces = 0.0
        self.outcomes = Outcome(status=OrderStatus.ACTIVE)

    @override
    def _sighting(self, machine: str) -> Sighting:
        return replace(super()._sighting(machine), name=self.called or machine)

    @override
    async def start(self, machine: str, *, permit: Permit) -> Order:
        await asyncio.sleep(self.delay)
        permit()
        self.ordered.append(f"start {machine}")
        if self.refuses is not None:
            raise self.refuses
        return Order(handle="task-1")

    @override
    async def stop(self, machine: str, *, permit: Permit) -> Order:
        await asyncio.sleep(self.delay)
        permit()
        self.ordered.append(f"stop {machine}")
        asyncio.get_running_loop().call_later(3, self.becomes, machine, Power.OFF)
        return Order()

    @override
    async def find_order(self, machine: str, since: datetime) -> Order | None:
        """An order shows in the tasks only ``traces`` seconds after it was given."""
        seen = self.traces and asyncio.get_running_loop().time() >= self.traces
        return Order(handle="found") if seen else None

    @override
    async def outcome(self, order: Order, machine: str) -> Outcome:
        return self.outcomes


def sent(
    do: Do, estate: LoggedEstate, *, held: str = "", after: float = 0.5
) -> tuple[cmd.Report, float]:
    """Return what an errand that begins at *after* reports, and when."""
    journal = MemoryJournal()
    if held:
        journal.holds["pve", "m0"] = held

    async def play() -> tuple[cmd.Report, float]:
        watch = EstateWatch(estate)
        watching = asyncio.create_task(watch.run())
        await watch.next_reading()
        watch.hurry("test", on=True)
        await asyncio.sleep(after)
        report = await do(errand(watch, journal))
        watching.cancel()
        return report, asyncio.get_running_loop().time()

    return run_virtually(play())


def errand(
    watch: EstateWatch, journal: MemoryJournal, may_act: Callable[[], str] = lambda: ""
) -> Errand:
    world = World(
        estates={"pve": watch},
        prober=None,  # type: ignore[arg-type]
        callouts=StageCallouts(),
        holds=HoldGuard(journal),
        clock=VirtualClock(T0),
        may_act=may_act,
    )
    ref = MachineRef(connector="pve", id="m0")
    return Errand(step="db", attempt=3, ref=ref, watch=watch, world=world, since=T0)


def test_a_machine_that_is_off_is_ordered_on_once() -> None:
    estate = LoggedEstate()
    report, _ = sent(orders.power_on, estate)
    assert report == cmd.ReportAccepted(step="db", attempt=3, handle="task-1")
    assert estate.ordered == ["start m0"]


@pytest.mark.parametrize("power", [Power.STARTING, Power.RUNNING])
def test_a_machine_that_is_starting_or_running_gets_no_order(power: Power) -> None:
    estate = LoggedEstate()
    estate.becomes("m0", power)
    report, _ = sent(orders.power_on, estate)
    assert report == cmd.ReportAccepted(step="db", attempt=3, already=True)
    assert estate.ordered == []


def test_the_look_before_an_order_is_at_most_a_second_old() -> None:
    estate = LoggedEstate()

    async def late(given: Errand) -> cmd.Report:
        given.watch.hurry("test", on=False)
        await asyncio.sleep(2)  # idle: the last reading is older than that
        estate.becomes("m0", Power.RUNNING)
        return await orders.power_on(given)

    report, _ = sent(late, estate)
    assert isinstance(report, cmd.ReportAccepted) and report.already
    assert estate.ordered == []


@pytest.mark.parametrize("power", [Power.PAUSED, Power.CRASHED])
def test_a_process_that_serves_nobody_is_for_a_person(power: Power) -> None:
    estate = LoggedEstate()
    estate.becomes("m0", power)
    report, _ = sent(orders.power_on, estate)
    assert isinstance(report, cmd.ReportFailure) and not report.retryable
    assert estate.ordered == []


def test_a_machine_on_hold_is_never_ordered() -> None:
    estate = LoggedEstate()
    report, _ = sent(orders.power_on, estate, held="encrypted?")
    assert isinstance(report, cmd.ReportUnavailable)
    assert (report.scope, report.key, report.reason) == ("machine", "db", "encrypted?")
    assert "drorch release pve/m0" in report.hint
    assert estate.ordered == []


@pytest.mark.parametrize(
    ("error", "scope", "key"),
    [
        (UnreachableError("no route"), "connector", "pve"),
        (NoQuorumError("1 of 3"), "connector", "pve"),
        (HostUnavailableError("dark", host="h2"), "host", "pve/h2"),
    ],
)
def test_what_was_not_received_costs_nothing_and_names_the_obstacle(
    error: ConnectorError, scope: str, key: str
) -> None:
    estate = LoggedEstate()
    estate.refuses = error
    report, _ = sent(orders.power_on, estate)
    assert isinstance(report, cmd.ReportUnavailable)
    assert (report.scope, report.key) == (scope, key)


@pytest.mark.parametrize(
    ("error", "again"), [(BusyError("locked"), True), (PermissionDeniedError("no right"), False)]
)
def test_what_was_refused_is_a_failure(error: ConnectorError, again: bool) -> None:
    estate = LoggedEstate()
    estate.refuses = error
    report, _ = sent(orders.power_on, estate)
    assert isinstance(report, cmd.ReportFailure)
    assert report.retryable is again


def test_an_answer_that_never_came_is_a_doubt() -> None:
    estate = LoggedEstate()
    estate.refuses = OutcomeUnknownError("silence")
    report, _ = sent(orders.power_on, estate)
    assert report == cmd.ReportInDoubt(step="db", attempt=3, reason="silence")


def test_a_doubt_is_settled_by_a_new_reading_only() -> None:
    """The order shows just before all has settled; the last reading is older than that."""
    estate = LoggedEstate()

    async def doubted(given: Errand) -> cmd.Report:
        given.watch.hurry("test", on=False)
        asyncio.get_running_loop().call_later(1.9, estate.becomes, "m0", Power.STARTING)
        return await orders.reconcile(given)

    report, _ = sent(doubted, estate, after=0.4)
    assert report == cmd.ReportAccepted(step="db", attempt=3, already=True)
    assert estate.ordered == []


def test_a_doubt_finds_the_order_by_its_task() -> None:
    estate = LoggedEstate()
    estate.traces = 1.5
    report, at = sent(orders.reconcile, estate)
    assert report == cmd.ReportAccepted(step="db", attempt=3, handle="found")
    assert at < 3


def test_a_doubt_without_a_trace_is_void_only_after_everything_has_settled() -> None:
    estate = LoggedEstate()
    report, at = sent(orders.reconcile, estate)
    assert isinstance(report, cmd.ReportVoid)
    assert 2.5 <= at <= 5
    assert estate.ordered == []


@pytest.mark.parametrize(("settles", "readings"), [(0.0, 0), (2.0, 1)])
def test_after_a_crash_a_reading_since_the_take_over_counts_once_it_has_settled(
    settles: float, readings: int
) -> None:
    estate = LoggedEstate()
    estate.capabilities = replace(estate.capabilities, settles=settles)
    before: list[int] = []

    async def doubted(given: Errand) -> cmd.Report:
        given.watch.hurry("test", on=False)
        taken = given.watch.taken_at
        assert taken is not None
        before.append(len(estate.began))
        return await orders.reconcile(replace(given, doubtful_since=taken))

    report, at = sent(doubted, estate, after=0.1)
    assert isinstance(report, cmd.ReportVoid)
    assert at >= settles
    assert len(estate.began) - before[0] >= readings
    if not settles:
        assert at < 0.2, "nothing had to be read again"


def test_after_a_crash_a_reading_from_before_the_take_over_does_not_count() -> None:
    estate = LoggedEstate()
    estate.capabilities = replace(estate.capabilities, settles=0.0, events=True)

    async def doubted(given: Errand) -> cmd.Report:
        now = asyncio.get_running_loop().time()
        estate._power["m0"] = Power.STARTING  # not pushed yet
        return await orders.reconcile(replace(given, doubtful_since=now))

    report, _ = sent(doubted, estate)
    assert report == cmd.ReportAccepted(step="db", attempt=3, already=True)


def test_a_doubt_outlasts_an_estate_that_is_away() -> None:
    estate = LoggedEstate()
    estate.failure = UnreachableError("no route")

    async def doubted(given: Errand) -> cmd.Report:
        def back() -> None:
            estate.failure = None
            estate.becomes("m0", Power.RUNNING)

        asyncio.get_running_loop().call_later(300, back)
        return await orders.reconcile(given)

    report, at = sent(doubted, estate)
    assert report == cmd.ReportAccepted(step="db", attempt=3, already=True)
    assert 300 <= at < 307


def test_off_means_seen_off() -> None:
    estate = LoggedEstate()
    estate.becomes("m0", Power.RUNNING)
    report, at = sent(orders.power_off, estate)
    assert report == cmd.ReportStopped(step="db", attempt=3)
    assert 3.5 <= at < 5
    assert estate.ordered == ["stop m0"]


def test_beyond_the_ceiling_no_stop_leaves_and_a_person_is_asked() -> None:
    estate = LoggedEstate()
    estate.becomes("m0", Power.RUNNING)
    asked = []

    async def over(machine: str) -> str:
        asked.append(machine)
        return "10 machines were stopped within the last hour"

    async def stopped(given: Errand) -> cmd.Report:
        return await orders.power_off(replace(given, world=replace(given.world, may_stop=over)))

    report, _ = sent(stopped, estate)
    assert isinstance(report, cmd.ReportFailure)
    assert (report.retryable, report.hint) == (False, CEILING_HINT)
    assert "within the last hour" in report.detail
    assert asked == ["m0"]
    assert estate.ordered == []


def test_what_is_off_already_is_not_stopped() -> None:
    estate = LoggedEstate()
    sent(orders.power_off, estate)
    assert estate.ordered == []


def test_an_order_whose_task_failed_is_told_with_its_reason() -> None:
    estate = LoggedEstate()
    estate.outcomes = Outcome(status=OrderStatus.FAILED, detail="no space left on local-lvm")
    report, _ = sent(orders.await_running, estate)
    assert isinstance(report, cmd.ReportFailure)
    assert report.detail == "no space left on local-lvm"


def test_a_start_that_succeeded_and_a_machine_that_is_off_again_was_lost() -> None:
    estate = LoggedEstate()
    estate.outcomes = Outcome(status=OrderStatus.DONE)
    report, _ = sent(orders.await_running, estate)
    assert isinstance(report, cmd.ReportFailure)
    assert report.kind == "lost"


def test_a_slow_task_is_waited_for_as_long_as_it_is_active() -> None:
    estate = LoggedEstate()

    async def slow(given: Errand) -> cmd.Report:
        asyncio.get_running_loop().call_later(120, estate.becomes, "m0", Power.RUNNING)
        return await orders.await_running(given)

    report, at = sent(slow, estate)
    assert isinstance(report, cmd.ReportRunning)
    assert at >= 120


@pytest.mark.parametrize(
    ("do", "power"), [(orders.power_on, Power.OFF), (orders.power_off, Power.RUNNING)]
)
@pytest.mark.parametrize("name", ["m0", "the-db"])
def test_a_hold_placed_while_the_connector_keeps_the_order_waiting_counts(
    do: Do, power: Power, name: str
) -> None:
    estate = LoggedEstate()
    estate.becomes("m0", power)
    estate.called = "the-db"
    estate.delay = 3

    async def held(given: Errand) -> cmd.Report:
        journal = MemoryJournal()
        world = replace(given.world, holds=HoldGuard(journal))
        asyncio.get_running_loop().call_later(
            2, journal.holds.__setitem__, ("pve", name), "encrypted?"
        )
        return await do(replace(given, world=world))

    report, at = sent(held, estate)
    assert isinstance(report, cmd.ReportUnavailable)
    assert (report.scope, report.key, report.reason) == ("machine", "db", "encrypted?")
    assert "drorch release pve/m0" in report.hint
    assert at >= 3, "it was asked at the last moment"
    assert estate.ordered == []


@pytest.mark.parametrize("do", [orders.power_on, orders.power_off])
def test_a_process_that_may_not_act_any_more_orders_nothing(do: Do) -> None:
    estate = LoggedEstate()
    estate.becomes("m0", Power.OFF if do is orders.power_on else Power.RUNNING)
    estate.delay = 3
    lost = {"why": ""}

    async def fenced(given: Errand) -> cmd.Report:
        asyncio.get_running_loop().call_later(2, lost.update, {"why": "another process drives it"})
        return await do(replace(given, world=replace(given.world, may_act=lambda: lost["why"])))

    report, _ = sent(fenced, estate)
    assert isinstance(report, cmd.ReportUnavailable)
    assert (report.scope, report.key) == ("connector", "pve")
    assert report.reason == "another process drives it"
    assert estate.ordered == []


def test_holds_that_cannot_be_read_while_an_order_waits_forbid_it_and_cost_nothing() -> None:
    class Failing(MemoryJournal):
        @override
        async def held(self, machines: Sequence[tuple[str, str]]) -> dict[tuple[str, str], str]:
            if asyncio.get_running_loop().time() > 1:
                raise JournalUnavailableError("disk full")
            return {}

    estate = LoggedEstate()
    estate.delay = 4

    async def unread(given: Errand) -> cmd.Report:
        world = replace(given.world, holds=HoldGuard(Failing()))
        return await orders.power_on(replace(given, world=world))

    report, _ = sent(unread, estate)
    assert isinstance(report, cmd.ReportUnavailable)
    assert (report.scope, report.reason) == ("connector", HOLDS_UNKNOWN)
    assert estate.ordered == []


def test_an_order_that_nobody_waits_for_any_more_does_not_leave() -> None:
    """A thread cannot be cancelled: it finds out when it asks."""

    class Threaded(LoggedEstate):
        asked: asyncio.Task[Order] | None = None

        @override
        async def start(self, machine: str, *, permit: Permit) -> Order:
            self.asked = asyncio.create_task(super().start(machine, permit=permit))
            return await asyncio.shield(self.asked)

    estate = Threaded()
    estate.delay = 3

    async def cancelled(given: Errand) -> cmd.Report:
        order = asyncio.create_task(orders.power_on(given))
        await asyncio.sleep(1)
        order.cancel()
        await asyncio.wait({order})
        assert estate.asked is not None
        with pytest.raises(OrderWithheldError, match="nobody waits"):
            await estate.asked
        return cmd.ReportStopped(step="db", attempt=3)

    sent(cancelled, estate)
    assert estate.ordered == []
