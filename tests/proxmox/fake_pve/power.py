"""What power calls do: accepted with a task, while nearly everything is checked inside it."""

from __future__ import annotations

from tests.proxmox.fake_pve.replies import ApiError
from tests.proxmox.fake_pve.tasks import Task
from tests.proxmox.fake_pve.world import Guest, World


def order(world: World, place: tuple[str, str, str], action: str, user: str) -> str:
    """Do what ``POST /nodes/{node}/{kind}/{vmid}/status/{action}`` does; return the UPID."""
    node, kind, vmid = place
    guest = world.guests.get(vmid)
    here = guest is not None and guest.node == node and guest.kind == kind
    _refuse_at_once(world, guest if here else None, kind, action)
    if here and guest is not None and guest.ha_managed and action in {"start", "stop", "shutdown"}:
        return _ha_order(world, guest, action, user)
    task = Task(node, ("qm" if kind == "qemu" else "vz") + action, vmid, user, world.now())
    world.tasks[task.upid] = task
    if not here or guest is None:
        folder = "qemu-server" if kind == "qemu" else "lxc"
        missing = f"Configuration file 'nodes/{node}/{folder}/{vmid}.conf' does not exist"
        task.finish(missing, world.now())
    elif action == "start":
        begin_start(world, guest, task)
    else:
        _begin_stop(world, guest, task, action)
    return task.upid


def _refuse_at_once(world: World, guest: Guest | None, kind: str, action: str) -> None:
    if action == "start" and not world.quorate:
        raise ApiError(500, "cluster not ready - no quorum?")
    if guest is None:
        return
    if kind == "lxc" and action == "start" and guest.running:
        raise ApiError(500, f"CT {guest.vmid} already running")
    if kind == "lxc" and action in {"stop", "shutdown"} and not guest.running:
        raise ApiError(500, f"CT {guest.vmid} not running")
    if action in {"reboot", "reset", "suspend", "resume"} and not guest.running:
        raise ApiError(500, f"{guest.label} not running")
    if action == "shutdown" and kind == "qemu" and guest.running and guest.qmp == "paused":
        raise ApiError(500, "VM is paused - cannot shutdown")


def begin_start(world: World, guest: Guest, task: Task) -> None:
    refusal = _start_refusal(guest)
    if refusal == "resume":
        guest.qmp = "running"
        task.finish("OK", world.now())
    elif refusal:
        task.finish(refusal, world.now())
    else:
        task.log.extend(guest.start_log)
        world.later(guest.start_secs, _end_start, world, guest, task)


def _start_refusal(guest: Guest) -> str:
    short = "VM" if guest.kind == "qemu" else "CT"
    if guest.template:
        noun = "a vm" if guest.kind == "qemu" else "a CT"
        return f"you can't start {noun} if it's a template"
    if guest.running:
        return "resume" if guest.lock == "backup" else f"{guest.label} already running"
    if guest.lock and guest.lock not in {"suspended", "mounted"}:
        return f"{short} is locked ({guest.lock})"
    return ""


def _end_start(world: World, guest: Guest, task: Task) -> None:
    if task.exit is not None:
        return
    if guest.running:
        task.finish(f"{guest.label} already running", world.now())
        return
    if guest.start_error:
        if guest.start_error.endswith("got timeout"):
            guest.come_up()  # QEMU was slow to detach: it runs all the same
        task.finish(guest.start_error, world.now())
        return
    guest.come_up()
    task.finish(guest.start_exit, world.now())


def _begin_stop(world: World, guest: Guest, task: Task, action: str) -> None:
    if not guest.running:
        task.finish("OK", world.now())
        return
    if guest.lock:
        task.finish(f"VM is locked ({guest.lock})", world.now())
        return

    def end() -> None:
        guest.go_down()
        task.finish("OK", world.now())

    world.later(guest.stop_secs, end)


def _ha_order(world: World, guest: Guest, action: str, user: str) -> str:
    """The task only records the wish; the CRM acts on it later, and never in state error."""
    kind = "hastart" if action == "start" else "hastop"
    task = Task(guest.node, kind, str(guest.vmid), user, world.now())
    world.tasks[task.upid] = task
    task.finish("OK", world.now())
    if world.crm and guest.hastate != "error":
        react = _crm_starts if action == "start" else _crm_stops
        world.later(world.ha_delay, react, world, guest)
    return task.upid


def _crm_starts(world: World, guest: Guest) -> None:
    if guest.hastate == "error" or guest.running:
        return
    guest.hastate = "started"
    world.later(world.ha_delay, _lrm_starts, world, guest, world.max_restart, world.max_relocate)


def _crm_stops(world: World, guest: Guest) -> None:
    guest.hastate = "stopped"
    guest.go_down()


def _lrm_starts(world: World, guest: Guest, restarts: int, relocations: int) -> None:
    task = Task(guest.node, "qmstart", str(guest.vmid), "root@pam", world.now())
    world.tasks[task.upid] = task
    failed = bool(guest.start_error)
    task.finish(guest.start_error or "OK", world.now())
    if not failed:
        guest.come_up()
    elif restarts > 0:
        world.later(world.ha_delay, _lrm_starts, world, guest, restarts - 1, relocations)
    elif relocations > 0 and (others := _others(world, guest)):
        guest.node = others[0]
        guest.start_error = guest.start_error if "everywhere" in guest.start_error else ""
        world.later(world.ha_delay, _lrm_starts, world, guest, world.max_restart, relocations - 1)
    else:
        guest.hastate = "error"


def _others(world: World, guest: Guest) -> list[str]:
    return [n.name for n in world.nodes.values() if n.online and n.name != guest.node]
