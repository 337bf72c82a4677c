"""What the end of a run waits for by the plan's own word, if nobody is needed and nothing fails."""

from __future__ import annotations

from datetime import datetime

from drorch.model.graph import expected
from drorch.run.state import RunState, is_question
from drorch.run.status import IN_FLIGHT, NOT_BEGUN, StepStatus

_UNFINISHED = IN_FLIGHT | NOT_BEGUN | {StepStatus.WAITING}
_OPEN = IN_FLIGHT | {StepStatus.PENDING, StepStatus.READY, StepStatus.WAITING}


def critical(state: RunState, now: datetime) -> list[int]:
    """Return the steps that now decide when the run ends, the next first; empty when it is over.

    It begins with the unfinished step whose chain takes longest. Each step takes what the plan
    expects, less what it has used of it; answers come at once, and limits cost nothing.
    """
    graph = state.graph
    left = {n: _left(state, n, now) for n in _open_steps(state)} if not state.is_over else {}
    node: int | None = max(left, key=lambda n: (left[n], -n), default=None)
    path: list[int] = []
    while node is not None:
        if not graph.is_group(node):
            path.append(node)
        after = [n for n in graph.successors(node) if _is_open(state, n)]
        node = max(after, key=lambda n: (graph.chain[n], -n), default=None)
    return path


def _is_open(state: RunState, node: int) -> bool:
    return state.graph.is_group(node) or state.steps[node].status in _UNFINISHED


def _open_steps(state: RunState) -> list[int]:
    return [n for n, own in enumerate(state.steps) if own.status in _OPEN]


def _left(state: RunState, number: int, now: datetime) -> float:
    own, whole = state.steps[number], state.graph.chain[number]
    alone = expected(state.step(number))
    if own.status is StepStatus.WAITING and is_question(state.step(number)):
        return max(0.0, whole - alone)
    if not own.in_flight or own.attempt_at is None:
        return whole
    used = (now - own.attempt_at).total_seconds()
    return whole - min(max(0.0, used), alone)
