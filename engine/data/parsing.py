"""Text into numbers, shares, flags, ids and words: each column decided by its own evidence, every decision reported.

A parser takes a column (text, or typed as Parquet and Excel give it) and returns `Parsed`: the values, which cells hold
something that cannot be read, and findings. It never guesses in silence and never raises for a bad cell; only ids that
collide are refused. Distinct texts are parsed once, so a million rows cost what their distinct values cost.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.errors import EngineError
from engine.schema import Finding, plural

LARGEST = 1e15
PERCENT = 0.05
WHOLE_FLOAT = r"^(-?\d+)\.0+$"
BLANKS_READ = "Read as missing."
BLANKS = frozenset({"", "na", "n/a", "nan", "null", "none", "nil", "#n/a", "-", "--", "?", "<na>", "nat"})
BLANK_WORDS = frozenset({"", "nan", "null", "n/a", "#n/a", "<na>"})
CURRENCIES = {"$": "USD", "€": "EUR", "£": "GBP", "USD": "USD", "EUR": "EUR", "GBP": "GBP"}
TRUE = frozenset({"yes", "y", "true", "t", "1", "1.0", "on"})
FALSE = frozenset({"no", "n", "false", "f", "0", "0.0", "off"})

_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+|\d{1,3}(?:,\d{3})+(?:\.\d*)?)(?:e[+-]?\d{1,4})?|[+-]?(?:inf|infinity|∞)"
_CLEARLY_POINT = (r"[+-]?(?:\d*\.(?!\d{3}(?!\d))\d*(?:e[+-]?\d+)?|(?:0|\d{4,})?\.\d{3}"
                  r"|\d{1,3}(?:,\d{3})+\.\d*|\d{1,3}(?:,\d{3}){2,})")
_ABSURD = re.compile(r"[eE][+-]?\d{5}")  # an exponent on which pandas' own parser ends the process; keys look so
_SIGN = re.compile(r"[$€£]|(?<![a-z])(?:usd|eur|gbp)(?![a-z])", re.IGNORECASE)
_GAP = re.compile(r"(?<=\d)[\s'’](?=\d{3}(?!\d))")
_BRACKETS = re.compile(r"\((.+)\)")
_SWAP = str.maketrans(".,", ",.")

Findings = tuple[Finding, ...]


@dataclass(frozen=True)
class Parsed:
    """A column as read: values (missing where blank or unreadable), which cells are unreadable, what was found."""

    values: pd.Series
    bad: pd.Series
    findings: Findings = ()
    currency: str = ""


@dataclass(frozen=True)
class Distinct:
    """A column as its distinct texts (as written, and trimmed) and, per row, the place of its text (-1: missing).

    counts, firsts: where each text stands for many rows of a big file, how many, and the first of them.
    """

    codes: np.ndarray
    written: pd.Series
    texts: pd.Series
    index: pd.Index
    counts: np.ndarray | None = None
    firsts: np.ndarray | None = None

    def rows(self, mask: np.ndarray) -> int:
        """How many rows hold a text of the mask."""
        if self.counts is not None:
            return int(self.counts[mask].sum())
        counts = np.bincount(self.codes[self.codes >= 0], minlength=len(self.texts))
        return int(counts[mask].sum())

    def spread(self, values: np.ndarray, missing: object) -> pd.Series:
        """One value per row from one value per distinct text."""
        return pd.Series(np.append(values, np.array([missing], dtype=values.dtype))[self.codes], index=self.index)

    def first(self, mask: np.ndarray) -> tuple[object, str]:
        """The first row that holds a text of the mask, and that text."""
        if self.firsts is not None:
            places = np.flatnonzero(mask)
            earliest = int(places[np.argmin(self.firsts[places])])
            return int(self.firsts[earliest]), str(self.texts.iloc[earliest])
        place = int(np.flatnonzero(np.isin(self.codes, np.flatnonzero(mask)))[0])
        return self.index[place], str(self.texts.iloc[self.codes[place]])


def distinct(values: pd.Series) -> Distinct:
    """The column's distinct texts, trimmed, each with the rows that hold it; what is such already stays as it is.

    >>> distinct(pd.Series([" a", "b", " a", None])).texts.tolist()
    ['a', 'b']
    """
    if isinstance(values, Distinct):
        return values
    if isinstance(values.dtype, pd.CategoricalDtype):
        codes, texts = values.cat.codes.to_numpy().astype(np.intp), values.cat.categories
    else:
        codes, texts = pd.factorize(values)
    written = pd.Series(texts, dtype=object).map(str).astype(object)
    return Distinct(codes, written, written.map(str.strip).astype(object), values.index)


def like(values: pd.Series, pattern: str) -> pd.Series:
    """Which texts begin as the pattern says; each distinct text is looked at once.

    >>> like(pd.Series(["C1", "1", "C1"]), r"C\\d").tolist()
    [True, False, True]
    """
    seen = distinct(values)
    return seen.spread(np.array([re.match(pattern, text) is not None for text in seen.texts], dtype=bool), False)


def as_written(values: pd.Series) -> pd.Series:
    """The cells as text, "" when missing."""
    seen = distinct(values)
    return seen.spread(seen.written.to_numpy(dtype=object), "")


def is_text(values: pd.Series) -> bool:
    """Whether the column holds text rather than numbers, flags or moments."""
    return isinstance(values, Distinct) or isinstance(values.dtype, pd.CategoricalDtype) or values.dtype == object


def blank(seen: Distinct, blanks: Collection[str] = BLANKS) -> np.ndarray:
    """Which distinct texts mean that nothing is known."""
    return seen.texts.map(str.lower).isin(blanks).to_numpy(dtype=bool)


def blanks_read(seen: Distinct, name: str, blanks: Collection[str] = BLANKS) -> Findings:
    """A note when cells hold spaces or a word such as NULL instead of being empty."""
    mask = blank(seen, blanks) & (seen.written != "").to_numpy(dtype=bool)
    count = seen.rows(mask)
    if not count:
        return ()
    examples = ", ".join(sorted({repr(text) for text in seen.written[mask]})[:3])
    what = f"{plural(count, 'cell holds', 'cells hold')} a blank string ({examples})."
    return (Finding("note", name, what, BLANKS_READ, count),)


# ----------------------------------------------------------------------------------------------------- numbers

def numbers(values: pd.Series, name: str) -> Parsed:
    """The column as float64. Reads 1,234.56 and 1.234,56 and 1 234, $ € £, (12) as -12, and 17 % as 0.17.

    Infinite values and values beyond 1e15 are an error finding that names the row.

    >>> numbers(pd.Series(["1.234,56", "7,5", "x"]), "price").values.tolist()
    [1234.56, 7.5, nan]
    """
    if not is_text(values):
        return _typed_numbers(values, name)
    seen = distinct(values)
    empty, findings, currency = blank(seen), blanks_read(seen, name), ""
    safe = seen.texts.where(~seen.texts.str.contains(_ABSURD), "")
    found = pd.to_numeric(safe, errors="coerce").to_numpy(dtype=float, copy=True)
    if (np.isnan(found) & ~empty).any():
        found, more, currency = _written_numbers(seen, empty, name)
        findings += more
    found[empty] = np.nan
    beyond = np.abs(found) > LARGEST
    if beyond.any():
        findings += (_unusable(name, *seen.first(beyond), seen.rows(beyond)),)
    bad = np.isnan(found) & ~empty
    return Parsed(seen.spread(np.where(beyond, np.nan, found), np.nan), seen.spread(bad, False), findings, currency)


def _typed_numbers(values: pd.Series, name: str) -> Parsed:
    if pd.api.types.is_datetime64_any_dtype(values):
        return Parsed(pd.Series(np.nan, index=values.index), values.notna())
    found = pd.Series(values.to_numpy(dtype=float, na_value=np.nan), index=values.index)
    beyond, fine = found.abs() > LARGEST, pd.Series(False, index=values.index)
    if not beyond.any():
        return Parsed(found, fine)
    row = beyond.index[beyond.to_numpy()][0]
    return Parsed(found.mask(beyond), fine, (_unusable(name, row, f"{found[row]:g}", int(beyond.sum())),))


def _unusable(name: str, row: object, text: str, rows: int) -> Finding:
    return Finding("error", name, f"Row {row} holds {text}, which is no usable number.",
                   "Correct it at the source or leave the cell empty.", rows)


def _written_numbers(seen: Distinct, empty: np.ndarray, name: str) -> tuple[np.ndarray, Findings, str]:
    """Numbers as people write them: signs stripped, then read with the decimal mark that the column's values prove."""
    texts, currency, signs = _without_signs(seen, name)
    percent = texts.map(lambda text: text.endswith("%")).to_numpy(dtype=bool)
    texts = texts.map(lambda text: text.rstrip("% ").lower())
    comma, marks = _decimal_comma(seen, texts, name)
    plain = texts.map(lambda text: text.translate(_SWAP)) if comma else texts
    readable = plain.map(lambda text: re.fullmatch(_NUMBER, text) is not None)
    found = np.array([float(text.replace(",", "").replace("∞", "inf")) if fits else np.nan
                      for text, fits in zip(plain, readable, strict=True)])
    scaled, shares = _percent(seen, found, percent, empty, name)
    return scaled, signs + marks + shares, currency


