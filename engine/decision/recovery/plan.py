"""Whom a recovery campaign contacts first, within a budget, and what that costs and brings: expected values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.decision.recovery.terms import Scenario, refusal
from engine.schema import SEGMENTS

CELLS = ("segment", "customers", "leavers", "at_risk", "squares", "noise", "noise_worth", "noise_squares", "drift",
         "drift_worth")
PRICES = ("contacts", "offers_kept", "offers_stayed", "investment", "saves", "gain", "net")


def refused(cells: pd.DataFrame, scenario: Scenario) -> dict[str, str]:
    """The scenario's segments to which no saves are credited, each with the reason."""
    sums = cells.groupby("segment")[["customers", "leavers"]].sum().reindex(list(scenario.segments), fill_value=0.0)
    reasons = {str(name): refusal(*row) for name, row in zip(sums.index, sums.to_numpy(), strict=True)}
    return {name: reason for name, reason in reasons.items() if reason}


def priced(cells: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """The cells that may be contacted with what contacting them costs and brings, the best return per cost first.

    cells: groups of customers of one segment, CELLS. Sums over each group: leavers of p, at_risk of p L, squares of
    p L^2; noise of the variance v of each p's own error, noise_worth of v L, noise_squares of v L^2; drift of how far p
    moves with the level's standard error, drift_worth of that times L. Customers of refused segments are never
    contacted. Adds PRICES: sums over the cell.
    """
    allowed = set(scenario.segments) - set(refused(cells, scenario))
    rows = cells[cells["segment"].isin(allowed)].reset_index(drop=True)
    contact, offer, rate = (_terms(rows, scenario, name) for name in ("contact_cost", "offer_cost", "recovery_rate"))
    saves = rate * rows["leavers"]
    rows = rows.assign(saves=saves, gain=rate * rows["at_risk"], contacts=contact * rows["customers"],
                       offers_kept=offer * saves,
                       offers_stayed=offer * scenario.redemption * (rows["customers"] - rows["leavers"]))
    rows["investment"] = rows["contacts"] + rows["offers_kept"] + rows["offers_stayed"]
    rows["net"] = rows["gain"] - rows["investment"]
    return rows.iloc[np.argsort(-_per_cost(rows), kind="stable")].reset_index(drop=True)


def _terms(rows: pd.DataFrame, scenario: Scenario, name: str) -> pd.Series:
    return rows["segment"].map({segment: getattr(terms, name) for segment, terms in scenario.segments.items()}).astype(
        float)


def _per_cost(rows: pd.DataFrame) -> np.ndarray:
    """Net return per unit of cost; whoever costs nothing and brings something comes first."""
    net, cost = rows["net"].to_numpy(), rows["investment"].to_numpy()
    free = np.where(net > 0, np.inf, 0.0)
    return np.divide(net, cost, out=free, where=cost > 0)


def contacted(rows: pd.DataFrame, budgets: Sequence[float] | np.ndarray, whole_budget: bool = False) -> np.ndarray:
    """The share of each priced cell that is contacted [0..1]: one row per budget, one column per cell.

    Best first, the last cell in part, and nobody who costs more than they bring unless the whole budget is to be spent.
    The greedy order is optimal for a linear plan under one budget: Dantzig (1957), Operations Research 5(2), 266-288.

    >>> rows = pd.DataFrame({"investment": [10.0, 10.0, 10.0], "net": [5.0, 1.0, -2.0]})
    >>> contacted(rows, [15.0, 30.0]).tolist()
    [[1.0, 0.5, 0.0], [1.0, 1.0, 0.0]]
    """
    cost = rows["investment"].to_numpy()
    left = np.asarray(budgets, dtype=float)[:, None] - (np.cumsum(cost) - cost)
    share = np.divide(left, cost, out=np.ones_like(left), where=cost > 0).clip(0, 1)
    return share * ((rows["net"].to_numpy() > 0) | whole_budget)


@dataclass(frozen=True)
class Taken:
    """Sums over the customers contacted: each an array of one row per budget and one column per segment."""

    segments: tuple[str, ...]
    sums: Mapping[str, np.ndarray]

    def __getitem__(self, name: str) -> np.ndarray:
        return self.sums[name]

    def total(self, name: str) -> np.ndarray:
        """The sum over all segments, one per budget."""
        return np.asarray(self.sums[name].sum(axis=1))

    def of(self, segment: str) -> Taken:
        """That segment alone."""
        at = self.segments.index(segment)
        return Taken((segment,), {name: values[:, at : at + 1] for name, values in self.sums.items()})


def taken(rows: pd.DataFrame, share: np.ndarray) -> Taken:
    """What is contacted of the priced cells, per budget and segment; `share` as `contacted` gives it."""
    segments = tuple(name for name in SEGMENTS if (rows["segment"] == name).any())
    mine = np.column_stack([rows["segment"] == name for name in segments]) if segments else np.zeros((len(rows), 0))
    names = [*CELLS[1:], *PRICES]
    values = rows[names].to_numpy(dtype=float)
    return Taken(segments, {name: share @ (values[:, [at]] * mine) for at, name in enumerate(names)})


def budgets(rows: pd.DataFrame, points: int) -> np.ndarray:
    """Budgets from nothing to everybody contacted at even distances, the best one among them [currency]."""
    return np.unique(np.append(np.linspace(0, rows["investment"].sum(), points), best_budget(rows)))


def best_budget(rows: pd.DataFrame) -> float:
    """The budget beyond which the next customer costs more than they bring [currency]."""
    return float(rows["investment"].where(rows["net"] > 0, 0.0).sum())


def break_even(found: Taken, scenario: Scenario) -> float:
    """The recovery rate at which the net return of what is contacted is zero; inf when no rate makes it pay.

    It is the share of the would-be leavers contacted who must be kept, all segments' rates moved in proportion:
    what does not depend on the rate / (margin at risk - offer cost x leavers). For one segment without an offer that
    is cost / margin at risk. Above 1 it cannot pay.
    """
    rates, offers = (np.array([getattr(scenario.segments[name], term) for name in found.segments])
                     for term in ("recovery_rate", "offer_cost"))
    rates = rates if rates.any() else np.ones(len(rates))
    fixed, leavers = found.total("contacts")[0] + found.total("offers_stayed")[0], found["leavers"][0]
    brought = rates @ (found["at_risk"][0] - offers * leavers)
    if fixed <= 0:
        return 0.0
    return float(fixed / brought * (rates @ leavers) / leavers.sum()) if brought > 0 else math.inf
