"""How pages are rendered: everything escaped, nothing undefined, times as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from api.dashboard.visitor import NOBODY, Visitor
from api.openings import opening
from api.wording import tries
from drorch.model.hours import zone_named
from plans.units import format_duration

VERSION = version("drorch")
TEMPLATES = Path(__file__).parent / "templates"

SYMBOLS: Mapping[str, str] = {
    "pending": "○",
    "ready": "◔",
    "starting": "▶",
    "verifying": "◎",
    "healthy": "✓",
    "failed": "✕",
    "waiting": "◆",
    "blocked": "■",
    "skipped": "»",
    "cancelled": "\N{EN DASH}",
    "running": "▶",
    "paused": "❚❚",
    "succeeded": "✓",
    "aborted": "\N{EN DASH}",
    "awaiting_approval": "◆",
    "imported": "⇢",
    "up": "✓",
    "restoring": "▶",
    "down": "✕",
    "unknown": "?",
    "not_affected": "✓",
    "could start": "✓",
    "found running": "✓",
    "no error": "✓",
    "nothing to look at": "\N{EN DASH}",
    "not examined": "?",
    "held": "▲",
    "has an error": "✕",
    "error": "✕",
    "warning": "▲",
    "info": "i",
}
"""A shape for each status: colour alone tells nothing to many people."""


def visible(value: object) -> object:
    """Show control and direction characters as a mark, so that no text can hide another."""
    if isinstance(value, Markup) or not isinstance(value, str) or value.isprintable():
        return value
    return "".join(
        c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in value
    )


def local_time(value: str | datetime | None, zone: str) -> str:
    """Return a moment as HH:MM:SS where the service's people live; empty for none."""
    if not value:
        return ""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.astimezone(zone_named(zone) or UTC).strftime("%H:%M:%S")


def local_day(value: str | datetime | None, zone: str) -> str:
    """Return a moment with its date and the name of its zone; empty for none."""
    if not value:
        return ""
    at = datetime.fromisoformat(value) if isinstance(value, str) else value
    return at.astimezone(zone_named(zone) or UTC).strftime("%d/%m/%Y %H:%M:%S %Z")


def seconds(value: float | None) -> str:
    """Return a number of seconds as the plan language writes it: ``1h30m``."""
    if value is None:
        return ""
    if value >= 1:
        return format_duration(timedelta(seconds=round(value)))
    return f"{value:.1f}s" if value >= 0.05 else "0s"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=visible,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "time": local_time,
        "day": local_day,
        "seconds": seconds,
        "part": lambda value: quote(str(value), safe=""),
        "minute": lambda value, zone: local_time(value, zone)[:5],
        "opening": opening,
        "tries": tries,
        "symbol": lambda status: SYMBOLS.get(str(status), ""),
    }
    return environment


def page(
    template: str, status: int = 200, *, visitor: Visitor = NOBODY, **context: Any
) -> HTMLResponse:
    """Return the page that *template* makes of *context*, for *visitor*."""
    text = _environment().get_template(template).render(**context, visitor=visitor)
    return HTMLResponse(text, status)
