"""``ldap``: a directory answers a search, and an Active Directory says it is synchronised."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from connectors.checks.attempt import Attempt, UnwellError, at
from connectors.checks.ber import elements, encoded, read_sequence
from connectors.checks.conversation import Conversation
from connectors.checks.tls import words

_ENTRY, _DONE, _REFERENCE = 0x64, 0x65, 0x73
_MOST_MESSAGES = 10
_ATTRIBUTES = (b"isSynchronized", b"dnsHostName", b"namingContexts", b"vendorName")
_RESULTS = {
    1: "operations error",
    32: "no such object",
    48: "inappropriate authentication",
    50: "insufficient access rights",
    51: "busy",
    52: "unavailable",
    53: "unwilling to perform",
}


@dataclass(slots=True)
class _Found:
    entry: bool = False
    code: int = -1
    message: bytes = b""
    attributes: dict[str, bytes] = field(default_factory=dict)


async def check(attempt: Attempt) -> str:
    """Read the root entry anonymously, and ``base`` too where it is given."""
    secure = bool(attempt.params.get("tls"))
    host, port = attempt.text("host"), attempt.port(636 if secure else 389)
    base = str(attempt.params.get("base") or "")
    attempt.asked = f"{'ldaps' if secure else 'ldap'} {at(host, port)}"
    async with await attempt.converse(host, port) as conversation:
        trust = await _secure(attempt, conversation, host) if secure else ""
        root = await _search(attempt, conversation, 1, "")
        if root.attributes.get("issynchronized", b"").upper() == b"FALSE":
            raise UnwellError("isSynchronized is FALSE: this controller is not up to date yet")
        if base:
            await _search(attempt, conversation, 2, base)
    who = root.attributes.get("dnshostname") or root.attributes.get("namingcontexts") or b""
    parts = (f"root entry {attempt.quote(who)}".strip(), f"{base} is there" if base else "", trust)
    return "; ".join(part for part in parts if part)


async def _secure(attempt: Attempt, conversation: Conversation, host: str) -> str:
    context, trust = attempt.tls()
    try:
        await conversation.secure(context, host)
    except ssl.SSLError as error:
        raise UnwellError(f"TLS: {attempt.quote(words(error))}") from error
    return trust


async def _search(attempt: Attempt, conversation: Conversation, number: int, base: str) -> _Found:
    await conversation.send(_request(number, base))
    try:
        found = await _answer(conversation)
    except ValueError as error:
        raise UnwellError(f"no LDAP: {attempt.quote(str(error))}") from error
    if found.code != 0:
        meaning = _RESULTS.get(found.code, "error")
        said = f" {attempt.said(found.message)}" if found.message else ""
        raise UnwellError(f"result {found.code} ({meaning}){said} for {base or 'the root entry'!r}")
    if not found.entry:
        raise UnwellError(f"no entry for {base or 'the root entry'!r}")
    return found


def _request(number: int, base: str) -> bytes:
    """Return a search for the one entry *base*, whatever it is."""
    search = encoded(
        0x63,
        encoded(0x04, base.encode()),
        encoded(0x0A, b"\0"),  # this entry only
        encoded(0x0A, b"\0"),  # aliases are not followed
        encoded(0x02, b"\0"),  # no limit of entries
        encoded(0x02, b"\0"),  # nor of time
        encoded(0x01, b"\0"),  # values too
        encoded(0x87, b"objectClass"),
        encoded(0x30, *(encoded(0x04, name) for name in _ATTRIBUTES)),
    )
    return encoded(0x30, encoded(0x02, bytes([number])), search)


async def _answer(conversation: Conversation) -> _Found:
    found = _Found()
    for _ in range(_MOST_MESSAGES):
        _, (tag, body), *_ = elements(await read_sequence(conversation))
        if tag == _ENTRY:
            found.entry = True
            found.attributes |= _attributes(body)
        elif tag != _REFERENCE:
            (_, code), _, (_, found.message), *_ = elements(body)
            found.code = int.from_bytes(code, "big")
            if tag != _DONE:
                raise ValueError(f"it ends the session: {found.code} {found.message!r}")
            return found
    raise ValueError("the search has no end")


def _attributes(entry: bytes) -> dict[str, bytes]:
    """Return the first value of each attribute of an entry, by lower-case name."""
    _, (_, listed), *_ = elements(entry)
    found = {}
    for _, attribute in elements(listed):
        (_, name), (_, values), *_ = elements(attribute)
        first = next(elements(values), None)
        if first is not None:
            found[name.decode("ascii", "replace").lower()] = first[1]
    return found
