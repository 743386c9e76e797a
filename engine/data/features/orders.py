"""What orders, returns and visits say of a customer as of any list of moments: one Ibis expression over EVENTS.

Only events with `at < as_of` are read. Everything that looks back from an event (is this the order's first line, how
long since the order before, is the product new) is found before events meet moments, so that it depends on earlier
events alone. Money and times are added up as whole numbers (1/10,000 currency, seconds), so that the sums do not
depend on their order: one customer or a million, one moment or fifty, the same bits.
"""

from __future__ import annotations

import functools
import math
import operator
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import duckdb
import ibis
import ibis.expr.types as ir
import pandas as pd

from engine.data.features.backends import Query, answer
from engine.data.features.happened import EVENT_TYPES, settled
from engine.schema import Column
from engine.schema.orders import (
    ORDER_FEATURES,
    ORDER_WINDOWS,
    TREND_WINDOWS,
    VISIT_FEATURES,
    VISIT_KINDS,
    VISIT_WINDOWS,
)

DAY = 86_400
YEAR = 365
MONTHS = 12
UNIT = 10_000
NANO = 1_000_000_000
HALF_LIFE_DAYS = 90
SPINE_TYPES = {
    "as_of": "timestamp", "lookback_s": "int64", "season_known": "boolean", "season_before_known": "boolean"
}  # fmt: skip
SEASONS = {
    "season_orders": "season_known", "season_spend": "season_known", "season_before_orders": "season_before_known"
}  # fmt: skip
KNOWN = tuple(dict.fromkeys(SEASONS.values()))
MONEY = ("spend", "items", "season_spend")
INDEX = ["as_of", "customer_id"]

Sums = dict[str, ir.Value]


def connect() -> ibis.BaseBackend:
    """A DuckDB of its own in memory, behind Ibis, that reads every moment as UTC and draws no progress bar."""
    backend = ibis.duckdb.connect()
    settled(backend.con)
    return backend


def order_columns(events: Path) -> tuple[Column, ...]:
    """The meaning of each feature; visits are in it where the company records them."""
    return (*ORDER_FEATURES, *(VISIT_FEATURES if known_of(events).visits else ()))


