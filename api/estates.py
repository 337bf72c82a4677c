"""What people can ask of the estates: who answers, which machines there are, which are held."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import UTC, datetime
from difflib import get_close_matches

from api.bootstrap import Application
from api.schemas.problem_types import ConnectorNotFoundError
from drorch.access.principal import Act, Caller
from drorch.errors import ConnectorError, MachineNotFoundError, UnavailableError
from drorch.journal.shelf import Hold, HoldCheck
from drorch.model.moment import stamp
from drorch.model.plan import Plan
from drorch.ports.connector import Connector, Sighting, Survey
from drorch.run.views import Json, finding_json
from plans import load

_ANSWER_WITHIN = 20.0
_CHECK_WITHIN = 60.0
_RESOLVE_WITHIN = 15.0
_GLANCE = 3.0
"""Seconds that a list which is complete without it waits for a hypervisor."""


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
    """Return the machines that must not be started, by connector and name.

    Each with its ``name`` and ``power`` as they are now, null where nobody could look; ``told``
    says so.
    """
    held = sorted(await app.shelf.holds(), key=lambda hold: (hold.connector, hold.machine))
    names = sorted({hold.connector for hold in held})
    looks = await asyncio.gather(*(_survey(app, name, _GLANCE) for name in names))
    seen = dict(zip(names, looks, strict=True))
    return [_held(hold, seen[hold.connector]) for hold in held]


def _held(hold: Hold, seen: Survey | Exception) -> Json:
    line: Json = {**asdict(hold), "name": None, "power": None, "told": ""}
    if not isinstance(seen, Survey):
        return line | {"told": f"unchecked: {hold.connector} does not answer"}
    found = [m for m in seen.machines.values() if hold.machine in (m.machine, m.name)]
    if not found:
        return line | {"told": f"{hold.connector} shows no such machine"}
    return line | {"name": found[0].name, "power": found[0].power}


async def hold_machine(
    app: Application,
    connector: str,
    machine: str,
    *,
    reason: str,
    caller: Caller,
    check: HoldCheck | None = None,
) -> list[Json]:
    """Forbid every start order for *machine* (its id, or its name), from this moment on.

    It holds as it was named at once; then the hypervisor is asked for its id. One that is away
    leaves it so: orders ask for both, and ``told`` says what could not be checked. *check* is
    asked about the hold that is there under the name that was given. Returns a line as `holds`
    does for each machine that is held now. Raises `ConnectorNotFoundError`, and
    `MachineNotFoundError` when nothing is called that.
    """
    _known(app, connector)
    at = stamp(datetime.now(UTC))
    hold = Hold(connector=connector, machine=machine, reason=reason, by=caller.by.name, at=at)
    await app.shelf.hold(hold, _hold_act(caller, hold), check)
    survey = await _survey(app, connector, _RESOLVE_WITHIN)
    if not isinstance(survey, Survey):
        return [_held(hold, survey) | {"told": await _unchecked(app, connector, machine)}]
    named = _called(survey, machine)
    if not named:
        release = caller.without_key().act("hold.release", f"machine/{connector}/{machine}")
        await app.shelf.release(connector, machine, release)
        raise _no_machine(connector, machine, survey)
    for one in named:
        held = replace(hold, machine=one.machine)
        if one.machine != machine:
            await app.shelf.hold(held, _hold_act(caller.without_key(), held))
    if machine not in {one.machine for one in named}:
        await app.shelf.release(connector, machine)
    return [_held(replace(hold, machine=one.machine), survey) for one in named]


async def _unchecked(app: Application, connector: str, machine: str) -> str:
    """Say what is known of a machine whose hypervisor does not answer: what the plans say."""
    plans = [load(stored.source, stored.plan) for stored in await app.shelf.plans()]
    known = _by_machine(plans)
    found = known.get((connector, machine), set()) | known.get(
        (connector, f"name:{machine}"), set()
    )
    told = f"in the plan {', '.join(sorted(found))}" if found else "no stored plan names it either"
    return (
        f"{connector} does not answer: it could NOT be checked that there is such a machine "
        f"({told})"
    )


def _hold_act(caller: Caller, hold: Hold) -> Act:
    return caller.act("hold.place", f"machine/{hold.connector}/{hold.machine}", reason=hold.reason)


async def release_machine(
    app: Application,
    connector: str,
    machine: str,
    caller: Caller,
    check: HoldCheck | None = None,
) -> list[str]:
    """Lift the holds of *machine*, its id or its name, and return the ids that they stood for.

    Empty when nothing of that was held. Raises `UnavailableError` when it is held neither so
    nor can its hypervisor be asked which machine is called that.
    """
    if await _released(app, connector, machine, caller, check):
        return [machine]
    held = {hold.machine for hold in await app.shelf.holds() if hold.connector == connector}
    if not held or connector not in app.connectors:
        return []
    survey = await _survey(app, connector, _RESOLVE_WITHIN)
    if not isinstance(survey, Survey):
        raise UnavailableError(
            f"{connector}/{machine} is not held under that name, and {connector} does not answer "
            "which machine it is",
            hint="'drorch holds' lists what is held; release it as it stands there",
        )
    named = [one.machine for one in _called(survey, machine) if one.machine in held]
    return [one for one in named if await _released(app, connector, one, caller.without_key())]


async def _released(
    app: Application,
    connector: str,
    machine: str,
    caller: Caller,
    check: HoldCheck | None = None,
) -> bool:
    act = caller.act("hold.release", f"machine/{connector}/{machine}")
    return await app.shelf.release(connector, machine, act, check)


def _called(survey: Survey, machine: str) -> list[Sighting]:
    """Return the machine of that id, else those of that name."""
    seen = survey.machines.get(machine)
    return [seen] if seen else [s for s in survey.machines.values() if s.name == machine]


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


async def _survey(
    app: Application, name: str, within: float = _ANSWER_WITHIN
) -> Survey | Exception:
    """Return what a connector sees, or why it does not answer; also for one no longer there."""
    try:
        async with asyncio.timeout(within):
            return await app.connectors[name].survey()
    except (TimeoutError, ConnectorError, KeyError) as error:
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
