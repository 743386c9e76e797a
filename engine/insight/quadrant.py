"""Value beside risk: every customer as a point while they are few, counted in a grid of bins above that.

Risk is the chance to leave, value the expected LTV, drawn between the 1st and the 99th percentile of the whole run: in
equal ratios where both are positive, else in equal steps. Whoever lies beyond is counted, and drawn, at the edge. The
plane is cut at the mean chance and at the median value, and its four corners have names: the cut at the HIGH band would
leave the corner to save first empty where the value counts the risk already.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from engine import state
from engine.insight.source import EVERYONE_HERE, OPEN, Filters, Scope, ask
from engine.permissions import allow
from engine.schema import Actor

MOST_POINTS = 5_000
COLUMNS, ROWS = 24, 18
CORNERS = {"Save first": "worth more than most, riskier than average",
           "Keep close": "worth more than most, safer than average",
           "Let it run": "worth less than most, safer than average",
           "Automate": "worth less than most, riskier than average"}
POINT = ("customer_id", "churn_probability", "expected_ltv", "margin_at_risk", "segment", "churn_risk")


@dataclass(frozen=True)
class Axes:
    """Where the plane begins and ends, and where it is cut. Value [currency], risk [0..1]; ratios: equal ratios of
    value are equally far apart."""

    value_low: float
    value_high: float
    value_cut: float
    risk_cut: float
    ratios: bool

    @property
    def words(self) -> str:
        """How the value axis is drawn, in words."""
        how = "Equal ratios of LTV are equally far apart" if self.ratios else "Equal steps of LTV are equally far apart"
        return f"{how}; the lowest and the highest 1 % are drawn at the edge."

    def place(self, value: np.ndarray) -> np.ndarray:
        """Where values lie between the axis's ends [0..1]."""
        low, high = self._scaled(np.array([self.value_low, self.value_high]))
        return np.asarray(np.clip((self._scaled(value) - low) / (high - low), 0.0, 1.0))

    def value(self, place: np.ndarray) -> np.ndarray:
        """The value [currency] at a place between the axis's ends [0..1]."""
        low, high = self._scaled(np.array([self.value_low, self.value_high]))
        at = low + place * (high - low)
        return np.exp(at) if self.ratios else at

    def row_sql(self) -> str:
        """The row of a customer in the grid, as SQL."""
        low, high = (float(end) for end in self._scaled(np.array([self.value_low, self.value_high])))
        x = f"ln(greatest(expected_ltv, {self.value_low!r}))" if self.ratios else "expected_ltv"
        return f"least(greatest(floor(({x} - {low!r}) * {ROWS / (high - low)!r}), 0), {ROWS - 1})::INT"

    def _scaled(self, value: np.ndarray) -> np.ndarray:
        return np.log(np.maximum(value, self.value_low)) if self.ratios else np.asarray(value, dtype=float)


def axes(scope: Scope) -> Axes:
    """The plane of the run's customers who are still there, whatever the filters, so that it does not jump."""
    row = ask(scope, "SELECT quantile_cont(expected_ltv, [0.01, 0.5, 0.99]) AS cuts, "
                     "avg(churn_probability) AS chance FROM scores "
                     "WHERE coalesce(has_left, 0) = 0").iloc[0]
    low, middle, high = (0.0, 0.5, 1.0) if row["cuts"] is None else (float(cut) for cut in row["cuts"])
    if high <= low:
        low, high = low - 1.0, high + 1.0
    return Axes(low, high, middle, 0.5 if pd.isna(row["chance"]) else float(row["chance"]), low > 0)


@dataclass(frozen=True)
class Plane:
    """The customers counted on the plane.

    bins: one row per bin of the grid that holds any: column, row (from 0, left and below), customers,
    churn_probability and expected_ltv (means of its customers), margin_at_risk (sum), segment (the one that most of
    them are in) and segment_share. corners: the four, the first to save first: corner, means (words), customers,
    margin_at_risk [currency].
    """

    bins: pd.DataFrame
    corners: pd.DataFrame


def plane(scope: Scope, axes: Axes, filters: Filters = EVERYONE_HERE) -> Plane:
    """The customers whom the filters let through, counted by bin and by corner."""
    cells = ask(scope, f"""
        SELECT least(floor(churn_probability * {COLUMNS}), {COLUMNS - 1})::INT AS "column", {axes.row_sql()} AS "row",
               segment, churn_probability >= ? AS risky, expected_ltv >= ? AS worthy, count(*) AS customers,
               sum(churn_probability) AS churn_probability, sum(expected_ltv) AS expected_ltv,
               sum(margin_at_risk) AS margin_at_risk
        FROM people GROUP BY ALL""", [axes.risk_cut, axes.value_cut], filters)
    return Plane(_bins(cells), _corners(cells))


