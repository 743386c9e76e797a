"""Where do we stand? Expected leavers, margin at risk, what drives it, how old the data are, what needs a person.

The intervals hold 90 % and speak of who leaves; lifetime values are taken as they are. For a group of customers with
chances p, half the width is 1.645 times the root of four variances added up:

    chance      sum p(1-p): even true chances do not say who leaves
    learning    chance x customers / customers learned from: a calibrated model repeats the level of its sample, whose
                share of leavers is itself a matter of chance, and that error is common to all alike
    own         sum of the squared standard errors in churn_low and churn_high, taken as independent of each other
    level       (s x sum p(1-p)) squared: s, the level's miss in the backtest [log-odds], moves all customers together

For margin each customer counts with ltv_if_stays. With a single moment to learn from s is unknown and taken as 0:
`Doubt.tested` says so. On the demo companies, whose true chances are known, the part beside chance held the truth in
97 % of 135 groups of the telecom's customers and 90 % of 71 groups of the shop's; adding up churn_low and churn_high
one by one, as if all errors were common, held all of them and was eight times as wide in the telecom.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta

import pandas as pd

from engine.insight.meaning import meanings
from engine.insight.source import EVERYONE_HERE, Filters, Scope, ask, columns, quoted
from engine.prediction.level import tested
from engine.schema import SEGMENTS, Estimate, ModelCard, money, plural, share

Z90 = 1.645
VIP = "At-Risk VIP"
NEXT_TO_NOTHING = 0.005
TOLD_MEDIANS = ("recency_days", "tenure_months", "tenure_days")
STRONGEST = """
    SELECT reason AS feature, count(*) FILTER (contribution > 0) AS raises,
           count(*) FILTER (contribution <= 0) AS lowers,
           coalesce(sum(margin_at_risk) FILTER (contribution > 0), 0) AS margin_at_risk
    FROM strongest WHERE reason IS NOT NULL GROUP BY reason"""
PARTS = ((1, 2), (2, 3), (3, 4), (3, 5), (2, 5), (4, 5), (9, 10), *((1, k) for k in range(3, 21)))


@dataclass(frozen=True)
class Doubt:
    """What a model's errors have in common: the level's miss in the backtest [log-odds] and whether there was one;
    how many customers the model learned from."""

    level: float
    tested: bool
    learned_from: int


@dataclass(frozen=True)
class Standing:
    """How a group of customers stands, those who have left already aside.

    leavers: expected within the label window [customers]. margin_at_risk [currency], of at_stake: what they are worth
    if none leaves within it. mean_ltv [currency], NaN of nobody.
    segments: one row per segment that has customers, in the order of SEGMENTS: customers, share, churn_probability
    (mean), leavers, expected_ltv (mean), margin_at_risk, margin_share, and the median of `median_of` where known.
    """

    customers: int
    leavers: Estimate
    margin_at_risk: Estimate
    at_stake: float
    mean_ltv: float
    segments: pd.DataFrame
    median_of: str

    @property
    def still_brought(self) -> float:
        """The share of their margin at risk that leavers bring all the same, as `still_brought` says [0..1]."""
        return _not_lost(self.at_stake - self.mean_ltv * self.customers, self.margin_at_risk.value)

    @property
    def vip_share(self) -> float:
        """Share of the margin at risk that sits with At-Risk VIPs [0..1]."""
        at = self.segments
        return float(at.loc[at["segment"] == VIP, "margin_share"].sum())


def still_brought(scope: Scope) -> float:
    """The share of the margin at risk that leavers bring all the same [0..1]: within the window, or coming back later.

    1 - sum(ltv_if_stays - expected_ltv) / sum(margin_at_risk) over all who are still there; NaN of nobody. Margins are
    counted as uplift x ltv_if_stays, so they are too high by about this share.
    """
    found = ask(scope, "SELECT sum(ltv_if_stays - expected_ltv) AS lost, sum(margin_at_risk) AS at_risk FROM people")
    return _not_lost(float(found["lost"].iloc[0]), float(found["at_risk"].iloc[0]))


def _not_lost(lost: float, at_risk: float) -> float:
    return min(max(1 - lost / at_risk, 0.0), 1.0) if at_risk > 0 else math.nan


def brought_words(part: float) -> str:
    """The same in a sentence; "" where it is next to nothing.

    >>> print(brought_words(0.148))
    A customer kept counts with all they are worth if they stay; 15 % of that leavers would bring all the same, so \
