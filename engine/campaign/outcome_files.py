"""Files of outcomes: who stayed and what they paid, under the names that tools and teams give such columns."""

from __future__ import annotations

import io
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd

from engine.campaign.addresses import e_mail, masked
from engine.campaign.export import original, write_csv
from engine.data.dates import moments
from engine.data.parsing import flags, ids, is_text, numbers
from engine.data.readers import Raw, read_raw
from engine.errors import EngineError
from engine.schema import OUTCOMES, Column, Finding, plural

NAMES: Mapping[str, tuple[str, ...]] = {
    "customer_id": ("customer_id", "customerid", "customer", "id", "external_id", "client_id", "account_id", "user_id",
                    "contactid", "contact_id", "leadid"),
    "email": ("email", "e_mail", "email_address", "e_mail_address", "mail"),
    "stayed": ("stayed", "retained", "kept", "active", "is_active", "still_active", "still_customer"),
    "left": ("left", "churned", "churn", "is_churned", "cancelled", "canceled", "exited"),
    "revenue": ("revenue", "spend", "spent", "sales", "amount", "paid", "revenue_after"),
    "observed_at": ("observed_at", "observed_on", "observed", "outcome_date", "outcome_at", "date", "as_of"),
    "campaign_id": ("campaign_id", "campaignid"),
}
STAYED = dict.fromkeys(("stayed", "retained", "kept", "active", "still here"), "1")
LEFT = dict.fromkeys(("left", "churned", "cancelled", "canceled", "lost", "inactive", "gone"), "0")
FORM = ("customer_id", "stayed", "revenue", "observed_at", "campaign_id")
REJECTED = (
    Column("row", "count", "", "The row of the file; 1 is the first under the header"),
    Column("customer_id", "id", "", "The customer, as the file says"),
    Column("column", "text", "", "Where the fault is"),
    Column("value", "text", "", "What stood there, masked"),
    Column("reason", "text", "", "What is wrong with it"),
)
CLOCKS_APART = timedelta(days=1)
Fault = tuple[Any, str, Any, str]  # row, column, value, reason


@dataclass(frozen=True)
class OutcomeFile:
    """What a file of outcomes says: OUTCOMES rows, the rows it could not take (row 1 is the first under the header;
    values masked), and how it was read."""

    outcomes: pd.DataFrame
    rejected: pd.DataFrame
    findings: tuple[Finding, ...] = ()


def form(rows: pd.DataFrame) -> bytes:
    """A CSV to be filled in: the rows' customer_id, empty columns for the outcome, and the rows' campaign_id."""
    stream = io.BytesIO()
    empty = dict.fromkeys(("stayed", "revenue", "observed_at"), pd.Series(pd.NA, rows.index, dtype=object))
    write_csv(stream, [OUTCOMES[name] for name in FORM], [rows.assign(**empty)], ())
    return stream.getvalue()


def rejected_rows(rejected: pd.DataFrame) -> bytes:
    """The rows that could not be taken in, each with its reason, as a CSV."""
    stream = io.BytesIO()
    write_csv(stream, REJECTED, [rejected], ())
    return stream.getvalue()


def read_outcomes(path: Path, campaign_id: str, *, now: datetime, observed_at: datetime | None = None,
                  addresses: Mapping[str, str] | None = None) -> OutcomeFile:
    """The outcomes in a CSV, Excel or Parquet file.

    A column says whether the customer stayed (or left), as yes and no, 1 and 0, true and false, or in words such as
    retained and churned. Whoever stands in it twice with the same outcome is taken once, with different ones not at
    all. Customers are known by their id; where the file has none, by their e-mail address.

    Args:
        observed_at: when it was seen, for rows that do not say so; now unless given.
        addresses: of the campaign's customers: address as `e_mail` writes it -> customer_id, "" where several have it.

    Raises:
        EngineError: when the file cannot be read or lacks a column, naming those it has and those wanted.
    """
    raw = read_raw(path)
    columns = _found(raw)
    parsed, findings, faults = _parsed(raw, columns, observed_at or now, addresses or {})
    faults = [*faults, *_impossible(parsed, raw, columns, campaign_id, now)]
    faults = [*faults, *_contradictory(parsed.drop(index=[row for row, *_ in faults]), _key(columns))]
    kept = parsed.drop(index=sorted({row for row, *_ in faults}))
    once = kept.drop_duplicates(["customer_id"])
    if len(once) < len(kept):
        what = f"{plural(len(kept) - len(once), 'row repeats', 'rows repeat')} what another row says."
        findings = (*findings, Finding("note", path.name, what, "Each customer was taken once.", len(kept) - len(once)))
    told = once.assign(campaign_id=campaign_id, stayed=once["stayed"].astype("Int64"))
    return OutcomeFile(told[[column.name for column in OUTCOMES]].reset_index(drop=True),
                       _rejected(raw, parsed, faults), (*raw.findings, *findings))


def _found(raw: Raw) -> dict[str, str]:
    """Our name -> the file's column."""
    plain = {str(name): re.sub(r"[^a-z0-9]+", "_", original(str(name)).casefold()).strip("_") for name in raw.frame}
    found: dict[str, str] = {}
    for ours, names in NAMES.items():
        held = [name for name, simple in plain.items() if simple in names]
        if len(held) > 1:
            raise EngineError(f"{raw.name}: the columns {', '.join(map(repr, held))} all read as {ours}. Keep one.")
        found |= dict.fromkeys([ours], held[0]) if held else {}
    if "stayed" in found and "left" in found:
        raise EngineError(f"{raw.name}: {found['stayed']!r} and {found['left']!r} both say who stayed. Keep one.")
    for ours, needed in (("customer_id", ("customer_id", "email")), ("stayed", ("stayed", "left"))):
        if not set(needed) & set(found):
            wanted = ", ".join(name for one in needed for name in NAMES[one])
            raise EngineError(f"{raw.name} has no column for {ours}. Its columns: {', '.join(plain)}. Call one of "
                              f"them: {wanted}.")
    return found


