"""Parsers and error translation against what a genuine Proxmox VE 8.4.1 answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from proxmoxer import ResourceException

from connectors.proxmox import rights, rows, tasks
from connectors.proxmox.errors import AlreadyError, Problem, TaskGoneError, translate
from connectors.proxmox.findings import Config, read_config
from connectors.proxmox.sightings import sighting
from connectors.proxmox.tasks import Ending
from connectors.proxmox.wire import Trace
from drorch.errors import (
    AuthenticationError,
    ConnectorError,
    HostUnavailableError,
    MachineNotFoundError,
    PermissionDeniedError,
    RefusedError,
    UnsupportedError,
)
from drorch.ports.connector import Power

FOLDER = Path(__file__).parent / "recordings"
TOKEN = "dr@pve!t2"


def load(name: str) -> dict[str, dict[str, Any]]:
    entries = json.loads((FOLDER / f"pve-8.4.1-{name}.json").read_text())
    return {entry["name"]: entry for entry in entries}


ERRORS, TASKS, LISTS = load("errors"), load("tasks"), load("lists")


def translated(entry: dict[str, Any], *, order: bool = False) -> ConnectorError:
    body = entry["body"] if isinstance(entry["body"], dict) else None
    errors = body.get("errors") if body is not None else {"errors": b""}
    error = ResourceException(entry["status"], None, entry["reason"], errors=errors)
    trace = Trace(sent=True, message=(body or {}).get("message", "").strip())
    return translate(
        Problem(
            error=error,
            trace=trace,
            order=order,
            endpoint="10.1.0.2:8006",
            token_id=TOKEN,
            node="pve1",
            machine="999",
            contact="pve1",
        )
    )


EXPECTED: dict[str, tuple[type[ConnectorError], str]] = {
    "status current, unknown machine": (MachineNotFoundError, "999"),
    "start, unknown node": (HostUnavailableError, "nosuch"),
    "reboot, stopped": (AlreadyError, "not running"),
    "start with an unknown parameter": (RefusedError, "nonsense: property is not defined"),
    "start with skiplock by token": (RefusedError, "Only root may use this option"),
    "vmid out of range": (RefusedError, "does not look like a valid VM ID"),
    "unknown path": (UnsupportedError, "GET /nope"),
    "unknown task": (TaskGoneError, "no longer knows"),
    "malformed task id": (RefusedError, "unable to parse worker upid"),
    "no credentials": (AuthenticationError, "dr@pve!t2"),
    "wrong token value": (AuthenticationError, "dr@pve!t2"),
    "unknown token": (AuthenticationError, "dr@pve!t2"),
    "forbidden: config change, least-privilege token": (PermissionDeniedError, "VM.Config.Disk"),
    "forbidden: agent ping, least-privilege token": (PermissionDeniedError, "VM.Monitor"),
    "agent ping, stopped": (RefusedError, "VM 101 is not running"),
    "agent ping, agent off": (RefusedError, "QEMU guest agent is not running"),
    "agent ping, no agent configured": (RefusedError, "No QEMU guest agent configured"),
    "create existing": (RefusedError, "already exists on node"),
    "restore over an existing id without force": (RefusedError, "already exists"),
    "restore of a missing archive": (RefusedError, "does not exist"),
    "shutdown, guest ignores it": (RefusedError, "VM is paused - cannot shutdown"),
}


def test_every_recorded_error_is_expected() -> None:
    assert set(EXPECTED) == set(ERRORS)


@pytest.mark.parametrize("name", sorted(EXPECTED))
@pytest.mark.parametrize("order", [False, True])
def test_recorded_errors_are_translated(name: str, order: bool) -> None:
    kind, words = EXPECTED[name]
    error = translated(ERRORS[name], order=order)
    assert type(error) is kind
    assert words in error.message


def test_a_refused_right_names_the_commands_place() -> None:
    error = translated(ERRORS["forbidden: agent ping, least-privilege token"])
    assert "VM.Monitor on /vms/1001" in error.hint


ENDINGS: dict[str, tuple[Ending, bool]] = {
    "start, stopped machine": (Ending.WELL, True),
    "start, already running": (Ending.ALREADY, True),
    "start with the least-privilege token": (Ending.WELL, True),
    "start, locked": (Ending.FAILED, True),
    "start, template": (Ending.FAILED, False),
    "start, unknown machine": (Ending.FAILED, True),
    "stop, running": (Ending.WELL, True),
    "stop, stopped": (Ending.WELL, True),
    "shutdown, stopped": (Ending.WELL, True),
    "start, bridge missing": (Ending.FAILED, True),
    "vzdump": (Ending.FAILED, True),
    "shutdown with force": (Ending.WELL, True),
    "lock left by a failed create": (Ending.FAILED, True),
}


def test_every_recorded_task_is_expected() -> None:
    assert set(ENDINGS) == set(TASKS)


@pytest.mark.parametrize("name", sorted(ENDINGS))
def test_recorded_tasks_end_as_expected(name: str) -> None:
    entry = TASKS[name]
    upid = tasks.parse_upid(entry["body"]["data"])
    state = tasks.task_status(upid, entry["task"]["status_first_and_last"][-1])
    assert state.exit is not None
    end = tasks.read_exit(state.exit, upid)
    assert (end.ending, end.retryable) == ENDINGS[name]


def test_a_working_task_is_working() -> None:
    entry = TASKS["start, stopped machine"]
    upid = tasks.parse_upid(entry["body"]["data"])
    assert tasks.task_status(upid, entry["task"]["status_first_and_last"][0]).exit is None
    assert (upid.node, upid.kind, upid.machine) == ("pve1", "qmstart", "1001")
    assert (upid.user, upid.started) == ("root@pam!lab", 1795311793)


def test_the_cause_stands_in_the_log_alone() -> None:
    told = tasks.cause(TASKS["start, bridge missing"]["task"]["log"])
    assert told.startswith("bridge 'vmbr900' does not exist; kvm: -netdev")
    assert "TASK ERROR" not in told
    backup = tasks.cause(TASKS["vzdump"]["task"]["log"])
    assert "unable to connect to qmeventd socket" in backup
    assert "INFO" not in backup


def test_lists_are_read() -> None:
    placed = rows.placed(LISTS["cluster resources, vms"]["body"]["data"])
    listed = {
        r.machine: r
        for r in rows.listed(LISTS["qemu list of a node"]["body"]["data"], "pve1", "qemu")
    }
    assert placed["1001"].name == "app-001"
    assert placed["1001"].node == "pve1"
    assert placed["102"].template
    assert listed["100"].running
    assert sighting(placed["100"], listed["100"]).power is Power.RUNNING
    assert sighting(placed["101"], listed["101"]).power is Power.OFF
    assert sighting(placed["101"], listed["101"]).memory == 134217728
    template = sighting(placed["102"], listed["102"])
    assert template.template
    assert template.problem
    assert "qm clone 102" in template.hint


def test_nodes_and_a_standalone_cluster_are_read() -> None:
    node = rows.nodes(LISTS["nodes"]["body"]["data"])["pve1"]
    assert node.status == "online"
    assert node.memory_free == 25276502016 - 1309732864
    cluster = rows.cluster(LISTS["cluster status"]["body"]["data"])
    assert (cluster.name, cluster.quorate, cluster.local) == ("", True, "pve1")


def test_own_tasks_are_listed_by_their_token() -> None:
    states = tasks.listed_tasks(LISTS["own tasks, least-privilege token"]["body"]["data"])
    found = tasks.newest_start(list(states.values()), "1002", TOKEN, 1795311793)
    assert found is not None
    assert found.exit == "OK"
    assert tasks.newest_start(list(states.values()), "1002", TOKEN, 1795311794) is None
    assert tasks.newest_start(list(states.values()), "1002", "dr@pve!other", 0) is None


def test_permissions_and_configuration_are_read() -> None:
    held = rights.read_rights(LISTS["permissions of a least-privilege token"]["body"]["data"])
    assert held.has_for("1002", "VM.PowerMgmt")
    assert not held.has("/", "Sys.Audit")
    config = read_config(LISTS["config"]["body"]["data"])
    assert config == Config(onboot=False, storages=frozenset({"local"}))
