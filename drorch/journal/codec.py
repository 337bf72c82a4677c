"""Event to JSON and back, with versions: an old journal must fold for ever.

A changed event keeps its type name, raises its number in `VERSIONS` and gets an upcaster from
each older version, so that `drorch.run` only ever sees today's shape.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError, SchemaSerializer, SchemaValidator
from pydantic_core.core_schema import no_info_after_validator_function, str_schema

from drorch.errors import JournalError
from drorch.ports.journal import Recorded
from drorch.run import commands as cmd
from drorch.run import events as ev

EVENTS: Mapping[str, type[Any]] = {
    cls.type: cls for cls in (*get_args(ev.RunEvent), *get_args(ev.StepEvent))
}
VERSIONS: Mapping[str, int] = {}
"""Types whose shape has changed; every other one is at version 1."""

UPCASTERS: Mapping[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""From (type, old version) to the data of the next version."""


def _quick(schema: Any) -> Any:
    """Return *schema* with what a resume of thousands of machines need not wait for.

    Moments are read by Python itself: those that Pydantic makes each carry a time zone of their
    own, and comparing two of them takes twenty times as long. The first kind of action that fits
    is taken: each has a field of its own that it cannot be without, but the last, which has none.
    """
    if isinstance(schema, list | tuple):
        return type(schema)(map(_quick, schema))
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "datetime":
        return _MOMENT
    quick = {key: _quick(value) for key, value in schema.items()}
    if schema.get("type") == "union":
        needy = sorted(quick["choices"], key=_needs_nothing)
        quick |= {"choices": needy, "mode": "left_to_right"}
    return quick


def _bare(schema: Any) -> Any:
    """Return *schema* for writing: the members of our enumerations are their text already."""
    if isinstance(schema, list | tuple):
        return type(schema)(map(_bare, schema))
    if not isinstance(schema, dict):
        return schema
    if schema.get("type") == "enum" and issubclass(schema["cls"], str):
        return str_schema()
    return {key: _bare(value) for key, value in schema.items()}


def _needs_nothing(choice: Any) -> bool:
    return all(field["schema"]["type"] == "default" for field in choice["schema"]["fields"])


_MOMENT = no_info_after_validator_function(datetime.fromisoformat, str_schema())
_ADAPTERS = {name: TypeAdapter[Any](cls) for name, cls in EVENTS.items()}
_VALIDATORS = {name: SchemaValidator(_quick(a.core_schema)) for name, a in _ADAPTERS.items()}
_VALIDATE = {name: validator.validate_json for name, validator in _VALIDATORS.items()}
_DUMP = {name: SchemaSerializer(_bare(a.core_schema)).to_json for name, a in _ADAPTERS.items()}
"""Without the adapter's own layer, which costs as much as a small event: a resume reads many."""
_DECISIONS = {cls.__name__.lower(): TypeAdapter[Any](cls) for cls in get_args(cmd.Decision)}


def encode(event: ev.Event) -> str:
    """Return the event as JSON; its type and version are kept beside it."""
    return encode_rows([event])[0][2]


def version(event: ev.Event) -> int:
    return VERSIONS.get(event.type, 1)


def encode_rows(events: Iterable[ev.Event]) -> list[tuple[str, int, str]]:
    """Return each event's type, version and JSON."""
    dump, versions = _DUMP, VERSIONS
    events = tuple(events)
    try:
        return [
            (e.type, versions.get(e.type, 1), dump[e.type](e, exclude_defaults=True).decode())
            for e in events
        ]
    except PydanticSerializationError:
        return [(e.type, versions.get(e.type, 1), _mended(e)) for e in events]


def _mended(event: ev.Event) -> str:
    """Return the event with ? for what is no text: half a character, as JSON may escape it.

    A hypervisor's answer that holds one must not keep a run from being recorded, again and again.
    """
    told = _ADAPTERS[event.type].dump_python(event, mode="json", exclude_defaults=True)
    whole = json.dumps(told, ensure_ascii=False, separators=(",", ":"))
    return whole.encode("utf-8", "replace").decode()


def decode(kind: str, data: str, at_version: int = 1) -> ev.Event:
    """Return the event; raises `JournalError` for a type or version that is not known."""
    current = VERSIONS.get(kind, 1)
    if at_version == current and (validate := _VALIDATE.get(kind)) is not None:
        event: ev.Event = validate(data)
        return event
    if kind not in _VALIDATORS or at_version > current:
        raise JournalError(
            f"the journal holds an event {kind!r} version {at_version} that this drorch "
            "does not know",
            hint="a newer drorch wrote it: use that one, or a newer one",
        )
    return _upcast(kind, data, at_version)


def decode_rows(rows: Iterable[Sequence[Any]]) -> list[Recorded]:
    """Return what rows of number, type, version and data say; raises as `decode` does."""
    out = []
    for seq, kind, at_version, data in rows:
        quick = _VALIDATE.get(kind) if at_version == 1 and kind not in VERSIONS else None
        event: ev.Event = decode(kind, data, at_version) if quick is None else quick(data)
        out.append(_recorded((seq, event.at, event)))
    return out


_recorded: Callable[[tuple[int, datetime, ev.Event]], Recorded] = partial(tuple.__new__, Recorded)
"""The type's own constructor takes four times as long, and a resume makes many."""


def _upcast(kind: str, data: str, at_version: int) -> ev.Event:
    value: dict[str, Any] = json.loads(data)
    for step in range(at_version, VERSIONS[kind]):
        value = UPCASTERS[kind, step](value)
    event: ev.Event = _VALIDATORS[kind].validate_python(value)
    return event


def encode_decision(decision: cmd.Decision) -> tuple[str, str]:
    """Return a decision's name (``retry``) and its JSON."""
    name = type(decision).__name__.lower()
    return name, _DECISIONS[name].dump_json(decision).decode()


def decode_decision(name: str, data: str) -> cmd.Decision | None:
    """Return the decision, or None if another version of drorch wrote what this one can't read."""
    if name not in _DECISIONS:
        return None
    try:
        decision: cmd.Decision = _DECISIONS[name].validate_json(data)
    except ValidationError:
        return None
    return decision
