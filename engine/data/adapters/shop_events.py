"""Shop events in the schema of REES46's multi-category store: every view, cart and purchase of every visit.

    event_time, event_type, product_id, category_id, category_code, brand, price, user_id, user_session

A purchase is a line of an order (the visit's), one piece at its price. A visit begins with its first event. Rows carry
no id: a view or cart that repeats another in the same second counts once, but a purchase counts as often as it stands,
for two pieces in one basket are two equal rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from engine.data.adapters.assemble import Ask, Role, finish, sorted_by_role, take_all, with_extras
from engine.data.adapters.common import (
    ID_FIELD,
    IDS,
    Field,
    Options,
    Taken,
    horizon,
    lacking,
    match,
    one_row_each,
    rejects,
    take,
)
from engine.data.adapters.events import ITEM
from engine.data.parsing import Findings
from engine.data.readers import Raw, read_raw
from engine.errors import EngineError
from engine.schema import CUSTOMER_ID, EVENT_EXTRAS, EVENTS, Column, Finding, LabelRule, MoneyRule, Reading, plural

QUIET_DAYS = 90
KINDS = {"view": "view", "cart": "cart", "remove_from_cart": "cart_removed", "purchase": "order"}
EXTRA = {column.name: column for column in EVENT_EXTRAS}
FIRST_ORDER = Column("first_order_at", "date", "UTC", "Time of the first order")
FIELDS = (
    Field(CUSTOMER_ID, ("userid", *IDS), required=True),
    Field(EVENTS["at"], ("eventtime",), required=True),
    Field(EVENTS["kind"], ("eventtype",), required=True),
    Field(ITEM, ("productid",), required=True),
    Field(Column("category_id", "id", "", "The category's own id"), needed=False),
    Field(EXTRA["category"], ("categorycode",)),
    Field(EXTRA["brand"], ("brand",)),
    Field(EVENTS["amount"], ("price",), strict=False),
    Field(EVENTS["group_id"], ("usersession",), required=True),
)
_WRITTEN = {"customer_id": "user_id", "at": "event_time", "kind": "event_type", "item_id": "product_id",
            "category": "category_code", "amount": "price", "group_id": "user_session"}
REQUIRED = ("event_time", "event_type", "product_id", "category_code", "brand", "price", "user_id", "user_session")


def missing(names: Sequence[str]) -> tuple[str, ...]:
    """What shop events with these columns lack, under the names of the published files."""
    return tuple(_WRITTEN.get(name, name) for name in lacking(FIELDS, names))


def role(names: Sequence[str]) -> Role | None:
    """Shop events ("events"), or customers with attributes, by the columns."""
    if not lacking(FIELDS, names):
        return "events"
    return None if lacking([ID_FIELD], names) else "customers"


def read(ask: Ask, sources: Sequence[Path]) -> Reading:
    """Purchases as orders, beside them all that led to them; leaving is no order within the horizon."""
    parts = sorted_by_role(sources, role, f"shop events need {', '.join(REQUIRED)}")
    if not parts["events"]:
        raise EngineError(f"None of the files holds shop events. Give one with {', '.join(REQUIRED)}.")
    raws = [read_raw(path) for path in parts["events"]]
    taken = [take_shop_events(raw, number, ask.options) for number, raw in enumerate(raws)]
    files = [(raw, one_row_each(take_all(raw, (ID_FIELD,), ask.options), raw))
             for raw in map(read_raw, parts["customers"])]
    every = pd.concat([one.frame for one in taken], ignore_index=True)
    customers = _customers(every, [one for _, one in files])
    visits = Taken(_visits(every), (), pd.DataFrame(), ())
    parts = {**parts, "events": [], "customers": []}
    gathered = with_extras(ask, parts, [*raws, *(raw for raw, _ in files)], customers, [*taken, visits])
    days, assumed = horizon(ask.options, QUIET_DAYS)
    label = LabelRule("inactivity", days, f"no order within {days} days", assumed=assumed)
    note = Finding("note", "label", f"A customer counts as having left after {days} days without an order.",
                   "Give another number of days (horizon_days in the mapping) if that suits the business better.")
    return finish(ask, replace(gathered, findings=(*gathered.findings, *((note,) if assumed else ()))), label,
                  MoneyRule("", "total"))


def take_shop_events(raw: Raw, number: int, options: Options) -> Taken:
    """The file's events as EVENTS; unknown types and purchases without a price are rejected."""
    found = match(FIELDS, raw.frame.columns)
    taken = take(raw, FIELDS, found, options)
    frame = taken.frame.drop(columns="category_id", errors="ignore")
    typed = frame["kind"].str.lower()
    reasons = pd.Series("", index=frame.index, dtype=object)
    unknown = ~typed.isin(KINDS)
    reasons[unknown] = f"{found['kind']}: " + frame.loc[unknown, "kind"] + " is no kind of shop event"
    free = (typed == "purchase") & ~(frame["amount"] > 0)
    reasons[free] = f"{found['amount']} of a purchase is not above 0"
    kept = (reasons == "").to_numpy()
    events = frame[kept].assign(kind=typed[kept].map(KINDS), quantity=1.0)
    events, repeated = _once(events, raw)
    events = events.assign(event_id=f"{number}-" + events.index.astype(str).str.zfill(9))
    return replace(taken, frame=events, findings=(*taken.findings, *_refused(reasons[~kept], raw), *repeated),
                   rejected=pd.concat([taken.rejected, rejects(raw, reasons[~kept])], ignore_index=True))


