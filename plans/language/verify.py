"""One item of ``verify``: a kind of check in its short or long form, with its timing."""

# `key` declares a field, as dataclasses.field does
from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from typing_extensions import override

from plans.language.checks import NamedDocument
from plans.language.kinds import KINDS, Kind, Params
from plans.problems import Position, Report
from plans.shapes.base import Definitions, JsonSchema, Shape
from plans.shapes.keys import refuse_key
from plans.shapes.record import Record
from plans.shapes.words import Name
from plans.source.nodes import Entry, Mapping, Node, Scalar, describe

COMMON = ("name", "timeout", "interval", "stable")
EXAMPLE = "- tcp: 10.1.0.10:389"


@dataclass(slots=True, kw_only=True)
class _Beside(NamedDocument):
    """The common keys where they stand beside the kind."""


_BESIDE = Record(_Beside, "a check")


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckDocument:
    """A check as written, its params complete. ``name`` None: to be made from ``label``."""

    at: Position
    kind: str
    label: str
    params: Params
    name: str | None = None
    timeout: timedelta | None = None
    interval: timedelta | None = None
    stable: timedelta | None = None


class Check(Shape[CheckDocument]):
    expected = "a check"

    @override
    def read(self, node: Node, report: Report) -> CheckDocument | None:
        if id(node) not in report.readings:
            report.readings[id(node)] = self._read(node, report)
        found: CheckDocument | None = report.readings[id(node)]
        return found

    def _read(self, node: Node, report: Report) -> CheckDocument | None:
        entry = self._kind_entry(node, report)
        if entry is None or not isinstance(node, Mapping):
            return None
        kind = KINDS[entry.key]
        rest = [other for other in node.entries if other.key not in KINDS]
        beside = _BESIDE.read(Mapping(node.at, rest, node.flawed), report)
        form = self._form(kind, entry, report)
        if beside is None or form is None or beside.flawed:
            return None
        params, inside = form
        for name in COMMON:
            if name in beside.written and inside.get(name) is not None:
                report.add(
                    beside.written[name],
                    "duplicate-key",
                    f'"{name}" stands both beside and inside the check',
                    "keep one of the two",
                )
            if inside.get(name) is None:
                inside[name] = getattr(beside, name)
        label = f"{kind.name} {kind.label(params)}".strip()
        return CheckDocument(at=entry.at, kind=kind.name, label=label, params=params, **inside)

    def _kind_entry(self, node: Node, report: Report) -> Entry | None:
        if not isinstance(node, Mapping):
            hint = f"write it like {EXAMPLE}"
            if isinstance(node, Scalar) and node.text in KINDS:
                hint = f"write {node.text}: and where to look"
            self.refuse(node, report, hint)
            return None
        kinds = [entry for entry in node.entries if entry.key in KINDS]
        if len(kinds) == 1:
            return kinds[0]
        if kinds:
            report.add(
                kinds[1].at,
                "two-checks",
                f'one check holds both "{kinds[0].key}" and "{kinds[1].key}"',
                f'begin the second with a dash: "- {kinds[1].key}: ..."',
            )
        else:
            self._no_kind(node, report)
        return None

    def _no_kind(self, node: Mapping, report: Report) -> None:
        unknown = [entry for entry in node.entries if entry.key not in COMMON]
        for entry in unknown:
            refuse_key(entry, KINDS, "a check", report)
        if not unknown and not node.flawed:
            kinds = ", ".join(KINDS)
            report.add(node.at, "missing-key", "a check needs its kind", f"add one of: {kinds}")

    def _form(
        self, kind: Kind, entry: Entry, report: Report
    ) -> tuple[Params, dict[str, Any]] | None:
        node = entry.value
        if isinstance(node, Mapping):
            return self._long_form(kind, entry, report)
        if kind.short is None or not isinstance(node, Scalar) or node.value is None:
            keys = ", ".join(
                name for name in kind.record.keys if name not in COMMON or _own_name(kind, name)
            )
            long = f"{kind.name}: {{{keys}}}" if keys else f"{kind.name}: {{}}"
            short = f", or {kind.name}: {kind.short.expected}" if kind.short else ""
            report.add(
                entry.at if isinstance(node, Scalar) and node.value is None else node.at,
                "wrong-type",
                f"expected the keys of the check {kind.name}, found {describe(node)}",
                f"write {long}{short}",
            )
            return None
        value = kind.short.read(node, report)
        if value is None:
            return None
        params = _absent(kind) | kind.expand(value)
        kind.finish(params)
        return params, {}

    def _long_form(
        self, kind: Kind, entry: Entry, report: Report
    ) -> tuple[Params, dict[str, Any]] | None:
        document = kind.record.read(entry.value, report)
        if document is None or document.flawed:
            return None
        params: Params = {}
        common: dict[str, Any] = {}
        for name, (attribute, _) in kind.record.keys.items():
            value = getattr(document, attribute)
            is_common = name in COMMON and (name != "name" or kind.takes_name)
            (common if is_common else params)[name] = value.id if isinstance(value, Name) else value
        if any(params.get(name) is None for name in _required(kind)):
            return None
        if "query" in params and not _login_given(params, entry, report):
            return None
        kind.finish(params)
        return params, common

    @override
    def schema(self, definitions: Definitions) -> JsonSchema:
        return definitions.refer("check", self)

    @override
    def describe_part(self, definitions: Definitions) -> JsonSchema:
        beside = _BESIDE.describe_part(definitions)["properties"]
        kinds = {name: _kind_schema(kind, definitions) for name, kind in KINDS.items()}
        return {
            "type": "object",
            "description": "A check; exactly one kind, all checks of a step must hold.",
            "additionalProperties": False,
            "properties": kinds | beside,
            "oneOf": [{"required": [name]} for name in KINDS],
        }


def _own_name(kind: Kind, name: str) -> bool:
    return name == "name" and not kind.takes_name


def _absent(kind: Kind) -> Params:
    defaults = {name: declared.default for name, (_, declared) in kind.record.keys.items()}
    return {
        name: value
        for name, value in defaults.items()
        if name not in COMMON or _own_name(kind, name)
    }


def _required(kind: Kind) -> list[str]:
    return [name for name, (_, declared) in kind.record.keys.items() if declared.required]


def _login_given(params: Params, entry: Entry, report: Report) -> bool:
    for name in ("query", "expect", "secret"):
        if params[name] is not None and params["user"] is None:
            report.add(
                entry.at,
                "missing-key",
                f'"{name}" needs a login, and the check names no user',
                "add user: NAME, and secret: NAME for its password",
            )
            return False
    return True


def _kind_schema(kind: Kind, definitions: Definitions) -> JsonSchema:
    long = kind.record.schema(definitions)
    if kind.short is None:
        return long | {"description": kind.about}
    return {"description": kind.about, "anyOf": [kind.short.schema(definitions), long]}
