"""``make bench-pages``: what a browser takes to show a run of many steps, and how late it is.

The HTTP side is a process of its own; this one writes the journal as an engine does, and looks
with Chromium. ``python -m bench.pages [--steps 2000] [--rate 20] [--seconds 30] [--many 100000]``
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from playwright.async_api import CDPSession, Page, async_playwright

from bench.listeners import HttpSide, http_side
from drorch.journal.store import Store
from drorch.run import events as ev
from drorch.run.status import Mode, OrderKind
from plans import load

_ARGUMENTS = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")
_AT_WORK = 32
_SETTLE = 60.0
_WATCH = """
() => {
  window.__shown = {};
  const look = () => {
    for (const found of document.body.innerText.matchAll(/attempt (\\d+): connection/g)) {
      window.__shown[found[1]] ??= Date.now();
    }
  };
  new MutationObserver(look).observe(document.body, {childList: true, subtree: true, characterData: true});
}
"""


def plan_of(steps: int) -> dict[str, Any]:
    """Return a plan of layers of machines, in groups, with a service for each of them."""
    wide = 40
    found: dict[str, Any] = {}
    for n in range(steps):
        before = [f"m{n - wide}", f"m{n - wide + (1 if n % wide < wide - 1 else 0)}"]
        found[f"m{n}"] = {
            "vm": 1000 + n,
            "group": f"g{n % wide}",
            "verify": [{"tcp": "127.0.0.1:9", "name": "answers"}],
            **({"depends_on": sorted(set(before))} if n >= wide else {}),
        }
    return {
        "drorch": 1,
        "plan": "wide",
        "title": "A wide plan",
        "rto": "4h",
        "defaults": {"connector": "sim", "expect": "30s"},
        "limits": {"parallel": _AT_WORK},
        "groups": {f"g{n}": {"title": f"Group {n}"} for n in range(wide)},
        "services": {
            f"s{n}": {
                "title": {"en": f"Service {n}"},
                "tier": 1 + n % 3,
                "rto": "1h",
                "steps": [f"m{steps - wide + n}"],
            }
            for n in range(min(wide, 25))
        },
        "steps": found,
    }


class Journal:
    """A run that is written here, with a third of its steps done and some at work."""

    def __init__(self, side: HttpSide) -> None:
        self._store = Store(side.settings.place)
        self.run = ""
        self.seq = 0
        self.working: list[str] = []

    async def begin(self, steps: int) -> None:
        plan = await asyncio.to_thread(load, json.dumps(plan_of(steps)), "wide")
        now = datetime.now(UTC)

        def requested(run: str) -> Sequence[ev.Event]:
            return (ev.RunRequested(at=now, run=run, plan=plan, mode=Mode.LIVE, by="bench"),)

        self.run = await self._store.create_run("wide", "live", requested)
        self.seq = 1
        done = steps // 3
        events: list[ev.Event] = [ev.RunStarted(at=now, driver="bench")]
        for n in range(done):
            events += self._came_up(f"m{n}", now)
        self.working = [f"m{n}" for n in range(done, done + _AT_WORK)]
        for step in self.working:
            events += self._came_up(step, now)[:2]
        await self.append(events)

    def _came_up(self, step: str, now: datetime) -> list[ev.Event]:
        until = now + timedelta(hours=1)
        return [
            ev.StepStarted(at=now, step=step, attempt=1, order=OrderKind.START, until=until),
            ev.MachineRunning(at=now, step=step, attempt=1, until=until, host="pve1"),
            ev.StepHealthy(at=now, step=step, attempt=1),
        ]

    async def append(self, events: Sequence[ev.Event]) -> float:
        await self._store.append(self.run, events, after=self.seq)
        self.seq += len(events)
        return time.time()

    def check(self, number: int) -> ev.Event:
        """Return an event whose evidence stands in a row of the page."""
        return ev.CheckChanged(
            at=datetime.now(UTC),
            step=self.working[number % len(self.working)],
            attempt=1,
            check="answers",
            healthy=False,
            evidence=f"attempt {number}: connection refused",
        )

    def close(self) -> None:
        self._store.close()


async def _opened(page: Page, url: str) -> dict[str, Any]:
    """Return what opening a page takes; the second time, as people have its styles by then."""
    sizes = []
    for _ in range(2):
        answer = await page.goto(url)
        assert answer is not None
        assert answer.status == 200
        sizes.append(len(await answer.body()))
    paint = await page.evaluate(
        "performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? null"
    )
    return {"mb": round(sizes[-1] / 1e6, 3), "first_paint_ms": paint and round(paint)}


async def _busy(session: CDPSession) -> float:
    told = await session.send("Performance.getMetrics")
    return {m["name"]: float(m["value"]) for m in told["metrics"]}["TaskDuration"]


async def _heap(session: CDPSession) -> float:
    await session.send("HeapProfiler.collectGarbage")
    told = await session.send("Performance.getMetrics")
    return {m["name"]: float(m["value"]) for m in told["metrics"]}["JSHeapUsedSize"] / 1e6


async def _told_live(
    page: Page, session: CDPSession, journal: Journal, rate: float, seconds: float
) -> dict[str, Any]:
    """Return how late events are shown, and what of a core the page's main thread takes."""
    await page.evaluate(_WATCH)
    begun, busy, committed = time.monotonic(), await _busy(session), {}
    for number in range(int(rate * seconds)):
        await asyncio.sleep(max(0.0, begun + number / rate - time.monotonic()))
        committed[str(number)] = await journal.append([journal.check(number)])
    took, used = time.monotonic() - begun, await _busy(session) - busy
    await asyncio.sleep(2)
    shown: dict[str, float] = await page.evaluate("window.__shown")
    late = sorted(shown[n] - at * 1000 for n, at in committed.items() if n in shown)
    return {
        "events": len(committed),
        "shown": len(late),
        "p50_ms": round(statistics.median(late)),
        "p95_ms": round(late[int(len(late) * 0.95)]),
        "core_percent": round(100 * used / took),
    }


