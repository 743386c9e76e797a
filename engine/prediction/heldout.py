"""What a model said of customers it had not seen, kept beside it, so that another model can be held against it.

No customer is named: a row is a position in the snapshot, and a fingerprint says which customers, moments and answers
these were. Two models can be held against each other row by row where the fingerprints are the same.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from engine.schema import Snapshot

MOST_ROWS = 200_000
TYPES = {"position": "int32", "repeat": "int16", "fold": "int16", "trained_on": "int32", "owner": "int32", "y": "int8",
         "probability": "float64", "flagged": "bool"}


@dataclass(frozen=True)
class HeldOut:
    """Out-of-fold rows of one model.

    rows: position, repeat, fold, trained_on [rows], owner (whose row, counted from 0), y, probability, flagged.
    case: the fingerprint of customers, moments and answers. folds: the fingerprint of how they were cut.
    """

    rows: pd.DataFrame
    case: str
    folds: str

    @property
    def groups(self) -> np.ndarray:
        """Whose row each position is."""
        whose = np.zeros(int(self.rows["position"].max()) + 1, dtype=np.int64)
        whose[self.rows["position"]] = self.rows["owner"]
        return whose

    def told(self) -> dict[str, str]:
        """The fingerprints, for the model's card."""
        return {"case": self.case, "folds": self.folds}

    def comparable(self, other: HeldOut) -> bool:
        """Whether both judged the same customers at the same moments, with the same answers, in the same folds."""
        return (self.case, self.folds) == (other.case, other.folds)


def held_out(known: Snapshot, out_of_fold: pd.DataFrame) -> HeldOut:
    """The out-of-fold rows (index as the snapshot's) as they are kept: of many rows the first repeat, of very many
    those of customers drawn at random, the same for every model of this snapshot."""
    rows = out_of_fold.assign(position=known.X.index.get_indexer(out_of_fold.index), owner=_owners(out_of_fold))
    folds = _digest(rows[["position", "repeat", "fold", "trained_on"]].to_numpy(dtype=np.int64))
    return HeldOut(_few(rows.reset_index(drop=True))[list(TYPES)].astype(TYPES), case_of(known.y), folds)


def case_of(y: pd.Series) -> str:
    """The fingerprint of answers with their customers and moments: 16 hexadecimal digits.

    >>> one, other = pd.Series([0, 1], index=["a", "b"]), pd.Series([0, 1], index=["a", "c"])
    >>> case_of(one) == case_of(one.copy()) != case_of(other)
    True
    """
    return _digest(pd.util.hash_pandas_object(y.astype("int64")).to_numpy())


def _digest(numbers: np.ndarray) -> str:
    return hashlib.sha256(np.ascontiguousarray(numbers).tobytes()).hexdigest()[:16]


def _owners(rows: pd.DataFrame) -> np.ndarray:
    return np.asarray(rows.index.get_level_values("customer_id").factorize(sort=True)[0])


def _few(rows: pd.DataFrame) -> pd.DataFrame:
    """All rows, or the first repeat, or of that the rows of so many customers as stay below the limit."""
    if len(rows) <= MOST_ROWS:
        return rows
    first = rows[rows["repeat"] == 0]
    if len(first) <= MOST_ROWS:
        return first
    customers = int(first["owner"].max()) + 1
    drawn = np.random.default_rng(0).permutation(customers)[: int(customers * MOST_ROWS / len(first))]
    return first[first["owner"].isin(drawn)]


def unpacked(rows: pd.DataFrame | None, told: Any) -> HeldOut | None:
    """The stored rows with the fingerprints of the card; None where an earlier Holdfast kept none."""
    if rows is None or not told:
        return None
    return HeldOut(rows.astype(TYPES), str(told["case"]), str(told["folds"]))
