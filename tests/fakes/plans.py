"""Small plans in one line: ``plan(vm("db"), vm("web", "db"))``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from drorch.model.plan import (
    Action,
    Callout,
    CheckSpec,
    Contact,
    Dependency,
    Gate,
    Group,
    Limits,
    MachineRef,
    Manual,
    Plan,
    PowerOn,
    RetryPolicy,
    Service,
    Step,
    Wait,
    When,
)

ONCE = RetryPolicy(attempts=1)
TWICE = RetryPolicy(attempts=2, wait=timedelta(seconds=5))


def check(name: str = "tcp") -> CheckSpec:
    return CheckSpec(kind="tcp", name=name, params={"host": "10.0.0.1", "port": 80})


def vm(step: str, *after: str | Dependency, connector: str = "pve", **more: Any) -> Step:
    """A machine whose id is the step's, verified by one check unless ``verify`` says otherwise."""
    ref = MachineRef(connector=connector, id=step)
    return task(step, PowerOn(machine=ref), *after, **{"verify": (check(),), **more})


def gate(step: str, *after: str | Dependency, **more: Any) -> Step:
    return task(step, Gate(), *after, **{"verify": (check(),), **more})


def question(
    step: str, *after: str | Dependency, timeout: float | None = None, **more: Any
) -> Step:
    due = None if timeout is None else timedelta(seconds=timeout)
    return task(step, Manual(ask=f"is {step} well?", timeout=due), *after, **more)


def wait(step: str, seconds: float, *after: str | Dependency, **more: Any) -> Step:
    return task(step, Wait(duration=timedelta(seconds=seconds)), *after, **more)


def callout(step: str, *after: str | Dependency, **more: Any) -> Step:
    return task(step, Callout(name=f"call-{step}"), *after, **more)


def task(step: str, action: Action, *after: str | Dependency, **more: Any) -> Step:
    needs = tuple(a if isinstance(a, Dependency) else Dependency(target=a) for a in after)
    return Step(id=step, action=action, depends_on=needs, **more)


def started(target: str) -> Dependency:
    return Dependency(target=target, when=When.STARTED)


def finished(target: str) -> Dependency:
    return Dependency(target=target, when=When.FINISHED)


def group(name: str, parallel: int | None = None) -> Group:
    return Group(id=name, parallel=parallel)


def service(name: str, tier: int, *steps: str) -> Service:
    return Service(id=name, title={"en": name}, tier=tier, steps=steps)


def plan(
    *steps: Step,
    groups: Sequence[Group] = (),
    services: Sequence[Service] = (),
    parallel: int = 20,
    per_connector: Mapping[str, int] | None = None,
    per_host: int | None = None,
    rto: timedelta | None = None,
    contacts: Sequence[Contact] = (),
    owner: str | None = None,
) -> Plan:
    limits = Limits(parallel=parallel, per_connector=per_connector or {}, per_host=per_host)
    return Plan(
        id="test",
        title="Test",
        steps=steps,
        groups=tuple(groups),
        services=tuple(services),
        limits=limits,
        rto=rto,
        contacts=tuple(contacts),
        owner=owner,
    )
