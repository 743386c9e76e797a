"""An invented streaming service in KKBox's exact schemas: members, transactions and daily logs, with known truth.

A member holds one subscription after the other. Each runs in a mood, near the one before, that moves how often the
member listens and how likely the next renewal is. At its end the member renews (by itself, or by hand, early or late),
cancels before it, lets it lapse, or a payment fails; some return after more than 30 days. Nothing else decides, so the
chance to leave is known exactly for one who knows the mood and has seen what happened so far.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from engine.data.demo import people

OBSERVED_UNTIL = datetime(2025, 7, 1)
HISTORY_DAYS = 820
ASKED_DAYS, GRACE_DAYS = 30, 30
WINDOW_DAYS = ASKED_DAYS + GRACE_DAYS
BEGAN = OBSERVED_UNTIL - timedelta(days=HISTORY_DAYS)
LAST_DAY = HISTORY_DAYS + WINDOW_DAYS
BLOCK = 10_000

PLANS = np.array([30, 90, 180, 410, 7])
PRICES = np.array([149, 447, 799, 1599, 0])
PLAN_SHARES = np.array([0.88, 0.05, 0.03, 0.04])
TRIAL, TRIES = 4, 0.25
DEARER_FROM, DEARER, DEARER_FELT_DAYS = 470, 1.1, 90
OTHER_PLAN, OTHER_METHOD = 0.03, 0.02
METHODS_BY_ITSELF, METHODS_BY_HAND = np.array([41, 40, 39, 34]), np.array([38, 36, 32, 22])
FAILING = 34
BY_ITSELF = 0.72
RETURNS, BACK_AFTER_CANCELLING = 0.45, 0.10
MOOD_KEPT, MOOD_NOISE = 0.75, 0.66
SEASON, PEAK_DAY_OF_YEAR = 0.25, 45
LATEST_GAP, EARLIEST_GAP = 25, -5


@dataclass(frozen=True)
class Members:
    """Who they are: loyalty and habit are hidden; the rest is in the files or decides what is."""

    msno: np.ndarray
    loyalty: np.ndarray
    habit: np.ndarray
    by_itself: np.ndarray
    plan: np.ndarray
    method: np.ndarray
    discount: np.ndarray
    joined: np.ndarray
    depth: np.ndarray


def make(folder: Path, seed: int, customers: int) -> tuple[tuple[Path, ...], Path]:
    """Write members_v3.csv, transactions.csv, user_logs.csv, contacts.csv and truth.parquet; block by block, so that
    memory does not grow with the number of members."""
    names = ("members_v3", "transactions", "user_logs", "contacts")
    paths = {name: folder / f"{name}.csv" for name in names}
    truths = []
    for place, block in enumerate(blocks(seed, customers)):
        truths.append(block.pop("truth"))
        for name, path in paths.items():
            block[name].to_csv(path, mode="a" if place else "w", header=not place, index=False, lineterminator="\n")
    pd.concat(truths).to_parquet(folder / "truth.parquet")
    return tuple(paths.values()), folder / "truth.parquet"


def blocks(seed: int, customers: int) -> Iterator[dict[str, pd.DataFrame]]:
    """The company, some thousand members at a time: each file's rows and the truth; equal for equal seeds."""
    for place, start in enumerate(range(0, customers, BLOCK)):
        rng = np.random.default_rng([seed, place])
        count = min(BLOCK, customers - start)
        members = draw_members(count, rng)
        terms = live(members, rng)
        yield {
            "members_v3": stated(members, rng), "transactions": transactions(terms, members, rng),
            "user_logs": listening(terms, members, rng),
            "contacts": pd.concat([pd.DataFrame({"msno": members.msno}), people.contacts(count, rng)], axis=1),
            "truth": truth(terms, members),
        }


def draw_members(count: int, rng: np.random.Generator) -> Members:
    """Members with their ways: a third were there before the files begin."""
    loyalty = rng.normal(size=count)
    by_itself = rng.random(count) < BY_ITSELF
    there = rng.random(count) < 0.35
    return Members(
        msno=_msno(count, rng), loyalty=loyalty, habit=0.4 * loyalty + 0.9 * rng.normal(size=count),
        by_itself=by_itself, plan=np.where(by_itself, 0, rng.choice(4, count, p=PLAN_SHARES)),
        method=np.where(by_itself, rng.choice(METHODS_BY_ITSELF, count, p=[0.6, 0.2, 0.1, 0.1]),
                        rng.choice(METHODS_BY_HAND, count, p=[0.5, 0.2, 0.2, 0.1])),
        discount=np.where(rng.random(count) < 0.25, 0.335, 0.0),
        joined=np.where(there, rng.integers(0, 30, count), (HISTORY_DAYS * rng.random(count)).astype(int)),
        depth=rng.beta(6, 3, count))


