"""Customers in the audit log by a keyed hash: lines written before hold the id itself. This once the log changes."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from engine.migrations.versions.v0001_audit_log_and_jobs import APPEND_ONLY
from engine.pseudonyms import pseudonymous

revision = "0003"
down_revision = "0002"

LOG = sa.table("audit_log", sa.column("id", sa.Integer()), sa.column("detail", sa.JSON()))


def upgrade() -> None:
    """Put the pseudonym where an id is, with the triggers that guard the log aside meanwhile."""
    connection = op.get_bind()
    lines = connection.execute(sa.select(LOG.c.id, LOG.c.detail)).all()
    changed = {line.id: new for line in lines if (new := pseudonymous(line.detail)) != line.detail}
    sqlite = connection.dialect.name == "sqlite"
    op.execute("DROP TRIGGER audit_log_no_update" if sqlite else "ALTER TABLE audit_log DISABLE TRIGGER USER")
    for number, detail in changed.items():
        connection.execute(sa.update(LOG).where(LOG.c.id == number).values(detail=detail))
    op.execute(APPEND_ONLY["sqlite"][0] if sqlite else "ALTER TABLE audit_log ENABLE TRIGGER USER")


def downgrade() -> None:
    """Leave the lines as they are: no id can be had back from its hash."""
