"""A plan by its name, for commands that only read it: a file, or stored here or at a service."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from api.callers import system_caller
from api.cli.context import Surroundings
from api.cli.remote import RemoteAccess
from api.operations import choose_plan
from drorch.model.plan import Plan
from plans import load, read_file


class NamedPlan(NamedTuple):
    """``revision`` is None for a file, which need not be stored anywhere."""

    plan: Plan
    revision: int | None


async def named_plan(where: Surroundings, name: str) -> NamedPlan:
    """Return the plan in the file *name*, else the stored one: of the service that was named.

    Raises `InvalidPlanError`, `PlanNotFoundError`, and what an unreachable service raises.
    """
    if Path(name).is_file():
        return NamedPlan(read_file(name).plan, None)
    if where.server:
        async with RemoteAccess(where.server, where.token, where.ca) as remote:
            revision, source = await remote.plan(name)
        return NamedPlan(load(source, f"{name} revision {revision}"), revision)
    async with where.application() as app:
        chosen = await choose_plan(app, name, caller=system_caller())
    return NamedPlan(chosen.plan, chosen.revision)
