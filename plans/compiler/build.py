"""Builds the domain's plan from a document in which nothing is wrong any more."""

from __future__ import annotations

from collections.abc import Iterable

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
    OpeningHours,
    Plan,
    PowerOn,
    Service,
    Step,
    Wait,
)
from plans.compiler.settings import Settings
from plans.language.document import LimitsDocument, PlanDocument
from plans.language.services import ContactDocument, OpeningDocument, ServiceDocument
from plans.language.steps import DependencyDocument, GroupDocument, StepDocument
from plans.language.verify import CheckDocument
from plans.shapes.collections import Item
from plans.shapes.words import Name


def build(document: PlanDocument, digest: str) -> Plan:
    """Return the plan; *document* has passed every check."""
    plan_id = _id(document.plan) or ""
    settings = Settings(document)
    groups = {group.id: _group(group) for group in document.groups or []}
    return Plan(
        id=plan_id,
        title=document.title or plan_id,
        steps=tuple(_step(step, settings, groups) for step in document.steps or []),
        digest=digest,
        owner=_id(document.owner),
        rto=document.rto,
        limits=_limits(document.limits),
        contacts=tuple(_contact(contact) for contact in document.contacts or []),
        services=tuple(_service(service) for service in document.services or []),
        groups=tuple(groups.values()),
    )


def _step(item: Item[StepDocument], settings: Settings, groups: dict[str, Group]) -> Step:
    step = item.value
    group = _id(step.group)
    inherited = groups[group].depends_on if group else ()
    return Step(
        id=item.id,
        action=_action(step, settings),
        title=step.title or item.id,
        group=group,
        depends_on=_unique((*_dependencies(step.depends_on), *inherited)),
        verify=_checks(step.verify),
        contact=_id(step.contact),
        **settings.overrides(step),
    )


def _action(step: StepDocument, settings: Settings) -> Action:
    if step.vm is not None:
        connector = step.vm.connector or settings.connector(step) or ""
        return PowerOn(machine=MachineRef(connector=connector, id=step.vm.id, name=step.vm.name))
    if step.manual is not None:
        question = step.manual
        return Manual(ask=question.ask or "", assign=_id(question.assign), timeout=question.timeout)
    if step.wait is not None:
        return Wait(duration=step.wait)
    if step.callout is not None:
        return Callout(name=step.callout.id, arguments=step.with_ or {})
    return Gate()


def _group(item: Item[GroupDocument]) -> Group:
    group = item.value
    return Group(
        id=item.id,
        title=group.title or item.id,
        depends_on=_dependencies(group.depends_on),
        parallel=group.limits.parallel if group.limits else None,
    )


def _dependencies(documents: Iterable[DependencyDocument] | None) -> tuple[Dependency, ...]:
    return _unique(Dependency(target=doc.step, when=doc.when) for doc in documents or [])


def _unique(dependencies: Iterable[Dependency]) -> tuple[Dependency, ...]:
    return tuple(dict.fromkeys(dependencies))


def _checks(documents: Iterable[CheckDocument] | None) -> tuple[CheckSpec, ...]:
    names: dict[str, int] = {}
    return tuple(_check(document, names) for document in documents or [])


def _check(document: CheckDocument, names: dict[str, int]) -> CheckSpec:
    name = document.name or document.label
    while name in names:
        names[name] += 1
        name = f"{name} #{names[name]}"
    names[name] = 1
    timing = {
        key: value
        for key in ("timeout", "interval", "stable")
        if (value := getattr(document, key)) is not None
    }
    return CheckSpec(kind=document.kind, name=name, params=document.params, **timing)


def _service(item: Item[ServiceDocument]) -> Service:
    service = item.value
    return Service(
        id=item.id,
        title=service.title or {"it": item.id, "en": item.id},
        tier=service.tier,
        rto=service.rto,
        open_by=_opening(service.open_by),
        steps=tuple(dict.fromkeys(step.id for step in service.steps or [])),
        contact=_id(service.contact),
        fallback=service.fallback or {},
        external=service.external,
        verify=_checks(service.verify),
    )


def _opening(opening: OpeningDocument | None) -> OpeningHours | None:
    if opening is None:
        return None
    return OpeningHours(
        time=opening.time or "",
        days=tuple(dict.fromkeys(opening.days or [])),
        closed=tuple(dict.fromkeys(opening.closed or [])),
    )


def _contact(item: Item[ContactDocument]) -> Contact:
    contact = item.value
    return Contact(
        id=item.id,
        name=contact.name or item.id,
        phone=contact.phone or "",
        email=contact.email or "",
    )


def _limits(limits: LimitsDocument | None) -> Limits:
    if limits is None:
        return Limits()
    return Limits(
        parallel=limits.parallel,
        per_connector={limit.id: limit.value for limit in limits.per_connector or []},
        per_host=limits.per_host,
    )


def _id(name: Name | None) -> str | None:
    return None if name is None else name.id
