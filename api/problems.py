"""Errors over HTTP: every one is an RFC 9457 problem, and each type of problem has a page."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, RedirectResponse, Response
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.rendering.pages import Pages
from api.rendering.visitor import visitor_of
from api.schemas.access_problems import TooManyRequestsError
from api.schemas.kind import Kind
from api.schemas.problem_types import (
    HTTP_KINDS,
    HeadTooLargeError,
    NotReadyError,
    catalogue,
    kind_of,
)
from api.version import VERSION
from drorch.access.tokens import AuthenticationNeededError
from drorch.errors import DrorchError, JournalUnavailableError, MachineClaimedError
from plans import InvalidPlanError

log = structlog.get_logger()

_FRAME = Pages()
MEDIA_TYPE = "application/problem+json"
_CODES = {
    404: "not-found",
    405: "method-not-allowed",
    413: "body-too-large",
    415: "media-type",
}


_READ = ("GET", "HEAD")


class ProblemResponse(JSONResponse):
    media_type = MEDIA_TYPE


def problem(
    request: Request,
    code: str,
    kind: Kind,
    detail: str,
    *,
    hint: str = "",
    more: Mapping[str, Any] | None = None,
    headers: Mapping[str, str] | None = None,
) -> Response:
    """Return the answer for one problem; ``type`` is a page of this service."""
    content = {
        **_content(code, kind, detail, hint=hint, instance=request.url.path),
        "request_id": request.scope.get("state", {}).get("request_id", ""),
        **(more or {}),
    }
    if _is_page(request):
        if code == AuthenticationNeededError.code:
            return _to_the_login(request)
        answer = _FRAME.page(
            "problem.html",
            kind.status,
            visitor=visitor_of(request),
            problem=content,
            run=_run_of(request),
            version=VERSION,
        )
        answer.headers.update(headers or {})
        return answer
    return ProblemResponse(content, kind.status, headers=dict(headers or {}))


def _content(
    code: str, kind: Kind, detail: str, *, hint: str = "", instance: str = ""
) -> dict[str, Any]:
    return {
        "type": f"/problems/{code}",
        "title": kind.title,
        "status": kind.status,
        "detail": detail,
        "instance": instance,
        "code": code,
        "hint": hint,
    }


def _to_the_login(request: Request) -> Response:
    """Send a browser to the log-in, and from there to the page that it wanted."""
    wanted = request.url.path + (f"?{request.url.query}" if request.url.query else "")
    if request.method not in ("GET", "HEAD"):
        run = _run_of(request)
        wanted = f"/runs/{quote(run, safe='')}" if run else "/"
    return RedirectResponse(f"/login?next={quote(wanted, safe='/')}", 303)


def _run_of(request: Request) -> str:
    """Return the run that the page was about: the terminal can show it all the same."""
    parts = request.url.path.split("/")
    return parts[2] if len(parts) > 2 and parts[1] == "runs" else ""


def _is_page(request: Request) -> bool:
    """Tell that a person's browser asked for a page: a problem is then told as one."""
    if request.url.path.startswith("/api/"):
        return False
    return "text/html" in request.headers.get("accept", "")


def answer_drorch_error(request: Request, error: Exception) -> Response:
    """Return the problem for an error that drorch raised on purpose."""
    assert isinstance(error, DrorchError)  # noqa: S101 (registered for it)
    kind = kind_of(type(error))
    detail, more = error.message, _extensions(error)
    if isinstance(error, InvalidPlanError):
        many = len(error.problems)
        detail = f"the plan has {many} {'problem' if many == 1 else 'problems'}; see errors"
    headers = _headers(error, kind.status)
    return problem(request, error.code, kind, detail, hint=error.hint, more=more, headers=headers)


def _headers(error: DrorchError, status: int) -> Mapping[str, str]:
    if isinstance(error, TooManyRequestsError):
        return {"Retry-After": str(error.again)}
    if status == 401:
        return {"WWW-Authenticate": 'Bearer realm="drorch"'}
    return {"Retry-After": "5"} if status == 503 else {}


def _extensions(error: DrorchError) -> Mapping[str, Any]:
    if isinstance(error, MachineClaimedError):
        return {"run_id": error.run}
    if isinstance(error, InvalidPlanError):
        return {"errors": [plan_problem(p) for p in error.problems]}
    if isinstance(error, NotReadyError):
        return {"errors": list(error.failing)}
    return {}


