"""Software by subscription: accounts, subscriptions, usage, tickets and payments in files of their own, joined by id.

    subscriptions   account_id, start_date, end_date (blank while it runs), mrr; perhaps subscription_id, plan,
                    cancelled_at                                                                     needed
    accounts        account_id and what is known of each
    usage           account_id or subscription_id, usage_date, usage_count; perhaps feature_name
    tickets         account_id, submitted_at; ticket_id, priority, sentiment or satisfaction_score (1 to 5)
    payments        account_id, payment_date, amount; perhaps status: failed and refunded are told apart

An account's subscriptions may overlap: it has left when none of them runs. A date without a time is known when its day
is over (UTC). What accounts say of themselves is as of today, so it is kept and not learned from.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd

from engine.data.adapters.assemble import Ask, Gathered, finish, take_all
from engine.data.adapters.common import ID_FIELD, Field, Options, Taken, lacking, match, one_row_each, take
from engine.data.adapters.events import TIMES, events_table
from engine.data.adapters.kkbox import LAST_SECOND, days_told
from engine.data.readers import Raw, column_names, read_raw
from engine.errors import EngineError
from engine.schema import CUSTOMER_ID, Column, Finding, LabelRule, MoneyRule, Reading, plural

ASKED_DAYS, GRACE_DAYS = 60, 30
EXTRAS = ("category", "expires_at", "list_price", "auto_renew", "plan")
FAR = pd.Timestamp("2200-01-01")
FAILED = frozenset({"failed", "failure", "declined", "rejected", "unpaid", "past_due"})
REFUNDED = frozenset({"refunded", "refund", "chargeback", "reversed"})
MIDDLE_SCORE, SPAN = 3.0, 2.0


def _field(name: str, kind: str, *aliases: str, **more: bool) -> Field:
    return Field(Column(name, kind, "", name.replace("_", " ")), aliases, **more)  # type: ignore[arg-type]


SUBSCRIPTION_ID = _field("subscription_id", "id", "subid", needed=False)
FIELDS: Mapping[str, tuple[Field, ...]] = {
    "subscriptions": (
        ID_FIELD, SUBSCRIPTION_ID,
        _field("start_date", "date", "startedat", "startdate", "subscriptionstart", required=True),
        _field("end_date", "date", "endedat", "enddate", "subscriptionend", strict=False),
        _field("cancelled_at", "date", "canceledat", "cancelledon", "canceldate", "churndate", needed=False,
               strict=False),
        _field("mrr", "number", "mrramount", "monthlyrevenue", "monthlyprice", "price", strict=False),
        _field("plan", "category", "plantier", "planname", "tier", needed=False),
    ),
    "usage": (
        replace(ID_FIELD, needed=False, required=False), SUBSCRIPTION_ID,
        _field("usage_date", "date", "usedat", "usagetime", "activitydate", "usageday", *TIMES, "day",
               required=True),
        _field("usage_count", "number", "count", "uses", "events", "quantity", strict=False),
        _field("feature_name", "category", "feature", needed=False),
    ),
    "tickets": (
        ID_FIELD, _field("ticket_id", "id", "ticket", needed=False),
        _field("submitted_at", "date", "createdat", "openedat", "ticketdate", required=True),
        _field("priority", "category", "severity", needed=False),
        _field("sentiment", "number", "mood", needed=False, strict=False),
        _field("satisfaction_score", "number", "csat", "satisfaction", needed=False, strict=False),
    ),
    "payments": (
        ID_FIELD, _field("payment_date", "date", "paidat", "paymentat", "chargedate", required=True),
        _field("amount", "number", "paymentamount", required=True),
        _field("status", "category", "paymentstatus", "result", needed=False),
    ),
}
TICKETS_ONLY = frozenset({"ticket_id", "priority", "sentiment", "satisfaction_score"})
SEVERAL, FEWEST_ROWS = 1.3, 50
REQUIRED = ("account_id", "start_date", "end_date", "mrr")


def missing(names: Sequence[str]) -> tuple[str, ...]:
    """What subscriptions with these columns lack."""
    return tuple("account_id" if name == CUSTOMER_ID.name else name for name in lacking(FIELDS["subscriptions"], names))


def role(names: Sequence[str]) -> str | None:
    """Which of the files has these columns; "accounts" for any other with an id."""
    for part, fields in FIELDS.items():
        found = match(fields, names)
        own = {CUSTOMER_ID.name, SUBSCRIPTION_ID.name} & set(found)
        if own and not lacking(fields, names) and (part != "tickets" or TICKETS_ONLY & set(found)):
            return part
    return None if lacking([ID_FIELD], names) else "accounts"


def read(ask: Ask, sources: Sequence[Path]) -> Reading:
    """Accounts and all that happened with them; leaving is to be without any subscription."""
    parts: dict[str, list[Path]] = {name: [] for name in (*FIELDS, "accounts")}
    for path in sources:
        part = role(column_names(path))
        if part is None:
            raise EngineError(f"{path.name} has no account_id. Its columns are: {', '.join(column_names(path)[:30])}.")
        parts[part].append(path)
    if not parts["subscriptions"]:
        raise EngineError(f"None of the files holds subscriptions. Give one with {', '.join(REQUIRED)}.")
    label = label_rule(ask.options)
    return finish(ask, _gather(ask.options, parts), label, MoneyRule("mrr", "month"))


def label_rule(options: Options) -> LabelRule:
    """No subscription runs any more within the asked days, nor at the end of the grace after them."""
    grace = days_told(options, "grace_days", GRACE_DAYS)
    horizon = days_told(options, "horizon_days", ASKED_DAYS + grace)
    if horizon <= grace:
        raise EngineError(f"horizon_days is {horizon}, which leaves no day beside the {grace} days of grace. Give more "
                          "days, or fewer of grace.")
    words = f"the last subscription ends within {horizon - grace} days and none runs {grace} days later"
    return LabelRule("ended", horizon, words, assumed="horizon_days" not in options, grace_days=grace)


@dataclass(frozen=True)
class _Read:
    """What was taken of each file, by its part, and of the accounts."""

    raws: tuple[Raw, ...]
    taken: Mapping[str, list[Taken]]
    accounts: list[Taken]
    unknown: tuple[Finding, ...] = ()


def _gather(options: Options, parts: Mapping[str, Sequence[Path]]) -> Gathered:
    raws: list[Raw] = []
    taken: dict[str, list[Taken]] = {name: [] for name in FIELDS}
    for name, fields in FIELDS.items():
        for path in parts[name]:
            raws.append(raw := read_raw(path))
            taken[name].append(_timed(_once(take(raw, fields, match(fields, raw.frame.columns), options), raw)))
    accounts, unknown = [], []
    for path in parts["accounts"]:
        raws.append(raw := read_raw(path))
        found = take_all(raw, (ID_FIELD,), options)
        unknown += (several := _several(found, raw))
        accounts += [] if several else [one_row_each(found, raw)]
    return _joined(_Read(tuple(raws), taken, accounts, tuple(unknown)))


def _several(taken: Taken, raw: Raw) -> list[Finding]:
    """A warning where many rows speak of each account: it is no file of accounts, and nothing says of what it is."""
    rows, accounts = len(taken.frame), taken.frame[CUSTOMER_ID.name].nunique()
    if rows < FEWEST_ROWS or rows < SEVERAL * accounts:
        return []
    what = (f"{rows / accounts:.1f} rows an account, so they are no accounts, and the columns are neither those of "
            "usage nor of tickets or payments.")
    fix = ("The file was left out. To have it used call its columns usage_date and usage_count, ticket_id and "
           "submitted_at, or payment_date and amount.")
    return [Finding("warning", raw.name, what, fix, rows)]


def _joined(read_: _Read) -> Gathered:
    frames = {name: pd.concat([one.frame for one in found], ignore_index=True) if found else None
              for name, found in read_.taken.items()}
    terms = frames["subscriptions"]
    assert terms is not None, "there are subscriptions"
    lost: list[Finding] = list(read_.unknown)
    events = [contract(terms)]
    for name, made in MADE.items():
        frame = frames[name]
        if frame is not None:
            frame, findings = _of_accounts(frame, terms, name)
            lost += findings
            events.append(made(frame))
    table, repeated = events_table(events, EXTRAS)
    customers, columns = _customers(read_.accounts, terms)
    every = [*(one for found in read_.taken.values() for one in found), *read_.accounts]
    return Gathered(read_.raws, customers, columns, events=table, rejected=tuple(one.rejected for one in every),
                    currency=next((one.currency for one in every if one.currency), ""),
                    findings=(*(f for raw in read_.raws for f in raw.findings), *(f for one in every for f in
                              one.findings), *lost, *repeated))


def _once(taken: Taken, raw: Raw) -> Taken:
    """Rows that repeat another exactly once, where a row has an id of its own to tell it by."""
    if not {"subscription_id", "ticket_id"} & set(taken.frame.columns) or "usage_date" in taken.frame:
        return taken
    repeated = taken.frame.duplicated()
    if not repeated.any():
        return taken
    count = int(repeated.sum())
    note = Finding("warning", raw.name, f"{plural(count, 'row repeats', 'rows repeat')} another exactly.",
                   "One of each was kept.", count)
    return replace(taken, frame=taken.frame[~repeated], findings=(*taken.findings, note))


def _timed(taken: Taken) -> Taken:
    """Dates without a time are known at the last second of their day; an end is the day's beginning."""
    frame = taken.frame
    for name in frame.select_dtypes("datetime").columns:
        at = frame[name]
        if name != "end_date" and (at.dropna() == at.dropna().dt.normalize()).all():
            frame = frame.assign(**{name: at + LAST_SECOND})
    return replace(taken, frame=frame)


