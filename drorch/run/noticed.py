"""What is noticed of the hypervisors, folded: readings, and obstacles that come and go."""

from __future__ import annotations

from drorch.run import events as ev
from drorch.run.state import Obstacle, RunState
from drorch.run.status import Scope
from drorch.run.waiting import requeue


def observed(state: RunState, event: ev.MachinesObserved) -> None:
    if event.connector not in state.surveyed:
        state.surveyed.add(event.connector)
        state.obstacles.pop((Scope.CONNECTOR, event.connector), None)
    index, steps = state.graph.index, state.steps
    for step, seen in event.machines.items():
        number = index[step]
        own = steps[number]
        own.power, own.host, own.machine = seen.power, seen.host, seen.machine
        if own.queued is not None:
            requeue(state, number)  # its node may have other limits
        if number in state.unconfirmed:
            state.unconfirmed.remove(number)
            state.dirty.add(number)


def obstacle_found(state: RunState, event: ev.ObstacleFound) -> None:
    key = (event.scope, event.key)
    before = state.obstacles.get(key)
    state.obstacles[key] = Obstacle(event.reason, event.hint, event.at)
    if event.scope is Scope.MACHINE:
        _retold(state, state.index(event.key), before, event.reason, event.hint)


def obstacle_gone(state: RunState, event: ev.ObstacleGone) -> None:
    before = state.obstacles.pop((event.scope, event.key), None)
    if event.scope is Scope.MACHINE:
        _retold(state, state.index(event.key), before, "", "")


def _retold(state: RunState, number: int, before: Obstacle | None, reason: str, hint: str) -> None:
    """A hold has changed or gone: its old reason is not this step's error any more."""
    own = state.steps[number]
    if before is not None and own.error == before.reason:
        own.error, own.hint = reason, hint
    requeue(state, number)
