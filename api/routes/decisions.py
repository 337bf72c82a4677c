"""What people decide in a run: put into its inbox, answered by whoever drives it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Response
from fastapi.responses import JSONResponse

from api.auth import Approver, Decider, Pauser, Rehearser, named
from api.on_paper import Tick, enter_tick
from api.operations import OF_RUN, OF_STEP, Approval, approve_run, decision_of, give_decision
from api.routes.desk import Desk, TheDesk
from api.routes.idempotency import Effect
from api.routes.paging import RunId, StepId
from api.schemas.common import problems
from api.schemas.runs import ApproveRun, Decide, Decided, PaperTick, Ticked
from drorch.access.principal import Caller
from drorch.errors import CommandRejectedError
from drorch.model import moment
from drorch.run.commands import Paper
from drorch.run.state import OnPaper
from drorch.run.views import Json

router = APIRouter(tags=["decisions"])

PATIENCE = 3.0
"""Seconds to wait for the run's owner before the caller is told that it will be taken later."""

_MEANS = {
    "pause": "Start nothing new; what acts goes on.",
    "resume": "Go on after a pause.",
    "abort": "End the run; nothing that runs is powered off, no order is taken back. "
    "A live run takes the role responder.",
    "approve": "Answer a manual step with yes.",
    "reject": "Answer a manual step, or a failed one, with no: it fails.",
    "retry": "Give a failed step a fresh budget of attempts.",
    "skip": "Leave a step out; what needs it goes on.",
    "accept": "Vouch for a step: it counts as healthy.",
}


_VERBS = {"run.approve": "approve", "run.break-glass": "approve"}
_PAPER = "decision.paper"
DECISIONS = (*_VERBS, _PAPER, *(f"decision.{name}" for name in (*OF_RUN, *OF_STEP)))
"""What the record calls what is answered by `decided_again`."""


async def decide(
    desk: Desk, caller: Caller, given: Decide, verb: str, *, run: str, step: str | None = None
) -> Json:
    """Decide about *run* or one of its steps.

    Raises `NotAllowedError`, `StepNotFoundError`, `CommandRejectedError` and others.
    """
    caller = named(caller, given.by)
    decision = decision_of(verb, by=caller.by.name, comment=given.comment, step=step)
    taken = await give_decision(
        desk.app, desk.reader, run, decision, caller=caller, patience=PATIENCE
    )
    return told_decision(run, step, verb, taken=taken, by=decision.by, comment=decision.comment)


def told_decision(
    run: str, step: str | None, verb: str, *, taken: bool, by: str, comment: str
) -> Json:
    """Return the answer to a decision."""
    return {
        "run": run,
        "step": step,
        "decision": verb,
        "taken": taken,
        "by": by,
        "comment": comment,
    }


async def decided_again(desk: Desk, effect: Effect) -> Response:
    """Answer once more for a decision that was given before: it is in the run's inbox, or taken."""
    _, run, *step = effect.object.split("/")
    taken = not await desk.app.store.inbox(run)
    told = told_decision(
        run,
        step[0] if step else None,
        _VERBS.get(effect.action, effect.action.removeprefix("decision.")),
        taken=taken,
        by=effect.by,
        comment=effect.reason,
    )
    if effect.action == _PAPER:
        told |= await _tick_again(desk, run, step[0])
    return JSONResponse(told, 200 if taken else 202)


async def _tick_again(desk: Desk, run: str, step: str) -> Json:
    """Return what was entered for *step* last, whether it waits or was taken."""
    asked = [entry.decision for entry in await desk.app.store.inbox(run)]
    waiting = [one for one in asked if isinstance(one, Paper) and one.step == step]
    state, number = await desk.step(run, step)
    ticks: list[OnPaper | Paper] = [*state.steps[number].ticks, *waiting]
    if not ticks:
        raise CommandRejectedError(f"the tick for step {step} was refused")
    tick = ticks[-1]
    at = moment.stamp(tick.done_at)
    return {"done_at": at, "done_by": tick.done_by, "result": tick.result}


def _answered(response: Response, told: Json) -> Json:
    """Answer 200 for what the run has taken, 202 for what waits until a process drives it."""
    response.status_code = 200 if told["taken"] else 202
    return told


