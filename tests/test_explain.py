"""Contributions add up, agree with the exact values where these are known, and do not depend on who else is asked."""

from __future__ import annotations

from dataclasses import dataclass
from math import nan
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.prediction import ensembles, explain
from engine.prediction.explain import (
    contributions,
    cross_model,
    dependence,
    global_importance,
    of_booster,
    sampled,
    waterfall,
)


@dataclass(frozen=True)
class Fitted:
    """As much of a ChurnModel as explanations need."""

    algorithm: str
    estimator: Any
    columns: tuple[str, ...]

    def align(self, X: pd.DataFrame) -> pd.DataFrame:
        return X[list(self.columns)]

    def log_odds(self, X: pd.DataFrame) -> np.ndarray:
        if hasattr(self.estimator, "booster_"):
            return np.asarray(self.estimator.predict_proba(X, raw_score=True))
        p = self.estimator.predict_proba(X)[:, 1]
        return np.log(p / (1 - p))


def customers(rows: int = 400) -> tuple[pd.DataFrame, np.ndarray]:
    rng = np.random.default_rng(11)
    X = pd.DataFrame({
        "months": rng.integers(0, 72, rows).astype(float), "charges": rng.normal(60, 20, rows),
        "plan": pd.Categorical(rng.choice(["monthly", "yearly", "two years"], rows)),
    }, index=pd.Index([f"{number:04d}" for number in range(rows)], name="customer_id"))
    logit = (1 - X.months / 20 + (X.plan == "monthly") * 1.5).to_numpy()
    X.loc[X.index[::9], "charges"] = nan
    X.loc[X.index[::11], "plan"] = None
    return X, (rng.random(rows) < 1 / (1 + np.exp(-logit))).astype(int)


def fitted(make: Any) -> tuple[Any, pd.DataFrame]:
    X, y = customers()
    return Fitted("model", make(3).fit(X, y), tuple(X.columns)), X


@pytest.mark.parametrize("make", [ensembles.lightgbm, ensembles.logistic, ensembles.gradient_boosting])
def test_contributions_sum_to_the_raw_log_odds(make: Any) -> None:
    model, X = fitted(make)
    told = contributions(model, X, X)
    assert list(told.columns) == ["months", "charges", "plan", "base"]
    assert told.index.equals(X.index)
    assert np.abs(told.sum(axis=1) - model.log_odds(X)).max() < 1e-6
    assert told.base.nunique() == 1


@pytest.mark.slow
@pytest.mark.parametrize("make", [ensembles.vote, ensembles.ensemble])
def test_contributions_of_mixtures_sum_to_the_raw_log_odds(make: Any) -> None:
    model, X = fitted(make)
    told = contributions(model, X.head(40), X)
    assert np.abs(told.sum(axis=1) - model.log_odds(X.head(40))).max() < 1e-6
    assert global_importance(told).feature[0] in ("months", "plan")


@pytest.mark.parametrize("make", [ensembles.lightgbm, ensembles.logistic])
def test_a_customer_alone_is_explained_as_among_others(make: Any) -> None:
    model, X = fitted(make)
    together = contributions(model, X, X)
    for row in (0, 9, 11, 99):
        alone = contributions(model, X.iloc[[row]], X)
        assert np.allclose(alone, together.iloc[[row]], atol=1e-9)


@pytest.mark.slow
def test_tables_and_lightgbm_say_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    model, X = fitted(ensembles.lightgbm)
    own = contributions(model, X)
    monkeypatch.setattr(explain, "WORTH_TABLES", 0)
    assert np.allclose(contributions(model, X), own, atol=1e-9)


def test_what_tables_cannot_hold_lightgbm_explains(monkeypatch: pytest.MonkeyPatch) -> None:
    import lightgbm

    X, _ = customers()
    frame = X[["months", "charges"]]
    booster = lightgbm.train({"verbosity": -1, "num_threads": 1}, lightgbm.Dataset(frame, X.months.to_numpy()), 5)
    monkeypatch.setattr(explain, "WORTH_TABLES", 0)
    monkeypatch.setattr("engine.prediction.treetables.LARGEST", 0)
    assert np.allclose(of_booster(booster, frame).sum(axis=1), booster.predict(frame), atol=1e-6)


