"""Evaluation cannot flatter: folds stay apart, time runs forward, intervals hold, and planted cheats are found."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.errors import EngineError
from engine.prediction.balance import class_weights, smote
from engine.prediction.calibration import inverse_logit, logit
from engine.prediction.comparison import BestColumn, Chance
from engine.prediction.ensembles import logistic
from engine.prediction.evaluate import (
    Rules,
    decide,
    differences,
    estimates,
    out_of_fold,
    repeat_of,
    sample,
    stratified_splits,
    temporal_splits,
)
from engine.prediction.metrics import roc_auc
from engine.prediction.stress import missing, noised, shifted
from engine.prediction.thresholds import Line, risk_bands, risk_cuts, threshold
from engine.schema import Snapshot, Window


class Echo:
    """A model that says what its one column says, and remembers the rows it was shown."""

    def __init__(self) -> None:
        self.seen: set[int] = set()

    def fit(self, X: pd.DataFrame, y: np.ndarray) -> Echo:
        self.seen = set(X["row"])
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        assert not self.seen & set(X["row"]), "A row was judged by a model that had seen it."
        return np.column_stack([1 - X["p"], X["p"]])


@pytest.fixture
def world(rng: np.random.Generator) -> tuple[pd.DataFrame, np.ndarray]:
    """Known probabilities as a column, and labels drawn from them."""
    p = inverse_logit(rng.normal(-1, 1.2, size=800))
    return pd.DataFrame({"row": np.arange(800), "p": p}), (rng.uniform(size=800) < p).astype(int)


def echo(X: pd.DataFrame, y: np.ndarray) -> Echo:
    return Echo().fit(X, y)


def test_every_row_is_judged_once_per_repeat_by_a_model_that_has_not_seen_it(world: Any) -> None:
    X, y = world
    judged = out_of_fold(echo, X, y, stratified_splits(y, 5, 2, seed=1), Rules("none"))
    assert judged.rows.groupby("repeat")["position"].apply(lambda rows: sorted(rows) == list(range(800))).all()
    assert len(judged.models) == 5
    assert np.array_equal(judged.rows["probability"], X["p"].to_numpy()[judged.rows["position"]])


def test_a_rows_own_label_moves_neither_its_calibration_nor_its_flag(world: Any) -> None:
    X, y = world
    splits = stratified_splits(y, 4, 1, seed=1)
    held = splits[0][1]
    flipped = y.copy()
    flipped[held] = 1 - flipped[held]
    rows = [out_of_fold(echo, X, labels, splits, Rules("isotonic")).rows.query("fold == 0") for labels in (y, flipped)]
    assert rows[0]["probability"].tolist() == rows[1]["probability"].tolist()
    assert rows[0]["flagged"].tolist() == rows[1]["flagged"].tolist()


def test_a_split_that_nothing_came_before_decides_within_its_training_rows(world: Any) -> None:
    X, y = world
    split = (np.arange(600), np.arange(600, 800))
    judged = out_of_fold(echo, X, y, [split], Rules("platt"))
    assert judged.rows["position"].tolist() == list(range(600, 800))
    assert judged.calibrators[0].method == "platt"


def test_a_new_repeat_begins_where_a_row_comes_again() -> None:
    assert repeat_of(stratified_splits(np.array([0, 1] * 10), 5, 3, seed=0), 20) == [0] * 5 + [1] * 5 + [2] * 5


def test_temporal_splits_train_only_on_labels_known_by_then() -> None:
    moments = [datetime(2024, month, 1) for month in (1, 3, 6)]
    index = pd.MultiIndex.from_product([moments, ["a", "b"]], names=["as_of", "customer_id"])
    snapshot = Snapshot(pd.DataFrame({"x": range(6)}, index=index), pd.Series([0, 1] * 3, index=index),
                        tuple(Window(moment, 90) for moment in moments), ())
    assert [(train.tolist(), test.tolist()) for train, test in temporal_splits(snapshot)] == [([0, 1, 2, 3], [4, 5])]


def test_values_are_means_over_folds_or_pooled_repeats(world: Any) -> None:
    X, y = world
    rows = out_of_fold(echo, X, y, stratified_splits(y, 5, 2, seed=3), Rules("none")).rows
    found = estimates(rows, seed=0, draws=50)
    by_fold = [roc_auc(part["y"].to_numpy(), part["probability"].to_numpy()) for _, part in rows.groupby("fold")]
    assert found["roc_auc"].value == pytest.approx(np.mean(by_fold))
    assert found["brier"].value == pytest.approx(np.mean((y - X["p"]) ** 2))
    assert all(estimate.low <= estimate.value <= estimate.high for estimate in found.values())


@pytest.mark.slow
def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    """Of a fixed model, over fresh samples: AUC, Brier and log loss of a large population."""
    held = []
    big = np.random.default_rng(0)
    p = inverse_logit(big.normal(-1, 1.2, size=400_000))
    y = (big.uniform(size=400_000) < p).astype(int)
    truth = {"roc_auc": roc_auc(y, p), "brier": float(np.mean((y - p) ** 2))}
    for seed in range(200):
        rng = np.random.default_rng(seed)
        q = inverse_logit(rng.normal(-1, 1.2, size=600))
        labels = (rng.uniform(size=600) < q).astype(int)
        rows = pd.DataFrame({"position": np.arange(600), "repeat": 0, "fold": 0, "y": labels, "raw": q,
                             "trained_on": 10**9, "probability": q, "flagged": q > 0.3})
        found = estimates(rows, seed, draws=200, names=truth)
        held.append([found[name].low <= truth[name] <= found[name].high for name in truth])
    assert (np.abs(np.mean(held, axis=0) - 0.95) < 4 * np.sqrt(0.95 * 0.05 / 200)).all()


def test_customers_with_many_rows_widen_the_interval(world: Any) -> None:
    X, y = world
    rows = out_of_fold(echo, X, y, stratified_splits(y, 5, 1, seed=3), Rules("none")).rows
    tenfold = pd.concat([rows.assign(position=rows["position"] + 800 * copy) for copy in range(10)])
    groups = np.tile(np.arange(800), 10)
    alone, once = (estimates(tenfold, 0, who, draws=200, names=["brier"])["brier"] for who in (None, groups))
    assert 2.0 < (once.high - once.low) / (alone.high - alone.low) < 5.0


def test_paired_differences_are_narrower_than_the_metrics(world: Any) -> None:
    X, y = world
    splits = stratified_splits(y, 5, 1, seed=3)
    mine = out_of_fold(echo, X, y, splits, Rules("none")).rows
    theirs = mine.assign(probability=inverse_logit(1.1 * logit(mine["probability"].to_numpy())))
    change = differences(mine, theirs, seed=0, draws=100)["brier"]
    own = estimates(mine, 0, draws=100, names=["brier"])["brier"]
    assert (change.high - change.low) < 0.3 * (own.high - own.low)
    assert differences(mine, mine, seed=0, draws=20)["roc_auc"].high == 0.0


def test_the_rule_finds_the_column_that_matters_and_chance_does_not(world: Any, rng: np.random.Generator) -> None:
    X, y = world
    X = X.assign(noise=rng.normal(size=800))[["noise", "p"]]
    rule = BestColumn().fit(X, y)
    assert rule.column == "p"
    assert roc_auc(y, rule.predict_proba(X)[:, 1]) > 0.7
    chance = Chance(seed=1).fit(X, y).predict_proba(X)[:, 1]
    assert chance == pytest.approx(np.full(800, y.mean()), abs=1e-5)


@pytest.mark.parametrize("line", [Line("f2"), Line("cost", cost_ratio=4.0), Line("capacity", capacity=0.15)])
def test_thresholds_are_the_best_by_exhaustive_search(world: Any, line: Line) -> None:
    X, y = world
    p = X["p"].to_numpy()
    found = threshold(y, p, line)

    def worth(cut: float) -> float:
        flagged = p >= cut
        hits = np.sum(flagged & (y == 1))
        if line.rule == "f2":
            return float(5 * hits / (4 * y.sum() + flagged.sum()))
        if line.rule == "cost":
            return float(-(flagged.sum() - hits) - 4.0 * (y.sum() - hits))
        return float(flagged.mean() if flagged.mean() <= 0.15 else -1)

    assert worth(found) == pytest.approx(max(worth(cut) for cut in p))


def test_a_calibrated_cost_threshold_is_near_its_closed_form(rng: np.random.Generator) -> None:
    p = rng.uniform(size=200_000)
    y = (rng.uniform(size=200_000) < p).astype(int)
    assert threshold(y, p, Line("cost", cost_ratio=4.0)) == pytest.approx(1 / 5, abs=0.02)


def test_impossible_settings_are_refused_with_advice() -> None:
    with pytest.raises(EngineError, match="capacity is 0"):
        Line("capacity", capacity=0.0)
    with pytest.raises(EngineError, match="Choose one of: capacity, cost, f2"):
        threshold(np.array([0, 1]), np.array([0.1, 0.2]), Line("f3"))
    with pytest.raises(EngineError, match="Choose one of: isotonic, none, platt"):
        decide(pd.DataFrame({"y": [0, 1], "raw": [0.1, 0.2], "fold": [0, 1]}), Rules("beta"))


def test_a_flagged_customer_of_more_than_average_risk_is_never_low() -> None:
    for base_rate, line in [(0.27, 0.15), (0.27, 0.6), (0.6, 0.3), (0.02, 0.01)]:
        cuts = risk_cuts(base_rate, line)
        assert 0 < cuts[0] <= base_rate < cuts[1] < 1
        assert risk_bands(np.array([max(base_rate, line)]), cuts)[0] != "LOW"


def test_class_weights_and_smote_make_the_classes_equal(rng: np.random.Generator) -> None:
    y = np.array([1] * 40 + [0] * 160)
    X = pd.DataFrame({"x": rng.normal(size=200), "count": rng.integers(5, size=200).astype(float),
                      "plan": pd.Categorical(rng.choice(["a", "b", "c"], size=200))})
    X.loc[3:9, "x"] = np.nan
    X.loc[12:15, "plan"] = np.nan
    assert class_weights(y)[y == 1].sum() == pytest.approx(class_weights(y)[y == 0].sum())
    grown, labels = smote(X, y, seed=0)
    assert labels.mean() == 0.5 and len(grown) == 320
    pd.testing.assert_frame_equal(grown.iloc[:200], X)
    assert grown["plan"].dtype == X["plan"].dtype and grown.iloc[200:].notna().all().all()


def fake_company(rng: np.random.Generator, n: int = 1200) -> tuple[pd.DataFrame, np.ndarray]:
    X = pd.DataFrame(rng.normal(size=(n, 5)), columns=list("abcde"))
    X["plan"] = pd.Categorical(rng.choice(["x", "y"], size=n))
    return X, (rng.uniform(size=n) < inverse_logit(X["a"].to_numpy() - 1.3)).astype(int)


def test_stress_makes_the_data_worse_by_as_much_as_it_says(rng: np.random.Generator) -> None:
    X = pd.DataFrame({"x": rng.normal(5, 2, size=4000), "plan": pd.Categorical(rng.choice(["a", "b"], size=4000))})
    assert (noised(X, 0.3, rng)["x"] - X["x"]).std() == pytest.approx(0.6, rel=0.1)
    assert missing(X, 0.3, rng).isna().mean().to_list() == pytest.approx([0.3, 0.3], abs=0.03)
    assert abs((shifted(X, 0.5, rng)["x"] - X["x"]).mean()) == pytest.approx(1.0, rel=0.1)
    assert (noised(X, 0.3, rng)["plan"] != X["plan"]).mean() == pytest.approx(0.15, abs=0.03)


def test_a_learner_can_be_judged_by_its_folds(rng: np.random.Generator) -> None:
    X, y = fake_company(rng)
    rows = out_of_fold(lambda some, labels: logistic(0).fit(some, labels), X, y, stratified_splits(y, 3, 1, 0), Rules())
    best = roc_auc(y, X["a"].to_numpy())
    assert estimates(rows.rows, 0, draws=20)["roc_auc"].value == pytest.approx(best, abs=0.03)


def test_a_sample_takes_whole_customers_and_enough_of_the_rarer_class(rng: np.random.Generator) -> None:
    y, groups = (rng.uniform(size=40_000) < 0.5).astype(int), np.repeat(np.arange(8_000), 5)
    some = sample(y, groups, seed=1)
    assert len(some) == 8_000 and np.array_equal(some, sample(y, groups, seed=1)) and (np.diff(some) > 0).all()
    assert not np.array_equal(some, sample(y, groups, seed=2))
    assert np.unique(np.unique(groups[some], return_counts=True)[1]).tolist() == [5]
    rare = (np.arange(40_000) % 50 == 0).astype(int)
    assert rare[sample(rare, None, seed=1)].sum() == pytest.approx(500, rel=0.15)
    assert np.array_equal(sample(y[:8_000], None, seed=1), np.arange(8_000))


def test_what_was_judged_can_be_looked_at_on_a_sample(world: Any) -> None:
    X, y = world
    judged = out_of_fold(echo, X, y, stratified_splits(y, 4, 2, seed=1), Rules("none"))
    some = np.flatnonzero(np.arange(800) % 3 == 0)
    few = judged.of(some)
    assert sorted(few.rows["position"]) == list(range(len(some))) and set(few.rows["repeat"]) == {0}
    assert np.array_equal(few.rows["y"], y[some][few.rows["position"]])
    assert np.array_equal(few.rows["probability"], X["p"].to_numpy()[some][few.rows["position"]])
    for (train, test), (whole_train, whole_test) in zip(few.splits, judged.splits[:4], strict=True):
        assert set(some[train]) == set(some) & set(whole_train) and set(some[test]) == set(some) & set(whole_test)
    assert few.models == judged.models


def test_where_nobody_is_flagged_nothing_is_fitted_to_decide_it(world: Any) -> None:
    X, y = world
    fits = []

    def counted(rows: pd.DataFrame, labels: np.ndarray) -> Echo:
        fits.append(len(rows))
        return echo(rows, labels)

    split = (np.arange(600), np.arange(600, 800))
    rows = out_of_fold(counted, X, y, [split], Rules("none", flags=False)).rows
    assert fits == [600] and not rows["flagged"].any()
    assert np.array_equal(rows["probability"], rows["raw"])
    out_of_fold(counted, X, y, [split], Rules("none"))
    assert len(fits) == 1 + 4, "a threshold takes three more models where no other fold has judged the training rows"
