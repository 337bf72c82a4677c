"""One command of a call-out, run without a shell, in bounds, and ended with all its children."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Sequence
from typing import BinaryIO

from connectors.checks.evidence import shown
from drorch.ports.callout import CalloutResult

_KEPT = 8192
_GRACE = 1.0
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


async def run(command: Sequence[str], *, keep: Sequence[str], timeout: float) -> CalloutResult:
    """Run *command* and tell how it ended; exit code 0 is good.

    After *timeout* seconds, or when this is cancelled, its whole process group is ended.
    """
    try:
        process, output = await _started(command, keep)
    except (OSError, ValueError) as error:
        return CalloutResult(ok=False, evidence=shown(f"{command[0]} could not be run: {error}"))
    said = bytearray()
    reading = asyncio.create_task(_read(output, said))
    try:
        return await _ended(process, reading, said, timeout)
    finally:
        reading.cancel()
        if process.returncode is None:
            _signal(process, signal.SIGKILL)
            await process.wait()


async def _started(
    command: Sequence[str], keep: Sequence[str]
) -> tuple[asyncio.subprocess.Process, BinaryIO]:
    """Start it with a pipe of our own: asyncio's would make us wait for grandchildren too."""
    reading, writing = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writing,
            stderr=writing,
            env=_environment(keep),
            start_new_session=True,
        )
    except BaseException:
        os.close(reading)
        raise
    finally:
        os.close(writing)
    return process, os.fdopen(reading, "rb", buffering=0)


async def _ended(
    process: asyncio.subprocess.Process,
    reading: asyncio.Task[None],
    said: bytearray,
    timeout: float,
) -> CalloutResult:
    try:
        async with asyncio.timeout(timeout):
            code = await process.wait()
    except TimeoutError:
        await _terminate(process)
        text = f"ended by force after {timeout:g} s; it said: {_tail(said)}"
        return CalloutResult(ok=False, evidence=shown(text))
    # a child that lives on may hold the pipe open; what it says later is not waited for
    await asyncio.wait({reading}, timeout=_GRACE)
    said_text = _tail(said) or "nothing"
    how = f"exit code {code}" if code >= 0 else f"ended by signal {-code}"
    return CalloutResult(ok=code == 0, evidence=shown(f"{how}; it said: {said_text}"))


async def _terminate(process: asyncio.subprocess.Process) -> None:
    """Ask the whole group to end, so that it may tidy up; it has a second for that."""
    _signal(process, signal.SIGTERM)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(_GRACE):
            await process.wait()
    _signal(process, signal.SIGKILL)  # children of it that did not listen


async def _read(output: BinaryIO, said: bytearray) -> None:
    """Keep the last 8 KiB: errors come at the end. The rest is read so that it can go on."""
    stream = asyncio.StreamReader(limit=_KEPT)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(stream), output
    )
    try:
        while part := await stream.read(_KEPT):
            said += part
            del said[:-_KEPT]
    finally:
        transport.close()


def _tail(said: bytearray) -> str:
    text = shown(bytes(said).strip(), limit=2 * _KEPT)
    return text if len(text) <= 400 else f"…{text[-399:]}"


def _signal(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


def _environment(keep: Sequence[str]) -> dict[str, str]:
    kept = {name: os.environ[name] for name in keep if name in os.environ}
    return {"PATH": _PATH, "LANG": "C.UTF-8", **kept}
