"""Services as written: what citizens and counters know."""

# `key` declares a field, as dataclasses.field does
from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from typing_extensions import override

from drorch.model.soundness import LOWEST_TIER
from plans.language.steps import TITLE_LENGTH, VERIFY
from plans.language.verify import CheckDocument
from plans.problems import Report
from plans.shapes.base import Definitions, JsonSchema, Shape
from plans.shapes.collections import ListOf
from plans.shapes.keys import key
from plans.shapes.quantities import ClockTime, Day, Duration, Flag, Integer
from plans.shapes.record import Document, Record
from plans.shapes.words import Identifier, Name, OneOf, Text
from plans.source.nodes import Mapping, Node

DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(slots=True, kw_only=True)
class _Languages(Document):
    it: str | None = key(Text(most=500), "In Italian.")
    en: str | None = key(Text(most=500), "In English.")


_LANGUAGES = Record(_Languages, "a text by language", rules={"minProperties": 1})


class Texts(Shape[dict[str, str]]):
    """One text, or one for each language."""

    expected = "text, or {it: ..., en: ...}"

    @override
    def read(self, node: Node, report: Report) -> dict[str, str] | None:
        if not isinstance(node, Mapping):
            text = Text(self.expected, most=500).read(node, report)
            return None if text is None else {"it": text, "en": text}
        document = _LANGUAGES.read(node, report)
        if document is None or document.flawed:
            return None
        texts = {"it": document.it, "en": document.en}
        found = {language: text for language, text in texts.items() if text is not None}
        if not found:
            self.refuse(node, report, "write the text in at least one language")
        return found or None

    @override
    def schema(self, definitions: Definitions) -> JsonSchema:
        return definitions.refer("text", self)

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        return {
            "description": "A text for people: one for all, or by language.",
            "anyOf": [Text(most=500).schema(definitions), _LANGUAGES.schema(definitions)],
        }


@dataclass(slots=True, kw_only=True)
class OpeningDocument(Document):
    time: str | None = key(ClockTime(), "Local time, HH:MM, in quotes.", required=True)
    days: list[str] | None = key(
        ListOf(OneOf(DAYS), "a list of days"), "Days of the week.", default_text="every day"
    )
    closed: list[str] | None = key(
        ListOf(Day(), "a list of dates"), "Dates on which it stays closed.", default_text="none"
    )


_OPENING = Record(OpeningDocument, "an opening")


class Opening(Shape[OpeningDocument]):
    expected = 'a time such as "08:15", or {time, days, closed}'

    @override
    def read(self, node: Node, report: Report) -> OpeningDocument | None:
        if isinstance(node, Mapping):
            return _OPENING.read(node, report)
        time = ClockTime().read(node, report)
        return None if time is None else OpeningDocument(at=node.at, time=time)

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        return {"anyOf": [ClockTime().schema(definitions), _OPENING.schema(definitions)]}


@dataclass(slots=True, kw_only=True)
class ServiceDocument(Document):
    title: dict[str, str] | None = key(Texts(), "What citizens call it.", default_text="its name")
    tier: int = key(
        Integer("a tier", least=1, most=LOWEST_TIER),
        "1 is restored first where dependencies leave a choice.",
        default=3,
    )
    rto: timedelta | None = key(Duration(), "How soon it has to be back after the run began.")
    open_by: OpeningDocument | None = key(Opening(), "The next opening by which it has to be back.")
    steps: list[Name] | None = key(
        ListOf(Identifier("the name of a step"), "a list of steps"),
        "It is up when these are healthy; what they need is derived.",
    )
    contact: Name | None = key(Identifier("the name of a contact"), "Who knows about it.")
    fallback: dict[str, str] | None = key(Texts(), "What people do as long as it is down.")
    external: bool = key(
        Flag(), "It runs elsewhere: watched and told about, not started by us.", default=False
    )
    verify: list[CheckDocument] | None = key(VERIFY, "Checks that tell whether it is up.")


SERVICE = Record(
    ServiceDocument,
    "a service",
    example="{steps: [web]}",
    about="What citizens and counters know.",
    part="service",
    rules={
        "anyOf": [
            {"required": ["steps"]},
            {"required": ["external"], "properties": {"external": {"const": True}}},
        ]
    },
)


@dataclass(slots=True, kw_only=True)
class ContactDocument(Document):
    name: str | None = key(Text("a name", most=TITLE_LENGTH), "Who it is.", default_text="its id")
    phone: str | None = key(Text("a phone number", most=60), "Phone number, in quotes.")
    email: str | None = key(Text("a mail address", most=255), "Mail address.")


CONTACT = Record(
    ContactDocument,
    "a contact",
    example='{phone: "+39 0000 1"}',
    about="Somebody to call.",
    part="contact",
)
