"""A terminal of 80 columns and 24 lines with ``drorch`` in it."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import pty
import re
import select
import struct
import sys
import termios
from asyncio.subprocess import Process

from tests.process.installation import PATIENCE, ROOT, Installation

_SHORTLY = 3.0
_CONTROL = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|[@-Z\\^_])|\r")


class Terminal:
    """What is typed into it and what it has shown since it was last asked."""

    def __init__(self, process: Process, master: int) -> None:
        self.process = process
        self._master = master
        self._shown = ""
        asyncio.get_running_loop().add_reader(master, self._read)

    @classmethod
    async def of(cls, where: Installation, *arguments: str) -> Terminal:
        """Start ``drorch`` with *arguments* in a new terminal."""
        master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
        environment = {k: v for k, v in os.environ.items() if not k.startswith("DRORCH_")}
        environment["DRORCH_LANG"] = os.environ.get("DRORCH_LANG", "en")
        environment |= {"PYTHONPATH": str(ROOT), "TERM": "xterm", "NO_COLOR": "1"}
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "api.cli", "--config", str(where.config), *arguments),
            stdin=slave,
            stdout=slave,
            stderr=slave,
            env=environment,
            cwd=where.folder,
            start_new_session=True,
            preexec_fn=_own,
        )
        os.close(slave)
        return cls(process, master)

    def type(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    async def shows(self, words: str) -> str:
        """Wait until *words* are drawn from now on, and return all that was drawn until then."""
        async with asyncio.timeout(PATIENCE):
            while words not in (seen := _CONTROL.sub("", self._shown)):
                assert self.process.returncode is None, seen
                await asyncio.sleep(0.05)
        self._shown = ""
        return seen

    async def answer(self, keys: str, words: str) -> None:
        """Type *keys* until *words* are drawn: what comes within half a second is not taken."""
        async with asyncio.timeout(PATIENCE):
            while True:
                self.type(keys)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_SHORTLY):
                        await self.shows(words)
                        return

    def _read(self) -> None:
        try:
            self._shown += os.read(self._master, 65536).decode(errors="replace")
        except OSError:  # the other end is closed
            asyncio.get_running_loop().remove_reader(self._master)

    async def ended(self) -> tuple[int, str]:
        """Wait until the process is gone; return its exit code and what was shown until then."""
        code = await asyncio.wait_for(self.process.wait(), PATIENCE)
        await asyncio.sleep(0)  # what was shown last is read
        self._read_rest()
        return code, _CONTROL.sub("", self._shown)

    def _read_rest(self) -> None:
        with contextlib.suppress(OSError):
            while select.select([self._master], [], [], 0)[0]:
                if not (data := os.read(self._master, 65536)):
                    return
                self._shown += data.decode(errors="replace")

    async def end(self) -> None:
        """Press ctrl-C's equivalent until the process is gone."""
        if self.process.returncode is None:
            self.process.terminate()
        await asyncio.wait_for(self.process.wait(), PATIENCE)
        asyncio.get_running_loop().remove_reader(self._master)
        os.close(self._master)


def _own() -> None:
    """Make the terminal the process's own: ctrl-C comes as a signal, as to somebody who sits there."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
