"""From looks to a proposal: which part each column plays, with evidence, and the mapping that says the same."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import pandas as pd

from engine.data.adapters.common import SOME
from engine.data.doctor import consents, leavers, monies, recognise, sectors
from engine.data.doctor import faults as faults_of
from engine.data.doctor import vocabulary as words
from engine.data.doctor.cures import MONTHS_OF, cured, totals
from engine.data.doctor.faults import Fault
from engine.data.doctor.legends import legend
from engine.data.doctor.looks import Look, beside_key, looks, names_somebody
from engine.data.doctor.recognise import Part
from engine.data.doctor.rivals import rivals
from engine.data.doctor.windows import window_days
from engine.data.parsing import as_written

USES = {"number": "numeric", "flag": "flags", "date": "dates", "category": "categorical"}
IN_MONTHS = {"months": MONTHS_OF[words.MONTHS], "years": MONTHS_OF[words.YEARS], "days": MONTHS_OF[words.DAYS],
             "weeks": MONTHS_OF[words.WEEKS]}
DOUBT = 0.7
ONCE, DENSE, FEW_BLANKS = 0.98, 0.1, 0.02
CONTACT_ONLY = {"email", "phone", "first_name", "last_name"}


@dataclass(frozen=True)
class Draft:
    """What is proposed for one table: the parts, the use of every other column, the faults, and the mapping.

    others: by part ("label", "money"), the next best columns.
    """

    parts: tuple[Part, ...]
    columns: tuple[Part, ...]
    faults: tuple[Fault, ...]
    mapping: Mapping[str, Any]
    looks: Mapping[str, Look]
    others: Mapping[str, tuple[Part, ...]]


def of_table(frame: pd.DataFrame, name: str, now: datetime) -> Draft:
    """The proposal for a table with one row per customer."""
    below = totals(frame)
    customers = frame.iloc[:-below] if below else frame
    whole, twins = looks(customers), _twins(customers)
    seen = {name: look for name, look in whole.items() if name not in twins}
    ids, at = _id(seen, customers)
    seen = beside_key(seen, ids.column)
    asked = looks(latest(customers, ids.column, at)[list(seen)]) if at else seen
    label, other_labels = leavers.label(asked, ids.column)
    label = _alone(label, other_labels)
    taken = frozenset({ids.column, label.column} - {""})
    sector = sectors.sector(seen)
    money, other_money = monies.money(seen, taken, sector.value)
    unpaid = () if money.column else monies.passed_over(seen, taken, sector.value)
    taken |= {money.column}
    tenure = recognise.tenure(seen, taken)
    recency = recognise.recency(seen, taken | {tenure.column})
    contact = recognise.contact(seen, (taken | {tenure.column, recency.column}) - {ids.column})
    currency = monies.currency(seen, money.column)
    parts = (ids, label, money, tenure, recency, currency, *contact, sector)
    used = {part.column for part in (ids, label, money, tenure, recency, *contact)} | {""}
    columns = (*(_use(look, at) for look in seen.values() if look.name not in used),
               *(Part("ignored", twin, 0.95, f"the same as {own} in every row") for twin, own in twins.items()))
    found = (*rivals(label, other_labels, customers), *faults_of.of_columns(customers, seen, now, ids.column),
             *faults_of.of_rows(frame, ids.column, seen, name), *unpaid)
    return Draft(parts, columns, found, _mapping(parts, columns, found), whole,
                 {"label": other_labels, "money": other_money})


def _alone(label: Part, others: Sequence[Part]) -> Part:
    """A label whose name says half of it (active, closed, a day of cancelling) is likely one where no other column says
    who left."""
    rivalled = any(other.confidence >= recognise.ENOUGH for other in others)
    if rivalled or not recognise.HALF <= label.confidence < recognise.LIKELY:
        return label
    return replace(label, confidence=recognise.LIKELY, evidence=f"{label.evidence}; no other column says who left")


def _twins(frame: pd.DataFrame) -> dict[str, str]:
    """By the name of a column that is another one once more (fee_2 or fee_y beside fee), the name of that one."""
    found = {}
    for name in map(str, frame.columns):
        own = re.sub(r"(?:[._]\d+|_[xy])$", "", name)
        first = next((one for one in (own, f"{own}_x") if one in frame and one != name), None)
        if first is not None and as_written(frame[name]).equals(as_written(frame[first])):
            found[name] = first
    return found


def _id(seen: Mapping[str, Look], frame: pd.DataFrame) -> tuple[Part, str]:
    """The column that names the customers and, where each of them stands on a row of every month or day, that date."""
    repeated = frame.duplicated()
    rows = frame[~repeated]
    once = looks(rows) if repeated.any() else seen
    found, at = recognise.identity(once), ""
    if not re.fullmatch(words.STRONG_ID, words.named(found.column)):
        found, at = _of_times(once, rows, found.column) or (found, "")
    if not found.column:
        return found, ""
    who = frame[found.column].astype(str).str.strip()
    repeats = rows[found.column].duplicated(keep=False).mean()
    if repeats > SOME and not faults_of.in_time(seen.values()):
        why = f"{found.column} stands on several rows that differ, and no date says which is the latest"
        return Part("id", "", recognise.LIKELY, why), ""
    if (who == "").any():
        return replace(found, evidence=f"{found.evidence}; {int((who == '').sum())} rows have none"), at
    return found, at


def _of_times(seen: Mapping[str, Look], rows: pd.DataFrame, row_id: str) -> tuple[Part, str] | None:
    """The key and the date of a table with a row for each customer and month: together they stand once, and most
    customers have a row for much of the time, as they have not where people of one company joined on many days. Beside
    an id of the rows only a name that surely names customers is one."""
    dates = [look for look in faults_of.in_time(seen.values()) if look.blank < FEW_BLANKS]
    for key in recognise.named_keys(seen):
        if row_id and not re.fullmatch(words.STRONG_ID, key.plain):
            continue
        for date in dates:
            pairs = len(rows[[key.name, date.name]].drop_duplicates())
            if pairs >= ONCE * len(rows) and pairs >= DENSE * key.distinct * date.distinct:
                why = (f"its name names customers, and {key.distinct:,} of them stand on {key.rows:,} rows, each once "
                       f"with its {date.name}: the latest row of each is kept")
                return Part("id", key.name, 0.75, why), date.name
    return None


def latest(frame: pd.DataFrame, key: str, at: str) -> pd.DataFrame:
    """The latest row of each customer by the date `at`, as the cure keeps it."""
    return cured(frame, [{"column": at, "cure": "date"}, {"column": at, "cure": "latest"}], "", key)[0]


def _use(look: Look, at: str = "") -> Part:
    """What a column that plays no part of its own is used as: as it reads, or ignored with the reason.

    at: the date of each row where customers have many, of which the latest is kept.
    """
    if look.name == at:
        why = "it says when a row was written: the latest of each customer is kept, and whoever left has no later one"
        return Part("ignored", look.name, 0.95, why)
    if at and look.unique and re.fullmatch(rf"{words.ID}|\w+_id", look.plain):
        return Part("ignored", look.name, 0.95, "it names rows, of which the latest of each customer is kept")
    if look.kind == "empty":
        return Part("ignored", look.name, 1.0, "every value is blank")
    if consent := consents.use_of(look):
        return Part(consent, look.name, recognise.SURE, consents.evidence(look, consent))
    if re.fullmatch(words.SPLIT, look.plain) and set(look.texts) <= words.SPLIT_WORDS:
        return Part("ignored", look.name, 0.95, "it says only how the file was divided for learning")
    if re.fullmatch(words.ROW_COUNTER, look.plain) and look.unique and look.kind == "number":
        return Part("ignored", look.name, 0.9, "it counts the rows")
    if look.kind == "text" and names_somebody(look.plain):
        return Part("ignored", look.name, 0.9, "the names of people or companies, which are never learned from")
    if look.kind == "text":
        why = f"{look.distinct:,} different texts in {look.rows:,} rows describe nobody"
        return Part("ignored", look.name, 0.8, why)
    some = ", ".join(text for text, _ in look.values[:3])
    told = {"numeric": f"numbers from {look.low:g} to {look.high:g}", "flags": "yes and no",
            "dates": f"dates such as {look.example}, known as days before the moment of the data",
            "categorical": f"{look.distinct:,} words{_kept(look)} such as {some}"}
    use = USES[look.kind]
    return Part(use, look.name, 0.9, told[use])


def _kept(look: Look) -> str:
    return f", of which {len(look.common)} that many rows share are told apart," if look.wide else ""


# ---------------------------------------------------------------------------------------------------------- the mapping

def _mapping(parts: Sequence[Part], columns: Sequence[Part], found: Sequence[Fault]) -> dict[str, Any]:
    """The same as a mapping; what is empty is left out when it is written."""
    by = {part.role: part for part in parts}
    lists = {use: [part.column for part in columns if part.role == use]
             for use in ("categorical", "numeric", "flags", "dates", "ignored", *consents.USES)}
    label, money, tenure = by["label"], by["money"], by["tenure"]
    cures = [dict(fault.cure) for fault in found if fault.cure and fault.safe]
    cures += _scaled(tenure)
    contact = {part.role: part.column for part in parts if part.role in CONTACT_ONLY}
    window = window_days(legend(label.column)[0])
    return {
        **({"horizon_days": window} if window else {}),
        **({"id": by["id"].column} if by["id"].column else {"rows": "numbered"}),
        "sector": by["sector"].value, "currency": by["currency"].value if money.column else "",
        "tenure": tenure.column, "recency": by["recency"].column,
        **({} if money.column else {"value": "months"}), **lists,
        "label": labelled(label, cures), "money": paid(money), "contact": contact, "guessed": guessed(label, money),
        "cures": cures,
    }


def guessed(*parts: Part) -> dict[str, str]:
    """What the parts that nobody can be sure of rest on: figures hang on them."""
    return {part.role: part.evidence for part in parts if part.column and part.confidence <= DOUBT}


def labelled(label: Part, cures: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The mapping's [label] for that part, in the words that its column has once it is cured; none as long as nobody
    has said which of its values mean that a customer left."""
    if not label.column or not label.value:
        return {}
    if label.value == "filled":
        return {"column": label.column, "filled": True}
    positive = label.value.split("|")
    if any(cure.get("cure") == "yes_no" and cure.get("column") == label.column for cure in cures):
        positive = ["Yes" if words.folded(positive[0]).strip(" .") in words.YES else "No"]
    if any(cure.get("cure") == "spelling" and cure.get("column") == label.column for cure in cures):
        from engine.data.doctor.cures import spelling

        own = {spelling(value): value for cure in cures if cure.get("column") == label.column
               for value in cure.get("values", ())}
        positive = list(dict.fromkeys(own.get(spelling(value), value) for value in positive))
    return {"column": label.column, "positive": positive if len(positive) > 1 else positive[0]}


def paid(money: Part) -> dict[str, Any]:
    """The mapping's [money] for that part."""
    if not money.column:
        return {}
    if money.value == "month":
        return {"column": money.column, "per": "month"}
    return {"column": money.column, "per": "total", "period_days": float(money.value or 365)}


def _scaled(tenure: Part) -> list[dict[str, Any]]:
    """The cure that turns years or days of tenure into months."""
    factor = IN_MONTHS.get(tenure.value, 1.0)
    return [] if not tenure.column or factor == 1 else [
        {"column": tenure.column, "cure": "times", "by": round(factor, 6), "unit": tenure.value}]
