"""The public page in a browser: it renews itself, and says so when it cannot any more."""

from __future__ import annotations

import http.server
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from playwright.async_api import Browser, expect

from api.status.board import board_from
from api.status.publishing import publish
from tests.browser.conftest import Town
from tests.browser.site import Site, until
from tests.browser.town import plan
from tests.browser.watching import accessible, fits, watched

pytestmark = pytest.mark.browser

NOTICE = {"state": "down", "text": {"en": "Closed today"}}
LATER = 40_000
MUCH_LATER = 400_000
"""Milliseconds of the browser's own clock."""


async def test_it_renews_itself_and_says_when_it_is_old(site: Site, browser: Browser) -> None:
    site.store(plan(stuck=False))
    until(lambda: site.http.get("/status.json").json()["services"], what="the services")
    async with watched(browser, site.url, locale="en-GB") as seen:
        page = await seen.page()
        await page.route("**/*", lambda route: route.continue_())  # without the browser's cache
        await page.clock.install()
        await page.goto("/status")
        await expect(page.locator("main")).to_contain_text("No information")
        await expect(page.locator("#old")).to_be_hidden()
        site.call("PUT", "/services/registry/notice", NOTICE)
        line = page.locator(".service", has_text="Civil registry")

        async def renewed() -> bool:
            await page.clock.fast_forward(LATER)
            return "Closed today" in await line.inner_text()

        for _ in range(60):  # the service itself reads its journal anew every few seconds
            if await renewed():
                break
            await expect(page.locator("h1")).to_be_visible()
            await page.wait_for_timeout(300)
        await expect(line).to_contain_text("Not available")
        title = "[SIMULATION] ✕ 1 service is not available · Service status"
        await expect(page).to_have_title(title)
        assert "icon-down" in str(await page.get_attribute("link[rel=icon]", "href"))
        await seen.clean(page)
        await seen.context.set_offline(True)
        seen.expected = ("console: Failed to load resource",)
        await page.clock.fast_forward(MUCH_LATER)
        await page.clock.fast_forward(LATER)
        await expect(page.locator("#old")).to_be_visible()
        await expect(line).to_contain_text("Closed today")


@pytest.fixture
def elsewhere(town: Town, tmp_path: Path) -> Iterator[str]:
    """Return the address of another host that has nothing but the files."""
    publish(board_from(town.site.http.get("/status.json").json()), tmp_path)
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(tmp_path))
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    serving = threading.Thread(target=server.serve_forever)
    serving.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    serving.join()
    server.server_close()


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_the_files_are_a_page_of_their_own_elsewhere(
    elsewhere: str, browser: Browser, theme: str
) -> None:
    size = {"width": 320, "height": 800}
    async with watched(browser, elsewhere, viewport=size, color_scheme=theme) as seen:
        page = await seen.page()
        await page.goto("/")
        assert await page.get_attribute("html", "lang") == "it"
        await expect(page.locator("main")).to_contain_text("Anagrafe e Stato Civile")
        await accessible(page)
        await fits(page)
        await page.click("text=English")
        await expect(page.locator("main")).to_contain_text("Civil registry")
        assert await page.get_attribute("html", "lang") == "en"
        await seen.clean(page)
