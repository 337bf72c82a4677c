"""What has to be true after every disaster: nothing doubled, nothing lost, nothing too early."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from drorch.ports.journal import Recorded
from drorch.run import events as ev
from drorch.run.status import RunStatus
from tests.chaos import tally
from tests.chaos.scene import Scene


def check(scene: Scene, journal: Sequence[Recorded], plan: dict[str, Any]) -> None:
    """Hold the hypervisor's own log and the journal against the plan; the run has succeeded."""
    machines = {s["vm"]: name for name, s in plan["steps"].items() if "vm" in s}
    accepted = scene.accepted()
    times = Counter(int(entry.machine) for entry in accepted)
    forgotten = sorted(set(machines) - set(times))
    doubled = {m: n for m, n in times.items() if n > 1 + _failed(journal, machines.get(m, ""))}
    already = [e for e in scene.orders() if e.already]
    callouts = {name for name, step in plan["steps"].items() if "callout" in step}
    carried_out = Counter(scene.carried_out())
    for what, number in (
        (tally.RUNS, 1),
        (tally.MACHINES, len(machines)),
        (tally.CALLOUTS, len(callouts)),
        (tally.LOST, len(forgotten) + len(callouts - set(carried_out))),
        (tally.DOUBLED, len(doubled) + len(already) + (carried_out - Counter(callouts)).total()),
    ):
        tally.count(scene.database, what, number)
    attempts = Counter(
        record.event.step for record in journal if isinstance(record.event, ev.StepStarted)
    )
    assert not forgotten, f"forgotten: {forgotten}"
    assert set(times) == set(machines), "something else was ordered on"
    assert not doubled, f"ordered on twice: {doubled}; attempts {attempts}"
    assert not already, f"an order for a machine that was on: {already}"
    assert carried_out == Counter(callouts), "a callout was lost, or carried out twice"
    _check_order(plan, {machines[int(e.machine)]: e.seq for e in reversed(accepted)})
    _check_journal(journal, plan)


def _failed(journal: Sequence[Recorded], step: str) -> int:
    """Return how many accepted orders of *step* the journal itself knows to have failed."""
    events = [record.event for record in journal]
    return sum(isinstance(e, ev.AttemptFailed) and e.step == step for e in events)


def _check_order(plan: dict[str, Any], first: dict[str, int]) -> None:
    for name, step in plan["steps"].items():
        for before in step.get("depends_on", ()):
            if name in first and before in first:
                assert first[before] < first[name], f"{name} was ordered before {before}"


def _check_journal(journal: Sequence[Recorded], plan: dict[str, Any]) -> None:
    assert [record.seq for record in journal] == list(range(1, len(journal) + 1))
    last = journal[-1].event
    assert isinstance(last, ev.RunEnded)
    assert last.status is RunStatus.SUCCEEDED, last
    healthy: set[str] = set()
    for record in journal:
        match record.event:
            case ev.StepHealthy(step=step) | ev.StepAccepted(step=step):
                healthy.add(step)
            case ev.StepStarted(step=step):
                missing = set(plan["steps"][step].get("depends_on", ())) - healthy
                assert not missing, f"{step} began before {missing} were healthy"
    assert healthy == set(plan["steps"])
