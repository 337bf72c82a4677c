"""The steps of a report as a table for spreadsheets."""

from __future__ import annotations

import csv
import io
from typing import Any

from api.reports.after_action import Json

_COLUMNS = (
    "id", "title", "action", "status", "connector", "vm", "host", "attempt",
    "ready_at", "started_at", "running_at", "healthy_at", "ended_at",
    "queued_s", "boot_s", "verify_s", "took_s", "expected_s",
    "error", "accepted_by", "decided_by", "comment",
)  # fmt: skip
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def steps_csv(report: Json) -> str:
    """Return the steps of a report as CSV (RFC 4180), one row a step, with the run's id first.

    Text that a spreadsheet would take for a formula gets an apostrophe in front: names and
    comments come from everywhere.
    """
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(("run", *_COLUMNS))
    run = report["run"]["id"]
    table.writerows((run, *(_cell(step.get(key)) for key in _COLUMNS)) for step in report["steps"])
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
