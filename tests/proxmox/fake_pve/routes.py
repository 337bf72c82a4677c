"""Which call does what; permissions come before existence, as in the genuine API."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from tests.proxmox.fake_pve import power, views
from tests.proxmox.fake_pve.replies import ApiError
from tests.proxmox.fake_pve.tasks import Task
from tests.proxmox.fake_pve.world import Token, World

POWER = frozenset({"start", "stop", "shutdown", "reboot", "reset", "suspend", "resume"})


class Call:
    """One authenticated request."""

    def __init__(
        self, world: World, token: Token, local: str, path: str, fields: dict[str, str]
    ) -> None:
        self.world = world
        self.token = token
        self.local = local
        self.path = path
        self.fields = fields

    def need(self, path: str, right: str) -> None:
        if not self.token.may(path, right):
            raise ApiError(403, f"Permission check failed ({path}, {right})")

    def only(self, *allowed: str) -> None:
        told = (
            "property is not defined in schema and the schema does not allow additional properties"
        )
        if unknown := {key: told for key in self.fields if key not in allowed}:
            raise ApiError(400, "Parameter verification failed.", unknown)


Handler: TypeAlias = Callable[[Call, re.Match[str]], Any]


def answer(call: Call, method: str) -> Any:
    """Return the data, or raise `ApiError`."""
    for verb, pattern, handler in _ROUTES:
        found = pattern.fullmatch(call.path)
        if found and verb == method:
            if "node" in found.groupdict():
                _reach(call, found["node"])
            return handler(call, found)
    raise ApiError(501, f"Method '{method} {call.path}' not implemented")


def _reach(call: Call, name: str) -> None:
    node = call.world.nodes.get(name)
    if node is None:
        raise ApiError(
            500,
            f"hostname lookup '{name}' failed - failed to get address info for: {name}: "
            "Name or service not known",
        )
    if not node.online:
        raise ApiError(595, "No route to host")


def _version(call: Call, _: re.Match[str]) -> Any:
    version = call.world.version
    return {"version": version, "release": ".".join(version.split(".")[:2]), "repoid": "fake"}


def _resources(call: Call, _: re.Match[str]) -> Any:
    return views.resources(call.world, call.token)


def _nodes(call: Call, _: re.Match[str]) -> Any:
    return views.nodes(call.world)


def _cluster_status(call: Call, _: re.Match[str]) -> Any:
    call.need("/", "Sys.Audit")
    return views.cluster_status(call.world, call.local)


def _permissions(call: Call, _: re.Match[str]) -> Any:
    return views.permissions(call.token)


def _list(call: Call, found: re.Match[str]) -> Any:
    return views.listing(call.world, found["node"], found["kind"], call.token)


def _current(call: Call, found: re.Match[str]) -> Any:
    call.need(f"/vms/{found['vmid']}", "VM.Audit")
    return views.current(call.world, found["node"], found["kind"], found["vmid"])


def _config(call: Call, found: re.Match[str]) -> Any:
    call.need(f"/vms/{found['vmid']}", "VM.Audit")
    return views.config(call.world, found["node"], found["kind"], found["vmid"])


def _power(call: Call, found: re.Match[str]) -> Any:
    if found["action"] not in POWER:
        raise ApiError(501, f"Method 'POST {call.path}' not implemented")
    call.only("timeout", "forceStop", "overrule-shutdown")
    call.need(f"/vms/{found['vmid']}", "VM.PowerMgmt")
    place = (found["node"], found["kind"], found["vmid"])
    return power.order(call.world, place, found["action"], call.token.id)


def _ping(call: Call, found: re.Match[str]) -> Any:
    major = int(call.world.version.partition(".")[0])
    right = "VM.Monitor" if major < 9 else "VM.GuestAgent.Audit"
    call.need(f"/vms/{found['vmid']}", right)
    return views.agent_ping(views.here(call.world, found["node"], "qemu", found["vmid"]))


def _storages(call: Call, found: re.Match[str]) -> Any:
    return views.storages(call.world, found["node"], call.token)


def _tasks(call: Call, found: re.Match[str]) -> Any:
    call.only(
        "source",
        "vmid",
        "typefilter",
        "userfilter",
        "limit",
        "start",
        "since",
        "until",
        "errors",
        "statusfilter",
    )
    return views.tasks(call.world, found["node"], call.token, call.fields)


def _task(call: Call, upid: str) -> Task:
    if not upid.startswith("UPID:"):
        raise ApiError(
            400, "Parameter verification failed.", {"upid": "unable to parse worker upid"}
        )
    task = call.world.tasks.get(upid)
    if task is None:
        raise ApiError(400, "Parameter verification failed.", {"upid": "no such task"})
    if task.user != call.token.id:
        call.need(f"/nodes/{task.node}", "Sys.Audit")
    return task


def _task_status(call: Call, found: re.Match[str]) -> Any:
    return _task(call, found["upid"]).status_view()


def _task_log(call: Call, found: re.Match[str]) -> Any:
    start, limit = int(call.fields.get("start", 0)), int(call.fields.get("limit", 50))
    return _task(call, found["upid"]).log_view(start, limit)


_GUEST = r"/nodes/(?P<node>[^/]+)/(?P<kind>qemu|lxc)/(?P<vmid>\d+)"
_TASK = r"/nodes/(?P<node>[^/]+)/tasks/(?P<upid>[^/]+)"
_ROUTES: tuple[tuple[str, re.Pattern[str], Handler], ...] = tuple(
    (verb, re.compile(pattern), handler)
    for verb, pattern, handler in (
        ("GET", "/version", _version),
        ("GET", "/nodes", _nodes),
        ("GET", "/cluster/resources", _resources),
        ("GET", "/cluster/status", _cluster_status),
        ("GET", "/access/permissions", _permissions),
        ("GET", r"/nodes/(?P<node>[^/]+)/(?P<kind>qemu|lxc)", _list),
        ("GET", r"/nodes/(?P<node>[^/]+)/storage", _storages),
        ("GET", r"/nodes/(?P<node>[^/]+)/tasks", _tasks),
        ("GET", f"{_TASK}/status", _task_status),
        ("GET", f"{_TASK}/log", _task_log),
        ("GET", f"{_GUEST}/status/current", _current),
        ("GET", f"{_GUEST}/config", _config),
        ("POST", f"{_GUEST}/agent/ping", _ping),
        ("POST", f"{_GUEST}/status/(?P<action>[a-z]+)", _power),
    )
)
