"""Checks: everything a person should know about the data before learning from them, all of it at once.

A check never raises; it returns findings that say where, what, how many rows, and what to do. Only the gate raises,
once, with every error. An error is what makes learning impossible or meaningless; the rest is said and carried along.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterable, Iterator

import pandas as pd
import pyarrow.parquet as pq

from engine.data.clash import percent_among_shares, percent_clash
from engine.data.features.orders import connect
from engine.data.labels import labels
from engine.errors import DataError
from engine.schema import CONTACT, Column, Dataset, Finding, Window, out_of_range, plural
from engine.schema.columns import NUMERIC

ENOUGH_CUSTOMERS = 500
ENOUGH_DAYS = 180
ENOUGH_PER_CLASS = 50
HUGE = 1e300
UNIQUE_SHARE = 0.99
FEWEST_NAMES = 20
ZERO_SHARE = 0.99
FEWEST_BLANKS = 3

Check = Callable[[Dataset, Window], list[Finding]]


def check(dataset: Dataset, window: Window) -> list[Finding]:
    """Every finding of every check, in the order of the registry; nothing raises and nothing is left out."""
    return [finding for run in CHECKS.values() for finding in run(dataset, window)]


def gate(findings: Iterable[Finding]) -> None:
    """Stop the work when the findings hold an error, naming all errors at once.

    Raises:
        DataError: with every finding whose severity is "error".

    >>> gate([Finding("warning", "customers", "There are only 400 customers.")])
    >>> gate([Finding("error", "label", "Everyone stayed.", "Check the label's rule.")])
    Traceback (most recent call last):
    engine.errors.DataError: label: Everyone stayed. Check the label's rule.
    """
    errors = [finding for finding in findings if finding.severity == "error"]
    if errors:
        raise DataError(errors)


def missing_columns(dataset: Dataset, _window: Window) -> list[Finding]:
    """Columns that the dataset's record promises and the customers table lacks; the id and the label stop the work."""
    present = set(_present(dataset))
    money = () if dataset.kind == "events" else filter(None, [dataset.money.column])
    promised = {"customer_id", *dataset.names, *_label_column(dataset), *money}
    vital = {"customer_id", *_label_column(dataset)}
    return [
        Finding("error" if name in vital else "warning", name, f"The column {name!r} is missing.",
                f"Add it to the file or map it; there are: {', '.join(sorted(present))}.")
        for name in sorted(promised - present)
    ]


def duplicate_ids(dataset: Dataset, _window: Window) -> list[Finding]:
    """Rows without an id, ids on several rows, and ids that differ only by zeros, case, blanks or a trailing .0."""
    if "customer_id" not in _present(dataset):
        return []
    ids = pd.read_parquet(dataset.customers, columns=["customer_id"])["customer_id"]
    text = ids.dropna().astype(str)
    return [*_blank_ids(ids), *_repeated(text), *_alike(text)]


def _blank_ids(ids: pd.Series) -> Iterator[Finding]:
    blank = int((ids.isna() | (ids.astype(str).str.strip() == "")).sum())
    if blank:
        yield Finding("error", "customer_id", f"{plural(blank, 'row has', 'rows have')} no customer id.",
                      "Give each row its id or drop it.", blank)


def _repeated(ids: pd.Series) -> Iterator[Finding]:
    repeated = ids[ids.duplicated(keep=False)]
    if len(repeated):
        yield Finding("error", "customer_id",
                      f"{repeated.nunique():,} ids stand on {len(repeated):,} rows, for example {repeated.iloc[0]!r}.",
                      "Keep one row per customer.", len(repeated))


def _alike(ids: pd.Series) -> Iterator[Finding]:
    unique = pd.Series(ids.unique(), dtype="object")
    plain = unique.str.strip().str.casefold().str.replace(r"^0+(?=.)|\.0+$", "", regex=True)
    alike = plain.duplicated(keep=False)
    if alike.any():
        one, other = unique[plain == plain[alike].iloc[0]].tolist()[:2]
        what = f"{alike.sum():,} ids differ only by zeros, case or blanks, for example {one!r} and {other!r}."
        fix = "They are kept as different customers; if they are the same, write their ids in one way."
        yield Finding("warning", "customer_id", what, fix, int(alike.sum()))


def constant_columns(dataset: Dataset, _window: Window) -> list[Finding]:
    """Columns with one value, or none, for everyone; a mark that only some carry tells them apart."""
    frame, found = _customers(dataset), []
    for column in _features(dataset, frame):
        values = frame[column.name].dropna()
        values = values[values.astype(str) != ""]
        if len(frame) > 1 and values.nunique() <= 1 and len(values) in (0, len(frame)):
            what = f"Every value is {column.in_words(values.iloc[0])}." if len(values) else "Every value is blank."
            found.append(Finding("warning", column.name, what, "It tells no customers apart; fill it or leave it out.",
                                 len(frame)))
    return found