margins are rather too high by as much.
    >>> brought_words(0.001)
    ''
    """
    if not part >= NEXT_TO_NOTHING:
        return ""
    return (f"A customer kept counts with all they are worth if they stay; {part:.0%} of that leavers would bring all "
            "the same, so margins are rather too high by as much.").replace("%", " %", 1)


@dataclass(frozen=True)
class Age:
    """How old the data are, and whether the window that the chances speak of is over."""

    days: int
    over: bool
    words: str


def doubt(card: ModelCard) -> Doubt:
    """What the errors of the card's model have in common."""
    told = card.detail.get("season") or []
    return Doubt(tested(told)[1] if told else 0.0, bool(told), card.rows)


def standing(scope: Scope, doubt: Doubt, filters: Filters = EVERYONE_HERE, medians: bool = False) -> Standing:
    """How the customers whom the filters let through stand, in all and by segment, on demand with `medians`."""
    median_of = next((name for name in TOLD_MEDIANS if medians and name in columns(scope)), "")
    sums = ask(scope, _sums(median_of), filters=filters)
    total = sums.drop(columns=["segment", "median"]).sum()
    of, most = int(total["customers"]), scope.run.customers
    method = (f"90 %: chance, the sample of {doubt.learned_from:,} learned from, each customer's own interval"
              + (", and the level's miss in the backtest, common to all" if doubt.tested else ""))

    def estimate(name: str) -> Estimate:
        spread = Z90 * math.sqrt(_variance(total, name, doubt, most))
        value, greatest = total[name], total["customers"] if name == "leavers" else total["at_stake"]
        return Estimate(float(value), max(float(value) - spread, 0.0), min(float(value) + spread, float(greatest)), of,
                        method)

    return Standing(of, estimate("leavers"), estimate("margin_at_risk"), float(total["at_stake"]),
                    float(total["ltv"] / of) if of else math.nan, _by_segment(sums, total), median_of)


def _sums(median_of: str) -> str:
    """Per segment all that can be added up; the terms of the variances too."""
    median = f"median({quoted(median_of)})" if median_of else "NULL"
    wobble = "churn_probability * (1 - churn_probability)"
    own = f"pow((churn_high - churn_low) / {2 * Z90}, 2)"
    return f"""
        SELECT segment, count(*) AS customers, sum(churn_probability) AS leavers, sum(expected_ltv) AS ltv,
               sum(margin_at_risk) AS margin_at_risk, sum(ltv_if_stays) AS at_stake,
               sum({wobble}) AS leavers_chance, sum({wobble}) AS leavers_moved, sum({own}) AS leavers_own,
               sum(ltv_if_stays * ltv_if_stays * {wobble}) AS margin_at_risk_chance,
               sum(ltv_if_stays * {wobble}) AS margin_at_risk_moved,
               sum(ltv_if_stays * ltv_if_stays * {own}) AS margin_at_risk_own, {median} AS median
        FROM people GROUP BY segment"""


def _variance(total: pd.Series, name: str, doubt: Doubt, scored: int) -> float:
    """The variance of a sum over customers: chance, learning, own and level (see this module's head)."""
    chance = float(total[f"{name}_chance"])
    learning = chance * scored / max(doubt.learned_from, 1)
    return chance + learning + float(total[f"{name}_own"]) + (doubt.level * float(total[f"{name}_moved"])) ** 2


def _by_segment(sums: pd.DataFrame, total: pd.Series) -> pd.DataFrame:
    kept = sums.set_index("segment").reindex([name for name in SEGMENTS if name in set(sums["segment"])])
    return pd.DataFrame({
        "customers": kept["customers"].astype(int), "share": kept["customers"] / total["customers"],
        "churn_probability": kept["leavers"] / kept["customers"], "leavers": kept["leavers"],
        "expected_ltv": kept["ltv"] / kept["customers"], "margin_at_risk": kept["margin_at_risk"],
        "margin_share": kept["margin_at_risk"] / (total["margin_at_risk"] or 1.0),
        "median": kept["median"].astype(float),
    }).reset_index(names="segment")


