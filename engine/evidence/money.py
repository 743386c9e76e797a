"""What treatment changes in money.

Value at stake is known beforehand of every customer, so what treatment saves of it is a difference of shares, of value
instead of heads: the interval needs no guess of how widely the few who left are scattered. Revenue is not known
beforehand: there it is a difference of means within strata, by least squares on treated and one intercept per stratum,
with the variance HC2 (MacKinnon and White 1985), which holds however differently the sides scatter; the quantile is
Student's with one degree of freedom less than the smaller side has customers.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pandas as pd

from engine.evidence.proportions import CONFIDENCE, Strata, difference
from engine.schema import Estimate

LEAST_PER_SIDE = 2
OF_VALUE = "stratified difference of the shares of LTV that left, Miettinen-Nurminen score interval, 95 %"
OF_MEANS = "stratified difference of means, HC2, 95 %"


def saved(treated: pd.Series, left: pd.Series, stratum: pd.Series, ltv: pd.Series) -> Estimate | None:
    """What treatment saves of the lifetime value, per customer treated [currency]; None where nothing compares."""
    found = difference(Strata.of_value(treated, left, stratum, ltv.clip(lower=0)))
    return None if found is None else replace(found, method=OF_VALUE)


def mean_difference(values: pd.Series, treated: pd.Series, stratum: pd.Series,
                    confidence: float = CONFIDENCE) -> Estimate | None:
    """Mean of those treated minus of those held out, per customer; None where a side has fewer than two.

    >>> values, treated = pd.Series([1.0, 3.0, 5.0, 7.0]), pd.Series([0, 0, 1, 1])
    >>> mean_difference(values, treated, pd.Series("all", values.index)).value
    4.0
    """
    frame = pd.DataFrame({"value": values.to_numpy(float), "treated": treated.to_numpy(float),
                          "stratum": stratum.to_numpy()})
    both = frame.groupby("stratum")["treated"].transform("mean").between(0, 1, inclusive="neither")
    frame = frame[both]
    sides = [int((frame["treated"] == side).sum()) for side in (0, 1)]
    if min(sides) < LEAST_PER_SIDE:
        return None
    from scipy.stats import t

    value, error = _slope(frame)
    reach = float(t.ppf((1 + confidence) / 2, min(sides) - 1)) * error
    return Estimate(value, value - reach, value + reach, len(frame), OF_MEANS)


def _slope(frame: pd.DataFrame) -> tuple[float, float]:
    """The effect of being treated and its HC2 standard error."""
    groups = frame.groupby("stratum")[["value", "treated"]]
    y, x = (frame[["value", "treated"]] - groups.transform("mean")).to_numpy().T
    square = float(x @ x)
    effect = float(x @ y) / square
    own = 1 / groups.transform("size").to_numpy(float)
    leverage = np.clip(own + x**2 / square, 0, 1 - 1e-6)
    return effect, math.sqrt(float((x**2 * (y - x * effect) ** 2 / (1 - leverage)).sum())) / square
