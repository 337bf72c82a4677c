"""The newest frames of a stream, for all who follow it: bounded, found by place, joined once."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from itertools import islice
from typing import Generic, TypeVar

P = TypeVar("P", bound=Hashable)

KEPT_BYTES = 512 * 1024
CHUNK_BYTES = 32 * 1024


class Ring(Generic[P]):
    """Keeps frames behind the place *floor*, and forgets the oldest beyond `KEPT_BYTES`."""

    def __init__(self, floor: P) -> None:
        self.last = floor
        """The place of the newest frame."""
        self._floor = floor
        self._frames: deque[tuple[P, bytes]] = deque()
        self._numbers: dict[P, int] = {floor: 0}
        self._first = 0
        self._bytes = 0
        self._joined: dict[P, tuple[bytes, P]] = {}

    def __contains__(self, place: object) -> bool:
        return place in self._numbers

    def add(self, place: P, frame: bytes) -> None:
        """Put the next frame behind all the others."""
        self._frames.append((place, frame))
        self._numbers[place] = self._first + len(self._frames)
        self._bytes += len(frame)
        self.last = place
        self._joined.clear()
        while self._bytes > KEPT_BYTES and len(self._frames) > 1:
            self._forget()

    def _forget(self) -> None:
        place, frame = self._frames.popleft()
        del self._numbers[self._floor]
        self._floor = place
        self._first += 1
        self._bytes -= len(frame)

    def behind(self, place: P) -> tuple[bytes, P]:
        """Return frames behind *place* in one piece, and the place of the last of them.

        Nothing and *place* itself where it is the last. It has to be in the ring.
        """
        if place == self.last:
            return b"", place
        if place not in self._joined:
            self._joined[place] = self._join(place)
        return self._joined[place]

    def _join(self, place: P) -> tuple[bytes, P]:
        start = self._numbers[place] - self._first
        frames: list[bytes] = []
        size = 0
        for last, frame in islice(self._frames, start, None):
            frames.append(frame)
            place = last
            size += len(frame)
            if size >= CHUNK_BYTES:
                break
        return b"".join(frames), place
