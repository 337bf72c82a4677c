"""The call-outs of the configuration: what each is, and a plan's arguments put into it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from connectors.callouts.command import run
from connectors.callouts.hook import post
from connectors.checks.trust import Trust
from connectors.network import Network
from drorch.errors import ConfigurationError
from drorch.ports.callout import CalloutResult

_PLACEHOLDER = re.compile(r"\{([A-Za-z][A-Za-z0-9_-]*)\}")
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+)ms)?")


def _duration(value: object) -> object:
    """Read ``1h30m``, ``30s``, ``500ms``; leave all else to pydantic (a number is seconds)."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    if match is None or not match[0]:
        return value
    hours, minutes, seconds, millis = (float(part or 0) for part in match.groups())
    return timedelta(hours=hours, minutes=minutes, seconds=seconds, milliseconds=millis)


Duration = Annotated[timedelta, BeforeValidator(_duration), Field(gt=timedelta(0))]


class CalloutSettings(BaseModel):
    """One table ``[callouts.NAME]``: either ``command`` or ``url``.

    ``{word}`` in an argument of ``command`` stands for the plan's argument of that name; there
    is no shell. ``allow_dash`` lets a plan's value that fills an argument from its start begin
    with a hyphen, which programs take for an option. ``env`` names variables of ours that the
    command gets besides PATH and LANG. ``secret`` names the bearer token of a web hook, ``ca``
    the authority that its certificate comes from. ``repeatable`` says that a second call after
    a crash is harmless.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    command: tuple[str, ...] | None = Field(default=None, min_length=1)
    url: str | None = Field(default=None, pattern=r"^https?://")
    timeout: Duration = timedelta(seconds=30)
    repeatable: bool = False
    allow_dash: bool = False
    env: tuple[str, ...] = ()
    secret: str | None = None
    ca: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> CalloutSettings:
        if (self.command is None) == (self.url is None):
            raise ValueError("give exactly one of 'command' and 'url'")
        if self.command is not None and _PLACEHOLDER.search(self.command[0]):
            raise ValueError("the program itself can't be a placeholder")
        if self.command is not None and self.secret is not None:
            raise ValueError("'secret' is for a 'url'; a command gets its own by 'env'")
        if self.command is not None and self.ca is not None:
            raise ValueError("'ca' is for a 'url'")
        if self.url is not None and self.env:
            raise ValueError("'env' is for a 'command'")
        return self


class ConfiguredCallouts:
    """The call-outs of the configuration. Implements `drorch.ports.callout.Callouts`."""

    def __init__(
        self,
        settings: Mapping[str, Mapping[str, Any]],
        *,
        secret: Callable[[str], str],
        network: Network,
        authorities: Mapping[str, Path] | None = None,
    ) -> None:
        """Raise `ConfigurationError` that names the table and the key."""
        self._settings = {name: _read(name, table) for name, table in settings.items()}
        self._secret = secret
        self._network = network
        self._trust = Trust(authorities or {})

    def knows(self, name: str) -> bool:
        """Tell whether the configuration defines *name*."""
        return name in self._settings

    def repeatable(self, name: str) -> bool:
        """Tell whether running it a second time is declared harmless."""
        return name in self._settings and self._settings[name].repeatable

    async def call(self, name: str, arguments: Mapping[str, str]) -> CalloutResult:
        """Carry it out once, within its configured time.

        What goes wrong is an answer. Raises `ConfigurationError` when *name* is not defined or
        *arguments* don't fit it: then nothing was done.
        """
        settings = self._settings.get(name)
        if settings is None:
            raise ConfigurationError(
                f"the callout {name!r} is not in the configuration",
                hint=f"describe it in [callouts.{name}]; known: {self._names()}",
            )
        if settings.command is not None:
            command = filled(name, settings.command, arguments, dash=settings.allow_dash)
            return await run(command, keep=settings.env, timeout=settings.timeout.total_seconds())
        return await self._hook(name, settings, arguments)

    async def _hook(
        self, name: str, settings: CalloutSettings, arguments: Mapping[str, str]
    ) -> CalloutResult:
        return await post(
            str(settings.url),
            {"callout": name, "arguments": dict(arguments)},
            self._token(name, settings),
            network=self._network,
            verify=self._trust.context(settings.ca),
            timeout=settings.timeout.total_seconds(),
        )

    def _token(self, name: str, settings: CalloutSettings) -> str | None:
        if settings.secret is None:
            return None
        try:
            return self._secret(settings.secret)
        except KeyError as error:
            raise ConfigurationError(
                f"[callouts.{name}.secret]: {settings.secret!r} is not in [secrets]"
            ) from error

    def _names(self) -> str:
        return ", ".join(sorted(self._settings)) or "none"


def filled(
    name: str, command: Sequence[str], arguments: Mapping[str, str], *, dash: bool
) -> list[str]:
    """Return *command* with the plan's *arguments* in it, or raise `ConfigurationError`."""
    wanted = {word for part in command for word in _PLACEHOLDER.findall(part)}
    missing, surplus = wanted - set(arguments), set(arguments) - wanted
    if missing or surplus:
        raise ConfigurationError(
            f"callout {name}: " + _difference(missing, surplus),
            hint=f"it takes: {', '.join(sorted(wanted)) or 'no arguments'}",
        )
    return [_argument(name, part, arguments, dash=dash) for part in command]


def _difference(missing: set[str], surplus: set[str]) -> str:
    parts = (
        f"'with' lacks {', '.join(sorted(missing))}" if missing else "",
        f"'with' has {', '.join(sorted(surplus))}, which it doesn't take" if surplus else "",
    )
    return "; ".join(part for part in parts if part)


def _argument(name: str, template: str, arguments: Mapping[str, str], *, dash: bool) -> str:
    value = _PLACEHOLDER.sub(lambda match: str(arguments[match[1]]), template)
    if "\0" in value:
        raise ConfigurationError(f"callout {name}: a value holds a NUL character")
    if value.startswith("-") and not template.startswith("-") and not dash:
        raise ConfigurationError(
            f"callout {name}: the value for {template} begins with '-', like an option",
            hint=f"change the value, or set allow_dash = true in [callouts.{name}]",
        )
    return value


def _read(name: str, table: Mapping[str, Any]) -> CalloutSettings:
    try:
        return CalloutSettings.model_validate(dict(table))
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(("callouts", name, *(str(part) for part in first["loc"])))
        raise ConfigurationError(
            f"[{key}]: {first['msg']}",
            hint='like: command = ["/usr/local/bin/reset-dns", "{zone}"], timeout = "30s"',
        ) from error
