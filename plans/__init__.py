"""Plan files in: a strict loader, the compiler to the domain model, lint, schema, examples."""

from plans.lint import lint
from plans.loader import LoadedPlan, load, load_file, read, read_file
from plans.problems import InvalidPlanError, Problem
from plans.schema import json_schema
from plans.select import select
from plans.source.positions import Positions

__all__ = [
    "InvalidPlanError",
    "LoadedPlan",
    "Positions",
    "Problem",
    "json_schema",
    "lint",
    "load",
    "load_file",
    "read",
    "read_file",
    "select",
]
