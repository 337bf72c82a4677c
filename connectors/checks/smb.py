"""``smb``: a file server negotiates SMB 2 or 3, and with a login opens the share."""

from __future__ import annotations

import contextlib
import socket
import struct
import uuid
from typing import Any

from connectors.checks.attempt import Attempt, UnwellError, at
from connectors.checks.conversation import Conversation
from connectors.checks.drivers import driver
from drorch.errors import ConfigurationError

_DIALECTS = {0x0202: "2.0.2", 0x0210: "2.1", 0x0300: "3.0", 0x0302: "3.0.2", 0x0311: "3.1.1"}
_MAGIC = b"\xfeSMB"
_LARGEST_ANSWER = 1 << 17


async def check(attempt: Attempt) -> str:
    """Negotiate by hand; with ``user`` log in and open ``share`` (else only the session)."""
    host, port = attempt.text("host"), attempt.port(445)
    share, user = attempt.params.get("share"), attempt.params.get("user")
    attempt.asked = f"smb {at(host, port)}" + (f", share {share}" if share else "")
    if share and not user:
        raise ConfigurationError(
            "an smb check with a share needs 'user' and 'secret'",
            hint="leave out the share to ask only whether the server answers",
        )
    async with await attempt.converse(host, port) as conversation:
        said = await _negotiated(attempt, conversation)
        address = conversation.address
    if not user:
        return said
    await _logged_in(attempt, address, port)
    return f"{said}; {f'share {share}' if share else 'session'} opened"


async def _negotiated(attempt: Attempt, conversation: Conversation) -> str:
    request = _negotiate()
    await conversation.send(struct.pack("!I", len(request)) + request)
    (length,) = struct.unpack("!I", await conversation.exactly(4))
    if not 70 <= length <= _LARGEST_ANSWER:
        raise UnwellError("no SMB: the length of the answer makes no sense")
    answer = await conversation.exactly(length)
    status, command = struct.unpack("<IH", answer[8:14])
    if not answer.startswith(_MAGIC) or command != 0:
        raise UnwellError(f"no SMB 2: the answer begins {attempt.said(answer[:20])}")
    if status != 0:
        raise UnwellError(f"negotiation refused with status 0x{status:08x}")
    (dialect,) = struct.unpack("<H", answer[68:70])
    return f"speaks SMB {_DIALECTS.get(dialect, hex(dialect))}"


def _negotiate() -> bytes:
    """Return an SMB2 NEGOTIATE for the dialects before 3.1.1, which need no contexts."""
    dialects = struct.pack("<4H", *list(_DIALECTS)[:4])
    header = _MAGIC + struct.pack("<HHIHH", 64, 0, 0, 0, 1) + bytes(48)
    body = struct.pack("<HHHHI", 36, 4, 1, 0, 0) + uuid.uuid4().bytes + bytes(8)
    return header + body + dialects


async def _logged_in(attempt: Attempt, address: str, port: int) -> None:
    connection_module = driver("smbprotocol.connection", "smbprotocol", "smb")
    password = attempt.secret()
    connection = connection_module.Connection(uuid.uuid4(), address, port)
    smb_error = driver("smbprotocol.exceptions", "smbprotocol", "smb").SMBException
    try:
        await attempt.world.threads.run(lambda: _open_share(attempt, connection, password))
    except (smb_error, ValueError, OSError) as error:
        raise UnwellError(attempt.quote(str(error), 300)) from error
    finally:
        _cut(connection)


def _open_share(attempt: Attempt, connection: Any, password: str | None) -> None:
    """Log in and open the share; runs in a thread, which ends when the socket is cut."""
    session_module = driver("smbprotocol.session", "smbprotocol", "smb")
    tree_module = driver("smbprotocol.tree", "smbprotocol", "smb")
    share = attempt.params.get("share")
    seconds = max(1, int(attempt.timeout))
    try:
        connection.connect(timeout=seconds)
        session = session_module.Session(
            connection,
            attempt.text("user"),
            password or "",
            require_encryption=False,
            auth_protocol="ntlm",
        )
        session.connect()
        if share:
            tree_module.TreeConnect(session, rf"\\{connection.server_name}\{share}").connect()
    finally:
        with contextlib.suppress(Exception):  # the answer stands; this only says goodbye
            connection.disconnect(close=False)


def _cut(connection: Any) -> None:
    sock = getattr(connection.transport, "_sock", None)
    if sock is not None:
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)
