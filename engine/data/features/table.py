"""Mapped tables: the customers' columns as they are, dates as days; no ids, contact fields, free text nor label."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

import pandas as pd

from engine.data.features.derived import derived
from engine.schema import CONTACT, CUSTOMER_ID, Column, Dataset
from engine.schema.columns import A_DAY, NUMERIC

NEVER_KNOWN = datetime(1970, 1, 1)
NEVER = {CUSTOMER_ID.name, *(column.name for column in CONTACT)}


def table_columns(dataset: Dataset) -> tuple[Column, ...]:
    """The customers columns that may be features: numbers, counts, flags, categories, dates as days before, and what is
    made of several of them."""
    return (*_own_columns(dataset), *(made.column for made in derived(dataset)))


def of_the_customers(dataset: Dataset, customers: pd.DataFrame) -> pd.DataFrame:
    """The features of customers rows, in the order of `table_columns`."""
    frame = table_features(customers, _own_columns(dataset), dataset.observed_until)
    return frame.assign(**{made.column.name: made.of(frame) for made in derived(dataset)})


def _own_columns(dataset: Dataset) -> tuple[Column, ...]:
    answer = dataset.label.column if dataset.label.kind == "column" else ""
    return tuple(
        _as_feature(column)
        for column in dataset.columns
        if column.kind in {*NUMERIC, "category", "date"} and column.name not in NEVER | {answer}
    )


def _as_feature(column: Column) -> Column:
    if column.kind != "date":
        return column
    meaning = f"{A_DAY} from {column.title} to the moment of the data; negative = still to come"
    return replace(column, kind="number", unit="days", meaning=meaning)


def table_features(customers: pd.DataFrame, columns: Iterable[Column], until: datetime = NEVER_KNOWN) -> pd.DataFrame:
    """Those columns, numbers as float64, dates as days before `until`, categories as such, missing as NaN.

    >>> joined = pd.to_datetime(["2024-01-30"] * 2)
    >>> table_features(pd.DataFrame({"plan": ["a", None], "seats": [3, 4], "since": joined}),
    ...                [Column("seats", "count", "", ""), Column("plan", "category", "", ""),
    ...                 Column("since", "number", "days", "")], datetime(2024, 1, 31, 12))
       seats plan  since
    0    3.0    a    1.5
    1    4.0  NaN    1.5
    """
    return pd.DataFrame(
        {column.name: _typed(customers[column.name], column, until) for column in columns}, index=customers.index
    )


def _typed(values: pd.Series, column: Column, until: datetime) -> pd.Series:
    """Categories in order of the alphabet, so that the same table gives the same codes."""
    if column.kind in NUMERIC and pd.api.types.is_datetime64_any_dtype(values):
        return (pd.Timestamp(until) - values).dt.total_seconds() / 86_400
    if column.kind in NUMERIC:
        return pd.to_numeric(values).astype("float64")
    text = values.astype("object").map(str, na_action="ignore")
    return text.astype(pd.CategoricalDtype(sorted(text.dropna().unique())))
