"""Ownership of runs on one machine: an operating-system lock on one file per run.

The kernel lets go of it the moment its holder dies, by SIGKILL or power cut alike.
"""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


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
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        os.ftruncate(descriptor, 0)
        os.write(descriptor, f"{os.getpid()}\n".encode())
        return FileLease(descriptor)

    def is_held(self, run: str) -> bool:
        lease = self.acquire(run)
        if lease is None:
            return True
        lease.release()
        return False

    def _path(self, run: str) -> Path:
        return self._folder / f"{run}.lock"
