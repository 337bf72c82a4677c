"""Event to JSON and back, with versions: an old journal must fold for ever.

A changed event keeps its type name, raises its number in `VERSIONS` and gets an upcaster from
each older version, so that `drorch.run` only ever sees today's shape.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, get_args

from pydantic import TypeAdapter, ValidationError

from drorch.errors import JournalError
from drorch.run import commands as cmd
from drorch.run import events as ev

EVENTS: Mapping[str, type[Any]] = {
    cls.type: cls for cls in (*get_args(ev.RunEvent), *get_args(ev.StepEvent))
}
VERSIONS: Mapping[str, int] = {}
"""Types whose shape has changed; every other one is at version 1."""

UPCASTERS: Mapping[tuple[str, int], Callable[[dict[str, Any]], dict[str, Any]]] = {}
"""From (type, old version) to the data of the next version."""

_ADAPTERS = {name: TypeAdapter[Any](cls) for name, cls in EVENTS.items()}
_VALIDATE = {name: adapter.validator.validate_json for name, adapter in _ADAPTERS.items()}
_DUMP = {name: adapter.serializer.to_json for name, adapter in _ADAPTERS.items()}
"""Without the adapter's own layer, which costs as much as a small event: a resume reads many."""
_DECISIONS = {cls.__name__.lower(): TypeAdapter[Any](cls) for cls in get_args(cmd.Decision)}


def encode(event: ev.Event) -> str:
    """Return the event as JSON; its type and version are kept beside it."""
    return _DUMP[event.type](event, exclude_defaults=True).decode()


def version(event: ev.Event) -> int:
    return VERSIONS.get(event.type, 1)


def decode(kind: str, data: str, at_version: int = 1) -> ev.Event:
    """Return the event; raises `JournalError` for a type or version that is not known."""
    current = VERSIONS.get(kind, 1)
    if at_version == current and (validate := _VALIDATE.get(kind)) is not None:
        event: ev.Event = validate(data)
        return event
    if kind not in _ADAPTERS or at_version > current:
        raise JournalError(
            f"the journal holds an event {kind!r} version {at_version} that this drorch "
            "does not know",
            hint="a newer drorch wrote it: use that one, or a newer one",
        )
    return _upcast(kind, data, at_version)


def _upcast(kind: str, data: str, at_version: int) -> ev.Event:
    import json  # noqa: PLC0415 (only for journals of older versions)

    value: dict[str, Any] = json.loads(data)
    for step in range(at_version, VERSIONS[kind]):
        value = UPCASTERS[kind, step](value)
    event: ev.Event = _ADAPTERS[kind].validate_python(value)
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
