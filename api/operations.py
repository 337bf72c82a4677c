"""What people can do, once for every face: load a plan, start a run, give a decision."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from api.bootstrap import Application
from api.reading import RunReader
from api.schemas.common import UNSEEN
from api.schemas.problem_types import StepNotFoundError
from api.signing import refuse_unsigned, signer_of
from drorch.access.policy import HaltedError
from drorch.access.principal import Caller
from drorch.access.roles import Permission, to_abort, to_start
from drorch.engine.launch import RunOrder
from drorch.engine.preflight import Look
from drorch.engine.rehearsing import refusal_of
from drorch.errors import CommandRejectedError, MachineClaimedError, PlanNotFoundError
from drorch.journal.shelf import NewPlan, PlanCheck, StoredPlan
from drorch.model import moment
from drorch.model.plan import Plan
from drorch.ports.lease import Lease
from drorch.run import commands as cmd
from drorch.run.decide import decide
from drorch.run.decisions import approval_digest
from drorch.run.state import RunState
from drorch.run.status import Mode, RunStatus
from plans import load, select

log = structlog.get_logger()

_ANSWER_EVERY = 0.05

_ABOUT_STEP = cmd.StepDecision | cmd.Paper
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
    signature: str = ""
    signer: str = ""


async def store_plan(
    app: Application, source: bytes, *, file: str, caller: Caller, signature: bytes = b""
) -> tuple[ChosenPlan, bool]:
    """Check *source* and store it as a revision; tell whether it is new.

    Raises `InvalidPlanError` with every problem. An altered or unsigned plan is stored, too: it
    is only not run live where the policy asks for signatures.
    """
    plan = load(source, file)
    kept, is_new = await keep_plan(app, plan, source, caller=caller, signature=signature)
    return replace(kept, file=file), is_new


async def keep_plan(
    app: Application,
    plan: Plan,
    source: bytes,
    *,
    caller: Caller,
    signature: bytes = b"",
    check: PlanCheck | None = None,
) -> tuple[ChosenPlan, bool]:
    """Store *source*, which was read as *plan* and has no errors. See `store_plan`.

    *check* is asked about the newest revision before a new one is stored.
    """
    text, armor = source.decode("utf-8"), signature.decode("utf-8", "replace")
    new = NewPlan(
        plan=plan.id,
        source=text,
        digest=plan.digest,
        by=caller.by.name,
        signature=armor,
        signer=signer_of(app.settings.policy, source, signature),
    )
    act = caller.act(
        "plan.store",
        lambda stored: f"plan/{plan.id}/{stored[0]}",
        after={"digest": plan.digest, "signed_by": new.signer},
    )
    revision, is_new = await app.shelf.save_plan(new, act, check)
    return ChosenPlan(
        plan=plan,
        revision=revision,
        source=text,
        file=plan.id,
        signature=armor,
        signer=new.signer,
    ), is_new


async def choose_plan(
    app: Application, name: str, *, caller: Caller, revision: int | None = None
) -> ChosenPlan:
    """Return the plan in the file *name*, or the stored plan of that id.

    A file's signature is looked for beside it (``plan.yaml.sig``). Raises `PlanNotFoundError` or
    `InvalidPlanError`.
    """
    path = Path(name)
    if path.is_file() and revision is None:
        beside = path.with_name(f"{path.name}.sig")
        armor = beside.read_bytes() if beside.is_file() else b""
        found, _ = await store_plan(
            app, path.read_bytes(), file=name, caller=caller, signature=armor
        )
        return found
    if path.suffix in (".yaml", ".yml") and not path.is_file():
        raise PlanNotFoundError(f"there is no file {name}", hint="check the path")
    return chosen(await app.shelf.plan(name, revision))


def chosen(stored: StoredPlan, plan: Plan | None = None) -> ChosenPlan:
    """Return a stored revision as what may be run; *plan* is it, if it was read before."""
    return ChosenPlan(
        plan=plan or load(stored.source, f"{stored.plan} revision {stored.revision}"),
        revision=stored.revision,
        source=stored.source,
        file=stored.plan,
        signature=stored.signature,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A run that somebody wants; ``only`` names steps, groups or services.

    ``break_glass`` is why one person starts alone what the policy wants two for.
    """

    chosen: ChosenPlan
    mode: Mode
    caller: Caller
    reason: str = ""
    only: Sequence[str] = ()
    break_glass: str = ""

    @property
    def plan(self) -> Plan:
        return select(self.chosen.plan, self.only) if self.only else self.chosen.plan


