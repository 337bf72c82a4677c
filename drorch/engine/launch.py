"""How a run comes into being: looked at first, claimed and recorded in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from drorch.access.policy import APPROVAL_WITHIN
from drorch.access.principal import Act, Caller
from drorch.engine.preflight import Look
from drorch.errors import ConfigurationError
from drorch.journal.ownership import Ownership
from drorch.journal.shelf import Shelf
from drorch.journal.store import Store
from drorch.model.plan import Plan
from drorch.ports.clock import Clock
from drorch.ports.connector import Finding
from drorch.ports.lease import Lease
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.decide import decide
from drorch.run.decisions import approval_digest
from drorch.run.evolve import evolve
from drorch.run.state import RunState
from drorch.run.status import Mode

REFUSING = frozenset(
    {
        "callout-unknown",
        "agent-unsupported",
        "restart-unsupported",
        "machine-ambiguous",
        "machine-twice",
    }
)
"""Findings that a live run cannot go around: the plan asks for what cannot be done at all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOrder:
    """What somebody wants to be run. ``revision`` is that of the stored plan."""

    plan: Plan
    mode: Mode
    by: str
    reason: str = ""
    revision: int | None = None
    only: tuple[str, ...] = ()
    caller: Caller
    needs_approval: bool = False
    break_glass: str = ""
    """Why one person starts alone what takes two; it is recorded loudly."""


class Launcher:
    """Creates runs in the store. *timezone* is where opening hours are meant."""

    def __init__(
        self, store: Store, shelf: Shelf, leases: Ownership, clock: Clock, *, timezone: str = "UTC"
    ) -> None:
        self._store = store
        self._shelf = shelf
        self._leases = leases
        self._clock = clock
        self._timezone = timezone

    async def create(
        self, order: RunOrder, look: Look | None = None, *, keep_lease: bool
    ) -> tuple[str, Lease | None]:
        """Record the run and, if it is live, claim its machines; return its id.

        With *keep_lease* this process owns the run before anybody else can see it. Raises
        `MachineClaimedError`, or `ConfigurationError` when *look* has found what refuses it.
        """
        claims: Sequence[tuple[str, str]] = ()
        waits = order.needs_approval and not order.break_glass
        findings: tuple[Finding, ...] = ()
        if order.mode is Mode.LIVE:
            if look is None:
                raise ValueError("a live run is looked at before it is created")
            _refuse(look)
            claims = () if waits else await self._claims(order.plan, look)
            findings = tuple(look.findings)
        return await self._store.create_owned_run(
            order.plan.id,
            order.mode,
            lambda run: self._first_events(run, order, findings),
            claims,
            owner=self._leases if keep_lease else None,
            act=replace(
                order.caller.act(
                    "run.start",
                    lambda made: f"run/{made}",
                    after={
                        "plan": order.plan.id,
                        "digest": order.plan.digest,
                        "mode": str(order.mode),
                        "revision": order.revision,
                        "only": list(order.only),
                        "awaits_approval": waits,
                        "break_glass": order.break_glass,
                    },
                    reason=_why(order),
                ),
                also=("run.break-glass",) if order.needs_approval and not waits else (),
            ),
        )

    async def approve(self, state: RunState, look: Look, approval: cmd.ApproveRun, act: Act) -> int:
        """Claim the machines of a run and hand its approval to whoever drives it.

        Returns the entry of its inbox. Raises `CommandRejectedError`, `MachineClaimedError`, and
        `ConfigurationError` for what refuses the run by now.
        """
        decide(state, approval, self._clock.now())  # what its driver would refuse is refused here
        _refuse(look)
        claims = await self._claims(state.plan, look)
        return await self._store.submit_with_claims(state.run, approval, claims, act)

    def _first_events(
        self, run: str, order: RunOrder, findings: tuple[Finding, ...]
    ) -> Sequence[ev.Event]:
        now = self._clock.now()
        requested = ev.RunRequested(
            at=now,
            run=run,
            plan=order.plan,
            mode=order.mode,
            by=order.by,
            reason=order.reason,
            revision=order.revision,
            only=order.only,
            timezone=self._timezone,
            identity=order.caller.by.identity,
            approve_by=now + APPROVAL_WITHIN if order.needs_approval else None,
        )
        events: list[ev.Event] = [requested]
        if order.needs_approval and order.break_glass:
            approved = ev.RunApproved(
                at=now,
                by=order.by,
                identity=order.caller.by.identity,
                digest=approval_digest(evolve(None, requested)),
                break_glass=order.break_glass,
            )
            events.append(approved)
        if findings:
            events.append(ev.FindingsReported(at=now, findings=findings))
        return events

    async def _claims(self, plan: Plan, look: Look) -> list[tuple[str, str]]:
        """Claim machines by all that they are known by.

        By the identity of their estate, because two connectors may reach the same one; and by
        the connector's name and the machine's, because an estate that is away cannot tell who
        it is, nor which id a name has. One common claim is enough to refuse the second run.
        """
        claims: set[tuple[str, str]] = set()
        identities = dict(look.estates)
        for name, identity in look.estates.items():
            await self._shelf.remember_estate(name, identity)
        for step in plan.steps:
            if (ref := step.machine) is None:
                continue
            if ref.connector not in identities:
                known = await self._shelf.known_estate(ref.connector)
                identities[ref.connector] = known or f"connector:{ref.connector}"
            seen = look.machines.get(step.id)
            names = {f"name:{seen.name}"} if seen else set()
            names.add(seen.machine if seen else ref.id or f"name:{ref.name}")
            for estate in (identities[ref.connector], f"connector:{ref.connector}"):
                claims |= {(estate, name) for name in names}
        return sorted(claims)


def _why(order: RunOrder) -> str:
    """Return why a run was asked for, and why one person did it alone, as the record has it."""
    alone = f"alone: {order.break_glass}" if order.needs_approval and order.break_glass else ""
    return "; ".join(told for told in (order.reason, alone) if told)


def _refuse(look: Look) -> None:
    refusing = [f for f in look.findings if f.code in REFUSING]
    if refusing:
        told = "; ".join(f"{f.step}: {f.message}" for f in refusing)
        raise ConfigurationError(f"the run cannot be started: {told}", hint=refusing[0].hint)
