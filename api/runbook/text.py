"""The runbook as plain text: for a console, a dot-matrix printer, a file on a stick."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from api.locale import _, day_and_minute, ngettext, pgettext, spelt
from api.runbook.contents import Entry, Goal, Runbook
from api.runbook.words import no_tool, rules
from drorch.model.plan import Contact, Manual, Plan

WIDTH = 78
PAGE = 60
"""Lines of a page beside its head: a printer's have 66."""


def as_text(book: Runbook) -> str:
    """Return *book* as text of `WIDTH` columns, in pages with a head each."""
    pages = list(_pages(_blocks(book)))
    told = []
    for number, lines in enumerate(pages, start=1):
        if number > 1:
            place = _("page {n} of {all}", n=number, all=len(pages))
            lines.insert(0, f"{_('PAPER')}   {book.name}   SHA-256 {book.digest}   {place}")
        told.append("\n".join(map(_plain, lines)) + "\n")
    return "\f".join(told)


def _blocks(book: Runbook) -> Iterator[list[str]]:
    """Yield what stays together on a page: a title with what follows it, a step."""
    parts = (_head(book), _contacts(book.plan), _goals(book.goals), _rules(book))
    yield [line for part in parts for line in part]
    for number, wave in enumerate(book.waves, start=1):
        steps = ngettext("{n} step", "{n} steps", len(wave))
        title = list(_title(_("WAVE {number}: {steps}", number=number, steps=steps)))
        for entry in wave:
            yield [*title, *_entry(entry)]
            title = []
    yield list(_no_tool(book))


def _pages(blocks: Iterator[list[str]]) -> Iterator[list[str]]:
    """Fill pages with whole blocks; the last block has a page of its own."""
    found = [[line for part in block for line in part.split("\n")] for block in blocks]
    page: list[str] = []
    for block in found[:-1]:
        if page and len(page) + len(block) > PAGE:
            yield page
            page = []
        page += block
        while len(page) > PAGE:
            yield page[:PAGE]
            page = page[PAGE:]
    yield from (page, found[-1])


def contact_list(plans: Sequence[Plan]) -> str:
    """Return everybody that *plans* name, with the plans that name them."""
    lines = [_("WHOM TO CALL"), "=" * WIDTH]
    for plan in plans:
        lines += ["", _("{title}  (plan {plan})", title=plan.title or plan.id, plan=plan.id)]
        people = [_person(contact, plan.owner) for contact in plan.contacts]
        lines += people or ["  " + _("nobody is named")]
    return "\n".join(lines) + "\n"


def _plain(line: str) -> str:
    """Leave nothing in a line that could command a printer or a terminal."""
    if line.isprintable():
        return line.rstrip()
    mark = "\N{REPLACEMENT CHARACTER}"
    return "".join(c if c.isprintable() else mark for c in line).rstrip()


def _head(book: Runbook) -> Iterator[str]:
    plan = book.plan
    yield "=" * WIDTH
    yield _("RECOVERY PLAN {plan}", plan=book.name) + "   *** " + _("PAPER") + " ***"
    yield plan.title
    yield "=" * WIDTH
    if book.simulated:
        yield "*** " + _("SIMULATED: no real machine is in this plan") + " ***"
    if book.run:
        yield _("Run {run}: what was done when this was printed is ticked.", run=book.run)
    printed = f"{day_and_minute(book.at, book.zone)} {book.zone}"
    yield _("Printed {time} from the text with SHA-256", time=printed)
    yield f"  {plan.digest}"
    machines = ngettext("{n} machine", "{n} machines", book.machines)
    steps = ngettext("{n} step", "{n} steps", len(plan.steps))
    longest = _("longest chain {time}", time=book.longest)
    goal = ", " + _("objective {time}", time=spelt(plan.rto.total_seconds())) if plan.rto else ""
    yield f"{machines}, {steps}; {longest}{goal}."
    yield from _wrapped(_("Longest chain:") + " ", " > ".join(book.chain))


def _contacts(plan: Plan) -> Iterator[str]:
    yield from _title(_("WHOM TO CALL"))
    for contact in plan.contacts:
        yield _person(contact, plan.owner)


def _person(contact: Contact, owner: str | None = None) -> str:
    role = "   " + _("(owner of this plan)") if contact.id == owner else ""
    ways = "   ".join(filter(None, (contact.phone, contact.email))) or _("no number")
    return f"  {contact.id}: {contact.name}{role}\n      {ways}"


