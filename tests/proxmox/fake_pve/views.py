"""The answers of the read calls, each as fresh or stale as genuine ones."""

from __future__ import annotations

import time
from typing import Any

from tests.proxmox.fake_pve.replies import ApiError
from tests.proxmox.fake_pve.world import Guest, Token, World


def resources(world: World, token: Token) -> list[dict[str, Any]]:
    """Placement, locks and HA are exact; state, name and uptime are the last broadcast."""
    stats = world.stats()
    return [
        _resource(world, guest, stats.get(key, {}))
        for key, guest in world.guests.items()
        if token.may(f"/vms/{key}", "VM.Audit")
    ]


def _resource(world: World, guest: Guest, stat: dict[str, Any]) -> dict[str, Any]:
    row = {
        "id": f"{guest.kind}/{guest.vmid}",
        "type": guest.kind,
        "vmid": guest.vmid,
        "node": guest.node,
        "template": int(guest.template),
        "maxmem": guest.memory,
        "status": stat.get("status", "unknown"),
        "uptime": stat.get("uptime", 0),
    }
    if "name" in stat:
        row["name"] = stat["name"]
    if guest.lock:
        row["lock"] = guest.lock
    if guest.hastate:
        row["hastate"] = guest.hastate
    return row


def nodes(world: World) -> list[dict[str, Any]]:
    rows = []
    for node in world.nodes.values():
        status = node.status or ("online" if node.online else "offline")
        row: dict[str, Any] = {
            "node": node.name,
            "id": f"node/{node.name}",
            "type": "node",
            "status": status,
            "ssl_fingerprint": node.fingerprint,
        }
        if status == "online":
            row |= {"maxmem": node.memory, "mem": node.used, "maxcpu": 8, "cpu": 0.1}
        rows.append(row)
    return rows


def cluster_status(world: World, local: str) -> list[dict[str, Any]]:
    whole = {
        "type": "cluster",
        "id": "cluster",
        "name": world.cluster,
        "nodes": len(world.nodes),
        "quorate": int(world.quorate),
        "version": 7,
    }
    members = [
        {
            "type": "node",
            "id": f"node/{n.name}",
            "name": n.name,
            "online": int(n.online),
            "local": int(n.name == local),
        }
        for n in world.nodes.values()
    ]
    return [whole, *members]


def listing(world: World, node: str, kind: str, token: Token) -> list[dict[str, Any]]:
    return [
        _current(guest)
        for guest in world.guests.values()
        if guest.node == node and guest.kind == kind and token.may(f"/vms/{guest.vmid}", "VM.Audit")
    ]


def _current(guest: Guest) -> dict[str, Any]:
    row: dict[str, Any] = {
        # Some releases list containers with the id as text.
        "vmid": guest.vmid if guest.kind == "qemu" else str(guest.vmid),
        "name": guest.name,
        "maxmem": guest.memory,
        "status": "running" if guest.running else "stopped",
        "uptime": int(time.time() - guest.since) if guest.running else 0,
    }
    if guest.running:
        row["pid"] = 27055
    if guest.lock:
        row["lock"] = guest.lock
    if guest.template:
        row["template"] = 1
    return row


def current(world: World, node: str, kind: str, vmid: str) -> dict[str, Any]:
    guest = here(world, node, kind, vmid)
    ha = {"managed": 1, "state": guest.hastate} if guest.ha_managed else {"managed": 0}
    row = _current(guest) | {"ha": ha}
    if kind == "qemu":
        row["qmpstatus"] = guest.qmp if guest.running else "stopped"
    return row


def config(world: World, node: str, kind: str, vmid: str) -> dict[str, Any]:
    guest = here(world, node, kind, vmid)
    disk = f"{guest.storage}:{vmid}/vm-{vmid}-disk-0.raw,size=4G"
    row: dict[str, Any] = {"memory": str(guest.memory // 1024**2), "digest": "0" * 40}
    row["scsi0" if kind == "qemu" else "rootfs"] = disk
    if guest.onboot:
        row["onboot"] = 1
    return row


def here(world: World, node: str, kind: str, vmid: str) -> Guest:
    guest = world.guests.get(vmid)
    if guest is None or guest.node != node or guest.kind != kind:
        folder = "qemu-server" if kind == "qemu" else "lxc"
        raise ApiError(
            500, f"Configuration file 'nodes/{node}/{folder}/{vmid}.conf' does not exist"
        )
    return guest


def agent_ping(guest: Guest) -> dict[str, Any]:
    if guest.agent == "none":
        raise ApiError(500, "No QEMU guest agent configured")
    if not guest.running:
        raise ApiError(500, f"VM {guest.vmid} is not running")
    if guest.agent == "off":
        raise ApiError(500, "QEMU guest agent is not running")
    if guest.agent == "error":
        desc = "The command guest-ping has been disabled for this instance"
        return {"result": {"error": {"class": "CommandNotFound", "desc": desc}}}
    return {"result": {}}


def storages(world: World, node: str, token: Token) -> list[dict[str, Any]]:
    return [
        {"storage": name, "type": "dir", "enabled": 1, "active": active}
        for name, active in world.nodes[node].storages.items()
        if token.may(f"/storage/{name}", "Datastore.Audit")
    ]


def permissions(token: Token) -> dict[str, dict[str, int]]:
    found = {path: sorted(token.rights(path)) for path in token.paths()}
    return {path: dict.fromkeys(rights, 1) for path, rights in found.items() if rights}


def tasks(world: World, node: str, token: Token, query: dict[str, str]) -> list[dict[str, Any]]:
    """Own tasks only, without Sys.Audit; finished ones only, without ``source``."""
    source = query.get("source", "archive")
    audit = token.may(f"/nodes/{node}", "Sys.Audit")
    found = [
        task
        for task in world.tasks.values()
        if task.node == node
        and (audit or task.user == token.id)
        and (source != "archive" or task.exit is not None)
        and (source != "active" or task.exit is None)
        and query.get("vmid", task.vmid) == task.vmid
        and query.get("typefilter", task.kind) == task.kind
        and query.get("userfilter", "") in task.user
        and int(query.get("since", 0)) <= task.start
    ]
    found.sort(key=lambda task: task.start, reverse=True)
    limit = int(query.get("limit", 50)) or len(found)
    return [task.list_view() for task in found[:limit]]
