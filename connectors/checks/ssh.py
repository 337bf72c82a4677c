"""``ssh``: an SSH server introduces itself."""

from __future__ import annotations

from connectors.checks.attempt import Attempt, UnwellError, at

_MOST_LINES = 20


async def check(attempt: Attempt) -> str:
    """Read the banner, after any lines that RFC 4253 lets a server send before it."""
    host, port = attempt.text("host"), attempt.port(22)
    attempt.asked = f"ssh {at(host, port)}"
    async with await attempt.converse(host, port) as conversation:
        for _ in range(_MOST_LINES):
            line = await conversation.line()
            attempt.saw = attempt.quote(line)
            if line.startswith((b"SSH-2.0-", b"SSH-1.99-")):
                await conversation.send(b"SSH-2.0-drorch\r\n")
                return _judge(attempt, line)
    raise UnwellError(f"no SSH banner in {_MOST_LINES} lines; the last: {attempt.saw}")


def _judge(attempt: Attempt, banner: bytes) -> str:
    wanted = attempt.params.get("contains")
    if wanted and str(wanted).encode() not in banner:
        raise UnwellError(f"{attempt.quote(banner)}, wanted {attempt.said(str(wanted))} in it")
    return attempt.quote(banner)
