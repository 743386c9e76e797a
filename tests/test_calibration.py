"""Calibration recovers distortions that were planted, and leaves a calibrated model alone."""

from __future__ import annotations

import numpy as np
import pytest

from engine.errors import EngineError
from engine.prediction.calibration import (
    CALIBRATIONS,
    Calibrator,
    calibrate,
    cross_fitted,
    held_out_brier,
    inverse_logit,
    logit,
    platt,
)
from engine.prediction.metrics import brier, ece


def world(rng: np.random.Generator, n: int = 6000) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """True probabilities, labels drawn from them, and a fold for each row."""
    truth = inverse_logit(rng.normal(-1.2, 1.3, size=n))
    return truth, (rng.uniform(size=n) < truth).astype(int), np.arange(n) % 5


def test_platt_recovers_the_line_that_was_planted(rng: np.random.Generator) -> None:
    truth, y, _ = world(rng, n=40_000)
    found = platt(inverse_logit(2.0 * logit(truth) + 0.6), y)
    assert found.slope == pytest.approx(0.5, abs=0.02)
    assert found.intercept == pytest.approx(-0.3, abs=0.04)


def test_platt_equals_an_unpenalised_logistic_regression(rng: np.random.Generator) -> None:
    from sklearn.linear_model import LogisticRegression

    truth, y, _ = world(rng)
    reference = LogisticRegression(C=1e10, tol=1e-10).fit(logit(truth)[:, None], y)
    found = platt(truth, y)
    assert (found.slope, found.intercept) == pytest.approx((reference.coef_[0, 0], reference.intercept_[0]), abs=1e-4)


def test_a_calibrated_model_is_left_alone() -> None:
    chosen = []
    for seed in range(20):
        truth, y, fold = world(np.random.default_rng(seed), n=3000)
        chosen.append(calibrate(truth, y, fold).method)
    assert chosen.count("none") >= 17


def test_an_overconfident_model_is_tamed(rng: np.random.Generator) -> None:
    truth, y, fold = world(rng)
    bold = inverse_logit(2.5 * logit(truth))
    calibrator = calibrate(bold, y, fold)
    assert calibrator.method != "none"
    assert ece(y, calibrator(bold)) < 0.5 * ece(y, bold)


def test_a_bent_model_needs_isotonic(rng: np.random.Generator) -> None:
    truth, y, fold = world(rng, n=20_000)
    bent = np.where(truth < 0.3, truth * 0.2, 0.06 + (truth - 0.3) * 1.3)
    assert calibrate(bent, y, fold).method == "isotonic"


def test_isotonic_keeps_the_order_and_stays_off_zero_and_one(rng: np.random.Generator) -> None:
    truth, y, fold = world(rng, n=500)
    calibrated = calibrate(truth, y, fold, "isotonic")(np.linspace(0, 1, 101))
    assert (np.diff(calibrated) >= 0).all()
    assert calibrated.min() > 0 and calibrated.max() < 1


def test_held_out_brier_is_computed_on_rows_that_the_calibrator_has_not_seen(rng: np.random.Generator) -> None:
    truth, y, fold = world(rng, n=300)
    shuffled = rng.permutation(y)
    scores = held_out_brier(truth, shuffled, fold)
    in_sample = brier(shuffled, CALIBRATIONS["isotonic"](truth, shuffled)(truth))
    assert scores.loc["isotonic", "brier"] > in_sample


def test_cross_fitting_ignores_the_fold_itself(rng: np.random.Generator) -> None:
    truth, y, fold = world(rng, n=1000)
    flipped = np.where(fold == 0, 1 - y, y)
    mine, theirs = cross_fitted(platt, truth, y, fold), cross_fitted(platt, truth, flipped, fold)
    assert np.array_equal(mine[fold == 0], theirs[fold == 0])
    assert not np.array_equal(mine[fold != 0], theirs[fold != 0])


def test_an_unknown_method_names_those_there_are(rng: np.random.Generator) -> None:
    truth, y, fold = world(rng, n=100)
    with pytest.raises(EngineError, match="isotonic, none, platt"):
        calibrate(truth, y, fold, "beta")


def test_a_perfectly_separated_sample_stays_finite() -> None:
    p, y = np.array([0.1, 0.2, 0.8, 0.9] * 20), np.array([0, 0, 1, 1] * 20)
    assert np.isfinite(platt(p, y)(p)).all()
    assert Calibrator("none")(p) is p


def test_of_a_single_fold_nothing_else_can_teach_a_method(rng: np.random.Generator) -> None:
    p, y, _ = world(rng, n=200)
    told = held_out_brier(p, y, np.zeros(200, dtype=int))
    assert told.index.tolist() == ["none"] and told.loc["none", "brier"] == pytest.approx(np.mean((p - y) ** 2))
    assert calibrate(p, y, np.zeros(200, dtype=int)) == Calibrator("none")
