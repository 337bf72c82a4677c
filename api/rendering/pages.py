"""The pages of a face: its own templates in the frame that all share, with what they say alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from urllib.parse import quote

from markupsafe import Markup
from starlette.responses import HTMLResponse  # by the framework it takes a third of a second

from api import locale
from api.expected import expected
from api.locale.statuses import run_word, status_word
from api.openings import opening
from api.rendering.environment import environment_of, say_in, say_many
from api.rendering.symbols import SYMBOLS
from api.rendering.visitor import NOBODY, Visitor
from api.wording import short_evidence, simulated_end, tries

HERE = Path(__file__).parent
STYLE = HERE / "static" / "style.css"
"""The style that pages share, for files that carry their own."""


class Pages:
    """Renders the templates in *folders*, which may extend ``base.html`` of this room."""

    def __init__(self, *folders: Path) -> None:
        self.environment = environment_of(*folders, HERE / "templates")
        self.environment.filters |= {
            "time": locale.time_of_day,
            "day": locale.day_and_time,
            "day_minute": locale.day_and_minute,
            "spelt": locale.spelt,
            "part": lambda value: quote(str(value), safe=""),
            "answer": short_evidence,
            "expected": expected,
            "told": locale.told,
            "word": status_word,
            "run_word": run_word,
            "opening": opening,
            "simulated_end": simulated_end,
            "tries": tries,
            "symbol": lambda status: SYMBOLS.get(str(status), ""),
        }
        self.environment.globals |= {"ngettext": say_many, "pgettext": say_in}

    def part(self, template: str, **context: Any) -> Markup:
        """Return a part of a page, escaped as pages are."""
        return Markup(self.text(template, **context))  # noqa: S704 (ours)

    def page(
        self, template: str, status: int = 200, *, visitor: Visitor = NOBODY, **context: Any
    ) -> HTMLResponse:
        """Return the page that *template* makes of *context*, for *visitor*."""
        return HTMLResponse(self.text(template, visitor=visitor, **context), status)

    def text(self, template: str, **context: Any) -> str:
        """Return what *template* makes of *context*."""
        return self.environment.get_template(template).render(**context)
