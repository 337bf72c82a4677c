"""TLS contexts: which authority is believed, by its name in the configuration."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from drorch.errors import ConfigurationError


class Trust:
    """Hands out TLS contexts; loading the system's authorities takes 30 ms, so they are kept.

    An authority's file is read again when it has changed.
    """

    def __init__(self, authorities: Mapping[str, Path]) -> None:
        self._authorities = authorities
        self._system: ssl.SSLContext | None = None
        self._own: dict[tuple[str, int], ssl.SSLContext] = {}

    def context(self, ca: str | None) -> ssl.SSLContext:
        """Return a context that believes the authority named *ca*, or the system's."""
        if ca is None:
            if self._system is None:
                self._system = ssl.create_default_context()
            return self._system
        return self._authority(ca)

    def blind(self) -> ssl.SSLContext:
        """Return a context that encrypts and believes anybody: for questions without secrets."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        return context

    def _authority(self, name: str) -> ssl.SSLContext:
        path = self._authorities.get(name)
        if path is None:
            raise ConfigurationError(
                f"the certificate authority {name!r} is not in the configuration",
                hint=f"known: {', '.join(sorted(self._authorities)) or 'none'}",
            )
        try:
            key = (name, path.stat().st_mtime_ns)
            if key not in self._own:
                self._own[key] = ssl.create_default_context(cafile=str(path))
        except (OSError, ssl.SSLError) as error:
            raise ConfigurationError(
                f"the certificate authority {name!r} cannot be read from {path}: {error}",
                hint="the file holds certificates in PEM and this user may read it",
            ) from error
        return self._own[key]
