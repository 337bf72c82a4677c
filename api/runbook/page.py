"""The runbook as a page: for a browser that prints it, or whole in one file for a stick."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from fastapi.responses import HTMLResponse
from markupsafe import Markup

from api.rendering.pages import Pages
from api.runbook.contents import Runbook
from api.runbook.words import no_tool, rules
from api.version import VERSION

_HERE = Path(__file__).parent
_PAGES = Pages(_HERE / "templates")


def as_page(book: Runbook, *, whole: bool = False) -> HTMLResponse:
    """Return *book* as a page of the service; *whole*: with its style inside, as a file has it."""
    return _PAGES.page(
        "runbook.html",
        book=book,
        style=_style() if whole else "",
        rules=rules(),
        no_tool=no_tool(),
        version=VERSION,
    )


def as_html(book: Runbook) -> str:
    """Return *book* as one file that needs nothing else."""
    return bytes(as_page(book, whole=True).body).decode()


@cache
def _style() -> Markup:
    file = _HERE / "static" / "runbook.css"
    return Markup(file.read_text(encoding="utf-8"))  # noqa: S704 (our own file)
