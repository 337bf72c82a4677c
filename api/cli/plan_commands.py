"""Commands about plans: ``validate``, ``show``, ``schema``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib import import_module
from pathlib import Path
from typing import Annotated

import typer
from rich.text import Text

from api.cli.context import finish, run_async, surroundings
from api.cli.drawing import dot, graph_json, mermaid, print_graph
from api.cli.exits import Exit, WrongUseError
from api.cli.named_plan import named_plan
from api.cli.screen import Format, complain, note, print_json, say
from api.cli.signature import ALLOWED_SIGNERS, signed
from api.cli.states import state_word
from api.locale import _, ngettext, told
from drorch.access.signatures import PlanSignature, PlanSignatureError
from drorch.errors import PlanError
from drorch.model.plan import Plan
from plans import InvalidPlanError, Problem, json_schema, lint, read_file, select

_UNREADABLE = "file-unreadable"


class Drawing(StrEnum):
    TABLE = "table"
    JSON = "json"
    MERMAID = "mermaid"
    DOT = "dot"


def validate(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Plan files.")],
    *,
    signature: Annotated[
        Path | None,
        typer.Option(metavar="FILE.sig", help="Also verify this signature of the (one) plan."),
    ] = None,
    allowed_signers: Annotated[
        Path, typer.Option(metavar="FILE", help="Who may sign plans, in OpenSSH's format.")
    ] = ALLOWED_SIGNERS,
    as_: Annotated[
        Format, typer.Option("--format", help="How problems are printed.")
    ] = Format.TABLE,
) -> None:
    """Check plans and list every problem with its place.

    Exit code 2 when there is any.
    """
    checked = [_checked(file) for file in files]
    if signature is not None:
        if len(files) != 1:
            raise WrongUseError(_("a signature is of one plan"), hint=_("give one FILE with it"))
        checked.append(_signature(files[0], signature, allowed_signers))
    problems = [problem for one in checked for problem in one.problems]
    if as_ is Format.JSON:
        print_json([asdict(problem) for problem in problems])
    else:
        _print_checked(checked)
    for one in checked:
        for advice in one.advice:
            note(_line(advice, _("advice"), "yellow"))
    finish(Exit.WRONG_USE if problems else Exit.DONE)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Checked:
    """What was found in one file; ``plan`` is None unless it is valid."""

    file: Path
    plan: Plan | None = None
    problems: Sequence[Problem] = ()
    advice: Sequence[Problem] = ()
    signature: PlanSignature | None = None


def _checked(file: Path) -> _Checked:
    try:
        loaded = read_file(file)
    except InvalidPlanError as error:
        return _Checked(file=file, problems=error.problems)
    except PlanError as error:
        # The other files are checked all the same, so this is one problem among theirs.
        unreadable = Problem(str(file), 1, 1, _UNREADABLE, error.message, error.hint)
        return _Checked(file=file, problems=(unreadable,))
    advice = lint(loaded.plan, loaded.positions, str(file))
    return _Checked(file=file, plan=loaded.plan, advice=advice)


def _signature(plan: Path, signature: Path, allowed_signers: Path) -> _Checked:
    """Verify a signature; what is wrong with it is a problem at the start of its file."""
    try:
        found = signed(plan, signature, allowed_signers)
    except PlanSignatureError as error:
        problem = Problem(str(signature), 1, 1, error.code, error.message, error.hint)
        return _Checked(file=plan, problems=(problem,))
    return _Checked(file=plan, signature=found)


def _print_checked(checked: Sequence[_Checked]) -> None:
    for one in checked:
        if one.plan is not None:
            valid = ngettext(
                "{file}: plan {plan}, {n} steps: valid",
                "{file}: plan {plan}, {n} steps: valid",
                len(one.plan.steps),
                file=one.file,
                plan=one.plan.id,
            )
            say(valid, style="green")
        if (by := one.signature) is not None:
            key = f"{by.key_type} {by.fingerprint}"
            signed_by = _("signed by {name} ({key})", name=by.principal, key=key)
            say(f"{one.file}: {signed_by}", style="green")
    for problem in (problem for one in checked for problem in one.problems):
        if problem.code == _UNREADABLE:
            complain(problem.message, problem.hint)
        else:
            say(_line(problem, state_word("error"), "bold red"))


def _line(problem: Problem, word: str, style: str) -> Text:
    line = Text(f"{problem.file}:{problem.line}:{problem.column}: ")
    line.append(f"{word}: ", style=style).append(told(problem.message))
    return line.append(f" ({told(problem.hint)})" if problem.hint else "", style="dim")


def show(
    context: typer.Context,
    plan: Annotated[str, typer.Argument(metavar="FILE|PLAN", help="A plan file or a stored plan.")],
    *,
    only: Annotated[
        list[str] | None, typer.Option(help="Steps, groups or services. Repeatable.")
    ] = None,
    as_: Annotated[Drawing, typer.Option("--format", help="How it is drawn.")] = Drawing.TABLE,
) -> None:
    """Show a plan's waves, critical path and expected duration."""
    found = run_async(named_plan(surroundings(context), plan)).plan
    chosen = select(found, only) if only else found
    match as_:
        case Drawing.JSON:
            print_json(graph_json(chosen))
        case Drawing.MERMAID:
            sys.stdout.write(mermaid(chosen))
        case Drawing.DOT:
            sys.stdout.write(dot(chosen))
        case Drawing.TABLE:
            print_graph(chosen)


def schema() -> None:
    """Print the JSON Schema of plans, for editors."""
    print_json(json_schema())


def openapi() -> None:
    """Print the OpenAPI document of the REST API; needs no service."""
    # The web side is heavy; no other command should wait for its import.
    print_json(import_module("api.app").openapi_document())
