"""Print recovery plans for the night when no screen works: the runbook, as the bundle has it.

``python -m scripts.print_plan FILE...`` prints the plans as text, ``--contacts`` only whom to
call; ``--html`` makes a page of one plan, ``--lang it`` any of it in Italian.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from api.locale import LANGUAGES, speaking
from api.runbook.checks import Around
from api.runbook.contents import runbook
from api.runbook.page import as_html
from api.runbook.text import WIDTH, as_text, contact_list
from drorch.errors import DrorchError
from drorch.model.plan import Plan
from plans import load_file

__all__ = ["WIDTH", "contact_list", "main", "printed"]
_NOTHING_KNOWN = Around(types={}, callouts={})
"""A bundle is made far from the configuration of those who will use it."""


def printed(plan: Plan, at: datetime) -> str:
    """Return *plan* as text of `WIDTH` columns; *at* is when it was printed."""
    return as_text(runbook(plan, at=at, zone="UTC", around=_NOTHING_KNOWN))


def _page(plan: Plan, at: datetime) -> str:
    return as_html(runbook(plan, at=at, zone="UTC", around=_NOTHING_KNOWN))


def main(arguments: Sequence[str]) -> int:
    """Print the plans in the files that are named; 2 when one cannot be used."""
    parser = argparse.ArgumentParser(prog="print_plan", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--contacts", action="store_true")
    parser.add_argument("--html", action="store_true")
    parser.add_argument("--lang", choices=tuple(LANGUAGES), default="en")
    given = parser.parse_args(arguments)
    try:
        plans = [load_file(file) for file in given.files]
    except DrorchError as error:
        sys.stderr.write(f"{error.message}\n{error.hint}\n")
        return 2
    at, one = datetime.now(UTC), _page if given.html else printed
    with speaking(given.lang):
        told = contact_list(plans) if given.contacts else "\f".join(one(p, at) for p in plans)
    sys.stdout.write(told)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
