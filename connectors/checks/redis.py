"""``redis``: the server answers PONG, and has loaded its data."""

from __future__ import annotations

from connectors.checks.attempt import Attempt, UnwellError, at
from connectors.checks.conversation import Conversation


async def check(attempt: Attempt) -> str:
    """Log in where a secret is given, then PING.

    Without a secret a server that wants one is not well: NOAUTH comes even while it loads.
    """
    host, port = attempt.text("host"), attempt.port(6379)
    password = attempt.secret()
    attempt.asked = f"redis {at(host, port)}, PING"
    async with await attempt.converse(host, port) as conversation:
        if password is not None:
            await _say(attempt, conversation, b"+OK", "AUTH", password)
        await _say(attempt, conversation, b"+PONG", "PING")
    return "PONG"


async def _say(attempt: Attempt, conversation: Conversation, wanted: bytes, *words: str) -> None:
    parts = [word.encode() for word in words]
    request = b"".join(b"$%d\r\n%s\r\n" % (len(part), part) for part in parts)
    await conversation.send(b"*%d\r\n%s" % (len(parts), request))
    answer = await conversation.line()
    attempt.saw = attempt.quote(answer)
    if answer.startswith(b"-NOAUTH"):
        raise UnwellError(attempt.saw, hint="give the check a secret")
    if answer != wanted:
        raise UnwellError(f"'{attempt.saw}' to {words[0]}, wanted {wanted.decode()!r}")
