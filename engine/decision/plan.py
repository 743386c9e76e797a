"""A plan: whom to contact with what, what it costs and brings and how sure that is, and what each limit costs.

Every customer gets the offer that the budget optimiser chooses among those that no guardrail forbids, or none. Totals
are expected values; their 90 % intervals hold what is unsure about effects, chances to leave and lifetime values
(`economics.variances`). Who happens to be kept is chance on top of that, in `realised`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from engine.decision.budget import Problem, Solution, solve
from engine.decision.constraints import Constraints, limits, more
from engine.decision.economics import Priced, chance_variance, intervals, variances
from engine.decision.effects import Z90
from engine.decision.guardrails import GUARDS, SUPPRESSED, UNREACHED, blocked, reasons
from engine.decision.rivals import RIVALS, in_order
from engine.decision.treatments import Playbook
from engine.schema import DECISIONS, NOTHING_DONE, OFFERS, Estimate, money, plural

METHOD = "90 %: effects, chances to leave and lifetime values; errors that customers share do not average out"
REALISED = "90 %: the same, and who happens to be kept"
SETTLED = 1e-9
FINE, COARSE, LARGE = 1e-5, 1e-4, 100_000
PATIENCE = 2.0
AS_THE_BOOK_SAYS = Constraints()
NOBODY_CHOSE = ("left", "fit", "contact")


@dataclass(frozen=True)
class Total:
    """What contacting the chosen customers costs and brings; sums are expected values.

    spend: contacts + offers_kept + wasted [currency]; wasted goes to those who would have stayed anyway. gain: uplift x
    lifetime value; margin = gain - spend, with its interval; realised: the same margin with chance's part in the
    interval. saves: customers kept. roi: margin / spend, None when nothing is spent. minutes: people's time. unsure:
    what effect, probability and worth make up of the variance, summing to 1.
    """

    customers: int
    spend: float
    contacts: float
    offers_kept: float
    wasted: float
    gain: float
    margin: Estimate
    realised: Estimate
    saves: float
    roi: float | None
    minutes: float
    unsure: Mapping[str, float]


@dataclass(frozen=True)
class Price:
    """What a limit costs: used of most, and what some more of it would bring, `brings` for `more` units [currency]."""

    name: str
    used: float
    most: float
    more: float
    brings: float
    words: str


@dataclass(frozen=True)
class Cost:
    """What a guardrail does: offers it forbids that could be made, customers left without any, margin it costs.

    within: how far that margin may be off, by what the two plans are proven to leave open [currency].
    """

    name: str
    title: str
    offers: int
    customers: int
    margin: float
    within: float
    words: str


@dataclass(frozen=True)
class Plan:
    """The answer.

    priced, bits: every offer and the guardrails that forbid it. choice: per customer the treatment's column, -1 = none.
    decisions: DECISIONS, one row per customer in the order of the people, "none" for those left alone. rivals: other
    ways to spend the same budget, with their margin by the same count [currency] and customers. held_back: customers
    held back, and their margin at risk.
    """

    book: Playbook
    constraints: Constraints
    priced: Priced
    bits: np.ndarray
    choice: np.ndarray
    solution: Solution
    total: Total
    prices: tuple[Price, ...]
    guardrails: tuple[Cost, ...]
    rivals: Mapping[str, Total]
    held_back: tuple[int, float]

    @property
    def chosen(self) -> tuple[np.ndarray, np.ndarray]:
        """The customers contacted and the treatments they get: rows and columns, side by side."""
        return taken(self.choice)

    def decisions(self) -> pd.DataFrame:
        """DECISIONS: one row per customer; the propensity is 1, for nothing is drawn."""
        rows, columns = self.chosen
        names, channels = ([getattr(one, name) for one in self.priced.treatments] for name in ("name", "channel"))
        frame = self.priced.people[["customer_id", "segment", "churn_probability", "ltv_if_stays"]].copy()
        frame["treatment"], frame["channel"] = NOTHING_DONE, "none"
        frame.loc[rows, "treatment"] = np.array(names, dtype=object)[columns]
        frame.loc[rows, "channel"] = np.array(channels, dtype=object)[columns]
        minutes = np.array([one.minutes for one in self.priced.treatments])
        for name, values in (("uplift", self.priced.uplift[rows, columns]),
                             ("expected_cost", self.priced.cost[rows, columns]),
                             ("incremental_margin", self.priced.margin[rows, columns]), ("minutes", minutes[columns])):
            frame[name] = 0.0
            frame.loc[rows, name] = values
        return frame.assign(propensity=1.0)[DECISIONS.names]

    def among(self, customers: Collection[str]) -> Total:
        """What it costs and brings of those customers alone, such as of those who are not held out."""
        rows, columns = self.chosen
        mine = self.priced.people["customer_id"].iloc[rows].isin(set(customers)).to_numpy()
        return total_of(self.priced, rows[mine], columns[mine])

    def left_out(self) -> dict[str, int]:
        """How many customers suppression and the contact rules keep from one offer or from all, by the reason."""
        listed = self.priced.people.filter(regex=f"^{SUPPRESSED}").any(axis=1)
        masks = {"on the suppression list": listed.to_numpy()[:, None], **self.priced.barred}
        return {why: number for why, mask in masks.items() if (number := int(mask.any(axis=1).sum()))}

    def unreached(self) -> dict[str, int]:
        """By channel, how many customers have no address for it; nothing where the data hold no addresses at all."""
        marked = self.priced.people.filter(regex=f"^{UNREACHED}")
        return {str(name).removeprefix(UNREACHED): int(number) for name, number in marked.sum().items()}

    def offers(self, rows: Sequence[int] | np.ndarray) -> pd.DataFrame:
        """OFFERS of those customers (their places among the people): every treatment priced, and why not."""
        return offers(self.priced, self.book, self.bits, np.asarray(rows))

    def by(self, name: str) -> pd.DataFrame:
        """The chosen offers summed by "treatment", "segment" or "channel": customers, saves, spend, margin, minutes."""
        found = self.decisions()
        made = found[found["treatment"] != NOTHING_DONE]
        sums = made.groupby(name, sort=False, observed=True).agg(
            customers=("customer_id", "size"), saves=("uplift", "sum"), spend=("expected_cost", "sum"),
            margin=("incremental_margin", "sum"), minutes=("minutes", "sum"))
        return sums.sort_values("margin", ascending=False).reset_index()


def offers(priced: Priced, book: Playbook, bits: np.ndarray, rows: np.ndarray) -> pd.DataFrame:
    """OFFERS of those customers: one row per customer and treatment."""
    k = len(priced.treatments)
    at, columns = np.repeat(rows, k), np.tile(np.arange(k), len(rows))
    ends = intervals(priced, at, columns)
    names, channels, minutes = ([getattr(one, name) for one in priced.treatments] * len(rows)
                                for name in ("name", "channel", "minutes"))
    payback = priced.payback_days(rows).ravel()
    frame = pd.DataFrame({
        "customer_id": priced.people["customer_id"].to_numpy()[at], "treatment": names, "channel": channels,
        "uplift": priced.uplift[at, columns], "uplift_low": ends["uplift_low"], "uplift_high": ends["uplift_high"],
        "expected_cost": priced.cost[at, columns], "incremental_margin": priced.margin[at, columns],
        "margin_low": ends["margin_low"], "margin_high": ends["margin_high"], "roi": priced.roi(rows).ravel(),
        "payback_days": np.where(np.isfinite(payback), payback, np.nan), "minutes": minutes,
        "blocked_by": [reasons(priced, book, bits, row, column) for row, column in zip(at, columns, strict=True)],
    })
    return frame[OFFERS.names]


def make(priced: Priced, book: Playbook, constraints: Constraints = AS_THE_BOOK_SAYS) -> Plan:
    """The plan that brings most within the constraints.

    Raises:
        Infeasible: constraints that make no sense, all of them named.
    """
    kept = constraints.settled(book)
    bits = blocked(priced, book, kept.without)
    problem = Problem(_values(priced, bits, kept), limits(priced, book, kept))
    solution = solve(problem, kept.method, patience=PATIENCE)
    total = total_of(priced, *taken(solution.choice))
    held = (bits >> list(GUARDS).index("held")) & 1
    here = (held[:, 0] == 1) & ~(priced.people["has_left"].fillna(0) == 1).to_numpy()
    return Plan(book, kept, priced, bits, solution.choice, solution, total, _prices(problem, solution),
                _costs(priced, bits, kept, problem, solution), _rivals(priced, bits, kept, problem),
                (int(here.sum()), float((priced.p * priced.worth)[here].sum())))


def _values(priced: Priced, bits: np.ndarray, kept: Constraints) -> np.ndarray:
    """What each allowed offer brings; missing where it is not allowed."""
    return np.where((bits == 0) & _wanted(priced, kept), priced.margin, np.nan)


def _wanted(priced: Priced, kept: Constraints) -> np.ndarray:
    """Of which treatments the plan may be made, (k,)."""
    return np.array([not kept.only or name in kept.only for name in priced.names], dtype=bool)


def taken(choice: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The rows with a treatment, and its column."""
    rows = np.flatnonzero(choice >= 0)
    return rows, choice[rows]


