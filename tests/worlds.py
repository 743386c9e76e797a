"""Random worlds for the leakage audit: honest companies, and the ways to give their answer away."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from engine.schema import Dataset, LabelRule, MoneyRule, Snapshot, Window

AS_OF = datetime(2024, 6, 1)
FLAG = LabelRule("column", 90, "left", "churned", "1", asked="Churned in June")


@dataclass
class World:
    """A company's file: features and answers in the order of its rows."""

    X: pd.DataFrame
    y: np.ndarray
    rng: np.random.Generator

    def snapshot(self, folder: Path, label: LabelRule = FLAG, kind: str = "snapshot") -> tuple[Snapshot, Dataset]:
        """The file as the engine sees it: rows sorted by id, the file's own order kept in customers.parquet."""
        ids = np.array([f"{number:08x}" for number in self.rng.choice(16**6, len(self.y), replace=False)])
        path = folder / "customers.parquet"
        pd.DataFrame({"customer_id": ids}).to_parquet(path)
        moments = np.repeat(pd.Timestamp(AS_OF), len(ids))
        index = pd.MultiIndex.from_arrays([moments, ids], names=["as_of", "customer_id"])
        X, y = self.X.set_axis(index).sort_index(), pd.Series(self.y, index).sort_index()
        money = MoneyRule("spend", "month")
        dataset = Dataset("world", "v1", kind, "table", "any", "EUR", label, money, AS_OF, True, path, ())
        return Snapshot(X, y, (Window(AS_OF, 90),), ()), dataset


