"""Eight customers of a small telecom whose worklist is known by hand: what tests of worklists and exports stand on.

    id   segment          stands  because
    001  At-Risk VIP      to contact: contract_migration, phone 4.0, may be called; margin 100
    002  At-Risk VIP      to contact: tech_support_call, phone 6.0, may not be called; margin 60
    003  At-Risk VIP      to contact: loyalty_discount, e-mail 0.1; margin 30
    004  Champion         left alone by the playbook; margin 10
    005  Vulnerable       held back; margin 50
    006  Vulnerable       has left: win_back, e-mail 0.1, consent unknown
    007  Losing Customer  to contact: autopay_switch, e-mail 0.1, consent unknown; margin 20
    =8   Losing Customer  to contact: service_email, e-mail 0.1; margin 20
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd

from engine import catalog
from engine.insight import Scope
from engine.schema import CONTACT, REASONS, SCORES, Actor, Column, Dataset, LabelRule, MoneyRule, Reading

ANA = Actor("ana", "marketer")
EVE = Actor("eve", "executive")
IDS = ["001", "002", "003", "004", "005", "006", "007", "=8"]
AS_OF = datetime(2024, 5, 31)
HELD = "Tenure is 3 months, below the 6 that action takes."

CUSTOMERS = pd.DataFrame({
    "customer_id": IDS,
    "contract": ["Month-to-month", "Two year", "Two year", "Two year", "Month-to-month", "Two year", "One year", None],
    "tech_support": ["No", "No", "Yes", "Yes", "No", "No", "Yes", None],
    "internet_service": ["DSL", "DSL", "No", "DSL", "DSL", "DSL", "DSL", None],
    "payment_method": ["Mailed check", "Mailed check", "Credit card", "Credit card", "Credit card", "Credit card",
                       "Mailed check", "Credit card"],
    "first_name": ["Ann", "Bo", "=cmd|' /C calc'!A0", "Di", "Ed", "Flo", "Gus", "@sum(1)"],
    "last_name": "Doe", "email": [f"{name}@example.org" for name in "abcdefgh"], "phone": "+4930123456",
    "consent_email": [1, 1, 1, 1, 1, None, None, 1], "consent_sms": 0, "consent_phone": [1, 0, 1, 1, 1, 1, 1, 1],
})
RULED = ("contract", "tech_support", "internet_service", "payment_method")
PROBABILITY = [0.5, 0.3, 0.2, 0.05, 0.5, 0.6, 0.4, 0.4]
WORTH = [200.0, 200.0, 150.0, 200.0, 100.0, 90.0, 50.0, 50.0]


def scores(run: catalog.Run) -> pd.DataFrame:
    """The SCORES table."""
    frame = pd.DataFrame({
        "run_id": run.run_id, "customer_id": IDS, "churn_probability": PROBABILITY, "ltv_if_stays": WORTH,
        "segment": ["At-Risk VIP"] * 3 + ["Champion"] + ["Vulnerable"] * 2 + ["Losing Customer"] * 2,
        "churn_risk": ["HIGH", "MEDIUM", "LOW", "LOW", "HIGH", "HIGH", "MEDIUM", "LOW"],
        "ltv_tier": ["High LTV"] * 4 + ["Mid LTV"] * 2 + ["Low LTV"] * 2,
        "best_contact_month": [3.0, 1.0, None, 2.0, 1.0, 1.0, 1.0, 2.0], "next_order_at": pd.NaT,
        "has_left": [0, 0, 0, 0, 0, 1, 0, 0], "hold_back": ["", "", "", "", HELD, "", "", ""],
    })
    frame["margin_at_risk"] = frame["churn_probability"] * frame["ltv_if_stays"]
    rest = {column.name: 0.25 for column in SCORES if column.kind == "number"}
    return frame.reindex(columns=SCORES.names).fillna(rest)


def reasons(run: catalog.Run) -> pd.DataFrame:
    """The REASONS table: the strongest driver lowers the risk, the second raises it; of 004 both lower it."""
    rows = [{"customer_id": who, "rank": rank, "feature": "contract", "value": "x",
             "contribution": -0.5 if rank == 1 or who == "004" else 0.2, "words": f"Reason {rank} of {who}."}
            for who in IDS for rank in (1, 2)]
    return pd.DataFrame(rows).assign(run_id=run.run_id)[REASONS.names]


def features() -> pd.DataFrame:
    """What the scores rest on; two of its columns tell of something recent."""
    return pd.DataFrame({"days_since_ticket": [2.0, 90.0] + [None] * 6, "usage_change_1m": [-0.5, 0.1] + [-0.2] * 6},
                        index=pd.Index(IDS, name="customer_id"))


def desk(now: datetime, folder: Path, customers: pd.DataFrame = CUSTOMERS, **more: Any) -> Scope:
    """Register the company under HOLDFAST_HOME and keep its run; returns what questions are asked of."""
    source = folder / "desk.csv"
    source.write_text("customer_id\n", encoding="utf-8")
    with catalog.staging("desk") as staged:
        customers.to_parquet(staged / "customers.parquet", index=False)
        words = tuple(Column(name, "category", "", name) for name in RULED)
        contact = tuple(column for column in CONTACT if column.name in customers)
        label = LabelRule("column", 90, "the file says that the customer left")
        dataset = Dataset("desk", "v1", "snapshot", "telco", "telecom", "EUR", label, MoneyRule("x", "month"), AS_OF,
                          True, staged / "customers.parquet", (*words, *contact), **more)
        dataset = catalog.register(Reading(dataset, (), pd.DataFrame()), staged, [source], actor=ANA, now=now)
    run = catalog.Run.of(dataset, "m1", AS_OF, len(IDS))
    catalog.save_run(run, scores(run), reasons(run), features(), actor=ANA, now=now)
    return Scope(dataset, run)
