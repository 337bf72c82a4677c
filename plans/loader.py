"""Loads a plan: text in, the domain's plan out, or every problem with its place."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from drorch.errors import PlanError, PlanNotFoundError
from drorch.model.plan import Plan
from plans.compiler.build import build
from plans.compiler.names import names_in
from plans.compiler.semantics import check_plan
from plans.language.document import PLAN, PlanDocument
from plans.problems import START, InvalidPlanError, Position, Report
from plans.source.nodes import Node, Scalar
from plans.source.positions import Positions
from plans.source.reader import read_tree
from plans.source.text import MOST_BYTES


@dataclass(frozen=True, slots=True)
class LoadedPlan:
    plan: Plan
    file: str
    positions: Positions


def read(text: bytes | str, file: str = "plan") -> LoadedPlan:
    """Load a plan and keep where its parts stand. Raises `InvalidPlanError`."""
    report = Report(file)
    tree = read_tree(text, report)
    if tree.root is None or _is_nothing(tree.root):
        if not report:
            report.add(START, "empty", "there is no plan in this file", "begin with drorch: 1")
        raise InvalidPlanError(report.problems)
    document = _document(tree.root, tree.stopped, report)
    if document is None or report:
        raise InvalidPlanError(report.problems)
    return LoadedPlan(build(document, digest(text)), file, Positions(tree.root))


def _document(root: Node, stopped: Position | None, report: Report) -> PlanDocument | None:
    """Read and check what there is; after *stopped* nothing that is found means much."""
    if stopped is None:
        document = PLAN.read(root, report)
        if document is not None:
            check_plan(document, names_in(root), report)
        return document
    before = Report(report.file)
    PLAN.read(root, before)
    for problem in before.problems:
        at = Position(problem.line, problem.column)
        if at < stopped:
            report.add(at, problem.code, problem.message, problem.hint)
    return None


def load(text: bytes | str, file: str = "plan") -> Plan:
    """Load a plan; *file* names it in problems. Raises `InvalidPlanError` with all of them."""
    return read(text, file).plan


def read_file(path: str | Path) -> LoadedPlan:
    """Load the plan in the file *path*. Raises as `load_file`."""
    return read(_content(Path(path)), str(path))


def load_file(path: str | Path) -> Plan:
    """Load the plan in the file *path*.

    Raises `PlanNotFoundError` when there is no such file, `PlanError` when it cannot be read and
    `InvalidPlanError` with all that is wrong in it.
    """
    return read_file(path).plan


def digest(text: bytes | str) -> str:
    """Return the SHA-256 of the source, in hex; it names a revision."""
    raw = text.encode() if isinstance(text, str) else text
    return hashlib.sha256(raw).hexdigest()


def _content(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MOST_BYTES + 1)
    except FileNotFoundError as error:
        hint = "give the path of a plan file"
        raise PlanNotFoundError(f"there is no file {path}", hint=hint) from error
    except OSError as error:
        reason = error.strerror or str(error)
        hint = "give the path of a plan file that you may read"
        raise PlanError(f"{path} cannot be read: {reason}", hint=hint) from error


def _is_nothing(root: Node) -> bool:
    return isinstance(root, Scalar) and root.value is None
