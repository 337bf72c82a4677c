"""Which language a request is answered in: what was chosen, else what the browser asks for."""

from __future__ import annotations

from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

from starlette.datastructures import Headers, MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.locale.catalogue import WRITTEN, is_spoken
from api.locale.speaking import speaking

COOKIE = "drorch-lang"
PARAMETER = "lang"
_A_YEAR = 365 * 24 * 3600


class Spoken:
    """Answers each request in its caller's language, and remembers a language that was chosen."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        picked = chosen(scope)
        code = picked or preferred(Headers(scope=scope).get("accept-language", ""))
        with speaking(code):
            await self._app(scope, receive, _telling(send, code, picked, scope))


def chosen(scope: Scope) -> str:
    """Return the language in the address, else in the cookie; empty where none was chosen."""
    asked = parse_qs(scope.get("query_string", b"").decode("latin-1")).get(PARAMETER, [""])[-1]
    return asked if is_spoken(asked) else _kept(scope)


def _kept(scope: Scope) -> str:
    cookies = SimpleCookie()
    try:
        cookies.load(Headers(scope=scope).get("cookie", ""))
    except CookieError:
        return ""
    kept = cookies[COOKIE].value if COOKIE in cookies else ""
    return kept if is_spoken(kept) else ""


def preferred(accepted: str) -> str:
    """Return the language of ours that an Accept-Language header likes best; English for none."""
    best, weight = WRITTEN, 0.0
    for part in accepted.lower().split(",")[:20]:
        name, _, rest = part.strip().partition(";")
        code = name.split("-")[0].strip()
        liked = _weight(rest)
        if is_spoken(code) and liked > weight:
            best, weight = code, liked
    return best


def _weight(parameter: str) -> float:
    try:
        return float(parameter.strip().removeprefix("q=")) if parameter.strip() else 1.0
    except ValueError:
        return 0.0


def _telling(send: Send, code: str, picked: str, scope: Scope) -> Send:
    """Say which language a page is in, so that no cache hands it to somebody of another one."""
    asked = f"{PARAMETER}=".encode() in scope.get("query_string", b"")

    async def tell(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            is_page = headers.get("content-type", "").startswith("text/html")
            if is_page and not _is_for_all(headers):
                headers["Content-Language"] = code
                headers.add_vary_header("Accept-Language")
                headers.add_vary_header("Cookie")
                if asked and picked:
                    headers.append("Set-Cookie", _cookie(picked, scope))
        await send(message)

    return tell


def _is_for_all(headers: MutableHeaders) -> bool:
    """Tell whether any cache may keep it: then it depends on no cookie, and leaves none."""
    return "public" in headers.get("cache-control", "")


def _cookie(code: str, scope: Scope) -> str:
    secure = "; Secure" if scope.get("scheme") == "https" else ""
    return f"{COOKIE}={code}; Path=/; Max-Age={_A_YEAR}; SameSite=Lax{secure}"
