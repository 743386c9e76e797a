"""The invented shop once more, as REES46 would record it: every view, cart and purchase of every visit, one row each.

Who orders when, who stops, and the chances that are known of it are those of engine/data/demo/shop.py. Around them a
visit is told event by event: products looked at, some put into the cart, some taken out again, one row per piece
bought.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from engine.data.demo import people, shop
from engine.data.demo.shop import HISTORY_DAYS, ITEMS, OBSERVED_UNTIL, Clock

COLUMNS = ("event_time", "event_type", "product_id", "category_id", "category_code", "brand", "price", "user_id",
           "user_session")
CATEGORIES = ("electronics.smartphone", "electronics.audio.headphone", "appliances.kitchen.kettle",
              "appliances.environment.vacuum", "computers.notebook", "apparel.shoes", "furniture.living_room.sofa", "")
BRANDS = ("aurel", "birke", "cendre", "dunlin", "elmet", "fjell", "")
IN_CART, TAKEN_OUT, GAP_SECONDS = 0.7, 0.15, 40


def make(folder: Path, seed: int, customers: int) -> tuple[tuple[Path, ...], Path]:
    """Write events.csv in REES46's nine columns and truth.parquet (shop.truth, by user_id)."""
    rng = np.random.default_rng(seed)
    clock = Clock.seasonal()
    shoppers = shop.draw_shoppers(customers, clock, rng)
    users = 500_000_000 + rng.permutation(4 * customers)[:customers]
    shoppers = shoppers.assign(customer_id=users.astype(str))
    orders = shop.draw_orders(shoppers, clock, rng)
    past = orders[orders["day"] < HISTORY_DAYS].reset_index(drop=True)
    browsing = shop.browse(past, shoppers, clock, rng)
    shelf = products(rng)
    events = pd.concat([buying(past, shoppers, shelf, rng), looking(browsing, shoppers, shelf, rng)])
    people.write_csv(_told(events, shoppers, shelf), folder / "events.csv")
    shop.truth(shoppers, orders, browsing, shelf, clock).to_parquet(folder / "truth.parquet")
    return (folder / "events.csv",), folder / "truth.parquet"


def products(rng: np.random.Generator) -> pd.DataFrame:
    """What is on the shelf: id, category, brand, price, and how often it is taken."""
    popularity = 1 / np.arange(4, ITEMS + 4)
    category = rng.integers(0, len(CATEGORIES), ITEMS)
    return pd.DataFrame({
        "product_id": rng.permutation(np.arange(1_000_000, 1_000_000 + ITEMS)), "category": category,
        "category_id": 2_053_013_552_000_000_000 + category, "brand": rng.choice(BRANDS, ITEMS),
        "price": np.round(rng.lognormal(3.5, 0.8, ITEMS), 2), "share": popularity / popularity.sum(),
    })


def buying(orders: pd.DataFrame, shoppers: pd.DataFrame, shelf: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The visit of each order: each of its products looked at, most put into the cart, and bought piece by piece."""
    which = np.repeat(np.arange(len(orders)), 1 + rng.poisson(1.2, len(orders)))
    item = rng.choice(len(shelf), len(which), p=shelf["share"])
    pieces = 1 + rng.poisson(0.3 * shoppers["pieces"].to_numpy()[orders["row"].to_numpy()[which]])
    cart = rng.random(len(which)) < IN_CART
    line = pd.DataFrame({"visit": which, "item": item, "step": np.arange(len(which))})
    steps = [line.assign(kind="view", part=0), line[cart].assign(kind="cart", part=1),
             line.loc[line.index.repeat(pieces)].assign(kind="purchase", part=2)]
    visit = pd.concat(steps).sort_values(["visit", "step", "part"], kind="stable", ignore_index=True)
    return _placed(visit, orders["day"].to_numpy(), orders["row"].to_numpy(), "o", rng)


def looking(browsing: pd.DataFrame, shoppers: pd.DataFrame, shelf: pd.DataFrame, rng: np.random.Generator
            ) -> pd.DataFrame:
    """Visits without an order: products looked at, sometimes something left in the cart or taken out of it again."""
    count, row = len(browsing), browsing["row"].to_numpy()
    which = np.repeat(np.arange(count), 1 + rng.poisson(2.5, count))
    views = pd.DataFrame({"visit": which, "item": rng.choice(len(shelf), len(which), p=shelf["share"]),
                          "step": np.arange(len(which)), "kind": "view", "part": 0})
    leaves = rng.random(count) < shoppers["leaves_carts"].to_numpy()[row]
    last = views.drop_duplicates("visit", keep="last").reset_index(drop=True)
    carts = last[leaves[last["visit"]]].assign(kind="cart", part=1)
    out = carts[rng.random(len(carts)) < TAKEN_OUT].assign(kind="remove_from_cart", part=2)
    visit = pd.concat([views, carts, out]).sort_values(["visit", "step", "part"], kind="stable", ignore_index=True)
    return _placed(visit, browsing["day"].to_numpy(), row, "b", rng)


def _placed(visit: pd.DataFrame, day: np.ndarray, row: np.ndarray, name: str, rng: np.random.Generator) -> pd.DataFrame:
    """Each event of a visit in its place: seconds after the one before; equal purchases share their second."""
    same = (visit["kind"] == "purchase") & visit.duplicated(["visit", "step", "part"])
    wait = np.where(same | ~visit.duplicated("visit"), 0, 1 + rng.exponential(GAP_SECONDS, len(visit))).astype(int)
    after = pd.Series(wait).groupby(visit["visit"]).cumsum().to_numpy()
    at = shop.moment(day)[visit["visit"]].astype("datetime64[s]") + after.astype("m8[s]")
    return visit.assign(at=at, row=row[visit["visit"]], session=name + visit["visit"].astype(str))


def _told(events: pd.DataFrame, shoppers: pd.DataFrame, shelf: pd.DataFrame) -> pd.DataFrame:
    events = events[events["at"] < OBSERVED_UNTIL].sort_values(["at", "session"], kind="stable")
    item = shelf.iloc[events["item"]]
    visit = pd.util.hash_pandas_object(events["session"], index=False)
    told = pd.DataFrame({
        "event_time": events["at"].dt.strftime("%Y-%m-%d %H:%M:%S UTC").to_numpy(),
        "event_type": events["kind"].to_numpy(), "product_id": item["product_id"].to_numpy(),
        "category_id": item["category_id"].to_numpy(), "category_code": np.array(CATEGORIES)[item["category"]],
        "brand": item["brand"].to_numpy(), "price": item["price"].to_numpy(),
        "user_id": shoppers["customer_id"].to_numpy()[events["row"]],
        "user_session": visit.map(_session).to_numpy(),
    })
    return told[list(COLUMNS)]


def _session(number: int) -> str:
    """A visit's id in the form of a UUID."""
    text = f"{number:016x}{(number * 0x9E3779B97F4A7C15) % 2**64:016x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:32]}"
