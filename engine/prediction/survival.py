"""When a contract ends: a discrete-time hazard by months of tenure, and what follows from it.

logit h(t | z) = sum_k b_k(t) theta_k . z: the chance to leave in month t of tenure, given that the customer is still
there, with covariates z whose effects may change along a smooth basis b of tenure. Fitted by Newton's method on sums
over each customer's months, so the person-period table is never built. Source: Singer and Willett (1993), It's about
time: using discrete-time survival analysis, J. Educational Statistics 18(2); Tutz and Schmid (2016), chapter 3.

Nothing that is a function of tenure may be a covariate: tenure is the duration here, the thing explained.

A customers table tells who left in a window after its moment, and whoever left before is not in it: then each customer
is at risk in that window alone, entering it at her tenure (delayed entry). Counting the years before as survived would
make everybody look loyal. Source: Tutz and Schmid (2016), section 3.6, on left truncation.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from engine.errors import EngineError
from engine.prediction.encoding import Encoder
from engine.prediction.money import DAYS_PER_MONTH, NEVER, Floats

TELLS_TENURE = frozenset({
    "tenure_months", "total_charges", "average_monthly_charge", "charge_change", "charge_change_share",
    "contract_position", "months_to_renewal", "renewals", "new_customer", "monthly_charge_per_tenure",
    "payments_365d",
})
LONGEST_MONTHS = 240
KNOT_SHARES = (0.0, 0.03, 0.1, 0.25, 0.5, 0.75, 1.0)
RIDGE_LEVEL, RIDGE_BASE, RIDGE_EFFECT, RIDGE_CHANGE = 1e-6, 0.05, 1.0, 6.0
NEWTON_STEPS = 40
FEWEST_LEAVERS = 20
BATCH = 20_000

Months = NDArray[np.int_]


@dataclass(frozen=True)
class HazardModel:
    """Chance to leave within `step_months`, by month of tenure and covariates; see fit_hazard."""

    encoder: Encoder
    theta: Floats
    longest: int
    step_months: float = 1.0

    def log_survival(self, X: pd.DataFrame, tenure_months: pd.Series | Floats, months: int) -> Floats:
        """ln S at 0, 1, ..., `months` months from now, given still here at this tenure; one row per customer.

        Beyond the longest tenure seen the hazard of the last months is kept.
        """
        start = np.nan_to_num(np.asarray(tenure_months, float), nan=0.0).astype(int)
        batches = range(0, max(len(X), 1), BATCH)
        parts = [self._log_survival(X.iloc[i:i + BATCH], start[i:i + BATCH], months) for i in batches]
        return np.concatenate(parts)

    def _log_survival(self, X: pd.DataFrame, start: Months, months: int) -> Floats:
        logit = self.encoder.encode(X) @ self.theta @ basis(self.longest).T
        stays = -np.logaddexp(0.0, logit) / self.step_months
        month = np.minimum(start[:, None] + np.arange(months)[None, :], self.longest - 1)
        ahead = np.take_along_axis(stays, month, axis=1)
        return np.concatenate([np.zeros((len(X), 1)), np.cumsum(ahead, axis=1)], axis=1)

    def from_start(self, X: pd.DataFrame, months: int) -> Floats:
        """S at 0, 1, ..., `months` months of tenure, for customers as they would be when they join."""
        return np.exp(self.log_survival(X, np.zeros(len(X)), months))


def fit_hazard(X: pd.DataFrame, tenure_months: pd.Series, left: pd.Series,
               window_months: float | None = None) -> HazardModel:
    """The hazard model of highest penalised likelihood; a customer is at risk in months 1..tenure.

    Customers of unknown tenure tell nothing of when one leaves, and are left out. X: covariates, functions of tenure
    left out beforehand (see covariates). left: 1 where tenure ended by leaving. window_months: where given, tenure is
    that of the moment, `left` tells the window after it, and only there is a customer at risk.

    >>> rng = np.random.default_rng(0)
    >>> tenure = pd.Series(np.minimum(rng.geometric(0.1, 3000), 24))
    >>> left = (tenure < 24).astype(int)
    >>> model = fit_hazard(pd.DataFrame({"x": rng.normal(size=3000)}), tenure, left)
    >>> bool(abs(model.from_start(pd.DataFrame({"x": [0.0]}), 12)[0, -1] - 0.9 ** 12) < 0.03)
    True
    """
    known = tenure_months.notna().to_numpy()
    X, left = X[known], left[known]
    entered, until, event = _watched(np.asarray(tenure_months[known], float), np.asarray(left, float), window_months)
    if event.sum() < FEWEST_LEAVERS:
        raise EngineError(f"Only {int(event.sum())} customers have left with a known tenure, too few to learn when "
                          "contracts end. Use an LTV algorithm that needs no tenure.")
    encoder = Encoder.learn(X)
    longest = int(until.max())
    problem = _Newton(encoder.encode(X), entered, until, event, basis(longest))
    with threadpool_limits(1):  # the matrices are narrow: a second thread mostly spins
        return HazardModel(encoder, problem.solve(), longest, window_months or 1.0)


def _watched(months: Floats, left: Floats, window_months: float | None) -> tuple[Months, Months, Floats]:
    """The month of tenure after which each customer is at risk, until which, and whether she leaves in it."""
    if window_months is None:
        tenure = np.clip(months, 0, LONGEST_MONTHS).round().astype(int)
        return np.zeros_like(tenure), tenure, left * (tenure > 0) * (months <= LONGEST_MONTHS)
    entered = middle_of_window(months, window_months)
    return entered, entered + 1, left


def middle_of_window(tenure_months: Floats, window_months: float) -> Months:
    """Whole months of tenure before the month in which the window's middle lies; at most 239.

    >>> middle_of_window(np.array([0.0, 7.9, 999.0]), 3.0), middle_of_window(np.array([7.9]), 0.5)
    (array([  1,   8, 239]), array([7]))
    """
    return np.clip(np.floor(tenure_months) + round((window_months - 1) / 2), 0, LONGEST_MONTHS - 1).astype(int)


def covariates(X: pd.DataFrame, tenure_months: pd.Series, without: Sequence[str] = ()) -> list[str]:
    """The columns that may explain the hazard: not those that are functions of tenure by name or by rank correlation.

    >>> X = pd.DataFrame({"total_charges": [1, 2, 3, 4], "spent": [10, 21, 29, 40], "age": [30, 20, 40, 25]})
    >>> covariates(X, pd.Series([1, 2, 3, 4]))
    ['age']
    """
    ranks = np.asarray(tenure_months.rank(), float)
    named = [str(name) for name in X if name not in TELLS_TENURE and name not in without]
    return [name for name in named if abs(_rank_correlation(X[name], ranks)) < 0.8]


def _rank_correlation(column: pd.Series, ranks: Floats) -> float:
    if not pd.api.types.is_numeric_dtype(column) or column.nunique() < 3:
        return 0.0
    known = column.notna().to_numpy() & np.isfinite(ranks)
    if known.sum() < 3 or np.ptp(ranks[known]) == 0:
        return 0.0
    return float(np.corrcoef(column[known].rank(), ranks[known])[0, 1])


def basis(months: int) -> Floats:
    """A smooth basis of tenure, one row per month 1..months: level, then natural cubic pieces in ln(month).

    Source: Hastie, Tibshirani and Friedman (2009), The Elements of Statistical Learning, equation 5.4.

    >>> basis(72).shape
    (72, 6)
    """
    x = np.log(np.arange(1, months + 1)) / max(np.log(months), 1e-9)
    knots = np.unique(np.asarray(KNOT_SHARES)) ** 0.5
    d = [(_cube(x - k) - _cube(x - knots[-1])) / (knots[-1] - k) for k in knots[:-1]]
    curves = np.column_stack([x, *[each - d[-1] for each in d[:-1]]])
    spread = np.maximum(curves.std(axis=0), 1e-9)
    return np.column_stack([np.ones(months), (curves - curves.mean(axis=0)) / spread])[:, :6]


def _cube(x: Floats) -> Floats:
    return np.maximum(x, 0) ** 3


@dataclass(frozen=True)
class _Newton:
    """Penalised likelihood of the person-months, summed per customer: Z [customers, covariates], B [months, basis]; at
    risk in the months after `entered` up to `tenure`."""

    Z: Floats
    entered: Months
    tenure: Months
    event: Floats
    B: Floats

    def solve(self) -> Floats:
        theta = np.zeros((self.Z.shape[1], self.B.shape[1]))
        rate = self.event.sum() / max((self.tenure - self.entered).sum(), 1)
        theta[0, 0] = np.log(rate / (1 - rate))
        penalty, value = self._penalty(), np.inf
        for _ in range(NEWTON_STEPS):
            slope, curve = self._derivatives(theta)
            step = np.linalg.solve(curve + np.diag(penalty), slope - penalty * theta.ravel())
            theta, before, value = self._accept(theta, np.asarray(step.reshape(theta.shape), float), value, penalty)
            if before - value < 1e-8 * abs(value):
                break
        return theta

    def _accept(self, theta: Floats, step: Floats, value: float, penalty: Floats) -> tuple[Floats, float, float]:
        """The step, halved until the loss falls."""
        before = value if np.isfinite(value) else self._loss(theta, penalty)
        for size in 0.5 ** np.arange(12):
            after = self._loss(theta + size * step, penalty)
            if after <= before:
                return theta + size * step, before, after
        return theta, before, before

    def _penalty(self) -> Floats:
        """Ridge per coefficient: the level free, effects held lightly, their change along tenure more firmly."""
        penalty = np.full((self.Z.shape[1], self.B.shape[1]), RIDGE_CHANGE)
        penalty[:, 0] = RIDGE_EFFECT
        penalty[0] = RIDGE_BASE
        penalty[0, 0] = RIDGE_LEVEL
        return penalty.ravel()

    def _batches(self) -> Iterator[tuple[Floats, Floats, Floats]]:
        """Covariates, months at risk and events as matrices of some thousand customers at a time."""
        month = np.arange(1, len(self.B) + 1)[None, :]
        for i in range(0, len(self.Z), BATCH):
            entered, tenure, event = (each[i:i + BATCH, None] for each in (self.entered, self.tenure, self.event))
            at_risk = (entered < month) & (month <= tenure)
            yield self.Z[i:i + BATCH], at_risk.astype(float), event * (month == tenure)

    def _loss(self, theta: Floats, penalty: Floats) -> float:
        loss = 0.5 * float(penalty @ theta.ravel() ** 2)
        for Z, at_risk, event in self._batches():
            logit = Z @ theta @ self.B.T
            loss += float((at_risk * np.logaddexp(0.0, logit) - event * logit).sum())
        return loss

    def _derivatives(self, theta: Floats) -> tuple[Floats, Floats]:
        covs, curves = theta.shape
        upper, lower = np.triu_indices(curves)
        pairs = self.B[:, upper] * self.B[:, lower]
        slope, curve = np.zeros((covs, curves)), np.zeros((covs, curves, covs, curves))
        blocks = np.zeros((covs, covs, len(upper)))
        for Z, at_risk, event in self._batches():
            h = 1 / (1 + np.exp(-np.clip(Z @ theta @ self.B.T, -30, 30)))
            slope += Z.T @ ((event - at_risk * h) @ self.B)
            weight = at_risk * h * (1 - h)
            stacked = (Z[:, :, None] * (weight @ pairs)[:, None, :]).reshape(len(Z), -1)
            blocks += (Z.T @ stacked).reshape(covs, covs, -1)
        curve[:, upper, :, lower] = curve[:, lower, :, upper] = np.moveaxis(blocks, 2, 0)
        return slope.ravel(), curve.reshape(covs * curves, covs * curves)


def curves(log_survival: Floats, months: Floats, window_days: float, churn_probability: Floats) -> Floats:
    """S at `months` from now, bent per customer so that S(window) = 1 - churn_probability exactly.

    Each cumulative hazard is multiplied by one number: the shape is the hazard's, the level the probability's. Where
    the shape says that nobody leaves within the window, the hazard is constant.

    >>> flat = np.log(0.9) * np.arange(25.0)[None, :]
    >>> curves(flat, np.array([0.0, 3.0, 6.0]), 3 * DAYS_PER_MONTH, np.array([0.2])).round(4)
    array([[1.  , 0.8 , 0.64]])
    """
    window = window_days / DAYS_PER_MONTH
    shape, at_window = at_months(log_survival, months), at_months(log_survival, np.array([window]))
    constant = at_window[:, 0] > -NEVER
    shape[constant] = -months[None, :]
    at_window[constant] = -window
    target = np.log1p(-np.clip(np.asarray(churn_probability, float), NEVER, 1 - NEVER))
    return np.exp(shape / at_window * target[:, None])


def steady_curves(months: Floats, window_days: float, churn_probability: Floats) -> Floats:
    """S at `months` from now for a constant hazard with S(window) = 1 - churn_probability."""
    flat = np.zeros((len(churn_probability), 2))
    return curves(flat, months, window_days, churn_probability)


def at_months(log_survival: Floats, months: Floats) -> Floats:
    """ln S at any moments, from ln S at whole months: straight between them, the last month's hazard kept beyond."""
    last = log_survival.shape[1] - 1
    whole = np.minimum(np.floor(months).astype(int), last - 1)
    return log_survival[:, whole] + (log_survival[:, whole + 1] - log_survival[:, whole]) * (months - whole)[None, :]


def restricted_mean(survival: Floats, months: Floats) -> Floats:
    """Expected months until the customer leaves, counted up to the last of `months` [months].

    The area under S, by trapezoids. Source: Royston and Parmar (2013), BMC Medical Research Methodology 13:152.

    >>> restricted_mean(np.array([[1.0, 0.5, 0.5]]), np.array([0.0, 1.0, 2.0]))
    array([1.25])
    """
    return ((survival[:, 1:] + survival[:, :-1]) / 2 * np.diff(months)).sum(axis=1)


def best_contact_month(survival: Floats, months: Floats) -> Months:
    """The month from now in which the customer is most likely to leave: act before it. 1 = within the coming month.

    >>> best_contact_month(np.array([[1.0, 0.95, 0.70, 0.68]]), np.array([0.0, 1.0, 2.0, 3.0]))
    array([2])
    """
    leaving = (survival[:, :-1] - survival[:, 1:]) / np.diff(months)
    return np.asarray(months[1:][leaving.argmax(axis=1)].round(), int)
