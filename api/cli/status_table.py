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
from api.cli.spans import between, clock_time, counted, day_and_time, span, zone_words
from api.cli.summary import print_findings, print_services
from api.expected import outlook
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
        hint = f" ({obstacle['hint']})" if obstacle["hint"] else ""
        say(f"  {obstacle['scope']} {obstacle['key']}: {obstacle['reason']}{hint}", style="yellow")
    print_findings([finding for finding in run["findings"] if not finding["outdated"]])
    print_services(run)
    _print_steps(run, board, program, now, whole=whole or len(run["steps"]) <= _SHORT)
    _print_cards(run, board, now)


def _print_head(run: Json, program: str, now: datetime) -> None:
    if not run.get("driven", True) and status_words(run) != run["status"]:
        for words in undriven_words(run, program):
            say(words, style="bold red")
    words, style = MODES.get(run["mode"], (str(run["mode"]).upper(), "reverse"))
    if run["mode"] == "live" and run.get("simulated"):
        words, style = SIMULATED
    line = Text().append(f" {words} ", style=style).append(f" {run['id']} ", style="bold")
    status = status_words(run)
    line.append(status, style=RUN_STYLES.get(status, "bold red"))
    used = between(run["started_at"], run["ended_at"] or now.isoformat())
    say(line)
    began, zone = run["started_at"] or run["created_at"], run["timezone"]
    say(f"  began {day_and_time(began, zone)} ({zone_words(zone)}), {span(used)}")
    say("  " + ", ".join(f"{count} {word}" for word, count in tally(run)))
    if (approval := run.get("approval")) and approval["approved_by"]:
        say(f"  {_approved(approval)}", style="bold red" if approval["break_glass"] else "")
    if told := " · ".join(part for part in (seen(run), objective(run, now)) if part):
        say(f"  {told}")
    foreseen = outlook(run, zone, now)
    if foreseen.words:
        say(f"  {foreseen.words}", style=OUTLOOK_STYLES[foreseen.tone])


def _approved(approval: Json) -> str:
    if approval["break_glass"]:
        return f"GLASS BROKEN by {approval['approved_by']}, alone: {approval['break_glass']}"
    return f"asked for by {approval['asked_by']}, approved by {approval['approved_by']}"


def _print_steps(run: Json, board: Board, program: str, now: datetime, *, whole: bool) -> None:
    steps = run["steps"] if whole else [s for s in run["steps"] if s["status"] not in _RESTING]
    if steps:
        rows = [_step(step, run["timezone"], now) for step in steps]
        print_table(("", "step", "status", "attempt", "healthy at", "why"), rows)
    rest = [f"{run['counts'][word]} {word}" for word in _RESTING if run["counts"][word]]
    if not whole and rest:
        holds = board.holder(run)
        told = f" ({holds})" if holds else ""
        say(f"not shown: {', '.join(rest)}{told}; {program} status {run['id']} --all", style="dim")


def _print_cards(run: Json, board: Board, now: datetime) -> None:
    cards = board.cards(run, now)
    if cards:
        say(f"{counted(len(cards), 'question')}: a person must act", style="bold magenta")
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
    accepted = f"accepted by {step['accepted_by']}" if step["accepted_by"] else ""
    if (paper := step["from_paper"]) is not None:
        at = clock_time(paper["done_at"], zone)
        accepted = f"{paper['result']} at {at} by {paper['by']} (from paper)"
    left = accepted or step["comment"] or step["error"] or ""
    reason = left if settled or step["examined"] else why(step, now)
    return (
        Text(glyph, style=style),
        step["id"],
        Text(str(step["examined"] or step["status"]), style=style),
        tries(step),
        clock_time(step["healthy_at"], zone),
        reason,
    )
