"""What people can do, once for every face: load a plan, start a run, give a decision."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path

from api.bootstrap import Application
from drorch.engine.launch import RunOrder
from drorch.engine.preflight import Look
from drorch.errors import (
    CommandRejectedError,
    ConnectorError,
    MachineNotFoundError,
    PlanNotFoundError,
)
from drorch.journal.shelf import Hold
from drorch.model.moment import stamp
from drorch.model.plan import Plan
from drorch.ports.lease import Lease
from drorch.run.commands import Decision
from drorch.run.evolve import fold
from drorch.run.status import Mode
from plans import load, select

_ANSWER_EVERY = 0.05
_RESOLVE_WITHIN = 15.0


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


async def give_decision(app: Application, run: str, decision: Decision, *, patience: float) -> bool:
    """Put a decision into the run's inbox and wait for its owner's answer.

    Return False when nobody has taken it within *patience* seconds: it stays in the inbox and
    takes effect as soon as a process drives the run. Raises `CommandRejectedError` with the
    reason, and `RunNotFoundError`.
    """
    await _refuse_ended(app, run)
    entry = await app.store.submit(run, decision)
    loop = asyncio.get_running_loop()
    until = loop.time() + patience
    while loop.time() < until:
        answer = await app.store.answer(entry)
        if answer is not None:
            if answer.refused:
                raise CommandRejectedError(answer.refused)
            return True
        await asyncio.sleep(_ANSWER_EVERY)
    await _refuse_ended(app, run)  # it may have ended before anybody took the decision
    return False


async def hold_machine(
    app: Application, connector: str, machine: str, *, reason: str, by: str
) -> Hold:
    """Forbid every start order for *machine* (its id, or its name), from this moment on.

    It holds as it was named at once; then the hypervisor is asked for its id. One that is away
    leaves it so: orders ask for both. Raises `MachineNotFoundError` when nothing is called that.
    """
    at = stamp(datetime.now(UTC))
    hold = Hold(connector=connector, machine=machine, reason=reason, by=by, at=at)
    await app.shelf.hold(hold)
    try:
        async with asyncio.timeout(_RESOLVE_WITHIN):
            survey = await app.connectors[connector].survey()
    except (ConnectorError, TimeoutError):
        return hold
    seen = survey.machines.get(machine)
    named = [seen] if seen else [s for s in survey.machines.values() if s.name == machine]
    if not named:
        await app.shelf.release(connector, machine)
        near = get_close_matches(machine, [s.name for s in survey.machines.values()], 1)
        raise MachineNotFoundError(
            f"{connector} has no machine {machine!r}: nothing is held",
            hint=f"did you mean {near[0]!r}?" if near else "'drorch fleet' lists the machines",
        )
    for one in named:
        await app.shelf.hold(replace(hold, machine=one.machine))
    if machine not in {one.machine for one in named}:
        await app.shelf.release(connector, machine)
    return replace(hold, machine=named[0].machine)


async def _refuse_ended(app: Application, run: str) -> None:
    state = fold(record.event for record in await app.store.read(run))
    if state.is_over:
        raise CommandRejectedError(f"the run {run} has ended ({state.ended})")
