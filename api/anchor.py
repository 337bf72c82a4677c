"""Anchors the record of acts: signed check-points in a file outside of the database."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from datetime import UTC, datetime
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
from drorch.access.checkpoints import CheckPoint, Verdict, public_of, signed, verdict
from drorch.errors import ConfigurationError, DrorchError
from drorch.journal.ledger import chain, head
from drorch.journal.store import Store
from drorch.model.moment import stamp

log = structlog.get_logger()

_LOOK_EVERY = 1.0
_MOST_LINE = 2000
_MAKE = "make one: openssl genpkey -algorithm ed25519 -out audit.pem"


class Anchor:
    """Writes check-points of one store's record, and verifies it against them."""

    def __init__(self, store: Store, settings: AuditSettings, data_dir: Path) -> None:
        self._store = store
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
                _, count, _ = await self._store.reading(head)
                last = await asyncio.to_thread(self._last_count)
                behind = count - last
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
        with self._store.backend.reader.connect() as connection:
            record, count, newest = head(connection)
        if count <= self._last_count():
            return None
        point = CheckPoint(record=record, count=count, head=newest, at=stamp(datetime.now(UTC)))
        line = signed(point, self._signing_key()) + "\n"
        self.file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(
            self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            os.write(descriptor, line.encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        return point

    def unanchored(self) -> int:
        """Return how many entries no check-point vouches for yet."""
        with self._store.backend.reader.connect() as connection:
            _, count, _ = head(connection)
        return max(0, count - self._last_count())

    def verify(self) -> Verdict:
        """Follow the whole record and compare it with the check-points."""
        trusted = frozenset({public_of(self._signing_key()), *self._settings.trusted})
        lines = self._lines()
        with self._store.backend.reader.connect() as connection:
            found = chain(connection)
        return verdict(found, lines, trusted)

    def _lines(self) -> list[str]:
        try:
            text = self.file.read_text(encoding="utf-8", errors="replace")
        except FileNotFoundError:
            return []
        return [line[:_MOST_LINE] for line in text.splitlines() if line.strip()]

    def _last_count(self) -> int:
        """Return what the newest check-point counts; what is not one counts nothing."""
        for line in reversed(self._lines()[-20:]):
            try:
                return int(json.loads(line)["count"])
            except (ValueError, KeyError, TypeError):
                continue
        return 0

    def _signing_key(self) -> Ed25519PrivateKey:
        if self._key is None:
            given = self._settings.key
            file = self._folder / "keys" / "audit.pem"
            text = given.read() if given is not None else own_key(file, _fresh_key)
            self._key = _loaded(text)
        return self._key


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
