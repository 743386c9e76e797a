"""The invented telecom's truth: who would leave, who can be persuaded, and what a customer is still worth.

The churn probability is a smooth function of what the company can see (its columns and its events), with no hidden
term: only the draw of the outcome is chance. What an offer does to a customer depends on a hidden type as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

import numpy as np
import pandas as pd

WINDOW_DAYS = 91
MONTH_DAYS = 30.4375
HORIZON_MONTHS = 36
MARGIN_RATE = 0.5
ANNUAL_DISCOUNT = 0.10
DISCOUNT_OFFERED = 0.10

TYPES = ("persuadable", "sure thing", "lost cause", "sleeping dog")
TREATMENTS = ("none", "contract_migration", "loyalty_discount", "tech_support_call", "hardware_upgrade")
SHARE_KEPT_AS_CONTROL = 0.4


def recent(ids: pd.Index, events: pd.DataFrame, until: datetime) -> pd.DataFrame:
    """What the events of the last months amount to per customer: the part of them that moves the risk."""
    tickets = events[events["kind"] == "ticket"]
    failures = events[events["kind"] == "payment_failure"]
    year = tickets[tickets["at"] >= until - timedelta(days=365)]
    return pd.DataFrame({
        "tickets_90d": _count(tickets, until, 90),
        "tickets_365d": _count(tickets, until, 365),
        "ticket_sentiment_365d": year.groupby("customer_id")["quantity"].mean(),
        "payment_failures_180d": _count(failures, until, 180),
        "usage_change_3m": _usage_change(events[events["kind"] == "usage"], until),
    }, index=ids).fillna({"tickets_90d": 0.0, "tickets_365d": 0.0, "payment_failures_180d": 0.0})


def _count(events: pd.DataFrame, until: datetime, days: int) -> pd.Series:
    return events[events["at"] >= until - timedelta(days=days)].groupby("customer_id").size().astype(float)


def _usage_change(usage: pd.DataFrame, until: datetime) -> pd.Series:
    """Mean monthly use of the last 92 days against the 92 days before them."""
    border, start = until - timedelta(days=92), until - timedelta(days=184)
    now = usage[usage["at"] >= border].groupby("customer_id")["quantity"].mean()
    before = usage[(usage["at"] >= start) & (usage["at"] < border)].groupby("customer_id")["quantity"].mean()
    return now / before.where(before > 0) - 1


def log_odds(customers: pd.DataFrame, recent: pd.DataFrame, months_later: float = 0.0) -> pd.Series:
    """Log-odds to leave within 91 days if nothing is offered, `months_later` than the day of measurement."""
    return (_from_contract(customers, months_later) + _from_services(customers) + _from_people(customers)
            + _from_events(customers, recent))


def _from_contract(customers: pd.DataFrame, months_later: float) -> pd.Series:
    tenure = customers["tenure_months"] + months_later
    monthly, check = customers["contract"] == "Month-to-month", customers["payment_method"] == "Electronic check"
    return (-1.36 + 1.0 * monthly - 0.85 * (customers["contract"] == "Two year") - 0.51 * np.log1p(tenure / 2.5)
            + 0.25 * check + 0.25 * (monthly & check))


def _from_services(customers: pd.DataFrame) -> pd.Series:
    fiber, none = customers["internet_service"] == "Fiber optic", customers["internet_service"] == "No"
    helped = (customers[["tech_support", "online_security"]] == "Yes").sum(axis=1)
    dear = (customers["monthly_charges"] - 65.0) / 30.0
    return 0.55 * fiber - 0.65 * none - 0.24 * helped + 0.2 * (fiber & (helped == 0)) + 0.3 * np.tanh(dear)


def _from_people(customers: pd.DataFrame) -> pd.Series:
    return (0.25 * customers["senior_citizen"] - 0.2 * customers["dependents"] + 0.3 * customers["paperless_billing"])


def _from_events(customers: pd.DataFrame, recent: pd.DataFrame) -> pd.Series:
    anger = -recent["ticket_sentiment_365d"].fillna(0.0)
    drop = np.clip(-recent["usage_change_3m"].fillna(0.0), -0.3, 0.8)
    monthly = customers["contract"] == "Month-to-month"
    return (0.5 * np.tanh(recent["tickets_90d"]) + 0.65 * anger + 0.25 * (anger * monthly)
            + 0.6 * np.tanh(recent["payment_failures_180d"]) + 1.5 * drop)


def truth(customers: pd.DataFrame, recent: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """What no model may see, per customer: probability untreated, type, each treatment's uplift, remaining worth."""
    base = log_odds(customers, recent)
    probability = sigmoid(base)
    chances = type_chances(customers, recent, probability)
    drawn = np.minimum((rng.random((len(customers), 1)) > chances.cumsum(axis=1)).sum(axis=1), len(TYPES) - 1)
    frame = pd.DataFrame({"churn_probability": probability, "type": np.array(TYPES)[drawn]}, index=customers.index)
    uplifts = {name: uplift_by_type(customers, recent, base, name) for name in TREATMENTS[1:]}
    for name, by_type in uplifts.items():
        frame[f"uplift_{name}"] = by_type[np.arange(len(frame)), drawn]
        frame[f"expected_uplift_{name}"] = (by_type * chances).sum(axis=1)
    return frame.join(remaining(customers, recent))


