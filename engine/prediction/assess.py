"""The report on a churn model: its metrics beside a rule and chance, and everything the model page draws."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd

from engine.prediction.balance import BALANCES, fit_balanced
from engine.prediction.calibration import Calibrator, held_out_brier
from engine.prediction.comparison import ALGORITHMS, BestColumn, Chance
from engine.prediction.ensembles import Make, fit
from engine.prediction.evaluate import Judged, Rules, Split, differences, estimates, out_of_fold, sample
from engine.prediction.guards import shared_rows
from engine.prediction.intervals import COVERAGE, Spread, held_by_bins
from engine.prediction.metrics import by_threshold, confusion, curves, reliability
from engine.prediction.stress import TESTS, stress
from engine.schema import Estimate, Finding

BENCHMARKED = ("roc_auc", "pr_auc", "log_loss", "brier", "ece", "lift_at_10")
BALANCED = ("roc_auc", "brier", "ece")


@dataclass(frozen=True)
class Case:
    """What was judged and by which rules: one training run's rows, out-of-fold predictions and settings.

    sampled_from: rows there are in all where this is a sample of them, else 0. tick: called after each fit and each
    stress test of what stands beside the model.
    """

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
    balance: str
    draws: int
    sampled_from: int = 0
    tick: Callable[..., None] | None = None

    @property
    def few(self) -> int:
        """Draws for what stands beside the model."""
        return min(self.draws, 200)

    @property
    def first(self) -> pd.DataFrame:
        """The out-of-fold rows of the first repeat."""
        return self.judged.first

    @cached_property
    def rule(self) -> pd.DataFrame:
        """The out-of-fold rows of the one-column rule on the first repeat's folds."""
        as_it_is = Rules("none", self.rules.line)
        return self.same_folds(lambda X, y: BestColumn().fit(X, y), as_it_is)

    @property
    def first_splits(self) -> tuple[Split, ...]:
        """The splits of the first repeat."""
        return self.judged.splits[: len(self.judged.models)]

    @cached_property
    def beside(self) -> Case:
        """Where rows are many, the case on a sample of customers: for what only stands beside the model."""
        some = sample(self.y, self.groups, self.seed)
        if len(some) == len(self.y):
            return self
        groups = None if self.groups is None else self.groups[some]
        return replace(self, X=self.X.iloc[some], y=self.y[some], groups=groups, judged=self.judged.of(some),
                       sampled_from=len(self.y))

    @cached_property
    def learned_alike(self) -> pd.DataFrame:
        """The model's out-of-fold rows, learned from no more rows than its rivals: on a sample it is fitted anew."""
        return self.same_folds(_with_balance(self, self.balance)) if self.sampled_from else self.first

    def same_folds(self, fit: Callable[[pd.DataFrame, np.ndarray], Any], rules: Rules | None = None) -> pd.DataFrame:
        """Another learner's out-of-fold rows on the first repeat's folds; without rules calibrated, nobody flagged."""
        rules = rules or replace(self.rules, flags=False)
        return out_of_fold(fit, self.X, self.y, self.first_splits, rules, self.tick).rows

    def estimates(self, rows: pd.DataFrame, **asked: Any) -> dict[str, Estimate]:
        """Metrics of out-of-fold rows, customers resampled by this run's seed."""
        return self.told(estimates(rows, self.seed, self.groups, **({"draws": self.draws} | asked)))

    def differences(self, rows: pd.DataFrame, other: pd.DataFrame, **asked: Any) -> dict[str, Estimate]:
        """Paired differences of metrics, customers resampled by this run's seed."""
        return self.told(differences(rows, other, self.seed, self.groups, **({"draws": self.few} | asked)))

    def told(self, found: Mapping[str, Estimate]) -> dict[str, Estimate]:
        """The estimates, which say so where they were measured on a sample."""
        if not self.sampled_from:
            return dict(found)
        words = f"; on a sample of {len(self.y):,} of {self.sampled_from:,} rows"
        return {name: replace(estimate, method=estimate.method + words) for name, estimate in found.items()}


