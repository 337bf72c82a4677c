"""The report as PDF, by an optional library: ``pip install 'drorch[pdf]'``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from drorch.errors import ConfigurationError

_VARIANT = "pdf/ua-1"
"""Tagged, so that a screen reader can read it; ISO 14289-1."""
_HOW = (
    "install it: pip install 'drorch[pdf]' and Pango (Debian: apt-get install libpango-1.0-0 "
    "libpangoft2-1.0-0 libharfbuzz-subset0); a browser prints the page of the report as well"
)


def as_pdf(page: str) -> bytes:
    """Return a page that stands alone as PDF. Slow: seconds; not for the event loop.

    Raises `ConfigurationError` where the library, or what it stands on, is not installed.
    """
    library = _library()
    # Whatever a text in the report would like to have fetched: all of it is in the page.
    nothing = library.urls.URLFetcher(allowed_protocols=())
    document = library.HTML(string=page, url_fetcher=nothing, base_url=None)
    return bytes(document.write_pdf(pdf_variant=_VARIANT))


def _library() -> Any:
    try:
        return import_module("weasyprint")
    except (ImportError, OSError) as error:  # the latter: without the libraries of the system
        raise ConfigurationError(
            f"a report as PDF needs WeasyPrint, which cannot be loaded: {str(error)[:200]}",
            hint=_HOW,
        ) from error
