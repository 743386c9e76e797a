"""The strongest reasons for each customer's risk, as a manager would say them.

A driver's direction and size come from the model's contributions. The rate beside it is counted on training customers
with the same value; where that count is small, or does not point the same way, the words say so. Where customers were
learned from at several moments, what is counted are cases: a customer at one of the moments.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from engine.data.names import in_a_sentence
from engine.prediction.explain import BASE
from engine.schema import Column, plural
from engine.schema.columns import A_DAY

BINS = 5
FEW = 30
BACKGROUND = 256
PLAIN_SHARE = 0.25
HEAD = re.compile(r",| \(| (?:against|before|between|for|in|of|on|over|per|since|to)\b")  # what follows a noun
DECIMALS = 6
MOST_DIGITS = 6  # more than are usually shown, where a value would read as the end of what it lies above
LATELY = re.compile(r", (\d+ months)$")
TIMES = frozenset({"days", "months", "years"})


@dataclass(frozen=True)
class Counts:
    """Training customers by a feature's value. edges: upper ends of all bins of numbers but the last; levels: text of
    the categories. n and left: customers, and those who left, per bin or level; the last place counts missing values.
    """

    n: tuple[int, ...]
    left: tuple[int, ...]
    edges: tuple[float, ...] | None = None
    levels: tuple[str, ...] = ()
    least: float = float("-inf")

    def places(self, values: pd.Series) -> np.ndarray:
        """Each value's place in n; an unknown category counts as missing."""
        missing = len(self.n) - 1
        if self.edges is None:
            known = {level: place for place, level in enumerate(self.levels)}
            return values.astype(object).map(lambda value: known.get(str(value), missing)).to_numpy(dtype=np.int64)
        numbers = values.to_numpy(dtype=np.float64, na_value=np.nan)
        return np.where(np.isnan(numbers), missing, np.searchsorted(self.edges, numbers, "left"))


@dataclass(frozen=True)
class Rates:
    """What training customers were like and how many left: per feature, and in all.

    background: a sample of their rows, against which models without contributions of their own are explained.
    cases: whether a row is a customer at one of several moments.
    """

    features: Mapping[str, Counts]
    n: int
    left: int
    background: pd.DataFrame
    cases: bool = False

    @classmethod
    def learn(cls, X: pd.DataFrame, y: pd.Series | np.ndarray, columns: Sequence[Column], seed: int = 0) -> Rates:
        """Count leavers per category, and per fifth of each number's training values.

        >>> X = pd.DataFrame({"plan": pd.Categorical(["a", "a", "b"]), "months": [1.0, 2.0, 3.0]})
        >>> Rates.learn(X, np.array([1, 0, 0]), ()).features["plan"].left
        (1, 0, 0)
        """
        labels = np.asarray(y, dtype=np.int64)
        exact = {column.name for column in columns if column.kind == "flag"}
        counts = {str(name): _count(X[name], labels, str(name) in exact) for name in X.columns}
        chosen = np.sort(np.random.default_rng(seed).permutation(len(X))[:BACKGROUND])
        cases = X.index.nlevels > 1 and X.index.unique("as_of").size > 1
        return cls(counts, len(labels), int(labels.sum()), X.iloc[chosen].reset_index(drop=True), cases)


def _count(values: pd.Series, left: np.ndarray, exact: bool) -> Counts:
    edges: tuple[float, ...] | None = None
    levels: tuple[str, ...] = ()
    least = float("-inf")
    if isinstance(values.dtype, pd.CategoricalDtype):
        levels = tuple(str(level) for level in values.cat.categories)
    else:
        edges = _edges(values.to_numpy(dtype=np.float64, na_value=np.nan), exact)
        least = float(values.min()) if values.notna().any() else least
    size = (len(levels) if edges is None else len(edges) + 1) + 1
    places = Counts((0,) * size, (), edges, levels).places(values)
    n, gone = np.bincount(places, minlength=size), np.bincount(places, weights=left, minlength=size)
    return Counts(tuple(n.tolist()), tuple(gone.astype(int).tolist()), edges, levels, least)


def _edges(numbers: np.ndarray, exact: bool) -> tuple[float, ...]:
    """Between flags' 0 and 1, or the quintiles that differ, the greatest value left out."""
    known = numbers[~np.isnan(numbers)]
    if exact or not len(known):
        return (0.0,) if exact else ()
    cuts = np.unique(np.quantile(known, np.arange(1, BINS) / BINS, method="inverted_cdf"))
    return tuple(cuts[cuts < known.max()].tolist())


