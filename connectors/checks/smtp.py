"""``smtp``: a mail server greets, names itself and, if wanted, begins TLS."""

from __future__ import annotations

import ssl

from connectors.checks.attempt import Attempt, UnwellError, at
from connectors.checks.conversation import Conversation
from connectors.checks.tls import words

_MOST_LINES = 100


async def check(attempt: Attempt) -> str:
    """Greet as a client would, and leave before there is any mail."""
    host, port = attempt.text("host"), attempt.port(25)
    attempt.asked = f"smtp {at(host, port)}"
    async with await attempt.converse(host, port) as conversation:
        greeting = await _expect(attempt, conversation, 220)
        offers = await _say(attempt, conversation, b"EHLO drorch", 250)
        secured = ""
        if attempt.params.get("starttls"):
            secured = await _secure(attempt, conversation, host, offers)
        await conversation.send(b"QUIT\r\n")
    return f"{attempt.quote(greeting[0])}{secured}"


async def _secure(
    attempt: Attempt, conversation: Conversation, host: str, offers: list[bytes]
) -> str:
    if not any(line[4:].strip().upper() == b"STARTTLS" for line in offers):
        raise UnwellError("STARTTLS is not offered")
    await _say(attempt, conversation, b"STARTTLS", 220)
    context, trust = attempt.tls()
    try:
        await conversation.secure(context, host)
    except ssl.SSLError as error:
        raise UnwellError(f"STARTTLS: {attempt.quote(words(error))}") from error
    await _say(attempt, conversation, b"EHLO drorch", 250)
    return f"; {trust}"


async def _say(
    attempt: Attempt, conversation: Conversation, command: bytes, wanted: int
) -> list[bytes]:
    await conversation.send(command + b"\r\n")
    return await _expect(attempt, conversation, wanted, f" to {command.decode()}")


async def _expect(
    attempt: Attempt, conversation: Conversation, wanted: int, where: str = ""
) -> list[bytes]:
    """Return the lines of one reply, of which the last has no hyphen after its code."""
    lines: list[bytes] = []
    while not lines or lines[-1][3:4] == b"-":
        lines.append(await conversation.line())
        attempt.saw = attempt.quote(lines[-1])
        if not lines[-1].startswith(str(wanted).encode()) or len(lines) > _MOST_LINES:
            raise UnwellError(f"'{attempt.saw}'{where}, wanted {wanted}")
    return lines
