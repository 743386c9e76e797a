"""One column at first sight: what its cells are, how many there are of each, and what they would read as."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from engine.data.adapters.common import MEANT, MOST_CATEGORIES
from engine.data.dates import moments
from engine.data.doctor.cures import MONTH, SHEET_DAY, decorated, plain_date
from engine.data.doctor.vocabulary import (
    DATED,
    MISSING,
    MISSING_IN_WORDS,
    NAMES,
    NEVER_COMPACT,
    NO,
    PERIOD,
    YES,
    folded,
    named,
    word,
)
from engine.data.parsing import Distinct, distinct, is_text, numbers

MOSTLY = 0.5
ODD_TEXTS = 12
FEWEST_DAYS, MANY_MONTHS = 3, 12
FEW_NAMES = 12
FEW_VALUES = 40
LONG_TEXT = 40
FREQUENT, MOST_WORDS = 20, 1000
LIKE_KEY = 0.8
_COUNTED = re.compile(r"\d|∞|inf", re.IGNORECASE)  # without any of these no text is a number, nor a day
SHARED = 0.1  # of the rows hold frequent words: enough to be learned from


@dataclass(frozen=True)
class Look:
    """What a column holds.

    kind: "empty", "flag", "number", "date", "category" or "text". blank: share of cells without a value [0..1].
    values: the most frequent texts and their rows. odd: texts that are no number (or date) among many that are.
    decorated: numbers that carry signs or units. whole, low, high, median: of the numbers, NaN without. wide: a
    category with more words than can be told apart.
    """

    name: str
    plain: str
    rows: int
    kind: str
    distinct: int
    blank: float
    values: tuple[tuple[str, int], ...] = ()
    odd: tuple[str, ...] = ()
    decorated: bool = False
    whole: bool = False
    low: float = float("nan")
    high: float = float("nan")
    median: float = float("nan")
    missing: tuple[str, ...] = ()
    wide: bool = False

    @property
    def unique(self) -> bool:
        """Whether (almost) every row has a value of its own."""
        return self.rows > 1 and self.distinct >= 0.999 * self.rows * (1 - self.blank) and self.blank < 0.01

    @property
    def numeric(self) -> bool:
        """Whether it can be counted with."""
        return self.kind in ("number", "flag")

    @property
    def common(self) -> tuple[str, ...]:
        """The words that so many rows share that they can be told apart in any case."""
        return tuple(text for text, rows in self.values if rows >= FREQUENT)

    @property
    def texts(self) -> dict[str, int]:
        """The most frequent values in plain form, with their rows."""
        found: dict[str, int] = {}
        for text, rows in self.values:
            plain = word(text)
            found[plain] = found.get(plain, 0) + rows
        return found

    @property
    def example(self) -> str:
        """A value as it stands in the file."""
        return self.values[0][0] if self.values else ""


def look(values: pd.Series, name: str) -> Look:
    """The column at first sight."""
    seen = distinct(values)
    counts = np.bincount(seen.codes[seen.codes >= 0], minlength=len(seen.texts))
    plain = seen.texts.map(folded)
    held = counts > 0  # rows that were cut off leave their words among a category's
    days = _compact_days(seen.texts[held]) or _numbered(named(name), seen.texts[held])
    gone = held & plain.isin(_unknown(days)).to_numpy(dtype=bool)
    known = np.flatnonzero(held & ~gone)
    rows = len(values)
    if not len(known):
        return Look(name, named(name), rows, "empty", 0, 1.0)
    common = known[np.argsort(-counts[known], kind="stable")][:FEW_VALUES]
    base = Look(name, named(name), rows, "", len(known), 1 - counts[known].sum() / rows,
                tuple((str(seen.texts.iloc[i]), int(counts[i])) for i in common),
                missing=tuple(str(text) for text in seen.texts[gone & (plain != "").to_numpy(dtype=bool)]))
    if days:
        base = replace(base, kind="date")
    return _typed(base, values) if not is_text(values) else _read(base, seen, plain, counts, known)


def _unknown(days: bool) -> frozenset[str]:
    """What means that nothing is known."""
    return MISSING | {""} | (NEVER_COMPACT if days else frozenset())


def _compact_days(texts: pd.Series) -> bool:
    """Whether (almost) all of several texts are days written as 20240131.

    >>> _compact_days(pd.Series(["20240131", "20240229", "20240331", "99991231"]))
    True
    >>> _compact_days(pd.Series(["20240131", "20240232", "20240999"]))
    False
    """
    if not texts.head(ODD_TEXTS).str.fullmatch(r"\d{8}(?:\.0)?").any():
        return False
    plain = texts.str.removesuffix(".0")
    rest = plain[~plain.map(folded).isin(MISSING | NEVER_COMPACT | {""})]
    fits = rest.str.fullmatch(r"(?:19|20)\d{6}").astype(bool)
    if len(rest) < FEWEST_DAYS or fits.mean() < MEANT:
        return False
    return bool(pd.to_datetime(rest.where(fits), format="%Y%m%d", errors="coerce").notna().mean() >= MEANT)


def _numbered(plain: str, texts: pd.Series) -> bool:
    """Whether (almost) all of several numbers are months written as 202401, or the days that a spreadsheet counts
    (45321) in a column whose name speaks of a date.

    >>> _numbered("month", pd.Series(["202311", "202312", "202401"]))
    True
    >>> sold = pd.Series(["45292", "44930", "45001"])
    >>> _numbered("signup_date", sold), _numbered("sold", sold)
    (True, False)
    """
    named_so = re.fullmatch(f"{DATED}|{PERIOD}", plain) is not None
    if len(texts) < FEWEST_DAYS or not (named_so or len(texts) >= MANY_MONTHS):
        return False
    rest = texts[~texts.map(folded).isin(MISSING | {""})]
    written = (MONTH, SHEET_DAY) if named_so and re.fullmatch(DATED, plain) else (MONTH,)
    return len(rest) >= FEWEST_DAYS and any(rest.str.fullmatch(way).mean() >= MEANT for way in written)


def _typed(base: Look, values: pd.Series) -> Look:
    if pd.api.types.is_datetime64_any_dtype(values):
        return replace(base, kind="date")
    if pd.api.types.is_bool_dtype(values):
        return replace(base, kind="flag", whole=True, low=0.0, high=1.0)
    if base.kind == "date":
        return base
    found = pd.Series(values.to_numpy(dtype=float, na_value=np.nan)).dropna()
    return _numbers(base, found)


def _numbers(base: Look, found: pd.Series) -> Look:
    finite = found[np.isfinite(found)]
    if not len(finite):
        return replace(base, kind="text")
    kind = "flag" if set(finite.unique()) <= {0.0, 1.0} and finite.nunique() == 2 else "number"
    return replace(base, kind=kind, whole=bool((finite == finite.round()).all()), low=float(finite.min()),
                   high=float(finite.max()), median=float(finite.median()))


def _read(base: Look, seen: Distinct, plain: pd.Series, counts: np.ndarray, known: np.ndarray) -> Look:
    texts, plain = seen.texts.iloc[known].reset_index(drop=True), plain.iloc[known]
    if _are_answers(plain):
        return replace(base, kind="flag", whole=True, low=0.0, high=1.0, distinct=2)
    weight, total = counts[known], counts[known].sum()
    if weight[texts.str.contains(_COUNTED).to_numpy(dtype=bool)].sum() < MOSTLY * total:
        return _words(base, texts, plain, weight)
    codes = bool(texts.str.fullmatch(r"0\d+").any())
    ways = (("number", _as_numbers), ("date", _as_dates))
    for kind, read in ways[1:] if base.kind == "date" else ways:
        parsed = read(texts)
        bad = np.isnan(parsed) if kind == "number" else np.isnat(parsed)
        good = weight[~bad].sum() / total
        few = bad.sum() <= ODD_TEXTS and (~bad).sum() > max(bad.sum(), 2) and good >= MOSTLY
        if good >= MEANT or few:
            odd = tuple(texts[bad][:ODD_TEXTS])
            if kind == "date":
                return replace(base, kind="date", odd=odd)
            if codes and base.distinct <= max(MOST_CATEGORIES, base.rows // 20):
                break
            marked = bool(np.isnan(_bare(texts[~bad])).any())
            return replace(_numbers(base, pd.Series(parsed[~bad])), odd=odd, decorated=marked)
    return _words(base, texts, plain, weight)


def _are_answers(plain: pd.Series) -> bool:
    """Whether all texts mean yes or no, and some of them each."""
    found = set()
    for text in map(word, plain):
        if text not in YES and text not in NO:
            return False
        found.add(text in YES)
    return len(found) == 2


def _as_numbers(texts: pd.Series) -> np.ndarray:
    found = numbers(texts, "").values.to_numpy(dtype=float)
    return decorated(texts) if np.isnan(found).any() and not _generations(texts) else found


def _generations(texts: pd.Series) -> bool:
    """Whether all numbers among the texts are generations of a network, which are names: 3G, 4G, 5G NR.

    >>> _generations(pd.Series(["4G", "5g", "LTE"])), _generations(pd.Series(["4 g", "12 g"]))
    (True, False)
    """
    numbered = texts[texts.str.contains(r"\d")].str.strip()
    return len(numbered) > 0 and bool(numbered.str.fullmatch(r"[2-6]G(?:[ +/_-]?[A-Z]*)?", case=False).all())


def _bare(texts: pd.Series) -> np.ndarray:
    return numbers(texts, "").values.to_numpy(dtype=float)


def _as_dates(texts: pd.Series) -> np.ndarray:
    return moments(texts.map(plain_date), "").values.to_numpy()


def _words(base: Look, texts: pd.Series, plain: pd.Series, weight: np.ndarray) -> Look:
    """A category where few words say much, or frequent ones most; a wide one where some are frequent; else text."""
    merged = plain.nunique()
    frequent = weight[weight >= FREQUENT].sum() / weight.sum()
    few = (merged <= max(MOST_CATEGORIES, base.rows // 20) or frequent >= MOSTLY) and merged <= MOST_WORDS
    long = float(np.average(texts.str.len(), weights=weight)) > LONG_TEXT and merged > MOST_CATEGORIES
    category = (few or frequent >= SHARED) and not long and merged < base.rows * (1 - base.blank)
    if category and merged > FEW_NAMES and names_somebody(base.plain):
        return replace(base, kind="text")
    return replace(base, kind="category" if category else "text", wide=category and not few)


def names_somebody(plain: str) -> bool:
    """Whether a plain name is that of a column with people's or companies' names.

    >>> names_somebody("guest_name"), names_somebody("full_name"), names_somebody("plan_name")
    (True, True, False)
    """
    return re.fullmatch(NAMES, plain) is not None


def looks(frame: pd.DataFrame) -> dict[str, Look]:
    """Every column at first sight, by its name."""
    return {str(name): look(frame[name], str(name)) for name in frame.columns}


def beside_key(seen: Mapping[str, Look], key: str) -> dict[str, Look]:
    """The looks where a column with nearly as many words as the key has values is text: it may name the same things,
    and its words are not to be taken as one."""
    many = LIKE_KEY * seen[key].distinct if key else float("inf")
    return {name: replace(look, kind="text", wide=False) if look.wide and look.distinct >= many else look
            for name, look in seen.items()}


def is_missing_word(text: str, in_words: bool) -> bool:
    """Whether the text means that nothing is known; among words "none" may be an answer, among numbers it is not."""
    return folded(text) in (MISSING_IN_WORDS if in_words else MISSING | NEVER_COMPACT)


def rows_of(seen: Look, texts: Sequence[str]) -> int:
    """How many rows hold one of the texts, of the most frequent ones."""
    known: Mapping[str, int] = dict(seen.values)
    return sum(known.get(text, 0) for text in texts)
