"""What tests of several rooms share: a real PostgreSQL, started when the first one asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.real.postgres import PostgresServer, postgres_cluster


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    with postgres_cluster() as cluster, cluster.running() as server:
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresServer) -> str:
    """Return the address of a database of the test's own, still empty."""
    return postgres_server.make()
