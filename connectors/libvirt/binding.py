"""The libvirt binding, loaded only when a libvirt connector is opened: it is an optional extra."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, TypeAlias

from drorch.errors import ConfigurationError

Library: TypeAlias = Any
"""The module ``libvirt``: it has no types of its own."""

INSTALL_HINT = (
    "pip install 'drorch[libvirt]' compiles it: that needs gcc, pkg-config, the Python headers and "
    "libvirt's (Debian: apt-get install gcc pkg-config python3-dev libvirt-dev)"
)


def library() -> Library:
    """Return the libvirt module, or raise `ConfigurationError` that says how to install it."""
    return _load("libvirt")


def agent_library() -> Library:
    """Return the module with the calls that are QEMU's own."""
    return _load("libvirt_qemu")


def _load(name: str) -> Library:
    # The library would write warnings to standard error; it reads this when it is loaded.
    os.environ.setdefault("LIBVIRT_LOG_OUTPUTS", "4:file:/dev/null")
    try:
        return import_module(name)
    except ImportError as error:
        raise ConfigurationError(
            f"the libvirt connector cannot load the Python module {name}: {error}",
            hint=INSTALL_HINT,
        ) from error
