"""The command ``drorch demo``: a dry run, a recovery, a failure, a power cut, in three minutes."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Iterator
from typing import Annotated

import typer

from api.bootstrap import Application
from api.callers import system_caller
from api.cli import logs
from api.cli.access import Json
from api.cli.board import Board
from api.cli.context import finish, run_async
from api.cli.demo.stage import Stage
from api.cli.demo.story import FAILING, Director, in_time
from api.cli.demo.tally import Tally, tally
from api.cli.driving import Manner, carry_on
from api.cli.exits import Exit
from api.cli.follow import LiveView, PlainLines, Show, follow
from api.cli.live import View
from api.cli.local import LocalAccess
from api.cli.program import program_of
from api.cli.screen import marked, note, out
from api.cli.summary import print_summary
from api.locale import _, ngettext
from api.operations import Wish, choose_plan, start_run
from api.settings import load_settings
from drorch.run.status import Mode, RunStatus

_ACTOR = "demo"
_CALLER = system_caller(_ACTOR)
_TIME_SCALE = 4.0
_HURRY = 200.0
_VERIFY_WITHIN = "12s"
"""Minutes of patience shrink with the simulated time."""


def demo(
    *,
    exit_: Annotated[
        bool, typer.Option("--exit", help="End when the run ends; else the service stays up.")
    ] = False,
    port: Annotated[
        int | None, typer.Option(min=1, max=65535, help="Of the service; 8140 if it is free.")
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0.1, max=20, help="Twice as fast: 2. The story takes 3 minutes.")
    ] = 1.0,
) -> None:
    """Recover a simulated fleet of 140 machines before your eyes. Touches nothing real."""
    finish(run_async(_play(stays=not exit_, port=port, speed=speed)))


async def _play(*, stays: bool, port: int | None, speed: float) -> Exit:
    _end_with_the_terminal()
    async with Stage(port=port, speed=speed) as stage:
        try:
            return await _Demo(stage).play(stays=stays)
        except asyncio.CancelledError:
            note(_("the demo ends; all of its processes too"))
            raise


def _end_with_the_terminal() -> None:
    """End in order when the terminal closes, too: the children would outlive us."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 (called inside the demo's task)
    for number in (signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)


class _Demo:
    """One telling of the story."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._console = out()
        self._view = View(simulated=True, footer=_("page: {address}", address=stage.url))
        self._view.board = Board(program_of(stage.config, None))

    def tell(self, words: str) -> None:
        """Say a paragraph of the story: into the scroll-back, and on the live view."""
        self._view.story = words
        lead, *rest = words.splitlines()
        self._console.print(marked("▌ ", "magenta").append(lead, style="bold"), soft_wrap=True)
        for line in rest:
            self._console.print(marked("▌ ", "magenta").append(line), soft_wrap=True)

    def _hush(self) -> None:
        """Take the last words off the live view: what they were about is over."""
        self._view.story = ""

    async def play(self, *, stays: bool) -> Exit:
        self.tell(
            _(
                "SIMULATED: a municipal data centre of 140 invented machines. Nothing real is "
                "touched.\nAll of it lives in {folder} and is gone afterwards.",
                folder=self._stage.folder,
            )
        )
        async with Application(load_settings(self._stage.config, {})) as app:
            await self._dry_run(app)
            code = await self._recovery(app)
        if stays:
            self.tell(
                _("The pages stay at {address} until you press ctrl-C.", address=self._stage.url)
            )
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.Event().wait()
        return code

    async def _dry_run(self, app: Application) -> None:
        self.tell(
            _("1. Before the emergency: a dry run looks at everything and touches nothing.")
            + f"\n$ {self._view.board.program} run {self._stage.folder / 'dry-run-findings.yaml'}"
        )
        await self._stage.start_fleet(_HURRY)
        await self._stage.simulator("POST", "/machines/100/start")
        await self._until_well(100)
        chosen = await choose_plan(
            app, str(self._stage.folder / "dry-run-findings.yaml"), caller=_CALLER
        )
        wish = Wish(
            chosen=chosen,
            mode=Mode.DRY_RUN,
            caller=_CALLER,
            reason=_("weekly rehearsal"),
        )
        run, lease = await start_run(app, wish, keep_lease=True)
        await carry_on(app, run, lease, Manner())
        self.tell(
            _("It found a machine that is missing, and a check that looks at the wrong port.")
        )

    async def _until_well(self, machine: int) -> None:
        while True:
            if (await self._stage.simulator("GET", f"/machines/{machine}"))["well"]:
                return
            await asyncio.sleep(0.05)

    async def _recovery(self, app: Application) -> Exit:
        self.tell(_("2. A night, a power cut: 140 machines are off. The service starts."))
        await self._stage.start_fleet(_TIME_SCALE)
        self._stage.rewrite(
            "piacenza.yaml", ("verify_timeout: 5m", f"verify_timeout: {_VERIFY_WITHIN}")
        )
        await self._stage.start_service()
        chosen = await choose_plan(app, str(self._stage.folder / "piacenza.yaml"), caller=_CALLER)
        failing = next(s.machine for s in chosen.plan.steps if s.id == FAILING and s.machine)
        fault = {"machine": int(failing.id or 0), "kind": "app_never"}
        await self._stage.simulator("POST", "/faults", fault)
        wish = Wish(
            chosen=chosen,
            mode=Mode.LIVE,
            caller=_CALLER,
            reason=_("power cut (simulated)"),
        )
        run, _lease = await start_run(app, wish, keep_lease=False)
        page = f"{self._stage.url}/runs/{run}"
        self.tell(
            _("The run is {run}; its page is {address}", run=run, address=page)
            + f"\n$ {self._view.board.program} watch {run}"
        )
        access = LocalAccess(app, by=_ACTOR)
        director = Director(self._stage, access, self.tell, self._hush, self._view.board.program)
        with self._showing(app) as show:
            told = await follow(access, run, show, director.attend)
        return await self._ended(told)

    @contextlib.contextmanager
    def _showing(self, app: Application) -> Iterator[Show]:
        if not self._console.is_terminal or self._console.is_dumb_terminal:
            yield PlainLines(self._console)
            return
        live = LiveView(self._console, self._view, full_screen=False)
        with logs.logging_to(app.settings.data_dir / "drorch.log"), live.running():
            yield live

    async def _ended(self, run: Json) -> Exit:
        print_summary(run, program=self._view.board.program)
        machines = [step["vm"] for step in run["steps"] if step["vm"] is not None]
        count = tally(await self._stage.simulator("GET", "/log"), machines)
        self.tell(f"{_counted(count)}\n{in_time(run)}")
        right = run["status"] == RunStatus.SUCCEEDED and count.is_right
        return Exit.DONE if right else Exit.ENDED_BADLY


def _counted(count: Tally) -> str:
    """Say what the hypervisor's own log has of orders."""
    parts = [
        ngettext("{n} machines", "{n} machines", count.machines),
        ngettext("{n} orders accepted", "{n} orders accepted", count.accepted),
        ngettext("{n} second orders", "{n} second orders", count.second),
    ]
    if count.missing:
        parts.append(ngettext("{n} FORGOTTEN", "{n} FORGOTTEN", count.missing))
    return _("{orders}: the hypervisor's own log says so.", orders=", ".join(parts))
