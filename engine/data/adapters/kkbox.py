"""KKBox: members, transactions and daily listening logs, joined by msno, in the schemas of the WSDM Cup 2018.

    transactions   msno, payment_method_id, payment_plan_days, plan_list_price, actual_amount_paid, is_auto_renew,
                   transaction_date, membership_expire_date, is_cancel                        needed; several files may
    user_logs      msno, date, num_25, num_50, num_75, num_985, num_100, num_unq, total_secs              hold the rows
    members_v3     msno, city, bd, gender, registered_via, registration_init_time

A day's row is known when the day is over: it happened at its last second (UTC). Transactions of one day count in the
order of KKBox's own labeller. A membership runs until its expiry day begins. Contact fields may stand in a file of
their own beside msno.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from engine.data.adapters.assemble import Ask, Gathered, Role, finish, sorted_by_role
from engine.data.adapters.common import (
    CONTACT_FIELDS,
    IDS,
    Field,
    Options,
    Taken,
    lacking,
    match,
    one_row_each,
    rejects,
    take,
)
from engine.data.adapters.events import events_table
from engine.data.parsing import Findings
from engine.data.readers import Raw, read_raw
from engine.errors import EngineError
from engine.schema import CUSTOMER_ID, Column, Finding, LabelRule, MoneyRule, Reading, plural
from engine.schema.streaming import MEMBER_COLUMNS

ASKED_DAYS, GRACE_DAYS = 30, 30
LAST_SECOND = pd.Timedelta(seconds=86_399)
OLDEST, YOUNGEST_AGE, OLDEST_AGE = pd.Timestamp("2000-01-01"), 5, 100
SECONDS_OF_A_DAY = 86_400
EXTRAS = ("expires_at", "list_price", "auto_renew", "method", "titles", "plays", "plays_left", "plays_full")
MSNO = Field(CUSTOMER_ID, ("msno", *IDS), required=True)


def _field(name: str, kind: str, meaning: str, **more: bool) -> Field:
    return Field(Column(name, kind, "", meaning), **more)  # type: ignore[arg-type]


TRANSACTION_FIELDS = (
    MSNO,
    _field("payment_method_id", "category", "How was paid"),
    _field("payment_plan_days", "number", "Days that the plan runs", strict=False),
    _field("plan_list_price", "number", "List price", strict=False),
    _field("actual_amount_paid", "number", "Paid", strict=False),
    _field("is_auto_renew", "flag", "Renews by itself", strict=False),
    _field("transaction_date", "date", "Day of the transaction", required=True),
    _field("membership_expire_date", "date", "First day without membership", required=True),
    _field("is_cancel", "flag", "Cancels the membership"),
)
COUNTS = ("num_25", "num_50", "num_75", "num_985", "num_100", "num_unq")
LOG_FIELDS = (
    MSNO,
    _field("date", "date", "Day of listening", required=True),
    *(_field(name, "number", "Titles", strict=False) for name in COUNTS),
    _field("total_secs", "number", "Seconds listened", strict=False),
)
_STATED = {"age_years": ("bd",), "registered_at": ("registrationinittime",)}
MEMBER_FIELDS = (MSNO, *(Field(column, _STATED.get(column.name, ()), needed=column.name == "registered_at",
                               strict=False) for column in MEMBER_COLUMNS))
CONTACTS = (MSNO, *CONTACT_FIELDS)
REQUIRED = tuple(field.name if field is not MSNO else "msno" for field in TRANSACTION_FIELDS)


def missing(names: Sequence[str]) -> tuple[str, ...]:
    """What transactions with these columns lack."""
    return tuple("msno" if name == CUSTOMER_ID.name else name for name in lacking(TRANSACTION_FIELDS, names))


def role(names: Sequence[str]) -> Role | None:
    """Transactions ("orders"), logs ("events") or members and contacts ("customers"), by the columns."""
    if not lacking(TRANSACTION_FIELDS, names):
        return "orders"
    if not lacking(LOG_FIELDS, names):
        return "events"
    known = match(CONTACTS, names)
    return "customers" if not lacking(MEMBER_FIELDS, names) or (CUSTOMER_ID.name in known and len(known) > 1) else None


def read(ask: Ask, sources: Sequence[Path]) -> Reading:
    """Members with what they bought and heard; churn by KKBox's own rule unless told otherwise."""
    parts = sorted_by_role(sources, role, "KKBox files are transactions, user_logs and members, each with msno")
    if not parts["orders"]:
        raise EngineError(f"None of the files holds transactions. Give one with {', '.join(REQUIRED)}.")
    gathered = _gather(ask.options, parts["orders"], parts["events"], parts["customers"])
    label = label_rule(ask.options)
    return finish(ask, replace(gathered, findings=(*gathered.findings, *_label_note(label))), label,
                  MoneyRule("price_per_month", "month"))


