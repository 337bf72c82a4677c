"""What stands in a runbook, once for paper, screen and printer: the plan in order, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from api import by_hand as hypervisor
from api.locale import _, hour_and_minute, of_plan, spelt
from api.locale.statuses import status_word
from api.runbook.checks import Around, Look, address_of, by_hand
from api.runbook.codes import codes_of
from drorch.model.graph import Graph, expected
from drorch.model.plan import (
    Callout,
    Contact,
    Dependency,
    Gate,
    Manual,
    OnFailure,
    Plan,
    PowerOn,
    Service,
    Step,
    Wait,
    When,
)
from drorch.run.state import RunState
from drorch.run.status import StepStatus

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a step stands in a run already; ``at`` is empty where nothing has happened."""

    word: str
    at: str
    by: str = ""
    settled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One step: everything for the person who does it by hand."""

    step: Step
    code: str
    what: str
    command: str = ""
    advice: str = ""
    """In words what a person does where no command is known."""
    simulated: bool = False
    host: str = ""
    addresses: Sequence[str] = ()
    expect: str = ""
    needs: Sequence[str] = ()
    looks: Sequence[Look] = ()
    question: str = ""
    call: str = ""
    failure: str = ""
    done: Done | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Goal:
    """A service with what is expected of it, and what people do meanwhile."""

    service: Service
    title: str
    facts: str
    steps: Sequence[str]
    contact: Contact | None
    call: str
    fallback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Runbook:
    """A plan as it goes on paper, in the language spoken here."""

    plan: Plan
    at: datetime
    zone: str
    revision: int | None
    run: str
    simulated: bool
    longest: str
    chain: Sequence[str]
    limits: Sequence[str]
    goals: Sequence[Goal]
    waves: Sequence[Sequence[Entry]]
    codes: Mapping[str, str] = field(repr=False)

    @property
    def machines(self) -> int:
        return sum(step.machine is not None for step in self.plan.steps)

    @property
    def name(self) -> str:
        """The plan and its revision, as the head of every page has them."""
        if self.revision is None:
            return self.plan.id
        return _("{plan} revision {revision}", plan=self.plan.id, revision=self.revision)

    @property
    def digest(self) -> str:
        return self.plan.digest[:16]


def runbook(
    plan: Plan,
    *,
    at: datetime,
    zone: str,
    around: Around,
    revision: int | None = None,
    state: RunState | None = None,
) -> Runbook:
    """Return *plan* for paper, as of *at*; with *state* what is done already is ticked."""
    graph, codes = Graph(plan), codes_of(plan.id, (step.id for step in plan.steps))
    used = {around.types.get(s.machine.connector) for s in plan.steps if s.machine is not None}
    book = _Writer(plan, around, codes, state, zone)
    return Runbook(
        plan=plan,
        at=at,
        zone=zone,
        revision=revision,
        run=state.run if state is not None else "",
        simulated=used == {"simulated"},
        longest=spelt(graph.expected_duration().total_seconds()),
        chain=[step.id for step in graph.critical_path()],
        limits=limits(plan),
        goals=[book.goal(service) for service in sorted(plan.services, key=lambda s: s.tier)],
        waves=[[book.entry(step) for step in wave] for wave in graph.waves()],
        codes=codes,
    )


def limits(plan: Plan) -> list[str]:
    """Return what the plan's limits mean for people with no counter but their fingers."""
    at_once = _(
        "Have at most {n} machines between start and tick; start the next when one is ticked.",
        n=plan.limits.parallel,
    )
    of_these = [
        _("Of these at most {n} on {connector}.", n=n, connector=name)
        for name, n in plan.limits.per_connector.items()
    ]
    if (n := plan.limits.per_host) is not None:
        of_these.append(_("And at most {n} on one node: keep a tally for each node.", n=n))
    groups = [
        _("Of the group {group} at most {n}.", group=group.id, n=group.parallel)
        for group in plan.groups
        if group.parallel is not None
    ]
    return [at_once, *of_these, *groups, _("Questions, waits and gates do not count.")]


def call(contact: Contact | None) -> str:
    """Return whom to call and how; empty for nobody."""
    if contact is None:
        return ""
    ways = ", ".join(filter(None, (contact.phone, contact.email))) or _("no number")
    return f"{contact.name}, {ways}"


