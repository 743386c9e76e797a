"""The temporal backtest: nothing from the test's time is learned, the season is moved by what was known of it."""

from __future__ import annotations

import pickle
import re
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score

from benchmarks.backtest import backtest
from engine.errors import EngineError
from engine.prediction.model import judgeable
from engine.prediction.season import base_rates, moved, season_shift
from engine.prediction.timely import Rhythm, Views, lightgbm_temporal
from engine.schema import Column, Snapshot, Window

START = datetime(2022, 1, 3)
HORIZON = 91


def snapshot_of(moments: list[datetime], season: Callable[[datetime], float], rng: np.random.Generator,
                rows: int = 400) -> Snapshot:
    """A world in which leaving depends on x and on the season's level [log-odds]."""
    index = pd.MultiIndex.from_product([moments, [f"c{place}" for place in range(rows)]],
                                       names=["as_of", "customer_id"])
    X = pd.DataFrame({"x": rng.normal(size=len(index)), "noise": rng.normal(size=len(index))}, index=index)
    levels = np.repeat([season(moment) for moment in moments], rows)
    p = 1 / (1 + np.exp(-(X["x"] + levels)))
    y = pd.Series((rng.random(len(index)) < p).astype(int), index=index, name="churned")
    columns = tuple(Column(name, "number", "", name) for name in X)
    return Snapshot(X, y, tuple(Window(moment, HORIZON) for moment in moments), columns)


def every(days: int, count: int) -> list[datetime]:
    return [START + timedelta(days=days * place) for place in range(count)]


def level(_moment: datetime) -> float:
    """No season."""
    return 0.0


def logistic(_seed: int) -> Any:
    return LogisticRegression()


class Witness:
    """Remembers when the rows that it learned from were."""

    def __init__(self) -> None:
        self.learned: list[pd.DatetimeIndex] = []

    def make(self, _seed: int) -> Witness:
        return self

    def fit(self, X: pd.DataFrame, _y: np.ndarray) -> Witness:
        self.learned.append(pd.DatetimeIndex(X.index.get_level_values("as_of")))
        return self

    def predict_proba(self, X: pd.DataFrame) -> np.ndarray:
        return np.full((len(X), 2), 0.5)


def test_every_training_label_was_known_at_the_test(rng: np.random.Generator) -> None:
    witness = Witness()
    view = snapshot_of(every(30, 12), level, rng, rows=20)
    result = backtest(view, witness.make, seed=0)
    moments = result.folds.index
    assert list(moments) == every(30, 12)[4:], "the fifth moment is the first that a whole label window comes before"
    for moment, learned in zip(moments, witness.learned, strict=True):
        assert learned.max() + timedelta(days=HORIZON) <= moment
        assert len(learned.unique()) == result.folds.loc[moment, "train_windows"]


def test_labels_not_yet_known_change_no_prediction(rng: np.random.Generator) -> None:
    view, test = snapshot_of(every(30, 12), level, rng), every(30, 12)[8]
    hidden = view.as_of + pd.Timedelta(days=HORIZON) > test
    turned = replace(view, y=view.y.where(~hidden, 1 - view.y))
    one, other = (backtest(v, logistic, seed=0, tests=[test]).predictions for v in (view, turned))
    pd.testing.assert_series_equal(one["probability"], other["probability"], check_exact=True)
    assert (one["y"] != other["y"]).all()


def test_metrics_are_those_of_each_moment_alone(rng: np.random.Generator) -> None:
    result = backtest(snapshot_of(every(91, 6), level, rng), logistic, seed=0)
    metrics = result.metrics()
    assert len(metrics) == 5
    for as_of, rows in result.predictions.groupby("as_of"):
        assert metrics.loc[as_of, "roc_auc"] == pytest.approx(roc_auc_score(rows["y"], rows["probability"]))
        assert metrics.loc[as_of, "log_loss"] == pytest.approx(log_loss(rows["y"], rows["probability"]))
        away = rows["probability"].mean() - rows["y"].mean()
        assert result.calibration_in_the_large().loc[as_of, "probability"] == pytest.approx(away)


