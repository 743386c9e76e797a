"""An invented shop: four years of orders, returns and visits of customers who buy at their own pace and silently stop.

Orders follow the BG/NBD process (Fader, Hardie and Lee, "Counting your customers the easy way", Marketing Science 24,
2005) on a clock that runs faster before Christmas: a customer orders at rate lambda ~ Gamma(r, alpha) and stops for
good after any repeat order with chance p ~ Beta(a, b); they visit in proportion to their pace, and half as often once
they have stopped. On that clock the chance of an order to come is known exactly, for one who knows the customer and
for one who has only seen the orders and visits.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd

from engine.data.demo import people

OBSERVED_UNTIL = datetime(2025, 7, 1)
HISTORY_DAYS = 4 * 365 + 1
WINDOW_DAYS = 90
BEGAN = OBSERVED_UNTIL - timedelta(days=HISTORY_DAYS)

R, ALPHA, A, B = 1.1, 62.0, 0.9, 5.0
SEASON, PEAK_DAY_OF_YEAR = 0.3, 325
ITEMS = 400
LINES_PER_ORDER = 4.0
RETURN_RATE = 0.025
VISITS_PER_ORDER, VISITS_OF_THE_GONE = 1.2, 0.5


@dataclass(frozen=True)
class Clock:
    """Calendar days since the beginning against the shop's own days, of which a busy season holds more."""

    days: np.ndarray
    shop_days: np.ndarray

    @staticmethod
    def seasonal() -> Clock:
        """The clock over the history and the window that follows it: pace 1 + 0.3 cos(2 pi (day - peak) / 365)."""
        days = np.arange(HISTORY_DAYS + WINDOW_DAYS + 1, dtype=float)
        turn = 2 * np.pi * (days[:-1] + BEGAN.timetuple().tm_yday - PEAK_DAY_OF_YEAR) / 365.25
        return Clock(days, np.concatenate([[0.0], np.cumsum(1 + SEASON * np.cos(turn))]))

    def forward(self, day: np.ndarray | float) -> np.ndarray:
        """Shop days at a calendar day."""
        return np.interp(day, self.days, self.shop_days)

    def back(self, shop_day: np.ndarray) -> np.ndarray:
        """Calendar day at a shop day."""
        return np.interp(shop_day, self.shop_days, self.days)


def make(folder: Path, seed: int, customers: int) -> tuple[tuple[Path, ...], Path]:
    """Write orders.csv, events.csv, customers.csv and truth.parquet; returns the sources and the truth."""
    rng = np.random.default_rng(seed)
    clock = Clock.seasonal()
    shoppers = draw_shoppers(customers, clock, rng)
    orders = draw_orders(shoppers, clock, rng)
    past = orders[orders["day"] < HISTORY_DAYS].reset_index(drop=True)
    prices = np.round(rng.lognormal(1.9, 0.75, ITEMS), 2) + 0.5
    popularity = 1 / np.arange(4, ITEMS + 4)
    shelf = pd.DataFrame({"item": [f"SKU-{n:04d}" for n in rng.permutation(ITEMS) + 1], "price": prices.round(2),
                          "share": popularity / popularity.sum()})
    contact = people.contacts(customers, rng)
    lines = order_lines(past, shoppers, shelf, rng)
    browsing = browse(past, shoppers, clock, rng)
    sources = (
        people.write_csv(lines, folder / "orders.csv"),
        people.write_csv(visits(past, browsing, shoppers, rng), folder / "events.csv"),
        people.write_csv(pd.concat([shoppers[["customer_id"]], contact], axis=1), folder / "customers.csv"),
    )
    truth(shoppers, orders, browsing, shelf, clock).to_parquet(folder / "truth.parquet")
    return sources, folder / "truth.parquet"


