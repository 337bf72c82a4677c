"""The report as a page: for the service, and as one file that stands alone."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from markupsafe import Markup

from api.event_words import paper_word
from api.locale import day_and_time, hour_and_minute, signed, spelt
from api.rendering.pages import STYLE, Pages
from api.reports.drawing import burn_up_chart, gantt_charts, swatch
from api.reports.history import BOOT, CHECK, PEOPLE, RETRIES, VENDORS
from api.reports.marks import band_words, page_style, tone, watermark
from api.reports.measures import Json
from api.reports.moments import moments_of
from api.reports.plain import opening_words, people_words, service_words, trouble_words
from api.reports.proposals import one_yaml
from api.reports.sentences import did_words, event_words, kind_words, said, solved
from api.version import VERSION

HERE = Path(__file__).parent
PAGES = Pages(HERE / "templates")
_STEPS = 200
_TIMELINE = 300
_DIFFERENCES = 200
_PROPOSALS = 60
_PATH = 80
_LINES = 200
_SERVICES = 24
_KINDS = ("machines", "retries", "vendors", "people", "held", "other")
_GOOD = ("healthy", "skipped")


def report_context(report: Json, now: datetime) -> dict[str, Any]:
    """Return what the templates of a report need; everything in it has a bound."""
    run = report["run"]
    zone, began = run["timezone"], run["started_at"]
    gantt = report["charts"]["gantt"]
    return {
        "report": report,
        "run": run,
        "zone": zone,
        "zone_now": day_and_time(began or run["created_at"], zone).rpartition(" ")[2],
        "when": moments_of(began or run["created_at"], zone),
        "minute_of": lambda at: hour_and_minute(at, zone),
        "tone": tone(run),
        "band": band_words(run),
        "watermark": watermark(run),
        "words": _words(report),
        "services": _first(_urgent(report["services"]), _SERVICES),
        "charts": gantt_charts(gantt, began, zone),
        "burn_up": burn_up_chart(report["charts"]["burn_up"], began, zone),
        "swatches": [(kind, swatch(kind)) for kind in (BOOT, CHECK, PEOPLE, VENDORS, RETRIES)],
        "kinds": _KINDS,
        "rows": _rows(report, gantt),
        **_lists(report),
        "written": day_and_time(now, zone),
        "spelt": spelt,
        "signed": signed,
        "said": said,
        "solved": solved,
        "did": did_words,
        "ticked": paper_word,
        "event": event_words,
        "kind": kind_words,
    }


def _words(report: Json) -> Mapping[str, list[str]]:
    return {
        "opening": opening_words(report),
        "services": service_words(report),
        "trouble": trouble_words(report),
        "people": people_words(report),
    }


def _lists(report: Json) -> dict[str, Any]:
    """Return the lists of a report, each with how many lines it had before it was cut."""
    steps = report["steps"]
    dry = report["run"]["mode"] == "dry-run"
    left = [] if dry else [s for s in steps if s["status"] not in _GOOD]
    path = report["critical_path"]
    return {
        "left": _first(left, _LINES),
        "paper": _first([s for s in steps if s["from_paper"]], _LINES),
        "acts": _first(report["acts"], _LINES),
        "manual": _first(report["manual"], _LINES),
        "failures": _first(report["failures"], _LINES),
        "findings": _first(report["run"]["findings"], _LINES),
        "differences": _first(report["differences"], _DIFFERENCES),
        "proposals": _first(report["proposals"], _PROPOSALS),
        "yaml": one_yaml(report["proposals"][:_PROPOSALS]) if report["proposals"] else "",
        "path": (path[-_PATH:], len(path)),
        "timeline": (_told(report["timeline"][-_TIMELINE:]), len(report["timeline"])),
    }


def _first(lines: Sequence[Json], most: int) -> tuple[Sequence[Json], int]:
    return lines[:most], len(lines)


def _urgent(services: Sequence[Json]) -> Sequence[Json]:
    """Return the services, those that were late or are not back first where there are many."""
    ordered = sorted(services, key=lambda s: s["tier"])
    if len(services) <= _SERVICES:
        return ordered
    return sorted(ordered, key=lambda s: s["met"] is not False and s["up_at"] is not None)


def _rows(report: Json, gantt: Json) -> list[Json]:
    """Return the table beside the Gantt chart, in the chart's order."""
    if gantt["by"] != "step":
        return list(gantt["rows"])
    steps = {step["id"]: step for step in report["steps"]}
    return [steps[row["name"]] for row in gantt["rows"]]


def _told(timeline: Sequence[Json]) -> list[Json]:
    """Return events with what they say beside their type, short enough for one line."""
    names = ("detail", "reason", "question", "comment", "evidence", "key")
    found = []
    for event in timeline:
        said_by = (str(event["data"].get(name) or "") for name in names)
        words = " ".join(next((w for w in said_by if w), "").split())
        found.append({**event, "words": words if len(words) <= 160 else f"{words[:159]}…"})
    return found


def standalone(report: Json, now: datetime) -> str:
    """Return the report as one HTML file that needs nothing else, in the language spoken here."""
    context = report_context(report, now)
    style = _style() + page_style(report["run"], context["written"])
    return PAGES.text("report_alone.html", **context, version=VERSION, style=Markup(style))  # noqa: S704 (our own style sheets; what is told in them is written by number)


def style_source(page: str) -> str:
    """Return how a policy names the one style element of a file that stands alone."""
    style = page.partition("<style>")[2].partition("</style>")[0]
    digest = hashlib.sha256(style.encode()).digest()
    return f"'sha256-{base64.b64encode(digest).decode()}'"


@cache
def _style() -> str:
    files = (STYLE, HERE / "static" / "report.css")
    return "\n".join(file.read_text(encoding="utf-8") for file in files)
