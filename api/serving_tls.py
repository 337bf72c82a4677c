"""TLS of the service: what is spoken, and a renewed certificate that counts without a restart."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import structlog
from cryptography.hazmat.primitives.serialization import Encoding

from api.serving_rules import TlsFiles, tls_files
from api.settings import Settings
from api.tls import OwnTls, certificate_in, now, read
from drorch.errors import ConfigurationError

log = structlog.get_logger()

LOOK_EVERY = 2.0
"""Seconds between two looks at the files of the certificate."""
RENEW_EVERY = 3600.0
"""Seconds between two looks at how long the own certificate is valid; a renewal takes days."""
WARN_BEFORE = timedelta(days=21)
_CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2: forward secrecy and authenticated encryption. TLS 1.3 has no others."""
_NO_CHECK_TIME = ssl.VerifyFlags(0x200000)
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which Python has no name for."""


class ServingTls:
    """The certificate that the service answers with.

    ``context`` stays the same for as long as the service lives; each handshake takes the
    certificate that was read last. Raises `ConfigurationError` when it cannot be read at first.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._seen = self._look()
        self._current = context_of(files)
        self.context = context_of(files)
        self.context.sni_callback = self._shake

    def _shake(self, socket: ssl.SSLObject, name: str | None, context: ssl.SSLContext) -> None:
        del name, context
        socket.context = self._current

    def look_again(self) -> bool:
        """Take over a certificate that has changed on disk; tell whether one was.

        Raises `ConfigurationError` while what is there is no pair; the old one goes on then.
        """
        seen = self._look()
        if seen == self._seen:
            return False
        self._current = context_of(self._files)
        self._seen = seen
        return True

    async def watch(self, changed: Callable[[], None]) -> None:
        """Look again and again, and call *changed* after each change. Never ends by itself."""
        told = ""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                if self.look_again():
                    changed()
                    log.info("certificate.changed", file=str(self._files.certificate))
                told = ""
            except ConfigurationError as error:
                if error.message != told:
                    log.warning("certificate.unusable", reason=error.message)
                told = error.message

    def _look(self) -> tuple[tuple[int, int, int] | None, ...]:
        return tuple(_state(file) for file in (self._files.certificate, self._files.key))


def answering_tls(settings: Settings) -> ServingTls | None:
    """Return what is spoken with those who ask; None is plain HTTP. Raises when it cannot be."""
    files = tls_files(settings)
    return ServingTls(files) if files is not None else None


def _state(file: Path) -> tuple[int, int, int] | None:
    try:
        found = file.stat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns, found.st_size


def context_of(files: TlsFiles) -> ssl.SSLContext:
    """Return what a server speaks with this certificate. Raises `ConfigurationError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(_CIPHERS)
    context.options |= ssl.OP_NO_COMPRESSION | ssl.OP_NO_RENEGOTIATION
    try:
        # A key with a passphrase would make OpenSSL ask for it at the terminal.
        context.load_cert_chain(files.certificate, files.key, password=lambda: "")
    except (OSError, ValueError) as error:  # an SSLError is an OSError
        raise ConfigurationError(
            f"TLS cannot be done with {files.certificate} and {files.key}: "
            f"{getattr(error, 'strerror', None) or error}",
            hint="both have to be PEM, belong together, be readable by the user that runs drorch, "
            "and the key must have no passphrase",
        ) from error
    return context


def trust_in_own(settings: Settings) -> ssl.SSLContext | None:
    """Return how to ask our own port: nothing but our very certificate is right.

    Its dates do not count: whether the service lives is asked, also when it has run out. None
    where there is no TLS. Raises `ConfigurationError`.
    """
    files = tls_files(settings)
    if files is None:
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False  # it may be made for other names; it is this one, or it is not
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    pem = certificate_in(files.certificate).public_bytes(Encoding.PEM)
    context.load_verify_locations(cadata=pem.decode())
    return context


def renew_if_due(settings: Settings) -> None:
    """Renew the own certificate where less than a third is left; say in the log what happened.

    A certificate that the town gave is the town's to renew: that it ends soon is said. Raises
    nothing: the old one goes on.
    """
    try:
        if settings.server.tls_cert is not None:
            _tell_end(settings.server.tls_cert)
            return
        renewed = OwnTls.of(settings.data_dir).renew_if_due(now())
    except ConfigurationError as error:
        log.warning("certificate.not_renewed", reason=error.message, hint=error.hint)
        return
    if renewed:
        log.info("certificate.renewed")


def _tell_end(certificate: Path) -> None:
    left = read(certificate).until - now()
    if left < WARN_BEFORE:
        log.warning("certificate.ends_soon", file=str(certificate), days=left.days)


async def keep_renewed(settings: Settings) -> None:
    """Look once an hour whether the own certificate is due. Never ends by itself."""
    while True:
        await asyncio.sleep(RENEW_EVERY)
        await asyncio.to_thread(renew_if_due, settings)
