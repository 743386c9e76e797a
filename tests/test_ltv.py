"""Lifetime value: hand-computed annuities, churn counted once, worlds with known value, every algorithm's promises."""

from __future__ import annotations

import pickle
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.errors import EngineError
from engine.prediction import ltv, ltv_metrics, regressors
from engine.prediction.ltv_metrics import (
    decile_error,
    deciles,
    density,
    estimate,
    gini,
    r2,
    spearman,
    total_error,
)
from engine.prediction.money import DAYS_PER_MONTH, LtvSettings, month_grid, split_by_survival
from engine.prediction.orders_value import NEEDED as PURCHASED
from engine.prediction.purchases import earlier_moments, history, stacked
from engine.prediction.survival import steady_curves
from engine.schema import Estimate

QUARTER = 3 * DAYS_PER_MONTH
TWO_YEARS = 24 * DAYS_PER_MONTH
ALGORITHMS = sorted(ltv.LTV_MODELS)
Trained = tuple[ltv.LtvModel, dict[str, Estimate], dict[str, Any]]


def contracts(rng: np.random.Generator, n: int = 600) -> ltv.LtvInputs:
    """Customers with tenure, those who leave within the quarter, margins that x explains, and purchases."""
    x = rng.normal(size=n)
    tenure, left = rng.integers(0, 72, n), rng.geometric(1 / (1 + np.exp(3 - 0.8 * x))) <= 3
    index = pd.Index([f"{i:05d}" for i in range(n)], name="customer_id")
    frequency = rng.poisson(rng.gamma(0.8, 3.0, n)).astype(float)
    age = rng.integers(100, 400, n).astype(float)
    gone = np.where(rng.random(n) < 0.4, rng.uniform(0, 1, n), 1.0)
    last = np.where(frequency > 0, age * gone * rng.beta(np.maximum(frequency, 1), 1), 0)
    value = np.where(frequency > 0, rng.gamma(4, 10, n), 0)
    bought = pd.DataFrame({"frequency": frequency, "recency_days": last, "T_days": age, "monetary_value": value},
                          index=index)
    frame = pd.DataFrame({"x": x, "kind": pd.Categorical(rng.choice(["a", "b", "c"], n))}, index=index)
    margin = pd.Series(np.exp(2 + 0.5 * x) * (rng.random(n) < 0.8), index=index)
    return ltv.LtvInputs(frame, pd.Series(rng.uniform(0.01, 0.9, n), index=index), QUARTER, margin, bought,
                         pd.Series(tenure, index=index), pd.Series(left.astype(int), index=index))


@pytest.fixture(scope="module")
def inputs() -> ltv.LtvInputs:
    return contracts(np.random.default_rng(5))


@pytest.fixture(scope="module")
def trained(inputs: ltv.LtvInputs) -> dict[str, Trained]:
    with pytest.MonkeyPatch.context() as quick:
        quick.setattr(regressors, "BOOSTING", {**regressors.BOOSTING, "n_estimators": 40, "learning_rate": 0.15})
        quick.setattr(regressors, "FOREST", {**regressors.FOREST, "n_estimators": 15})
        quick.setattr(ltv_metrics, "REPLICATES", 10)
        quick.setattr(ltv, "FOLDS", 2)
        quick.setattr(ltv, "SURVIVAL_REPLICATES", 5)
        return {name: ltv.train_ltv(inputs, None, name, seed=1) for name in ALGORITHMS}


@pytest.fixture(scope="module")
def models(trained: dict[str, Trained]) -> dict[str, ltv.LtvModel]:
    return {name: trained[name][0] for name in ALGORITHMS}