def type_chances(customers: pd.DataFrame, recent: pd.DataFrame, probability: np.ndarray) -> np.ndarray:
    """Chance of each of TYPES given what is observed; rows sum to 1."""
    monthly, called = customers["contract"] == "Month-to-month", recent["tickets_365d"] > 0
    automatic = customers["payment_method"].str.contains("automatic")
    scores = np.column_stack([
        -0.9 + 0.7 * monthly + 0.6 * called + 4.0 * probability * (1 - probability),
        1.6 - 4.5 * probability,
        -1.7 + 4.0 * probability,
        -0.9 + 0.6 * automatic - 0.5 * called + 0.4 * (customers["monthly_charges"] > 80),
    ])
    odds = np.exp(scores)
    return odds / odds.sum(axis=1, keepdims=True)


def uplift_by_type(customers: pd.DataFrame, recent: pd.DataFrame, base: pd.Series, treatment: str) -> np.ndarray:
    """Churn probability without the treatment minus with it, one column per type; missing where it cannot be offered.

    Persuadable customers move by the treatment's strength on the log-odds scale; any contact wakes a sleeping dog.
    """
    strength = _strength(customers, recent, treatment).to_numpy()
    shifts = np.column_stack([-strength, -0.05 * strength, -0.05 * strength, np.full(len(base), 0.75)])
    plain = base.to_numpy()[:, None]
    uplift = sigmoid(plain) - sigmoid(plain + shifts)
    return np.where(eligible(customers)[treatment].to_numpy()[:, None], uplift, np.nan)


def _strength(customers: pd.DataFrame, recent: pd.DataFrame, treatment: str) -> pd.Series:
    """How far the treatment moves a persuadable customer [log-odds]."""
    angry = np.clip(-recent["ticket_sentiment_365d"].fillna(0.0), 0, 1)
    drop = np.clip(-recent["usage_change_3m"].fillna(0.0), 0, 0.6)
    dear = np.clip((customers["monthly_charges"] - 50.0) / 60.0, 0, 1)
    strengths: Mapping[str, pd.Series] = {
        "contract_migration": 0.6 + 0.5 * np.exp(-customers["tenure_months"] / 24.0),
        "loyalty_discount": 0.35 + 0.8 * dear,
        "tech_support_call": 0.4 + 1.4 * angry + 0.2 * np.tanh(recent["tickets_90d"]),
        "hardware_upgrade": 0.3 + 1.2 * drop,
    }
    return strengths[treatment]


def eligible(customers: pd.DataFrame) -> pd.DataFrame:
    """Whether each treatment can be offered to each customer."""
    everyone = pd.Series(True, customers.index)
    return pd.DataFrame({
        "none": everyone,
        "contract_migration": customers["contract"] == "Month-to-month",
        "loyalty_discount": everyone,
        "tech_support_call": customers["tech_support"] == "No",
        "hardware_upgrade": customers["internet_service"] != "No",
    })[list(TREATMENTS)]


def remaining(customers: pd.DataFrame, recent: pd.DataFrame) -> pd.DataFrame:
    """Expected months and margin left within 36 months, untreated: the hazard falls as the tenure grows.

    S(k) = product over the quarters up to month k of (1 - p(tenure then)); margin = bill x 0.5, paid at each month's
    end while the customer stays, discounted at 10 % a year.
    """
    constant = _from_services(customers) + _from_people(customers) + _from_events(customers, recent)
    quarters = [sigmoid(constant + _from_contract(customers, 3 * k)) for k in range(HORIZON_MONTHS // 3)]
    stays = (1 - np.repeat(quarters, 3, axis=0)) ** (MONTH_DAYS / WINDOW_DAYS)
    survival = stays.cumprod(axis=0)
    discount = (1 + ANNUAL_DISCOUNT) ** (-np.arange(1, HORIZON_MONTHS + 1) / 12)
    margin = MARGIN_RATE * customers["monthly_charges"].to_numpy()
    return pd.DataFrame({"expected_months": survival.sum(axis=0), "expected_ltv": margin * (discount @ survival)},
                        index=customers.index)


def offered(customers: pd.DataFrame, truth: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """A randomised campaign: 40 % kept as control, else one of the treatments that fit, and what became of them.

    Margin is half the bill for three months; whoever left paid half of that; a discount lowers it by a tenth of the
    bill.
    """
    chance = _propensities(customers)
    drawn = np.minimum((rng.random((len(customers), 1)) > chance.cumsum(axis=1)).sum(axis=1), len(TREATMENTS) - 1)
    treatment = np.array(TREATMENTS)[drawn]
    uplift = np.column_stack([np.zeros(len(customers)), truth[[f"uplift_{name}" for name in TREATMENTS[1:]]]])
    row = np.arange(len(customers))
    left = rng.random(len(customers)) < truth["churn_probability"].to_numpy() - uplift[row, drawn]
    bill = 3 * customers["monthly_charges"].to_numpy()
    share = MARGIN_RATE - DISCOUNT_OFFERED * (treatment == "loyalty_discount")
    return pd.DataFrame({
        "treatment": treatment, "propensity": chance[row, drawn].round(6), "churned": left.astype(int),
        "margin": (bill * share * np.where(left, 0.5, 1.0)).round(2),
    }, index=customers.index)


def _propensities(customers: pd.DataFrame) -> np.ndarray:
    fits = eligible(customers).to_numpy(dtype=float)
    rest = (1 - SHARE_KEPT_AS_CONTROL) / fits[:, 1:].sum(axis=1, keepdims=True)
    return np.column_stack([np.full(len(fits), SHARE_KEPT_AS_CONTROL), fits[:, 1:] * rest])


def sigmoid(values: np.ndarray | pd.Series) -> np.ndarray:
    """1 / (1 + exp(-x))."""
    return np.asarray(1 / (1 + np.exp(-np.asarray(values, dtype=float))))