def contract(terms: pd.DataFrame) -> pd.DataFrame:
    """Every beginning and end of a subscription, with the account's monthly revenue from then on.

    Where another still runs, an end is none of the account. On one day beginnings come before ends.
    """
    ends = terms[terms["end_date"].notna() & (terms["end_date"] >= terms["start_date"].dt.normalize())]
    known = ends["end_date"].dt.normalize() + LAST_SECOND
    if "cancelled_at" in ends:
        known = ends["cancelled_at"].fillna(known).clip(upper=known)
    begun = terms.assign(at=terms["start_date"], step=1, until=FAR)
    gone = ends.assign(at=np.maximum(known, ends["start_date"]), step=-1, until=ends["end_date"])
    every = pd.concat([begun, gone], ignore_index=True).sort_values(
        ["customer_id", "at", "step"], ascending=[True, True, False], kind="stable", ignore_index=True)
    by = every.groupby("customer_id")
    running, monthly = by["step"].cumsum(), (every["step"] * every["mrr"].fillna(0.0)).groupby(
        every["customer_id"]).cumsum()
    every["until"] = every["until"].where((every["step"] == -1) & (running == 0), FAR)
    return pd.DataFrame({
        "event_id": "s" + pd.Series(every.index.astype(str), every.index).str.zfill(9),
        "customer_id": every["customer_id"], "at": every["at"],
        "kind": np.where(every["step"] == 1, "subscription", "subscription_cancelled"),
        "amount": every["mrr"].where(every["step"] == 1), "expires_at": every["until"],
        "list_price": monthly.round(4).clip(lower=0), "plan": every.get("plan"),
    })


