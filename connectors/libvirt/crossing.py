"""The moment after which an order may have been carried out."""

from __future__ import annotations

import threading

from drorch.errors import UnreachableError
from drorch.ports.connector import Permit


class Crossing:
    """Shared by the thread that sends an order and the task that waits for it.

    Once the waiting has been given up, nothing is sent any more; once it was sent, giving up
    leaves the outcome unknown. There is no instant in between. *permit* is asked last.
    """

    def __init__(self, permit: Permit | None = None) -> None:
        self._permit = permit
        self._lock = threading.Lock()
        self._sent = False
        self._abandoned = False

    def depart(self) -> None:
        """Call right before sending.

        Raises `UnreachableError` when nobody waits any more, and what the permit raises.
        """
        with self._lock:
            if self._abandoned:
                raise UnreachableError("given up before it was sent")
            if self._permit is not None:
                self._permit()
            self._sent = True

    def abandon(self) -> bool:
        """Stop what has not been sent; return whether it certainly was not."""
        with self._lock:
            self._abandoned = True
            return not self._sent
