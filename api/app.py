"""The HTTP side: one application over the store that the engine writes. It drives no run."""

from __future__ import annotations

from pathlib import Path

from fastapi import FastAPI
from fastapi.routing import APIRoute
from fastapi.staticfiles import StaticFiles

from api import problems
from api.bootstrap import Application
from api.dashboard import pages, run_pages
from api.dashboard.rendering import VERSION
from api.routes import decisions, estates, health, holds, nodes, plans, runs, services
from api.routes.desk import Desk
from api.routes.guard import BodyLimit, Guard
from api.routes.idempotency import Remembered
from api.schemas.common import Problem

PREFIX = "/api/v1"
_PAGES = (pages.router, run_pages.router)
STATIC = Path(__file__).parent / "dashboard" / "static"

_DESCRIPTION = """\
Recovery plans, runs and what people decide in them.

**There is no authentication yet**: the service listens on loopback only, refuses requests under
any other name, and records who asks as they say themselves (`by`). Errors are RFC 9457 problems;
the `type` of each is a page of this service. Creating calls take `Idempotency-Key`.
"""


def create_app(application: Application) -> FastAPI:
    """Return the HTTP side over *application*, which the caller has opened and will close."""
    app = FastAPI(
        title="drorch",
        summary="Disaster recovery orchestrator",
        description=_DESCRIPTION,
        version=VERSION,
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_url="/openapi.json",
        docs_url=None,
        redoc_url=None,
    )
    app.state.desk = Desk(application)
    rooms = (plans, runs, decisions, services, estates, holds, nodes)
    routers = [(PREFIX, room.router) for room in rooms]
    routers += [("", m.router) for m in (health, pages, run_pages)]
    for prefix, router in routers:
        app.include_router(router, prefix=prefix, include_in_schema=router not in _PAGES)
    app.state.routes = [
        (prefix, route)
        for prefix, router in routers
        for route in router.routes
        if isinstance(route, APIRoute)
    ]
    app.mount("/static", StaticFiles(directory=STATIC), name="static")
    problems.register(app)
    app.add_middleware(Remembered)
    app.add_middleware(BodyLimit)
    app.add_middleware(problems.LastResort)
    app.add_middleware(Guard)
    _document_problem(app)
    return app


def _document_problem(app: FastAPI) -> None:
    """Put the shape of problems into the document; the framework's own 422 is never answered."""
    generate = app.openapi

    def openapi() -> dict[str, object]:
        if app.openapi_schema is None:
            document = generate()
            schemas = document["components"]["schemas"]
            schema = Problem.model_json_schema(ref_template="#/components/schemas/{model}")
            schemas.update(schema.pop("$defs", {}))
            schemas["Problem"] = schema
            for unused in ("HTTPValidationError", "ValidationError"):
                schemas.pop(unused, None)
            app.openapi_schema = document
        return app.openapi_schema

    app.openapi = openapi  # type: ignore[method-assign]  # the framework's documented way
