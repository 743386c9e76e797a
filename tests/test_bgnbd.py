"""BG/NBD and Gamma-Gamma: published parameters, the paper's integrals, simulated worlds."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy.integrate import quad
from scipy.optimize import approx_fprime
from scipy.special import hyp2f1
from scipy.stats import beta as beta_law

from engine.errors import EngineError
from engine.prediction.bgnbd import BgNbd, GammaGamma, _Likelihood, _spend_likelihood, fit_bgnbd, fit_gamma_gamma
from engine.prediction.orders_value import OrderModel, fit_orders
from engine.prediction.purchases import earlier_moments, history, monthly_spend, purchases

CDNOW = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
DAILY = OrderModel(BgNbd(0.243, 4.414 * 7, 0.793, 2.426), GammaGamma(6.25, 3.74, 15.44), 1.0)


def simulate(rng: np.random.Generator, n: int, truth: BgNbd, age: float, more: float = 0.0) -> pd.DataFrame:
    """Order histories drawn from the model's own story, one customer at a time, and the orders of `more` time after."""
    rates, chances = rng.gamma(truth.r, 1 / truth.alpha, n), rng.beta(truth.a, truth.b, n)
    rows = []
    for rate, chance in zip(rates, chances, strict=True):
        t, times = 0.0, []
        while (t := t + rng.exponential(1 / rate)) < age + more:
            times.append(t)
            if rng.random() < chance:
                break
        past = [moment for moment in times if moment < age]
        rows.append((len(past), past[-1] if past else 0.0, age, len(times) - len(past)))
    return pd.DataFrame(rows, columns=["frequency", "recency", "T", "later"]).astype(float)


@pytest.mark.real
def test_published_parameters_of_the_cdnow_sample(real_data: Callable[[str], Path]) -> None:
    orders = pd.read_csv(real_data("cdnow/CDNOW_sample.txt"), sep=r"\s+", header=None, dtype={0: str},
                         names=["customer_id", "sample_id", "at", "pieces", "amount"])
    orders["at"] = pd.to_datetime(orders["at"].astype(str))
    known = purchases(orders, datetime(1997, 10, 1))
    when = fit_bgnbd(known["frequency"], known["recency_days"] / 7, known["T_days"] / 7)
    assert len(known) == 2357
    assert (when.r, when.alpha, when.a, when.b) == pytest.approx((0.2426, 4.4136, 0.7929, 2.4259), abs=6e-5)
    assert when.log_likelihood == pytest.approx(-9582.43, abs=0.005)
    spend = fit_gamma_gamma(known["frequency"], known["monetary_value"])
    assert (spend.p, spend.q, spend.v) == pytest.approx((6.249, 3.744, 15.444), abs=6e-4)


def test_published_expectation_of_one_customer() -> None:
    assert float(CDNOW.expected_orders(39.0, 2, 30.43, 38.86)) == pytest.approx(1.226, abs=5e-4)


def test_the_unit_of_time_does_not_matter(rng: np.random.Generator) -> None:
    world = simulate(rng, 800, CDNOW, 39.0)
    weeks = fit_bgnbd(world["frequency"], world["recency"], world["T"])
    days = fit_bgnbd(world["frequency"], world["recency"] * 7, world["T"] * 7)
    assert days.alpha == pytest.approx(7 * weeks.alpha, rel=1e-3)
    assert (days.r, days.a, days.b) == pytest.approx((weeks.r, weeks.a, weeks.b), rel=1e-3)
    assert days.log_likelihood == pytest.approx(weeks.log_likelihood - world["frequency"].sum() * np.log(7), rel=1e-6)


@pytest.mark.parametrize(("x", "age", "t"), [(0, 10.0, 39.0), (3, 38.0, 5.0), (40, 100.0, 200.0), (900, 400.0, 700.0)])
def test_rates_and_survival_equal_their_integrals(x: int, age: float, t: float) -> None:
    law = beta_law(CDNOW.a, CDNOW.b + x)
    left = (CDNOW.alpha + age) / (CDNOW.alpha + age + t)

    def alive(p: float) -> float:
        return float((1 + p * t / (CDNOW.alpha + age)) ** -(CDNOW.r + x))

    def rate(p: float) -> float:
        return alive(p) * (CDNOW.r + x) / (CDNOW.alpha + age + p * t)

    edge = min(1.0, law.ppf(0.999999))
    for measured, law_of in ((CDNOW.stays_alive(t, x, age), alive), (CDNOW.order_rate(t, x, age), rate)):
        truth = sum(quad(lambda p, f=law_of: f(p) * law.pdf(p), low, high, limit=200)[0]
                    for low, high in ((1e-12, edge / 100), (edge / 100, edge), (edge, 1)))
        assert float(measured) == pytest.approx(truth, rel=2e-4)
    if x < 50:
        paper = (CDNOW.a + CDNOW.b + x - 1) / (CDNOW.a - 1) * (1 - left ** (CDNOW.r + x) * hyp2f1(
            CDNOW.r + x, CDNOW.b + x, CDNOW.a + CDNOW.b + x - 1, 1 - left))
        found = float(CDNOW.expected_orders(t, x, age, age) / CDNOW.p_alive(x, age, age))
        assert found == pytest.approx(paper, rel=1e-8)


