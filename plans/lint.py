"""What is legal in a plan but unwise; a person may know better, so nothing here is an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta

from drorch.model.duration import format_duration, format_seconds
from drorch.model.graph import Graph, expected
from drorch.model.plan import Gate, Manual, OnFailure, Plan, Step, When
from plans.problems import START, Problem
from plans.source.positions import Positions

DATABASE_CHECKS = frozenset({"postgres", "mysql", "redis"})
SHOWN = 6
_PROXMOX = re.compile("pve|prox", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Advice:
    """``path`` leads to the place in the file that the advice is about."""

    path: tuple[str | int, ...]
    code: str
    message: str
    hint: str


Rule = Callable[[Plan, Graph], Iterator[Advice]]


def lint(plan: Plan, positions: Positions | None = None, file: str = "plan") -> tuple[Problem, ...]:
    """Return what is unwise in *plan*, in the file's order.

    With the *positions* of the loaded plan each has its place, else all are at the beginning.
    """
    graph = Graph(plan)
    found = []
    for rule in RULES:
        for advice in rule(plan, graph):
            at = positions.find(*advice.path) if positions else START
            found.append(
                Problem(file, at.line, at.column, advice.code, advice.message, advice.hint)
            )
    return tuple(sorted(found))


def _machines_without_check(plan: Plan, _graph: Graph) -> Iterator[Advice]:
    for step in plan.steps:
        if step.machine is not None and not step.verify:
            yield Advice(
                ("steps", step.id),
                "no-check",
                f'"{step.id}" counts as healthy as soon as its machine runs',
                "add verify with a check of its application, or agent: {} at least",
            )


def _weak_checks(plan: Plan, _graph: Graph) -> Iterator[Advice]:
    for step in plan.steps:
        if step.machine is not None and step.verify and {c.kind for c in step.verify} == {"icmp"}:
            yield Advice(
                ("steps", step.id, "verify"),
                "weak-check",
                f'"{step.id}" is only pinged; a machine answers long before its application',
                "add a check of the application: tcp, http or its protocol",
            )


def _gates_without_check(plan: Plan, _graph: Graph) -> Iterator[Advice]:
    for step in plan.steps:
        if isinstance(step.action, Gate) and not step.verify:
            yield Advice(
                ("steps", step.id),
                "gate-without-check",
                f'the gate "{step.id}" checks nothing and opens at once',
                "add verify, or depend on its dependencies directly",
            )


def _impossible_times(plan: Plan, _graph: Graph) -> Iterator[Advice]:
    for step in plan.steps:
        allowed = step.start_timeout + step.verify_timeout
        if step.machine is not None and step.expect > allowed:
            yield Advice(
                ("steps", step.id, "expect"),
                "expect-too-long",
                f'"{step.id}" is expected to take {format_duration(step.expect)} and given up '
                f"after {format_duration(allowed)}",
                "raise verify_timeout, or lower expect",
            )
        for number, check in enumerate(step.verify):
            longest = max(check.stable or timedelta(0), check.timeout)
            if longest >= step.verify_timeout:
                yield Advice(
                    ("steps", step.id, "verify", number),
                    "check-too-long",
                    f'the check "{check.name}" needs {format_duration(longest)}, all checks '
                    f"together have {format_duration(step.verify_timeout)}",
                    "raise verify_timeout, or shorten the check",
                )
        if step.retry.wait > step.retry.max_wait:
            yield Advice(
                ("steps", step.id, "retry"),
                "retry-wait",
                f'"{step.id}" waits {format_duration(step.retry.max_wait)} (max_wait) between '
                f"attempts, not {format_duration(step.retry.wait)}",
                "raise max_wait, or lower wait",
            )


def _unchecked_certificates(plan: Plan, _graph: Graph) -> Iterator[Advice]:
    for step in plan.steps:
        for number, check in enumerate(step.verify):
            https = str(check.params.get("url", "")).startswith("https:")
            if https and check.params.get("verify") is False:
                yield Advice(
                    ("steps", step.id, "verify", number),
                    "certificate-not-checked",
                    f'the check "{check.name}" accepts any certificate',
                    "name the authority that signed it (ca), instead of verify: false",
                )


def _databases_only_started(plan: Plan, _graph: Graph) -> Iterator[Advice]:
    kinds = {step.id: {check.kind for check in step.verify} for step in plan.steps}
    for step in plan.steps:
        for dependency in step.depends_on:
            checks = kinds.get(dependency.target, set())
            if dependency.when is When.STARTED and checks & DATABASE_CHECKS:
                yield Advice(
                    ("steps", step.id, "depends_on"),
                    "database-only-started",
                    f'"{step.id}" begins when the database "{dependency.target}" has started, '
                    "before it answers",
                    "leave when: started away, so that it waits until the database is healthy",
                )


def _rto_too_short(plan: Plan, graph: Graph) -> Iterator[Advice]:
    whole = graph.expected_duration()
    if plan.rto is not None and plan.rto < whole:
        names = " -> ".join(step.id for step in graph.critical_path()[-SHOWN:])
        yield Advice(
            ("rto",),
            "rto-too-short",
            f"the plan is to be done in {format_duration(plan.rto)}, its longest chain alone "
            f"takes {format_seconds(whole.total_seconds())}",
            f"shorten the chain that ends with {names}, or raise the rto",
        )
    ends = _earliest_ends(graph)
    for service in plan.services:
        back = max((ends[graph.index[step]] for step in service.steps), default=0.0)
        if service.rto is not None and service.rto.total_seconds() < back:
            yield Advice(
                ("services", service.id, "rto"),
                "rto-too-short",
                f'the service "{service.id}" is to be back in {format_duration(service.rto)}, '
                f"what it needs takes {format_seconds(back)}",
                "raise its rto, or take away what it need not wait for",
            )


def _unreachable_contacts(plan: Plan, _graph: Graph) -> Iterator[Advice]:
    for contact in plan.contacts:
        if not contact.phone and not contact.email:
            yield Advice(
                ("contacts", contact.id),
                "contact-unreachable",
                f'the contact "{contact.id}" has neither phone nor email',
                "add one: at night a name alone helps nobody",
            )


def _nobody_to_ask(plan: Plan, _graph: Graph) -> Iterator[Advice]:
    if plan.owner is not None:
        return
    asking = [s for s in plan.steps if s.on_failure is OnFailure.ASK and s.contact is None]
    if asking:
        yield Advice(
            ("plan",),
            "nobody-to-ask",
            f"when one of {_names(asking)} fails, a person is asked, and the plan names none",
            "give the plan an owner, or the steps a contact",
        )
    for step in plan.steps:
        if isinstance(step.action, Manual) and step.action.assign is None:
            yield Advice(
                ("steps", step.id, "manual"),
                "nobody-to-ask",
                f'the question of "{step.id}" is assigned to nobody',
                "add assign, or give the plan an owner",
            )


def _unneeded(plan: Plan, graph: Graph) -> Iterator[Advice]:
    own = [service for service in plan.services if not service.external]
    if not own:
        return
    ends = [graph.index[step] for service in own for step in service.steps]
    needed = graph.closure(ends)
    idle = [s for i, s in enumerate(plan.steps) if i not in needed and s.machine is not None]
    if idle:
        yield Advice(
            ("steps", idle[0].id),
            "no-service",
            f"no service needs {_names(idle)}; they go last where limits force a choice",
            "name a service that they serve, if there is one",
        )


def _empty_groups(plan: Plan, _graph: Graph) -> Iterator[Advice]:
    used = {step.group for step in plan.steps}
    for group in plan.groups:
        if group.id not in used:
            yield Advice(
                ("groups", group.id),
                "empty-group",
                f'the group "{group.id}" has no steps; what depends on it does not wait',
                f"write group: {group.id} in its steps, or delete it",
            )


def _services(plan: Plan, _graph: Graph) -> Iterator[Advice]:
    for service in plan.services:
        if service.external and service.steps:
            yield Advice(
                ("services", service.id, "external"),
                "external-with-steps",
                f'the service "{service.id}" runs elsewhere and has steps of ours',
                "keep external: true or the steps",
            )
        elif service.external and not service.verify:
            yield Advice(
                ("services", service.id),
                "external-unwatched",
                f'nothing tells whether the external service "{service.id}" is up',
                "add verify with an address of the provider",
            )


def _names_as_ids(plan: Plan, _graph: Graph) -> Iterator[Advice]:
    """On Proxmox ids are numbers: a word there is a name, and no machine would be found."""
    machines = [(step, step.machine) for step in plan.steps if step.machine is not None]
    numbered = {ref.connector for _, ref in machines if ref.id and ref.id.isdecimal()}
    for step, ref in machines:
        proxmox = ref.connector in numbered or _PROXMOX.search(ref.connector)
        if proxmox and ref.id is not None and not ref.id.isdecimal():
            yield Advice(
                ("steps", step.id, "vm"),
                "name-as-id",
                f'"{ref.id}" is taken for an id, and on Proxmox ids are numbers',
                f"if it is the machine's name, write vm: {{name: {ref.id}}}",
            )


def _unused_limits(plan: Plan, _graph: Graph) -> Iterator[Advice]:
    used = {step.machine.connector for step in plan.steps if step.machine is not None}
    for connector in plan.limits.per_connector:
        if connector not in used:
            yield Advice(
                ("limits", "per_connector", connector),
                "unused-limit",
                f'no machine of the plan is on the connector "{connector}"',
                f"the plan uses {', '.join(sorted(used)) or 'none'}",
            )


RULES: tuple[Rule, ...] = (
    _machines_without_check,
    _weak_checks,
    _gates_without_check,
    _impossible_times,
    _unchecked_certificates,
    _databases_only_started,
    _rto_too_short,
    _unreachable_contacts,
    _nobody_to_ask,
    _unneeded,
    _empty_groups,
    _services,
    _unused_limits,
    _names_as_ids,
)


def _earliest_ends(graph: Graph) -> list[float]:
    """Return when each node is done at the earliest, in seconds, if nothing is limited."""
    ends = [0.0] * graph.size
    for node in graph.order:
        begin = max((ends[member] for member in graph.members[node]), default=0.0)
        for edge in graph.needs[node]:
            own = 0.0 if graph.is_group(edge.node) else expected(graph.steps[edge.node])
            early = own if edge.when is When.STARTED else 0.0
            begin = max(begin, ends[edge.node] - early)
        ends[node] = begin + (0.0 if graph.is_group(node) else expected(graph.steps[node]))
    return ends


def _names(steps: list[Step]) -> str:
    shown = ", ".join(step.id for step in steps[:SHOWN])
    more = len(steps) - SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