def _msno(count: int, rng: np.random.Generator) -> np.ndarray:
    """Ids as KKBox writes them: 32 bytes in base64."""
    raw = rng.integers(0, 256, (count, 32), dtype=np.uint8)
    return np.array([base64.b64encode(row.tobytes()).decode() for row in raw], dtype=object)


# ------------------------------------------------------------------------------------------------ subscriptions

def live(members: Members, rng: np.random.Generator) -> pd.DataFrame:
    """Every subscription of every member until after the window that follows the history.

    row (of the member), number, bought, begins, ends [days since the beginning], mood, price, paid, leave_cancel,
    leave_fail, leave_lapse (chances), how ("stays", "cancelled", "payment failed", "lapsed"), cancelled_on,
    ends_early, next_bought.
    """
    count = len(members.msno)
    row, bought, method = np.arange(count), members.joined.copy(), members.method.copy()
    plan = np.where((rng.random(count) < TRIES) & (bought > 30), TRIAL, members.plan)
    begins, mood = bought.copy(), 0.5 * members.loyalty + rng.normal(scale=0.8, size=count)
    number, found = np.zeros(count, dtype=int), []
    while len(row):
        term = _term(members, row, number, bought, begins, mood, plan, method, rng)
        found.append(term)
        after = term[term["next_bought"] <= LAST_DAY]
        back = after["next_bought"] > after["ends"] + GRACE_DAYS
        row, bought = after["row"].to_numpy(), after["next_bought"].to_numpy()
        begins = np.maximum(bought, after["ends"].to_numpy())
        number = after["number"].to_numpy() + 1
        plan, method = _chosen(members, row, after["method"].to_numpy(), rng)
        level = 0.35 * members.loyalty[row]
        mood = level + MOOD_KEPT * (after["mood"].to_numpy() - level) + MOOD_NOISE * rng.normal(size=len(row))
        mood = np.where(back, level + rng.normal(scale=0.8, size=len(row)), mood)
    return pd.concat(found, ignore_index=True).sort_values(["row", "number"], ignore_index=True)


def _chosen(members: Members, row: np.ndarray, before: np.ndarray, rng: np.random.Generator
            ) -> tuple[np.ndarray, np.ndarray]:
    """The next subscription's plan and way of paying: mostly as ever."""
    count = len(row)
    other = np.where(members.by_itself[row], rng.choice(METHODS_BY_ITSELF, count), rng.choice(METHODS_BY_HAND, count))
    plan = np.where(rng.random(count) < OTHER_PLAN, rng.choice(4, count, p=PLAN_SHARES), members.plan[row])
    return plan, np.where(rng.random(count) < OTHER_METHOD, other, before)


