"""A telecom's features: its customers' columns, what they imply, and what their events say before as_of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import lru_cache, reduce
from operator import add
from pathlib import Path

import ibis
import ibis.expr.types as ir
import numpy as np
import pandas as pd

from engine.data.features.happened import EVENT_TYPES, happened
from engine.schema.telecom import DERIVED, FROM_EVENTS, RAW

PROTECTION = ("online_security", "online_backup", "device_protection", "tech_support")
STREAMING = ("streaming_tv", "streaming_movies")
CONTRACT_MONTHS = {"Month-to-month": 1.0, "One year": 12.0, "Two year": 24.0}
NEW_MONTHS = 6
COUNTED = [column.name for column in FROM_EVENTS if column.kind == "count"]


def telecom_features(customers: pd.DataFrame, events: Path | None, as_of: datetime,
                     only: Sequence[str] | None = None) -> pd.DataFrame:
    """The telecom features of each customer (index customer_id), using only events with `at < as_of`.

    Columns are `schema.telecom.TELECOM_FEATURES`; without events, `TELECOM_STATIC`. `only`: the customers' ids where
    they are some of many, so that the events of all others need not be read.
    """
    static = pd.concat([_raw(customers), _derived(customers)], axis=1)
    if events is None:
        return static
    from_events = event_features(events, as_of, only).reindex(static.index)
    from_events[COUNTED] = from_events[COUNTED].fillna(0.0)
    return pd.concat([static, from_events], axis=1)


def _raw(customers: pd.DataFrame) -> pd.DataFrame:
    """The customers' own columns: categories as categories, everything else as numbers."""
    return pd.DataFrame({column.name: _typed(customers[column.name], column.kind) for column in RAW})


def _typed(values: pd.Series, kind: str) -> pd.Series:
    if kind == "category":
        return values.astype(object).astype("category")
    return values.astype(float)


def _derived(customers: pd.DataFrame) -> pd.DataFrame:
    """What the columns imply; a missing input or a zero divisor gives a missing value, never a guess."""
    bill = customers["monthly_charges"].astype(float)
    tenure = customers["tenure_months"].astype(float)
    average = ratio(customers["total_charges"].astype(float), tenure)
    parts = [_charges(bill, average, tenure), _services(customers, bill), _commitment(customers, tenure),
             _household(customers, tenure)]
    return pd.concat(parts, axis=1)[[column.name for column in DERIVED]]