def _without_signs(seen: Distinct, name: str) -> tuple[pd.Series, str, Findings]:
    signs = seen.texts.map(lambda text: "".join(_SIGN.findall(text)[:1]).upper())
    marked = (signs != "").to_numpy(dtype=bool)
    texts = seen.texts.map(lambda text: _BRACKETS.sub(r"-\1", _SIGN.sub("", text).strip()).replace("−", "-"))
    texts = texts.map(lambda text: _GAP.sub("", re.sub(r"^([+-])\s+", r"\1", text)))
    if not marked.any():
        return texts, "", ()
    found = sorted({CURRENCIES[sign] for sign in signs[marked]})
    what, rows = f"Values carry currency signs ({', '.join(found)}).", seen.rows(marked)
    if len(found) > 1:
        return texts, "", (Finding("warning", name, what, "Convert them to one currency.", rows),)
    return texts, found[0], (Finding("note", name, what, "The signs were left out.", rows),)


def _decimal_comma(seen: Distinct, texts: pd.Series, name: str) -> tuple[bool, Findings]:
    """Whether the comma is the decimal mark: decided by values that can only be read one way."""
    point = _matches(texts, _CLEARLY_POINT)
    comma = _matches(texts.map(lambda text: text.translate(_SWAP)), _CLEARLY_POINT)
    rows_point, rows_comma = seen.rows(point), seen.rows(comma)
    has_comma = texts.map(lambda text: "," in text).to_numpy(dtype=bool)
    if not has_comma.any() and not rows_comma:
        return False, _gaps_read(seen, texts, name)
    if rows_point and rows_comma:
        what = f"{rows_point} values use a decimal point and {rows_comma} a decimal comma."
        return rows_comma > rows_point, (Finding("warning", name, what, "The rarer ones were not read.",
                                                 min(rows_point, rows_comma)),)
    if rows_comma:
        return True, (Finding("note", name, "Numbers are written as 1.234,5.", "Read 1.234,5 as 1234.5.", rows_comma),)
    what, rows = "Numbers have thousands separators.", seen.rows(has_comma)
    if rows_point:
        return False, (Finding("note", name, what, "Read 1,234 as 1234.", rows),)
    return False, (Finding("warning", name, what, "Read 1,234 as 1234; check that it does not mean 1.234.", rows),)


