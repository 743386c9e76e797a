"""Labels: who left within a window; and snapshots, which put features and answers side by side.

A window's features end where its label begins: features use `at < as_of`, the label asks about
`as_of <= at < as_of + horizon_days`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pandas as pd

from engine.data.answers import checked, freeze, frozen
from engine.data.corrections import IMPUTED
from engine.data.features import Only, feature_columns, features_at
from engine.data.features.orders import INDEX, connect
from engine.data.renewals import HOW, renewal_answers
from engine.errors import EngineError, choose
from engine.schema import Dataset, Snapshot, Window

HISTORY_DAYS = 180


def snapshot(dataset: Dataset, windows: Sequence[Window], without: Collection[str] = ()) -> Snapshot:
    """Features and answers for every customer with a known answer; `without` leaves out quarantined columns by name."""
    windows = tuple(sorted(windows, key=lambda window: window.as_of))
    y = labels(dataset, windows)
    lookback = {window.lookback_days for window in windows}
    assert len(lookback) == 1, "the windows of one snapshot look back equally far"
    X = features_at(dataset, [window.as_of for window in windows], lookback_days=lookback.pop())
    columns = tuple(column for column in feature_columns(dataset) if column.name not in set(without))
    return Snapshot(X.loc[y.index, [column.name for column in columns]], y, windows, columns)


def labels(dataset: Dataset, windows: Sequence[Window], only: Only = None) -> pd.Series:
    """1 where the customer left within the window, 0 where not; index (as_of, customer_id); unknown answers are absent.

    `only` asks of some customers alone. Windows that were frozen with the version are answered from there.

    Raises:
        EngineError: if the data hold no label, or do not reach the end of a window.
    """
    ordered = sorted(windows, key=lambda window: window.as_of)
    if (known := frozen(dataset, ordered, only)) is not None:
        return known["churned"].astype("int64")
    answers = choose("label rule", dataset.label.kind, RULES)(dataset, ordered, only)
    return answers.dropna().astype("int64").rename("churned")


def freeze_labels(dataset: Dataset, windows: Sequence[Window], folder: Path) -> Dataset:
    """Compute the windows' answers once and keep them in the folder; returns the dataset that rests on them.

    A snapshot's answers stand in its customers table; data without a label have none.
    """
    if dataset.kind == "snapshot" or dataset.label.kind == "none":
        return dataset
    churned = labels(replace(dataset, answers=None), windows).to_frame()
    renewed = dataset.label.kind in ("renewal", "ended")
    how = how_they_left(dataset, windows)["how"].reindex(churned.index) if renewed else ""
    return freeze(dataset, churned.assign(how=how), windows, folder)


def windows_for(
    dataset: Dataset, n: int = 4, *, step_days: int | None = None, lookback_days: int = 365
) -> tuple[Window, ...]:
    """The last `n` windows whose label is known, in order of as_of.

    A snapshot has one, at `observed_until`. Orders have as many as the data reach back, `step_days` apart (unless
    given, the horizon, so that no label windows straddle), each with at least 180 days of history before it. A smaller
    step gives more, overlapping windows to learn from; a backtest keeps training labels out of the test's time.
    """
    horizon = dataset.label.horizon_days
    if dataset.kind == "snapshot":
        return (Window(dataset.observed_until, horizon, lookback_days),)
    last = dataset.observed_until - timedelta(days=horizon)
    steps = (last - timedelta(days=place * (step_days or horizon)) for place in range(n))
    known = knows_from(dataset)
    windows = tuple(Window(as_of, horizon, lookback_days) for as_of in steps if as_of >= known)
    if not windows:
        span = (dataset.observed_until - _begins(dataset)).days
        most = f" to at most {span - HISTORY_DAYS} days" if span > HISTORY_DAYS else ""
        raise EngineError(f"{dataset.name} spans {span} days; a label of {horizon} days needs "
                          f"{HISTORY_DAYS + horizon}. Add older orders or shorten the label's window{most}.")
    return windows[::-1]


def knows_from(dataset: Dataset) -> datetime:
    """The first moment of which enough is known to judge customers: 180 days of history; a snapshot's only one."""
    return dataset.observed_until if dataset.kind == "snapshot" else _begins(dataset) + timedelta(days=HISTORY_DAYS)


def _begins(dataset: Dataset) -> datetime:
    """The first event."""
    moment = connect().read_parquet(dataset.events)["at"].min().execute()
    return pd.Timestamp(moment).to_pydatetime()


def _from_column(dataset: Dataset, windows: Sequence[Window], only: Only) -> pd.Series:
    """The file says so: 1 where the label's column holds the positive value."""
    values = dataset.frame(only, [dataset.label.column])[dataset.label.column]
    positive = dataset.label.positive
    if pd.api.types.is_numeric_dtype(values) or pd.api.types.is_bool_dtype(values):
        left = values.astype("float64") == _number(positive)
    else:
        left = values.astype("object").map(str, na_action="ignore") == positive
    return _for_each(windows, left.astype("float64").where(values.notna()))