def total_of(priced: Priced, rows: np.ndarray, columns: np.ndarray) -> Total:
    """What those offers cost and bring together."""
    treatments, uplift = priced.treatments, priced.uplift[rows, columns]
    wasted = float(priced.wasted(rows, columns).sum())
    contacts = float(np.array([one.contact_cost for one in treatments])[columns].sum())
    spend, margin = float(priced.cost[rows, columns].sum()), float(priced.margin[rows, columns].sum())
    parts = variances(priced, rows, columns)
    model = sum(parts.values())
    half, wide = (Z90 * float(np.sqrt(of)) for of in (model, model + chance_variance(priced, rows, columns)))
    return Total(
        len(rows), spend, contacts, spend - contacts - wasted, wasted, margin + spend,
        Estimate(margin, margin - half, margin + half, len(rows), METHOD),
        Estimate(margin, margin - wide, margin + wide, len(rows), REALISED), float(uplift.sum()),
        margin / spend if spend > 0 else None, float(np.array([one.minutes for one in treatments])[columns].sum()),
        {name: part / model if model > 0 else 0.0 for name, part in parts.items()})


def _prices(problem: Problem, solution: Solution) -> tuple[Price, ...]:
    """What each limit that binds costs, the dearest first."""
    found = []
    rows, columns = taken(solution.choice)
    for limit in problem.limits:
        used = float((limit.use[columns] if limit.use.ndim == 1 else limit.use[rows, columns]).sum())
        units, words = more(limit.name)
        brings = units * solution.prices.get(limit.name, 0.0)
        found.append(Price(limit.name, used, limit.most, units, brings, f"{words[0].upper()}{words[1:]} "
                           + ("would bring nothing: it is not used up." if brings < SETTLED else
                              f"would bring about {money(brings, '')}.")))
    return tuple(sorted(found, key=lambda price: -price.brings))


