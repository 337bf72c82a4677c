"""OpenTelemetry, if somebody wants it: an address in the environment, and the extra ``otel``."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from typing import Any

import structlog
from fastapi.telemetry import TelemetryConfig

from api.version import VERSION

log = structlog.get_logger()

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_TIMEOUT = 2.0
"""Seconds for one export; those that fail are dropped, in a thread of the exporter's own."""
_FAREWELL = 2.0
"""Seconds; the whole process gets five to end."""
_UNTRACED = ("/healthz", "/readyz", "/metrics", "/static/")


@dataclass(frozen=True, slots=True)
class Telemetry:
    """What FastAPI takes, and the provider behind it, to be ended with the service."""

    config: TelemetryConfig
    provider: Any = None

    def close(self) -> None:
        """Send what is left within `_FAREWELL`; the rest is lost."""
        if self.provider is not None:
            ending = threading.Thread(target=self.provider.shutdown, daemon=True)
            ending.start()
            ending.join(_FAREWELL)


def telemetry(environ: Mapping[str, str] | None = None) -> Telemetry:
    """Return traces to the collector that the environment names, else none.

    Never raises and never waits for the collector: it may be as dead as the rest of the town.
    """
    environ = os.environ if environ is None else environ
    off = TelemetryConfig(tracing=False, metrics=False, logs=False, auto_configure=False)
    endpoint = environ.get(ENDPOINT, "")
    if not endpoint or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return Telemetry(off)
    try:
        provider = _provider(endpoint)
    except ImportError:
        log.warning("telemetry.off", reason="install it with: pip install 'drorch[otel]'")
        return Telemetry(off)
    except ValueError as error:
        log.warning("telemetry.off", reason=f"{ENDPOINT}: {error}")
        return Telemetry(off)
    return Telemetry(
        TelemetryConfig(
            tracer_provider=provider,
            tracing=True,
            metrics=False,  # Prometheus has them
            logs=False,
            auto_configure=False,
            operation_spans=False,
            exclude=_is_dull,
        ),
        provider,
    )


def _is_dull(scope: MutableMapping[str, Any]) -> bool:
    return scope.get("type") != "http" or str(scope.get("path", "")).startswith(_UNTRACED)


def _provider(endpoint: str) -> Any:
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import (  # noqa: PLC0415 (an extra)
        OTLPSpanExporter,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415 (an extra)
    from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415 (an extra)
    from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415 (an extra)

    from api.tracing import Discreet, Quiet  # noqa: PLC0415 (an extra)

    resource = Resource.create({"service.name": "drorch", "service.version": VERSION})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    address = f"{endpoint.removesuffix('/')}/v1/traces"
    exporter = Quiet(OTLPSpanExporter(endpoint=address, timeout=_TIMEOUT))
    provider.add_span_processor(Discreet())
    provider.add_span_processor(BatchSpanProcessor(exporter, schedule_delay_millis=2000))
    return provider
