"""External services during a live run, in virtual time: watched, told about, never waited for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from typing_extensions import override

from connectors.simulated.world import World as SimulatedWorld
from drorch.engine.externals import CONFIRM, EVERY
from drorch.engine.simulation import simulate
from drorch.engine.virtual import run_virtually
from drorch.model.plan import CheckSpec, MachineRef, Plan, Service
from drorch.ports.check import CheckResult, Verdict
from drorch.run import events as ev
from drorch.run.status import Mode, RunStatus
from tests.fakes.plans import ONCE, check, plan, question, vm, wait
from tests.fakes.script import T0, requested
from tests.fakes.stage import Stage, StageProber

FLEET: dict[str, Any] = {"machines": [{"id": 1, "boot": "10s", "app": "2s"}]}
WELL = CheckResult(verdict=Verdict.HEALTHY, evidence="200")
UNWELL = CheckResult(verdict=Verdict.UNWELL, evidence="503")
BROKEN = CheckResult(verdict=Verdict.BROKEN, evidence="the secret 'x' is not configured")

Answers = Callable[[int, float], CheckResult | BaseException | None]
"""From how often it was asked before, and the time, to the answer; None never comes."""


class Front(StageProber):
    """Machines as on any stage; a check by one of the names answers as its story says."""

    def __init__(self, world: SimulatedWorld, stories: Mapping[str, Answers]) -> None:
        super().__init__(world)
        self._stories = stories
        self.asked: list[tuple[str, float]] = []
        self.at_once = self.most_at_once = 0

    @override
    async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
        if check.name not in self._stories:
            return await super().probe(check, machine)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            return await self._answer(check.name)
        finally:
            self.at_once -= 1

    async def _answer(self, name: str) -> CheckResult:
        now = asyncio.get_running_loop().time()
        before = sum(name == known for known, _ in self.asked)
        self.asked.append((name, now))
        answer = self._stories[name](before, now)
        if answer is None:
            await asyncio.Event().wait()
        await asyncio.sleep(0.01)
        if isinstance(answer, BaseException):
            raise answer
        assert answer is not None
        return answer


def always(answer: CheckResult | BaseException | None) -> Answers:
    return lambda _before, _now: answer


def external(name: str, *checks: CheckSpec) -> Service:
    return Service(id=name, title={"en": name}, external=True, verify=checks or (check(name),))


def town(*services: Service) -> Plan:
    """A machine, and then ten minutes."""
    return plan(vm("1", retry=ONCE), wait("rest", 600.0, "1"), services=services)


def played(
    plan: Plan, stories: Mapping[str, Answers] | None = None, *more: Mapping[str, Any]
) -> tuple[Stage, Front]:
    async def play() -> tuple[Stage, Front]:
        stage = Stage(plan, FLEET)
        stage.prober = front = Front(stage.world, stories or {})
        telling = asyncio.create_task(stage.perform(more))
        await stage.recover()
        telling.cancel()
        return stage, front

    return run_virtually(play())


def told(stage: Stage) -> list[tuple[str, bool | None, int]]:
    return [
        (e.service, e.healthy, int((e.at - T0).total_seconds()))
        for e in stage.events
        if isinstance(e, ev.ServiceSeen)
    ]


def took(stage: Stage) -> timedelta:
    state = stage.state
    assert state.status is RunStatus.SUCCEEDED
    assert state.ended_at is not None
    return state.ended_at - T0


@pytest.fixture(scope="module")
def alone() -> timedelta:
    """How long the same run takes without any service."""
    return took(played(town())[0])


def test_one_that_is_up_is_told_once_at_once_and_asked_now_and_then(alone: timedelta) -> None:
    stage, front = played(town(external("taxes")), {"taxes": always(WELL)})
    assert told(stage) == [("taxes", True, 0)]
    pauses = [
        after - before
        for (_, before), (_, after) in zip(front.asked, front.asked[1:], strict=False)
    ]
    assert len(pauses) > 15
    assert all(abs(pause - EVERY) < 1 for pause in pauses)
    assert took(stage) == alone


def test_going_down_and_coming_back_are_told_once_each(alone: timedelta) -> None:
    def story(_before: int, now: float) -> CheckResult:
        return UNWELL if 100 <= now < 300 else WELL

    services = (external("taxes"), external("post"))
    stage, _ = played(town(*services), {"taxes": story, "post": always(WELL)})
    assert [entry[:2] for entry in told(stage)] == [
        ("taxes", True), ("post", True), ("taxes", False), ("taxes", True),
    ]  # fmt: skip
    down, up = (at for name, _, at in told(stage)[2:])
    assert 100 + CONFIRM <= down <= 100 + EVERY + CONFIRM + 1
    assert 300 + CONFIRM <= up <= 300 + EVERY + CONFIRM + 1
    assert took(stage) == alone
    seen = stage.state.externals["taxes"]
    assert (seen.healthy, seen.evidence) == (True, "taxes: 200")


@pytest.mark.parametrize("other", [UNWELL, BROKEN])
def test_one_different_answer_between_two_equal_ones_is_no_news(other: CheckResult) -> None:
    def story(before: int, _now: float) -> CheckResult:
        return other if before % 2 else WELL

    stage, front = played(town(external("taxes")), {"taxes": story})
    assert len(front.asked) > 30, "a doubt is asked again soon"
    assert told(stage) == [("taxes", True, 0)]


def test_two_different_answers_do_not_confirm_each_other() -> None:
    def story(before: int, _now: float) -> CheckResult:
        return (WELL, UNWELL, BROKEN, WELL)[before % 4]

    stage, _ = played(town(external("taxes")), {"taxes": story})
    assert told(stage) == [("taxes", True, 0)]


def test_evidence_that_changes_alone_is_no_news() -> None:
    def story(before: int, _now: float) -> CheckResult:
        return replace(UNWELL, evidence=f"503 after {before} ms")

    stage, _ = played(town(external("taxes")), {"taxes": story})
    assert told(stage) == [("taxes", False, 0)]
    assert stage.state.externals["taxes"].evidence == "taxes: 503 after 0 ms"


def test_one_that_never_answers_delays_nothing(alone: timedelta) -> None:
    stage, front = played(town(external("taxes")), {"taxes": always(None)})
    assert took(stage) == alone
    assert told(stage) == [("taxes", False, 6)], "its timeout of 5 s and one more"
    assert "no answer" in stage.state.externals["taxes"].evidence
    assert front.at_once == 0, "nothing is left behind"


def test_the_silent_do_not_keep_the_others_from_being_asked() -> None:
    silent = [external(f"silent{n}") for n in range(40)]
    stories = {service.id: always(None) for service in silent} | {"taxes": always(WELL)}
    stage, front = played(town(*silent, external("taxes")), stories)
    assert ("taxes", True) in [entry[:2] for entry in told(stage)]
    assert len(told(stage)) == 41
    assert front.most_at_once == 16


def test_a_check_that_breaks_is_unknown_and_ends_no_run(alone: timedelta) -> None:
    stories = {"taxes": always(RuntimeError("boom")), "post": always(BROKEN)}
    stage, _ = played(town(external("taxes"), external("post")), stories)
    assert took(stage) == alone
    assert told(stage) == [("taxes", None, 0), ("post", None, 0)]
    assert "RuntimeError: boom" in stage.state.externals["taxes"].evidence


def test_a_check_that_cancels_itself_is_unknown_and_is_asked_again(alone: timedelta) -> None:
    def story(before: int, _now: float) -> CheckResult | BaseException:
        return asyncio.CancelledError("pool") if before < 2 else WELL

    stage, _ = played(town(external("taxes"), external("post")), {"taxes": story})
    assert took(stage) == alone
    assert [healthy for name, healthy, _ in told(stage) if name == "taxes"] == [None, True]
    first = next(e for e in stage.events if isinstance(e, ev.ServiceSeen) and e.service == "taxes")
    assert "CancelledError: pool" in first.evidence


@pytest.mark.parametrize(
    ("first", "second", "healthy", "evidence"),
    [
        (WELL, WELL, True, "first: 200; second: 200"),
        (WELL, UNWELL, False, "second: 503"),
        (BROKEN, UNWELL, False, "second: 503"),
        (BROKEN, WELL, None, f"first: {BROKEN.evidence}"),
    ],
)
def test_all_checks_have_to_hold(
    first: CheckResult, second: CheckResult, healthy: bool | None, evidence: str
) -> None:
    service = external("taxes", check("first"), check("second"))
    stage, _ = played(town(service), {"first": always(first), "second": always(second)})
    assert told(stage) == [("taxes", healthy, 0)]
    assert stage.state.externals["taxes"].evidence == evidence


def test_the_next_process_knows_what_was_told() -> None:
    def story(_before: int, now: float) -> CheckResult:
        return UNWELL if now > 200 else WELL

    stage, _ = played(
        town(external("taxes")),
        {"taxes": story},
        {"at": 100, "kill": None},
        {"at": 202, "kill": None},
    )
    assert stage.lives == 3
    assert [entry[:2] for entry in told(stage)] == [("taxes", True), ("taxes", False)]


def test_a_run_that_waits_for_a_person_goes_on_watching() -> None:
    def story(_before: int, now: float) -> CheckResult:
        return UNWELL if now > 1000 else WELL

    asking = plan(question("san"), services=[external("taxes")])
    answer = {"at": 3000, "person": {"does": "approve", "step": "san"}}
    stage, _ = played(asking, {"taxes": story}, answer)
    assert [entry[:2] for entry in told(stage)] == [("taxes", True), ("taxes", False)]
    assert stage.state.status is RunStatus.SUCCEEDED


def test_own_services_and_those_without_checks_are_not_asked() -> None:
    own = Service(id="own", title={}, steps=("1",), verify=(check("own"),))
    bare = Service(id="bare", title={}, external=True)
    stage, front = played(town(own, bare), {"own": always(WELL)})
    assert (told(stage), front.asked) == ([], [])


def test_a_simulation_asks_nobody() -> None:
    log = simulate(requested(town(external("taxes")), Mode.SIMULATE))
    assert not [event for event in log if isinstance(event, ev.ServiceSeen)]
