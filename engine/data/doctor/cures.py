"""Cures: what is mended in the cells before anything is read from them, by a record that next month's file gets too.

A cure is a small mapping: column, cure, and what else it needs. They are carried out in the order of CURES, so that the
same record gives the same table whatever the order in which it was agreed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from engine.data.doctor.vocabulary import DAYS, MONTHS, NO, SYMBOLS, WEEKS, YEARS, YES, folded
from engine.data.parsing import as_written, distinct, is_text, numbers
from engine.errors import EngineError, choose
from engine.schema import Finding, plural

Spec = Mapping[str, Any]
MOST_DECORATIONS = 6
MOST_TOTALS = 8
MOST_MONTHS = 600
OTHERS = "(others)"
MONTHS_OF = {MONTHS: 1.0, YEARS: 12.0, DAYS: 12 / 365.25, WEEKS: 84 / 365.25}
THOUSANDS = {"k": 1e3, "tsd": 1e3, "mn": 1e6, "mio": 1e6}
_PARTS = re.compile(r"(?P<before>[^\d+\-−.,(]{0,6}?)\s*(?P<number>[+\-−]?\s?\(?[+\-−]?(?:\d[\d.,\s'’]*|[.,]\d+)\)?)\s*"
                    r"(?P<after>[^\d]{0,16})")
_TOTAL = re.compile(r"(?:grand |sub)?total|sum(?:me)?\b|gesamt|suma\b|somme|totale|end of|fin\b|ende\b|"
                    r"rows?\b|records?\b|count\b|report\b|source\b|note|generated|exported|printed|\(?c\)|confidential|-{3,}|\*|#")
_YEAR_MONTH = re.compile(r"(\d{4})[-/.](\d{1,2})")
_MONTH_YEAR = re.compile(r"(\d{1,2})[-/.](\d{4})")
MONTH = re.compile(r"((?:19|20)\d{2})(0[1-9]|1[0-2])(?:\.0)?")  # 202401
SHEET_DAY = re.compile(r"([1-5]\d{4})(?:\.\d+)?")  # 45292, days as a spreadsheet counts them
_SHEETS_BEGIN = date(1899, 12, 30)  # day 0 of a spreadsheet that counts days
_NAMED_MONTH = re.compile(r"([A-Za-z]{3,9})[-\s.,/]+(\d{4})")


# ----------------------------------------------------------------------------------------------------- one cell

def decorated(texts: pd.Series) -> np.ndarray:
    """Numbers that carry currency signs, units of time or a thousand's k; not a number where a text is anything else.

    Times in several units become months. More than a few sorts of decoration are words, not numbers.

    >>> decorated(pd.Series(["₹1,200", "R 3", "x"])).tolist(), decorated(pd.Series(["2 years", "6 months"])).tolist()
    ([1200.0, 3.0, nan], [24.0, 6.0])
    """
    nothing = np.full(len(texts), np.nan)
    found = [_PARTS.fullmatch(text.strip()) for text in texts]
    marks = [(_mark(part["before"]), _mark(part["after"])) if part else None for part in found]
    told = {pair for pair in marks if pair}
    if len(told) > MOST_DECORATIONS:
        return nothing
    factor = _factors({after for _, after in told if after})
    bare = pd.Series([part["number"] if part and pair and _known(*pair, factor) else ""
                      for part, pair in zip(found, marks, strict=True)], dtype=object)
    read = numbers(bare, "").values.to_numpy(dtype=float)
    return read * np.array([factor.get(pair[1], 1.0) if pair else np.nan for pair in marks])


def _mark(text: str) -> str:
    return folded(text).strip(" .")


_SIGNS = frozenset(map(_mark, SYMBOLS)) | {""}


def _known(before: str, after: str, factor: Mapping[str, float]) -> bool:
    """Whether what stands around the number is a currency, a unit of the column, or nothing."""
    return before in _SIGNS and (after in _SIGNS or after in factor)


def _factors(units: Collection[str]) -> dict[str, float]:
    """What each unit multiplies by: several units of time become months; one unit of any kind is left as it is.

    Several of unknown kinds are no units: houses in streets, megabytes beside gigabytes.

    >>> _factors(["visit", "visits"]), _factors(["s main st", "e lincoln ave"])
    ({'visit': 1.0, 'visits': 1.0}, {})
    """
    times = {unit: months for unit in units for pattern, months in MONTHS_OF.items() if re.fullmatch(pattern, unit)}
    if len({times.get(unit) for unit in units}) > 1 and set(times) == set(units):
        return times
    named = {unit for unit in units if re.fullmatch(r"[a-zµ²³/ ]+", unit)}
    unknown = named - times.keys() - THOUSANDS.keys()
    if len({unit.rstrip("s") for unit in unknown}) > 1:
        named -= unknown
    return {unit: THOUSANDS.get(unit, 1.0) for unit in sorted(named)}


def plain_date(text: str) -> str:
    """A month without a day as its first day, a spreadsheet's count of days as its date; anything else as it is.

    >>> plain_date("2024-3"), plain_date("03/2024"), plain_date("May 2024"), plain_date("2024-03-05")
    ('2024-03-01', '2024-03-01', '1 May 2024', '2024-03-05')
    >>> plain_date("202403"), plain_date("45356")
    ('2024-03-01', '2024-03-05')
    """
    if found := MONTH.fullmatch(text):
        return f"{found[1]}-{found[2]}-01"
    if found := SHEET_DAY.fullmatch(text):
        return str(_SHEETS_BEGIN + timedelta(days=int(found[1])))
    if found := _YEAR_MONTH.fullmatch(text):
        return f"{found[1]}-{int(found[2]):02d}-01"
    if found := _MONTH_YEAR.fullmatch(text):
        return f"{found[2]}-{int(found[1]):02d}-01"
    if found := _NAMED_MONTH.fullmatch(text):
        return f"1 {found[1]} {found[2]}"
    return text


def spelling(text: str) -> str:
    """What spellings of one word have in common.

    >>> spelling("Month-to-month"), spelling(" MONTH  TO_MONTH ")
    ('month to month', 'month to month')
    """
    return " ".join(re.sub(r"[\s_\-]+", " ", folded(text)).split()) or text.strip()


# --------------------------------------------------------------------------------------------------- one column

def _changed(values: pd.Series, change: Callable[[str], str]) -> pd.Series:
    """The column with each distinct text changed; typed columns stay as they are."""
    if not is_text(values):
        return values
    seen = distinct(values)
    return seen.spread(seen.written.map(change).to_numpy(dtype=object), "").astype("category")


def _strip(values: pd.Series, _spec: Spec) -> pd.Series:
    return _changed(values, lambda text: " ".join(text.split()))


def _missing(values: pd.Series, spec: Spec) -> pd.Series:
    gone = {folded(str(text)) for text in spec.get("words", ())}
    if is_text(values):
        return _changed(values, lambda text: "" if folded(text) in gone else text)
    if pd.api.types.is_datetime64_any_dtype(values):
        seen = distinct(values)
        return values.mask(seen.spread(seen.texts.map(folded).isin(gone).to_numpy(dtype=bool), False))
    wanted = pd.to_numeric(pd.Series(sorted(gone)), errors="coerce").dropna()
    return values.mask(values.isin(wanted)) if pd.api.types.is_numeric_dtype(values) else values


def _spelling(values: pd.Series, spec: Spec) -> pd.Series:
    canonical = {spelling(str(value)): str(value) for value in spec.get("values", ())}
    return _changed(values, lambda text: canonical.get(spelling(text), text.strip()))


def _common(values: pd.Series, spec: Spec) -> pd.Series:
    kept = {folded(str(word)) for word in spec.get("words", ())}
    return _changed(values, lambda text: text if folded(text) in kept | {""} else OTHERS)


def _yes_no(values: pd.Series, _spec: Spec) -> pd.Series:
    def answer(text: str) -> str:
        plain = folded(text).strip(" .'\"")
        return "Yes" if plain in YES else "No" if plain in NO else ""

    return _changed(values, answer)


def _number(values: pd.Series, _spec: Spec) -> pd.Series:
    if not is_text(values):
        return values
    seen = distinct(values)
    read = decorated(seen.texts)
    texts = [f"{number:.15g}" if np.isfinite(number) else text for number, text in zip(read, seen.texts, strict=True)]
    return seen.spread(np.array(texts, dtype=object), "").astype("category")


def _percent(values: pd.Series, _spec: Spec) -> pd.Series:
    """17 % and 17 as 0.17, 0.17 as it is."""
    if not is_text(values):
        return values.mask(values > 1, values / 100) if pd.api.types.is_numeric_dtype(values) else values
    seen = distinct(values)
    signed = seen.texts.str.endswith("%").to_numpy(dtype=bool)
    read = numbers(seen.texts.str.rstrip("% "), "").values.to_numpy(dtype=float)
    shares = np.where(signed | (read > 1), read / 100, read)
    texts = [f"{share:.15g}" if np.isfinite(share) else text for share, text in zip(shares, seen.texts, strict=True)]
    return seen.spread(np.array(texts, dtype=object), "").astype("category")


def _times(values: pd.Series, spec: Spec) -> pd.Series:
    read = numbers(values, "").values if is_text(values) else pd.to_numeric(values, errors="coerce")
    return read.astype(float) * float(spec.get("by", 1))


def dated(values: pd.Series) -> pd.Series:
    """The column with its months and counted days as dates, whether they are texts or numbers.

    >>> dated(pd.Series([45356.0, None])).tolist(), dated(pd.Series([202403, 202404])).tolist()
    (['2024-03-05', ''], ['2024-03-01', '2024-04-01'])
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        return values
    return distinct(values).spread(day_texts(values).map(plain_date).to_numpy(dtype=object), "").astype("category")


