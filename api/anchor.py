"""Anchors the record of acts: signed check-points in a file outside of the database."""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from sqlalchemy.exc import SQLAlchemyError

from api.key_files import own_key
from api.settings import AuditSettings
from drorch.access.checkpoints import (
    CheckPoint,
    Verdict,
    overdue,
    public_of,
    read,
    signed,
    verdict,
)
from drorch.errors import ConfigurationError, DrorchError
from drorch.journal.ledger import chain, filed_at, head
from drorch.journal.store import Store
from drorch.model.moment import stamp

log = structlog.get_logger()

_LOOK_EVERY = 1.0
_MOST_LINE = 2000
_TAIL = 20_000
_OVERDUE = 5
"""So many times the interval of check-points an entry may wait for one before that is strange."""
_MAKE = "make one: openssl genpkey -algorithm ed25519 -out audit.pem"


class Anchor:
    """Writes check-points of one store's record, and verifies it against them."""

    def __init__(
        self,
        store: Store,
        settings: AuditSettings,
        data_dir: Path,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._store = store
        self._now = now
        self._settings = settings
        self._folder = data_dir
        self._key: Ed25519PrivateKey | None = None

    @property
    def file(self) -> Path:
        return self._settings.checkpoints or self._folder / "audit.checkpoints"

    async def keep(self) -> None:
        """Write check-points until cancelled: every so many seconds and entries."""
        loop = asyncio.get_running_loop()
        due = loop.time()
        told = ""
        while True:
            try:
                behind = await asyncio.to_thread(self.unanchored)
                if behind >= self._settings.checkpoint_entries or (behind and loop.time() >= due):
                    await asyncio.to_thread(self.write)
                    due = loop.time() + self._settings.checkpoint_every
                told = ""
            except (DrorchError, SQLAlchemyError, OSError) as error:
                if str(error) != told:
                    told = str(error)
                    log.warning("audit.not-anchored", reason=told)
            await asyncio.sleep(_LOOK_EVERY)

    async def write_last(self) -> None:
        """Vouch for what was done until this process ends; that it cannot is only a warning."""
        try:
            await asyncio.to_thread(self.write)
        except (DrorchError, SQLAlchemyError, OSError) as error:
            log.warning("audit.not-anchored", reason=str(error))

    def write(self) -> CheckPoint | None:
        """Write one check-point of what the record holds now, durably; None if there is no news.

        Raises `ConfigurationError` for a key or file that cannot be used, `JournalError`.
        """
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(
            self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)  # so that no older one is written behind it
            with self._store.backend.reader.connect() as connection:
                record, count, newest = head(connection)
            if not self._behind(record, count):
                return None
            point = CheckPoint(record=record, count=count, head=newest, at=stamp(self._now()))
            line = signed(point, self._signing_key()) + "\n"
            os.write(descriptor, (self._line_end() + line).encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return point

    def _line_end(self) -> str:
        """Return what ends a line that a power cut has torn; the next one would be lost with it."""
        torn = _tail(self.file, 1)
        return "\n" if torn and torn != [""] else ""

    def unanchored(self) -> int:
        """Return how many entries no check-point vouches for yet."""
        with self._store.backend.reader.connect() as connection:
            record, count, _ = head(connection)
        return self._behind(record, count)

    def newest(self) -> tuple[int, str, CheckPoint | None]:
        """Return how many entries there are, the hash of the last, and the newest check-point."""
        with self._store.backend.reader.connect() as connection:
            record, count, newest = head(connection)
        return count, newest, self._last(record) if count else None

    def _behind(self, record: str, count: int) -> int:
        """Return how many of *count* entries are behind the newest check-point of this record.

        All of them where that counts more: an older backup was put back, or the end cut off.
        """
        if count == 0:
            return 0
        last = self._last(record)
        return count if last is None or last.count > count else count - last.count

    def verify(self) -> Verdict:
        """Follow the whole record and compare it with the check-points."""
        trusted = frozenset({public_of(self._signing_key()), *self._settings.trusted})
        lines = self._lines()
        with self._store.backend.reader.connect() as connection:
            found = verdict(chain(connection), lines, trusted, self._patience)
            first = filed_at(connection, found.anchored + 1)
        if found.broken or first is None or not self._is_overdue(first):
            return found
        return overdue(found, first)

    @property
    def _patience(self) -> timedelta:
        return timedelta(seconds=_OVERDUE * max(self._settings.checkpoint_every, _LOOK_EVERY))

    def _is_overdue(self, at: str) -> bool:
        """Tell whether an entry of that time should have had a check-point long ago."""
        try:
            return self._now() - datetime.fromisoformat(at) > self._patience
        except (ValueError, TypeError):
            return True

    def _lines(self) -> list[str]:
        try:
            text = self.file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        return [line[:_MOST_LINE] for line in text.splitlines() if line.strip()]

    def _last(self, record: str) -> CheckPoint | None:
        """Return the newest check-point of *record* that this key has signed; None without one."""
        trusted = frozenset({public_of(self._signing_key())})
        for line in reversed(_tail(self.file)):
            try:
                point = read(line, trusted)
            except (ValueError, OverflowError, RecursionError):
                continue
            if point.record == record:
                return point
        return None

    def _signing_key(self) -> Ed25519PrivateKey:
        if self._key is None:
            given = self._settings.key
            file = self._folder / "keys" / "audit.pem"
            text = given.read() if given is not None else own_key(file, _fresh_key)
            self._key = _loaded(text)
        return self._key


def _tail(file: Path, size: int = _TAIL) -> list[str]:
    """Return the last lines of *file*: it is looked at every second and grows for years."""
    try:
        with file.open("rb") as opened:
            opened.seek(max(0, opened.seek(0, os.SEEK_END) - size))
            return opened.read().decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []


def _fresh_key() -> str:
    key = Ed25519PrivateKey.generate()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode("ascii")


def _loaded(text: str) -> Ed25519PrivateKey:
    try:
        key = load_pem_private_key(text.encode(), None)
    except (ValueError, TypeError) as error:
        raise ConfigurationError(f"[audit] key is no private key: {error}", hint=_MAKE) from error
    if not isinstance(key, Ed25519PrivateKey):
        raise ConfigurationError("[audit] key is no Ed25519 key", hint=_MAKE)
    return key
