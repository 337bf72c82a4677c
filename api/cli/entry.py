"""The way in: global options wherever they stand, plain errors, exit codes."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from api.cli import logs, program
from api.cli.commands import app
from api.cli.exits import Exit, exit_of, told_errors
from api.cli.language import language_of
from api.cli.manual import retell
from api.cli.screen import complain, note
from api.locale import _, language, ngettext, speaking, told
from api.locale.catalogue import WRITTEN
from plans import InvalidPlanError

_VALUED = ("--config", "--server", "--token", "--ca")
_FLAGS = ("--debug",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Never ends with a traceback."""
    with speaking(language_of(os.environ)):
        return _carried_out(list(sys.argv[1:] if arguments is None else arguments))


def _carried_out(given: Sequence[str]) -> int:
    logs.configure()
    ordered = globals_first(given)
    program.remember(ordered)
    try:
        code = _command()(ordered, prog_name="drorch", standalone_mode=False)
    except (KeyboardInterrupt, asyncio.CancelledError, typer.Abort):
        note(_("interrupted"))
        return Exit.INTERRUPTED
    except BrokenPipeError:
        # Who read our output has gone (``drorch runs | head``); Python would complain at its end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return Exit.DONE
    except TyperException as error:
        return _misused(error)
    except Exception as error:  # noqa: BLE001 (the last line before a person: no traceback there)
        return _failed(error, debug="--debug" in given)
    return code if isinstance(code, int) else Exit.DONE


def _command() -> Callable[..., object]:
    command = get_command(app)
    if language() != WRITTEN:
        retell(command, _)
    return command


def globals_first(arguments: Sequence[str]) -> list[str]:
    """Move global options to the front: people write them behind the command, too."""
    first: list[str] = []
    rest: list[str] = []
    waiting = iter(arguments)
    for argument in waiting:
        if argument == "--":
            rest += [argument, *waiting]
        elif argument in _VALUED:
            first += [argument, *(value for value in (next(waiting, None),) if value is not None)]
        elif argument in _FLAGS or argument.startswith(tuple(f"{name}=" for name in _VALUED)):
            first.append(argument)
        else:
            rest.append(argument)
    return first + rest


def _misused(error: TyperException) -> int:
    said = getattr(error, "format_message", lambda: str(error))()
    if said:
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "drorch"
        complain(said, _("'{command} --help' shows how it is used", command=command))
    return int(getattr(error, "exit_code", Exit.WRONG_USE))


def _failed(error: Exception, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    meant = list(told_errors(error))
    for one in meant:
        message = _plan_message(one) if isinstance(one, InvalidPlanError) else one.message
        complain(message, one.hint)
    if meant:
        return max(exit_of(one) for one in meant)
    where = traceback.extract_tb(error.__traceback__)[-1]
    complain(
        _(
            "drorch met something unforeseen: {kind}: {error} ({file}:{line})",
            kind=type(error).__name__,
            error=error,
            file=Path(where.filename).name,
            line=where.lineno,
        ),
        _(
            "a run stays open: 'drorch runs' lists it, 'drorch run --continue' carries it on; "
            "with --debug this command shows more"
        ),
    )
    return Exit.ENDED_BADLY


def _plan_message(error: InvalidPlanError) -> str:
    head = ngettext("{n} problem in the plan", "{n} problems in the plan", len(error.problems))
    return "\n".join([head, *map(told, error.message.splitlines())])
