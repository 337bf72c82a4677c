"""From the simulator's machines to what the core sees, the same over HTTP and in-process."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from connectors.simulated.machine import Host, Machine, State, TaskStatus
from connectors.simulated.quantities import readable
from drorch.ports.connector import (
    AgentAnswer,
    Finding,
    HostSighting,
    OrderStatus,
    Outcome,
    Power,
    Severity,
    Sighting,
    Survey,
)

POWER: Mapping[str, Power] = {
    State.STOPPED: Power.OFF,
    State.STARTING: Power.STARTING,
    State.RUNNING: Power.RUNNING,
}
_STATUS: Mapping[str, OrderStatus] = {
    TaskStatus.ACTIVE: OrderStatus.ACTIVE,
    TaskStatus.DONE: OrderStatus.DONE,
    TaskStatus.FAILED: OrderStatus.FAILED,
}


def sighting(document: Mapping[str, Any]) -> Sighting:
    """Return what the API says of one machine; raises `LookupError` for nonsense."""
    machine = str(document["id"])
    return Sighting(
        machine=machine,
        name=document["name"],
        power=POWER[document["state"]],
        host=document["host"],
        memory=document["memory"],
    )


def sighting_of(machine: Machine) -> Sighting:
    spec = machine.spec
    return Sighting(
        machine=spec.id,
        name=spec.name,
        power=POWER[machine.state],
        host=machine.host.name,
        memory=spec.memory,
    )


def host_sighting(document: Mapping[str, Any]) -> HostSighting:
    return HostSighting(
        name=document["name"],
        online=document["online"],
        memory_total=document["memory"],
        memory_free=document["memory_free"],
    )


def host_sighting_of(host: Host) -> HostSighting:
    free = None if host.memory is None else host.memory - host.used
    return HostSighting(name=host.name, online=True, memory_total=host.memory, memory_free=free)


def outcome(status: str, detail: str) -> Outcome:
    return Outcome(
        status=_STATUS[status],
        detail=detail,
        hint="GET /faults of the simulator lists what is injected" if "fault" in detail else "",
    )


def agent_answer(machine: Machine) -> AgentAnswer:
    """Return what the guest agent of *machine* says; its absence is an answer too."""
    if not machine.spec.agent:
        return AgentAnswer(healthy=False, evidence="guest agent: none is installed")
    if machine.state is not State.RUNNING:
        return AgentAnswer(
            healthy=False, evidence=f"guest agent: no answer, the machine is {machine.state}"
        )
    return AgentAnswer(healthy=True, evidence="guest agent: answered")


def examined(survey: Survey, machines: Collection[str]) -> Iterator[Finding]:
    """Yield what would keep *machines* from starting, all of them together."""
    wanted: dict[str, int] = {}
    for machine in machines:
        seen = survey.machines.get(machine)
        if seen is None:
            yield Finding(
                severity=Severity.ERROR,
                code="machine-missing",
                message=f"the simulator has no machine {machine}",
                hint="check the id in the plan against the fleet file",
                machine=machine,
            )
        elif seen.power is Power.OFF and seen.host is not None:
            wanted[seen.host] = wanted.get(seen.host, 0) + (seen.memory or 0)
    for host, memory in wanted.items():
        free = survey.hosts[host].memory_free
        if free is not None and memory > free:
            yield Finding(
                severity=Severity.ERROR,
                code="memory-short",
                message=f"host {host} has {readable(free)} free, and the machines of the plan"
                f" that are off there need {readable(memory)}",
                hint=f"stop other machines on {host}, or give it more memory in the fleet file",
            )
