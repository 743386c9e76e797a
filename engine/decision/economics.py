"""What each treatment costs and brings with each customer, before anything is forbidden or chosen.

With p the chance to leave, r the treatment's recovery rate in the customer's segment, L = ltv_if_stays, c the contact's
cost, o the offer's price for this customer and q the share of those who would stay anyway who take it too:

    uplift              u = r p, or as the uplift model says
    wasted              q o (1 - p): the offer taken by those who would have stayed (cannibalisation)
    expected_cost       c + o max(u, 0) + wasted
    incremental_margin  u L - expected_cost
    roi                 incremental_margin / expected_cost
    payback_days        expected_cost / the customer's margin a day

The terms are those of Neslin, Gupta, Kamakura, Lu and Mason (2006), Journal of Marketing Research 43(2), 204-211, with
the share who take the offer anyway as a number instead of 1. Errors are carried to first order (the delta method): of
p, of r (one for all customers of a treatment and segment), and of L.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
import pandas as pd

from engine.decision.effects import Z90, Effects
from engine.decision.treatments import Playbook, Treatment
from engine.schema import SEGMENTS

DAYS_PER_MONTH = 365.25 / 12
PEOPLE = ("customer_id", "segment", "churn_probability", "churn_low", "churn_high", "ltv_if_stays", "monthly_revenue",
          "monthly_margin", "hold_back", "has_left")


@dataclass(frozen=True)
class Doubts:
    """What is unsure beside the effects.

    level: how far the chances of all move together [log-odds]. learning: customers per customer learned from.
    worth_own, worth_all: relative error of a lifetime value, each customer's own and of all together.
    """

    level: float = 0.0
    learning: float = 0.0
    worth_own: float = 0.0
    worth_all: float = 0.0


class Errors(Protocol):
    """One standard error per customer, asked for by their places."""

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray: ...


@dataclass(frozen=True)
class Learned:
    """What an uplift model says of these people, by treatment.

    uplift: expected, one per customer. error: its standard error. together: the variance of the sum of weights x uplift
    over rows and the names of their treatments, side by side; None = all of a treatment err together. words: where the
    effects are from, in a sentence.
    """

    uplift: Mapping[str, np.ndarray] = field(default_factory=dict)
    error: Mapping[str, Errors] = field(default_factory=dict)
    together: Callable[[np.ndarray, Sequence[str], np.ndarray], float] | None = None
    words: str = ""


@dataclass(frozen=True)
class Priced:
    """Every treatment priced for every customer: arrays (n, k), a row per customer, a column per treatment.

    people: PEOPLE, one row per customer. effects: the rates behind the uplift. learned: of the treatments whose uplift
    a model has learned. uplift [share], cost, margin [currency] as above. barred: the offers that the contact rules
    keep from being made now, by the reason, (n, k) or (n, 1).
    """

    people: pd.DataFrame
    treatments: tuple[Treatment, ...]
    effects: Effects
    doubts: Doubts
    learned: Learned
    uplift: np.ndarray
    cost: np.ndarray
    margin: np.ndarray
    barred: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """The treatments' names, in the order of the columns."""
        return [treatment.name for treatment in self.treatments]

    @cached_property
    def p(self) -> np.ndarray:
        """Each customer's chance to leave."""
        return self.people["churn_probability"].to_numpy(dtype=float)

    @cached_property
    def worth(self) -> np.ndarray:
        """Each customer's lifetime value if they stay [currency]."""
        return self.people["ltv_if_stays"].to_numpy(dtype=float)

    @cached_property
    def place(self) -> np.ndarray:
        """Each customer's segment as its place in SEGMENTS."""
        return places(self.people["segment"])

    @cached_property
    def modelled(self) -> np.ndarray:
        """Of which columns the uplift is learned, (k,)."""
        return np.array([name in self.learned.uplift for name in self.names], dtype=bool)

    @cached_property
    def moves(self) -> np.ndarray:
        """How far each customer can be moved: the best learned uplift, or the best of all where nothing is learned."""
        told = self.uplift[:, self.modelled] if self.modelled.any() else self.uplift
        return np.asarray(told.max(axis=1))

    def offer(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """What those offers cost whoever takes them [currency]: one per row and column, side by side."""
        revenue = self.people["monthly_revenue"].to_numpy(dtype=float)[rows]
        fixed, rate = (np.array([one.offer_price(scale) for one in self.treatments]) for scale in (0.0, 1.0))
        return np.asarray(fixed[columns] + (rate - fixed)[columns] * revenue)

    def wasted(self, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
        """What goes to those who would have stayed anyway [currency], side by side."""
        taken = np.array([treatment.redemption for treatment in self.treatments])[columns]
        return np.asarray(taken * self.offer(rows, columns) * (1 - self.p[rows]))

    def payback_days(self, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """Days of the customer's margin that the cost takes, (rows, k); inf where there is no margin."""
        daily = self.people["monthly_margin"].to_numpy(dtype=float)[rows, None] / DAYS_PER_MONTH
        cost = self.cost[rows]
        return np.divide(cost, daily, out=np.full(cost.shape, np.inf), where=daily > 0)

    def roi(self, rows: np.ndarray | slice = slice(None)) -> np.ndarray:
        """incremental_margin / expected_cost, (rows, k); missing where nothing is spent."""
        cost = self.cost[rows]
        return np.divide(self.margin[rows], cost, out=np.full(cost.shape, np.nan), where=cost > 0)


def price(people: pd.DataFrame, book: Playbook, effects: Effects, doubts: Doubts = Doubts(),
          learned: Learned = Learned()) -> Priced:
    """Every treatment of the playbook priced for every customer. `people`: PEOPLE, a RangeIndex."""
    treatments = tuple(book.acting())
    rates = effects.wide("rate", [treatment.name for treatment in treatments])[places(people["segment"])]
    p, worth, revenue = (people[name].to_numpy(dtype=float)[:, None]
                         for name in ("churn_probability", "ltv_if_stays", "monthly_revenue"))
    uplift = np.multiply(rates, p, out=rates)
    for column, treatment in enumerate(treatments):
        if treatment.name in learned.uplift:
            uplift[:, column] = learned.uplift[treatment.name]
    np.clip(uplift, p - 1, p, out=uplift)
    contact, taken = (np.array([getattr(treatment, name) for treatment in treatments])
                      for name in ("contact_cost", "redemption"))
    cost = np.concatenate([treatment.offer_price(revenue) + np.zeros_like(p) for treatment in treatments], axis=1)
    cost *= np.maximum(uplift, 0) + taken * (1 - p)
    cost += contact
    return Priced(people, treatments, effects, doubts, learned, uplift, cost, uplift * worth - cost)


def places(segments: pd.Series) -> np.ndarray:
    """Each segment as its place in SEGMENTS.

    >>> places(pd.Series(["Vulnerable", "Champion"])).tolist()
    [3, 0]
    """
    return np.asarray(pd.Categorical(segments, categories=list(SEGMENTS)).codes, dtype=np.intp)


@dataclass(frozen=True)
class Slopes:
    """How far the margin of chosen offers moves with each thing unsure, and how unsure that is; arrays side by side.

    uplift: its deviation by the effect alone, and by the chance to leave. margin: the same by effect, chance and worth.
    """

    effect: np.ndarray
    chance: np.ndarray
    by_effect: np.ndarray
    by_chance: np.ndarray
    by_worth: np.ndarray


def slopes(priced: Priced, rows: np.ndarray, columns: np.ndarray) -> Slopes:
    """The first-order errors of the offers at those rows and columns, side by side."""
    p, worth, uplift = priced.p[rows], priced.worth[rows], priced.uplift[rows, columns]
    offer = priced.offer(rows, columns)
    taken = np.array([treatment.redemption for treatment in priced.treatments])[columns]
    kept = np.where(uplift > 0, offer, 0.0)
    rate = np.divide(uplift, p, out=np.zeros_like(uplift), where=p > 0)
    modelled = priced.modelled[columns]
    effect = np.where(modelled, learned_error(priced, rows, columns), effect_error(priced, rows, columns) * p)
    chance = np.where(modelled, 0.0, rate)
    return Slopes(effect, chance, worth - kept, chance * (worth - kept) + taken * offer, uplift * worth)


def effect_error(priced: Priced, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The standard deviation of the recovery rate behind each offer [share of would-be leavers]."""
    return np.asarray(priced.effects.wide("deviation", priced.names)[priced.place[rows], columns])


def learned_error(priced: Priced, rows: np.ndarray, columns: np.ndarray) -> np.ndarray:
    """The standard error of each learned uplift [share]; 0 where none is learned."""
    found = np.zeros(len(rows))
    for column, name in enumerate(priced.names):
        mine = columns == column
        if name in priced.learned.error and mine.any():
            found[mine] = priced.learned.error[name][rows[mine]]
    return found


def own_error(priced: Priced, rows: np.ndarray) -> np.ndarray:
    """The standard error of each chance to leave, by its own interval."""
    low, high = (priced.people[name].to_numpy(dtype=float)[rows] for name in ("churn_low", "churn_high"))
    return np.asarray((high - low) / (2 * Z90))


def intervals(priced: Priced, rows: np.ndarray, columns: np.ndarray) -> pd.DataFrame:
    """uplift_low, uplift_high, margin_low, margin_high of those offers: 90 % intervals, side by side."""
    found, chance = slopes(priced, rows, columns), own_error(priced, rows)
    worth = np.hypot(priced.doubts.worth_own, priced.doubts.worth_all)
    uplift = np.hypot(found.effect, found.chance * chance)
    margin = np.sqrt((found.effect * found.by_effect) ** 2 + (found.by_chance * chance) ** 2
                     + (found.by_worth * worth) ** 2)
    middle = {"uplift": priced.uplift[rows, columns], "margin": priced.margin[rows, columns]}
    ends = {f"{name}_{end}": middle[name] + sign * Z90 * spread for name, spread in
            (("uplift", uplift), ("margin", margin)) for end, sign in (("low", -1), ("high", 1))}
    clipped = {name: np.clip(values, -1, 1) if name.startswith("uplift") else values for name, values in ends.items()}
    return pd.DataFrame(clipped)


def variances(priced: Priced, rows: np.ndarray, columns: np.ndarray) -> dict[str, float]:
    """The variance of the sum of those margins, by what it comes from: effect, probability, worth [currency squared].

    The rate of a treatment in a segment is one number for all its customers, so its error does not average out; nor do
    the level of the chances and the common error of lifetime values. Each customer's own errors do.
    """
    found, p = slopes(priced, rows, columns), priced.p[rows]
    noise = own_error(priced, rows) ** 2 + priced.doubts.learning * p * (1 - p)
    drift = priced.doubts.level * p * (1 - p)
    probability = ((found.by_chance**2) @ noise) + (found.by_chance @ drift) ** 2
    worth = priced.doubts.worth_own**2 * (found.by_worth @ found.by_worth) + (
        priced.doubts.worth_all * found.by_worth.sum()) ** 2
    return {"effect": _effect_variance(priced, rows, columns, found), "probability": float(probability),
            "worth": float(worth)}


def _effect_variance(priced: Priced, rows: np.ndarray, columns: np.ndarray, found: Slopes) -> float:
    """Of rates: gradient' covariance gradient. Of an uplift model: as the model says of all of them together."""
    names, modelled = priced.names, priced.modelled[columns]
    gradient = np.zeros((len(names), len(SEGMENTS)))
    np.add.at(gradient, (columns, priced.place[rows]), np.where(modelled, 0.0, priced.p[rows] * found.by_effect))
    index = pd.MultiIndex.from_product([names, SEGMENTS])
    order = priced.effects.table.index.get_indexer(index)
    covariance = priced.effects.covariance[np.ix_(order, order)]
    flat = gradient.ravel()
    return float(flat @ covariance @ flat) + _model_variance(priced, rows[modelled], columns[modelled],
                                                             found.by_effect[modelled], found.effect[modelled])


def _model_variance(priced: Priced, rows: np.ndarray, columns: np.ndarray, brings: np.ndarray,
                    error: np.ndarray) -> float:
    if not len(rows):
        return 0.0
    if priced.learned.together is not None:
        return priced.learned.together(rows, np.array(priced.names)[columns].tolist(), brings)
    alike = np.zeros(len(priced.names))
    np.add.at(alike, columns, error * brings)
    return float(alike @ alike)


def chance_variance(priced: Priced, rows: np.ndarray, columns: np.ndarray) -> float:
    """What chance adds to the variance of the sum: who happens to be kept, a rare event each [currency squared]."""
    uplift = np.abs(priced.uplift[rows, columns])
    brought = priced.worth[rows] - np.where(priced.uplift[rows, columns] > 0, priced.offer(rows, columns), 0.0)
    return float((uplift * (1 - uplift)) @ brought**2)