def _goals(goals: Sequence[Goal]) -> Iterator[str]:
    if not goals:
        return
    yield from _title(_("SERVICES, THE MOST URGENT FIRST"))
    for goal in goals:
        yield from _wrapped("[ ] ", f"{goal.title}: {goal.facts}")
        if goal.steps:
            yield from _wrapped("      " + _("up when healthy:") + " ", ", ".join(goal.steps))
        if goal.call:
            yield from _wrapped("      " + _("contact:") + " ", goal.call)
        if goal.fallback:
            yield from _wrapped("      " + _("meanwhile:") + " ", goal.fallback)


def _rules(book: Runbook) -> Iterator[str]:
    yield from _title(_("HOW TO USE THIS PAPER"))
    for rule in rules():
        yield from _wrapped("- ", rule)
    yield ""
    yield _("HOW MANY AT ONCE")
    for limit in book.limits:
        yield from _wrapped("- ", limit)


def _entry(entry: Entry) -> Iterator[str]:
    step, done = entry.step, entry.done
    box = "[x]" if done is not None and done.settled else "[ ]"
    group = "   " + _("(group {group})", group=step.group) if step.group else ""
    yield from _wrapped(f"{box} {step.id}: ", f"{entry.what}{group}")
    told = "      " + _("code {code}   expected {time}", code=entry.code, time=entry.expect)
    yield told + ("   " + _("SIMULATED") if entry.simulated else "")
    if step.title not in ("", step.id):
        yield from _wrapped("      ", step.title)
    if done is not None:
        yield from _wrapped("      ", _standing(entry))
    if entry.needs:
        yield from _wrapped("      " + pgettext("paper", "needs") + " ", ", ".join(entry.needs))
    if by_hand := entry.command or entry.advice:
        yield from _wrapped("      " + pgettext("paper", "by hand:") + " ", by_hand)
    if entry.addresses:
        yield from _wrapped("      " + _("addresses:") + " ", ", ".join(entry.addresses))
    if entry.question:
        yield from _wrapped("      " + _("Question:") + " ", entry.question)
    yield from _looks(entry)
    if entry.call:
        yield from _wrapped("      " + pgettext("paper", "call") + " ", entry.call)
    if entry.failure:
        yield from _wrapped("      ", entry.failure)
    if done is None or not done.settled:
        yield "      " + _sign(entry)
    yield ""


def _looks(entry: Entry) -> Iterator[str]:
    box = "[x]" if entry.done is not None and entry.done.settled else "[ ]"
    for look in entry.looks:
        yield from _wrapped(f"      {box} ", f"{look.name}: {look.expect}")
        if look.command:
            yield from _wrapped("          $ ", look.command)
        if look.secret:
            yield from _wrapped(
                "          ", _("password: the one called {name}", name=look.secret)
            )


def _standing(entry: Entry) -> str:
    done = entry.done
    assert done is not None  # noqa: S101 (asked for where it is)
    told = _("is {status} {at}", status=done.word, at=done.at).rstrip()
    return told + (" " + pgettext("paper", "by {name}", name=done.by) if done.by else "")


def _sign(entry: Entry) -> str:
    if isinstance(entry.step.action, Manual):
        return _("yes [ ]  no [ ]   at __:__   answered by ______________________")
    return _("started __:__   healthy __:__   by ______________________")


def _no_tool(book: Runbook) -> Iterator[str]:
    yield "=" * WIDTH
    yield _("WITH NO TOOL AT ALL")
    yield "=" * WIDTH
    for number, line in enumerate(no_tool(), start=1):
        yield from _wrapped(f"{number}. ", line)
    yield ""
    yield _("Led by ___________________   from __:__ to __:__   signed ________________")
    yield _("Handed over to ___________   from __:__ to __:__   signed ________________")
    yield ""
    yield f"{book.name}   SHA-256 {book.digest}   {_('PAPER')}"


def _title(text: str) -> Iterator[str]:
    yield ""
    yield text
    yield "-" * WIDTH


def _wrapped(before: str, text: str) -> Iterator[str]:
    """Yield *text* behind *before*, at most `WIDTH` wide, later lines set in."""
    yield from textwrap.wrap(
        text,
        WIDTH,
        initial_indent=before,
        subsequent_indent=" " * min(len(before) - len(before.lstrip()) + 4, 16),
        break_on_hyphens=False,
    ) or [before.rstrip()]
