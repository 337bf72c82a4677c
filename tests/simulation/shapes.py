"""Random plans: chains, fans, diamonds, groups, and steps of every kind with every policy."""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

from drorch.model.plan import (
    Callout,
    CheckSpec,
    Dependency,
    MachineRef,
    OnFailure,
    OnUnhealthy,
    Plan,
    PowerOn,
    RetryPolicy,
    Service,
    Step,
    When,
)
from tests.fakes.plans import gate, group, plan, question, service, task, wait

_WHENS = (When.HEALTHY,) * 6 + (When.STARTED, When.STARTED, When.FINISHED)
_POLICIES = (OnFailure.ASK,) * 5 + (OnFailure.CONTINUE,) * 3 + (OnFailure.STOP,)


class Shape:
    """Draws one plan; ``wide`` is how many earlier steps a step may need."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self.connectors = "abc"[: chance.choice((1, 1, 1, 2, 2, 3))]
        self._kind = chance.choice(("chain", "fan", "web", "web", "layers"))
        self._steps: list[Step] = []
        self._groups: list[str] = []

    def draw(self) -> Plan:
        chance = self._chance
        size = self._size()
        grouped = chance.random() < 0.5
        layer = chance.randint(2, 5)
        for number in range(size):
            place = f"g{number // layer}" if grouped and chance.random() < 0.9 else None
            if place is not None and place not in self._groups:
                self._groups.append(place)
            self._steps.append(self._step(number, place, layer))
        return self._finished()

    def _size(self) -> int:
        roll = self._chance.random()
        if roll < 0.88:
            return self._chance.randint(3, 9)
        return self._chance.randint(10, 25) if roll < 0.985 else self._chance.randint(26, 60)

    def _finished(self) -> Plan:
        chance = self._chance
        groups = [group(g, chance.choice((None, None, 1, 2, 4))) for g in self._groups]
        made = plan(
            *self._steps,
            groups=groups,
            services=self._services(),
            parallel=chance.choice((1, 2, 3, 6, 20, 20)),
            per_connector={
                c: chance.randint(1, 4) for c in self.connectors if chance.random() < 0.3
            },
            per_host=chance.choice((None, None, None, 1, 2)),
        )
        return replace(made, id="disaster")

    def _services(self) -> Sequence[Service]:
        chance = self._chance
        out = []
        for number in range(chance.choice((0, 0, 1, 2))):
            steps = chance.sample([s.id for s in self._steps], k=min(2, len(self._steps)))
            out.append(service(f"v{number}", chance.randint(1, 3), *steps))
        if chance.random() < 0.05:
            checks = (_check("saas-0"),)
            out.append(Service(id="saas", title={"en": "S"}, external=True, verify=checks))
        return out

    def _step(self, number: int, place: str | None, layer: int) -> Step:
        chance, name = self._chance, f"s{number}"
        needs = self._needs(number, layer)
        more: dict[str, Any] = {
            "group": place,
            "on_failure": chance.choice(_POLICIES),
            "retry": RetryPolicy(
                attempts=chance.randint(1, 4),
                wait=timedelta(seconds=chance.choice((0.5, 1, 3))),
                max_wait=timedelta(seconds=8),
            ),
            "verify_timeout": timedelta(seconds=chance.choice((8, 15, 40))),
            "start_timeout": timedelta(seconds=chance.choice((6, 15, 40))),
        }
        roll = chance.random()
        if roll < 0.68:
            return self._machine(number, needs, more)
        if roll < 0.76:
            return gate(name, *needs, **{**more, "verify": (_check(f"{name}-0"),)})
        if roll < 0.83:
            return question(name, *needs, timeout=chance.choice((None, 10.0)), **more)
        if roll < 0.89:
            return wait(name, chance.choice((0.5, 3, 12)), *needs, **more)
        verify = (_check(f"{name}-0"),) if chance.random() < 0.3 else ()
        prefix = chance.choice(("again", "once"))  # whether it may be repeated unasked
        return task(name, Callout(name=f"{prefix}-{name}"), *needs, **{**more, "verify": verify})

    def _machine(self, number: int, needs: list[Dependency], more: dict[str, Any]) -> Step:
        chance, name = self._chance, f"s{number}"
        connector = chance.choice(self.connectors)
        by_name = chance.random() < 0.15
        machine = str(100 + number)
        ref = MachineRef(
            connector=connector,
            id=None if by_name else machine,
            name=f"vm-{machine}" if by_name else None,
        )
        checks = tuple(
            _check(f"{name}-{place}", stable=chance.choice((None, None, None, 1.5)))
            for place in range(chance.choice((0, 1, 1, 1, 1, 2)))
        )
        unhealthy = chance.choice(list(OnUnhealthy))
        return task(
            name, PowerOn(machine=ref), *needs, verify=checks, on_unhealthy=unhealthy, **more
        )

    def _needs(self, number: int, layer: int) -> list[Dependency]:
        chance = self._chance
        targets: list[str] = []
        if number == 0:
            return []
        if self._kind == "chain":
            targets = [f"s{number - 1}"]
        elif self._kind == "fan":
            targets = ["s0"] if chance.random() < 0.8 else []
        elif self._kind == "web":
            known = [step.id for step in self._steps]
            targets = chance.sample(known, k=min(len(known), chance.choice((0, 1, 1, 2, 3))))
        elif number >= layer:
            first = (number // layer - 1) * layer
            above = [f"s{n}" for n in range(first, first + layer)]
            targets = chance.sample(above, k=chance.choice((1, 1, 2)))
        whole = [g for g in self._groups if int(g[1:]) < number // layer]
        if whole and chance.random() < 0.5:
            targets.append(chance.choice(whole))
        return [Dependency(target=t, when=chance.choice(_WHENS)) for t in dict.fromkeys(targets)]


def _check(name: str, stable: float | None = None) -> CheckSpec:
    held = None if stable is None else timedelta(seconds=stable)
    return CheckSpec(kind="tcp", name=name, params={"host": "10.0.0.1", "port": 80}, stable=held)
