"""Delivers messages over HTTP: signed, to the configured address alone, in bounded time."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path

import structlog

from connectors import egress
from connectors.checks.trust import Trust
from connectors.network import Network
from connectors.notifiers.settings import HookSettings
from connectors.notifiers.signing import headers, key_of
from drorch.errors import ConfigurationError, DrorchError
from drorch.outbox.rules import Outcome, Verdict

log = structlog.get_logger()

TIMEOUT = 15.0
"""Seconds that a target has for everything, from the name look-up to the end of its answer."""
_HEEDED = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.SERVICE_UNAVAILABLE)


class Webhooks:
    """The web hooks of the configuration. Implements `drorch.outbox.ports.Deliverer`."""

    def __init__(
        self,
        settings: Mapping[str, HookSettings],
        *,
        network: Network,
        authorities: Mapping[str, Path] | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        """Raise `ConfigurationError` for an authority that is not configured."""
        self.settings = settings
        self._network = network
        self._trust = Trust(authorities or {})
        self._timeout = timeout
        for name, hook in settings.items():
            if hook.ca is not None and hook.ca not in (authorities or {}):
                raise ConfigurationError(
                    f"[webhooks.{name}] ca: the authority {hook.ca!r} is not configured",
                    hint=f'add [authorities.{hook.ca}] with file = "..."',
                )

    @property
    def kinds(self) -> Mapping[str, frozenset[str]]:
        """Return the types of event that each hook wants."""
        return {name: hook.kinds for name, hook in self.settings.items()}

    async def deliver(self, hook: str, message: str, payload: str) -> Outcome:
        """Try once. See `drorch.outbox.ports.Deliverer`."""
        settings, body = self.settings[hook], payload.encode()
        try:
            keys, verify = await asyncio.to_thread(self._prepared, hook, settings)
            answer = await egress.exchange(
                self._network,
                "POST",
                settings.url,
                verify=verify,
                timeout=self._timeout,
                content=body,
                headers={
                    "Content-Type": "application/json",
                    **headers(keys, message, int(time.time()), body),
                },
            )
        except DrorchError as error:
            return Outcome(verdict=Verdict.AGAIN, reason=error.message)
        return _judged(answer)

    def _prepared(self, name: str, settings: HookSettings) -> tuple[list[bytes], ssl.SSLContext]:
        """Return the keys and the trust; both may read files, which may have changed."""
        keys = [key_of(settings.secret.read())]
        if settings.previous_secret is not None:
            try:
                keys.append(key_of(settings.previous_secret.read()))
            except ConfigurationError as error:
                # The new one signs; that the old one is gone already must not silence the hook.
                log.warning("webhook.previous-secret", hook=name, reason=error.message)
        return keys, self._trust.context(settings.ca)


def _judged(answer: egress.Answer) -> Outcome:
    if answer.ok:
        return Outcome(verdict=Verdict.DELIVERED)
    # The answer's own words are not repeated: they are anybody's, and people read them at night.
    if answer.status == HTTPStatus.GONE:
        reason = "the target answered 410: it wants no messages any more"
        return Outcome(verdict=Verdict.GONE, reason=reason)
    wait = _asked_wait(answer.headers.get("retry-after", "")) if answer.status in _HEEDED else 0.0
    told = "; redirects are not followed" if 300 <= answer.status < 400 else ""
    return Outcome(
        verdict=Verdict.AGAIN,
        reason=f"the target answered {_named(answer.status)}{told}",
        wait=wait,
    )


def _named(status: int) -> str:
    try:
        return f"{status} {HTTPStatus(status).phrase}"
    except ValueError:
        return str(status)


def _asked_wait(value: str) -> float:
    """Return the seconds of a ``Retry-After``, 0 for none or one that cannot be read."""
    word = value.strip()
    if word.isascii() and word.isdigit():
        return float(word[:9])
    try:
        moment = parsedate_to_datetime(word)
    except ValueError:
        return 0.0
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return max(0.0, (moment - datetime.now(UTC)).total_seconds())