def _of_accounts(frame: pd.DataFrame, terms: pd.DataFrame, name: str) -> tuple[pd.DataFrame, list[Finding]]:
    """The rows of accounts with a subscription, found by the subscription where they do not name their account."""
    if CUSTOMER_ID.name not in frame:
        owner = terms.drop_duplicates("subscription_id").set_index("subscription_id")["customer_id"]
        frame = frame.assign(customer_id=frame["subscription_id"].map(owner))
    strange = ~frame["customer_id"].isin(terms["customer_id"])
    if not strange.any():
        return frame, []
    count = int(strange.sum())
    what = f"{plural(count, 'row belongs', 'rows belong')} to no account with a subscription."
    return frame[~strange], [Finding("warning", name, what, "They were left out; check the ids of both files.", count)]


def _usage(frame: pd.DataFrame) -> pd.DataFrame:
    return _happened(frame, "u", "usage_date", "activity", quantity=frame["usage_count"].clip(lower=0),
                     category=frame.get("feature_name"))


def _tickets(frame: pd.DataFrame) -> pd.DataFrame:
    score = (frame["satisfaction_score"] - MIDDLE_SCORE) / SPAN if "satisfaction_score" in frame else np.nan
    mood = frame["sentiment"].fillna(score) if "sentiment" in frame else pd.Series(score, frame.index)
    return _happened(frame, "t", "submitted_at", "ticket", quantity=mood.clip(-1, 1), category=frame.get("priority"))


def _payments(frame: pd.DataFrame) -> pd.DataFrame:
    status = frame["status"].str.lower() if "status" in frame else pd.Series("", frame.index)
    back = status.isin(REFUNDED) | (frame["amount"] < 0)
    kind = np.select([status.isin(FAILED), back], ["payment_failure", "return"], "payment")
    return _happened(frame, "p", "payment_date", kind, amount=frame["amount"].abs())


def _happened(frame: pd.DataFrame, letter: str, when: str, kind: str | np.ndarray, **more: object) -> pd.DataFrame:
    told = {name: values for name, values in more.items() if values is not None}
    return pd.DataFrame({"event_id": letter + frame.index.astype(str), "customer_id": frame["customer_id"],
                         "at": frame[when], "kind": kind, **told})


MADE: Mapping[str, Callable[[pd.DataFrame], pd.DataFrame]] = {
    "usage": _usage, "tickets": _tickets, "payments": _payments}


def _customers(files: Sequence[Taken], terms: pd.DataFrame) -> tuple[pd.DataFrame, tuple[Column, ...]]:
    """Whoever has an account or had a subscription, with what the accounts' files say."""
    frame, columns = pd.DataFrame({"customer_id": terms["customer_id"].unique()}), [CUSTOMER_ID]
    for taken in files:
        new = [column for column in taken.columns if column.name not in frame]
        frame = frame.merge(taken.frame[["customer_id", *(column.name for column in new)]], how="outer")
        columns += new
    return frame.sort_values("customer_id", ignore_index=True), tuple(columns)
