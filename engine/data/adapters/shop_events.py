"""Shop events in the schema of REES46's multi-category store: every view, cart and purchase of every visit.

    event_time, event_type, product_id, category_id, category_code, brand, price, user_id, user_session

A purchase is a line of an order (the visit's), one piece at its price. A visit begins with its first event. Rows carry
no id: a view or cart that repeats another in the same second counts once, but a purchase counts as often as it stands,
for two pieces in one basket are two equal rows.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd

from engine.data.adapters import spool
from engine.data.adapters.assemble import (
    Ask,
    Role,
    all_parts,
    finish,
    sorted_by_role,
    take_all,
    with_extras,
)
from engine.data.adapters.common import (
    ID_FIELD,
    IDS,
    Field,
    Options,
    Taken,
    horizon,
    kinds_of,
    lacking,
    match,
    one_row_each,
    rejects,
    take,
    told_of,
)
from engine.data.adapters.events import ITEM
from engine.data.adapters.lines import Lines, Repeated, of_chunks, of_whole, told_of_refused
from engine.data.chunks import Chunks, is_big, open_chunks
from engine.data.parsing import Findings
from engine.data.readers import Raw, read_raw
from engine.data.repeats import Repeats
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
    raws: list[Raw | Chunks] = []
    happened: list[Taken] = []
    for path in parts["events"]:
        raw, taken = _taken(path, len(raws), ask)
        raws.append(raw)
        happened.append(taken)
    files = [(raw, one_row_each(take_all(raw, (ID_FIELD,), ask.options), raw))
             for raw in map(read_raw, parts["customers"])]
    visits, known, first = _who_came(ask, happened)
    customers = _customers(known, first, [one for _, one in files])
    parts = {**parts, "events": [], "customers": []}
    gathered = with_extras(ask, parts, [*raws, *(raw for raw, _ in files)], customers, [*happened, visits])
    days, assumed = horizon(ask.options, QUIET_DAYS)
    label = LabelRule("inactivity", days, f"no order within {days} days", assumed=assumed)
    note = Finding("note", "label", f"A customer counts as having left after {days} days without an order.",
                   "Give another number of days (Leaving within, or horizon_days in the mapping) if that suits the "
                   "business better.")
    return finish(ask, replace(gathered, findings=(*gathered.findings, *((note,) if assumed else ()))), label,
                  MoneyRule("", "total"))


def _taken(path: Path, number: int, ask: Ask) -> tuple[Raw | Chunks, Taken]:
    """A file's events: as a whole, or a big file's chunk by chunk."""
    if is_big(path):
        chunks = open_chunks(path, Repeats(spool.aside(ask.into, f"repeats-{number}")))
        return chunks, shop_events_in_chunks(chunks, number, ask)
    raw = read_raw(path)
    return raw, take_shop_events(raw, number, ask.options)


def take_shop_events(raw: Raw, number: int, options: Options) -> Taken:
    """The file's events as EVENTS; unknown types and purchases without a price are rejected."""
    part = _events_of(raw, number, options, of_whole)
    told = _told_of_events(raw.name, kinds_of(part.refused["reason"]), part.repeats)
    return replace(part.taken, findings=(*part.taken.findings, *told),
                   rejected=pd.concat([part.taken.rejected, part.refused], ignore_index=True))


def shop_events_in_chunks(chunks: Chunks, number: int, ask: Ask) -> Taken:
    """What `take_shop_events` takes, of a big file, the events written aside."""
    taken, cells, refused, repeats = of_chunks(
        chunks, number, ask, lambda raw, again: _events_of(raw, number, ask.options, again))
    findings = (*told_of(chunks, FIELDS, match(FIELDS, chunks.names), cells),
                *_told_of_events(chunks.name, refused, repeats))
    return replace(taken, findings=findings)


