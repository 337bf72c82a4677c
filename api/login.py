"""Logging in and out with a browser: what is checked, what it begins, what it ends."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, replace

import structlog

from api.bootstrap import Application
from api.login_limits import LoginLimits, too_many
from api.people import open_codes
from api.schemas.access_problems import LoginRefusedError
from drorch.access.people import (
    Person,
    Session,
    code_step,
    new_session,
    password_fits,
    session_hash,
)
from drorch.access.principal import Caller, Means
from drorch.access.sealing import SealError
from drorch.errors import ConfigurationError

log = structlog.get_logger()

_AT_ONCE = 2
"""Passwords that are checked at once: each takes 64 MiB and a core for some tenths of a second."""
_MOST_WAITING = 16
_PATIENCE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What somebody gives to log in. *address* is where they ask from."""

    name: str
    password: str
    code: str
    address: str
    request_id: str = ""


class FrontDoor:
    """Lets people in. One for the whole HTTP side."""

    def __init__(self, app: Application, limits: LoginLimits | None = None) -> None:
        self.app = app
        self.limits = limits or LoginLimits()
        self._turn = asyncio.Semaphore(_AT_ONCE)
        self._waiting = 0

    async def log_in(self, attempt: Attempt) -> tuple[Session, str]:
        """Return a session and its cookie. Name, password and code are right together or not.

        Raises `LoginRefusedError`, which does not say what was wrong, and `TooManyRequestsError`.
        """
        name = attempt.name.strip().casefold()
        self.limits.refuse(name, attempt.address)
        person = await self._proved(name, attempt)
        if person is None:
            log.warning("login.refused", person=name[:60], address=attempt.address)
            raise LoginRefusedError("name, password and code do not fit together")
        self.limits.succeeded(name, attempt.address)
        return await self.begin(person, attempt.address, attempt.request_id, by="password")

    async def _proved(self, name: str, attempt: Attempt) -> Person | None:
        """Count the failure in the same turn: many attempts at once are no way around it."""
        if self._waiting >= _MOST_WAITING:
            raise too_many(_PATIENCE)
        self._waiting += 1
        try:
            async with self._turn:
                self.limits.refuse(name, attempt.address)
                person = await self._checked(name, attempt)
                if person is None:
                    self.limits.failed(name, attempt.address)
                return person
        finally:
            self._waiting -= 1

    async def _checked(self, name: str, attempt: Attempt) -> Person | None:
        """Take as long for somebody who is not there, or may not come in, as for anybody."""
        person = await self.app.gate.person(name)
        stored = person.password if person is not None else ""
        fits = await asyncio.to_thread(password_fits, attempt.password, stored)
        if person is None or not fits or person.disabled_at is not None:
            return None
        return person if await self._code_fits(person, attempt.code) else None

    async def _code_fits(self, person: Person, code: str) -> bool:
        """Tell whether the one-time code is right, and make it useless for anybody else."""
        if not person.totp:
            return True
        try:
            secret = await asyncio.to_thread(open_codes, self.app, person)
        except (SealError, ConfigurationError) as error:
            log.warning("login.codes-unreadable", person=person.name, reason=error.message)
            return False
        step = code_step(secret, code.replace(" ", ""), time.time())
        return step is not None and await self.app.gate.use_code(person.name, step)

    async def begin(
        self, person: Person, address: str, request_id: str, *, by: str
    ) -> tuple[Session, str]:
        """Begin a session of *person*, who has proved who they are *by* password or OIDC."""
        session, cookie = new_session(person.name, address)
        act = _caller(person, address, request_id).act(
            "session.begin", f"person/{person.name}", after={"by": by}
        )
        await self.app.gate.add_session(session, act)
        log.info("login.done", person=person.name, address=address, by=by)
        return session, cookie

    async def end(self, cookie: str, caller: Caller) -> None:
        """End the session of *cookie*, which is *caller*'s."""
        if caller.by.means is Means.PERSON:
            act = caller.act("session.end", f"person/{caller.by.id}")
            await self.app.gate.end_session(session_hash(cookie), act)


def _caller(person: Person, address: str, request_id: str) -> Caller:
    return Caller(by=replace(person.principal, address=address), request_id=request_id)