def drivers(
    contributions: pd.DataFrame, X: pd.DataFrame, columns: Sequence[Column], rates: Rates, top: int = 3,
    currency: str = "",
) -> pd.DataFrame:
    """The strongest drivers of each customer, REASONS without its run_id: the largest absolute contributions first.

    Features of one family count together, and the plainest that moves that way speaks for them. What contributes
    nothing to six decimals, as far as two exact algorithms agree, is no driver: a customer may have fewer than `top`.

    Args:
        contributions: what explain.contributions returned for X.
        columns: the meaning of each feature; one that is not described is called by its name.
        currency: put for the unit "currency".
    """
    features = [str(name) for name in contributions.columns if name != BASE]
    meaning = {column.name: column for column in columns}
    phi, speaker = _together(contributions[features].to_numpy().round(DECIMALS), [
        meaning[name].family or name if name in meaning else name for name in features])
    order = np.argsort(-np.abs(phi), axis=1, kind="stable")[:, :top]
    row, rank = np.nonzero(np.take_along_axis(phi, order, axis=1))
    family = order[row, rank]
    chosen, moved = speaker[row, family], phi[row, family]
    told = np.full((len(row), 2), "", dtype=object)
    for number in np.unique(chosen):
        feature, mine = features[number], np.flatnonzero(chosen == number)
        column = meaning.get(feature) or _undescribed(feature, X[feature])
        told[mine] = _tell(column, X[feature].iloc[row[mine]], moved[mine] > 0, rates, currency)
    return pd.DataFrame({
        "customer_id": X.index.get_level_values("customer_id" if "customer_id" in X.index.names else -1)[row],
        "rank": rank + 1, "feature": np.array(features, dtype=object)[chosen], "value": told[:, 0],
        "contribution": moved, "words": told[:, 1],
    })


