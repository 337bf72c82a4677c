"""Who acts where nobody has to log in: the operating system's user, or anybody on loopback."""

from __future__ import annotations

import getpass
import os
import socket

from drorch.access.principal import Caller, Means, Principal
from drorch.access.roles import Role


def whoami() -> str:
    """Return the operating system's user, for the record of what is done here."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def system_caller(name: str | None = None) -> Caller:
    """Return the user of this process: who may read and write ``data_dir`` may do anything.

    *name* is what the record calls them, the user's own name by default.
    """
    user = f"{os.getuid()}@{socket.gethostname()}"
    by = Principal(id=user, name=name or whoami(), role=Role.ADMIN, means=Means.SYSTEM)
    return Caller(by=by)


def anybody(name: str, address: str) -> Principal:
    """Return who asks a service that runs open; *name* is as they say themselves."""
    return Principal(id="open", name=name, role=Role.ADMIN, means=Means.OPEN, address=address)
