"""A model card with every part that the screens draw, made by the engine's own functions from a small known world."""

from __future__ import annotations

import functools
import pickle
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from engine.prediction import explain, figures, ltv_metrics, metrics
from engine.prediction.intervals import held_by_bins
from engine.schema import Column, Estimate, Finding, ModelCard, jsonable

COLUMNS = (
    Column("months", "count", "months", "Months since the contract began", 0, label="Tenure"),
    Column("bill", "number", "currency per month", "What is paid", 0, label="Monthly bill"),
    Column("plan", "category", "", "The contract", label="Contract"),
    Column("autopay", "flag", "", "Pays by itself", label="Pays automatically"),
    Column("exit_survey", "number", "", "Filled when leaving", label="Exit survey"),
)
USED = ("months", "bill", "plan", "autopay")


def about(value: float, half: float = 0.02) -> Estimate:
    """An estimate with an interval of twice `half`."""
    return Estimate(value, value - half, value + half, 400, "by hand")


def full_card(rows: int = 400, **changes: Any) -> ModelCard:
    """A card as the store would hand it out, all parts present; `rows` customers."""
    return replace(pickle.loads(_kept(rows)), **changes)


@functools.cache
def _kept(rows: int) -> bytes:
    """The card as bytes: made once, read anew for everyone who asks."""
    rng = np.random.default_rng(1)
    X = pd.DataFrame({
        "months": rng.integers(0, 72, rows).astype(float), "bill": rng.gamma(3, 20, rows).round(2),
        "plan": pd.Categorical(np.where(rng.random(rows) < 0.5, "monthly", "yearly")),
        "autopay": rng.integers(0, 2, rows).astype(float),
    }, index=pd.Index([f"{n:04d}" for n in range(rows)], name="customer_id"))
    X.loc[X.index[::7], "bill"] = np.nan
    push = 0.5 - X["months"].to_numpy() / 30 + (X["plan"] == "monthly").to_numpy()
    p = 1 / (1 + np.exp(-push))
    y = (rng.random(rows) < p).astype(int)
    y[:2] = (0, 1)
    mine = pd.DataFrame({"months": 0.5 - X["months"] / 30, "bill": 0.01, "plan": np.where(X["plan"] == "monthly", 0.5,
                        -0.5), "autopay": 0.1 * X["autopay"], "base": 0.0}, index=X.index)
    return pickle.dumps(ModelCard(
        "abc123def456", "acme", "v1", "lightgbm", "survival", 0, datetime(2025, 7, 1), 91, "no contract any more", True,
        rows, int(y.sum()), USED, (("exit_survey", "It is filled only once the customer has left."),),
        (Finding("warning", "exit_survey", "It is filled only once the customer has left.", "Never used.", rows),),
        _metrics(), 0.3, True, ("LTV is margin over 730 days.",), _settings(),
        jsonable(_churn(y, p) | _explained(X, mine) | _value(X, y))))


def _metrics() -> dict[str, dict[str, Estimate]]:
    model = {name: about(0.5) for name in metrics.METRICS} | {
        "roc_auc": about(0.85), "brier": about(0.14), "ece": about(0.012, 0.005), "lift_at_10": about(2.8, 0.2)}
    rule = model | {"roc_auc": about(0.77), "brier": about(0.17)}
    chance = model | {"roc_auc": about(0.5), "brier": about(0.2), "lift_at_10": about(1.0)}
    worth = {name: about(0.6) for name in ("gini", "spearman", "r2", "concordance")}
    money = {name: about(12.0, 1.0) for name in ("rmse", "mae")}
    errors = {name: about(-0.026, 0.01) for name in ("total_error", "decile_error", "first_year_error")}
    return {"model": model, "rule": rule, "random": chance, "ltv": worth | money | errors}


