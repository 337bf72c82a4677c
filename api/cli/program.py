"""How ``drorch`` has to be called from here, in commands that are there to be typed."""

from __future__ import annotations

import re
import shlex
import shutil
import sys
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from pathlib import Path

from api.locale import _

_GIVEN: ContextVar[Mapping[str, str]] = ContextVar("given")
_TYPED = re.compile(r"'drorch (?P<command>[a-z]+)(?P<rest>[^']*)'")
_BARE = frozenset({"demo", "openapi", "schema", "simulator", "validate"})
"""Commands that need neither a store nor a service."""
_NEVER_REMOTE = frozenset({"run", "serve", "tls", "user"})


def program_of(config: object, server: str | None, ca: object = None) -> str:
    """Return ``drorch`` with the global options that were given; never the token."""
    words = [called()]
    words += ["--config", shlex.quote(str(config))] if config else []
    words += ["--server", shlex.quote(server)] if server else []
    words += ["--ca", shlex.quote(str(ca))] if server and ca else []
    return " ".join(words)


def called() -> str:
    """Return ``drorch``, or the path by which it was called where no shell would find it."""
    given = Path(sys.argv[0])
    if given.name != "drorch":  # python -m, or a test
        return "drorch"
    found = shutil.which("drorch")
    is_found = found is not None and given.exists() and Path(found).samefile(given)
    return "drorch" if is_found else shlex.quote(str(given))


def remember(globals_first: Iterable[str]) -> None:
    """Keep ``--config``, ``--server`` and ``--ca`` of a command line that begins with options."""
    found: dict[str, str] = {}
    waiting = iter(globals_first)
    for argument in waiting:
        name, equals, value = argument.partition("=")
        if not name.startswith("--") or name == "--":
            break
        if name in ("--config", "--server", "--token", "--ca"):
            found[name] = value if equals else next(waiting, "")
    _GIVEN.set(found)


def repeat_options(hint: str) -> str:
    """Return *hint* with its ``'drorch ...'`` commands as they have to be typed here.

    What it wants typed on the machine of the service asks no service: who needs a token has none.
    """
    is_there = _("on the machine of the service") in hint
    return _TYPED.sub(lambda match: _as_typed(match, is_there=is_there), hint)


def _as_typed(match: re.Match[str], *, is_there: bool) -> str:
    given = _GIVEN.get({})
    command = match["command"]
    if command in _BARE or "--help" in match["rest"]:
        return f"'{called()} {command}{match['rest']}'"
    server = None if is_there or command in _NEVER_REMOTE else given.get("--server")
    here = program_of(given.get("--config"), server, given.get("--ca"))
    return f"'{here} {command}{match['rest']}'"
