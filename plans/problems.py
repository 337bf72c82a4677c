"""What is wrong with a plan: every problem with its place, its meaning and its cure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple

from typing_extensions import override

from drorch.errors import PlanError

MOST_PROBLEMS = 500
"""A file with more problems than this is not a plan; listing them would help nobody."""


class Position(NamedTuple):
    """A place in a file; both numbers count from 1, columns in characters."""

    line: int
    column: int


START = Position(1, 1)


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """One thing that is wrong, or (from the lint) unwise.

    ``code`` is a stable word, ``message`` says what is wrong and ``hint`` what would be right.
    """

    file: str
    line: int
    column: int
    code: str
    message: str
    hint: str = ""

    @override
    def __str__(self) -> str:
        hint = f" ({self.hint})" if self.hint else ""
        return f"{self.file}:{self.line}:{self.column}: {self.message}{hint}"


class InvalidPlanError(PlanError):
    """The plan cannot be used; ``problems`` holds all that is wrong, in the file's order."""

    code: ClassVar[str] = "invalid-plan"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        lines = "\n".join(str(problem) for problem in self.problems)
        super().__init__(lines, hint="correct the lines named above, then validate the plan again")


class Report:
    """Collects the problems of one file while it is read."""

    def __init__(self, file: str) -> None:
        self.file = file
        # A dict drops repetitions: an aliased node is read once for each place that uses it.
        self._found: dict[Problem, None] = {}
        self._codes: Counter[str] = Counter()
        self.readings: dict[int, Any] = {}
        """What nodes were read as, by their `id`: an alias may stand in a thousand places."""

    def add(self, at: Position, code: str, message: str, hint: str = "") -> None:
        if self.full:
            return
        problem = Problem(self.file, at.line, at.column, code, message, hint)
        if problem not in self._found:
            self._found[problem] = None
            self._codes[code] += 1

    def count(self, code: str) -> int:
        """Return how many problems of this kind there are."""
        return self._codes[code]

    @property
    def full(self) -> bool:
        """Tell that further problems would be dropped."""
        return len(self._found) >= MOST_PROBLEMS

    def __bool__(self) -> bool:
        """Tell whether anything is wrong."""
        return bool(self._found)

    @property
    def problems(self) -> tuple[Problem, ...]:
        return tuple(sorted(self._found))
