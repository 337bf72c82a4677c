"""The sentences that a run says to people about failures, with what to do next."""

from __future__ import annotations

from datetime import datetime

from drorch.model import moment
from drorch.model.duration import format_duration
from drorch.model.plan import CheckSpec
from drorch.ports.check import ASKED
from drorch.run.state import RunState

CHECK_HINT = (
    "look at the application; then 'retry' to verify again, 'accept' to vouch for it, "
    "or 'skip' to go on without it"
)
START_HINT = (
    "look at the machine in its hypervisor; then 'retry', or start it by hand: "
    "drorch notices and verifies it"
)
HANG_HINT = (
    "it hangs while it starts: stop it in its hypervisor, look why, then 'retry' "
    "(drorch orders nothing to a machine that is starting)"
)
CALLOUT_DOUBT = "drorch stopped while this callout ran: whether it was carried out is not known"
HALT_HINT = "an admin lifts it with 'drorch halt --lift'; drorch then goes on by itself"
QUORUM_HINT = "bring enough nodes of the cluster back for a quorum; drorch goes on by itself"
"""Of the one obstacle of a connector that forbids orders, and no looking."""
CEILING_HINT = (
    "if the machines have to be restarted, restart them by hand, or raise [policy] stops_per_hour; "
    "then 'retry'"
)
CALLOUT_HINT = "find out whether it took effect; then 'accept' if it did, or 'retry' if it did not"


def stamp(at: datetime | None) -> str | None:
    """Return a moment as every output writes it; None stays None."""
    return None if at is None else moment.stamp(at)


def paper_failure(by: str, comment: str) -> str:
    """Return the sentence for a step that failed, as the printed runbook says."""
    if not comment:
        return f"the paper says that it failed ({by})"
    return f"the paper says that it failed ({by}): {comment}"


def seen_by(check: CheckSpec, evidence: str) -> str:
    """Return what a check has seen, with its name before it unless the evidence says as much.

    A name that was made of what the check asks (``http http://10.0.0.1/health``) would be said
    twice; one that somebody has given it never is.
    """
    is_made_up = check.name.partition(" ")[0] == check.kind
    return evidence if is_made_up and evidence.startswith(ASKED) else f"{check.name}: {evidence}"


def not_running(state: RunState, number: int) -> str:
    """Return the sentence for a start whose time is over."""
    step, own = state.step(number), state.steps[number]
    where, within = f" on {own.host}" if own.host else "", format_duration(step.start_timeout)
    return (
        f"{step.machine or step.id}{where} does not run {within} after the order "
        f"(the hypervisor says: {own.power})"
    )


def not_verified(state: RunState, number: int) -> str:
    """Return the sentence for checks that did not hold in time, worst first."""
    step, own = state.step(number), state.steps[number]
    bad = [
        seen_by(check, own.checks[check.name][0].evidence)
        for check in step.verify
        if check.name in own.checks and not own.checks[check.name][0].healthy
    ]
    silent = [check.name for check in step.verify if check.name not in own.checks]
    told = "; ".join(bad + [f"{name}: never held long enough" for name in silent])
    within = format_duration(step.verify_timeout)
    return f"not every check held within {within}: {told or 'they held, but not all at once'}"
