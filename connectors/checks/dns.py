"""``dns``: this very name server answers a question, with the wanted records."""

from __future__ import annotations

import struct

import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from connectors.checks.attempt import Attempt, UnwellError, at
from connectors.checks.conversation import Conversation, datagram
from drorch.errors import ConfigurationError


async def check(attempt: Attempt) -> str:
    """Ask over UDP, and over TCP when the answer is cut off.

    Every value of ``expect`` has to be among the records of the wanted type.
    """
    server, port = attempt.text("server"), attempt.port(53)
    name, kind = attempt.text("name"), str(attempt.params.get("type") or "A").upper()
    attempt.asked = f"dns {at(server, port)} for {name} {kind}"
    query = _query(name, kind)
    address = await attempt.world.network.resolve(server, port)

    def read(data: bytes) -> dns.message.Message | None:
        attempt.reached = True
        return _read(query, data)

    answer = await datagram(address, port, query.to_wire(), read)
    if answer.flags & dns.flags.TC:
        answer = await _over_tcp(address, port, query)
    return _judge(attempt, answer, kind)


def _query(name: str, kind: str) -> dns.message.QueryMessage:
    try:
        return dns.message.make_query(name, kind, use_edns=0, payload=1232)
    except (dns.exception.DNSException, ValueError) as error:
        raise ConfigurationError(
            f"{name} {kind} is no question for a name server: {error}"
        ) from error


def _read(query: dns.message.Message, data: bytes) -> dns.message.Message | None:
    """Return the answer to *query* in *data*, or None for rubbish and for answers to others."""
    try:
        message = dns.message.from_wire(data, ignore_trailing=True, raise_on_truncation=False)
    except (dns.exception.DNSException, ValueError):
        return None
    return message if query.is_response(message) else None


async def _over_tcp(address: str, port: int, query: dns.message.Message) -> dns.message.Message:
    wire = query.to_wire()
    async with await Conversation.open(address, port) as conversation:
        await conversation.send(struct.pack("!H", len(wire)) + wire)
        (length,) = struct.unpack("!H", await conversation.exactly(2))
        answer = _read(query, await conversation.exactly(length))
    if answer is None:
        raise UnwellError("the answer over TCP makes no sense")
    return answer


def _judge(attempt: Attempt, answer: dns.message.Message, kind: str) -> str:
    code = dns.rcode.to_text(answer.rcode())
    records = _records(answer, kind)
    said = f"{code}, {attempt.quote(', '.join(records) or 'no records', 200)}"
    if answer.rcode() != dns.rcode.NOERROR or not records:
        raise UnwellError(said)
    missing = [value for value in _expected(attempt) if _plain(value) not in records]
    if missing:
        raise UnwellError(f"{said}; wanted {', '.join(missing)}")
    return said


def _records(answer: dns.message.Message, kind: str) -> list[str]:
    wanted = dns.rdatatype.from_text(kind)
    return [
        _plain(record.to_text())
        for rrset in answer.answer
        if rrset.rdtype == wanted
        for record in rrset
    ]


def _expected(attempt: Attempt) -> list[str]:
    expect = attempt.params.get("expect")
    if expect is None:
        return []
    return [expect] if isinstance(expect, str) else [str(value) for value in expect]


def _plain(value: str) -> str:
    """Return *value* as records are compared: no final dot, no quotes, lower case."""
    return value.strip().strip('"').rstrip(".").lower()
