"""Columns that name a customer or count the rows, and whether the order of the rows gives the answer away."""

from __future__ import annotations

import numpy as np
import pandas as pd

from engine.data.signal import Levels, folds, levels_of_numbers, single_column_auc

FEWEST_IDS = 30
UNIQUE_TEXT = 0.90
UNIQUE_NUMBERS = 0.99
MOSTLY = 0.5
COLLISIONS_EXPECTED = 10.0
COLLISIONS_SEEN = 0.2
ORDER_AUC = 0.55
ORDER_DEVIATIONS = 5.0
IN_ORDER = 0.999
FEWEST_RUNS = 10
ID_WORDS = {"id", "no", "nr", "number", "key", "uuid", "guid", "code", "account", "ref", "reference", "index", "row"}


def identifier(name: str, column: Levels, position: np.ndarray) -> str:
    """Why this column names customers instead of describing them; "" when it does not.

    Text: (almost) a value of its own on every row. Whole numbers: so, and either in the order of the rows, or spread so
    densely that honest numbers would have met by chance (n^2 / 2 range pairs expected), or named like an id.
    """
    known = column.codes[~column.missing]
    if len(known) < FEWEST_IDS:
        return ""
    distinct = len(column.values)
    if not column.ordered:
        names = distinct >= UNIQUE_TEXT * len(known) and not _amounts(column.values)
        return _sentence(distinct, len(known)) if names else ""
    whole = bool(np.all(column.values == np.round(column.values)))
    if not whole or distinct < UNIQUE_NUMBERS * len(known):
        return ""
    if _assigned(column.values, len(known)) or in_order(column, position) or _named(name):
        return _sentence(distinct, len(known))
    return ""


def _sentence(distinct: int, rows: int) -> str:
    return f"An identifier: {distinct:,} different values in {rows:,} rows."


def _amounts(texts: np.ndarray) -> bool:
    """Whether texts are amounts written out, such as "29.85": numbers, and most of them not whole."""
    numbers = pd.to_numeric(pd.Series(texts), errors="coerce")
    return bool((numbers % 1 > 0).mean() > MOSTLY)


def _assigned(values: np.ndarray, rows: int) -> bool:
    """Whether chance would have made far more of these whole numbers meet than did (the birthday problem)."""
    expected = rows * (rows - 1) / 2 / max(float(values[-1] - values[0]) + 1, 1.0)
    return expected >= COLLISIONS_EXPECTED and rows - len(values) <= COLLISIONS_SEEN * expected


def _named(name: str) -> bool:
    return bool(ID_WORDS & set(name.casefold().replace("-", "_").replace(" ", "_").split("_")))


def in_order(column: Levels, position: np.ndarray) -> bool:
    """Whether the column rises or falls (almost) strictly with the row's position in the file."""
    known = ~column.missing
    if not column.ordered or len(column.values) < FEWEST_RUNS:
        return False
    codes, places = (pd.Series(values[known]).rank() for values in (column.codes, position))
    return abs(float(np.corrcoef(codes, places)[0, 1])) >= IN_ORDER


def counts_rows(column: Levels, position: np.ndarray) -> bool:
    """Whether the column encodes the order of the rows: sorted with it, and evenly spaced or in blocks of one length.

    A file that is merely sorted by an honest column has neither even spacing nor equal blocks.
    """
    if column.missing.any() or not in_order(column, position):
        return False
    blocks = np.bincount(column.codes)[1:][1:-1]
    spacing = np.diff(column.values)
    return bool(np.ptp(blocks) == 0 and np.ptp(spacing) <= 1e-6 * spacing.mean())


def order_signal(y: np.ndarray, position: np.ndarray, rng: np.random.Generator) -> tuple[float, float]:
    """How far the row's position alone predicts the label: ROC-AUC out of fold, and the runs test's z.

    Few runs (negative z): leavers stand together; many: they alternate. Source: Wald and Wolfowitz (1940).
    """
    fold = folds(y, position, rng)
    auc = single_column_auc(levels_of_numbers(position.astype(float)), y, fold)
    in_file = y[np.argsort(position, kind="stable")]
    left, stayed = int(in_file.sum()), int((1 - in_file).sum())
    runs, pairs, n = 1 + int((np.diff(in_file) != 0).sum()), 2.0 * left * stayed, left + stayed
    expected, variance = pairs / n + 1, pairs * (pairs - n) / (n**2 * (n - 1))
    return auc, float((runs - expected) / np.sqrt(variance))


def order_matters(auc: float, z: float, left: int, stayed: int) -> bool:
    """Whether position says more than chance would: five standard deviations of the AUC (and .55), or of the runs."""
    deviation = np.sqrt((left + stayed + 1) / (12 * left * stayed))
    return abs(z) >= ORDER_DEVIATIONS or auc >= max(ORDER_AUC, 0.5 + ORDER_DEVIATIONS * deviation)
