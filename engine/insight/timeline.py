"""What happened with one customer, when: by month and kind, and the latest of it in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from engine.data.corrections import IMPUTED
from engine.insight.source import Scope
from engine.permissions import allow
from engine.schema import Actor, plural, to_the_cent
from engine.schema.stored import rows_of

TROUBLE = frozenset({"return", "cancellation", "payment_failure", "ticket", "cart_abandoned",
                     "subscription_cancelled"})
KINDS: Mapping[str, str] = {
    "order": "Orders", "return": "Returns", "cancellation": "Cancellations", "payment": "Payments",
    "payment_failure": "Failed payments", "usage": "Use", "ticket": "Tickets", "session": "Visits", "cart": "Carts",
    "cart_abandoned": "Carts left behind", "wishlist": "Wishlist", "view": "Products looked at",
    "cart_removed": "Taken out of the cart", "subscription": "Subscriptions",
    "subscription_cancelled": "Subscriptions cancelled", "play": "Days of listening", "activity": "Use",
}
NOUNS: Mapping[str, tuple[str, ...]] = {
    "payment_failure": ("failed payment",), "session": ("visit",), "cart_abandoned": ("abandoned cart",),
    "wishlist": ("product wished for", "products wished for"),
    "cart_removed": ("product taken out", "products taken out"),
    "view": ("product looked at", "products looked at"), "play": ("day", "days"), "activity": ("use", "uses"),
    "subscription_cancelled": ("cancelled subscription",),
}
UNTOLD_WORTH = frozenset({"view"})
HAPPENED = ["customer_id", "at", "kind", "group_id", "amount", "quantity"]


@dataclass(frozen=True)
class Timeline:
    """What happened before the run's moment.

    months: month (its first day), kind, name, trouble, events, amount [currency], quantity (the kind's own unit: mean
    of tickets, sum of all else), words; one row per month and kind. latest: at, kind, name, words, the newest first.
    """

    months: pd.DataFrame
    latest: pd.DataFrame
    events: int


def timeline_of(scope: Scope, customer_id: str, latest: int = 9, *, actor: Actor) -> Timeline | None:
    """The customer's events; None where the dataset has none at all. Only this customer's are read."""
    allow(actor, "customers")
    if scope.dataset.events is None:
        return None
    rows = rows_of(scope.dataset.events, [customer_id], HAPPENED)
    once = _once(rows[rows["at"] < scope.run.as_of])
    currency = scope.dataset.currency
    newest = once.sort_values("at", ascending=False, kind="stable").head(latest).reset_index(drop=True)
    newest["words"] = [_words(row, currency) for row in newest.to_dict("records")]
    return Timeline(_months(once, currency), newest[["at", "kind", "name", "words"]], len(once))


def _once(rows: pd.DataFrame) -> pd.DataFrame:
    """The lines of one order as one event."""
    group = rows["group_id"].fillna(pd.Series(rows.index.astype(str), index=rows.index))
    once = rows.assign(group=group).groupby(["kind", "group"], sort=False, as_index=False).agg(
        at=("at", "min"), amount=("amount", "sum"), quantity=("quantity", "sum"))
    return once.assign(name=once["kind"].map(KINDS).fillna(once["kind"]))


def _months(once: pd.DataFrame, currency: str) -> pd.DataFrame:
    month = once["at"].dt.to_period("M").dt.start_time
    table = once.assign(month=month).groupby(["month", "kind", "name"], as_index=False).agg(
        events=("at", "size"), amount=("amount", "sum"), quantity=("quantity", "sum"))
    tickets = table["kind"] == "ticket"
    table.loc[tickets, "quantity"] = table["quantity"] / table["events"]
    words = [_month_words(row, currency) for row in table.to_dict("records")]
    return table.assign(trouble=table["kind"].isin(TROUBLE), words=words)


def _month_words(row: Mapping[Any, Any], currency: str) -> str:
    """A month of one kind in words: "2 orders, £120.50"."""
    kind, count, quantity = row["kind"], int(row["events"]), row["quantity"]
    if kind == "usage":
        return f"{quantity:,.0f} GB used"
    if kind == "ticket":
        return f"{plural(count, 'ticket')}, {_mood(quantity)}"
    if kind == "play":
        return f"{plural(count, 'day')} of listening, {quantity / 60:,.1f} hours"
    if kind in UNTOLD_WORTH:
        return plural(count, *NOUNS[kind])
    worth = f", {to_the_cent(row['amount'], currency)}" if row["amount"] else ""
    return plural(count, *NOUNS.get(kind, (kind.replace("_", " "),))) + worth


def _words(row: Mapping[Any, Any], currency: str) -> str:
    """One event as a sentence, which says so where a correction imputed it."""
    tell = SENTENCES.get(row["kind"])
    told = tell(row, to_the_cent(row["amount"], currency)) if tell else str(row["kind"]).replace("_", " ").capitalize()
    return f"Not recorded, imputed: {told}" if str(row.get("group", "")).startswith(IMPUTED) else told


def _pieces(row: Mapping[str, Any]) -> str:
    return plural(round(row["quantity"]), "piece")


SENTENCES: Mapping[str, Callable[[Mapping[str, Any], str], str]] = {
    "order": lambda row, paid: f"Ordered {_pieces(row)} for {paid}",
    "return": lambda row, paid: f"Sent back {_pieces(row)} worth {paid}",
    "cancellation": lambda row, paid: f"Cancelled {_pieces(row)} worth {paid}",
    "payment": lambda _row, paid: f"Paid {paid}",
    "payment_failure": lambda _row, paid: f"A payment of {paid} failed",
    "usage": lambda row, _paid: f"Used {row['quantity']:,.0f} GB",
    "ticket": lambda row, _paid: f"Wrote to support, {_mood(row['quantity'])}",
    "session": lambda row, _paid: f"Visited for {plural(round(row['quantity']), 'minute')}",
    "cart": lambda row, _paid: f"Filled a cart with {_pieces(row)}",
    "cart_abandoned": lambda row, _paid: f"Left a cart with {_pieces(row)} behind",
    "wishlist": lambda row, _paid: f"Put {_pieces(row)} on the wishlist",
    "view": lambda _row, price: f"Looked at a product for {price}",
    "cart_removed": lambda row, _paid: f"Took {_pieces(row)} out of the cart",
    "subscription": lambda row, paid: f"Bought {plural(round(row['quantity']), 'day')} of subscription for {paid}",
    "subscription_cancelled": lambda _row, _paid: "Cancelled the subscription",
    "play": lambda row, _paid: f"Listened for {plural(round(row['quantity']), 'minute')}",
    "activity": lambda row, _paid: f"Used the product ({row['quantity']:,.0f})",
}


def _mood(sentiment: float) -> str:
    """Sentiment in words.

    >>> _mood(-0.7), _mood(0.1)
    ('angry (-0.70)', 'neutral (+0.10)')
    """
    moods = ((-0.5, "angry"), (-0.15, "unhappy"), (0.15, "neutral"), (0.5, "content"))
    word = next((name for below, name in moods if sentiment < below), "pleased")
    return f"{word} ({sentiment:+.2f})"
