"""The same small service as for the API."""

from __future__ import annotations

from tests.api.conftest import api, application, engine, http, simulator

__all__ = ["api", "application", "engine", "http", "simulator"]
