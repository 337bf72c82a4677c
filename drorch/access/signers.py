"""Who may sign plans: OpenSSH's allowed signers file, read line by line."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase

from drorch.access.sshsig import KEY_TYPES, FormatError, key_type

MOST_BYTES = 1024 * 1024

_OPTION = re.compile(r'(?P<name>[A-Za-z-]+)(?:="(?P<value>[^"]*)")?(?:,|(?=[ \t]|$))')
_TIME = re.compile(r"(?P<day>\d{8})(?P<clock>\d{4}(?:\d{2})?)?(?P<utc>Z?)", re.ASCII)
_ONCE = ("namespaces", "valid-after", "valid-before")


@dataclass(frozen=True, slots=True, kw_only=True)
class AllowedSigner:
    """One line of the file. ``principals`` is its first field, as it stands there.

    ``authority`` tells that the key signs certificates, not plans: no plan is taken from it.
    """

    line: int
    principals: str
    key: bytes
    namespaces: str | None = None
    valid_after: datetime | None = None
    valid_before: datetime | None = None
    authority: bool = False

    def takes(self, namespace: str) -> bool:
        """Tell whether the line allows signatures in *namespace*."""
        if self.namespaces is None:
            return True
        patterns = [pattern.strip() for pattern in self.namespaces.split(",")]
        refused = (pattern[1:] for pattern in patterns if pattern.startswith("!"))
        if any(_matches(namespace, pattern) for pattern in refused):
            return False
        return any(_matches(namespace, one) for one in patterns if not one.startswith("!"))


@dataclass(frozen=True, slots=True)
class AllowedSigners:
    """The lines of a file, and what is wrong with those that could not be read.

    As for OpenSSH, one damaged line costs nobody else the right to sign.
    """

    signers: Sequence[AllowedSigner]
    damaged: Sequence[str] = ()


def read_signers(source: bytes) -> AllowedSigners:
    """Read an allowed signers file; lines that make no sense are told in ``damaged``."""
    if len(source) > MOST_BYTES:
        return AllowedSigners((), (f"the file has {len(source)} bytes, at most {MOST_BYTES}",))
    signers: list[AllowedSigner] = []
    damaged: list[str] = []
    for number, raw in enumerate(source.split(b"\n"), start=1):
        try:
            text = raw.decode("utf-8").strip(" \t\r")
            if text and not text.startswith("#"):
                signers.append(_signer(number, text))
        except UnicodeDecodeError:
            damaged.append(f"line {number} is not UTF-8")
        except FormatError as error:
            damaged.append(f"line {number}: {error}")
    return AllowedSigners(tuple(signers), tuple(damaged))


def _signer(number: int, text: str) -> AllowedSigner:
    principals, rest = _principals(text)
    first = rest.split(maxsplit=1)[0] if rest else ""
    options: dict[str, str] = {}
    if first not in KEY_TYPES and (first.lower() == "cert-authority" or set('=,"') & set(first)):
        options, rest = _options(rest)
    return AllowedSigner(
        line=number,
        principals=principals,
        key=_key(rest),
        namespaces=options.get("namespaces"),
        valid_after=_moment(options, "valid-after"),
        valid_before=_moment(options, "valid-before"),
        authority="cert-authority" in options,
    )


def _principals(text: str) -> tuple[str, str]:
    if text.startswith('"'):
        name, quote, rest = text[1:].partition('"')
        if not quote:
            raise FormatError("a quotation mark is not closed")
    else:
        name, _, rest = text.replace("\t", " ").partition(" ")
    if not name.strip() or not name.isprintable():
        raise FormatError("it names nobody")
    return name, rest.strip(" \t")


def _options(text: str) -> tuple[dict[str, str], str]:
    options: dict[str, str] = {}
    position = 0
    while match := _OPTION.match(text, position):
        name, value = match["name"].lower(), match["value"]
        if name not in ("cert-authority", *_ONCE) or (name in _ONCE) != (value is not None):
            raise FormatError(f"the option {name} is not known, or lacks its value")
        if name in options and name in _ONCE:
            raise FormatError(f"the option {name} stands there twice")
        options[name] = value or ""
        position = match.end()
        if not match[0].endswith(","):
            break
    if not options or text[position : position + 1] not in (" ", "\t"):
        raise FormatError("its options are not separated from the key, or are malformed")
    return options, text[position:].strip(" \t")


def _key(text: str) -> bytes:
    kind, _, rest = text.replace("\t", " ").partition(" ")
    encoded = rest.split(maxsplit=1)[0] if rest.strip() else ""
    try:
        key = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError) as error:
        raise FormatError("its key is no base64") from error
    if not key or key_type(key) != kind:
        raise FormatError("there is no readable key; it is written: NAME ssh-ed25519 AAAA...")
    if kind not in KEY_TYPES:
        raise FormatError(f"keys of the type {kind} are not taken")
    return key


def _moment(options: dict[str, str], name: str) -> datetime | None:
    """Return a time of an option; without Z it is the local time of this machine, as in OpenSSH."""
    if name not in options:
        return None
    match = _TIME.fullmatch(options[name])
    if match is None:
        raise FormatError(f"{name} is written YYYYMMDD or YYYYMMDDHHMM[SS], with Z for UTC")
    digits = match["day"] + (match["clock"] or "").ljust(6, "0")
    try:
        moment = datetime.strptime(f"{digits}+0000", "%Y%m%d%H%M%S%z")
        return moment if match["utc"] else moment.replace(tzinfo=None).astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise FormatError(f"{name} is no time that there is") from error


def _matches(name: str, pattern: str) -> bool:
    """Tell whether *pattern* with ``*`` and ``?`` fits, case counted; [ is a letter, as there."""
    return fnmatchcase(name, pattern.replace("[", "[[]"))
