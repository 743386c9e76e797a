"""A customer among others: percentiles beside the segment's median, values out of the ordinary, the nearest others."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.insight.meaning import MEASURED, described, meanings
from engine.insight.source import Scope, columns, quoted
from engine.permissions import allow
from engine.schema import SCORES, Actor, Column
from engine.schema.stored import a_cursor, read_parquet, rows_of

AXES: Mapping[str, tuple[str, ...]] = {
    "telco": ("expected_ltv", "tenure_months", "monthly_charges", "services_count", "contract_months", "usage_gb_3m",
              "tickets_365d", "payment_failures_180d"),
    "orders": ("expected_ltv", "tenure_days", "orders_365d", "spend_365d", "order_value_mean", "recency_days",
               "sessions_90d", "return_share"),
    "kkbox": ("expected_ltv", "tenure_months", "price_per_month", "listen_days_30d", "minutes_30d", "renewals_365d",
              "late_mean_days", "listen_recency_days"),
    "subscriptions": ("expected_ltv", "tenure_months", "mrr", "uses_30d", "active_days_30d", "features_used_90d",
                      "tickets_90d", "use_recency_days"),
    "shop_snapshot": ("expected_ltv", "recency_days", "frequency", "monetary", "avg_order_value", "session_count",
                      "cart_abandon_rate", "returns"),
}
MOST_AXES, FEWEST_AXES = 8, 3
RARE = (0.01, 0.99)
FAR, DIFFERENT = 3.0, 2.0
MOST_COMPARED = 200_000
BECAME = ("segment", "churn_probability", "expected_ltv", "has_left")
BESIDE = ["axis", "value", "median", "percentile", "median_percentile"]


@dataclass(frozen=True)
class Unusual:
    """A value that fewer than one customer in a hundred exceeds, or undercuts."""

    title: str
    value: str
    high: bool

    @property
    def words(self) -> str:
        """The value and how rare it is."""
        return f"{self.title} {self.value}: {'higher' if self.high else 'lower'} than 99 % of customers"


@dataclass(frozen=True)
class _Others:
    """The customers that one is compared with: all of a run, or a fixed part of a long one.

    rows: their figures and features, indexed by customer_id, numbers to seven digits. usual: per number its 1st and
    99th percentile and its standard deviation. columns: each feature's values. gaps: numbers that some lack.
    """

    rows: pd.DataFrame
    usual: Mapping[str, tuple[float, float, float]]
    columns: Mapping[str, Any]
    gaps: frozenset[str]

    @functools.cached_property
    def here(self) -> pd.DataFrame:
        """Those who are still there."""
        return self.rows[self.rows["has_left"].fillna(0) == 0]

    def add_squares(self, name: str, value: Any, weight: float, to: np.ndarray, room: np.ndarray) -> None:
        """Add each customer's weighted squared difference from this value; `room` is worked in."""
        theirs = self.columns[name]
        if pd.isna(value):
            to += np.where(pd.isna(theirs), 0.0, weight * DIFFERENT).astype(np.float32)
        elif name not in self.usual:
            to += np.where(theirs == value, 0.0, weight * DIFFERENT).astype(np.float32)
        else:
            np.subtract(theirs, np.float32(value), out=room)
            np.abs(room, out=room)
            np.multiply(room, np.float32(1 / (self.usual[name][2] or np.inf)), out=room)
            np.minimum(room, np.float32(FAR), out=room)
            np.multiply(room, room, out=room)
            if name in self.gaps:
                room[np.isnan(room)] = DIFFERENT
            np.multiply(room, np.float32(weight), out=room)
            to += room


def radar(scope: Scope, customer_id: str, *, actor: Actor) -> pd.DataFrame:
    """The customer beside the median of her segment, each as a percentile within all customers who are still there.

    Columns: axis, value and median in words, percentile and median_percentile [0..100]: the share of customers with
    less, half of those with as much counted in. Axes on which the customer's value is unknown are left out; empty
    where fewer than three remain, or the run does not know the customer. Above 200,000 customers a fixed part of them
    is compared.
    """
    allow(actor, "customers")
    own, others = _own(scope, customer_id), _others(scope)
    known = [axis for axis in _axes(scope) if pd.notna(own.get(axis.name))]
    if len(known) < FEWEST_AXES:
        return pd.DataFrame(columns=BESIDE)
    alike = others.here[others.here["segment"] == own["segment"]]
    return pd.DataFrame([_axis(axis, own[axis.name], float(alike[axis.name].median()), others.here[axis.name])
                         for axis in known], columns=BESIDE)


def _axis(axis: Column, value: float, median: float, everybody: pd.Series) -> dict[str, Any]:
    return {"axis": axis.title, "value": axis.in_words(value), "median": axis.in_words(median),
            "percentile": percentile(everybody, value), "median_percentile": percentile(everybody, median)}


def percentile(values: pd.Series, value: float) -> float:
    """The share of the known values that are less, half of those as great counted in [0..100].

    >>> percentile(pd.Series([1.0, 2.0, 2.0, 5.0]), 2.0)
    50.0
    """
    known, at = values.dropna().to_numpy(), values.dtype.type(value)
    return float(100 * (np.mean(known < at) + np.mean(known == at) / 2)) if len(known) else float("nan")


