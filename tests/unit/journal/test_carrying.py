"""One run as a file: whole or refused, read everywhere, carried on in one place."""

from __future__ import annotations

import hashlib
import json
import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from api.locale import speaking, told
from drorch.errors import JournalDamagedError, MachineClaimedError, RunNotFoundError
from drorch.journal.arrival import Arrival, ImportRefusedError, take_in
from drorch.journal.carrying import RunFileError, exported, read_file
from drorch.journal.pages import is_imported, open_runs
from drorch.journal.shelf import Shelf
from drorch.journal.store import Store
from drorch.journal.url import place_of
from drorch.ports.connector import Power
from drorch.run import events as ev
from drorch.run.seen import Seen
from tests.fakes.script import T0
from tests.real.postgres import PostgresServer
from tests.unit.journal.places import everything, execute
from tests.unit.journal.test_store import ENDED, create, paused

NOW = datetime(2026, 11, 22, tzinfo=UTC)
CLAIM = ("connector:pve", "db")


async def export(store: Store, run: str = "test-1") -> bytes:
    return await exported(store, run, now=NOW, version="1")


async def arrive(store: Store, content: bytes, *, carry_on: bool = False) -> Arrival:
    return await take_in(store, read_file(content), carry_on=carry_on)


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Store]:
    opened = Store(place_of("sqlite", tmp_path / "elsewhere"))
    yield opened
    opened.close()


async def begun(store: Store, *events: ev.Event) -> bytes:
    run = await create(store, CLAIM)
    await store.append(run, [ev.RunStarted(at=T0, driver="there:1"), *events], after=1)
    return await export(store)


async def test_the_file_can_be_read_by_anybody(store: Store) -> None:
    content = await begun(store, paused("à l'aube"), ENDED)
    header, *events, seal = [json.loads(line) for line in content.splitlines()]
    assert header == {
        "format": "drorch-run/1",
        "drorch": "1",
        "run": "test-1",
        "plan": "test",
        "mode": "live",
        "status": "succeeded",
        "created_at": header["created_at"],
        "events": 4,
        "exported_at": "2026-11-22T00:00:00.000Z",
    }
    assert [e["seq"] for e in events] == [1, 2, 3, 4]
    assert events[2]["data"] == {"at": "2030-01-01T00:00:00Z", "by": "à l'aube"}
    body = content[: content.rindex(b'{"sha256"')]
    assert seal == {"sha256": hashlib.sha256(body).hexdigest()}


async def test_a_run_goes_round_unchanged(tmp_path: Path, postgres_server: PostgresServer) -> None:
    places = [
        place_of("sqlite", tmp_path / "a"),
        place_of(postgres_server.make(), tmp_path / "b"),
        place_of("sqlite", tmp_path / "c"),
    ]
    stores = [Store(place) for place in places]
    content = await begun(stores[0], paused("ü"), ENDED)
    for store in stores[1:]:
        assert await arrive(store, content) is Arrival.ENDED
        assert await arrive(store, content) is Arrival.KNOWN
        assert await export(store) == content
    for store in stores:
        store.close()
    first, _, last = (everything(place) for place in places)
    assert first["runs"] == last["runs"]
    assert [row[:5] for row in first["events"]] == [row[:5] for row in last["events"]]


async def test_an_open_run_arrives_to_be_read_only(store: Store, elsewhere: Store) -> None:
    content = await begun(elsewhere)
    assert await arrive(store, content) is Arrival.READABLE
    assert await is_imported(store, "test-1")
    assert await open_runs(store) == []
    assert len(await store.read("test-1")) == 2
    assert everything(store.place)["claims"] == []
    assert await create(store, CLAIM) == "test-2", "it holds no machine, and numbers go on"


async def test_a_copy_is_brought_up_to_date_and_carried_on_later(
    store: Store, elsewhere: Store
) -> None:
    early = await begun(elsewhere)
    await elsewhere.append("test-1", [paused()], after=2)
    late = await export(elsewhere)
    assert await arrive(store, early) is Arrival.READABLE
    assert await arrive(store, late) is Arrival.READABLE
    assert await arrive(store, late) is Arrival.KNOWN
    with pytest.raises(ImportRefusedError, match="newer journal of 3 events"):
        await arrive(store, early)
    assert await arrive(store, late, carry_on=True) is Arrival.CARRIED_ON
    assert [line.id for line in await open_runs(store)] == ["test-1"]
    assert not await is_imported(store, "test-1")
    await store.append("test-1", [ENDED], after=3)
    assert everything(store.place)["claims"] == [], "its end frees its machines"
    with pytest.raises(ImportRefusedError):
        await arrive(store, late)


async def test_an_ended_run_brings_its_end_to_an_earlier_copy(
    store: Store, elsewhere: Store
) -> None:
    await arrive(store, await begun(elsewhere))
    await elsewhere.append("test-1", [ENDED], after=2)
    assert await arrive(store, await export(elsewhere), carry_on=True) is Arrival.ENDED
    assert not await is_imported(store, "test-1")
    assert everything(store.place)["claims"] == []