def _gaps_read(seen: Distinct, texts: pd.Series, name: str) -> Findings:
    gaps = seen.texts.map(lambda text: _GAP.search(text) is not None).to_numpy(dtype=bool)
    if not gaps.any():
        return ()
    return (Finding("note", name, "Numbers have spaces or apostrophes between thousands.", "Read 1 234 as 1234.",
                    seen.rows(gaps & _matches(texts, _NUMBER))),)


def _matches(texts: pd.Series, pattern: str) -> np.ndarray:
    return texts.map(lambda text: re.fullmatch(pattern, text) is not None).to_numpy(dtype=bool)


def _percent(seen: Distinct, found: np.ndarray, percent: np.ndarray, empty: np.ndarray, name: str
             ) -> tuple[np.ndarray, Findings]:
    """Percent signs on all values make shares; on some, they are taken as decoration and reported."""
    if not percent.any():
        return found, ()
    rows = seen.rows(percent)
    if (percent | empty | np.isnan(found)).all():
        return found / 100, (Finding("note", name, "Values carry percent signs.", "Read 17 % as 0.17.", rows),)
    return found, (Finding("warning", name, f"{plural(rows, 'value carries', 'values carry')} a percent sign, others "
                           "do not.", "The signs were left out; check the scale.", rows),)


# ------------------------------------------------------------------------------------------------------ shares

def shares(values: pd.Series, name: str, percent: bool | None = None) -> tuple[Parsed, bool]:
    """The column as shares 0..1, and whether it was written in percent: it is when one value in 20 is above 1.

    `percent` hands over a decision made before, so that a file with few rows is read on the company's scale.

    >>> shares(pd.Series(["17.5", "0.5"]), "rate")[0].values.tolist()
    [0.175, 0.005]
    """
    parsed = numbers(values, name)
    signed = any("percent signs" in finding.what for finding in parsed.findings)
    above = bool((parsed.values.dropna() > 1).mean() >= PERCENT)
    if signed or not (above if percent is None else percent):
        return parsed, signed or bool(percent)
    known = parsed.values.dropna()
    if percent and len(known) and known.max() <= 1 and known.max() > 0:
        what = f"All values are at most 1 (such as {known.iloc[0]:g}), but the company's data are in percent."
        found = Finding("warning", name, what, "Read as percent; multiply them by 100 if they are shares.", len(known))
    else:
        found = Finding("note", name, "Values are in percent.", "Stored as shares: 17.6 became 0.176.", len(known))
    return Parsed(parsed.values / 100, parsed.bad, (*parsed.findings, found)), True