def label_rule(options: Options) -> LabelRule:
    """No new valid subscription within the grace of a membership that runs out in the asked days.

    Options: horizon_days (asked days and grace together), grace_days, leavers.
    """
    grace = days_told(options, "grace_days", GRACE_DAYS)
    horizon = days_told(options, "horizon_days", ASKED_DAYS + grace)
    if horizon <= grace:
        raise EngineError(f"horizon_days is {horizon}, which leaves no day beside the {grace} days of grace. Give more "
                          "days, or fewer of grace.")
    leavers = options.get("leavers", "all")
    if leavers not in ("all", "voluntary"):
        raise EngineError(f'leavers is {leavers!r}. Give "all" or "voluntary".')
    words = (f"the membership runs out within {horizon - grace} days and no new one is bought within {grace} days of "
             "its end")
    return LabelRule("renewal", horizon, words + ("; failed payments aside" if leavers == "voluntary" else ""),
                     assumed="horizon_days" not in options, grace_days=grace, leavers=leavers)


def days_told(options: Options, name: str, default: int) -> int:
    """A number of days that the caller told, or the default; EngineError unless whole and from 1 to 3660."""
    told = options.get(name, default)
    if not isinstance(told, (int, float)) or isinstance(told, bool) or told != int(told) or not 1 <= told <= 3660:
        raise EngineError(f"{name} is {told!r}. Give a whole number of days from 1 to 3660.")
    return int(told)


def _label_note(label: LabelRule) -> Findings:
    if not label.assumed:
        return ()
    asked = label.horizon_days - label.grace_days
    return (Finding("note", "label", f"Judged are members whose membership runs out within {asked} days; they count as "
                    f"having left without a new one within {label.grace_days} days of its end (KKBox's own rule).",
                    "Give more days if plans run longer (Leaving within; horizon_days and grace_days in the mapping).",
                    0),)


def _gather(options: Options, transactions: Sequence[Path], logs: Sequence[Path], members: Sequence[Path]) -> Gathered:
    raws: list[Raw] = []

    def taken(paths: Sequence[Path], takes: Callable[[Raw, Options], Taken]) -> list[Taken]:
        read_ = [read_raw(path) for path in paths]
        raws.extend(read_)
        return [takes(raw, options) for raw in read_]

    bought, heard = taken(transactions, take_transactions), taken(logs, take_logs)
    stated = taken(members, take_members)
    terms, twice = _once([one.frame for one in bought], "transactions")
    plays, again = _once([one.frame for one in heard], "user_logs")
    table, repeated = events_table([_as_terms(terms), _as_plays(plays)], EXTRAS)
    customers, columns = _customers(stated, pd.unique(pd.concat([terms["customer_id"], plays["customer_id"]])))
    every = [*bought, *heard, *stated]
    return Gathered(tuple(raws), customers, columns, events=table, rejected=tuple(one.rejected for one in every),
                    findings=(*(f for raw in raws for f in raw.findings), *(f for t in every for f in t.findings),
                              *twice, *again, *repeated))


