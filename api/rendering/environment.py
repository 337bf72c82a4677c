"""How pages are rendered: everything escaped, nothing undefined, times as people read them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined, pass_context
from jinja2.runtime import Context
from markupsafe import Markup, escape

from api import locale


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
