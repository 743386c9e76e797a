"""Make 20 % mean 20 %: Platt, isotonic, or nothing, whichever has the lower Brier score on held-out rows.

A calibrator is fitted on predictions of models that had not seen the row. It must earn its place: unless it lowers the
held-out Brier score by more than two standard errors, the probabilities stay as they are, because a calibrated model
needs none and isotonic regression costs log loss on small files.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.errors import choose

EDGE = 1e-6
STANDARD_ERRORS = 2.0


@dataclass(frozen=True)
class Calibrator:
    """Calibrated log-odds as a function of raw log-odds: a line (Platt) or steps joined by lines (isotonic).

    >>> Calibrator("platt", slope=0.5)(np.array([0.5, 0.9])).round(2).tolist()
    [0.5, 0.75]
    """

    method: str
    slope: float = 1.0
    intercept: float = 0.0
    steps: tuple[tuple[float, ...], tuple[float, ...]] = ((), ())

    def __call__(self, p: np.ndarray) -> np.ndarray:
        """Calibrated probabilities [0..1] of raw ones."""
        if self.method == "isotonic":
            return np.interp(p, *self.steps)
        if self.method == "none":
            return p
        return inverse_logit(self.slope * logit(p) + self.intercept)


Fit = Callable[[np.ndarray, np.ndarray], Calibrator]


def logit(p: np.ndarray) -> np.ndarray:
    """Log-odds of a probability, held within +-13.8 (one in a million).

    >>> float(logit(np.array(0.5)))
    0.0
    """
    clipped = np.clip(p, EDGE, 1 - EDGE)
    return np.log(clipped / (1 - clipped))


def inverse_logit(x: np.ndarray) -> np.ndarray:
    """Probability [0..1] of log-odds.

    >>> float(inverse_logit(np.array(0.0)))
    0.5
    """
    return 1 / (1 + np.exp(-np.clip(x, -35, 35)))


def none(p: np.ndarray, y: np.ndarray) -> Calibrator:  # noqa: ARG001
    """The probabilities as they are."""
    return Calibrator("none")


def platt(p: np.ndarray, y: np.ndarray) -> Calibrator:
    """A line on the log-odds, by maximum likelihood; slope below 1 tames an overconfident model.

    Source: Platt (1999), Advances in Large Margin Classifiers; Cox (1958), Biometrika 45.
    """
    slope, intercept = 1.0, 0.0
    x = logit(p)
    design = np.column_stack([x, np.ones_like(x)])
    for _ in range(50):
        fitted = inverse_logit(slope * x + intercept)
        information = design.T @ (design * (fitted * (1 - fitted))[:, None]) + 1e-9 * np.eye(2)
        step = np.linalg.solve(information, design.T @ (y - fitted))
        slope, intercept = slope + float(np.clip(step[0], -1, 1)), intercept + float(np.clip(step[1], -1, 1))
        if np.abs(step).max() < 1e-9:
            break
    return Calibrator("platt", slope, intercept)


def isotonic(p: np.ndarray, y: np.ndarray) -> Calibrator:
    """The best non-decreasing function of the probability, kept off 0 and 1 by half a customer.

    Source: Zadrozny and Elkan (2002), KDD.
    """
    from sklearn.isotonic import IsotonicRegression

    margin = 0.5 / len(y)
    fitted = IsotonicRegression(y_min=margin, y_max=1 - margin, out_of_bounds="clip").fit(p, y)
    return Calibrator("isotonic", steps=(tuple(fitted.X_thresholds_.tolist()), tuple(fitted.y_thresholds_.tolist())))


CALIBRATIONS: Mapping[str, Fit] = {"none": none, "platt": platt, "isotonic": isotonic}


def cross_fitted(fit: Fit, p: np.ndarray, y: np.ndarray, fold: np.ndarray) -> np.ndarray:
    """Each fold's probabilities calibrated by what the other folds taught.

    >>> cross_fitted(none, np.array([0.1, 0.9]), np.array([0, 1]), np.array([0, 1])).tolist()
    [0.1, 0.9]
    """
    calibrated = np.empty_like(p)
    for held in np.unique(fold):
        test = fold == held
        calibrated[test] = fit(p[~test], y[~test])(p[test])
    return calibrated


def held_out_brier(p: np.ndarray, y: np.ndarray, fold: np.ndarray) -> pd.DataFrame:
    """Each method's cross-fitted Brier score, and by how much it beats "none" with that difference's standard error.

    Of a single fold only that of "none": no other fold teaches a method anything.
    """
    methods = CALIBRATIONS if len(np.unique(fold)) > 1 else {"none": none}
    losses = {name: (cross_fitted(fit, p, y, fold) - y) ** 2 for name, fit in methods.items()}
    return pd.DataFrame(_beside(losses), columns=["method", "brier", "gain", "standard_error"]).set_index("method")


def _beside(losses: Mapping[str, np.ndarray]) -> Iterator[tuple[str, float, float, float]]:
    for name, loss in losses.items():
        gain = losses["none"] - loss
        yield name, float(loss.mean()), float(gain.mean()), float(gain.std() / np.sqrt(len(gain)))


def best(scores: pd.DataFrame) -> str:
    """The method with the lowest Brier score among "none" and those that beat it by more than two standard errors.

    >>> best(pd.DataFrame({"brier": [0.2, 0.19], "gain": [0, 0.01], "standard_error": [0, 0.02]}, ["none", "platt"]))
    'none'
    >>> best(pd.DataFrame({"brier": [0.2, 0.19], "gain": [0, 0.01], "standard_error": [0, 0.002]}, ["none", "platt"]))
    'platt'
    """
    earned = scores[(scores["gain"] > STANDARD_ERRORS * scores["standard_error"]) | (scores.index == "none")]
    return str(earned["brier"].idxmin())


def calibrate(p: np.ndarray, y: np.ndarray, fold: np.ndarray, method: str = "best") -> Calibrator:
    """The calibrator fitted on held-out predictions: the named one, or the best by cross-fitted Brier score.

    >>> rng = np.random.default_rng(0)
    >>> truth = rng.uniform(size=4000)
    >>> y, too_bold = (rng.uniform(size=4000) < truth).astype(int), inverse_logit(3 * logit(truth))
    >>> calibrate(too_bold, y, np.arange(4000) % 5).method
    'platt'
    """
    if method == "best":
        method = best(held_out_brier(p, y, fold))
    return choose("calibration", method, CALIBRATIONS)(p, y)