def _costs(priced: Priced, bits: np.ndarray, kept: Constraints, problem: Problem,
           solution: Solution) -> tuple[Cost, ...]:
    """What each guardrail costs: the plan without it, beside the plan with it; missing consents too."""
    found = []
    for bit, (name, guard) in enumerate(GUARDS.items()):
        mine, alone = (bits >> bit) & 1 == 1, bits == 1 << bit
        if name in NOBODY_CHOSE or name in kept.without or not mine.any():
            continue
        margin, within = _forgone(priced, alone, kept, problem, solution)
        without = int((alone.any(axis=1) & ~(bits == 0).any(axis=1)).sum())
        about = f" (within {money(within, '')})" if within > max(margin / 100, SETTLED) else ""
        costs = f"{money(margin, '')} of margin{about}" if margin > SETTLED else f"nothing{about}"
        found.append(Cost(name, guard.title, int(mine.sum()), without, margin, within,
                          f"{guard.title} costs {costs}: it forbids {plural(int(mine.sum()), 'offer')}."))
    return tuple(sorted(found, key=lambda cost: -cost.margin))


def _forgone(priced: Priced, alone: np.ndarray, kept: Constraints, problem: Problem,
             solution: Solution) -> tuple[float, float]:
    """What the offers that one guardrail alone forbids would bring more, and how far that may be off [currency]."""
    freed = alone & (priced.margin > 0) & _wanted(priced, kept)
    if not freed.any():
        return 0.0, 0.0
    values = np.where(freed, priced.margin, problem.values)
    gap = FINE if values.size <= LARGE else max(COARSE, 2 * solution.gap)
    other = solve(replace(problem, values=values), kept.method, gap, solution.prices, patience=0.0)
    open_ = max(other.bound - other.value, solution.bound - solution.value)
    return max(0.0, other.value - solution.value), open_


def _rivals(priced: Priced, bits: np.ndarray, kept: Constraints, problem: Problem) -> dict[str, Total]:
    """The same offers, limits and budget spent by other rules: facts forbid, what economics says is not asked."""
    facts = sum(1 << bit for bit, (name, guard) in enumerate(GUARDS.items()) if not guard.asked or name == "held")
    open_ = replace(problem, values=_values(priced, bits & facts, kept))
    return {name: total_of(priced, *taken(in_order(open_, np.argsort(-rule(priced), kind="stable"), priced.margin)))
            for name, rule in RIVALS.items()}

