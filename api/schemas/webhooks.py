"""Web hooks over HTTP: how each does, never its secret or its whole address."""

from __future__ import annotations

from pydantic import Field

from api.schemas.common import Out


class Webhook(Out):
    """``failed`` messages were given up; ``last_error`` is about what has not arrived."""

    name: str = Field(examples=["desk"])
    host: str = Field(description="Host and port of its address.", examples=["10.1.0.30:8443"])
    events: list[str] = Field(description="Which events become messages.", examples=[["run.*"]])
    pending: int
    failed: int
    last_error: str | None
    last_sent_at: str | None
    disabled: bool
    disabled_reason: str | None


class Webhooks(Out):
    items: list[Webhook]
    next: str | None


class WebhookTest(Out):
    """``message`` is the ``webhook-id`` with which it arrives."""

    name: str
    message: str = Field(examples=["msg_5f0b3e0e3c8f4c52a0c5d1e94e1d2a77"])
