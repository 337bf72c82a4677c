"""The plans that come with drorch: a first one, one for each feature, and the whole story."""

from __future__ import annotations

from pathlib import Path

from drorch.errors import PlanNotFoundError
from plans.shapes.words import nearest

FOLDER = Path(__file__).parent / "examples"


def examples() -> tuple[str, ...]:
    """Return the names of the example plans."""
    plans = (path for path in FOLDER.glob("*.yaml") if not path.name.endswith(".fleet.yaml"))
    return tuple(sorted(path.stem for path in plans))


def example(name: str) -> Path:
    """Return the file of an example plan. Raises `PlanNotFoundError`."""
    if name not in examples():
        raise PlanNotFoundError(
            f'there is no example "{name}"',
            hint=nearest(name, examples()) or f"there are {', '.join(examples())}",
        )
    return FOLDER / f"{name}.yaml"


def fleet(name: str) -> Path:
    """Return the fleet file that belongs to an example. Raises `PlanNotFoundError`."""
    path = FOLDER / f"{name}.fleet.yaml"
    if not path.is_file():
        raise PlanNotFoundError(
            f'there is no fleet for the example "{name}"', hint="the whole story is piacenza"
        )
    return path