def test_expected_orders_are_the_integral_of_the_rate() -> None:
    x, age = np.array([0.0, 4.0, 60.0]), np.array([5.0, 200.0, 300.0])
    orders, _ = DAILY._ahead(x, age, 730.0, 0.0)
    closed = DAILY.when.expected_orders(730.0, x, age, age) / DAILY.when.p_alive(x, age, age)
    assert orders == pytest.approx(closed, rel=1e-6)


def test_slopes_equal_finite_differences(rng: np.random.Generator) -> None:
    world = simulate(rng, 200, CDNOW, 39.0)
    likelihood = _Likelihood(*(world[name].to_numpy() for name in ("frequency", "recency", "T")), np.ones(200))
    theta = np.array([-1.2, 1.1, 0.3, 0.6])
    slope = approx_fprime(theta, lambda v: likelihood(v)[0], 1e-6)
    assert likelihood(theta)[1] == pytest.approx(slope, rel=1e-3, abs=1e-2)
    x, mean = rng.integers(1, 9, 200).astype(float), rng.gamma(3.0, 10.0, 200)
    theta = np.array([1.0, 0.7, 2.0])
    slope = approx_fprime(theta, lambda v: _spend_likelihood(v, x, mean)[0], 1e-6)
    assert _spend_likelihood(theta, x, mean)[1] == pytest.approx(slope, rel=1e-3, abs=1e-2)


def standard_errors(slope: Callable[[np.ndarray], np.ndarray], at: np.ndarray) -> np.ndarray:
    """Of log-parameters, from the curvature of the log-likelihood."""
    steps = 1e-4 * np.eye(len(at))
    curvature = np.array([(slope(at + step) - slope(at - step)) / 2e-4 for step in steps])
    return np.sqrt(np.diag(np.linalg.inv(-(curvature + curvature.T) / 2)))


@pytest.mark.parametrize("truth", [CDNOW, BgNbd(0.8, 6.0, 1.4, 3.5)])
def test_simulated_orders_recover_their_parameters(rng: np.random.Generator, truth: BgNbd) -> None:
    world = simulate(rng, 6000, truth, 60.0)
    fitted = fit_bgnbd(world["frequency"], world["recency"], world["T"])
    found = np.log([fitted.r, fitted.alpha, fitted.a, fitted.b])
    likelihood = _Likelihood(*(world[name].to_numpy() for name in ("frequency", "recency", "T")), np.ones(len(world)))
    errors = standard_errors(lambda theta: likelihood(theta)[1], found)
    assert (np.abs(found - np.log([truth.r, truth.alpha, truth.a, truth.b])) < 4 * errors).all()
    assert errors.max() < 0.5


def test_simulated_spend_recovers_its_parameters(rng: np.random.Generator) -> None:
    truth, n = GammaGamma(6.25, 3.74, 15.44), 6000
    x = rng.integers(1, 12, n).astype(float)
    mean = rng.gamma(truth.p * x, 1 / (rng.gamma(truth.q, 1 / truth.v, n) * x))
    fitted = fit_gamma_gamma(x, mean)
    found = np.log([fitted.p, fitted.q, fitted.v])
    errors = standard_errors(lambda theta: _spend_likelihood(theta, x, mean)[1], found)
    assert (np.abs(found - np.log([truth.p, truth.q, truth.v])) < 4 * errors).all()


