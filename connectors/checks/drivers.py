"""Drivers that are optional extras: imported when a check needs them, or a hint how to get them."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from importlib import import_module
from types import ModuleType
from typing import Any

from connectors.checks.threads import Threads
from drorch.errors import ConfigurationError

_BY_KIND: Mapping[str, Sequence[str]] = {
    "mysql": ("pymysql",),
    "postgres": ("psycopg",),
    "smb": ("smbprotocol.connection", "smbprotocol.session", "smbprotocol.tree"),
}


async def load(kind: str, params: Mapping[str, Any], threads: Threads) -> None:
    """Import what a login of this *kind* needs: half a second that no server answers for."""
    if not params.get("user"):
        return
    for module in _BY_KIND.get(kind, ()):
        if module not in sys.modules:
            await threads.run(partial(_attempted, module))


def _attempted(module: str) -> None:
    with contextlib.suppress(ImportError):  # `driver` says so, with a hint
        import_module(module)


def driver(module: str, package: str, extra: str) -> ModuleType:
    """Return *module*, or raise `ConfigurationError` that says how to install *package*."""
    try:
        return import_module(module)
    except ImportError as error:
        raise ConfigurationError(
            f"this check needs {package}: pip install 'drorch[{extra}]'",
            hint="until then, leave out user and query: it will ask whether the server answers",
        ) from error