# ------------------------------------------------------------------------------------------------------- flags

def flags(values: pd.Series, name: str) -> Parsed:
    """The column as 1.0 and 0.0, from Yes/No, true/false, 1/0, on/off in any case.

    >>> flags(pd.Series(["Yes", "no", "maybe", ""]), "partner").values.tolist()
    [1.0, 0.0, nan, nan]
    """
    if not is_text(values):
        parsed = numbers(values, name)
        odd = parsed.values.notna() & ~parsed.values.isin([0, 1])
        return Parsed(parsed.values.mask(odd), parsed.bad | odd, parsed.findings)
    seen = distinct(values)
    empty, words = blank(seen), seen.texts.map(str.lower)
    found = np.where(words.isin(TRUE), 1.0, np.where(words.isin(FALSE), 0.0, np.nan))
    bad = np.isnan(found) & ~empty
    return Parsed(seen.spread(found, np.nan), seen.spread(bad, False), blanks_read(seen, name))


# --------------------------------------------------------------------------------------------- ids and words

def ids(values: pd.Series, name: str, clashes: Collection[str] = ()) -> Parsed:
    """The column as text ids: trimmed, zeros kept, 13085.0 as 13085 when the whole column is written so.

    Raises:
        EngineError: when a number and a text would become the same id (7 and "7", or 7 and 7.0).

    >>> ids(pd.Series(["007", " 7 ", ""]), "id").values.tolist()
    ['007', '7', None]
    """
    _refuse_clash(name, sorted(clashes))
    if not is_text(values):
        return _typed_ids(values)
    seen = distinct(values)
    empty, texts, findings = blank(seen, BLANK_WORDS), seen.texts, blanks_read(seen, name, BLANK_WORDS)
    floats = _matches(texts, r"\d+\.0+")
    if floats.any():
        whole = texts.map(lambda text: re.sub(r"(?<=\d)\.0+$", "", text))
        _refuse_clash(name, sorted(set(whole[floats]) & set(texts[~floats])))
        if (floats | empty).all():
            texts = whole
            findings += (Finding("note", name, "Ids end in .0.", "Read 13085.0 as 13085.", seen.rows(floats)),)
    findings += _zeros_kept(seen, name)
    return Parsed(_spread_texts(seen, texts, empty), pd.Series(False, index=values.index), findings)


def _zeros_kept(seen: Distinct, name: str) -> Findings:
    zeros = _matches(seen.texts, r"0\d+")
    if not zeros.any():
        return ()
    return (Finding("note", name, f"Ids begin with 0, such as {seen.first(zeros)[1]}.", "The zeros were kept.",
                    seen.rows(zeros)),)


def _spread_texts(seen: Distinct, texts: pd.Series, empty: np.ndarray) -> pd.Series:
    return seen.spread(texts.mask(empty, None).to_numpy(dtype=object), None)


def _refuse_clash(name: str, clashes: list[str]) -> None:
    if clashes:
        raise EngineError(f"Column {name!r} holds numbers and texts that would become the same id, such as "
                          f"{clashes[0]!r}. Write all its ids as text.")


def _typed_ids(values: pd.Series) -> Parsed:
    """Ids from numbers (whole ones without .0) or moments."""
    codes, found = pd.factorize(values)
    texts = np.array([_as_id(value) for value in found], dtype=object)
    spread = np.append(texts, np.array([None], dtype=object))[codes]
    return Parsed(pd.Series(spread, index=values.index, dtype=object), pd.Series(False, index=values.index))


def _as_id(value: object) -> str:
    return str(int(value)) if isinstance(value, (int, float, np.number)) and float(value).is_integer() else str(value)


def words(values: pd.Series, name: str) -> Parsed:
    """The column as trimmed text; blanks are missing. Where all are numbers, 12.0 is 12.

    >>> words(pd.Series(["DSL ", "", "No"]), "internet").values.tolist()
    ['DSL', None, 'No']
    >>> words(pd.Series(["12.0", "24"]), "months").values.tolist()
    ['12', '24']
    """
    if not is_text(values):
        return _typed_ids(values)
    seen = distinct(values)
    gone = blank(seen, BLANK_WORDS)
    counted = seen.texts[~gone].str.fullmatch(r"-?\d+(?:\.\d+)?").all()
    plain = seen.texts.str.replace(WHOLE_FLOAT, r"\1", regex=True) if counted else seen.texts
    texts = _spread_texts(seen, plain, gone)
    return Parsed(texts, pd.Series(False, index=values.index), blanks_read(seen, name, BLANK_WORDS))
