"""A metered connector does what the one inside does, and its calls are counted by result."""

from __future__ import annotations

import asyncio
import inspect
from datetime import UTC, datetime
from typing import Any

import pytest

from api.metrics.figures import Figures
from connectors.metered import Metered, metered, result_of
from drorch import errors
from drorch.ports.connector import Capabilities, Connector, KeepsLogs, Order

RESULTS = {
    errors.UnreachableError: "unreachable",
    errors.HostUnavailableError: "unreachable",
    errors.NoQuorumError: "unreachable",
    errors.OutcomeUnknownError: "unknown",
    errors.BusyError: "busy",
    errors.RefusedError: "refused",
    errors.PermissionDeniedError: "refused",
    errors.AuthenticationError: "authentication",
    errors.CertificateError: "certificate",
    errors.ProtocolError: "protocol",
    errors.ConnectorError: "error",
    RuntimeError: "error",
    asyncio.CancelledError: "cancelled",
}
"""Every kind of error of the port but one, which takes more than a message."""


class Inner:
    """Answers or raises as it is told, and remembers what it was asked."""

    name = "pve"
    capabilities = Capabilities(agent=True, settles=7)

    def __init__(self) -> None:
        self.error: BaseException | None = None
        self.asked: list[tuple[str, object, object]] = []

    def __getattr__(self, call: str) -> object:
        async def answer(*arguments: object, **named: object) -> str:
            self.asked.append((call, arguments, named))
            if self.error is not None:
                raise self.error
            return f"answer of {call}"

        return answer


def permit() -> None: ...


def test_no_error_of_the_port_is_forgotten() -> None:
    told = {errors.OrderWithheldError, *RESULTS}
    assert set(errors.ConnectorError.__subclasses__()) - told == {errors.UnavailableError}
    withheld = errors.OrderWithheldError("no", scope=errors.Withheld.HOLD)
    assert result_of(withheld) == "withheld"
    assert result_of(errors.UnavailableError("no")) == "unreachable"


@pytest.mark.parametrize(("kind", "result"), RESULTS.items())
async def test_each_result_has_its_word(kind: type[BaseException], result: str) -> None:
    inner, figures = Inner(), Figures()
    inner.error = kind("no")
    watched = Metered(inner, figures)  # type: ignore[arg-type]  # it answers anything
    with pytest.raises(kind) as raised:
        await watched.start("101", permit=permit)
    assert raised.value is inner.error
    assert figures.counters["drorch_connector_calls", ("pve", "start", result)] == 1


async def test_every_call_passes_through_as_it_is() -> None:
    inner, figures = Inner(), Figures()
    watched = Metered(inner, figures)  # type: ignore[arg-type]  # it answers anything
    since = datetime(2026, 11, 1, tzinfo=UTC)
    calls: dict[str, tuple[tuple[Any, ...], dict[str, Any]]] = {
        "identify": ((), {}),
        "survey": ((), {}),
        "look": (("1",), {}),
        "start": (("1",), {"permit": permit}),
        "stop": (("1",), {"permit": permit}),
        "outcome": ((Order(), "1"), {}),
        "find_order": (("1", since), {}),
        "ping_agent": (("1",), {}),
        "examine": ((["1"],), {}),
    }
    for call, (arguments, named) in calls.items():
        assert await getattr(watched, call)(*arguments, **named) == f"answer of {call}"
        assert inner.asked[-1] == (call, arguments, named)
        assert figures.counters["drorch_connector_calls", ("pve", call, "ok")] == 1
    assert watched.name == "pve"
    assert watched.capabilities is inner.capabilities
    # No call of the port is forgotten, also none that comes later.
    port = {
        name
        for name, what in vars(Connector).items()
        if inspect.isfunction(what) and not name.startswith("_")
    }
    assert port == {*calls, "open", "close", "subscribe"}
    assert port <= set(vars(Metered))


class Mute(Connector):
    """Keeps no log."""


async def test_a_connector_that_keeps_logs_still_does_and_another_still_does_not() -> None:
    inner, figures = Inner(), Figures()
    watched: object = metered(inner, figures)  # type: ignore[arg-type]  # it answers anything
    assert isinstance(watched, KeepsLogs)
    await watched.order_log(Order(handle="7"))
    assert inner.asked == [("order_log", (Order(handle="7"),), {})]
    assert figures.counters["drorch_connector_calls", ("pve", "order_log", "ok")] == 1
    mute: object = metered(Mute(), figures)  # type: ignore[abstract]
    assert not isinstance(mute, KeepsLogs)
