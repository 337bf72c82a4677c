"""What people can ask of the estates: who answers, which machines there are, which are held."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from difflib import get_close_matches

from api.bootstrap import Application
from api.schemas.problem_types import ConnectorNotFoundError
from drorch.errors import ConnectorError, MachineNotFoundError, UnavailableError
from drorch.journal.shelf import Hold
from drorch.model.moment import stamp
from drorch.model.plan import Plan
from drorch.ports.connector import Connector, Sighting, Survey
from drorch.run.views import Json, finding_json

_ANSWER_WITHIN = 20.0
_CHECK_WITHIN = 60.0
_RESOLVE_WITHIN = 15.0


async def reach(app: Application, names: Iterable[str]) -> list[Json]:
    """Return a line for each of these connectors: who answers behind it just now, or why not."""
    return list(await asyncio.gather(*(_reach(app, name) for name in names)))


async def check_connector(app: Application, name: str) -> Json:
    """Ask a connector who it is, what it sees and which rights are missing. Writes nothing.

    Raises `ConnectorNotFoundError`, and `ConnectorError` when nobody answers as they should.
    """
    connector = _known(app, name)
    try:
        async with asyncio.timeout(_CHECK_WITHIN):
            estate, survey = await connector.identify(), await connector.survey()
            findings = await connector.examine(list(survey.machines))
    except TimeoutError:
        told = f"{name} did not answer within {_CHECK_WITHIN:g} s"
        raise UnavailableError(told, hint="is it switched on? Is the network there?") from None
    return {
        "name": name,
        "type": _type(app, name),
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


async def fleet(app: Application, plans: Iterable[Plan]) -> Json:
    """Return every machine that the connectors see (``items``) and who does not answer (``away``).

    Each machine names those of *plans* that have a step for it, and why it is held.
    """
    names = sorted(app.connectors)
    surveys = await asyncio.gather(*(_survey(app, name) for name in names))
    covering = _by_machine(plans)
    held = {(h.connector, h.machine): h.reason for h in await app.shelf.holds()}
    items: list[Json] = []
    away: list[Json] = []
    for name, survey in zip(names, surveys, strict=True):
        if isinstance(survey, Survey):
            machines = sorted(survey.machines.values(), key=lambda s: _natural(s.machine))
            items += [_machine(name, machine, covering, held) for machine in machines]
        else:
            away.append({"connector": name, **_told(survey)})
    return {"items": items, "away": away}


async def holds(app: Application) -> list[Json]:
    """Return the machines that must not be started, by connector and name."""
    held = sorted(await app.shelf.holds(), key=lambda hold: (hold.connector, hold.machine))
    return [asdict(hold) for hold in held]


async def hold_machine(
    app: Application, connector: str, machine: str, *, reason: str, by: str
) -> Hold:
    """Forbid every start order for *machine* (its id, or its name), from this moment on.

    It holds as it was named at once; then the hypervisor is asked for its id. One that is away
    leaves it so: orders ask for both. Raises `ConnectorNotFoundError`, and `MachineNotFoundError`
    when nothing is called that.
    """
    asked = _known(app, connector)
    at = stamp(datetime.now(UTC))
    hold = Hold(connector=connector, machine=machine, reason=reason, by=by, at=at)
    await app.shelf.hold(hold)
    try:
        async with asyncio.timeout(_RESOLVE_WITHIN):
            survey = await asked.survey()
    except (ConnectorError, TimeoutError):
        return hold
    seen = survey.machines.get(machine)
    named = [seen] if seen else [s for s in survey.machines.values() if s.name == machine]
    if not named:
        await app.shelf.release(connector, machine)
        raise _no_machine(connector, machine, survey)
    for one in named:
        await app.shelf.hold(replace(hold, machine=one.machine))
    if machine not in {one.machine for one in named}:
        await app.shelf.release(connector, machine)
    return replace(hold, machine=named[0].machine)


def _no_machine(connector: str, machine: str, survey: Survey) -> MachineNotFoundError:
    near = get_close_matches(machine, [s.name for s in survey.machines.values()], 1)
    return MachineNotFoundError(
        f"{connector} has no machine {machine!r}: nothing is held",
        hint=f"did you mean {near[0]!r}?" if near else "'drorch fleet' lists the machines",
    )


def _known(app: Application, name: str) -> Connector:
    if name not in app.connectors:
        have = ", ".join(sorted(app.connectors)) or "none"
        raise ConnectorNotFoundError(
            f"there is no connector {name!r}",
            hint=f"configured: {have}; they are the tables [connectors.NAME] of drorch.toml",
        )
    return app.connectors[name]


def _type(app: Application, name: str) -> str:
    return str(app.settings.connectors[name].get("type", ""))


async def _reach(app: Application, name: str) -> Json:
    line: Json = {"name": name, "type": _type(app, name), "ok": False, "product": None}
    line |= {"version": None, "error": None, "hint": None}
    try:
        async with asyncio.timeout(_ANSWER_WITHIN):
            estate = await app.connectors[name].identify()
    except (TimeoutError, ConnectorError) as error:
        return line | _told(error)
    return line | {"ok": True, "product": estate.product, "version": estate.version}


def _told(error: Exception) -> dict[str, str]:
    if isinstance(error, ConnectorError):
        return {"error": error.message, "hint": error.hint}
    return {"error": f"no answer within {_ANSWER_WITHIN:g} s", "hint": "is it switched on?"}


async def _survey(app: Application, name: str) -> Survey | Exception:
    try:
        async with asyncio.timeout(_ANSWER_WITHIN):
            return await app.connectors[name].survey()
    except (TimeoutError, ConnectorError) as error:
        return error


_Key = tuple[str, str]
"""A connector, and a machine's id or its name behind ``name:``."""


def _by_machine(plans: Iterable[Plan]) -> Mapping[_Key, set[str]]:
    found: dict[_Key, set[str]] = {}
    for plan in plans:
        for step in plan.steps:
            if (ref := step.machine) is not None:
                key = ref.id if ref.id is not None else f"name:{ref.name}"
                found.setdefault((ref.connector, key), set()).add(plan.id)
    return found


def _machine(
    connector: str,
    seen: Sighting,
    covering: Mapping[_Key, set[str]],
    held: Mapping[_Key, str],
) -> Json:
    keys: Sequence[_Key] = [(connector, seen.machine), (connector, f"name:{seen.name}")]
    return {
        "connector": connector,
        "machine": seen.machine,
        "name": seen.name,
        "power": seen.power,
        "host": seen.host,
        "plans": sorted(set().union(*(covering.get(key, set()) for key in keys))),
        # Held while its hypervisor was away, a machine stands there as the person called it.
        "hold": held.get((connector, seen.machine)) or held.get((connector, seen.name)),
    }


def _natural(machine: str) -> tuple[int, str]:
    return (int(machine), machine) if machine.isdecimal() else (0, machine)
