"""Print recovery plans for the night when no screen works: waves, checks, contacts, boxes to tick.

``python -m scripts.print_plan FILE...`` prints the plans, ``--contacts`` only whom to call.
"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from drorch.errors import DrorchError
from drorch.model.graph import Graph
from drorch.model.plan import (
    Action,
    Callout,
    CheckSpec,
    Contact,
    Dependency,
    Gate,
    Manual,
    Plan,
    PowerOn,
    Service,
    Step,
    Wait,
    When,
)
from plans import load_file
from plans.units import format_duration

WIDTH = 78
_SIGN = "started __:__   healthy __:__   by ______________________"
_FAILED = {
    "ask": "ask a person",
    "continue": "leave it and go on with what needs it",
    "stop": "start nothing more",
}

_USUAL = (("method", "GET"), ("verify", True), ("status", (200,)), ("status", [200]))


def printed(plan: Plan, at: datetime) -> str:
    """Return *plan* as text of `WIDTH` columns; *at* is when it was printed."""
    graph = Graph(plan)
    lines = [
        *_head(plan, graph, at),
        *_contacts(plan),
        *_services(plan),
        *_rules(),
        *_waves(plan, graph),
    ]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def contact_list(plans: Sequence[Plan]) -> str:
    """Return everybody that *plans* name, with the plans that name them."""
    lines = ["WHOM TO CALL", "=" * WIDTH]
    for plan in plans:
        lines += ["", f"{plan.title or plan.id}  (plan {plan.id})"]
        lines += [_person(contact, plan.owner) for contact in plan.contacts] or [
            "  nobody is named"
        ]
    return "\n".join(lines) + "\n"


def _head(plan: Plan, graph: Graph, at: datetime) -> Iterator[str]:
    yield "=" * WIDTH
    yield f"RECOVERY PLAN {plan.id}"
    yield plan.title
    yield "=" * WIDTH
    yield f"Printed {at:%Y-%m-%d %H:%M} UTC from the text with SHA-256"
    yield f"  {plan.digest}"
    machines = sum(step.machine is not None for step in plan.steps)
    objective = f", objective {format_duration(plan.rto)}" if plan.rto else ""
    longest = format_duration(graph.expected_duration())
    yield f"{machines} machines, {len(plan.steps)} steps; longest chain {longest}{objective}."
    yield from _wrapped("Longest chain: ", " > ".join(s.id for s in graph.critical_path()))
    yield f"At once: at most {plan.limits.parallel} machines" + _limits(plan) + "."


def _limits(plan: Plan) -> str:
    parts = [f"{n} on {name}" for name, n in plan.limits.per_connector.items()]
    if plan.limits.per_host is not None:
        parts.append(f"{plan.limits.per_host} on one host")
    return f" ({', '.join(parts)})" if parts else ""


def _contacts(plan: Plan) -> Iterator[str]:
    yield from _title("WHOM TO CALL")
    for contact in plan.contacts:
        yield _person(contact, plan.owner)


def _person(contact: Contact, owner: str | None = None) -> str:
    role = "   (owner of this plan)" if contact.id == owner else ""
    ways = "   ".join(filter(None, (contact.phone, contact.email))) or "no number"
    return f"  {contact.id}: {contact.name}{role}\n      {ways}"


def _services(plan: Plan) -> Iterator[str]:
    if not plan.services:
        return
    yield from _title("SERVICES, THE MOST URGENT FIRST")
    for service in sorted(plan.services, key=lambda one: one.tier):
        yield from _service(service)


def _service(service: Service) -> Iterator[str]:
    facts = [f"tier {service.tier}"]
    if service.rto is not None:
        facts.append(f"within {format_duration(service.rto)}")
    if service.open_by is not None:
        facts.append(f"open by {service.open_by.time}")
    if service.external:
        facts.append("runs elsewhere")
    yield from _wrapped("[ ] ", f"{_told(service.title)}: {', '.join(facts)}")
    if service.steps:
        yield from _wrapped("      up when healthy: ", ", ".join(service.steps))
    if service.contact is not None:
        yield f"      contact: {service.contact}"
    if service.fallback:
        yield from _wrapped("      meanwhile: ", _told(service.fallback))


def _rules() -> Iterator[str]:
    yield from _title("HOW TO USE THIS PAPER")
    yield from _wrapped(
        "",
        "Go wave by wave. Start a machine only when everything after 'needs' has its box "
        "ticked; within a wave the order is free, but mind how many may start at once. Tick a "
        "machine when all its checks hold, not when it is powered on. A machine that already "
        "runs is not started again: check it. Write down the times and your name.",
    )


def _waves(plan: Plan, graph: Graph) -> Iterator[str]:
    contacts = {contact.id: contact for contact in plan.contacts}
    for number, wave in enumerate(graph.waves(), start=1):
        yield from _title(f"WAVE {number}: {len(wave)} {'step' if len(wave) == 1 else 'steps'}")
        for step in wave:
            yield from _step(plan, step, contacts)


def _step(plan: Plan, step: Step, contacts: Mapping[str, Contact]) -> Iterator[str]:
    group = f"   (group {step.group})" if step.group else ""
    yield f"[ ] {step.id}: {_what(step.action)}{group}"
    if step.title not in ("", step.id):
        yield f"      {step.title}"
    if step.depends_on:
        yield from _wrapped("      needs ", ", ".join(map(_needs, step.depends_on)))
    if isinstance(step.action, Manual):
        yield from _wrapped("      Question: ", step.action.ask)
        yield from _whom(step.action.assign or step.contact or plan.owner, contacts)
        yield "      yes [ ]  no [ ]   at __:__   answered by ______________________"
    for check in step.verify:
        yield from _wrapped("      [ ] ", _check(check))
    if not isinstance(step.action, Manual):
        yield f"      {_SIGN}"
    if not isinstance(step.action, Manual | Wait):
        yield f"      if it fails {step.retry.attempts} times: {_FAILED[step.on_failure]}"
        yield from _whom(step.contact, contacts)
    yield ""


def _whom(contact: str | None, contacts: Mapping[str, Contact]) -> Iterator[str]:
    if contact is not None and contact in contacts:
        known = contacts[contact]
        yield f"      call {known.name}, {known.phone or known.email or 'no number'}"


def _what(action: Action) -> str:
    match action:
        case PowerOn():
            return f"start the machine {action.machine}"
        case Gate():
            return "go on only when the checks hold"
        case Manual():
            return "ask a person"
        case Wait():
            return f"wait {format_duration(action.duration)}"
        case Callout():
            given = ", ".join(f"{key}={value}" for key, value in action.arguments.items())
            return f"run the callout {action.name}" + (f" with {given}" if given else "")


def _needs(dependency: Dependency) -> str:
    usual = dependency.when is When.HEALTHY
    return dependency.target if usual else f"{dependency.target} ({dependency.when})"


def _check(check: CheckSpec) -> str:
    shown = ", ".join(f"{k} {v}" for k, v in check.params.items() if v and (k, v) not in _USUAL)
    steady = f"; for {format_duration(check.stable)}" if check.stable else ""
    return f"{check.kind}: {shown}{steady}" if shown else f"{check.kind}{steady}"


def _told(text: Mapping[str, str]) -> str:
    return " / ".join(dict.fromkeys(text.values()))


def _title(text: str) -> Iterator[str]:
    yield ""
    yield text
    yield "-" * WIDTH


def _wrapped(before: str, text: str) -> Iterator[str]:
    yield from textwrap.wrap(
        text,
        WIDTH,
        initial_indent=before,
        subsequent_indent=" " * min(len(before) + 2, 16),
        break_on_hyphens=False,
    ) or [before.rstrip()]


def main(arguments: Sequence[str]) -> int:
    """Print the plans in the files that are named; 2 when one cannot be used."""
    files = [Path(name) for name in arguments if name != "--contacts"]
    try:
        plans = [load_file(file) for file in files]
    except DrorchError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return 2
    at = datetime.now(UTC)
    texts = [printed(plan, at) for plan in plans]
    sys.stdout.write(contact_list(plans) if "--contacts" in arguments else "\f".join(texts))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
