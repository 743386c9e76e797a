"""Text into moments: the order of day and month is decided per column by its own evidence, and reported."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime

import numpy as np
import pandas as pd

from engine.data.parsing import Distinct, Findings, Parsed, blank, blanks_read, distinct, is_text
from engine.schema import Finding, plural

EARLIEST, LATEST = pd.Timestamp(1900, 1, 1), pd.Timestamp(2200, 1, 1)
_TIME = (r"(?:[T,\s]+(?P<hour>\d{1,2}):(?P<minute>\d{2})(?::(?P<second>\d{2})(?:[.,]\d+)?)?"
         r"\s*(?P<half>[AaPp])?(?:\.?[Mm]\.?)?)?")
_SLASHED = re.compile(r"(?P<a>\d{1,2})[-/.](?P<b>\d{1,2})[-/.](?P<year>\d{4}|\d{2})" + _TIME)
_NAMED = re.compile(r"(?:[A-Za-z]{3},?\s+)?(?:(?P<a>\d{1,2})[-\s./]+(?P<name>[A-Za-z]{3,9})|(?P<name2>[A-Za-z]{3,9})"
                    r"[-\s.]+(?P<a2>\d{1,2}))[-\s.,/]+(?P<year>\d{4}|\d{2})" + _TIME)
_ISO = re.compile(r"\d{4}[-/]\d{1,2}[-/]\d{1,2}(?:[T\s]+\d.*)?")
_COMPACT = re.compile(r"(?:19|20|21)\d{6}(?:T\d{4,6}Z?)?")
_ZONE = re.compile(r"(?:Z|UTC|GMT|[+-]\d{2}:?\d{2})$")
_MONTHS = {name: number for number, name in enumerate(
    ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"), 1)}


@dataclass(frozen=True)
class _Parts:
    """A date that names its parts: two numbers whose order is open, or a day and a named month."""

    a: int
    b: int
    year: int
    clock: tuple[int, int, int]

    def moment(self, day_first: bool) -> np.datetime64:
        """The date with this order of its parts; not a time when the calendar has no such day."""
        day, month = (self.a, self.b) if day_first else (self.b, self.a)
        try:
            return np.datetime64(datetime(self.year, month, day, *self.clock), "us")
        except ValueError:
            return np.datetime64("NaT", "us")


def moments(values: pd.Series, name: str, day_first: bool | None = None) -> Parsed:
    """The column as naive UTC moments. Reads ISO 8601, YYYYMMDD, DD/MM/YYYY, MM/DD/YYYY and 1 Dec 2010, with times.

    Whether 01/02/2024 is January or February is decided by the column's other dates (13/01 can only be a day first);
    without evidence the day is taken first and a warning says so. `day_first` decides instead. Dates outside 1900 to
    2199 cannot be read.

    >>> moments(pd.Series(["12/31/2023", "01/02/2024"]), "joined").values.dt.month.tolist()
    [12, 1]
    """
    if pd.api.types.is_datetime64_any_dtype(values):
        return _within(values.astype("datetime64[us]"), values.notna(), ())
    seen = _compact_numbers(values) if not is_text(values) else distinct(values)
    empty, findings = blank(seen), blanks_read(seen, name)
    found, more = _read(seen, empty, name, day_first)
    spread = pd.Series(seen.spread(found, np.datetime64("NaT")), dtype="datetime64[us]")
    return _within(spread, seen.spread(~empty, False), findings + more)


def _within(found: pd.Series, present: pd.Series, findings: Findings) -> Parsed:
    inside = found.between(EARLIEST, LATEST, inclusive="left")
    return Parsed(found.where(inside), present & ~inside, findings)


def _compact_numbers(values: pd.Series) -> Distinct:
    """20240131 stored as a number, as its text."""
    whole = pd.Series(values.to_numpy(dtype=float, na_value=np.nan), index=values.index)
    return distinct(whole.map(lambda number: f"{number:.0f}" if float(number).is_integer() else str(number),
                              na_action="ignore").astype(object))


def _read(seen: Distinct, empty: np.ndarray, name: str, day_first: bool | None) -> tuple[np.ndarray, Findings]:
    iso, compact = _fits(seen, _ISO), _fits(seen, _COMPACT)
    found = _iso(seen.texts, iso | compact)
    rest = np.flatnonzero(~(iso | compact | empty))
    texts = seen.texts.iloc[rest]
    slashed, named = texts.map(_slashed).tolist(), texts.map(_named).tolist()
    order, findings = _order(seen, rest, slashed, name, day_first)
    for place, slash, word in zip(rest, slashed, named, strict=True):
        if slash or word:
            found[place] = slash.moment(order) if slash else word.moment(True)
    return found, _formats(seen, name, _used(seen, iso, compact, rest, slashed, named)) + findings


def _fits(seen: Distinct, pattern: re.Pattern[str]) -> np.ndarray:
    return seen.texts.map(lambda text: pattern.fullmatch(text) is not None).to_numpy(dtype=bool)


def _iso(texts: pd.Series, mask: np.ndarray) -> np.ndarray:
    found = np.full(len(texts), np.datetime64("NaT"), dtype="datetime64[us]")
    plain = texts[mask].map(lambda text: re.sub(r"\s*(?:UTC|GMT)$", "Z", text))
    read = pd.to_datetime(plain, format="ISO8601", errors="coerce", utc=True)
    found[mask] = read.dt.tz_localize(None).to_numpy(dtype="datetime64[us]")
    return found


def _slashed(text: str) -> _Parts | None:
    match = _SLASHED.fullmatch(text)
    return _Parts(int(match["a"]), int(match["b"]), _year(match["year"]), _clock(match)) if match else None


def _named(text: str) -> _Parts | None:
    match = _NAMED.fullmatch(text)
    month = _MONTHS.get((match["name"] or match["name2"])[:3].lower()) if match else None
    if match is None or month is None:
        return None
    return _Parts(int(match["a"] or match["a2"]), month, _year(match["year"]), _clock(match))


def _year(text: str) -> int:
    """Two digits count from 1970 to 2069.

    >>> _year("10"), _year("99"), _year("2010")
    (2010, 1999, 2010)
    """
    number = int(text)
    return number if len(text) == 4 else number + (1900 if number >= 70 else 2000)


def _clock(match: re.Match[str]) -> tuple[int, int, int]:
    if match["hour"] is None:
        return 0, 0, 0
    hour, half = int(match["hour"]), (match["half"] or "").lower()
    hour = hour % 12 + 12 * (half == "p") if half else hour
    return hour, int(match["minute"]), int(match["second"] or 0)


def _order(seen: Distinct, rest: np.ndarray, slashed: list[_Parts | None], name: str, told: bool | None
           ) -> tuple[bool, Findings]:
    """Whether the day comes before the month, by the rows whose date can only be read one way."""
    if not any(slashed):
        return True, ()
    day, month, either = (_rows(seen, rest, [bool(parts) and test(parts) for parts in slashed]) for test in (
        lambda parts: parts.a > 12 >= parts.b, lambda parts: parts.b > 12 >= parts.a,
        lambda parts: max(parts.a, parts.b) <= 12 and parts.a != parts.b))
    dotted = seen.texts.iloc[rest].str.contains(r"^\d+\.\d+\.").all()
    order = told if told is not None else day >= month
    return order, _order_findings(name, order, day, month, either, told is not None or bool(dotted))


def _order_findings(name: str, order: bool, day: int, month: int, either: int, known: bool) -> Findings:
    words = "DD/MM/YYYY" if order else "MM/DD/YYYY"
    against = month if order else day
    if against:
        what = f"{plural(against, 'date')} cannot be {words}, which {day if order else month} others prove."
        return (Finding("warning", name, what, "They were not read; write all dates the same way.", against),)
    if day or month or known:
        return (Finding("note", name, f"Dates are written {words}.", "Read as such.", day + month + either),)
    what = f"Nothing shows whether dates are DD/MM/YYYY or MM/DD/YYYY ({plural(either, 'row')})."
    return (Finding("warning", name, what, "The day was taken first; set day_first = false otherwise.", either),)


def _rows(seen: Distinct, places: np.ndarray, chosen: list[bool]) -> int:
    mask = np.zeros(len(seen.texts), dtype=bool)
    mask[places[np.array(chosen, dtype=bool)]] = True
    return seen.rows(mask)


def _used(seen: Distinct, iso: np.ndarray, compact: np.ndarray, rest: np.ndarray, slashed: list[_Parts | None],
          named: list[_Parts | None]) -> dict[str, int]:
    """Rows per way of writing."""
    rows = {"ISO 8601": seen.rows(iso), "YYYYMMDD": seen.rows(compact),
            "day and month with slashes or dots": _rows(seen, rest, [bool(parts) for parts in slashed]),
            "month by name": _rows(seen, rest, [bool(parts) for parts in named])}
    return {way: count for way, count in rows.items() if count}


def _formats(seen: Distinct, name: str, used: dict[str, int]) -> Findings:
    findings = []
    zoned = seen.texts.map(lambda text: _ZONE.search(text) is not None and ":" in text).to_numpy(dtype=bool)
    if zoned.any():
        findings.append(Finding("note", name, "Times carry a zone.", "Converted to UTC.", seen.rows(zoned)))
    if len(used) > 1:
        ways = ", ".join(f"{way} ({count:,})" for way, count in used.items())
        findings.append(Finding("warning", name, f"Dates are written in {len(used)} ways: {ways}.",
                                "All were read; write them one way.", sum(used.values())))
    elif used and next(iter(used)) in {"YYYYMMDD", "month by name"}:
        findings.append(Finding("note", name, f"Dates are written as {next(iter(used))}.", "Read as such."))
    return tuple(findings)