def ticks_beside(algorithm: str, folds: int, *, comparison: bool, balance_effect: bool, stressed: bool) -> int:
    """Ticks of what stands beside the model: rule, chance, rivals and balance once a fold, each stress test once.

    >>> ticks_beside("vote", 3, comparison=False, balance_effect=False, stressed=True)
    13
    """
    rivals = len(ALGORITHMS.keys() - {algorithm}) if comparison else 0
    learners = 2 + rivals + (len(BALANCES) - 1 if balance_effect else 0)
    return learners * folds + (TESTS if stressed else 0)


def metrics(case: Case) -> dict[str, dict[str, Estimate]]:
    """Every metric of the model, of the one-column rule and of chance, on the same folds."""
    as_it_is = Rules("none", case.rules.line)
    chance = case.same_folds(lambda X, y: Chance(case.seed).fit(X, y), as_it_is)
    return {"model": case.estimates(case.judged.rows), "rule": case.estimates(case.rule),
            "random": case.estimates(chance)}


def detail(case: Case, threshold: float, *, comparison: bool, stressed: bool, balance_effect: bool) -> dict[str, Any]:
    """What the model page draws; the parts not asked for are absent."""
    y, p = case.first["y"].to_numpy(), case.first["probability"].to_numpy()
    report = {
        "base_rate": float(case.y.mean()),
        "threshold": {"value": threshold, "rule": case.rules.line.rule},
        "calibration": _calibration(case),
        "reliability": reliability(y, p).to_dict("list"),
        "curves": curves(y, p),
        "rule_curves": curves(case.rule["y"].to_numpy(), case.rule["probability"].to_numpy()),
        "minus_rule": case.differences(case.first, case.rule),
        "thresholds": by_threshold(y, p, threshold),
        "confusion": confusion(y, case.first["flagged"].to_numpy(dtype=bool)),
        "intervals": _intervals(case),
        "rule_columns": [BestColumn().fit(case.X.iloc[train], case.y[train]).column for train, _ in case.first_splits],
    }
    parts: Mapping[str, tuple[bool, Callable[[Case], Any]]] = {
        "benchmark": (comparison, benchmark), "balance": (balance_effect, balance), "stress": (stressed, _stress),
    }
    return report | {name: part(case.beside) for name, (asked, part) in parts.items() if asked}


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
    """Six algorithms and the model on the first repeat's folds: metrics, and the paired difference to the model."""
    report, mine = {}, case.learned_alike
    for name, make in {**ALGORITHMS, case.algorithm: case.make}.items():
        rows = mine if name == case.algorithm else _judged_alone(case, make)
        report[name] = {"metrics": case.estimates(rows, draws=case.few, names=BENCHMARKED),
                        "minus_model": case.differences(rows, mine)}
    return report


def _judged_alone(case: Case, make: Make) -> pd.DataFrame:
    return case.same_folds(lambda X, y: fit(make(case.seed), X, y))


def balance(case: Case) -> dict[str, dict[str, Any]]:
    """Class weights and SMOTE, uncalibrated, on the first repeat's folds: metrics, and the change they bring."""
    raw, mine = Rules("none", flags=False), case.learned_alike
    rows = {name: mine.assign(probability=mine["raw"]) if name == case.balance
            else case.same_folds(_with_balance(case, name), raw) for name in BALANCES}
    return {name: {"metrics": case.estimates(found, draws=case.few, names=BALANCED),
                   "change": case.differences(found, rows["none"], names=BALANCED)} for name, found in rows.items()}


def _with_balance(case: Case, name: str) -> Callable[[pd.DataFrame, np.ndarray], Any]:
    return lambda X, y: fit_balanced(case.make, case.seed, X, y, name)


def _stress(case: Case) -> list[dict[str, Any]]:
    lines = stress(case.judged, case.X, case.seed, case.groups, case.few, case.tick)
    return [line | {name: case.told(line[name]) for name in ("metrics", "change")} for line in lines]


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