def sentence(stands: Standing, horizon_days: int) -> str:
    """What stands out: how many are expected to leave, and where the margin at risk sits most densely."""
    if not stands.customers:
        return "No customer passes these filters."
    at = stands.segments
    most = at.loc[(at["margin_share"] - at["share"]).idxmax()].to_dict()
    leaving = f"{one_in(stands.leavers.value / stands.customers)} expected to leave within {horizon_days} days"
    if len(at) == 1:
        return f"{leaving}."
    return (f"{leaving}; {share(most['margin_share'])} of the margin at risk sits in {most['segment']}, with "
            f"{share(most['share'])} of the customers.")


def contrast(stands: Standing, currency: str) -> str:
    """How far apart the segments in view are: the ends of their mean chance to leave, and of their mean LTV."""
    at = stands.segments
    if not stands.customers:
        return "No customer passes these filters."
    if len(at) == 1:
        only = at.to_dict("records")[0]
        return (f"{only['segment']} alone: {share(only['churn_probability'])} chance to leave on average, worth "
                f"{money(only['expected_ltv'], currency)} each.")
    risky, worth = (at.sort_values(by, kind="stable").to_dict("records")
                    for by in ("churn_probability", "expected_ltv"))
    chances = [f"{share(end['churn_probability'])} ({end['segment']})" for end in (risky[0], risky[-1])]
    values = [f"{money(end['expected_ltv'], currency)} ({end['segment']})" for end in (worth[0], worth[-1])]
    return f"The mean chance to leave goes from {' to '.join(chances)}, the mean LTV from {' to '.join(values)}."


def one_in(chance: float) -> str:
    """A share as people say it, with its verb; below one in twenty in per cent.

    >>> one_in(0.26), one_in(0.66), one_in(0.012)
    ('About 1 in 4 customers is', 'About 2 in 3 customers are', '1.2 % of customers are')
    """
    if not 1 / 20 <= chance <= 9 / 10:
        return f"{share(chance)} of customers are"
    some, of = min(PARTS, key=lambda part: abs(part[0] / part[1] - chance))
    return f"About {some} in {of} customers {'is' if some == 1 else 'are'}"


def age(scope: Scope, now: datetime) -> Age:
    """How old the data are: whole days since the moment that the run speaks from."""
    as_of, horizon = scope.run.as_of, scope.dataset.label.horizon_days
    days, ends = max((now - as_of).days, 0), as_of + timedelta(days=horizon)
    told = f"The data speak as of {as_of:%d %b %Y}, {plural(days, 'day') + ' ago' if days else 'today'}"
    if now <= ends:
        return Age(days, False, f"{told}; the {horizon} days that the chances speak of end on {ends:%d %b %Y}.")
    return Age(days, True, f"{told}; the {horizon} days that the chances speak of ended on {ends:%d %b %Y}.")


def drivers(scope: Scope, filters: Filters = EVERYONE_HERE) -> pd.DataFrame:
    """The strongest driver of each customer, counted: what moves most customers first.

    One row per family of features, called by its member that speaks most often: title, raises and lowers [customers],
    share [0..1 of the customers with a driver], margin_at_risk [currency, of those whose risk it raises], members
    (titles of all that were meant).
    """
    told = ask(scope, STRONGEST, filters=filters)
    known = meanings(scope)
    told["title"] = [known[name].title if name in known else name for name in told["feature"]]
    told["family"] = [known[name].family or name if name in known else name for name in told["feature"]]
    told = told.assign(customers=told["raises"] + told["lowers"]).sort_values(
        ["customers", "title"], ascending=[False, True], kind="stable")
    grouped = told.groupby("family", sort=False)
    table = grouped[["raises", "lowers", "customers", "margin_at_risk"]].sum().assign(
        title=grouped["title"].first(), members=grouped["title"].agg(", ".join))
    table["share"] = table["customers"] / max(table["customers"].sum(), 1)
    kept = ["title", "raises", "lowers", "share", "margin_at_risk", "members"]
    return table.sort_values("customers", ascending=False, kind="stable")[kept].reset_index(drop=True)

