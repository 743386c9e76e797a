"""Extra sources: what happened to customers, and which offers they were made; both recognised by their columns."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace

import pandas as pd
import pyarrow as pa

from engine.data.adapters.common import ID_FIELD, Field, Options, Taken, lacking, match, other_fields, rejects, take
from engine.data.adapters.spool import as_table
from engine.data.readers import Raw
from engine.schema import EVENT_EXTRAS, EVENT_KINDS, EVENTS, OFFER_HISTORY, Finding, plural

TIMES = ("at", "time", "timestamp", "datetime", "date", "eventtime", "happenedat", "createdat")
ITEM = next(column for column in EVENT_EXTRAS if column.name == "item_id")
EVENT_FIELDS = (
    ID_FIELD,
    Field(EVENTS["at"], TIMES, required=True),
    Field(EVENTS["kind"], ("kind", "eventtype", "eventkind"), required=True),
    Field(EVENTS["group_id"], ("groupid", "orderid", "sessionid"), needed=False),
    Field(EVENTS["amount"], ("amount",), needed=False),
    Field(EVENTS["quantity"], ("quantity",), needed=False),
    Field(ITEM, ("itemid", "productid", "sku"), needed=False),
    Field(replace(EVENTS["event_id"], nullable=True), ("eventid",), needed=False),
)
OFFER_FIELDS = (
    ID_FIELD,
    Field(OFFER_HISTORY["offered_at"], ("offeredat", "offerdate"), required=True),
    Field(OFFER_HISTORY["treatment"], ("treatment", "offer"), required=True),
    Field(OFFER_HISTORY["propensity"], ("propensity",), needed=False),
    Field(OFFER_HISTORY["churned"], ("churned", "churn"), needed=False),
    Field(OFFER_HISTORY["margin"], ("margin",), needed=False),
)
UNKNOWN = "customer {0!r} is unknown"


def are_events(names: Iterable[str]) -> bool:
    """Whether a file with these columns holds events: customer_id, at and kind."""
    return not lacking(EVENT_FIELDS, names)


def are_offers(names: Iterable[str]) -> bool:
    """Whether a file with these columns holds past offers: customer_id, offered_at and treatment."""
    return not lacking(OFFER_FIELDS, names)


def take_events(raw: Raw, number: int, options: Options) -> Taken:
    """The file's events as EVENTS; without ids of their own they are called by source `number` and row."""
    taken, unknown = events_of(raw, number, options)
    refused = rejects(raw, unknown)
    findings = (*taken.findings, *told_of_kinds(raw.name, len(unknown), "".join(unknown.iloc[:1]), len(taken.frame)))
    return replace(taken, rejected=pd.concat([taken.rejected, refused], ignore_index=True), findings=findings)


def events_of(raw: Raw, number: int, options: Options) -> tuple[Taken, pd.Series]:
    """The events of a file or a part of it, and by row why an event of an unknown kind was left out."""
    found = match(EVENT_FIELDS, raw.frame.columns)
    taken = take(raw, EVENT_FIELDS, found, options)
    frame = taken.frame.assign(kind=taken.frame["kind"].str.lower())
    unknown = frame.loc[~frame["kind"].isin(EVENT_KINDS), "kind"]
    why = unknown.map(lambda kind: f"{found['kind']}: {kind!r} is no kind of event")
    return replace(taken, frame=_complete(_positive(frame.drop(index=unknown.index)), number)), why


def told_of_kinds(name: str, count: int, first: str, known: int) -> tuple[Finding, ...]:
    """A finding where events were left out for their kind, `first` why; an error where they outnumber the `known`."""
    if not count:
        return ()
    example = re.sub(r"^.*?: | is no kind of event$", "", first)
    what = f"{plural(count, 'event has', 'events have')} an unknown kind such as {example}."
    fix = f"Use one of: {', '.join(EVENT_KINDS)}."
    return (Finding("error" if count > known else "warning", name, what, fix, count),)


def _positive(frame: pd.DataFrame) -> pd.DataFrame:
    """Returns and cancellations are positive; their kind says the direction."""
    back = frame["kind"].isin(["return", "cancellation"])
    for name in {"amount", "quantity"} & set(frame.columns):
        frame[name] = frame[name].mask(back, frame[name].abs())
    return frame


