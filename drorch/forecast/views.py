"""A forecast as data for people and programs, put into a run's own."""

from __future__ import annotations

from drorch.forecast.forecast import Forecast, Range
from drorch.run.views import Json
from drorch.run.words import stamp


def with_forecast(run: Json, found: Forecast | None) -> Json:
    """Return *run* with its ``eta``, those of its services, and on what they stand."""
    if found is None:
        return run
    etas = {name: range_json(back) for name, back in found.services.items()}
    services = [service | {"eta": etas.get(service["id"])} for service in run["services"]]
    eta = range_json(found.end)
    return run | {"eta": eta, "eta_basis": basis_json(found), "services": services}


def range_json(found: Range | None) -> Json | None:
    if found is None:
        return None
    return {"p10": stamp(found.p10), "p50": stamp(found.p50), "p90": stamp(found.p90)}


def basis_json(found: Forecast) -> Json:
    """Return on what a forecast stands, and what the end waits for."""
    basis = found.basis
    return {
        "at": stamp(found.at),
        "runs": basis.runs,
        "learned": basis.learned,
        "guessed": basis.guessed,
        "answers": basis.answers,
        "assumes": list(basis.assumes),
        "incomplete": found.incomplete,
        "left_out": len(basis.left_out),
        "critical_path": list(found.critical_path),
    }
