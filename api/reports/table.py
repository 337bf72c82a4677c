"""The steps of a report as a table for spreadsheets."""

from __future__ import annotations

import csv
import io
from typing import Any

from api.reports.measures import Json

_COLUMNS = (
    "id", "title", "action", "status", "connector", "vm", "host", "attempt",
    "ready_at", "started_at", "running_at", "healthy_at", "ended_at",
    "queued_s", "boot_s", "verify_s", "took_s", "expected_s",
    "error", "accepted_by", "decided_by", "comment",
    "group", "tier", "contact", "people_s", "vendors_s", "retries_s", "tries", "tries_before",
    "started_outside", "critical",
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
    critical = {link["step"] for link in report.get("critical_path", ())}
    for step in report["steps"]:
        line = {**step, "critical": step["id"] in critical}
        table.writerow((run, *(_cell(line.get(key)) for key in _COLUMNS)))
    return out.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"
    return value
