"""Orders to hypervisors: look first, order once, and find out what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from datetime import datetime
from typing import Self

from drorch.engine.watch import EstateWatch
from drorch.engine.world import HOLDS_UNKNOWN, World
from drorch.errors import (
    BusyError,
    ConnectorError,
    MachineNotFoundError,
    OrderWithheldError,
    OutcomeUnknownError,
    ProtocolError,
    RefusedError,
    UnavailableError,
    Withheld,
)
from drorch.failpoints import reach
from drorch.model.plan import MachineRef
from drorch.model.value import value
from drorch.ports.connector import Order, OrderStatus, Outcome, Permit, Power, Sighting
from drorch.run import commands as cmd
from drorch.run.state import HALT, host_key
from drorch.run.status import FailureKind, Scope
from drorch.run.words import CEILING_HINT, HALT_HINT

FRESH = 1.0
"""Seconds: how old a reading may be before a first order. The hypervisor itself refuses a second
start, so a change within this time does no harm; after a doubt only a new reading counts."""
_SUSPICION = 1.5
_UNWANTED = "nobody waits for this order any more"
_GONE_HINT = "look at the machine's console and its task log in the hypervisor"
_TURNED_ON = frozenset({Power.STARTING, Power.RUNNING})


@value
class Errand:
    """One effect about one machine, with what it needs to report."""

    step: str
    attempt: int
    ref: MachineRef
    watch: EstateWatch
    world: World
    since: datetime
    handle: str = ""
    foreseen: float | None = None
    """By the loop's clock: when the holds of its machine were asked for with the order's intent."""
    doubtful_since: float | None = None
    """By the loop's clock: when this process took the run over from one that died, if its order
    is what is in doubt. Nothing of that process can have been sent later."""

    @property
    def connector(self) -> str:
        return self.ref.connector


async def power_on(errand: Errand) -> cmd.Report:
    """Look, and order the machine on unless it is on already."""
    try:
        watch, ref = errand.watch, errand.ref
        seen = watch.recall(ref, max_age=FRESH) or await watch.look(ref, max_age=FRESH)
        reach("order.look.after")
        if seen.power in _TURNED_ON:
            return _accepted(errand, already=True)
        if (cure := _needs_person(seen)) is not None:
            return _failed(errand, *cure, retryable=False)
        with _Permission(errand, seen) as permission:
            if held := await permission.hold():
                return _held(errand, held)
            # A journal that is slow to tell the holds lets the look grow old: what is known now?
            newest = watch.machines.get(seen.machine)
            if newest is not None and newest.power in _TURNED_ON:
                return _accepted(errand, already=True)
            return await _order_on(errand, seen, permission.permit)
    except ConnectorError as error:
        return _not_accepted(errand, error)


async def _order_on(errand: Errand, seen: Sighting, permit: Permit) -> cmd.Report:
    """Send the one order of this attempt. Whatever is not certain is a doubt, not a failure."""
    try:
        reach("order.start.before")
        order = await errand.watch.connector.start(seen.machine, permit=permit)
        reach("order.start.after")
    except (OutcomeUnknownError, ProtocolError) as error:
        # Rubbish for an answer says nothing about the order that it answers.
        return cmd.ReportInDoubt(step=errand.step, attempt=errand.attempt, reason=error.message)
    except ConnectorError as error:
        return _not_accepted(errand, error)
    return _accepted(errand, handle=order.handle, already=order.already)


class _Permission:
    """The permit of one order: a connector may keep it waiting, and meanwhile much happens.

    Outside of the ``with`` nobody waits for the order any more, and none may leave.
    """

    __slots__ = ("_errand", "_pending", "_waited_for")

    def __init__(self, errand: Errand, seen: Sighting) -> None:
        self._errand = errand
        self._pending = errand.world.holds.pending(errand.connector, seen.machine, seen.name)
        self._waited_for = True

    def __enter__(self) -> Self:
        self._pending.__enter__()
        return self

    def __exit__(self, *why: object) -> None:
        self._waited_for = False
        self._pending.__exit__(*why)

    def hold(self) -> Awaitable[str]:
        """Return why a person holds this machine, whichever way they named it."""
        return self._pending.reason(self._errand.foreseen)

    def permit(self) -> None:
        """Raise `OrderWithheldError` unless the order may leave at this instant."""
        scope = Withheld.PROCESS
        why = self._errand.world.may_act() if self._waited_for else _UNWANTED
        if not why:
            why = self._pending.forbids()
            scope = Withheld.PROCESS if why == HOLDS_UNKNOWN else Withheld.HOLD
        if why:
            raise OrderWithheldError(why, scope=scope, hint="drorch goes on by itself")


async def reconcile(errand: Errand) -> cmd.Report:
    """An order may have been received: look, search for it, never repeat it."""
    loop = asyncio.get_running_loop()
    since = loop.time() if errand.doubtful_since is None else errand.doubtful_since
    settled = since + errand.watch.connector.capabilities.settles
    while True:
        last_look = loop.time() >= settled
        try:
            if report := await _find(errand, max(since, settled) if last_look else since):
                return report
        except MachineNotFoundError as error:
            return _not_accepted(errand, error)
        except ConnectorError:
            await errand.watch.next_reading()  # away: the doubt stays until it is back
            continue
        if last_look:
            reason = "the order was not received: the machine is off and no task of ours is there"
            return cmd.ReportVoid(step=errand.step, attempt=errand.attempt, reason=reason)
        await asyncio.sleep(max(0.05, min(1.0, settled - loop.time())))
        since = loop.time()


async def _find(errand: Errand, since: float) -> cmd.Report | None:
    seen = await errand.watch.look_since(errand.ref, since)
    order = await errand.watch.connector.find_order(seen.machine, errand.since)
    reach("order.find.after")
    if order is not None:
        return _accepted(errand, handle=order.handle)
    if seen.power in _TURNED_ON:
        return _accepted(errand, already=True)
    return None


async def power_off(errand: Errand) -> cmd.Report:
    """Of a restart: off, and seen to be off."""
    report = cmd.ReportStopped(step=errand.step, attempt=errand.attempt)
    try:
        seen = await errand.watch.look(errand.ref, max_age=FRESH)
        if seen.power is Power.OFF:
            return report
        with _Permission(errand, seen) as permission:
            if held := await permission.hold():
                return _held(errand, held)  # it could not be started again
            if over := await errand.world.may_stop(seen.machine):
                return _failed(errand, over, CEILING_HINT, retryable=False)
            reach("order.stop.before")
            await errand.watch.connector.stop(seen.machine, permit=permission.permit)
            reach("order.stop.after")
    except OutcomeUnknownError:
        pass  # a second stop does no harm, and looking tells
    except ConnectorError as error:
        return _not_accepted(errand, error)
    while True:
        await errand.watch.next_reading(errand.ref)
        found = errand.watch.find(errand.ref)
        if errand.watch.failure is None and found is not None and found.power is Power.OFF:
            return report


async def reconcile_stop(errand: Errand) -> cmd.Report:
    """Of a restart that we did not live to see: what runs now is verified, not stopped again."""
    while True:
        try:
            seen = await errand.watch.look(errand.ref, max_age=0)
        except MachineNotFoundError as error:
            return _not_accepted(errand, error)
        except ConnectorError:
            await errand.watch.next_reading()
            continue
        if seen.power is Power.OFF:
            return cmd.ReportStopped(step=errand.step, attempt=errand.attempt)
        if seen.power is Power.RUNNING:
            return cmd.ReportRunning(step=errand.step, attempt=errand.attempt, host=seen.host)
        await errand.watch.next_reading(errand.ref)


async def await_running(errand: Errand) -> cmd.Report:
    """Wait until the machine is seen running, or its order is known to have failed.

    The hypervisor is asked about the order only when the readings give a reason, and less and
    less often: readings are shared, these calls are not.
    """
    loop = asyncio.get_running_loop()
    suspicious_after = loop.time() + _SUSPICION
    patience = _SUSPICION
    while True:
        found = errand.watch.find(errand.ref) if errand.watch.failure is None else None
        if found is not None and found.power is Power.RUNNING:
            return cmd.ReportRunning(step=errand.step, attempt=errand.attempt, host=found.host)
        taken = errand.watch.taken_at or 0.0
        if found is not None and found.power is not Power.STARTING and taken > suspicious_after:
            if (report := await _ask(errand, found)) is not None:
                return report
            patience *= 2
            suspicious_after = loop.time() + patience
        await errand.watch.next_reading(errand.ref)


async def _ask(errand: Errand, found: Sighting) -> cmd.Report | None:
    try:
        order = Order(handle=errand.handle)
        outcome = await errand.watch.connector.outcome(order, found.machine)
        if outcome.status is OrderStatus.ACTIVE:
            return None
        if outcome.status is OrderStatus.FAILED:
            return _outcome_failed(errand, outcome)
        again = await errand.watch.look(errand.ref, max_age=0)
    except ConnectorError:
        return None  # away: the watch says so, and the deadline waits for it
    if again.power in _TURNED_ON:
        return None
    if found.power is Power.UNKNOWN:
        return None
    if (cure := _needs_person(again)) is not None:
        return _failed(errand, *cure, retryable=False)
    if outcome.status is OrderStatus.DONE:
        detail = f"the order was carried out, but the machine is off again (now {again.power})"
        return _failed(errand, detail, _GONE_HINT, kind=FailureKind.LOST)
    detail = f"the order's outcome is not known and the machine is {again.power}"
    return _failed(errand, detail, _GONE_HINT, kind=FailureKind.UNKNOWN)


def _outcome_failed(errand: Errand, outcome: Outcome) -> cmd.Report:
    hint = outcome.hint or _GONE_HINT
    return _failed(errand, outcome.detail, hint, retryable=outcome.retryable)


def _needs_person(seen: Sighting) -> tuple[str, str] | None:
    """Return what only a person can cure, and what to do."""
    if seen.problem:
        return seen.problem, seen.hint
    if seen.template:
        told = f"{seen.name} ({seen.machine}) is a template and cannot be started"
        return told, "name the machine that was made from it in the plan"
    if seen.power in (Power.PAUSED, Power.CRASHED):
        told = f"{seen.name} ({seen.machine}) is {seen.power}: its process is there, serving nobody"
        return told, "resume or stop it in the hypervisor; drorch notices when it runs"
    return None


def _accepted(errand: Errand, *, handle: str = "", already: bool = False) -> cmd.ReportAccepted:
    return cmd.ReportAccepted(
        step=errand.step, attempt=errand.attempt, handle=handle, already=already
    )


def _failed(
    errand: Errand,
    detail: str,
    hint: str,
    *,
    kind: FailureKind = FailureKind.REFUSED,
    retryable: bool = True,
) -> cmd.ReportFailure:
    return cmd.ReportFailure(
        step=errand.step,
        attempt=errand.attempt,
        kind=kind,
        detail=detail,
        hint=hint,
        retryable=retryable,
    )


def _held(errand: Errand, reason: str) -> cmd.ReportUnavailable:
    if reason == errand.world.holds.halted:
        return halted(errand.step, errand.attempt, reason)
    return cmd.ReportUnavailable(
        step=errand.step,
        attempt=errand.attempt,
        scope=Scope.MACHINE,
        key=errand.step,
        reason=reason,
        hint=f"release it with 'drorch release {errand.ref}' when it may boot",
    )


def halted(step: str, attempt: int, reason: str) -> cmd.ReportUnavailable:
    """Return the report of a step that was about to act while drorch is halted."""
    scope, key = HALT
    return cmd.ReportUnavailable(
        step=step, attempt=attempt, scope=scope, key=key, reason=reason, hint=HALT_HINT
    )


def _not_accepted(errand: Errand, error: ConnectorError) -> cmd.Report:
    """Sort by what the caller can do: wait, try again, or call a person."""
    if isinstance(error, OrderWithheldError) and error.scope is Withheld.HOLD:
        return _held(errand, error.message)
    if isinstance(error, RefusedError | BusyError):
        again = isinstance(error, BusyError)
        return _failed(errand, error.message, error.hint, retryable=again)
    host = error.host if isinstance(error, UnavailableError) else None
    key = host_key(errand.connector, host) if host else errand.connector
    return cmd.ReportUnavailable(
        step=errand.step,
        attempt=errand.attempt,
        scope=Scope.HOST if host else Scope.CONNECTOR,
        key=key,
        reason=error.message,
        hint=error.hint,
    )
