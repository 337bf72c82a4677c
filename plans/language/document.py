"""The whole plan as written."""

# `key` declares a field, as dataclasses.field does
from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from typing_extensions import override

from drorch.model.soundness import MOST_AT_ONCE
from plans.language.services import CONTACT, SERVICE, ContactDocument, ServiceDocument
from plans.language.settings import DEFAULTS, SettingsDocument
from plans.language.steps import GROUP, STEP, TITLE_LENGTH, GroupDocument, StepDocument
from plans.problems import Report
from plans.shapes.base import Definitions, JsonSchema, Shape
from plans.shapes.collections import Item, MapOf
from plans.shapes.keys import key
from plans.shapes.quantities import Duration, Integer
from plans.shapes.record import Document, Record
from plans.shapes.words import Identifier, Name, Text
from plans.source.nodes import Node, Scalar, describe

VERSION: Final = 1


class Version(Shape[int]):
    expected = f"the language version, {VERSION}"

    @override
    def read(self, node: Node, report: Report) -> int | None:
        value = node.value if isinstance(node, Scalar) else None
        if value == VERSION and isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, int) and value > VERSION:
            report.add(
                node.at,
                "wrong-version",
                f"this plan is written in language version {value}, this drorch reads {VERSION}",
                "use a newer drorch, or write the plan in version 1",
            )
        else:
            report.add(
                node.at,
                "wrong-version",
                f"expected {self.expected}, found {describe(node)}",
                f"write drorch: {VERSION}",
            )
        return None

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        return {"const": VERSION}


_SLOTS = Integer("a number of machines", least=1, most=MOST_AT_ONCE)


@dataclass(slots=True, kw_only=True)
class LimitsDocument(Document):
    parallel: int = key(_SLOTS, "Machines acting or verifying at once, whole plan.", default=20)
    per_connector: list[Item[int]] | None = key(
        MapOf(_SLOTS, "limits by connector", "pve: 12"),
        "The same for each connector.",
        default_text="no limit",
    )
    per_host: int | None = key(
        _SLOTS, "The same for each hypervisor node.", default_text="no limit"
    )


@dataclass(slots=True, kw_only=True)
class PlanDocument(Document):
    drorch: int | None = key(Version(), "The language version.", required=True)
    plan: Name | None = key(Identifier("the name of the plan"), "The plan's id.", required=True)
    title: str | None = key(
        Text("a title", numbers=True, most=TITLE_LENGTH),
        "What people call it.",
        default_text="its id",
    )
    owner: Name | None = key(
        Identifier("the name of a contact"), "Who answers for the plan, a contact."
    )
    rto: timedelta | None = key(Duration(), "How soon the whole plan has to be done.")
    defaults: SettingsDocument | None = key(DEFAULTS, "What holds for every step.")
    limits: LimitsDocument | None = key(
        Record(LimitsDocument, "the limits"), "How much may happen at once."
    )
    contacts: list[Item[ContactDocument]] | None = key(
        MapOf(CONTACT, "contacts by name", "desk: {name: .., phone: ..}"), "People to call."
    )
    services: list[Item[ServiceDocument]] | None = key(
        MapOf(SERVICE, "services by name", "mail: {steps: [..]}"), "What citizens know."
    )
    groups: list[Item[GroupDocument]] | None = key(
        MapOf(GROUP, "groups by name", "core: {title: ..}"), "Steps that belong together."
    )
    steps: list[Item[StepDocument]] | None = key(
        MapOf(STEP, "steps by name", "dc01: {vm: 101}"),
        "Machines and other tasks, by name.",
        required=True,
    )


PLAN = Record(
    PlanDocument,
    "a plan",
    about="A recovery plan: what to start, in which order, and how to know that it works.",
)
