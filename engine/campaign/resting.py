"""Who was contacted lately and is to be left in peace: by a campaign that still runs, or until a contact has rested."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import sqlalchemy as sa

from engine import state
from engine.campaign import ledger
from engine.campaign.rules import Rules
from engine.campaign.tables import ASSIGNMENTS, CONTACTS


def treated_now(dataset: str, now: datetime) -> tuple[str, ...]:
    """The ids of those whom the dataset's running campaigns treat."""
    with state.reader() as connection:
        mine = ASSIGNMENTS.c.campaign_id.in_(list(ledger.running(connection, dataset, now))) & ~ASSIGNMENTS.c.holdout
        return tuple(connection.scalars(sa.select(ASSIGNMENTS.c.customer_id).where(mine)))


def resting_now(dataset: str, cooldown_days: Mapping[str, float], rules: Rules, now: datetime) -> tuple[str, ...]:
    """The ids of those whose last contact rests still, by its treatment's days, and of those who were contacted as
    often as the rules allow within their days."""
    table = CONTACTS.c
    mine = sa.select(table.customer_id).where(table.dataset == dataset).group_by(table.customer_id)
    recent = [(table.treatment == name) & (table.at > now - timedelta(days=days))
              for name, days in cooldown_days.items() if days > 0]
    often = mine.where(table.at > now - timedelta(days=rules.within_days)).having(
        sa.func.count() >= max(rules.most_contacts, 1))
    with state.reader() as connection:
        found = [*connection.scalars(mine.where(sa.or_(sa.false(), *recent))), *connection.scalars(often)]
    return tuple(dict.fromkeys(found))