def test_an_annuity_by_hand() -> None:
    months = month_grid(QUARTER, TWO_YEARS)
    split = split_by_survival(steady_curves(months, QUARTER, np.array([0.2])), months, QUARTER, TWO_YEARS, 0.0)
    hazard = -np.log(0.8) / 3
    assert split.expected(np.array([0.2])) == pytest.approx((1 - np.exp(-24 * hazard)) / hazard)
    assert split.if_stays == pytest.approx(3 + (1 - np.exp(-21 * hazard)) / hazard)
    assert split.if_leaves == pytest.approx((0.2 / hazard - 3 * 0.8) / 0.2)
    assert split.expected_months(np.array([0.2])) == pytest.approx(split.expected(np.array([0.2])))


def test_discounting_by_hand() -> None:
    months = month_grid(QUARTER, 12 * DAYS_PER_MONTH)
    split = split_by_survival(np.ones((1, len(months))), months, QUARTER, 12 * DAYS_PER_MONTH, 0.10)
    assert split.if_stays == pytest.approx((1 - 1 / 1.1) / (np.log(1.1) / 12))
    assert split.months_if_stays == pytest.approx(12)


@pytest.mark.parametrize("horizon", [30.0, QUARTER, 365.0, 730.0])
def test_windows_and_horizons_of_any_length_add_up(horizon: float) -> None:
    p, months = np.array([0.001, 0.3, 0.99]), month_grid(QUARTER, horizon)
    split = split_by_survival(steady_curves(months, QUARTER, p), months, QUARTER, horizon, 0.1)
    hazard = -np.log1p(-p) / 3
    force = hazard + np.log(1.1) / 12
    assert split.expected(p) == pytest.approx((1 - np.exp(-force * horizon / DAYS_PER_MONTH)) / force, rel=1e-6)


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.slow
def test_churn_is_counted_once(inputs: ltv.LtvInputs, models: dict[str, ltv.LtvModel], name: str) -> None:
    split, table = models[name].split(inputs, 730, 0.1), models[name].ltv(inputs, 730, 0.1)
    p = inputs.churn_probability
    assert table["ltv_if_stays"].to_numpy() == pytest.approx(split.if_stays)
    assert table["expected_ltv"].to_numpy() == pytest.approx((1 - p) * split.if_stays + p * split.if_leaves)
    assert (table["ltv_if_stays"] >= table["expected_ltv"] - 1e-9).all()
    assert (split.if_leaves >= 0).all()


@pytest.mark.parametrize("name", ALGORITHMS)
def test_values_are_finite_and_months_within_the_horizon(
    inputs: ltv.LtvInputs, models: dict[str, ltv.LtvModel], name: str
) -> None:
    table = models[name].ltv(inputs)
    assert np.isfinite(table[["ltv_if_stays", "expected_ltv", "expected_months"]]).all().all()
    assert table["expected_months"].between(0, 730 / DAYS_PER_MONTH + 1e-9).all()
    assert (table["expected_ltv"] >= 0).all()
    assert table.index.equals(inputs.X.index)
    assert table["p_alive"].notna().all() == (name in ltv.RHYTHMIC)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_longer_horizon_is_worth_more_and_a_discount_less(
    inputs: ltv.LtvInputs, models: dict[str, ltv.LtvModel], name: str
) -> None:
    year, two = (models[name].ltv(inputs, days, 0.1)["expected_ltv"] for days in (365, 730))
    assert (two >= year - 1e-9).all() and two.sum() > year.sum()
    assert models[name].ltv(inputs, 730, 0.0)["expected_ltv"].sum() > two.sum()


@pytest.mark.parametrize("name", ALGORITHMS)
def test_one_customer_is_valued_as_in_the_batch(
    inputs: ltv.LtvInputs, models: dict[str, ltv.LtvModel], name: str
) -> None:
    one = slice(7, 8)
    assert inputs.purchases is not None and inputs.tenure_months is not None and inputs.left is not None
    alone = replace(inputs, X=inputs.X.iloc[one], churn_probability=inputs.churn_probability.iloc[one],
                    monthly_margin=inputs.monthly_margin.iloc[one], purchases=inputs.purchases.iloc[one],
                    tenure_months=inputs.tenure_months.iloc[one], left=inputs.left.iloc[one])
    pd.testing.assert_frame_equal(models[name].ltv(alone), models[name].ltv(inputs).iloc[one])


