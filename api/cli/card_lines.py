"""What people must do, as lines of a screen: the question whole, then who, then what to type."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import wrap

from rich.text import Text

from api.cli.board import Asking, Card
from api.cli.screen import marked
from api.cli.words import ASK
from api.locale import _

_EDGE = " ┃ "
_MOST_WRAPPED = 4
_CURSOR = "▏"


def card_lines(cards: Sequence[Card], asking: Asking, width: int, room: int) -> list[Text]:
    """Return the cards in at most *room* lines, the one that is asked here first and whole."""
    if not cards or room < 3:
        return []
    later = asking.put_off
    ordered = sorted(cards, key=lambda card: (card.step != asking.step, card.step in later))
    lines = _card(ordered[0], asking, width, min(_MOST_WRAPPED, max(1, room - 4)))
    shown = 1
    for card in ordered[1:]:
        more = _card(card, asking, width, 2)
        last = shown + 1 == len(ordered)
        if len(lines) + len(more) + (not last) > room:
            break
        lines += more
        shown += 1
    if rest := ordered[shown:]:
        lines = lines[: room - 1]
        names = ", ".join(_named(card, asking) for card in rest)
        lines.append(_line(_("and {n} more: {names}", n=len(rest), names=names), style=ASK))
    return lines[:room]


def _named(card: Card, asking: Asking) -> str:
    until = asking.put_off.get(card.step)
    return _("{step} (put off until {until})", step=card.step, until=until) if until else card.step


def _card(card: Card, asking: Asking, width: int, most: int) -> list[Text]:
    behind = f"  ({card.waits_behind})" if card.behind else ""
    head = _line("").append(f"☎ {card.step}", style=ASK).append(behind, style="bold")
    told = wrap(card.what, width - len(_EDGE) - 3) or [""]
    if len(head.plain) + len(told[0]) + 4 < width and len(told) == 1:
        lines = [head.append(f"  {card.what}", style="bold")]
    else:
        if len(told) > most:
            told = [*told[: most - 1], f"{told[most - 1]} …"]
        lines = [head, *(_line(f"  {part}", style="bold") for part in told)]
    since = _(", asked {span} ago", span=card.since) if card.since else ""
    lines.append(_line(f"  {card.who}{since}"))
    if card.step == asking.step and asking.words:
        return [*lines, *_prompt(asking)]
    until = asking.put_off.get(card.step)
    later = _("put off until {until}; ", until=until) if until else ""
    return [*lines, _line(f"  {later}{_fitting(card, width - 5 - len(later))}", style="cyan")]


def _prompt(asking: Asking) -> list[Text]:
    lines = [_line(f"  {asking.remark}", style="yellow")] if asking.remark else []
    answer = _line(f"  {asking.words}", style="bold cyan")
    return [*lines, answer.append(f"{asking.typed}{_CURSOR}", style="bold")]


def _fitting(card: Card, width: int) -> str:
    """Return the command in the longest form that is not cut: it is there to be typed."""
    bare = card.command.removesuffix(" --comment '..'")
    forms = (f"{card.command}   ({card.others})", card.command, bare)
    return next((form for form in forms if len(form) <= width), bare)


def _line(words: str, *, style: str = "") -> Text:
    return marked(_EDGE, ASK).append(words, style=style)