def test_expectations_hold_in_the_simulated_future(rng: np.random.Generator) -> None:
    world = simulate(rng, 12_000, CDNOW, 39.0, more=26.0)
    expected = CDNOW.expected_orders(26.0, world["frequency"], world["recency"], world["T"])
    error = world["later"] - expected
    assert abs(error.mean()) < 4 * error.std() / np.sqrt(len(world))
    silent = CDNOW.no_order(26.0, world["frequency"], world["recency"], world["T"])
    miss = (world["later"] == 0) - silent
    assert abs(miss.mean()) < 4 * miss.std() / np.sqrt(len(world))
    loyal = world["frequency"] >= 3
    assert abs(miss[loyal].mean()) < 4 * miss[loyal].std() / np.sqrt(loyal.sum())


def test_a_silent_window_and_its_opposite_add_up_to_the_unconditional_value() -> None:
    known = pd.DataFrame({"frequency": [0.0, 2.0, 30.0], "recency_days": [0.0, 200.0, 250.0],
                          "T_days": [270.0, 272.0, 260.0], "monetary_value": [0.0, 30.0, 50.0]})
    x, tx, age = (known[name].to_numpy() for name in ("frequency", "recency_days", "T_days"))
    split, q = DAILY.split(known, 90.0, 730.0, 0.0), DAILY.when.no_order(90.0, x, tx, age)
    value = DAILY.spend.expected_value(x, known["monetary_value"].to_numpy())
    assert split.expected(q) == pytest.approx(DAILY.when.expected_orders(730.0, x, tx, age) * value, rel=1e-6)
    assert (split.if_stays > split.if_leaves).all()
    assert (split.expected_months(q) <= 730 / 30.4).all()
    assert (DAILY.split(known, 90.0, 730.0, 0.1).if_stays < split.if_stays).all()


def test_nothing_is_earned_by_leavers_when_the_window_covers_the_horizon() -> None:
    known = pd.DataFrame({"frequency": [2.0], "recency_days": [200.0], "T_days": [272.0], "monetary_value": [30.0]})
    assert DAILY.split(known, 90.0, 60.0, 0.1).if_leaves == pytest.approx([0.0])


def test_impossible_histories_are_refused_by_row() -> None:
    with pytest.raises(EngineError, match=r"1 customers.*first row 1: frequency 1, recency 12, T 10"):
        fit_bgnbd(np.array([1.0, 1.0]), np.array([5.0, 12.0]), np.array([10.0, 10.0]))
    with pytest.raises(EngineError, match="No customer has ordered twice"):
        fit_bgnbd(np.zeros(5), np.zeros(5), np.full(5, 10.0))
    with pytest.raises(EngineError, match="Only 2 customers have a repeat order"):
        fit_gamma_gamma(np.array([1.0, 2.0, 0.0]), np.array([5.0, 6.0, 0.0]))
    with pytest.raises(EngineError, match="lack the columns recency_days"):
        fit_orders(pd.DataFrame({"frequency": [1.0], "T_days": [3.0], "monetary_value": [1.0]}), 0.3)


def two_customers() -> pd.DataFrame:
    return pd.DataFrame({
        "customer_id": ["a", "a", "a", "a", "b"],
        "at": pd.to_datetime(["2024-01-01 09:00", "2024-01-01 18:00", "2024-01-21 00:00", "2024-03-05 00:00",
                              "2024-01-30 00:00"]),
        "amount": [10.0, 5.0, 30.0, 99.0, 7.0],
    })


def test_purchases_by_hand() -> None:
    known = purchases(two_customers(), datetime(2024, 2, 1))
    assert known.loc["a"].to_dict() == {
        "frequency": 1, "recency_days": 20, "T_days": 30, "monetary_value": 30, "order_value": 22.5}
    assert known.loc["b"].to_dict() == {
        "frequency": 0, "recency_days": 0, "T_days": 1, "monetary_value": 0, "order_value": 7}


def test_nothing_after_as_of_moves_a_history() -> None:
    orders, as_of = two_customers(), datetime(2024, 2, 1)
    pd.testing.assert_frame_equal(history(orders, as_of), history(orders[orders["at"] < as_of], as_of))


def test_the_period_that_followed_by_hand() -> None:
    spend = monthly_spend(two_customers(), datetime(2024, 2, 1), 60.875, pd.Index(["a", "b"]))
    assert spend.tolist() == pytest.approx([99 / 2, 0.0])


def test_earlier_moments_are_observed_in_full() -> None:
    first, as_of = datetime(2023, 1, 1), datetime(2024, 1, 1)
    for moment, period in earlier_moments(first, as_of):
        assert (moment - first).days >= 60
        assert (as_of - moment).days >= period
