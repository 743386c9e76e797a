"""How good values and survival curves are: ranking, level, calibration by decile, each with its interval."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from engine.prediction.evaluate import resampled
from engine.schema import Estimate

Floats = NDArray[np.float64]
ValueMetric = Callable[[Floats, Floats], float]
REPLICATES = 100
DECILES = 10
Z95 = 1.96
MONTHS_OF_YEAR = 12
FEWEST_NEW = 500


def gini(actual: Floats, predicted: Floats) -> float:
    """Normalised Gini [-1..1]: area between the Lorenz curve of actual by predicted and the diagonal / the best.

    2 cov(actual, rank of predicted) / (n mean actual), divided by the same with the rank of actual; ties share a rank.

    >>> gini(np.array([0.0, 1.0, 5.0]), np.array([1.0, 2.0, 3.0]))
    1.0
    >>> gini(np.array([0.0, 1.0, 5.0]), np.array([7.0, 7.0, 7.0]))
    0.0
    """
    best = _area(actual, actual)
    return _area(actual, predicted) / best if best > 0 else 0.0


def _area(actual: Floats, by: Floats) -> float:
    rank = pd.Series(by).rank().to_numpy() - (len(by) + 1) / 2
    return float(actual @ rank)


def spearman(actual: Floats, predicted: Floats) -> float:
    """Rank correlation [-1..1], ties sharing a rank; 0 when either is constant."""
    if np.ptp(actual) == 0 or np.ptp(predicted) == 0:
        return 0.0
    return float(np.corrcoef(pd.Series(actual).rank(), pd.Series(predicted).rank())[0, 1])


def r2(actual: Floats, predicted: Floats) -> float:
    """Share of variance explained [..1]: 1 - sum (a - p)^2 / sum (a - mean)^2; 0 for constant actual values."""
    spread = float(((actual - actual.mean()) ** 2).sum())
    return 1 - float(((actual - predicted) ** 2).sum()) / spread if spread > 0 else 0.0


def rmse(actual: Floats, predicted: Floats) -> float:
    """Root mean squared error [unit of the values]."""
    return float(np.sqrt(((actual - predicted) ** 2).mean()))


def mae(actual: Floats, predicted: Floats) -> float:
    """Mean absolute error [unit of the values]. Rewards predicting zero where most customers bring nothing."""
    return float(np.abs(actual - predicted).mean())


def total_error(actual: Floats, predicted: Floats) -> float:
    """Predicted total / actual total - 1: -0.05 = 5 % too low; 0 when there is nothing to predict.

    >>> total_error(np.array([50.0, 50.0]), np.array([60.0, 35.0])).__round__(3)
    -0.05
    """
    total = float(actual.sum())
    return float(predicted.sum()) / total - 1 if total != 0 else 0.0


def decile_error(actual: Floats, predicted: Floats) -> float:
    """Calibration by decile of the prediction: sum over deciles |mean predicted - mean actual| / sum mean actual."""
    table = _decile_means(actual, predicted)
    total = float(np.abs(table["actual"]).sum())
    return float((table["predicted"] - table["actual"]).abs().sum()) / total if total > 0 else 0.0


def deciles(actual: Floats, predicted: Floats, groups: np.ndarray | None = None) -> pd.DataFrame:
    """Mean predicted, mean actual and count by decile of the prediction, lowest first; ties split in order of rows.

    low and high: the 95 % interval of mean actual; `groups` says whose row each is, for one customer's go together.

    >>> deciles(np.arange(20.0), np.arange(20.0)).head(2).round(2)
       decile  predicted  actual  count   low  high
    0       1        0.5     0.5      2 -0.48  1.48
    1       2        2.5     2.5      2  1.52  3.48
    """
    table = _decile_means(actual, predicted)
    group, some = tenths(predicted), np.maximum(table["count"].to_numpy(), 1)
    owner = np.arange(len(actual)) if groups is None else np.unique(groups, return_inverse=True)[1]
    apart = pd.Series(actual - table["actual"].to_numpy()[group]).groupby([group, owner]).sum()
    squares = (apart**2).groupby(level=0).sum().reindex(range(DECILES), fill_value=0.0).to_numpy()
    half = Z95 * np.sqrt(squares / np.maximum(some - 1, 1) / some)
    return table.assign(low=table["actual"] - half, high=table["actual"] + half)


def _decile_means(actual: Floats, predicted: Floats) -> pd.DataFrame:
    group = tenths(predicted)
    count = np.bincount(group, minlength=DECILES)
    means = (np.bincount(group, weights=values, minlength=DECILES) / np.maximum(count, 1)
             for values in (predicted, actual))
    return pd.DataFrame(dict(zip(("decile", "predicted", "actual", "count"),
                                 (np.arange(1, DECILES + 1), *means, count), strict=True)))


def density(actual: Floats, predicted: Floats, bins: int = 24) -> dict[str, Any]:
    """How many rows have which predicted and which actual value, for drawing one against the other.

    edges [unit of the values] hold for both and lie closer together near 0; the last bin takes in all above, up to
    the 99.5th percentile drawn. counts: one row per bin of actual, one column per bin of predicted.

    >>> density(np.array([0.0, 9.0]), np.array([0.0, 9.0]), bins=2)["counts"]
    [[1, 0], [0, 1]]
    """
    values = np.maximum(np.concatenate([actual, predicted]), 0.0)
    typical = float(np.median(values[values > 0])) if (values > 0).any() else 1.0
    top = max(float(np.quantile(values, 0.995)), typical / 100)
    edges = np.expm1(np.linspace(0, np.log1p(top / typical), bins + 1)) * typical
    row, column = (np.clip(np.searchsorted(edges, np.maximum(found, 0.0), side="right") - 1, 0, bins - 1)
                   for found in (actual, predicted))
    counts = np.bincount(row * bins + column, minlength=bins**2).reshape(bins, bins)
    return {"edges": [float(f"{edge:.4g}") for edge in edges], "counts": counts.tolist()}


def tenths(predicted: Floats) -> NDArray[np.int_]:
    rank = np.empty(len(predicted), dtype=int)
    rank[np.argsort(predicted, kind="stable")] = np.arange(len(predicted))
    return rank * DECILES // max(len(predicted), 1)


VALUE_METRICS: Mapping[str, ValueMetric] = {
    "gini": gini, "spearman": spearman, "r2": r2, "rmse": rmse, "mae": mae,
    "total_error": total_error, "decile_error": decile_error,
}


def estimates(actual: Floats, predicted: Floats, method: str, rng: np.random.Generator,
              groups: np.ndarray | None = None) -> dict[str, Estimate]:
    """Every value metric with its 95 % interval by resampling customers; `groups` says whose row each is."""
    return {name: estimate(metric, (actual, predicted), method, rng, groups=groups)
            for name, metric in VALUE_METRICS.items()}


def estimate(metric: Callable[..., float], arrays: tuple[Floats, ...], method: str, rng: np.random.Generator,
             replicates: int = 0, groups: np.ndarray | None = None) -> Estimate:
    """A metric of row-aligned arrays with its 95 % interval: value +- 1.96 standard deviations over resamples.

    Whole customers are resampled: `groups` says whose row each is; without it every row is a customer. n: customers.

    >>> rows = np.arange(100.0)
    >>> estimate(lambda a: float(a.mean()), (rows,), "mean", np.random.default_rng(0)).value
    49.5
    """
    rows = np.arange(len(arrays[0]))
    owner = rows if groups is None else np.unique(groups, return_inverse=True)[1]
    value = metric(*arrays)
    picks = (np.repeat(rows, resampled(owner, rng)) for _ in range(replicates or REPLICATES))
    spread = 1.96 * float(np.std([metric(*(array[pick] for array in arrays)) for pick in picks]))
    return Estimate(value, value - spread, value + spread, int(owner.max()) + 1, method)


def concordance(tenure: Floats, left: Floats, score: Floats, entered: Floats | None = None) -> float:
    """Harrell's C [0..1]: the share of comparable pairs in which the one who left earlier has the lower score.

    A pair is comparable when one left while the other was still there, and was already watched: `entered` [months of
    tenure], 0 unless given; ties in score count half. Source: Harrell, Lee and Mark (1996), Statistics in Medicine
    15(4).

    >>> concordance(np.array([1.0, 2.0, 3.0]), np.array([1.0, 1.0, 0.0]), np.array([0.1, 0.5, 0.9]))
    1.0
    """
    entered = np.zeros(len(tenure)) if entered is None else entered
    better = pairs = 0.0
    for moment in np.unique(tenure[left == 1]):
        leavers = score[(tenure == moment) & (left == 1)]
        there = (tenure > moment) | ((tenure == moment) & (left == 0))
        others = np.sort(score[there & (entered < moment)])
        below, upto = np.searchsorted(others, leavers), np.searchsorted(others, leavers, side="right")
        better += float((len(others) - (below + upto) / 2).sum())
        pairs += len(leavers) * len(others)
    return better / pairs if pairs else 0.5


def first_year_deciles(entered: Floats, left: Floats, after_a_year: Floats, window_months: float) -> pd.DataFrame:
    """Mean predicted S(12), S(12) by life table and count of those in their first year, by decile of the prediction.

    entered: whole months of tenure at the window; left: 1 who left in it. low and high: the 95 % interval of the life
    table's. Empty where fewer than FEWEST_NEW customers are in their first year.
    """
    new = entered < MONTHS_OF_YEAR
    months, gone, predicted = entered[new], left[new], after_a_year[new]
    group = tenths(predicted)
    rows = [(k + 1, float(predicted[group == k].mean()), *life_table(months[group == k], gone[group == k],
                                                                     window_months), int((group == k).sum()))
            for k in range(DECILES)] if len(months) >= FEWEST_NEW else []
    table = pd.DataFrame(rows, columns=["decile", "predicted", "actual", "deviation", "count"])
    half = Z95 * table.pop("deviation")
    return table.assign(low=np.maximum(table["actual"] - half, 0.0), high=np.minimum(table["actual"] + half, 1.0))


def first_year_error(entered: Floats, left: Floats, after_a_year: Floats, window_months: float) -> float:
    """Mean over the deciles of |mean predicted - life table| [share of customers]; 0 where there are none."""
    table = first_year_deciles(entered, left, after_a_year, window_months)
    return float((table["predicted"] - table["actual"]).abs().mean()) if len(table) else 0.0


def life_table(entered: Floats, left: Floats, window_months: float) -> tuple[float, float]:
    """Share of new customers who would be left after 12 months [0..1], and its standard error.

    Each quarter of the year loses what the window lost of those who stood in it; a quarter in which nobody stood, what
    the others lose on average. Source: Preston, Heuveline and Guillot (2001), Demography, ch. 3, on the period life
    table; the error is Greenwood's (1926).

    >>> life_table(np.array([0.0] * 10 + [5.0] * 10), np.array([1.0] + [0.0] * 19), 3.0)[0].__round__(3) == 0.9 ** 2
    True
    """
    quarter = (entered // 3).astype(int)
    at_risk = np.bincount(quarter, minlength=4)
    stay = at_risk - np.bincount(quarter[left == 1], minlength=4)
    seen = at_risk > 0
    windows = 3 / window_months * len(seen) / max(seen.sum(), 1)
    share = float(np.prod(stay[seen] / at_risk[seen]) ** windows)
    summed = np.sum(((at_risk - stay) / np.maximum(at_risk * stay, 1))[stay > 0])
    return share, float(share * windows * np.sqrt(summed))