class _Writer:
    def __init__(
        self,
        plan: Plan,
        around: Around,
        codes: Mapping[str, str],
        state: RunState | None,
        zone: str,
    ) -> None:
        self._plan = plan
        self._around = around
        self._codes = codes
        self._state = state
        self._zone = zone
        self._contacts = {contact.id: contact for contact in plan.contacts}

    def entry(self, step: Step) -> Entry:
        action, machine = step.action, step.machine
        host, done = self._standing(step)
        types = self._around.types
        command, advice = self._by_hand(step, host)
        kind = types.get(machine.connector, "") if machine else ""
        looks = [by_hand(check, machine, self._around) for check in step.verify]
        addresses = filter(None, map(address_of, step.verify))
        whom = step.contact or (self._plan.owner if isinstance(action, Manual) else None)
        whom = (action.assign or whom) if isinstance(action, Manual) else whom
        return Entry(
            step=step,
            code=self._codes[step.id],
            what=what(step),
            command=command,
            advice=advice,
            simulated=kind == "simulated",
            host=host,
            addresses=list(dict.fromkeys(addresses)),
            expect=spelt(expected(step)),
            needs=[self._need(dependency) for dependency in step.depends_on],
            looks=looks,
            question=action.ask if isinstance(action, Manual) else "",
            call=call(self._contacts.get(whom or "")),
            failure="" if isinstance(action, Manual | Wait) else _if_it_fails(step),
            done=done,
        )

    def _by_hand(self, step: Step, host: str) -> tuple[str, str]:
        """Return the command that does the step's action, or else advice in words."""
        action = step.action
        if isinstance(action, Callout):
            return self._around.callout(action.name, action.arguments), ""
        if (machine := step.machine) is None:
            return "", ""
        kind = self._around.types.get(machine.connector, "")
        name = str(machine.id or machine.name)
        told = hypervisor.by_hand(kind, name, host or None)
        if hypervisor.command_of(kind, name):
            return told, ""
        if kind:
            return "", told
        unknown = _("what {connector} is, is not known here", connector=machine.connector)
        return "", f"{told} ({unknown})"

    def goal(self, service: Service) -> Goal:
        contact = self._contacts.get(service.contact or "")
        return Goal(
            service=service,
            title=of_plan(service.title) or service.id,
            facts=", ".join(_facts(service)),
            steps=[f"{step} {self._codes[step]}" for step in service.steps],
            contact=contact,
            call=call(contact),
            fallback=of_plan(service.fallback) if service.fallback else "",
        )

    def _need(self, dependency: Dependency) -> str:
        name, code = dependency.target, self._codes.get(dependency.target)
        named = f"{name} {code}" if code else _("all of group {group}", group=name)
        if dependency.when is When.HEALTHY:
            return named
        if dependency.when is When.STARTED:
            return _("{step} (begun is enough)", step=named)
        return _("{step} (however it ended)", step=named)

    def _standing(self, step: Step) -> tuple[str, Done | None]:
        if self._state is None:
            return "", None
        own = self._state.steps[self._state.index(step.id)]
        settled = own.status in (StepStatus.HEALTHY, StepStatus.SKIPPED)
        moment = own.healthy_at or own.ended_at or own.started_at
        at, by = hour_and_minute(moment, self._zone), own.accepted_by or own.decided_by
        if (paper := own.from_paper) is not None:
            at, by = hour_and_minute(paper.done_at, self._zone), paper.done_by
        done = Done(word=status_word(own.status), at=at, by=by, settled=settled)
        return own.host or "", done


def what(step: Step) -> str:
    """Return what a step's action is, for whoever does it by hand."""
    match step.action:
        case PowerOn():
            return _("start the machine {machine}", machine=step.action.machine)
        case Gate():
            return _("go on only when the checks hold")
        case Manual():
            return _("ask a person")
        case Wait():
            return _("wait {time}", time=spelt(step.action.duration.total_seconds()))
        case Callout():
            return _("run the callout {name}", name=step.action.name)


def _if_it_fails(step: Step) -> str:
    n = step.retry.attempts
    match step.on_failure:
        case OnFailure.ASK:
            return _("if it fails {n} times: ask whoever leads before you go on", n=n)
        case OnFailure.CONTINUE:
            return _("if it fails {n} times: leave it and go on with what needs it", n=n)
        case OnFailure.STOP:
            return _("if it fails {n} times: start nothing more", n=n)


def _facts(service: Service) -> list[str]:
    facts = [_("tier {tier}", tier=service.tier)]
    if service.rto is not None:
        facts.append(_("within {time}", time=spelt(service.rto.total_seconds())))
    if (hours := service.open_by) is not None:
        days = _days(hours.days)
        told = _("open by {time}", time=hours.time)
        facts.append(f"{told} ({days})" if days else told)
    if service.external:
        facts.append(_("runs elsewhere"))
    return facts


def _days(days: Sequence[str]) -> str:
    words = {
        "mon": _("Mon"),
        "tue": _("Tue"),
        "wed": _("Wed"),
        "thu": _("Thu"),
        "fri": _("Fri"),
        "sat": _("Sat"),
        "sun": _("Sun"),
    }
    return " ".join(words[day] for day in DAYS if day in days)