def _axes(scope: Scope) -> list[Column]:
    """The sector's axes that this run has; of a company without any, the first number of each family."""
    meaning, held = meanings(scope), {*columns(scope), *SCORES.names}
    named = [meaning[name] for name in AXES.get(scope.dataset.adapter, ()) if name in held and name in meaning]
    if named:
        return named
    plain = {column.family or column.name: column for column in reversed(described(scope)) if column.kind in MEASURED}
    return [meaning["expected_ltv"], *list(plain.values())[::-1]][:MOST_AXES]


def unusual(scope: Scope, customer_id: str, features: Sequence[str], *, actor: Actor) -> list[Unusual]:
    """The customer's numbers among `features` outside the 1st and 99th percentile of the run; one of each family."""
    allow(actor, "customers")
    own, usual, meaning = _own(scope, customer_id), _others(scope).usual, meanings(scope)
    found: dict[str, Unusual] = {}
    for name in features:
        low, high, _ = usual.get(name, (-np.inf, np.inf, 0.0))
        value = own.get(name) if name in usual else None
        if value is not None and pd.notna(value) and not low <= np.float32(value) <= high:
            column = meaning[name]
            found.setdefault(column.family or name, Unusual(column.title, column.in_words(value), bool(value > high)))
    return list(found.values())


def similar(scope: Scope, customer_id: str, features: Sequence[str], limit: int = 8, *, actor: Actor) -> pd.DataFrame:
    """The nearest other customers by what the churn model uses, and what became of them.

    The distance is the root of the mean over families of squared differences: numbers in standard deviations, held
    within 3; where categories differ, or one of the two lacks the value, 2, which is what two customers drawn at random
    differ by in a number. Columns: customer_id, distance and BECAME [currency]; empty for a customer whom the run does
    not know. Above 200,000 customers a fixed part of them is compared.
    """
    allow(actor, "customers")
    own, others, meaning = _own(scope, customer_id), _others(scope), meanings(scope)
    names = [name for name in features if name in own and name in meaning]
    if not names:
        return pd.DataFrame(columns=["customer_id", "distance", *BECAME])
    families = [meaning[name].family or name for name in names]
    weights = [1 / (families.count(family) * len(set(families))) for family in families]
    squares, room = np.zeros((2, len(others.rows)), np.float32)
    for name, weight in zip(names, weights, strict=True):
        others.add_squares(name, own[name], weight, squares, room)
    distance = pd.Series(np.sqrt(squares), index=others.rows.index, name="distance").drop(customer_id, errors="ignore")
    return distance.nsmallest(limit).to_frame().join(others.rows[list(BECAME)]).reset_index()


def _own(scope: Scope, customer_id: str) -> dict[str, Any]:
    """The customer's figures and features in this run; empty when the run does not know her."""
    tables = (rows_of(scope.run.folder / f"{name}.parquet", [customer_id]) for name in ("features", "scores"))
    return {str(name): value for table in tables for row in table.to_dict("records") for name, value in row.items()}


def _written(run: Path) -> int:
    """When the run's features were written: a run changes only where a customer is erased from it."""
    return (run / "features.parquet").stat().st_mtime_ns


def _others(scope: Scope) -> _Others:
    meaning, held = meanings(scope), columns(scope)
    numbers = tuple(name for name in held if name in meaning and meaning[name].kind != "category")
    categories = tuple(name for name in held if name in meaning and meaning[name].kind == "category")
    part = -(-scope.run.customers // MOST_COMPARED)
    return _read(scope.run.folder, numbers, categories, part, _written(scope.run.folder))


@functools.lru_cache(maxsize=2)
def _read(run: Path, numbers: tuple[str, ...], categories: tuple[str, ...], part: int, _written: int) -> _Others:
    """One in `part` customers of a run, read once."""
    wanted = [*(f"f.{quoted(name)}::FLOAT AS {quoted(name)}" for name in numbers),
              *(f"f.{quoted(name)}" for name in categories),
              *(f"s.{quoted(name)}" for name in BECAME if name not in {*numbers, *categories})]
    drawn = "true" if part <= 1 else f"hash(customer_id) % {part} = 0"
    with a_cursor() as cursor:
        frame = cursor.execute(
            f"SELECT customer_id, {', '.join(wanted)} FROM {read_parquet(run / 'features.parquet')} f "
            f"JOIN {read_parquet(run / 'scores.parquet')} s USING (customer_id) WHERE {drawn} "
            "ORDER BY customer_id").df()
    rows = frame.set_index("customer_id").astype(dict.fromkeys((*categories, "segment"), "category"))
    ends = rows[list(numbers)].quantile(list(RARE), interpolation="nearest")
    usual = {name: (float(ends[name].iloc[0]), float(ends[name].iloc[1]), float(rows[name].std(ddof=0)))
             for name in numbers if rows[name].notna().any()}
    gaps = frozenset(name for name in numbers if rows[name].isna().any())
    return _Others(rows, usual, {name: rows[name].array if name in categories else rows[name].to_numpy()
                                 for name in (*numbers, *categories)}, gaps)
