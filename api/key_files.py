"""Keys in files of the data folder, made when they are first needed, for this user alone."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path


def own_key(file: Path, make: Callable[[], str]) -> str:
    """Return the text of *file*, which *make* gives if there is none yet.

    Several processes may ask at once: the first one's key counts for all. Raises `OSError`.
    """
    file.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not file.exists():
        fresh = file.with_name(f".{file.name}.{os.getpid()}")
        descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        try:
            os.write(descriptor, make().encode())
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        try:
            os.link(fresh, file)  # whoever was quicker has made the one that counts
        except FileExistsError:
            pass
        finally:
            fresh.unlink()
    return file.read_text(encoding="ascii")
