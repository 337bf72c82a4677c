"""The table ``[connectors.NAME]`` with ``type = "proxmox"``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator
from typing_extensions import override

from connectors.secrets import SecretRef
from connectors.wording import problem_words
from drorch.errors import ConfigurationError

_ENDPOINT = re.compile(
    r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]+))(?::(?P<port>\d+))?"
)
_TOKEN = re.compile(r"[^\s:/!@]+@[A-Za-z][A-Za-z0-9._-]+![A-Za-z][A-Za-z0-9._-]+")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_SECONDS = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>ms|s|m)")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One address under which the API answers."""

    host: str
    port: int = 8006

    @override
    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def _endpoint(value: object) -> object:
    found = _ENDPOINT.fullmatch(value) if isinstance(value, str) else None
    if found is None or int(found["port"] or 8006) > 65535:
        raise ValueError("write it as host:port, for example 10.1.0.2:8006")
    return Endpoint(found["v6"] or found["host"], int(found["port"] or 8006))


def _fingerprints(value: object) -> object:
    values = [value] if isinstance(value, str) else value
    if not isinstance(values, list) or not values:
        raise ValueError("give one SHA-256 fingerprint, or a list with one for each node")
    return tuple(_fingerprint(item) for item in values)


def _fingerprint(value: object) -> str:
    plain = value.replace(":", "").strip().lower() if isinstance(value, str) else ""
    if _FINGERPRINT.fullmatch(plain) is None:
        raise ValueError("a fingerprint is the SHA-256 of the certificate: 32 pairs like AB:CD:..")
    return plain


def _seconds(value: object) -> object:
    if isinstance(value, str) and (found := _SECONDS.fullmatch(value)):
        return float(found["number"]) * {"ms": 0.001, "s": 1.0, "m": 60.0}[found["unit"]]
    return value


def _token(value: object) -> object:
    if not isinstance(value, str) or _TOKEN.fullmatch(value) is None:
        raise ValueError("write it as user@realm!name, for example drorch@pve!recovery")
    return value


Seconds = Annotated[float, BeforeValidator(_seconds), Field(gt=0, le=600)]


class Settings(BaseModel):
    """How to reach one Proxmox VE cluster or standalone node, and how to trust it.

    Exactly one of ``fingerprint``, ``ca`` and ``insecure`` says what certificate is right.
    ``read_timeout`` belongs above the 30 s that Proxmox's own proxy waits for a node.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    endpoints: Annotated[
        tuple[Annotated[Endpoint, BeforeValidator(_endpoint)], ...], Field(min_length=1)
    ]
    token_id: Annotated[str, BeforeValidator(_token)]
    token_secret: SecretRef
    fingerprint: Annotated[tuple[str, ...], BeforeValidator(_fingerprints)] | None = None
    ca: Path | None = None
    insecure: bool = False
    connect_timeout: Seconds = 3.05
    read_timeout: Seconds = 40.0

    @model_validator(mode="after")
    def _one_way_to_trust(self) -> Settings:
        ways = (self.fingerprint is not None, self.ca is not None, self.insecure)
        if sum(ways) != 1:
            raise ValueError(
                "give exactly one of 'fingerprint', 'ca' and 'insecure = true'; "
                "without one of them the token would go to whoever answers"
            )
        return self

    @property
    def user(self) -> str:
        """The token's user, without the token's name."""
        return self.token_id.partition("!")[0]

    @property
    def token_name(self) -> str:
        return self.token_id.partition("!")[2]


def read_settings(name: str, table: Mapping[str, Any]) -> Settings:
    """Return the settings in *table*, or raise `ConfigurationError` naming each wrong key."""
    try:
        return Settings.model_validate(dict(table))
    except ValidationError as error:
        wrong = "; ".join(
            _sentence(item["loc"], problem_words(item, Settings.model_fields))
            for item in error.errors()
        )
        raise ConfigurationError(
            f"[connectors.{name}] {wrong}",
            hint="docs/proxmox.md shows a whole table; the secret goes into a file or a variable",
        ) from None  # the validation error holds what was typed, perhaps a secret


def _sentence(location: tuple[int | str, ...], plain: str) -> str:
    key = ".".join(str(part) for part in location if part != "function-before")
    return f"{key}: {plain}" if key else plain