def draw_shoppers(count: int, clock: Clock, rng: np.random.Generator) -> pd.DataFrame:
    """Who they are: pace [orders per shop day], chance to stop after a repeat order, first day, and habits."""
    first_day = HISTORY_DAYS * rng.random(count) ** 1.5
    return pd.DataFrame({
        "customer_id": people.ids(count, rng),
        "pace": rng.gamma(R, 1 / ALPHA, count),
        "stop": rng.beta(A, B, count),
        "first_shop_day": clock.forward(first_day),
        "pieces": rng.gamma(1.5, 1.0, count),
        "leaves_carts": rng.beta(2.0, 5.0, count),
        "wishes": rng.gamma(0.6, 0.25, count),
        "minutes": rng.gamma(4.0, 2.2, count),
    })


def draw_orders(shoppers: pd.DataFrame, clock: Clock, rng: np.random.Generator) -> pd.DataFrame:
    """Every order from the first to the end of the window: row of the shopper, number of the order, calendar day."""
    span = clock.shop_days[-1] - shoppers["first_shop_day"].to_numpy()
    repeats = rng.poisson(shoppers["pace"].to_numpy() * span)
    row = np.repeat(np.arange(len(shoppers)), repeats)
    at = shoppers["first_shop_day"].to_numpy()[row] + span[row] * rng.random(len(row))
    first = pd.DataFrame({"row": np.arange(len(shoppers)), "shop_day": shoppers["first_shop_day"]})
    orders = pd.concat([first, pd.DataFrame({"row": row, "shop_day": at})], ignore_index=True)
    orders = orders.sort_values(["row", "shop_day"], ignore_index=True)
    orders["number"] = orders.groupby("row").cumcount()
    last = rng.geometric(np.clip(shoppers["stop"].to_numpy(), 1e-9, 1))
    orders = orders[orders["number"] <= last[orders["row"]]].reset_index(drop=True)
    orders["stops"] = orders["number"] == last[orders["row"]]
    orders["day"] = clock.back(orders["shop_day"].to_numpy())
    return orders


def order_lines(orders: pd.DataFrame, shoppers: pd.DataFrame, shelf: pd.DataFrame, rng: np.random.Generator,
                ) -> pd.DataFrame:
    """The lines of each order, and lines sent back up to 25 days later as negative quantities; in order of time."""
    which, item, quantity = _baskets(orders, shoppers, shelf, rng)
    bought = pd.DataFrame({
        "customer_id": shoppers["customer_id"].to_numpy()[orders["row"].to_numpy()[which]],
        "order_id": (100_000 + _rank(orders["day"]))[which].astype(str),
        "item": shelf["item"].to_numpy()[item],
        "at": moment(orders["day"].to_numpy())[which],
        "quantity": quantity,
        "price": shelf["price"].to_numpy()[item],
    })
    back = bought[rng.random(len(bought)) < RETURN_RATE].copy()
    back["at"] += pd.to_timedelta(rng.integers(3 * 1440, 25 * 1440, len(back)), unit="min")
    back["order_id"], back["quantity"] = "R" + back["order_id"], -back["quantity"]
    back = back[back["at"] < OBSERVED_UNTIL]
    return pd.concat([bought, back]).sort_values(["at", "order_id", "item"], kind="stable", ignore_index=True)


