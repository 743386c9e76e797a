"""A handful of customers and a small playbook whose economics can be followed by hand: for tests of deciding."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from engine.decision.economics import Doubts, Learned, Priced, price
from engine.decision.effects import Effects, effects
from engine.decision.playbooks import Channel, Playbook, Treatment, playbook
from engine.schema import SEGMENTS

CALL = Treatment("call", "Call.", "phone", 4.0, offer_cost=10.0, redemption=0.2, recovery_rate=0.10, minutes=8,
                 most=30, only_if={"contract": ("Month-to-month",)})
GIFT = Treatment("gift", "A tenth off.", "email", 0.5, offer_share=0.10, offer_months=6, redemption=0.5,
                 recovery_rate=0.20)
SURE, NOBODY_LEARNED = Doubts(), Learned()
NOTE = Treatment("note", "Write.", "email", 0.1, recovery_rate=0.01)


def book(*treatments: Treatment, **more: Any) -> Playbook:
    """A playbook of those treatments, without a minimum tenure."""
    shipped = playbook("telecom")
    acting = {one.name: one for one in treatments or (CALL, GIFT, NOTE)}
    always = {name: shipped.treatments[name] for name in ("leave_alone", "win_back")}
    steps = dict.fromkeys(SEGMENTS, (*acting, "leave_alone"))
    channels = {"phone": Channel("phone", 100, "agents"), "email": Channel("email", 10_000)}
    return replace(Playbook("telecom", {**always, **acting}, steps, channels=channels, teams={"agents": 480.0}), **more)


def people(**columns: Any) -> pd.DataFrame:
    """Customers: at least a chance to leave p and a worth L each; all else has a value unless given."""
    n = len(columns["p"])
    revenue = pd.Series(columns.pop("revenue", 60.0), index=range(n)).astype(float)
    p = np.asarray(columns.pop("p"), dtype=float)
    rest: Mapping[str, Any] = {"segment": "Vulnerable", "churn_low": p, "churn_high": p, "hold_back": "", "has_left": 0,
                               **columns}
    return pd.DataFrame({"customer_id": [f"c{number}" for number in range(n)], "churn_probability": p,
                         "ltv_if_stays": np.asarray(rest["L"], dtype=float), "monthly_revenue": revenue,
                         "monthly_margin": revenue * 0.3, **{name: rest[name] for name in rest if name != "L"}},
                        index=range(n))


def sure(found: Effects) -> Effects:
    """The same effects without any doubt."""
    return replace(found, table=found.table.assign(deviation=0.0), covariance=0 * found.covariance)


def priced(frame: pd.DataFrame, own: Playbook | None = None, doubts: Doubts = SURE, *, certain: bool = False,
           learned: Learned = NOBODY_LEARNED) -> Priced:
    """The customers priced with the playbook's assumptions."""
    own = own or book()
    believed = effects(own)
    return price(frame, own, sure(believed) if certain else believed, doubts, learned)


def crowd(n: int, seed: int = 0) -> pd.DataFrame:
    """Many customers of all kinds."""
    rng = np.random.default_rng(seed)
    p = rng.beta(1, 3, n)
    return people(p=p, L=rng.lognormal(5.5, 0.8, n), revenue=rng.gamma(4, 18, n), segment=rng.choice(SEGMENTS, n),
                  churn_low=0.8 * p, churn_high=np.minimum(1.2 * p, 1.0),
                  hold_back=np.where(rng.random(n) < 0.1, "Tenure is 3 months.", ""),
                  has_left=(rng.random(n) < 0.05).astype(int),
                  known_contract=rng.choice(["Month-to-month", "One year"], n),
                  known_consent_email=(rng.random(n) < 0.8).astype(float),
                  known_consent_phone=np.where(rng.random(n) < 0.5, 1.0, np.nan))
