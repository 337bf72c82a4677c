"""The configuration: ``drorch.toml``, overridden by environment variables, checked on reading."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit
from zoneinfo import available_timezones

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from api.host_names import canonical, is_loopback
from connectors.network import DEFAULT_ALLOW
from connectors.notifiers.settings import HookName, HookSettings
from connectors.secrets import SecretRef
from connectors.wording import problem_words
from drorch.access.policy import LiveRuns, Policy
from drorch.errors import ConfigurationError
from drorch.journal.url import Place, place_of
from drorch.model.hours import zone_named
from plans.units import parse_duration

PREFIX = "DRORCH_"
_OURS = {"source", "power"}
"""Not for people to write, or not used yet."""


def default_data_dir() -> Path:
    """Return where data lives unless the configuration says otherwise."""
    return Path.home() / ".local" / "share" / "drorch"


def _duration(value: object) -> object:
    """Read ``15s``; leave all else to pydantic (a number is seconds)."""
    duration = parse_duration(value) if isinstance(value, str) else None
    return duration.total_seconds() if duration is not None else value


Seconds = Annotated[float, BeforeValidator(_duration), Field(gt=0)]


def _zone(name: str) -> str:
    """Refuse a time zone that does not exist; opening hours would silently have no meaning."""
    if zone_named(name) is None and (known := available_timezones()):
        near = get_close_matches(name, known, 1)
        guess = f"; did you mean {near[0]}?" if near else ""
        raise ValueError(f"there is no time zone {name!r}, write one such as Europe/Rome{guess}")
    return name


def _listed(value: object) -> object:
    """Let an environment variable name several, with commas between them."""
    return (
        tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value
    )


def _nets(values: tuple[str, ...]) -> tuple[str, ...]:
    for value in values:
        try:
            network = ip_network(value)
        except ValueError as error:
            raise ValueError(f"{value!r} is no address or network, write 10.1.0.5") from error
        if network.prefixlen == 0:
            raise ValueError(f"{value!r} is everybody; name the proxy")
    return values


def _hosts(values: tuple[str, ...]) -> tuple[str, ...]:
    wrong = [value for value in values if canonical(value) is None]
    if wrong:
        raise ValueError(f"{wrong[0]!r} is no host name: no scheme, port, path or wildcard")
    return tuple(str(canonical(value)) for value in values)


def _issuer(value: str) -> str:
    """Refuse a provider to which secrets would go in the clear."""
    parts = urlsplit(value)
    is_here = is_loopback(parts.hostname or "")
    if parts.scheme != "https" and not (parts.scheme == "http" and is_here):
        raise ValueError("an issuer is https://..., as the provider's own document names it")
    if not parts.hostname or parts.query or parts.fragment or parts.username:
        raise ValueError("an issuer is https://HOST/PATH and nothing more")
    return value


def _origin(value: str) -> str:
    parts = urlsplit(value)
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.path not in ("", "/"):
        raise ValueError("write the address as https://drorch.comune.example, without a path")
    return value.rstrip("/")


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class ServerSettings(_Table):
    """``[server]``. ``lease`` is for installations with several orchestrators."""

    host: str = "127.0.0.1"
    port: int = Field(default=8140, ge=0, le=65535)
    lease: Seconds = 15.0
    timezone: Annotated[str, AfterValidator(_zone)] = "Europe/Rome"
    log_format: Literal["auto", "json", "console"] = "auto"
    log_level: Literal["debug", "info", "warning"] = "info"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    trusted_proxy: Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_nets)] = ()
    """Who may say for whom it asks; the only way in besides TLS and loopback."""
    names: Annotated[tuple[str, ...], BeforeValidator(_listed), AfterValidator(_hosts)] = ()

    @model_validator(mode="after")
    def _both_of_tls(self) -> ServerSettings:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key belong together; give both, or neither")
        return self


class DatabaseSettings(_Table):
    """``[database]``: SQLite in ``data_dir``, or a PostgreSQL that several orchestrators share."""

    url: str = "sqlite"
    password: SecretRef | None = None
    """Beside the URL, so that no file that people show around holds it."""


class PolicySettings(_Table):
    """``[policy]``: what the town has decided about live runs."""

    live_runs: LiveRuns = LiveRuns.ONE
    stops_per_hour: int = Field(default=10, ge=0, le=10_000)
    signed_plans: bool = False
    allowed_signers: Path = Path("/etc/drorch/allowed_signers")

    def policy(self) -> Policy:
        return Policy(
            live_runs=self.live_runs,
            stops_per_hour=self.stops_per_hour,
            signed_plans=self.signed_plans,
        )

    def signers(self) -> bytes | None:
        """Return the allowed signers, None where there is no such file and nobody needs it.

        Raises `ConfigurationError`.
        """
        try:
            return self.allowed_signers.read_bytes()
        except OSError as error:
            if not self.signed_plans:
                return None
            raise ConfigurationError(
                f"[policy] allowed_signers: {self.allowed_signers} cannot be read: "
                f"{error.strerror or error}",
                hint="it lists who may sign plans (docs/plan-signatures.md)",
            ) from error


class AuditSettings(_Table):
    """``[audit]``: signed check-points of the record, outside of the database.

    ``key`` and ``checkpoints`` are files of ``data_dir`` unless named; a second disk is better.
    ``trusted`` are public keys (hex) of other orchestrators and of former years.
    """

    checkpoint_every: Seconds = 60.0
    checkpoint_entries: int = Field(default=64, ge=1, le=100_000)
    checkpoints: Path | None = None
    key: SecretRef | None = None
    trusted: tuple[str, ...] = ()


class AccessSettings(_Table):
    """``[access]``: ``key`` seals the secrets of people; it is data_dir/keys/seal unless named.

    Orchestrators that share a database need the same one.
    """

    key: SecretRef | None = None


class OidcSettings(_Table):
    """``[oidc]``: a provider by which people may log in, too. See `api.oidc`.

    ``allow`` are the networks in which the provider may be; by default those of ``[network]``.
    """

    issuer: Annotated[str, AfterValidator(_issuer)]
    client_id: str = Field(min_length=1)
    client_secret: SecretRef
    title: str = Field(default="OpenID Connect", min_length=1, max_length=60)
    ca: str | None = None
    allow: tuple[str, ...] | None = None
    address: Annotated[str, AfterValidator(_origin)] | None = None
    """Under which people reach this service, for the way back; by default as they asked."""


class NetworkSettings(_Table):
    """``[network]``: what checks, callouts and web hooks may reach."""

    allow: tuple[str, ...] = DEFAULT_ALLOW


class ServicesSettings(_Table):
    """``[services]``: how they are looked at while nothing is recovered."""

    look: bool = True
    look_every: Seconds = Field(default=60.0, ge=1)


class AuthoritySettings(_Table):
    """``[authorities.NAME]``: a certificate authority that checks name as ``ca``."""

    file: Path


class Settings(_Table):
    """All of the configuration; unknown keys are refused."""

    data_dir: Path = Field(default_factory=default_data_dir)
    server: ServerSettings = ServerSettings()
    database: DatabaseSettings = DatabaseSettings()
    connectors: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    secrets: Mapping[str, SecretRef] = Field(default_factory=dict)
    authorities: Mapping[str, AuthoritySettings] = Field(default_factory=dict)
    network: NetworkSettings = NetworkSettings()
    callouts: Mapping[str, Mapping[str, Any]] = Field(default_factory=dict)
    webhooks: Mapping[HookName, HookSettings] = Field(default_factory=dict)
    services: ServicesSettings = ServicesSettings()
    policy: PolicySettings = PolicySettings()
    audit: AuditSettings = AuditSettings()
    access: AccessSettings = AccessSettings()
    oidc: OidcSettings | None = None
    power: Mapping[str, Any] = Field(default_factory=dict)
    """Known and not used yet."""
    source: Path | None = Field(default=None, exclude=True)

    @property
    def place(self) -> Place:
        """Where the journal is. Raises `ConfigurationError`."""
        password = self.database.password
        secret = password.read() if password is not None else None
        return place_of(self.database.url, self.data_dir, secret)

    def secret(self, name: str) -> str:
        """Return the secret that plans call *name*. Raises `ConfigurationError`."""
        if name not in self.secrets:
            raise ConfigurationError(
                f"the secret {name!r} is not configured",
                hint=f'add to [secrets]: {name} = {{ file = "..." }} or {{ env = "..." }}',
            )
        return self.secrets[name].read()


def candidates() -> tuple[Path, ...]:
    """Return where a configuration is looked for when none is named."""
    return (
        Path("drorch.toml"),
        Path.home() / ".config" / "drorch" / "drorch.toml",
        Path("/etc/drorch/drorch.toml"),
    )


def load_settings(path: Path | None = None, environ: Mapping[str, str] | None = None) -> Settings:
    """Return the settings from *path*, ``DRORCH_CONFIG`` or the first candidate that exists.

    No file at all is allowed: then there are no connectors. Raises `ConfigurationError`.
    """
    environ = os.environ if environ is None else environ
    source = _source(path, environ)
    table = _read(source) if source is not None else {}
    _overlay(table, environ)
    try:
        return Settings(**table, source=source)
    except ValidationError as error:
        where = source or "the environment"
        raise ConfigurationError(f"{where}: {_told(error)}", hint=_hint(error)) from error


def _source(path: Path | None, environ: Mapping[str, str]) -> Path | None:
    named = path or (Path(environ["DRORCH_CONFIG"]) if environ.get("DRORCH_CONFIG") else None)
    if named is not None:
        if not named.is_file():
            raise ConfigurationError(
                f"there is no configuration file {named}",
                hint="name another one by --config or DRORCH_CONFIG",
            )
        return named
    return next((candidate for candidate in candidates() if candidate.is_file()), None)


def _read(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file)
    except tomllib.TOMLDecodeError as error:
        raise ConfigurationError(
            f"{path}: {_toml_words(path, str(error))}",
            hint="the file is TOML: values in quotes, tables in [brackets]",
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigurationError(
            f"{path} cannot be read: {getattr(error, 'strerror', None) or error}",
            hint="check that it is a text file in UTF-8 and that this user may read it",
        ) from error


def _toml_words(path: Path, told: str) -> str:
    """Return *told*, or what its line lacks where that is plain to see: quotes."""
    at = re.search(r"at line (\d+)", told)
    lines = path.read_text(encoding="utf-8").splitlines()
    line = lines[int(at[1]) - 1] if at and int(at[1]) <= len(lines) else ""
    bare = re.fullmatch(
        r"\s*(?P<key>[\w.-]+)\s*=\s*(?P<value>[A-Za-z/][^\"'\[{#]*?)\s*(#.*)?", line
    )
    if at is None or bare is None:
        return told
    key, value = bare["key"], bare["value"]
    return f'line {at[1]}: put {value} into quotes: {key} = "{value}"'


def _overlay(table: dict[str, Any], environ: Mapping[str, str]) -> None:
    """Put ``DRORCH_SERVER__PORT=8141`` over ``[server] port``."""
    for name, value in sorted(environ.items()):
        key = name.removeprefix(PREFIX)
        # Other variables of that prefix are not settings: DRORCH_SERVER, or what a container
        # platform puts there for a service called drorch.
        first = key.lower().split("__")[0]
        is_setting = first in Settings.model_fields and ("__" in key or first == "data_dir")
        if name.startswith(PREFIX) and is_setting:
            *tables, last = key.lower().split("__")
            target = table
            for part in tables:
                target = target.setdefault(part, {})
            target[last] = value


def _told(error: ValidationError) -> str:
    return "; ".join(_problem(item) for item in error.errors(include_url=False))


def _problem(item: Any) -> str:
    place = [str(part) for part in item["loc"]]
    if item["type"] == "extra_forbidden" and len(place) == 1:
        near = get_close_matches(place[0], list(Settings.model_fields), 1)
        guess = f"; did you mean {_bracketed(near[0])}?" if near else ""
        is_table = isinstance(item["input"], dict)
        return f"unknown {'table' if is_table else 'key'} {_bracketed(place[0])}{guess}"
    table = getattr(Settings.model_fields.get(place[0] if place else ""), "annotation", None)
    known = getattr(table, "model_fields", ())
    return f"{'.'.join(place) or 'the configuration'}: {problem_words(item, known)}"


def _bracketed(name: str) -> str:
    return name if name == "data_dir" else f"[{name}]"


def _hint(error: ValidationError) -> str:
    unknown = [p for p in error.errors(include_input=False) if p["type"] == "extra_forbidden"]
    if not unknown:
        return "docs/configuration.md lists every key"
    tables = ", ".join(_bracketed(name) for name in sorted(Settings.model_fields.keys() - _OURS))
    return f"there are {tables}"


def no_configuration(settings: Settings) -> ConfigurationError | None:
    """Return what to say where connectors are needed and no file was found; None if one was."""
    if settings.source is not None or settings.connectors:
        return None
    looked = [str(path) for path in candidates()]
    looked[0] = f"./{looked[0]} (in {Path.cwd()})"
    return ConfigurationError(
        f"no drorch.toml was found. Looked for: {', '.join(looked)}",
        hint="go to its folder, or name it: --config FILE or DRORCH_CONFIG",
    )