def _once(frames: Sequence[pd.DataFrame], what: str) -> tuple[pd.DataFrame, Findings]:
    """All rows, those that repeat another exactly once: a row has no id of its own that could tell two apart."""
    if not frames:
        return pd.DataFrame({"customer_id": pd.Series(dtype=object)}), ()
    every = pd.concat(frames, ignore_index=True)
    repeated = every.duplicated()
    if not repeated.any():
        return every, ()
    count = int(repeated.sum())
    note = Finding("warning", what, f"{plural(count, 'row repeats', 'rows repeat')} another exactly.",
                   "One of each was kept.", count)
    return every[~repeated].reset_index(drop=True), (note,)


# ------------------------------------------------------------------------------------------------ transactions

def take_transactions(raw: Raw, options: Options) -> Taken:
    """The file's transactions; those that end before 2000 are rejected, and a negative sum is money given back."""
    taken = take(raw, TRANSACTION_FIELDS, match(TRANSACTION_FIELDS, raw.frame.columns), options)
    frame = taken.frame
    lost = frame["membership_expire_date"] < OLDEST
    reasons = frame.loc[lost, "membership_expire_date"].map(
        lambda day: f"membership_expire_date: {day:%Y-%m-%d} is no date on which a membership ended")
    findings = list(taken.findings)
    if lost.any():
        findings.append(Finding("warning", raw.name, f"{plural(int(lost.sum()), 'membership ends', 'memberships end')} "
                                "before the year 2000.", "They were rejected.", int(lost.sum())))
    backwards = ~lost & (frame["is_cancel"] == 0) & (frame["membership_expire_date"] < frame["transaction_date"])
    if backwards.any():
        count = int(backwards.sum())
        findings.append(Finding("note", raw.name, f"{plural(count, 'subscription', 'subscriptions')} had ended before "
                                "the day of buying.", "Read as they are: they begin no membership.", count))
    back = int((frame["actual_amount_paid"] < 0).sum())
    if back:
        findings.append(Finding("note", raw.name, f"{plural(back, 'payment is', 'payments are')} negative.",
                                "Read as money given back: they buy and cancel nothing.", back))
    return replace(taken, frame=frame[~lost], findings=tuple(findings),
                   rejected=pd.concat([taken.rejected, rejects(raw, reasons)], ignore_index=True))


def in_order(terms: pd.DataFrame) -> pd.DataFrame:
    """Transactions in the order in which they count: by day; within a day as KKBox's labeller sorts them.

    Within a day: list price, plan and method written one after the other, as text, the greatest first; then
    subscriptions before cancellations; subscriptions by their end, cancellations by their end backwards.
    """
    written = (_text(terms["plan_list_price"]) + _text(terms["payment_plan_days"])
               + terms["payment_method_id"].fillna("").astype(str))
    ends: Any = terms["membership_expire_date"].astype("int64") * np.where(terms["is_cancel"] == 1, -1, 1)
    keys = pd.DataFrame({"customer": terms["customer_id"], "day": terms["transaction_date"], "written": written,
                         "cancel": terms["is_cancel"], "ends": ends}, index=terms.index)
    order = keys.sort_values(["customer", "day", "written", "cancel", "ends"],
                             ascending=[True, True, False, True, True], kind="stable").index
    return terms.loc[order].reset_index(drop=True)


def _text(numbers: pd.Series) -> pd.Series:
    """Whole numbers as they are written; "" where missing."""
    known = numbers.fillna(0).astype("int64").astype(str)
    return known.where(numbers.notna(), "")


def _as_terms(terms: pd.DataFrame) -> pd.DataFrame:
    terms = in_order(terms)
    paid = terms["actual_amount_paid"]
    back = paid < 0
    cancels = (terms["is_cancel"] == 1) & ~back
    return pd.DataFrame({
        "event_id": "s" + pd.Series(terms.index.astype(str), terms.index).str.zfill(9),
        "customer_id": terms["customer_id"], "at": terms["transaction_date"].dt.normalize() + LAST_SECOND,
        "kind": np.select([back, cancels], ["return", "subscription_cancelled"], "subscription"),
        "amount": paid.abs().mask(cancels), "quantity": terms["payment_plan_days"].mask(cancels | back),
        "expires_at": terms["membership_expire_date"].dt.normalize().mask(back),
        "list_price": terms["plan_list_price"].mask(back), "auto_renew": terms["is_auto_renew"].mask(back),
        "method": terms["payment_method_id"],
    })


