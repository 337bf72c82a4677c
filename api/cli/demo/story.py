"""What happens in the demo, and what is said about it, as the run goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from api.cli.access import Given, Json, Verb
from api.cli.demo.stage import Stage
from api.cli.local import LocalAccess
from api.cli.spans import moment
from api.locale import _, ngettext, spelt, told
from api.wording import short_evidence
from drorch.errors import CommandRejectedError

QUESTION = "san"
SLOW_DATABASE = "anagrafe-db"
FAILING = "voip-gw"

_ANSWER_AFTER = 6.0
_DECIDE_AFTER = 7.0
_KILL_AT = 0.45
"""The share of steps that are healthy when the driving process is killed, once the failure has
been decided; without a failure it comes a little later."""

Tell = Callable[[str], None]


@dataclass(slots=True)
class Director:
    """Watches the run and plays the people, the failure and the power cut."""

    stage: Stage
    access: LocalAccess
    tell: Tell
    hush: Callable[[], None] = lambda: None
    program: str = "drorch"
    plays: bool = True
    _last: str = ""
    _said: set[str] = field(default_factory=set)
    _since: dict[str, float] = field(default_factory=dict)
    _killed_at: datetime | None = None
    _killed: str = ""

    async def attend(self, run: Json) -> None:
        """Do what the story wants now."""
        steps = {step["id"]: step for step in run["steps"]}
        await self._question(run, steps[QUESTION])
        self._slow_database(steps)
        await self._failure(run, steps)
        await self._power_cut(run)

    async def _question(self, run: Json, step: Json) -> None:
        if step["status"] != "waiting":
            self._over("question")
            return
        self._once(
            "question",
            _(
                "A person is asked; answer in another terminal, or 'demo' does in {n} s:",
                n=format(_ANSWER_AFTER, "g"),
            )
            + f"\n  {self.command('approve', run, step)}\n  {step['question']}",
        )
        if self._waited("question", _ANSWER_AFTER):
            await self._decide(run, Verb.APPROVE, step["id"], _("both controllers green (demo)"))

    def _slow_database(self, steps: dict[str, Json]) -> None:
        database = steps[SLOW_DATABASE]
        if database["status"] == "healthy":
            self._over("database")
        bad = [check for check in database["checks"] if check["healthy"] is False]
        if database["status"] == "verifying" and bad:
            waiting = [s["id"] for s in steps.values() if _needs(s, SLOW_DATABASE)]
            answer = told(short_evidence(bad[0]["evidence"]))
            self._once(
                "database",
                _(
                    "{step} runs, but is not healthy yet ({answer}).\n"
                    "  What needs it is not started: {others} wait.",
                    step=SLOW_DATABASE,
                    answer=answer,
                    others=", ".join(waiting),
                ),
            )

    async def _failure(self, run: Json, steps: dict[str, Json]) -> None:
        for step in steps.values():
            if step["status"] == "waiting" and step["asks"] == "failure":
                self._once(
                    f"failure {step['id']}",
                    _(
                        "{step} runs, never gets well. A person decides, or 'demo' mends it:\n"
                        "  {command}\n"
                        "  Everything that does not need it goes on. Seen: {why}",
                        step=step["id"],
                        command=self.command("retry", run, step),
                        why=told(step["error"]),
                    ),
                )
                if self._waited(f"failure {step['id']}", _DECIDE_AFTER):
                    self._since.pop(f"failure {step['id']}")
                    await self.stage.simulator("DELETE", "/faults")
                    self._said.add("decided")
                    self._over(f"failure {step['id']}")
                    await self._decide(run, Verb.RETRY, step["id"], _("service restarted (demo)"))

    async def _power_cut(self, run: Json) -> None:
        if self._killed_at is None:
            done = run["counts"]["healthy"] / sum(run["counts"].values())
            due = _KILL_AT if "decided" in self._said else _KILL_AT + 0.3
            if done >= due and run["driver"]:
                self._killed = run["driver"]
                pid = await self.stage.kill_driver(run["driver"])
                self._killed_at = datetime.now(UTC)
                booting = run["counts"]["starting"]
                self.tell(
                    ngettext(
                        "kill -9 {pid}: the process that drives the run is dead, "
                        "{n} machines are booting.",
                        "kill -9 {pid}: the process that drives the run is dead, "
                        "{n} machines are booting.",
                        booting,
                        pid=pid,
                    )
                )
            return
        if run["driver"] != self._killed and "adopted" not in self._said:
            await self._adopted(run)

    async def _adopted(self, run: Json) -> None:
        """Say how long nobody drove the run, once the next order has gone out."""
        assert self._killed_at is not None  # noqa: S101 (asked only after the kill)
        events = await self.access.events(run["id"], 0)
        taken = next(e["at"] for e in reversed(events) if e["type"] == "run.adopted")
        after = [e["at"] for e in events if e["type"] == "step.started" and e["at"] > taken]
        if not after:
            return
        acted, adopted = moment(after[0]), moment(taken)
        assert acted is not None and adopted is not None  # noqa: PT018, S101 (always written)
        self._once(
            "adopted",
            _(
                "The next process read the journal, looked at the hypervisor and carried on: "
                "{driving} s after the kill it drives, after {acting} s it gives its next order.",
                driving=round((adopted - self._killed_at).total_seconds(), 1),
                acting=round((acted - self._killed_at).total_seconds(), 1),
            ),
        )

    async def _decide(self, run: Json, verb: Verb, step: str, comment: str) -> None:
        """Answer as the actor ``demo``; somebody may have been faster."""
        given = Given(run=run["id"], verb=verb, step=step, comment=comment)
        try:
            await self.access.decide(given)
        except CommandRejectedError as error:
            self.tell(f"{step}: {told(error.message)}")

    def command(self, verb: str, run: Json, step: Json) -> str:
        return f"{self.program} {verb} {run['id']} {step['id']}"

    def _over(self, key: str) -> None:
        """Take back what was said, unless something else was said since."""
        if self._last == key:
            self._last = ""
            self.hush()

    def _once(self, key: str, words: str) -> None:
        if key not in self._said:
            self._said.add(key)
            self._since[key] = asyncio.get_running_loop().time()
            self._last = key
            self.tell(words)

    def _waited(self, key: str, seconds: float) -> bool:
        began = self._since.get(key)
        return began is not None and asyncio.get_running_loop().time() - began >= seconds


def _needs(step: Json, target: str) -> bool:
    return step["status"] == "pending" and any(d["step"] == target for d in step["depends_on"])


def in_time(run: Json) -> str:
    """Say how many services are back within their objective."""
    goals = [service for service in run["services"] if service["met"] is not None]
    met = sum(bool(service["met"]) for service in goals)
    slowest = max((s["rta"] for s in goals), default=None)
    return _(
        "{met} of {n} services back within their objective, the last {span}",
        met=met,
        n=len(goals),
        span=spelt(slowest),
    )
