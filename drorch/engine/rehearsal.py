"""A dry run: the preflight, and each check tried against what is up now. Nothing is written."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from drorch.engine.preflight import Look, Preflight
from drorch.model.graph import Graph
from drorch.model.plan import CheckSpec, MachineRef, Plan
from drorch.ports.check import CheckResult, Prober, Verdict
from drorch.ports.connector import Finding, Power, Severity

_AT_ONCE = 48


@dataclass(frozen=True, slots=True)
class _Tried:
    """One check of one step (or of an external service), and what it answered."""

    step: str | None
    owner: str
    check: CheckSpec
    power: Power | None
    result: CheckResult


class Rehearsal:
    """Examines a plan without touching the fleet."""

    def __init__(self, preflight: Preflight, prober: Prober) -> None:
        self._preflight = preflight
        self._prober = prober
        self._slots = asyncio.Semaphore(_AT_ONCE)

    async def examine(self, plan: Plan) -> Look:
        """Return every finding; raises what would refuse a live run.

        What could not be looked at is an error here: a live run can wait for it, but a dry run
        that has not seen a machine says nothing about it.
        """
        look = await self._preflight.look(plan)
        look.findings = sorted((_as_rehearsed(f) for f in look.findings), key=_unseen_first)
        broken = {f.step for f in look.findings if f.code == "check-broken"}
        tried = await self._try_checks(plan, look, broken)
        look.findings.extend(_judge(tried))
        return look

    async def _try_checks(
        self, plan: Plan, look: Look, broken: set[str | None]
    ) -> Sequence[_Tried]:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(self._try(step, owner, check, power, machine))
                for step, owner, check, power, machine in _checks(plan, look)
                if step not in broken
            ]
        return [task.result() for task in tasks]

    async def _try(
        self,
        step: str | None,
        owner: str,
        check: CheckSpec,
        power: Power | None,
        machine: MachineRef | None,
    ) -> _Tried:
        async with self._slots:
            result = await self._prober.probe(check, machine)
        return _Tried(step, owner, check, power, result)


UNSEEN = frozenset({"connector-away", "examination-incomplete"})
"""Findings that say only that nothing could be found."""


def unexamined(plan: Plan, look: Look) -> dict[str, str]:
    """Return why nothing can be said about a step, by its id: its connector did not tell."""
    why: dict[str, str] = {}
    for step in plan.steps:
        name = step.machine.connector if step.machine else ""
        if name in look.away:
            why[step.id] = look.away[name].message
        elif name in look.incomplete:
            why[step.id] = f"seen, but not examined: {look.incomplete[name]}"
    return why


def _as_rehearsed(finding: Finding) -> Finding:
    if finding.code not in UNSEEN:
        return finding
    hint = "run the dry run again when it answers; a live run would wait for it"
    return replace(finding, severity=Severity.ERROR, hint=hint)


def _unseen_first(finding: Finding) -> bool:
    """The reason why little is known comes before the little that is known."""
    return finding.code not in UNSEEN


def _checks(
    plan: Plan, look: Look
) -> Iterator[tuple[str | None, str, CheckSpec, Power | None, MachineRef | None]]:
    graph = Graph(plan)
    for number, step in enumerate(plan.steps):
        seen = look.machines.get(step.id)
        if step.machine is not None and seen is None:
            continue  # it does not exist, or its estate is away: said already
        power = seen.power if seen else _power_of_needs(graph, number, look)
        machine = replace(step.machine, id=seen.machine) if step.machine and seen else None
        for check in step.verify:
            if _may_act(check) or (check.kind == "agent" and power is not Power.RUNNING):
                continue
            yield step.id, step.id, check, power, machine
    for service in plan.services:
        for check in service.verify:
            yield None, f"service {service.id}", check, None, None


def _may_act(check: CheckSpec) -> bool:
    """A dry run touches nothing: no callouts, and no HTTP methods but those that only read."""
    method = str(check.params.get("method") or "GET").upper()
    return check.kind == "callout" or method not in {"GET", "HEAD", "OPTIONS"}


def _power_of_needs(graph: Graph, number: int, look: Look) -> Power | None:
    """A gate can only hold now if every machine that it needs runs."""
    for node in graph.closure([number]):
        step = None if graph.is_group(node) else graph.steps[node]
        if step is None or step.machine is None:
            continue
        seen = look.machines.get(step.id)
        if seen is None or seen.power is not Power.RUNNING:
            return Power.UNKNOWN
    return None


def _judge(tried: Sequence[_Tried]) -> Iterator[Finding]:
    dark = _dark_networks(tried)
    for network, count in dark.items():
        yield Finding(
            severity=Severity.ERROR,
            code="network-unreachable",
            message=f"nothing in {network} can be reached from here ({count} checks tried)",
            hint="look at routes and firewalls between drorch and that network: "
            "whether the applications are well is not known",
        )
    for one in tried:
        finding = _finding(one)
        if finding is not None and not (_silent(one) and _network(one.check) in dark):
            yield finding


def _silent(one: _Tried) -> bool:
    return one.result.verdict is Verdict.UNREACHABLE


def _expected_up(one: _Tried) -> bool:
    """A gate, an external service, or a machine that runs."""
    return one.power in (None, Power.RUNNING)


def _dark_networks(tried: Sequence[_Tried]) -> Mapping[str, int]:
    """Networks in which something should answer and not one check of any kind did."""
    answers: dict[str, list[_Tried]] = {}
    for one in tried:
        if (network := _network(one.check)) is not None:
            answers.setdefault(network, []).append(one)
    return {
        network: len(ones)
        for network, ones in answers.items()
        if all(_silent(one) for one in ones) and any(_expected_up(one) for one in ones)
    }


def _network(check: CheckSpec) -> str | None:
    """Return the /24 or /64 that a check asks, or its host's name."""
    target = check.params.get("host") or check.params.get("server")
    if target is None and isinstance(url := check.params.get("url"), str):
        target = urlsplit(url).hostname
    if not isinstance(target, str):
        return None
    try:
        address = ipaddress.ip_address(target)
    except ValueError:
        return target
    prefix = 24 if address.version == 4 else 64
    return str(ipaddress.ip_network(f"{address}/{prefix}", strict=False))


