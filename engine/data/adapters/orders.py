"""Order lines: who bought what, when, for how much; returns, cancellations and corrections told apart.

Names are recognised, among them those of Online Retail I and II and of CDNOW. Without an order id, lines of one
customer at one time are one order. A negative quantity (or, where only amounts are given, a negative amount) is a
return; an invoice that begins with C is a cancellation.
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
    Gathered,
    Role,
    all_parts,
    events_in_chunks,
    extra_role,
    finish,
    sorted_by_role,
    take_all,
    with_extras,
)
from engine.data.adapters.common import (
    ID_FIELD,
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
from engine.data.adapters.events import ITEM, TIMES, take_events
from engine.data.adapters.lines import Lines, Repeated, of_chunks, of_whole, told_of_refused
from engine.data.chunks import Chunks, is_big, open_chunks
from engine.data.parsing import Findings, like
from engine.data.readers import Raw, read_raw
from engine.data.repeats import Repeats
from engine.schema import CUSTOMER_ID, EVENTS, Column, Finding, LabelRule, MoneyRule, Reading, plural

QUIET_DAYS = 90
ORDER_TIMES = ("invoicedate", "orderdate", "orderedat", "ordertime", "purchasedate", "purchasetime", "transactiondate")
AMOUNT_NAMES = ("amount", "dollarvalue", "total", "totalamount", "totalprice", "linetotal", "ordertotal", "ordervalue",
                "value", "revenue", "sales", "spend")
LINE_FIELDS = (
    ID_FIELD,
    Field(EVENTS["at"], (*ORDER_TIMES, *TIMES), required=True),
    Field(Column("order_id", "id", "", "The order the line belongs to"),
          ("invoice", "invoiceno", "invoicenumber", "orderid", "orderno", "ordernumber", "order", "transactionid",
           "basketid"), needed=False),
    Field(ITEM, ("stockcode", "sku", "productid", "product", "item", "itemid"), needed=False),
    Field(EVENTS["quantity"], ("quantity", "qty", "units", "pieces", "numberofcds", "itemcount"), needed=False,
          required=True),
    Field(Column("price", "number", "currency", "Price of a piece"), ("price", "unitprice", "itemprice"), needed=False,
          required=True),
    Field(EVENTS["amount"], AMOUNT_NAMES, needed=False, required=True),
    Field(Column("country", "category", "", "Country of the first order"), ("country",), needed=False),
)
FIRST_ORDER = Column("first_order_at", "date", "UTC", "Time of the first order")
REQUIRED = ("customer_id", "date", "price or amount")


def read(ask: Ask, sources: Sequence[Path]) -> Reading:
    """Orders as events, customers as they first appear, and what further files know of them."""
    gathered = _gather(ask, sources)
    days, assumed = horizon(ask.options, QUIET_DAYS)
    what = "event" if ask.options.get("counted") else "order"
    label = LabelRule("inactivity", days, f"no {what} within {days} days", assumed=assumed)
    note = Finding("note", "label", f"A customer counts as having left after {days} days without an order.",
                   "Give another number of days (Leaving within, or horizon_days in the mapping) if that suits the "
                   "business better.")
    findings = (*gathered.findings, note) if assumed else gathered.findings
    return finish(ask, replace(gathered, findings=findings), label, MoneyRule("", "total"),
                  currency="events" if ask.options.get("counted") else "")


def missing(names: Sequence[str]) -> tuple[str, ...]:
    """What order lines with these columns lack."""
    found = match(LINE_FIELDS, names)
    money = () if {"price", "amount"} & set(found) else ("price or amount",)
    return (*("date" if name == "at" else name for name in lacking(LINE_FIELDS, names)), *money)


def role(names: Sequence[str]) -> Role | None:
    """Past offers, events, order lines, or customers with attributes, by the columns."""
    if not missing(names):
        return extra_role(names) or "orders"
    return extra_role(names) or (None if lacking([ID_FIELD], names) else "customers")


def _told(options: Options) -> dict[str, str]:
    """By canonical name the file's column, where the caller says so: `names` among the options."""
    return {str(name): str(column) for name, column in dict(options.get("names") or {}).items()}


