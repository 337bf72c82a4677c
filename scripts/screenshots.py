"""Takes the pictures of the pages for the documents: ``make screenshots`` (Chromium, a minute).

The demo's fleet is recovered up to the middle of its story; what is seen is the real pages.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any

import httpx2
from playwright.async_api import Browser, async_playwright

from api.cli.demo.stage import Stage
from api.cli.demo.story import FAILING, QUESTION

OUT = Path(__file__).parents[1] / "docs" / "images"
_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")
_WITHIN = 240.0
_HALF_WAY = 60

DESK = {"width": 1100, "height": 760}
PHONE = {"width": 390, "height": 844}


class Scene:
    """A service with one run that waits for people, half of its machines up."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._http = httpx2.AsyncClient(base_url=f"{stage.url}/api/v1", timeout=30)
        self.run = ""

    async def play(self) -> None:
        """Recover the fleet until an application is stuck and many others are up."""
        source = (self._stage.folder / "piacenza.yaml").read_text(encoding="utf-8")
        kind = {"Content-Type": "application/yaml"}
        (await self._http.post("/plans", content=source, headers=kind)).raise_for_status()
        rehearsed = await self._run("dry-run")
        step = (await self._http.get(f"/runs/{rehearsed}/steps/{FAILING}")).json()
        fault = {"machine": int(step["vm"]), "kind": "app_never"}
        await self._stage.simulator("POST", "/faults", fault)
        self.run = await self._run("live", reason="Blackout, Friday night")
        await self._until(lambda: self._stands(QUESTION, "waiting"))
        await self._decide(QUESTION, "approve", "both controllers green")
        await self._until(lambda: self._stands(FAILING, "waiting"))
        await self._until(self._is_half_way)

    async def _run(self, mode: str, reason: str = "") -> str:
        wish = {"plan": "piacenza", "mode": mode, "confirm": "piacenza", "reason": reason}
        answer = await self._http.post("/runs", json={**wish, "by": "M. Rossi"})
        answer.raise_for_status()
        return str(answer.json()["id"])

    async def _stands(self, step: str, status: str) -> bool:
        told = await self._http.get(f"/runs/{self.run}/steps/{step}")
        return bool(told.json()["status"] == status)

    async def _is_half_way(self) -> bool:
        counts = (await self._http.get(f"/runs/{self.run}")).json()["counts"]
        return bool(counts["healthy"] >= _HALF_WAY)

    async def _decide(self, step: str, verb: str, comment: str) -> None:
        body = {"comment": comment, "by": "M. Rossi"}
        told = await self._http.post(f"/runs/{self.run}/steps/{step}/{verb}", json=body)
        told.raise_for_status()

    async def _until(self, look: Callable[[], Awaitable[bool]]) -> None:
        async with asyncio.timeout(_WITHIN):
            while not await look():  # noqa: ASYNC110 (another process is looked at)
                await asyncio.sleep(0.5)

    async def close(self) -> None:
        await self._http.aclose()


def pictures(run: str) -> Mapping[str, tuple[str, Mapping[str, Any]]]:
    """Return each picture's name with the page that it shows, and how the browser is set up."""
    at = f"/runs/{run}"
    return {
        "overview": ("/", {"viewport": DESK}),
        "run": (at, {"viewport": DESK}),
        "run-dark-it": (at, {"viewport": DESK, "color_scheme": "dark", "locale": "it-IT"}),
        "run-phone-it": (at, {"viewport": PHONE, "locale": "it-IT"}),
        "step": (f"{at}/steps/{FAILING}", {"viewport": DESK}),
        "graph": (f"{at}/graph", {"viewport": DESK}),
        "status-it": ("/status", {"viewport": DESK, "locale": "it-IT"}),
        "report": (f"{at}/report", {"viewport": DESK}),
        "runbook-it": ("/plans/piacenza/runbook", {"viewport": DESK, "locale": "it-IT"}),
    }


async def take(browser: Browser, url: str, run: str) -> None:
    """Write every picture."""
    for name, (path, options) in pictures(run).items():
        context = await browser.new_context(base_url=url, **options)
        page = await context.new_page()
        answer = await page.goto(path)
        if answer is None or answer.status != 200:
            raise SystemExit(f"{path} does not answer as a page")
        await page.wait_for_timeout(1500)  # it connects, and says that it is alive
        await page.screenshot(path=OUT / f"{name}.png")
        await context.close()
        sys.stdout.write(f"docs/images/{name}.png\n")


async def main() -> None:
    """Play the scene and take its pictures."""
    program = shutil.which("chromium")
    if program is None:
        raise SystemExit("needs Chromium: apt-get install chromium")
    async with Stage(port=None, speed=1.0) as stage:
        await stage.start_fleet(6)
        stage.rewrite("piacenza.yaml", ("verify_timeout: 5m", "verify_timeout: 8s"))
        await stage.start_service()
        scene = Scene(stage)
        await scene.play()
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(
                executable_path=program, args=list(_ARGUMENTS)
            )
            await take(browser, stage.url, scene.run)
            await browser.close()
        await scene.close()


if __name__ == "__main__":
    asyncio.run(main())
