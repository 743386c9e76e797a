"""How value is spread over customers: a histogram, and its density by segment, counted before they are drawn."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from engine.insight.meaning import meanings
from engine.insight.source import EVERYONE_HERE, Filters, Scope, ask, columns, quoted
from engine.schema import SEGMENTS, Column

BINS = 32
FINE = 100
LEAST = 0.01
DRAWN = 80
FAINT = 0.01
STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
SPREAD = (0.05, 0.25, 0.5, 0.75, 0.95)
NAMES = tuple(f"p{round(100 * at)}" for at in SPREAD)
REVENUE = ("spend_365d", "monthly_charges", "spend", "total_charges", "monetary")


@dataclass(frozen=True)
class Histogram:
    """Customers counted by a column's value.

    bins: left, right (in the column's unit) and customers. The last bin also holds `beyond`, the customers above its
    right end, and the first those below its left end. unknown: customers without a value.
    """

    column: Column
    bins: pd.DataFrame
    median: float
    beyond: int
    unknown: int


def money_columns(scope: Scope) -> list[Column]:
    """The columns of money whose spread is worth seeing: lifetime value, and revenue where the features hold it."""
    known, held = meanings(scope), set(columns(scope))
    revenue = [name for name in dict.fromkeys((scope.dataset.money.column, *REVENUE)) if name in held and name in known]
    return [known["expected_ltv"], *(known[name] for name in revenue[:1])]


def histogram(scope: Scope, column: Column, filters: Filters = EVERYONE_HERE) -> Histogram:
    """Customers by a number, in about thirty bins of a round width up to the 99th percentile."""
    x = f"{quoted(column.name)}::DOUBLE"
    ends = ask(scope, f"SELECT min({x}) AS least, quantile_cont({x}, [0.01, 0.5, 0.99]) AS cuts, max({x}) AS most, "
                      f"count(*) - count({x}) AS unknown FROM people", filters=filters).iloc[0]
    if ends["cuts"] is None or pd.isna(ends["least"]):
        return Histogram(column, pd.DataFrame({"left": [], "right": [], "customers": []}), math.nan, 0,
                         int(ends["unknown"]))
    low, middle, high = (float(cut) for cut in ends["cuts"])
    start = 0.0 if ends["least"] >= 0 and low < high - low else low
    width = round_width((high - start) / BINS) if high > start else 1.0
    start = math.floor(start / width) * width
    count = max(math.ceil((high - start) / width), 1)
    place = f"least(greatest(floor(({x} - ?) / ?), 0), ?)"
    table = ask(scope, f"SELECT {place}::INT AS place, count(*) AS customers, count(*) FILTER ({x} >= ?) AS beyond "
                       f"FROM people WHERE {x} IS NOT NULL GROUP BY place",
                [start, width, count - 1, start + count * width], filters)
    table = table.set_index("place").reindex(range(count)).fillna(0)
    left = start + width * np.arange(count)
    bins = pd.DataFrame({"left": left, "right": left + width, "customers": table["customers"].to_numpy().astype(int)})
    return Histogram(column, bins, middle, int(table["beyond"].sum()), int(ends["unknown"]))


def round_width(width: float) -> float:
    """The width rounded up to 1, 2, 2.5 or 5 times a power of ten.

    >>> round_width(0.013), round_width(7.0), round_width(21.0)
    (0.02, 10.0, 25.0)
    """
    power = 10.0 ** math.floor(math.log10(width))
    return next(step * power for step in STEPS if step * power >= width * (1 - 1e-12))


def densities(scope: Scope, filters: Filters = EVERYONE_HERE) -> pd.DataFrame:
    """How expected LTV is spread within each segment that has customers, in the order of SEGMENTS.

    One row per segment: segment, customers, p5 to p95 (quantiles to within 1 %) [currency], and two lists: x [currency]
    and density, a Gaussian kernel's on the scale of log LTV, its greatest value 1. Below 0.01 counts as 0.01.
    """
    cells = ask(scope, f"SELECT segment, floor(ln(greatest(expected_ltv, {LEAST})) * {FINE})::INT AS cell, "
                       "count(*) AS customers FROM people GROUP BY ALL", filters=filters)
    table = cells.pivot(index="segment", columns="cell", values="customers").fillna(0.0)
    table = table.reindex([name for name in SEGMENTS if name in table.index])
    if table.empty:
        return pd.DataFrame(columns=["segment", "customers", *NAMES, "x", "density"])
    ends = int(table.columns.min()) - FINE // 2, int(table.columns.max()) + FINE // 2
    table = table.reindex(columns=range(*ends), fill_value=0.0)
    x = np.exp((table.columns.to_numpy(dtype=float) + 0.5) / FINE)
    return pd.DataFrame([_spread(name, row.to_numpy(dtype=float), x) for name, row in table.iterrows()])


def _spread(segment: Any, counts: np.ndarray, x: np.ndarray) -> dict[str, Any]:
    """One segment's row: its quantiles, and its density where that can be seen, thinned to be drawn."""
    below, density = np.cumsum(counts) / counts.sum(), smoothed(counts)
    found = {name: float(x[np.searchsorted(below, at)]) for name, at in zip(NAMES, SPREAD, strict=True)}
    seen = np.flatnonzero(density >= FAINT)
    at = np.unique(np.linspace(seen[0], seen[-1], DRAWN).astype(int))
    return {"segment": segment, "customers": int(counts.sum()), **found, "x": x[at], "density": density[at]}


def smoothed(counts: np.ndarray) -> np.ndarray:
    """A Gaussian kernel's density over the cells, by Silverman's rule, at least one cell wide; its greatest value 1.

    >>> smoothed(np.array([0.0, 4.0, 0.0])).round(2).tolist()
    [0.61, 1.0, 0.61]
    """
    at = np.arange(len(counts))
    weights = counts / counts.sum()
    middle = float(weights @ at)
    sd = math.sqrt(float(weights @ (at - middle) ** 2))
    quartiles = np.searchsorted(np.cumsum(weights), [0.25, 0.75])
    spread = min(sd, (quartiles[1] - quartiles[0]) / 1.349) or sd
    width = max(0.9 * spread * float(counts.sum()) ** -0.2, 1.0)
    density = np.exp(-0.5 * ((at[:, None] - at) / width) ** 2) @ counts
    return np.asarray(density / density.max())
