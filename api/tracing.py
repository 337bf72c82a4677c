"""What leaves as a trace: without secrets, and without a line in the log for each failure."""

from __future__ import annotations

import logging
from collections.abc import Sequence

import structlog
from opentelemetry.context import Context
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanProcessor
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from typing_extensions import override

from api.redaction import HIDDEN, redacted

log = structlog.get_logger()

_QUERY, _PATH = "url.query", "url.path"


class Discreet(SpanProcessor):
    """Takes queries out, which may hold the codes of a log-in, and secrets out of paths."""

    @override
    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        attributes = span.attributes or {}
        if _QUERY in attributes:
            span.set_attribute(_QUERY, HIDDEN)
        if _PATH in attributes:
            span.set_attribute(_PATH, redacted(str(attributes[_PATH])))


class Quiet(SpanExporter):
    """Tells once that the collector is away, and once that it is back."""

    def __init__(self, inner: SpanExporter) -> None:
        self._inner = inner
        self._away = False
        # The library tells each failure with a traceback, every few seconds.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        result = self._inner.export(spans)
        away = result is not SpanExportResult.SUCCESS
        if away != self._away:
            self._away = away
            say = log.warning if away else log.info
            say("telemetry.away" if away else "telemetry.back", lost=len(spans) if away else 0)
        return result

    @override
    def shutdown(self) -> None:
        self._inner.shutdown()

    @override
    def force_flush(self, timeout_millis: int = 30000) -> bool:
        return self._inner.force_flush(timeout_millis)
