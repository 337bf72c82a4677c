"""The cluster that the fake plays: nodes, guests, tokens, tasks, and what time does to them."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from typing import Any

from tests.proxmox.fake_pve.tasks import Task


@dataclass
class Node:
    name: str
    online: bool = True
    status: str = ""  # what /nodes says, if not online/offline ("unknown" without pvestatd)
    memory: int = 64 * 1024**3
    used: int = 4 * 1024**3
    fingerprint: str = ""
    storages: dict[str, int] = field(default_factory=lambda: {"local": 1})  # name: active


@dataclass
class Guest:
    vmid: int
    name: str = ""
    node: str = "pve1"
    kind: str = "qemu"
    running: bool = False
    qmp: str = "running"
    since: float = 0.0
    start_secs: float = 0.05
    stop_secs: float = 0.02
    lock: str | None = None
    template: bool = False
    onboot: bool = False
    memory: int = 1024**3
    hastate: str | None = None
    agent: str = "ok"  # ok, none, off, error
    start_error: str = ""
    start_log: list[str] = field(default_factory=list)
    start_exit: str = "OK"  # of a start that works: OK, WARNINGS: n, or a killed worker's text
    starts: int = 0  # times its process came up
    storage: str = "local"

    @property
    def label(self) -> str:
        return f"{'VM' if self.kind == 'qemu' else 'CT'} {self.vmid}"

    @property
    def config_path(self) -> str:
        folder = "qemu-server" if self.kind == "qemu" else "lxc"
        return f"nodes/{self.node}/{folder}/{self.vmid}.conf"

    @property
    def ha_managed(self) -> bool:
        return self.hastate not in {None, "ignored"}

    def come_up(self) -> None:
        self.running, self.qmp, self.since = True, "running", time.time()
        self.starts += 1

    def go_down(self) -> None:
        self.running = False


@dataclass
class Token:
    id: str
    secret: str
    privsep: bool = True
    user_rights: dict[str, list[str]] = field(default_factory=dict)
    token_rights: dict[str, list[str]] = field(default_factory=dict)

    def may(self, path: str, right: str) -> bool:
        return right in self.rights(path)

    def rights(self, path: str) -> set[str]:
        mine = _nearest(self.user_rights, path)
        return mine & _nearest(self.token_rights, path) if self.privsep else mine

    def paths(self) -> list[str]:
        return sorted({*self.user_rights, *self.token_rights})


def _nearest(acl: dict[str, list[str]], path: str) -> set[str]:
    while path not in acl:
        if path == "/":
            return set()
        path = path.rpartition("/")[0] or "/"
    return set(acl[path])


@dataclass
class Fault:
    """Something that goes wrong for the next *times* requests that match."""

    kind: str  # lost, drop, status, late, no-upid, hang, raw
    path: str = ""
    method: str = ""
    times: int = 1
    status: int = 500
    reason: str = ""
    body: str | None = None
    seconds: float = 0.0


class World:
    """Everything mutable; `lock` guards it, timers stand for the cluster's own daemons."""

    def __init__(self, plan: dict[str, Any]) -> None:
        self.lock = threading.RLock()
        self.version: str = plan.get("version", "8.4.1")
        self.cluster: str = plan.get("cluster", "piacenza")
        self.quorate = True
        self.crm = True
        self.ha_delay: float = plan.get("ha_delay", 0.05)
        self.max_restart = 1
        self.max_relocate = 1
        self.auth_delay: float = plan.get("auth_delay", 0.1)
        self.stats_every: float = plan.get("stats_every", 10.0)
        self.clock_ahead: float = plan.get("clock_ahead", 0.0)
        self.nodes = {n["name"]: Node(**n) for n in plan.get("nodes", [{"name": "pve1"}])}
        self.guests = {str(g["vmid"]): Guest(**g) for g in plan.get("guests", [])}
        self.tokens = {t["id"]: Token(**t) for t in plan.get("tokens", [])}
        self.tasks: dict[str, Task] = {}
        self.faults: list[Fault] = []
        self.log: list[dict[str, Any]] = []
        self.dead = False
        self._stats: dict[str, dict[str, Any]] = {}
        self._stats_at = 0.0
        for guest in self.guests.values():
            if guest.running:
                guest.since = time.time() - 3600

    def now(self) -> float:
        """The time of the nodes' clocks."""
        return time.time() + self.clock_ahead

    def later(self, seconds: float, what: Any, *args: Any) -> None:
        def run() -> None:
            with self.lock:
                if not self.dead:
                    what(*args)

        timer = threading.Timer(seconds, run)
        timer.daemon = True
        timer.start()

    def take_fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times > 0 and fault.path in path and fault.method in {"", method}:
                fault.times -= 1
                return fault
        return None

    def stats(self) -> dict[str, dict[str, Any]]:
        """What pvestatd last broadcast; a dead node's guests keep their last state."""
        if time.time() - self._stats_at >= self.stats_every:
            self._stats_at = time.time()
            for key, guest in self.guests.items():
                if self.nodes[guest.node].online:
                    self._stats[key] = _statistics(guest)
        return self._stats

    def set_online(self, name: str, online: bool) -> None:
        """Power a node off or on; whatever ran there does not run any more."""
        self.nodes[name].online = online
        for guest in self.guests.values():
            if guest.node == name:
                guest.go_down()


def _statistics(guest: Guest) -> dict[str, Any]:
    state = (guest.qmp if guest.kind == "qemu" else "running") if guest.running else "stopped"
    uptime = int(time.time() - guest.since) if guest.running else 0
    return {"status": state, "name": guest.name, "uptime": uptime}
