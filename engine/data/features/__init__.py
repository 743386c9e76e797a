"""Features: what is known of each customer as of a moment, from nothing that happened at or after it.

A feature set is a record in FEATURE_SETS, keyed by the adapter's name. Snapshots hold one moment, the file's; orders
can be asked for any.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import pandas as pd

from engine.data.features import browsing, orders, streaming, subscriptions, table
from engine.data.features.backends import Query
from engine.errors import EngineError, choose
from engine.schema import Column, Dataset

Only = Sequence[str] | None


@dataclass(frozen=True)
class FeatureSet:
    """The columns of a dataset's features and how to compute them.

    compute(dataset, as_ofs, lookback_days, only) gives one row per (as_of, customer_id), sorted. rows(dataset,
    customers, only) computes them of customers rows as they are; None where features come from events alone.
    query(dataset, as_ofs, lookback_days) is what any backend may be asked; None where it takes more than events.
    """

    columns: Callable[[Dataset], tuple[Column, ...]]
    compute: Callable[[Dataset, Sequence[datetime], int, Only], pd.DataFrame]
    rows: Callable[[Dataset, pd.DataFrame, Only], pd.DataFrame] | None = None
    query: Callable[[Dataset, Sequence[datetime], int], Query] | None = None


def features(dataset: Dataset, as_of: datetime, only: Only = None, *, lookback_days: int = 365) -> pd.DataFrame:
    """Features as of one moment, index customer_id. `only` computes some customers alone, with the same values.

    Of orders: every customer with an order in the `lookback_days` before as_of.
    """
    return features_at(dataset, [as_of], only, lookback_days=lookback_days).droplevel("as_of")


def features_at(
    dataset: Dataset, as_ofs: Iterable[datetime], only: Only = None, *, lookback_days: int = 365
) -> pd.DataFrame:
    """Features as of several moments at once, index (as_of, customer_id) in that order."""
    moments = sorted(set(as_ofs))
    known = choose("feature set", dataset.adapter, FEATURE_SETS)
    return known.compute(dataset, moments, lookback_days, only)


def feature_columns(dataset: Dataset) -> tuple[Column, ...]:
    """The meaning of each feature, in the order of the frame's columns."""
    return choose("feature set", dataset.adapter, FEATURE_SETS).columns(dataset)


def asks_events_alone(dataset: Dataset) -> bool:
    """Whether `query` has an answer."""
    return choose("feature set", dataset.adapter, FEATURE_SETS).query is not None


def query(dataset: Dataset, as_ofs: Iterable[datetime], *, lookback_days: int = 365) -> Query:
    """What is asked of the dataset's events for the features as of the moments.

    Raises:
        EngineError: when its features are not of events alone.
    """
    known = choose("feature set", dataset.adapter, FEATURE_SETS)
    if known.query is None:
        raise EngineError(f"The features of {dataset.name} are not of events alone, so they are computed here: leave "
                          "--backend out.")
    return known.query(dataset, sorted(set(as_ofs)), lookback_days)


def features_then(dataset: Dataset, rows: pd.DataFrame) -> pd.DataFrame | None:
    """Features of rows that say themselves what was known, such as past offers; None where events alone would tell.

    What depends on events is taken as the rows have it, and is missing where they have it not.
    """
    known = choose("feature set", dataset.adapter, FEATURE_SETS)
    if known.rows is None:
        return None
    customers = rows.reindex(columns=list(dict.fromkeys([*rows, *dataset.names])))
    made = known.rows(replace(dataset, events=None), customers, None)
    names = [column.name for column in feature_columns(dataset)]
    told = {name: pd.to_numeric(rows[name]).astype(float) for name in names if name in rows and name not in made}
    return made.assign(**told).reindex(columns=names)


def _snapshot(frame: Callable[[Dataset, pd.DataFrame, Only], pd.DataFrame]) -> Callable[..., pd.DataFrame]:
    """A snapshot knows one moment: its features hold from `observed_until` on, and not before."""

    def compute(dataset: Dataset, as_ofs: Sequence[datetime], _lookback_days: int, only: Only) -> pd.DataFrame:
        early = [as_of for as_of in as_ofs if as_of < dataset.observed_until]
        if early:
            raise EngineError(
                f"{dataset.name} is a snapshot of {dataset.observed_until:%Y-%m-%d} and does not say what was known on "
                f"{early[0]:%Y-%m-%d}. Ask for {dataset.observed_until:%Y-%m-%d} or later."
            )
        rows = frame(dataset, dataset.frame(only).sort_index(), only)
        return pd.concat({pd.Timestamp(as_of): rows for as_of in as_ofs}, names=["as_of"])

    return compute


def _telecom_columns(dataset: Dataset) -> tuple[Column, ...]:
    from engine.schema.telecom import TELECOM_FEATURES, TELECOM_STATIC

    return TELECOM_STATIC if dataset.events is None else TELECOM_FEATURES


def _telecom(dataset: Dataset, customers: pd.DataFrame, only: Only) -> pd.DataFrame:
    from engine.data.features.telecom import telecom_features

    return telecom_features(customers, dataset.events, dataset.observed_until, only)


def _shop_columns(_dataset: Dataset) -> tuple[Column, ...]:
    from engine.schema.shop import SHOP_FEATURES

    return SHOP_FEATURES


def _shop(_dataset: Dataset, customers: pd.DataFrame, _only: Only) -> pd.DataFrame:
    from engine.data.features.shop import shop_features

    return shop_features(customers)


def _table(dataset: Dataset, customers: pd.DataFrame, _only: Only) -> pd.DataFrame:
    return table.of_the_customers(dataset, customers)


def _order_columns(dataset: Dataset) -> tuple[Column, ...]:
    assert dataset.events is not None, "an orders dataset has events"
    return orders.order_columns(dataset.events)


def _orders(dataset: Dataset, as_ofs: Sequence[datetime], lookback_days: int, only: Only) -> pd.DataFrame:
    assert dataset.events is not None, "an orders dataset has events"
    horizon = dataset.label.horizon_days
    return orders.order_features(dataset.events, as_ofs, horizon_days=horizon, lookback_days=lookback_days, only=only)


def _orders_query(dataset: Dataset, as_ofs: Sequence[datetime], lookback_days: int) -> Query:
    assert dataset.events is not None, "an orders dataset has events"
    return orders.query(dataset.events, as_ofs, horizon_days=dataset.label.horizon_days, lookback_days=lookback_days)


FEATURE_SETS: dict[str, FeatureSet] = {
    "telco": FeatureSet(_telecom_columns, _snapshot(_telecom), _telecom),
    "shop_snapshot": FeatureSet(_shop_columns, _snapshot(_shop), _shop),
    "kkbox": FeatureSet(streaming.streaming_columns, streaming.streaming_features),
    "shop_events": FeatureSet(browsing.shop_event_columns, browsing.shop_event_features),
    "subscriptions": FeatureSet(subscriptions.subscription_columns, subscriptions.subscription_features),
    "orders": FeatureSet(_order_columns, _orders, query=_orders_query),
    "table": FeatureSet(table.table_columns, _snapshot(_table), _table),
}
