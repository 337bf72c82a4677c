"""The last board is kept: the journal is read once for all, and what cannot be renewed grows old."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import UTC, datetime
from typing import Any

import pytest

from api.status.board import Board
from api.status.bulletin import PATIENCE, RENEWED, STALE_AFTER, Bulletin
from drorch.engine.virtual import run_virtually
from drorch.errors import JournalUnavailableError

BEGAN = datetime(2026, 11, 22, 3, 0, tzinfo=UTC)


class Journal:
    """Gives boards; it can be slow, away or broken."""

    def __init__(self) -> None:
        self.read = 0
        self.takes = 0.1
        self.error: Exception | None = None

    async def board(self) -> Board:
        self.read += 1
        await asyncio.sleep(self.takes)
        if self.error is not None:
            raise self.error
        return Board(at=BEGAN, zone=f"read {self.read}", lines=[])


def played(play: Coroutine[Any, Any, None]) -> None:
    run_virtually(play)


def now() -> float:
    return asyncio.get_running_loop().time()


def test_a_thousand_readers_cost_one_look() -> None:
    async def play() -> None:
        journal = Journal()
        bulletin = Bulletin(journal.board)
        boards = await asyncio.gather(*(bulletin.board() for _ in range(1000)))
        assert len({board.zone for board in boards if board}) == 1
        assert (journal.read, None in boards) == (1, False)
        await asyncio.sleep(RENEWED - 1)
        await bulletin.board()
        assert journal.read == 1
        await asyncio.sleep(1)
        assert (await bulletin.board()) == Board(at=BEGAN, zone="read 2", lines=[])

    played(play())


def test_a_slow_journal_keeps_nobody_waiting() -> None:
    async def play() -> None:
        journal = Journal()
        bulletin = Bulletin(journal.board)
        first = await bulletin.board()
        journal.takes = 3600
        waited = []
        for _ in range(10):
            await asyncio.sleep(RENEWED)
            at = now()
            board = await bulletin.board()
            waited.append(now() - at)
            assert board is not None
            assert first is not None
            assert board.zone == first.zone
        assert waited == [pytest.approx(PATIENCE), *[0.0] * 9]
        assert journal.read == 2, "one look hangs; there is no second beside it"
        await asyncio.sleep(3600)
        board = await bulletin.board()
        assert board is not None
        assert board.zone == "read 2", "it came after all"

    played(play())


def test_what_cannot_be_renewed_says_since_when_and_recovers() -> None:
    async def play() -> None:
        journal = Journal()
        bulletin = Bulletin(journal.board)
        await bulletin.board()
        for error in (JournalUnavailableError("away"), RuntimeError("a defect")):
            journal.error = error
            await asyncio.sleep(STALE_AFTER / 2)
            board = await bulletin.board()
            assert board is not None
            assert board.stale_since is None, "a hiccup is nobody's news"
            await asyncio.sleep(STALE_AFTER / 2 + 1)
            board = await bulletin.board()
            assert board is not None
            assert board.stale_since == BEGAN
            journal.error = None
            await asyncio.sleep(RENEWED)
            board = await bulletin.board()
            assert board is not None
            assert board.stale_since is None

    played(play())


def test_where_nothing_was_ever_learned_nothing_is_made_up() -> None:
    async def play() -> None:
        journal = Journal()
        journal.error = JournalUnavailableError("away")
        bulletin = Bulletin(journal.board)
        assert await bulletin.board() is None
        journal.error = None
        await asyncio.sleep(RENEWED)
        assert await bulletin.board() is not None

    played(play())


def test_it_is_renewed_also_while_nobody_reads() -> None:
    async def play() -> None:
        journal = Journal()
        bulletin = Bulletin(journal.board)
        keeping = asyncio.create_task(bulletin.keep())
        await asyncio.sleep(300)
        keeping.cancel()
        await asyncio.gather(keeping, return_exceptions=True)
        assert 9 <= journal.read <= 12
        journal.error = JournalUnavailableError("away")
        assert await bulletin.board() is not None

    played(play())
