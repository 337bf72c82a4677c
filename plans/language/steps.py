"""Steps and groups as written, and what they depend on."""

# `key` declares a field, as dataclasses.field does
from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from typing_extensions import override

from drorch.model.plan import When
from drorch.model.soundness import MOST_AT_ONCE
from plans.language.machines import Machine, MachineDocument
from plans.language.settings import SettingsDocument
from plans.language.verify import Check, CheckDocument
from plans.problems import Position, Report
from plans.shapes.base import Definitions, JsonSchema, Shape
from plans.shapes.collections import FreeMap, ListOf
from plans.shapes.keys import key
from plans.shapes.quantities import Duration, Integer
from plans.shapes.record import Document, Record
from plans.shapes.words import Choice, Identifier, Name, Text
from plans.source.nodes import Mapping, Node, Scalar

ACTIONS = ("vm", "gate", "manual", "wait", "callout")
TITLE_LENGTH = 200


@dataclass(frozen=True, slots=True)
class DependencyDocument:
    step: str
    when: When
    at: Position


@dataclass(slots=True, kw_only=True)
class _LongDependency(Document):
    step: Name | None = key(
        Identifier("the name of a step or a group"), "A step or a group.", required=True
    )
    when: When = key(
        Choice(When),
        "How far it must have come: healthy, started (seen running), or finished (any end).",
        default=When.HEALTHY,
    )


_LONG_DEPENDENCY = Record(_LongDependency, "a dependency")
_REFERENCE = Identifier("the name of a step or a group")


class Dependency(Shape[DependencyDocument]):
    expected = "the name of a step or a group, or {step: NAME, when: started}"

    @override
    def read(self, node: Node, report: Report) -> DependencyDocument | None:
        if isinstance(node, Scalar):
            name = _REFERENCE.read(node, report)
            return None if name is None else DependencyDocument(name.id, When.HEALTHY, name.at)
        if not isinstance(node, Mapping):
            self.refuse(node, report, "write one name for each item")
            return None
        document = _LONG_DEPENDENCY.read(node, report)
        if document is None or document.step is None:
            return None
        return DependencyDocument(document.step.id, document.when, document.step.at)

    @override
    def schema(self, definitions: Definitions) -> JsonSchema:
        return definitions.refer("dependency", self)

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        long = _LONG_DEPENDENCY.schema(definitions)
        return {
            "description": "A step or a group that must be satisfied before.",
            "anyOf": [_REFERENCE.schema(definitions), long],
        }


DEPENDS_ON = ListOf(Dependency(), "a list of steps or groups")
VERIFY = ListOf(Check(), "a list of checks")


@dataclass(slots=True, kw_only=True)
class GateDocument(Document):
    """Nothing to say: ``gate: {}``."""


@dataclass(slots=True, kw_only=True)
class ManualDocument(Document):
    ask: str | None = key(Text("a question"), "The question to the person.", required=True)
    assign: Name | None = key(
        Identifier("the name of a contact"), "Who is asked, a contact.", default_text="the owner"
    )
    timeout: timedelta | None = key(
        Duration(), "When it is overdue and people are told again; it never fails by itself."
    )


_MANUAL = Record(ManualDocument, "a question")


class Manual(Shape[ManualDocument]):
    expected = "a question"

    @override
    def read(self, node: Node, report: Report) -> ManualDocument | None:
        if isinstance(node, Mapping):
            return _MANUAL.read(node, report)
        ask = Text("a question").read(node, report)
        return None if ask is None else ManualDocument(at=node.at, ask=ask)

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        return {"anyOf": [Text().schema(definitions), _MANUAL.schema(definitions)]}


@dataclass(slots=True, kw_only=True)
class StepDocument(SettingsDocument):
    vm: MachineDocument | None = key(
        Machine(), "Power on this machine and wait until it runs: 101, pve/101, {connector, id}."
    )
    gate: GateDocument | None = key(
        Record(GateDocument, "a gate"), "No action: the checks decide. Write gate: {}."
    )
    manual: ManualDocument | None = key(Manual(), "A question to a person.")
    wait: timedelta | None = key(Duration(), "A fixed pause.")
    callout: Name | None = key(
        Identifier("the name of a callout"),
        "A command or web hook that the configuration defines by this name.",
    )
    with_: dict[str, str] | None = key(
        FreeMap("arguments"), "The callout's arguments.", default_text="none"
    )
    title: str | None = key(
        Text("a title", numbers=True, most=TITLE_LENGTH),
        "What people call it.",
        default_text="its name",
    )
    group: Name | None = key(Identifier("the name of a group"), "The group it belongs to.")
    depends_on: list[DependencyDocument] | None = key(
        DEPENDS_ON, "Steps and groups that must be satisfied before it begins."
    )
    verify: list[CheckDocument] | None = key(
        VERIFY, "Checks that must all hold for it to be healthy."
    )
    contact: Name | None = key(
        Identifier("the name of a contact"), "Who helps when it fails, a contact."
    )


STEP = Record(
    StepDocument,
    "a step",
    example="{vm: 101}",
    about="One machine or one other task; exactly one of vm, gate, manual, wait, callout.",
    part="step",
    rules={
        "oneOf": [{"required": [action]} for action in ACTIONS],
        "dependentRequired": {"with": ["callout"]},
    },
)


@dataclass(slots=True, kw_only=True)
class GroupLimits(Document):
    parallel: int | None = key(
        Integer("a number of machines", least=1, most=MOST_AT_ONCE),
        "How many of its steps act or verify at once.",
    )


@dataclass(slots=True, kw_only=True)
class GroupDocument(SettingsDocument):
    title: str | None = key(
        Text("a title", numbers=True, most=TITLE_LENGTH),
        "What people call it.",
        default_text="its name",
    )
    depends_on: list[DependencyDocument] | None = key(
        DEPENDS_ON, "What each of its steps needs besides its own dependencies."
    )
    limits: GroupLimits | None = key(Record(GroupLimits, "the limits of a group"), "Its limits.")


GROUP = Record(
    GroupDocument,
    "a group",
    example="{title: Core}",
    about="Steps that belong together; as a dependency it is satisfied when all of it is healthy.",
    part="group",
)
