"""What the tests of checks share: a place that servers' users can reach, certificates."""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.checks.certificates import Authority


@pytest.fixture(scope="session")
def room() -> Iterator[Callable[[str], Path]]:
    """Make folders with short paths that system users may enter (pytest's own are private)."""
    base = Path(tempfile.mkdtemp(prefix="drorch-checks-"))
    base.chmod(0o755)

    def make(name: str) -> Path:
        folder = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=base))
        folder.chmod(0o755)
        return folder

    yield make
    shutil.rmtree(base, ignore_errors=True)


@pytest.fixture(scope="session")
def authority(room: Callable[[str], Path]) -> Authority:
    return Authority(room("tls"), datetime.fromtimestamp(time.time(), UTC))
