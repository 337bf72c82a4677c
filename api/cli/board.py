"""What a screen about a run has to say, worked out from the run as the API shows it."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import NamedTuple

from api.cli.access import Json
from api.cli.behind import count_behind
from api.cli.spans import clock_time, moment
from api.cli.states import state_word
from api.cli.words import ASK, BAD, CALM, GOOD, WARN
from api.locale import _, language, ngettext, noted, spelt, told
from api.wording import short_evidence, tries

MODES: Mapping[str, tuple[str, str]] = {
    "live": (noted("LIVE RUN"), "bold white on red"),
    "dry-run": (noted("DRY RUN - nothing is touched"), "bold black on cyan"),
    "simulate": (noted("SIMULATION - nothing is contacted"), "bold white on blue"),
}
SIMULATED = (
    noted("LIVE RUN, SIMULATED FLEET - nothing real is touched"),
    "bold white on magenta",
)

GLYPHS: Mapping[str, tuple[str, str]] = {
    "pending": ("□", "dim"),
    "ready": ("⋯", "dim"),
    "starting": ("▶", CALM),
    "verifying": ("◌", WARN),
    "healthy": ("✓", GOOD),
    "failed": ("✕", BAD),
    "waiting": ("☎", ASK),
    "blocked": ("▲", "red"),
    "skipped": ("↷", "dim"),
    "cancelled": ("∅", "dim"),
}
SERVICE_GLYPHS: Mapping[str, tuple[str, str]] = {
    "up": ("✓", GOOD),
    "restoring": ("▶", CALM),
    "down": ("✕", BAD),
    "unknown": ("?", "dim"),
    "not_affected": ("✓", "dim"),
}

OUTLOOK_STYLES: Mapping[str, str] = {"": "", "risk": WARN, "late": BAD}

_DRIVEN = ("awaiting_approval", "running", "paused", "waiting")
_ACTING = ("starting", "verifying")


class Row(NamedTuple):
    """One step that acts or waits, and why."""

    step: str
    status: str
    why: str


class Card(NamedTuple):
    """One thing that a person has to do."""

    step: str
    what: str
    hint: str
    who: str
    behind: int
    since: str
    command: str
    others: str
    asks: bool
    manual: bool

    @property
    def waits_behind(self) -> str:
        """Say how much waits for this; empty when nothing does."""
        if not self.behind:
            return ""
        return ngettext("{n} step waits behind it", "{n} steps wait behind it", self.behind)


@dataclass(frozen=True, slots=True)
class Asking:
    """The question that is put to whoever sits here, and what has been typed so far.

    ``put_off`` tells for each step until when the person does not want to be asked.
    """

    step: str = ""
    words: str = ""
    typed: str = ""
    remark: str = ""
    put_off: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Board:
    """Works out cards and rows; ``behind`` is counted once, as a plan never changes in a run."""

    program: str = "drorch"
    _behind: dict[str, int] = field(default_factory=dict)
    _of: str = ""

    def cards(self, run: Json, now: datetime) -> list[Card]:
        """Return what people must do, that with most steps behind it first."""
        behind = self._counted(run)
        asked = [step for step in run["steps"] if step["status"] == "waiting"]
        asked.sort(key=lambda step: -behind.get(step["id"], 0))
        cards = [self._card(run, step, behind.get(step["id"], 0), now) for step in asked]
        return [*self._approval(run), *cards]

    def _approval(self, run: Json) -> list[Card]:
        """Return that a second person has to approve the whole run, while that is so."""
        if run["status"] != "awaiting_approval":
            return []
        wanted = run["approval"]
        until = clock_time(wanted["until"], run["timezone"])
        what = _(
            "{name} has asked for this {mode} run; a second person has to "
            "approve it until {until}, or it ends by itself",
            name=wanted["asked_by"],
            mode=state_word(run["mode"]),
            until=until,
        )
        alone = f"{self.program} approve {run['id']} --break-glass 'WHY'"
        abort = f"{self.program} abort {run['id']}"
        card = Card(
            step=run["id"],
            what=what,
            hint=_("nothing has begun. Alone, with nobody to ask: {command}", command=alone),
            who=_("somebody with the role responder, other than who asked"),
            behind=0,
            since="",
            command=f"{self.program} approve {run['id']} --comment '..'",
            others=_("or {command}", command=abort),
            asks=False,
            manual=False,
        )
        return [card]

    def _card(self, run: Json, step: Json, behind: int, now: datetime) -> Card:
        manual = step["asks"] == "manual"
        title = f"{step['title']}: " if step["title"] not in ("", step["id"]) else ""
        what = step["question"]
        if not manual:
            what = told(evidence_first(step["error"] or step["waits_for"]))
        return Card(
            step=step["id"],
            what=f"{title}{what}",
            hint="" if manual else told(step["hint"] or ""),
            who=_who(step),
            behind=behind,
            since=_age(step["ready_at"], now) if manual else "",
            command=self._command(run, step),
            others=_others(step),
            asks=step["asks"] is not None,
            manual=manual,
        )

    def _command(self, run: Json, step: Json) -> str:
        if step["asks"] is None:
            machine = f"{step['connector']}/{step['vm']}"
            return f"{self.program} release {machine}"
        verb = "approve" if step["asks"] == "manual" else "retry"
        return f"{self.program} {verb} {run['id']} {step['id']} --comment '..'"

    def rows(self, run: Json, now: datetime, most: int) -> list[Row]:
        """Return at most *most* steps that act or wait, the stuck first, each with its reason."""
        behind = self._counted(run)
        open_steps = [step for step in run["steps"] if step["status"] in _RANKS]
        ranked = sorted(open_steps, key=lambda step: (_rank(step), -behind.get(step["id"], 0)))
        chosen = _mixed(ranked, most)
        return [Row(step["id"], step["status"], why(step, now)) for step in chosen]

    def unseen(self, run: Json, rows: Sequence[Row]) -> str:
        """Say how many that act or are stuck have no place among *rows*; empty when all have."""
        shown = {row.step for row in rows}
        rest = [
            _rank(step)
            for step in run["steps"]
            if step["status"] in _RANKS and step["status"] != "waiting" and step["id"] not in shown
        ]
        stuck, acting = sum(r < 4 for r in rest), sum(r == _RANKS["starting"] for r in rest)
        parts = (
            (stuck, ngettext("{n} more stuck", "{n} more stuck", stuck)),
            (acting, ngettext("{n} more acting", "{n} more acting", acting)),
        )
        return ", ".join(words for many, words in parts if many)

    def holder(self, run: Json) -> str:
        """Name the unsettled step that most pending ones wait for, and how many."""
        behind = self._counted(run)
        holding = [s for s in run["steps"] if s["status"] in _RANKS and s["status"] != "pending"]
        holding = [s for s in holding if s["status"] != "blocked" and behind.get(s["id"])]
        if not holding:
            return ""
        most = max(holding, key=lambda step: behind[step["id"]])
        return _("{step} holds {n}", step=most["id"], n=behind[most["id"]])

    def _counted(self, run: Json) -> Mapping[str, int]:
        if self._of != run["id"]:
            self._of, self._behind = run["id"], count_behind(run["steps"])
        return self._behind


def _others(step: Json) -> str:
    if step["asks"] is None:
        return _("what is held must not be started")
    return _("or reject") if step["asks"] == "manual" else _("or skip, accept, reject")


_RANKS = {
    "waiting": 0,
    "failed": 1,
    "starting": 4,
    "verifying": 4,
    "ready": 5,
    "pending": 6,
    "blocked": 7,
}


def _rank(step: Json) -> int:
    """Stuck first: what asks, what failed, what an obstacle holds up, what is tried again."""
    status = step["status"]
    if status == "ready" and step["error"]:
        return 2
    if status in _ACTING and (step["tries"] > 1 or step["error"]):
        return 3
    if status == "pending" and not any(word in step["waits_for"] for word in _ACTING):
        return 8
    return _RANKS[status]


def _mixed(ranked: Sequence[Json], most: int) -> Sequence[Json]:
    """Keep a third of the room for what comes next: who waits for whom is half of the story."""
    acting = [step for step in ranked if _rank(step) < 5]
    waiting = [step for step in ranked if _rank(step) >= 5]
    room = max(most - len(acting), min(len(waiting), most // 3))
    return [*acting[: most - room], *waiting[:room]]


def why(step: Json, now: datetime) -> str:
    """Return why a step is not done yet; never empty."""
    status = step["status"]
    if status == "failed":
        return told(step["error"]) or _("it failed")
    waits_for = told(step["waits_for"] or "")
    if status == "verifying":
        bad = next((c for c in step["checks"] if c["healthy"] is False), None)
        for_what = _("for {what}", what=waits_for)
        seen = f"{bad['kind']}: {told(short_evidence(bad['evidence']))}" if bad else for_what
        return f"{_age(step['running_at'] or step['started_at'], now)}{_again(step)} {seen}"
    if status == "starting":
        for_what = _("for {what}", what=waits_for)
        return f"{_age(step['attempt_at'], now)}{_again(step)} {for_what}"
    if status in ("pending", "blocked"):
        return _("waits for {what}", what=waits_for or _("what it needs"))
    if status == "ready" and step["error"]:
        return f"{waits_for or told('its turn')}; {told(step['error'])}"
    return waits_for or told("its turn")


_MINUTE = 60.0
_EVIDENCE = re.compile(r"asked (?P<asked>.+?): (?P<answer>.+)", re.DOTALL)


def evidence_first(why: str) -> str:
    """Return what came back before what was asked: a long address must not hide a ``503``."""
    return _EVIDENCE.sub(r"\g<answer> (asked \g<asked>)", why)


def _again(step: Json) -> str:
    again = step["tries"] + step["tries_before"] > 1
    return _(" attempt {n}", n=tries(step)) if again else ""


def _age(since: str | None, now: datetime) -> str:
    began = moment(since)
    return "" if began is None else spelt((now - began).total_seconds())


def _who(step: Json) -> str:
    who = step["who"]
    if not who:
        return _("nobody is named in the plan")
    reach = "  ".join(part for part in (who["phone"], who["email"]) if part)
    return f"{who['name']}  {reach}".strip()


def progress(run: Json) -> tuple[int, int, str]:
    """Return how many steps are done, how many there are, and the rest in words."""
    counts = run["counts"]
    total = sum(counts.values())
    done = counts["healthy"] + counts["skipped"]
    acting = counts["starting"] + counts["verifying"]
    parts: list[tuple[int, str]] = [
        (counts["waiting"], _("need a person")),
        (counts["failed"], state_word("failed")),
        (counts["blocked"], state_word("blocked")),
        (acting, _("acting")),
        (counts["ready"], _("queued")),
        (counts["pending"], state_word("pending")),
        (counts["cancelled"], state_word("cancelled")),
    ]
    return done, total, " · ".join(f"{n} {word}" for n, word in parts if n)


def status_words(run: Json) -> str:
    """Return a run's status; one that is open and that nobody drives does not go on."""
    alone = not run.get("driven", True) and run["status"] in _DRIVEN
    status = state_word(run["status"])
    return _("{status} (no driver)", status=status) if alone else status


