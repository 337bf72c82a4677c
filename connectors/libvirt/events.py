"""Libvirt's event loop, one per process, and the way its callbacks reach asyncio."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence

from connectors.libvirt.binding import Library, library
from drorch.ports.connector import Sighting, Watcher

_start_lock = threading.Lock()
_started = False


def start_event_loop() -> None:
    """Run libvirt's own event loop in a daemon thread, once per process.

    It has to run before the first connection is opened: keep-alives and events depend on it.
    """
    global _started  # noqa: PLW0603 (the library keeps one loop per process)
    binding = library()
    with _start_lock:
        if _started:
            return
        # Without a handler of ours the library writes every error to standard error.
        binding.registerErrorHandler(_ignore_error, None)
        binding.virEventRegisterDefaultImpl()
        threading.Thread(
            target=_run_for_ever, args=(binding,), name="libvirt-events", daemon=True
        ).start()
        _started = True


def _ignore_error(_context: object, _error: object) -> None:
    """Errors are raised as exceptions as well; nothing is lost here."""


def _run_for_ever(binding: Library) -> None:
    pause = threading.Event()
    while True:
        try:
            binding.virEventRunDefaultImpl()
        except binding.libvirtError:
            pause.wait(0.1)


class WatcherHub:
    """Hands sightings from libvirt's thread to watchers in the event loops that they came from."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._next = 0
        self._watchers: dict[int, tuple[asyncio.AbstractEventLoop, Watcher]] = {}

    def add(self, watcher: Watcher) -> Callable[[], None]:
        """Call *watcher* in the running loop from now on; return the way to stop it."""
        loop = asyncio.get_running_loop()
        with self._lock:
            number = self._next
            self._next += 1
            self._watchers[number] = (loop, watcher)
        return lambda: self._remove(number)

    def _remove(self, number: int) -> None:
        with self._lock:
            self._watchers.pop(number, None)

    def publish(self, sightings: Sequence[Sighting]) -> None:
        """Pass *sightings* on; callable from any thread, returns at once."""
        with self._lock:
            targets = list(self._watchers.items())
        for number, (loop, _) in targets:
            try:
                loop.call_soon_threadsafe(self._deliver, number, sightings)
            except RuntimeError:
                self._remove(number)  # its loop has been closed

    def _deliver(self, number: int, sightings: Sequence[Sighting]) -> None:
        with self._lock:
            entry = self._watchers.get(number)
        if entry is not None:
            entry[1](sightings)
