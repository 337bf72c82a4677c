"""As much of BER as an LDAP search needs: definite lengths, one byte of tag."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.checks.conversation import Conversation

_LARGEST = 1 << 18
_LONG_FORM = 0x80


def encoded(tag: int, *parts: bytes) -> bytes:
    """Return one element of *tag* that holds *parts*."""
    body = b"".join(parts)
    if len(body) < _LONG_FORM:
        return bytes([tag, len(body)]) + body
    length = len(body).to_bytes((len(body).bit_length() + 7) // 8, "big")
    return bytes([tag, _LONG_FORM | len(length)]) + length + body


def elements(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield tag and content of each element; raises `ValueError` where there is none."""
    position = 0
    while position < len(data):
        tag, start, length = _header(data, position)
        if start + length > len(data):
            raise ValueError("an element is longer than what holds it")
        yield tag, data[start : start + length]
        position = start + length


def _header(data: bytes, position: int) -> tuple[int, int, int]:
    if position + 2 > len(data):
        raise ValueError("an element is cut off")
    tag, first = data[position], data[position + 1]
    start = position + 2
    if first < _LONG_FORM:
        return tag, start, first
    count = first & ~_LONG_FORM
    if not 1 <= count <= 4 or start + count > len(data):
        raise ValueError("a length makes no sense")
    return tag, start + count, int.from_bytes(data[start : start + count], "big")


async def read_sequence(conversation: Conversation) -> bytes:
    """Return the content of one sequence; raises `ValueError` when something else comes."""
    tag, first = await conversation.exactly(2)
    if tag != 0x30:
        raise ValueError(f"the answer begins with {bytes([tag, first])!r}")
    length = first
    if first >= _LONG_FORM:
        count = first & ~_LONG_FORM
        if not 1 <= count <= 4:
            raise ValueError("a length makes no sense")
        length = int.from_bytes(await conversation.exactly(count), "big")
    if length > _LARGEST:
        raise ValueError(f"a message of {length} bytes is announced")
    return await conversation.exactly(length)
