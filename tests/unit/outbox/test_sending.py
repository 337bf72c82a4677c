"""From an event to a receiver that verifies: over the outbox of both databases and real sockets."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from connectors.network import Network
from connectors.notifiers import HookSettings, Webhooks
from drorch.journal.outbox import HookState, Outbox
from drorch.journal.store import Store
from drorch.outbox.sender import Pace, Sender
from tests.fakes.receiver import OTHER, SECRET, Receiver, Reply, receiving
from tests.unit.outbox.stage import begin, paused

HURRIED = Pace(look=0.02, lease=5.0)


def soon(tries: int, _chance: float, asked: float) -> float | None:
    """Try five times, at once but for what the target asks."""
    return asked if tries < 5 else None


@pytest.fixture
async def receiver() -> AsyncIterator[Receiver]:
    async with receiving() as running:
        yield running


async def until(look: Callable[[], Awaitable[Any] | Any], within: float = 20.0) -> Any:
    end = time.monotonic() + within
    while True:
        found = look()
        found = await found if asyncio.iscoroutine(found) else found
        if found:
            return found
        assert time.monotonic() < end, f"still {found!r} after {within} s"
        await asyncio.sleep(0.01)


class Desk:
    """A sender under way over *store*, and what became of its messages."""

    def __init__(self, store: Store, hooks: Webhooks) -> None:
        self.store = store
        self.box = Outbox(store)
        self.failures: list[str] = []
        self.sender = Sender(
            self.box,
            hooks,
            hooks.kinds,
            pace=HURRIED,
            on_failure=self.failures.append,
            schedule=soon,
        )

    async def state(self, name: str = "desk") -> HookState:
        return (await self.box.states([name]))[0]

    async def quiet(self) -> HookState:
        """Wait until nothing is left to send."""

        async def look() -> HookState | None:
            state = await self.state()
            return state if not state.pending else None

        found: HookState = await until(look)
        return found


@asynccontextmanager
async def sending(
    store: Store,
    hooks: Mapping[str, Mapping[str, Any]],
    *,
    allow: tuple[str, ...] = ("127.0.0.0/8",),
    timeout: float = 2.0,
) -> AsyncIterator[Desk]:
    tables = {name: HookSettings.model_validate(dict(table)) for name, table in hooks.items()}
    desk = Desk(store, Webhooks(tables, network=Network(allow), timeout=timeout))
    await desk.box.fill(dict.fromkeys(tables, frozenset[str]()))  # they begin now
    running = asyncio.create_task(desk.sender.run())
    yield desk
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


@pytest.fixture(autouse=True)
def secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOOK_SECRET", SECRET)
    monkeypatch.setenv("HOOK_OTHER", OTHER)


def hook(receiver: Receiver, **more: Any) -> dict[str, Any]:
    return {"url": receiver.url, "secret": {"env": "HOOK_SECRET"}, **more}


async def test_what_happens_arrives_in_order_and_verifies(store: Store, receiver: Receiver) -> None:
    async with sending(store, {"desk": hook(receiver)}) as desk:
        run = await begin(store)
        await store.append(run, [paused() for _ in range(9)], after=1)
        await until(lambda: len(receiver.got) >= 10)
        state = await desk.quiet()
    assert receiver.forged == []
    assert [content["data"]["seq"] for content in receiver.told()] == list(range(1, 11))
    assert {got.headers["content-type"] for got in receiver.got} == {"application/json"}
    assert len({got.message for got in receiver.got}) == 10
    assert (state.failed, state.last_error, desk.failures) == (0, "", [])


async def test_a_target_that_fails_gets_the_same_message_again(
    store: Store, receiver: Receiver
) -> None:
    receiver.script.extend([Reply(500), Reply(None), Reply(302, {"Location": receiver.url})])
    async with sending(store, {"desk": hook(receiver)}) as desk:
        await begin(store)
        await until(lambda: receiver.arrived)
        await desk.quiet()
    assert [got.reply.status for got in receiver.got] == [500, None, 302, 204]
    assert len({got.message for got in receiver.got}) == 1
    assert desk.failures == ["desk"] * 3


async def test_after_the_last_try_a_message_is_given_up_and_the_next_goes_on(
    store: Store, receiver: Receiver
) -> None:
    receiver.script.extend([Reply(500)] * 5)
    async with sending(store, {"desk": hook(receiver)}) as desk:
        run = await begin(store)
        await until(lambda: len(receiver.got) == 5)
        await desk.quiet()
        state = await desk.state()
        assert (state.failed, state.last_error) == (
            1,
            "the target answered 500 Internal Server Error",
        )
        await store.append(run, [paused()], after=1)
        await until(lambda: receiver.arrived)
        state = await desk.quiet()
    assert (state.failed, state.last_error) == (1, "")


async def test_a_receiver_that_was_down_is_told_when_it_is_up(
    store: Store, receiver: Receiver
) -> None:
    await receiver.down()
    async with sending(store, {"desk": hook(receiver)}) as desk:
        await begin(store)
        state = await until(lambda: _with_error(desk))
        assert "nothing was sent" in state.last_error
        assert "secret-path" not in state.last_error
        await receiver.up()
        await until(lambda: receiver.arrived)
        assert (await desk.quiet()).failed == 0


async def _with_error(desk: Desk) -> HookState | None:
    state = await desk.state()
    return state if state.last_error else None


async def test_no_redirect_is_followed(store: Store, receiver: Receiver) -> None:
    async with receiving() as forbidden, sending(store, {"desk": hook(receiver)}) as desk:
        for status in (301, 302, 303, 307, 308):
            receiver.script.append(Reply(status, {"Location": forbidden.url}))
        await begin(store)
        await until(lambda: len(receiver.got) == 5)
        state = await desk.quiet()
        assert state.failed == 1
        assert "redirects are not followed" in state.last_error
        assert forbidden.got == []


async def test_a_target_that_is_not_allowed_is_never_connected_to(
    store: Store, receiver: Receiver
) -> None:
    async with sending(store, {"desk": hook(receiver)}, allow=("127.0.0.2/32",)) as desk:
        await begin(store)
        state = await until(lambda: _with_error(desk))
        assert "not in [network] allow" in state.last_error
        await desk.quiet()
    assert (receiver.got, receiver.forged) == ([], [])


async def test_410_disables_the_hook(store: Store, receiver: Receiver) -> None:
    receiver.script.append(Reply(410))
    async with sending(store, {"desk": hook(receiver)}) as desk:
        run = await begin(store)
        await until(lambda: _disabled(desk))
        await store.append(run, [paused()], after=1)
        state = await desk.quiet()
    assert "410" in state.disabled
    assert len(receiver.got) == 1


async def _disabled(desk: Desk) -> bool:
    return bool((await desk.state()).disabled)


@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_waited_for(store: Store, receiver: Receiver, status: int) -> None:
    receiver.script.append(Reply(status, {"Retry-After": "1"}))
    async with sending(store, {"desk": hook(receiver)}) as desk:
        await begin(store)
        await until(lambda: receiver.got)
        began = time.monotonic()
        await until(lambda: receiver.arrived)
        assert time.monotonic() - began > 0.9
        await desk.quiet()


async def test_a_slow_receiver_holds_up_no_other(store: Store, receiver: Receiver) -> None:
    receiver.usual = Reply(204, delay=30.0)
    async with receiving() as quick:
        hooks = {"desk": hook(receiver), "quick": hook(quick)}
        async with sending(store, hooks, timeout=0.3) as desk:
            run = await begin(store)
            await store.append(run, [paused() for _ in range(4)], after=1)
            began = time.monotonic()
            await until(lambda: len(quick.told()) == 5)
            assert time.monotonic() - began < 5.0
            state = await until(lambda: _with_error(desk))
    assert "no answer in time" in state.last_error


async def test_while_a_secret_changes_both_verify(store: Store, receiver: Receiver) -> None:
    rotating = {"secret": {"env": "HOOK_OTHER"}, "previous_secret": {"env": "HOOK_SECRET"}}
    async with receiving(OTHER) as new:
        hooks = {"desk": hook(receiver, **rotating), "new": hook(new, **rotating)}
        async with sending(store, hooks):
            await begin(store)
            await until(lambda: receiver.arrived and new.arrived)
    assert receiver.forged == new.forged == []
    assert receiver.got[0].headers["webhook-signature"].count("v1,") == 2


async def test_an_old_secret_that_is_gone_does_not_silence_a_hook(
    store: Store, receiver: Receiver
) -> None:
    gone = {"previous_secret": {"env": "NO_SUCH_VARIABLE"}}
    async with sending(store, {"desk": hook(receiver, **gone)}):
        await begin(store)
        await until(lambda: receiver.arrived)


async def test_a_secret_is_read_anew_for_each_try(
    store: Store, receiver: Receiver, tmp_path: Path
) -> None:
    file = tmp_path / "hook.secret"
    file.write_text("not one")
    async with sending(store, {"desk": hook(receiver, secret={"file": str(file)})}) as desk:
        await begin(store)
        state = await until(lambda: _with_error(desk))
        assert "whsec_" in state.last_error
        file.write_text(SECRET + "\n")
        await store.append((await _runs(store))[0], [paused()], after=1)
        await until(lambda: receiver.arrived)


async def _runs(store: Store) -> list[str]:
    from drorch.journal.pages import open_runs

    return [line.id for line in await open_runs(store)]


async def test_an_endless_answer_is_not_read(store: Store) -> None:
    async def flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        try:
            while True:
                writer.write(b"x" * 65536)
                await writer.drain()
        except ConnectionError:
            writer.close()

    server = await asyncio.start_server(flood, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    table = {"url": f"http://127.0.0.1:{port}/", "secret": {"env": "HOOK_SECRET"}}
    async with sending(store, {"desk": table}) as desk:
        await begin(store)
        state = await until(lambda: _sent(desk))
        assert state.failed == 0
    server.close()


async def _sent(desk: Desk) -> HookState | None:
    state = await desk.state()
    return state if state.last_sent_at else None
