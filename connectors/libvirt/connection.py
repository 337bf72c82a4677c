"""One libvirt connection that opens itself when needed and is replaced when it has died."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from connectors.libvirt.binding import library
from connectors.libvirt.errors import Code, Phase, code_of, is_connection_loss, translate
from connectors.libvirt.events import start_event_loop
from connectors.libvirt.settings import LibvirtSettings
from drorch.errors import ConfigurationError, ConnectorError, UnreachableError

T = TypeVar("T")
LifecycleHandler: TypeAlias = Callable[[str, int, int], None]
"""Called in libvirt's thread with a domain's name, the event and its detail."""

_MOST_OPENINGS = 4
"""An opening towards a silent host may hang for minutes; no more than these do at a time."""


@dataclass(frozen=True, slots=True)
class Link:
    """An open connection, the name of the host behind it and its event subscription."""

    handle: Any
    host: str
    subscription: int | None


@dataclass(slots=True)
class _Opening:
    future: Future[Link]
    overdue: bool = False


class Connection:
    """All methods block and are called from threads, several at a time."""

    def __init__(self, settings: LibvirtSettings, on_lifecycle: LifecycleHandler) -> None:
        self._settings = settings
        self._on_lifecycle = on_lifecycle
        self._lock = threading.Lock()
        self._link: Link | None = None
        self._opening: _Opening | None = None
        self._openings = 0
        self._closed = False

    def read(self, question: Callable[[Link], T], *, machine: str = "") -> T:
        """Return the answer to *question*; asked a second time when the connection was stale."""
        failure = library().libvirtError
        link = self.link()
        try:
            return question(link)
        except failure as error:
            if not is_connection_loss(error):
                raise self._translated(error, Phase.READ, machine) from error
        self._drop(link)
        try:
            return question(self.link())
        except failure as error:
            raise self._translated(error, Phase.READ, machine) from error

    def order(self, link: Link, action: Callable[[Link], T], *, machine: str) -> T:
        """Return what *action* returns; it is carried out once, whatever happens."""
        try:
            return action(link)
        except library().libvirtError as error:
            if is_connection_loss(error):
                self._drop(link)
            raise self._translated(error, Phase.ORDER, machine) from error

    def _translated(self, error: Any, phase: Phase, machine: str = "") -> ConnectorError:
        return translate(error, phase, where=self._settings.shown_uri, machine=machine)

    def link(self) -> Link:
        """Return a live connection, opening one if need be.

        Raises `UnreachableError` when none could be had within ``connect_timeout``.
        """
        with self._lock:
            if self._closed:
                raise UnreachableError(f"{self._settings.shown_uri}: the connector is closed")
            if self._link is not None and self._link.handle.isAlive():
                return self._link
            opening = self._current_opening()
        return self._awaited(opening)

    def _current_opening(self) -> _Opening:
        opening = self._opening
        if opening is not None and not opening.overdue and not opening.future.done():
            return opening
        if self._openings >= _MOST_OPENINGS:
            raise self._silent()
        opening = _Opening(Future())
        self._opening = opening
        self._openings += 1
        threading.Thread(
            target=self._open, args=(opening.future,), name="libvirt-open", daemon=True
        ).start()
        return opening

    def _awaited(self, opening: _Opening) -> Link:
        try:
            return opening.future.result(self._settings.connect_timeout)
        except TimeoutError:
            opening.overdue = True
            raise self._silent() from None

    def _silent(self) -> UnreachableError:
        return UnreachableError(
            f"{self._settings.shown_uri}: no answer within {self._settings.connect_timeout:g} s",
            hint="is the host up? a libvirtd that accepts and stays silent has to be restarted",
        )

    def _open(self, future: Future[Link]) -> None:
        """Run in a thread of its own: open, keep the result if it is wanted, and tell."""
        try:
            link = self._opened()
        except (ConfigurationError, ConnectorError) as error:
            with self._lock:
                self._openings -= 1
            future.set_exception(error)
            return
        with self._lock:
            self._openings -= 1
            wanted = not self._closed
            previous = self._link
            if wanted:
                self._link = link
        _close_quietly(previous if wanted else link)
        future.set_result(link)

    def _opened(self) -> Link:
        binding = library()
        start_event_loop()
        try:
            handle = binding.open(self._settings.connection_uri)
            subscription = self._prepare(handle)
            return Link(handle, handle.getHostname(), subscription)
        except binding.libvirtError as error:
            raise self._translated(error, Phase.CONNECT) from error

    def _prepare(self, handle: Any) -> int | None:
        settings = self._settings
        # A close callback is what makes isAlive() tell the truth without a call.
        _if_supported(lambda: handle.registerCloseCallback(_ignore_close, None))
        _if_supported(
            lambda: handle.setKeepAlive(
                max(1, round(settings.keepalive_interval)), settings.keepalive_count
            )
        )
        return _if_supported(
            lambda: handle.domainEventRegisterAny(
                None, library().VIR_DOMAIN_EVENT_ID_LIFECYCLE, self._lifecycle, None
            )
        )

    def _lifecycle(
        self, _handle: Any, domain: Any, event: int, detail: int, _opaque: object
    ) -> None:
        self._on_lifecycle(domain.name(), event, detail)

    def _drop(self, link: Link) -> None:
        with self._lock:
            if self._link is link:
                self._link = None
        _close_quietly(link)

    def close(self) -> None:
        """Close for good; an opening that is under way is closed when it ends."""
        with self._lock:
            self._closed = True
            link, self._link = self._link, None
        _close_quietly(link)


def _if_supported(action: Callable[[], T]) -> T | None:
    """Return what *action* does unless the driver lacks it, as the in-process one does."""
    try:
        return action()
    except library().libvirtError as error:
        if code_of(error) != Code.NO_SUPPORT:
            raise
        return None


def _ignore_close(_handle: object, _reason: int, _opaque: object) -> None:
    """The next call finds the connection dead and opens another one."""


def _close_quietly(link: Link | None) -> None:
    """Close *link*, which may be broken already; callbacks would keep it alive for ever."""
    if link is None:
        return
    handle, subscription = link.handle, link.subscription
    if subscription is not None:
        _ignoring_errors(lambda: handle.domainEventDeregisterAny(subscription))
    _ignoring_errors(handle.unregisterCloseCallback)
    _ignoring_errors(handle.close)


def _ignoring_errors(action: Callable[[], object]) -> None:
    with contextlib.suppress(library().libvirtError):
        action()
