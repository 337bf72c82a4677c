"""Call-outs: no shell, no options smuggled in, bounded, and ended with all their children."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from connectors.callouts import ConfiguredCallouts
from connectors.network import Network
from drorch.errors import ConfigurationError

TOKEN = "t0ken-of-the-web-hook"


def configured(table: Mapping[str, Any]) -> ConfiguredCallouts:
    secrets = {"hook": TOKEN}
    return ConfiguredCallouts({"it": table}, secret=lambda name: secrets[name], network=Network())


def python(code: str, *arguments: str, **more: Any) -> dict[str, Any]:
    return {"command": [sys.executable, "-c", code, *arguments], **more}


ECHO = "import sys, json; print(json.dumps(sys.argv[1:]))"


async def test_arguments_arrive_as_they_are_without_a_shell() -> None:
    callouts = configured(python(ECHO, "{zone}", "--ttl={ttl}", "{"))
    result = await callouts.call("it", {"zone": "$(reboot); `x` && y", "ttl": "-5"})
    assert result.ok
    assert json.dumps(["$(reboot); `x` && y", "--ttl=-5", "{"]) in result.evidence


@pytest.mark.parametrize("value", ["-rf", "--config=/etc/passwd", "-"])
async def test_a_value_that_would_be_an_option_is_refused(value: str) -> None:
    with pytest.raises(ConfigurationError, match="begins with '-'"):
        await configured(python(ECHO, "{zone}")).call("it", {"zone": value})
    allowed = configured(python(ECHO, "{zone}", allow_dash=True))
    assert (await allowed.call("it", {"zone": value})).ok


async def test_a_value_is_not_read_again_for_placeholders() -> None:
    result = await configured(python(ECHO, "{a}", "{b}")).call("it", {"a": "{b}", "b": "x"})
    assert '["{b}", "x"]' in result.evidence


@pytest.mark.parametrize(
    ("arguments", "words"),
    [({}, "lacks zone"), ({"zone": "a", "zoen": "b"}, "has zoen"), ({"zone": "a\0b"}, "NUL")],
)
async def test_arguments_that_do_not_fit_are_named(
    arguments: Mapping[str, str], words: str
) -> None:
    with pytest.raises(ConfigurationError, match=words):
        await configured(python(ECHO, "{zone}")).call("it", arguments)


async def test_exit_code_and_last_words_are_the_evidence() -> None:
    code = "import sys; print('x' * 100000); print('\\x1b[31mno such zone'); sys.exit(3)"
    result = await configured(python(code)).call("it", {})
    assert not result.ok
    assert "exit code 3" in result.evidence
    assert "no such zone" in result.evidence
    assert result.evidence.isprintable()
    assert len(result.evidence) <= 500


async def test_a_program_that_is_not_there_is_an_answer() -> None:
    result = await configured({"command": ["/nonexistent/reset-dns"]}).call("it", {})
    assert not result.ok
    assert "/nonexistent/reset-dns" in result.evidence


async def test_the_environment_is_minimal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRORCH_TOKEN", "secret of ours")
    monkeypatch.setenv("ZONE_KEY", "given")
    code = "import os; print(sorted(os.environ))"
    result = await configured(python(code, env=["ZONE_KEY", "NOT_SET"])).call("it", {})
    assert "ZONE_KEY" in result.evidence
    assert "DRORCH_TOKEN" not in result.evidence
    assert "HOME" not in result.evidence


STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
open(sys.argv[1] + ("/child" if child == 0 else "/parent"), "w").write(str(os.getpid()))
signal.pause()
"""


async def test_at_the_timeout_the_whole_process_group_ends(tmp_path: Path) -> None:
    table = python(STUBBORN, "{folder}", timeout="2s")
    result = await configured(table).call("it", {"folder": str(tmp_path)})
    assert not result.ok
    assert "after 2 s" in result.evidence
    await gone(tmp_path)


async def test_when_cancelled_the_process_ends(tmp_path: Path) -> None:
    table = python(STUBBORN.replace("child = os.fork()", "child = 1"), "{folder}")
    call = asyncio.create_task(configured(table).call("it", {"folder": str(tmp_path)}))
    deadline = time.monotonic() + 10
    while not (tmp_path / "parent").exists():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await gone(tmp_path)


async def gone(folder: Path) -> None:
    """Wait until the processes that wrote their numbers into *folder* are no more."""
    deadline = time.monotonic() + 10
    for file in folder.iterdir():
        while runs(int(file.read_text() or 0)):
            assert time.monotonic() < deadline, f"{file.name} still runs"
            await asyncio.sleep(0.02)