def _baskets(orders: pd.DataFrame, shoppers: pd.DataFrame, shelf: pd.DataFrame, rng: np.random.Generator,
             ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row of the order, row of the shelf and pieces of every line; an item taken twice is one line."""
    takes = 1 + rng.poisson((LINES_PER_ORDER - 1) * rng.gamma(1.5, 1 / 1.5, len(orders)))
    which = np.repeat(np.arange(len(orders)), takes)
    item = rng.choice(len(shelf), len(which), p=shelf["share"])
    pieces = 1 + rng.poisson(shoppers["pieces"].to_numpy()[orders["row"].to_numpy()[which]])
    line, same = np.unique(which * len(shelf) + item, return_inverse=True)
    return line // len(shelf), line % len(shelf), np.bincount(same, pieces).astype(int)


def visits(orders: pd.DataFrame, browsing: pd.DataFrame, shoppers: pd.DataFrame,
           rng: np.random.Generator) -> pd.DataFrame:
    """Sessions, carts, carts left behind and wishes: around each order, and between orders while one cares."""
    buying = pd.DataFrame({"row": orders["row"], "day": orders["day"] - 0.004, "buys": True})
    sessions = pd.concat([buying, browsing.assign(buys=False)], ignore_index=True)
    row, buys = sessions["row"].to_numpy(), sessions["buys"].to_numpy()
    leaves = ~buys & (rng.random(len(row)) < shoppers["leaves_carts"].to_numpy()[row])
    wishes = rng.random(len(row)) < np.clip(shoppers["wishes"].to_numpy()[row], 0, 0.9)
    pieces = 1 + rng.poisson(shoppers["pieces"].to_numpy()[row] + 1)
    minutes = np.maximum(0.5, shoppers["minutes"].to_numpy()[row] * rng.gamma(3.0, 1 / 3.0, len(row))).round(1)
    at = moment(sessions["day"].to_numpy())
    parts = [(np.ones(len(row), bool), "session", minutes, 0), (buys | leaves, "cart", pieces, 2),
             (leaves, "cart_abandoned", pieces, 30), (wishes, "wishlist", np.ones(len(row)), 1)]
    events = pd.concat([pd.DataFrame({
        "customer_id": shoppers["customer_id"].to_numpy()[row[happens]], "kind": kind, "amount": np.nan,
        "at": at[happens] + np.timedelta64(after, "m"), "quantity": quantity[happens]})
        for happens, kind, quantity, after in parts], ignore_index=True)
    events = events[events["at"] < OBSERVED_UNTIL].sort_values(["at", "customer_id", "kind"], ignore_index=True)
    return events[["customer_id", "at", "kind", "amount", "quantity"]]


def browse(orders: pd.DataFrame, shoppers: pd.DataFrame, clock: Clock, rng: np.random.Generator) -> pd.DataFrame:
    """Visits without an order, row and calendar day: at the pace of the orders while the customer buys, half as often
    after the last of them."""
    now = float(clock.forward(HISTORY_DAYS))
    start, pace = shoppers["first_shop_day"].to_numpy(), shoppers["pace"].to_numpy()
    end = np.full(len(shoppers), now)
    stopped = orders[orders["stops"]]
    end[stopped["row"]] = stopped["shop_day"]
    caring = _scatter(start, end, VISITS_PER_ORDER * pace, rng)
    gone = _scatter(end, np.full(len(end), now), VISITS_OF_THE_GONE * VISITS_PER_ORDER * pace, rng)
    both = pd.concat([caring, gone], ignore_index=True)
    return pd.DataFrame({"row": both["row"], "day": clock.back(both["shop_day"].to_numpy())})


def _scatter(start: np.ndarray, end: np.ndarray, rate: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Moments of a Poisson process per row between start and end."""
    count = rng.poisson(rate * (end - start))
    row = np.repeat(np.arange(len(start)), count)
    return pd.DataFrame({"row": row, "shop_day": start[row] + (end - start)[row] * rng.random(len(row))})


def truth(shoppers: pd.DataFrame, orders: pd.DataFrame, browsing: pd.DataFrame, shelf: pd.DataFrame,
          clock: Clock) -> pd.DataFrame:
    """What no model may see, per customer (index customer_id), about the 90 days after the last observation.

    churn_probability: no order, for one who knows the customer's own pace, stop chance and whether they stopped.
    churn_probability_from_orders: no order, for one who knows the past orders and the whole population's parameters:
    the best that order history alone can say. churn_probability_from_history: the same for one who has seen the visits
    too: the mean of churn_probability over all customers with this history, so the best that any model can say, and
    what its intervals are to hold.
    """
    past = orders[orders["day"] < HISTORY_DAYS]
    ahead = float(clock.shop_days[-1] - clock.forward(HISTORY_DAYS))
    history = _history(past, shoppers, clock)
    stopped = past.groupby("row")["stops"].any().to_numpy()
    last_day = past.groupby("row")["day"].max().to_numpy()
    pace, stop = shoppers["pace"].to_numpy(), np.clip(shoppers["stop"].to_numpy(), 1e-9, 1)
    expected = np.where(stopped, 0.0, -np.expm1(-pace * stop * ahead) / stop)
    value = LINES_PER_ORDER * (1 + shoppers["pieces"].to_numpy()) * float((shelf["price"] * shelf["share"]).sum())
    bought = np.isin(np.arange(len(shoppers)), orders.loc[orders["day"] >= HISTORY_DAYS, "row"])
    return pd.DataFrame({
        "churn_probability": np.where(stopped, 1.0, np.exp(-pace * ahead)),
        "churn_probability_from_orders": quiet_chance(*history, ahead),
        "churn_probability_from_history": quiet_chance(*history, ahead, *_visits(history, browsing, shoppers, clock)),
        "churned": (~bought).astype(int),
        "pace_per_day": pace, "stop_chance": stop,
        "stopped_at": pd.Series(moment(last_day)).where(stopped).to_numpy(),
        "expected_orders": expected,
        "expected_order_value": value * (1 - RETURN_RATE),
        "expected_spend": expected * value * (1 - RETURN_RATE),
    }, index=pd.Index(shoppers["customer_id"], name="customer_id"))


def _history(past: pd.DataFrame, shoppers: pd.DataFrame, clock: Clock) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Repeat orders, shop days from first to last order, and shop days from the first order to the last observation."""
    by_row = past.groupby("row")
    start = shoppers["first_shop_day"].to_numpy()
    return (by_row.size().to_numpy() - 1, by_row["shop_day"].max().to_numpy() - start,
            float(clock.forward(HISTORY_DAYS)) - start)


def _visits(history: tuple[np.ndarray, np.ndarray, np.ndarray], browsing: pd.DataFrame, shoppers: pd.DataFrame,
            clock: Clock) -> tuple[np.ndarray, np.ndarray]:
    """Visits without an order until the last order, and after it."""
    row = browsing["row"].to_numpy()
    since_first = clock.forward(browsing["day"].to_numpy()) - shoppers["first_shop_day"].to_numpy()[row]
    late = since_first > history[1][row]
    before, after = (np.bincount(row[when], minlength=len(shoppers)) for when in (~late, late))
    return before, after


def quiet_chance(repeats: np.ndarray, last: np.ndarray, age: np.ndarray, ahead: float,
                 before: np.ndarray | None = None, after: np.ndarray | None = None) -> np.ndarray:
    """Chance of no order within the next `ahead` shop days given the order history, and given the visits too.

    With x repeats, the last at t_x, observed until T, the likelihood has a part for those who still buy, A(T) =
    (alpha + T)^-(r + x) (b + x - 1) / a, and for x > 0 one for those who stopped at t_x, D = (alpha + t_x)^-(r + x).
    No order until T + h: (A(T + h) + D) / (A(T) + D). Visits come v times as often as orders, g times that from those
    who stopped: k of them until the last order and m after it raise both powers by k + m, make T in A (1 + v) T (and
    T + h (1 + v) T + h), make t_x in D (1 + v) t_x + g v (T - t_x), and D is multiplied by g^m.

    >>> quiet_chance(np.array([0]), np.array([0.0]), np.array([62.0]), 62.0).round(3).tolist()  # (124 / 186) ** 1.1
    [0.64]
    """
    seen = before is not None and after is not None
    v, g = (VISITS_PER_ORDER if seen else 0.0), VISITS_OF_THE_GONE
    late = after if after is not None else np.zeros(len(repeats))
    power = -(R + repeats + late + (before if before is not None else 0))
    now = (1 + v) * age + ALPHA
    still = np.log((B + repeats - 1) / A) + power * np.log(now)
    later = still + power * np.log((now + ahead) / now)
    stopped = late * np.log(g) + power * np.log(ALPHA + (1 + v) * last + g * v * (age - last))
    gone = np.where(repeats > 0, stopped, -np.inf)
    return np.exp(np.logaddexp(later, gone) - np.logaddexp(still, gone))


def moment(day: np.ndarray) -> np.ndarray:
    """The moment of a day since the beginning, between 8 and 22 o'clock, to the minute."""
    whole = np.floor(day)
    minutes = np.floor(whole * 1440 + 480 + 840 * (day - whole))
    return np.datetime64(BEGAN, "s") + minutes.astype("m8[m]")


def _rank(values: pd.Series) -> np.ndarray:
    return values.rank(method="first").astype(int).to_numpy()