def _key(columns: Mapping[str, str]) -> str:
    """The file's column by which customers are known."""
    return columns.get("customer_id") or columns["email"]


def _parsed(raw: Raw, columns: Mapping[str, str], observed_at: datetime, addresses: Mapping[str, str]
            ) -> tuple[pd.DataFrame, tuple[Finding, ...], list[Fault]]:
    """The file's rows in our words, how they were read, and the cells that could not be."""
    frame, index, key = raw.frame, raw.frame.index, _key(columns)
    stays = columns.get("stayed") or columns["left"]
    who = ids(frame[key], key, raw.clashes.get(key, ()))
    named = who.values.map(lambda text: original(str(text)).strip(), na_action="ignore")
    strange: list[Fault] = []
    if "customer_id" not in columns:
        named, strange = _by_address(named, key, addresses)
    stayed = flags(_in_flags(frame[stays], "left" in columns), stays)
    reads = [(key, who), (stays, stayed)]
    values = {"customer_id": named, "stayed": 1 - stayed.values if "left" in columns else stayed.values,
              "revenue": pd.Series(float("nan"), index), "observed_at": pd.Series(pd.Timestamp(observed_at), index)}
    if "revenue" in columns:
        money = numbers(frame[columns["revenue"]], columns["revenue"])
        reads.append((columns["revenue"], money))
        values["revenue"] = money.values
    if "observed_at" in columns:
        when = moments(frame[columns["observed_at"]], columns["observed_at"])
        reads.append((columns["observed_at"], when))
        values["observed_at"] = when.values.fillna(pd.Timestamp(observed_at))
    faults = [(row, name, frame.at[row, name], "cannot be read") for name, read in reads for row in index[read.bad]]
    return pd.DataFrame(values), tuple(found for _, read in reads for found in read.findings), [*faults, *strange]


def _by_address(written: pd.Series, key: str, addresses: Mapping[str, str]) -> tuple[pd.Series, list[Fault]]:
    """Whose addresses these are, and those that are nobody's or not one customer's alone."""
    known = written.dropna()
    clean = {text: e_mail(text) for text in known[known != ""].unique()}
    why = {text: fault or _not_one(addresses.get(address)) for text, (address, fault) in clean.items()}
    who = {text: addresses.get(address, "") for text, (address, _) in clean.items()}
    faults: list[Fault] = [(row, key, text, why[text]) for row, text in known.items() if why.get(text)]
    return written.map(who).where(written.notna()), faults


def _not_one(customer: str | None) -> str:
    """Why an address names no customer; "" where it names one."""
    if customer is None:
        return "is the address of nobody in this campaign"
    return "" if customer else "is the address of several customers in this campaign"


def _in_flags(values: pd.Series, says_left: bool) -> pd.Series:
    """Words such as "churned" as flags that mean the same in this column."""
    if not is_text(values):
        return values
    words = {word: "10"[int(flag)] if says_left else flag for word, flag in {**STAYED, **LEFT}.items()}
    return values.astype(object).map(lambda text: words.get(str(text).strip().casefold(), text), na_action="ignore")


def _impossible(parsed: pd.DataFrame, raw: Raw, columns: Mapping[str, str], campaign_id: str, now: datetime
                ) -> list[Fault]:
    """Rows without a customer or an outcome, of another campaign, seen in the future, or read with a bad cell."""
    stays, key = columns.get("stayed") or columns["left"], _key(columns)
    wrong = {key: (parsed["customer_id"].isna() | (parsed["customer_id"] == ""), "empty"),
             stays: (parsed["stayed"].isna(), "does not say whether the customer stayed")}
    if "observed_at" in columns:
        wrong[columns["observed_at"]] = (parsed["observed_at"] > now + CLOCKS_APART, "lies in the future")
    if "campaign_id" in columns:
        named = raw.frame[columns["campaign_id"]].astype(object).map(lambda text: original(str(text)).strip())
        wrong[columns["campaign_id"]] = (~named.isin(["", campaign_id]), "is of another campaign")
    return [(row, name, raw.frame.at[row, name], reason)
            for name, (mask, reason) in wrong.items() for row in parsed.index[mask]]


def _contradictory(parsed: pd.DataFrame, name: str) -> list[Fault]:
    """Rows of customers of whom the file says two things."""
    different = parsed.drop_duplicates()
    twice = different[different["customer_id"].duplicated(keep=False)]["customer_id"].unique()
    rows = parsed.index[parsed["customer_id"].isin(twice)]
    return [(row, name, parsed.at[row, "customer_id"], "the file says different things of this customer")
            for row in rows]


def _rejected(raw: Raw, parsed: pd.DataFrame, faults: list[Fault]) -> pd.DataFrame:
    """One line per rejected row, its first fault; lines that never became rows among them."""
    first: dict[int, Fault] = {}
    for fault in faults:
        first.setdefault(fault[0], fault)
    told: list[tuple[Any, ...]] = [(row, parsed.at[row, "customer_id"] or "", name, masked(value), reason)
                                   for row, name, value, reason in first.values()]
    told += [(row, "", "", "", reason) for row, reason in zip(raw.rejected["row"], raw.rejected["reason"], strict=True)]
    return pd.DataFrame(told, columns=[column.name for column in REJECTED]).sort_values("row", ignore_index=True)
