"""${message}."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "${up_revision}"
down_revision = ${repr(down_revision)}


def upgrade() -> None:
    """${message}."""
    ${upgrades or "pass"}


def downgrade() -> None:
    """Undo it."""
    ${downgrades or "pass"}
