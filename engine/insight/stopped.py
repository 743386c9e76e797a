"""A second look at the save desk: who was put on it rightly and must not be spoken with after all."""

from __future__ import annotations

import pandas as pd

from engine import catalog, state
from engine.campaign import contact_rules, desk, suppression
from engine.campaign.contact_rules import History
from engine.campaign.suppression import ADDRESS_COLUMNS
from engine.decision.consents import CONSENTS
from engine.decision.own_playbooks import playbook_for
from engine.insight.worklist import CALL
from engine.schema import Actor, Dataset
from engine.schema.stored import rows_of


def stopped(dataset: str, *, actor: Actor) -> dict[str, str]:
    """Why whoever is open on the save desk must not be spoken with after all, by customer_id: they have left by the run
    in use, or have since been suppressed for their step's channel or withdrawn their consent to it.

    What the data do not say stops nobody: that was looked at when they were put on the desk.
    """
    known = catalog.dataset(dataset)
    rows = _open(known, actor)
    ids = list(rows["customer_id"])
    customers = known.frame(set(ids), [name for name in (*ADDRESS_COLUMNS, *CONSENTS.values()) if name in known.names])
    with state.reader() as connection:
        listed = suppression.of_customers(connection, dataset, customers, ids)
    why = gone(dataset, rows["customer_id"])
    for found in (contact_rules.suppressed(rows, History(listed)), contact_rules.withdrawn(rows, customers)):
        why = why.where(why != "", found)
    return {who: reason for who, reason in zip(ids, why, strict=True) if reason}


def _open(known: Dataset, actor: Actor) -> pd.DataFrame:
    """Who is open on the desk, and by which channel the playbook has their step: customer_id, channel."""
    channels = {name: treatment.channel for name, treatment in playbook_for(known).treatments.items()}
    rows = [(item.customer_id, channels.get(item.treatment, CALL)) for item in desk.items(known.name, actor=actor)
            if item.stage in desk.OPEN]
    return pd.DataFrame(rows, columns=["customer_id", "channel"], dtype=object)


def gone(dataset: str, ids: pd.Series) -> pd.Series:
    """Who has left by the run in use, in words; "" for whoever is there, and where there is no run."""
    if not catalog.runs(dataset):
        return pd.Series("", ids.index, dtype=object)
    scores = rows_of(catalog.run(dataset).folder / "scores.parquet", list(ids), ["customer_id", "has_left"])
    left = ids.isin(scores.loc[scores["has_left"] == 1, "customer_id"])
    return left.map({True: "the customer has left", False: ""}).astype(object)
