"""The way to the API: threads, fail-over between endpoints, and what may be repeated."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

from proxmoxer import ResourceException
from requests import RequestException
from tenacity import AsyncRetrying, retry_if_exception_type, stop_after_attempt, wait_random

from connectors.blocking import BlockingPool
from connectors.proxmox.errors import (
    FlickerError,
    Problem,
    SickEndpointError,
    rubbish,
    translate,
)
from connectors.proxmox.settings import Endpoint, Settings
from connectors.proxmox.wire import Link
from drorch.errors import (
    AuthenticationError,
    CertificateError,
    ConfigurationError,
    ConnectorError,
    HostUnavailableError,
    OutcomeUnknownError,
    ProtocolError,
    UnreachableError,
)
from drorch.ports.connector import Permit

IN_FLIGHT = 4
ORDERS_IN_FLIGHT = 3
"""Proxmox VE works on three calls of a node at once; the fourth place is kept for looking."""
NODES = 40
"""More than Corosync carries, which gets slow beyond 32. A node that accepts and stays silent
occupies its own places and never those of another, so there is a thread for every place; only
those that are needed are ever started."""
THREADS = IN_FLIGHT * (NODES + 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One call of the API. One that changes something has a ``permit``, and is never repeated."""

    path: tuple[str, ...]
    verb: str = "GET"
    fields: dict[str, Any] = field(default_factory=dict)
    node: str | None = None
    machine: str | None = None
    permit: Permit | None = None

    @property
    def order(self) -> bool:
        return self.permit is not None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """The ``data`` of an answer, who gave it, and how far its clock is ahead of ours.

    ``certificate`` is the SHA-256 fingerprint of who gave it.
    """

    data: Any
    endpoint: Endpoint
    certificate: str = ""
    ahead: float | None = None


@dataclass  # no slots: those would be shared by all threads
class _Thread(threading.local):
    links: dict[Endpoint, Link] = field(default_factory=dict)
    generation: int = 0


