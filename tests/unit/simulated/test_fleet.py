"""The fleet file: what it may say, and what people are told when it says something else."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from connectors.simulated.fleet import build, load
from drorch.errors import ConfigurationError

EXAMPLE = """
time_scale: 60
latency: 20ms
hosts: {pve1: {memory: 256G, boot_slots: 6}, pve2: {}}
machines:
  - {id: 101, name: dc01, host: pve1, memory: 8G, boot: 40s, app: 10s, port: 20101}
  - {id: 201, name: anagrafe-db, boot: 1m30s, app: 30s, needs: [101], port: 20201}
generate: {count: 10000, first_id: 1000, hosts: 20, boot: 0s, app: 0s, seed: 1}
"""


def test_the_example_of_the_contract(tmp_path: Path) -> None:
    path = tmp_path / "fleet.yaml"
    path.write_text(EXAMPLE)
    fleet = load(path)
    assert (fleet.time_scale, fleet.latency) == (60.0, 0.02)
    assert len(fleet.machines) == 10_002
    assert len(fleet.hosts) == 22
    first, second, third = fleet.machines[:3]
    assert (first.id, first.label, first.memory) == ("101", 101, 8 * 2**30)
    assert (first.boot, first.app, first.port) == (40.0, 10.0, 20101)
    assert (second.boot, second.needs, second.host) == (90.0, ("101",), "pve2")
    assert (third.id, third.name, third.host, third.boot) == ("1000", "vm-1000", "node1", 0.0)


def test_a_machine_needs_no_more_than_an_id() -> None:
    fleet = build({"machines": [{"id": "a"}]})
    assert (fleet.machines[0].name, fleet.machines[0].host) == ("vm-a", "sim1")


def test_ports_count_up_from_their_base() -> None:
    fleet = build({"generate": {"count": 3, "port_base": 21000}})
    assert [machine.port for machine in fleet.machines] == [21000, 21001, 21002]


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ([], "must be a mapping"),
        ({"machine": []}, "fleet: machine: unknown key"),
        ({"machines": [{"id": 7, "boto": "1s"}]}, "machines.0.boto (machine 7): unknown key"),
        ({"machines": [{"id": 7, "boot": "fast"}]}, "machines.0.boot (machine 7): not a duration"),
        ({"machines": [{"id": 7, "boot": 40}]}, "machines.0.boot (machine 7): not a duration"),
        ({"machines": [{"id": 7, "memory": "8 gigs"}]}, "memory (machine 7): not a size"),
        ({"machines": [{"name": "x"}]}, "machines.0.id: Field required"),
        ({"machines": [{"id": 1}, {"id": "1"}]}, "machine 1: this id is used 2 times"),
        ({"machines": [{"id": 1, "host": "x"}]}, "machine 1: host 'x' is not among 'hosts'"),
        ({"machines": [{"id": 1, "needs": [2]}]}, "machine 1: needs 2, which is no machine"),
        (
            {"machines": [{"id": 1, "port": 900}, {"id": 2, "port": 900}]},
            "machine 2: port 900 is machine 1's",
        ),
        (
            {"machines": [{"id": 1, "needs": [2]}, {"id": 2, "needs": [1]}]},
            "these need each other in a circle: 1, 2",
        ),
        ({"time_scale": 0}, "fleet: time_scale: "),
        ({"generate": {"count": 2, "port_base": 65535}}, "machine 1001: port 65536 is above"),
    ],
)
def test_what_is_wrong_is_named(document: Any, said: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        build(document)
    assert said in caught.value.message
    assert caught.value.hint


def test_all_errors_are_told_at_once() -> None:
    with pytest.raises(ConfigurationError) as caught:
        build({"latency": "soon", "machines": [{"id": 1, "x": 1}, {"id": 2, "y": 1}]})
    assert len(caught.value.message.splitlines()) == 3


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("machines: [", "no valid YAML"),
        ("hosts: {a: {}, a: {}}", "the key 'a' is written twice"),
        ("machines: !!python/object:os.system []", "no valid YAML"),
    ],
)
def test_a_file_that_is_no_fleet_names_itself(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "broken.yaml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        load(path)
    assert said in caught.value.message
    assert str(path) in caught.value.message


def test_a_file_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"none\.yaml"):
        load(tmp_path / "none.yaml")
