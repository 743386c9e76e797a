"""Whom the contact rules keep from an offer before anything is planned: the same rules as a draft's, for all at once.

A plan that chose first and asked the rules then would spend its budget and its caps on people who are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from engine import state
from engine.campaign.contact_rules import History
from engine.campaign.rules import Rules
from engine.campaign.tables import CAMPAIGNS, CONTACTS, LAUNCHED, SUPPRESSIONS
from engine.decision.treatments import Treatment

HELD = "held out by a running campaign"
SAME, OFTEN = "had the same offer lately (it rests, others may be made)", "contacted as often as the rules allow"


def barred(ids: pd.Series, treatments: Sequence[Treatment], past: History, known: Rules,
           now: datetime) -> dict[str, np.ndarray]:
    """The offers that must not be made now, by the reason: (n, k), or (n, 1) where all of a customer's are meant.

    The rules that forbid nothing are left out. Consent and suppression are guardrails of their own.
    """
    found = {HELD: _column(ids.isin(past.held["customer_id"])), SAME: _resting(ids, treatments, past.contacts, now),
             OFTEN: _often(ids, past.contacts, known, now)}
    return {why: mask for why, mask in found.items() if mask.any()}


def _column(of_customers: pd.Series) -> np.ndarray:
    return of_customers.to_numpy(dtype=bool)[:, None]


def _resting(ids: pd.Series, treatments: Sequence[Treatment], contacts: pd.DataFrame, now: datetime) -> np.ndarray:
    return np.column_stack([ids.isin(contacts.loc[(contacts["treatment"] == one.name)
                                                  & _since(contacts, now, one.cooldown_days), "customer_id"])
                            for one in treatments])


def _often(ids: pd.Series, contacts: pd.DataFrame, known: Rules, now: datetime) -> np.ndarray:
    count = contacts.loc[_since(contacts, now, known.within_days), "customer_id"].value_counts()
    return _column(ids.map(count).fillna(0) >= known.most_contacts)


def _since(contacts: pd.DataFrame, now: datetime, days: float) -> pd.Series:
    """Which contacts are less than so many days ago."""
    return pd.to_datetime(contacts["at"]) > now - timedelta(days=days)


def version(dataset: str) -> tuple[Any, ...]:
    """What stands for what the ledger knows of past contact: whenever it changes, so may a plan."""
    with state.reader() as connection:
        counted = [tuple(connection.execute(sa.select(sa.func.count(), sa.func.max(table.c.at)).where(
            table.c.dataset == dataset)).one()) for table in (CONTACTS, SUPPRESSIONS)]
        running = connection.scalars(sa.select(CAMPAIGNS.c.id).where(
            CAMPAIGNS.c.dataset == dataset, CAMPAIGNS.c.status == LAUNCHED).order_by(CAMPAIGNS.c.id))
        return (*counted, *running)
