"""Asks this machine's own service whether it is well: for its parent, and for a container.

``python -m api.answering`` ends with 0 when the configured service answers, else with 1.
"""

from __future__ import annotations

import asyncio
import ssl
import sys

from api.serving_tls import trust_in_own
from api.settings import load_settings
from drorch.errors import ConfigurationError

PATIENCE = 2.0
_NAME = "localhost"


async def answers(
    host: str, port: int, trust: ssl.SSLContext | None, path: str = "/readyz"
) -> bool:
    """Tell whether *path* is answered well, over TLS if it is known whom to *trust*."""
    named = _NAME if trust is not None else None
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(
                reached(host), port, ssl=trust, server_hostname=named
            )
            writer.write(f"GET {path} HTTP/1.0\r\nHost: {_NAME}\r\n\r\n".encode())
            answer = await reader.readline()
            writer.close()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in answer


def reached(host: str) -> str:
    """Return the address at which a service that listens at *host* is reached from here."""
    return {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104


def main() -> int:
    """Ask, and return the exit code."""
    try:
        settings = load_settings()
        trust = trust_in_own(settings)
    except ConfigurationError as error:
        sys.stderr.write(f"{error.message}\n")
        return 1
    server = settings.server
    is_well = asyncio.run(answers(server.host, server.port, trust, "/healthz"))
    return 0 if is_well else 1


if __name__ == "__main__":
    sys.exit(main())