def day_texts(values: pd.Series) -> pd.Series:
    """A column's distinct texts as days are written: whole numbers without a decimal."""
    texts = distinct(values).texts
    return texts if is_text(values) else texts.str.removesuffix(".0")


def _date(values: pd.Series, _spec: Spec) -> pd.Series:
    return dated(values)


CURES: dict[str, tuple[Callable[[pd.Series, Spec], pd.Series], str]] = {
    "strip": (_strip, "Leave out blanks before, behind and doubled between words"),
    "missing": (_missing, "Read these as missing"),
    "yes_no": (_yes_no, "Read every spelling of yes as one, and of no"),
    "spelling": (_spelling, "Take spellings that differ by case, blanks or hyphens as one"),
    "common": (_common, "Tell the words apart that many customers share, and take the others as one"),
    "number": (_number, "Leave out signs and units, and read the numbers"),
    "percent": (_percent, "Read all as shares: 17 % and 17 as 0.17"),
    "date": (_date, "Read a month as its first day, and a spreadsheet's count of days as its date"),
    "times": (_times, "Multiply into the unit that is wanted"),
}
WHOLE_TABLE = {"renamed": "Read it as the column that it was before",
               "totals": "Leave out what stands below the last customer",
               "repeats": "Keep one of each row that is repeated exactly",
               "latest": "Keep the latest row of each customer",
               "quarantine": "Leave the column out"}