def _gather(ask: Ask, sources: Sequence[Path]) -> Gathered:
    told = set(_told(ask.options).values())

    def plays(names: Sequence[str]) -> Role | None:
        return "orders" if told and told <= set(names) else role(names)

    parts = sorted_by_role(sources, plays, f"order lines need {', '.join(REQUIRED)}", missing)
    raws: list[Raw | Chunks] = []
    lines: list[Taken] = []
    for path in parts["orders"] or parts["events"]:
        raw, taken = _taken(path, len(raws), ask, bool(parts["orders"]))
        raws.append(raw)
        lines.append(taken)
    files = [(raw, one_row_each(take_all(raw, (ID_FIELD,), ask.options), raw))
             for raw in map(read_raw, parts["customers"])]
    customers = _customers(ask, lines, [taken for _, taken in files])
    rest = {**parts, "events": parts["events"] if parts["orders"] else []}
    return with_extras(ask, rest, [*raws, *(raw for raw, _ in files)], customers, lines)


def _taken(path: Path, number: int, ask: Ask, orders: bool) -> tuple[Raw | Chunks, Taken]:
    """A file's order lines or events: as a whole, or a big file's chunk by chunk."""
    if is_big(path):
        chunks = open_chunks(path, Repeats(spool.aside(ask.into, f"repeats-{number}")) if orders else None)
        return chunks, (lines_in_chunks if orders else events_in_chunks)(chunks, number, ask)
    raw = read_raw(path)
    return raw, (take_lines if orders else take_events)(raw, number, ask.options)


# ------------------------------------------------------------------------------------------------------- lines

def take_lines(raw: Raw, number: int, options: Options) -> Taken:
    """The file's lines as events of kind order, return and cancellation; corrections and free lines rejected."""
    part = lines_of(raw, number, options, of_whole)
    names = tuple(raw.frame.columns)
    told = told_of_lines(raw.name, names, line_columns(names, options), kinds_of(part.refused["reason"]), part.repeats)
    rejected = pd.concat([part.taken.rejected, part.refused], ignore_index=True)
    return replace(part.taken, findings=(*part.taken.findings, *told), rejected=rejected)


def lines_of(raw: Raw, number: int, options: Options, repeated: Repeated) -> Lines:
    """The lines of a file or a part of it. `repeated`: which rows equal an earlier one in every column; lines that name
    order and item and do so were exported twice."""
    found = line_columns(tuple(raw.frame.columns), options)
    taken = take(raw, LINE_FIELDS, found, options)
    named = {"order_id", "item_id"} <= set(found)
    again = repeated(raw.frame.loc[taken.frame.index]) if named else np.zeros(len(taken.frame), dtype=bool)
    lines = _priced(taken.frame[~again])
    reasons = _refusals(lines, found)
    fine = (reasons == "").to_numpy()
    refused = rejects(raw, reasons[~fine])
    return Lines(replace(taken, frame=_as_events(lines[fine], number)), refused, int(again.sum()))


def lines_in_chunks(chunks: Chunks, number: int, ask: Ask) -> Taken:
    """What `take_lines` takes, of a big file, the events written aside."""
    taken, cells, refused, repeats = of_chunks(
        chunks, number, ask, lambda raw, again: lines_of(raw, number, ask.options, again))
    found = line_columns(chunks.names, ask.options)
    findings = (*told_of(chunks, LINE_FIELDS, found, cells),
                *told_of_lines(chunks.name, chunks.names, found, refused, repeats))
    return replace(taken, findings=findings)


def line_columns(names: Sequence[str], options: Options) -> dict[str, str]:
    """By canonical name, the column of the file, as told or by its name: price and quantity rather than an amount."""
    found = _told(options) or match(LINE_FIELDS, names)
    if {"price", "quantity"} <= set(found):
        found.pop("amount", None)
    return found


def told_of_lines(file: str, names: Sequence[str], found: dict[str, str], kinds: Mapping[str, int],
                  repeats: int) -> Findings:
    """What was found about the lines beyond their cells."""
    what = f"{plural(repeats, 'line repeats', 'lines repeat')} another in every column."
    again = (Finding("warning", file, what, "One of each was kept.", repeats),) if repeats else ()
    return (*again, *told_of_refused(file, kinds, "line"), *_unused(file, names, found), *_grouping(file, found))


def _priced(frame: pd.DataFrame) -> pd.DataFrame:
    """Every line with quantity, signed amount and order id."""
    quantity = frame["quantity"] if "quantity" in frame else pd.Series(1.0, index=frame.index)
    if not {"amount", "price"} & set(frame):  # a log of events without money: each counts as one
        return frame.assign(quantity=quantity, amount=1.0, order_id=_order_ids(frame))
    amount = frame["amount"] if "amount" in frame else frame["price"] * quantity
    return frame.assign(quantity=quantity, amount=amount, order_id=_order_ids(frame))


def _order_ids(frame: pd.DataFrame) -> pd.Series:
    """The order's id, or customer and time where there is none."""
    own = frame["order_id"] if "order_id" in frame else pd.Series(None, index=frame.index, dtype=object)
    if not own.isna().any():
        return own
    gap = frame[own.isna()]
    return own.fillna(gap["customer_id"] + "@" + gap["at"].dt.strftime("%Y-%m-%dT%H:%M:%S"))


