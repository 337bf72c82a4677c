"""Tokens, people and sessions in the database."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, delete, func, insert, select, update

from drorch.access.people import Person, Session
from drorch.access.principal import Act
from drorch.access.roles import Role
from drorch.access.tokens import Token
from drorch.errors import DrorchError
from drorch.journal.access_tables import PersonRow, SessionRow, TokenRow
from drorch.journal.ledger import audit_
from drorch.journal.store import Store
from drorch.model.moment import stamp

tokens_ = TokenRow.__table__  # type: ignore[attr-defined]  # SQLModel adds it at run time
people_ = PersonRow.__table__  # type: ignore[attr-defined]
sessions_ = SessionRow.__table__  # type: ignore[attr-defined]

_CLOSING = ("token.create", "person.add")
"""Acts after which the service is never open again."""


class AccessConflictError(DrorchError):
    """There is one of that name already, or there is none."""

    code = "access-conflict"


class TokenNotFoundError(DrorchError):
    code = "token-not-found"


class PersonNotFoundError(DrorchError):
    code = "person-not-found"


class Gate:
    """Reads and writes who may come in. Every change names its act for the record."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def is_open(self) -> bool:
        """Tell whether nobody was ever configured.

        Whoever revokes the last token, or removes the last person, opens nothing to anybody.
        """

        def work(connection: Connection) -> bool:
            made = select(audit_.c.seq).where(audit_.c.action.in_(_CLOSING)).limit(1)
            return not _somebody(connection) and connection.execute(made).first() is None

        return await self._store.reading(work)

    async def has_somebody(self) -> bool:
        """Tell whether there is a living token or a person."""
        return await self._store.reading(_somebody)

    async def add_token(self, token: Token, act: Act) -> None:
        row = {
            "id": token.id,
            "name": token.name,
            "role": str(token.role),
            "hash": token.hash,
            "created_at": token.created_at,
            "created_by": token.created_by,
            "expires_at": stamp(token.expires_at) if token.expires_at else None,
            "addresses": ",".join(token.addresses),
            "last_used_from": "",
            "revoked_by": "",
        }

        def work(connection: Connection) -> None:
            where = (tokens_.c.name == token.name) & tokens_.c.revoked_at.is_(None)
            if connection.execute(select(tokens_.c.id).where(where)).first():
                raise AccessConflictError(
                    f"there is a token {token.name!r} already",
                    hint="revoke that one first, or take another name",
                )
            connection.execute(insert(tokens_), row)

        await self._store.writing(work, act)

    async def token(self, key: str) -> Token | None:
        query = select(tokens_).where(tokens_.c.id == key)
        row = await self._store.reading(lambda c: c.execute(query).mappings().first())
        return _token(row) if row is not None else None

    async def tokens(self) -> Sequence[Token]:
        query = select(tokens_).order_by(tokens_.c.created_at, tokens_.c.id)
        rows = await self._store.reading(lambda c: c.execute(query).mappings().all())
        return [_token(row) for row in rows]

    async def revoke_token(self, key: str, act: Act) -> Token:
        """Revoke a token by its id or its name. Raises `TokenNotFoundError`."""

        def work(connection: Connection) -> Token:
            where = ((tokens_.c.id == key) | (tokens_.c.name == key)) & (
                tokens_.c.revoked_at.is_(None)
            )
            row = connection.execute(select(tokens_).where(where)).mappings().first()
            if row is None:
                raise TokenNotFoundError(
                    f"there is no token {key!r}, or it is revoked",
                    hint="'drorch token list' shows them",
                )
            gone = {"revoked_at": stamp(datetime.now(UTC)), "revoked_by": act.by.name}
            connection.execute(update(tokens_).where(tokens_.c.id == row["id"]).values(**gone))
            return _token(row)

        return await self._store.writing(work, act)

    async def note_use(self, used: Mapping[str, tuple[str, str]]) -> None:
        """Remember when, and from where, each token (by id) was used last."""

        def work(connection: Connection) -> None:
            for key, (at, address) in used.items():
                told = {"last_used_at": at, "last_used_from": address}
                connection.execute(update(tokens_).where(tokens_.c.id == key).values(**told))

        await self._store.writing(work)

    async def add_person(self, person: Person, act: Act) -> None:
        row = {
            "name": person.name,
            "role": str(person.role),
            "password": person.password,
            "totp": person.totp,
            "totp_used": 0,
            "subject": person.subject,
            "created_at": stamp(datetime.now(UTC)),
            "created_by": act.by.name,
        }

        def work(connection: Connection) -> None:
            where = people_.c.name == person.name
            if connection.execute(select(people_.c.name).where(where)).first():
                raise AccessConflictError(
                    f"there is a person {person.name!r} already",
                    hint=f"'drorch user password {person.name}' gives a new password",
                )
            connection.execute(insert(people_), row)

        await self._store.writing(work, act)

    async def change_person(self, name: str, act: Act, **values: Any) -> None:
        """Change a person and end their sessions. Raises `PersonNotFoundError`."""

        def work(connection: Connection) -> None:
            done = connection.execute(
                update(people_).where(people_.c.name == name).values(**values)
            ).rowcount
            if not done:
                raise _no_person(name)
            connection.execute(delete(sessions_).where(sessions_.c.person == name))

        await self._store.writing(work, act)

    async def remove_person(self, name: str, act: Act) -> None:
        def work(connection: Connection) -> None:
            if not connection.execute(delete(people_).where(people_.c.name == name)).rowcount:
                raise _no_person(name)
            connection.execute(delete(sessions_).where(sessions_.c.person == name))

        await self._store.writing(work, act)

    async def person(self, name: str) -> Person | None:
        query = select(people_).where(people_.c.name == name)
        row = await self._store.reading(lambda c: c.execute(query).mappings().first())
        return _person(row) if row is not None else None

    async def person_of_subject(self, subject: str) -> Person | None:
        """Return who this is at the OIDC provider; None for somebody unknown."""
        query = select(people_).where(people_.c.subject == subject)
        row = await self._store.reading(lambda c: c.execute(query).mappings().first())
        return _person(row) if row is not None and subject else None

    async def people(self) -> Sequence[Person]:
        query = select(people_).order_by(people_.c.name)
        rows = await self._store.reading(lambda c: c.execute(query).mappings().all())
        return [_person(row) for row in rows]

    async def use_code(self, name: str, step: int) -> bool:
        """Mark the one-time code of time *step* as used; False if it was, or a later one."""

        def work(connection: Connection) -> bool:
            fresh = (people_.c.name == name) & (people_.c.totp_used < step)
            done = connection.execute(update(people_).where(fresh).values(totp_used=step))
            return done.rowcount > 0

        return await self._store.writing(work)

    async def add_session(self, session: Session, act: Act) -> None:
        def work(connection: Connection) -> None:
            connection.execute(delete(sessions_).where(sessions_.c.expires < time.time()))
            connection.execute(insert(sessions_), session.row())

        await self._store.writing(work, act)

    async def session(self, digest: str) -> tuple[Session, Person] | None:
        """Return the session with that hash and whose it is; None if it is over."""

        def work(connection: Connection) -> tuple[Any, Any] | None:
            found = connection.execute(select(sessions_).where(sessions_.c.hash == digest))
            if (row := found.mappings().first()) is None:
                return None
            whose = connection.execute(select(people_).where(people_.c.name == row["person"]))
            person = whose.mappings().first()
            return None if person is None else (row, person)

        rows = await self._store.reading(work)
        return None if rows is None else (Session(**rows[0]), _person(rows[1]))

    async def see_session(self, digest: str, seen: float) -> None:
        where = sessions_.c.hash == digest
        statement = update(sessions_).where(where).values(seen=seen)
        await self._store.writing(lambda c: c.execute(statement).rowcount)

    async def end_session(self, digest: str, act: Act) -> None:
        statement = delete(sessions_).where(sessions_.c.hash == digest)
        await self._store.writing(lambda c: c.execute(statement).rowcount, act)


def _somebody(connection: Connection) -> bool:
    alive = select(func.count()).select_from(tokens_).where(tokens_.c.revoked_at.is_(None))
    people = select(func.count()).select_from(people_)
    return bool(connection.execute(alive).scalar() or connection.execute(people).scalar())


def _no_person(name: str) -> PersonNotFoundError:
    return PersonNotFoundError(
        f"there is no person {name!r}", hint="'drorch user list' shows who there is"
    )


def _token(row: Mapping[Any, Any]) -> Token:
    expires = row["expires_at"]
    return Token(
        id=row["id"],
        name=row["name"],
        role=Role(row["role"]),
        hash=row["hash"],
        created_at=row["created_at"],
        created_by=row["created_by"],
        expires_at=datetime.fromisoformat(expires) if expires else None,
        addresses=tuple(filter(None, row["addresses"].split(","))),
        last_used_at=row["last_used_at"],
        last_used_from=row["last_used_from"],
        revoked_at=row["revoked_at"],
    )


def _person(row: Mapping[Any, Any]) -> Person:
    return Person(
        name=row["name"],
        role=Role(row["role"]),
        password=row["password"],
        totp=row["totp"],
        subject=row["subject"],
        disabled_at=row["disabled_at"],
    )
