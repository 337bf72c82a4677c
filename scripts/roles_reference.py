"""The table of roles, out of the code that decides."""

from __future__ import annotations

import ast
from itertools import pairwise
from pathlib import Path

import drorch.access.roles
from drorch.access.roles import LEAST, Permission, Role, is_allowed


def roles() -> str:
    """Return what each role may do, as a table."""
    words = _words()
    head = [
        f"| {' | '.join(['may', *(str(role) for role in Role)])} |",
        f"| {' | '.join(['---'] * (len(Role) + 1))} |",
    ]
    rows = [
        f"| `{permission}`{words.get(permission.name, '')} | "
        + " | ".join("yes" if is_allowed(role, permission) else "" for role in Role)
        + " |"
        for permission in sorted(LEAST, key=lambda one: list(Role).index(LEAST[one]))
    ]
    return "\n".join([*head, *rows])


def _words() -> dict[str, str]:
    """Return what the code says behind each permission."""
    tree = ast.parse(Path(drorch.access.roles.__file__).read_text(encoding="utf-8"))
    owner = next(
        n for n in tree.body if isinstance(n, ast.ClassDef) and n.name == Permission.__name__
    )
    found = {}
    for here, after in pairwise(owner.body):
        if isinstance(here, ast.Assign) and isinstance(after, ast.Expr):
            name = here.targets[0]
            assert isinstance(name, ast.Name)  # noqa: S101 (an enumeration has nothing else)
            told = ast.literal_eval(after.value)
            found[name.id] = f": {told[0].lower()}{told[1:].rstrip('.')}"
    return found