def _pausing(name: str) -> Callable[..., Awaitable[Json]]:
    async def handle(
        run: RunId, caller: Pauser, desk: TheDesk, response: Response, given: Decide | None = None
    ) -> Json:
        return _answered(response, await decide(desk, caller, given or Decide(), name, run=run))

    return handle


def _aborting(name: str) -> Callable[..., Awaitable[Json]]:
    async def handle(
        run: RunId,
        caller: Rehearser,
        desk: TheDesk,
        response: Response,
        given: Decide | None = None,
    ) -> Json:
        return _answered(response, await decide(desk, caller, given or Decide(), name, run=run))

    return handle


def _step_handler(name: str) -> Callable[..., Awaitable[Json]]:
    async def handle(
        run: RunId,
        step: StepId,
        caller: Decider,
        desk: TheDesk,
        *,
        response: Response,
        given: Decide | None = None,
    ) -> Json:
        told = await decide(desk, caller, given or Decide(), name, run=run, step=step)
        return _answered(response, told)

    return handle


def _add(path: str, name: str, of: str, handler: Callable[..., Awaitable[Json]]) -> None:
    later = {"model": Decided, "description": "Recorded; taken when a process drives the run"}
    router.add_api_route(
        path,
        handler,
        methods=["POST"],
        operation_id=f"{name}_{of}",
        summary=f"{name.capitalize()} a {of}",
        description=_MEANS[name],
        response_model=Decided,
        responses=problems(404, 409, also={202: later}),
    )


for _name in OF_RUN:
    _handler = _aborting(_name) if _name == "abort" else _pausing(_name)
    _add(f"/runs/{{run}}/{_name}", _name, "run", _handler)
for _name in OF_STEP:
    _add(f"/runs/{{run}}/steps/{{step}}/{_name}", _name, "step", _step_handler(_name))


@router.post(
    "/runs/{run}/steps/{step}/paper",
    operation_id="paper_step",
    response_model=Ticked,
    responses=problems(
        404,
        409,
        also={202: {"model": Ticked, "description": "Taken when a process drives the run"}},
    ),
)
async def post_paper(
    run: RunId,
    step: StepId,
    caller: Decider,
    desk: TheDesk,
    *,
    response: Response,
    given: PaperTick,
) -> Json:
    """Enter what a person has done by the printed runbook while drorch was away.

    The run is open, and the time lies within it. The step counts as healthy (or skipped, or as
    failed by its policy) from when it is entered; the time on the paper is kept beside that. The
    same again is nothing new; what contradicts it is refused with what is recorded.
    """
    tick = Tick(step=step, **given.model_dump())
    taken = await enter_tick(desk.app, desk.reader, run, tick, caller=caller, patience=PATIENCE)
    by = caller.by.name
    told = told_decision(run, step, "paper", taken=taken, by=by, comment=tick.comment)
    at = moment.stamp(tick.done_at)
    return _answered(
        response, {**told, "done_at": at, "done_by": tick.by or by, "result": tick.result}
    )


@router.post(
    "/runs/{run}/approve",
    operation_id="approve_run",
    response_model=Decided,
    responses=problems(
        404,
        409,
        502,
        also={202: {"model": Decided, "description": "Taken when a process drives the run"}},
    ),
)
async def post_approve(
    run: RunId,
    caller: Approver,
    desk: TheDesk,
    response: Response,
    given: ApproveRun | None = None,
) -> Json:
    """Approve a live run that somebody else has asked for; within 15 minutes of that.

    The approval is bound to the run's plan and selection. With `break_glass`, who asked may do it
    alone; that is recorded loudly.
    """
    given = given or ApproveRun()
    caller = named(caller, given.by)
    approval = Approval(comment=given.comment, digest=given.digest, break_glass=given.break_glass)
    return _answered(response, await approve(desk, caller, approval, run))


async def approve(desk: Desk, caller: Caller, approval: Approval, run: str) -> Json:
    """Approve a live run. Raises what `approve_run` raises."""
    taken = await approve_run(
        desk.app, desk.reader, run, approval, caller=caller, patience=PATIENCE
    )
    told = approval.break_glass or approval.comment
    return told_decision(run, None, "approve", taken=taken, by=caller.by.name, comment=told)
