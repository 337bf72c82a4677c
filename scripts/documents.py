"""Write what is generated: JSON Schema, OpenAPI, and the marked parts of the documents.

``python -m scripts.documents`` writes; with ``--check`` it only tells which files are stale.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import drorch.run.status
from api.app import openapi_document
from plans.schema import FILE, schema_text
from scripts import command_reference, plan_reference, roles_reference

ROOT = Path(__file__).parents[1]
OPENAPI = ROOT / "docs" / "openapi.json"
_PART = re.compile(r"(<!-- begin generated: ([a-z-]+) -->\n).*?(<!-- end generated -->)", re.DOTALL)


def states() -> str:
    """Return the tables of run, step and failure states, with the sentence that the code gives."""
    file = drorch.run.status.__file__
    tree = ast.parse(Path(file).read_text(encoding="utf-8"))
    wanted = {
        "StepStatus": "A step is",
        "RunStatus": "A run is",
        "FailureKind": "A step fails as",
    }
    tables = []
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name in wanted:
            rows = [f"| `{value}` | {told} |" for value, told in _members(node)]
            tables += [f"| {wanted[node.name]} | that means |", "| --- | --- |", *rows, ""]
    return "\n".join(tables)


_PLAIN = {
    "awaiting_approval": "A second person has to approve it before anything begins.",
    "running": "It moves, or could.",
    "paused": "Nothing new is started; what acts is let finish.",
    "succeeded": "Ended; every step is healthy, skipped or accepted.",
    "aborted": "A person ended it; nothing that runs was stopped.",
}


def _members(node: ast.ClassDef) -> Iterator[tuple[str, str]]:
    """Yield each member's value and the docstring behind it."""
    for here, after in zip(node.body, [*node.body[1:], None], strict=True):
        if isinstance(here, ast.Assign) and isinstance(here.value, ast.Constant):
            value = str(here.value.value)
            told = ""
            if isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant):
                told = " ".join(str(after.value.value).split())
            yield value, told or _PLAIN[value]


PARTS: Mapping[str, Callable[[], str]] = {
    "plan-keys": plan_reference.keys,
    "plan-checks": plan_reference.checks,
    "states": states,
    "commands": command_reference.commands,
    "roles": roles_reference.roles,
}


def current(text: str) -> str:
    """Return a document's *text* with its generated parts as they are now."""
    return _PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]()}\n{found[3]}", text)


def generated() -> Iterator[tuple[Path, str]]:
    """Yield every file that is generated, wholly or in part, with what it has to hold."""
    yield FILE, schema_text()
    yield OPENAPI, json.dumps(openapi_document(), indent=1, ensure_ascii=False) + "\n"
    for file in sorted((ROOT / "docs").glob("**/*.md")):
        text = file.read_text(encoding="utf-8")
        if _PART.search(text):
            yield file, current(text)


def main(arguments: Sequence[str]) -> int:
    """Write the files that are stale, or with ``--check`` name them and return 1."""
    stale = [(f, t) for f, t in generated() if not f.is_file() or f.read_text("utf-8") != t]
    for file, text in stale:
        sys.stdout.write(f"{file.relative_to(ROOT)}\n")
        if "--check" not in arguments:
            file.write_text(text, encoding="utf-8")
    return 1 if stale and "--check" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