async def _grown(page: Page, session: CDPSession, journal: Journal, many: int) -> dict[str, Any]:
    """Return how much more memory a page holds after *many* events."""
    before, batch = await _heap(session), 200
    for first in range(0, many, batch):
        await journal.append([journal.check(1_000_000 + first + n) for n in range(batch)])
        await asyncio.sleep(0.02)
    until = time.monotonic() + _SETTLE
    while time.monotonic() < until:
        if int(await page.get_attribute("#live", "data-seq") or 0) >= journal.seq:
            break
        await asyncio.sleep(0.5)
    seen = int(await page.get_attribute("#live", "data-seq") or 0)
    grown = await _heap(session) - before
    return {"events": many, "seen_all": seen >= journal.seq, "heap_mb": round(grown, 2)}


async def measured(steps: int, rate: float, seconds: float, many: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        async with http_side(Path(folder)) as side, async_playwright() as playwright:
            journal = Journal(side)
            await journal.begin(steps)
            browser = await playwright.chromium.launch(
                executable_path=shutil.which("chromium"), args=list(_ARGUMENTS)
            )
            page = await browser.new_page(viewport={"width": 1100, "height": 680})
            session = await page.context.new_cdp_session(page)
            await session.send("Performance.enable")
            url = f"http://127.0.0.1:{side.port}/runs/{journal.run}"
            found = {"steps": steps, "open": await _opened(page, url)}
            found["all_rows"] = await _opened(page, f"{url}?show=all")
            found["live"] = await _told_live(page, session, journal, rate, seconds)
            if many:
                found["memory"] = await _grown(page, session, journal, many)
            await browser.close()
            journal.close()
            return found


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--rate", type=float, default=20.0)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--many", type=int, default=100_000)
    told = parser.parse_args()
    found = asyncio.run(measured(told.steps, told.rate, told.seconds, told.many))
    sys.stdout.write(f"{json.dumps(found, indent=2)}\n")


if __name__ == "__main__":
    main()
