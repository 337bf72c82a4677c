"""The HTTP side: one application over the store that the engine writes. It drives no run."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import Depends, FastAPI, Request, Response
from fastapi.staticfiles import StaticFiles

from api import openapi, problems
from api.auth import Doorkeeper
from api.bootstrap import Application
from api.dashboard import (
    graph_pages,
    login_pages,
    overview_pages,
    pages,
    plan_pages,
    run_forms,
    run_pages,
)
from api.dashboard.graph_pages import Pictures
from api.dashboard.run_board import Boards
from api.health import NOTES, Health, runs_open
from api.host_names import is_loopback
from api.locale.choosing import Spoken
from api.login import FrontDoor
from api.metrics.exposition import Exposition
from api.metrics.figures import Figures
from api.metrics.requests import Observed, name_the_run
from api.oidc import provider_of
from api.openapi import Routers
from api.reports import pages as report_pages
from api.routes import (
    audit,
    decisions,
    estates,
    events,
    halt,
    health,
    holds,
    nodes,
    notices,
    plans,
    reports,
    runs,
    services,
    tokens,
    webhooks,
)
from api.routes.desk import Desk
from api.routes.guard import BodyLimit, Guard
from api.routes.heads import Heads
from api.routes.idempotency import Again, Remembered, answer_again
from api.routes.limits import Admission
from api.runbook import pages as runbook_pages
from api.serving_rules import HostNames
from api.status import pages as status_pages
from api.status import public_json
from api.telemetry import telemetry
from drorch.journal.ledger import EffectKnownError

PREFIX = "/api/v1"
_PAGES = (
    *(login_pages, graph_pages, overview_pages, plan_pages, pages, runbook_pages),
    *(run_pages, run_forms, report_pages, status_pages),
)
_HIDDEN = [room.router for room in _PAGES]
STATIC: list[str | tuple[str, str]] = [
    (f"api.{room}", "static") for room in ("rendering", "dashboard", "reports", "runbook")
]


def all_routers() -> Routers:
    """Return every router with its prefix: the API's rooms, and the pages."""
    rooms = (plans, runs, reports, events, decisions, services, notices, estates, holds, nodes)
    access = (tokens, audit, halt, webhooks)
    found = [(PREFIX, room.router) for room in (*rooms, *access)]
    return [*found, *(("", m.router) for m in (health, public_json, *_PAGES))]


def openapi_document() -> dict[str, object]:
    """Return the OpenAPI document: it takes no store and no configuration."""
    return openapi.openapi_document([r for r in all_routers() if r[1] not in _HIDDEN])


def create_app(application: Application, figures: Figures | None = None) -> FastAPI:
    """Return the HTTP side over *application*, which the caller has opened and will close.

    *figures* are those of this process, if *application* counts, too.
    """
    figures = figures or Figures()
    traces = telemetry()
    app = FastAPI(
        **openapi.INFO,
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # who sends a halt and follows nothing has to hear that it failed
        dependencies=[Depends(name_the_run)],
        telemetry=traces.config,
    )
    app.state.desk = desk = Desk(application)
    app.state.boards = Boards()
    app.state.pictures = Pictures()
    server = application.settings.server
    app.state.doorkeeper = Doorkeeper(
        application.store,
        application.gate,
        may_be_open=is_loopback(server.host) and not server.trusted_proxy,
    )
    notes = (*NOTES, runs_open(app.state.doorkeeper.is_open))
    app.state.bulletin = status_pages.bulletin_of(desk)
    app.state.front_door = FrontDoor(application)
    app.state.provider = provider_of(application)
    app.state.health = Health(desk, notes)
    app.state.exposition = Exposition(desk, figures)
    app.state.telemetry = traces
    app.state.glance = overview_pages.fleet_glance(desk)
    for prefix, router in all_routers():
        app.include_router(router, prefix=prefix, include_in_schema=router not in _HIDDEN)
    app.state.routes = openapi.routes_of(all_routers())
    app.mount("/static", StaticFiles(packages=STATIC), name="static")
    problems.register(app)
    app.add_exception_handler(EffectKnownError, _answer_again)
    app.add_middleware(Heads)
    app.add_middleware(Remembered)
    app.add_middleware(BodyLimit)
    app.add_middleware(problems.LastResort)
    app.state.names = HostNames(application.settings)
    app.add_middleware(Admission)
    app.add_middleware(Guard, names=app.state.names, server=application.settings.server)
    app.add_middleware(Spoken)
    app.add_middleware(Observed, figures=figures, routes=app.state.routes)
    _document(app)
    return app


_AGAIN: Mapping[str, Again] = {
    "run.start": runs.run_again,
    "plan.store": plans.plan_again,
    "token.create": tokens.token_again,
    "webhook.test": webhooks.sent_again,
    "webhook.enable": webhooks.enabled_again,
    "halt": halt.halted_again,
    **dict.fromkeys(decisions.DECISIONS, decisions.decided_again),
}


async def _answer_again(request: Request, error: Exception) -> Response:
    assert isinstance(error, EffectKnownError)  # noqa: S101 (registered for it)
    return await answer_again(request, error, _AGAIN)


def _document(app: FastAPI) -> None:
    """Serve the finished document, which is made when it is first asked for."""

    def document() -> dict[str, object]:
        if app.openapi_schema is None:
            app.openapi_schema = openapi.document_of(app, app.state.routes)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # the framework's documented way