def _finding(one: _Tried) -> Finding | None:
    said = f"check {one.check.name!r} of {one.owner}"
    evidence = one.result.evidence
    if one.result.verdict is Verdict.BROKEN:
        hint = "mend the configuration, or the check in the plan"
        return _error(one, "check-broken", f"{said} cannot be carried out: {evidence}", hint)
    if one.step is None and one.result.verdict is not Verdict.HEALTHY:
        hint = "it runs elsewhere: tell its contact; this run does not depend on it"
        return replace(
            _error(one, "external-unwell", f"{said}: {evidence}", hint), severity=Severity.WARNING
        )
    if not _expected_up(one):
        return _answers_while_off(one, said)
    match one.result.verdict:
        case Verdict.HEALTHY:
            return None
        case Verdict.UNWELL:
            hint = "the application is reached and is not well, or the check asks the wrong thing"
            return _error(one, "application-unwell", f"{said}: {evidence}", hint)
        case Verdict.REFUSED:
            hint = "the machine is reached and nothing listens there: is the port right?"
            return _error(one, "nothing-listens", f"{said}: {evidence}", hint)
        case _:
            hint = (
                "the machine runs but does not answer: is the address right, is a firewall between?"
            )
            return _error(one, "unreachable", f"{said} is unreachable from here: {evidence}", hint)


def _answers_while_off(one: _Tried, said: str) -> Finding | None:
    """A check that something answers while its machine is off asks somebody else."""
    answered = one.result.verdict in (Verdict.HEALTHY, Verdict.UNWELL)
    if not answered or one.power is Power.UNKNOWN:
        return None
    return _error(
        one,
        "check-answers-while-off",
        f"{said} is answered although the machine is {one.power}: {one.result.evidence}",
        "the check asks another machine: compare its address and port with the plan",
    )


def _error(one: _Tried, code: str, message: str, hint: str) -> Finding:
    return Finding(severity=Severity.ERROR, code=code, step=one.step, message=message, hint=hint)
