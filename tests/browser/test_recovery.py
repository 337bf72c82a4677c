"""A whole recovery from the pages: by mouse, on a phone, by keyboard alone, and without a script."""

from __future__ import annotations

import pytest
from playwright.async_api import Browser, Page, expect

from tests.browser.site import Site
from tests.browser.town import plan
from tests.browser.watching import until_true, watched

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300)]

SIZES = {"desktop": {"width": 1100, "height": 680}, "phone": {"width": 360, "height": 740}}
PATIENCE = 60_000.0
MOST_TABS = 400
OUT_OF_SIGHT = """
(it) => {
  const box = it.getBoundingClientRect();
  const band = document.querySelector(".band")?.getBoundingClientRect();
  const style = getComputedStyle(it);
  if (!box.width || !box.height) return "has no size";
  if (box.bottom < 0 || box.top > innerHeight) return "is off the screen";
  if (band && box.bottom <= band.bottom) return "is under the band";
  if (style.outlineStyle === "none" || parseFloat(style.outlineWidth) < 2) return "shows no focus";
  return "";
}
"""


def answer(step: str, verb: str) -> str:
    return f'button[formaction*="/steps/{step}/{verb}"]'


async def begin(page: Page) -> str:
    """Start the live run from the plan's page, and return its id."""
    await page.goto("/plans/town")
    await page.fill("form.start-live input[name=reason]", "Blackout in the night")
    await page.fill("form.start-live input[name=confirm]", "town")
    await page.click("form.start-live button")
    await page.wait_for_url("**/runs/**")
    return str(await page.get_attribute("#live", "data-run"))


async def ended(page: Page, site: Site, run: str) -> None:
    """Wait until the page itself, which nobody reloads, says how the run ended."""
    await page.wait_for_selector('#live[data-over="yes"]', timeout=PATIENCE)
    assert site.run(run)["status"] == "succeeded"
    assert await page.locator(".s-succeeded").count()


@pytest.mark.parametrize("size", list(SIZES))
async def test_by_mouse(site: Site, browser: Browser, size: str) -> None:
    site.fault(107, "app_never")
    site.store(plan())
    touch = size == "phone"
    async with watched(
        browser, site.url, viewport=SIZES[size], has_touch=touch, locale="it-IT"
    ) as seen:
        page = await seen.page()
        run = await begin(page)
        assert await page.title()
        await page.wait_for_selector(answer("san", "approve"), timeout=PATIENCE)
        await page.fill("#card-san [name=comment]", "controllata la SAN")
        await page.click(answer("san", "approve"))
        await page.wait_for_selector("#card-stuck", timeout=PATIENCE)
        await page.click("#card-stuck summary")
        await page.fill("#card-stuck [name=comment]", "il fornitore la sistema domani")
        await page.click(answer("stuck", "skip"))
        await ended(page, site, run)
        await seen.clean(page)
    told = site.step(run, "san")
    assert (told["status"], told["comment"]) == ("healthy", "controllata la SAN")
    assert site.step(run, "stuck")["status"] == "skipped"
    starts = [order["machine"] for order in site.orders() if order["action"] == "start"]
    assert len(starts) == len(set(starts)) == 8


async def tab_to(page: Page, selector: str) -> None:
    """Press Tab until the element has the focus; each stop on the way has to be seen."""
    for _ in range(MOST_TABS):
        await page.keyboard.press("Tab")
        hidden = await page.evaluate(
            f"document.activeElement === document.body ? '' : ({OUT_OF_SIGHT})(document.activeElement)"
        )
        where = await page.evaluate("document.activeElement.outerHTML.slice(0, 200)")
        assert hidden == "", f"{page.url}: {where} {hidden}"
        if await page.evaluate("(s) => document.activeElement.matches(s)", selector):
            return
    pytest.fail(f"{selector} cannot be reached by keyboard on {page.url}")


async def test_by_keyboard_alone(site: Site, browser: Browser) -> None:
    site.fault(107, "app_never")
    site.store(plan())
    async with watched(browser, site.url, locale="en-GB") as seen:
        page = await seen.page()
        await page.goto("/")
        await tab_to(page, 'a[href="/plans/town"]')
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/plans/town")
        await tab_to(page, "form.start-live input[name=confirm]")
        await page.keyboard.type("town")
        await page.keyboard.press("Enter")
        await page.wait_for_url("**/runs/**")
        run = str(await page.get_attribute("#live", "data-run"))
        await page.wait_for_selector(answer("san", "approve"), timeout=PATIENCE)
        await tab_to(page, "#card-san [name=comment]")
        await page.keyboard.type("green")
        await tab_to(page, answer("san", "approve"))
        await page.keyboard.press("Enter")
        await page.wait_for_selector("#card-stuck", timeout=PATIENCE)
        await tab_to(page, "#card-stuck summary")
        await page.keyboard.press("Enter")
        await tab_to(page, answer("stuck", "accept"))
        await page.keyboard.press("Enter")
        await ended(page, site, run)
        await seen.clean(page)
    assert site.step(run, "stuck")["accepted_by"]
    assert site.step(run, "san")["comment"] == "green"


async def test_without_a_script(site: Site, browser: Browser) -> None:
    site.store(plan(stuck=False))
    async with watched(browser, site.url, java_script_enabled=False) as seen:
        page = await seen.page()
        await page.goto("/plans/town")
        await page.fill("form.start-live input[name=confirm]", "town")
        await page.click("form.start-live button")
        await page.wait_for_url("**/runs/**")
        run = page.url.split("/runs/")[1].split("?")[0]
        site.stands(run, "san", "waiting")
        await page.reload()
        await page.click(answer("san", "approve"))
        site.ended(run)
        await page.reload()
        await expect(page.locator(".s-succeeded").first).to_be_visible()


async def test_what_was_typed_stays_while_the_page_lives(site: Site, browser: Browser) -> None:
    """Somebody writes a comment; the run goes on around them."""
    site.fault(107, "app_never")
    site.store(plan())
    run = site.start("town", "live")
    site.stands(run, "san", "waiting")
    site.call("POST", f"/runs/{run}/steps/san/approve", {})
    site.stands(run, "stuck", "waiting")
    async with watched(browser, site.url) as seen:
        page = await seen.page()
        await page.goto(f"/runs/{run}")
        comment = page.locator("#card-stuck [name=comment]")
        await comment.fill("the vendor says: after lunch")
        await comment.focus()
        site.call("POST", f"/runs/{run}/pause", {"comment": "coffee"})
        await until_true(page, "document.body.innerText.includes('aused')")
        site.call("POST", f"/runs/{run}/resume", {})
        assert await comment.input_value() == "the vendor says: after lunch"
        assert await comment.evaluate("it => it === document.activeElement")
