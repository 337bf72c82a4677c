"""The comparison with others is fair and counts right; nothing here measures anything."""

from __future__ import annotations

import asyncio
import json
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from typing_extensions import override

from bench.peers import chart, ours, plain, table
from bench.peers.contestants import BOOTS, CONTESTANTS, DBOS, FIFTY, LARGE, NOOP, OURS, PLAIN
from bench.peers.dag import SLOTS, Dag, layered
from bench.peers.fifty import Timed, quantiles
from bench.peers.results import Results, figures
from bench.peers.work import Task, Watch

DIAMOND = Dag(parents=((), (0,), (0,), (1, 2), ()), boots=(1.0, 2.0, 3.0, 1.0, 0.5))


def task_of(dag: Dag, folder: Path, *, boots: bool = False) -> Task:
    return Task(dag, boots=boots, folder=folder, url="", tasks=3)


def test_everybody_gets_the_same_graph() -> None:
    assert layered(300) == layered(300)
    assert layered(300) != layered(300, seed=43)


@pytest.mark.parametrize("count", [1, 9, 200, 1000, 2500])
def test_parents_come_first(count: int) -> None:
    dag = layered(count)
    assert dag.size == count
    assert all(parent < node for node, parents in enumerate(dag.parents) for parent in parents)
    assert sum(map(len, dag.parents)) >= count - count // min(20, count) - SLOTS


def test_a_chain_is_as_long_as_its_longest_way_to_an_end() -> None:
    assert DIAMOND.chains == [5.0, 3.0, 4.0, 1.0, 0.5]
    assert DIAMOND.lower_bound(slots=32) == 5.0
    assert DIAMOND.lower_bound(slots=1) == 7.5


def test_a_node_that_begins_too_early_ends_everything(tmp_path: Path) -> None:
    task = task_of(DIAMOND, tmp_path)
    task.begin(0)
    with pytest.raises(SystemExit, match="node 1 began before 0 had ended"):
        task.begin(1)


def test_a_node_that_is_done_twice_is_no_result(tmp_path: Path) -> None:
    task = task_of(Dag(((),), (1.0,)), tmp_path)
    for _ in range(2):
        task.begin(0)
        task.end(0)
    with pytest.raises(SystemExit, match="exactly once"):
        Watch().tell(task)


async def test_plain_asyncio_does_every_node_once_in_order(tmp_path: Path) -> None:
    task = task_of(layered(400), tmp_path)
    await plain.run(task)
    assert set(task.begun) == set(task.ended) == {1}


async def test_plain_asyncio_takes_the_longest_chain_first(tmp_path: Path) -> None:
    short = tuple(0.001 for _ in range(SLOTS))
    dag = Dag(parents=(*(() for _ in short), (), (SLOTS,)), boots=(*short, 0.001, 5.0))
    begun: list[int] = []

    class Noted(Task):
        @override
        def begin(self, node: int) -> None:
            begun.append(node)
            super().begin(node)

    await plain.run(Noted(dag, boots=False, folder=tmp_path, url="", tasks=3))
    assert begun.index(SLOTS) < SLOTS


def test_drorch_recovers_the_same_graph(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    asyncio.run(ours.main(task_of(layered(60), tmp_path)))
    told = json.loads(capfd.readouterr().out)
    assert told["status"] == "succeeded"
    assert told["events"] >= 4 * 60


def test_a_step_waits_from_when_it_could_go() -> None:
    one = Timed(Dag(((), (0,)), (1.0, 1.0)), began=10.0)
    one.orders = [(0, 10.5), (1, 12.0)]
    one.ran = {0: 11.75, 1: 13.0}
    assert one.waits() == [0.5, 0.25]
    assert one.waits(later=True) == [0.25]


def test_a_taken_slot_is_not_the_engine() -> None:
    count = SLOTS + 1
    one = Timed(Dag(tuple(() for _ in range(count)), (1.0,) * count), began=0.0)
    one.orders = [(node, 0.0) for node in range(SLOTS)] + [(SLOTS, 7.5)]
    one.ran = {node: 7.0 + node for node in range(count)}
    assert one.waits()[-1] == 0.5


def test_quantiles_are_of_all_steps() -> None:
    assert quantiles([n / 1000 for n in range(100)]) == {
        "p50_ms": 50.0,
        "p99_ms": 99.0,
        "max_ms": 99.0,
    }


@pytest.fixture
def results() -> Results:
    out = Results(bound_s=0.2, about={"machine": "none"})
    for one in CONTESTANTS:
        for discipline in one.disciplines:
            wall = 0.01 if one == PLAIN else 16.0 if one == DBOS else 0.3
            out.add(discipline, one.key, {"wall_s": wall, "cpu_s": 0.1, "peak_mb": 50.0})
    waits = {
        "p50_ms": 1.0,
        "p99_ms": 51.0,
        "max_ms": 60.0,
        "later_p99_ms": 9.0,
        "cpu_share": 0.1,
        "over_bound": 1.1,
    }
    out.add(FIFTY, OURS.key, {**waits, "median_s": 1.0, "requested": "one after the other"})
    return out


def test_what_is_missed_is_said(results: Results) -> None:
    verdicts = [figure.verdict for figure in figures(results)]
    assert verdicts == ["**missed**"] * 2 + ["met"] + ["**missed**"] * 2 + ["met", "**missed**"]
    assert {figure.verdict for figure in figures(Results())} == {"not measured"}


def test_overhead_is_what_is_above_plain(results: Results) -> None:
    assert results.overhead_ms(NOOP, OURS) == pytest.approx(0.29)
    assert results.over_plain(LARGE, OURS) == pytest.approx(30)
    assert results.overhead_ms(BOOTS, PLAIN) == 0


def test_only_the_marked_part_of_the_document_is_written(results: Results, tmp_path: Path) -> None:
    document = tmp_path / "benchmarks.md"
    document.write_text("# Before\n", encoding="utf-8")
    table.write(results, document)
    once = document.read_text(encoding="utf-8")
    document.write_text(f"{once}\nAfter\n", encoding="utf-8")
    table.write(results, document)
    assert document.read_text(encoding="utf-8") == f"{once}\nAfter\n"
    assert once.startswith("# Before\n")
    assert "| drorch, SQLite FULL | 1,000 | 0.300 (0.300 to 0.300) |" in once


def test_the_picture_has_a_bar_for_everybody(results: Results) -> None:
    picture = ET.fromstring(chart.draw(results))
    words = {text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {one.title for one in CONTESTANTS} <= words
