"""The graph in a browser: one tab stop, arrow keys along the lines, states without losing focus."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.conftest import Town
from tests.browser.site import Site
from tests.browser.town import plan
from tests.browser.watching import watched

pytestmark = pytest.mark.browser


async def here(page: Page) -> str | None:
    """Return the key of the box that has the focus."""
    found = await page.evaluate("document.activeElement.closest('[data-k]')?.dataset.k ?? null")
    return str(found) if found else None


async def test_a_graph_is_walked_by_arrow_keys(town: Town, browser: Browser) -> None:
    async with watched(browser, town.site.url, locale="en-GB") as seen:
        page = await seen.page()
        await page.goto("/plans/town/graph")
        await expect(page.locator('svg.graph a[tabindex="0"]')).to_have_count(1)
        await page.get_by_role("button", name="Show").focus()
        await page.keyboard.press("Tab")
        assert await here(page) == "node-san"
        await page.keyboard.press("ArrowRight")
        assert await here(page) in ("node-dc01", "node-dns01")
        await page.keyboard.press("ArrowRight")
        assert await here(page) == "node-core"
        lit = page.locator("svg.graph .line.lit")
        assert await lit.count() >= 5  # three members, and all that need the group
        await page.keyboard.press("ArrowLeft")
        assert await here(page) in ("node-dc01", "node-dns01")
        await page.keyboard.press("ArrowUp")
        upper = await here(page)
        await page.keyboard.press("ArrowDown")
        assert {upper, await here(page)} == {"node-dc01", "node-dns01"}
        await page.keyboard.press("Home")
        assert await here(page) == "node-san"
        await page.keyboard.press("End")
        assert await here(page) == "node-tell"
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/plans/town/graph?focus=tell")
        await expect(page.locator('svg.graph a[tabindex="0"]')).to_have_attribute(
            "aria-current", "true"
        )
        await page.get_by_role("button", name="Show").focus()
        await page.keyboard.press("Tab")
        assert await here(page) == "node-tell"
        await page.keyboard.press("Tab")  # out of the picture, into the list
        assert (await here(page) or "").startswith("listed-")
        await seen.clean(page)


async def test_states_change_where_they_stand(site: Site, browser: Browser) -> None:
    site.store(plan("calm", stuck=False))
    run = site.start("calm", "live")
    site.stands(run, "san", "waiting")
    async with watched(browser, site.url, locale="en-GB") as seen:
        page = await seen.page()
        await page.goto(f"/runs/{run}/graph")
        box = page.locator('svg.graph [data-k="node-san"]')
        link = box.get_by_role("link")
        await expect(box).to_have_class("node k-step s-waiting critical")
        place = await box.get_attribute("transform")
        await link.focus()
        site.call("POST", f"/runs/{run}/steps/san/approve", {"comment": "ok"})
        await expect(box).to_have_class("node k-step s-healthy critical", timeout=30_000)
        await expect(link).to_have_attribute(
            "aria-label", "san, healthy, step 1 of 9, in the longest chain"
        )
        assert await box.get_attribute("transform") == place
        assert await here(page) == "node-san"
        await expect(page.locator('[data-k="listed-san"] .status')).to_contain_text("healthy")
        site.ended(run)
        await expect(page.locator("svg.graph .s-healthy")).to_have_count(10, timeout=30_000)
        await seen.clean(page)


async def test_links_lead_on_without_a_script(town: Town, browser: Browser) -> None:
    async with watched(browser, town.site.url, java_script_enabled=False) as seen:
        page = await seen.page()
        await page.goto(f"/runs/{town.open}/graph?focus=web")
        await page.locator('svg.graph [data-step="web"] a').click()
        await page.wait_for_url(f"**/runs/{town.open}/steps/web")
