"""Who is there, and who drives which run: once for the command line, the API and the pages."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from api.bootstrap import Application
from drorch.journal.nodes import Node, driver_of
from drorch.journal.pages import open_runs
from drorch.run.views import Json


async def orchestrators(app: Application) -> list[Json]:
    """Return the services on this journal, and after them other processes that drive a run.

    Such a process is a ``drorch run``: it has no pages, and nothing is known but its name.
    """
    nodes = await app.nodes.all()
    drivers = await _drivers(app)
    return [*_services(nodes, drivers), *_others(nodes, drivers)]


async def _drivers(app: Application) -> Mapping[str, str]:
    """Return who drives each run that is driven: by the file locks here, or by the leases."""
    if app.leases is not app.locks:
        return await app.nodes.drivers()
    found = {}
    for line in await open_runs(app.store):
        if app.locks.holds(line.id) and (driver := await driver_of(app.store, line.id)):
            found[line.id] = driver
    return found


def _services(nodes: Sequence[Node], drivers: Mapping[str, str]) -> Iterator[Json]:
    for node in nodes:
        who = node.identity
        yield {
            "name": who.name,
            "site": who.site,
            "address": who.address or None,
            "version": who.version,
            "alive": node.alive,
            "silent_s": node.silent_s,
            "started_at": who.started_at,
            "drives": sorted(run for run, driver in drivers.items() if driver == who.name),
            "note": node.note,
        }


def _others(nodes: Sequence[Node], drivers: Mapping[str, str]) -> Iterator[Json]:
    services = {node.identity.name for node in nodes}
    for name in sorted(set(drivers.values()) - services):
        yield {
            "name": name,
            "site": None,
            "address": None,
            "version": None,
            "alive": True,
            "silent_s": None,
            "started_at": None,
            "drives": sorted(run for run, driver in drivers.items() if driver == name),
            "note": "a 'drorch run' of its own",
        }
