"""Connectors and the fleet behind them: who answers, and which machines there are."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from fastapi import APIRouter

from api.routes.desk import Desk, TheDesk
from api.routes.paging import Cursor, Limit, page_of
from api.schemas import estates as shapes
from api.schemas.common import problems
from api.schemas.problem_types import ConnectorNotFoundError
from drorch.errors import ConnectorError, UnavailableError
from drorch.model.plan import Plan
from drorch.ports.connector import Connector, Survey
from drorch.run.views import Json, finding_json

router = APIRouter(tags=["connectors"])

_ANSWER_WITHIN = 20.0


def known_connector(desk: Desk, name: str) -> Connector:
    """Return a configured connector. Raises `ConnectorNotFoundError`."""
    if name not in desk.app.connectors:
        have = ", ".join(sorted(desk.app.connectors)) or "none"
        raise ConnectorNotFoundError(
            f"there is no connector {name!r}",
            hint=f"configured: {have}; they are the tables [connectors.NAME] of drorch.toml",
        )
    return desk.app.connectors[name]


def _type(desk: Desk, name: str) -> str:
    return str(desk.app.settings.connectors[name].get("type", ""))


@router.get(
    "/connectors",
    operation_id="list_connectors",
    response_model=shapes.Connectors,
    responses=problems(),
)
async def list_connectors(desk: TheDesk, limit: Limit = 100, cursor: Cursor = None) -> Json:
    """List the connectors of the configuration, and who answers behind each just now."""
    page = page_of(sorted(desk.app.connectors), limit, cursor)
    reached = await asyncio.gather(*(_reach(desk, name) for name in page["items"]))
    return {**page, "items": reached}


async def _reach(desk: Desk, name: str) -> Json:
    line: Json = {"name": name, "type": _type(desk, name), "hint": None, "error": None}
    try:
        async with asyncio.timeout(_ANSWER_WITHIN):
            estate = await desk.app.connectors[name].identify()
    except (TimeoutError, ConnectorError) as error:
        told = _told(error)
        return line | {"ok": False, "product": None, "version": None} | told
    return line | {"ok": True, "product": estate.product, "version": estate.version}


def _told(error: Exception) -> dict[str, str]:
    if isinstance(error, ConnectorError):
        return {"error": error.message, "hint": error.hint}
    return {"error": f"no answer within {_ANSWER_WITHIN:g} s", "hint": "is it switched on?"}


@router.post(
    "/connectors/{name}/check",
    operation_id="check_connector",
    response_model=shapes.ConnectorChecked,
    responses=problems(404, 502),
)
async def check_connector(name: str, desk: TheDesk) -> Json:
    """Ask a connector who it is, what it sees and which rights are missing. Writes nothing."""
    connector = known_connector(desk, name)
    try:
        async with asyncio.timeout(_ANSWER_WITHIN * 3):
            estate, survey = await connector.identify(), await connector.survey()
            findings = await connector.examine(list(survey.machines))
    except TimeoutError:
        told = f"{name} did not answer within {_ANSWER_WITHIN * 3:g} s"
        raise UnavailableError(told, hint="is it switched on? Is the network there?") from None
    return {
        "name": name,
        "type": _type(desk, name),
        "product": estate.product,
        "version": estate.version,
        "identity": estate.identity,
        "machines": len(survey.machines),
        "hosts": [
            {"name": h.name, "online": h.online, "reason": h.reason} for h in survey.hosts.values()
        ],
        "quorate": survey.quorate,
        "findings": [finding_json(finding) for finding in findings],
    }


@router.get("/fleet", operation_id="list_fleet", response_model=shapes.Fleet, responses=problems())
async def list_fleet(desk: TheDesk, limit: Limit = 1000, cursor: Cursor = None) -> Json:
    """List every machine that the connectors see, and which plan covers it."""
    names = sorted(desk.app.connectors)
    surveys = await asyncio.gather(*(_survey(desk, name) for name in names))
    away = [
        {"connector": name, **_told(survey)}
        for name, survey in zip(names, surveys, strict=True)
        if isinstance(survey, Exception)
    ]
    seen = [
        (name, machine)
        for name, survey in zip(names, surveys, strict=True)
        if isinstance(survey, Survey)
        for machine in sorted(survey.machines.values(), key=lambda s: _natural(s.machine))
    ]
    page = page_of(seen, limit, cursor)
    plans = await _covering(desk)
    held = {(h.connector, h.machine): h.reason for h in await desk.app.shelf.holds()}
    items = [
        {
            "connector": name,
            "machine": machine.machine,
            "name": machine.name,
            "power": machine.power,
            "host": machine.host,
            "plans": sorted(
                plans.get((name, machine.machine), set())
                | plans.get((name, f"name:{machine.name}"), set())
            ),
            "hold": held.get((name, machine.machine)),
        }
        for name, machine in page["items"]
    ]
    return {**page, "items": items, "away": away}


async def _survey(desk: Desk, name: str) -> Survey | Exception:
    try:
        async with asyncio.timeout(_ANSWER_WITHIN):
            return await desk.app.connectors[name].survey()
    except (TimeoutError, ConnectorError) as error:
        return error


async def _covering(desk: Desk) -> dict[tuple[str, str], set[str]]:
    plans = [await desk.compiled(stored) for stored in await desk.app.shelf.plans()]
    return _by_machine(plans)


def _by_machine(plans: Iterable[Plan]) -> dict[tuple[str, str], set[str]]:
    found: dict[tuple[str, str], set[str]] = {}
    for plan in plans:
        for step in plan.steps:
            if (ref := step.machine) is not None:
                key = ref.id if ref.id is not None else f"name:{ref.name}"
                found.setdefault((ref.connector, key), set()).add(plan.id)
    return found


def _natural(machine: str) -> tuple[int, str]:
    return (int(machine), machine) if machine.isdecimal() else (0, machine)
