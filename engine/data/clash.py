"""Percent or fraction? Finds the values of a share that are written 100 times too small or too large.

Nothing but their distance tells such values apart from honest small ones, so a finding needs one of four things: values
above 1 in a column of shares; a whole column within 1 %; a gap below the bulk that its own tail makes improbable; or a
second hump exactly 100 times below the first.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd

from engine.schema import Column, Finding, plural

FEWEST = 20
TINY = 0.01
IMPROBABLE = 0.002
DECADE = np.log(10)
HUMP = 0.5 * DECADE
BULK_SHARE = 0.5
FEWEST_PERCENT, MOST_PERCENT, ALIKE = 5, 0.3, 0.001


def percent_clash(column: Column, values: pd.Series) -> list[Finding]:
    """Findings on values that seem to be percent among shares, or shares among percent.

    >>> rate = Column("rate", "number", "share 0..1", "Share of carts abandoned", 0, 1)
    >>> for finding in percent_clash(rate, pd.Series([0.2, 0.3, 25.0])):
    ...     print(finding)
    warning: rate: 1 value between 1 and 100 in a column of shares, for example 25: written in percent. Divide by 100...
    """
    numbers = values[np.isfinite(values)]
    return [*_percent_among_shares(column, numbers), *_shares_among_percent(column, numbers)]


def percent_like_the_rest(values: pd.Series) -> int:
    """How many of the values are in percent where the rest are shares 0..1; 0 unless no doubt is left.

    The few above 1 must, divided by 100, be spread as the others are: a tail of honest numbers just above 1 would all
    lie near zero then. Compared are their logarithms (Kolmogorov and Smirnov).

    >>> shares = pd.Series(np.linspace(0.05, 0.9, 200))
    >>> percent_like_the_rest(pd.concat([shares, 100 * shares[::20]])), percent_like_the_rest(4 * shares)
    (10, 0)
    """
    from scipy.stats import ks_2samp

    numbers = values[np.isfinite(values) & (values != 0)]
    above, rest = numbers[numbers > 1], numbers[numbers <= 1]
    few = FEWEST_PERCENT <= len(above) <= MOST_PERCENT * len(numbers)
    if not few or (numbers < 0).any() or above.max() > 100:
        return 0
    if rest.nunique() < FEWEST or (rest == 1).mean() > BULK_SHARE:
        return 0
    return len(above) if ks_2samp(np.log(above / 100), np.log(rest)).pvalue > ALIKE else 0


def percent_among_shares(column: Column, values: pd.Series) -> pd.Series:
    """Where a column of shares holds a value above 1 that would be a share if it were percent."""
    return (values > 1) & (values <= 100) & column.unit.startswith("share")


def _percent_among_shares(column: Column, values: pd.Series) -> Iterator[Finding]:
    large = values[percent_among_shares(column, values)]
    if len(large):
        what = (f"{plural(len(large), 'value')} between 1 and 100 in a column of shares, for example "
                f"{large.iloc[0]:g}: written in percent.")
        yield Finding("warning", column.name, what, "Divide by 100 what is in percent.", len(large))


def _shares_among_percent(column: Column, values: pd.Series) -> Iterator[Finding]:
    positive = np.sort(values[values > 0].to_numpy(dtype=float))
    if len(positive) < FEWEST:
        return
    whole = 1.0 if column.unit.startswith("share") else 100.0
    if positive[-1] <= TINY * whole and len(np.unique(positive)) >= FEWEST:
        what = f"No value is above {positive[-1]:g}, 1 % of the whole: fractions seem to have been read as percent."
        yield Finding("warning", column.name, what, "Say which of the two the column holds.", len(positive))
    elif count := max(_below_a_gap(np.log(positive)), _hump_below(np.log(positive))):
        what = (f"About {plural(count, 'value')} up to {positive[count - 1]:g} lie 100 times below the rest (median "
                f"{np.median(positive):g}): fractions among percentages.")
        yield Finding("warning", column.name, what, "Multiply by 100 what is a fraction.", count)


def _below_a_gap(logs: np.ndarray) -> int:
    """How many values lie below a gap that the tail of the rest makes improbable, and fit the rest when x 100.

    If the lower tail of log values is exponential with scale s, the gap above the k lowest of them is exponential with
    scale s / k (Renyi 1953); s is read off the distance between the median and the 5th percentile of the rest.
    """
    half = len(logs) // 2
    gaps = np.diff(logs)[:half]
    count = int(gaps.argmax()) + 1
    rest = logs[count:]
    low, fifth, middle, high = np.quantile(rest, [0.01, 0.05, 0.5, 0.99])
    scale = max((middle - fifth) / DECADE, 1e-9)
    moved = logs[:count] + 2 * DECADE
    fits = bool((moved >= low).all() and (moved <= high).all())
    improbable = gaps[count - 1] >= DECADE and np.exp(-count * gaps[count - 1] / scale) < IMPROBABLE
    return count if fits and improbable else 0


def _hump_below(logs: np.ndarray) -> int:
    """How many values make a second hump two decades below the first, with a valley between the two."""
    top, middle = np.quantile(logs, [0.99, 0.5])
    edge = top - 2 * DECADE
    if _more(logs, edge - HUMP / 2, edge + HUMP / 2) and (logs > edge + 2 * HUMP).mean() >= BULK_SHARE:
        return int((logs <= edge).sum())
    return int((logs <= middle - 1.5 * DECADE).sum()) if _more(logs, middle - 2 * DECADE, middle - DECADE) else 0


def _more(logs: np.ndarray, lower: float, upper: float) -> bool:
    """Whether clearly more values (four standard deviations) lie around `lower` than around `upper`."""
    low, high = (int(((logs > end - HUMP / 2) & (logs <= end + HUMP / 2)).sum()) for end in (lower, upper))
    return (low - high) / np.sqrt(max(low + high, 1)) > 4
