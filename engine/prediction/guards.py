"""Guards: rows of the test that the training has already seen, as copies or as children of its rows.

Oversampling before the split puts copies of a customer, or points between two customers (SMOTE), on both sides of it,
and every figure then measures memory. A figure is worth nothing until `shared_rows` has nothing to say.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from engine.schema import Finding, plural

TOLERATED_SHARE = 0.005
FEWEST = 3
TEST_ROWS = 600
TRAIN_ROWS = 20_000
NEIGHBOURS = 24
MOST_WORDS = 8
CLEAREST = 10
FIRST, SECOND = np.triu_indices(NEIGHBOURS, 1)
TINY = 1e-300
NEAR_MISS_SHARE = 5
EXACT = 1e-7
CHANCE_PER_ROW = 1e-3
SEED = 20_240_601


def shared_rows(X_train: pd.DataFrame, X_test: pd.DataFrame) -> list[Finding]:
    """Severe findings when test rows are training rows again, or lie between two of them, beyond what chance gives.

    Rows with few or coarse values repeat by themselves. Such a repetition has company: other rows that miss it by a
    column or a few. A copy of a customer has none. So a test row counts as copied when a training row equals it and no
    other comes near; and as a child when it divides two of its training neighbours in one ratio in every column, to
    the last digit (whole numbers: to one unit), where the neighbours' spread makes that improbable.

    >>> rng = np.random.default_rng(0)
    >>> X = pd.DataFrame(rng.normal(size=(200, 4)))
    >>> shared_rows(X[:150], X[150:])
    []
    >>> print(shared_rows(X[:150], X[100:])[0].what)
    At least 50 of 100 test rows (50 %) are copies of training rows.
    """
    if X_train.empty or X_test.empty:
        return []
    assert list(X_train.columns) == list(X_test.columns), "both sides of a split have the same columns"
    rng = np.random.default_rng(SEED)
    train, test = _codes(X_train, X_test)
    copied = _equal(train, test)
    copies = _distinctive(train, test[copied], rng) * copied.mean()
    between = _between(X_train, X_test[~copied], rng) * (1 - copied.mean())
    return [*_finding("are copies of training rows", copies, len(X_test)),
            *_finding("lie exactly between two training rows", between, len(X_test))]


def _finding(what: str, share: float, rows: int) -> list[Finding]:
    count = round(share * rows)
    if share <= TOLERATED_SHARE or count < FEWEST:
        return []
    sentence = f"At least {count:,} of {plural(rows, 'test row')} ({share:.0%}) {what}.".replace("%", " %")
    fix = "Split first; copy, oversample or interpolate inside the training part alone."
    return [Finding("severe", "split", sentence, fix, count)]


def _codes(X_train: pd.DataFrame, X_test: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """Both tables as whole numbers, equal where values are equal (missing equals missing)."""
    both = (pd.concat([_plain(X_train[name]), _plain(X_test[name])]) for name in X_train)
    codes = np.column_stack([pd.factorize(column)[0] for column in both]).astype(np.int32)
    return codes[: len(X_train)], codes[len(X_train) :]


def _plain(column: pd.Series) -> pd.Series:
    return column if pd.api.types.is_numeric_dtype(column) else column.astype("object")


def _equal(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Which test rows equal a training row, by a 64-bit fingerprint."""
    weights = np.random.default_rng(SEED).integers(1, 2**62, train.shape[1], dtype=np.int64) * 2 + 1
    return np.isin((test * weights).sum(axis=1), (train * weights).sum(axis=1))


def _some(rows: int, most: int, rng: np.random.Generator) -> np.ndarray:
    return np.sort(rng.permutation(rows)[:most])


