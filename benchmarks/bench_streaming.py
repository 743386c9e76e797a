"""Every family of a streaming service's features in the temporal backtest: what is lost without it.

A generated service in KKBox's schemas, read through the adapter. Each family is left out in turn (all features of that
family, the models learned anew on the same moments and seed), and shuffled in turn (among the members of a moment, the
models as they are). What is lost in ROC-AUC is paired by member over all predicted moments, with a 95 % bootstrap
interval over members. The features were written before any of this was measured; seeds here played no part in that.
"""

from __future__ import annotations

import tempfile
from collections.abc import Collection
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.common import Row
from engine.data.adapters import read
from engine.data.demo import streaming
from engine.data.labels import snapshot
from engine.prediction.ensembles import Classifier
from engine.prediction.level import learning_windows, tested_splits
from engine.prediction.metrics import roc_auc
from engine.prediction.timely import lightgbm_orders
from engine.schema import Snapshot

SEED, MEMBERS, DRAWS = 41, 3_000, 200
NOW = datetime(2025, 7, 2)


def run(real_data: Path) -> list[Row]:  # noqa: ARG001
    """ROC-AUC of all features and of the truth, then each family left out and shuffled."""
    with tempfile.TemporaryDirectory() as folder:
        known, truth = company(Path(folder))
    everything = Backtest.of(known, ())
    rng = np.random.default_rng(SEED)
    rows = [
        Row("Generated service, ROC-AUC over the backtest's moments", f"{everything.auc():.3f}", "", None,
            f"{MEMBERS:,} members, seed {SEED}; {len(known.X.columns)} features, {len(everything.y):,} judgements at "
            f"{everything.moments} moments; for one who knows each member's mood {truth:.3f}"),
    ]
    for family in families(known):
        without = Backtest.of(known, family_columns(known, family))
        lost, low, high = everything.lost(without.p, rng)
        shuffled = everything.shuffled(known, family_columns(known, family), rng)
        moved, below, above = everything.lost(shuffled, rng)
        rows.append(Row(
            f"  without {family} ({len(family_columns(known, family))} features)", f"{1000 * lost:+.1f} thousandths",
            "", None, f"lost when left out ({1000 * low:+.1f} to {1000 * high:+.1f}); when shuffled "
            f"{1000 * moved:+.1f} ({1000 * below:+.1f} to {1000 * above:+.1f})"))
    return rows


def company(folder: Path) -> tuple[Snapshot, float]:
    """The service's features and answers at every moment to learn from, and the ROC-AUC of its true chances."""
    sources, truth = streaming.make(folder, SEED, MEMBERS)
    dataset = read(sources, folder / "read", "kkbox", name="service", now=NOW,
                   observed_until=streaming.OBSERVED_UNTIL).dataset
    told = pd.read_parquet(truth)
    return (snapshot(dataset, learning_windows(dataset)),
            roc_auc(told["churned"].to_numpy(), told["churn_probability"].to_numpy()))


def families(known: Snapshot) -> list[str]:
    """The families in the order in which they are declared."""
    return list(dict.fromkeys(column.family for column in known.columns))


def family_columns(known: Snapshot, family: str) -> tuple[str, ...]:
    """The features of a family."""
    return tuple(column.name for column in known.columns if column.family == family)


class Backtest:
    """Out-of-time predictions of every tested moment, by models that knew the time before it."""

    def __init__(self, models: list[Classifier], splits: tuple, y: np.ndarray, p: np.ndarray, who: np.ndarray) -> None:
        self.models, self.splits, self.y, self.p, self.who = models, splits, y, p, who
        self.moments = len(splits)
        self.moment = np.repeat(np.arange(len(splits)), [len(test) for _, test in splits])

    @classmethod
    def of(cls, known: Snapshot, without: Collection[str]) -> Backtest:
        """Learn and predict without those features."""
        X, y, splits = known.X.drop(columns=list(without)), known.y.to_numpy(), tested_splits(known)
        models = [lightgbm_orders(SEED).fit(X.iloc[train], y[train]) for train, _ in splits]
        p = np.concatenate([model.predict_proba(X.iloc[test])[:, 1] for model, (_, test) in
                            zip(models, splits, strict=True)])
        tests = np.concatenate([test for _, test in splits])
        return cls(models, splits, y[tests], p, known.X.index.get_level_values("customer_id").to_numpy()[tests])

    def auc(self, p: np.ndarray | None = None, times: np.ndarray | None = None) -> float:
        """Mean over the moments; `times`: how often each row is drawn."""
        p = self.p if p is None else p
        found = []
        for moment in range(self.moments):
            rows = np.flatnonzero(self.moment == moment)
            rows = rows if times is None else np.repeat(rows, times[rows])
            found.append(roc_auc(self.y[rows], p[rows]))
        return float(np.mean(found))

    def lost(self, p: np.ndarray, rng: np.random.Generator) -> tuple[float, float, float]:
        """ROC-AUC of all less that of `p`, with a 95 % interval over members drawn with replacement."""
        members = np.unique(self.who, return_inverse=True)[1]
        spread = []
        for _ in range(DRAWS):
            count = members.max() + 1
            times = np.bincount(rng.integers(count, size=count), minlength=count)[members]
            spread.append(self.auc(times=times) - self.auc(p, times))
        value = self.auc() - self.auc(p)
        low, high = np.quantile(spread, [0.025, 0.975])
        return value, float(low), float(high)

    def shuffled(self, known: Snapshot, columns: Collection[str], rng: np.random.Generator) -> np.ndarray:
        """What the same models say when a family's values belong to another member of the same moment."""
        said = []
        for model, (_, test) in zip(self.models, self.splits, strict=True):
            X = known.X.iloc[test].copy()
            order = rng.permutation(len(X))
            for name in columns:
                X[name] = X[name].array[order]
            said.append(model.predict_proba(X)[:, 1])
        return np.concatenate(said)