def plan_problem(found: Any) -> dict[str, Any]:
    """Return one problem of a plan, with its place."""
    names = ("file", "line", "column", "code", "message", "hint")
    return {name: getattr(found, name) for name in names}


def answer_http_error(request: Request, error: Exception) -> Response:
    """Return the problem for what the framework itself refuses: no such page, method, size."""
    assert isinstance(error, HTTPException)  # noqa: S101 (registered for it)
    code = _CODES.get(error.status_code, "invalid-request")  # a body that is no text is a 400
    kind = HTTP_KINDS[code]
    detail = kind.meaning if code in _CODES.values() else str(error.detail)
    headers = dict(error.headers or {})
    if error.status_code == 405:
        headers["Allow"] = ", ".join(_methods(request) or _READ)
    return problem(request, code, kind, detail, headers=headers)


def _methods(request: Request) -> Sequence[str]:
    """Return the methods that the address takes; the framework names those of one route only.

    None for what the framework serves by itself.
    """
    routes: Sequence[tuple[str, APIRoute]] = request.app.state.routes
    path = request.url.path
    found: set[str] = set()
    for prefix, route in routes:
        if path.startswith(prefix) and route.path_regex.match(path.removeprefix(prefix)):
            found |= route.methods or set()
    return sorted(found | {"HEAD"} if "GET" in found else found)


def answer_invalid_request(request: Request, error: Exception) -> Response:
    """Return the problem for a body or parameter of the wrong shape, with JSON pointers."""
    assert isinstance(error, RequestValidationError)  # noqa: S101 (registered for it)
    errors = [_invalid(entry) for entry in error.errors()]
    told = "; ".join(f"{e['pointer'] or 'body'}: {e['message']}" for e in errors[:3])
    kind = HTTP_KINDS["invalid-request"]
    return problem(
        request,
        "invalid-request",
        kind,
        told,
        hint="/docs describes what each call takes",
        more={"errors": errors},
    )


def _invalid(entry: Mapping[str, Any]) -> dict[str, str]:
    if entry["type"] == "json_invalid":
        return _no_json(entry)
    where, *path = (str(part) for part in entry["loc"])
    pointer = "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path)
    message = str(entry["msg"]).removeprefix("Value error, ")
    return {"in": where, "pointer": pointer, "code": str(entry["type"]), "message": message}


def _no_json(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return the problem of a body that cannot be read; its place is one in the text."""
    where, place = entry["loc"]
    why = entry.get("ctx", {}).get("error", "it cannot be read")
    message = f"this is no JSON at character {place}: {why}"
    return {"in": where, "pointer": "", "code": "json_invalid", "message": message}


def answer_database_error(request: Request, error: Exception) -> Response:
    """Return the problem for a database that cannot be read now."""
    reason = getattr(error, "orig", None) or type(error).__name__
    log.error("journal.unreadable", reason=str(reason))
    told = JournalUnavailableError(
        f"the journal cannot be read: {reason}",
        hint="check that data_dir is there and its disk is well",
    )
    return answer_drorch_error(request, told)


def register(app: FastAPI) -> None:
    """Make *app* answer every error as a problem."""
    app.add_exception_handler(DrorchError, answer_drorch_error)
    app.add_exception_handler(HTTPException, answer_http_error)
    app.add_exception_handler(RequestValidationError, answer_invalid_request)
    app.add_exception_handler(SQLAlchemyError, answer_database_error)


class LastResort:
    """Answers what nobody foresaw: a problem without internals, and the log has the rest."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = False

        async def watched(message: Message) -> None:
            nonlocal begun
            begun = begun or message["type"] == "http.response.start"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            if scope["type"] != "http" or begun:
                raise
            request = Request(scope)
            log.exception("http.broke", path=scope["path"], request_id=_request_id(scope))
            await _internal(request)(scope, receive, send)


def _request_id(scope: Scope) -> str:
    return str(scope.get("state", {}).get("request_id", ""))


def _internal(request: Request) -> Response:
    kind = HTTP_KINDS["internal"]
    hint = f"look in the service's log for {_request_id(request.scope)}; runs go on without this"
    return problem(request, "internal", kind, kind.meaning, hint=hint)


def unreadable(*, too_large: bool) -> tuple[int, bytes]:
    """Return status and body for what came in no form that could be handed on."""
    code = HeadTooLargeError.code if too_large else "invalid-http"
    kind = catalogue()[code]
    content = {**_content(code, kind, kind.meaning), "request_id": secrets.token_hex(6)}
    return kind.status, json.dumps(content).encode()
