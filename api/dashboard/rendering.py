"""How the pages of the dashboard are rendered."""

from __future__ import annotations

from pathlib import Path

from api.rendering.pages import Pages

PAGES = Pages(Path(__file__).parent / "templates")
page, part = PAGES.page, PAGES.part
