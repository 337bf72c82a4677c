"""Connector types by name, found through the entry-point group ``drorch.connectors``."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, TypeAlias, cast

from drorch.errors import ConfigurationError
from drorch.ports.connector import Connector

GROUP = "drorch.connectors"

Factory: TypeAlias = Callable[[str, Mapping[str, Any]], Connector]
"""Takes the connector's name and its configuration table without ``type``.

Raises `ConfigurationError` that names the key; does no network I/O.
"""


def connect(name: str, settings: Mapping[str, Any]) -> Connector:
    """Return the connector that the table ``[connectors.NAME]`` describes, not yet opened."""
    kind = settings.get("type")
    if not isinstance(kind, str):
        raise ConfigurationError(
            f"[connectors.{name}] has no 'type'", hint=f"one of: {', '.join(sorted(_found()))}"
        )
    factory = _load(name, kind)
    return factory(name, {k: v for k, v in settings.items() if k != "type"})


def _load(name: str, kind: str) -> Factory:
    found = _found()
    if kind not in found:
        raise ConfigurationError(
            f"[connectors.{name}] type {kind!r} is not known",
            hint=f"one of: {', '.join(sorted(found))}",
        )
    return cast("Factory", found[kind].load())


def _found() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
