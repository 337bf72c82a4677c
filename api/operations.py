"""What people can do, once for every face: load a plan, start a run, give a decision."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from api.bootstrap import Application
from api.reading import RunReader
from api.schemas.problem_types import StepNotFoundError
from drorch.engine.launch import RunOrder
from drorch.engine.preflight import Look
from drorch.engine.rehearsing import refusal_of
from drorch.errors import CommandRejectedError, PlanNotFoundError
from drorch.model.plan import Plan
from drorch.ports.lease import Lease
from drorch.run import commands as cmd
from drorch.run.decide import decide
from drorch.run.state import RunState
from drorch.run.status import Mode, RunStatus
from plans import load, select

_ANSWER_EVERY = 0.05

OF_RUN: Mapping[str, type[cmd.Pause | cmd.Resume | cmd.Abort]] = {
    "pause": cmd.Pause,
    "resume": cmd.Resume,
    "abort": cmd.Abort,
}
"""What a person may decide about a run; the words are those of every face."""
OF_STEP: Mapping[str, type[cmd.StepDecision]] = {
    "approve": cmd.Approve,
    "reject": cmd.Reject,
    "retry": cmd.Retry,
    "skip": cmd.Skip,
    "accept": cmd.Accept,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenPlan:
    """A plan that was read and stored, and the revision that it is stored as."""

    plan: Plan
    revision: int
    source: str
    file: str


async def store_plan(app: Application, source: bytes, *, file: str, by: str) -> ChosenPlan:
    """Check *source* and store it as a revision. Raises `InvalidPlanError` with every problem."""
    plan = load(source, file)
    text = source.decode("utf-8")
    revision, _ = await app.shelf.save_plan(plan.id, text, plan.digest, by)
    return ChosenPlan(plan=plan, revision=revision, source=text, file=file)


async def choose_plan(
    app: Application, name: str, *, by: str, revision: int | None = None
) -> ChosenPlan:
    """Return the plan in the file *name*, or the stored plan of that id.

    Raises `PlanNotFoundError` or `InvalidPlanError`.
    """
    path = Path(name)
    if path.is_file() and revision is None:
        return await store_plan(app, path.read_bytes(), file=name, by=by)
    if path.suffix in (".yaml", ".yml") and not path.is_file():
        raise PlanNotFoundError(f"there is no file {name}", hint="check the path")
    stored = await app.shelf.plan(name, revision)
    plan = load(stored.source, f"{name} revision {stored.revision}")
    return ChosenPlan(plan=plan, revision=stored.revision, source=stored.source, file=stored.plan)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A run that somebody wants; ``only`` names steps, groups or services."""

    chosen: ChosenPlan
    mode: Mode
    by: str
    reason: str = ""
    only: Sequence[str] = ()

    @property
    def plan(self) -> Plan:
        return select(self.chosen.plan, self.only) if self.only else self.chosen.plan


async def start_run(
    app: Application, wish: Wish, look: Look | None = None, *, keep_lease: bool
) -> tuple[str, Lease | None]:
    """Create the run; a live one is looked at first unless *look* was taken just now.

    Raises what refuses it: `MachineClaimedError`, `ConfigurationError`, `ConnectorError`.
    """
    plan = wish.plan
    if wish.mode is Mode.LIVE and look is None:
        look = await app.preflight.look(plan)
    order = RunOrder(
        plan=plan,
        mode=wish.mode,
        by=wish.by,
        reason=wish.reason,
        revision=wish.chosen.revision,
        only=tuple(wish.only),
    )
    return await app.launch(order, look, keep_lease=keep_lease)


def decision_of(verb: str, *, by: str, comment: str, step: str | None = None) -> cmd.Decision:
    """Return the decision that *verb* is the word for: about *step*, or about the whole run."""
    if step is None:
        return OF_RUN[verb](by=by, comment=comment)
    return OF_STEP[verb](by=by, comment=comment, step=step)


def step_number(state: RunState, step: str) -> int:
    """Return the number of a step. Raises `StepNotFoundError`."""
    try:
        return state.index(step)
    except KeyError:
        raise StepNotFoundError(
            f"the run {state.run} has no step {step!r}",
            hint=f"'drorch status {state.run}' or GET /api/v1/runs/{state.run}/steps lists them",
        ) from None


async def give_decision(
    app: Application, reader: RunReader, run: str, decision: cmd.Decision, *, patience: float
) -> bool:
    """Put a decision into the run's inbox and wait for its owner's answer.

    Return False when nobody has taken it within *patience* seconds, or nobody is there to take
    it: it stays in the inbox and takes effect as soon as a process drives the run. Raises
    `CommandRejectedError` with the reason, `StepNotFoundError` and `RunNotFoundError`.
    """
    await _refuse_impossible(app, await reader.state(run), decision)
    entry = await app.store.submit(run, decision)
    loop = asyncio.get_running_loop()
    until = loop.time() + (patience if await app.is_attended(run) else 0.0)
    while loop.time() < until:
        answer = await app.store.answer(entry)
        if answer is not None:
            if answer.refused:
                raise CommandRejectedError(answer.refused)
            return True
        await asyncio.sleep(_ANSWER_EVERY)
    _refuse_ended(await reader.state(run))  # it may have ended before anybody took the decision
    return False


async def _refuse_impossible(app: Application, state: RunState, decision: cmd.Decision) -> None:
    """Refuse what no driver could take, now or later."""
    if isinstance(decision, cmd.StepDecision):
        step_number(state, decision.step)
    _refuse_ended(state)
    if why := refusal_of(state.mode, decision):
        raise CommandRejectedError(why)
    if not await app.leases.is_held(state.run) and not await app.store.inbox(state.run):
        # Nobody would answer now, so what would be refused later is refused here. With decisions
        # before this one only the driver can tell.
        decide(state, decision, app.clock.now())


def refuse_imported(run: str) -> CommandRejectedError:
    """Return why nobody decides about, or drives, a run that is here to be read only."""
    return CommandRejectedError(
        f"the run {run} is open elsewhere; its copy here is for reading only",
        hint=f"decide where it is driven. If that place is lost for good: 'drorch import FILE "
        f"--carry-on' with the newest 'drorch export {run}' of it",
    )


def _refuse_ended(state: RunState) -> None:
    if state.status is RunStatus.IMPORTED:
        raise refuse_imported(state.run)
    if state.is_over:
        raise CommandRejectedError(
            f"the run {state.run} has ended: {state.status}",
            hint="start a new run; machines that run are found running and only verified",
        )
