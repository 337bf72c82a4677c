"""Commands by which people decide: about a step, about a whole run, about a machine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Annotated

import typer
from rich.text import Text

from api.cli.access import Access, Given, Json, Verb, find_run
from api.cli.context import Surroundings, finish, run_async, surroundings
from api.cli.exits import Exit, WrongUseError, refuse_unsaid
from api.cli.program import repeat_options
from api.cli.runs_commands import As, Run
from api.cli.screen import Format, note, print_json, print_table, say
from api.cli.spans import day_and_time
from api.cli.states import power_word, state_word
from api.locale import _, noted, pgettext, told
from api.operations import Approval

Step = Annotated[str, typer.Argument(metavar="STEP", help="The step that is decided about.")]
Comment = Annotated[str, typer.Option("--comment", "-c", help="What you saw, for the record.")]
Machine = Annotated[
    str, typer.Argument(metavar="MACHINE", help="As connector/machine, such as pve/101.")
]

_STEP_HELP = {
    Verb.APPROVE: "Answer yes to the question of a manual step; without STEP, approve a live run "
    "that somebody else has asked for.",
    Verb.REJECT: "Answer no: the step fails, as its policy says.",
    Verb.RETRY: "Try a failed step again, with a fresh budget of attempts.",
    Verb.SKIP: "Leave a step out; what needs it goes on.",
    Verb.ACCEPT: "Vouch for a step: it counts as healthy, in your name.",
}
_RUN_HELP = {
    Verb.PAUSE: "Start nothing new; what acts is let finish.",
    Verb.RESUME: "Go on after a pause.",
    Verb.ABORT: "End a run; nothing that runs is stopped.",
}
_DONE = {
    Verb.APPROVE: noted("{what}: approved"),
    Verb.REJECT: noted("{what}: rejected"),
    Verb.RETRY: noted("{what}: retried"),
    Verb.SKIP: noted("{what}: skipped"),
    Verb.ACCEPT: noted("{what}: accepted"),
    Verb.PAUSE: noted("{what}: paused"),
    Verb.RESUME: noted("{what}: resumed"),
    Verb.ABORT: noted("{what}: aborting"),
}


def add_decisions(app: typer.Typer) -> None:
    """Add one command for each verb."""
    for verb, words in _STEP_HELP.items():
        command = approve if verb is Verb.APPROVE else _about_step(verb)
        app.command(verb.value, help=words)(command)
    for verb, words in _RUN_HELP.items():
        app.command(verb.value, help=words)(_about_run(verb))


def _about_step(verb: Verb) -> Callable[..., None]:
    def command(context: typer.Context, run: Run, step: Step, *, comment: Comment = "") -> None:
        run_async(_decided(surroundings(context), run, verb, step, comment))

    return command


def _about_run(verb: Verb) -> Callable[..., None]:
    def command(context: typer.Context, run: Run, *, comment: Comment = "") -> None:
        run_async(_decided(surroundings(context), run, verb, None, comment))

    return command


def approve(
    context: typer.Context,
    run: Run,
    step: Annotated[str, typer.Argument(metavar="[STEP]", help="Without it: the whole run.")] = "",
    *,
    comment: Comment = "",
    break_glass: Annotated[
        str,
        typer.Option(metavar="WHY", help="Approve alone what you asked for; recorded loudly."),
    ] = "",
) -> None:
    """Approve a step, or a whole run."""
    if step and break_glass:
        raise WrongUseError(_("--break-glass is about a whole run"), hint=_("leave STEP away"))
    where = surroundings(context)
    if step:
        run_async(_decided(where, run, Verb.APPROVE, step, comment))
    else:
        run_async(_approved(where, run, Approval(comment=comment, break_glass=break_glass)))


async def _approved(where: Surroundings, run: str, approval: Approval) -> None:
    async with where.access() as access:
        found = await find_run(access, run, f"{where.program} approve {{run}}")
        shown = await access.run(found)
        if shown["status"] != "awaiting_approval":
            raise WrongUseError(
                _(
                    "{run} is {status}: the run itself needs no approval now",
                    run=found,
                    status=state_word(shown["status"]),
                ),
                hint=_("to answer for a step: 'drorch approve {run} STEP'", run=found),
            )
        # What is approved is what was there when it was looked at, or nothing.
        bound = replace(approval, digest=str(shown["approval"]["digest"]))
        taken = await access.decide(Given(run=found, verb=Verb.APPROVE, approval=bound))
    if approval.break_glass:
        broken = _("THE GLASS IS BROKEN: one person has approved a live run alone")
        note(broken, style="bold red")
    if taken:
        say(_("{run}: approved; it begins", run=found))
    else:
        say(_("{run}: approved; it begins as soon as a process drives it", run=found))
        _tell_how_to_carry_on(found)


def _tell_how_to_carry_on(run: str) -> None:
    note(repeat_options(_("hint: carry it on with 'drorch run --continue {run}'", run=run)))


async def _decided(
    where: Surroundings, run: str, verb: Verb, step: str | None, comment: str
) -> None:
    async with where.access() as access:
        found = await find_run(access, run, f"{where.program} {verb} {{run}}")
        alone = verb is Verb.ABORT and await _ends_here(where, access, found)
        taken = await access.decide(Given(run=found, verb=verb, step=step, comment=comment))
    about = f"{found} {step}" if step else found
    if taken and alone:
        say(
            _(
                "{what}: aborted here, as nobody drove it; nothing was started, nothing stopped",
                what=about,
            )
        )
    elif taken:
        say(_(_DONE[verb], what=about))
    else:
        say(
            _(
                "{what}: {verb} is recorded and takes effect as soon as a process drives the run",
                what=about,
                verb=verb,
            )
        )
        _tell_how_to_carry_on(found)


async def _ends_here(where: Surroundings, access: Access, run: str) -> bool:
    """Tell whether an abort is carried out by this process, and say what it may wait for."""
    shown = await access.run(run)
    if where.server or shown["driven"] or shown["ended_at"]:
        return False
    ordered = [step["id"] for step in shown["steps"] if step["status"] == "starting"]
    if ordered:
        note(
            _(
                "nobody drives {run}: it is ended here, as soon as it is known what became of the "
                "orders that were sent for {steps}; ctrl-C leaves it open",
                run=run,
                steps=", ".join(ordered),
            )
        )
    return True


def hold(
    context: typer.Context,
    machine: Machine,
    *,
    reason: Annotated[str, typer.Option(help="Why it must not be started.")],
) -> None:
    """Forbid every start of a machine until it is released.

    In all runs; its id or its name will do.
    """
    refuse_unsaid(reason)
    connector, key = _parted(machine)
    for held in run_async(_held(surroundings(context), connector, key, reason)):
        _tell_held(held)


def _tell_held(held: Json) -> None:
    machine = f"{held['connector']}/{held['machine']}"
    named = f" ({held['name']}, {power_word(held['power'])})" if held["name"] else ""
    until = repeat_options(f"'drorch release {machine}'")
    if held["told"]:
        but = _("{machine}: noted, but {why}", machine=machine, why=told(held["told"]))
        say(but, style="bold yellow")
        say(
            _(
                "no run starts what is called that until {command}; "
                "it stands in 'holds' as unchecked",
                command=until,
            )
        )
        return
    what = f"{machine}{named}"
    say(_("{machine}: held; no run starts it until {command}", machine=what, command=until))
    if held["power"] in ("running", "starting"):
        say(
            _(
                "WARNING: {machine} ({name}) IS RUNNING NOW; a hold does not stop it. "
                "Cut its network or stop it on the hypervisor.",
                machine=machine,
                name=held["name"],
            ),
            style="bold red",
        )


async def _held(where: Surroundings, connector: str, machine: str, reason: str) -> list[Json]:
    async with where.access() as access:
        return await access.hold(connector, machine, reason)


def release(context: typer.Context, machine: Machine) -> None:
    """Lift the hold of a machine."""
    connector, key = _parted(machine)
    if not run_async(_released(surroundings(context), connector, key)):
        raise WrongUseError(
            _("{machine} is not held", machine=machine), hint=_("'drorch holds' lists what is")
        )
    say(_("{machine}: released", machine=machine))


async def _released(where: Surroundings, connector: str, machine: str) -> bool:
    async with where.access() as access:
        return await access.release(connector, machine)


def _parted(machine: str) -> tuple[str, str]:
    connector, slash, key = machine.partition("/")
    if not (slash and connector and key):
        raise WrongUseError(
            _("{machine} names no machine", machine=repr(machine)),
            hint=_("write connector/machine, such as pve/101"),
        )
    return connector, key


def holds(context: typer.Context, *, as_: As = Format.TABLE) -> None:
    """List the machines that must not be started."""
    where = surroundings(context)
    found, zone = run_async(_holds(where)), where.zone
    if as_ is Format.JSON:
        print_json(found)
    elif not found:
        note(_("no machine is held"))
    else:
        rows = [
            (
                f"{h['connector']}/{h['machine']}",
                h["name"] or "",
                Text(_seen(h), style="yellow" if h["told"] else ""),
                h["reason"],
                h["by"],
                day_and_time(h["at"], zone),
            )
            for h in found
        ]
        columns = (
            _("machine"),
            _("name"),
            pgettext("a machine that is held", "now"),
            pgettext("a column", "reason"),
            pgettext("who did it", "by"),
            pgettext("a column", "since"),
        )
        print_table(columns, rows)
    finish(Exit.DONE)


def _seen(held: Json) -> str:
    return told(held["told"] or "") or power_word(held["power"] or "")


async def _holds(where: Surroundings) -> list[Json]:
    async with where.access() as access:
        return await access.holds()
