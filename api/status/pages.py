"""The public page over HTTP: no log-in, no cookie, kept by any cache for half a minute."""

from __future__ import annotations

import asyncio
import hashlib
import mimetypes
from functools import cache

from fastapi import APIRouter, Request, Response

from api.auth import PUBLIC
from api.locale import language, speaking
from api.locale.catalogue import is_spoken
from api.locale.choosing import PARAMETER, preferred
from api.routes.conditions import tags_in
from api.routes.desk import Desk
from api.status.board import Board, board_of
from api.status.bulletin import Bulletin
from api.status.rendering import ASSETS, HERE_SERVED, STATIC, board_page, nothing_page
from api.telling import is_simulated_fleet

router = APIRouter()

_KEPT = "public, max-age=30"
_BRIEFLY = "public, max-age=5"
_AGAIN = "30"


def bulletin_of(desk: Desk) -> Bulletin:
    """Return what keeps the board of this service."""

    async def make() -> Board:
        zone = desk.app.settings.server.timezone
        services = await desk.services()
        return board_of(services, desk.app.clock.now(), zone, simulated=_is_simulated(desk))

    return Bulletin(make)


def _is_simulated(desk: Desk) -> bool:
    return is_simulated_fleet(desk.app.settings.connectors)


@router.get("/status", dependencies=[PUBLIC])
async def status_page(request: Request) -> Response:
    """Show how each service is, in the language that is asked for."""
    bulletin: Bulletin = request.app.state.bulletin
    board = await bulletin.board()
    with speaking(_language(request)):
        if board is None:
            page = nothing_page(HERE_SERVED, simulated=_is_simulated(request.app.state.desk))
            headers = {"Retry-After": _AGAIN, "Cache-Control": _BRIEFLY, **_spoken()}
            return Response(page, 503, headers, "text/html")
        page = board_page(board, HERE_SERVED)
        return kept(request, page.encode(), "text/html", **_spoken())


@router.get("/status/{name}", dependencies=[PUBLIC])
async def asset(name: str, request: Request) -> Response:
    """Give a file that the page names."""
    if name not in ASSETS:
        return Response("not found\n", 404, media_type="text/plain")
    kind = mimetypes.guess_type(name)[0] or "application/octet-stream"
    return kept(request, await asyncio.to_thread(_read, name), kind)


@cache
def _read(name: str) -> bytes:
    return (STATIC / name).read_bytes()


def _language(request: Request) -> str:
    """Return the language in the address, else the browser's: no cookie decides about a cache."""
    asked = request.query_params.get(PARAMETER, "")
    return asked if is_spoken(asked) else preferred(request.headers.get("accept-language", ""))


def _spoken() -> dict[str, str]:
    return {"Content-Language": language(), "Vary": "Accept-Language"}


def kept(request: Request, body: bytes, kind: str, **more: str) -> Response:
    """Answer with *body*, or that the caller has it."""
    tag = f'"{hashlib.sha256(body).hexdigest()[:24]}"'
    headers = {"ETag": tag, "Cache-Control": _KEPT, **more}
    given = tags_in(request.headers.get("if-none-match"))
    if tag in given or "*" in given:
        return Response(status_code=304, headers=headers)
    return Response(body, headers=headers, media_type=kind)
