"""Every page, in each theme and language: accessible, quiet, of our own origin, never too wide."""

from __future__ import annotations

import re

import pytest
from playwright.async_api import Browser

from api.app import all_routers
from tests.browser.conftest import Town
from tests.browser.watching import accessible, fits, watched

pytestmark = pytest.mark.browser

PAGES = {
    "/": "/",
    "/runs": "/runs",
    "/login": "/login",
    "/docs": "/docs",
    "/problems": "/problems",
    "/problems/{code}": "/problems/run-not-found",
    "/plans/{plan}": "/plans/town",
    "/runs/{run}": "/runs/{open}",
    "/runs/{run} ended": "/runs/{ended}?show=all",
    "/runs/{run} dry": "/runs/{dry}?show=all",
    "/runs/{run} simulated": "/runs/{simulated}",
    "/runs/{run}/steps/{step}": "/runs/{open}/steps/stuck",
    "/runs/{run}/steps/{step} question": "/runs/{ended}/steps/san",
    "/runs/{run}/report": "/runs/{ended}/report",
    "/runs/{run}/graph": "/runs/{open}/graph",
    "/runs/{run}/graph near": "/runs/{open}/graph?focus=db",
    "/plans/{plan}/graph": "/plans/town/graph",
    "/plans/{plan}/graph opened": "/plans/town/graph?open=service:registry",
    "/status": "/status",
    "/plans/{plan}/runbook": "/plans/town/runbook",
    "/runs/{run}/runbook": "/runs/{ended}/runbook",
    "404": "/runs/nowhere-1",
}
"""Each page of the service, by its route, with what comes behind it when there are several."""
NO_PAGES = {
    "/login/oidc/callback",
    "/healthz",
    "/readyz",
    "/metrics",
    "/runs/{run}/changes",
    "/runs/{run}/report.css",
    "/status/{name}",
}
THEMES = {
    "light": {"color_scheme": "light"},
    "dark": {"color_scheme": "dark", "reduced_motion": "reduce"},
    "forced": {"forced_colors": "active"},
}


def test_no_page_is_left_out() -> None:
    routes = {
        getattr(route, "path", "")
        for prefix, router in all_routers()
        if not prefix
        for route in router.routes
        if "GET" in getattr(route, "methods", ()) and "json" not in getattr(route, "path", "")
    }
    known = {key.split(" ")[0] for key in PAGES}
    assert routes - NO_PAGES - known == set()


def address(town: Town, path: str) -> str:
    return re.sub(r"\{(\w+)\}", lambda found: str(getattr(town, found[1])), path)


@pytest.mark.parametrize("theme", list(THEMES))
@pytest.mark.parametrize("language", ["it", "en"])
async def test_pages_are_for_everybody(
    town: Town, browser: Browser, theme: str, language: str
) -> None:
    locale = {"it": "it-IT", "en": "en-GB"}[language]
    async with watched(browser, town.site.url, locale=locale, **THEMES[theme]) as seen:
        page = await seen.page()
        for key, path in PAGES.items():
            seen.expected = ("console: Failed to load resource",) if key == "404" else ()
            await page.goto(address(town, path))
            assert await page.get_attribute("html", "lang") == language
            await accessible(page)
            await seen.clean(page)


@pytest.mark.parametrize("width", [320, 360, 1100])
async def test_pages_fit(town: Town, browser: Browser, width: int) -> None:
    size = {"width": width, "height": 800}
    async with watched(browser, town.site.url, viewport=size, locale="it-IT") as seen:
        page = await seen.page()
        for path in PAGES.values():
            await page.goto(address(town, path))
            await fits(page)


async def test_pages_tell_it_all_without_a_script(town: Town, browser: Browser) -> None:
    async with watched(browser, town.site.url, java_script_enabled=False) as seen:
        page = await seen.page()
        for path in PAGES.values():
            await page.goto(address(town, path))
            assert (await page.inner_text("h1")).strip()
        await page.goto(f"/runs/{town.open}")
        body = await page.inner_text("main")
        assert "stuck" in body
        assert await page.locator('noscript:has-text("refresh"), meta[http-equiv=refresh]').count()
