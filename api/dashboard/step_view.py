"""What the page of one step shows: evidence, attempts, what it waits for, what to do by hand."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, NamedTuple

from api.by_hand import by_hand, command_of
from api.dashboard.run_cards import card
from api.dashboard.step_history import answers_of, attempts_of, event_line
from api.dashboard.waits import Waits, waits_of, word_of
from api.locale import _
from api.routes.desk import Desk
from api.telling import connector_types
from drorch.errors import ConnectorError
from drorch.journal.pages import step_events
from drorch.model.plan import CheckSpec
from drorch.ports.connector import KeepsLogs, Order
from drorch.run.state import RunState
from drorch.run.status import StepStatus
from drorch.run.stuck import stuck
from drorch.run.views import Json

_EVENTS = 400
_PATIENCE = 5.0
_MOST_LINES = 400
_SHOWN = 60
_MOST_UNLOCKED = 40
_SETTLED = frozenset({StepStatus.HEALTHY, StepStatus.SKIPPED})


async def step_view(
    desk: Desk, state: RunState, number: int, *, log: bool = False
) -> Mapping[str, Any]:
    """Return what the page of a step is made of; with *log*, ask its hypervisor, too."""
    step, shown = state.step(number), card(state, number)
    events = await step_events(desk.app.store, state.run, step.id, _EVENTS)
    seen = {check["name"]: check for check in shown["checks"]}
    checks = [
        {**seen[c.name], "asked": _asked(c), "answers": answers_of(events, c.name)}
        for c in step.verify
    ]
    attempts, zone = attempts_of(events), desk.app.settings.server.timezone
    handle = next((a.handle for a in reversed(attempts) if a.handle), "")
    keeper = _keeper(desk, state, number) if handle else None
    reason = stuck(state, number, desk.app.clock.now())
    unlocked = _unlocks(state, number)
    return {
        "card": shown,
        "word": shown["examined"] or word_of(state, number),
        "stuck": reason.why if reason else None,
        "waits": waits_of(state, number),
        "needs": [_need(state, edge.node, edge.when) for edge in state.graph.needs[number]],
        "unlocks": unlocked[:_MOST_UNLOCKED],
        "unlocks_left": max(0, len(unlocked) - _MOST_UNLOCKED),
        "checks": checks,
        "attempts": attempts,
        "handle": handle,
        "events": [event_line(event, zone) for event in events[-_SHOWN:][::-1]],
        **_by_hand(desk, state, number),
        "keeps_log": keeper is not None,
        "task_log": await _task_log(keeper, handle) if log and keeper is not None else None,
        "nothing": Waits(),
    }


class TaskLog(NamedTuple):
    """The lines of the hypervisor's own log, or why there are none."""

    lines: list[str]
    error: str = ""


def _keeper(desk: Desk, state: RunState, number: int) -> KeepsLogs | None:
    """Return who has the logs of a step's orders; None where nobody keeps any."""
    step = state.step(number)
    if step.machine is None:
        return None
    connector: object = desk.app.connectors.get(step.machine.connector)
    return connector if isinstance(connector, KeepsLogs) else None


async def _task_log(keeper: KeepsLogs, handle: str) -> TaskLog:
    """Return the log of an order, as its hypervisor has it; never waited for long."""
    try:
        async with asyncio.timeout(_PATIENCE):
            lines = await keeper.order_log(Order(handle=handle))
    except ConnectorError as error:
        return TaskLog([], error.message)
    except TimeoutError:
        return TaskLog([], _("no answer within {n} s", n=int(_PATIENCE)))
    return TaskLog(list(lines)[-_MOST_LINES:])


def _asked(check: CheckSpec) -> str:
    """Return what a check asks, as the plan has it; of a secret it has the name only."""
    told = (f"{name}: {value}" for name, value in check.params.items() if value not in ("", None))
    return ", ".join(told)


def _need(state: RunState, node: int, when: str) -> Json:
    if state.graph.is_group(node):
        group = state.plan.groups[node - len(state.steps)]
        members = len(state.graph.members[node])
        missing = state.needs[node].unsatisfied
        return {
            "id": group.id,
            "group": True,
            "missing": missing,
            "members": members,
            "status": "",
            "when": when,
            "met": state.levels[node].satisfied,
        }
    level = state.levels[node]
    met = {"healthy": level.satisfied, "started": level.started, "finished": level.finished}
    own = {"id": state.step(node).id, "group": False, "status": word_of(state, node)}
    return {**own, "when": when, "met": met[when]}


def _unlocks(state: RunState, number: int) -> list[Json]:
    """Return what waits directly for this step, or for its group: the unfinished first."""
    graph = state.graph
    nodes = dict.fromkeys(graph.successors(number))
    for node in list(nodes):
        if graph.is_group(node):
            nodes.update(dict.fromkeys(graph.successors(node)))
    steps = [node for node in nodes if not graph.is_group(node)]
    steps.sort(key=lambda n: (state.steps[n].status in _SETTLED, n))
    return [{"id": state.step(n).id, "status": word_of(state, n)} for n in steps]


def _by_hand(desk: Desk, state: RunState, number: int) -> Mapping[str, str]:
    step, own = state.step(number), state.steps[number]
    if step.machine is None:
        return {"by_hand": "", "command": ""}
    types = connector_types(desk.app.settings.connectors)
    kind = types.get(step.machine.connector, "")
    machine = own.machine or step.machine.id or step.machine.name or ""
    return {"by_hand": by_hand(kind, machine, own.host), "command": command_of(kind, machine)}
