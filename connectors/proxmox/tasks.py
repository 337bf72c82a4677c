"""What became of a task: its id, its exit status, and the cause in its log; pure rules."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from connectors.proxmox.errors import plain, template_hint, unlock_hint
from connectors.proxmox.names import node_name
from drorch.errors import ProtocolError

# pstart has 8 or 9 digits, so fields are split and never cut at fixed places.
_UPID = re.compile(
    r"UPID:(?P<node>[A-Za-z0-9-]+):(?P<pid>[0-9A-Fa-f]{8}):(?P<pstart>[0-9A-Fa-f]{8,9})"
    r":(?P<start>[0-9A-Fa-f]{8}):(?P<kind>[^:\s/]+):(?P<machine>[^:\s/]*)"
    r":(?P<user>[^:\s/]+):(?P<comment>[^:\s/]*)"
)

STARTS = frozenset({"qmstart", "vzstart", "hastart"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Upid:
    """A task's id. ``started`` is in epoch seconds of the clock of ``node``."""

    text: str
    node: str
    started: int
    kind: str
    machine: str
    user: str


def parse_upid(value: Any) -> Upid:
    """Return *value* as a task id, or raise `ProtocolError`; an empty one is none."""
    found = _UPID.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise ProtocolError(
            f"Proxmox VE answered {plain(repr(value))[:80]} where a task id was due",
            hint="look at the machine in the web interface before ordering again",
        )
    return Upid(
        text=found.string,
        node=node_name(found["node"]),
        started=int(found["start"], 16),
        kind=found["kind"],
        machine=found["machine"],
        user=found["user"],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskState:
    """One reading of a task; ``exit`` is None while it works."""

    upid: Upid
    exit: str | None


def listed_tasks(data: Any) -> dict[str, TaskState]:
    """Return the tasks of a node's list by id; those that cannot be read are left out."""
    if not isinstance(data, list):
        raise ProtocolError("Proxmox VE answered no list where a node's tasks were due")
    states = (_listed(row) for row in data if isinstance(row, Mapping))
    return {state.upid.text: state for state in states if state}


def _listed(row: Mapping[str, Any]) -> TaskState | None:
    try:
        upid = parse_upid(row.get("upid"))
    except ProtocolError:
        return None  # a task id of another kind of service, not one of ours
    status = row.get("status")
    return TaskState(upid=upid, exit=None if status in {None, "", "RUNNING"} else str(status))


def task_status(upid: Upid, data: Mapping[str, Any]) -> TaskState:
    """Return the answer of a task's own status call."""
    if data.get("status") == "running":
        return TaskState(upid=upid, exit=None)
    return TaskState(upid=upid, exit=str(data.get("exitstatus") or "unexpected status"))


class Ending(StrEnum):
    """``LOST``: the task was killed, or gave up on something that may still happen."""

    WELL = "well"
    ALREADY = "already"
    FAILED = "failed"
    LOST = "lost"


@dataclass(frozen=True, slots=True, kw_only=True)
class Exit:
    """The meaning of an exit status; ``cause_in_log`` when the text alone says nothing."""

    ending: Ending
    text: str
    hint: str = ""
    retryable: bool = True
    cause_in_log: bool = False


_LOST = re.compile(
    r"^unexpected status|^unable to read tail|^unable to get last line|^received interrupt"
    r"|^interrupted by signal|^got signal|^start failed: .*got timeout$|^got timeout$"
)
_ALREADY = re.compile(r"(?:VM|CT) \d+ (?:already|not) running$")
_LOCKED = re.compile(r"(?:VM|CT) is locked \((?P<lock>[^)]*)\)")
_PERMANENT = re.compile(r"storage '[^']*' (?:does not exist|is disabled|is not available on node)")


def read_exit(status: str, upid: Upid) -> Exit:
    """Return what the exit status of the task *upid* means."""
    text = plain(status)
    if status == "OK":
        return Exit(ending=Ending.WELL, text="")
    if re.fullmatch(r"WARNINGS: \d+", status):
        return Exit(ending=Ending.WELL, text=text, cause_in_log=True)
    if _ALREADY.search(status):
        return Exit(ending=Ending.ALREADY, text=text)
    if _LOST.search(" ".join(status.split())):
        hint = "the task ended without a verdict; only the machine's state tells"
        return Exit(ending=Ending.LOST, text=text, hint=hint)
    return _failed(status, text, upid)


def _failed(status: str, text: str, upid: Upid) -> Exit:
    def failed(hint: str, *, retryable: bool = True) -> Exit:
        return Exit(ending=Ending.FAILED, text=text, hint=hint, retryable=retryable)

    if locked := _LOCKED.search(status):
        return failed(unlock_hint(upid.machine, upid.node, locked["lock"]))
    if "can't lock file" in status:
        return failed("another task works on this machine; wait until it ends")
    if "if it's a template" in status:
        return failed(template_hint(upid.machine), retryable=False)
    if "Configuration file" in status:
        return failed(f"it is not on node {upid.node} any more: moved or deleted")
    if "no quorum" in status:
        return failed("bring back more nodes: pvecm status shows the votes")
    if _PERMANENT.search(status):
        return failed("correct the storage: pvesm status on the node", retryable=False)
    hint = f"read the task's log: on node {upid.node}, pvenode task log {upid.text}"
    return Exit(ending=Ending.FAILED, text=text, hint=hint, cause_in_log=True)


def log_lines(data: Any) -> list[str]:
    """Return the lines of a task's log, as they are."""
    if not isinstance(data, list):
        return []
    return [str(row.get("t") or "") for row in data if isinstance(row, Mapping)]


def cause(data: Any) -> str:
    """Return the lines of a task's log that tell why it ended so, or nothing."""
    telling = [plain(line) for line in log_lines(data) if _tells(line)]
    marked = [line for line in telling if line.startswith(("ERROR", "WARN"))]
    return plain("; ".join((marked or telling)[-3:]))


def _tells(line: str) -> bool:
    return bool(line.strip()) and line != "no content" and not line.startswith("TASK ")


def newest_start(
    states: Sequence[TaskState], machine: str, user: str, since: float
) -> TaskState | None:
    """Return our latest start of *machine* not before *since*, in the tasks' own clock."""
    ours = [
        state
        for state in states
        if state.upid.machine == machine
        and state.upid.user == user
        and state.upid.kind in STARTS
        and state.upid.started >= since
    ]
    return max(ours, key=lambda state: state.upid.started, default=None)
