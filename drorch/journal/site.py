"""The name of an installation: made once in its data folder, and of the machine as it runs now."""

from __future__ import annotations

import fcntl
import hashlib
import os
import secrets
from pathlib import Path

_FILE = "site-id"
_BOOT = Path("/proc/sys/kernel/random/boot_id")


def site_id(folder: Path) -> str:
    """Return the lasting name of the installation whose data is in *folder*."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    path = folder / _FILE
    if path.exists() and (known := path.read_text()).endswith("\n"):
        return known.strip()
    with path.open("a+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)  # the first of several processes names it
        file.seek(0)
        # A power cut may have left an empty file.
        if not (known := file.read().strip()):
            known = secrets.token_hex(8)
            file.write(f"{known}\n")
            file.flush()
            os.fsync(file.fileno())
    return known


def running_site(folder: Path) -> str:
    """Return a name that a copy of the folder elsewhere, or a later boot, does not share.

    Only where it is equal do file locks in *folder* tell whether an earlier process is dead.
    """
    boot = _BOOT.read_text() if _BOOT.exists() else secrets.token_hex(8)
    site = site_id(folder)  # makes the folder of a new installation
    place = folder.stat()
    told = f"{site} {boot} {place.st_dev} {place.st_ino}"
    return hashlib.sha256(told.encode()).hexdigest()[:16]
