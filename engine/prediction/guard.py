"""A guard against flattering folds: test rows that are copies, or synthetic children, of training rows.

Whoever oversamples before the split puts leavers' twins on both sides, and the score rises to .94 or more. Copies and
SMOTE's children (points on the line between two neighbours) are rare among honest customers and much rarer among
stayers: that contrast is the evidence.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from engine.schema import Finding

SUSPICIOUS_SHARE = 0.2
CONTRAST = 3.0
SAMPLE = 300
NEIGHBOURS = 8
ON_THE_LINE = 1e-5

Split = tuple[np.ndarray, np.ndarray]


def shared_rows(X: pd.DataFrame, y: np.ndarray, splits: Sequence[Split], seed: int) -> Iterator[Finding]:
    """A severe finding when leavers' (or stayers') rows come again in the other folds far more than the others' do."""
    train, test = splits[0]
    for what, share in (("copies", _copies), ("synthetic children", _children)):
        marked = share(X, y, train, test, np.random.default_rng(seed))
        by_class = [float(marked[y[test] == label].mean()) for label in (0, 1)]
        if max(by_class) > SUSPICIOUS_SHARE and max(by_class) > CONTRAST * min(by_class):
            who = "leavers" if by_class[1] > by_class[0] else "stayers"
            said = (f"{max(by_class):.0%} of the {who} among the test rows are {what} of training rows: "
                    "the data were resampled before the split, so every figure flatters.")
            yield Finding("severe", "rows", said, "Give the data as they were before resampling.", int(marked.sum()))
            return


def _copies(X: pd.DataFrame, y: np.ndarray, train: np.ndarray, test: np.ndarray,
            rng: np.random.Generator) -> np.ndarray:  # noqa: ARG001
    """1 for each test row that equals a training row of its class in every column."""
    keys = pd.util.hash_pandas_object(X.assign(_label=y), index=False).to_numpy()
    return np.isin(keys[test], keys[train]).astype(float)


def _children(X: pd.DataFrame, y: np.ndarray, train: np.ndarray, test: np.ndarray,
              rng: np.random.Generator) -> np.ndarray:
    """1 for each test row on the straight line between two training neighbours of its class, 0 if not, NaN unasked."""
    marked = np.full(len(test), np.nan)
    numbers = _continuous(X)
    if numbers.shape[1] < 3:
        return np.zeros(len(test))
    for label in (0, 1):
        asked = np.flatnonzero(y[test] == label)
        asked = rng.choice(asked, min(SAMPLE, len(asked)), replace=False)
        marked[asked] = _on_a_line(numbers[test[asked]], numbers[train[y[train] == label]])
    return np.where(np.isnan(marked), np.nanmean(marked[y[test] == 1]) * (y[test] == 1), marked)


def _continuous(X: pd.DataFrame) -> np.ndarray:
    """Columns of numbers with many values, in standard deviations; gaps at the mean."""
    names = [name for name in X if X[name].dtype != "category" and X[name].nunique() > max(20, 0.05 * len(X))]
    numbers = X[names].to_numpy(dtype=float)
    scaled = (numbers - np.nanmean(numbers, axis=0)) / np.nanstd(numbers, axis=0) if names else numbers
    return np.nan_to_num(scaled)


def _on_a_line(points: np.ndarray, parents: np.ndarray) -> np.ndarray:
    """Whether each point lies between two of its nearest parents, on the line that joins them."""
    from sklearn.neighbors import NearestNeighbors

    near = NearestNeighbors(n_neighbors=min(NEIGHBOURS, len(parents))).fit(parents).kneighbors(points)[1]
    first, second = np.triu_indices(near.shape[1], 1)
    a, b = parents[near][:, first], parents[near][:, second]
    to_a, to_b, across = (np.linalg.norm(gap, axis=2) for gap in (a - points[:, None], b - points[:, None], a - b))
    between = (to_a + to_b - across < ON_THE_LINE * across) & (np.minimum(to_a, to_b) > ON_THE_LINE)
    return between.any(axis=1).astype(float)
