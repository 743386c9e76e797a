"""The discrete-time hazard: simulated truth, other libraries, and curves that agree with the churn probability."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from lifelines import KaplanMeierFitter
from lifelines.utils import concordance_index

from benchmarks.since_joining import integrated_brier, kaplan_meier, survival_decile_error
from engine.errors import EngineError
from engine.prediction import survival as sv
from engine.prediction.encoding import Encoder
from engine.prediction.ltv import judge_window
from engine.prediction.ltv_metrics import concordance
from engine.prediction.money import DAYS_PER_MONTH, month_grid


def world(rng: np.random.Generator, n: int = 4000) -> tuple[pd.DataFrame, pd.Series, pd.Series, np.ndarray]:
    """Contracts whose monthly chance to leave falls with tenure and depends on x; seen for 1 to 60 months."""
    x, month = rng.normal(size=n), np.arange(1, 61)
    hazard = 1 / (1 + np.exp(-(-2.2 + 0.8 * x[:, None] - 0.4 * np.log(month)[None, :])))
    leaves = rng.random((n, 60)) < hazard
    leaving = np.where(leaves.any(axis=1), leaves.argmax(axis=1) + 1, 999)
    seen = rng.integers(1, 61, n)
    frame = pd.DataFrame({"x": x, "noise": pd.Categorical(rng.choice(["a", "b"], n))})
    return frame, pd.Series(np.minimum(leaving, seen)), pd.Series((leaving <= seen).astype(int)), hazard


def test_customers_of_unknown_tenure_change_nothing(rng: np.random.Generator) -> None:
    X, tenure, left, _ = world(rng, 1500)
    X = X.assign(shift=rng.normal(size=len(X)), tenure_twice=2.0 * tenure)
    unknown = pd.Series(np.nan, range(1500, 1600))
    more = pd.concat([X, X.iloc[:100].set_axis(unknown.index)])
    all_tenures, all_left = pd.concat([tenure.astype(float), unknown]), pd.concat([left, left.iloc[:100]])
    assert sv.covariates(more, all_tenures) == sv.covariates(X, tenure) == ["x", "noise", "shift"]
    names = ["x", "noise", "shift"]
    wanted, found = (sv.fit_hazard(*rows) for rows in ((X[names], tenure, left), (more[names], all_tenures,
                                                                                  all_left.set_axis(more.index))))
    assert np.allclose(found.theta, wanted.theta) and found.longest == wanted.longest
    judged = [judge_window(*rows, 0, np.random.default_rng(1), 3.0)[0]["concordance"].value
              for rows in ((X[names], tenure, left), (more[names], all_tenures, all_left.set_axis(more.index)))]
    assert judged[0] == judged[1]


def test_a_known_hazard_is_recovered(rng: np.random.Generator) -> None:
    X, tenure, left, hazard = world(rng)
    model = sv.fit_hazard(X, tenure, left)
    truth = np.cumprod(1 - hazard, axis=1)[:, [2, 11, 23]]
    found = model.from_start(X, 24)[:, [3, 12, 24]]
    assert np.abs(found - truth).mean() < 0.02
    assert np.abs(found.mean(axis=0) - truth.mean(axis=0)).max() < 4 * 0.5 / np.sqrt(len(X))


def test_newton_has_reached_the_top(rng: np.random.Generator) -> None:
    X, tenure, left, _ = world(rng, 800)
    Z, B = Encoder.learn(X).encode(X), sv.basis(int(tenure.max()))
    problem = sv._Newton(Z, np.zeros(800, int), tenure.to_numpy(), left.to_numpy(float), B)
    theta, penalty = problem.solve(), problem._penalty()
    slope, curve = problem._derivatives(theta)
    assert np.abs(np.linalg.solve(curve, slope - penalty * theta.ravel())).max() < 1e-3
    nudge = np.zeros_like(theta)
    nudge[1, 2] = 1e-5
    rise = (problem._loss(theta - nudge, 0 * penalty) - problem._loss(theta + nudge, 0 * penalty)) / 2e-5
    assert rise == pytest.approx(slope.reshape(theta.shape)[1, 2], rel=1e-3, abs=1e-3)


def test_without_covariates_the_curve_is_kaplan_meiers(rng: np.random.Generator) -> None:
    _, tenure, left, _ = world(rng)
    model = sv.fit_hazard(pd.DataFrame({"constant": np.ones(len(tenure))}), tenure, left)
    found = model.from_start(pd.DataFrame({"constant": [1.0]}), 36)[0]
    assert np.abs(found - kaplan_meier(tenure.to_numpy(float), left.to_numpy(float), 36)).max() < 0.02


def test_the_window_carries_the_churn_probability_exactly(rng: np.random.Generator) -> None:
    X, tenure, left, _ = world(rng)
    p = rng.uniform(0.001, 0.95, len(X))
    window, months = 91.3, month_grid(91.3, 730)
    shape = sv.fit_hazard(X, tenure, left).log_survival(X, tenure, 26)
    for survival in (sv.curves(shape, months, window, p), sv.steady_curves(months, window, p)):
        at_window = survival[:, np.searchsorted(months, round(window / DAYS_PER_MONTH, 9))]
        assert 1 - at_window == pytest.approx(p, abs=1e-8)
        assert float((1 - at_window).mean()) == pytest.approx(float(p.mean()), abs=1e-9)
        assert (np.diff(survival, axis=1) <= 0).all() and (survival[:, 0] == 1).all()


def test_certain_and_impossible_departures_stay_finite() -> None:
    months = month_grid(90, 365)
    survival = sv.steady_curves(months, 90, np.array([0.0, 1.0]))
    assert np.isfinite(survival).all()
    assert survival[0] == pytest.approx(1, abs=1e-7)
    assert survival[1, 3] == pytest.approx(0, abs=1e-8)


def test_tenure_beyond_what_was_seen_keeps_the_last_hazard(rng: np.random.Generator) -> None:
    X, tenure, left, _ = world(rng)
    model = sv.fit_hazard(X, tenure, left)
    log_s = model.log_survival(X.head(1), pd.Series([500.0]), 3)[0]
    assert np.diff(log_s) == pytest.approx(np.full(3, log_s[1]))


def test_batches_do_not_change_the_answer(rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> None:
    X, tenure, left, _ = world(rng, 900)
    whole = sv.fit_hazard(X, tenure, left)
    monkeypatch.setattr(sv, "BATCH", 100)
    parts = sv.fit_hazard(X, tenure, left)
    assert parts.theta == pytest.approx(whole.theta, abs=1e-6)
    assert parts.from_start(X, 12) == pytest.approx(whole.from_start(X, 12), abs=1e-7)


def test_functions_of_tenure_are_left_out(rng: np.random.Generator) -> None:
    tenure = pd.Series(rng.integers(1, 72, 500))
    X = pd.DataFrame({"tenure_months": tenure, "paid_so_far": tenure * rng.uniform(60, 70, 500),
                      "monthly_charges": rng.uniform(20, 100, 500),
                      "city": pd.Categorical(rng.choice(["a", "b"], 500))})
    assert sv.covariates(X, tenure) == ["monthly_charges", "city"]


def test_too_few_leavers_are_refused() -> None:
    tenure = pd.Series(np.arange(1, 31))
    with pytest.raises(EngineError, match="Only 3 customers have left"):
        sv.fit_hazard(pd.DataFrame({"x": np.arange(30.0)}), tenure, pd.Series([1] * 3 + [0] * 27))


def test_new_levels_and_missing_numbers_are_taken(rng: np.random.Generator) -> None:
    X, tenure, left, _ = world(rng, 900)
    strange = pd.DataFrame({"x": [np.nan], "noise": pd.Categorical(["never seen"])})
    assert np.isfinite(sv.fit_hazard(X, tenure, left).from_start(strange, 12)).all()


def test_concordance_and_kaplan_meier_equal_lifelines(rng: np.random.Generator) -> None:
    _, tenure, left, _ = world(rng, 700)
    score = np.round(rng.normal(size=700) + tenure / 20, 1)
    t, e = tenure.to_numpy(float), left.to_numpy(float)
    assert concordance(t, e, score.to_numpy()) == pytest.approx(concordance_index(t, score, e), abs=1e-12)
    theirs = KaplanMeierFitter().fit(t, e).predict(np.arange(41.0)).to_numpy()
    assert kaplan_meier(t, e, 40) == pytest.approx(theirs, abs=1e-12)


def test_integrated_brier_by_hand() -> None:
    tenure, left = np.array([1.0, 2.0, 2.0]), np.array([1.0, 0.0, 1.0])
    survival = np.array([[1.0, 0.5], [1.0, 0.8], [1.0, 0.8]])
    assert integrated_brier(tenure, left, survival) == pytest.approx((0.25 + 0.04 + 0.04) / 3)


def test_integrated_brier_is_least_at_the_truth(rng: np.random.Generator) -> None:
    _, tenure, left, hazard = world(rng)
    t, e = tenure.to_numpy(float), left.to_numpy(float)
    truth = np.concatenate([np.ones((len(t), 1)), np.cumprod(1 - hazard, axis=1)], axis=1)[:, :37]
    best = integrated_brier(t, e, truth)
    assert best < integrated_brier(t, e, truth ** 1.3) and best < integrated_brier(t, e, truth ** 0.7)


def test_decile_error_is_small_at_the_truth_and_large_away_from_it(rng: np.random.Generator) -> None:
    _, tenure, left, hazard = world(rng)
    year = np.cumprod(1 - hazard, axis=1)[:, 11]
    t, e = tenure.to_numpy(float), left.to_numpy(float)
    assert survival_decile_error(t, e, year) < 0.03 < survival_decile_error(t, e, year ** 2)


@pytest.mark.real
@pytest.mark.slow
def test_telco_contracts(real_data: Callable[[str], Path]) -> None:
    raw = pd.read_csv(real_data("telco_ibm_21/Telco-Customer-Churn.csv"))
    X = raw.drop(columns=["customerID", "tenure", "TotalCharges", "Churn"])
    left = (raw["Churn"] == "Yes").astype(int)
    train = np.arange(len(raw)) % 5 != 0
    model = sv.fit_hazard(X[train], raw.loc[train, "tenure"], left[train])
    survival = model.from_start(X[~train], 72)
    t, e = raw.loc[~train, "tenure"].to_numpy(float), left[~train].to_numpy(float)
    assert concordance(t, e, survival[:, 12]) > 0.85
    assert integrated_brier(t, e, survival) < 0.09