def _together(phi: np.ndarray, families: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Per family the sum of its contributions, and the place of the feature that speaks for it.

    That is the first one, the plainest, which moves the sum's way at least a quarter as far as the one that moves most.
    """
    names = list(dict.fromkeys(families))
    members = [np.flatnonzero([family == name for family in families]) for name in names]
    total = np.column_stack([phi[:, places].sum(axis=1) for places in members]).round(DECIMALS)
    speaker = []
    for k, places in enumerate(members):
        along = phi[:, places] * np.sign(total[:, [k]])
        speaker.append(places[np.argmax(along >= PLAIN_SHARE * along.max(axis=1, keepdims=True), axis=1)])
    return total, np.column_stack(speaker)


def _undescribed(feature: str, values: pd.Series) -> Column:
    return Column(feature, "category" if isinstance(values.dtype, pd.CategoricalDtype) else "number", "", "")


def _tell(column: Column, values: pd.Series, raises: np.ndarray, rates: Rates, currency: str) -> np.ndarray:
    """Value and words per row; each distinct (value, direction) is put into words once: (rows, 2)."""
    codes, distinct = pd.factorize(values, use_na_sentinel=False)
    pair, back = np.unique(codes * 2 + raises, return_inverse=True)
    uniques = pd.Series(distinct)
    places = rates.features[column.name].places(uniques)
    told = [(in_words(column, uniques.iloc[code], currency),
             words(column, uniques.iloc[code], bool(up), int(places[code]), rates, currency))
            for code, up in (divmod(int(both), 2) for both in pair)]
    return np.array(told, dtype=object).reshape(-1, 2)[back]


def words(column: Column, value: object, raises: bool, place: int, rates: Rates, currency: str = "") -> str:
    """One driver in words: what the customer has, which way it moves the risk, and how many such customers left.

    >>> contract = Column("contract", "category", "", "")
    >>> X = pd.DataFrame({"contract": pd.Categorical(["Month-to-month"] * 100 + ["Two year"] * 100)})
    >>> rates = Rates.learn(X, np.arange(200) < 43, [contract])
    >>> words(contract, "Month-to-month", True, 0, rates)
    'Month-to-month contract raises the risk: 43 % of such customers left.'
    """
    counts = rates.features[column.name]
    n, left = counts.n[place], counts.left[place]
    more = _more_digits(column, counts, value, place)
    subject = _subject(column, value, currency, more)
    has = f"{subject} {_verb(column, subject, raises)} the risk"
    if not n:
        return f"{has}; no such customer was seen in training."
    such = "case" if rates.cases else "customer"
    if n < FEW:
        return f"{has}; only {plural(n, f'such {such} was', f'such {such}s were')} seen, too few to quote a rate."
    rate, others = left / n, (rates.left - left) / max(rates.n - n, 1)
    if n < rates.n and _percent(rate) == _percent(others):
        return f"{has} here, but only together with what else is known: alone it makes no difference."
    quoted = _quoted(_percent(rate), _span_of(column, counts, place, currency, more), rates.cases)
    if n == rates.n or (rate > others if raises else rate < others):
        return f"{has}: {quoted}."
    return f"{has} here, though not by itself: {quoted} (others: {_percent(others)})."


def _more_digits(column: Column, counts: Counts, value: object, place: int) -> int:
    """How many more digits than usual it takes that a value does not read as the edge that it lies above."""
    if not counts.edges or not 0 < place <= len(counts.edges) or column.kind == "flag":
        return 0
    low, high = counts.edges[place - 1], counts.edges[place] if place < len(counts.edges) else None
    if high is not None and column.in_words(low) == column.in_words(high):
        return 0  # "about" both
    return next((more for more in range(MOST_DIGITS) if column.in_words(value, more) != column.in_words(low, more)), 0)


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _verb(column: Column, subject: str, raises: bool) -> str:
    """"raises" or "lowers", in the number that the subject's noun asks for.

    >>> wait, mood = (Column(name, "number", "", "") for name in ("mean_time_between_orders", "sentiment,_3_months"))
    >>> _verb(wait, "Unknown mean time between orders", False), _verb(mood, "Sentiment, 3 months of 0.1", True)
    ('lowers', 'raises')
    """
    if column.in_own_words:
        return "raises" if raises else "lowers"
    noun = HEAD.split(column.title if f"{column.title} of " in subject else subject)[0]
    many = noun.endswith("s") and not noun.endswith(("ss", "us", "is"))
    return ("raise" if raises else "lower") + ("" if many else "s")


def _subject(column: Column, value: object, currency: str, more: int = 0) -> str:
    """What the customer has: "Month-to-month contract", "No tech support", "Tenure of 2 months", "3 renewals"; of a
    column that the company named, the value behind the name, whatever its language: "Kunde seit (44 days ago)"."""
    title, text = column.title, in_words(column, value, currency, more)
    if column.in_own_words:
        return f"{title} ({_ago(column, text)})"
    lower = in_a_sentence(title)
    if text == "unknown":
        return f"Unknown {lower}"
    if column.kind == "flag" or text in ("Yes", "No"):
        return title if text in ("yes", "Yes") else f"No {lower}"
    if column.kind in ("category", "text"):
        return f"{text} ({lower})" if text.lower().startswith("no ") else f"{text} {lower}"
    if column.kind == "count" and _is_counted(column):
        return _counted(lower, float(value))  # type: ignore[arg-type]
    return f"{title} ({text})" if ", " in title else f"{title} of {text}"


def _ago(column: Column, text: str) -> str:
    """Of a day how long ago it was or in how long it will be; else the text.

    >>> joined = Column("kunde_seit", "number", "days", A_DAY)
    >>> _ago(joined, "44 days"), _ago(joined, "-1 day"), _ago(joined, "unknown")
    ('44 days ago', 'in 1 day', 'unknown')
    """
    if not column.meaning.startswith(A_DAY) or text == "unknown":
        return text
    return f"in {text.removeprefix('-')}" if text.startswith("-") else f"{text} ago"


def _is_counted(column: Column) -> bool:
    """Whether a count's title names the things counted: "Sessions in the last 90 days", but not "Tenure"."""
    return column.unit not in TIMES and any(word.endswith("s") for word in HEAD.split(column.title)[0].split())


def _counted(lower: str, number: float) -> str:
    """So many of what the title names.

    >>> _counted("sessions in the last 90 days", 0), _counted("tickets, 3 months", 2), _counted("renewals", 1)
    ('No sessions in the last 90 days', '2 tickets in 3 months', '1 renewal')
    """
    noun = HEAD.split(lower)[0]
    said = LATELY.sub(r" in \1", lower)
    if number == 1:
        return f"1 {' '.join(word.removesuffix('s') for word in noun.split())}{said[len(noun):]}"
    return f"{f'{number:,.0f}' if number else 'No'} {said}"


def _quoted(rate: str, span: str, cases: bool) -> str:
    """The rate and whose it is.

    >>> _quoted("43 %", "", cases=False), _quoted("43 %", "3 to 10 months", cases=True)
    ('43 % of such customers left', 'in 43 % of the cases with 3 to 10 months the customer left')
    """
    if cases:
        return f"in {rate} of {f'the cases with {span}' if span else 'such cases'} the customer left"
    return f"{rate} left of those with {span}" if span else f"{rate} of such customers left"


def _span_of(column: Column, counts: Counts, place: int, currency: str, more: int = 0) -> str:
    """The values that are counted together at this place; "" where that is one value, or the missing."""
    edges = counts.edges
    if not edges or column.kind == "flag" or place == len(counts.n) - 1:
        return ""
    low, high = (edges[place - 1] if place else None), (edges[place] if place < len(edges) else None)
    if low is None and counts.least == high:
        return in_words(column, high, currency)
    return _span(column, low, high, currency, more)


def _span(column: Column, low: float | None, high: float | None, currency: str, more: int = 0) -> str:
    """Above low and up to high: "at most 10 months", "3 to 10 months", "more than $3.50 and at most $8"."""
    if low is None:
        if column.kind == "count" and high == 0:
            return in_words(column, 0.0, currency)
        return f"at most {in_words(column, high, currency)}"
    if high is None:
        return f"more than {in_words(column, low, currency, more)}"
    if in_words(column, low, currency) == in_words(column, high, currency):
        return f"about {in_words(column, high, currency)}"
    if column.kind != "count":
        return (f"more than {in_words(column, low, currency, more)} and at most "
                f"{in_words(column, high, currency, more)}")
    first = np.floor(low) + 1
    return (f"{first:,.0f} to " if first < high else "") + in_words(column, high, currency)


def in_words(column: Column, value: object, currency: str, more: int = 0) -> str:
    """The value with its unit, money in the currency: in its bare number where that is not known.

    >>> in_words(Column("spend", "number", "currency", "Money ordered so far"), 837.0, "GBP")
    '£837'
    """
    return column.in_currency(currency).in_words(value, more)
