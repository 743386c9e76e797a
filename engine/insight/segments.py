"""How do segments differ? By any category, by what their customers are like, and who their customers are."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd

from engine import state
from engine.insight.meaning import MEASURED, meanings
from engine.insight.source import EVERYONE_HERE, OPEN, Filters, Scope, ask, columns, quoted
from engine.permissions import allow
from engine.schema import SEGMENTS, Actor, Column
from engine.schema.columns import SCALES

MOST_LEVELS = 10
MOST_LISTED = 500
OTHER, UNKNOWN = "other", "unknown"
LISTED = ("customer_id", "segment", "churn_risk", "churn_probability", "expected_ltv", "margin_at_risk", "hold_back")


def heatmap(scope: Scope, column: Column, filters: Filters = EVERYONE_HERE) -> pd.DataFrame:
    """Segments by the groups of a feature: a category's levels, yes and no of a flag, the quarters of a number.

    One row per segment and group that holds anybody: segment, group, customers, churn_probability (mean),
    margin_at_risk [currency]. Groups come in the feature's order, the rarest levels together as "other".
    """
    name = quoted(column.name)
    labels: dict[Any, str]
    if column.kind in MEASURED:
        cuts = _quarters(scope, name)
        group = " + ".join(f"({name} > {cut!r})::INT" for cut in cuts) or "0"
        labels = _quarter_labels(column, cuts)
    elif column.kind == "flag":
        group, labels = f"{name}::INT", {1: "yes", 0: "no"}
    else:
        group, labels = f"{name}::VARCHAR", _levels(scope, name, filters)
    table = ask(scope, f"""
        SELECT segment, CASE WHEN {name} IS NULL THEN NULL ELSE {group} END AS place, count(*) AS customers,
               sum(churn_probability) AS leavers, sum(margin_at_risk) AS margin_at_risk
        FROM people GROUP BY ALL""", filters=filters)
    table["group"] = [UNKNOWN if pd.isna(place) else labels.get(place, OTHER) for place in table["place"]]
    summed = table.groupby(["segment", "group"], as_index=False)[["customers", "leavers", "margin_at_risk"]].sum()
    summed["churn_probability"] = summed["leavers"] / summed["customers"]
    order = [*dict.fromkeys(labels.values()), OTHER, UNKNOWN]
    summed["group"] = pd.Categorical(summed["group"], [label for label in order if label in set(summed["group"])])
    summed["segment"] = pd.Categorical(summed["segment"], list(SEGMENTS))
    kept = ["segment", "group", "customers", "churn_probability", "margin_at_risk"]
    return summed.sort_values(["segment", "group"])[kept].reset_index(drop=True)


Group = str | tuple[float, float]


def groups(scope: Scope, column: Column) -> dict[str, Group]:
    """The groups that `heatmap` makes of a feature, by label: a category's level, or from where to where a number goes,
    both ends included."""
    name = quoted(column.name)
    if column.kind == "flag":
        return {"yes": (1.0, 1.0), "no": (0.0, 0.0)}
    if column.kind not in MEASURED:
        return dict(_levels(scope, name, EVERYONE_HERE).items())
    cuts = _quarters(scope, name)
    ends = zip([-OPEN, *(float(np.nextafter(cut, OPEN)) for cut in cuts)], [*cuts, OPEN], strict=True)
    return dict(zip(_quarter_labels(column, cuts).values(), ends, strict=True))


def in_groups(filters: Filters, column: Column, chosen: Sequence[Group]) -> Filters:
    """The filter that lets through the chosen groups of a feature alone; none chosen lets through all.

    Of numbers the groups must lie side by side: from the least beginning to the greatest end is let through.
    """
    levels = tuple(group for group in chosen if isinstance(group, str))
    ends = [group for group in chosen if not isinstance(group, str)]
    values = {**filters.values, **({column.name: levels} if levels else {})}
    span = {column.name: (min(low for low, _ in ends), max(high for _, high in ends))} if ends else {}
    return replace(filters, values=values, ranges={**filters.ranges, **span})


def _quarters(scope: Scope, name: str) -> list[float]:
    """Where the quarters of a number end, over all customers still there, those that coincide once."""
    found = ask(scope, f"SELECT quantile_disc({name}::DOUBLE, [0.25, 0.5, 0.75]) AS cuts FROM people")["cuts"].iloc[0]
    return sorted({float(cut) for cut in found}) if found is not None else []


def _quarter_labels(column: Column, cuts: Sequence[float]) -> dict[int, str]:
    if not cuts:
        return {0: "all"}
    between = [_span(column, low, high) for low, high in pairwise(cuts)]
    return dict(enumerate([f"up to {column.in_words(cuts[0])}", *between, f"over {column.in_words(cuts[-1])}"]))


def _span(column: Column, low: float, high: float) -> str:
    """Above low and up to high: "3 to 4 orders", "over 39.5 to 109 days", "over $20 to $35 per month"."""
    if column.kind == "count":
        first = np.floor(low) + 1
        return (f"{first:,.0f} to " if first < high else "") + column.in_words(high)
    first, last = column.in_words(low), column.in_words(high)
    unit = re.sub(r".*\d", "", last)
    return f"over {first.removesuffix(unit)} to {last}"


def _levels(scope: Scope, name: str, filters: Filters) -> dict[str, str]:
    """The commonest levels of a category, the commonest first."""
    found = ask(scope, f"SELECT {name}::VARCHAR AS level, count(*) AS customers FROM people WHERE {name} IS NOT NULL "
                       f"GROUP BY level ORDER BY customers DESC, level LIMIT {MOST_LEVELS}", filters=filters)
    return {level: level for level in found["level"]}


def compare(scope: Scope, one: str, other: str, names: Sequence[str], filters: Filters = EVERYONE_HERE) -> pd.DataFrame:
    """By what the customers of two segments differ most, of the features named: the largest difference first.

    size is standardised, so that features can be compared: for numbers the difference of the means over the pooled
    standard deviation, for a category the difference of a level's shares over theirs, where it is largest.
    One row per feature that both know: title, one and other (mean, or share of the level, in words), size, words.
    """
    known = meanings(scope)
    held = set(columns(scope))
    wanted = [known[name] for name in names if name in held and name in known]
    numbers = [column for column in wanted if column.kind in (*MEASURED, "flag")]
    categories = [column for column in wanted if column.kind not in (*MEASURED, "flag")]
    pair = filters.within(Filters({"segment": (one, other)}))
    rows = [*_numbers_apart(scope, one, other, numbers, pair),
            *(row for column in categories for row in _levels_apart(scope, one, other, column, pair))]
    table = pd.DataFrame(rows, columns=["title", "one", "other", "size"])
    return table.loc[table["size"].abs().sort_values(ascending=False, kind="stable").index].reset_index(drop=True)


def _numbers_apart(scope: Scope, one: str, other: str, numbers: Sequence[Column],
                   pair: Filters) -> list[tuple[str, str, str, float]]:
    if not numbers:
        return []
    parts = ", ".join(f"avg({quoted(c.name)}), var_samp({quoted(c.name)})" for c in numbers)
    found = ask(scope, f"SELECT segment, {parts} FROM people GROUP BY segment", filters=pair).set_index("segment")
    rows = []
    for place, column in enumerate(numbers):
        mean, variance = found.iloc[:, 2 * place].astype(float), found.iloc[:, 2 * place + 1].astype(float)
        pooled = np.sqrt((variance.get(one, np.nan) + variance.get(other, np.nan)) / 2)
        gap = mean.get(one, np.nan) - mean.get(other, np.nan)
        if pooled > 0 and np.isfinite(gap):
            rows.append((column.title, _mean_words(column, mean[one]), _mean_words(column, mean[other]), gap / pooled))
    return rows


def _mean_words(column: Column, mean: float) -> str:
    """A mean as people read it; of a flag the share of yes."""
    if column.kind == "flag":
        return f"{100 * mean:.0f} % yes"
    if column.unit in SCALES:
        return column.in_words(mean)
    return f"{mean:,.0f} {column.unit}".strip() if abs(mean) >= 100 else f"{mean:.3g} {column.unit}".strip()


def _levels_apart(scope: Scope, one: str, other: str, column: Column,
                  pair: Filters) -> list[tuple[str, str, str, float]]:
    found = ask(scope, f"SELECT segment, {quoted(column.name)}::VARCHAR AS level, count(*) AS customers FROM people "
                       f"WHERE {quoted(column.name)} IS NOT NULL GROUP BY ALL", filters=pair)
    table = found.pivot_table(index="level", columns="segment", values="customers", aggfunc="sum").fillna(0.0)
    if not {one, other} <= set(table):
        return []
    shares = table / table.sum()
    a, b = shares[one].to_numpy(dtype=float), shares[other].to_numpy(dtype=float)
    spread = np.sqrt((a + b) / 2 * (1 - (a + b) / 2))
    size = np.divide(a - b, spread, out=np.zeros_like(a), where=spread > 0)
    most = int(np.abs(size).argmax())
    return [(f"{column.title}: {shares.index[most]}", f"{100 * a[most]:.0f} %", f"{100 * b[most]:.0f} %",
             float(size[most]))]


def customers(scope: Scope, filters: Filters = EVERYONE_HERE, *, actor: Actor, now: datetime,
              most: int = MOST_LISTED) -> pd.DataFrame:
    """The customers whom the filters let through, those with most margin at risk first; the look is recorded.

    Raises:
        Refused: if the actor may not see customers.
    """
    allow(actor, "customers")
    found = ask(scope, f"SELECT {', '.join(LISTED)} FROM people ORDER BY margin_at_risk DESC, customer_id LIMIT ?",
                [most], filters)
    state.record(actor, "customers", scope.dataset.name, now, {"run_id": scope.run.run_id, "shown": len(found)})
    return found
