"""Take the picture of a run for the README: a real live run, on the simulated fleet.

``python -m scripts.picture`` writes docs/images/run.svg. Nothing in it is drawn by hand: the
simulator runs as a process, and the screen is the one that a terminal would show.
"""

from __future__ import annotations

import asyncio
import io
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import httpx2
from rich.console import Console

from api.bootstrap import Application
from api.callers import system_caller
from api.cli.access import Given, Json, Verb
from api.cli.live import View
from api.cli.local import LocalAccess
from api.operations import Wish, choose_plan, start_run
from api.settings import load_settings
from drorch.run.status import Mode
from plans.catalog import example, fleet

OUT = Path(__file__).parents[1] / "docs" / "images" / "run.svg"
WIDTH, HEIGHT = 116, 40
_FAULTS = ({"machine": 147, "kind": "start_fails", "times": 9},)
_ENOUGH = 58
_DEADLINE = 180.0


@asynccontextmanager
async def _simulator() -> AsyncIterator[str]:
    """Run the simulator with the whole story's fleet; yield its address."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "connectors.simulated", "--fleet", str(fleet("piacenza")),
        "--port", "0", stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    if process.stdout is None:
        raise RuntimeError("the simulator's output is not a pipe")
    try:
        yield (await process.stdout.readline()).decode().split()[-1]
    finally:
        process.terminate()
        await process.wait()


async def take(folder: Path) -> None:
    """Recover the fleet until the screen shows everything it can, then keep the screen."""
    async with _simulator() as url:
        async with httpx2.AsyncClient(base_url=url, trust_env=False) as instruments:
            for fault in _FAULTS:
                (await instruments.post("/faults", json=fault)).raise_for_status()
        (folder / "drorch.toml").write_text(
            f'data_dir = "{folder}"\n[connectors.sim]\ntype = "simulated"\nurl = "{url}"\n'
        )
        async with Application(load_settings(folder / "drorch.toml")) as app:
            caller = system_caller("presidio")
            plan = await choose_plan(
                app, str(example("piacenza")), caller=system_caller("presidio")
            )
            wish = Wish(chosen=plan, mode=Mode.LIVE, caller=caller)
            run, lease = await start_run(app, wish, keep_lease=True)
            driving = asyncio.create_task(app.supervisor.drive(run, lease=lease))
            try:
                await _watch(LocalAccess(app, by="presidio"), run)
            finally:
                driving.cancel()
                await asyncio.wait({driving})


async def _watch(access: LocalAccess, run: str) -> None:
    view = View(simulated=True, footer="Ctrl-C leaves the run open")
    seen = 0
    async with asyncio.timeout(_DEADLINE):
        while True:
            events = await access.events(run, seen)
            seen = events[-1]["seq"] if events else seen
            found = await access.run(run)
            view.hear(events, found["timezone"])
            if _worth_a_picture(found):
                _keep(view, found)
                return
            await _answer(access, found)
            await asyncio.sleep(0.2)


def _worth_a_picture(run: Json) -> bool:
    asks = any(step["asks"] == "failure" for step in run["steps"])
    return asks and run["counts"]["healthy"] >= _ENOUGH


async def _answer(access: LocalAccess, run: Json) -> None:
    for step in run["steps"]:
        if step["asks"] == "manual":
            told = Given(run=run["id"], verb=Verb.APPROVE, step=step["id"], comment="both online")
            await access.decide(told)


def _keep(view: View, run: Json) -> None:
    console = Console(record=True, width=WIDTH, file=io.StringIO(), force_terminal=True)
    console.print(view.draw(run, WIDTH, HEIGHT))
    svg = console.export_svg(title="drorch run piacenza.yaml --mode live")
    # the fonts are fetched from elsewhere by rich's template; a monospaced one is everywhere
    start, end = svg.find("@font-face"), svg.rfind("@font-face")
    if start != -1:
        svg = svg[:start] + svg[svg.index("}", end) + 1 :]
    OUT.write_text(svg.replace("Fira Code", "DejaVu Sans Mono, Consolas"), encoding="utf-8")
    sys.stdout.write(f"{OUT}\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as room:
        asyncio.run(take(Path(room)))
