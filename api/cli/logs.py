"""Logs of a command: warnings to stderr, or to a file while a live view owns the terminal."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import structlog
from typing_extensions import override

from api.redaction import harmless, redact, redacted


class _Stream:
    """Writes to whatever stderr is now: tests and the live view change it."""

    def __init__(self) -> None:
        self.file: IO[str] | None = None

    def write(self, text: str) -> int:
        return (self.file or sys.stderr).write(text)

    def flush(self) -> None:
        (self.file or sys.stderr).flush()


class _Redacting(logging.Formatter):
    @override
    def format(self, record: logging.LogRecord) -> str:
        return harmless(redacted(super().format(record)), keep="\n\t")


_stream = _Stream()
_handler = logging.StreamHandler(_stream)
_handler.setLevel(logging.WARNING)
_handler.setFormatter(_Redacting("level='%(levelname)s' event='%(message)s'"))


def configure() -> None:
    """Let warnings and worse through, one plain line each. Safe to repeat."""
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.format_exc_info,
            redact,
            structlog.processors.KeyValueRenderer(key_order=["level", "event"]),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=_logger,
        cache_logger_on_first_use=False,
    )
    root = logging.getLogger()
    if _handler not in root.handlers:
        root.addHandler(_handler)


def _logger(*_: Any) -> structlog.WriteLogger:
    return structlog.WriteLogger(_stream)  # type: ignore[arg-type]  # it only writes and flushes


@contextlib.contextmanager
def logging_to(path: Path) -> Iterator[None]:
    """Send logs to the file *path* for as long as the context lasts."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as file:
        _stream.file = file
        try:
            yield
        finally:
            _stream.file = None
