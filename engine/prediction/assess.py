"""The report on a churn model: its metrics beside a rule and chance, and everything the model page draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from engine.prediction.balance import BALANCES, fit_balanced
from engine.prediction.calibration import Calibrator, held_out_brier
from engine.prediction.comparison import ALGORITHMS, BestColumn, Chance
from engine.prediction.ensembles import Make
from engine.prediction.evaluate import Judged, Rules, Split, differences, estimates, out_of_fold
from engine.prediction.guards import shared_rows
from engine.prediction.intervals import COVERAGE, Spread, held_by_bins
from engine.prediction.metrics import confusion, curves, reliability
from engine.prediction.stress import stress
from engine.schema import Estimate, Finding

BENCHMARKED = ("roc_auc", "pr_auc", "log_loss", "brier", "ece", "lift_at_10")
BALANCED = ("roc_auc", "brier", "ece")


@dataclass(frozen=True)
class Case:
    """What was judged and by which rules: one training run's rows, out-of-fold predictions and settings."""

    X: pd.DataFrame
    y: np.ndarray
    groups: np.ndarray | None
    judged: Judged
    calibrator: Calibrator
    spread: Spread
    algorithm: str
    make: Make
    seed: int
    rules: Rules
    draws: int

    @property
    def few(self) -> int:
        """Draws for what stands beside the model."""
        return min(self.draws, 200)

    @property
    def first(self) -> pd.DataFrame:
        """The out-of-fold rows of the first repeat."""
        return self.judged.first

    @property
    def first_splits(self) -> tuple[Split, ...]:
        """The splits of the first repeat."""
        return self.judged.splits[: len(self.judged.models)]

    def same_folds(self, fit: Callable[[pd.DataFrame, np.ndarray], Any], splits: tuple[Split, ...],
                   rules: Rules) -> pd.DataFrame:
        """Another learner's out-of-fold rows on the given splits."""
        return out_of_fold(fit, self.X, self.y, splits, rules).rows

    def estimates(self, rows: pd.DataFrame, **asked: Any) -> dict[str, Estimate]:
        """Metrics of out-of-fold rows, customers resampled by this run's seed."""
        return estimates(rows, self.seed, self.groups, **({"draws": self.draws} | asked))

    def differences(self, rows: pd.DataFrame, other: pd.DataFrame, **asked: Any) -> dict[str, Estimate]:
        """Paired differences of metrics, customers resampled by this run's seed."""
        return differences(rows, other, self.seed, self.groups, **({"draws": self.few} | asked))


def metrics(case: Case) -> dict[str, dict[str, Estimate]]:
    """Every metric of the model, of the one-column rule and of chance, on the same folds."""
    as_it_is = Rules("none", case.rules.line)
    rule = case.same_folds(lambda X, y: BestColumn().fit(X, y), case.first_splits, as_it_is)
    chance = case.same_folds(lambda X, y: Chance(case.seed).fit(X, y), case.first_splits, as_it_is)
    return {"model": case.estimates(case.judged.rows), "rule": case.estimates(rule), "random": case.estimates(chance)}


def detail(case: Case, threshold: float, *, comparison: bool, stressed: bool, balance_effect: bool) -> dict[str, Any]:
    """What the model page draws; the parts not asked for are absent."""
    y, p = case.first["y"].to_numpy(), case.first["probability"].to_numpy()
    report = {
        "base_rate": float(case.y.mean()),
        "threshold": {"value": threshold, "rule": case.rules.line.rule},
        "calibration": _calibration(case),
        "reliability": reliability(y, p).to_dict("list"),
        "curves": curves(y, p),
        "confusion": confusion(y, case.first["flagged"].to_numpy(dtype=bool)),
        "intervals": _intervals(case),
        "rule_columns": [BestColumn().fit(case.X.iloc[train], case.y[train]).column for train, _ in case.first_splits],
    }
    parts: Mapping[str, tuple[bool, Callable[[Case], Any]]] = {
        "benchmark": (comparison, benchmark), "balance": (balance_effect, balance), "stress": (stressed, _stress),
    }
    return report | {name: part(case) for name, (asked, part) in parts.items() if asked}


def _calibration(case: Case) -> dict[str, Any]:
    """The chosen method, and every method's held-out Brier score in the first repeat."""
    first, chosen = case.first, case.calibrator
    scores = held_out_brier(first["raw"].to_numpy(), first["y"].to_numpy(), first["fold"].to_numpy())
    return {"method": chosen.method, "slope": chosen.slope, "intercept": chosen.intercept,
            "held_out": scores.to_dict("index")}


def _intervals(case: Case) -> dict[str, Any]:
    """The check of the intervals by bins of customers.

    Only the probability is out of fold; the spread, which sets the intervals' width, was fitted on these rows too.
    """
    first = case.first
    p = first["probability"].to_numpy()
    low, high = case.spread.interval(case.X.iloc[first["position"]], p)
    return held_by_bins(first["y"].to_numpy(), p, low, high) | {
        "replicates": case.spread.replicates, "coverage": COVERAGE, "roughness": case.spread.roughness}


def benchmark(case: Case) -> dict[str, dict[str, Any]]:
    """Six algorithms on the first repeat's folds: metrics, and the paired difference to the model trained."""
    report = {}
    for name, make in ALGORITHMS.items():
        rows = case.first if name == case.algorithm else _judged_alone(case, make)
        report[name] = {"metrics": case.estimates(rows, draws=case.few, names=BENCHMARKED),
                        "minus_model": case.differences(rows, case.first)}
    return report


def _judged_alone(case: Case, make: Make) -> pd.DataFrame:
    return case.same_folds(lambda X, y: make(case.seed).fit(X, y), case.first_splits, case.rules)


def balance(case: Case) -> dict[str, dict[str, Any]]:
    """Class weights and SMOTE, uncalibrated, on the first repeat's folds: metrics, and the change they bring."""
    raw = Rules("none", case.rules.line)
    rows = {name: case.same_folds(_with_balance(case, name), case.first_splits, raw) for name in BALANCES}
    return {name: {"metrics": case.estimates(found, draws=case.few, names=BALANCED),
                   "change": case.differences(found, rows["none"], names=BALANCED)} for name, found in rows.items()}


def _with_balance(case: Case, name: str) -> Callable[[pd.DataFrame, np.ndarray], Any]:
    return lambda X, y: fit_balanced(case.make, case.seed, X, y, name)


def _stress(case: Case) -> list[dict[str, Any]]:
    return stress(case.judged, case.X, case.seed, case.groups, case.few)


def _shared(case: Case) -> list[Finding]:
    """Copies and synthetic children across the first split; not asked where one customer has several rows by design."""
    train, test = case.first_splits[0]
    return shared_rows(case.X.iloc[train], case.X.iloc[test]) if case.groups is None else []


def findings(case: Case, model: Mapping[str, Estimate]) -> tuple[Finding, ...]:
    """What heads the figures: a model that knows nothing, or rows shared across folds."""
    found = _shared(case)
    auc = model["roc_auc"]
    if auc.low <= 0.5:
        what = f"The model knows nothing: its ROC-AUC is {auc}, and the interval reaches 0.5, which is chance."
        found.append(Finding("severe", "churn model", what,
                             "Do not act on these scores; add data or features that say who leaves.", len(case.y)))
    return tuple(found)
