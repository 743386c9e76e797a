"""What is wrong in a file's cells: each fault with severity, rows, an example, and where it is safe the cure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from engine.data.clash import percent_clash, percent_like_the_rest
from engine.data.dates import moments
from engine.data.doctor.cures import MOST_MONTHS, SHEET_DAY, dated, day_texts, plain_date, spelling, totals
from engine.data.doctor.looks import Look, is_missing_word, rows_of
from engine.data.doctor.vocabulary import ENDED, PERIOD, YES, folded, says, word
from engine.data.parsing import FALSE, TRUE, distinct, is_text, numbers
from engine.schema import Column, Finding, plural

SENTINELS = (-1.0, -9.0, -99.0, -999.0, -9999.0, -99999.0, 999.0, 9999.0, 99999.0, 999999.0)
SENTINEL_SHARE = 0.003
MOST_SPELLINGS = 6
RATES = r"rate|ratio|share|pct|percent|percentage|quote|tasa|taux|taxa|tasso|discount|rabatt"
COMING = r"renew\w*|expir\w*|due|next|end|until|valid\w*|contract_end|ende|fin|vence|echeance|scadenza|ablauf"


@dataclass(frozen=True)
class Fault:
    """Something wrong: the finding, an example as it stands in the file, the cure; `safe` cures need no question.

    lasts: a doubt about what is learned from, which is among the findings of what is learned, too.
    """

    finding: Finding
    example: str = ""
    cure: Mapping[str, Any] = field(default_factory=dict)
    safe: bool = True
    lasts: bool = False


def of_columns(frame: pd.DataFrame, looks: Mapping[str, Look], now: datetime, key: str = "") -> tuple[Fault, ...]:
    """The faults of every column, in the order of the file.

    key: the column that names the rows or joins them: but for words that mean nothing is known it is left as it is.
    """
    return tuple(fault for name, look in looks.items() for fault in (
        _missing(replace(look, odd=())) if name == key else _of_column(_held(frame[name]), look, now)))


def _held(values: pd.Series) -> pd.Series:
    """The column without words that no row holds any more."""
    return values.cat.remove_unused_categories() if isinstance(values.dtype, pd.CategoricalDtype) else values


def _of_column(values: pd.Series, look: Look, now: datetime) -> Iterator[Fault]:
    if look.kind == "empty":
        yield Fault(Finding("warning", look.name, "Every value is blank.", "It is left out.", look.rows))
        return
    if look.distinct == 1 and look.blank == 0:
        yield Fault(Finding("note", look.name, f"Every value is {look.example}.", "It tells no customers apart.",
                            look.rows), look.example)
    if is_text(values):
        yield from _blanks(values, look)
        yield from _missing(look)
        yield from _spellings(values, look)
        yield from _written(values, look)
    elif look.kind == "date":
        yield from _missing(look)
        yield from _days_otherwise(values, look)
    if look.wide:
        yield _rare(look)
    if look.kind == "number":
        yield from _sentinels(values, look)
        yield from _clashes(values, look)
    if look.kind == "date":
        yield from _future(values, look, now)


def _blanks(values: pd.Series, look: Look) -> Iterator[Fault]:
    seen = distinct(values)
    odd = (seen.written != seen.written.map(lambda text: " ".join(text.split()))).to_numpy(dtype=bool)
    odd &= (seen.texts != "").to_numpy(dtype=bool)
    if odd.any() and look.kind in ("category", "flag", "text"):
        rows, example = seen.rows(odd), repr(seen.written[odd].iloc[0])
        what = f"{plural(rows, 'cell has', 'cells have')} blanks around or doubled between words."
        yield Fault(Finding("note", look.name, what, "Leave them out.", rows), example,
                    {"column": look.name, "cure": "strip"})


def _missing(look: Look) -> Iterator[Fault]:
    """Words that mean nothing is known, and texts among numbers and dates that can only mean it."""
    among = look.kind in ("number", "date", "flag")
    gone = [text for text in look.missing if is_missing_word(text, in_words=not among)]
    if not among and len({folded(text) for text in gone}) < 2:
        gone = []
    gone = [*gone, *look.odd]
    if not gone:
        return
    kind = {"number": "numbers", "date": "dates", "flag": "yes and no"}.get(look.kind, "words")
    told = ", ".join(map(repr, gone[:4]))
    what = f"Among {kind} stand {told}: nothing is known there."
    rows = rows_of(look, gone)
    yield Fault(Finding("warning" if look.odd else "note", look.name, what, "Read them as missing.", rows), gone[0],
                {"column": look.name, "cure": "missing", "words": sorted(set(gone))})


def _spellings(values: pd.Series, look: Look) -> Iterator[Fault]:
    if look.kind == "flag":
        odd = [text for text, _ in look.values if text.strip().lower() not in TRUE | FALSE]
        if odd or len({folded(text) for text, _ in look.values}) > 2:
            what = _yes_and_no(list(dict.fromkeys(text.strip() for text, _ in look.values)))
            yield Fault(Finding("note", look.name, what, "Read them as one yes and one no.", look.rows),
                        (odd or [look.example])[0], {"column": look.name, "cure": "yes_no"})
        return
    if look.kind != "category":
        return
    seen = distinct(values)
    counts = np.bincount(seen.codes[seen.codes >= 0], minlength=len(seen.texts))
    table = pd.DataFrame({"text": seen.texts.map(lambda text: " ".join(text.split())), "rows": counts})
    table = pd.DataFrame(table[table["text"] != ""].groupby("text", as_index=False).agg(rows=("rows", "sum")))
    table["key"] = table["text"].map(spelling)
    best = table.sort_values("rows", ascending=False, kind="stable").drop_duplicates("key")
    rare = table[~table["text"].isin(best["text"])]
    if len(rare):
        rows, example = int(rare["rows"].sum()), str(rare["text"].iloc[0])
        own = str(best.loc[best["key"] == rare["key"].iloc[0], "text"].iloc[0])
        what = f"{plural(rows, 'row spells', 'rows spell')} a word in another way, such as {example!r} for {own!r}."
        yield Fault(Finding("note", look.name, what, "Take them as one.", rows), example,
                    {"column": look.name, "cure": "spelling", "values": sorted(best["text"])})


def _yes_and_no(written: Sequence[str]) -> str:
    """In which words a column says yes and no.

    >>> _yes_and_no(["nein", "ja"]), _yes_and_no(["ja"]), _yes_and_no(["ja", "nein", "Ja"])
    ('Yes and no are written ja and nein.', 'Yes is written ja.', 'Yes and no are spelled 3 ways: ja, nein, Ja.')
    """
    yes = [text for text in written if word(text) in YES]
    no = [text for text in written if text not in yes]
    if len(yes) > 1 or len(no) > 1:
        more = len(written) - MOST_SPELLINGS
        rest = f" and {more} more" if more > 0 else ""
        return f"Yes and no are spelled {len(written)} ways: {', '.join(written[:MOST_SPELLINGS])}{rest}."
    if yes and no:
        return f"Yes and no are written {yes[0]} and {no[0]}."
    return f"Yes is written {yes[0]}." if yes else f"No is written {no[0]}."


def _rare(look: Look) -> Fault:
    """More words than can be told apart: those that many rows share are kept."""
    kept, stand = rows_of(look, look.common), plural(len(look.common), "word stands", "words stand")
    what = f"{look.distinct:,} words, too many to be told apart; {stand} in {kept:,} of {look.rows:,} rows."
    return Fault(Finding("note", look.name, what, "Keep these, and take the others as one.", look.rows - kept),
                 look.values[-1][0], {"column": look.name, "cure": "common", "words": sorted(look.common)})


def _written(values: pd.Series, look: Look) -> Iterator[Fault]:
    """Numbers with signs and units, percent on some, months without a day."""
    if look.kind == "date":
        yield from _days_otherwise(values, look)
    if look.kind != "number":
        return
    seen = distinct(values)
    signed = seen.texts.str.endswith("%").to_numpy(dtype=bool)
    if signed.any() and not (signed | seen.texts.isin(["", *look.odd, *look.missing]).to_numpy(dtype=bool)).all():
        rows = seen.rows(signed)
        what = f"{plural(rows, 'value carries', 'values carry')} a percent sign, others do not."
        yield Fault(Finding("warning", look.name, what, "Read all as shares.", rows),
                    str(seen.texts[signed].iloc[0]), {"column": look.name, "cure": "percent"})
    elif look.decorated:
        what = f"Numbers are written with signs or units, such as {look.example!r}."
        yield Fault(Finding("note", look.name, what, "Read the numbers.", look.rows), look.example,
                    {"column": look.name, "cure": "number"})


def _days_otherwise(values: pd.Series, look: Look) -> Iterator[Fault]:
    """Months without a day, and days as a spreadsheet counts them."""
    if pd.api.types.is_datetime64_any_dtype(values):
        return
    texts = day_texts(values)
    plain = texts.map(plain_date)
    other = (texts != plain).to_numpy(dtype=bool)
    if not other.any():
        return
    example, read = texts[other].iloc[0], plain[other].iloc[0]
    counted = SHEET_DAY.fullmatch(example) is not None
    what, fix = ((f"Days are counted as a spreadsheet does, such as {example}.", f"Read them as dates: {read}.")
                 if counted else (f"Months without a day, such as {example}.", "Read as the first day."))
    yield Fault(Finding("note", look.name, what, fix, look.rows), example, {"column": look.name, "cure": "date"})


def _sentinels(values: pd.Series, look: Look) -> Iterator[Fault]:
    """A number such as -999 or 99999 that stands, often, far from all others: written where nothing is known."""
    read = numbers(values, "").values if is_text(values) else values
    found = pd.Series(read.to_numpy(dtype=float, na_value=np.nan)).dropna()
    yield from _infinite(found, look)
    found = found[np.isfinite(found)]
    for one in SENTINELS:
        here, rest = found == one, found[found != one]
        if here.mean() < SENTINEL_SHARE or not len(rest) or here.sum() < 3:
            continue
        spread = max(float(rest.max() - rest.min()), 1.0)
        below = one < 0 <= rest.min() and (one <= -9 or (rest.nunique() > 20 and rest.min() >= 1))
        alone = below or one > rest.max() + 2 * spread
        if alone:
            rows = int(here.sum())
            what = f"{plural(rows, 'value is', 'values are')} {one:g}, far from all others: nothing seems to be known."
            yield Fault(Finding("warning", look.name, what, "Read it as missing.", rows), f"{one:g}",
                        {"column": look.name, "cure": "missing", "words": [f"{one:g}", f"{one:.1f}"]})


def _infinite(found: pd.Series, look: Look) -> Iterator[Fault]:
    """A ratio whose divisor was zero."""
    rows = int(np.isinf(found).sum())
    if rows:
        what = f"{plural(rows, 'value is', 'values are')} infinite."
        yield Fault(Finding("warning", look.name, what, "Read them as missing.", rows), "inf",
                    {"column": look.name, "cure": "missing", "words": ["inf", "-inf"]})


def _clashes(values: pd.Series, look: Look) -> Iterator[Fault]:
    """Percent among fractions; mended unasked only where the ones, divided by 100, are spread as the others are."""
    if look.low < 0 or look.high > 100:
        return
    found = numbers(values, "").values if is_text(values) else pd.to_numeric(values, errors="coerce").astype(float)
    if rows := percent_like_the_rest(found.dropna()):
        what = (f"{plural(rows, 'value is', 'values are')} in percent, the others are shares: divided by 100 they are "
                "alike.")
        yield Fault(Finding("warning", look.name, what, "Read all as shares.", rows), f"{found.max():g}",
                    {"column": look.name, "cure": "percent"})
        return
    if not says(look.plain, RATES):
        return
    above = float((found[found.notna() & (found != 0)] > 1).mean())  # a zero is neither
    unit = "percent" if above > 0.5 else "share 0..1"
    if unit != "percent" and above == 0:
        return
    for finding in percent_clash(Column(look.name, "number", unit, look.name), found):
        yield Fault(finding, f"{found.max():g}", {"column": look.name, "cure": "percent"}, safe=False)


def _future(values: pd.Series, look: Look, now: datetime) -> Iterator[Fault]:
    at = moments(dated(values), look.name).values
    late = int((at > pd.Timestamp(now)).sum())
    if late and not says(look.plain, COMING) and not says(look.plain, ENDED):
        what = f"{plural(late, 'date is', 'dates are')} after {now:%Y-%m-%d}."
        yield Fault(Finding("warning", look.name, what, "Correct the dates, or say until when the data were observed.",
                            late), f"{at.max():%Y-%m-%d}")


# ---------------------------------------------------------------------------------------------------------- whole rows

def of_rows(frame: pd.DataFrame, ids: str, looks: Mapping[str, Look], name: str) -> tuple[Fault, ...]:
    """Rows that are repeated exactly, ids that stand on several rows, ids written in several ways."""
    found = []
    if below := totals(frame):
        what = f"{plural(below, 'row')} below the last customer: a total or a remark."
        found.append(Fault(Finding("note", name, what, "Leave out what stands there.", below),
                           next((str(cell) for cell in frame.iloc[-1] if str(cell).strip()), ""), {"cure": "totals"}))
        frame = frame.iloc[:-below]
    repeated = int(frame.duplicated().sum())
    if repeated:
        what = f"{plural(repeated, 'row repeats', 'rows repeat')} another exactly."
        if ids:
            fix, cure = "Keep one of each.", {"cure": "repeats"}
        else:
            fix, cure = "Kept: without an id two customers may well be equal.", {}
        found.append(Fault(Finding("warning" if ids else "note", name, what, fix, repeated), "", cure))
    return (*found, *(_of_ids(frame, ids, looks) if ids else ()))


def _of_ids(frame: pd.DataFrame, ids: str, looks: Mapping[str, Look]) -> Iterator[Fault]:
    who = frame.drop_duplicates()[ids].astype(str).str.strip()
    several = who[who.duplicated(keep=False) & (who != "")]
    if len(several):
        by = _latest_by(looks, ids, frame)
        what = f"{several.nunique():,} customers stand on {len(several):,} rows that differ."
        fix = f"Keep the latest by {by}." if by else "Keep the last row of each."
        yield Fault(Finding("warning", ids, what, fix, len(several)), str(several.iloc[0]),
                    {"cure": "latest", **({"column": by} if by else {})})
    floats = who.str.fullmatch(r"\d+\.0+")
    if floats.any() and not floats.all():
        yield Fault(Finding("note", ids, f"{int(floats.sum()):,} ids end in .0, others do not.", "Read 7.0 as 7.",
                            int(floats.sum())), str(who[floats].iloc[0]), {"column": ids, "cure": "number"})


def in_time(looks: Iterable[Look]) -> list[Look]:
    """The columns that say when a row was written: dates or, where there is none, months that are numbered."""
    several = [look for look in looks if look.distinct > 1]
    return ([look for look in several if look.kind == "date"]
            or [look for look in several if look.kind == "number" and look.whole and look.low >= 0
                and look.high <= MOST_MONTHS and re.fullmatch(PERIOD, look.plain)])


def _latest_by(looks: Mapping[str, Look], ids: str, frame: pd.DataFrame) -> str:
    """The column that orders a customer's rows: a date, by name a month or snapshot first, that parts most of them."""
    dates = [look for look in in_time(looks.values()) if look.name != ids and look.blank < 0.5]
    named = [look for look in dates if re.search("snapshot|month|period|report|as_of|updated|extract", look.plain)]
    found = named or dates
    if len(found) < 2:
        return found[0].name if found else ""
    return max(found, key=lambda look: len(frame[[ids, look.name]].drop_duplicates())).name


def quarantined(column: str, why: str) -> Mapping[str, Any]:
    """The cure that leaves a column out, with the reason."""
    return {"column": column, "cure": "quarantine", "why": why}


def shown(faults: Sequence[Fault]) -> list[dict[str, Any]]:
    """The faults as records that can be written as JSON."""
    return [{"severity": fault.finding.severity, "where": fault.finding.where, "what": fault.finding.what,
             "fix": fault.finding.fix, "rows": fault.finding.rows, "example": fault.example,
             "cure": dict(fault.cure), "safe": fault.safe} for fault in faults]
