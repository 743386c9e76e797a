"""Small campaigns made by hand, for the tests of the ledger and of what is read from it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pandas as pd
import sqlalchemy as sa
from sqlalchemy.engine import Connection

from engine import state
from engine.campaign import holdout, ledger
from engine.campaign.ledger import Campaign
from engine.campaign.tables import BUDGETS
from engine.schema import Actor

ANA, BEN, MIA = Actor("ana", "manager"), Actor("ben", "manager"), Actor("mia", "marketer")
ADA, EVE = Actor("ada", "admin"), Actor("eve", "executive")
LIMIT = 5_000.0
NOBODY = pd.DataFrame({"customer_id": [], "treatment": [], "reason": []}, dtype=object)


def decisions(n: int = 20, cost: float = 10.0, first: int = 0, **more: Any) -> pd.DataFrame:
    """n decisions, half of them a call, half of them an e-mail; each costs the same and is worth 30 more than that."""
    ids = [f"{k:05d}" for k in range(first, first + n)]
    call = pd.Series([k % 2 == 0 for k in range(n)], dtype=bool)
    return pd.DataFrame({
        "customer_id": ids, "segment": ["Vulnerable" if k % 4 < 2 else "Champion" for k in range(n)],
        "churn_probability": 0.4, "ltv_if_stays": 400.0, "treatment": call.map({True: "call", False: "mail"}),
        "channel": call.map({True: "phone", False: "email"}), "uplift": 0.1, "expected_cost": cost,
        "incremental_margin": 40.0 - cost, "minutes": call.map({True: 12.0, False: 0.0}), "propensity": 1.0, **more,
    })


def planned(rows: pd.DataFrame, seed: int = 1, share: float = 0.1) -> pd.DataFrame:
    """The decisions with their holdout and a message for those treated."""
    held = holdout.draw(rows, seed, share)
    return rows.assign(holdout=held, message=pd.Series("Hi, stay!", rows.index).where(~held),
                       message_source=pd.Series("template", rows.index).where(~held))


def asked(name: str = "July", **more: Any) -> Campaign:
    """What a campaign of acme says of itself."""
    given: dict[str, Any] = {
        "id": ledger.campaign_id("acme", name), "dataset": "acme", "name": name, "run_id": "r1", "version": "v1",
        "model_id": "m1", "policy_id": "plan", "currency": "EUR", "synthetic": True, "horizon_days": 90, "seed": 1,
        "holdout_share": 0.1, "audience": {"segment": ["Vulnerable"]}, "constraints": {"budget": 500}, "figures": {}}
    return Campaign(**{**given, **more})


def drafted(now: datetime, name: str = "July", rows: pd.DataFrame | None = None, actor: Actor = MIA, share: float = 0.1,
            **more: Any) -> Campaign:
    """A draft by mia."""
    frame = planned(decisions() if rows is None else rows, share=share)
    return ledger.draft(asked(name, holdout_share=share, **more), frame, NOBODY, actor=actor, now=now)


def everyone(_: Connection, rows: pd.DataFrame) -> pd.Series:
    """A second look that lets everyone through."""
    return pd.Series("", rows.index)


def launched(now: datetime, name: str = "July", rows: pd.DataFrame | None = None, **more: Any) -> Campaign:
    """A campaign drafted by mia, approved by ana, launched by mia."""
    there = drafted(now, name, rows, **more)
    ledger.approve(there.id, 1e9, actor=ANA, now=now)
    return ledger.launch(there.id, everyone, actor=MIA, now=now).campaign


def count(table: sa.Table) -> int:
    """How many rows the table has."""
    with state.reader() as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def reserved(name: str = "Q3") -> tuple[int, int]:
    """What is spoken for of acme's budget, and its total, in hundredths."""
    with state.reader() as connection:
        row = connection.execute(sa.select(BUDGETS).where(BUDGETS.c.name == name)).one()
    return row.reserved_cents, row.total_cents
