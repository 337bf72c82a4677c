"""What people decide in a run: put into its inbox, answered by whoever drives it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Response

from api.operations import OF_RUN, OF_STEP, decision_of, give_decision
from api.routes.desk import Desk, TheDesk
from api.schemas.common import problems
from api.schemas.runs import Decide, Decided
from drorch.run.views import Json

router = APIRouter(tags=["decisions"])

PATIENCE = 3.0
"""Seconds to wait for the run's owner before the caller is told that it will be taken later."""

_MEANS = {
    "pause": "Start nothing new; what acts goes on.",
    "resume": "Go on after a pause.",
    "abort": "End the run; nothing that runs is powered off, no order is taken back.",
    "approve": "Answer a manual step with yes.",
    "reject": "Answer a manual step, or a failed one, with no: it fails.",
    "retry": "Give a failed step a fresh budget of attempts.",
    "skip": "Leave a step out; what needs it goes on.",
    "accept": "Vouch for a step: it counts as healthy.",
}


async def decide_run(desk: Desk, run: str, name: str, given: Decide) -> Json:
    """Pause, resume or abort *run*. Raises `CommandRejectedError` and others."""
    return await _decided(desk, run, None, name, given)


async def decide_step(desk: Desk, run: str, step: str, name: str, given: Decide) -> Json:
    """Decide about one step. Raises `StepNotFoundError`, `CommandRejectedError` and others."""
    return await _decided(desk, run, step, name, given)


async def _decided(desk: Desk, run: str, step: str | None, name: str, given: Decide) -> Json:
    decision = decision_of(name, by=given.by or "api", comment=given.comment, step=step)
    taken = await give_decision(desk.app, desk.reader, run, decision, patience=PATIENCE)
    return {
        "run": run,
        "step": step,
        "decision": name,
        "taken": taken,
        "by": decision.by,
        "comment": decision.comment,
    }


def _run_handler(name: str) -> Callable[..., Awaitable[Json]]:
    async def handle(
        run: str, desk: TheDesk, response: Response, given: Decide | None = None
    ) -> Json:
        told = await decide_run(desk, run, name, given or Decide())
        response.status_code = 200 if told["taken"] else 202
        return told

    return handle


def _step_handler(name: str) -> Callable[..., Awaitable[Json]]:
    async def handle(
        run: str, step: str, desk: TheDesk, response: Response, given: Decide | None = None
    ) -> Json:
        told = await decide_step(desk, run, step, name, given or Decide())
        response.status_code = 200 if told["taken"] else 202
        return told

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
    _add(f"/runs/{{run}}/{_name}", _name, "run", _run_handler(_name))
for _name in OF_STEP:
    _add(f"/runs/{{run}}/steps/{{step}}/{_name}", _name, "step", _step_handler(_name))
