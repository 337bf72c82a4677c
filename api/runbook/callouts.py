"""What a callout runs, as the configuration says it, without what may be a secret."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from api.locale import _
from api.redaction import HIDDEN, redacted

_SECRET = re.compile(r"token|passw|secret|key|auth", re.IGNORECASE)
_PLACE = re.compile(r"\{([A-Za-z][A-Za-z0-9_-]*)\}")


def callout_by_hand(
    name: str, arguments: Mapping[str, str], configured: Mapping[str, Mapping[str, Any]]
) -> str:
    """Return the command of a callout with the plan's arguments in it.

    Where the configuration is not at hand: its name and arguments, in words.
    """
    table = configured.get(name) or {}
    if isinstance(command := table.get("command"), list | tuple) and command:
        return " ".join(map(shlex.quote, _hidden(_filled(map(str, command), arguments))))
    if url := table.get("url"):
        place = urlsplit(str(url))
        return _("call {url} with {arguments}", url=_address(place), arguments=_said(arguments))
    return _(
        "the callout {name} with {arguments} (what it is stands in [callouts.{name}])",
        name=name,
        arguments=_said(arguments),
    )


def _address(place: Any) -> str:
    """Leave out what a URL may hide: users, passwords, queries."""
    port = f":{place.port}" if place.port else ""
    return f"{place.scheme}://{place.hostname}{port}{place.path}"


def _said(arguments: Mapping[str, str]) -> str:
    told = ", ".join(f"{key}={value}" for key, value in arguments.items())
    return told or _("no arguments")


def _filled(command: Iterable[str], arguments: Mapping[str, str]) -> Iterator[str]:
    for part in command:
        yield _PLACE.sub(lambda found: arguments.get(found[1], found[0]), part)


def _hidden(words: Iterable[str]) -> Iterator[str]:
    """Hide what follows an option that is called after a secret, and what looks like one."""
    hides = False
    for word in words:
        yield HIDDEN if hides else redacted(word)
        hides = word.startswith("-") and "=" not in word and bool(_SECRET.search(word))
