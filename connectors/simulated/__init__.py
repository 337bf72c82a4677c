"""A simulated hypervisor: a world, the process that serves it, and the connectors to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from connectors.simulated.connector import SimulatedConnector
from connectors.simulated.quantities import Seconds
from drorch.errors import ConfigurationError


def _http(value: object) -> str:
    parts = urlsplit(value) if isinstance(value, str) else None
    if parts is None or parts.scheme != "http" or not parts.hostname or (parts.port or 1) < 1:
        raise ValueError("not an address; write for example http://127.0.0.1:8141")
    return parts.geturl()


class _Settings(BaseModel):
    model_config = ConfigDict(extra="forbid")

    url: Annotated[str, BeforeValidator(_http)] = "http://127.0.0.1:8141"
    timeout: Annotated[Seconds, Field(gt=0)] = 10.0


def factory(name: str, settings: Mapping[str, Any]) -> SimulatedConnector:
    """Return the connector that the table ``[connectors.NAME]`` describes, not yet opened.

    Settings: ``url`` of the simulator, ``timeout`` of one call (``10s``). Raises
    `ConfigurationError` that names the key.
    """
    try:
        given = _Settings.model_validate(dict(settings))
    except ValidationError as error:
        raise ConfigurationError(
            "\n".join(_told(name, problem) for problem in error.errors()),
            hint="the simulated connector takes 'url' and 'timeout'",
        ) from error
    return SimulatedConnector(name, url=given.url, timeout=given.timeout)


def _told(name: str, problem: Mapping[str, Any]) -> str:
    key = ".".join(str(part) for part in problem["loc"])
    unknown = problem["type"] == "extra_forbidden"
    what = "unknown key" if unknown else str(problem["msg"]).removeprefix("Value error, ")
    return f"[connectors.{name}] {key}: {what}"