async def test_carrying_on_claims_by_connector_and_known_estate(
    store: Store, elsewhere: Store
) -> None:
    off = Seen(power=Power.OFF, host="n1", machine="101")
    seen = ev.MachinesObserved(at=T0, connector="pve", machines={"db": off})
    content = await begun(elsewhere, seen)
    await Shelf(store).remember_estate("pve", "cluster-1")
    assert await arrive(store, content, carry_on=True) is Arrival.CARRIED_ON
    claims = everything(store.place)["claims"]
    assert {(e, m) for e, m, _ in claims} == {
        (estate, machine)
        for estate in ("connector:pve", "cluster-1")
        for machine in ("db", "web", "101")
    }


async def test_carrying_on_is_refused_while_another_run_holds_a_machine(
    store: Store, elsewhere: Store
) -> None:
    content = await begun(elsewhere)
    other = await store.create_run("other", "live", _other, [CLAIM])
    before = everything(store.place)
    with pytest.raises(MachineClaimedError, match="other-1"):
        await arrive(store, content, carry_on=True)
    assert everything(store.place) == before
    assert await arrive(store, content) is Arrival.READABLE
    await store.append(other, [ENDED], after=1)
    assert await arrive(store, content, carry_on=True) is Arrival.CARRIED_ON


def _other(run: str) -> list[ev.Event]:
    return [paused()]


async def test_a_run_of_the_same_name_is_left_alone(store: Store, elsewhere: Store) -> None:
    content = await begun(elsewhere)
    await create(store)
    await store.append("test-1", [paused()], after=1)
    before = everything(store.place)
    for carry_on in (False, True):
        with pytest.raises(ImportRefusedError, match="another journal of 2 events") as refused:
            await arrive(store, content, carry_on=carry_on)
        assert "DRORCH_DATA_DIR" in refused.value.hint
    assert everything(store.place) == before


async def test_what_is_not_whole_is_not_exported(store: Store) -> None:
    await begun(store, paused())
    execute(store.place, "DELETE FROM events WHERE seq = 2")
    with pytest.raises(JournalDamagedError, match="event 2 is missing") as refused:
        await export(store)
    assert "drorch db check" in refused.value.hint
    with pytest.raises(RunNotFoundError):
        await export(store, "nope-1")


async def test_every_truncation_is_refused(elsewhere: Store) -> None:
    content = await begun(elsewhere, paused())
    read_file(content)
    for end in range(len(content)):
        with pytest.raises(RunFileError) as refused:
            read_file(content[:end])
        assert "line" in refused.value.message, end
        assert refused.value.hint


async def test_every_changed_byte_is_refused(elsewhere: Store) -> None:
    content = await begun(elsewhere, paused())
    chance = random.Random(7)
    for place in range(len(content)):
        spoilt = bytearray(content)
        spoilt[place] ^= 1 << chance.randrange(8)
        with pytest.raises(RunFileError) as refused:
            read_file(bytes(spoilt))
        assert refused.value.hint, place
    for _ in range(300):
        spoilt = bytearray(content)
        for _ in range(chance.randint(1, 20)):
            where = chance.randrange(len(spoilt))
            spoilt[where : where + chance.randint(0, 4)] = chance.randbytes(chance.randint(0, 4))
        if bytes(spoilt) != content:
            with pytest.raises(RunFileError):
                read_file(bytes(spoilt))


def sealed(lines: list[dict[str, Any]]) -> bytes:
    """Return a file that somebody made by hand, with a right checksum."""
    body = b"".join(json.dumps(line, separators=(",", ":")).encode() + b"\n" for line in lines)
    return body + b'{"sha256":"%s"}\n' % hashlib.sha256(body).hexdigest().encode()


def changed(lines: list[dict[str, Any]], number: int, **more: Any) -> bytes:
    copy = [dict(line) for line in lines]
    copy[number] |= more
    return sealed(copy)


async def test_a_right_checksum_makes_nothing_right(elsewhere: Store) -> None:
    lines = [json.loads(line) for line in (await begun(elsewhere, paused())).splitlines()][:-1]
    read_file(sealed(lines))
    requested = lines[1]["data"]
    forged = {
        "newer format": changed(lines, 0, format="drorch-run/2"),
        "another thing": changed(lines, 0, format="zip"),
        "another run": changed(lines, 0, run="test-2"),
        "no number": changed(lines, 0, run=7),
        "a strange time": changed(lines, 0, created_at="yesterday"),
        "more events": changed(lines, 0, events=9),
        "newer type": changed(lines, 3, type="moon.landed"),
        "newer version": changed(lines, 3, version=2),
        "gap": sealed([*lines[:2], *lines[3:]]),
        "twice": sealed([*lines[:3], *lines[2:]]),
        "rubbish inside": changed(lines, 3, data={"by": 7}),
        "asked twice": changed(lines, 3, type="run.requested", data=requested),
        "not asked": sealed([lines[0], changed_line(lines[2], seq=1)]),
        "a strange id": changed_run(lines, "test-x"),
        "nothing": b"",
        "a header alone": sealed(lines[:1]),
    }
    for name, content in forged.items():
        with pytest.raises(RunFileError) as refused:
            read_file(content)
        assert refused.value.message, name
    with pytest.raises(RunFileError, match=r"line 4: .*version 2 that this drorch") as newer:
        read_file(forged["newer version"])
    assert "newer drorch" in newer.value.hint
    with pytest.raises(RunFileError, match="line 3 holds event 3, event 2 is missing"):
        read_file(forged["gap"])


