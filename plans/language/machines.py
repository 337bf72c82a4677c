"""How a plan names a machine: an id, connector/id, or a mapping with id or name."""

# `key` declares a field, as dataclasses.field does
from __future__ import annotations

import re
from dataclasses import dataclass

from typing_extensions import override

from plans.problems import Position, Report
from plans.shapes.base import Definitions, JsonSchema, Shape, quoted
from plans.shapes.keys import key
from plans.shapes.record import Document, Record
from plans.shapes.words import ID, Identifier, Name, Text, valid_id
from plans.source.nodes import Mapping, Node, Scalar, shorten

_MACHINE = r"[A-Za-z0-9][A-Za-z0-9._:@+-]{0,127}"
_MACHINE_ID = re.compile(_MACHINE + r"\Z")


@dataclass(frozen=True, slots=True)
class MachineDocument:
    """``connector`` None means the default one; exactly one of ``id`` and ``name`` is set."""

    at: Position
    connector: str | None = None
    id: str | None = None
    name: str | None = None


class _MachineId(Shape[str]):
    expected = "the id of a machine"

    @override
    def read(self, node: Node, report: Report) -> str | None:
        if isinstance(node, Scalar) and not isinstance(node.value, bool | float | None):
            if _MACHINE_ID.match(node.text):
                return node.text
            hint = (
                "ids are letters and digits, such as 101; use {connector: .., name: ..} for names"
            )
            report.add(
                node.at, "bad-id", f"{quoted(shorten(node.text))} is not a machine's id", hint
            )
        else:
            self.refuse(node, report, "write its id, such as 101")
        return None

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        number = {"type": "integer", "minimum": 0}
        return {"anyOf": [number, {"type": "string", "pattern": f"^{_MACHINE}$"}]}


@dataclass(slots=True, kw_only=True)
class _LongForm(Document):
    connector: Name | None = key(
        Identifier("the name of a connector"), "The connector that reaches it."
    )
    id: str | None = key(_MachineId(), "The machine's id on the connector.")
    name: str | None = key(
        Text("the name of a machine", most=255), "The machine's name on the connector."
    )


_LONG_FORM = Record(
    _LongForm,
    "a machine",
    rules={"oneOf": [{"required": ["id"]}, {"required": ["name"]}]},
)


class Machine(Shape[MachineDocument]):
    expected = "a machine: its id, connector/id, {connector, id} or {connector, name}"

    @override
    def read(self, node: Node, report: Report) -> MachineDocument | None:
        if isinstance(node, Mapping):
            return self._long_form(node, report)
        if not isinstance(node, Scalar) or isinstance(node.value, bool | float | None):
            self.refuse(node, report, "write it like 101 or pve/101")
            return None
        connector, slash, rest = node.text.rpartition("/")
        if slash and not valid_id(connector, node.at, report):
            return None
        machine = _MachineId().read(Scalar(node.at, rest, rest), report)
        return None if machine is None else MachineDocument(node.at, connector or None, machine)

    def _long_form(self, node: Node, report: Report) -> MachineDocument | None:
        form = _LONG_FORM.read(node, report)
        if form is None or form.flawed:
            return None
        if (form.id is None) == (form.name is None):
            report.add(
                node.at,
                "wrong-value",
                "a machine is named either by its id or by its name",
                "keep one of the keys id and name",
            )
            return None
        connector = form.connector.id if form.connector else None
        return MachineDocument(node.at, connector, form.id, form.name)

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        short = {"type": "string", "pattern": f"^({ID}/)?{_MACHINE}$"}
        number = {"type": "integer", "minimum": 0}
        return {"anyOf": [number, short, _LONG_FORM.schema(definitions)]}
