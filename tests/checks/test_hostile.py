"""Whatever the other side does, a probe answers in time, is not fooled, and leaves nothing."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from drorch.ports.check import CheckResult, Verdict
from tests.checks.asking import SECRET, ask, prober
from tests.checks.hostile import (
    BEHAVIOURS,
    DATAGRAMS,
    HALF_GREETINGS,
    answering,
    asked,
    behaving,
)
from tests.checks.leftovers import left_over, only_what_is_new, settled

TIMEOUT = 0.5


@pytest.fixture(scope="module", autouse=True)
def _spared() -> Iterator[None]:
    with only_what_is_new():
        yield


def assert_not_fooled(result: CheckResult) -> None:
    assert result.verdict in (Verdict.UNWELL, Verdict.UNREACHABLE), result
    assert SECRET not in result.evidence
    assert result.evidence.startswith("asked "), result


@pytest.mark.parametrize("behaviour", BEHAVIOURS)
@pytest.mark.parametrize("kind", HALF_GREETINGS)
async def test_hostile_server_is_not_well(kind: str, behaviour: str) -> None:
    before = left_over()
    async with behaving(BEHAVIOURS[behaviour], HALF_GREETINGS[kind]) as port:
        check, params = asked(kind, port)
        result = await ask(check, params, timeout=TIMEOUT)
        if result.verdict is Verdict.UNREACHABLE:  # too busy here to connect in time
            result = await ask(check, params, timeout=TIMEOUT * 16)
        assert_not_fooled(result)
        assert result.verdict is Verdict.UNWELL, result
    await settled(before)


@pytest.mark.parametrize("behaviour", DATAGRAMS)
@pytest.mark.parametrize("kind", ["dns", "ntp"])
async def test_hostile_datagrams_are_not_well(kind: str, behaviour: str) -> None:
    before = left_over()
    async with answering(DATAGRAMS[behaviour]) as port:
        params = {
            "dns": {"server": "127.0.0.1", "port": port, "name": "app.lab.test"},
            "ntp": {"host": "127.0.0.1", "port": port},
        }[kind]
        result = await ask(kind, params, timeout=TIMEOUT)
        assert_not_fooled(result)
        silent = behaviour == "silent"
        assert result.verdict is (Verdict.UNREACHABLE if silent else Verdict.UNWELL), result
    await settled(before)


@pytest.mark.parametrize("kind", ["mysql-login", "smb-login", "postgres-login"])
async def test_many_probes_of_a_silent_server_do_not_pile_up(kind: str) -> None:
    before = left_over()
    checks = prober()
    async with behaving(BEHAVIOURS["silent"], b"") as port:
        check, params = asked(kind, port)
        probes = (ask(check, params, using=checks, timeout=TIMEOUT) for _ in range(60))
        results = await asyncio.gather(*probes)
        assert {result.verdict for result in results} == {Verdict.UNWELL}
    await settled(before)


@pytest.mark.parametrize("kind", HALF_GREETINGS)
async def test_a_cancelled_probe_lets_go(kind: str) -> None:
    before = left_over()
    connected = asyncio.Event()

    async def silent(writer: asyncio.StreamWriter, half: bytes) -> None:
        connected.set()
        await asyncio.Event().wait()

    async with behaving(silent, b"") as port:
        check, params = asked(kind, port)
        probe = asyncio.create_task(ask(check, params, timeout=60))
        await asyncio.wait_for(connected.wait(), 10)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
    await settled(before)


MYSQL_WITH_TLS = (
    b"\x4a\0\0\0\x0a8.0.36\0\1\0\0\0saltsalt\0\xff\xff\x21\2\0\xff\xdf\x15"
    + bytes(10)
    + b"saltsaltsalt\0mysql_native_password\0"
)


async def test_a_cancelled_probe_lets_go_in_the_middle_of_a_handshake() -> None:
    before = left_over()
    shaking = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(MYSQL_WITH_TLS)
        await reader.readexactly(36)
        await reader.readexactly(5)  # the beginning of its hello
        shaking.set()
        await reader.read()
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        check, params = asked("mysql-login", server.sockets[0].getsockname()[1])
        probe = asyncio.create_task(ask(check, params, timeout=60))
        await asyncio.wait_for(shaking.wait(), 10)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
    await settled(before)


@pytest.mark.parametrize("kind", HALF_GREETINGS)
async def test_nothing_listens(kind: str) -> None:
    async with behaving(BEHAVIOURS["silent"], b"") as port:
        pass
    check, params = asked(kind, port)
    result = await ask(check, params)
    assert result.verdict is Verdict.REFUSED, result
    assert str(port) in result.evidence


async def test_tcp_says_only_that_something_accepts() -> None:
    async with behaving(BEHAVIOURS["silent"], b"") as port:
        result = await ask("tcp", {"host": "127.0.0.1", "port": port})
    assert result.healthy
    gone = await ask("tcp", {"host": "127.0.0.1", "port": port})
    assert gone.verdict is Verdict.REFUSED
