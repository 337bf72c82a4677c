"""What the store adds to leases: a run may be taken in the transaction that makes it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from sqlalchemy import Connection

from drorch.ports.lease import Lease, Leases


class Ownership(Leases, Protocol):
    def newborn(self, run: str, connection: Connection) -> Lease | None:
        """Take a run that does not exist for anybody else yet."""

    async def free(self, runs: Sequence[str]) -> Sequence[str]:
        """Return those of the open *runs* that nobody drives."""

    def keep_renewing(self) -> None:
        """Renew, from inside the event loop, what `newborn` will take outside of it."""

    async def close(self) -> None:
        """Stop renewing. Leases that are still held run out."""
