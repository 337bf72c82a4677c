"""Runs the migrations on the connection that `drorch.journal.schema.upgrade` was given."""

from __future__ import annotations

from alembic import context
from sqlmodel import SQLModel

import drorch.journal.tables

assert drorch.journal.tables.REVISION  # noqa: S101 (loaded for its tables)

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=SQLModel.metadata,
    transactional_ddl=True,
    render_as_batch=True,
)
context.run_migrations()
