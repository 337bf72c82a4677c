"""Answers other than data: errors with a reason phrase, and connections that just end."""

from __future__ import annotations


class ApiError(Exception):
    def __init__(self, status: int, reason: str, errors: dict[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.errors = errors


class CutError(Exception):
    """The connection ends here, without an answer."""
