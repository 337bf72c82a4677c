"""Is this screen alive: many tabs, a service that dies and comes back, one that says nothing."""

from __future__ import annotations

import asyncio
import re

import pytest
from playwright.async_api import Browser, Page

from tests.browser.site import Site, until
from tests.browser.town import half_way, plan
from tests.browser.watching import until_true, watched

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

PATIENCE = 60_000.0
TABS = 8
LOST = (
    "console: Failed to load resource",
    "console: WebSocket",
    "error: TypeError: Failed to fetch",
)


def listeners(site: Site) -> int:
    """Return how many streams of events the service has open."""
    told = site.http.get("/metrics").text
    found = re.search(r"^drorch_sse_listeners(?:\{[^}]*\})? (\d+)", told, re.MULTILINE)
    assert found, "the metrics tell how many listen"
    return int(float(found[1]))


async def says_paused(page: Page) -> None:
    await until_true(page, "document.querySelector('.s-paused') !== null")


async def test_eight_tabs_are_live_over_one_connection(site: Site, browser: Browser) -> None:
    run = half_way(site)
    async with watched(browser, site.url) as seen:
        tabs = [await seen.page() for _ in range(TABS)]
        for tab in tabs:
            await tab.goto(f"/runs/{run}")
        until(lambda: listeners(site) >= 1, what="somebody listens")
        site.call("POST", f"/runs/{run}/pause", {})
        await asyncio.gather(*(says_paused(tab) for tab in tabs))
        assert listeners(site) == 1, "one for the whole browser"
        ninth = await seen.page()
        await ninth.goto("/")
        assert await ninth.inner_text("h1")
        await tabs[0].close()  # whoever held the connection hands it on
        site.call("POST", f"/runs/{run}/resume", {})
        for tab in tabs[1:]:
            await until_true(tab, "document.querySelector('.s-paused') === null")
        await seen.clean(ninth)


async def test_a_service_that_dies_and_comes_back(site: Site, browser: Browser) -> None:
    run = half_way(site)
    async with watched(browser, site.url) as seen:
        seen.expected = LOST
        page = await seen.page()
        await page.goto(f"/runs/{run}")
        site.cut_power()
        await until_true(page, "/lost|again/i.test(document.querySelector('#fresh').innerText)")
        site.serve()
        site.call("POST", f"/runs/{run}/pause", {})
        await says_paused(page)


async def test_a_page_that_hears_nothing_says_so(site: Site, browser: Browser) -> None:
    run = half_way(site)
    async with watched(browser, site.url) as seen:
        seen.expected = LOST
        page = await seen.page()
        await page.clock.install()
        await page.goto(f"/runs/{run}")
        await page.wait_for_selector("#fresh", timeout=PATIENCE)
        site.freeze()
        try:
            await page.clock.fast_forward(24_000)
            assert not await page.locator(".stale").count()
            await page.clock.fast_forward(4_000)
            await page.wait_for_selector(".stale", timeout=PATIENCE)
            assert re.search(r"\d+ s|STALE", await page.inner_text(".stale"))
        finally:
            site.thaw()
        site.call("POST", f"/runs/{run}/pause", {})
        await page.clock.resume()
        await says_paused(page)
        await until_true(page, "!document.querySelector('.stale')")


async def test_a_screen_reader_is_told_little(site: Site, browser: Browser) -> None:
    """At most one message in ten seconds, whatever happens in the run."""
    site.store(plan(stuck=False))
    run = site.start("town", "live")
    site.stands(run, "san", "waiting")
    async with watched(browser, site.url) as seen:
        page = await seen.page()
        await page.goto(f"/runs/{run}")
        await page.evaluate(
            """() => {
              window.__told = [];
              const note = () => window.__told.push([performance.now(), place.textContent]);
              const place = document.querySelector('#announce');
              new MutationObserver(note).observe(place, {childList: true, characterData: true, subtree: true});
            }"""
        )
        site.call("POST", f"/runs/{run}/steps/san/approve", {})
        site.ended(run)
        await page.wait_for_selector('#live[data-over="yes"]', timeout=PATIENCE)
        await until_true(page, "window.__told.length > 0")
        told = [one for one in await page.evaluate("window.__told") if one[1].strip()]
        assert told, "something has happened, and was said"
        assert len(told) <= 1 + (told[-1][0] - told[0][0]) / 9_500
