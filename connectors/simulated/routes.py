"""What the simulator's API answers, over the world; disturbed where faults want it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, StrictInt, StrictStr, ValidationError

from connectors.simulated import reading
from connectors.simulated.faults import ApiFault, Disturbance, MachineFault
from connectors.simulated.machine import Action, LogEntry, Machine
from connectors.simulated.stats import CallCounts, Kind
from connectors.simulated.wire import Reply, Request, reply
from connectors.simulated.world import World

VERSION = "1"
_SILENCE = 30.0
"""Seconds after which a call that is never answered is cut."""


class FaultOrder(BaseModel):
    """The body of ``POST /faults``; ``seconds`` are real ones."""

    model_config = ConfigDict(extra="forbid")

    kind: MachineFault | ApiFault | str = Field(union_mode="left_to_right")
    machine: StrictInt | StrictStr | None = None
    times: int | None = Field(default=None, ge=1)
    rate: float | None = Field(default=None, ge=0.0, le=1.0)
    seconds: float | None = Field(default=None, gt=0.0)


class Routes:
    """Answers requests. ``go_dark`` makes the API unreachable for so many seconds."""

    def __init__(self, world: World, identity: str, go_dark: Callable[[float], None]) -> None:
        self._world = world
        self._identity = identity
        self._go_dark = go_dark
        self._counts = CallCounts(world.clock)
        self._texts: dict[Machine, str] = {}
        world.witness(self._forget)

    async def answer(self, request: Request) -> Reply | None:
        """Answer *request*, late, wrongly or not at all if that is what faults want."""
        match request.method, request.path:
            case ("POST", ("machines", machine, "start" | "stop" | "shutdown" as action)):
                self._counts.count(Kind.ORDER)
                return await self._disturbed_order(machine, Action(action))
            case ("POST", ("machines", machine, "agent")):
                self._counts.count(Kind.AGENT)
                return await self._disturbed(lambda: self._agent(machine))
            case ("GET", ("machines" | "hosts" | "tasks", *_)):
                self._counts.count(Kind.OBSERVING)
                return await self._disturbed(lambda: self._observed(request))
        return self._instrument(request)

    async def _disturbed(self, route: Callable[[], Reply]) -> Reply | None:
        await self._latency()
        match self._world.faults.disturb():
            case Disturbance.ERROR:
                return _injected_error()
            case Disturbance.NONE:
                return route()
            case Disturbance.TIMEOUT:
                await asyncio.sleep(_SILENCE)
        return None

    async def _disturbed_order(self, machine: str, action: Action) -> Reply | None:
        await self._latency()
        match self._world.faults.disturb():
            case Disturbance.NONE:
                return self._ordered(self._world.order(machine, action), machine)
            case Disturbance.REPLY_LOST:
                self._world.order(machine, action, reply_lost=True)
                return None
            case Disturbance.TIMEOUT:
                self._world.turn_away(machine, action, "injected fault timeout_rate")
                await asyncio.sleep(_SILENCE)
                return None
            case Disturbance.ERROR:
                self._world.turn_away(machine, action, "injected fault error_rate")
        return _injected_error()

    def _ordered(self, entry: LogEntry, machine: str) -> Reply:
        if entry.task is not None:
            return reply(202, {"task": entry.task.id})
        if machine not in self._world.machines:
            return _no_machine(machine)
        return reply(409, {"error": "refused", "reason": entry.reason, "already": entry.already})

    def _observed(self, request: Request) -> Reply:
        world = self._world
        match request.path:
            case ("machines",) if request.query.get("with") == "hosts":
                return Reply(200, f'{{"hosts":{self._hosts()},"machines":{self._all()}}}'.encode())
            case ("machines",):
                return Reply(200, self._all().encode())
            case ("machines", machine):
                found = world.machines.get(machine)
                return Reply(200, self._text(found).encode()) if found else _no_machine(machine)
            case ("hosts",):
                return Reply(200, self._hosts().encode())
            case ("tasks",):
                wanted = request.query.get("machine")
                tasks = list(world.tasks.values()) if wanted is None else world.tasks_of(wanted)
                return reply(200, [task.document() for task in tasks])
            case ("tasks", task) if task in world.tasks:
                return reply(200, world.tasks[task].document())
            case ("tasks", task):
                return reply(404, {"error": "task-not-found", "reason": f"no task {task}"})
        return _not_found()

    def _instrument(self, request: Request) -> Reply:
        """Answer what tests and demonstrations ask; no fault touches it."""
        match request.method, request.path:
            case ("GET", ("",)):
                return reply(200, self._about())
            case ("GET", ("log",)):
                after = request.query.get("after", "0")
                entries = self._world.log[int(after) :] if after.isdecimal() else self._world.log
                return reply(200, [entry.document() for entry in entries])
            case ("GET", ("stats",)):
                return reply(200, self._counts.document())
            case ("GET", ("faults",)):
                return reply(200, self._world.faults.document())
            case ("POST", ("faults",)):
                return self._inject(request.body)
            case ("DELETE", ("faults",)):
                self._world.clear_faults()
                return reply(200, [])
        return _not_found()

    def _about(self) -> dict[str, object]:
        world = self._world
        return {
            "product": "drorch simulated hypervisor",
            "version": VERSION,
            "identity": self._identity,
            "machines": len(world.machines),
            "counts": world.counts,
            "well": sum(machine.well for machine in world.machines.values()),
            "orders": len(world.log),
            "time_scale": world.fleet.time_scale,
        }

    def _inject(self, body: bytes) -> Reply:
        try:
            self._apply(FaultOrder.model_validate_json(body))
        except ValidationError as error:
            told = json.loads(error.json(include_url=False, include_context=False))
            return reply(422, {"error": "invalid-fault", "errors": told})
        except ValueError as error:
            return reply(422, {"error": "invalid-fault", "reason": str(error)})
        return reply(200, self._world.faults.document())

    def _apply(self, order: FaultOrder) -> None:
        faults = self._world.faults
        match order.kind:
            case MachineFault() as kind if str(order.machine) in self._world.machines:
                faults.inject(str(order.machine), kind, order.times)
            case MachineFault():
                raise ValueError(f"no machine {order.machine}")
            case ApiFault() as kind if order.rate is not None:
                faults.disturb_calls(kind, order.rate, order.times)
            case ApiFault() as kind:
                raise ValueError(f"{kind} takes a 'rate' from 0 to 1")
            case "down_for" if order.seconds is not None:
                self._go_dark(order.seconds)
            case "down_for":
                raise ValueError("down_for takes 'seconds'")
            case _:
                kinds = ", ".join([*MachineFault, *ApiFault, "down_for"])
                raise ValueError(f"no fault is called {order.kind!r}; there are {kinds}")

    def _agent(self, machine: str) -> Reply:
        found = self._world.machines.get(machine)
        if found is None:
            return _no_machine(machine)
        answer = reading.agent_answer(found)
        return reply(200, {"answered": answer.healthy, "evidence": answer.evidence})

    def _all(self) -> str:
        return f"[{','.join(map(self._text, self._world.machines.values()))}]"

    def _text(self, machine: Machine) -> str:
        """Return the machine as JSON, written anew only when it has changed."""
        if machine not in self._texts:
            self._texts[machine] = _json(machine.document())
        return self._texts[machine]

    def _forget(self, machine: Machine) -> None:
        self._texts.pop(machine, None)

    def _hosts(self) -> str:
        return _json([host.document() for host in self._world.hosts.values()])

    async def _latency(self) -> None:
        if self._world.fleet.latency:
            await asyncio.sleep(self._world.fleet.latency)


def _json(document: Any) -> str:
    return json.dumps(document, ensure_ascii=False, separators=(",", ":"))


def _injected_error() -> Reply:
    return reply(500, {"error": "injected", "reason": "injected fault error_rate: nothing done"})


def _no_machine(machine: str) -> Reply:
    return reply(404, {"error": "machine-not-found", "reason": f"no machine {machine}"})


def _not_found() -> Reply:
    return reply(404, {"error": "not-found", "reason": "there is nothing here"})
