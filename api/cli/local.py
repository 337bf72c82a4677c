"""Reads and decides on the local store, which several processes may share."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable, Mapping

from api.bootstrap import Application, whoami
from api.cli.access import Given, Json, Verb
from api.cli.exits import WrongUseError
from api.operations import give_decision, hold_machine
from api.reading import RunReader
from api.reports import after_action
from drorch.errors import CommandRejectedError, ConnectorError
from drorch.journal import codec
from drorch.model.plan import Plan
from drorch.ports.connector import Connector
from drorch.ports.journal import Recorded
from drorch.run import commands as cmd
from drorch.run import events as ev
from drorch.run.decide import decide
from drorch.run.views import event_json, finding_json, run_json, run_with_steps
from plans import load

PATIENCE = 5.0
"""Seconds to wait until the process that drives a run has taken a decision."""

_ANSWER_WITHIN = 20.0

_RUN_COMMANDS: Mapping[Verb, type[cmd.Pause | cmd.Resume | cmd.Abort]] = {
    Verb.PAUSE: cmd.Pause,
    Verb.RESUME: cmd.Resume,
    Verb.ABORT: cmd.Abort,
}
_STEP_COMMANDS: Mapping[Verb, type[cmd.StepDecision]] = {
    Verb.APPROVE: cmd.Approve,
    Verb.REJECT: cmd.Reject,
    Verb.RETRY: cmd.Retry,
    Verb.SKIP: cmd.Skip,
    Verb.ACCEPT: cmd.Accept,
}


class LocalAccess:
    """Implements `api.cli.access.Access` with the store of this machine."""

    def __init__(self, app: Application, *, by: str | None = None) -> None:
        self._app = app
        self._reader = RunReader(app.store)
        self._by = by or whoami()

    async def runs(self, limit: int) -> list[Json]:
        lines = (await self._app.shelf.runs())[:limit]
        return [run_json(await self._reader.state(line.id)) for line in lines]

    async def run(self, run: str) -> Json:
        return run_with_steps(await self._reader.state(run))

    async def events(self, run: str, after: int) -> list[Json]:
        return [shown(record) for record in await self._app.store.read(run, after)]

    async def decide(self, given: Given) -> bool:
        decision = _decision(given, self._by)
        state = await self._reader.state(given.run)
        if given.step is not None and given.step not in {s.id for s in state.plan.steps}:
            raise WrongUseError(
                f"the run {given.run} has no step {given.step!r}",
                hint=f"'drorch status {given.run}' shows the steps that need somebody",
            )
        if self._app.leases.is_held(given.run):
            return await give_decision(self._app, given.run, decision, patience=PATIENCE)
        if state.is_over:
            raise CommandRejectedError(f"the run {given.run} has ended: {state.status}")
        if not await self._app.store.inbox(given.run):
            # Nobody drives it now, so nobody would answer: refuse here what would be refused
            # later. With decisions before this one only the driver can tell.
            decide(state, decision, self._app.clock.now())
        return await give_decision(self._app, given.run, decision, patience=0.0)

    async def report(self, run: str) -> Json:
        return after_action(await self._app.store.read(run))

    async def holds(self) -> list[Json]:
        return [
            {"connector": h.connector, "machine": h.machine, "reason": h.reason, "by": h.by}
            | {"at": h.at}
            for h in await self._app.shelf.holds()
        ]

    async def hold(self, connector: str, machine: str, reason: str) -> None:
        self._connector(connector)
        await hold_machine(self._app, connector, machine, reason=reason, by=self._by)

    async def release(self, connector: str, machine: str) -> bool:
        return await self._app.shelf.release(connector, machine)

    async def connectors(self) -> list[Json]:
        looks = (self._reach(name, c) for name, c in self._app.connectors.items())
        return list(await asyncio.gather(*looks))

    async def check(self, name: str) -> Json:
        """Raises `ConnectorError` when *name* cannot be reached or does not let us in."""
        connector = self._connector(name)
        async with asyncio.timeout(_ANSWER_WITHIN * 3):
            estate = await connector.identify()
            survey = await connector.survey()
            findings = await connector.examine(list(survey.machines))
        return {
            "name": name,
            "type": self._type(name),
            "product": estate.product,
            "version": estate.version,
            "identity": estate.identity,
            "machines": len(survey.machines),
            "hosts": [
                {"name": h.name, "online": h.online, "reason": h.reason}
                for h in survey.hosts.values()
            ],
            "quorate": survey.quorate,
            "findings": [finding_json(finding) for finding in findings],
        }

    async def fleet(self) -> list[Json]:
        surveys = await asyncio.gather(
            *(connector.survey() for connector in self._app.connectors.values())
        )
        stored = [load(p.source, p.plan) for p in await self._app.shelf.plans()]
        held = {(h["connector"], h["machine"]): h["reason"] for h in await self.holds()}
        return [
            {
                "connector": name,
                "machine": seen.machine,
                "name": seen.name,
                "power": seen.power,
                "host": seen.host,
                "plans": sorted(_covering(stored, name, seen.machine, seen.name)),
                "hold": held.get((name, seen.machine)),
            }
            for name, survey in zip(self._app.connectors, surveys, strict=True)
            for seen in sorted(survey.machines.values(), key=lambda s: _natural(s.machine))
        ]

    def _connector(self, name: str) -> Connector:
        if name not in self._app.connectors:
            have = ", ".join(sorted(self._app.connectors)) or "none"
            raise WrongUseError(
                f"there is no connector {name!r}",
                hint=f"configured: {have}; they are the tables [connectors.NAME] of drorch.toml",
            )
        return self._app.connectors[name]

    async def _reach(self, name: str, connector: Connector) -> Json:
        line: Json = {"name": name, "type": self._type(name), "ok": True}
        try:
            async with asyncio.timeout(_ANSWER_WITHIN):
                estate = await connector.identify()
        except TimeoutError:
            told = f"no answer within {_ANSWER_WITHIN:g} s"
            return line | {"ok": False, "product": None, "version": None, "error": told}
        except ConnectorError as error:
            return line | {
                "ok": False, "product": None, "version": None,
                "error": error.message, "hint": error.hint,
            }  # fmt: skip
        return line | {"product": estate.product, "version": estate.version, "error": None}

    def _type(self, name: str) -> str:
        return str(self._app.settings.connectors[name].get("type", ""))


def shown(record: Recorded) -> Json:
    """Return a recorded event as people see it; the plan inside the first one is left out."""
    event = record.event
    if isinstance(event, ev.RunRequested):
        data = {"by": event.by, "mode": event.mode, "plan": event.plan.id, "reason": event.reason}
    else:
        data = json.loads(codec.encode(event))
    return event_json(record.seq, event.type, record.at, data)


def _decision(given: Given, by: str) -> cmd.Decision:
    if given.verb in _RUN_COMMANDS:
        return _RUN_COMMANDS[given.verb](by=by, comment=given.comment)
    if given.step is None:
        raise WrongUseError("which step?", hint=f"drorch {given.verb} RUN STEP")
    return _STEP_COMMANDS[given.verb](by=by, comment=given.comment, step=given.step)


def _covering(stored: Iterable[Plan], connector: str, machine: str, name: str) -> set[str]:
    return {
        plan.id
        for plan in stored
        for step in plan.steps
        if step.machine is not None
        and step.machine.connector == connector
        and (step.machine.id == machine or (step.machine.id is None and step.machine.name == name))
    }


def _natural(machine: str) -> tuple[int, str]:
    return (int(machine), machine) if machine.isdecimal() else (0, machine)
