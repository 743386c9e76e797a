"""How sure a campaign's return is: a 90 % band of what would happen, and what makes it wide.

    rate     the recovery rate is Beta(r s, (1 - r) s), mean r and strength s, as in Verbraken, Verbeke and Baesens
             (2013), IEEE Transactions on Knowledge and Data Engineering 25(5), 961-973, who take r = 0.3, s = 20.
             Whoever is too hopeful for one segment is so for all: every segment lies at the same quantile
    model    errors of the probabilities: each customer's own and the learning sample's, independent (noise), and the
             level's, which moves all together (drift), as `engine.insight.overview` counts them
    chance   who happens to leave and to be kept

All are read at fixed quantiles, so the same input gives the same band. Nobody keeps fewer than no one: the normal
errors end where nobody is kept, so no band goes below the contacts and offers that are paid then. Errors of what
customers are worth are not in it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.decision.recovery.plan import (
    Taken,
    best_budget,
    break_even,
    budgets,
    contacted,
    priced,
    refused,
    taken,
)
from engine.decision.recovery.terms import Scenario
from engine.schema import Estimate

NODES = 61
ENDS = (0.05, 0.95)
Z90 = 1.6448536269514722
POINTS = 60
METHOD = "90 % band: the recovery rate's uncertainty, the model's, and chance"


@dataclass(frozen=True)
class Outcome:
    """What contacting some customers returns; sums are expected values, bands hold 90 %.

    segment: "" for all together. contacts, offers_kept, offers_stayed: the parts of the investment [currency];
    offers_stayed goes to those who would have stayed anyway. break_even: the recovery rate that returns nothing, inf
    when none does. unsure: what the recovery rate, the model and chance make up of the net return's variance, summing
    to 1. roi: net / investment, None when nothing is invested.
    """

    segment: str
    customers: float
    leavers: float
    margin_at_risk: float
    contacts: float
    offers_kept: float
    offers_stayed: float
    investment: float
    gain: float
    saves: Estimate
    net: Estimate
    roi: Estimate | None
    break_even: float
    unsure: tuple[float, float, float]

    @property
    def kept(self) -> float:
        """The share of the would-be leavers contacted who are kept [0..1]."""
        return self.saves.value / self.leavers if self.leavers else 0.0


@dataclass(frozen=True)
class Simulation:
    """A scenario's answer.

    total: what the budget buys. segments: the same by segment. whole: each segment if all of it were contacted.
    refused: segments without credit, and why. best: the most that is worth investing; everybody: what contacting all
    costs [currency]. curve: per budget investment, customers, saves, net, net_low, net_high [currency]. sweep: per
    recovery rate of those contacted net, net_low, net_high, the band at that rate. likely: where 90 % of the
    recovery rate's own uncertainty lies.
    """

    scenario: Scenario
    total: Outcome
    segments: tuple[Outcome, ...]
    whole: Mapping[str, Outcome]
    refused: Mapping[str, str]
    best: float
    everybody: float
    curve: pd.DataFrame
    sweep: pd.DataFrame
    likely: tuple[float, float]


def simulate(cells: pd.DataFrame, scenario: Scenario) -> Simulation:
    """What the scenario returns; `cells` as in `plan.priced`."""
    rows = priced(cells, scenario)
    bought = taken(rows, contacted(rows, [scenario.budget], scenario.whole_budget))
    whole = taken(rows, np.ones((1, len(rows))))
    parts = tuple(outcome(bought.of(name), scenario, name) for name in bought.segments)
    wholes = {name: outcome(whole.of(name), scenario, name) for name in whole.segments}
    return Simulation(
        scenario, outcome(bought, scenario), parts, wholes, refused(cells, scenario), best_budget(rows),
        float(rows["investment"].sum()), curve(rows, scenario), sweep(bought, scenario), likely(bought, scenario))


def outcome(found: Taken, scenario: Scenario, segment: str = "") -> Outcome:
    """The outcome of contacting what was found for one budget."""
    sums, rate = {name: float(found.total(name)[0]) for name in found.sums}, all_rates(found, scenario)
    count, net, roi = round(sums["customers"]), of_net(found, scenario, rate), None
    returns = net.draws()[0]
    if sums["investment"] > 0:
        per_cost = returns.reshape(NODES, NODES) / of_investment(found, scenario, rate)[0]
        roi = _estimate(sums["net"] / sums["investment"], per_cost, count)
    kept = _estimate(sums["saves"], of_saves(found, rate).draws()[0], count)
    return Outcome(segment, sums["customers"], sums["leavers"], sums["at_risk"], sums["contacts"], sums["offers_kept"],
                   sums["offers_stayed"], sums["investment"], sums["gain"], kept,
                   _estimate(sums["net"], returns, count), roi, break_even(found, scenario), net.shares())


def _estimate(value: float, draws: np.ndarray, count: int) -> Estimate:
    low, high = np.quantile(draws, ENDS)
    return Estimate(value, min(value, float(low)), max(value, float(high)), count, METHOD)


@dataclass(frozen=True)
class Spread:
    """A sum's uncertainty at each quantile of the recovery rate: arrays (budget, rate).

    mean: its expected value there. model, chance: variances around that, from the probabilities' errors and from who
    happens to leave and to be kept. least: what it is when nobody is kept, or its mean where that is less.
    """

    mean: np.ndarray
    model: np.ndarray
    chance: np.ndarray
    least: np.ndarray

    def draws(self) -> np.ndarray:
        """The sum at every quantile of the rate and, around each, of a normal error: (budget, error x rate)."""
        from scipy.special import ndtri

        error = ndtri(_quantiles())[:, None] * np.sqrt(self.model + self.chance)[:, None, :]
        drawn = np.maximum(self.mean[:, None, :] + error, self.least[:, None, :])
        return np.asarray(drawn.reshape(len(self.mean), -1))

    def shares(self) -> tuple[float, float, float]:
        """What the rate, the model and chance each make up of the first budget's variance; they sum to 1.

        By the law of total variance: Var = Var(mean given the rate) + E(variance given the rate).
        """
        parts = np.array([self.mean[0].var(), self.model[0].mean(), self.chance[0].mean()])
        rate, model, chance = parts / parts.sum() if parts.sum() > 0 else np.zeros(3)
        return float(rate), float(model), float(chance)


def of_net(found: Taken, scenario: Scenario, rate: np.ndarray) -> Spread:
    """The net return at these rates (segments x rates).

    The error e of one probability moves it by (r (L - offer) + q offer) e. With c = (q - r) offer its variance is the
    sum of (r L + c)^2 Var(e), and what all share, drift, is added before it is squared. Who happens to be kept: a sum
    of rare events, variance r p (L - offer)^2 each.
    """
    offer = _offers(found, scenario)[:, None]
    free = (scenario.redemption - rate) * offer
    own = (found["noise_squares"] @ rate**2 + 2 * found["noise_worth"] @ (rate * free) + found["noise"] @ free**2)
    shared = found["drift_worth"] @ rate + found["drift"] @ free
    chance = found["squares"] @ rate - 2 * found["at_risk"] @ (rate * offer) + found["leavers"] @ (rate * offer**2)
    mean = found["at_risk"] @ rate - of_investment(found, scenario, rate)
    nobody_kept = -of_investment(found, scenario, np.zeros_like(rate))
    return Spread(mean, np.maximum(own, 0) + shared**2, np.maximum(chance, 0), np.minimum(mean, nobody_kept))


def of_saves(found: Taken, rate: np.ndarray) -> Spread:
    """The saves at these rates (segments x rates), by the same parts."""
    mean = found["leavers"] @ rate
    return Spread(mean, found["noise"] @ rate**2 + (found["drift"] @ rate) ** 2, mean, np.zeros_like(mean))


def of_investment(found: Taken, scenario: Scenario, rate: np.ndarray) -> np.ndarray:
    """The expected investment at these rates: (budget, rate)."""
    offer = _offers(found, scenario)
    fixed = found.total("contacts") + scenario.redemption * ((found["customers"] - found["leavers"]) @ offer)
    return np.asarray(fixed[:, None] + found["leavers"] @ (offer[:, None] * rate))


def _offers(found: Taken, scenario: Scenario) -> np.ndarray:
    return np.array([scenario.segments[name].offer_cost for name in found.segments])


def _assumed(found: Taken, scenario: Scenario) -> np.ndarray:
    return np.array([scenario.segments[name].recovery_rate for name in found.segments])


def all_rates(found: Taken, scenario: Scenario) -> np.ndarray:
    """Every segment's recovery rate at the same quantiles: (segment, rate)."""
    terms = [scenario.segments[name] for name in found.segments]
    return np.array([rates(term.recovery_rate, term.strength) for term in terms]).reshape(len(terms), NODES)


