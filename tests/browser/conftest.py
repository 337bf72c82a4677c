"""A town that is served for the whole session, and Debian's Chromium to look at it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser, async_playwright

from tests.browser.site import Site
from tests.browser.town import FLEET, half_way, plan
from tests.browser.watching import ARGUMENTS
from tests.lab_gate import need


@pytest.fixture
async def browser() -> AsyncIterator[Browser]:
    path = need("chromium", why="pages in a real browser", install="apt-get install chromium")
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield chromium
        await chromium.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """A service of the test's own."""
    yield from _served(tmp_path)


def _served(folder: Path) -> Iterator[Site]:
    need("chromium", why="pages in a real browser", install="apt-get install chromium")
    served = Site(folder, FLEET)
    try:
        served.begin()
        yield served
    finally:
        served.end()


class Town:
    """One service with a run of each kind: half-way, ended, rehearsed."""

    def __init__(self, site: Site) -> None:
        self.site = site
        site.store(plan("calm", stuck=False))
        self.dry = site.start("calm", "dry-run")
        self.simulated = site.start("calm", "simulate")
        site.ended(self.dry)
        site.ended(self.simulated)
        self.ended = site.start("calm", "live", only=["mail"])
        site.stands(self.ended, "san", "waiting")
        site.call("POST", f"/runs/{self.ended}/steps/san/approve", {"comment": "ok"})
        site.ended(self.ended)
        self.open = half_way(site)


@pytest.fixture(scope="session")
def town(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Town]:
    for served in _served(tmp_path_factory.mktemp("town")):
        yield Town(served)
