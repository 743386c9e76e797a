"""Orders and spend of customers who never say that they leave: BG/NBD for when, Gamma-Gamma for how much.

A customer orders at random with her own rate, and after each order may leave for good with her own probability.
frequency: repeat orders, recency: age at the last order, T: age now; one unit of time throughout.

Sources: Fader, Hardie and Lee (2005), "Counting your customers" the easy way, Marketing Science 24(2);
Fader and Hardie (2013), The Gamma-Gamma model of monetary value. The hypergeometric terms are written after Euler's
and Pfaff's transformations, which keep their first two parameters small however often a customer has ordered.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import digamma, gammaln, hyp2f1
from threadpoolctl import threadpool_limits

from engine.errors import EngineError

Floats = NDArray[np.float64]
LOWEST, HIGHEST = -12.0, 12.0
HIGHEST_SHAPE = 5.3
FIRST_GUESSES = (0.0, -1.0, 1.0)
RIDGE = 1e-7


@dataclass(frozen=True)
class BgNbd:
    """Rates ~ Gamma(r, alpha), chance to leave after an order ~ Beta(a, b); alpha in the unit of time of the data.

    >>> model = BgNbd(r=0.243, alpha=4.414, a=0.793, b=2.426)
    >>> float(model.expected_orders(39.0, frequency=2, recency=30.43, T=38.86).round(3))
    1.226
    >>> float(model.p_alive(frequency=0, recency=0.0, T=38.86))
    1.0
    """

    r: float
    alpha: float
    a: float
    b: float
    log_likelihood: float = float("nan")

    def p_alive(self, frequency: Floats | float, recency: Floats | float, T: Floats | float) -> Floats:
        """Chance that the customer still buys [0..1]; 1 for those without a repeat order.

        1 / (1 + [x > 0] a / (b + x - 1) ((alpha + T) / (alpha + recency)) ^ (r + x))
        """
        x, tx, age = (np.asarray(values, float) for values in (frequency, recency, T))
        log_odds_gone = (self.r + x) * np.log((self.alpha + age) / (self.alpha + tx))
        log_odds_gone += np.log(self.a) - np.log(self.b + np.maximum(x, 1) - 1)
        return np.where(x > 0, 1 / (1 + np.exp(np.minimum(log_odds_gone, 700))), 1.0)

    def stays_alive(self, t: Floats | float, frequency: Floats | float, T: Floats | float) -> Floats:
        """Chance to be alive t later, given alive now [0..1]: E[exp(-rate p t)]."""
        x, z = np.asarray(frequency, float), np.asarray(t, float) / (self.alpha + np.asarray(T, float))
        return (1 + z) ** -self.a * hyp2f1(self.a, self.a + self.b - self.r, self.a + self.b + x, z / (1 + z))

    def order_rate(self, t: Floats | float, frequency: Floats | float, T: Floats | float) -> Floats:
        """Orders per unit of time expected t from now, given alive now: E[rate exp(-rate p t)]."""
        x, age = np.asarray(frequency, float), self.alpha + np.asarray(T, float)
        z = np.asarray(t, float) / age
        series = hyp2f1(self.a, self.a + self.b - self.r - 1, self.a + self.b + x, z / (1 + z))
        return (self.r + x) / age * (1 + z) ** -self.a * series

    def expected_orders(
        self, t: Floats | float, frequency: Floats | float, recency: Floats | float, T: Floats | float
    ) -> Floats:
        """Orders expected within t from now, whether or not the customer is alive (equation 10 of the source)."""
        x, age = np.asarray(frequency, float), self.alpha + np.asarray(T, float)
        a = self.a if abs(self.a - 1) > 1e-6 else 1 + 1e-6
        left = age / (age + np.asarray(t, float))
        series = hyp2f1(a - 1, a + self.b - 1 - self.r, a + self.b + x - 1, 1 - left)
        return (a + self.b + x - 1) / (a - 1) * (1 - left ** (a - 1) * series) * self.p_alive(x, recency, T)

    def no_order(
        self, t: Floats | float, frequency: Floats | float, recency: Floats | float, T: Floats | float
    ) -> Floats:
        """Chance of no order within t from now [0..1]: gone already, or alive and silent."""
        x, age = np.asarray(frequency, float), self.alpha + np.asarray(T, float)
        silent = (age / (age + np.asarray(t, float))) ** (self.r + x)
        return 1 - self.p_alive(x, recency, T) * (1 - silent)

    def median_wait(self, frequency: Floats | float, T: Floats | float) -> Floats:
        """Time until the next order that half of such customers undercut, given that they still buy.

        (alpha + T) (2 ^ (1 / (r + x)) - 1); the mean would be infinite for customers with few orders.
        """
        return (self.alpha + np.asarray(T, float)) * np.expm1(np.log(2) / (self.r + np.asarray(frequency, float)))


@dataclass(frozen=True)
class GammaGamma:
    """Value per order ~ Gamma(p, nu), nu ~ Gamma(q, v); independent of how often the customer orders.

    >>> spend = GammaGamma(p=6.25, q=3.74, v=15.44)
    >>> float(spend.expected_value(frequency=1, monetary=20.0).round(2))
    24.64
    >>> float(spend.expected_value(frequency=0, monetary=0.0).round(2))
    35.22
    """

    p: float
    q: float
    v: float
    log_likelihood: float = float("nan")

    def expected_value(self, frequency: Floats | float, monetary: Floats | float) -> Floats:
        """Mean value of the customer's orders to come [currency per order], shrunk to the mean of all customers.

        p (v + x m) / (p x + q - 1)
        """
        x, mean = np.asarray(frequency, float), np.asarray(monetary, float)
        q = max(self.q, 1.05)
        return self.p * (self.v + x * np.where(x > 0, mean, 0)) / (self.p * x + q - 1)


def fit_bgnbd(frequency: Floats, recency: Floats, T: Floats) -> BgNbd:
    """The BG/NBD model of highest likelihood.

    >>> rng = np.random.default_rng(1)
    >>> x = rng.poisson(rng.gamma(0.5, 0.1, 500) * 40).astype(float)
    >>> fit_bgnbd(x, np.where(x > 0, 40.0, 0.0), np.full(500, 40.0)).r > 0
    True
    """
    x, tx, age = (np.asarray(values, float) for values in (frequency, recency, T))
    _check(x, tx, age)
    unit = float(age.mean())
    cells, count = np.unique(np.column_stack([x, tx, age]), axis=0, return_counts=True)
    likelihood = _Likelihood(cells[:, 0], cells[:, 1] / unit, cells[:, 2] / unit, count.astype(float))
    best, value = _maximise(likelihood, 4, HIGHEST_SHAPE)
    r, alpha, a, b = np.exp(best)
    return BgNbd(float(r), float(alpha * unit), float(a), float(b), float(value - x.sum() * np.log(unit)))


def fit_gamma_gamma(frequency: Floats, monetary: Floats) -> GammaGamma:
    """The Gamma-Gamma model of highest likelihood, from customers with a repeat order of positive value."""
    x, mean = np.asarray(frequency, float), np.asarray(monetary, float)
    known = (x > 0) & (mean > 0)
    if known.sum() < 10:
        raise EngineError(
            f"Only {int(known.sum())} customers have a repeat order with a value, too few to learn what an order is "
            "worth. Bring a longer history or choose another LTV algorithm."
        )
    x, mean = x[known], mean[known]
    unit = float(mean.mean())
    best, value = _maximise(lambda theta: _spend_likelihood(theta, x, mean / unit), 3, HIGHEST)
    p, q, v = np.exp(best)
    return GammaGamma(float(p), float(q), float(v * unit), float(value - len(x) * np.log(unit)))


def _check(x: Floats, tx: Floats, age: Floats) -> None:
    bad = (x < 0) | (tx < 0) | (tx > age) | (age <= 0) | ~np.isfinite(x + tx + age)
    if bad.any():
        row = int(np.flatnonzero(bad)[0])
        raise EngineError(
            f"{int(bad.sum())} customers have impossible histories, first row {row}: frequency {x[row]:g}, recency "
            f"{tx[row]:g}, T {age[row]:g}. Recency must lie within 0..T and T above 0; check the orders' dates."
        )
    if not (x > 0).any():
        raise EngineError("No customer has ordered twice, so the rhythm of orders is unknown. Bring a longer history.")


def _maximise(likelihood: Callable[[Floats], tuple[float, Floats]], parameters: int,
              highest: float) -> tuple[Floats, float]:
    """Log-parameters of the highest log-likelihood over several starts, and its value."""
    from scipy.optimize import minimize

    def loss(theta: Floats) -> tuple[float, Floats]:
        value, slope = likelihood(theta)
        return RIDGE * float(theta @ theta) - value / scale, 2 * RIDGE * theta - slope / scale

    scale = max(abs(likelihood(np.zeros(parameters))[0]), 1.0)
    bounds = [(LOWEST, highest)] * parameters
    options = {"maxiter": 500, "ftol": 1e-13, "gtol": 1e-9}
    starts = [np.full(parameters, guess) for guess in FIRST_GUESSES]
    with threadpool_limits(1):  # a second thread only spins on problems of four numbers
        fits = [minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options=options) for start in starts]
    best = min(fits, key=lambda fit: fit.fun)
    return best.x, float(likelihood(best.x)[0])


@dataclass(frozen=True)
class _Likelihood:
    """Log-likelihood and its slope by the log-parameters, over distinct histories and how many customers share them."""

    x: Floats
    tx: Floats
    T: Floats
    count: Floats

    def __call__(self, theta: Floats) -> tuple[float, Floats]:
        r, alpha, a, b = np.exp(theta)
        orders, place = self._orders
        x, repeat = self.x, self.x > 0
        gammas = gammaln(r + orders) - gammaln(r) + gammaln(a + b) + gammaln(b + orders)
        gammas -= gammaln(b) + gammaln(a + b + orders)
        later = np.log(b + np.maximum(x, 1) - 1)
        alive = -(r + x) * np.log(alpha + self.T)
        gone = np.where(repeat, np.log(a) - later - (r + x) * np.log(alpha + self.tx), -np.inf)
        either = np.logaddexp(alive, gone)
        value = (self.count * (gammas[place] + r * np.log(alpha) + either)).sum()
        left = np.exp(gone - either)
        return float(value), self._slope(r, alpha, a, b, left)

    @property
    def _orders(self) -> tuple[Floats, NDArray[np.intp]]:
        orders, place = np.unique(self.x, return_inverse=True)
        return orders, place

    def _slope(self, r: float, alpha: float, a: float, b: float, left: Floats) -> Floats:
        orders, place = self._orders
        both = digamma(a + b) - digamma(a + b + orders)
        age, last = alpha + self.T, alpha + self.tx
        mean_log = (1 - left) * np.log(age) + left * np.log(last)
        by_r = (digamma(r + orders) - digamma(r))[place] + np.log(alpha) - mean_log
        by_alpha = r / alpha - (r + self.x) * ((1 - left) / age + left / last)
        by_a = both[place] + left / a
        by_b = (both + digamma(b + orders) - digamma(b))[place] - left / (b + np.maximum(self.x, 1) - 1)
        slopes = (r * by_r, alpha * by_alpha, a * by_a, b * by_b)
        return np.array([(self.count * slope).sum() for slope in slopes])


def _spend_likelihood(theta: Floats, x: Floats, mean: Floats) -> tuple[float, Floats]:
    """Gamma-Gamma log-likelihood and its slope by the log-parameters (equation 1a of the source)."""
    p, q, v = np.exp(theta)
    shape, total = p * x, v + x * mean
    value = gammaln(shape + q) - gammaln(shape) - gammaln(q) + q * np.log(v)
    value += (shape - 1) * np.log(mean) + shape * np.log(x) - (shape + q) * np.log(total)
    joint = digamma(shape + q)
    by_p = x * (joint - digamma(shape) + np.log(mean) + np.log(x) - np.log(total))
    by_q = joint - digamma(q) + np.log(v) - np.log(total)
    by_v = q / v - (shape + q) / total
    return float(value.sum()), np.array([p * by_p.sum(), q * by_q.sum(), v * by_v.sum()])
