"""``http``: a page answers with the wanted status and text."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from urllib.parse import urlsplit, urlunsplit

import httpx2

from connectors import egress
from connectors.checks.attempt import Attempt, UnwellError
from connectors.checks.tls import words
from drorch.errors import ConfigurationError

_LARGEST_BODY = 1 << 20
_QUOTED_BODY = 4096
_MOST_REDIRECTS = 3
_SECRET_HEADERS = ("authorization", "cookie", "proxy-authorization", "x-api-key")


async def check(attempt: Attempt) -> str:
    """Ask once, and follow at most three redirects, on the same host only.

    Without ``status`` any 2xx will do. Without ``contains`` the body is not waited for.
    """
    url = _url(attempt)
    method = str(attempt.params.get("method") or "GET").upper()
    attempt.asked = f"{method} {url.copy_with(username=None, password=None)}"
    async with egress.client(
        attempt.world.network,
        verify=_verify(attempt),
        headers=_headers(attempt),
        connect_timeout=attempt.timeout,  # the prober ends the rest
    ) as client:
        try:
            return await _ask(attempt, client, method, url)
        except httpx2.HTTPError as error:
            raise _translated(error) from error


async def _ask(attempt: Attempt, client: httpx2.AsyncClient, method: str, url: httpx2.URL) -> str:
    async def connected(event: str, _info: Mapping[str, object]) -> None:
        attempt.reached = attempt.reached or event == "connection.connect_tcp.complete"

    for _ in range(_MOST_REDIRECTS + 1):
        async with client.stream(method, url, extensions={"trace": connected}) as response:
            attempt.reached = True
            attempt.saw = _status(response)
            target = _redirect(attempt, response)
            if target is None:
                return await _judge(attempt, response)
            url = target
    raise UnwellError(
        f"more than {_MOST_REDIRECTS} redirects, the last to {attempt.quote(str(url))}"
    )


def _redirect(attempt: Attempt, response: httpx2.Response) -> httpx2.URL | None:
    """Return where to go on, None for here; another host or a step down to http is unwell."""
    location = response.headers.get("location")
    if response.status_code in _wanted(attempt) or not response.is_redirect or not location:
        return None
    here = response.request.url
    target = here.join(location)
    if target.host != here.host or (here.scheme, target.scheme) == ("https", "http"):
        raise UnwellError(
            f"{_status(response)}, to {attempt.quote(str(target))}, which is not followed",
            hint="give that address in the plan, or the redirect's status if it is what you want",
        )
    return target


async def _judge(attempt: Attempt, response: httpx2.Response) -> str:
    wanted = _wanted(attempt)
    good = response.status_code in wanted if wanted else response.is_success
    if not good:
        want = ", ".join(str(status) for status in wanted) or "2xx"
        raise UnwellError(f"{_status(response)}, wanted {want}; {await _start(attempt, response)}")
    contains = attempt.params.get("contains")
    if not contains:
        return _status(response)
    body = await _body(response, _LARGEST_BODY, str(contains).encode())
    if str(contains).encode() not in body:
        raise UnwellError(
            f"{_status(response)}, but {attempt.said(str(contains), 80)} is not in the first "
            f"{len(body)} bytes; body starts {attempt.said(body[:_QUOTED_BODY])}"
        )
    return f"{_status(response)}, contains {attempt.said(str(contains), 80)}"


async def _start(attempt: Attempt, response: httpx2.Response) -> str:
    body = await _body(response, _QUOTED_BODY)
    return f"body starts {attempt.said(body)}" if body else "no body"


async def _body(response: httpx2.Response, limit: int, until: bytes = b"") -> bytes:
    """Return the body as sent (we ask for no compression), up to *limit* or to *until*."""
    body = bytearray()
    async for part in response.aiter_raw():
        searched = max(0, len(body) - len(until))
        body += part
        if len(body) >= limit or (until and until in body[searched:]):
            break
    return bytes(body[:limit])


def _url(attempt: Attempt) -> httpx2.URL:
    text = attempt.text("url")
    try:
        url = httpx2.URL(text)
    except (httpx2.InvalidURL, ValueError) as error:
        raise ConfigurationError(f"{text!r} is not a web address: {error}") from error
    if url.scheme not in ("http", "https") or not url.host:
        raise ConfigurationError(
            f"{urlunsplit(urlsplit(text))!r} is no http address",
            hint="write it in full, like https://10.1.1.22/health",
        )
    if url.password:
        attempt.hide(url.password)
    return url


CHECK_HEADER = "X-Drorch-Check"
"""Marks every request of a check, whatever the plan says: drorch takes no decision from one."""


def _headers(attempt: Attempt) -> dict[str, str]:
    given: Mapping[str, object] = attempt.params.get("headers") or {}
    headers: dict[str, str] = {}
    for name, value in given.items():
        headers[str(name)] = str(value)
        if str(name).lower() in _SECRET_HEADERS:
            attempt.hide(str(value))
    headers[CHECK_HEADER] = "1"
    return headers


def _verify(attempt: Attempt) -> ssl.SSLContext:
    if attempt.params.get("verify") is False:
        return attempt.world.trust.blind()
    return attempt.world.trust.context(attempt.params.get("ca"))


def _wanted(attempt: Attempt) -> list[int]:
    status = attempt.params.get("status")
    if status is None:
        return []
    return [int(status)] if isinstance(status, int | str) else [int(one) for one in status]


def _status(response: httpx2.Response) -> str:
    return f"{response.status_code} {response.reason_phrase}".strip()


def _translated(error: httpx2.HTTPError) -> Exception:
    """Return the plain error behind httpx2's: what the operating system or TLS said."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLError):
            return UnwellError(f"TLS: {words(cause)}")
        if isinstance(cause, OSError) and cause.errno is not None:
            return cause
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx2.TimeoutException):
        return TimeoutError()
    if isinstance(error, httpx2.RemoteProtocolError):
        return UnwellError(f"no proper HTTP: {error}")
    return ConnectionError(str(error) or type(error).__name__)
