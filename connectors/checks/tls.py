"""``tls``: the certificate is believed, fits the name, and lasts long enough."""

from __future__ import annotations

import ssl
import time
from datetime import UTC, datetime

from cryptography import x509

from connectors.checks.attempt import Attempt, UnwellError, at

_WORDS = {
    "WRONG_VERSION_NUMBER": "what answers speaks no TLS",
    "UNEXPECTED_EOF_WHILE_READING": "it closed the connection during the handshake",
}


async def check(attempt: Attempt) -> str:
    """Shake hands as a strict client would, then count the days."""
    host, port = attempt.text("host"), attempt.port(443)
    name = str(attempt.params.get("server_name") or host)
    attempt.asked = f"tls {at(host, port)}" + (f" as {name}" if name != host else "")
    context = attempt.world.trust.context(attempt.params.get("ca"))
    async with await attempt.converse(host, port) as conversation:
        try:
            await conversation.secure(context, name)
        except ssl.SSLError as error:
            raise UnwellError(attempt.quote(words(error), 300)) from error
        return _judge(attempt, conversation.certificate)


def words(error: ssl.SSLError) -> str:
    """Return what OpenSSL has against the other side, in words where they are not plain."""
    reason = str(getattr(error, "verify_message", "") or error.reason or error)
    return _WORDS.get(reason, reason)


def _judge(attempt: Attempt, certificate: bytes) -> str:
    until = x509.load_der_x509_certificate(certificate).not_valid_after_utc
    days = (until - datetime.fromtimestamp(time.time(), UTC)).total_seconds() / 86400
    said = f"valid until {until:%Y-%m-%d}, {days:.0f} days"
    least = attempt.params.get("min_days")
    if least is not None and days < float(least):
        raise UnwellError(f"{said}, wanted at least {least}", hint="renew the certificate")
    return said
