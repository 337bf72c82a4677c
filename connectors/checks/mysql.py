"""``mysql``: MySQL or MariaDB lets clients in, and with a login answers a query."""

from __future__ import annotations

import contextlib
import socket
import struct
from typing import Any

from connectors.checks.attempt import Attempt, UnwellError, at
from connectors.checks.conversation import Conversation
from connectors.checks.drivers import driver
from drorch.errors import ConfigurationError

_CAPABILITIES = 0x1 | 0x200 | 0x8000 | 0x80000  # long password, 4.1, secure, plug-ins
_TURNED_AWAY = (1044, 1045, 1049, 1227, 1251, 1524, 1698, 3118, 3159)
"""Errors that only a server sends that is up: who we are, how we log in, which database."""
_MOST_ROUNDS = 4
_IN_THE_CLEAR = ("mysql_clear_password", "dialog", "mysql_old_password")


class _Refuse:
    """Keeps the driver from sending the password in the clear to whoever asks for it."""

    def __init__(self, _connection: Any) -> None: ...

    def authenticate(self, _packet: Any) -> None:
        raise ConnectionError("the server wants the password in the clear, which is not sent")


async def check(attempt: Attempt) -> str:
    """Without ``user`` knock and be turned away; with it log in and query."""
    host, port = attempt.text("host"), attempt.port(3306)
    if attempt.params.get("user"):
        attempt.asked = f"mysql {at(host, port)}, {_statement(attempt)}"
        return await _logged_in(attempt, host, port)
    if attempt.params.get("query"):
        raise ConfigurationError("a mysql check with a query needs 'user'")
    attempt.asked = f"mysql {at(host, port)}"
    async with await attempt.converse(host, port) as conversation:
        return await _greeted(attempt, conversation)


async def _greeted(attempt: Attempt, conversation: Conversation) -> str:
    """Read the greeting, then let a login fail.

    Hanging up after the greeting would count as a broken connection, and after a hundred of
    those the server blocks our host (``max_connect_errors``).
    """
    greeting, number = await _packet(conversation)
    if greeting[:1] == b"\xff":
        _turned_away(attempt, greeting)
    version, end, _ = greeting[1:].partition(b"\0")
    if greeting[:1] != b"\x0a" or not end:
        raise UnwellError(f"no MySQL: the answer begins {attempt.said(greeting[:40])}")
    attempt.saw = attempt.quote(version)
    await _send(conversation, number + 1, _login())
    for _ in range(_MOST_ROUNDS):
        answer, number = await _packet(conversation)
        if answer[:1] == b"\xff":
            _turned_away(attempt, answer)
        if answer[:1] in (b"\xff", b"\0"):
            return f"{attempt.saw} is up"
        await _send(conversation, number + 1, b"")
    raise UnwellError(f"{attempt.saw}: the login has no end")


def _login() -> bytes:
    user = b"drorch\0"
    start = struct.pack("<IIB23x", _CAPABILITIES, 1 << 24, 33)
    return start + user + b"\0" + b"mysql_native_password\0"


def _turned_away(attempt: Attempt, packet: bytes) -> None:
    code = int.from_bytes(packet[1:3], "little")
    if code not in _TURNED_AWAY:
        raise UnwellError(f"error {code}: {attempt.quote(packet[3:])}")


async def _packet(conversation: Conversation) -> tuple[bytes, int]:
    head = await conversation.exactly(4)
    length = int.from_bytes(head[:3], "little")
    if not 1 <= length <= 4096:
        raise UnwellError(f"no MySQL: the answer begins with {head!r}")
    return await conversation.exactly(length), head[3]


async def _send(conversation: Conversation, number: int, body: bytes) -> None:
    await conversation.send(len(body).to_bytes(3, "little") + bytes([number & 0xFF]) + body)


def _statement(attempt: Attempt) -> str:
    return str(attempt.params.get("query") or "select 1")


async def _logged_in(attempt: Attempt, host: str, port: int) -> str:
    pymysql = driver("pymysql", "pymysql", "mysql")
    settings = _settings(attempt)
    sock, address = await attempt.dial(host, port)
    try:
        connection = pymysql.Connection(host=address, port=port, **settings)
        # TLS where the server offers it; the driver's own context would read the system's
        # authorities each time (40 ms) without using them
        connection.ctx, _ = attempt.tls()
        connection.ssl = True
        row = await attempt.world.threads.run(lambda: _first_row(connection, sock, attempt))
    except (pymysql.Error, OSError) as error:
        raise UnwellError(attempt.quote(_words(error), 300)) from error
    finally:
        _cut(sock)
    return _judge(attempt, row)


def _settings(attempt: Attempt) -> dict[str, Any]:
    return {
        "user": attempt.text("user"),
        "password": (attempt.secret() or "").encode(),  # the driver would make Latin-1 of it
        "database": attempt.params.get("database"),
        "read_timeout": attempt.timeout,
        "write_timeout": attempt.timeout,
        "defer_connect": True,
        "auth_plugin_map": dict.fromkeys(_IN_THE_CLEAR, _Refuse),
        "ssl_disabled": True,
    }


def _first_row(connection: Any, sock: socket.socket, attempt: Attempt) -> Any:
    """Return the first row; runs in a thread, which ends when the connection is cut.

    It works on a duplicate of *sock*: the driver wraps it in TLS, and cutting needs the bare one.
    """
    connection.connect(sock.dup())
    try:
        with connection.cursor() as cursor:
            cursor.execute("set session transaction read only")
            cursor.execute("set session sql_select_limit = 1")
            cursor.execute(_end_after(connection, attempt.timeout))
            cursor.execute(_statement(attempt))
            return cursor.fetchone()
    finally:
        with contextlib.suppress(Exception):  # the answer stands; this only says goodbye
            connection.close()


def _end_after(connection: Any, seconds: float) -> str:
    """Return what makes the server end a slow query: it does not notice that we have gone."""
    if "MariaDB" in connection.get_server_info():
        return f"set session max_statement_time = {seconds:f}"
    return f"set session max_execution_time = {seconds * 1000:.0f}"


def _cut(sock: socket.socket) -> None:
    with sock, contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _words(error: Exception) -> str:
    return " ".join(str(part) for part in error.args) or type(error).__name__


def _judge(attempt: Attempt, row: Any) -> str:
    if row is None:
        raise UnwellError("the query gave no row")
    value, expect = str(row[0]), attempt.params.get("expect")
    if expect is not None and value != str(expect):
        raise UnwellError(f"{attempt.said(value)}, wanted {str(expect)!r}")
    return f"{attempt.said(value)}"
