"""Tables and QuickScorer against LightGBM's own answers, and against Shapley's definition."""

from __future__ import annotations

from itertools import combinations
from math import factorial
from typing import Any

import lightgbm
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.prediction.treemodel import Unsupported, matrix, tree_model
from engine.prediction.treeshap import explainer, raw_scores, scorer

QUIET = {"verbosity": -1, "num_threads": 1, "deterministic": True, "force_row_wise": True, "seed": 3}


def world(rows: int = 600, seed: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Eight columns with NaN, zeros, infinities and two of categories, and a label that needs most of them."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(rows, 8))
    X[:, 5], X[:, 6] = rng.integers(0, 40, rows), rng.integers(0, 4, rows)
    X[rng.random(X.shape) < 0.1] = np.nan
    X[rng.random(rows) < 0.2, 1] = 0.0
    X[:3, 2], X[3:6, 2] = np.inf, -np.inf
    z = np.clip(np.nan_to_num(X), -9, 40)
    logit = z[:, 0] * z[:, 1] + np.sin(3 * z[:, 3]) + (z[:, 5] % 3) - (z[:, 6] == 2) + np.isnan(X[:, 4])
    return X, (logit + rng.normal(size=rows) > 0.8).astype(int)


def train(X: Any, y: np.ndarray, rounds: int = 20, categories: Any = (5, 6), **options: Any) -> lightgbm.Booster:
    options = {"objective": "binary", "min_data_per_group": 5, "cat_smooth": 1.0, **QUIET, **options}
    categories = categories if isinstance(categories, str) else list(categories)
    return lightgbm.train(options, lightgbm.Dataset(X, y, categorical_feature=categories), rounds)


def probes(X: np.ndarray) -> np.ndarray:
    """The rows, and rows with values that training never saw."""
    strange = np.array([np.nan, 0.0, -0.0, 1e-36, -1e-36, np.inf, -np.inf, -0.5, -3.0, 77.7, 1e9, 2.5])
    return np.vstack([X, np.repeat(strange[:, None], X.shape[1], axis=1)])


OPTIONS: list[dict[str, Any]] = [
    {}, {"use_missing": False}, {"zero_as_missing": True}, {"num_leaves": 60, "min_data_in_leaf": 3},
    {"num_leaves": 2}, {"boost_from_average": False}, {"boosting": "dart"}, {"objective": "regression"},
    {"max_cat_to_onehot": 1}, {"max_cat_to_onehot": 50}, {"feature_fraction": 0.3, "extra_trees": True},
    {"objective": "tweedie"}, {"categories": ()}, {"max_bin": 5}, {"bagging_fraction": 0.5, "bagging_freq": 1},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_equals_lightgbm(options: dict[str, Any]) -> None:
    X, y = world()
    booster, rows = train(X, y, **options), probes(X)
    ours, theirs = explainer(booster).contributions(rows), booster.predict(rows, pred_contrib=True)
    assert np.abs(ours - theirs).max() < 1e-9 * max(1.0, np.abs(theirs).max())
    raw = booster.predict(rows, raw_score=True)
    assert np.array_equal(scorer(booster).raw(rows), raw)
    assert np.allclose(ours.sum(axis=1), raw, rtol=1e-9, atol=1e-9)


@settings(max_examples=12, deadline=None)
@given(
    leaves=st.integers(2, 64), depth=st.sampled_from([-1, 2, 6]), smallest=st.integers(1, 30),
    seed=st.integers(0, 10**6), rows=st.integers(60, 400),
)
def test_equals_lightgbm_whatever_the_shape(leaves: int, depth: int, smallest: int, seed: int, rows: int) -> None:
    X, y = world(rows, seed)
    booster = train(X, y, 5, num_leaves=leaves, max_depth=depth, min_data_in_leaf=smallest, seed=seed)
    values = probes(X)
    assert np.allclose(explainer(booster).contributions(values), booster.predict(values, pred_contrib=True), atol=1e-9)
    assert np.array_equal(scorer(booster).raw(values), booster.predict(values, raw_score=True))


def test_paths_too_deep_for_tables(rng: np.random.Generator) -> None:
    X = (rng.random((4000, 20)) < 0.75).astype(float)
    y = np.where(X.all(axis=1), 0, np.argmin(X, axis=1)) % 2 + rng.normal(0, 0.01, 4000)
    booster = train(X, y, 8, (), objective="regression", num_leaves=40, min_data_in_leaf=1, min_data_in_bin=1)
    ready = explainer(booster)
    assert np.diff(ready.tables.deep.factor).max() > 12
    assert np.allclose(ready.contributions(X[:500]), booster.predict(X[:500], pred_contrib=True), atol=1e-9)


def test_equals_the_definition() -> None:
    """Shapley's formula, with the expectation over the features left out taken by training rows."""
    X, y = world(300)
    X = X[:, :4]
    booster = train(X, y, 1, (), num_leaves=6)
    tree = tree_model(booster).trees[0]

    def expectation(row: np.ndarray, known: tuple[int, ...], child: int) -> float:
        if child < 0:
            return float(tree.leaf_value[~child])
        left, right = int(tree.left[child]), int(tree.right[child])
        if tree.feature[child] in known:
            value = row[tree.feature[child]]
            goes_left = bool(tree.decision[child] & 2) if np.isnan(value) else value <= tree.threshold[child]
            return expectation(row, known, left if goes_left else right)
        shares = tree.rows(left) / tree.node_rows[child], tree.rows(right) / tree.node_rows[child]
        return shares[0] * expectation(row, known, left) + shares[1] * expectation(row, known, right)

    def shapley(row: np.ndarray, i: int) -> float:
        others = [j for j in range(4) if j != i]
        return sum(
            factorial(size) * factorial(3 - size) / factorial(4)
            * (expectation(row, (*known, i), 0) - expectation(row, known, 0))
            for size in range(4) for known in combinations(others, size)
        )

    ours = explainer(booster).contributions(X[:5])
    assert np.allclose(ours[:, :4], [[shapley(row, i) for i in range(4)] for row in X[:5]], atol=1e-12)


def test_frames_with_categories_read_as_in_training() -> None:
    X, y = world()
    frame = pd.DataFrame(X[:, :5], columns=list("abcde")).assign(
        plan=pd.Categorical.from_codes(np.nan_to_num(X[:, 6]).astype(int), ["w", "x", "y", "z"]), n=np.arange(len(X)))
    booster = train(frame, y, categories="auto")
    other = frame.assign(plan=pd.Categorical(["z", "new", None, "w", "y", "x"] * 100, ["new", "z", "y", "x", "w"]))
    for rows in (frame, other, frame.astype({"a": np.float32})):
        values, theirs = matrix(booster, rows), booster.predict(rows, pred_contrib=True)
        assert np.allclose(explainer(booster).contributions(values), theirs, atol=1e-9)
        assert np.array_equal(scorer(booster).raw(values), booster.predict(rows, raw_score=True))


def test_stops_at_the_best_iteration() -> None:
    X, y = world()
    booster = train(X, y)
    booster.best_iteration = 7
    assert np.allclose(explainer(booster).contributions(X), booster.predict(X, pred_contrib=True), atol=1e-9)
    assert np.array_equal(scorer(booster).raw(X), booster.predict(X, raw_score=True))


def test_a_forest_is_the_mean_of_its_trees() -> None:
    X, y = world()
    booster = train(X, y, boosting="rf", bagging_fraction=0.7, bagging_freq=1)
    p = booster.predict(X)
    assert np.allclose(1 / (1 + np.exp(-scorer(booster).raw(X))), p, atol=1e-12)
    ours, summed = explainer(booster).contributions(X), booster.predict(X, pred_contrib=True)
    assert np.allclose(1 / (1 + np.exp(-ours.sum(axis=1))), p, atol=1e-9)
    assert np.allclose(ours * 20, summed, atol=1e-8), "LightGBM gives the sum of the forest's trees"


def test_a_model_without_splits_is_its_base() -> None:
    X, y = world(100)
    booster = train(X, y, min_data_in_leaf=90)
    assert np.allclose(explainer(booster).contributions(X), booster.predict(X, pred_contrib=True))
    assert np.allclose(scorer(booster).raw(X), booster.predict(X, raw_score=True))


@pytest.mark.parametrize(
    ("options", "of"),
    [({"objective": "multiclass", "num_class": 3}, explainer), ({"linear_tree": True, "categories": ()}, explainer),
     ({"num_leaves": 200, "min_data_in_leaf": 1, "min_sum_hessian_in_leaf": 0}, scorer)],
    ids=lambda of: getattr(of, "__name__", str(of)))
def test_what_arrays_cannot_hold_is_refused(options: dict[str, Any], of: Any) -> None:
    X, y = world()
    with pytest.raises(Unsupported):
        of(train(X, y, 3, **options))


def test_raw_scores_are_lightgbms_own(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = world(300)
    monkeypatch.setattr("engine.prediction.treeshap.WORTH_COMPILING", 0)
    monkeypatch.setattr("engine.prediction.treeshap.CHUNK", 128)
    frame = pd.DataFrame(X)
    for booster in (train(X, y), train(X, y, num_leaves=200, min_data_in_leaf=1, min_sum_hessian_in_leaf=0)):
        assert np.array_equal(raw_scores(booster, frame), booster.predict(X, raw_score=True))
        assert np.array_equal(raw_scores(booster, X), booster.predict(X, raw_score=True))


def test_no_rows() -> None:
    X, y = world()
    booster = train(X, y, 3)
    assert explainer(booster).contributions(X[:0]).shape == (0, 9)
    assert scorer(booster).raw(X[:0]).shape == (0,)


@pytest.mark.slow
def test_many_deep_trees_of_thirty_features(rng: np.random.Generator) -> None:
    X = rng.normal(size=(3000, 30))
    X[rng.random(X.shape) < 0.05] = np.nan
    y = (np.nan_to_num(X)[:, :12].sum(axis=1) + rng.normal(size=3000) > 0).astype(int)
    booster = train(X, y, 300, (), num_leaves=31)
    assert np.abs(explainer(booster).contributions(X) - booster.predict(X, pred_contrib=True)).max() < 1e-9