def _term(members: Members, row: np.ndarray, number: np.ndarray, bought: np.ndarray, begins: np.ndarray,
          mood: np.ndarray, plan: np.ndarray, method: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """One subscription of each of these members, and what becomes of it."""
    ends = begins + PLANS[plan]
    price = np.where(bought >= DEARER_FROM, np.round(DEARER * PRICES[plan]), PRICES[plan]).astype(int)
    term = pd.DataFrame({"row": row, "number": number, "bought": bought, "begins": begins, "ends": ends, "mood": mood,
                         "days": PLANS[plan], "price": price, "method": method,
                         "paid": np.round(price * (1 - members.discount[row])).astype(int)})
    chances = leaving(members, term)
    draw, edges = rng.random(len(row)), chances.cumsum(axis=1)
    how = np.select([draw < edges["cancelled"], draw < edges["payment failed"], draw < edges["lapsed"]],
                    ["cancelled", "payment failed", "lapsed"], "stays")
    span = np.maximum(ends - np.maximum(begins, bought) - 1, 1)
    cancelled_on = ends - 1 - (span * rng.random(len(row))).astype(int)
    early = (how == "cancelled") & (rng.random(len(row)) < 0.3)
    over = np.where(early, cancelled_on, ends)
    gap = np.where(members.by_itself[row], rng.integers(-1, 1, len(row)), _gaps(len(row), rng))
    soon = over + rng.integers(1, 21, len(row))
    late = over + GRACE_DAYS + 1 + rng.exponential(80, len(row)).astype(int)
    never = np.full(len(row), LAST_DAY + 1)
    back = np.where((how == "cancelled") & (rng.random(len(row)) < BACK_AFTER_CANCELLING), soon,
                    np.where(rng.random(len(row)) < RETURNS, late, never))
    return term.assign(how=how, cancelled_on=np.where(how == "cancelled", cancelled_on, -1), ends_early=early,
                       next_bought=np.where(how == "stays", np.maximum(ends + gap, bought + 1), back))


def _gaps(count: int, rng: np.random.Generator) -> np.ndarray:
    """Days from the end of a subscription to its renewal by hand: a few early, most within days, some late."""
    return np.clip(EARLIEST_GAP + rng.geometric(0.14, count), EARLIEST_GAP, LATEST_GAP)


def leaving(members: Members, term: pd.DataFrame) -> pd.DataFrame:
    """The chances that the subscription ends by cancelling, by a failed payment or by lapsing, for one who knows it."""
    row, renewed = term["row"].to_numpy(), np.log1p(term["number"].to_numpy())
    turn = 2 * np.pi * (term["ends"].to_numpy() + BEGAN.timetuple().tm_yday - PEAK_DAY_OF_YEAR) / 365.25
    push = (-1.25 * term["mood"].to_numpy() - 0.35 * members.loyalty[row] - 0.45 * renewed
            + SEASON * np.cos(turn) + 0.4 * (members.discount[row] > 0) + 0.9 * (term["price"] == 0).to_numpy())
    bought = term["bought"].to_numpy()
    push = push + 0.7 * ((bought >= DEARER_FROM) & (bought < DEARER_FROM + DEARER_FELT_DAYS) & (renewed > 0))
    itself = members.by_itself[row]
    chosen = 1 / (1 + np.exp(-(np.where(itself, -2.7, -1.15) + push)))
    fails = np.where(itself, np.where(term["method"] == FAILING, 0.08, 0.015), 0.0)
    return pd.DataFrame({"cancelled": np.where(itself, chosen, 0.15 * chosen), "payment failed": fails * (1 - chosen),
                         "lapsed": np.where(itself, 0.0, 0.85 * chosen)}, index=term.index)


# ------------------------------------------------------------------------------------------------------- files

def transactions(terms: pd.DataFrame, members: Members, rng: np.random.Generator,
                 until: int = HISTORY_DAYS) -> pd.DataFrame:
    """transactions: subscriptions and cancellations before `until` [days since the beginning], in no order."""
    shared = pd.DataFrame({
        "msno": members.msno[terms["row"]], "payment_method_id": terms["method"],
        "payment_plan_days": terms["days"], "plan_list_price": terms["price"], "actual_amount_paid": terms["paid"],
        "is_auto_renew": members.by_itself[terms["row"]].astype(int),
    })
    bought = shared.assign(day=terms["bought"], expires=terms["ends"], is_cancel=0)
    gone = shared.assign(day=terms["cancelled_on"], is_cancel=1,
                         expires=np.where(terms["ends_early"], terms["cancelled_on"], terms["ends"]))
    every = pd.concat([bought, gone[terms["how"] == "cancelled"]], ignore_index=True)
    every = every[every["day"] < until]
    every = every.assign(transaction_date=_date(every["day"]), membership_expire_date=_date(every["expires"]))
    columns = [*shared.columns, "transaction_date", "membership_expire_date", "is_cancel"]
    return every[columns].iloc[rng.permutation(len(every))].reset_index(drop=True)


def _date(days: pd.Series | np.ndarray) -> np.ndarray:
    """Days since the beginning as YYYYMMDD."""
    when = pd.DatetimeIndex(pd.Timestamp(BEGAN) + pd.to_timedelta(np.asarray(days), unit="D"))
    return np.asarray(when.year * 10_000 + when.month * 100 + when.day)


def listening(terms: pd.DataFrame, members: Members, rng: np.random.Generator) -> pd.DataFrame:
    """user_logs: one row per member and day with listening, in order of time."""
    begins, ends = terms["begins"].to_numpy(), np.minimum(terms["ends"].to_numpy(), HISTORY_DAYS)
    ends = np.where(terms["ends_early"], np.minimum(ends, terms["cancelled_on"]), ends)
    span = np.maximum(ends - begins, 0)
    which = np.repeat(np.arange(len(terms)), span)
    day = np.arange(len(which)) - np.repeat(np.cumsum(span) - span, span) + begins[which]
    row, mood = terms["row"].to_numpy()[which], terms["mood"].to_numpy()[which]
    active = rng.random(len(which)) < 1 / (1 + np.exp(0.5 - 0.9 * members.habit[row] - 1.1 * mood))
    row, mood, day = row[active], mood[active], day[active]
    order = np.lexsort((row, day))
    return _plays(members.msno[row[order]], mood[order], members.depth[row[order]], day[order], rng)


def _plays(msno: np.ndarray, mood: np.ndarray, depth: np.ndarray, day: np.ndarray,
           rng: np.random.Generator) -> pd.DataFrame:
    begun = 1 + rng.poisson(np.exp(2.6 + 0.35 * mood) * rng.gamma(2.0, 0.5, len(day)))
    full = rng.binomial(begun, np.clip(depth + 0.06 * mood, 0.05, 0.97))
    rest = begun - full
    early = rng.binomial(rest, 0.7)
    half = rng.binomial(rest - early, 0.6)
    most = rng.binomial(rest - early - half, 0.6)
    nearly = rest - early - half - most
    seconds = full * 235.0 + nearly * 231.0 + most * 150.0 + half * 80.0 + early * 25.0
    return pd.DataFrame({
        "msno": msno, "date": _date(day), "num_25": early, "num_50": half, "num_75": most, "num_985": nearly,
        "num_100": full, "num_unq": 1 + rng.binomial(begun - 1, 0.85),
        "total_secs": np.minimum(seconds * rng.normal(1.0, 0.05, len(day)).clip(0.7, 1.3), 86_000).round(3),
    })


def stated(members: Members, rng: np.random.Generator) -> pd.DataFrame:
    """members_v3: most state neither age nor gender."""
    count = len(members.msno)
    age = np.where(rng.random(count) < 0.6, 0, rng.integers(14, 65, count))
    gender = np.where(rng.random(count) < 0.6, "", rng.choice(["female", "male"], count))
    before = members.joined - rng.exponential(60, count).astype(int)
    return pd.DataFrame({
        "msno": members.msno, "city": rng.choice([1, 4, 5, 13, 15, 22], count, p=[0.6, 0.08, 0.08, 0.1, 0.08, 0.06]),
        "bd": age, "gender": gender, "registered_via": rng.choice([3, 4, 7, 9], count, p=[0.2, 0.1, 0.45, 0.25]),
        "registration_init_time": _date(before),
    })


# ------------------------------------------------------------------------------------------------------- truth

def truth(terms: pd.DataFrame, members: Members) -> pd.DataFrame:
    """What no model may see, of each member whose membership runs out in the 30 days asked about (index msno).

    churned: whether no new subscription came within 30 days of its end. churn_probability: its chance at the end of
    the history, for one who knows the member's mood and has seen whether the member has cancelled or renewed already.
    """
    now = HISTORY_DAYS
    known = terms[terms["bought"] < now].groupby("row").tail(1)
    pulled = (known["how"] == "cancelled") & known["ends_early"] & (known["cancelled_on"] < now)
    asked = known[~pulled & (known["ends"] >= now) & (known["ends"] < now + ASKED_DAYS)]
    over = np.where(asked["ends_early"], asked["cancelled_on"], asked["ends"])
    return pd.DataFrame({
        "churned": (asked["next_bought"] - over >= GRACE_DAYS).astype(int).to_numpy(),
        "churn_probability": _chance(asked, members, now), "how": asked["how"].to_numpy(),
    }, index=pd.Index(members.msno[asked["row"]], name="msno"))


def _chance(asked: pd.DataFrame, members: Members, now: int) -> np.ndarray:
    """Bayes' rule over what has not happened yet: no cancellation so far, no renewal so far."""
    chances = leaving(members, asked)
    begun = np.asarray(np.maximum(asked["begins"], asked["bought"]))
    span = np.maximum(asked["ends"].to_numpy() - begun - 1, 1)
    open_days = np.clip(asked["ends"].to_numpy() - now, 0, span) / span
    itself = members.by_itself[asked["row"]]
    leaves = np.asarray(chances.sum(axis=1))
    cancels = chances["cancelled"].to_numpy() * open_days
    later = _share_renewing_later(asked, itself, now)
    gone = cancels * (1 - BACK_AFTER_CANCELLING) + chances["payment failed"] + chances["lapsed"]
    here = (1 - leaves) * later + cancels * BACK_AFTER_CANCELLING
    silent = np.asarray(gone / (gone + here))
    has_cancelled = (asked["how"] == "cancelled").to_numpy() & (asked["cancelled_on"] < now).to_numpy()
    return np.where(has_cancelled, 1 - BACK_AFTER_CANCELLING, silent)


def _share_renewing_later(asked: pd.DataFrame, itself: np.ndarray, now: int) -> np.ndarray:
    """Of those who renew, the share whose renewal had not come by now: it comes up to five days before the end."""
    left = asked["ends"].to_numpy() - now
    by_itself = np.where(left == 0, 0.5, 1.0)
    early = np.array([1 - (1 - 0.14) ** max(day, 0) for day in (-left - EARLIEST_GAP - 1)])
    return np.where(itself, by_itself, 1 - early)
