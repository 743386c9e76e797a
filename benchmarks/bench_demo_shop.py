"""The invented shop through the pipeline: how often intervals hold the true chance, how far the level is missed.

The truth asked for is each customer's chance for one who has seen all orders and visits (the file's
churn_probability_from_history): a customer's own pace is hidden, so no interval from data can be of that. The method
was looked at on seeds 100 and 200 while it was made, and missed its goal on seed 31 (87.3 %, with four replicates). It
was then widened for the number of replicates, which seeds 41 to 43 were looked at for; the seeds here played no part.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.common import Row
from engine.data.adapters import read
from engine.data.demo import DEMOS
from engine.data.features import features
from engine.data.labels import snapshot
from engine.data.leakage import audit
from engine.prediction import churn
from engine.prediction.level import learn_level, learning_windows, tested_splits
from engine.prediction.metrics import roc_auc
from engine.prediction.model import without

SEEDS, CUSTOMERS = (51, 52, 53), 5_000
NOW = datetime(2025, 7, 2)
INTERVALS_ONLY = churn.ChurnOptions(calibration="none", comparison=False, stress=False, balance_effect=False, draws=50)


@dataclass(frozen=True)
class Found:
    """One company: share of true chances held, mean width, level missed, and ROC-AUC of the model and of the truth."""

    held: float
    width: float
    missed: float
    auc: float
    best: float


def run(real_data: Path) -> list[Row]:  # noqa: ARG001
    """Coverage, level and ranking over the seeds; each company's own beside the mean."""
    found = [company(seed) for seed in SEEDS]
    held, missed = (np.array([getattr(one, name) for one in found]) for name in ("held", "missed"))
    seeds = f"seeds {', '.join(map(str, SEEDS))}, {CUSTOMERS:,} customers each, none used in tuning: "
    return [
        Row("Demo shop, true chances within their 90 % intervals", f"{held.mean():.1%}", "88-92 %",
            bool(0.88 <= held.mean() <= 0.92), seeds + ", ".join(f"{share:.1%}" for share in held)),
        Row("  mean width of an interval", f"{100 * np.mean([one.width for one in found]):.1f} points"),
        Row("  level, mean said less mean true", ", ".join(f"{100 * gap:+.1f}" for gap in missed) + " points"),
        Row("  ROC-AUC on the 90 days ahead", ", ".join(f"{one.auc:.3f}" for one in found), "within .02 of .780",
            bool(abs(np.mean([one.auc for one in found]) - 0.78) <= 0.02),
            "the true chances reach " + ", ".join(f"{one.best:.3f}" for one in found)
            + "; Online Retail II .780 (its own test)"),
    ]


def company(seed: int) -> Found:
    """The shop of a seed, learned from and judged by the pipeline's own functions, held against its truth."""
    with tempfile.TemporaryDirectory() as folder:
        files = DEMOS["demo-shop"].write(Path(folder), seed, CUSTOMERS)
        dataset = read(files.sources, Path(folder), files.adapter, name="demo", now=NOW,
                       observed_until=files.observed_until).dataset
        known = snapshot(dataset, learning_windows(dataset))
        known = without(known, [name for name, _ in audit(known, dataset, (), seed).quarantined])
        X, as_of = features(dataset, files.observed_until), files.observed_until
        truth = pd.read_parquet(files.truth).reindex(X.index)
    who, report = churn.train_churn(known, churn.SUITS["orders"], seed=seed, options=INTERVALS_ONLY,
                                    splits=tested_splits(known))
    level, _ = learn_level(report.out_of_fold, known, report.rates)
    said, true = who.probability(X), truth["churn_probability_from_history"].to_numpy()
    p, (low, high) = level.moved(said, as_of), level.interval(said, *who.interval(X, said), as_of)
    y = truth["churned"].to_numpy()
    return Found(float(((low <= true) & (true <= high)).mean()), float((high - low).mean()),
                 float(p.mean() - true.mean()), roc_auc(y, p), roc_auc(y, true))
