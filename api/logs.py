"""The service's log: one line for each event to stderr, JSON or for a person at a terminal."""

from __future__ import annotations

import logging
import sys
from typing import Any, Literal, TypeAlias

import structlog

from api.redaction import for_terminal, redact

Format: TypeAlias = Literal["auto", "json", "console"]
Level: TypeAlias = Literal["debug", "info", "warning"]
_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING}


def configure(form: Format = "auto", level: Level = "info") -> None:
    """Log from now on in this way, what libraries say too. Safe to repeat.

    ``auto`` is JSON unless a person looks on.
    """
    chain: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
        redact,
    ]
    for_people = form == "console" or (form == "auto" and sys.stderr.isatty())
    if for_people:
        chain.append(for_terminal)
    renderer: Any = _for_people() if for_people else _json()
    structlog.configure(
        processors=[*chain, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(_LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
            foreign_pre_chain=chain,
        )
    )
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)


def _for_people() -> structlog.dev.ConsoleRenderer:
    # The pretty tracebacks show the values of variables, and with them secrets.
    return structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)


def _json() -> structlog.processors.JSONRenderer:
    return structlog.processors.JSONRenderer(ensure_ascii=False)
