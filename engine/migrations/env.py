"""Alembic's way in: runs the versions on the connection that `engine.state.migrate` hands over, in its transaction."""

from __future__ import annotations

from alembic import context

from engine.campaign import tables  # noqa: F401  (its tables belong to the metadata)
from engine.state import METADATA

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=METADATA,
    render_as_batch=True,
    compare_type=True,
    compare_server_default=True,
)
with context.begin_transaction():
    context.run_migrations()
