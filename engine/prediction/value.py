"""From a dataset to what the value models need: present margin, tenure, purchases, and a past period to learn from.

A contract's (or a snapshot's) money is a present rate; a shop's money is read from its orders, and the value model of
orders learns from moments in the past whose following period has been observed.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from engine.data.corrections import IMPUTED, OPTION
from engine.data.features import feature_columns, features
from engine.prediction.churn import ChurnModel
from engine.prediction.ltv import REGRESSORS, RHYTHMIC, LtvInputs, LtvModel, train_ltv
from engine.prediction.ltv_metrics import deciles, density, estimates
from engine.prediction.money import DAYS_PER_MONTH, LtvSettings
from engine.prediction.purchases import PURCHASES, first_day, history, some_past, stacked
from engine.prediction.value_level import levelled
from engine.schema import LTV_TIERS, Dataset, Estimate, Finding, Snapshot
from engine.schema.stored import rows_of

SUITS = {"snapshot": "survival", "orders": "two_part_tweedie", "events": "survival"}
TENURE = "tenure_months"
MOST_CUSTOMERS = 60_000
NEARLY_ALL, NEARLY_NOTHING = 0.9, 0.01  # of the customers; of the mean

Trained = tuple[LtvModel, dict[str, Estimate], dict[str, Any]]


def value_inputs(dataset: Dataset, X: pd.DataFrame, p: np.ndarray, as_of: datetime, money: LtvSettings) -> LtvInputs:
    """What the value models need of the customers in X (index customer_id) as of the moment."""
    chance = pd.Series(p, index=X.index)
    window = dataset.label.horizon_days
    if dataset.kind == "orders":
        past = history(orders_of(dataset, X.index), as_of).reindex(X.index)
        per_month = past["spent"] / past["T_days"].clip(lower=DAYS_PER_MONTH) * DAYS_PER_MONTH
        return LtvInputs(past, chance, window, per_month * money.margin_rate, past[PURCHASES])
    margin = (_margin_of(dataset, money, X[dataset.money.column]) if dataset.kind == "events" else
              monthly_margin(dataset, money, X.index))
    return LtvInputs(X, chance, window, margin, tenure_months=X.get(TENURE))


def monthly_margin(dataset: Dataset, money: LtvSettings, customers: pd.Index) -> pd.Series:
    """These customers' present margin [currency per month] by the dataset's money rule; all customers' median where
    unknown. Without any money a month as a customer counts as 1, whatever the margin's rate."""
    rule = dataset.money
    if not rule.column:
        return pd.Series(1.0, index=customers)
    revenue = dataset.frame(customers, [rule.column])[rule.column].astype(float).reindex(customers)
    if revenue.isna().any():
        revenue = revenue.fillna(dataset.frame(columns=[rule.column])[rule.column].astype(float).median())
    return _margin_of(dataset, money, revenue)


def _margin_of(dataset: Dataset, money: LtvSettings, revenue: pd.Series) -> pd.Series:
    """Margin [currency per month] of revenue as the dataset's money rule counts it; nothing where none is known."""
    months = 1.0 if dataset.money.per == "month" else dataset.money.period_days / DAYS_PER_MONTH
    return revenue.fillna(0.0).clip(lower=0) / months * money.margin_rate


def monthly_revenue(dataset: Dataset, customers: pd.Index, as_of: datetime) -> pd.Series:
    """These customers' present revenue [currency per month], as the value models count it."""
    if dataset.kind == "orders":
        past = history(orders_of(dataset, customers), as_of).reindex(customers)
        return (past["spent"] / past["T_days"].clip(lower=DAYS_PER_MONTH) * DAYS_PER_MONTH).fillna(0.0)
    if dataset.kind == "events":
        told = features(dataset, as_of, customers.tolist())[dataset.money.column].reindex(customers)
        return _margin_of(dataset, LtvSettings(margin_rate=1.0), told)
    return monthly_margin(dataset, LtvSettings(margin_rate=1.0), customers)


def orders_of(dataset: Dataset, only: pd.Index | None = None) -> pd.DataFrame:
    """Recorded order lines, none imputed: customer_id, at, amount [currency], quantity [pieces]; of `only` some
    customers if given."""
    assert dataset.events is not None, "an orders dataset has events"
    wanted = ["customer_id", "at", "amount", "quantity"]
    asked = ["event_id", *wanted] if OPTION in dataset.options else wanted
    if only is None:
        found = pd.read_parquet(dataset.events, columns=asked, filters=[("kind", "==", "order")])
    else:
        found = rows_of(dataset.events, only, asked, kind="order")
    return found[~found["event_id"].str.startswith(IMPUTED)][wanted] if "event_id" in asked else found


