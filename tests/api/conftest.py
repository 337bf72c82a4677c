"""One small service for each test: simulator, store, HTTP side and, where wanted, an engine."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import httpx2
import pytest

from api.bootstrap import Application
from connectors.simulated import fleet as fleets
from connectors.simulated.server import Simulator, simulating
from tests.api.desk import FLEET, Caller, calling, driven, settings


@pytest.fixture
async def simulator() -> AsyncIterator[Simulator]:
    async with simulating(fleets.build(FLEET), 0, seed=1) as running:
        yield running


@pytest.fixture
async def application(tmp_path: Path, simulator: Simulator) -> AsyncIterator[Application]:
    async with Application(settings(tmp_path / "data", simulator.url)) as opened:
        yield opened


@pytest.fixture
async def http(application: Application) -> AsyncIterator[httpx2.AsyncClient]:
    async with calling(application) as client:
        yield client


@pytest.fixture
def api(http: httpx2.AsyncClient) -> Caller:
    return Caller(http)


@pytest.fixture
async def engine(application: Application) -> AsyncIterator[Application]:
    """Another process's part, played by another application over the same store."""
    async with driven(application.settings) as other:
        yield other