@functools.lru_cache(maxsize=1_000)
def rates(mean: float, strength: float) -> np.ndarray:
    """Quantiles of Beta(mean x strength, (1 - mean) x strength) at even distances of probability.

    >>> bool(abs(rates(0.3, 20.0).mean() - 0.3) < 0.001)
    True
    """
    from scipy.special import betaincinv

    if mean in (0, 1):
        return np.full(NODES, float(mean))
    return np.asarray(betaincinv(mean * strength, (1 - mean) * strength, _quantiles()))


def _quantiles() -> np.ndarray:
    return (np.arange(NODES) + 0.5) / NODES


def curve(rows: pd.DataFrame, scenario: Scenario) -> pd.DataFrame:
    """The net return as the budget grows to everybody, best first, with its band; concave. One row per budget."""
    found = taken(rows, contacted(rows, budgets(rows, POINTS), whole_budget=True))
    sums = {name: found.total(name) for name in ("investment", "customers", "saves", "net")}
    low, high = np.quantile(of_net(found, scenario, all_rates(found, scenario)).draws(), ENDS, axis=1)
    return pd.DataFrame(sums | {"net_low": np.minimum(low, sums["net"]), "net_high": np.maximum(high, sums["net"])})


def sweep(found: Taken, scenario: Scenario) -> pd.DataFrame:
    """The net return of those contacted if more or fewer of the would-be leavers were kept, all rates in proportion.

    From nobody to beyond the assumption, its uncertainty and the break-even. The band is the model's and chance's.
    """
    leavers, rate = found["leavers"][0], _assumed(found, scenario)
    if not leavers.sum():
        return pd.DataFrame({"rate": [], "net": [], "net_low": [], "net_high": []})
    rate = rate if rate.any() else np.full(len(rate), 0.01)
    assumed = float(rate @ leavers / leavers.sum())
    most = max(2 * assumed, 1.05 * likely(found, scenario)[1], 1.3 * min(break_even(found, scenario), 1.0))
    asked = np.linspace(0, min(1.0, most), 41)
    net = of_net(found, scenario, np.outer(rate, asked / assumed))
    half = Z90 * np.sqrt(net.model + net.chance)[0]
    mean = net.mean[0]
    low = np.maximum(mean - half, net.least[0])
    return pd.DataFrame({"rate": asked, "net": mean, "net_low": low, "net_high": mean + half})


def likely(found: Taken, scenario: Scenario) -> tuple[float, float]:
    """Where 90 % of the rate's uncertainty lies: the share of the would-be leavers contacted who are kept [0..1]."""
    leavers = found["leavers"][0]
    if not leavers.sum():
        return 0.0, 0.0
    low, high = np.quantile(leavers @ all_rates(found, scenario) / leavers.sum(), ENDS)
    return float(low), float(high)
