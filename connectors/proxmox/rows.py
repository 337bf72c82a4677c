"""The lists that Proxmox VE answers, read into values; nothing of the wire format goes further."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from connectors.proxmox.names import node_name
from drorch.errors import ProtocolError


@dataclass(frozen=True, slots=True, kw_only=True)
class Placed:
    """A guest in ``/cluster/resources``: where it is, exact now; its state, up to 15 s old.

    ``word`` is QEMU's own run state there (``paused``, ``io-error``), not only running or not.
    """

    machine: str
    kind: str
    node: str
    name: str
    word: str
    lock: str | None = None
    template: bool = False
    hastate: str | None = None
    memory: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A guest in a node's own list: whether it has a process, now."""

    machine: str
    kind: str
    node: str
    name: str
    running: bool
    uptime: int = 0
    lock: str | None = None
    template: bool = False
    memory: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeRow:
    """A node in ``/nodes``: ``offline`` when corosync misses it, ``unknown`` without statistics."""

    name: str
    status: str
    memory_total: int | None = None
    memory_free: int | None = None
    fingerprint: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterRow:
    """What ``/cluster/status`` says; a standalone node has no cluster name."""

    name: str = ""
    quorate: bool = True
    local: str = ""
    readable: bool = True


def placed(data: Any) -> dict[str, Placed]:
    rows = (_placed(row) for row in _rows(data) if row.get("type") in {"qemu", "lxc"})
    return {row.machine: row for row in rows}


def _placed(row: Mapping[str, Any]) -> Placed:
    machine = _vmid(row)
    return Placed(
        machine=machine,
        kind=str(row["type"]),
        node=node_name(row.get("node")),
        name=str(row.get("name") or machine),
        word=str(row.get("status") or "unknown"),
        lock=row.get("lock") or None,
        template=bool(_number(row.get("template"))),
        hastate=row.get("hastate") or None,
        memory=_number(row.get("maxmem")),
    )


def listed(data: Any, node: str, kind: str) -> list[Listed]:
    return [_listed(row, node, kind) for row in _rows(data)]


def _listed(row: Mapping[str, Any], node: str, kind: str) -> Listed:
    machine = _vmid(row)
    return Listed(
        machine=machine,
        kind=kind,
        node=node,
        name=str(row.get("name") or machine),
        running=row.get("status") == "running",
        uptime=_number(row.get("uptime")) or 0,
        lock=row.get("lock") or None,
        template=bool(_number(row.get("template"))),
        memory=_number(row.get("maxmem")),
    )


def nodes(data: Any) -> dict[str, NodeRow]:
    return {row.name: row for row in map(_node, _rows(data))}


def _node(row: Mapping[str, Any]) -> NodeRow:
    total, used = _number(row.get("maxmem")), _number(row.get("mem"))
    return NodeRow(
        name=node_name(row.get("node")),
        status=str(row.get("status") or "unknown"),
        memory_total=total,
        memory_free=None if total is None or used is None else max(0, total - used),
        fingerprint=str(row.get("ssl_fingerprint") or ""),
    )


def cluster(data: Any) -> ClusterRow:
    rows = list(_rows(data))
    whole: Mapping[str, Any] = next((r for r in rows if r.get("type") == "cluster"), {})
    local = next((r for r in rows if r.get("type") == "node" and _number(r.get("local"))), {})
    return ClusterRow(
        name=str(whole.get("name") or ""),
        quorate=not whole or bool(_number(whole.get("quorate"))),
        local=str(local.get("name") or ""),
    )


def offline_storages(data: Any) -> frozenset[str]:
    """Return the storages of a node that are wanted there and not active."""
    return frozenset(
        str(row.get("storage"))
        for row in _rows(data)
        if _number(row.get("enabled", 1)) and _number(row.get("active", 1)) == 0
    )


def record(data: Any) -> Mapping[str, Any]:
    """Return *data* if it is an object, or raise `ProtocolError`."""
    if not isinstance(data, Mapping):
        raise ProtocolError(f"Proxmox VE answered {type(data).__name__} where an object was due")
    return data


def _rows(data: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(data, list) or not all(isinstance(row, Mapping) for row in data):
        raise ProtocolError(f"Proxmox VE answered {type(data).__name__} where a list was due")
    return iter(data)


def _vmid(row: Mapping[str, Any]) -> str:
    # Containers are listed with the id as a string by some releases.
    number = _number(row.get("vmid"))
    if number is None:
        raise ProtocolError("Proxmox VE lists a guest without a vmid")
    return str(number)


def _number(value: Any) -> int | None:
    try:
        return int(float(value))
    except (TypeError, ValueError):
        return None
