"""Where a run stands, as plain tables: what acts and what is stuck; who must act comes last."""

from __future__ import annotations

from datetime import UTC, datetime

from rich.text import Text

from api.cli.access import Json
from api.cli.board import (
    GLYPHS,
    MODES,
    OUTLOOK_STYLES,
    SIMULATED,
    Board,
    status_words,
    undriven_words,
    why,
)
from api.cli.screen import marked, print_table, say
from api.cli.spans import between, clock_time, day_and_time, zone_words
from api.cli.states import state_word
from api.cli.summary import print_findings, print_services
from api.event_words import obstacle_words, paper_word
from api.expected import outlook
from api.locale import _, ngettext, pgettext, spelt, told
from api.wording import objective, seen, tally, tries

RUN_STYLES = {
    "succeeded": "green",
    "failed": "bold red",
    "aborted": "red",
    "awaiting_approval": "bold magenta",
    "waiting": "bold magenta",
    "paused": "yellow",
    "running": "cyan",
}
_RESTING = ("healthy", "skipped", "cancelled", "pending", "blocked")
_SHORT = 12
"""A run of so few steps is shown whole."""


def print_status(run: Json, program: str = "drorch", *, whole: bool = True) -> None:
    """Print a run as it stands now; unless *whole*, only the steps that act or are stuck."""
    now = datetime.now(UTC)
    board = Board(program)
    _print_head(run, program, now)
    for obstacle in run["obstacles"] if not run["ended_at"] else ():
        say(f"  {obstacle_words(obstacle)}", style="yellow")
    print_findings([finding for finding in run["findings"] if not finding["outdated"]])
    print_services(run)
    _print_steps(run, board, program, now, whole=whole or len(run["steps"]) <= _SHORT)
    _print_cards(run, board, now)


def _print_head(run: Json, program: str, now: datetime) -> None:
    if not run.get("driven", True) and status_words(run) != state_word(run["status"]):
        for words in undriven_words(run, program):
            say(words, style="bold red")
    words, style = MODES.get(run["mode"], (str(run["mode"]).upper(), "reverse"))
    if run["mode"] == "live" and run.get("simulated"):
        words, style = SIMULATED
    line = Text().append(f" {_(words)} ", style=style).append(f" {run['id']} ", style="bold")
    status = status_words(run)
    alone = status != state_word(run["status"])
    line.append(status, style="bold red" if alone else RUN_STYLES.get(run["status"], "bold red"))
    used = between(run["started_at"], run["ended_at"] or now.isoformat())
    say(line)
    began, zone = run["started_at"] or run["created_at"], run["timezone"]
    when = _(
        "began {time} ({zone}), {span}",
        time=day_and_time(began, zone),
        zone=zone_words(zone),
        span=spelt(used),
    )
    say(f"  {when}")
    say("  " + ", ".join(f"{count} {state_word(word)}" for word, count in tally(run)))
    if (approval := run.get("approval")) and approval["approved_by"]:
        say(f"  {_approved(approval)}", style="bold red" if approval["break_glass"] else "")
    if rest := " · ".join(part for part in (seen(run), objective(run, now)) if part):
        say(f"  {rest}")
    foreseen = outlook(run, zone, now)
    if foreseen.words:
        say(f"  {foreseen.words}", style=OUTLOOK_STYLES[foreseen.tone])


def _approved(approval: Json) -> str:
    if approval["break_glass"]:
        return _(
            "GLASS BROKEN by {name}, alone: {why}",
            name=approval["approved_by"],
            why=approval["break_glass"],
        )
    return _(
        "asked for by {name}, approved by {other}",
        name=approval["asked_by"],
        other=approval["approved_by"],
    )


def _print_steps(run: Json, board: Board, program: str, now: datetime, *, whole: bool) -> None:
    steps = run["steps"] if whole else [s for s in run["steps"] if s["status"] not in _RESTING]
    if steps:
        rows = [_step(step, run["timezone"], now) for step in steps]
        columns = (
            "",
            _("step"),
            pgettext("a column", "status"),
            pgettext("a column", "attempt"),
            _("healthy at"),
            pgettext("of a step", "why"),
        )
        print_table(columns, rows)
    counts = run["counts"]
    rest = ", ".join(f"{counts[word]} {state_word(word)}" for word in _RESTING if counts[word])
    if not whole and rest:
        holds = board.holder(run)
        what = f"{rest} ({holds})" if holds else rest
        command = f"{program} status {run['id']} --all"
        say(_("not shown: {what}; {command}", what=what, command=command), style="dim")


def _print_cards(run: Json, board: Board, now: datetime) -> None:
    cards = board.cards(run, now)
    if cards:
        many = ngettext(
            "{n} question: a person must act", "{n} questions: a person must act", len(cards)
        )
        say(many, style="bold magenta")
    for card in cards:
        say(marked(f"☎ {card.step}: ", "bold magenta").append(card.what))
        behind = f" · {card.waits_behind}" if card.behind else ""
        say(f"    {card.who}{behind}")
        if card.hint:
            say(f"    {card.hint}", style="dim")
        say(f"    {card.command}   ({card.others})", style="cyan")


def _step(step: Json, zone: str, now: datetime) -> tuple[str | Text, ...]:
    glyph, style = GLYPHS[step["status"]]
    settled = step["status"] in ("healthy", "skipped", "cancelled")
    by = step["accepted_by"]
    accepted = _("accepted by {name}", name=by) if by else ""
    if (paper := step["from_paper"]) is not None:
        accepted = _(
            "{result} at {time} by {name} (from paper)",
            result=paper_word(paper["result"]),
            time=clock_time(paper["done_at"], zone),
            name=paper["by"],
        )
    left = accepted or step["comment"] or told(step["error"] or "")
    reason = left if settled or step["examined"] else why(step, now)
    return (
        Text(glyph, style=style),
        step["id"],
        Text(state_word(step["examined"] or step["status"]), style=style),
        tries(step),
        clock_time(step["healthy_at"], zone),
        reason,
    )