def in_words(cure: str) -> str:
    """What a cure does.

    >>> in_words("repeats")
    'Keep one of each row that is repeated exactly'
    """
    return WHOLE_TABLE[cure] if cure in WHOLE_TABLE else CURES[cure][1]


# ------------------------------------------------------------------------------------------------------- a table

def cured(frame: pd.DataFrame, specs: Sequence[Spec], name: str, key: str = "") -> tuple[pd.DataFrame, list[Finding]]:
    """The table with every cure carried out, and notes on what that changed; cures of absent columns are passed over.

    key: the column that names the customers, whose repetitions "latest" ends.
    """
    frame, found = renamed(frame, specs)
    if any(spec.get("cure") == "totals" for spec in specs) and (below := totals(frame)):
        what = f"{plural(below, 'row')} below the last customer: a total or a remark."
        frame, found = frame.iloc[:-below], [*found, Finding("note", name, what, "Left out.", below)]
    for spec in specs:
        if spec.get("cure") == "repeats":
            frame, found = _without_repeats(frame, name, found)
    order = list(CURES)
    columns = {str(column): frame[column] for column in frame.columns}
    for spec in sorted((spec for spec in specs if spec.get("cure") in CURES), key=lambda s: order.index(s["cure"])):
        column = str(spec.get("column", ""))
        if column in columns:
            columns[column], before = CURES[spec["cure"]][0](columns[column], spec), columns[column]
            found += _told(column, str(spec["cure"]), before, columns[column])
    frame = pd.DataFrame(columns, index=frame.index)
    for spec in specs:
        if spec.get("cure") == "latest":
            frame, found = _latest(frame, str(spec.get("column", "")), key, name, found)
    gone = [str(spec["column"]) for spec in specs if spec.get("cure") == "quarantine" and spec.get("column") in frame]
    return frame.drop(columns=gone), found


def renamed(frame: pd.DataFrame, specs: Sequence[Spec]) -> tuple[pd.DataFrame, list[Finding]]:
    """The table with columns under the names that they had before, and notes on them.

    >>> list(renamed(pd.DataFrame({"No.": ["a"]}), [{"column": "No.", "cure": "renamed", "to": "id"}])[0])
    ['id']
    """
    names = {str(spec["column"]): str(spec["to"]) for spec in specs if spec.get("cure") == "renamed"
             and spec["column"] in frame and spec["to"] not in frame}
    return frame.rename(columns=names), [
        Finding("note", old, f"It is written {new} in this file.", "Read as the same column.", len(frame))
        for new, old in names.items()]