def _complete(frame: pd.DataFrame, number: int) -> pd.DataFrame:
    own = f"{number}-" + frame.index.astype(str).to_series(index=frame.index)
    ids = frame["event_id"].fillna(own) if "event_id" in frame else own
    return frame.assign(event_id=ids)


def of_known_customers(taken: Taken, raw: Raw, known: Collection[str]) -> Taken:
    """Only rows of customers who are in the customers' file; the others are rejected with a finding."""
    strange = strangers(taken.frame, known)
    if not len(strange):
        return taken
    refused = rejects(raw, strange.map(UNKNOWN.format))
    return replace(taken, frame=taken.frame.drop(index=strange.index),
                   findings=(*taken.findings, *told_of_strangers(raw.name, len(strange), strange.iloc[0])),
                   rejected=pd.concat([taken.rejected, refused], ignore_index=True))


def strangers(frame: pd.DataFrame, known: Collection[str]) -> pd.Series:
    """By row, the customers who are not among those known."""
    return frame.loc[~frame["customer_id"].isin(known), "customer_id"]


def told_of_strangers(name: str, count: int, example: str) -> tuple[Finding, ...]:
    """A finding where rows belong to customers whom nobody knows."""
    if not count:
        return ()
    what = f"{plural(count, 'row belongs', 'rows belong')} to customers who are not in the customers' file, " \
           f"such as {example}."
    return (Finding("warning", name, what, "They were rejected; check the ids of both files.", count),)


def take_offers(raw: Raw, options: Options, customers: Sequence[Field] = ()) -> Taken:
    """The file's past offers as OFFER_HISTORY; its other columns follow, as they were when the offer was made.

    customers: the fields of the customers' file, so that the same column is read the same way here. Who was offered
    something may have left long ago and need not be among today's customers.
    """
    features = [replace(wanted, needed=False, required=False, strict=False) for wanted in customers
                if wanted.name not in OFFER_HISTORY.names]
    wanted_here = (*OFFER_FIELDS, *features)
    found = match(wanted_here, raw.frame.columns)
    others, fields = other_fields(raw, found.values(), [wanted.name for wanted in wanted_here])
    taken = take(raw, (*wanted_here, *fields), found | others, options)
    absent = {name: pd.Series(float("nan"), index=taken.frame.index) for name in OFFER_HISTORY.names
              if name not in taken.frame}
    after = [name for name in taken.frame if name not in OFFER_HISTORY.names]
    frame = taken.frame.assign(**absent)[[*OFFER_HISTORY.names, *after]]
    return replace(taken, frame=frame.sort_values(["customer_id", "offered_at"], kind="stable"))


def events_table(frames: Sequence[pd.DataFrame], extras: Sequence[str] = ()) -> tuple[pa.Table, tuple[Finding, ...]]:
    """All events in one table, sorted by customer and time, with an error finding when an id repeats.

    extras: columns of EVENT_EXTRAS that the table has whether any event says something there or not.
    """
    names = event_names(frames, extras)
    every = pd.concat([frame for frame in frames if len(frame)] or frames, ignore_index=True).reindex(columns=names)
    every = every.sort_values(["customer_id", "at"], kind="stable", ignore_index=True)
    repeated = every["event_id"].duplicated()
    example = every.loc[repeated, "event_id"].iloc[0] if repeated.any() else ""
    return as_table(every, names), told_of_ids(int(repeated.sum()), example)


def event_names(frames: Iterable[pd.DataFrame], extras: Sequence[str] = ()) -> list[str]:
    """The columns of a table of these events: all of EVENTS, the `extras`, and of EVENT_EXTRAS what one of them has."""
    there = {*extras, *(name for frame in frames for name in frame.columns)}
    return [*EVENTS.names, *(column.name for column in EVENT_EXTRAS if column.name in there)]


def told_of_ids(count: int, example: str) -> tuple[Finding, ...]:
    """An error where events repeat an id."""
    if not count:
        return ()
    what = f"{count} events repeat an id, such as {example}."
    return (Finding("error", "event_id", what, "Give every event its own id.", count),)