def _refusals(lines: pd.DataFrame, found: dict[str, str]) -> pd.Series:
    """Why a line is no order, return or cancellation; "" where it is one."""
    reasons = pd.Series("", index=lines.index, dtype=object)
    zero = lines["quantity"] == 0
    reasons[zero] = f"{found.get('quantity', 'quantity')} is 0"
    if "price" in found:
        free = lines["price"] <= 0
        name = found["price"]
        reasons[free] = lines.loc[free, "price"].map(lambda price: f"{name}: {price:g} is not above 0")
    if "order_id" in found:
        fixed = like(lines["order_id"], r"[Aa]\d")
        reasons[fixed] = found["order_id"] + ": " + lines.loc[fixed, "order_id"] + " is an adjustment, not an order"
    return reasons


def _unused(file: str, names: Sequence[str], found: dict[str, str]) -> Findings:
    unused = [name for name in names if name not in found.values()]
    if not unused:
        return ()
    what = f"Not used: {', '.join(unused)}."
    return (Finding("note", file, what, "Give customers' attributes in a file of their own."),)


def _grouping(file: str, found: dict[str, str]) -> Findings:
    if "order_id" in found:
        return ()
    return (Finding("note", file, "Lines carry no order id.", "Lines of one customer at one time are one order."),)


def _as_events(lines: pd.DataFrame, number: int) -> pd.DataFrame:
    back = (lines["amount"] < 0) | (lines["quantity"] < 0)
    cancelled = like(lines["order_id"], r"[Cc]\d[^@]*$")
    frame = pd.DataFrame({
        "event_id": f"{number}-" + lines.index.astype(str),
        "customer_id": lines["customer_id"], "at": lines["at"],
        "kind": np.select([cancelled, back], ["cancellation", "return"], "order"),
        "group_id": lines["order_id"], "amount": lines["amount"].abs(), "quantity": lines["quantity"].abs(),
    }, index=lines.index)
    extra = [name for name in (ITEM.name, "country") if name in lines]
    return frame.join(lines[extra])


# --------------------------------------------------------------------------------------------------- customers

def _customers(ask: Ask, lines: Sequence[Taken], files: Sequence[Taken]) -> Taken:
    """One row per customer: first order, its country, and the attributes of the customers' files."""
    known, orders = _first_orders(ask, lines)
    first = orders.rename(columns={"at": FIRST_ORDER.name})
    columns = [FIRST_ORDER, *(field.column for field in LINE_FIELDS if field.name == "country" and "country" in first)]
    frame = known.merge(first[["customer_id", *(column.name for column in columns)]], how="left")
    for taken in files:
        new = [column for column in taken.columns if column.name not in frame and column.name != "customer_id"]
        frame = frame.merge(taken.frame[["customer_id", *(column.name for column in new)]], how="outer")
        columns += new
    frame = frame.sort_values("customer_id", ignore_index=True)
    findings = [*(finding for taken in files for finding in taken.findings), *_without_orders(frame, orders)]
    refused = [taken.rejected for taken in files]
    return Taken(frame, (CUSTOMER_ID, *columns), pd.concat(refused) if refused else pd.DataFrame(), tuple(findings))


def _first_orders(ask: Ask, lines: Sequence[Taken]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Every customer who has a line, and the first order of those who have one."""
    if any(taken.parts for taken in lines):
        known, orders = spool.first_orders(all_parts(ask, lines), ask.into)
        named = any(column.name == "country" for taken in lines for column in taken.columns)
        return known, orders if named else orders.drop(columns="country")
    every = pd.concat([taken.frame for taken in lines], ignore_index=True) if lines else _no_lines()
    orders = every[every["kind"] == "order"].sort_values("at", kind="stable")
    return pd.DataFrame({"customer_id": pd.unique(every["customer_id"])}), orders.drop_duplicates("customer_id")


def _no_lines() -> pd.DataFrame:
    return pd.DataFrame({name: pd.Series(dtype=object) for name in ("customer_id", "at", "kind")})


def _without_orders(customers: pd.DataFrame, orders: pd.DataFrame) -> Findings:
    if not len(orders):
        return (Finding("error", "orders", "No order is left after reading.", "Check the columns that were taken."),)
    count = int(customers[FIRST_ORDER.name].isna().sum())
    if not count:
        return ()
    return (Finding("note", "customers", f"{plural(count, 'customer has', 'customers have')} no order.",
                    "Kept; nothing is predicted for them.", count),)
