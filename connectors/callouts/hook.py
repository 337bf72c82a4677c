"""One web hook of a call-out: a POST of JSON, to allowed addresses only, no redirects."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping

import httpx2

from connectors import egress
from connectors.checks.evidence import shown
from connectors.network import Network
from drorch.errors import DrorchError
from drorch.ports.callout import CalloutResult

_KEPT = 8192


async def post(
    url: str,
    body: Mapping[str, object],
    token: str | None,
    *,
    network: Network,
    verify: ssl.SSLContext,
    timeout: float,
) -> CalloutResult:
    """Post *body* to *url* and tell what came back; any 2xx is good."""
    secrets = [token] if token else []
    try:
        async with asyncio.timeout(timeout):
            ok, said = await _post(url, body, token, network, verify)
    except TimeoutError:
        ok, said = False, f"no answer within {timeout:g} s; it may have been carried out"
    except httpx2.HTTPError as error:
        ok, said = False, str(error) or type(error).__name__
    except (httpx2.InvalidURL, DrorchError) as error:
        ok, said = False, str(error)
    return CalloutResult(ok=ok, evidence=shown(f"POST {url}: {said}", secrets))


async def _post(
    url: str,
    body: Mapping[str, object],
    token: str | None,
    network: Network,
    verify: ssl.SSLContext,
) -> tuple[bool, str]:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    async with (
        egress.client(network, verify=verify, headers=headers) as client,
        client.stream("POST", url, json=body) as response,
    ):
        said = f"{response.status_code} {response.reason_phrase}".strip()
        text = await _start(response)
        secrets = [token] if token else []
        quoted = f"; it said: {shown(text, secrets, 300)}" if text else ""
        return response.is_success, said + quoted


async def _start(response: httpx2.Response) -> bytes:
    text = bytearray()
    async for part in response.aiter_raw():
        text += part
        if len(text) >= _KEPT:
            break
    return bytes(text[:_KEPT])
