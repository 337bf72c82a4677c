"""What can be known before a run: who answers, which machines exist, what would go wrong.

Looks and never writes. The same look serves a live run, before it asks for confirmation, and
a dry run, which adds the checks.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from drorch.errors import ConfigurationError, ConnectorError, UnavailableError
from drorch.model.graph import Graph
from drorch.model.plan import Callout, CheckSpec, MachineRef, OnUnhealthy, Plan, Step
from drorch.ports.callout import Callouts
from drorch.ports.connector import Connector, Finding, Severity, Sighting, Survey
from drorch.run.words import HALT_HINT

_PATIENCE = 20.0
_EXAMINE_PATIENCE = 120.0


@dataclass(slots=True)
class Look:
    """What a preflight found. ``machines`` by step id; ``estates`` identities by connector."""

    findings: list[Finding] = field(default_factory=list)
    machines: dict[str, Sighting] = field(default_factory=dict)
    estates: dict[str, str] = field(default_factory=dict)
    away: dict[str, UnavailableError] = field(default_factory=dict)
    incomplete: dict[str, str] = field(default_factory=dict)
    """Connectors that showed their machines but could not be asked the rest, with the reason."""

    @property
    def errors(self) -> list[Finding]:
        return [f for f in self.findings if f.severity is Severity.ERROR]


class Preflight:
    """Looks at a plan's world.

    *broken* tells what keeps a check from being carried out at all, *held* who holds a machine
    (given connector, id and name), *halted* why nothing at all may be ordered; each returns an
    empty text where there is nothing to tell.
    """

    def __init__(
        self,
        connectors: Mapping[str, Connector],
        callouts: Callouts,
        broken: Callable[[CheckSpec], str],
        held: Callable[[str, str, str], Awaitable[str]],
        halted: Callable[[], str] = lambda: "",
    ) -> None:
        self._connectors = connectors
        self._callouts = callouts
        self._broken = broken
        self._held = held
        self._halted = halted

    async def look(self, plan: Plan) -> Look:
        """Return what is there. Raises what must refuse a live run.

        That is: a connector that the configuration does not have, a wrong token or certificate,
        an answer that no hypervisor gives, and an estate that is away although nothing in the
        plan comes before its first machine (a black start begins with hosts, not with us).
        """
        look = Look()
        look.findings.extend(self._named(plan))
        by_connector = _by_connector(plan)
        for name in by_connector:
            self._known(name)
        looks = (self._look_at(name, steps, plan, look) for name, steps in by_connector.items())
        for refused in await asyncio.gather(*looks, return_exceptions=True):
            if refused is not None:
                raise refused
        look.findings.sort(key=lambda f: (_RANK[f.severity], f.step or "", f.code))
        return look

    def _known(self, name: str) -> None:
        if name not in self._connectors:
            have = ", ".join(sorted(self._connectors)) or "none"
            raise ConfigurationError(
                f"the plan uses the connector {name!r}, which is not configured",
                hint=f"add [connectors.{name}] to drorch.toml (configured: {have})",
            )

    def _named(self, plan: Plan) -> Iterator[Finding]:
        """What the plan only names has to be in the configuration."""
        for step in plan.steps:
            if isinstance(step.action, Callout) and not self._callouts.knows(step.action.name):
                yield _unknown_callout(step.id, step.action.name)
            for check in step.verify:
                if told := self._broken(check):
                    yield Finding(
                        severity=Severity.ERROR,
                        code="check-broken",
                        step=step.id,
                        message=f"check {check.name!r} cannot be carried out: {told}",
                        hint="mend the configuration, or the check in the plan",
                    )

    async def _look_at(self, name: str, steps: Sequence[Step], plan: Plan, look: Look) -> None:
        connector = self._connectors[name]
        try:
            async with asyncio.timeout(_PATIENCE):
                estate = await connector.identify()
                survey = await connector.survey()
        except TimeoutError:
            away = UnavailableError(f"{name} did not answer within {_PATIENCE:g} s")
            self._away(name, away, plan, look)
            return
        except UnavailableError as error:
            self._away(name, error, plan, look)
            return
        look.estates[name] = estate.identity
        look.findings.extend(_estate_findings(name, survey))
        look.findings.extend(_beyond(connector, steps))
        await self._machines(connector, steps, survey, look)

    def _away(self, name: str, error: UnavailableError, plan: Plan, look: Look) -> None:
        if _comes_first(plan, name):
            raise error
        look.away[name] = error
        look.findings.append(
            Finding(
                severity=Severity.WARNING,
                code="connector-away",
                message=f"{name} does not answer yet: {error.message}",
                hint="other steps come before its first machine; drorch waits for it",
            )
        )

    async def _machines(
        self, connector: Connector, steps: Sequence[Step], survey: Survey, look: Look
    ) -> None:
        ids: dict[str, str] = {}
        for step in steps:
            assert step.machine is not None  # noqa: S101 (sorted by connector)
            found = _resolve(step.machine, survey)
            if isinstance(found, Finding):
                look.findings.append(replace(found, step=step.id))
                continue
            look.machines[step.id] = found
            if found.machine in ids:
                look.findings.append(_twice(step.id, ids[found.machine], found))
            ids[found.machine] = step.id
            if why := await self._held(connector.name, found.machine, found.name):
                cure = _release(connector.name, found) if why != self._halted() else HALT_HINT
                look.findings.append(_hold(step.id, found, why, cure))
            look.findings.extend(replace(f, step=step.id) for f in _machine_findings(found))
        look.findings.extend(await _examined(connector, ids, look))


_RANK = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


def _by_connector(plan: Plan) -> dict[str, list[Step]]:
    out: dict[str, list[Step]] = {}
    for step in plan.steps:
        if step.machine is not None:
            out.setdefault(step.machine.connector, []).append(step)
    return out


def _comes_first(plan: Plan, connector: str) -> bool:
    """Tell whether some machine of *connector* needs nothing but its like."""
    graph = Graph(plan)
    for number, step in enumerate(plan.steps):
        if step.machine is None or step.machine.connector != connector:
            continue
        before = graph.closure([number]) - {number}
        others = (graph.steps[n].machine for n in before if not graph.is_group(n))
        if all(machine is not None and machine.connector == connector for machine in others):
            return True
    return False


def _unknown_callout(step: str, name: str) -> Finding:
    return Finding(
        severity=Severity.ERROR,
        code="callout-unknown",
        step=step,
        message=f"the callout {name!r} is not configured",
        hint=f"add [callouts.{name}] to drorch.toml; a plan only names callouts",
    )


def _resolve(ref: MachineRef, survey: Survey) -> Sighting | Finding:
    if ref.id is not None:
        found = [survey.machines[ref.id]] if ref.id in survey.machines else []
    else:
        found = [s for s in survey.machines.values() if s.name == ref.name]
    if len(found) == 1:
        return found[0]
    if found:
        return Finding(
            severity=Severity.ERROR,
            code="machine-ambiguous",
            machine=ref.name,
            message=f"{ref} names several machines: {', '.join(s.machine for s in found)}",
            hint="name the machine by its id in the plan",
        )
    return Finding(
        severity=Severity.ERROR,
        code="machine-missing",
        machine=ref.id or ref.name,
        message=f"{ref} does not exist there, or the credentials may not see it",
        hint="compare with 'drorch fleet'; a machine that was restored may have a new id",
    )


def _release(connector: str, found: Sighting) -> str:
    return f"drorch release {connector}/{found.machine}, when it may boot"


def _hold(step: str, found: Sighting, why: str, cure: str) -> Finding:
    return Finding(
        severity=Severity.WARNING,
        code="held",
        machine=found.machine,
        step=step,
        message=f"{found.name} ({found.machine}) must not be started: {why}",
        hint=cure,
    )


def _twice(step: str, other: str, found: Sighting) -> Finding:
    return Finding(
        severity=Severity.ERROR,
        code="machine-twice",
        machine=found.machine,
        step=step,
        message=f"{step} and {other} are the same machine: {found.name} ({found.machine})",
        hint="leave one of the two steps out",
    )


def _machine_findings(seen: Sighting) -> Iterator[Finding]:
    called = f"{seen.name} ({seen.machine})"
    if seen.template:
        yield Finding(
            severity=Severity.ERROR,
            code="template",
            machine=seen.machine,
            message=f"{called} is a template and cannot be started",
            hint="name the machine that was made from it",
        )
    if seen.problem:
        yield Finding(
            severity=Severity.ERROR,
            code="machine-problem",
            machine=seen.machine,
            message=f"{called}: {seen.problem}",
            hint=seen.hint,
        )
    if seen.lock:
        yield Finding(
            severity=Severity.WARNING,
            code="locked",
            machine=seen.machine,
            message=f"{called} is locked ({seen.lock})",
            hint="wait until what holds it has ended; if nothing does, unlock it",
        )
    if seen.autostart:
        yield Finding(
            severity=Severity.WARNING,
            code="autostart",
            machine=seen.machine,
            message=f"the hypervisor may start {called} by itself ({seen.autostart})",
            hint="it would start before what it needs; drorch then verifies it all the same",
        )


def _estate_findings(name: str, survey: Survey) -> Iterator[Finding]:
    if not survey.quorate:
        yield Finding(
            severity=Severity.ERROR,
            code="no-quorum",
            message=f"{name} accepts no starts: {survey.reason or 'its cluster has no quorum'}",
            hint="bring enough nodes of the cluster back; drorch goes on by itself",
        )
    for host in survey.hosts.values():
        if not host.online:
            yield Finding(
                severity=Severity.WARNING,
                code="host-offline",
                message=f"node {host.name} of {name} is dark: {host.reason or 'no answer'}",
                hint="its machines wait until it is back or they turn up elsewhere",
            )


def _beyond(connector: Connector, steps: Sequence[Step]) -> Iterator[Finding]:
    """What the plan asks of *connector* that it can never do."""
    able = connector.capabilities
    for step in steps:
        if not able.restart and step.on_unhealthy is OnUnhealthy.RESTART:
            yield Finding(
                severity=Severity.ERROR,
                code="restart-unsupported",
                step=step.id,
                message=f"{connector.name} cannot stop machines, so it cannot restart this one",
                hint="write 'on_unhealthy: verify' for this step; a person restarts it if need be",
            )
        if not able.agent and any(check.kind == "agent" for check in step.verify):
            yield Finding(
                severity=Severity.ERROR,
                code="agent-unsupported",
                step=step.id,
                message=f"{connector.name} cannot ask guest agents",
                hint="use another check for this machine, such as tcp or http",
            )


async def _examined(connector: Connector, ids: Mapping[str, str], look: Look) -> list[Finding]:
    """Ask the connector for what only it can know; what is known already is not said twice."""
    said = {(f.machine, f.code) for f in look.findings}
    try:
        async with asyncio.timeout(_EXAMINE_PATIENCE):
            found = await connector.examine(list(ids))
    except (TimeoutError, ConnectorError) as error:
        told = error.message if isinstance(error, ConnectorError) else "it took too long"
        look.incomplete[connector.name] = told
        incomplete = Finding(
            severity=Severity.WARNING,
            code="examination-incomplete",
            message=f"{connector.name} could not be examined to the end: {told}",
            hint="run the dry run again",
        )
        return [incomplete]
    return [
        replace(f, step=ids.get(f.machine or "")) for f in found if (f.machine, f.code) not in said
    ]
