"""The text that Prometheus scrapes: made at most once a second, however many ask."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

import structlog
from prometheus_client import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.core import Metric
from prometheus_client.registry import Collector as Registered
from sqlalchemy.exc import SQLAlchemyError
from typing_extensions import override

from api.metrics.collectors import COLLECTORS, Collector
from api.metrics.exchange import asked
from api.metrics.figures import Figures
from api.routes.desk import Desk
from api.sharing import Shared
from drorch.errors import DrorchError

log = structlog.get_logger()

MEDIA_TYPE = CONTENT_TYPE_PLAIN_0_0_4
KEPT = 1.0
"""Seconds that a scrape is answered with what another one was told."""
_PATIENCE = 3.0
"""Seconds that one collector may take; then its figures are left out of this scrape."""


class Exposition:
    """All metrics of this service as text; *figures* are those of this process."""

    def __init__(
        self, desk: Desk, figures: Figures, collectors: Sequence[Collector] = COLLECTORS
    ) -> None:
        self._desk = desk
        self._figures = figures
        self._collectors = collectors
        self._shared = Shared(self._made, keep=KEPT)

    async def text(self) -> bytes:
        return await self._shared.get()

    async def _made(self) -> bytes:
        total = Figures()
        total.add(self._figures)
        engine = await asked(self._desk.app.settings.data_dir)
        if engine is not None:
            total.add(engine)
        looked = await asyncio.gather(*(self._collected(one) for one in self._collectors))
        found = [*total.families(), *chain.from_iterable(looked)]
        return await asyncio.to_thread(generate_latest, _Found(found))

    async def _collected(self, collector: Collector) -> Iterable[Metric]:
        try:
            async with asyncio.timeout(_PATIENCE):
                return list(await collector(self._desk))
        except (DrorchError, SQLAlchemyError, OSError) as error:  # a time-out is one, too
            log.warning("metrics.left-out", collector=collector.__name__, reason=str(error))
            return ()


class _Found(Registered):
    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    @override
    def collect(self) -> Iterator[Metric]:
        return iter(self._metrics)
