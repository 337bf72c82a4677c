"""The moment after which an order may have been carried out."""

from __future__ import annotations

import threading

from drorch.errors import UnreachableError


class Crossing:
    """Shared by the thread that sends an order and the task that waits for it.

    Once the waiting has been given up, nothing is sent any more; once it was sent, giving up
    leaves the outcome unknown. There is no instant in between.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sent = False
        self._abandoned = False

    def depart(self) -> None:
        """Call right before sending. Raises `UnreachableError` when nobody waits any more."""
        with self._lock:
            if self._abandoned:
                raise UnreachableError("given up before it was sent")
            self._sent = True

    def abandon(self) -> bool:
        """Stop what has not been sent; return whether it certainly was not."""
        with self._lock:
            self._abandoned = True
            return not self._sent
