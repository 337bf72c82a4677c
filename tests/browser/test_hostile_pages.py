"""Text that would like to be a script, in every field that can carry it: nothing runs."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.async_api import Browser

from tests.browser.site import Site
from tests.browser.town import plan
from tests.browser.watching import watched

pytestmark = pytest.mark.browser

CORPUS = (
    "<script>window.__ran=1</script>",
    '"><img src=x onerror=window.__ran=1>',
    "'><svg/onload=window.__ran=1>",
    "javascript:window.__ran=1",
    "</title></textarea></style><script>window.__ran=1</script>",
    "{{constructor.constructor('window.__ran=1')()}}${window.__ran=1}",
    "<a href=javascript:window.__ran=1 autofocus onfocus=window.__ran=1>x</a>",
    "&lt;script&gt;window.__ran=1&lt;/script&gt;",
    "<iframe srcdoc='<script>parent.__ran=1</script>'>",
    "\u202e<b onmouseover=window.__ran=1>\u2066",
)


def hostile(number: int, text: str) -> dict[str, Any]:
    """Return the town's plan with *text* wherever a plan has room for it."""
    found = plan(f"evil-{number}", stuck=False)
    found["title"] = text
    found["contacts"]["desk"] = {"name": text, "phone": text[:60], "email": text[:60]}
    found["steps"]["san"]["manual"]["ask"] = text
    found["steps"]["web"]["title"] = text
    found["groups"]["core"]["title"] = text
    registry = found["services"]["registry"]
    registry["title"] = {"it": text, "en": text}
    registry["fallback"] = {"it": text, "en": text}
    found["steps"]["mail"]["verify"] = [{"agent": {}, "name": text}]
    return found


async def test_nothing_runs(site: Site, browser: Browser) -> None:
    runs = []
    for number, text in enumerate(CORPUS):
        site.store(hostile(number, text))
        said = text.strip("\u202e\u2066")  # the API refuses what turns the line around
        run = site.start(f"evil-{number}", "live", reason=said, by=said, only=["mail", "web"])
        site.stands(run, "san", "waiting")
        runs.append(run)
        site.call("POST", f"/runs/{run}/steps/san/approve", {"comment": said, "by": said})
        site.ended(run)  # the next one wants the same machines
    notice = {"state": "down", "text": {"it": CORPUS[0], "en": CORPUS[1]}}
    site.call("PUT", "/services/registry/notice", notice)
    site.call("PUT", "/holds/sim/108", {"reason": CORPUS[1]})
    async with watched(browser, site.url) as seen:
        page = await seen.page()
        page.on("dialog", lambda dialog: seen.complaints.append(f"dialog: {dialog.message}"))
        for number, run in enumerate(runs):
            for path in (
                f"/runs/{run}?show=all",
                f"/runs/{run}/steps/san",
                f"/runs/{run}/steps/mail",
                f"/runs/{run}/report",
                f"/runs/{run}/graph",
                f"/runs/{run}/graph?open=service:registry",
                f"/plans/evil-{number}",
            ):
                await page.goto(path)
                assert await page.evaluate("window.__ran ?? null") is None, path
                await seen.clean(page)
        for path in ("/", "/runs", "/status"):
            await page.goto(path)
            assert await page.evaluate("window.__ran ?? null") is None, path
