"""What a browser must not see: errors, other origins, breaches of the policy, poor access."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Page, Request

ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WCAG = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
_BREACHES = """
window.__breaches = [];
document.addEventListener("securitypolicyviolation", (event) => {
  window.__breaches.push(`${event.violatedDirective} ${event.blockedURI} ${event.sample}`);
});
"""


class Watched:
    """A browser's context, and all that went wrong in it."""

    def __init__(self, context: BrowserContext, origin: str) -> None:
        self.context = context
        self._origin = origin
        self.complaints: list[str] = []
        self.expected: tuple[str, ...] = ()
        """Beginnings of complaints that the test itself has caused."""

    async def page(self) -> Page:
        page = await self.context.new_page()
        page.on("console", self._console)
        page.on("pageerror", lambda error: self.complaints.append(f"error: {error}"))
        page.on("request", self._request)
        return page

    def _console(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self.complaints.append(f"console: {message.text}")

    def _request(self, request: Request) -> None:
        parts = urlsplit(request.url)
        is_foreign = f"{parts.scheme}://{parts.netloc}" != self._origin
        if parts.scheme in ("http", "https", "ws", "wss") and is_foreign:
            self.complaints.append(f"foreign: {request.url}")

    async def clean(self, page: Page) -> None:
        """Fail if anything went wrong so far."""
        breaches = await page.evaluate("window.__breaches ?? []")
        found = [c for c in self.complaints if not c.startswith(self.expected or ("\0",))]
        assert breaches == []
        assert found == []


@asynccontextmanager
async def watched(browser: Browser, origin: str, **options: Any) -> AsyncIterator[Watched]:
    options.setdefault("viewport", {"width": 1100, "height": 680})
    context = await browser.new_context(base_url=origin, **options)
    await context.add_init_script(_BREACHES)
    try:
        yield Watched(context, origin)
    finally:
        await context.close()


async def until_true(page: Page, expression: str, within: float = 60.0) -> None:
    """Wait until *expression* is true in the page; asked from outside, as its policy wants no eval."""
    end = time.monotonic() + within
    while not await page.evaluate(expression):
        assert time.monotonic() < end, f"not within {within:g} s: {expression}"
        await asyncio.sleep(0.1)


async def accessible(page: Page) -> None:
    """Fail with every violation of WCAG 2.2 AA that a machine can find."""
    options = {"runOnly": {"type": "tag", "values": WCAG}, "resultTypes": ["violations"]}
    result = await Axe().run(page, options=options)
    found = [
        f"{one['id']}: {one['help']}: {node['html'][:200]} {node.get('failureSummary', '')[:300]}"
        for one in result.response["violations"]
        for node in one["nodes"][:3]
    ]
    assert found == [], f"{page.url}"


async def fits(page: Page) -> None:
    """Fail when the page has to be moved sideways."""
    wide = await page.evaluate(
        "document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth"
    )
    assert wide <= 0, f"{page.url} is {wide} px too wide"
