"""Ownership of runs on one machine: an operating-system lock on one file per run.

The kernel lets go of it the moment its holder dies, by SIGKILL or power cut alike. The locks
belong to the open file (OFD), so that a process excludes itself as well.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from collections.abc import Sequence
from pathlib import Path

from sqlalchemy import Connection

from drorch.failpoints import reach

_FLOCK = "hhqqi4x"
"""``struct flock`` of Linux on 64 bits: type, whence, start, length, process id."""
_WHOLE_FILE = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


class FileLease:
    """Cannot be lost: it ends with the process."""

    epoch: int | None = None

    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def lost(self) -> str:
        return "" if self._descriptor is not None else "this process has given the run up"

    async def release(self) -> None:
        self.let_go()

    def let_go(self) -> None:
        """Release, from anywhere."""
        if self._descriptor is not None:
            reach("lease.release.before")
            os.close(self._descriptor)
            self._descriptor = None


class FileLeases:
    """Leases as locks in *folder*, which must be on a local file system."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def acquire(self, run: str) -> FileLease | None:
        reach("lease.acquire.before")
        lease = self.take(run)
        reach("lease.acquire.after")
        return lease

    async def is_held(self, run: str) -> bool:
        return self.holds(run)

    def newborn(self, run: str, connection: Connection) -> FileLease | None:
        """Take a run that is being made."""
        del connection  # the lock is beside the database
        return self.take(run)

    async def free(self, runs: Sequence[str]) -> Sequence[str]:
        """Return those of *runs* that no living process drives."""
        return [run for run in runs if not self.holds(run)]

    def keep_renewing(self) -> None:
        """The kernel does."""

    async def close(self) -> None:
        """Nothing to stop: the kernel keeps these leases."""

    def take(self, run: str) -> FileLease | None:
        """Take the lock of *run*, or return None while a living process has it."""
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor = os.open(self._path(run), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.fcntl(descriptor, fcntl.F_OFD_SETLK, _WHOLE_FILE)
        except (BlockingIOError, PermissionError):
            os.close(descriptor)
            return None
        with contextlib.suppress(OSError):  # only for people who look; the lock is what counts
            os.ftruncate(descriptor, 0)
            os.write(descriptor, f"{os.getpid()}\n".encode())
        return FileLease(descriptor)

    def holds(self, run: str) -> bool:
        """Asks without taking: a reader must never be in the way of an owner."""
        try:
            descriptor = os.open(self._path(run), os.O_RDWR | os.O_CLOEXEC)
        except FileNotFoundError:
            return False
        try:
            found = fcntl.fcntl(descriptor, fcntl.F_OFD_GETLK, _WHOLE_FILE)
        finally:
            os.close(descriptor)
        return bool(struct.unpack(_FLOCK, found)[0] != fcntl.F_UNLCK)

    def _path(self, run: str) -> Path:
        return self._folder / f"{run}.lock"
