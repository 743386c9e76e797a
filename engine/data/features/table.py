"""Mapped tables: the customers' columns as they are, without ids, contact fields, free text, dates and the label."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd

from engine.schema import CONTACT, CUSTOMER_ID, Column, Dataset
from engine.schema.columns import NUMERIC

NEVER = {CUSTOMER_ID.name, *(column.name for column in CONTACT)}


def table_columns(dataset: Dataset) -> tuple[Column, ...]:
    """The customers columns that may be features: numbers, counts, flags and categories."""
    answer = dataset.label.column if dataset.label.kind == "column" else ""
    return tuple(
        column
        for column in dataset.columns
        if column.kind in {*NUMERIC, "category"} and column.name not in NEVER | {answer}
    )


def table_features(customers: pd.DataFrame, columns: Iterable[Column]) -> pd.DataFrame:
    """Those columns, numbers as float64 and categories as pandas categories, missing as NaN.

    >>> table_features(pd.DataFrame({"plan": ["a", None], "seats": [3, 4]}),
    ...                [Column("seats", "count", "", ""), Column("plan", "category", "", "")])
       seats plan
    0    3.0    a
    1    4.0  NaN
    """
    return pd.DataFrame(
        {column.name: _typed(customers[column.name], column) for column in columns}, index=customers.index
    )


def _typed(values: pd.Series, column: Column) -> pd.Series:
    """Categories in order of the alphabet, so that the same table gives the same codes."""
    if column.kind in NUMERIC:
        return pd.to_numeric(values).astype("float64")
    text = values.astype("object").map(str, na_action="ignore")
    return text.astype(pd.CategoricalDtype(sorted(text.dropna().unique())))
