"""One bulk reading serves everyone who waits: how often, how fresh, and what when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from itertools import pairwise

import pytest
from typing_extensions import override

from drorch.engine.virtual import run_virtually
from drorch.engine.watch import EstateWatch
from drorch.errors import AuthenticationError, MachineNotFoundError, UnreachableError
from drorch.model.plan import MachineRef
from drorch.ports.connector import Power, Sighting
from tests.fakes.estate import CountedEstate

Story = Callable[[EstateWatch], Awaitable[None]]


def watching(estate: CountedEstate, story: Story) -> None:
    async def play() -> None:
        watch = EstateWatch(estate)
        task = asyncio.create_task(watch.run())
        await story(watch)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtually(play())


def ref(machine: str = "m0") -> MachineRef:
    return MachineRef(connector="pve", id=machine)


@pytest.mark.parametrize("machines", [1, 1000])
def test_the_number_of_readings_grows_neither_with_machines_nor_with_waiters(machines: int) -> None:
    estate = CountedEstate(machines)

    async def story(watch: EstateWatch) -> None:
        watch.hurry("run", on=True)

        async def waits(number: int) -> None:
            for _ in range(20):
                await watch.look(ref(f"m{number}"), max_age=0)

        await asyncio.gather(*(waits(number) for number in range(machines)))

    watching(estate, story)
    assert len(estate.began) <= 22


def test_readings_keep_their_distance_however_many_ask() -> None:
    estate = CountedEstate(every=0.5)

    async def story(watch: EstateWatch) -> None:
        watch.hurry("run", on=True)
        while asyncio.get_running_loop().time() < 10:
            await asyncio.sleep(0.01)
            await watch.look(ref(), max_age=0)

    watching(estate, story)
    gaps = [b - a for a, b in pairwise(estate.began)]
    assert min(gaps) >= 0.5
    assert len(estate.began) <= 22


def test_an_estate_where_nothing_is_about_to_happen_is_read_seldom() -> None:
    estate = CountedEstate()

    async def story(watch: EstateWatch) -> None:
        await asyncio.sleep(60)
        idle = len(estate.began)
        assert 19 <= idle <= 22
        watch.hurry("run", on=True)
        await asyncio.sleep(10)
        assert 19 <= len(estate.began) - idle <= 22
        watch.hurry("run", on=False)
        await asyncio.sleep(60)
        assert len(estate.began) - idle <= 43

    watching(estate, story)


def test_an_estate_that_pushes_is_read_more_seldom_still() -> None:
    estate = CountedEstate(events=True)

    async def story(watch: EstateWatch) -> None:
        await asyncio.sleep(60)
        assert len(estate.began) <= 5

    watching(estate, story)


def test_a_look_is_never_older_than_it_was_asked_to_be() -> None:
    estate = CountedEstate()
    estate.slow = 2.0

    async def story(watch: EstateWatch) -> None:
        await watch.look(ref(), max_age=60)
        await asyncio.sleep(2.9)
        estate.becomes("m0", Power.RUNNING)
        assert (await watch.look(ref(), max_age=30)).power is Power.OFF
        assert (await watch.look(ref(), max_age=0)).power is Power.RUNNING
        await asyncio.sleep(1.2)
        began = len(estate.began)
        asked = asyncio.get_running_loop().time()
        reading = asyncio.create_task(watch.look(ref(), max_age=0))
        await asyncio.sleep(1)
        fresh = await watch.look(ref(), max_age=0)
        assert fresh.power is Power.RUNNING
        assert estate.began[-1] >= asked + 1, "a reading under way is not fresh enough"
        assert len(estate.began) <= began + 2
        await reading

    watching(estate, story)


def test_where_changes_are_pushed_a_first_look_needs_no_call() -> None:
    estate = CountedEstate(events=True)

    async def story(watch: EstateWatch) -> None:
        await watch.next_reading()
        estate.becomes("m0", Power.RUNNING)
        await asyncio.sleep(5)
        assert (await watch.look(ref(), max_age=1)).power is Power.RUNNING
        assert len(estate.began) == 1
        assert (await watch.look(ref(), max_age=0)).power is Power.RUNNING
        assert len(estate.began) == 2

    watching(estate, story)


def test_a_change_pushed_during_a_reading_is_not_undone_by_it() -> None:
    """Else a machine that has just come up would be taken for lost."""
    estate = CountedEstate(events=True)

    async def story(watch: EstateWatch) -> None:
        await watch.next_reading()
        await asyncio.sleep(1)
        estate.slow = 2.0
        looking = asyncio.create_task(watch.look(ref(), max_age=0))
        await asyncio.sleep(1)
        estate.becomes("m0", Power.RUNNING)
        assert (await looking).power is Power.RUNNING
        found = watch.find(ref())
        assert found is not None and found.power is Power.RUNNING
        estate.slow = 0
        estate.becomes("m0", Power.OFF)
        assert (await watch.look(ref(), max_age=0)).power is Power.OFF

    watching(estate, story)


@pytest.mark.parametrize("events", [False, True])
def test_an_estate_that_is_away_is_asked_again_soon_but_ever_less(events: bool) -> None:
    estate = CountedEstate(events=events)

    async def story(watch: EstateWatch) -> None:
        await watch.next_reading()
        await asyncio.sleep(1)
        estate.failure = UnreachableError("no route to pve1")
        with pytest.raises(UnreachableError, match="no route"):
            await watch.look(ref(), max_age=0)
        away = len(estate.began)
        assert watch.failure is not None
        await asyncio.sleep(60)
        asked = estate.began[away:]
        gaps = [b - a for a, b in pairwise(asked)]
        assert gaps == sorted(gaps)
        assert max(gaps) == 5.0
        assert 11 <= len(asked) <= 16
        estate.failure = None
        await asyncio.sleep(5)
        assert watch.failure is None, "back by itself"

    watching(estate, story)


def test_a_refused_token_is_not_tried_over_and_over() -> None:
    estate = CountedEstate()
    estate.failure = AuthenticationError("401")

    async def story(watch: EstateWatch) -> None:
        for _ in range(3):
            with pytest.raises(AuthenticationError):
                await watch.look(ref(), max_age=0)
        await asyncio.sleep(60 - asyncio.get_running_loop().time() % 60)
        assert len(estate.began) <= 4

    watching(estate, story)


def test_a_reading_that_never_ends_is_given_up() -> None:
    estate = CountedEstate()
    estate.slow = 3600.0

    async def story(watch: EstateWatch) -> None:
        with pytest.raises(UnreachableError, match="did not answer within 60 s"):
            await watch.look(ref(), max_age=0)

    watching(estate, story)


def test_a_machine_that_is_not_there_is_told_with_what_to_do() -> None:
    async def story(watch: EstateWatch) -> None:
        with pytest.raises(MachineNotFoundError, match="no machine 'm7'") as missing:
            await watch.look(ref("m7"), max_age=1)
        assert "drorch fleet" in missing.value.hint

    watching(CountedEstate(), story)


def test_names_are_looked_up_and_must_be_unique() -> None:
    class Namesakes(CountedEstate):
        @override
        def _sighting(self, machine: str) -> Sighting:
            name = "twin" if machine != "m2" else "alone"
            return Sighting(machine=machine, name=name, power=Power.OFF)

    async def story(watch: EstateWatch) -> None:
        alone = await watch.look(MachineRef(connector="pve", name="alone"), max_age=1)
        assert alone.machine == "m2"
        with pytest.raises(MachineNotFoundError, match="several machines called 'twin': m0, m1"):
            await watch.look(MachineRef(connector="pve", name="twin"), max_age=1)

    watching(Namesakes(3), story)


def test_listeners_hear_readings_and_pushes_that_concern_them_until_they_stop() -> None:
    heard: list[object] = []
    estate = CountedEstate(2, events=True)

    async def story(watch: EstateWatch) -> None:
        def listener(_: EstateWatch, changed: Sequence[Sighting] | None) -> None:
            heard.append(changed and [(seen.machine, seen.power) for seen in changed])

        stop = watch.listen(listener)
        await watch.next_reading()
        watch.follow(["m0"], listener)
        watch.follow(["m0"], listener)
        estate.becomes("m1", Power.STARTING)
        estate.becomes("m0", Power.STARTING)
        stop()
        estate.becomes("m0", Power.RUNNING)

    watching(estate, story)
    assert heard == [None, [("m0", Power.STARTING)]]


def test_who_waits_for_one_machine_sleeps_through_the_changes_of_others() -> None:
    estate = CountedEstate(2, events=True)

    async def story(watch: EstateWatch) -> None:
        await watch.next_reading()
        about = [ref("m0"), ref("m1"), ref("not seen yet"), None]
        waits = [asyncio.create_task(watch.next_reading(one)) for one in about]
        await asyncio.sleep(0)
        estate.becomes("m0", Power.RUNNING)
        await asyncio.sleep(0.01)
        assert [one.done() for one in waits] == [True, False, True, True]
        await watch.next_reading()  # of everything
        await asyncio.sleep(0.01)
        assert waits[1].done()

    watching(estate, story)