class Gateway:
    """Carries calls to whichever endpoint answers."""

    def __init__(self, name: str, settings: Settings) -> None:
        self.settings = settings
        self.contacts: dict[Endpoint, str] = {}
        self._name = name
        self._pool: BlockingPool | None = None
        self._thread = _Thread()
        self._links: list[Link] = []
        self._guard = threading.Lock()
        self._generation = 0
        self._preferred = 0
        self._places: dict[str | None, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(IN_FLIGHT)
        )
        self._order_places: dict[str | None, asyncio.Semaphore] = defaultdict(
            lambda: asyncio.Semaphore(ORDERS_IN_FLIGHT)
        )
        # Not the wall clock of each moment: it may be set while a run goes on, as our Clock knows.
        self._wall = time.time() - time.monotonic()

    @property
    def contact(self) -> str:
        """The name of the node that is asked first, or empty while unknown."""
        return self.contacts.get(self.settings.endpoints[self._preferred], "")

    def open(self) -> None:
        if self._pool is None:
            self._pool = BlockingPool(f"proxmox-{self._name}", THREADS)

    def close(self) -> None:
        if self._pool is not None:
            self._pool.close()
            self._pool = None
        self._forget_links()

    async def read(self, *path: str, node: str | None = None, **fields: Any) -> Reply:
        """Ask without changing anything; a lost answer is asked for once more."""
        ask = Ask(path=path, fields=fields, node=node)
        async for attempt in AsyncRetrying(
            retry=retry_if_exception_type(FlickerError),
            stop=stop_after_attempt(2),
            wait=wait_random(0.1, 0.4),
            reraise=True,
        ):
            with attempt:
                return await self.send(ask)
        raise AssertionError("unreachable: tenacity re-raises")  # pragma: no cover

    async def send(self, ask: Ask) -> Reply:
        """Send *ask* once; to another endpoint only if it certainly was not received."""
        with ExitStack() as places:
            for place in self._needed(ask):
                await place.acquire()
                places.callback(place.release)
            self.open()
            assert self._pool is not None  # noqa: S101
            # A thread that waits in vain keeps its places, though nobody waits for it any more.
            free = places.pop_all().close
        return await self._pool.run(lambda: self._anywhere(ask), ended=free)

    def _needed(self, ask: Ask) -> Iterator[asyncio.Semaphore]:
        if ask.order:
            yield self._order_places[ask.node]
        yield self._places[ask.node]

    async def probe(self, endpoint: Endpoint) -> Reply:
        """Ask one endpoint alone for its version."""
        ask = Ask(path=("version",))
        self.open()
        assert self._pool is not None  # noqa: S101
        return await self._pool.run(lambda: self._exchange(endpoint, ask))

    def _anywhere(self, ask: Ask) -> Reply:
        endpoints = self.settings.endpoints
        first = self._preferred
        failures: list[ConnectorError] = []
        for turn in range(len(endpoints)):
            place = (first + turn) % len(endpoints)
            try:
                reply = self._exchange(endpoints[place], ask)
            except ConnectorError as error:
                if not _elsewhere(error, ask):
                    raise
                failures.append(error)
            else:
                self._preferred = place
                return reply
        raise _worst(failures)

    def _exchange(self, endpoint: Endpoint, ask: Ask) -> Reply:
        link = self._link(endpoint)
        try:
            data = link.send(ask.verb, ask.path, dict(ask.fields), ask.permit)
            if isinstance(data, dict) and isinstance(data.get("errors"), bytes):
                raise rubbish(str(endpoint), "its answer is not JSON")
        except (
            ConnectorError,
            ResourceException,
            RequestException,
            OSError,
            LookupError,
            TypeError,
            ValueError,
        ) as error:
            failure = translate(self._problem(error, link, ask))
            if isinstance(failure, AuthenticationError):
                self._forget_links()  # so that a corrected secret is read again
            if failure is error:
                raise
            raise failure from _without_request(error)
        date = link.trace.date
        ahead = None if date is None else date - (self._wall + time.monotonic())
        return Reply(data=data, endpoint=endpoint, certificate=link.shown, ahead=ahead)

    def _problem(self, error: Exception, link: Link, ask: Ask) -> Problem:
        return Problem(
            error=error,
            trace=link.trace,
            order=ask.order,
            endpoint=str(link.endpoint),
            token_id=self.settings.token_id,
            node=ask.node,
            machine=ask.machine,
            contact=self.contacts.get(link.endpoint),
        )

    def _link(self, endpoint: Endpoint) -> Link:
        mine = self._thread
        if mine.generation != self._generation:
            mine.links.clear()
            mine.generation = self._generation
        if endpoint not in mine.links:
            mine.links[endpoint] = self._new_link(endpoint)
        return mine.links[endpoint]

    def _new_link(self, endpoint: Endpoint) -> Link:
        try:
            link = Link(endpoint, self.settings)
        except OSError as error:
            raise ConfigurationError(
                f"[connectors.{self._name}] ca: cannot read {self.settings.ca}: {error}"
            ) from error
        with self._guard:
            self._links.append(link)
        return link

    def _forget_links(self) -> None:
        with self._guard:
            self._generation += 1
            links, self._links = self._links, []
        for link in links:
            link.close()


def _elsewhere(error: ConnectorError, ask: Ask) -> bool:
    """Tell whether another endpoint may be asked: never if an order may have been received."""
    if isinstance(error, OutcomeUnknownError):
        return False
    if isinstance(error, (ProtocolError, FlickerError)):
        return not ask.order
    return isinstance(
        error, (UnreachableError, HostUnavailableError, SickEndpointError, CertificateError)
    )


def _worst(failures: list[ConnectorError]) -> ConnectorError:
    """Return the failure that tells a person most, when every endpoint failed."""
    for kind in (CertificateError, ProtocolError, HostUnavailableError, FlickerError):
        for failure in failures:
            if isinstance(failure, kind):
                return failure
    if len(failures) == 1:
        return failures[0]
    return UnreachableError(
        "no endpoint answers: " + "; ".join(failure.message for failure in failures),
        hint=failures[0].hint,
    )


def _without_request(error: Exception) -> Exception:
    """Drop the request that requests' errors carry: its headers hold the token."""
    if isinstance(error, RequestException):
        error.request = None
        error.response = None
    return error
