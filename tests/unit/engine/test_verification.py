"""All checks of a step must hold at the same time, and twice in a row."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from datetime import timedelta
from itertools import pairwise

import pytest

from drorch.engine.verification import BrokenCheckError, Verification
from drorch.engine.virtual import run_virtually
from drorch.model.plan import CheckSpec, MachineRef
from drorch.ports.check import CheckResult, Prober, Verdict
from drorch.run.seen import CheckSeen


class TimedProber:
    """Answers as ``verdict(check name, time)`` says, and remembers when it was asked."""

    def __init__(self, verdict: Callable[[str, float], Verdict]) -> None:
        self._verdict = verdict
        self.asked: list[tuple[str, float]] = []

    async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
        now = asyncio.get_running_loop().time()
        self.asked.append((check.name, now))
        verdict = self._verdict(check.name, now)
        return CheckResult(verdict=verdict, evidence=f"{verdict} at {now:g}")


def spec(name: str = "tcp", interval: float = 2.0, stable: float | None = None) -> CheckSpec:
    return CheckSpec(
        kind="tcp",
        name=name,
        interval=timedelta(seconds=interval),
        stable=None if stable is None else timedelta(seconds=stable),
    )


Held = tuple[dict[str, CheckSeen], float, list[tuple[str, Verdict]]]


def hold(prober: TimedProber, *checks: CheckSpec) -> Held:
    """Return the evidence, how long it took, and what was told meanwhile."""
    told: list[tuple[str, Verdict]] = []

    async def play() -> Held:
        def tell(check: CheckSpec, result: CheckResult) -> None:
            told.append((check.name, result.verdict))

        seen = await Verification(prober, None, checks, tell).hold()
        assert len(asyncio.all_tasks()) == 1, "nobody goes on asking"
        return seen, asyncio.get_running_loop().time(), told

    return run_virtually(play())


def well_from(moment: float) -> TimedProber:
    return TimedProber(lambda _, now: Verdict.HEALTHY if now >= moment else Verdict.REFUSED)


def test_two_successes_in_a_row_are_needed_and_the_second_comes_soon() -> None:
    prober = well_from(0)
    seen, took, _ = hold(prober, spec())
    assert len(prober.asked) == 2
    assert took == pytest.approx(0.25)
    assert seen["tcp"] == CheckSeen(healthy=True, evidence="healthy at 0.25")


def test_one_success_between_failures_does_not_count() -> None:
    def flaps(_: str, now: float) -> Verdict:
        return Verdict.HEALTHY if now < 0.1 or now > 5 else Verdict.UNWELL

    _, took, told = hold(TimedProber(flaps), spec())
    assert took > 5
    assert {verdict for _, verdict in told} == {Verdict.UNWELL}


def test_stable_means_holding_for_so_long_without_a_break() -> None:
    _, took, _ = hold(well_from(0), spec(stable=30))
    assert took == pytest.approx(30, abs=0.1)

    def breaks(_: str, now: float) -> Verdict:
        return Verdict.UNWELL if 15 <= now <= 16.9 else Verdict.HEALTHY

    _, took, _ = hold(TimedProber(breaks), spec(stable=30))
    assert took >= 46


def test_the_pace_is_fast_at_first_then_adapts_and_keeps_within_the_interval() -> None:
    prober = well_from(120)
    _, took, _ = hold(prober, spec(interval=2))
    moments = [at for _, at in prober.asked]
    gaps = [b - a for a, b in pairwise(moments)]
    assert gaps[0] == pytest.approx(0.25)
    assert max(gaps) <= 2.0 + 1e-6
    assert took <= 122.3, "late by one interval and the confirmation at most"
    assert len(moments) < 120, "a fixed pace of 0.25 s would be 480"


def test_a_short_interval_of_the_plan_is_kept() -> None:
    prober = well_from(1)
    hold(prober, spec(interval=0.1))
    moments = [at for _, at in prober.asked]
    assert max(b - a for a, b in pairwise(moments)) <= 0.1 + 1e-9


def test_checks_have_to_hold_together_and_not_one_after_the_other() -> None:
    def alternate(name: str, now: float) -> Verdict:
        first = name == "a"
        good = now < 10 if first else now >= 10
        return Verdict.HEALTHY if good or now > 60 else Verdict.UNWELL

    seen, took, _ = hold(TimedProber(alternate), spec("a"), spec("b"))
    assert took > 60
    assert set(seen) == {"a", "b"}


def test_a_check_that_cannot_be_carried_out_ends_it_at_once() -> None:
    def broken(name: str, _: float) -> Verdict:
        return Verdict.BROKEN if name == "sql" else Verdict.HEALTHY

    with pytest.raises(BrokenCheckError, match="sql: broken at 0"):
        hold(TimedProber(broken), spec("tcp"), spec("sql"))


def test_a_failure_is_told_at_once_and_its_other_wordings_ever_more_rarely() -> None:
    told: Sequence[tuple[str, Verdict]] = hold(well_from(300), spec())[2]
    assert {verdict for _, verdict in told} == {Verdict.REFUSED}
    assert 5 <= len(told) <= 9, "doubling from 2 s: 2, 6, 14, 30, 62, 126, 254"


def test_a_check_that_begins_to_hold_is_told_while_another_does_not() -> None:
    def second_is_late(name: str, now: float) -> Verdict:
        return Verdict.HEALTHY if name == "a" or now > 20 else Verdict.UNWELL

    told = hold(TimedProber(second_is_late), spec("a"), spec("b"))[2]
    assert ("a", Verdict.HEALTHY) in told
    assert ("b", Verdict.HEALTHY) not in told, "the last one is told by the step's end"


class Torn:
    """Cancels itself when asked for ``sql``, as a connection pool of its own might."""

    async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
        del machine
        await asyncio.sleep(0.01)
        if check.name == "sql":
            raise asyncio.CancelledError
        return CheckResult(verdict=Verdict.HEALTHY, evidence="open")


def verified(prober: Prober, *checks: CheckSpec) -> Verification:
    return Verification(prober, None, checks, lambda _check, _result: None)


def test_a_check_that_cancels_itself_is_a_defect_and_no_silence() -> None:
    async def play() -> float:
        with pytest.raises(BrokenCheckError, match="sql: unexpected CancelledError"):
            await asyncio.wait_for(verified(Torn(), spec("tcp"), spec("sql")).hold(), 600)
        return asyncio.get_running_loop().time()

    assert run_virtually(play()) < 1


def test_who_is_told_to_stop_verifying_stops() -> None:
    async def play() -> None:
        holding = asyncio.create_task(verified(Torn(), spec("tcp", stable=60)).hold())
        await asyncio.sleep(0.005)  # it is being asked
        holding.cancel()
        with pytest.raises(asyncio.CancelledError):
            await holding
        assert len(asyncio.all_tasks()) == 1

    run_virtually(play())
