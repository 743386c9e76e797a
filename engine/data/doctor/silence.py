"""How likely a quiet customer comes back, by days of silence: what helps to say after how many days one has left.

At the end of a customer's gap (or of the data) the silence is over or goes on unseen, so the chance to return after
`d` days of silence is read off the survival of gaps, those still open counted as censored (Kaplan and Meier 1958):
P(returns within the year after d | silent for d) = 1 - S(d + 365) / S(d), as far as the data reach.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    import duckdb

AHEAD_DAYS = 365
RETURNS = 0.2
ROUND = (7, 14, 21, 30, 45, 60, 90, 120, 150, 180, 270, 365)
FEWEST_GAPS = 50
SHORTEST_LOOK = 0.5
PAUSES = """
    WITH seen AS (SELECT customer_id, CAST("at" AS DATE) AS day FROM events
                  WHERE CAST("at" AS DATE) <= DATE '{until:%Y-%m-%d}'),
    next AS (SELECT day, lead(day) OVER (PARTITION BY customer_id ORDER BY day) AS again FROM seen)
    SELECT coalesce(again, DATE '{until:%Y-%m-%d}') - day AS days, count(again) AS ended,
           count(*) - count(again) AS unended
    FROM next WHERE again IS DISTINCT FROM day GROUP BY days
"""


@dataclass(frozen=True)
class Silence:
    """What silence says. curve: one row per day of silence: `days`, `returns` (chance to come back within `ahead_days`
    [share 0..1]), `low` and `high` (its 95 % interval), `silent` (gaps that were so long). days: the proposed number;
    evidence: why, in words. gaps: how many gaps between active days this rests on."""

    curve: pd.DataFrame
    days: int
    evidence: str
    gaps: int
    ahead_days: int


def of_events(events: duckdb.DuckDBPyRelation, until: pd.Timestamp, most: int = 365) -> Silence:
    """Silence in a table of `customer_id` and `at`, known until that moment; several events of a day count once.

    The proposed number of days is the shortest round one after which at most one silent customer in five comes back,
    and at most `most`, so that history is left to learn from. Where fewer than 50 gaps can be seen there is no curve,
    and 90 days (or `most`) are proposed.
    """
    found = events.query("events", PAUSES.format(until=until))
    assert found is not None, "A query always has an answer."
    pauses = found.fetchnumpy()
    gaps, longest = int(pauses["ended"].sum()), int(pauses["days"].max(initial=0))
    if gaps < FEWEST_GAPS:
        why = f"only {gaps} pauses between active days can be seen; 90 days are usual"
        empty = pd.DataFrame({name: [] for name in ("days", "returns", "low", "high", "silent")})
        return Silence(empty, min(90, most), why, gaps, 0)
    ahead = int(min(AHEAD_DAYS, max(longest * SHORTEST_LOOK, 1)))
    curve = _curve(pauses, ahead, longest - ahead)
    return _chosen(curve, gaps, ahead, most)


def _curve(pauses: Mapping[str, np.ndarray], ahead: int, last: int) -> pd.DataFrame:
    """The chance to return by days of silence, with Greenwood's interval (1926) on the scale of log-survival."""
    width = last + ahead + 2
    ended, censored = np.zeros((2, width))
    ended[pauses["days"]], censored[pauses["days"]] = pauses["ended"], pauses["unended"]
    at_risk = (ended + censored)[::-1].cumsum()[::-1]
    hazard = np.divide(ended, at_risk, out=np.zeros(width), where=at_risk > 0)
    log_stay = np.cumsum(np.log1p(-np.minimum(hazard, 1 - 1e-12)))
    spread = np.cumsum(np.divide(ended, at_risk * np.maximum(at_risk - ended, 1), out=np.zeros(width),
                                 where=at_risk > 0))
    days = np.arange(1, max(last, 1) + 1)
    drop, sd = log_stay[days + ahead] - log_stay[days], np.sqrt(spread[days + ahead] - spread[days])
    return pd.DataFrame({"days": days, "returns": -np.expm1(drop), "low": -np.expm1(np.minimum(drop + 1.96 * sd, 0)),
                         "high": -np.expm1(drop - 1.96 * sd), "silent": at_risk[days + 1]})


def _chosen(curve: pd.DataFrame, gaps: int, ahead: int, most: int) -> Silence:
    """The shortest round number of days at which few enough come back."""
    by_day = curve.set_index("days")["returns"]
    open_to = [days for days in ROUND if days in by_day.index and days <= most]
    rare = [days for days in open_to if by_day[days] <= RETURNS]
    days = rare[0] if rare else max(open_to, default=min(90, most))
    share = 100 * float(by_day.get(days, np.nan))
    before = [other for other in ROUND if other < days and other in by_day.index]
    beside = f" (after {before[-1]} days: {100 * by_day[before[-1]]:.0f} %)" if before else ""
    told = "" if rare else "; the history is too short for a number of days that makes a return rare"
    why = (f"of customers silent for {days} days {share:.0f} % came back within the next {ahead}{beside}; it rests on "
           f"{gaps:,} pauses{told}")
    return Silence(curve, days, why, gaps, ahead)
