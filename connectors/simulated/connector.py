"""The connector to a simulated hypervisor that runs as a process of its own."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

import httpx2
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_fixed

from connectors.simulated import errors, reading
from connectors.simulated.departure import departing
from drorch.errors import UnreachableError
from drorch.ports.connector import (
    AgentAnswer,
    Capabilities,
    Estate,
    Finding,
    Order,
    OrderStatus,
    Outcome,
    Permit,
    Sighting,
    Survey,
    Watcher,
)

_CONNECT_TIMEOUT = 3.0


class SimulatedConnector:
    """One estate of simulated hosts, asked over HTTP.

    A bulk reading is one call, however many machines there are.
    """

    def __init__(self, name: str, *, url: str, timeout: float = 10.0) -> None:
        self.name = name
        self._url = url.rstrip("/")
        self._timeout = httpx2.Timeout(timeout, connect=min(_CONNECT_TIMEOUT, timeout))
        self._client: httpx2.AsyncClient | None = None

    @property
    def capabilities(self) -> Capabilities:
        return Capabilities(events=False, agent=True, restart=True, survey_every=0.55)

    async def open(self) -> None:
        self._connected()

    async def close(self) -> None:
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()

    async def identify(self) -> Estate:
        about = await self._read("/")
        with _Sensible(self._url):
            return Estate(
                identity=_text(about["identity"]),
                product=_text(about["product"]),
                version=_text(about["version"]),
            )

    async def survey(self) -> Survey:
        found = await self._read("/machines?with=hosts")
        with _Sensible(self._url):
            seen = map(reading.sighting, found["machines"])
            hosts = map(reading.host_sighting, found["hosts"])
            return Survey(
                machines={sighting.machine: sighting for sighting in seen},
                hosts={host.name: host for host in hosts},
            )

    async def look(self, machine: str) -> Sighting:
        found = await self._read(_path(machine))
        if found is None:
            raise errors.no_machine(machine)
        with _Sensible(self._url):
            return reading.sighting(found)

    async def start(self, machine: str, *, permit: Permit) -> Order:
        return await self._order(machine, "start", permit)

    async def stop(self, machine: str, *, permit: Permit) -> Order:
        return await self._order(machine, "stop", permit)

    async def outcome(self, order: Order, machine: str) -> Outcome:
        unknown = Outcome(status=OrderStatus.UNKNOWN, detail="the simulator knows no such task")
        if not order.handle:
            return unknown
        found = await self._read(f"/tasks/{quote(order.handle, safe='')}")
        if found is None:
            return unknown
        with _Sensible(self._url):
            if str(found["machine"]) != machine:
                return unknown
            return reading.outcome(found["status"], found["detail"])

    async def find_order(self, machine: str, since: datetime) -> Order | None:
        tasks = await self._read(f"/tasks?machine={quote(machine, safe='')}")
        with _Sensible(self._url):
            for task in reversed(tasks):
                late = datetime.fromisoformat(task["at"]) >= since
                if late and task["action"] == "start":
                    return Order(handle=_text(task["task"]))
        return None

    async def ping_agent(self, machine: str) -> AgentAnswer:
        found = await self._read(f"{_path(machine)}/agent", method="POST")
        if found is None:
            raise errors.no_machine(machine)
        with _Sensible(self._url):
            return AgentAnswer(healthy=bool(found["answered"]), evidence=_text(found["evidence"]))

    async def examine(self, machines: Collection[str]) -> Sequence[Finding]:
        return list(reading.examined(await self.survey(), machines))

    def subscribe(self, watcher: Watcher) -> Callable[[], None]:
        del watcher  # the simulator pushes nothing
        return lambda: None

    def _connected(self) -> httpx2.AsyncClient:
        if self._client is None:
            self._client = httpx2.AsyncClient(
                timeout=self._timeout, trust_env=False, follow_redirects=False
            )
        return self._client

    async def _order(self, machine: str, action: str, permit: Permit) -> Order:
        """Send an order once; nothing here ever sends it a second time."""
        try:
            response = await self._connected().post(
                f"{self._url}{_path(machine)}/{action}", extensions=departing(permit)
            )
            answer = _document(response)
            if response.status_code == 409:
                if answer["already"]:
                    return Order(already=True)
                raise errors.refused(machine, answer["reason"])
            if answer is None:
                raise errors.no_machine(machine)
            return Order(handle=_text(answer["task"]))
        except (httpx2.HTTPError, ValueError, LookupError, TypeError) as error:
            raise errors.translate(error, url=self._url, ordered=machine) from error

    async def _read(self, path: str, *, method: str = "GET") -> Any:
        """Return the answer, or None when the simulator says that there is no such thing.

        A reading whose connection broke is tried once more; one that took too long is not.
        """
        async for attempt in AsyncRetrying(
            stop=stop_after_attempt(2),
            wait=wait_fixed(0.1),
            retry=retry_if_exception(_broke),
            reraise=True,
        ):
            with attempt:
                return await self._read_once(path, method)
        raise AssertionError("tenacity ends with a result or raises")

    async def _read_once(self, path: str, method: str) -> Any:
        try:
            return _document(await self._connected().request(method, f"{self._url}{path}"))
        except (httpx2.HTTPError, ValueError, TypeError) as error:
            raise errors.translate(error, url=self._url) from error


class _Sensible:
    """Turns missing keys and wrong types of an answer into `ProtocolError`."""

    def __init__(self, url: str) -> None:
        self._url = url

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        if isinstance(error, (LookupError, TypeError, ValueError, AttributeError)):
            raise errors.translate(error, url=self._url) from error


def _document(response: httpx2.Response) -> Any:
    """Return the answer's JSON; None for a thing that the simulator does not have."""
    if response.status_code == 404:
        found = json.loads(response.content)
        if isinstance(found, Mapping) and found.get("error") in {
            "machine-not-found",
            "task-not-found",
        }:
            return None
    if response.status_code != 409:
        response.raise_for_status()
    if response.status_code not in {200, 202, 409}:
        raise ValueError(f"an answer of status {response.status_code}")
    answer = json.loads(response.content)
    if not isinstance(answer, (dict, list)):
        raise TypeError("neither an object nor a list")
    return answer


def _path(machine: str) -> str:
    """Return the path of *machine*, which stays one segment whatever its id is."""
    segment = quote(machine, safe="")
    return f"/machines/{segment.replace('.', '%2E') if set(machine) == {'.'} else segment}"


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError(f"text was expected, not {type(value).__name__}")
    return value


def _broke(error: BaseException) -> bool:
    return isinstance(error, UnreachableError) and not isinstance(
        error.__cause__, httpx2.TimeoutException
    )
