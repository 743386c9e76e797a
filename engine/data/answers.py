"""Answers, frozen: who left within which window, computed once with a version of the data and never anew.

The file stands beside the tables; its sha256 is in the dataset's record and is checked before a line of it is used. A
snapshot's answers stand in its customers table and need none.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import pandas as pd

from engine.data.features.layer import INDEX
from engine.data.readers import digest
from engine.errors import EngineError
from engine.files import write_frame
from engine.schema import Dataset, Window

NAME = "answers.parquet"


def freeze(dataset: Dataset, answers: pd.DataFrame, windows: Sequence[Window], folder: Path) -> Dataset:
    """Write the answers into the folder and return the dataset that knows them and their sha256.

    answers: index (as_of, customer_id); churned (0 or 1) and how ("" for who stayed or where the data do not tell).
    """
    spans = pd.DataFrame({"as_of": [pd.Timestamp(window.as_of) for window in windows],
                          "horizon_days": [window.horizon_days for window in windows],
                          "lookback_days": [window.lookback_days for window in windows]})
    rows = answers.reset_index().merge(spans, on="as_of").sort_values(INDEX, ignore_index=True)
    write_frame(folder / NAME, rows)
    return replace(dataset, answers=folder / NAME, answers_sha256=digest(folder / NAME))


def frozen(dataset: Dataset, windows: Sequence[Window], only: Collection[str] | None = None) -> pd.DataFrame | None:
    """The frozen answers of these windows (churned, how; index as_of, customer_id); None where they were not asked.

    Raises:
        EngineError: when the file is not the one that was frozen.
    """
    if dataset.answers is None:
        return None
    every = checked(dataset)
    asked = pd.DataFrame({"as_of": [pd.Timestamp(window.as_of) for window in windows],
                          "horizon_days": [window.horizon_days for window in windows],
                          "lookback_days": [window.lookback_days for window in windows]})
    known = every[["as_of", "horizon_days", "lookback_days"]].drop_duplicates()
    if len(asked.merge(known)) < len(asked):
        return None
    rows = every[every["as_of"].isin(asked["as_of"])]
    rows = rows if only is None else rows[rows["customer_id"].isin(list(only))]
    return rows.set_index(INDEX)[["churned", "how"]]


def checked(dataset: Dataset) -> pd.DataFrame:
    """Every frozen answer, held against the record."""
    assert dataset.answers is not None, "the dataset has frozen answers"
    try:
        written = dataset.answers.stat()
    except FileNotFoundError as problem:
        raise EngineError(_changed(dataset, "are missing")) from problem
    found, rows = _read(dataset.answers, written.st_mtime_ns, written.st_size)
    if found != dataset.answers_sha256:
        raise EngineError(_changed(dataset, "are not those that were frozen"))
    return rows


def _changed(dataset: Dataset, what: str) -> str:
    return (f"The answers of {dataset.name} (who left, version {dataset.version}) {what}. Restore them from a backup, "
            "or read the files anew under another name.")


@functools.lru_cache(maxsize=8)
def _read(path: Path, _written: int, _size: int) -> tuple[str, pd.DataFrame]:
    return digest(path), pd.read_parquet(path).astype({"as_of": "datetime64[ns]"})