def _settings() -> dict[str, Any]:
    return {"line": {"rule": "f2", "cost_ratio": 5.0, "capacity": 0.2}, "balance": "none", "overrule": [],
            "money": {"margin_rate": 0.3, "horizon_days": 730, "annual_discount": 0.1}, "segments": "holdfast",
            "quick": False}


def _churn(y: np.ndarray, p: np.ndarray) -> dict[str, Any]:
    coarse = np.round(p, 1)
    change = {name: about(0.01, 0.005) for name in ("roc_auc", "brier", "ece", "log_loss")}
    steps = [("as it is", 0.0), ("noised", 0.1), ("noised", 0.3), ("missing", 0.1), ("missing", 0.3), ("shifted", 0.25),
             ("shifted", 0.5)]
    return {
        "base_rate": float(y.mean()), "threshold": {"value": 0.3, "rule": "f2"},
        "reliability": metrics.reliability(y, p).to_dict("list"), "curves": metrics.curves(y, p),
        "rule_curves": metrics.curves(y, coarse), "minus_rule": {"roc_auc": about(0.08)},
        "thresholds": metrics.by_threshold(y, p, 0.3),
        "intervals": held_by_bins(y, p, p * 0.8, np.minimum(p * 1.2, 1), bins=5) | {"coverage": 0.9, "replicates": 4,
                                                                                   "roughness": 0.5},
        "benchmark": {name: {"metrics": _metrics()["model"], "minus_model": change}
                      for name in ("lightgbm", "logistic_regression", "xgboost")},
        "balance": {name: {"metrics": _metrics()["model"], "change": change} for name in ("none", "class_weight",
                                                                                          "smote")},
        "stress": [{"data": name, "amount": amount, "metrics": _metrics()["model"], "change": change}
                   for name, amount in steps],
        "season": [{"as_of": f"2024-{month:02d}-01T00:00:00", "observed": 0.6, "shift": 0.1, "with": 0.02,
                    "without": -0.05, "missed_with": 0.1, "missed_without": -0.2} for month in (3, 6, 9)],
        "over_time": [{"as_of": f"2024-{month:02d}-01T00:00:00", "customers": 900, "left": 90,
                       "metrics": {"roc_auc": about(0.8 - month / 100), "brier": about(0.1, 0.01),
                                   "ece": about(0.02, 0.01)},
                       "importance": {"months": 0.5, "money": 0.3, "autopay": 0.2},
                       "agreement": None if month == 3 else 0.5} for month in (3, 6, 9)],
        "drift": about(-0.06),
        "single_column_auc": {"months": 0.78, "bill": 0.55, "plan": 0.7, "autopay": 0.51, "exit_survey": 0.99},
        "columns": {column.name: figures.described(column) for column in COLUMNS},
    }


def _explained(X: pd.DataFrame, mine: pd.DataFrame) -> dict[str, Any]:
    importance = explain.global_importance(mine)
    worth = pd.DataFrame({"months": X["months"], "bill": 1.0, "plan": 2.0, "autopay": 0.0, "base": 500.0})
    return {"importance": importance.to_dict("list"), "swarm": figures.swarm(mine, X, USED, 0),
            "dependence": {name: figures.dependence(X[name], mine[name]) for name in USED},
            "cross_model": explain.cross_model(mine, worth).to_dict("list")}


def _value(X: pd.DataFrame, y: np.ndarray) -> dict[str, Any]:
    came = np.where(y == 1, 10.0, 40.0) + X["months"].to_numpy() / 2
    predicted, many = came * 0.9, np.resize(np.arange(len(X)), 2 * ltv_metrics.FEWEST_NEW)
    survival = ltv_metrics.first_year_deciles(X["months"].to_numpy()[many] % 12, y[many].astype(float),
                                              1 - y[many] / 2, 3.0)
    return {"ltv": {"window_deciles": ltv_metrics.deciles(came, predicted).to_dict("list"),
                    "window_density": ltv_metrics.density(came, predicted),
                    "first_year_deciles": survival.to_dict("list")}}
