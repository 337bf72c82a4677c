"""Engines that each break one promise on purpose: a check that cannot fail is worthless."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from datetime import datetime
from typing import Any, TypeAlias

from typing_extensions import override

from drorch.engine import actions, orders
from drorch.engine.executor import Executor
from drorch.engine.verification import Verification
from drorch.engine.world import HoldGuard
from drorch.errors import JournalError
from drorch.ports.journal import Answer, Asked
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run import levels, sightings
from drorch.run.seen import CheckSeen
from drorch.run.state import RunState
from drorch.run.status import StepStatus
from tests.simulation.journal import Desk
from tests.simulation.orchestra import Cast
from tests.simulation.processes import WORLD


class HastyDesk(Desk):
    """Says that an intent is durable before it is: the order may come first."""

    @override
    async def append(
        self,
        run: str,
        events: Sequence[ev.Event],
        *,
        after: int,
        answers: Sequence[Answer] = (),
        epoch: int | None = None,
    ) -> None:
        loop, disk, process = asyncio.get_running_loop(), self.disk, self.process

        def write() -> None:
            with suppress(JournalError):
                disk.append(events, after, answers, process, epoch)

        loop.call_later(0.3, write, context=WORLD)
        await asyncio.sleep(0.01)


class DeafDesk(Desk):
    """Hears of no decision."""

    @override
    async def inbox(self, run: str) -> Sequence[Asked]:
        return ()


class BrokenDesk(Desk):
    """Breaks as nothing that is expected would."""

    @override
    async def inbox(self, run: str) -> Sequence[Asked]:
        raise ZeroDivisionError


class ForgetfulExecutor(Executor):
    """Knows something that it never wrote down."""

    @override
    def _advance(self, state: RunState, events: list[ev.Event], now: datetime) -> bool:
        moved = super()._advance(state, events, now)
        for own in state.steps:
            own.comment = own.comment or ("remembered" if own.healthy_at else "")
        return moved


class RecklessGuard:
    """What a hold guard does that never asks."""

    async def _reason(self, keys: object, since: float | None) -> str:
        return ""

    def _forbids(self, keys: object) -> str:
        return ""


async def _orders_blindly(errand: orders.Errand) -> cmd.Report:
    """Neither looks whether the machine is on nor whether an order is in doubt."""
    seen = await errand.watch.look(errand.ref, max_age=3600)
    with orders._Permission(errand, seen) as permission:
        if held := await permission.hold():
            return orders._held(errand, held)
        return await orders._order_on(errand, seen, permission.permit)


async def _believes(*_: Any) -> Mapping[str, CheckSeen]:
    return {}


def _never_lost(*_: Any) -> Iterator[ev.Event]:
    return iter(())


async def _repeats(effect: Any, step: Any, world: Any) -> cmd.Report:
    return await actions._call_out(effect, step, world)


@contextmanager
def replaced(owner: Any, name: str, by: Any) -> Iterator[None]:
    """Let *owner*'s *name* be something else for a while."""
    kept = getattr(owner, name)
    setattr(owner, name, by)
    try:
        yield
    finally:
        setattr(owner, name, kept)


@contextmanager
def _both(one: AbstractContextManager[None], other: AbstractContextManager[None]) -> Iterator[None]:
    with one, other:
        yield


Sabotage: TypeAlias = tuple[str, Cast, Callable[[], AbstractContextManager[None]]]
"""The promise that has to be found broken, who plays, and what else is replaced."""


def _as_it_is() -> AbstractContextManager[None]:
    return replaced(orders, "FRESH", orders.FRESH)


SABOTAGES: Mapping[str, Sabotage] = {
    "the lease and the fence are ignored": (
        "nobody_acts_without_the_lease",
        Cast(lost=lambda _: "", fence=False),
        _as_it_is,
    ),
    "the order leaves before its intent is durable": (
        "intent_came_first",
        Cast(desk=HastyDesk, patience=60.0),
        _as_it_is,
    ),
    "no look before an order is repeated": (
        "one_order_per_attempt",
        Cast(),
        lambda: replaced(orders, "reconcile", _orders_blindly),
    ),
    "dependencies are ignored": (
        "started_in_order",
        Cast(),
        lambda: replaced(levels, "_implied", lambda _: StepStatus.READY),
    ),
    "checks are not carried out": (
        "healthy_was_true",
        Cast(),
        lambda: replaced(Verification, "hold", _believes),
    ),
    "holds are ignored": (
        "holds_hold",
        Cast(),
        lambda: _both(
            replaced(HoldGuard, "_reason", RecklessGuard._reason),
            replaced(HoldGuard, "_forbids", RecklessGuard._forbids),
        ),
    ),
    "a machine that is lost is not noticed": (
        "nothing_is_forgotten",
        Cast(),
        lambda: replaced(sightings, "_lost", _never_lost),
    ),
    "nobody hears what people decide": ("it_ends", Cast(desk=DeafDesk, patience=300.0), _as_it_is),
    "something is known that is not in the journal": (
        "the_fold_is_the_state",
        Cast(executor=ForgetfulExecutor),
        _as_it_is,
    ),
    "a callout in doubt is simply repeated": (
        "callouts_are_not_repeated",
        Cast(),
        lambda: replaced(actions, "_doubted_callout", _repeats),
    ),
    "an unforeseen error ends the process": (
        "nothing_breaks_inside",
        Cast(desk=BrokenDesk, patience=60.0),
        _as_it_is,
    ),
}