def _number(positive: str) -> float:
    """The positive value of a numeric column: itself, or 1 where the adapter has turned a word into 0 and 1."""
    try:
        return float(positive)
    except ValueError:
        return 1.0


def _from_threshold(dataset: Dataset, windows: Sequence[Window], only: Only) -> pd.Series:
    """A column above a value at the instant of the features."""
    values = dataset.frame(only, [dataset.label.column])[dataset.label.column].astype("float64")
    return _for_each(windows, (values > dataset.label.above).astype("float64").where(values.notna()))


def _for_each(windows: Sequence[Window], left: pd.Series) -> pd.Series:
    return pd.concat({pd.Timestamp(window.as_of): left.sort_index() for window in windows}, names=INDEX)


def _from_inactivity(dataset: Dataset, windows: Sequence[Window], only: Only) -> pd.Series:
    """Nothing of the rule's events in the window, asked of every customer with the first of them in the lookback."""
    _refuse_unfinished(dataset, windows)
    happened = connect().read_parquet(dataset.events).filter(ibis._.kind.isin(list(dataset.label.events)))
    happened = happened.filter(~happened.event_id.startswith(IMPUTED))
    happened = happened if only is None else happened.filter(happened.customer_id.isin(list(only)))
    left = _inactive(happened, windows, dataset.label.events[0]).order_by(INDEX).execute()
    return left.astype({"as_of": "datetime64[ns]"}).set_index(INDEX)["left"].astype("float64")


def _refuse_unfinished(dataset: Dataset, windows: Sequence[Window]) -> None:
    """A window that is not over has no answers: whoever has not left yet is not called loyal."""
    for window in windows:
        if window.ends > dataset.observed_until:
            raise EngineError(
                f"The window from {window.as_of:%Y-%m-%d} ends on {window.ends:%Y-%m-%d}, but {dataset.name} is "
                f"observed until {dataset.observed_until:%Y-%m-%d}. Choose an as_of "
                f"{window.horizon_days} days or more before that."
            )


def how_they_left(dataset: Dataset, windows: Sequence[Window], only: Only = None) -> pd.DataFrame:
    """Answers of a renewal rule with how: left (0 or 1) and how ("" for who stayed, else a key of renewals.HOW)."""
    _refuse_unfinished(dataset, windows)
    assert dataset.events is not None, "a renewal rule needs events"
    rule = dataset.label
    return renewal_answers(dataset.events, [window.as_of for window in windows], rule.horizon_days, rule.grace_days,
                           only, everybody=rule.kind == "ended")


def how_it_ended(dataset: Dataset) -> dict[str, int]:
    """Of the frozen answers of those who left, how many went which way, the most frequent first; empty where the data
    do not tell."""
    if dataset.answers is None or dataset.label.kind not in ("renewal", "ended"):
        return {}
    rows = checked(dataset)
    return {str(way): int(count) for way, count in rows.loc[rows["churned"] == 1, "how"].value_counts().items()}


def _from_renewal(dataset: Dataset, windows: Sequence[Window], only: Only) -> pd.Series:
    """No new subscription in time; who left because a payment failed has no answer where only choices count."""
    told = how_they_left(dataset, windows, only)
    forced = told["how"].map(HOW).eq("involuntary") & (dataset.label.leavers == "voluntary")
    return told["left"].mask(forced)


def _inactive(happened: ir.Table, windows: Sequence[Window], by: str) -> ir.Table:
    spine = ibis.memtable(pd.DataFrame({
        "as_of": [window.as_of for window in windows],
        "since": [window.as_of - timedelta(days=window.lookback_days) for window in windows],
        "ends": [window.ends for window in windows],
    }))
    near = happened.inner_join(spine, [happened["at"] >= spine.since, happened["at"] < spine.ends])
    known = near.group_by(INDEX).aggregate(
        active=((near["at"] < near.as_of) & (near.kind == by)).any(),
        left=(near["at"] < near.as_of).all().cast("float64")
    )
    return known.filter(known.active).drop("active")


def _from_nothing(dataset: Dataset, _windows: Sequence[Window], _only: Only) -> pd.Series:
    raise EngineError(
        f"{dataset.name} does not say who left, so there is nothing to learn from. Add a label column, or score it "
        f"with a model of another dataset."
    )


RULES: dict[str, Callable[[Dataset, Sequence[Window], Only], pd.Series]] = {
    "column": _from_column,
    "inactivity": _from_inactivity,
    "renewal": _from_renewal,
    "ended": _from_renewal,
    "threshold": _from_threshold,
    "none": _from_nothing,
}
