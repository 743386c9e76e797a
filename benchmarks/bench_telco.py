"""Churn on IBM Telco: ours beside peers and library defaults on the same 5 x 5 folds."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common import Row, clock
from engine.data.adapters import ADAPTERS
from engine.data.features import features
from engine.prediction import ensembles
from engine.prediction.churn import CHURN_MODELS, align, levels, train_churn
from engine.prediction.ensembles import Make, tabular
from engine.prediction.evaluate import Rules, differences, estimates, out_of_fold, stratified_splits
from engine.schema import Dataset, Estimate, Snapshot, Window

FOLDS_SEED, MODEL_SEED = 20240601, 1
RAW_COLUMNS = 19
AS_OF = datetime(2024, 6, 1)
NAMES = ("roc_auc", "pr_auc", "log_loss", "brier", "ece")


def run(real_data: Path) -> list[Row]:
    """The table of models on Telco, each judged as it would be shipped; then a whole training run."""
    X, y = _telco(real_data / "telco_ibm_21" / "Telco-Customer-Churn.csv")
    judged = {name: _judge(make, X, y) for name, make in _ours().items()}
    peers = {name: _judge(make, X, y) for name, make in PEERS.items()}
    peers["blend, raw 19 columns"] = _judge(ensembles.smooth_blend, X.iloc[:, :RAW_COLUMNS], y)
    defaults = {name: _judge(make, X, y) for name, make in DEFAULTS.items()}
    best = max(peers, key=lambda name: peers[name][1]["roc_auc"].value)
    rows = [_ours_row(name, *found, best, peers[best][0]) for name, found in judged.items()]
    rows += [_row(f"Telco peer: {name}", found[1]) for name, found in peers.items()]
    rows += [_row(f"Telco, library default: {name}", found[1]) for name, found in defaults.items()]
    return [*rows, *_whole_run(X, y)]


def _ours() -> Mapping[str, Make]:
    return {name: CHURN_MODELS[name] for name in ("lightgbm", "vote")}


def _plain_lightgbm(seed: int) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=300, learning_rate=0.03, num_leaves=7, min_child_samples=50, reg_lambda=5.0,
                          colsample_bytree=0.6, n_jobs=1, verbosity=-1, deterministic=True, force_row_wise=True,
                          random_state=seed)


def _default_forest(seed: int) -> Any:
    from sklearn.ensemble import RandomForestClassifier

    return tabular(RandomForestClassifier(n_jobs=1, random_state=seed))


def _default_xgboost(seed: int) -> Any:
    from xgboost import XGBClassifier

    return tabular(XGBClassifier(n_jobs=1, random_state=seed))


PEERS: Mapping[str, Make] = {
    "blend of spline LR, XGBoost, HistGB": ensembles.smooth_blend, "regularised LightGBM, 7 leaves": _plain_lightgbm,
    "spline LR": ensembles.spline_logistic,
}
DEFAULTS: Mapping[str, Make] = {
    "LightGBM": ensembles.lightgbm_library_default, "RandomForest": _default_forest, "XGBoost": _default_xgboost,
}


def _telco(path: Path) -> tuple[pd.DataFrame, np.ndarray]:
    """The file as the pipeline sees it: through its adapter, with its features."""
    with tempfile.TemporaryDirectory() as folder:
        dataset = ADAPTERS["telco"].read([path], Path(folder), name="telco", now=AS_OF).dataset
        return features_of(dataset)


def features_of(dataset: Dataset) -> tuple[pd.DataFrame, np.ndarray]:
    """The customers' features, and 1 for those who left."""
    X = features(dataset, dataset.observed_until)
    y = dataset.frame()["churned"].reindex(X.index).to_numpy(dtype=int)
    return align(X, tuple(X.columns), levels(X)), y


def _judge(make: Make, X: pd.DataFrame, y: np.ndarray) -> tuple[pd.DataFrame, dict[str, Estimate]]:
    """Out-of-fold rows on the stated folds, calibrated inside them as in the pipeline, and their metrics."""
    splits = stratified_splits(y, 5, 5, FOLDS_SEED)
    rows = out_of_fold(lambda some, labels: make(MODEL_SEED).fit(some, labels), X, y, splits, Rules()).rows
    return rows, estimates(rows, seed=0, draws=200, names=NAMES)


def _row(name: str, found: Mapping[str, Estimate], goal: str = "", met: bool | None = None, note: str = "") -> Row:
    measured = (f"AUC {found['roc_auc'].value:.4f}, PR-AUC {found['pr_auc'].value:.3f}, log loss "
                f"{found['log_loss'].value:.4f}, Brier {found['brier'].value:.4f}, ECE {found['ece'].value:.4f}")
    return Row(name, measured, goal, met, note)


def _ours_row(name: str, rows: pd.DataFrame, found: Mapping[str, Estimate], best: str, peer: pd.DataFrame) -> Row:
    """Ours: not worse than the best peer by the paired interval, and calibrated."""
    gap = differences(rows, peer, seed=0, draws=200)
    not_worse = gap["roc_auc"].high >= 0 and gap["log_loss"].low <= 0 and gap["brier"].low <= 0
    figures = (found["log_loss"].value <= 0.4115 and found["brier"].value <= 0.1335 and found["ece"].value <= 0.0165
               and found["roc_auc"].value >= 0.8495)
    auc = gap["roc_auc"]
    note = f"AUC minus best peer ({best}): {auc.value:+.4f} [{auc.low:+.4f}, {auc.high:+.4f}]"
    goal = "AUC about .850, log loss <= .4115, Brier <= .1335, ECE <= .0165, not worse than the best peer"
    return _row(f"Telco, ours: {name}", found, goal, bool(not_worse and figures), note)


def snapshot_of(X: pd.DataFrame, y: np.ndarray) -> Snapshot:
    """The customers as known on one day, with the quarter that follows as the label's window."""
    index = pd.MultiIndex.from_product([[AS_OF], X.index], names=["as_of", "customer_id"])
    return Snapshot(X.set_axis(index), pd.Series(y, index), (Window(AS_OF, 91),), ())


def _whole_run(X: pd.DataFrame, y: np.ndarray) -> list[Row]:
    """One full training: 5 x 5 folds, calibration, intervals, six algorithms, class balance, stress."""
    with clock() as took:
        _, report = train_churn(snapshot_of(X, y), seed=MODEL_SEED)
    held = report.detail["intervals"]["share_held"]
    change = report.detail["balance"]
    effect = ", ".join(f"{name}: AUC {change[name]['change']['roc_auc'].value:+.4f}, "
                       f"ECE {change[name]['change']['ece'].value:+.4f}" for name in ("class_weight", "smote"))
    return [
        Row("Telco, whole churn training", f"{took.cpu:.0f} CPU s", "< 120 CPU s", took.cpu < 120),
        Row("Telco, bins of held-out customers within their 90 % intervals", f"{held:.0%}", ">= 90 %", held >= 0.9),
        Row("Telco, effect of class weights and SMOTE", effect),
    ]
