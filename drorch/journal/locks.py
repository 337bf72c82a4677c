"""Ownership of runs on one machine: an operating-system lock on one file per run.

The kernel lets go of it the moment its holder dies, by SIGKILL or power cut alike. The locks
belong to the open file (OFD), so that a process excludes itself as well.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
from pathlib import Path

_FLOCK = "hhqqi4x"
"""``struct flock`` of Linux on 64 bits: type, whence, start, length, process id."""
_WHOLE_FILE = struct.pack(_FLOCK, fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)


class FileLease:
    def __init__(self, descriptor: int) -> None:
        self._descriptor: int | None = descriptor

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class FileLeases:
    """Leases as locks in *folder*, which must be on a local file system."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def acquire(self, run: str) -> FileLease | None:
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

    def is_held(self, run: str) -> bool:
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