def check(specs: object) -> tuple[tuple[dict[str, Any], ...], tuple[dict[str, Any], ...]]:
    """The cures that are carried out, and those that a person has declined (off); EngineError for what is no cure.

    >>> check([{"column": "fee", "cure": "percent"}, {"column": "plan", "cure": "strip", "off": True}])
    (({'column': 'fee', 'cure': 'percent'},), ({'column': 'plan', 'cure': 'strip'},))
    """
    if isinstance(specs, str) or not isinstance(specs, Sequence) or any(not isinstance(s, Mapping) for s in specs):
        raise EngineError(f"'cures' in the mapping is {specs!r}. Write each as [[cures]] with a column and a cure.")
    for spec in specs:
        choose("cure", str(spec.get("cure")), {**CURES, **dict.fromkeys(WHOLE_TABLE)})
        if spec["cure"] == "renamed" and not (spec.get("column") and spec.get("to")):
            raise EngineError(f"The cure {dict(spec)!r} lacks 'column' or 'to': the column's name in the file, and the "
                              "one that it had before.")
    on, off = ([{key: value for key, value in spec.items() if key != "off"} for spec in specs
                if bool(spec.get("off")) == declined] for declined in (False, True))
    return tuple(on), tuple(off)


def _told(column: str, cure: str, before: pd.Series, after: pd.Series) -> list[Finding]:
    """A note on how many cells a cure changed."""
    changed = int((as_written(before) != as_written(after)).sum())
    if not changed or cure == "times":
        return []
    what = f"{plural(changed, 'cell was', 'cells were')} mended."
    return [Finding("note", column, what, f"{CURES[cure][1]}.", changed)]


def totals(frame: pd.DataFrame) -> int:
    """How many of the last rows are no customers but totals or remarks: most cells blank, and the first says so.

    >>> totals(pd.DataFrame({"id": ["a", "b", "c", "Total", "End of report"], "x": ["1", "2", "", "3", ""],
    ...                      "y": ["1", "2", "4", "", ""], "z": ["5", "6", "7", "", ""],
    ...                      "plan": ["a", "b", "c", "", ""]}))
    2
    """
    end = _written(frame.tail(MOST_TOTALS))
    filled = (end != "").sum(axis=1).tolist()
    words = [next((cell for cell in row if cell), "") for row in end.itertuples(index=False)]
    usual = (_written(frame.head(MOST_TOTALS)) != "").sum(axis=1).max()
    count = 0
    for cells, text in zip(filled[::-1], words[::-1], strict=True):
        if cells > usual / 2 or (cells and not _TOTAL.match(folded(text))):
            break
        count += 1
    return count if count < len(frame) else 0


def _written(rows: pd.DataFrame) -> pd.DataFrame:
    """Every cell as text without spaces around it, blank where it is missing."""
    return rows.astype(object).map(lambda cell: "" if pd.isna(cell) else str(cell).strip())


def _without_repeats(frame: pd.DataFrame, name: str, found: list[Finding]) -> tuple[pd.DataFrame, list[Finding]]:
    repeated = frame.duplicated()
    if not repeated.any():
        return frame, found
    count = int(repeated.sum())
    what = f"{plural(count, 'row repeats', 'rows repeat')} another exactly."
    return frame[~repeated], [*found, Finding("note", name, what, "One of each was kept.", count)]


def _in_time(values: pd.Series, name: str) -> pd.Series:
    """When rows were written, as what can be sorted: moments, or the number of a month where those are numbered."""
    from engine.data.dates import moments

    counted = numbers(values, name).values
    return counted if counted.notna().any() and counted.max() <= MOST_MONTHS else moments(values, name).values


def _latest(frame: pd.DataFrame, by: str, key: str, name: str, found: list[Finding]
            ) -> tuple[pd.DataFrame, list[Finding]]:
    """One row per customer: the last by the column `by`, or the last in the file; in the order in which the customers
    first come, as the place of the last row would say until when each was there."""
    if key not in frame:
        return frame, found
    at = _in_time(frame[by], by) if by in frame else None
    order = frame.index if at is None else at.sort_values(kind="stable", na_position="first").index
    who = frame.loc[order, key].astype(str)
    kept = order[(~who.duplicated(keep="last") | who.str.strip().eq("")).to_numpy()]
    count = len(frame) - len(kept)
    if not count:
        return frame, found
    what = f"{plural(count, 'earlier row', 'earlier rows')} of customers who have a later one."
    place = pd.Series(np.arange(len(frame)), frame.index)
    first = place.groupby(frame[key].astype(str).to_numpy()).transform("min")
    in_order = first[sorted(kept)].sort_values(kind="stable").index
    return frame.loc[in_order], [*found, Finding("note", name, what, "The latest row of each was kept.", count)]
