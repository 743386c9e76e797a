"""Who renewed: KKBox's own rule of churn, from what was bought and cancelled, as an expression over events and moments.

A moment asks about whoever's subscription, as known then, runs out within the asked days. The first subscription bought
from the moment on settles it: less than `grace_days` after the end that was known by then, the customer has stayed.
Cancellations that come before it move that end forward in time, never back. Nobody is judged before the grace is over:
the window of such a label holds the asked days and the grace.

Source: WSDM Cup 2018, KKBox's churn prediction challenge, its description and its published labeller: "no new valid
service subscription within 30 days after the current membership expires".

Voluntary and involuntary are kept apart where the data tell: whoever cancelled, or let a subscription end that does not
renew by itself, left by choice; a subscription that renews by itself and was never cancelled ended because a payment
failed.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import ibis
import ibis.expr.types as ir
import pandas as pd

from engine.data.features.declared import DAY
from engine.data.features.happened import EVENT_TYPES, happened
from engine.data.features.layer import EXTRA_TYPES, INDEX, seconds

TERM = ("subscription", "subscription_cancelled")
HOW = {"cancelled": "voluntary", "lapsed": "voluntary", "payment failed": "involuntary", "unknown": "unknown"}
SPINE = {"as_of": "timestamp", "as_of_s": "int64", "ends_s": "int64", "asked_s": "int64", "grace_d": "int64"}


def renewal_answers(events: Path, as_ofs: Sequence[datetime], horizon_days: int, grace_days: int,
                    only: Sequence[str] | None = None, *, everybody: bool = False) -> pd.DataFrame:
    """Per moment and customer asked: left (1.0 or 0.0) and how ("" for who stayed); index (as_of, customer_id).

    everybody: whoever's subscription ends later is judged too; left is then whoever's last known subscription, at the
    end of the window, has ended within the asked days.
    """
    moments = pd.DatetimeIndex(sorted(set(as_ofs)))
    stamps = (moments - pd.Timestamp("1970-01-01")) // pd.Timedelta(seconds=1)
    spine = pd.DataFrame({"as_of": moments, "as_of_s": stamps, "ends_s": stamps + horizon_days * DAY,
                          "asked_s": stamps + (horizon_days - grace_days) * DAY, "grace_d": grace_days})
    with happened(events, only) as connection:
        connection.register("spine", spine)
        frame = connection.execute(str(ibis.to_sql(answers(everybody), "duckdb"))).df()
    return frame.astype({"as_of": "datetime64[ns]", "left": "float64"}).set_index(INDEX)


def answers(everybody: bool = False) -> ir.Table:
    """The rule as an expression over `events` and `spine`: as_of, customer_id, left, how."""
    extras = ("expires_at", "auto_renew")
    events = ibis.table({**EVENT_TYPES, **{name: EXTRA_TYPES[name] for name in extras}}, name="events")
    spine = ibis.table(SPINE, name="spine")
    terms = _terms(events)
    held = _held(terms, spine, everybody)
    ahead = _ahead(terms, held, everybody)
    told = held.left_join(ahead, INDEX).drop("as_of_right", "customer_id_right")
    return _told(told, everybody).order_by(INDEX)


def _terms(events: ir.Table) -> ir.Table:
    """What was bought and cancelled, in the order in which it counts; failed payments are seen beside it."""
    terms = events.filter(events.kind.isin([*TERM, "payment_failure"]))
    at_s = seconds(terms["at"])
    order = ibis.window(group_by="customer_id", order_by=["at", "event_id"])
    day, until_s = at_s // DAY, seconds(terms.expires_at)
    valid = (terms.kind == "subscription") & (until_s > day * DAY).fill_null(True)
    return terms.mutate(at_s=at_s, day=day, until_s=until_s, bought=valid, gone=terms.kind == "subscription_cancelled",
                        turn=ibis.row_number().over(order))


def _held(terms: ir.Table, spine: ir.Table, everybody: bool) -> ir.Table:
    """What runs at each moment, as known then: until when, whether it renews by itself, whether it was cancelled."""
    seen = terms.inner_join(spine, terms["at"] < spine.as_of)
    ended = seen.kind.isin(list(TERM)) & seen.until_s.notnull()
    held = seen.group_by([*INDEX, "as_of_s", "ends_s", "asked_s", "grace_d"]).aggregate(
        end_s=seen.until_s.argmax(seen.turn, where=ended),
        renews=seen.auto_renew.argmax(seen.turn, where=seen.bought & seen.auto_renew.notnull()),
        cancelled=seen.gone.argmax(seen.turn, where=ended))
    running = held.filter(held.end_s >= held.as_of_s)
    return running if everybody else running.filter(running.end_s < running.asked_s)


def _ahead(terms: ir.Table, held: ir.Table, everybody: bool) -> ir.Table:
    """What comes within each window: the end as cancellations move it, and the first subscription after them."""
    near = terms.inner_join(held, "customer_id")
    near = near.filter((near["at"] >= near.as_of) & (near.at_s < near.ends_s))
    sooner = ibis.least(near.end_s, ibis.coalesce(near.gone.ifelse(near.until_s, ibis.null("int64")), near.end_s))
    near = near.mutate(sooner=sooner)
    order = ibis.cumulative_window(group_by=INDEX, order_by="turn")
    near = near.mutate(end_then=near.sooner.min().over(order), bought_then=near.bought.cast("int64").sum().over(order))
    first = near.bought & (near.bought_then == 1)
    before = near.bought_then == 0
    return near.group_by(INDEX).aggregate(
        bought_day=near.day.min(where=first), end_at_purchase=near.end_then.min(where=first),
        end_moved=near.end_then.min(where=before), cancels=(near.gone & (before | everybody)).any(),
        failed=((near.kind == "payment_failure") & (before | everybody)).any(),
        last_end_s=near.until_s.argmax(near.turn, where=(near.bought | near.gone) & near.until_s.notnull()))


def _told(told: ir.Table, everybody: bool) -> ir.Table:
    end = ibis.coalesce(told.end_at_purchase, told.end_moved, told.end_s)
    in_time = (told.bought_day - end // DAY < told.grace_d).fill_null(False)
    left = ibis.coalesce(told.last_end_s, told.end_s) < told.asked_s if everybody else ~in_time
    first = ((left & told.failed).fill_null(False), "payment failed") if everybody else (~left, "")
    how = ibis.cases(
        (~left, ""),
        first,
        ((told.cancelled | told.cancels).fill_null(False), "cancelled"),
        (told.failed.fill_null(False), "payment failed"),
        ((told.renews == 1).fill_null(False), "payment failed"),
        ((told.renews == 0).fill_null(False), "lapsed"),
        else_="unknown")
    return told.select(*INDEX, left=left.cast("float64"), how=how)