def order_features(
    events: Path,
    as_ofs: Sequence[datetime],
    *,
    horizon_days: int,
    lookback_days: int = 365,
    only: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Features per moment and customer with an order in the `lookback_days` before it; index (as_of, customer_id).

    `horizon_days` is the label window's length: the same season last year has that length too. `only` computes some
    customers alone and gives them the same values.
    """
    frame = answer(query(events, as_ofs, horizon_days=horizon_days, lookback_days=lookback_days), events, only)
    names = [column.name for column in order_columns(events)]
    return frame.astype({"as_of": "datetime64[ns]"}).set_index(INDEX)[names].astype("float64")


def query(events: Path, as_ofs: Sequence[datetime], *, horizon_days: int, lookback_days: int = 365) -> Query:
    """What is asked of the events, as a backend takes it; arguments as in `order_features`."""
    knows = known_of(events)
    asked = functools.partial(_query, knows.products, knows.visits, horizon_days)
    return Query(asked, _spine(as_ofs, knows.begins, horizon_days, lookback_days))


@dataclass(frozen=True)
class Known:
    """What a file of events can tell: when it begins, whether it names products and records visits."""

    begins: datetime
    products: bool
    visits: bool


def known_of(events: Path) -> Known:
    """What the file can tell, read once as long as it stays as it is."""
    written = events.stat()
    return _told(events, written.st_mtime_ns, written.st_size)


@functools.lru_cache(maxsize=32)
def _told(events: Path, _written: int, _size: int) -> Known:
    """Read once per file as it was written: of a long history it takes longer than one customer's answer."""
    with settled(duckdb.connect()) as connection:
        table = connection.from_parquet(str(events))
        visits = ", ".join(f"'{kind}'" for kind in VISIT_KINDS)
        [(begins, visited)] = table.aggregate(f'min("at"), coalesce(bool_or(kind in ({visits})), false)').fetchall()
        return Known(begins, "item_id" in table.columns, visited)


def _spine(as_ofs: Sequence[datetime], begins: datetime, horizon_days: int, lookback_days: int) -> pd.DataFrame:
    """The moments of knowledge, how far back a customer's last order may lie, and which seasons the data reach."""
    moments = pd.DatetimeIndex(sorted(set(as_ofs)))
    return pd.DataFrame({
        "as_of": moments,
        "lookback_s": lookback_days * DAY,
        "season_known": moments >= pd.Timestamp(begins + timedelta(days=YEAR)),
        "season_before_known": moments >= pd.Timestamp(begins + timedelta(days=YEAR + horizon_days)),
    })  # fmt: skip


@functools.lru_cache(maxsize=32)
def _query(products: bool, visits: bool, horizon_days: int, dialect: str) -> str:
    """The expression as SQL over the tables `events` and `spine`; making it takes longer than most answers."""
    events = ibis.table(EVENT_TYPES | ({"item_id": "string"} if products else {}), name="events")
    spine = ibis.table(SPINE_TYPES, name="spine")
    sums = _sums(_seen(_moments(events, products), spine.select("as_of")), horizon_days, visits)
    active = _as_floats(sums.inner_join(spine, "as_of").filter(ibis._.recency_s <= ibis._.lookback_s))
    names = [column.name for column in (*ORDER_FEATURES, *(VISIT_FEATURES if visits else ()))]
    known = _features(active, visits)
    told = active.select(*INDEX, **{name: known[name] for name in names}).order_by(INDEX)
    return str(ibis.to_sql(told, dialect))


def _moments(events: ir.Table, products: bool) -> ir.Table:
    """Lines of one order at one instant become one row; all that looks back in time is found here.

    first: the order begins here; so_far: the order's value up to here; turn: place in the customer's history;
    of_day: the customer's first order of a day (orders split over several invoices count once in the rhythm);
    visited: the customer's visits up to here;
    gap_s, gaps3_s: seconds since the order day before, since the third before; new: products new to the customer.
    """
    lines = events.mutate(
        group_id=ibis.coalesce(events.group_id, events.event_id),
        new=_new_product(events) if products else ibis.null("int64"),
    )
    moments = lines.group_by(["customer_id", "kind", "group_id", "at"]).aggregate(
        amount=_whole(lines.amount).sum(), pieces=_whole(lines.quantity).sum(), lines=lines.count(), new=lines.new.sum()
    )
    order = ibis.window(group_by=["customer_id", "kind", "group_id"], order_by="at")
    history = ibis.window(group_by="customer_id", order_by=["at", "kind", "group_id"])
    moments = moments.mutate(
        at_s=_seconds(moments["at"]),
        first=ibis.row_number().over(order) == 0,
        so_far=moments.amount.sum().over(ibis.cumulative_window(group_by=order.groupings, order_by=order.orderings)),
    )
    visits = ((moments.kind == "session") & moments["first"]).cast("int64").sum()
    day = ibis.window(group_by=["customer_id", "kind", "first", moments["at"].date()], order_by=["at", "group_id"])
    moments = moments.mutate(
        of_day=moments["first"] & (ibis.row_number().over(day) == 0),
        turn=ibis.row_number().over(history),
        visited=visits.over(ibis.cumulative_window(group_by=history.groupings, order_by=history.orderings)),
    )
    days = ibis.window(group_by=["customer_id", "kind", "of_day"], order_by="at")
    return moments.mutate(
        gap_s=moments.at_s - moments.at_s.lag().over(days), gaps3_s=moments.at_s - moments.at_s.lag(3).over(days)
    )


def _new_product(events: ir.Table) -> ir.Value:
    """1 on the first order line of each product of a customer."""
    bought = ibis.window(group_by=["customer_id", "kind", "item_id"], order_by=["at", "event_id"])
    return ((ibis.row_number().over(bought) == 0) & events.item_id.notnull()).cast("int64")


def _whole(amount: ir.Value) -> ir.Value:
    """An amount in 1/10,000, exact to add."""
    return (amount.cast("float64") * UNIT).round().cast("int64")


def _seconds(moment: ir.Value) -> ir.Value:
    return moment.truncate("s").epoch_seconds().cast("int64")


def _seen(moments: ir.Table, spine: ir.Table) -> ir.Table:
    """Every moment of knowledge with the events before it, and their age."""
    seen = moments.inner_join(spine, moments["at"] < spine.as_of)
    seen = seen.mutate(age_s=_seconds(seen.as_of) - seen.at_s)
    return seen.mutate(order=seen.kind == "order", begins=(seen.kind == "order") & seen["first"])


def _sums(seen: ir.Table, horizon_days: int, visits: bool) -> ir.Table:
    """Per moment and customer: counts, exact sums and extremes, from which every feature follows."""
    sums = seen.group_by(INDEX).aggregate(
        **_rhythm_sums(seen),
        **_money_sums(seen),
        **_window_sums(seen),
        **_season_sums(seen, horizon_days),
        **_undone_sums(seen),
        **(_visit_sums(seen) if visits else {}),
    )
    return sums.mutate(months_with_orders=_ones(sums.months)).drop("months")


def _rhythm_sums(seen: ir.Table) -> Sums:
    days = seen.begins & seen.of_day
    spaced = days & seen.gap_s.notnull()
    gap = seen.gap_s.cast("float64")
    weight = (NANO * (seen.age_s.cast("float64") * (-math.log(2) / (HALF_LIFE_DAYS * DAY))).exp()).round()
    return {
        "recency_s": seen.age_s.min(where=seen.begins),
        "tenure_s": seen.age_s.max(where=seen.begins),
        "orders": _count(seen.begins),
        "order_days": _count(days),
        "decayed": weight.cast("int64").sum(where=seen.begins),
        "months": bit_or(_bit(seen.age_s // (30 * DAY)), where=seen.begins & (seen.age_s < MONTHS * 30 * DAY)),
        "latest_s": seen.age_s.min(where=days),
        "gap_squares": (gap * gap).cast("decimal(38, 0)").sum(where=spaced),
        "gap_median_s": spaced.ifelse(seen.gap_s, ibis.null("int64")).median(),
        "gaps3_s": seen.gaps3_s.argmax(seen.turn, where=days & seen.gaps3_s.notnull()),
        "gap_last_s": seen.gap_s.argmax(seen.turn, where=spaced),
        "gap_longest_s": seen.gap_s.max(where=spaced),
        "weekends": _count(seen.begins & (seen["at"].day_of_week.index() >= 5)),
        "minutes": _sum(seen["at"].hour().cast("int64") * 60 + seen["at"].minute().cast("int64"), seen.begins),
    }


def _money_sums(seen: ir.Table) -> Sums:
    return {
        "spend": _sum(seen.amount, seen.order),
        "items": _sum(seen.pieces, seen.order),
        "last_value": seen.so_far.argmax(seen.turn, where=seen.order),
        "lines": _sum(seen.lines, seen.order),
        "products": seen.new.sum(where=seen.order),
        "products_new_90d": (seen.new * _within(seen, 90).cast("int64")).sum(where=seen.order),
    }


def _window_sums(seen: ir.Table) -> Sums:
    """Orders, spend and items of each window, and of the window before it where a trend asks for it."""
    spans = {f"{days}d": _within(seen, days) for days in ORDER_WINDOWS}
    spans |= {f"{days}d_before": _within(seen, 2 * days, since=days) for days in TREND_WINDOWS}
    return {
        name: total
        for span, within in spans.items()
        for name, total in {
            f"orders_{span}": _count(seen.begins & within),
            f"spend_{span}": _sum(seen.amount, seen.order & within),
            f"items_{span}": _sum(seen.pieces, seen.order & within),
        }.items()
    }


def _season_sums(seen: ir.Table, horizon_days: int) -> Sums:
    ahead = _within(seen, YEAR, since=YEAR - horizon_days)
    behind = _within(seen, YEAR + horizon_days, since=YEAR)
    return {
        "season_orders": _count(seen.begins & ahead),
        "season_spend": _sum(seen.amount, seen.order & ahead),
        "season_before_orders": _count(seen.begins & behind),
    }


def _undone_sums(seen: ir.Table) -> Sums:
    sent_back, cancelled = seen.kind == "return", seen.kind == "cancellation"
    return {
        "returned": _sum(seen.amount, sent_back),
        "returns_365d": _count(sent_back & seen["first"] & _within(seen, 365)),
        "cancelled": _sum(seen.amount, cancelled),
        "cancellations_365d": _count(cancelled & seen["first"] & _within(seen, 365)),
        "undone_s": seen.age_s.min(where=sent_back | cancelled),
    }


def _visit_sums(seen: ir.Table) -> Sums:
    counts = {
        f"{noun}_{days}d": _count((seen.kind == kind) & seen["first"] & _within(seen, days))
        for kind, noun in VISIT_KINDS.items()
        for days in VISIT_WINDOWS
    }
    visit = seen.kind == "session"
    visits = _count(visit & seen["first"])
    return counts | {
        "sessions": visits,
        "sessions_since_order": visits - seen.visited.argmax(seen.turn, where=seen.begins),
        "session_s": seen.age_s.min(where=visit),
        "session_minutes": _sum(seen.pieces, visit & _within(seen, 90)),
        "sessions_30d_before": _count(visit & seen["first"] & _within(seen, 60, since=30)),
    }


@ibis.udf.agg.builtin  # type: ignore[untyped-decorator]
def bit_or(bits: int, where: bool = True) -> int:  # noqa: ARG001
    """Every bit that a row has: a set of months costs one number, where counting different ones groups rows again."""
    raise AssertionError("Both engines have it: Ibis writes its name.")


def _bit(number: ir.Value) -> ir.Value:
    return ibis.literal(2.0).pow(number).cast("int64")


def _ones(bits: ir.Value) -> ir.Value:
    """How many of the bits of the last twelve months are set."""
    return functools.reduce(operator.add, ((bits >> month) & 1 for month in range(MONTHS))).fill_null(0)


def _count(where: ir.Value) -> ir.Value:
    return where.cast("int64").sum().fill_null(0)


def _sum(values: ir.Value, where: ir.Value) -> ir.Value:
    return values.sum(where=where).fill_null(0)


def _within(seen: ir.Table, days: int, since: int = 0) -> ir.Value:
    """True for events older than `since` days (0: not at all) and at most `days` days old."""
    return (seen.age_s <= days * DAY) & ((seen.age_s > since * DAY) if since > 0 else True)


def _as_floats(sums: ir.Table) -> ir.Table:
    """The sums, whole numbers, as float64: what engines make of a whole number over a fraction differs."""
    return sums.mutate(**{name: sums[name].cast("float64") for name in sums.columns if name not in (*INDEX, *KNOWN)})


def _features(sums: ir.Table, visits: bool) -> Sums:
    """Every feature from the sums, each sum a whole number."""
    features = {name: sums[name] for name in sums.columns if name not in (*INDEX, *KNOWN)}
    features |= {name: sums[name] / float(UNIT) for name in sums.columns if name.startswith(MONEY)}
    features |= _rhythm(sums) | _money(sums) | _trends(sums) | _undone(sums)
    for name, known in SEASONS.items():
        features[name] = sums[known].ifelse(features[name], ibis.null("float64"))
    return features | (_visits(sums) if visits else {})


def _rhythm(sums: ir.Table) -> Sums:
    recency, tenure = sums.recency_s / float(DAY), sums.tenure_s / float(DAY)
    gaps = (sums.order_days - 1).cast("float64").nullif(0)
    gap_mean = (sums.tenure_s - sums.latest_s) / gaps / float(DAY)
    variance = sums.gap_squares.cast("float64") / gaps / float(DAY) ** 2 - gap_mean * gap_mean
    longest, last = sums.gap_longest_s / float(DAY), sums.gap_last_s / float(DAY)
    median, recent = sums.gap_median_s / float(DAY), sums.gaps3_s / float(3 * DAY)
    several = (sums.order_days > 2).ifelse(1.0, ibis.null("float64"))
    return {
        "recency_days": recency,
        "tenure_days": tenure,
        "orders_per_year": sums.orders * 365.0 / ibis.greatest(tenure, 30.0),
        "orders_decayed": sums.decayed / float(NANO),
        "gap_mean_days": gap_mean,
        "gap_sd_days": ibis.greatest(variance, 0.0).sqrt() * several,
        "gap_median_days": median,
        "gap_recent_days": recent,
        "gap_last_days": last,
        "gap_longest_days": longest,
        "gap_trend": last / _at_least_a_day(gap_mean),
        "pause_ratio": recency / _at_least_a_day(gap_mean),
        "pause_ratio_median": recency / _at_least_a_day(median),
        "pause_ratio_recent": recency / _at_least_a_day(recent),
        "overdue_days": recency - gap_mean,
        "longest_pause_ratio": recency / _at_least_a_day(longest),
        "weekend_share": sums.weekends / sums.orders.cast("float64"),
        "hour_mean": sums.minutes / (60.0 * sums.orders),
    }


def _at_least_a_day(days: ir.Value) -> ir.Value:
    return (days < 1.0).ifelse(1.0, days)


def _money(sums: ir.Table) -> Sums:
    orders, lines = sums.orders.cast("float64"), sums.lines.cast("float64")
    mean, last = sums.spend / float(UNIT) / orders, sums.last_value / float(UNIT)
    return {
        "order_value_mean": mean,
        "order_value_last": last,
        "order_value_ratio": last / mean.nullif(0),
        "order_lines_mean": lines / orders,
        "order_items_mean": sums["items"] / float(UNIT) / orders,
        "products_new_share": sums.products / lines,
    }


def _trends(sums: ir.Table) -> Sums:
    names = [f"{what}_{{}}{days}d" for days in TREND_WINDOWS for what in ("orders", "spend")]
    pairs = {name.format("trend_"): (name.format(""), name.format("") + "_before") for name in names}
    return {trend: _change(sums[recent], sums[before]) for trend, (recent, before) in pairs.items()}


def _change(recent: ir.Value, before: ir.Value) -> ir.Value:
    """(recent - before) / (recent + before), 0 where both are 0."""
    recent, before = recent.cast("float64"), before.cast("float64")
    return ((recent - before) / (recent + before).nullif(0)).fill_null(0.0)


def _undone(sums: ir.Table) -> Sums:
    spend = sums.spend.cast("float64").nullif(0)
    return {
        "return_share": sums.returned / spend,
        "cancellation_share": sums.cancelled / spend,
        "undone_recency_days": sums.undone_s / float(DAY),
    }


def _visits(sums: ir.Table) -> Sums:
    left, carts = sums.carts_abandoned_90d.cast("float64"), ibis.greatest(sums.carts_90d, sums.carts_abandoned_90d)
    return {
        "session_recency_days": sums.session_s / float(DAY),
        "session_minutes_90d": sums.session_minutes / float(UNIT),
        "sessions_trend_30d": _change(sums.sessions_30d, sums.sessions_30d_before),
        "cart_abandon_share_90d": left / carts.cast("float64").nullif(0),
    }
