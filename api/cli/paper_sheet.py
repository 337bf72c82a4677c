"""Reads what stands on paper: times without a day, words for results, sheets as CSV."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from io import StringIO

from api.cli.exits import WrongUseError
from api.cli.spans import in_zone
from api.locale import _
from api.on_paper import Tick
from drorch.run.status import PaperResult

_CLOCK = re.compile(r"(\d{1,2})[:.](\d{2})")
_LONGEST = 100_000
_RESULTS = {
    **dict.fromkeys(("", "d", "done", "ok", "fatto", "x"), PaperResult.DONE),
    **dict.fromkeys(("s", "skip", "skipped", "saltato"), PaperResult.SKIPPED),
    **dict.fromkeys(("f", "fail", "failed", "fallito"), PaperResult.FAILED),
}
_HEADINGS = frozenset({"code", "codice"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a sheet, as it was typed; ``place`` tells where it stands."""

    place: str
    code: str
    at: str
    by: str = ""
    result: str = ""
    comment: str = ""


def time_of(typed: str, zone: str, now: datetime) -> datetime:
    """Return the moment that *typed* means in *zone*; of HH:MM the last one that has passed.

    Raises `WrongUseError`.
    """
    text = typed.strip()
    if clock := _CLOCK.fullmatch(text):
        return _last(int(clock[1]), int(clock[2]), zone, now, text)
    try:
        at = datetime.fromisoformat(text)
    except ValueError as error:
        raise _no_time(text) from error
    there = at if at.tzinfo else at.replace(tzinfo=in_zone(now, zone).tzinfo)
    if there.astimezone(UTC) > now:
        raise WrongUseError(
            _("{time} has not come yet", time=text), hint=_("look at the day on the paper")
        )
    return there.astimezone(UTC)


def _last(hour: int, minute: int, zone: str, now: datetime, text: str) -> datetime:
    """Return the last HH:MM before *now*: an hour that came twice in a night counts twice."""
    if hour > 23 or minute > 59:
        raise _no_time(text)
    today = in_zone(now, zone)
    found = [
        (today - timedelta(days=days))
        .replace(hour=hour, minute=minute, second=0, microsecond=0, fold=fold)
        .astimezone(UTC)
        for days in (0, 1)
        for fold in (0, 1)
    ]
    return max(at for at in found if at <= now)


def _no_time(text: str) -> WrongUseError:
    return WrongUseError(
        _("{time!r} is no time", time=text),
        hint=_("write 03:40, or with the day: 2026-11-22T03:40"),
    )


def result_of(typed: str) -> PaperResult:
    """Return the result that a word means, in English or Italian. Raises `WrongUseError`."""
    try:
        return _RESULTS[typed.strip().lower()]
    except KeyError:
        raise WrongUseError(
            _("{word!r} is no result", word=typed), hint=_("write done, skipped or failed")
        ) from None


def sheet(text: str) -> Iterator[Line]:
    """Yield the lines of a CSV: code, time, name, result, note; a heading is left out.

    Commas, semicolons and tabs will do. Raises `WrongUseError`.
    """
    if "\0" in text or len(text) > _LONGEST * 100:
        raise WrongUseError(_("this is no sheet of ticks"), hint=_("one line: code,time,name"))
    head = text.partition("\n")[0]
    comma = max(",;\t", key=head.count)
    for number, row in enumerate(csv.reader(StringIO(text), delimiter=comma), start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (number == 1 and cells[0].lower() in _HEADINGS):
            continue
        place = _("line {number}", number=number)
        if not 2 <= len(cells) <= 5:
            raise WrongUseError(
                _("{place}: {n} columns", place=place, n=len(cells)),
                hint=_("one line: code,time,name, and if you like result,note"),
            )
        yield Line(place=place, code=cells[0], at=cells[1], **_rest(cells[2:]))


def _rest(cells: list[str]) -> dict[str, str]:
    return dict(zip(("by", "result", "comment"), cells, strict=False))


def sheet_of(ticks: Iterable[Tick], zone: str) -> list[str]:
    """Return *ticks* as the lines of a CSV that `sheet` reads."""
    out = StringIO()
    write = csv.writer(out, lineterminator="\n").writerow
    for tick in ticks:
        at = in_zone(tick.done_at, zone).isoformat(timespec="minutes")
        write((tick.step, at, tick.by, tick.result, tick.comment))
    return out.getvalue().splitlines()
