"""Metrics against hand-computed numbers and scikit-learn; intervals against simulated worlds."""

from __future__ import annotations

import numpy as np
import pytest

from engine.prediction import metrics


@pytest.fixture
def drawn(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Labels and probabilities with ties."""
    p = rng.uniform(size=500).round(2)
    return (rng.uniform(size=500) < p).astype(int), p


def test_ranking_and_losses_equal_those_of_scikit_learn(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    from sklearn import metrics as reference

    y, p = drawn
    inside = np.clip(p, 0.01, 0.99)
    assert metrics.roc_auc(y, p) == pytest.approx(reference.roc_auc_score(y, p))
    assert metrics.pr_auc(y, p) == pytest.approx(reference.average_precision_score(y, p))
    assert metrics.log_loss(y, inside) == pytest.approx(reference.log_loss(y, inside))
    assert metrics.brier(y, p) == pytest.approx(reference.brier_score_loss(y, p))


def test_flag_metrics_equal_those_of_scikit_learn(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    from sklearn import metrics as reference

    y, p = drawn
    flagged = p >= 0.3
    assert metrics.f1(y, flagged) == pytest.approx(reference.f1_score(y, flagged))
    assert metrics.f2(y, flagged) == pytest.approx(reference.fbeta_score(y, flagged, beta=2))
    assert metrics.precision(y, flagged) == pytest.approx(reference.precision_score(y, flagged))
    assert metrics.recall(y, flagged) == pytest.approx(reference.recall_score(y, flagged))
    table = metrics.confusion(y, flagged)
    assert [[table["true_negative"], table["false_positive"]], [table["false_negative"], table["true_positive"]]] == (
        reference.confusion_matrix(y, flagged).tolist())


def test_flagging_everyone_scores_the_f2_that_the_base_rate_implies() -> None:
    y = np.array([1] * 265 + [0] * 735)
    assert metrics.f2(y, np.ones(1000, dtype=bool)) == pytest.approx(5 * 0.265 / (4 * 0.265 + 1))


def test_flagging_no_one_scores_zero() -> None:
    nobody = np.zeros(4, dtype=bool)
    assert [metrics.precision(np.array([0, 1, 0, 1]), nobody), metrics.f2(np.array([0, 1, 0, 1]), nobody)] == [0, 0]


def test_ece_by_hand() -> None:
    p = np.array([0.1, 0.1, 0.1, 0.1, 0.5, 0.5, 0.9, 0.9])
    y = np.array([0, 0, 0, 1, 1, 1, 1, 1])
    assert metrics.ece(y, p) == pytest.approx((4 * 0.15 + 2 * 0.5 + 2 * 0.1) / 8)


def test_ece_of_a_perfectly_calibrated_model_is_not_zero(rng: np.random.Generator) -> None:
    """About .012 on 7,043 rows like Telco's: the reason why a figure of .012 is as good as it gets."""
    p = rng.beta(0.8, 2.2, size=7043)
    found = [metrics.ece((rng.uniform(size=7043) < p).astype(int), p) for _ in range(100)]
    assert 0.009 < np.mean(found) < 0.015


def test_lift_shares_ties_out_evenly() -> None:
    assert metrics.lift_at_10(np.array([1, 0] * 50), np.full(100, 0.3)) == pytest.approx(1.0)


def test_a_single_class_has_no_rank() -> None:
    assert np.isnan(metrics.roc_auc(np.zeros(3, dtype=int), np.array([0.1, 0.2, 0.3])))


def test_reliability_counts_every_customer_once(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = drawn
    curve = metrics.reliability(y, p)
    assert curve["customers"].sum() == 500
    assert (curve["customers"] * (curve["observed"] - curve["probability"])).abs().sum() / 500 == pytest.approx(
        metrics.ece(y, p))
    assert ((curve["low"] <= curve["observed"] + 1e-9) & (curve["observed"] <= curve["high"] + 1e-9)).all()


def test_curves_end_where_everyone_is_contacted(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = drawn
    drawn_curves = metrics.curves(y, p)
    assert drawn_curves["roc"]["recall"][-1] == drawn_curves["roc"]["false_positive_rate"][-1] == 1.0
    assert drawn_curves["lift"]["lift"][-1] == pytest.approx(1.0)
    assert drawn_curves["pr"]["precision"][-1] == pytest.approx(y.mean())


def test_curves_share_ties_out_evenly() -> None:
    """Everyone alike: whoever comes first in the file, the curve is the diagonal."""
    y = np.array([1] * 20 + [0] * 80)
    told = metrics.curves(y, np.full(100, 0.2))
    assert told["roc"]["recall"] == pytest.approx(told["roc"]["false_positive_rate"])
    assert told["lift"]["lift"] == pytest.approx([1.0] * 100)


def test_the_area_under_the_curve_is_the_auc(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = drawn
    roc = metrics.curves(y, p, points=501)["roc"]
    assert np.trapezoid(roc["recall"], roc["false_positive_rate"]) == pytest.approx(metrics.roc_auc(y, p), abs=2e-3)


def test_counts_by_threshold_equal_the_confusion_at_each(drawn: tuple[np.ndarray, np.ndarray]) -> None:
    y, p = drawn
    told = metrics.by_threshold(y, p, line=0.4312)
    assert 0.4312 in told["threshold"] and told["threshold"] == sorted(set(told["threshold"]))
    for line, flagged, caught in zip(told["threshold"], told["flagged"], told["caught"], strict=True):
        counted = metrics.confusion(y, p >= line)
        assert caught == counted["true_positive"]
        assert flagged == counted["true_positive"] + counted["false_positive"]
    assert (told["customers"], told["leavers"]) == (500, int(y.sum()))


def test_a_line_above_everyone_flags_no_one() -> None:
    told = metrics.by_threshold(np.array([0, 1]), np.array([0.2, 0.9]), line=1.0)
    assert (told["threshold"][-1], told["flagged"][-1], told["caught"][-1]) == (1.0, 0, 0)
