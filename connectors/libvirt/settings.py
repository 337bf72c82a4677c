"""The table ``[connectors.NAME]`` with ``type = "libvirt"``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, field_validator

from connectors.wording import problem_words
from drorch.errors import ConfigurationError

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0}
_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h)")
_PASSWORD_WORDS = ("password", "passwd", "secret", "token")


def _seconds(value: object) -> object:
    if not isinstance(value, str):
        return value
    found = _DURATION.fullmatch(value.strip())
    if found is None:
        raise ValueError("write a duration as 10s, 500ms or 2m")
    return float(found[1]) * _UNITS[found[2]]


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=3600)]


class LibvirtSettings(BaseModel):
    """``uri`` is libvirt's own connection URI; the rest has defaults that fit.

    ``connect_timeout`` bounds the opening of a connection, ``read_timeout`` one reading,
    ``order_timeout`` a start or stop (libvirt answers a start when QEMU runs). A connection whose
    daemon is silent for ``keepalive_interval`` times ``keepalive_count`` is given up.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    uri: str = "qemu:///system"
    connect_timeout: Seconds = 10.0
    read_timeout: Seconds = 10.0
    order_timeout: Seconds = 120.0
    agent_timeout: Seconds = 5.0
    keepalive_interval: Seconds = 5.0
    keepalive_count: int = Field(default=3, ge=1, le=100)
    threads: int = Field(default=12, ge=2, le=64)

    @field_validator("uri")
    @classmethod
    def _without_password(cls, uri: str) -> str:
        parts = urlsplit(uri)
        if not parts.scheme:
            raise ValueError("write a libvirt URI such as qemu:///system")
        if parts.password is not None or any(
            word in key.lower() for key, _ in parse_qsl(parts.query) for word in _PASSWORD_WORDS
        ):
            raise ValueError(
                "a password does not belong in the URI; use an ssh key, a client certificate, "
                "or libvirt's auth.conf"
            )
        return uri

    @property
    def connection_uri(self) -> str:
        """The URI to open: ssh must never ask a question on the terminal."""
        parts = urlsplit(self.uri)
        if not parts.scheme.endswith("+ssh") or "no_tty" in dict(parse_qsl(parts.query)):
            return self.uri
        return f"{self.uri}{'&' if parts.query else '?'}no_tty=1"

    @property
    def shown_uri(self) -> str:
        """The URI without user name and parameters, for messages."""
        parts = urlsplit(self.uri)
        host = parts.netloc.rpartition("@")[2]
        return f"{parts.scheme}://{host}{parts.path}"


def parse_settings(name: str, table: Mapping[str, Any]) -> LibvirtSettings:
    """Check the connector's table; raises `ConfigurationError` that names each wrong key."""
    try:
        return LibvirtSettings.model_validate(dict(table))
    except ValidationError as error:
        problems = "; ".join(_described(name, item) for item in error.errors(include_input=False))
        raise ConfigurationError(
            problems,
            hint=f"known keys: {', '.join(sorted(LibvirtSettings.model_fields))}",
        ) from None


def _described(name: str, item: Any) -> str:
    key = ".".join(str(part) for part in item["loc"])
    return f"[connectors.{name}] {key}: {problem_words(item, LibvirtSettings.model_fields)}"