def test_the_season_is_last_years_rate_over_that_of_all_windows() -> None:
    moments = pd.DatetimeIndex([START, START + timedelta(days=91), START + timedelta(days=182)])
    rates = pd.DataFrame({"rows": [100, 100, 200], "rate": [0.2, 0.6, 0.6]}, index=moments)
    assert season_shift(rates, START + timedelta(days=364)) == pytest.approx(np.log(0.25))
    between = np.log(0.25) + 23 / 91 * (np.log(1.5) - np.log(0.25))
    assert season_shift(rates, START + timedelta(days=364 + 23)) == pytest.approx(between)
    assert season_shift(rates, START + timedelta(days=364 + 24)) == 0.0
    assert moved(np.array([0.5]), float(np.log(0.25))) == pytest.approx([0.2])


def test_what_the_model_said_takes_out_that_customers_were_others() -> None:
    moments = pd.DatetimeIndex([START, START + timedelta(days=364)])
    rates = pd.DataFrame({"rows": [100, 100], "rate": [0.2, 0.6], "said": [0.2, 0.6]}, index=moments)
    assert season_shift(rates, START + timedelta(days=364)) == 0.0
    assert season_shift(rates.drop(columns="said"), START + timedelta(days=364)) < -0.5


def test_a_young_shops_growth_is_not_taken_for_a_season(rng: np.random.Generator) -> None:
    """Customers of the first year leave more, and the model sees why: next year needs no correction."""
    view = snapshot_of(every(91, 9), level, rng, rows=1500)
    first = np.asarray(view.as_of < START + timedelta(days=364))
    X = view.X.assign(x=view.X["x"] + 1.5 * first)
    y = pd.Series((rng.random(len(X)) < 1 / (1 + np.exp(-X["x"]))).astype(int), X.index)
    result = backtest(replace(view, X=X, y=y), logistic, seed=0, tests=[START + timedelta(days=637)],
                      against_model=True)
    alone = backtest(replace(view, X=X, y=y), logistic, seed=0, tests=[START + timedelta(days=637)])
    assert abs(result.calibration_in_the_large()["probability"].iloc[0]) < 0.03
    assert alone.calibration_in_the_large()["probability"].iloc[0] > 0.08


def test_a_seasonal_world_is_calibrated_by_last_year(rng: np.random.Generator) -> None:
    def season(moment: datetime) -> float:
        return float(np.cos(2 * np.pi * (moment - START).days / 364))

    view = snapshot_of(every(91, 9), season, rng, rows=2000)
    off = backtest(view, logistic, seed=0, tests=[START + timedelta(days=728)]).calibration_in_the_large().iloc[0]
    assert off["raw"] < -0.1, "without the season the model must miss, or the test shows nothing"
    assert abs(off["probability"]) < 0.04


def test_a_world_without_last_year_stays_as_learned(rng: np.random.Generator) -> None:
    result = backtest(snapshot_of(every(91, 3), level, rng), logistic, seed=0)
    assert (result.folds["shift"] == 0).all()
    np.testing.assert_allclose(result.predictions["raw"], result.predictions["probability"])


def test_a_moment_without_known_labels_is_refused(rng: np.random.Generator) -> None:
    view = snapshot_of(every(30, 4), level, rng, rows=20)
    with pytest.raises(EngineError, match="No label was known by 2022-02-02"):
        backtest(view, logistic, seed=0, tests=[START + timedelta(days=30)])
    with pytest.raises(EngineError, match="No label was known by any moment"):
        backtest(view, logistic, seed=0)


def test_base_rates_per_moment() -> None:
    index = pd.MultiIndex.from_tuples([(START, "a"), (START, "b"), (END, "a")], names=["as_of", "customer_id"])
    assert base_rates(pd.Series([1, 0, 1], index=index)).to_dict("list") == {"rows": [2, 1], "rate": [0.5, 1.0]}


END = START + timedelta(days=30)