async def start_run(
    app: Application, wish: Wish, look: Look | None = None, *, keep_lease: bool
) -> tuple[str, Lease | None]:
    """Create the run; a live one is looked at first unless *look* was taken just now.

    Raises what refuses it: `NotAllowedError`, `HaltedError`, `UnsignedPlanError`,
    `MachineClaimedError`, `ConfigurationError`, `ConnectorError`.
    """
    wish.caller.by.allow(to_start(wish.mode))
    plan, policy = wish.plan, app.settings.policy.policy()
    if wish.mode is Mode.LIVE:
        await refuse_halted(app)
        refuse_unsigned(
            app.settings.policy,
            f"{wish.chosen.plan.id} revision {wish.chosen.revision}",
            wish.chosen.source,
            wish.chosen.signature,
        )
    if wish.mode is Mode.LIVE and look is None:
        look = await app.preflight.look(plan)
    order = RunOrder(
        plan=plan,
        mode=wish.mode,
        by=wish.caller.by.name,
        reason=wish.reason,
        revision=wish.chosen.revision,
        only=tuple(wish.only),
        caller=wish.caller,
        needs_approval=policy.takes_two(wish.mode),
        break_glass=_told_why(wish.break_glass),
    )
    made = await app.launch(order, look, keep_lease=keep_lease)
    if order.needs_approval and order.break_glass:
        _tell_broken(made[0], wish.caller, order.break_glass)
    return made


def _tell_broken(run: str, caller: Caller, reason: str) -> None:
    """Say it in the log as well: it stands in the record, in the run, and web hooks have it."""
    log.warning("glass.broken", run=run, by=caller.by.name, reason=reason)


def _told_why(given: str) -> str:
    """Return a reason that somebody can read; blanks and signs that nobody sees are none."""
    return given.strip() if any(c.isalnum() and c not in UNSEEN for c in given) else ""


async def refuse_halted(app: Application) -> None:
    """Raise `HaltedError` while drorch is halted."""
    if (halt := await app.site.halted()) is not None:
        raise HaltedError(
            f"drorch is halted since {halt.at} by {halt.by}: {halt.reason}",
            hint="an admin lifts it: 'drorch halt --lift'",
        )


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
    app: Application,
    reader: RunReader,
    run: str,
    decision: cmd.Decision,
    *,
    caller: Caller,
    patience: float,
) -> bool:
    """Put a decision into the run's inbox and wait for its owner's answer.

    Return False when nobody has taken it within *patience* seconds, or nobody is there to take
    it: it stays in the inbox and takes effect as soon as a process drives the run. Raises
    `NotAllowedError`, `CommandRejectedError` with the reason, `StepNotFoundError` and
    `RunNotFoundError`.
    """
    state = await reader.state(run)
    caller.by.allow(_permission(state, decision))
    await _refuse_impossible(app, state, decision)
    about = f"run/{run}" + (f"/{decision.step}" if isinstance(decision, _ABOUT_STEP) else "")
    verb = type(decision).__name__.lower()
    after = _told_on_paper(decision) if isinstance(decision, cmd.Paper) else None
    act = caller.act(f"decision.{verb}", about, after=after, reason=decision.comment)
    entry = await app.store.submit(run, decision, act)
    return await answered(app, reader, run, entry, patience)


def _told_on_paper(tick: cmd.Paper) -> Mapping[str, str]:
    """Return what the record of acts keeps of a tick besides who entered it."""
    return {"result": tick.result, "done_at": moment.stamp(tick.done_at), "done_by": tick.done_by}


def _permission(state: RunState, decision: cmd.Decision) -> Permission:
    match decision:
        case cmd.Abort():
            return to_abort(state.mode)
        case cmd.Pause() | cmd.Resume():
            return Permission.PAUSE
        case cmd.ApproveRun():
            return Permission.APPROVE_LIVE
        case _:
            return Permission.DECIDE


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """What somebody says yes to. *digest*, if given, has to be that of the run as it is."""

    comment: str = ""
    digest: str = ""
    break_glass: str = ""


async def approve_run(
    app: Application,
    reader: RunReader,
    run: str,
    given: Approval,
    *,
    caller: Caller,
    patience: float,
) -> bool:
    """Approve a live run that somebody else asked for; its machines are claimed now.

    It is looked at once more: much may have changed since it was asked for. Returns and raises
    as `give_decision`, and what `start_run` raises.
    """
    caller.by.allow(Permission.APPROVE_LIVE)
    given = replace(given, break_glass=_told_why(given.break_glass))
    state = await reader.state(run)
    _refuse_ended(state)
    await refuse_halted(app)
    approval = cmd.ApproveRun(
        by=caller.by.name,
        comment=given.comment,
        identity=caller.by.identity,
        digest=given.digest or approval_digest(state),
        break_glass=given.break_glass,
    )
    decide(state, approval, app.clock.now())
    look = await app.preflight.look(state.plan)
    act = caller.act(
        "run.break-glass" if given.break_glass else "run.approve",
        f"run/{run}",
        reason=given.break_glass or given.comment,
        approval=approval.digest,
    )
    try:
        entry = await app.launcher.approve(state, look, approval, act)
    except MachineClaimedError as error:
        if error.run != run:
            raise
        raise CommandRejectedError(f"somebody has approved {run} at this very moment") from error
    if given.break_glass:
        _tell_broken(run, caller, given.break_glass)
    return await answered(app, reader, run, entry, patience)


async def answered(
    app: Application, reader: RunReader, run: str, entry: int, patience: float
) -> bool:
    """Wait until the run's owner has taken an entry of its inbox. See `give_decision`."""
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
    if isinstance(decision, _ABOUT_STEP):
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
