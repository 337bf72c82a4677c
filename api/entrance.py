"""Whether ``drorch serve`` may start: never open to others, never with OIDC as the only way in."""

from __future__ import annotations

import sys

import structlog

from api.bootstrap import Application
from api.serving_rules import is_exposed
from drorch.errors import ConfigurationError

log = structlog.get_logger()

HOW_TO_BEGIN = (
    "the first token: drorch token create --name NAME --role admin; the first person: drorch user "
    "add NAME --role admin (both as the user that drorch runs as, with the same configuration)"
)


async def look_at_entrance(app: Application) -> str:
    """Return what has to be said of a service that runs open, or that nobody can log in to.

    Raises `ConfigurationError` for one that others can reach and nobody has to log in to, and for
    one that nobody could log in to without its OIDC provider.
    """
    settings = app.settings
    if not await app.gate.has_somebody():
        if is_exposed(settings):
            raise ConfigurationError(
                "nobody would have to log in: there is no token and no person, and "
                f"[server] host = {settings.server.host!r} can be reached from elsewhere",
                hint="make the first token, then start again: 'drorch token create --name NAME "
                "--role admin' (it is shown once), or 'drorch user add NAME --role admin'; as the "
                "user that drorch runs as, with the same configuration",
            )
        if not await app.gate.is_open():
            return (
                "nobody can log in: every token is revoked and there is no person any more; the "
                "command line on this machine works all the same"
            )
        return (
            "drorch runs open: whoever reaches it on this machine may do anything, until the "
            "first token or person is made"
        )
    if settings.oidc is not None and not await _has_way_of_its_own(app):
        raise ConfigurationError(
            "without its OIDC provider nobody could log in: there is no token, and no person has "
            "a password",
            hint="make one for that night: 'drorch user password NAME' or 'drorch token create "
            "--name NAME --role admin'",
        )
    return ""


def tell_entrance(told: str) -> None:
    """Say in the log, and to whoever starts the service, what `look_at_entrance` has to say."""
    if told:
        log.warning("serve.entrance", reason=told)
        sys.stderr.write(f"{told}\n{HOW_TO_BEGIN}\n")
        sys.stderr.flush()


async def _has_way_of_its_own(app: Application) -> bool:
    if any(person.password and not person.disabled_at for person in await app.gate.people()):
        return True
    return any(token.revoked_at is None for token in await app.gate.tokens())