def _charges(bill: pd.Series, average: pd.Series, tenure: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({
        "average_monthly_charge": average,
        "charge_change": bill - average,
        "charge_change_share": ratio(bill - average, average),
        "monthly_charge_per_tenure": bill / (tenure + 1.0),
    })


def _services(customers: pd.DataFrame, bill: pd.Series) -> pd.DataFrame:
    internet = 1.0 - equals(customers["internet_service"], "No")
    phone = equals(customers["phone_service"], "Yes")
    fiber = equals(customers["internet_service"], "Fiber optic")
    protection, streaming = _held(customers, PROTECTION), _held(customers, STREAMING)
    count = phone + equals(customers["multiple_lines"], "Yes") + internet + protection + streaming
    unsupported = (1.0 - equals(customers["tech_support"], "Yes")) * (1.0 - equals(customers["online_security"], "Yes"))
    return pd.DataFrame({
        "services_count": count,
        "protection_services": protection,
        "streaming_services": streaming,
        "price_per_service": ratio(bill, count),
        "has_fiber": fiber,
        "unprotected_internet": internet * (protection == 0),
        "unsupported_fiber": fiber * unsupported,
        "internet_only": internet * (1.0 - phone),
    })


def _held(customers: pd.DataFrame, services: tuple[str, ...]) -> pd.Series:
    """How many of these services the customer holds."""
    return reduce(add, (equals(customers[service], "Yes") for service in services))


def _commitment(customers: pd.DataFrame, tenure: pd.Series) -> pd.DataFrame:
    """Contract and payment. The contract is taken to have begun with the tenure and to be renewed at each end."""
    months = customers["contract"].astype(object).map(CONTRACT_MONTHS).astype(float)
    check = equals(customers["payment_method"], "Electronic check")
    method = customers["payment_method"].astype(object)
    automatic = method.str.contains("automatic").where(method.notna())
    return pd.DataFrame({
        "pays_by_electronic_check": check,
        "automatic_payment": automatic.astype(float),
        "contract_months": months,
        "contract_position": (tenure % months) / months,
        "months_to_renewal": months - tenure % months,
        "renewals": tenure // months,
        "uncommitted_payer": check * (months == 1.0),
    })


def _household(customers: pd.DataFrame, tenure: pd.Series) -> pd.DataFrame:
    partner, dependents = customers["partner"].astype(float), customers["dependents"].astype(float)
    return pd.DataFrame({
        "household_size": 1.0 + partner + dependents,
        "senior_alone": customers["senior_citizen"].astype(float) * (1.0 - partner) * (1.0 - dependents),
        "new_customer": (tenure <= NEW_MONTHS).astype(float),
    })


def equals(values: pd.Series, answer: str) -> pd.Series:
    """1.0 where the value is this answer, 0.0 where it is another, missing where it is missing.

    >>> equals(pd.Series(["Yes", "No", None]), "Yes").tolist()
    [1.0, 0.0, nan]
    """
    text = values.astype(object)
    return (text == answer).astype(float).where(text.notna())


def ratio(top: pd.Series, bottom: pd.Series) -> pd.Series:
    """top / bottom; missing where bottom is 0.

    >>> ratio(pd.Series([6.0, 1.0]), pd.Series([3.0, 0.0])).tolist()
    [2.0, nan]
    """
    return top / bottom.where(bottom != 0, np.nan)


def event_features(events: Path, as_of: datetime, only: Sequence[str] | None = None) -> pd.DataFrame:
    """Use, payments and tickets per customer from the events before as_of; index customer_id.

    One thread, so that sums come out the same to the last bit each time.
    """
    with happened(events, only, threads=1) as connection:
        frame = connection.execute(_query(as_of)).df()
    return frame.set_index("customer_id").sort_index()[[column.name for column in FROM_EVENTS]].astype(float)


@lru_cache(maxsize=32)
def _query(as_of: datetime) -> str:
    """The aggregates as DuckDB's SQL over the table `events`; making it takes longer than one customer's answer."""
    table = ibis.table(EVENT_TYPES, name="events")
    return str(ibis.to_sql(_aggregated(table.filter(table["at"] < as_of), as_of), "duckdb"))


def _aggregated(table: ir.Table, as_of: datetime) -> ir.Table:
    return table.group_by("customer_id").aggregate(
        **_usage(table, as_of), **_payments(table, as_of), **_tickets(table, as_of))


def _within(table: ir.Table, kind: str, as_of: datetime, days: int, ended_days: int = 0) -> ir.BooleanValue:
    """Events of the kind in the `days` that ended `ended_days` before as_of."""
    last = as_of - timedelta(days=ended_days)
    return (table.kind == kind) & (table.at >= last - timedelta(days=days)) & (table.at < last)


def _usage(table: ir.Table, as_of: datetime) -> dict[str, ir.Value]:
    def mean(days: int, ended_days: int = 0) -> ir.NumericValue:
        return table.quantity.mean(where=_within(table, "usage", as_of, days, ended_days))

    def change(days: int, before: int) -> ir.NumericValue:
        return mean(days) / mean(before, days).nullif(0) - 1

    half, year = _within(table, "usage", as_of, 184), _within(table, "usage", as_of, 366)
    month = (table.at.truncate("D").epoch_seconds().cast("float64")) / (86400 * 30.4375)
    slope = month.cov(table.quantity, where=half, how="pop") / month.var(where=half, how="pop").nullif(0)
    return {
        "usage_gb_1m": mean(31), "usage_gb_3m": mean(92), "usage_gb_6m": mean(184),
        "usage_change_1m": change(31, 92), "usage_change_3m": change(92, 92), "usage_change_6m": change(184, 184),
        "usage_slope_6m": slope,
        "usage_variation_12m": table.quantity.std(where=year) / table.quantity.mean(where=year).nullif(0),
    }


def _payments(table: ir.Table, as_of: datetime) -> dict[str, ir.Value]:
    def count(kind: str, days: int) -> ir.NumericValue:
        return table.count(where=_within(table, kind, as_of, days))

    made, failed = count("payment", 365), count("payment_failure", 365)
    return {
        "payments_365d": made,
        "payment_failures_90d": count("payment_failure", 90),
        "payment_failures_180d": count("payment_failure", 180),
        "payment_failure_share_365d": failed / (failed + made).nullif(0),
        "days_since_payment_failure": _days_since(table, "payment_failure", as_of),
    }


def _tickets(table: ir.Table, as_of: datetime) -> dict[str, ir.Value]:
    quarter, year = _within(table, "ticket", as_of, 90), _within(table, "ticket", as_of, 365)
    return {
        "tickets_90d": table.count(where=quarter),
        "tickets_365d": table.count(where=year),
        "ticket_sentiment_90d": table.quantity.mean(where=quarter),
        "ticket_sentiment_365d": table.quantity.mean(where=year),
        "worst_sentiment_365d": table.quantity.min(where=year),
        "days_since_ticket": _days_since(table, "ticket", as_of),
    }


def _days_since(table: ir.Table, kind: str, as_of: datetime) -> ir.NumericValue:
    """Whole seconds since the last event of the kind, in days."""
    last = table["at"].max(where=table.kind == kind).truncate("s").epoch_seconds().cast("int64")
    return (int((as_of - datetime(1970, 1, 1)).total_seconds()) - last).cast("float64") / 86400