def _distinctive(train: np.ndarray, copied: np.ndarray, rng: np.random.Generator) -> float:
    """Of these test rows that equal a training row, the share that no other training row comes near."""
    if len(copied) == 0:
        return 0.0
    near = max(train.shape[1] // NEAR_MISS_SHARE, 1)
    some = copied[_some(len(copied), TEST_ROWS, rng)]
    pool = train[_some(len(train), TRAIN_ROWS, rng)]
    differing = (np.count_nonzero(pool != row, axis=1) for row in some)
    return float(np.mean([not np.any((misses > 0) & (misses <= near)) for misses in differing]))


def _between(X_train: pd.DataFrame, X_test: pd.DataFrame, rng: np.random.Generator) -> float:
    """The share of test rows that lie between two of their nearest training rows, column by column."""
    numeric = [name for name, column in X_train.items() if _counts(column)]
    if not numeric or len(X_test) == 0 or len(X_train) <= NEIGHBOURS:
        return 0.0
    X_train = X_train.iloc[_some(len(X_train), TRAIN_ROWS, rng)]
    X_test = X_test.iloc[_some(len(X_test), TEST_ROWS, rng)]
    train, test = (X[numeric].to_numpy(dtype=float, na_value=np.nan) for X in (X_train, X_test))
    scale = np.nan_to_num(np.nanstd(train, axis=0))
    tolerance = np.where(_whole(train) & _whole(test), 1.0, EXACT * scale)
    kinds, test_kinds = _codes(X_train, X_test)
    words = [place for place, name in enumerate(X_train) if name not in numeric]
    near = _nearest(_placed(train, scale, kinds[:, words]), _placed(test, scale, test_kinds[:, words]))
    found = [_child(row, train[index], kinds[index], tolerance) for row, index in zip(test, near, strict=True)]
    return float(np.mean(found))


def _counts(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and bool(column.notna().any())


def _whole(values: np.ndarray) -> np.ndarray:
    """Which columns hold whole numbers alone."""
    return np.all(np.isnan(values) | (values == np.round(values)), axis=0)


def _placed(values: np.ndarray, scale: np.ndarray, words: np.ndarray) -> np.ndarray:
    """Rows as points: numbers in standard deviations, and a corner for each of a column's words, 1 apart."""
    corners = words[:, :, None] == np.arange(MOST_WORDS)
    return np.hstack([np.nan_to_num(values / np.where(scale > 0, scale, 1.0)),
                      corners.reshape(len(words), -1) / np.sqrt(2)])


def _nearest(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Each test row's nearest training rows."""
    distance = (train**2).sum(axis=1) - 2 * test @ train.T
    return np.argpartition(distance, NEIGHBOURS, axis=1)[:, :NEIGHBOURS]


def _child(row: np.ndarray, neighbours: np.ndarray, kinds: np.ndarray, tolerance: np.ndarray) -> bool:
    """Whether some pair of neighbours has this row between them, and neither chance nor their kinship explains it.

    Chance: one column fixes the ratio, and each other that differs agrees with probability 2 tolerance / the
    neighbours' range there. Kinship: customers alike in all but one respect lie on one line by themselves, together
    with everyone who shares the rest; so some neighbour that shares what the pair shares must lie off it.
    """
    one, other = neighbours[FIRST], neighbours[SECOND]
    low, high = _ratios(row, one, other, tolerance)
    fits = (low <= high) & (low > 0) & (high < 1)
    if not fits.any():
        return False
    spread = np.maximum(np.nan_to_num(np.fmax.reduce(neighbours) - np.fmin.reduce(neighbours)), TINY)
    odds = np.where(one[fits] != other[fits], np.log(np.minimum(2 * tolerance / spread + TINY, 1.0)), 0.0)
    chance = odds.sum(axis=1) - odds.min(axis=1)
    clearest = np.argsort(chance, kind="stable")[:CLEAREST]
    improbable = clearest[chance[clearest] <= np.log(CHANCE_PER_ROW / len(FIRST))]
    return any(_no_kin(pair, neighbours, kinds, tolerance) for pair in np.flatnonzero(fits)[improbable])


def _ratios(
    row: np.ndarray, one: np.ndarray, other: np.ndarray, tolerance: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The least and greatest ratio at which the row divides each pair in every column; empty (low > high) if none.

    A column in which the pair agrees allows every ratio when the row agrees too, and none otherwise.
    """
    step, offset = other - one, row - one
    moves = (step != 0) & ~np.isnan(step)
    agrees = np.where(np.isnan(one), np.isnan(row), np.abs(offset) <= tolerance) & (np.isnan(one) == np.isnan(other))
    ratio = np.divide(offset, step, out=np.where(agrees, 0.5, np.nan), where=moves)
    slack = np.divide(tolerance, np.abs(step), out=np.full(step.shape, np.inf), where=moves)
    low, high = (ratio - slack).max(axis=-1), (ratio + slack).min(axis=-1)
    return np.where(np.isnan(low), np.inf, low), np.where(np.isnan(high), -np.inf, high)


def _no_kin(pair: int, neighbours: np.ndarray, kinds: np.ndarray, tolerance: np.ndarray) -> bool:
    """Whether some neighbour shares all that this pair shares and yet lies off its line (in what is not a count)."""
    first, second = FIRST[pair], SECOND[pair]
    shared = kinds[first] == kinds[second]
    alike = np.all(kinds[:, shared] == kinds[first, shared], axis=1)
    alike[[first, second]] = False
    exact = (tolerance < 1) & (neighbours[first] != neighbours[second])
    judged = exact if exact.any() else np.ones(len(tolerance), dtype=bool)
    seen = neighbours[:, judged]
    low, high = _ratios(seen[alike], seen[first], seen[second], tolerance[judged])
    return bool(np.any(low > high))
