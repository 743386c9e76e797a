"""The audit log by actor and verb: how often somebody did something lately."""

from __future__ import annotations

from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create the index."""
    op.create_index(op.f("ix_audit_log_actor"), "audit_log", ["actor", "verb", "at"])


def downgrade() -> None:
    """Drop it."""
    op.drop_index(op.f("ix_audit_log_actor"), "audit_log")
