"""What a callout runs, as the configuration says it, without what may be a secret.

Nothing tells a password in a command from any other word, so that the rule is the other way round:
a word of the configuration is printed when its shape says that it is none. What the plan gives
(``{zone}``) is printed, as a plan holds no secret.
"""

from __future__ import annotations

import ipaddress
import re
import shlex
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import urlsplit

from api.locale import _
from api.redaction import HIDDEN, redacted
from connectors.secrets import SecretRef

_PLACE = re.compile(r"\{([A-Za-z][A-Za-z0-9_-]*)\}")
_OPTION = re.compile(r"--?[A-Za-z][A-Za-z0-9_-]*")
_NAMED = re.compile(r"(?P<name>(?:--?)?[A-Za-z][A-Za-z0-9_-]*)=(?P<value>.*)", re.DOTALL)
_SECRET = re.compile(
    r"pass|pwd|\bpw\b|token|secret|key|auth|cred|cookie|bearer|pin\b|otp|header|data", re.IGNORECASE
)
_MAY_BE_SECRET = frozenset("pPuUkKwWaHbd")
"""Short options behind which programs take passwords, log-ins, headers and bodies."""
_URL = re.compile(r"[a-z][a-z0-9+.-]*://", re.IGNORECASE)
_PORT = re.compile(r":[0-9]{1,5}\Z")
_PARTS = re.compile(r"[-._/+,~]")
_PLAIN = re.compile(r"[A-Z]?[a-z]{0,11}|[A-Z]{1,12}|[A-Za-z]{1,4}[0-9]{1,3}|[0-9]{1,5}")
_LONGEST = 80


def callout_by_hand(
    name: str,
    arguments: Mapping[str, str],
    configured: Mapping[str, Mapping[str, Any]],
    secrets: Mapping[str, SecretRef] = {},
) -> str:
    """Return the command of a callout with the plan's arguments in it.

    Where the configuration is not at hand: its name and arguments, in words. *secrets* are
    references, and are told as those.
    """
    table = configured.get(name) or {}
    if isinstance(command := table.get("command"), list | tuple) and command:
        return _command(name, [str(word) for word in command], arguments, table.get("env") or ())
    if url := table.get("url"):
        what = _("call {url} with {arguments}", url=_address(str(url)), arguments=_said(arguments))
        return what + _token(table.get("secret"), secrets)
    return _(
        "the callout {name} with {arguments} (what it is stands in [callouts.{name}])",
        name=name,
        arguments=_said(arguments),
    )


def _command(
    name: str, words: list[str], arguments: Mapping[str, str], variables: Iterable[str]
) -> str:
    shown = [words[0], *_shown(words[1:])]
    filled = [shlex.quote(_filled(word, arguments)) for word in shown]
    given = [f"{variable}=${variable}" for variable in variables]
    hidden = [f"  # {HIDDEN}: [callouts.{name}]"] if any(HIDDEN in word for word in shown) else []
    return "".join([" ".join([*given, *filled]), *hidden])


def _filled(word: str, arguments: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda found: redacted(str(arguments.get(found[1], found[0]))), word)


def _shown(words: Iterable[str]) -> Iterator[str]:
    """Yield the words behind the program, each as it may be printed."""
    option = ""
    for word in words:
        yield _word(word, option)
        option = word if _OPTION.fullmatch(word) else ""


def _word(word: str, option: str) -> str:
    if _PLACE.fullmatch(word):
        return word
    if named := _NAMED.fullmatch(word):
        return f"{named['name']}={_word(named['value'], named['name'])}"
    if _OPTION.fullmatch(word):
        return word if _is_name_alone(word) else f"{word[:2]}{HIDDEN}"
    if _takes_secrets(option):
        return HIDDEN
    if _URL.match(word):
        return _address(word)
    return word if _is_plain(word) else HIDDEN


def _is_name_alone(option: str) -> bool:
    """Tell a name from a short option with its value behind it, such as ``-pPassword``."""
    if option.startswith("--"):
        return all(_PLAIN.fullmatch(part) for part in option[2:].split("-"))
    return len(option) == 2 or (len(option) <= 4 and option[1] not in _MAY_BE_SECRET)


def _takes_secrets(option: str) -> bool:
    is_short = len(option) == 2 and option.startswith("-")
    return option[1] in _MAY_BE_SECRET if is_short else _SECRET.search(option) is not None


def _is_plain(word: str) -> bool:
    """Tell whether a word is an address, a path, a number or a word of a language.

    Long mixtures of letters and digits are what secrets look like, and blanks may have anything
    between them.
    """
    if len(word) > _LONGEST:
        return False
    literal = _PLACE.sub("x", word)
    if _is_address(literal):
        return True
    user, at, rest = _PORT.sub("", literal).rpartition("@")
    parts = [*_PARTS.split(rest), user] if at else _PARTS.split(rest)
    return all(_PLAIN.fullmatch(part) for part in parts)


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_interface(text)
    except ValueError:
        return False
    return True


def _address(url: str) -> str:
    """Return a URL without what it may hide: users, passwords, queries, and long parts of paths."""
    try:
        place = urlsplit(url)
    except ValueError:
        return HIDDEN
    _user, at, host = place.netloc.rpartition("@")
    user = f"{HIDDEN}@" if at else ""
    path = "/".join(part if _is_plain(part) else HIDDEN for part in place.path.split("/"))
    query = f"?{HIDDEN}" if place.query or place.fragment else ""
    return f"{place.scheme}://{user}{host}{path}{query}"


def _token(name: object, secrets: Mapping[str, SecretRef]) -> str:
    """Return where the bearer token of a web hook is kept; empty where it needs none."""
    if not name:
        return ""
    kept = secrets.get(str(name))
    if kept is None:
        return _("; its token is the secret {name}", name=name)
    return _("; its token is the secret {name}: {where}", name=name, where=_where(kept))


def _where(kept: SecretRef) -> str:
    if kept.env is not None:
        return _("the variable {name}", name=kept.env)
    if kept.file is not None:
        return _("the file {name}", name=kept.file)
    return _("the credential {name}", name=kept.credential)


def _said(arguments: Mapping[str, str]) -> str:
    told = ", ".join(f"{key}={redacted(str(value))}" for key, value in arguments.items())
    return told or _("no arguments")
