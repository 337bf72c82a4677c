"""What tests of several rooms share: a real PostgreSQL, started when the first one asks."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import suppress

import pytest

from tests.real.postgres import PostgresServer, postgres_cluster


def pytest_configure() -> None:
    """Let Ctrl-C reach the processes that tests start, also where a shell's ``&`` started us.

    Such a shell has SIGINT ignored in what it puts into the background, and children inherit it.
    """
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        with suppress(ValueError):  # not in the main thread: nobody can change it there
            signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with postgres_cluster() as cluster, cluster.running() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """Return the address of a database of the test's own, still empty."""
    return postgres_server.make()