def test_sampled_values_of_an_additive_model_are_exact() -> None:
    rng = np.random.default_rng(2)
    X, background = (pd.DataFrame(rng.normal(size=(50, 4)), columns=list("abcd")) for _ in range(2))
    weights = np.array([1.0, -2.0, 0.5, 0.0])
    told = sampled(lambda rows: rows.to_numpy() @ weights, X, background)
    places = ((np.arange(explain.CHAINS) + 0.5) / explain.CHAINS * 50).astype(int)
    evenly = np.argsort(background.to_numpy() @ weights)[places]
    typical = background.to_numpy()[evenly].mean(axis=0)
    assert np.allclose(told[list("abcd")], (X.to_numpy() - typical) * weights)
    assert np.allclose(told.base, typical @ weights)


def test_sampled_values_share_a_product_evenly() -> None:
    X = pd.DataFrame({"a": [2.0, 3.0], "b": [5.0, 7.0]})
    told = sampled(lambda rows: (rows.a * rows.b).to_numpy(), X, X * 0)
    assert told.to_numpy().tolist() == [[5.0, 5.0, 0.0], [10.5, 10.5, 0.0]]


def test_sampled_values_give_nothing_to_a_feature_that_the_model_ignores() -> None:
    model, X = fitted(ensembles.logistic)
    wider = X.assign(noise=np.arange(len(X), dtype=float))
    told = sampled(lambda rows: model.log_odds(rows[list(X)]), wider, wider)
    assert (told.noise.abs() < 1e-12).all()


def test_importance_ranks_by_mean_size() -> None:
    model, X = fitted(ensembles.lightgbm)
    told = contributions(model, X)
    table = global_importance(told)
    assert table.importance.is_monotonic_decreasing
    assert table.share.sum() == pytest.approx(1)
    assert table.set_index("feature").importance["months"] == pytest.approx(told.months.abs().mean())


def test_dependence_spans_the_feature() -> None:
    model, X = fitted(ensembles.lightgbm)
    told = contributions(model, X)
    drawn = dependence(told, X, "months", colour="plan", most=50)
    assert len(drawn) == 50
    assert drawn.value.min() == X.months.min() and drawn.value.max() == X.months.max()
    assert drawn.contribution.equals(told.months.loc[drawn.index])
    assert list(dependence(told, X, "charges")) == ["value", "contribution"]


def test_cross_model_gives_each_feature_its_role() -> None:
    churn = pd.DataFrame({"a": [1.0, -1.0], "b": [0.0, 0.01], "c": [-2.0, 2.0], "base": 0.0})
    ltv = pd.DataFrame({"a": [-10.0, 10.0], "b": [90.0, -90.0], "base": 500.0})
    table = cross_model(churn, ltv).set_index("feature")
    assert table.role.to_dict() == {"a": "both", "b": "LTV only", "c": "churn only"}
    assert table.together["a"] == pytest.approx(-1)
    assert np.isnan(table.together["c"])


def test_waterfall_ends_at_the_raw_log_odds() -> None:
    row = pd.Series({"a": 0.1, "b": -2.0, "c": 1.0, "d": 0.2, "base": -1.0})
    table = waterfall(row, most=2)
    assert table.step.tolist() == ["base", "b", "c", "2 others", "total"]
    assert table.end.tolist() == pytest.approx([-1, -3, -2, -1.7, -1.7])
    assert (table.start[1:-1].to_numpy() == table.end[:-2].to_numpy()).all()


@pytest.mark.slow
def test_shap_says_the_same() -> None:
    """The reference implementation of TreeSHAP, on a model with gaps."""
    import shap
    from lightgbm import LGBMClassifier

    rng = np.random.default_rng(6)
    X = pd.DataFrame(rng.normal(size=(800, 6)), columns=list("abcdef")).mask(rng.random((800, 6)) < 0.1)
    y = (X["a"].fillna(0) * X["b"].fillna(1) + X["c"].fillna(0) > 0).astype(int)
    booster = LGBMClassifier(n_estimators=40, verbosity=-1, random_state=1).fit(X, y).booster_
    told = of_booster(booster, X.head(100))
    theirs = shap.TreeExplainer(booster)
    values = theirs.shap_values(X.head(100))
    values = values[1] if isinstance(values, list) else values
    np.testing.assert_allclose(told.drop(columns="base").to_numpy(), values, atol=1e-6)