def _events_of(raw: Raw, number: int, options: Options, repeated: Repeated) -> Lines:
    """The events of a file or a part of it. `repeated`: which rows equal an earlier one in every column; such views and
    carts count once, purchases as they stand."""
    found = match(FIELDS, raw.frame.columns)
    taken = take(raw, FIELDS, found, options)
    frame = taken.frame.drop(columns="category_id", errors="ignore")
    typed = frame["kind"].str.lower()
    reasons = pd.Series("", index=frame.index, dtype=object)
    unknown = ~typed.isin(KINDS)
    reasons[unknown] = f"{found['kind']}: " + frame.loc[unknown, "kind"] + " is no kind of shop event"
    free = (typed == "purchase") & ~(frame["amount"] > 0)
    reasons[free] = f"{found['amount']} of a purchase is not above 0"
    fine = (reasons == "").to_numpy()
    again = fine & (typed != "purchase").to_numpy() & repeated(raw.frame.loc[frame.index])
    kept = fine & ~again
    events = frame[kept].assign(kind=typed[kept].map(KINDS), quantity=1.0)
    events = events.assign(event_id=f"{number}-" + events.index.astype(str).str.zfill(9))
    return Lines(replace(taken, frame=events), rejects(raw, reasons[~fine]), int(again.sum()))


def _told_of_events(file: str, kinds: Mapping[str, int], repeats: int) -> Findings:
    """What was found about the events beyond their cells."""
    what = f"{plural(repeats, 'row repeats', 'rows repeat')} another in the same second."
    again = (Finding("note", file, what, "One of each was kept; purchases all count.", repeats),) if repeats else ()
    return (*told_of_refused(file, kinds, "row"), *again)


def _who_came(ask: Ask, happened: Sequence[Taken]) -> tuple[Taken, pd.DataFrame, pd.DataFrame]:
    """The visits as events of their own, everybody who came, and of those who ordered the first order (`at`)."""
    if not any(taken.parts for taken in happened):
        every = pd.concat([taken.frame for taken in happened], ignore_index=True)
        orders = every[every["kind"] == "order"]
        first = orders.groupby("customer_id")["at"].min().reset_index()
        return Taken(_visits(every), (), pd.DataFrame(), ()), every[["customer_id"]].drop_duplicates(), first
    parts = all_parts(ask, happened)
    known, first = spool.first_orders(parts, ask.into)
    begun = spool.first_of_groups(parts, "session", len(happened), ask.into)
    columns = pd.DataFrame(columns=["event_id", "customer_id", "at", "kind", "group_id"])
    return Taken(columns, (), pd.DataFrame(), (), parts=begun), known, first.drop(columns="country")


def _visits(events: pd.DataFrame) -> pd.DataFrame:
    """The beginning of each visit as an event of its own: all that is known of a visit when it begins."""
    first = events.sort_values(["at", "event_id"], kind="stable").drop_duplicates(["customer_id", "group_id"])
    return pd.DataFrame({"event_id": "s" + first["event_id"], "customer_id": first["customer_id"], "at": first["at"],
                         "kind": "session", "group_id": first["group_id"], "quantity": np.nan})


def _customers(known: pd.DataFrame, first: pd.DataFrame, files: Sequence[Taken]) -> Taken:
    """Whoever ordered or looked, the time of the first order, and what further files say."""
    frame = known.sort_values("customer_id", ignore_index=True)
    frame = frame.merge(first.rename(columns={"at": FIRST_ORDER.name}), how="left", on="customer_id")
    columns, findings = [CUSTOMER_ID, FIRST_ORDER], list[Finding]()
    for taken in files:
        new = [column for column in taken.columns if column.name not in frame]
        frame = frame.merge(taken.frame[["customer_id", *(column.name for column in new)]], how="left")
        columns += new
        findings += list(taken.findings)
    visitors = int(frame[FIRST_ORDER.name].isna().sum())
    if not len(first):
        findings.append(Finding("error", "event_type", "There is no purchase among the events.",
                                "Give files with purchases: without them nobody is a customer.", visitors))
    elif visitors:
        findings.append(Finding("note", "customers", f"{plural(visitors, 'visitor has', 'visitors have')} never "
                                "ordered.", "Kept; nothing is predicted for them.", visitors))
    return Taken(frame, tuple(columns), pd.DataFrame(), tuple(findings))
