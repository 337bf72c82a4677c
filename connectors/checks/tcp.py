"""``tcp``: something accepts connections."""

from __future__ import annotations

from connectors.checks.attempt import Attempt, at


async def check(attempt: Attempt) -> str:
    """Connect and let go; says nothing about what listens."""
    host, port = attempt.text("host"), attempt.port()
    attempt.asked = f"tcp {at(host, port)}"
    async with await attempt.converse(host, port):
        return "connection accepted"
