"""What a person types to start a machine without drorch: for the step's page and for paper."""

from __future__ import annotations

import shlex

from api.locale import _


def command_of(connector_type: str, machine: str) -> str:
    """Return the command that starts *machine*, quoted for a shell; empty where none is known.

    *machine* is the id or the name that the hypervisor knows it by.
    """
    name = shlex.quote(machine)
    match connector_type:
        case "proxmox":
            return f"qm start {name}"
        case "libvirt":
            return f"virsh start {name}"
        case _:
            return ""


def by_hand(connector_type: str, machine: str, host: str | None) -> str:
    """Return in the language spoken here how a person starts *machine* at its hypervisor.

    *host* is the node where it was last seen; None or empty where nobody knows.
    """
    command = command_of(connector_type, machine)
    if not command:
        return _("start {machine} in its hypervisor's own interface", machine=machine)
    if connector_type == "proxmox":
        container = command.replace("qm", "pct", 1)
        said = _("{command} (a container: {container})", command=command, container=container)
    else:
        said = command
    return _("on {host}: {command}", host=host, command=said) if host else said
