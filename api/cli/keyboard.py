"""The keyboard of a terminal: lines that are typed while somebody listens, and nothing earlier.

A question must never be answered by what was typed before it could be read.
"""

from __future__ import annotations

import asyncio
import codecs
import contextlib
import os
import re
import sys
import termios
from collections.abc import Callable, Iterator

QUIET = 0.5
"""Seconds that a question has to be on the screen before an answer counts."""
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[ -/]*[@-~]|O.|.)?")
_RUBOUT = "\x7f\b"
_KILL_LINE = "\x15"
_END = "\r\n\x04"


class Keyboard:
    """What is typed at stdin; *changed* is called when there is something new to show.

    ``raw``: the screen is drawn by us, so that we show what is typed, too. Else the terminal
    echoes and hands over whole lines.
    """

    def __init__(self, *, raw: bool, changed: Callable[[], None] = lambda: None) -> None:
        self.typed = ""
        self.early = False
        """Something was typed before the question could be read, and was not taken."""
        self._raw = raw
        self._changed = changed
        self._from = 0.0
        self._line: asyncio.Future[str] | None = None
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    @contextlib.contextmanager
    def open(self) -> Iterator[None]:
        """Own the keyboard for as long as the context lasts."""
        terminal = sys.stdin.fileno()
        loop = asyncio.get_running_loop()
        saved = termios.tcgetattr(terminal)
        if self._raw:
            mode = termios.tcgetattr(terminal)
            mode[3] &= ~(termios.ICANON | termios.ECHO)
            termios.tcsetattr(terminal, termios.TCSAFLUSH, mode)
        termios.tcflush(terminal, termios.TCIFLUSH)
        loop.add_reader(terminal, self._ready, terminal)
        try:
            yield
        finally:
            loop.remove_reader(terminal)
            # What was typed for us must not reach the shell as a command.
            termios.tcsetattr(terminal, termios.TCSAFLUSH, saved)

    async def line(self, *, quiet: float = QUIET) -> str:
        """Return the next line, without its end.

        What is typed in the first *quiet* seconds is lost.
        """
        loop = asyncio.get_running_loop()
        self.typed, self.early = "", False
        self._from = loop.time() + quiet
        if not self._raw:
            termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)
        self._line = loop.create_future()
        try:
            return await self._line
        finally:
            self._line, self.typed = None, ""

    def _ready(self, terminal: int) -> None:
        data = os.read(terminal, 4096)
        if not data:  # the terminal is gone
            asyncio.get_running_loop().remove_reader(terminal)
            return
        text = self._decoder.decode(data)
        if self._line is None or self._line.done():
            return
        if asyncio.get_running_loop().time() < self._from:
            self.early = True
        else:
            self._take(_ESCAPES.sub("", text), self._line)
        self._changed()

    def _take(self, text: str, line: asyncio.Future[str]) -> None:
        self.early = False
        for character in text:
            if character in _END:
                # The rest was typed ahead of whatever is asked next.
                line.set_result(self.typed)
                return
            if character in _RUBOUT:
                self.typed = self.typed[:-1]
            elif character == _KILL_LINE:
                self.typed = ""
            elif character.isprintable():
                self.typed += character
