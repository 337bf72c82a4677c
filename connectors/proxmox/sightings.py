"""What is known of one guest, joined into one sighting; pure rules."""

from __future__ import annotations

from connectors.proxmox.errors import template_hint
from connectors.proxmox.rows import Listed, NodeRow, Placed
from drorch.ports.connector import HostSighting, Power, Sighting

_CRASHED = frozenset({"io-error", "internal-error", "guest-panicked"})
_PAUSED = frozenset({"paused", "suspended", "shutdown"})
_NOT_BEGUN = frozenset({"prelaunch", "inmigrate"})

# A stopped guest that is being backed up has a QEMU process whose processors do not run; the
# backup takes it away again, unless somebody orders a start, which then resumes it.
_HELD_FOR_BACKUP = _NOT_BEGUN | {"paused"}

HA_RUNS = frozenset({"started", "migrate", "freeze", "request_start_balance"})
HA_COMES_UP = frozenset(
    {"started", "request_start", "request_start_balance", "relocate", "migrate"}
)

SETTLED = 15
"""Seconds of uptime below which the statistics may still tell of the process before this one."""


def suspicious(guest: Placed, row: Listed) -> bool:
    """Tell whether the process may serve nobody, so that QEMU itself should be asked."""
    if not row.running or row.kind != "qemu":
        return False
    told = guest.word in _CRASHED | _PAUSED and row.uptime >= SETTLED
    return told or row.lock == "backup"


def process_power(row: Listed, word: str) -> Power:
    """Return the power of the process in *row*, given QEMU's run state *word*."""
    if not row.running:
        return Power.OFF
    if word in _CRASHED:
        return Power.CRASHED
    if row.lock == "backup" and word in _HELD_FOR_BACKUP:
        return Power.OFF
    if word in _PAUSED:
        return Power.PAUSED
    return Power.RUNNING


def sighting(
    guest: Placed, row: Listed | None, *, word: str | None = None, onboot: bool = False
) -> Sighting:
    """Return what is known; *row* None means that its node cannot tell.

    *word* is QEMU's run state where it was asked; else that of the statistics counts, unless
    the process is younger than they may be.
    """
    host = row.node if row else guest.node
    power, problem, hint = _power(guest, row, word)
    return Sighting(
        machine=guest.machine,
        name=row.name if row else guest.name,
        power=power,
        host=host,
        memory=(row.memory if row else None) or guest.memory,
        lock=row.lock if row else guest.lock,
        template=guest.template or bool(row and row.template),
        autostart=_autostart(guest, onboot),
        problem=problem,
        hint=hint,
    )


def _power(guest: Placed, row: Listed | None, word: str | None) -> tuple[Power, str | None, str]:
    if guest.template or (row is not None and row.template):
        return Power.OFF, "it is a template and cannot run", template_hint(guest.machine)
    if guest.hastate == "error":
        power = Power.OFF if row is not None and not row.running else Power.UNKNOWN
        return power, "its HA state is error: the HA manager ignores it", ha_hint(guest)
    if row is None:
        return Power.UNKNOWN, None, ""
    power = process_power(row, _word(guest, row) if word is None else word)
    return _with_ha(guest, power), *_stuck(guest, row, power)


def _word(guest: Placed, row: Listed) -> str:
    return guest.word if row.uptime >= SETTLED else "running"


def _with_ha(guest: Placed, power: Power) -> Power:
    """An HA-managed guest runs when HA says so *and* its process is seen."""
    if guest.hastate in {None, "ignored"}:
        return power
    if power is Power.RUNNING and guest.hastate not in HA_RUNS:
        return Power.STARTING
    if power is Power.OFF and guest.hastate in HA_COMES_UP:
        return Power.STARTING
    return power


def _stuck(guest: Placed, row: Listed, power: Power) -> tuple[str | None, str]:
    if power is Power.CRASHED:
        what = f"QEMU reports {guest.word}: the guest does not run on"
        return what, f"look at its disks and storage, then: qm reset {row.machine}"
    if power is Power.PAUSED:
        return "it is paused", f"on node {row.node}: qm resume {row.machine}"
    return None, ""


def _autostart(guest: Placed, onboot: bool) -> str | None:
    if guest.hastate in HA_COMES_UP:
        return "HA started"
    return "onboot" if onboot else None


def ha_hint(guest: Placed) -> str:
    """Return how a person gets a guest out of the HA state ``error``."""
    sid = f"{'vm' if guest.kind == 'qemu' else 'ct'}:{guest.machine}"
    return (
        f"on any node: ha-manager set {sid} --state disabled; repair what stopped it "
        f"(journalctl -u pve-ha-lrm on {guest.node}); then ha-manager set {sid} --state started"
    )


def host_sighting(node: NodeRow, failure: str = "") -> HostSighting:
    """Return one node; *failure* is why its own list could not be read."""
    reason = failure
    if node.status == "offline":
        reason = f"node {node.name} is offline: the cluster does not see it"
    return HostSighting(
        name=node.name,
        online=not reason,
        memory_total=node.memory_total,
        memory_free=node.memory_free,
        reason=reason,
    )