def train_value(dataset: Dataset, last: Snapshot, out_of_fold: pd.DataFrame, who: ChurnModel, algorithm: str,
                money: LtvSettings, seed: int) -> Trained:
    """The value model, its metrics on customers or periods it has not seen, and what a screen can draw.

    last: the customers as of the last labelled moment. out_of_fold: their held-out probabilities, one row per repeat.
    """
    if dataset.kind == "orders":
        return _from_the_past(dataset, algorithm, money, seed)
    as_of, X, y = last.windows[-1].as_of, last.X.droplevel("as_of"), last.y.droplevel("as_of")
    inputs = value_inputs(dataset, X, who.probability(X), as_of, money)
    if dataset.label.kind == "column" and TENURE in X:
        inputs = replace(inputs, tenure_months=X[TENURE], left=y)
    model, metrics, detail = train_ltv(inputs, None, algorithm, seed=seed, settings=money,
                                       columns=_not_money(dataset, X))
    held_out = out_of_fold["probability"].groupby(level="customer_id").mean().reindex(X.index)
    judged, drawn = _over_the_window(model, replace(inputs, churn_probability=held_out), y, seed)
    return model, {**judged, **metrics}, {**drawn, **detail}


def of_few(dataset: Dataset, ltv: np.ndarray, tiers: tuple[float, float]) -> tuple[Finding, ...]:
    """A finding where the money column speaks of few customers: nearly all are worth nothing, or too many the same.

    ltv: of the customers who are there [currency]; tiers: where the cuts between Low, Mid and High lie.
    """
    name = dataset.money.column
    if dataset.kind != "snapshot" or not name or not len(ltv):
        return ()
    nothing = float((ltv <= NEARLY_NOTHING * max(ltv.mean(), 0.0)).mean())
    empty = [tier for tier, some in zip(LTV_TIERS, (ltv <= tiers[0], (ltv > tiers[0]) & (ltv <= tiers[1]),
                                                    ltv > tiers[1]), strict=True) if not some.any()]
    if nothing <= NEARLY_ALL and not empty:
        return ()
    what = (f"{100 * nothing:.0f} % of customers are worth (nearly) nothing by {name}" if nothing > NEARLY_ALL else
            f"Too many customers are worth the same by {name}")
    nobody = f"; nobody is in {' or '.join(empty)}, whose segments are empty" if empty else ""
    fix = ("Name another column with what a customer pays, or none: value is then counted in months as a customer.")
    return (Finding("severe" if nothing > NEARLY_ALL else "warning", "money",
                    f"{what}: it says too little of most of them to tell them apart{nobody}.", fix, len(ltv)),)


def _over_the_window(model: LtvModel, inputs: LtvInputs, left: pd.Series,
                     seed: int) -> tuple[dict[str, Estimate], dict[str, Any]]:
    """What is delivered, judged where it can be: margin within the label window, by held-out churn probabilities.

    What really came is the present margin for the whole window from those who stayed, and for half of it from those
    who left, for a file does not say on which day they did.
    """
    months = inputs.label_window_days / DAYS_PER_MONTH
    came = inputs.monthly_margin.to_numpy(float) * months * (1 - left.to_numpy(float) / 2)
    expected = model.split(inputs, inputs.label_window_days, 0.0).expected(inputs.p)
    method = "margin within the label window, churn held out, leavers count half of it"
    drawn = {"window_deciles": deciles(came, expected).to_dict("list"), "window_density": density(came, expected)}
    return estimates(came, expected, method, np.random.default_rng(seed)), drawn


def _not_money(dataset: Dataset, X: pd.DataFrame) -> tuple[str, ...]:
    """The features that are neither money nor a ratio of it: a regression of money must not be told the money."""
    money = {column.name for column in feature_columns(dataset) if column.unit.startswith("currency")}
    return tuple(str(name) for name in X if name not in money | {dataset.money.column})


def _from_the_past(dataset: Dataset, algorithm: str, money: LtvSettings, seed: int) -> Trained:
    """A value model of orders, learned one period earlier: features as of past moments, spend of the period after; a
    regression at the level that trials at earlier moments bear out."""
    orders, told = _some_orders(dataset, seed)
    as_of, window = dataset.observed_until, dataset.label.horizon_days
    moments = some_past(first_day(orders), as_of)
    X, spend = stacked(orders, moments if algorithm != "bgnbd" else moments[:1])
    no_order = pd.Series(0.0, index=X.index)
    margin = spend * money.margin_rate
    inputs = LtvInputs(X, no_order, window, margin, X[PURCHASES])
    model, metrics, detail = train_ltv(inputs, margin, algorithm, seed=seed, settings=money, period_days=moments[0][1])
    if algorithm in RHYTHMIC & REGRESSORS.keys():
        model, missed, level = levelled(model, orders, as_of, window, seed)
        metrics, detail = {**metrics, **missed}, {**detail, **level}
    return model, {name: replace(one, method=one.method + told) for name, one in metrics.items()}, detail


def _some_orders(dataset: Dataset, seed: int) -> tuple[pd.DataFrame, str]:
    """The orders to learn value from, and what of them a metric must tell: all, or those of customers drawn at random
    where each customer's sixteen moments would be more rows than one machine should hold."""
    everybody = np.sort(dataset.frame(columns=[]).index.to_numpy(dtype=object))
    if len(everybody) <= MOST_CUSTOMERS:
        return orders_of(dataset), ""
    drawn = np.random.default_rng(seed).choice(everybody, MOST_CUSTOMERS, replace=False)
    return orders_of(dataset, pd.Index(drawn)), f"; on a sample of {MOST_CUSTOMERS:,} of {len(everybody):,} customers"