def undriven_words(run: Json, program: str) -> tuple[str, str]:
    """Say that nobody drives a run, and what to type."""
    at = clock_time(run.get("recorded_at"), run["timezone"])
    # A run is carried on beside its store, never through a service.
    here, remote, _server = program.partition(" --server ")
    command = f"{here} run --continue {run['id']}"
    alone = _("NOBODY DRIVES THIS RUN: nothing new is started.")
    if at:
        alone = _("NOBODY DRIVES THIS RUN since {time}: nothing new is started.", time=at)
    if remote:
        return alone, _("Type on the machine of the service: {command}", command=command)
    return alone, _("Type: {command}", command=command)


def service_title(service: Json) -> str:
    """Return a service's name in the language spoken here, or in any it has."""
    titles = service["title"]
    return str(titles.get(language()) or next(iter(titles.values()), service["id"]))


def elsewhere(service: Json, now: datetime) -> str:
    """Return what is known of a service that drorch only watches."""
    if service["state"] not in ("up", "down"):
        return _("runs elsewhere")
    state = state_word(service["state"])
    return _("elsewhere, {state} {span}", state=state, span=_age(service["since"], now)).rstrip()


def service_time(service: Json, run: Json, now: datetime) -> str:
    """Return a service's recovery time so far against its objective.

    Until it is back, or late, the time is told to the minute: a name beside it needs the room.
    """
    if service["rta"] is not None:
        return _against(service["rta"], service["rto"], late=service["met"] is False)
    if service["external"]:
        return elsewhere(service, now)
    began = moment(run["started_at"])
    ended = moment(run["ended_at"]) or now
    if began is None:
        return spelt(service["rto"]) if service["rto"] else ""
    used = (ended - began).total_seconds()
    is_late = bool(service["rto"] and used > service["rto"])
    told = used if is_late or used < _MINUTE else used // _MINUTE * _MINUTE
    return _against(told, service["rto"], late=is_late)


def _against(used: float, goal: float | None, *, late: bool) -> str:
    time = _("{used} of {goal}", used=spelt(used), goal=spelt(goal)) if goal else spelt(used)
    return _("{time} LATE", time=time) if late else time