def unique_columns(dataset: Dataset, _window: Window) -> list[Finding]:
    """Text and category columns with a value of its own on (almost) every row: names, numbers, addresses."""
    frame, found = _customers(dataset), []
    for column in _features(dataset, frame):
        values = frame[column.name].dropna()
        named = column.kind in ("text", "category") and len(values) >= FEWEST_NAMES
        if named and values.nunique() >= UNIQUE_SHARE * len(values):
            what = f"{values.nunique():,} different values on {len(values):,} rows."
            fix = "It names customers instead of describing them; map it as id or ignore it."
            found.append(Finding("warning", column.name, what, fix, len(values)))
    return found


def infinite_values(dataset: Dataset, _window: Window) -> list[Finding]:
    """Numbers that are infinite or beyond 1e300."""
    frame, found = _customers(dataset), []
    for column in _numeric(dataset, frame):
        numbers = _numbers(frame[column.name])
        bad = numbers.abs() > HUGE
        if bad.any():
            count, example = int(bad.sum()), numbers[bad].iloc[0]
            what = f"{plural(count, 'value is', 'values are')} infinite or too large, such as {example:g}."
            found.append(Finding("error", column.name, what, "Correct or blank them at the source.", count))
    return found


def impossible_values(dataset: Dataset, _window: Window) -> list[Finding]:
    """Values outside what their column allows, such as a negative tenure; blanks where there must be none."""
    frame, found = _customers(dataset), []
    for column in (c for c in dataset.columns if c.name in frame):
        values = _unreported(column, frame[column.name])
        found += [dataclasses.replace(finding, severity="warning") for finding in out_of_range(column, values)]
    return found


def _unreported(column: Column, values: pd.Series) -> pd.Series:
    """The values without those that other checks name: infinite ones, and percent among shares."""
    if column.kind not in NUMERIC:
        return values
    numbers = _numbers(values)
    named = (numbers.abs() > HUGE) | percent_among_shares(column, numbers)
    return numbers.mask(named, max(column.low, min(column.high, 0.0)))


def negative_amounts(dataset: Dataset, _window: Window) -> list[Finding]:
    """Events that move a negative amount of money: the kind of the event says the direction, never the sign."""
    if dataset.events is None:
        return []
    events = connect().read_parquet(dataset.events)
    count = int(events.filter(events["amount"] < 0).count().execute())
    if not count:
        return []
    what = f"{plural(count, 'event has', 'events have')} a negative amount."
    return [Finding("warning", "events.amount", what, "Write returns and cancellations as kinds of event.", count)]


def future_dates(dataset: Dataset, _window: Window) -> list[Finding]:
    """Events and dates after the moment until which the data were observed."""
    until, frame = pd.Timestamp(dataset.observed_until), _customers(dataset)
    dates = [column.name for column in dataset.columns if column.kind == "date" and column.name in frame]
    late = [(name, int((pd.to_datetime(frame[name], errors="coerce") > until).sum())) for name in dates]
    if dataset.events is not None:
        events = connect().read_parquet(dataset.events)
        late.append(("events.at", int(events.filter(events["at"] > dataset.observed_until).count().execute())))
    fix = "Correct the dates, or say until when the data were observed."
    return [
        Finding("warning", where, f"{plural(count, 'date is', 'dates are')} after {until:%Y-%m-%d %H:%M}.", fix, count)
        for where, count in late if count
    ]


def percent_and_fraction(dataset: Dataset, _window: Window) -> list[Finding]:
    """Shares and percentages in which some values are 100 times too small or too large."""
    frame = _customers(dataset)
    shares = [column for column in _numeric(dataset, frame) if column.unit.startswith(("share", "percent", "%"))]
    return [finding for column in shares for finding in percent_clash(column, _numbers(frame[column.name]))]


def blanks_that_mean_zero(dataset: Dataset, _window: Window) -> list[Finding]:
    """Blank numbers that (almost) always stand where another count is zero: no months yet, so no charges yet."""
    frame, found = _customers(dataset), []
    numbers = {column.name: _numbers(frame[column.name]) for column in _numeric(dataset, frame)}
    for name, values in numbers.items():
        blank = values.isna()
        if FEWEST_BLANKS <= blank.sum() < len(values):
            reason = next((other for other, its in numbers.items() if other != name and _zero_where(its, blank)), None)
            found += _blank_finding(name, int(blank.sum()), reason)
    return found


def _zero_where(other: pd.Series, blank: pd.Series) -> bool:
    """Whether the other number is zero on (almost) all these rows and (almost) nowhere else."""
    zero = other == 0
    return bool(zero[blank].mean() >= ZERO_SHARE and blank[zero].mean() >= ZERO_SHARE)


def _blank_finding(name: str, count: int, reason: str | None) -> list[Finding]:
    if reason is None:
        return []
    what = f"{plural(count, 'value is', 'values are')} blank exactly where {reason} is 0: the blank seems to mean zero."
    return [Finding("warning", name, what, "Write 0 at the source, or confirm that they are unknown.", count)]