# -------------------------------------------------------------------------------------------------------- logs

def take_logs(raw: Raw, options: Options) -> Taken:
    """The file's days of listening; a day of more than 24 hours, or of less than none, has no length."""
    found = match(LOG_FIELDS, raw.frame.columns)
    taken = take(raw, LOG_FIELDS, found, options)
    measured = {found[name] for name in (*COUNTS, "total_secs")}
    told = tuple(replace(f, severity="warning", fix="Left missing.") if f.severity == "error" and f.where in measured
                 else f for f in taken.findings)
    taken, frame = replace(taken, findings=told), taken.frame
    impossible = frame["total_secs"].notna() & ~frame["total_secs"].between(0, SECONDS_OF_A_DAY)
    negative = (frame[list(COUNTS)] < 0).any(axis=1)
    count = int((impossible | negative).sum())
    if not count:
        return taken
    note = Finding("warning", "total_secs", f"{plural(count, 'day', 'days')} of listening with an impossible length or "
                   "count.", "The impossible figure was left missing.", count)
    seconds = frame["total_secs"].mask(impossible)
    counts = {name: frame[name].mask(frame[name] < 0) for name in COUNTS}
    return replace(taken, frame=frame.assign(total_secs=seconds, **counts), findings=(*taken.findings, note))


def _as_plays(logs: pd.DataFrame) -> pd.DataFrame:
    if not len(logs):
        return pd.DataFrame({name: [] for name in ("event_id", "customer_id", "at", "kind")})
    begun = logs[[name for name in COUNTS if name != "num_unq"]].sum(axis=1)
    return pd.DataFrame({
        "event_id": "u" + pd.Series(logs.index.astype(str), logs.index), "customer_id": logs["customer_id"],
        "at": logs["date"].dt.normalize() + LAST_SECOND, "kind": "play", "quantity": logs["total_secs"] / 60,
        "titles": logs["num_unq"], "plays": begun, "plays_left": logs["num_25"],
        "plays_full": logs["num_985"] + logs["num_100"],
    })


# ----------------------------------------------------------------------------------------------------- members

def take_members(raw: Raw, options: Options) -> Taken:
    """One row per member: what was stated on registering, and contact fields; implausible ages are unknown."""
    wanted = (*MEMBER_FIELDS, *CONTACT_FIELDS)
    taken = one_row_each(take(raw, wanted, match(wanted, raw.frame.columns), options), raw)
    if "age_years" not in taken.frame:
        return taken
    age = taken.frame["age_years"]
    odd = age.notna() & ~age.between(YOUNGEST_AGE, OLDEST_AGE)
    note = Finding("note", "bd", f"{plural(int(odd.sum()), 'age is', 'ages are')} not from {YOUNGEST_AGE} to "
                   f"{OLDEST_AGE}: nobody stated them.", "Read as unknown.", int(odd.sum()))
    return replace(taken, frame=taken.frame.assign(age_years=age.mask(odd)),
                   findings=(*taken.findings, *((note,) if odd.any() else ())))


def _customers(files: Sequence[Taken], seen: np.ndarray) -> tuple[pd.DataFrame, tuple[Column, ...]]:
    """Whoever bought, listened or registered, with what each file says of them."""
    frame, columns = pd.DataFrame({"customer_id": seen}), [CUSTOMER_ID]
    for taken in files:
        new = [column for column in taken.columns if column.name not in frame]
        frame = frame.merge(taken.frame[["customer_id", *(column.name for column in new)]], how="outer")
        columns += new
    return frame.sort_values("customer_id", ignore_index=True), tuple(columns)
