"""The lookout in virtual time: every service once a round, changes told twice, one who looks."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from drorch.engine.lookout import CONFIRM, EVERY, TTL, Lookout, Watched, watched
from drorch.engine.virtual import VirtualClock, run_virtually
from drorch.errors import JournalUnavailableError
from drorch.journal.service_sightings import Kept, Key, Sighting
from drorch.model.plan import CheckSpec, MachineRef, Service
from drorch.ports.check import CheckResult, Verdict
from tests.fakes.plans import check, gate, plan, vm
from tests.fakes.script import T0

WELL = CheckResult(verdict=Verdict.HEALTHY, evidence="200")
UNWELL = CheckResult(verdict=Verdict.UNWELL, evidence="503")
SILENT = CheckResult(verdict=Verdict.UNREACHABLE, evidence="nobody")
Answers = Callable[[int, float], CheckResult | Exception | None]


def now() -> float:
    return asyncio.get_running_loop().time()


class Database:
    """Sightings and the lookout in memory, by the same rules; it can be away."""

    def __init__(self) -> None:
        self.kept: dict[Key, tuple[Sighting, float]] = {}
        self.history: list[tuple[str, bool | None, float]] = []
        self.writes: list[tuple[float, int, int]] = []
        self.holder, self.expires = "", 0.0
        self.away = False

    async def take(self, holder: str, ttl: float) -> bool:
        return await self.note(holder, ttl)

    async def note(
        self,
        holder: str,
        ttl: float,
        changed: Mapping[Key, Sighting] | None = None,
        looked: Collection[Key] = (),
    ) -> bool:
        await asyncio.sleep(0.01)
        if self.away:
            raise JournalUnavailableError("away")
        if holder != self.holder and self.expires >= now():
            return False
        self.holder, self.expires = holder, now() + ttl
        for key, sighting in (changed or {}).items():
            self.kept[key] = (sighting, now())
            self.history.append((key.service, sighting.healthy, now()))
        for key in set(looked) - set(changed or {}):
            self.kept[key] = (self.kept[key][0], now())
        self.writes.append((now(), len(changed or {}), len(looked)))
        return True

    async def leave(self, holder: str) -> None:
        if self.holder == holder:
            self.expires = 0.0

    async def all(self) -> Mapping[Key, Kept]:
        return {key: Kept(seen, now() - at) for key, (seen, at) in self.kept.items()}


class Town:
    """Services, each with a story; and as many orchestrators as a test wants."""

    def __init__(self, stories: Mapping[str, Answers], database: Database | None = None) -> None:
        self.stories = stories
        self.database = database or Database()
        self.services = set(stories)
        self.asked: list[tuple[str, float]] = []
        self.at_once = self.most_at_once = 0

    async def probe(self, check: CheckSpec, machine: MachineRef | None) -> CheckResult:
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        before = sum(name == check.name for name, _ in self.asked)
        self.asked.append((check.name, now()))
        try:
            await asyncio.sleep(0.05)
            answer = self.stories[check.name](before, now())
            if answer is None:
                await asyncio.Event().wait()
            if isinstance(answer, Exception):
                raise answer
            assert answer is not None
            return answer
        finally:
            self.at_once -= 1

    async def scope(self) -> Sequence[Watched]:
        return [Watched(Key("town", s), ((check(s), None),)) for s in sorted(self.services)]

    def orchestrator(self, name: str = "one") -> asyncio.Task[None]:
        lookout = Lookout(
            sightings=self.database, scope=self.scope, prober=self, clock=VirtualClock(T0),
            holder=name,
        )  # fmt: skip
        return asyncio.create_task(lookout.keep())

    def told(self, service: str) -> list[bool | None]:
        return [healthy for name, healthy, _ in self.database.history if name == service]


def always(answer: CheckResult | Exception | None) -> Answers:
    return lambda _before, _now: answer


def between(begin: float, end: float) -> Answers:
    return lambda _before, at: UNWELL if begin <= at < end else WELL


def played(town: Town, *acts: tuple[float, Callable[[], Any]], until: float = 600.0) -> Town:
    """Let one orchestrator look, and the *acts* happen at their seconds."""

    async def play() -> None:
        first = town.orchestrator()
        others: list[asyncio.Task[None]] = []
        for at, act in acts:
            await asyncio.sleep(at - now())
            done = act()
            if isinstance(done, asyncio.Task):
                others.append(done)
            elif isinstance(done, Awaitable):
                await done
        await asyncio.sleep(until - now())
        for task in (first, *others):
            task.cancel()
        await asyncio.gather(first, *others, return_exceptions=True)

    run_virtually(play())
    return town


def test_each_is_looked_at_every_minute_and_not_all_at_once() -> None:
    names = [f"s{n}" for n in range(40)]
    town = played(Town({name: always(WELL) for name in names}))
    for name in names:
        looks = [at for who, at in town.asked if who == name]
        pauses = [after - before for before, after in pairwise(looks[3:])]
        assert len(pauses) >= 5
        assert all(abs(pause - EVERY) < 1 for pause in pauses), name
        assert town.told(name) == [True]
    late = [at % EVERY for _, at in town.asked if at > 300]
    quarters = {int(at // (EVERY / 4)) for at in late}
    assert quarters == {0, 1, 2, 3}, "spread over the minute"
    assert town.most_at_once <= 8


def test_a_change_is_believed_when_it_is_seen_twice() -> None:
    town = played(Town({"registry": between(200, 400)}))
    assert town.told("registry") == [True, False, True]
    down, up = (at for _, _, at in town.database.history[1:])
    assert 200 + CONFIRM <= down <= 200 + EVERY + 3 * CONFIRM
    assert 400 + CONFIRM <= up <= 400 + EVERY + 3 * CONFIRM


def test_one_different_answer_is_no_news() -> None:
    town = played(Town({"registry": lambda before, _: UNWELL if before % 2 else WELL}))
    assert len(town.told("registry")) == 0, "never the same twice: nothing is said"
    steady = played(Town({"registry": lambda before, _: UNWELL if before == 5 else WELL}))
    assert steady.told("registry") == [True]


def test_what_stays_is_written_as_a_time_and_no_more() -> None:
    town = played(Town({"registry": always(WELL), "taxes": always(UNWELL)}))
    assert sum(changed for _, changed, _ in town.database.writes) == 2
    ages = [600 - at for _, at in town.database.kept.values()]
    assert max(ages) < EVERY + 10


def test_a_check_that_breaks_or_never_answers_ends_nothing() -> None:
    stories = {
        "broken": always(RuntimeError("boom")),
        "silent": always(None),
        "registry": always(WELL),
    }
    town = played(Town(stories))
    assert town.told("broken") == [None]
    assert town.told("silent") == [False]
    assert town.told("registry") == [True]
    assert town.at_once == 0


def test_of_two_one_looks_and_the_other_goes_on_when_it_dies() -> None:
    town = Town({"registry": always(WELL)})

    async def play() -> None:
        first = town.orchestrator("one")
        await asyncio.sleep(1)
        second = town.orchestrator("two")
        await asyncio.sleep(300)
        assert len(town.asked) < 10, "one alone looks"
        assert town.database.holder == "one"
        town.database.leave = _gone  # type: ignore[method-assign]  # killed: it says nothing
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        at = now()
        while town.database.holder != "two":
            await asyncio.sleep(1)
        assert now() - at <= TTL + 10
        await asyncio.sleep(200)
        second.cancel()
        await asyncio.gather(second, return_exceptions=True)

    run_virtually(play())
    assert town.told("registry") == [True], "the second knows what the first has seen"


async def _gone(holder: str) -> None: ...


def test_an_orderly_end_lets_another_begin_at_once() -> None:
    town = Town({"registry": always(WELL)})

    async def play() -> None:
        first = town.orchestrator("one")
        await asyncio.sleep(60)
        second = town.orchestrator("two")
        first.cancel()
        await asyncio.sleep(12)
        assert town.database.holder == "two"
        second.cancel()
        await asyncio.gather(first, second, return_exceptions=True)

    run_virtually(play())


def test_a_service_that_a_run_has_is_left_alone_and_looked_at_anew_after_it() -> None:
    town = Town({"registry": always(WELL), "taxes": always(WELL)})
    played(
        town,
        (200.0, lambda: town.services.discard("registry")),
        (900.0, lambda: town.services.add("registry")),
        until=1100.0,
    )
    assert not [at for who, at in town.asked if who == "registry" and 206 < at < 900]
    assert town.told("registry") == [True, True], "it is told anew: since when, nobody saw"
    assert town.told("taxes") == [True]


def test_it_looks_on_through_a_database_that_is_away_a_moment_and_stops_when_it_stays() -> None:
    town = Town({"registry": between(200, 10_000)})
    database = town.database

    def set_away(away: bool) -> Callable[[], None]:
        return lambda: setattr(database, "away", away)

    played(town, (195.0, set_away(True)), (215.0, set_away(False)))
    assert town.told("registry") == [True, False], "what was seen meanwhile is kept"
    longer = Town({"registry": always(WELL)})
    database = longer.database
    played(longer, (195.0, set_away(True)))
    assert max(at for _, at in longer.asked) < 195 + TTL + EVERY + 10


def test_what_is_known_but_old_is_looked_at_as_if_new() -> None:
    town = Town({"registry": always(WELL)})
    old = Sighting(healthy=True, evidence="200", since="2026-01-01T00:00:00.000Z")
    town.database.kept[Key("town", "registry")] = (old, -10_000.0)
    played(town)
    assert town.told("registry") == [True]


SERVICES = (
    Service(id="registry", title={}, steps=("1", "door")),
    Service(id="bare", title={}, steps=("2",)),
    Service(id="taxes", title={}, external=True, verify=(check("taxes"),)),
)
AGENT = CheckSpec(kind="agent", name="agent")


def test_what_there_is_to_ask() -> None:
    town = plan(
        vm("1", verify=(AGENT, check("web"))),
        vm("2", verify=()),
        gate("door", verify=(check("door"),)),
        services=SERVICES,
    )
    names = {
        post.key.service: [spec.name for spec, _ in post.questions]
        for post in watched(town, asks_agents=True)
    }
    assert names == {"registry": ["agent", "web", "door"], "taxes": ["taxes"]}
    quiet = watched(town, asks_agents=False)
    assert [spec.name for spec, _ in quiet[0].questions] == ["web", "door"]


@pytest.mark.parametrize(
    ("answer", "healthy"), [(WELL, True), (UNWELL, False), (SILENT, None), (None, None)]
)
def test_a_silent_hypervisor_says_nothing_about_its_guest(
    answer: CheckResult | None, healthy: bool | None
) -> None:
    town = Town({"agent": always(answer)})
    asked = CheckSpec(kind="agent", name="agent", timeout=timedelta(seconds=1))

    async def scope() -> Sequence[Watched]:
        machine = MachineRef(connector="sim", id="1")
        return [Watched(Key("town", "agent"), ((asked, machine),))]

    town.scope = scope  # type: ignore[method-assign]
    assert played(town).told("agent") == [healthy]
