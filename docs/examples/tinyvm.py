"""A whole connector, small enough to read: to TinyVM, a hypervisor that exists only here.

TinyVM speaks JSON over HTTP: ``GET /`` says who it is and lists its machines, ``POST
/vms/ID/start`` and ``/stop`` order something (204), or refuse (404 no such machine, 409 nothing
to do). It has no tasks, no events and no guest agent. docs/write-a-connector.md walks through it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx2
from pydantic import BaseModel, ConfigDict, ValidationError

from drorch.errors import (
    ConfigurationError,
    ConnectorError,
    MachineNotFoundError,
    OutcomeUnknownError,
    ProtocolError,
    RefusedError,
    UnreachableError,
)
from drorch.ports.connector import (
    AgentAnswer,
    Capabilities,
    Estate,
    Finding,
    HostSighting,
    Order,
    OrderStatus,
    Outcome,
    Permit,
    Power,
    Severity,
    Sighting,
    Survey,
    Watcher,
)

_POWER = {"off": Power.OFF, "booting": Power.STARTING, "on": Power.RUNNING}


class TinySettings(BaseModel):
    """``[connectors.NAME]`` with ``type = "tinyvm"``."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str
    timeout: float = 5.0


def factory(name: str, settings: Mapping[str, Any]) -> TinyConnector:
    """Return the connector for the table ``[connectors.NAME]``; no network is touched."""
    try:
        return TinyConnector(name, TinySettings.model_validate(dict(settings)))
    except ValidationError as error:
        keys = ", ".join(".".join(map(str, e["loc"])) for e in error.errors())
        raise ConfigurationError(
            f"[connectors.{name}] wrong or missing: {keys}",
            hint="the tinyvm connector takes 'url' and 'timeout' (seconds)",
        ) from error


class TinyConnector:
    """One TinyVM server. Implements `drorch.ports.connector.Connector`."""

    def __init__(self, name: str, settings: TinySettings) -> None:
        self.name = name
        self._url = settings.url
        self._timeout = settings.timeout
        self._client: httpx2.AsyncClient | None = None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(events=False, agent=False, survey_every=0.5, settles=1.0)

    async def open(self) -> None:
        """Prepare only: a black start begins with nothing that answers."""
        if self._client is None:
            self._client = httpx2.AsyncClient(
                base_url=self._url, timeout=self._timeout, trust_env=False
            )

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def identify(self) -> Estate:
        about = await self._read()
        return Estate(identity=about["uuid"], product="TinyVM", version=about["version"])

    async def survey(self) -> Survey:
        about = await self._read()
        host = about["host"]
        seen = [_sighting(entry, host) for entry in about["vms"]]
        return Survey(
            machines={sighting.machine: sighting for sighting in seen},
            hosts={host: HostSighting(name=host, online=True)},
        )

    async def look(self, machine: str) -> Sighting:
        found = (await self.survey()).machines.get(machine)
        if found is None:
            raise _missing(machine)
        return found

    async def start(self, machine: str, *, permit: Permit) -> Order:
        return await self._order(machine, "start", permit)

    async def stop(self, machine: str, *, permit: Permit) -> Order:
        return await self._order(machine, "stop", permit)

    async def outcome(self, order: Order, machine: str) -> Outcome:
        """Say that only looking tells: TinyVM keeps no record of orders."""
        del order, machine
        return Outcome(status=OrderStatus.UNKNOWN, detail="TinyVM has no tasks")

    async def find_order(self, machine: str, since: datetime) -> Order | None:
        del machine, since
        return None

    async def ping_agent(self, machine: str) -> AgentAnswer:
        return AgentAnswer(healthy=False, evidence=f"TinyVM cannot ask the agent of {machine}")

    async def examine(self, machines: Collection[str]) -> Sequence[Finding]:
        there = (await self.survey()).machines
        return [
            Finding(
                severity=Severity.ERROR,
                code="machine-missing",
                machine=machine,
                message=f"TinyVM has no machine {machine}",
                hint="compare the id in the plan with 'drorch fleet'",
            )
            for machine in machines
            if machine not in there
        ]

    def subscribe(self, watcher: Watcher) -> Callable[[], None]:
        del watcher  # TinyVM pushes nothing
        return lambda: None

    async def _read(self) -> Any:
        """Return what ``GET /`` says. A read may be repeated by whoever calls us."""
        await self.open()
        assert self._client is not None  # noqa: S101 (open has made it)
        try:
            response = await self._client.get("/")
            return _sensible(response.raise_for_status().json())
        except (httpx2.HTTPError, ValueError, LookupError, TypeError) as error:
            raise translate(error, self._url) from error

    async def _order(self, machine: str, action: str, permit: Permit) -> Order:
        """Send one order, once. Whether to send another is the engine's decision, never ours."""

        async def leaving(moment: str, _: object) -> None:
            if moment == "http11.send_request_headers.started":
                permit()  # connected, and no byte has left

        await self.open()
        assert self._client is not None  # noqa: S101 (open has made it)
        if machine in {"", ".", ".."}:
            raise _missing(machine)
        try:
            path = f"/vms/{quote(machine, safe='')}/{action}"
            response = await self._client.post(path, extensions={"trace": leaving})
        except httpx2.HTTPError as error:
            raise translate(error, self._url, ordered=machine) from error
        match response.status_code:
            case 204:
                return Order()
            case 409:
                return Order(already=True)
            case 404:
                raise _missing(machine)
        raise RefusedError(
            f"TinyVM refused to {action} {machine}: {response.status_code}",
            hint="look at the machine on the TinyVM server",
        )


def translate(error: Exception, url: str, *, ordered: str | None = None) -> ConnectorError:
    """Return our error for the library's: not received, outcome unknown, or rubbish.

    The only place that knows the library's errors. A connection that was never made carried no
    order; after that, an *ordered* machine may or may not have been started.
    """
    told = str(error) or type(error).__name__
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return UnreachableError(
            f"TinyVM at {url} cannot be reached: {told}",
            hint="is the server on, and is this machine in its management network?",
        )
    if isinstance(error, httpx2.RemoteProtocolError) and "disconnected" not in told:
        return _rubbish(url, told)
    if ordered is not None:
        return OutcomeUnknownError(
            f"TinyVM at {url} did not answer the order for {ordered}: {told}",
            hint="drorch looks at the machine before it does anything else",
        )
    if isinstance(error, httpx2.TransportError):
        return UnreachableError(f"TinyVM at {url} does not answer: {told}", hint="look at it")
    return _rubbish(url, told)


def _rubbish(url: str, told: str) -> ProtocolError:
    return ProtocolError(f"what answers at {url} is no TinyVM: {told}", hint="check the address")


def _sensible(about: Any) -> Any:
    """Return the answer if it has what we need, in the types that we need."""
    for key in ("uuid", "version", "host"):
        if not isinstance(about[key], str):
            raise TypeError(f"{key} is no text")
    for entry in about["vms"]:
        _sighting(entry, about["host"])
    return about


def _sighting(entry: Mapping[str, Any], host: str) -> Sighting:
    return Sighting(
        machine=str(entry["id"]), name=str(entry["name"]), power=_POWER[entry["state"]], host=host
    )


def _missing(machine: str) -> MachineNotFoundError:
    return MachineNotFoundError(
        f"TinyVM has no machine {machine!r}", hint="compare the id in the plan with 'drorch fleet'"
    )
