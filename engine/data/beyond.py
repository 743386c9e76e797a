"""Columns that alone know far more than all others together: what is known beforehand is seldom known by one alone.

Such a column is a score made of the answer, or was measured after it, whatever it is called. Where several columns are
that good, or the others come near, the label is likely of the moment of the features: that is said, not mended.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import sqrt
from typing import Any

import numpy as np

from engine.data.signal import FOLDS, Levels, ranked

STRONG = 0.95
TIMES_FEWER = 10.0
SEVERAL = 3
BEYOND = "Too good to be known beforehand:"
ROWS = 20_000
TREES: Mapping[str, Any] = {"n_estimators": 60, "num_leaves": 8, "learning_rate": 0.1, "min_child_samples": 20,
                            "reg_lambda": 5.0, "n_jobs": 1, "verbosity": -1, "deterministic": True,
                            "force_col_wise": True}


def beyond_all_others(columns: Mapping[str, Levels], aucs: Mapping[str, float], y: np.ndarray, fold: np.ndarray,
                      rng: np.random.Generator) -> dict[str, str]:
    """Why columns know more than can be known beforehand: three standard errors above .95 each alone, and of the
    pairs of a leaver and a stayer they order ten times fewer wrongly than all columns do together that are not strong.

    columns: those that nothing else quarantines. Three strong ones at most: more are of the moment of the label.
    """
    strong = [name for name in columns if aucs[name] > STRONG]
    sure = [name for name in strong if aucs[name] - 3 * standard_error(aucs[name], y) > STRONG]
    others = [columns[name] for name in columns if name not in strong]
    if not sure or not others or len(strong) > SEVERAL:
        return {}
    reached = _together(others, y, fold, rng)
    return {name: f"{BEYOND} alone it reaches a ROC-AUC of {aucs[name]:.3f}, all other columns together {reached:.3f}."
            for name in sure if 1 - reached >= TIMES_FEWER * (1 - aucs[name])}


def standard_error(auc: float, y: np.ndarray) -> float:
    """The standard error of a ROC-AUC (Hanley and McNeil 1982)."""
    left, stayed = int(y.sum()), int(len(y) - y.sum())
    of_leavers, of_stayers = auc / (2 - auc) - auc**2, 2 * auc**2 / (1 + auc) - auc**2
    return sqrt((auc * (1 - auc) + (left - 1) * of_leavers + (stayed - 1) * of_stayers) / (left * stayed))


def _together(others: Sequence[Levels], y: np.ndarray, fold: np.ndarray, rng: np.random.Generator) -> float:
    """ROC-AUC out of fold of small trees over these columns."""
    from lightgbm import LGBMClassifier

    rows = np.sort(rng.permutation(len(y))[:ROWS])
    table = np.column_stack([column.numbers if column.ordered else column.codes for column in others])[rows]
    named = [place for place, column in enumerate(others) if not column.ordered]
    y, fold = y[rows], fold[rows]
    reached = []
    for held in (fold == k for k in range(FOLDS)):
        trees = LGBMClassifier(**TREES, random_state=0).fit(table[~held], y[~held], categorical_feature=named)
        reached.append(ranked(np.asarray(trees.predict_proba(table[held]))[:, 1], y[held]))
    return float(np.mean(reached))
