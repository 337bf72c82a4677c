"""The one way out over HTTP: to a checked address, without redirects or proxies, within bounds."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass

import httpx2

from connectors.network import Network
from drorch.errors import ConfigurationError, OutcomeUnknownError, UnreachableError

MOST_KEPT = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; ``body`` is its beginning as sent, ``headers`` have lower-case names."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def ok(self) -> bool:
        """Tell that it is a 2xx. A redirect is none: it is an answer, and nobody goes there."""
        return 200 <= self.status < 300


def client(
    network: Network,
    *,
    verify: ssl.SSLContext,
    headers: Mapping[str, str] | None = None,
    connect_timeout: float | None = None,
) -> httpx2.AsyncClient:
    """Return a client for one conversation; the caller closes it and sets the deadline.

    A name is resolved once for a request, every address of it is checked, and the checked address
    is the one connected to, with the name in the Host header, in SNI and for the certificate. No
    redirect is followed; proxies, ``.netrc`` and certificates of the environment are not heeded;
    nothing is asked for compressed. A request raises `ConfigurationError` for what
    ``[network] allow`` does not have, `UnreachableError` for a name without address, and httpx2's
    own errors. *verify* comes from `connectors.checks.trust.Trust`, which keeps it: making one
    takes 30 ms.
    """
    merged = httpx2.Headers({"User-Agent": "drorch", "Accept-Encoding": "identity"})
    merged.update(headers or {})
    return httpx2.AsyncClient(
        transport=network.transport(verify),
        trust_env=False,
        follow_redirects=False,
        timeout=httpx2.Timeout(None, connect=connect_timeout),
        headers=merged,
    )


async def exchange(
    network: Network,
    method: str,
    url: str,
    *,
    verify: ssl.SSLContext,
    timeout: float,
    content: bytes = b"",
    headers: Mapping[str, str] | None = None,
    most: int = MOST_KEPT,
) -> Answer:
    """Send one request as `client` does, and return the answer with *most* bytes of its body.

    All of it takes at most *timeout* seconds. Errors tell what may be done next:
    `ConfigurationError`: the address or the target is not allowed, trying again changes nothing;
    `UnreachableError`: it was certainly not received; `OutcomeUnknownError`: it may have been.
    No message holds more of *url* than host and port: the rest of it is often a secret.
    """
    target = _web_address(url)
    sent = _Sent()
    try:
        async with asyncio.timeout(timeout), client(network, verify=verify, headers=headers) as out:
            request = out.build_request(
                method, target, content=content, extensions={"trace": sent.watch}
            )
            return await _answered(out, request, most)
    except (TimeoutError, httpx2.HTTPError, OSError) as error:
        said = "no answer in time" if isinstance(error, TimeoutError) else _words(error)
        where = f"{target.host}:{target.port or target.scheme}"
        if sent.begun:
            raise OutcomeUnknownError(f"{where}: {said}; it may have been received") from error
        raise UnreachableError(f"{where}: {said}; nothing was sent") from error


class _Sent:
    """Whether a first byte of the request can have left."""

    def __init__(self) -> None:
        self.begun = False

    async def watch(self, event: str, _info: Mapping[str, object]) -> None:
        self.begun = self.begun or event.endswith("send_request_headers.started")


async def _answered(out: httpx2.AsyncClient, request: httpx2.Request, most: int) -> Answer:
    response = await out.send(request, stream=True)
    try:
        body = bytearray()
        async for part in response.aiter_raw():
            body += part
            if len(body) >= most:
                break
    finally:
        await response.aclose()
    return Answer(
        status=response.status_code,
        reason=response.reason_phrase,
        headers={name.lower(): value for name, value in response.headers.items()},
        body=bytes(body[:most]),
    )


def _web_address(url: str) -> httpx2.URL:
    """Return *url* read once; the same reading is checked and connected to."""
    try:
        target = httpx2.URL(url)
    except (httpx2.InvalidURL, ValueError) as error:
        raise ConfigurationError(
            "a web address cannot be read", hint="write it in full, like https://10.1.1.22/hook"
        ) from error
    if target.scheme not in ("http", "https") or not target.host:
        raise ConfigurationError(
            f"{target.scheme or 'a word'} without host or scheme is no http address",
            hint="write it in full, like https://10.1.1.22/hook",
        )
    return target


def _words(error: Exception) -> str:
    """Return what the operating system, TLS or the protocol said."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return f"TLS: {cause.reason or cause}"
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
        cause = cause.__cause__ or cause.__context__
    return str(error) or type(error).__name__
