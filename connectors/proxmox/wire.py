"""One thread's TLS session to one endpoint: no secret leaves before the certificate is checked."""

from __future__ import annotations

import hashlib
import hmac
import json
import ssl
import time
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Any

from proxmoxer import ProxmoxAPI
from requests import Response, Session
from requests.adapters import HTTPAdapter
from typing_extensions import override
from urllib3.connection import HTTPSConnection
from urllib3.connectionpool import HTTPSConnectionPool
from urllib3.exceptions import SSLError
from urllib3.util.ssl_ import create_urllib3_context

from connectors.proxmox.settings import Endpoint, Settings
from drorch.ports.connector import Permit

IDLE_LIMIT = 3.0
"""Seconds after which an idle connection is not used for an order: the server closes at 5."""


@dataclass(slots=True)
class Trace:
    """What one exchange is known to have done, whatever exception came out of it.

    ``sent`` turns true just before the first byte of the request; while it is false the other
    side has received nothing, neither an order nor the token. ``permit`` is asked before that.
    """

    permit: Permit | None = None

    sent: bool = False
    certificate: str = ""
    not_tls: bool = False
    message: str = ""
    date: float | None = None


class Link:
    """A client of its own for one thread and endpoint, because proxmoxer promises no safety."""

    def __init__(self, endpoint: Endpoint, settings: Settings) -> None:
        self.endpoint = endpoint
        self.trace = Trace()
        self.shown = ""  # the fingerprint of the certificate that the other side showed
        self._idle_since = time.monotonic()
        self._api = ProxmoxAPI(
            endpoint.host,
            port=endpoint.port,
            user=settings.user,
            token_name=settings.token_name,
            token_value=settings.token_secret.read(),
            verify_ssl=str(settings.ca) if settings.ca else False,
            timeout=(settings.connect_timeout, settings.read_timeout),
        )
        self._session: Session = self._api._store["session"]  # noqa: SLF001 (no public way in)
        self._harden(settings)

    def _harden(self, settings: Settings) -> None:
        session = self._session
        # REQUESTS_CA_BUNDLE, proxies and .netrc of the environment must not change whom we trust.
        session.trust_env = False
        # Proxmox VE never redirects; following one would carry an order somewhere else.
        session.max_redirects = 0
        session.hooks["response"].append(self._note)
        session.adapters.clear()
        session.mount("https://", _TracedAdapter(self, settings))

    def send(
        self, verb: str, path: tuple[str, ...], fields: dict[str, Any], permit: Permit | None
    ) -> Any:
        """Return the ``data`` of the answer; raises what proxmoxer, requests and *permit* raise."""
        self.trace = Trace(permit=permit)
        if verb != "GET" and time.monotonic() - self._idle_since > IDLE_LIMIT:
            self._session.close()
        resource = self._api(list(path))
        try:
            return resource.get(**fields) if verb == "GET" else resource.post(**fields)
        finally:
            self._idle_since = time.monotonic()

    def close(self) -> None:
        self._session.close()

    def _note(self, response: Response, **_: Any) -> None:
        """Keep what proxmoxer drops: the server's clock and the whole error message."""
        self.trace.date = _epoch(response.headers.get("Date"))
        if response.status_code >= 400:
            self.trace.message = _message(response)


def _epoch(value: str | None) -> float | None:
    try:
        return parsedate_to_datetime(value).timestamp() if value else None
    except ValueError:
        return None


def _message(response: Response) -> str:
    try:
        body = json.loads(response.content)
    except ValueError:
        return ""
    message = body.get("message") if isinstance(body, dict) else None
    return message.strip() if isinstance(message, str) else ""


class _TracedAdapter(HTTPAdapter):
    def __init__(self, link: Link, settings: Settings) -> None:
        self._link = link
        self._pins = settings.fingerprint or ()
        self._verifies = settings.ca is not None
        super().__init__(max_retries=0)

    @override
    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        # A context of our own, or urllib3 reads the system's authorities for each connection.
        wanted = ssl.CERT_REQUIRED if self._verifies else ssl.CERT_NONE
        kwargs["ssl_context"] = create_urllib3_context(cert_reqs=wanted)
        super().init_poolmanager(*args, **kwargs)
        pools = {"https": _pool_class(self._link, self._pins)}
        self.poolmanager.pool_classes_by_scheme = pools


def _pool_class(link: Link, pins: tuple[str, ...]) -> type[HTTPSConnectionPool]:
    class Connection(HTTPSConnection):
        @override
        def connect(self) -> None:
            try:
                super().connect()
            except ssl.SSLCertVerificationError as error:
                link.trace.certificate = error.verify_message or str(error)
                raise
            except ssl.SSLError as error:
                link.trace.not_tls = _speaks_no_tls(error)
                raise
            assert isinstance(self.sock, ssl.SSLSocket)  # noqa: S101 (no proxy, so no TLS in TLS)
            link.shown = hashlib.sha256(self.sock.getpeercert(True) or b"").hexdigest()
            if pins:
                self._check_pin(link.shown)
            self.is_verified = True  # by the pin, the CA, or because the user said not to ask

        def _check_pin(self, shown: str) -> None:
            if not any(hmac.compare_digest(shown, pin) for pin in pins):
                self.close()
                link.trace.certificate = f"its SHA-256 fingerprint is {spaced(shown)}"
                raise SSLError("the certificate is not the pinned one")

        @override
        def request(self, *args: Any, **kwargs: Any) -> None:
            # urllib3 has connected and checked by now (_validate_conn); from here on bytes go out.
            if link.trace.permit is not None:
                link.trace.permit()
            link.trace.sent = True
            super().request(*args, **kwargs)

    class Pool(HTTPSConnectionPool):
        ConnectionCls = Connection

    return Pool


def spaced(fingerprint: str) -> str:
    """Return a fingerprint the way ``openssl x509 -fingerprint`` prints it."""
    upper = fingerprint.upper()
    return ":".join(upper[i : i + 2] for i in range(0, len(upper), 2))


def _speaks_no_tls(error: ssl.SSLError) -> bool:
    return error.reason in {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "RECORD_LAYER_FAILURE"}