def runs(pid: int) -> bool:
    status = Path(f"/proc/{pid}/stat")
    with contextlib.suppress(OSError):
        return status.read_text().rpartition(") ")[2][0] not in "ZX"
    return False


async def test_a_child_that_lives_on_does_not_hold_the_answer() -> None:
    code = (
        "import os, signal\nif os.fork() == 0: signal.pause()\nelse: print('done', os.getpgid(0))"
    )
    result = await asyncio.wait_for(configured(python(code, timeout="60s")).call("it", {}), 20)
    assert result.ok
    os.killpg(int(result.evidence.rpartition("done ")[2]), signal.SIGKILL)


@pytest.mark.parametrize(
    ("table", "key"),
    [
        ({}, "callouts.it"),
        ({"command": ["x"], "url": "http://127.0.0.1/"}, "callouts.it"),
        ({"command": []}, "callouts.it.command"),
        ({"command": "reset-dns {zone}"}, "callouts.it.command"),
        ({"command": ["{program}"]}, "callouts.it"),
        ({"command": ["x"], "shell": True}, "callouts.it.shell"),
        ({"command": ["x"], "timeout": "soon"}, "callouts.it.timeout"),
        ({"command": ["x"], "timeout": "0s"}, "callouts.it.timeout"),
        ({"command": ["x"], "secret": "hook"}, "callouts.it"),
        ({"url": "file:///etc/passwd"}, "callouts.it.url"),
    ],
)
def test_a_wrong_table_names_its_key(table: Mapping[str, Any], key: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        configured(table)
    assert f"[{key}]" in caught.value.message


def test_what_is_known_and_what_may_be_repeated() -> None:
    callouts = configured({"command": ["x"], "repeatable": True})
    assert callouts.knows("it")
    assert callouts.repeatable("it")
    assert not callouts.knows("other")
    assert not callouts.repeatable("other")
    assert not configured({"command": ["x"]}).repeatable("it")


async def test_a_callout_that_is_not_there_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="nobody"):
        await configured({"command": ["x"]}).call("nobody", {})


@dataclass
class Hook:
    """A web hook's receiver."""

    answer: bytes
    port: int = 0
    heads: list[bytes] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0])
        self.heads.append(head)
        self.bodies.append(json.loads(await reader.readexactly(length)))
        writer.write(self.answer)
        writer.close()


@contextlib.asynccontextmanager
async def hooked(answer: bytes) -> AsyncIterator[Hook]:
    hook = Hook(answer)
    server = await asyncio.start_server(hook.serve, "127.0.0.1", 0)
    hook.port = server.sockets[0].getsockname()[1]
    async with server:
        yield hook


async def test_a_web_hook_gets_json_and_the_token() -> None:
    answer = f"HTTP/1.1 202 Accepted\r\n\r\nthanks for {TOKEN}".encode()
    async with hooked(answer) as hook:
        callouts = configured({"url": f"http://127.0.0.1:{hook.port}/dns", "secret": "hook"})
        result = await callouts.call("it", {"zone": "comune.example"})
    assert result.ok
    assert hook.bodies == [{"callout": "it", "arguments": {"zone": "comune.example"}}]
    assert f"Bearer {TOKEN}".encode() in hook.heads[0]
    assert "202 Accepted" in result.evidence
    assert TOKEN not in result.evidence


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 500 Oops\r\n\r\n",
        b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n",
        b"rubbish",
    ],
)
async def test_a_web_hook_that_does_not_accept_is_not_well(answer: bytes) -> None:
    async with hooked(answer) as hook:
        callouts = configured({"url": f"http://127.0.0.1:{hook.port}/"})
        assert not (await callouts.call("it", {})).ok
    assert len(hook.bodies) == 1


async def test_a_web_hook_outside_the_allowed_networks_is_not_called() -> None:
    result = await configured({"url": "http://169.254.169.254/"}).call("it", {})
    assert not result.ok
    assert "[network] allow" in result.evidence


async def test_a_web_hook_that_is_silent_ends_at_the_timeout() -> None:
    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            await reader.read()
        writer.close()

    server = await asyncio.start_server(silent, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        callouts = configured({"url": f"http://127.0.0.1:{port}/", "timeout": "200ms"})
        result = await callouts.call("it", {})
    assert not result.ok
    assert "0.2 s" in result.evidence
