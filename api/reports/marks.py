"""What must not be mistaken on paper: whether this was real, and which run and plan it tells of."""

from __future__ import annotations

from api.locale import _
from api.reports.measures import Json

_DIGEST = 12
"""Digits of a digest that stand on each page; the whole one stands at the end."""


def watermark(run: Json) -> str:
    """Return what is printed across each page of a report of nothing real; empty for the real."""
    if run["mode"] == "simulate":
        return _("SIMULATION")
    if run["mode"] == "dry-run":
        return _("DRY RUN")
    if run["mode"] == "drill":
        return _("DRILL")
    return _("SIMULATED HYPERVISOR") if run.get("simulated") else ""


def tone(run: Json) -> str:
    """Return the name of the frame around the page."""
    if run["mode"] == "simulate":
        return "simulation"
    if run["mode"] == "dry-run":
        return "dry"
    return "imagined" if run.get("simulated") else "live"


def band_words(run: Json) -> str:
    """Return what the run did to real machines, in one line."""
    mark = watermark(run)
    return mark or _("REAL RECOVERY: real machines were powered on")


def page_style(run: Json, written: str) -> str:
    """Return the style of printed pages: their header and footer name the run and its plan.

    *written* says when this was written. Nothing in it can end the string that it stands in.
    """
    plan = run["plan"]
    revision = _("revision {n}", n=run["revision"]) if run["revision"] else _("not stored")
    digest = _("plan SHA-256 {digest}…", digest=run["digest"][:_DIGEST])
    mark = watermark(run) or _("real")
    return (
        "@page {\n"
        f"  @top-left {{ content: {_string(f'{plan} · {revision} · {digest}')}; }}\n"
        f"  @top-right {{ content: {_string(mark)}; }}\n"
        f"  @bottom-left {{ content: {_string(run['id'] + ' · ' + written)}; }}\n"
        f"  @bottom-right {{ content: counter(page) {_string(' / ')} counter(pages); }}\n"
        "}\n"
    )


def _string(words: str) -> str:
    """Return a string of CSS; whatever is no letter, digit or blank is written by its number.

    The blank behind a number belongs to it.
    """
    return '"' + "".join(c if c.isalnum() or c == " " else f"\\{ord(c):x} " for c in words) + '"'
