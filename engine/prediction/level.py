"""The level of churn over time: which moments to learn from, what last year says of the season, how sure the level is.

A backtest's moments say how far the level was missed. Last year's season is used only where it brought those moments
nearer, and what is still missed widens every customer's interval, for it is an error that all customers share.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from engine.data.labels import windows_for
from engine.prediction.calibration import inverse_logit, logit
from engine.prediction.evaluate import Split, temporal_splits
from engine.prediction.season import SEASON_DAYS, base_rates, moved, season_shift
from engine.schema import Dataset, Finding, Snapshot, Window, plural

SHORTEST_STEP_DAYS = 45
Z90 = 1.645
FAR = 0.03


@dataclass(frozen=True)
class Level:
    """What is known of the level beside the model.

    rates: base_rates of the windows learned from, beside what the model says of them where last year is
    held against that. seasonal: whether last year's season is used.
    spread: root mean square of the levels missed in the backtest [log-odds], 0 for a single moment.
    """

    rates: pd.DataFrame
    seasonal: bool
    spread: float

    def shift(self, as_of: datetime) -> float:
        """How far probabilities are moved at that moment [log-odds]."""
        return season_shift(self.rates, as_of) if self.seasonal else 0.0

    def moved(self, p: np.ndarray, as_of: datetime) -> np.ndarray:
        """Probabilities at the moment's level."""
        return moved(p, self.shift(as_of))

    def interval(self, p: np.ndarray, low: np.ndarray, high: np.ndarray, as_of: datetime) -> tuple[np.ndarray, ...]:
        """The 90 % interval at the moment's level, widened by what the level itself may miss.

        Half-widths are added as squares on the scale of log-odds: the customer's own and 1.645 times the spread.

        >>> sure = Level(pd.DataFrame(), False, 0.0)
        >>> [end.round(2).tolist() for end in sure.interval(np.array([0.5]), np.array([0.4]), np.array([0.7]), None)]
        [[0.4], [0.7]]
        """
        at, shared = logit(p), Z90 * self.spread
        below, above = np.hypot(at - logit(low), shared), np.hypot(logit(high) - at, shared)
        return inverse_logit(at + self.shift(as_of) - below), inverse_logit(at + self.shift(as_of) + above)


def learning_windows(dataset: Dataset) -> tuple[Window, ...]:
    """The moments to learn from: a snapshot's one; of orders, half a label window or 45 days apart.

    They reach back so far that the present and a year of moments predicted in the backtest, one in each season, have
    one a year before them.
    """
    horizon = dataset.label.horizon_days
    step = max(horizon // 2, SHORTEST_STEP_DAYS)
    return windows_for(dataset, round((2 * SEASON_DAYS - horizon) / step) + 2, step_days=step)


def tested_splits(known: Snapshot) -> tuple[Split, ...]:
    """Of several moments, those to be predicted whose label windows do not overlap, the latest among them."""
    tested: list[Split] = []
    for train, test in reversed(temporal_splits(known)):
        ends = known.as_of[test[0]] + pd.Timedelta(days=known.horizon_days)
        if not tested or ends <= known.as_of[tested[-1][1][0]]:
            tested.append((train, test))
    return tuple(reversed(tested))


def learn_level(out_of_fold: pd.DataFrame, known: Snapshot,
                rates: Sequence[pd.DataFrame]) -> tuple[Level, list[dict[str, Any]]]:
    """The level beside a model, from its backtest; and per moment predicted what was missed without and with season.

    out_of_fold: index (as_of, customer_id); y, probability. rates: base_rates of what each moment's model learned from,
    and last those of the model itself, as the report on it says (ChurnReport.rates). Last year's base rate is held
    against all windows' or against what the model said, whichever missed less in the backtest: the latter knows that
    customers were others then, but takes a season for their doing where the features tell the year apart.
    """
    if len(known.windows) == 1:
        return Level(base_rates(known.y), False, 0.0), []
    alone = [table.drop(columns="said") for table in rates]
    looks = [(tables, _looks(out_of_fold, tables)) for tables in (alone, rates)]
    tables, told = min(looks, key=lambda look: sum(abs(row["with"]) for row in look[1]))
    return Level(tables[-1], *tested(told)), told


def _looks(out_of_fold: pd.DataFrame, rates: Sequence[pd.DataFrame]) -> list[dict[str, Any]]:
    moments = out_of_fold.index.unique("as_of")
    return [_at(moment, out_of_fold, learned_from) for moment, learned_from in zip(moments, rates[:-1], strict=True)]


def tested(told: Sequence[Mapping[str, Any]]) -> tuple[bool, float]:
    """Whether last year's season is used, and the root mean square of the levels missed [log-odds], by what
    `learn_level` told of the backtest's moments, at least one. Where the season is used, the moments that had a last
    year to look at say how much is missed."""
    seen = [row for row in told if row["shift"] != 0]
    seasonal = sum(abs(row["with"]) for row in seen) < sum(abs(row["without"]) for row in seen)
    missed = [row["missed_with"] for row in seen] if seasonal else [row["missed_without"] for row in told]
    return seasonal, float(np.sqrt(np.mean(np.square(missed))))


def _at(moment: pd.Timestamp, out_of_fold: pd.DataFrame, learned_from: pd.DataFrame) -> dict[str, Any]:
    """Mean predicted less observed churn at one moment, in probability and in log-odds, without and with the season."""
    part = out_of_fold.xs(moment, level="as_of")
    shift = season_shift(learned_from, moment)
    observed = part["y"].mean()
    told: dict[str, Any] = {"as_of": moment, "observed": float(observed), "shift": shift}
    for name, by in (("without", 0.0), ("with", shift)):
        mean = moved(part["probability"].to_numpy(), by).mean()
        missed = logit(np.array([mean])) - logit(np.array([observed]))
        told |= {name: float(mean - observed), f"missed_{name}": float(missed[0])}
    return told


def season_words(level: Level, told: Sequence[Mapping[str, Any]], as_of: datetime) -> str:
    """What recalibrating by last year's season changed in the backtest, and what it changes now; "" for one moment."""
    seen = [row for row in told if row["shift"] != 0]
    if not seen:
        return "" if not told else "No moment of the backtest had a year before it, so the season is not known."
    without, with_ = (100 * float(np.mean([abs(row[name]) for row in seen])) for name in ("without", "with"))
    judged = (f"Over {plural(len(seen), 'moment')} with a year before, the level of churn was missed by {without:.1f} "
              f"points on average, recalibrated by last year's season by {with_:.1f}")
    if not level.seasonal:
        return f"{judged}: the season is not used."
    shift = level.shift(as_of)
    moved_to = 100 * float(moved(np.array([0.1]), shift)[0])
    return f"{judged}: it is used, and moves a chance of 10 % to {moved_to:.1f} % now."


def level_findings(level: Level, table: list[dict[str, Any]]) -> tuple[Finding, ...]:
    """A warning when the backtest missed the level by more than three points at its last moment."""
    if not table:
        return ()
    last = table[-1]
    miss = last["with" if level.seasonal else "without"]
    if abs(miss) <= FAR:
        return ()
    what = (f"In the backtest the level of churn was missed by {100 * miss:+.1f} points at {last['as_of']:%Y-%m-%d}: "
            f"it moves with time more than the data explain.")
    return (Finding("warning", "level of churn", what, "Trust the order of customers more than the level; the "
                    "intervals are widened by it.", 0),)