def honest(seed: int, n: int = 1500) -> World:
    """Features of many kinds, of which one alone may reach an AUC of .94, and a label drawn from them with noise."""
    rng = np.random.default_rng(seed)
    base, strength = rng.uniform(0.08, 0.6), rng.uniform(0, 4.5)
    signal, tickets, tenure = rng.normal(size=n), rng.poisson(0.7, n), rng.integers(0, 73, n)
    plan = rng.choice(["month", "year", "two years"], n, p=[0.5, 0.3, 0.2])
    push = strength * signal + 0.5 * tickets - 0.02 * tenure + 0.8 * (plan == "month") + rng.logistic(size=n)
    y = (push > np.quantile(push, 1 - base)).astype(int)
    spend = rng.gamma(3, 20, n)
    X = pd.DataFrame({
        "signal": np.round(np.exp(signal) * 10, 2) if rng.random() < 0.5 else signal,
        "tickets": tickets,
        "ticket_mood": np.where(tickets > 0, rng.normal(size=n), np.nan),
        "cancellations_365d": rng.poisson(0.2 + 0.2 * y),
        "tenure": tenure,
        "plan": pd.Categorical(plan),
        "spend": spend.round(2),
        "total": (spend * tenure).round(2),
        "spend_per_month": spend / (tenure + 1),
        "city": pd.Categorical(rng.choice([f"town {i}" for i in range(n // 8)], n)),
        "region": pd.Categorical(rng.choice(list("ABCDE"), n)),
        "flag": rng.integers(0, 2, n),
        "other_flag": rng.integers(0, 2, n),
        "blank_at_random": np.where(rng.random(n) < 0.3, np.nan, rng.normal(size=n)),
        "visits": rng.negative_binomial(2, 0.05, n),
        "share": rng.beta(2, 5, n),
    })
    return World(X, y, rng)


Plant = Callable[[World], set[str]]


def _threshold(world: World) -> set[str]:
    active, idle = (world.rng.integers(*days, len(world.y)) for days in ((0, 91), (91, 200)))
    world.X["idle_days"] = np.where(world.y == 1, idle, active)
    return {"idle_days"}


def _almost_a_threshold(world: World) -> set[str]:
    _threshold(world)
    least = min(world.y.sum(), (1 - world.y).sum())
    wrong = world.rng.permutation(len(world.y))[: int(0.05 * least)]
    world.X.loc[wrong, "idle_days"] = 200 - world.X.loc[wrong, "idle_days"]
    return {"idle_days"}


def _band(world: World) -> set[str]:
    inside = world.rng.normal(0, 0.3, len(world.y)).clip(-1, 1)
    outside = world.rng.choice([-1, 1], len(world.y)) * world.rng.uniform(1.01, 3, len(world.y))
    world.X["band"] = np.where(world.y == 1, inside, outside)
    return {"band"}


def _copy_of_the_label(world: World) -> set[str]:
    world.X["status"] = pd.Categorical(np.where(world.y == 1, "gone", "here"))
    return {"status"}


def _several_categories(world: World) -> set[str]:
    reasons = world.rng.choice(["price", "moved", "service", "competitor", "other"], len(world.y))
    world.X["why"] = pd.Categorical(np.where(world.y == 1, reasons, "none"))
    return {"why"}


def _blank_for_stayers(world: World) -> set[str]:
    world.X["survey"] = np.where(world.y == 1, world.rng.normal(size=len(world.y)), np.nan)
    return {"survey"}


def _blank_for_leavers(world: World) -> set[str]:
    world.X["renewal_in_days"] = np.where(world.y == 1, np.nan, world.rng.integers(1, 365, len(world.y)))
    return {"renewal_in_days"}


def _sometimes_filled_for_leavers(world: World) -> set[str]:
    filled = (world.y == 1) & (world.rng.random(len(world.y)) < 0.6)
    world.X["final_mood"] = np.where(filled, world.rng.normal(size=len(world.y)), np.nan)
    return {"final_mood"}


def _sometimes_not_zero_for_leavers(world: World) -> set[str]:
    filled = (world.y == 1) & (world.rng.random(len(world.y)) < 0.6)
    world.X["refund"] = np.where(filled, world.rng.gamma(2, 10, len(world.y)), 0.0)
    return {"refund"}


def _a_few_exit_surveys(world: World) -> set[str]:
    filled = world.rng.permutation(np.flatnonzero(world.y == 1))[:25]
    world.X["exit_survey"] = np.nan
    world.X.loc[filled, "exit_survey"] = world.rng.normal(size=25)
    return {"exit_survey"}


def _difference(world: World) -> set[str]:
    start = world.rng.normal(100, 40, len(world.y))
    gap = np.where(world.y == 1, 1, -1) * world.rng.gamma(2, 5, len(world.y))
    world.X["last_seen"], world.X["notice_given"] = start, start - gap
    return {"last_seen", "notice_given"}


def _either_but_not_both(world: World) -> set[str]:
    one = world.rng.integers(0, 2, len(world.y))
    world.X["one"], world.X["two"] = one, pd.Categorical(np.where(one == world.y, "a", "b"))
    return {"one", "two"}


def _text_id(world: World) -> set[str]:
    world.X["reference"] = pd.Categorical([f"K{i:06d}" for i in world.rng.permutation(len(world.y))])
    return {"reference"}


def _almost_unique_text(world: World) -> set[str]:
    people = world.rng.integers(0, len(world.y) * 20, len(world.y))
    world.X["e_mail"] = [f"person{i}@example.org" for i in people]
    return {"e_mail"}


def _counted_id(world: World) -> set[str]:
    world.X["serial"] = np.cumsum(world.rng.integers(1, 9, len(world.y)))
    return {"serial"}


def _shuffled_id(world: World) -> set[str]:
    world.X["serial"] = world.rng.permutation(len(world.y)) + 5000
    return {"serial"}


def _id_by_name(world: World) -> set[str]:
    world.X["account_number"] = world.rng.choice(10**9, len(world.y), replace=False)
    return {"account_number"}


def _sorted_by_label(world: World) -> set[str]:
    order = np.argsort(world.y, kind="stable")
    world.X, world.y = world.X.iloc[order].reset_index(drop=True), world.y[order]
    world.X["place"] = np.arange(len(world.y)) / len(world.y)
    return {"place"}


def _score_made_afterwards(world: World) -> set[str]:
    world.X["churn_score"] = world.y * 2.3 + world.rng.normal(size=len(world.y))
    return {"churn_score"}


def _day_of_ending(world: World) -> set[str]:
    """Most leavers have it, and some of the others whose earlier contracts ended; everybody has an end to come."""
    n = len(world.y)
    filled = world.rng.random(n) < np.where(world.y == 1, 0.95, 0.15)
    world.X["contracts_end_date_last"] = np.where(filled, world.rng.integers(1, 900, n), np.nan)
    world.X["contract_end_date"] = world.rng.integers(1, 365, n)
    return {"contracts_end_date_last"}


def _made_of_the_same_column(world: World) -> set[str]:
    """Rows beside that were marked when the customer left: their mean tells it, and so do sum and change."""
    n = len(world.y)
    rows = world.rng.integers(2, 9, n)
    mean = np.where(world.y == 1, world.rng.uniform(0.2, 1, n), np.where(world.rng.random(n) < 0.08, 0.3, 0.0))
    names = [f"plans_churn_flag_{made}" for made in ("mean", "sum", "change")]
    for name, values in zip(names, (mean, mean * rows, mean * world.rng.random(n)), strict=True):
        world.X[name] = values
    world.X["plans_price_mean"], world.X["plans_price_sum"] = world.rng.gamma(3, 9, n), world.rng.gamma(3, 40, n)
    return set(names)


def _survey_that_half_of_the_leavers_answered(world: World) -> set[str]:
    n = len(world.y)
    filled = world.rng.random(n) < np.where(world.y == 1, 0.6, 0.04)
    world.X["exit_survey_score"] = np.where(filled, world.rng.integers(1, 6, n), np.nan)
    return {"exit_survey_score"}


def _somebodys_own_score(world: World) -> set[str]:
    world.X["retention_score_v2"] = -2.2 * world.y + world.rng.normal(size=len(world.y))
    return {"retention_score_v2"}


def _health_score(world: World) -> set[str]:
    world.X["health_score"] = -2.2 * world.y + world.rng.normal(size=len(world.y))
    return {"health_score"}


def _scores_of_the_answer_whatever_they_are_called(world: World) -> set[str]:
    """Two that each know far more than all that was known beforehand, and neither hides the other."""
    for name, pull in (("standing", 3.8), ("tier_points", -4.0)):
        world.X[name] = pull * world.y + world.rng.normal(size=len(world.y))
    return {"standing", "tier_points"}


def _share_of_leavers_by_branch(world: World) -> set[str]:
    """Counted from the answers themselves, as a share of those who left and as per cent of those who stayed."""
    branch = pd.Series(world.rng.integers(0, len(world.y) // 20, len(world.y)))
    share = branch.map(pd.Series(world.y).groupby(branch).mean())
    world.X["branch"] = pd.Categorical(branch.astype(str).radd("B"))
    world.X["branch_rate"], world.X["branch_loyalty"] = share.round(3), (100 - 100 * share).round(1)
    world.X["rate_of_another_year"] = (share + world.rng.normal(0, 0.05, len(branch))[branch]).clip(0, 1).round(2)
    return {"branch_rate", "branch_loyalty"}


def _filled_for_those_who_stayed(world: World) -> set[str]:
    """A deposit for the next year, which has come of nearly all who stay."""
    n = len(world.y)
    filled = (world.y == 0) & (world.rng.random(n) > 0.5 * world.y.mean())
    world.X["deposit"] = np.where(filled, world.rng.integers(1, 90, n), np.nan)
    return {"deposit"}


def _filled_for_nearly_all_who_left(world: World) -> set[str]:
    """Half as many others have it as those who left, of whom hardly any lacks it."""
    n = len(world.y)
    others = 0.5 * world.y.mean() / (1 - world.y.mean())
    filled = world.rng.random(n) < np.where(world.y == 1, 1.0, others)
    world.X["returned"] = np.where(filled, world.rng.integers(1, 90, n), np.nan)
    return {"returned"}


def _nearly_the_label(world: World) -> set[str]:
    """An answer wrong of 2 in 100; where few leave that is much for each of them, and a rule's errors seem many."""
    kept = (world.y == 0) | (world.rng.random(len(world.y)) < 0.4)
    world.X, world.y = world.X[kept].reset_index(drop=True), world.y[kept]
    wrong = world.rng.random(len(world.y)) < 0.02
    world.X["stopped_paying"] = pd.Categorical(np.where((world.y == 1) ^ wrong, "yes", "no"))
    return {"stopped_paying"}


def logins_of(world: World, month: str, pull: float) -> None:
    """Logins of a month, which those who leave lack the more, the greater the pull."""
    world.X[f"logins_{month}"] = world.rng.poisson(np.exp(2 - pull * world.y))


def _of_the_month_about_which_the_answer_asks(world: World) -> set[str]:
    for month, pull in (("apr", 0.1), ("may", 0.1), ("jun", 0.8)):
        logins_of(world, month, pull)
    return {"logins_jun"}


def _written_down_with_what_is_known_only_afterwards(world: World) -> set[str]:
    """Closed tickets about leaving: most leavers have some, a few others too, and each has its own day."""
    n = len(world.y)
    has = world.rng.random(n) < np.where(world.y == 1, 0.97, 0.1)
    world.X["churn_calls"] = np.where(has, world.rng.integers(1, 4, n), 0)
    world.X["call_length"] = np.where(has, world.rng.gamma(3, 2, n), np.nan)
    return {"churn_calls", "call_length"}


def _a_step_on_the_way_out(world: World) -> set[str]:
    """Staff ask for the records of three leavers of four before they leave, and of few others."""
    asked = world.rng.random(len(world.y)) < np.where(world.y == 1, 0.75, 0.005)
    world.X["records_asked_for"] = pd.Categorical(np.where(asked, "Y", "N"))
    return {"records_asked_for"}


def _a_count_that_speaks_of_leaving(world: World) -> set[str]:
    """Letters to win back whoever left: some stayers had one too, and nobody's is blank."""
    n = len(world.y)
    world.X["winback_letters"] = np.where(world.rng.random(n) < np.where(world.y == 1, 0.8, 0.02),
                                          world.rng.integers(1, 4, n), 0)
    return {"winback_letters"}


def _what_is_lost_when_they_leave(world: World) -> set[str]:
    """Something most leavers have none of any more, of which others seldom have none: it alone exceeds .95, and all
    else together knows little."""
    n = len(world.y)
    world.X = world.X.drop(columns=["signal", "tickets", "ticket_mood", "cancellations_365d"])
    emptied = world.rng.random(n) < np.where(world.y == 1, 0.98, 0.01)
    world.X["lessons_lately"] = np.where(emptied, 0, world.rng.poisson(6, n) + 1)
    return {"lessons_lately"}


def _when_what_is_known_only_afterwards_was_so(world: World) -> set[str]:
    """A state that is the answer, and its day, which is filled for all and later for leavers."""
    n = len(world.y)
    world.X["booking_state"] = pd.Categorical(np.where(world.y == 1, "off", world.rng.choice(["in", "out"], n)))
    world.X["booking_state_date"] = world.rng.normal(30, 10, n) - 8 * world.y
    return {"booking_state", "booking_state_date"}


def _the_later_level_with_the_earlier(world: World) -> set[str]:
    """A level after leaving, which exceeds the earlier one of nobody who left: the earlier one is honest."""
    n = len(world.y)
    early = world.rng.poisson(12, n) + 1
    world.X["level_early"] = early
    world.X["level_late"] = early + np.where(world.y == 1, 0, 1 + world.rng.poisson(4, n))
    return {"level_late"}


def _a_step_that_some_leavers_took(world: World) -> set[str]:
    """What half of the leavers did while they left, and one other of a thousand."""
    n = len(world.y)
    world.X["objection"] = (world.rng.random(n) < np.where(world.y == 1, 0.45, 0.001)).astype(float)
    return {"objection"}


PLANTS: dict[str, Plant] = {plant.__name__.strip("_"): plant for plant in (
    _threshold, _almost_a_threshold, _band, _copy_of_the_label, _several_categories, _blank_for_stayers,
    _blank_for_leavers, _sometimes_filled_for_leavers, _sometimes_not_zero_for_leavers, _a_few_exit_surveys,
    _difference, _either_but_not_both, _text_id, _almost_unique_text, _counted_id, _shuffled_id, _id_by_name,
    _sorted_by_label, _score_made_afterwards, _day_of_ending, _made_of_the_same_column,
    _of_the_month_about_which_the_answer_asks, _nearly_the_label, _survey_that_half_of_the_leavers_answered,
    _somebodys_own_score, _health_score, _scores_of_the_answer_whatever_they_are_called,
    _written_down_with_what_is_known_only_afterwards, _filled_for_those_who_stayed, _filled_for_nearly_all_who_left,
    _share_of_leavers_by_branch, _a_step_on_the_way_out,
    _a_count_that_speaks_of_leaving, _what_is_lost_when_they_leave, _when_what_is_known_only_afterwards_was_so,
    _the_later_level_with_the_earlier, _a_step_that_some_leavers_took,
)}
