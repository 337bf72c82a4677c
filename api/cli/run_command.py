"""``drorch run``: a plan, in this very process, to its end."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated

import typer

from api.bootstrap import Application
from api.callers import system_caller
from api.cli import prompts
from api.cli.context import Surroundings, finish, run_async, surroundings
from api.cli.driving import Manner, carry_on
from api.cli.exits import Exit, WrongUseError
from api.cli.screen import Format, is_interactive, note, say
from api.cli.summary import finding_line
from api.locale import _, ngettext, told
from api.operations import ChosenPlan, Wish, choose_plan, refuse_imported, start_run
from api.settings import no_configuration
from drorch.engine.preflight import Look
from drorch.errors import CommandRejectedError
from drorch.failpoints import arm_from_environment
from drorch.journal.pages import is_imported, open_runs
from drorch.model.plan import Plan
from drorch.run.status import Mode
from drorch.run.views import finding_json

_HOW = "drorch run FILE --mode dry-run|simulate|live"


class RunMode(StrEnum):
    LIVE = "live"
    DRY_RUN = "dry-run"
    SIMULATE = "simulate"


Confirm = Annotated[
    str | None, typer.Option(metavar="PLAN-ID", help="Confirms a live run without asking.")
]
BreakGlass = Annotated[
    str,
    typer.Option(
        metavar="WHY", help="Start alone what the policy wants two people for; recorded loudly."
    ),
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """What was asked for on the command line."""

    mode: Mode
    only: tuple[str, ...]
    reason: str
    confirm: str | None
    break_glass: str
    manner: Manner


def run(
    context: typer.Context,
    plan: Annotated[
        str | None,
        typer.Argument(
            metavar="[FILE|PLAN|RUN]", help="A plan file or a stored plan; with --continue a run."
        ),
    ] = None,
    *,
    mode: Annotated[
        RunMode, typer.Option(help="What may be done: dry-run looks, simulate imagines.")
    ] = RunMode.DRY_RUN,
    only: Annotated[
        list[str] | None,
        typer.Option(help="Steps, groups or services: they and all that they need. Repeatable."),
    ] = None,
    reason: Annotated[str, typer.Option(help="Why, for the record.")] = "",
    confirm: Confirm = None,
    break_glass: BreakGlass = "",
    no_input: Annotated[
        bool,
        typer.Option("--no-input", help="Never ask; end with code 3 when a person must act."),
    ] = False,
    continue_: Annotated[
        bool, typer.Option("--continue", help="Carry on an interrupted run in this process.")
    ] = False,
    as_: Annotated[
        Format, typer.Option("--format", help="How the result is printed.")
    ] = Format.TABLE,
) -> None:
    """Run a plan to its end in this very process.

    With live progress. A live run asks to type the plan's id, or takes it from --confirm.
    Ctrl-C leaves the run open: 'drorch run --continue' carries it on.
    """
    arm_from_environment()
    where = surroundings(context)
    if where.server:
        raise WrongUseError(
            _("'drorch run' drives a run in this very process, not in a service"),
            hint=_("leave --server away, or ask the service: POST /api/v1/runs"),
        )
    may_ask = not no_input and is_interactive()
    manner = Manner(format=as_, may_ask=may_ask, no_input=no_input, program=where.program)
    if continue_:
        work = _continued(where, plan, manner)
    else:
        if plan is None:
            raise WrongUseError(_("which plan?"), hint=_HOW)
        asked = _Asked(
            mode=Mode(mode),
            only=_names(only),
            reason=reason,
            confirm=confirm,
            break_glass=break_glass,
            manner=manner,
        )
        work = _begun(where, plan, asked)
    finish(run_async(work))


def _names(only: list[str] | None) -> tuple[str, ...]:
    """Take ``--only a --only b`` and ``--only a,b``."""
    return tuple(name.strip() for part in only or () for name in part.split(",") if name.strip())


async def _begun(where: Surroundings, plan: str, asked: _Asked) -> Exit:
    async with where.application() as app:
        chosen = await choose_plan(app, plan, caller=system_caller())
        wish = Wish(
            chosen=chosen,
            mode=asked.mode,
            caller=system_caller(),
            reason=asked.reason,
            only=asked.only,
            break_glass=asked.break_glass,
        )
        _refuse_unconfigured(app, wish)
        look = None
        if asked.mode is Mode.LIVE:
            _check_confirmation(chosen.plan, asked)
            await _refuse_interrupted(app, chosen.plan)
            look = await _looked_at(app, chosen, wish.plan, asked)
        run, lease = await start_run(app, wish, look, keep_lease=True)
        (note if asked.manner.format is Format.JSON else say)(run)
        return await carry_on(app, run, lease, asked.manner)


def _refuse_unconfigured(app: Application, wish: Wish) -> None:
    """Refuse a run that needs connectors where there is no configuration at all."""
    machines = any(step.machine is not None for step in wish.plan.steps)
    missing = no_configuration(app.settings)
    if wish.mode is not Mode.SIMULATE and machines and missing is not None:
        raise missing


def _check_confirmation(plan: Plan, asked: _Asked) -> None:
    """Refuse before anybody is contacted what cannot be confirmed."""
    if asked.confirm is not None and asked.confirm != plan.id:
        raise WrongUseError(
            _(
                "--confirm names {named}, the plan is {plan}",
                named=repr(asked.confirm),
                plan=repr(plan.id),
            ),
            hint=_("to start its machines: --confirm {plan}", plan=plan.id),
        )
    if asked.confirm is None and not asked.manner.may_ask:
        raise WrongUseError(
            _("a live run has to be confirmed, and there is nobody to ask"),
            hint=_("to start the machines of this plan: --confirm {plan}", plan=plan.id),
        )


async def _refuse_interrupted(app: Application, plan: Plan) -> None:
    for line in await open_runs(app.store):
        ours = line.plan == plan.id and line.mode == Mode.LIVE
        if ours and not await app.leases.is_held(line.id):
            raise CommandRejectedError(
                _(
                    "the live run {run} of this plan was interrupted and is still open",
                    run=line.id,
                ),
                hint=_(
                    "carry it on with 'drorch run --continue {run}', "
                    "or end it with 'drorch abort {run}'",
                    run=line.id,
                ),
            )


async def _looked_at(app: Application, chosen: ChosenPlan, plan: Plan, asked: _Asked) -> Look:
    look = await app.preflight.look(plan)
    for finding in look.findings:
        found = finding_json(finding)
        note(finding_line(found))
        if found["hint"]:
            note(f"         {told(found['hint'])}", style="dim")
    if asked.confirm is None:
        await _confirm(chosen.plan, plan, len(look.errors))
    return look


async def _confirm(whole: Plan, plan: Plan, errors: int) -> None:
    machines = sum(step.machine is not None for step in plan.steps)
    connectors = sorted({s.machine.connector for s in plan.steps if s.machine is not None})
    words = ngettext(
        "LIVE RUN: {n} machine on {connectors} will be started where they are off",
        "LIVE RUN: {n} machines on {connectors} will be started where they are off",
        machines,
        connectors=", ".join(connectors) or _("no connector"),
    )
    found = _("; errors were found: {n}", n=errors) if errors else ""
    note(f"{words}{found}.", style="bold red")
    try:
        typed = await prompts.line(_("Type the plan's id ({plan}) to go on", plan=whole.id))
    except (asyncio.CancelledError, typer.Abort):
        note(_("nothing was started"))
        raise
    if typed != whole.id:
        raise WrongUseError(
            _(
                "{typed} is not {plan}: nothing was started",
                typed=repr(typed),
                plan=repr(whole.id),
            )
        )


async def _continued(where: Surroundings, run: str | None, manner: Manner) -> Exit:
    async with where.application() as app:
        found = run if run not in (None, "last") else await _interrupted(app)
        assert found is not None  # noqa: S101 (_interrupted returns one or raises)
        if await is_imported(app.store, found):
            raise refuse_imported(found)
        (note if manner.format is Format.JSON else say)(found)
        return await carry_on(app, found, None, manner)


async def _interrupted(app: Application) -> str:
    """Return the only open run that nobody drives."""
    found = [r.id for r in await open_runs(app.store) if not await app.leases.is_held(r.id)]
    if len(found) == 1:
        return found[0]
    if found:
        raise WrongUseError(
            _("several runs were interrupted: {runs}", runs=", ".join(found)),
            hint=_("name one: 'drorch run --continue {run}'", run=found[0]),
        )
    raise WrongUseError(_("no run was interrupted"), hint=_("'drorch runs' lists the runs"))
