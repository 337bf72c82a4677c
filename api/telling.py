"""A run as every face tells it: its state, with what only the configuration knows about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from api.bootstrap import Application
from drorch.forecast.forecast import Forecast
from drorch.forecast.views import with_forecast
from drorch.model.plan import Plan
from drorch.run.state import RunState
from drorch.run.views import Json, run_json, run_with_steps


def is_simulated(plan: Plan, connectors: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether *plan* has machines, and every one of them is on a simulated hypervisor."""
    types = connector_types(connectors)
    return used_types(plan, types) == {"simulated"}


def is_simulated_fleet(connectors: Mapping[str, Mapping[str, Any]]) -> bool:
    """Tell whether there are hypervisors here, and every one of them is simulated."""
    return set(connector_types(connectors).values()) == {"simulated"}


def connector_types(connectors: Mapping[str, Mapping[str, Any]]) -> Mapping[str, str]:
    """Return the type of each configured connector, by name."""
    return {name: str(table.get("type", "")) for name, table in connectors.items()}


def used_types(plan: Plan, types: Mapping[str, str]) -> set[str]:
    """Return the types of the connectors that have machines of *plan*; empty for unknown ones."""
    return {types.get(s.machine.connector, "") for s in plan.steps if s.machine is not None}


def told_run(app: Application, state: RunState, foreseen: Forecast | None = None) -> Json:
    """Return a run as JSON, with what is forecast of it."""
    return with_forecast(run_json(state), foreseen) | known_of(app, state.plan)


def told_run_with_steps(
    app: Application, state: RunState, foreseen: Forecast | None = None
) -> Json:
    """Return a run with all its steps as JSON, with what is forecast of it."""
    return with_forecast(run_with_steps(state), foreseen) | known_of(app, state.plan)


def known_of(app: Application, plan: Plan) -> Json:
    """Return what only the configuration knows of a run of *plan*."""
    return {"simulated": is_simulated(plan, app.settings.connectors)}
