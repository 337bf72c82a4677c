"""What people can do about people, once for every face: add, change, link and remove them."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from datetime import UTC, datetime

from api.bootstrap import Application
from api.key_files import own_key
from drorch.access.oidc import subject_of
from drorch.access.people import Person, hash_password, new_totp, totp_address
from drorch.access.principal import Caller
from drorch.access.roles import Role
from drorch.access.sealing import Seal, new_key
from drorch.errors import ConfigurationError
from drorch.journal.gate import AccessConflictError, PersonNotFoundError
from drorch.model.moment import stamp
from drorch.run.views import Json

_NAME = re.compile(r"[a-z0-9][a-z0-9._@-]{0,59}")


@dataclass(frozen=True, slots=True, kw_only=True)
class NewCodes:
    """A new secret for one-time codes: shown once, *address* is for authenticators."""

    secret: str
    address: str


def plain_name(given: str) -> str:
    """Return a person's name as it is stored: people type capitals and blanks at night.

    Raises `ConfigurationError` for what cannot be a name.
    """
    name = given.strip().casefold()
    if not _NAME.fullmatch(name):
        raise ConfigurationError(
            f"{given!r} is no name to log in with",
            hint="use letters, digits, dots, - _ and @: mario.rossi",
        )
    return name


def seal_of(app: Application) -> Seal:
    """Return what seals secrets of people. Raises `ConfigurationError`, `SealError`."""
    given = app.settings.access.key
    if given is not None:
        return Seal(given.read())
    file = app.settings.data_dir / "keys" / "seal"
    try:
        return Seal(own_key(file, new_key))
    except OSError as error:
        raise ConfigurationError(
            f"the key in {file} cannot be used: {error.strerror or error}",
            hint="it has to be readable for the user that drorch runs as",
        ) from error


def _about(name: str) -> str:
    return f"totp/{name}"


def open_codes(app: Application, person: Person) -> str:
    """Return the secret for one-time codes of *person*. Raises `SealError`."""
    return seal_of(app).open(person.totp, _about(person.name))


def _new_codes(app: Application, name: str) -> tuple[NewCodes, str]:
    secret = new_totp()
    codes = NewCodes(secret=secret, address=totp_address(secret, name))
    return codes, seal_of(app).close(secret, _about(name))


async def add_person(
    app: Application,
    given: str,
    role: Role,
    password: str | None,
    *,
    with_codes: bool,
    caller: Caller,
) -> NewCodes | None:
    """Add somebody who may log in; without *password* by OIDC alone, once they are linked.

    Raises `WeakPasswordError`, `AccessConflictError` and `ConfigurationError`.
    """
    name = plain_name(given)
    hashed = await asyncio.to_thread(hash_password, password) if password is not None else ""
    codes, sealed = _new_codes(app, name) if with_codes else (None, "")
    after = {"role": str(role), "password": bool(hashed), "totp": bool(sealed)}
    act = caller.act("person.add", f"person/{name}", after=after)
    await app.gate.add_person(Person(name=name, role=role, password=hashed, totp=sealed), act)
    return codes


async def set_password(app: Application, given: str, password: str, caller: Caller) -> None:
    """Give somebody a new password; ends their sessions."""
    person = await _person(app, given)
    hashed = await asyncio.to_thread(hash_password, password)
    act = caller.act("person.password", f"person/{person.name}")
    await app.gate.change_person(person.name, act, password=hashed)


async def set_codes(app: Application, given: str, *, on: bool, caller: Caller) -> NewCodes | None:
    """Give somebody a new secret for one-time codes, or take it away; ends their sessions."""
    person = await _person(app, given)
    codes, sealed = _new_codes(app, person.name) if on else (None, "")
    act = caller.act(
        "person.totp",
        f"person/{person.name}",
        before={"totp": bool(person.totp)},
        after={"totp": on},
    )
    await app.gate.change_person(person.name, act, totp=sealed, totp_used=0)
    return codes


async def set_role(app: Application, given: str, role: Role, caller: Caller) -> None:
    """Give somebody another role; ends their sessions."""
    person = await _person(app, given)
    act = caller.act(
        "person.role",
        f"person/{person.name}",
        before={"role": str(person.role)},
        after={"role": str(role)},
    )
    await app.gate.change_person(person.name, act, role=str(role))


async def disable(app: Application, given: str, caller: Caller) -> None:
    """Let somebody not log in any more; ends their sessions."""
    person = await _person(app, given)
    act = caller.act("person.disable", f"person/{person.name}")
    await app.gate.change_person(person.name, act, disabled_at=stamp(datetime.now(UTC)))


async def enable(app: Application, given: str, caller: Caller) -> None:
    """Let somebody log in again."""
    person = await _person(app, given)
    act = caller.act("person.enable", f"person/{person.name}")
    await app.gate.change_person(person.name, act, disabled_at=None)


async def remove(app: Application, given: str, caller: Caller) -> None:
    """Forget somebody. What they did stays in the record."""
    person = await _person(app, given)
    act = caller.act("person.remove", f"person/{person.name}", before={"role": str(person.role)})
    await app.gate.remove_person(person.name, act)


async def link(app: Application, given: str, sub: str, caller: Caller) -> None:
    """Say who somebody is at the OIDC provider; an empty *sub* takes that back.

    Raises `AccessConflictError` when somebody else is that already.
    """
    person, oidc = await _person(app, given), app.settings.oidc
    if oidc is None:
        raise ConfigurationError(
            "there is no [oidc] in the configuration",
            hint="docs/access.md tells what a provider needs",
        )
    subject = subject_of(oidc.issuer, sub) if sub else ""
    known = await app.gate.person_of_subject(subject)
    if known is not None and known.name != person.name:
        raise AccessConflictError(
            f"{known.name} has this subject already",
            hint=f"'drorch user link {known.name} --off' takes it back",
        )
    act = caller.act("person.link", f"person/{person.name}", after={"subject": subject})
    await app.gate.change_person(person.name, act, subject=subject)


async def _person(app: Application, given: str) -> Person:
    name = given.strip().casefold()
    if (person := await app.gate.person(name)) is None:
        raise PersonNotFoundError(
            f"there is no person {name!r}", hint="'drorch user list' shows who there is"
        )
    return person


def person_json(person: Person) -> Json:
    """Return a person as every face shows them: what they have, never what it is."""
    return {
        "name": person.name,
        "role": str(person.role),
        "password": bool(person.password),
        "totp": bool(person.totp),
        "subject": person.subject or None,
        "disabled_at": person.disabled_at,
    }
