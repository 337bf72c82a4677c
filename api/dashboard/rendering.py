"""How pages are rendered: everything escaped, nothing undefined, times as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from api import locale
from api.dashboard.visitor import NOBODY, Visitor
from api.expected import expected
from api.locale.statuses import run_word, status_word
from api.openings import opening
from api.wording import tries
from plans.units import format_duration

VERSION = version("drorch")
TEMPLATES = Path(__file__).parent / "templates"
REPORTS = Path(__file__).parents[1] / "reports" / "templates"
RUNBOOK = Path(__file__).parents[1] / "runbook" / "templates"

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


@pass_context
def _shown(_context: Context, value: object) -> object:
    """Show what a template puts out, at each rendering.

    Without a context (and with an optimiser), ``{{ 'failed'|word }}`` would be computed when the
    template is compiled, and everybody would read the language of whoever came first.
    """
    return visible(value)


def seconds(value: float | None) -> str:
    """Return a number of seconds as the plan language writes it: ``1h30m``."""
    if value is None:
        return ""
    if value >= 1:
        return format_duration(timedelta(seconds=round(value)))
    return f"{value:.1f}s" if value >= 0.05 else "0s"


def _said(text: str, values: Mapping[str, object]) -> Markup:
    """Return a text with its values, which stay text whatever is in them."""
    shown = {name: visible(value) for name, value in values.items()}
    return escape(text).format_map(shown) if shown else escape(text)


def say(message: str, /, **values: object) -> Markup:
    """``_`` of the templates: *message* in the visitor's language, values escaped."""
    return _said(locale._(message), values)


def say_many(one: str, many: str, n: int, /, **values: object) -> Markup:
    """``ngettext`` of the templates; ``{n}`` stands for the number."""
    text = locale.translations(locale.language()).ngettext(one, many, n)
    return _said(text, {"n": n, **values})


def say_in(context: str, message: str, /, **values: object) -> Markup:
    """``pgettext`` of the templates."""
    return _said(locale.pgettext(context, message), values)


def environment_of(*folders: Path) -> Environment:
    """Return what renders the templates of *folders*, with what every face says alike."""
    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        optimized=False,
        finalize=_shown,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "long_day": locale.long_day,
        "minute": locale.hour_and_minute,
        "of_plan": locale.of_plan,
    }
    environment.globals |= {
        "_": say,
        "language": locale.language,
        "LANGUAGES": locale.LANGUAGES,
    }
    return environment


@cache
def _environment() -> Environment:
    environment = environment_of(TEMPLATES, REPORTS, RUNBOOK)
    environment.filters |= {
        "time": locale.time_of_day,
        "day": locale.day_and_time,
        "day_minute": locale.day_and_minute,
        "seconds": seconds,
        "part": lambda value: quote(str(value), safe=""),
        "expected": expected,
        "told": locale.told,
        "word": status_word,
        "run_word": run_word,
        "opening": opening,
        "tries": tries,
        "symbol": lambda status: SYMBOLS.get(str(status), ""),
    }
    environment.globals |= {"ngettext": say_many, "pgettext": say_in}
    return environment


def part(template: str, **context: Any) -> Markup:
    """Return a part of a page, escaped as pages are."""
    return Markup(_environment().get_template(template).render(**context))  # noqa: S704 (ours)


def page(
    template: str, status: int = 200, *, visitor: Visitor = NOBODY, **context: Any
) -> HTMLResponse:
    """Return the page that *template* makes of *context*, for *visitor*."""
    return HTMLResponse(text_of(template, visitor=visitor, **context), status)


def text_of(template: str, **context: Any) -> str:
    """Return what *template* makes of *context*."""
    return _environment().get_template(template).render(**context)
