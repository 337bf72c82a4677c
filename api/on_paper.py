"""Takes a tick of the printed runbook for every face: looks at it, puts it into the inbox."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from api.bootstrap import Application
from api.operations import give_decision
from api.reading import RunReader
from drorch.access.principal import Caller
from drorch.errors import CommandRejectedError
from drorch.run import commands as cmd
from drorch.run.decide import decide
from drorch.run.evolve import evolve, fold
from drorch.run.state import RunState
from drorch.run.status import PaperResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    """What stands on the paper beside a step. An empty ``by``: whoever enters it did it."""

    step: str
    done_at: datetime
    by: str = ""
    result: PaperResult = PaperResult.DONE
    comment: str = ""


async def enter_tick(
    app: Application,
    reader: RunReader,
    run: str,
    tick: Tick,
    *,
    caller: Caller,
    patience: float,
) -> bool:
    """Enter *tick* into *run*. Returns and raises as `give_decision`.

    Nothing new, and no error: a tick that is known already.
    """
    decision = cmd.Paper(
        by=caller.by.name,
        step=tick.step,
        comment=tick.comment,
        done_at=tick.done_at.replace(microsecond=0),
        done_by=tick.by or caller.by.name,
        result=tick.result,
    )
    await _refuse_among_waiting(app, run, decision)
    return await give_decision(app, reader, run, decision, caller=caller, patience=patience)


async def _refuse_among_waiting(app: Application, run: str, decision: cmd.Paper) -> None:
    """Refuse what contradicts the decisions that wait for a driver.

    A whole sheet is entered while nobody drives: whoever types it is told now, not at the next
    start.
    """
    waiting = await app.store.inbox(run)
    if not waiting or await app.leases.is_held(run):
        return
    state = fold(record.event for record in await app.store.read(run))
    for asked in waiting:
        _follow(state, asked.decision, app)
    if not state.is_over:
        decide(state, decision, app.clock.now())


def _follow(state: RunState, decision: cmd.Decision, app: Application) -> None:
    try:
        events = decide(state, decision, app.clock.now())
    except CommandRejectedError:
        return  # its driver will refuse it as well
    for event in events:
        evolve(state, event)
