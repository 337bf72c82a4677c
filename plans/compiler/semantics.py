"""What must hold between the parts of a plan; each rule reports all that break it."""

from __future__ import annotations

from collections.abc import Iterable

from plans.compiler.cycles import report_cycles
from plans.compiler.names import Names, check_name, unknown
from plans.compiler.settings import Settings
from plans.language.document import PlanDocument
from plans.language.services import ServiceDocument
from plans.language.steps import ACTIONS, DependencyDocument, StepDocument
from plans.language.verify import CheckDocument
from plans.problems import Position, Report
from plans.shapes.collections import Item
from plans.shapes.words import listed
from plans.source.nodes import shorten

# Reserved keys that will be actions: who writes one has not forgotten the action.
COMING_ACTIONS = ("host", "restore")


def check_plan(document: PlanDocument, names: Names, report: Report) -> None:
    """Report everything that no single key can know to be wrong."""
    _ids_are_unique(names, report)
    check_name(document.owner, names.contacts, "contact", report)
    if document.steps is not None and not names.steps:
        report.add(
            document.place("steps"), "no-steps", "a plan needs a step", "add one: dc01: {vm: 101}"
        )
    for group in document.groups or []:
        _dependencies(group.value.depends_on, names, report)
    for step in document.steps or []:
        _step(step, names, report)
    for service in document.services or []:
        _service(service, names, report)
    _machines(document, report)
    if names.steps.keys().isdisjoint(names.groups):
        report_cycles(document, names, report)


def _ids_are_unique(names: Names, report: Report) -> None:
    for name in names.steps.keys() & names.groups.keys():
        first, second = sorted((names.steps[name], names.groups[name]))
        report.add(
            second,
            "duplicate-id",
            f'"{shorten(name)}" names a step and a group',
            f"steps and groups share one name space; the other is at line {first.line}: rename one",
        )


def _dependencies(
    dependencies: Iterable[DependencyDocument] | None, names: Names, report: Report
) -> None:
    known = names.steps_or_groups
    for dependency in dependencies or []:
        if dependency.step not in known:
            unknown(dependency.step, dependency.at, known, "step or group", report)


def _step(item: Item[StepDocument], names: Names, report: Report) -> None:
    step = item.value
    _one_action(item, report)
    _dependencies(step.depends_on, names, report)
    check_name(step.group, names.groups, "group", report)
    check_name(step.contact, names.contacts, "contact", report)
    if step.manual is not None:
        check_name(step.manual.assign, names.contacts, "contact", report)
    if "with" in step.written and "callout" not in step.written:
        report.add(
            step.written["with"],
            "unknown-key",
            '"with" gives arguments to a callout, and this step has none',
            "delete it, or add callout: NAME",
        )
    if "vm" not in step.written:
        _no_agent(step.verify, "this step has no machine", report)


def _one_action(item: Item[StepDocument], report: Report) -> None:
    step = item.value
    actions = sorted((step.written[a], a) for a in ACTIONS if a in step.written)
    if len(actions) > 1:
        names = listed([action for _, action in actions]).replace(" or ", " and ")
        report.add(
            actions[1][0],
            "two-actions",
            f'the step "{item.id}" has {len(actions)} actions: {names}',
            "a step does one thing: make two steps, one depending on the other",
        )
    elif not actions and not step.meant.intersection((*ACTIONS, *COMING_ACTIONS)):
        report.add(
            item.at,
            "no-action",
            f'the step "{item.id}" has no action',
            f"add one of {', '.join(ACTIONS)}; a step of checks alone is gate: {{}}",
        )


def _no_agent(checks: Iterable[CheckDocument] | None, why: str, report: Report) -> None:
    for check in checks or []:
        if check.kind == "agent":
            report.add(
                check.at,
                "agent-without-machine",
                f"the check agent asks a machine's guest agent, and {why}",
                "put it into the step that starts the machine (vm)",
            )


def _service(item: Item[ServiceDocument], names: Names, report: Report) -> None:
    service = item.value
    check_name(service.contact, names.contacts, "contact", report)
    _no_agent(service.verify, "a service is not one", report)
    for step in service.steps or []:
        if step.id in names.groups and step.id not in names.steps:
            report.add(
                step.at,
                "unknown-reference",
                f'"{step.id}" is a group; a service names steps',
                "name the steps that people use, usually the last of a chain",
            )
        else:
            check_name(step, names.steps, "step", report)
    if not (service.external or service.steps or _meant(service)):
        report.add(
            item.at,
            "service-without-steps",
            f'the service "{item.id}" has neither steps nor external: true',
            "name the steps that make it work, or say external: true if it runs elsewhere",
        )


def _meant(service: ServiceDocument) -> bool:
    """Tell that steps or external were given and refused, so that their lack is no news."""
    refused = service.written.keys() & {"steps", "external"} if service.flawed else set()
    return bool(refused or service.meant & {"steps", "external"})


def _machines(document: PlanDocument, report: Report) -> None:
    settings = Settings(document)
    taken: dict[tuple[str, str, str], tuple[str, Position]] = {}
    for step in document.steps or []:
        machine = step.value.vm
        if machine is None:
            continue
        connector = machine.connector or settings.connector(step.value)
        if connector is None:
            if not settings.connector_refused(step.value):
                report.add(
                    machine.at,
                    "missing-connector",
                    f'nothing says which connector reaches the machine of "{step.id}"',
                    "write vm: CONNECTOR/ID, or add defaults: {connector: NAME}",
                )
            continue
        by_id = machine.id is not None
        identity = (connector, "id" if by_id else "name", machine.id or machine.name or "")
        if identity in taken:
            other, at = taken[identity]
            report.add(
                machine.at,
                "duplicate-machine",
                f'the machine {connector}/{identity[2]} already belongs to the step "{other}"',
                f"a machine is started by one step; see line {at.line}",
            )
        else:
            taken[identity] = (step.id, machine.at)
