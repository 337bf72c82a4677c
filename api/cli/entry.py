"""The way in: global options wherever they stand, plain errors, exit codes."""

from __future__ import annotations

import asyncio
import os
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path

from typer.exceptions import TyperException

from api.cli import logs, program
from api.cli.commands import app
from api.cli.exits import Exit, exit_of, told_errors
from api.cli.screen import complain, note
from plans import InvalidPlanError

_VALUED = ("--config", "--server", "--token", "--ca")
_FLAGS = ("--debug",)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Never ends with a traceback."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    logs.configure()
    ordered = globals_first(given)
    program.remember(ordered)
    try:
        code = app(ordered, prog_name="drorch", standalone_mode=False)
    except (KeyboardInterrupt, asyncio.CancelledError):
        note("interrupted")
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
    told = getattr(error, "format_message", lambda: str(error))()
    if told:
        context = getattr(error, "ctx", None)
        command = context.command_path if context is not None else "drorch"
        complain(told, f"'{command} --help' shows how it is used")
    return int(getattr(error, "exit_code", Exit.WRONG_USE))


def _failed(error: Exception, *, debug: bool) -> int:
    if debug:
        traceback.print_exception(error)
    told = list(told_errors(error))
    for one in told:
        message = _plan_message(one) if isinstance(one, InvalidPlanError) else one.message
        complain(message, one.hint)
    if told:
        return max(exit_of(one) for one in told)
    where = traceback.extract_tb(error.__traceback__)[-1]
    complain(
        f"drorch met something unforeseen: {type(error).__name__}: {error} "
        f"({Path(where.filename).name}:{where.lineno})",
        "a run stays open: 'drorch runs' lists it, 'drorch run --continue' carries it on; "
        "with --debug this command shows more",
    )
    return Exit.ENDED_BADLY


def _plan_message(error: InvalidPlanError) -> str:
    many = len(error.problems)
    return f"{many} problem{'s' if many != 1 else ''} in the plan\n{error.message}"
