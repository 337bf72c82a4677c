"""Performs one effect and reports what came of it; nothing that goes wrong here stops a run."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import assert_never

import structlog

from drorch.engine import orders
from drorch.engine.orders import Errand
from drorch.engine.stopping import is_stopped
from drorch.engine.verification import BrokenCheckError, Verification
from drorch.engine.world import World
from drorch.failpoints import reach
from drorch.model.plan import Callout, CheckSpec, Step
from drorch.ports.check import CheckResult
from drorch.run import commands as cmd
from drorch.run.effects import Effect, EffectKind
from drorch.run.state import RunState
from drorch.run.status import FailureKind
from drorch.run.words import CALLOUT_DOUBT, CALLOUT_HINT

log = structlog.get_logger()

_DOUBTS = frozenset({EffectKind.RECONCILE, EffectKind.RECONCILE_STOP})
_DOUBT_AGAIN = 5.0
_DEPOSED = 1.0
"""Seconds between two looks whether this process may act again."""

Post = Callable[[cmd.Command], None]


class Performer:
    """Carries the effects of one run out and posts what came of them.

    *broke* gets what is no mere error of an adapter: it ends the driving of the run.
    """

    __slots__ = ("_broke", "_post", "_state", "_world")

    def __init__(
        self, state: RunState, world: World, post: Post, broke: asyncio.Future[None]
    ) -> None:
        self._state = state
        self._world = world
        self._post = post
        self._broke = broke

    async def perform(self, effect: Effect, foreseen: float | None = None) -> None:
        """Carry *effect* out and post the report. Cancelling it only stops the waiting.

        *foreseen* is when the holds of what is ordered were asked for, if they were.
        """
        while True:
            try:
                self._post(await self._come_of(effect, foreseen))
            except (Exception, asyncio.CancelledError) as error:
                if is_stopped(error):
                    raise
                # A defect in an adapter concerns one step; the town still needs its other machines.
                step = self._state.step(effect.number)
                log.exception("effect.broke", step=step.id, effect=effect.kind)
                if effect.kind in _DOUBTS:
                    await self._world.clock.sleep(_DOUBT_AGAIN)  # it stays one until it is resolved
                    continue
                self._post(_unforeseen(effect, step, error))
            except BaseException as error:
                if self._broke.done():
                    raise  # nobody waits for that any more, but for the task itself
                self._broke.set_exception(error)
            return

    async def _come_of(self, effect: Effect, foreseen: float | None) -> cmd.Report:
        state, world = self._state, self._world
        match effect.kind:
            case EffectKind.POWER_ON:  # first, as by far the most frequent
                order: Callable[[Errand], Awaitable[cmd.Report]] = orders.power_on
            case EffectKind.VERIFY:
                return await _verify(effect, state, world, self._post)
            case EffectKind.CALL_OUT:
                return await _call_out(effect, state.step(effect.number), world)
            case EffectKind.CALLOUT_DOUBT:
                return await _doubted_callout(effect, state.step(effect.number), world)
            case EffectKind.RECONCILE:
                order = orders.reconcile
            case EffectKind.POWER_OFF:
                order = orders.power_off
            case EffectKind.RECONCILE_STOP:
                order = orders.reconcile_stop
            case EffectKind.AWAIT_RUNNING:
                order = orders.await_running
            case _:
                assert_never(effect.kind)
        return await order(_errand(effect, state, world, foreseen))


def _errand(effect: Effect, state: RunState, world: World, foreseen: float | None) -> Errand:
    number = effect.number
    own, machine = state.steps[number], state.machines[number]
    assert machine is not None  # noqa: S101 (only machines have these effects)
    crashed = own.doubt is not None and own.doubt.crash
    return Errand(
        step=state.plan.steps[number].id,
        attempt=effect.attempt,
        ref=machine,
        watch=world.estates[machine.connector],
        world=world,
        since=own.attempt_at or world.clock.now(),
        handle=effect.handle,
        foreseen=foreseen,
        doubtful_since=world.driven_since if crashed else None,
    )


async def _verify(effect: Effect, state: RunState, world: World, post: Post) -> cmd.Report:
    step, known = state.step(effect.number), state.steps[effect.number].machine

    def told(check: CheckSpec, result: CheckResult) -> None:
        report = cmd.ReportCheck(
            step=step.id,
            attempt=effect.attempt,
            check=check.name,
            healthy=result.healthy,
            evidence=result.evidence,
        )
        post(report)

    machine = replace(step.machine, id=known) if step.machine and known else step.machine
    verification = Verification(world.prober, machine, step.verify, told)
    try:
        seen = await verification.hold()
    except BrokenCheckError as broken:
        return cmd.ReportFailure(
            step=step.id,
            attempt=effect.attempt,
            kind=FailureKind.UNKNOWN,
            detail=f"a check cannot be carried out: {broken}",
            hint="mend the configuration and 'retry', or 'accept' to vouch for it",
            retryable=False,
        )
    return cmd.ReportVerified(step=step.id, attempt=effect.attempt, checks=seen)


async def _call_out(effect: Effect, step: Step, world: World) -> cmd.Report:
    assert isinstance(step.action, Callout)  # noqa: S101 (only callouts have this effect)
    while True:
        if halted := await world.holds.reason(""):
            return orders.halted(step.id, effect.attempt, halted)
        # Asked last, and after every wait: who has lost the run carries out nothing more, and its
        # new owner resolves the doubt.
        if not world.may_act():
            break
        await world.clock.sleep(_DEPOSED)
    reach("callout.before")
    result = await world.callouts.call(step.action.name, step.action.arguments)
    reach("callout.after")
    if result.ok:
        return cmd.ReportActionDone(step=step.id, attempt=effect.attempt, evidence=result.evidence)
    return cmd.ReportFailure(
        step=step.id,
        attempt=effect.attempt,
        kind=FailureKind.REFUSED,
        detail=f"callout {step.action.name}: {result.evidence}",
        hint="mend what the callout complains about, then 'retry'",
        # Part of it may have been done: only what is declared repeatable is repeated unasked.
        retryable=world.callouts.repeatable(step.action.name),
    )


async def _doubted_callout(effect: Effect, step: Step, world: World) -> cmd.Report:
    """Only a callout that is declared repeatable is repeated; otherwise a person decides."""
    assert isinstance(step.action, Callout)  # noqa: S101 (only callouts have this effect)
    if world.callouts.repeatable(step.action.name):
        return await _call_out(effect, step, world)
    return cmd.ReportFailure(
        step=step.id,
        attempt=effect.attempt,
        kind=FailureKind.UNKNOWN,
        detail=CALLOUT_DOUBT,
        hint=CALLOUT_HINT,
        retryable=False,
    )


def _unforeseen(effect: Effect, step: Step, error: BaseException) -> cmd.Report:
    told = f"unexpected {type(error).__name__}: {str(error)[:300]}"
    if effect.kind is EffectKind.POWER_ON:
        return cmd.ReportInDoubt(step=step.id, attempt=effect.attempt, reason=told)
    return cmd.ReportFailure(
        step=step.id,
        attempt=effect.attempt,
        kind=FailureKind.UNKNOWN,
        detail=told,
        hint="this is a defect of drorch or of a connector: please report it with the log",
    )
