"""Names that go into URLs: checked first, because the client library joins paths unescaped."""

from __future__ import annotations

import re

from drorch.errors import MachineNotFoundError, ProtocolError

_NODE = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?")
_MACHINE = re.compile(r"[1-9][0-9]{2,8}")


def node_name(value: object) -> str:
    """Return *value* as a node name, or raise `ProtocolError` if it cannot be one."""
    if not isinstance(value, str) or _NODE.fullmatch(value) is None:
        raise ProtocolError(f"the hypervisor names a node {value!r}, which is no node name")
    return value


def machine_id(value: str) -> str:
    """Return *value* as a VMID (100 to 999999999), or raise `MachineNotFoundError`."""
    if _MACHINE.fullmatch(value) is None:
        raise MachineNotFoundError(
            f"machine {value!r} cannot exist on Proxmox VE: its ids are numbers from 100",
            hint="give the VMID as the id, or name the machine with {connector: .., name: ..}",
        )
    return value