def _refused(reasons: pd.Series, raw: Raw) -> Findings:
    sorts = reasons.str.replace(r": .* is no ", " is no ", regex=True).value_counts()
    return tuple(Finding("note", raw.name, f"{plural(int(count), 'row was', 'rows were')} rejected: {sort}.",
                         "See the rejected rows.", int(count)) for sort, count in sorts.items())


def _once(events: pd.DataFrame, raw: Raw) -> tuple[pd.DataFrame, Findings]:
    """Views and carts that repeat another exactly once; purchases as they stand."""
    repeated = events.duplicated() & (events["kind"] != "order")
    if not repeated.any():
        return events, ()
    count = int(repeated.sum())
    return events[~repeated], (Finding("note", raw.name, f"{plural(count, 'row repeats', 'rows repeat')} another in "
                                       "the same second.", "One of each was kept; purchases all count.", count),)


def _visits(events: pd.DataFrame) -> pd.DataFrame:
    """The beginning of each visit as an event of its own: all that is known of a visit when it begins."""
    first = events.sort_values(["at", "event_id"], kind="stable").drop_duplicates(["customer_id", "group_id"])
    return pd.DataFrame({"event_id": "s" + first["event_id"], "customer_id": first["customer_id"], "at": first["at"],
                         "kind": "session", "group_id": first["group_id"], "quantity": np.nan})


def _customers(events: pd.DataFrame, files: Sequence[Taken]) -> Taken:
    """Whoever ordered or looked, the time of the first order, and what further files say."""
    orders = events[events["kind"] == "order"]
    frame = pd.DataFrame({"customer_id": np.sort(events["customer_id"].unique())})
    first = orders.groupby("customer_id")["at"].min().rename(FIRST_ORDER.name)
    frame, columns, findings = frame.merge(first, how="left", on="customer_id"), [CUSTOMER_ID, FIRST_ORDER], []
    for taken in files:
        new = [column for column in taken.columns if column.name not in frame]
        frame = frame.merge(taken.frame[["customer_id", *(column.name for column in new)]], how="left")
        columns += new
        findings += list(taken.findings)
    visitors = int(frame[FIRST_ORDER.name].isna().sum())
    if not len(orders):
        findings.append(Finding("error", "event_type", "There is no purchase among the events.",
                                "Give files with purchases: without them nobody is a customer.", len(events)))
    elif visitors:
        findings.append(Finding("note", "customers", f"{plural(visitors, 'visitor has', 'visitors have')} never "
                                "ordered.", "Kept; nothing is predicted for them.", visitors))
    return Taken(frame, tuple(columns), pd.DataFrame(), tuple(findings))