def rhythmic_customers(rng: np.random.Generator, rows: int = 3000) -> tuple[pd.DataFrame, np.ndarray, np.ndarray]:
    """A year of customers who order as BG/NBD says; who is silent in the quarter after, and the true chance of it."""
    r, alpha, a, b, weeks = 0.8, 8.0, 0.6, 2.5, 52.0
    rate, leave = rng.gamma(r, 1 / alpha, rows), rng.beta(a, b, rows)
    orders, last, alive = np.zeros(rows), np.zeros(rows), np.ones(rows, dtype=bool)
    clock = np.zeros(rows)
    for _ in range(200):
        clock = clock + rng.exponential(1 / rate)
        ordered = alive & (clock < weeks)
        orders, last = orders + ordered, np.where(ordered, clock, last)
        alive &= ~(ordered & (rng.random(rows) < leave))
    silent = rng.random(rows) < np.where(alive, np.exp(-rate * 13), 1.0)
    gaps = np.divide(last * 7, orders, out=np.full(rows, np.nan), where=orders > 0)
    X = pd.DataFrame({"order_days": orders + 1, "gap_mean_days": gaps, "tenure_days": weeks * 7})
    return X, silent.astype(int), np.where(alive, np.exp(-rate * 13), 1.0)


def test_rhythm_finds_who_is_silent_in_a_bgnbd_world(rng: np.random.Generator) -> None:
    X, y, truth = rhythmic_customers(rng)
    p = Rhythm().fit(X, y).predict_proba(X)[:, 1]
    best_by_orders = max(roc_auc_score(y, -X["order_days"]), roc_auc_score(y, X["gap_mean_days"].fillna(999)))
    assert roc_auc_score(y, p) > best_by_orders + 0.01
    assert roc_auc_score(y, p) <= roc_auc_score(y, truth)
    assert p.mean() == pytest.approx(y.mean(), abs=0.005)


def test_the_temporal_model_repeats_itself_and_survives_the_store(rng: np.random.Generator) -> None:
    X, y, _ = rhythmic_customers(rng, rows=1500)
    X["spend"] = rng.lognormal(3, 1, len(X))
    one, other = (lightgbm_temporal(seed=3).fit(X, y).predict_proba(X) for _ in range(2))
    assert one.tobytes() == other.tobytes()
    model = lightgbm_temporal(seed=3).fit(X, y)
    assert pickle.loads(pickle.dumps(model)).predict_proba(X).tobytes() == one.tobytes()
    assert ((one > 0) & (one < 1)).all()


def test_without_order_features_the_rhythm_is_left_out(rng: np.random.Generator) -> None:
    X, y, _ = rhythmic_customers(rng, rows=1500)
    model = lightgbm_temporal(seed=3).fit(X.drop(columns="tenure_days"), y)
    assert not any(isinstance(member, Rhythm) for member in model.fitted)
    assert model.learned == pytest.approx([0.6, 0.4])
    assert len(lightgbm_temporal(seed=3).fit(X, y).fitted) == 3


def test_fitting_leaves_the_temporal_model_as_it_was_built(rng: np.random.Generator) -> None:
    X, y, _ = rhythmic_customers(rng, rows=1500)
    model = lightgbm_temporal(seed=3).fit(X.drop(columns="tenure_days"), y)
    fresh = clone(model)
    assert (type(fresh), fresh.weights, len(fresh.members), fresh.fitted) == (Views, (0.45, 0.30, 0.25), 3, ())
    expected = lightgbm_temporal(seed=3).fit(X, y).predict_proba(X).tobytes()
    assert fresh.fit(X, y).predict_proba(X).tobytes() == expected
    assert model.fit(X, y).predict_proba(X).tobytes() == expected


@pytest.mark.real
@pytest.mark.slow
def test_online_retail_meets_its_goals(real_data: Callable[[str], Path]) -> None:
    from benchmarks import bench_online_retail as bench

    rows = bench.run(real_data(bench.FILE).parents[1])
    assert [row.name for row in rows if row.met is False] == []


@pytest.mark.parametrize(("step", "count", "learned", "said"), [
    (91, 3, 3, ""), (91, 2, 2, "tested at one moment only.*at most 60 days instead of 91"),
    (45, 2, 1, "too short to learn at one moment.*at most 68 days instead of 91")])
def test_a_short_history_says_which_window_it_would_carry(step: int, count: int, learned: int, said: str,
                                                          rng: np.random.Generator) -> None:
    known, found = judgeable(snapshot_of(every(step, count), level, rng, rows=20))
    assert len(known.windows) == learned and len(found) == bool(said)
    assert all(re.search(said, f"{finding.what} {finding.fix}") for finding in found)
