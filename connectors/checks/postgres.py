"""``postgres``: the server lets clients in, and with a login answers a query."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import socket
import struct
from typing import Any

from connectors.checks.attempt import Attempt, UnwellError, at
from connectors.checks.conversation import Conversation
from connectors.checks.drivers import driver
from drorch.errors import ConfigurationError

_LARGEST_ERROR = 1 << 16
_LET_IN_OR_NOT = ("28", "3D")
"""Classes of errors that only a server sends that is up: who we are, which database."""


async def check(attempt: Attempt) -> str:
    """Without ``user`` ask for a session and read the first answer; with it log in and query."""
    host, port = attempt.text("host"), attempt.port(5432)
    if attempt.params.get("user"):
        attempt.asked = f"postgres {at(host, port)}, {_statement(attempt)}"
        return await _logged_in(attempt, host, port)
    if attempt.params.get("query"):
        raise ConfigurationError("a postgres check with a query needs 'user'")
    attempt.asked = f"postgres {at(host, port)}"
    async with await attempt.converse(host, port) as conversation:
        return await _greeted(attempt, conversation)


async def _greeted(attempt: Attempt, conversation: Conversation) -> str:
    database = attempt.params.get("database")
    settings = f"user\0drorch\0database\0{database or 'postgres'}\0application_name\0drorch\0\0"
    body = struct.pack("!i", 196608) + settings.encode()
    await conversation.send(struct.pack("!i", len(body) + 4) + body)
    kind = await conversation.exactly(1)
    (length,) = struct.unpack("!i", await conversation.exactly(4))
    if kind not in b"RE" or not 8 <= length <= _LARGEST_ERROR:
        raise UnwellError(f"no PostgreSQL: the answer begins with {kind!r}")
    body = await conversation.exactly(length - 4)
    return "accepts sessions" if kind == b"R" else _refused(attempt, body)


def _refused(attempt: Attempt, body: bytes) -> str:
    fields = {part[:1]: part[1:] for part in body.split(b"\0") if part}
    code = fields.get(b"C", b"").decode("ascii", "replace")
    message = attempt.quote(fields.get(b"M", b""))
    if code == "57P03":
        raise UnwellError(f"is not ready yet (57P03): {message}")
    unwanted = code == "3D000" and attempt.params.get("database")
    if not code.startswith(_LET_IN_OR_NOT) or unwanted:
        raise UnwellError(f"{attempt.quote(code)}: {message}")
    return f"is up (turned an unknown user away, {code})"


def _statement(attempt: Attempt) -> str:
    return str(attempt.params.get("query") or "select 1")


async def _logged_in(attempt: Attempt, host: str, port: int) -> str:
    psycopg = driver("psycopg", "psycopg", "postgres")
    settings = _settings(attempt, host, port)
    # the driver doesn't tell refused from unreachable; PostgreSQL doesn't log this connection
    async with await attempt.converse(host, port) as conversation:
        settings["hostaddr"] = conversation.address
    try:
        connection = await psycopg.AsyncConnection.connect(**settings)
        row = await _first_row(connection, _statement(attempt), attempt.timeout)
    except psycopg.Error as error:
        code = f"{error.sqlstate}: " if error.sqlstate else ""
        raise UnwellError(f"{code}{attempt.quote(' '.join(str(error).split()), 300)}") from error
    return _judge(attempt, row)


def _settings(attempt: Attempt, host: str, port: int) -> dict[str, Any]:
    user = attempt.text("user")
    return {
        "host": host,
        "port": port,
        "user": user,
        "password": attempt.secret(),
        "dbname": attempt.params.get("database") or user,
        "application_name": "drorch",
        "connect_timeout": max(2, math.ceil(attempt.timeout)),
        "sslmode": "prefer",
        "gssencmode": "disable",
        "passfile": os.devnull,
        # whoever answers there must not get the password in the clear by asking for it
        "require_auth": "!password",
    }


async def _first_row(connection: Any, query: str, timeout: float) -> tuple[Any, ...] | None:
    """Return the first row of *query* in a read-only transaction.

    When this is cancelled the connection is cut under the driver: it would otherwise ask the
    server to cancel the query, and wait for its answer.
    """
    task = asyncio.create_task(_read(connection, query, timeout))
    task.add_done_callback(lambda done: done.cancelled() or done.exception())
    try:
        return await asyncio.shield(task)
    finally:
        _cut(connection)
        await asyncio.wait({task}, timeout=0.25)
        task.cancel()
        connection.pgconn.finish()


async def _read(connection: Any, query: str, timeout: float) -> tuple[Any, ...] | None:
    await connection.set_read_only(True)
    first: tuple[Any, ...] | None = None
    async with connection.cursor() as cursor:
        # the server does not notice that we have gone; slow queries would pile up there
        await cursor.execute(f"set local statement_timeout = {math.ceil(timeout * 1000)}")
        async for row in cursor.stream(query):  # one row at a time, however many there are
            first = row if first is None else first
    return first


def _cut(connection: Any) -> None:
    with contextlib.suppress(Exception), socket.socket(fileno=os.dup(connection.fileno())) as line:
        line.shutdown(socket.SHUT_RDWR)


def _judge(attempt: Attempt, row: tuple[Any, ...] | None) -> str:
    if row is None:
        raise UnwellError("the query gave no row")
    value = str(row[0]) if row else ""
    expect = attempt.params.get("expect")
    if expect is not None and value != str(expect):
        raise UnwellError(f"{attempt.said(value)}, wanted {str(expect)!r}")
    return f"{attempt.said(value)}"
