"""A model over time: metrics per moment, drivers that stay or change, against worlds made to do either."""

from __future__ import annotations

from datetime import datetime, timedelta

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from engine.prediction.churn import CHURN_MODELS, ChurnOptions, train_churn
from engine.prediction.level import Level, season_words
from engine.prediction.metrics import roc_auc
from engine.prediction.moments import WATCHED, agreement, drift, gain_by_family
from engine.schema import Column, Estimate, Snapshot, Window

pytestmark = pytest.mark.slow
MOMENTS = [datetime(2024, 1, 1) + timedelta(days=30 * step) for step in range(5)]
COLUMNS = tuple(Column(f"{family}_{place}", "number", "units", "A number", family=family)
                for family in ("pause", "spend", "visits") for place in range(2))
QUICK = ChurnOptions(folds=3, repeats=1, replicates=2, draws=60, calibration="none", comparison=False, stress=False,
                     balance_effect=False)


def world(seed: int, weights: dict[int, tuple[float, float, float]], customers: int = 700) -> Snapshot:
    """Several moments; at each, what drives leaving: the weights of pause, spend and visits."""
    rng = np.random.default_rng(seed)
    frames, answers = [], []
    for step, as_of in enumerate(MOMENTS):
        index = pd.MultiIndex.from_product([[pd.Timestamp(as_of)], [f"c{n:04d}" for n in range(customers)]],
                                           names=["as_of", "customer_id"])
        X = pd.DataFrame(rng.normal(size=(customers, 6)), index, [column.name for column in COLUMNS])
        push = sum(weight * X[f"{family}_0"] for weight, family in
                   zip(weights[min(step, max(weights))], ("pause", "spend", "visits"), strict=True))
        frames.append(X)
        answers.append(pd.Series((push + rng.logistic(size=customers) > 0.8).astype(int), index))
    windows = tuple(Window(as_of, 30) for as_of in MOMENTS)
    return Snapshot(pd.concat(frames), pd.concat(answers), windows, COLUMNS)


SAME = dict.fromkeys(range(5), (2.0, 1.0, 0.3))


def test_every_predicted_moment_has_its_metrics_and_drivers() -> None:
    known = world(1, SAME)
    _, report = train_churn(known, "lightgbm_orders", seed=1, options=QUICK)
    told = report.detail["over_time"]
    assert [row["as_of"] for row in told] == [pd.Timestamp(as_of) for as_of in MOMENTS[1:]]
    for row in told:
        rows = report.out_of_fold.xs(row["as_of"], level="as_of")
        assert row["customers"] == len(rows) == 700
        assert row["left"] == rows["y"].sum()
        assert set(row["metrics"]) == set(WATCHED)
        auc = row["metrics"]["roc_auc"]
        assert auc.value == pytest.approx(roc_auc(rows["y"].to_numpy(), rows["probability"].to_numpy()))
        assert auc.low < auc.value < auc.high
        assert sum(row["importance"].values()) == pytest.approx(1)
        assert next(iter(row["importance"])) == "pause"
    assert told[0]["agreement"] is None
    assert all(row["agreement"] > 0.4 for row in told[1:]), "the same drivers keep their order"


def test_drivers_that_change_places_are_seen() -> None:
    """Leaving turns from pauses to visits: who learned only afterwards has another order."""
    turned = world(2, {0: (2.5, 0.8, 0.0), 1: (0.0, 0.8, 2.5)}, 900)
    before, after = (turned.X[turned.as_of == pd.Timestamp(MOMENTS[step])] for step in (0, 4))
    gains = [gain_by_family(CHURN_MODELS["lightgbm_orders"](1).fit(X, turned.y.loc[X.index].to_numpy()), COLUMNS)
             for X in (before, after)]
    assert [next(iter(shares)) for shares in gains] == ["pause", "visits"]
    assert agreement(*gains) == -1


def test_a_model_that_loses_its_grip_is_seen_in_the_drift() -> None:
    fades = world(3, {0: (2.5, 0.0, 0.0), 1: (2.5, 0.0, 0.0), 2: (1.2, 0.0, 0.0), 3: (0.4, 0.0, 0.0),
                      4: (0.0, 0.0, 0.0)})
    _, report = train_churn(fades, "lightgbm_orders", seed=1, options=QUICK)
    lost = report.detail["drift"]
    assert lost.value < -0.2
    assert lost.high < 0
    steady = train_churn(world(4, SAME), "lightgbm_orders", seed=1, options=QUICK)[1].detail["drift"]
    assert steady.low < 0 < steady.high


def test_one_moment_has_no_course() -> None:
    known = world(5, SAME)
    first = known.as_of == pd.Timestamp(MOMENTS[0])
    alone = Snapshot(known.X[first], known.y[first], known.windows[:1], known.columns)
    assert "over_time" not in train_churn(alone, "lightgbm_orders", seed=1, options=QUICK)[1].detail
    assert drift([]) is None


def test_agreement_is_spearmans() -> None:
    rng = np.random.default_rng(0)
    one, other = (dict(zip("abcdefgh", rng.random(8), strict=True)) for _ in range(2))
    assert agreement(one, other) == pytest.approx(spearmanr(list(one.values()), list(other.values()))[0], abs=1e-6)
    assert agreement({"a": 1.0}, {"a": 1.0}) is None
    assert agreement(dict.fromkeys("abc", 0.3), {"a": 0.1, "b": 0.2, "c": 0.7}) is None


def test_what_the_season_changed_is_said_with_figures() -> None:
    told = [{"shift": 0.5, "without": 0.04, "with": -0.01}, {"shift": -0.2, "without": -0.02, "with": 0.01},
            {"shift": 0.0, "without": 0.3, "with": 0.3}]
    rates = pd.DataFrame({"rows": [100, 100], "rate": [0.4, 0.6]}, index=pd.DatetimeIndex(["2024-01-01", "2024-07-01"]))
    unused = season_words(Level(rates, False, 0.1), told, datetime(2025, 1, 1))
    assert unused == ("Over 2 moments with a year before, the level of churn was missed by 3.0 points on average, "
                      "recalibrated by last year's season by 1.0: the season is not used.")
    used = season_words(Level(rates, True, 0.1), told, datetime(2024, 12, 30))
    assert used.endswith("it is used, and moves a chance of 10 % to 6.9 % now.")
    assert season_words(Level(rates, False, 0.0), [], datetime(2025, 1, 1)) == ""
    assert "not known" in season_words(Level(rates, False, 0.0), told[2:], datetime(2025, 1, 1))
    assert Estimate(0, 0, 0, 1, "").n == 1
