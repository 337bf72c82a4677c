"""A plan's signature on the command line: the three files are read, and who signed is told."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from api.locale import _
from drorch.access import signers, sshsig
from drorch.access.signatures import PlanSignature, PlanSignatureError, verify_plan
from plans.source.text import MOST_BYTES

ALLOWED_SIGNERS = Path("/etc/drorch/allowed_signers")


def signed(plan: Path, signature: Path, allowed_signers: Path) -> PlanSignature:
    """Return who signed *plan*, now. Raises `PlanSignatureError`, also for unreadable files."""
    source = _read(plan, MOST_BYTES)
    armor = _read(signature, sshsig.MOST_BYTES)
    allowed = _read(allowed_signers, signers.MOST_BYTES)
    return verify_plan(source, armor, allowed, now=datetime.now(UTC))


def _read(path: Path, most: int) -> bytes:
    """Return the content of *path*; one byte over *most* is enough for what reads it to refuse."""
    try:
        with path.open("rb") as file:
            return file.read(most + 1)
    except OSError as error:
        raise PlanSignatureError(
            _("{file} cannot be read: {why}", file=path, why=error.strerror or error),
            hint=_("--signature and --allowed-signers name files that you may read"),
        ) from error
