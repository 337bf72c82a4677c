"""The pages on which people log in and out; they work without a script."""

from __future__ import annotations

from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse

from api.auth import COOKIE, PLAIN_COOKIE, PUBLIC, May
from api.dashboard.form_fields import fields_of
from api.dashboard.rendering import page
from api.locale import _, noted
from api.locale import told as said
from api.login import Attempt, FrontDoor
from api.oidc import CALLBACK, WITHIN, Provider, words_of
from api.rendering.visitor import own_path
from api.schemas.access_problems import LoginRefusedError, TooManyRequestsError
from api.version import VERSION
from drorch.access.oidc import OidcError
from drorch.access.people import SESSION
from drorch.access.principal import Caller
from drorch.errors import DrorchError

log = structlog.get_logger()

router = APIRouter()

LEAVING = "__Host-drorch-oidc"
PLAIN_LEAVING = "drorch-oidc"
_PROGRAMS = "programs send a token and no log-in"
_REFUSED = noted(
    "Name, password and code do not fit together. A code works once: wait for the next."
)
_WAIT = noted(
    "Too many failed log-ins. Try again in {again} seconds. The command line on the machine of "
    "the service needs no log-in: drorch status last"
)
Next = Annotated[str, Query(max_length=2000)]
Anyone = Annotated[Caller, Depends(May(None))]


def _is_https(request: Request) -> bool:
    return request.url.scheme == "https"


def _keep(request: Request, answer: Response, names: tuple[str, str], value: str, age: int) -> None:
    """Give the browser a cookie: not for scripts, not for sub-domains, with TLS where there is.

    Lax and not Strict: with Strict, whoever follows a link out of an alert mail, or comes back
    from the provider, would stand at the log-in although they are logged in. Nothing is changed
    by a GET, and what changes something takes the page's own word and our own origin besides.
    """
    secure = _is_https(request)
    answer.set_cookie(
        names[0] if secure else names[1],
        value,
        max_age=age,
        path="/",
        secure=secure,
        httponly=True,
        samesite="lax",
    )


_SESSION = (COOKIE, PLAIN_COOKIE)
_LEAVING = (LEAVING, PLAIN_LEAVING)


def _cookie(request: Request, names: tuple[str, str]) -> str:
    return request.cookies.get(names[0] if _is_https(request) else names[1], "")


def _shown(
    request: Request, *, next_: str = "/", told: str = "", status: int = 200, again: int = 0
) -> HTMLResponse:
    provider: Provider | None = request.app.state.provider
    answer = page(
        "login.html",
        status,
        told=_(told, again=again) if again else _(told),
        next=own_path(next_),
        oidc=provider.settings.title if provider is not None else "",
        version=VERSION,
    )
    if again:
        answer.headers["Retry-After"] = str(again)
    return answer


@router.get("/login", response_class=HTMLResponse, dependencies=[PUBLIC])
async def login_page(
    request: Request, next_: Annotated[Next, Query(alias="next")] = "/"
) -> Response:
    """Ask for name, password and code."""
    return _shown(request, next_=next_)


@router.post("/login", dependencies=[PUBLIC])
async def log_in(request: Request) -> Response:
    """Begin a session, or show the page again without saying what was wrong."""
    fields = await fields_of(request, programs=_PROGRAMS)
    door: FrontDoor = request.app.state.front_door
    next_ = own_path(fields.get("next", ""))
    attempt = Attempt(
        name=fields.get("name", ""),
        password=fields.get("password", ""),
        code=fields.get("code", ""),
        address=_address(request),
        request_id=request.scope["state"].get("request_id", ""),
    )
    try:
        _, cookie = await door.log_in(attempt)
    except LoginRefusedError:
        return _shown(request, next_=next_, told=_REFUSED, status=401)
    except TooManyRequestsError as error:
        return _shown(request, next_=next_, told=_WAIT, status=429, again=error.again)
    return await _entered(request, cookie, next_)


async def _entered(request: Request, cookie: str, next_: str) -> Response:
    """Go on to where somebody wanted to be, with a session of a new name."""
    answer = RedirectResponse(next_, 303)
    _keep(request, answer, _SESSION, cookie, int(SESSION))
    return answer


@router.post("/logout")
async def log_out(request: Request, caller: Anyone) -> Response:
    """End the session, here and in the database."""
    door: FrontDoor = request.app.state.front_door
    if cookie := _cookie(request, _SESSION):
        await door.end(cookie, caller)
    answer = RedirectResponse("/login", 303)
    _keep(request, answer, _SESSION, "", 0)
    return answer


@router.post("/login/oidc", dependencies=[PUBLIC])
async def begin_oidc(request: Request) -> Response:
    """Send the browser to the provider; without it the page says so, and works all the same."""
    provider: Provider | None = request.app.state.provider
    next_ = own_path((await fields_of(request, programs=_PROGRAMS)).get("next", ""))
    if provider is None:
        return _shown(request, next_=next_)
    here = provider.settings.address or f"{request.url.scheme}://{request.url.netloc}"
    try:
        begun = await provider.begin(here + CALLBACK, next_)
    except DrorchError as error:
        log.warning("oidc.away", reason=error.message)
        return _shown(request, next_=next_, told=said(words_of(error)), status=503)
    # A page with a link, and no redirect: our own policy lets forms lead nowhere else.
    leaving = page(
        "leaving.html",
        to=begun.address,
        title=provider.settings.title,
        version=VERSION,
    )
    _keep(request, leaving, _LEAVING, begun.cookie, WITHIN)
    return leaving


@router.get(CALLBACK, dependencies=[PUBLIC])
async def end_oidc(request: Request) -> Response:
    """Take somebody back from the provider, who is one of our people or nobody."""
    answer = await _come_back(request)
    _keep(request, answer, _LEAVING, "", 0)
    return answer


async def _come_back(request: Request) -> Response:
    provider: Provider | None = request.app.state.provider
    door: FrontDoor = request.app.state.front_door
    if provider is None:
        return _shown(request, status=404)
    address = _address(request)
    try:
        door.limits.refuse("", address)
        proved = await provider.finish(dict(request.query_params), _cookie(request, _LEAVING))
    except TooManyRequestsError as error:
        return _shown(request, told=_WAIT, status=429, again=error.again)
    except DrorchError as error:
        if isinstance(error, OidcError):
            door.limits.failed("", address)
        log.warning("oidc.refused", reason=error.message, address=address)
        return _shown(request, told=said(words_of(error)), status=401)
    person = await door.app.gate.person_of_subject(proved.subject)
    if person is None or person.disabled_at is not None:
        log.warning("oidc.unknown", subject=proved.subject, address=address)
        return page("unknown.html", 403, sub=proved.sub, version=VERSION)
    request_id = request.scope["state"].get("request_id", "")
    _, cookie = await door.begin(person, address, request_id, by="oidc")
    return await _entered(request, cookie, own_path(proved.next))


def _address(request: Request) -> str:
    return request.client.host if request.client else ""
