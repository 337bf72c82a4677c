"""A shape for each status: colour alone tells nothing to many people."""

from __future__ import annotations

from collections.abc import Mapping

SYMBOLS: Mapping[str, str] = {
    "pending": "○",
    "ready": "◔",
    "starting": "▶",
    "verifying": "◎",
    "healthy": "✓",
    "failed": "✕",
    "waiting": "◆",
    "blocked": "■",
    "skipped": "»",
    "cancelled": "\N{EN DASH}",
    "running": "▶",
    "paused": "❚❚",
    "succeeded": "✓",
    "aborted": "\N{EN DASH}",
    "awaiting_approval": "◆",
    "imported": "⇢",
    "up": "✓",
    "restoring": "▶",
    "down": "✕",
    "unknown": "?",
    "not_affected": "✓",
    "could start": "✓",
    "found running": "✓",
    "no error": "✓",
    "nothing to look at": "\N{EN DASH}",
    "not examined": "?",
    "held": "▲",
    "has an error": "✕",
    "error": "✕",
    "warning": "▲",
    "info": "i",
}
