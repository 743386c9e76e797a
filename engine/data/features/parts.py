"""Features of more customers than memory holds: some customers at a time, each part kept as soon as it is done.

A part is a run of consecutive customers in the order of their ids, which is the order of the stored tables: of a file
of events only the stretch that holds them is read. A part's values are those of all customers at once, bit for bit.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pandas as pd
import pyarrow as pa

from engine.data.features import features_at
from engine.errors import EngineError
from engine.parts import in_parts, tables
from engine.progress import Part
from engine.schema import Dataset
from engine.schema.stored import a_cursor, read_parquet

PART = 20_000


def customers_in_parts(dataset: Dataset, size: int = PART) -> list[pa.ChunkedArray]:
    """The ids of all customers in order, `size` at a time, as Arrow holds them."""
    if size < 1:
        raise EngineError(f"A part of {size} customers holds nobody. Take 1 or more at a time.")
    with a_cursor() as cursor:
        ids = cursor.sql(f"SELECT customer_id FROM {read_parquet(dataset.customers)} ORDER BY 1").to_arrow_table()[0]
    return [ids.slice(first, size) for first in range(0, len(ids), size)]


def features_in_parts(dataset: Dataset, as_ofs: Sequence[datetime], folder: Path, *, lookback_days: int = 365,
                      size: int = PART, part: Part | None = None) -> list[Path]:
    """Features of every customer as of the moments, as Parquet files in the folder; returns them in order.

    The columns are as_of, customer_id and the features. What is in the folder already is not computed again.

    Raises:
        EngineError: when the folder holds something else.
    """
    moments = sorted(set(as_ofs))
    asked = {"dataset": dataset.name, "version": dataset.version, "erased": list(dataset.erased), "size": size,
             "as_ofs": [moment.isoformat() for moment in moments], "lookback_days": lookback_days}

    def make(some: pa.ChunkedArray) -> dict[str, pd.DataFrame]:
        made = features_at(dataset, moments, some.to_pylist(), lookback_days=lookback_days)
        return {"features": made.reset_index()}

    in_parts(folder, asked, customers_in_parts(dataset, size), make, part)
    return tables(folder, "features")