def _bins(cells: pd.DataFrame) -> pd.DataFrame:
    summed = ["customers", "churn_probability", "expected_ltv", "margin_at_risk"]
    mixed = cells.groupby(["column", "row", "segment"], as_index=False)[summed].sum()
    grouped = mixed.sort_values(["column", "row", "customers"], kind="stable").groupby(["column", "row"])
    table, most = grouped[summed].sum(), grouped[["segment", "customers"]].last()
    means = table[["churn_probability", "expected_ltv"]].div(table["customers"], axis=0)
    table = table.assign(**means, segment=most["segment"], segment_share=most["customers"] / table["customers"])
    return table.reset_index()


def _corners(cells: pd.DataFrame) -> pd.DataFrame:
    named = cells.assign(corner=[corner(risky, worthy) for risky, worthy in zip(cells["risky"], cells["worthy"],
                                                                              strict=True)])
    table = named.groupby("corner")[["customers", "margin_at_risk"]].sum().reindex(list(CORNERS)).fillna(0)
    return table.assign(means=list(CORNERS.values())).reset_index(names="corner").astype({"customers": int})


def corner(risky: bool, worthy: bool) -> str:
    """The name of a corner: riskier than average or not, worth more than most or not."""
    save, keep, run, automate = CORNERS
    return (save if worthy else automate) if risky else (keep if worthy else run)


def points(scope: Scope, filters: Filters = EVERYONE_HERE, *, actor: Actor, now: datetime) -> pd.DataFrame:
    """The customers one by one, those with most margin at risk first: at most 5,000. The look at them is recorded.

    Raises:
        Refused: if the actor may not see customers.
    """
    allow(actor, "customers")
    found = ask(scope, f"SELECT {', '.join(POINT)} FROM people ORDER BY margin_at_risk DESC, customer_id "
                       f"LIMIT {MOST_POINTS}", filters=filters)
    state.record(actor, "customers", scope.dataset.name, now, {"run_id": scope.run.run_id, "shown": len(found)})
    return found


def in_bins(filters: Filters, axes: Axes, picked: Iterable[tuple[int, int]]) -> Filters:
    """The filter that lets through what lies in the picked bins (column, row) as well.

    Neighbouring bins become one rectangle: first upwards, then to the right where whole stacks are alike.
    """
    stacks: dict[tuple[int, int], list[int]] = {}
    for column, (low, high) in _stacks(sorted(set(picked))):
        stacks.setdefault((low, high), []).append(column)
    areas = [(first, last, low, high) for (low, high), columns in stacks.items() for first, last in _runs(columns)]
    return filters.within(Filters(areas=tuple(_area(axes, *area) for area in sorted(areas))))


def _stacks(picked: Sequence[tuple[int, int]]) -> Iterable[tuple[int, tuple[int, int]]]:
    """Per column its unbroken stacks of rows."""
    for column in dict.fromkeys(column for column, _ in picked):
        for run in _runs([row for at, row in picked if at == column]):
            yield column, run


def _runs(numbers: Sequence[int]) -> list[tuple[int, int]]:
    """Ascending numbers as unbroken runs (first, last).

    >>> _runs([1, 2, 3, 7, 9, 10])
    [(1, 3), (7, 7), (9, 10)]
    """
    found: list[tuple[int, int]] = []
    for number in numbers:
        if found and number == found[-1][1] + 1:
            found[-1] = (found[-1][0], number)
        else:
            found.append((number, number))
    return found


def _area(axes: Axes, left: int, right: int, low: int, high: int) -> dict[str, tuple[float, float]]:
    """The rectangle of bins as ranges; open where it touches the plane's edge, which stands for all beyond."""
    ends = axes.value(np.array([low, high + 1]) / ROWS)
    return {
        "churn_probability": (left / COLUMNS if left else -OPEN,
                              (right + 1) / COLUMNS if right < COLUMNS - 1 else OPEN),
        "expected_ltv": (float(ends[0]) if low else -OPEN, float(ends[1]) if high < ROWS - 1 else OPEN),
    }


def in_corner(filters: Filters, axes: Axes, name: str) -> Filters:
    """The filter that lets through what lies in the corner of that name as well."""
    risky, worthy = name in list(CORNERS)[::3], name in list(CORNERS)[:2]
    area = {"churn_probability": (axes.risk_cut, OPEN) if risky else (-OPEN, axes.risk_cut),
            "expected_ltv": (axes.value_cut, OPEN) if worthy else (-OPEN, axes.value_cut)}
    return filters.within(Filters(areas=(area,)))


def among(filters: Filters, ids: Iterable[str]) -> Filters:
    """The filter that lets through these customers alone, as far as it does."""
    return filters.within(Filters(ids=tuple(dict.fromkeys(ids))))