def changed_line(line: dict[str, Any], **more: Any) -> dict[str, Any]:
    return line | more


def changed_run(lines: list[dict[str, Any]], run: str) -> bytes:
    header, first, *rest = lines
    renamed = first | {"data": first["data"] | {"run": run}}
    return sealed([header | {"run": run}, renamed, *rest])


async def test_what_somebody_made_by_hand_is_refused(elsewhere: Store) -> None:
    lines = [json.loads(line) for line in (await begun(elsewhere, paused())).splitlines()][:-1]
    late = lines[3]["data"] | {"at": "2030-01-01T00:00:00"}
    over = {"at": lines[3]["data"]["at"], "status": "succeeded"}
    end = {"seq": 3, "type": "run.ended", "version": 1, "data": over}
    forged = {
        "out of the folder": changed_plan(lines, "../../../tmp/evil"),
        "on a terminal": changed_plan(lines, "a\x1b[2Jb"),
        "longer than a name": changed_plan(lines, "a" * 300),
        "no zone": changed(lines, 3, data=late),
        "after the end": sealed([*lines[:3], end, changed_line(lines[3], seq=4)]),
        "deep": b"[" * 200_000 + b"\n",
    }
    for name, content in forged.items():
        with pytest.raises(RunFileError) as refused:
            read_file(content)
        assert refused.value.message, name


UNSOUND: dict[str, tuple[Callable[[Any], object], str]] = {
    "a step twice": (lambda p: p["steps"].append(p["steps"][0]), "two steps or groups db"),
    "no steps": (lambda p: p["steps"].clear(), "it has no steps"),
    "a machine twice": (
        lambda p: p["steps"].append(p["steps"][0] | {"id": "copy"}),
        "machine pve/db belongs to two steps, db and copy",
    ),
    "none at once": (lambda p: p["limits"].update(parallel=0), "limits.parallel is 0, and not"),
    "fewer than none": (
        lambda p: p["limits"].update(parallel=-1),
        "limits.parallel is -1, and not",
    ),
    "none on a host": (lambda p: p["limits"].update(per_host=0), "limits.per_host is 0, and not"),
    "none behind a connector": (
        lambda p: p["limits"].update(per_connector={"pve": 0}),
        "pve: limits.per_connector is 0, and not",
    ),
    "no attempt": (
        lambda p: p["steps"][0]["retry"].update(attempts=0),
        "db: retry.attempts is 0, and not",
    ),
    "a cycle": (
        lambda p: p["steps"][0].update(depends_on=[{"target": "web", "when": "healthy"}]),
        "the dependencies form a cycle",
    ),
    "what is not there": (
        lambda p: p["steps"][0].update(depends_on=[{"target": "moon", "when": "healthy"}]),
        "db depends on moon, which is not there",
    ),
    "a group that is not there": (
        lambda p: p["steps"][0].update(group="moon"),
        "db is in the group moon, which is not there",
    ),
}


@pytest.mark.parametrize("name", UNSOUND)
async def test_a_plan_that_the_language_forbids_is_refused(name: str, elsewhere: Store) -> None:
    spoil, why = UNSOUND[name]
    lines = [json.loads(line) for line in (await begun(elsewhere)).splitlines()][:-1]
    plan = lines[1]["data"]["plan"]
    plan.setdefault("limits", {})
    for step in plan["steps"]:
        step.setdefault("retry", {})
    read_file(sealed(lines))
    spoil(plan)
    with pytest.raises(RunFileError, match=re.escape(why)) as refused:
        read_file(sealed(lines))
    assert refused.value.message.startswith("its plan is none that drorch would run: ")
    assert refused.value.hint
    with speaking("it"):
        said = told(refused.value.message)
    assert said.startswith("il suo piano ")
    assert why not in said, "the reason too is said in Italian"


def changed_plan(lines: list[dict[str, Any]], plan: str) -> bytes:
    header, first, *rest = lines
    run = f"{plan}-1"
    asked = first["data"] | {"run": run, "plan": first["data"]["plan"] | {"id": plan}}
    return sealed([header | {"run": run, "plan": plan}, first | {"data": asked}, *rest])