def test_stored_and_read_back_a_model_answers_the_same(
    inputs: ltv.LtvInputs, models: dict[str, ltv.LtvModel]
) -> None:
    for model in models.values():
        again = pickle.loads(pickle.dumps(model))
        pd.testing.assert_frame_equal(again.ltv(inputs), model.ltv(inputs))


def test_the_same_seed_gives_the_same_bytes(inputs: ltv.LtvInputs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(regressors, "BOOSTING", {**regressors.BOOSTING, "n_estimators": 20})
    monkeypatch.setattr(regressors, "FOREST", {**regressors.FOREST, "n_estimators": 5})
    y = inputs.monthly_margin.to_numpy()
    for make in ltv.REGRESSORS.values():
        first, again = (make(3).fit(inputs.X.head(400), y[:400]).predict(inputs.X) for _ in range(2))
        assert first.tobytes() == again.tobytes()


@pytest.mark.parametrize("name", ["survival", "random_forest"])
def test_mean_probability_equals_mean_departure_within_the_window(
    inputs: ltv.LtvInputs, models: dict[str, ltv.LtvModel], name: str
) -> None:
    survival = models[name].survival(inputs, np.array([0.0, QUARTER / DAYS_PER_MONTH]))
    assert 1 - survival[:, 1] == pytest.approx(inputs.p, abs=1e-8)
    assert (1 - survival[:, 1]).mean() == pytest.approx(inputs.p.mean(), abs=1e-9)


def test_time_to_churn(inputs: ltv.LtvInputs, models: dict[str, ltv.LtvModel]) -> None:
    when = models["survival"].time_to_churn(inputs, 12)
    assert 1 - when["month_3"].to_numpy() == pytest.approx(inputs.p, abs=1e-8)
    assert when["best_contact_month"].between(1, 12).all()
    assert when["restricted_mean_months"].between(0, 12).all()


def test_the_regressed_period_holds_what_the_regression_expects(
    inputs: ltv.LtvInputs, models: dict[str, ltv.LtvModel]
) -> None:
    model = replace(models["tweedie"], period_days=180.0)
    sure = inputs.p < ltv.SURE_TO_LEAVE
    period = model.split(inputs, 180.0, 0.0).expected(inputs.p)
    assert period[sure] == pytest.approx(model.monthly(inputs)[sure] * 180 / DAYS_PER_MONTH, rel=1e-6)


def test_without_tenure_the_hazard_is_constant(inputs: ltv.LtvInputs) -> None:
    plain = replace(inputs, tenure_months=None, left=None)
    model, metrics, _ = ltv.train_ltv(plain, None, "survival", seed=0)
    hazard = -np.log1p(-inputs.p) / 3
    expected = inputs.monthly_margin * (1 - np.exp(-24 * hazard)) / hazard
    assert model.ltv(plain, TWO_YEARS, 0.0)["expected_ltv"].to_numpy() == pytest.approx(expected.to_numpy())
    assert metrics == {}


def test_survival_is_judged_on_customers_not_seen(trained: dict[str, Trained]) -> None:
    _, metrics, detail = trained["survival"]
    assert 0.5 < metrics["concordance"].low < metrics["concordance"].value < 0.9
    assert "first_year_deciles" not in detail, "some hundred new customers do not tell a year by tenths"


@pytest.mark.slow
@pytest.mark.parametrize(("days", "newest"), [(30, "many"), (91, "many"), (30, "as many as any")])
def test_a_constant_hazard_is_told_from_one_window(monkeypatch: pytest.MonkeyPatch, days: int, newest: str) -> None:
    """.08 a month leave, whatever their tenure: after a year .92 ** 12 = .37 are left, and the curve is steady. Years
    before the window are no exposure: who left in them is not in the data."""
    monkeypatch.setattr(ltv, "SURVIVAL_REPLICATES", 5)
    rng, n, lost = np.random.default_rng(11), 12_000, 1 - 0.92 ** (days / DAYS_PER_MONTH)
    index = pd.RangeIndex(n)
    tenure = np.floor(rng.exponential(14, n) if newest == "many" else rng.uniform(0, 72, n))
    world = ltv.LtvInputs(pd.DataFrame({"x": rng.normal(size=n)}, index=index), pd.Series(lost, index=index), days,
                          pd.Series(1.0, index=index), tenure_months=pd.Series(tenure, index=index),
                          left=pd.Series((rng.random(n) < lost).astype(int), index=index))
    model, _, detail = ltv.train_ltv(world, None, "survival", seed=0)
    told = pd.DataFrame(detail["first_year_deciles"])
    assert told["predicted"].mean() == pytest.approx(0.92**12, abs=0.04)
    assert told["actual"].mean() == pytest.approx(0.92**12, abs=0.04)
    assert ((told["low"] <= 0.92**12) & (told["high"] >= 0.92**12)).sum() >= 8
    steady = model.survival(world, np.array([0.0, 12.0]))[:, 1]
    assert steady.mean() == pytest.approx(0.92**12, abs=0.02)
    months = model.ltv(world, TWO_YEARS, 0.0)["expected_months"].mean()
    assert months == pytest.approx((1 - 0.92**24) / -np.log(0.92), rel=0.03)


def test_a_life_table_by_hand() -> None:
    """Of 20 in the first quarter one leaves within the quarter, of 10 in the third one; nobody stands in the others,
    which lose what these do on average."""
    entered, left = np.array([1.0] * 20 + [7.0] * 10), np.array([1.0] + [0.0] * 28 + [1.0])
    share, deviation = ltv_metrics.life_table(entered, left, 3.0)
    assert share == pytest.approx((0.95 * 0.9) ** 2)
    assert deviation == pytest.approx(share * 2 * (1 / (20 * 19) + 1 / (10 * 9)) ** 0.5)
    assert ltv_metrics.life_table(entered, left, 1.0)[0] == pytest.approx((0.95 * 0.9) ** 6)


def test_order_of_leaving_compares_who_was_watched_at_the_same_tenure() -> None:
    entered, left = np.array([0.0, 0.0, 5.0, 5.0]), np.array([1.0, 0.0, 1.0, 0.0])
    score = np.array([0.2, 0.9, 0.1, 0.05])
    assert ltv_metrics.concordance(entered + 1, left, score, entered) == 0.5


@pytest.mark.parametrize("name", ["random_forest", "two_part", "tweedie"])
def test_regressions_are_judged_on_customers_not_seen(
    inputs: ltv.LtvInputs, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setattr(ltv, "FOLDS", 2)
    monkeypatch.setattr(regressors, "FOREST", {**regressors.FOREST, "n_estimators": 15})
    monkeypatch.setattr(regressors, "BOOSTING", {**regressors.BOOSTING, "n_estimators": 40})
    noise = np.random.default_rng(0).permutation(inputs.monthly_margin.to_numpy())
    predicted = ltv._out_of_fold(inputs.X, noise, name, 0)
    assert abs(gini(noise, predicted)) < 0.15, "order is found in shuffled money"
    assert r2(noise, predicted) < 0.02


@pytest.mark.parametrize("name", sorted(ltv.REGRESSORS))
def test_regressions_find_what_is_there(
    inputs: ltv.LtvInputs, trained: dict[str, Trained], name: str
) -> None:
    model, metrics, _ = trained[name]
    assert metrics["spearman"].value > 0.4
    assert abs(metrics["total_error"].value) < 0.15
    assert np.corrcoef(np.log(model.monthly(inputs)), inputs.X["x"])[0, 1] > 0.85


def test_a_customers_rows_stay_in_one_fold(inputs: ltv.LtvInputs) -> None:
    twice = pd.concat({pd.Timestamp("2024-01-01"): inputs.X, pd.Timestamp("2024-04-01"): inputs.X}, names=["as_of"])
    for train, test in ltv._folds(twice, np.zeros(len(twice), int), 0):
        customers = twice.index.get_level_values("customer_id")
        assert not set(customers[train]) & set(customers[test])


def test_bgnbd_is_judged_on_the_period_that_followed(inputs: ltv.LtvInputs) -> None:
    model, metrics, detail = ltv.train_ltv(inputs, inputs.monthly_margin, "bgnbd", seed=0, period_days=180.0)
    assert "not seen in training" in metrics["total_error"].method
    assert detail["bgnbd"]["r"] == model.orders.when.r  # type: ignore[union-attr]


def test_margin_rate_scales_orders(inputs: ltv.LtvInputs, models: dict[str, ltv.LtvModel]) -> None:
    model = models["bgnbd"]
    assert model.orders is not None
    low, high = (replace(model, orders=replace(model.orders, margin_rate=rate)).ltv(inputs) for rate in (0.2, 0.4))
    assert high["expected_ltv"].to_numpy() == pytest.approx(2 * low["expected_ltv"].to_numpy())


def test_bgnbd_values_agree_with_the_simulated_future(rng: np.random.Generator) -> None:
    n, age, later = 6000, 300.0, 365.0
    rates, chances = rng.gamma(0.6, 1 / 30.0, n), rng.beta(0.8, 2.5, n)
    rows = []
    for rate, chance in zip(rates, chances, strict=True):
        t, times = 0.0, []
        while (t := t + rng.exponential(1 / rate)) < age + later:
            times.append(t)
            if rng.random() < chance:
                break
        past = [moment for moment in times if moment < age]
        ahead = [moment - age for moment in times if moment >= age]
        rows.append((len(past), past[-1] if past else 0.0, len(ahead), not any(moment < 90 for moment in ahead)))
    world = pd.DataFrame(rows, columns=["frequency", "recency_days", "later", "silent"])
    orders = world["frequency"].to_numpy() + 1
    value = rng.gamma(6.0 * orders, 1 / (rng.gamma(4.0, 1 / 15.0, n) * orders))
    bought = world.assign(T_days=age, monetary_value=np.where(orders > 1, value, 0), order_value=value)
    half, one = pd.Series(0.5, index=world.index), pd.Series(1.0, index=world.index)
    asked = ltv.LtvInputs(world[["frequency"]], half, 90.0, one, bought)
    model = ltv.train_ltv(asked, None, "bgnbd", seed=0)[0]
    assert model.orders is not None
    per_order = model.orders.value_per_order(bought)
    split = model.split(asked, later, 0.0)
    for case, expected in ((~world["silent"], split.if_stays), (world["silent"], split.if_leaves)):
        error = world.loc[case, "later"] - (expected / per_order)[case]
        assert abs(error.mean()) < 4 * error.std() / np.sqrt(case.sum()) + 0.03 * world.loc[case, "later"].mean()


def test_what_cannot_be_valued_is_refused(inputs: ltv.LtvInputs) -> None:
    with pytest.raises(EngineError, match="Choose one of: bgnbd, random_forest"):
        ltv.train_ltv(inputs, None, "magic", seed=0)
    with pytest.raises(EngineError, match="needs purchases"):
        ltv.train_ltv(replace(inputs, purchases=None), None, "bgnbd", seed=0)
    with pytest.raises(EngineError, match=r"outside 0\.\.1"):
        replace(inputs, churn_probability=inputs.churn_probability + 1)
    with pytest.raises(EngineError, match="too few for two_part"):
        ltv.train_ltv(inputs, 0 * inputs.monthly_margin, "two_part", seed=0)
    for bad in ({"margin_rate": 0.0}, {"annual_discount": -0.1}, {"horizon_days": 0}):
        with pytest.raises(EngineError, match=next(iter(bad))):
            LtvSettings(**bad)  # type: ignore[arg-type]


def test_where_nearly_everybody_buys_the_two_part_model_tells_spend_alone() -> None:
    """Of 400 all but eight buy, for 20 or 80: eight are too few to learn from who does not."""
    X = pd.DataFrame({"big": np.tile([0.0, 1.0], 200)})
    for silent in (0, 8):
        y = np.where(np.arange(400) < silent, 0.0, 20 + 60 * X["big"])
        told = regressors.TwoPart(0).fit(X, y).predict(X)
        assert told[:2] / (1 - silent / 400) == pytest.approx([20.0, 80.0], rel=0.02)


def test_columns_that_a_model_needs_are_named(inputs: ltv.LtvInputs, models: dict[str, ltv.LtvModel]) -> None:
    with pytest.raises(EngineError, match="trained on: kind"):
        models["survival"].ltv(replace(inputs, X=inputs.X.drop(columns="kind")))


def test_the_index_is_an_index() -> None:
    index = ltv.spend_index(pd.Series([100.0, 50.0]), pd.Series([np.e - 1, 0.0]))
    assert index.tolist() == pytest.approx([100.0, 0.0])
    assert "ltv" not in (ltv.spend_index.__name__)


def test_metrics_by_hand() -> None:
    actual, predicted = np.array([0.0, 0.0, 0.0, 4.0]), np.array([1.0, 2.0, 4.0, 3.0])
    assert gini(actual, predicted) == pytest.approx(1 / 3)
    assert gini(actual, -predicted) == pytest.approx(-1 / 3)
    assert spearman(np.arange(5.0), np.arange(5.0) ** 3) == pytest.approx(1)
    assert total_error(actual, predicted) == pytest.approx(1.5)
    assert r2(actual, actual) == 1
    tenths = np.repeat(np.arange(1.0, 11.0), 3)
    assert decile_error(tenths, 1.1 * tenths) == pytest.approx(0.1)
    assert deciles(tenths, tenths)["count"].tolist() == [3] * 10


def test_deciles_intervals_hold_the_true_mean_for_one_row_a_customer_and_for_several() -> None:
    """Each customer has a level of their own: with four rows each, rows taken as independent would promise too much."""
    rng, held = np.random.default_rng(5), {1: [], 4: []}
    for _ in range(60):
        for rows in held:
            owner = np.repeat(np.arange(400), rows)
            predicted = np.repeat(rng.gamma(2.0, 10.0, 400), rows)
            actual = predicted + np.repeat(rng.normal(0, 8, 400), rows) + rng.normal(0, 2, 400 * rows)
            table = deciles(actual, predicted, owner)
            held[rows] += ((table["low"] <= table["predicted"]) & (table["predicted"] <= table["high"])).tolist()
    assert 0.90 <= np.mean(held[1]) <= 0.99
    assert 0.90 <= np.mean(held[4]) <= 0.99


def test_density_counts_every_row_once_and_puts_what_is_right_on_the_diagonal() -> None:
    rng = np.random.default_rng(6)
    actual = np.where(rng.random(900) < 0.4, 0.0, rng.gamma(1.5, 40.0, 900))
    told = density(actual, actual)
    counts = np.array(told["counts"])
    assert counts.sum() == 900 == np.trace(counts)
    assert counts[0, 0] >= 360 * 0.9, "who brings nothing is in the first bin"
    assert told["edges"] == sorted(told["edges"]) and told["edges"][0] == 0.0
    flat = density(np.zeros(5), np.zeros(5))
    assert np.array(flat["counts"])[0, 0] == 5


def test_intervals_hold_what_they_promise() -> None:
    rng, held = np.random.default_rng(3), 0
    for _ in range(200):
        found = estimate(total_error, (rng.gamma(0.5, 2.0, 300), np.ones(300)), "world of mean 1", rng, 40)
        held += found.low <= 0 <= found.high
    assert 178 <= held <= 200


def test_repeated_rows_of_a_customer_do_not_narrow_the_interval(rng: np.random.Generator) -> None:
    actual, predicted, who = rng.gamma(0.5, 2.0, 300), rng.gamma(2.0, 0.5, 300), np.arange(300)
    once = ltv_metrics.estimates(actual, predicted, "", np.random.default_rng(1))
    rows = np.tile(actual, 4), np.tile(predicted, 4)
    grouped = ltv_metrics.estimates(*rows, "", np.random.default_rng(1), np.tile(who, 4))
    naive = ltv_metrics.estimates(*rows, "", np.random.default_rng(1))
    for name in ("gini", "spearman", "r2", "rmse", "mae", "total_error"):
        wide, same, narrow = (found[name].high - found[name].low for found in (once, grouped, naive))
        assert same == pytest.approx(wide, rel=0.01)
        assert narrow < 0.65 * wide
    assert (grouped["mae"].n, naive["mae"].n) == (300, 1200)


def test_moments_of_one_customer_are_judged_as_one_customer(
    inputs: ltv.LtvInputs, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(regressors, "FOREST", {**regressors.FOREST, "n_estimators": 5})
    monkeypatch.setattr(ltv, "FOLDS", 2)
    moments = [pd.Timestamp("2024-01-01"), pd.Timestamp("2024-04-01")]
    told = {name: pd.concat(dict.fromkeys(moments, getattr(inputs, name)), names=["as_of"])
            for name in ("X", "churn_probability", "monthly_margin", "purchases", "tenure_months", "left")}
    twice = replace(inputs, **told)
    _, metrics, _ = ltv.train_ltv(twice, None, "random_forest", seed=0)
    assert {name: found.n for name, found in metrics.items()} == dict.fromkeys(metrics, len(inputs.X))
    assert {"concordance", "gini"} <= set(metrics)


def test_periods_of_different_length_are_learned_apart_and_averaged() -> None:
    rng = np.random.default_rng(2)
    X = pd.DataFrame({"x": rng.normal(size=400)})
    y = np.where(np.arange(400) < 200, 1.0, 3.0)
    X.index = pd.MultiIndex.from_arrays([np.repeat([91.0, 45.0], 200), np.zeros(400), np.arange(400)],
                                        names=["period_days", "as_of", "customer_id"])
    model = regressors.fit_periods(regressors.Forest, 0, X, y)
    assert model.predict(X.head(3)) == pytest.approx([2.0, 2.0, 2.0])


@pytest.mark.slow
def test_a_value_learned_one_period_earlier(rng: np.random.Generator) -> None:
    orders = pd.DataFrame({"customer_id": rng.integers(0, 300, 3000).astype(str), "amount": rng.gamma(3, 10, 3000),
                           "at": pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.uniform(0, 300, 3000), unit="D"),
                           "quantity": rng.integers(1, 5, 3000)})
    as_of = datetime(2024, 10, 1)
    X, y = stacked(orders, earlier_moments(datetime(2024, 1, 1), as_of)[::5])
    assert X.index.names == ["period_days", "as_of", "customer_id"]
    asked = ltv.LtvInputs(X, pd.Series(0.0, index=X.index), 30, y, X[list(PURCHASED)])
    model = ltv.train_ltv(asked, y, "tweedie", seed=0, period_days=90.0)[0]
    now = history(orders, as_of)
    present = ltv.LtvInputs(now, pd.Series(0.3, index=now.index), 30, now["spent"], now[list(PURCHASED)])
    spend_per_month = 3000 * 30 / 300 * DAYS_PER_MONTH / 300
    assert model.monthly(present).mean() == pytest.approx(spend_per_month, rel=0.15)
    assert np.isfinite(model.ltv(present)["expected_ltv"]).all()