def too_little_data(dataset: Dataset, _window: Window) -> list[Finding]:
    """No customers at all, fewer than 500, or fewer than 180 days of events."""
    return [*_few_customers(dataset), *_short_history(dataset)]


def _few_customers(dataset: Dataset) -> list[Finding]:
    count = pq.ParquetFile(dataset.customers).metadata.num_rows
    if count == 0:
        fix = "Give a file with at least one row per customer."
        return [Finding("error", "customers", "There are no customers.", fix)]
    if count >= ENOUGH_CUSTOMERS:
        return []
    what = f"Only {plural(count, 'customer')}; a model rests on {ENOUGH_CUSTOMERS} or more."
    return [Finding("warning", "customers", what, "Add customers, or read the intervals before the figures.", count)]


def _short_history(dataset: Dataset) -> list[Finding]:
    if dataset.events is None:
        return []
    events = connect().read_parquet(dataset.events)
    first, last = (events["at"].min().execute(), events["at"].max().execute())
    if pd.isna(first):
        fix = "Give a file with at least one event per customer."
        return [Finding("warning" if dataset.kind == "snapshot" else "error", "events", "There are no events.", fix)]
    days = (pd.Timestamp(last) - pd.Timestamp(first)).days
    if days >= ENOUGH_DAYS:
        return []
    what = f"The events span {plural(days, 'day')}; habits show in {ENOUGH_DAYS} or more."
    return [Finding("warning", "events.at", what, "Add older events.", int(events.count().execute()))]


def label_classes(dataset: Dataset, window: Window) -> list[Finding]:
    """Whether enough customers left, and enough stayed, to learn the difference."""
    if not _answerable(dataset, window):
        return []
    y = labels(dataset, (window,))
    left, stayed = int((y == 1).sum()), int((y == 0).sum())
    if len(y) == 0:
        fix = "Check the label's column or its window."
        return [Finding("error", _label_title(dataset), "No customer's answer is known.", fix)]
    if 0 in (left, stayed):
        what = f"All {len(y):,} labels are equal: everyone {'left' if left else 'stayed'}."
        fix = "Check the label's rule, its positive value and its window."
        return [Finding("error", _label_title(dataset), what, fix, len(y))]
    return [finding for words, count in (("left", left), ("stayed", stayed))
            for finding in _small_class(_label_title(dataset), words, count)]


def _small_class(label: str, words: str, count: int) -> list[Finding]:
    if count >= ENOUGH_PER_CLASS:
        return []
    what = f"Only {plural(count, 'customer')} {words}; a model needs {ENOUGH_PER_CLASS} of each kind."
    return [Finding("error", label, what, "Add customers or history, or choose another label window.", count)]


def _label_title(dataset: Dataset) -> str:
    """The label under the company's own word for it."""
    return next((c.title for c in dataset.columns if c.name == dataset.label.column), "label")


def _answerable(dataset: Dataset, window: Window) -> bool:
    """Whether the data can say who left: there is a label, its column is there, and its window has been observed."""
    if dataset.label.kind == "none" or not {"customer_id", *_label_column(dataset)} <= set(_present(dataset)):
        return False
    asked_ahead = dataset.label.kind in ("inactivity", "renewal", "ended")
    return not asked_ahead or (dataset.events is not None and window.ends <= dataset.observed_until)


def _label_column(dataset: Dataset) -> tuple[str, ...]:
    return (dataset.label.column,) if dataset.label.kind in ("column", "threshold") else ()


def _present(dataset: Dataset) -> list[str]:
    return list(pq.read_schema(dataset.customers).names)


def _customers(dataset: Dataset) -> pd.DataFrame:
    """The customers table as it is, the id among its columns."""
    return pd.read_parquet(dataset.customers)


def _numbers(values: pd.Series) -> pd.Series:
    return pd.to_numeric(values, errors="coerce").astype("float64")


def _features(dataset: Dataset, frame: pd.DataFrame) -> list[Column]:
    """The columns that describe customers: neither the id, nor contact, nor the label."""
    aside = {"customer_id", *_label_column(dataset), *(column.name for column in CONTACT)}
    return [c for c in dataset.columns if c.name in frame and c.name not in aside and c.kind not in ("id", "date")]


def _numeric(dataset: Dataset, frame: pd.DataFrame) -> list[Column]:
    return [column for column in dataset.columns if column.name in frame and column.kind in NUMERIC]


CHECKS: dict[str, Check] = {
    "missing columns": missing_columns,
    "duplicate ids": duplicate_ids,
    "too little data": too_little_data,
    "label classes": label_classes,
    "infinite values": infinite_values,
    "impossible values": impossible_values,
    "negative amounts": negative_amounts,
    "future dates": future_dates,
    "percent and fraction": percent_and_fraction,
    "blanks that mean zero": blanks_that_mean_zero,
    "constant columns": constant_columns,
    "unique columns": unique_columns,
}
