"""The learned uplift of a segment's customers as one recovery rate: what a slider of Revenue Recovery can begin with.

The rate is sum of uplift / sum of chances to leave: the share of would-be leavers who are kept, as a plan for all of
them would count it.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd

from engine.decision.economics import Learned
from engine.decision.effects import Z90, Effects
from engine.evidence import trials
from engine.insight.learned import learned_of
from engine.insight.source import Scope, ask
from engine.prediction import store
from engine.schema import Estimate

METHOD = "learned from randomised records customer by customer, on average of the segment, 90 % interval"
MOST = 5_000
PEOPLE_SQL = """
SELECT customer_id, segment, churn_probability FROM people WHERE coalesce(hold_back, '') = '' AND {reached}
QUALIFY row_number() OVER (PARTITION BY segment ORDER BY hash(customer_id)) <= {most} ORDER BY customer_id
"""


@dataclass(frozen=True)
class _Asked:
    """What is asked, the same as another where the key is: asked again within a process it is not counted again."""

    key: tuple[object, ...]
    place: Scope = field(compare=False)
    known: Effects = field(compare=False)
    steps: Mapping[str, str] = field(compare=False)
    reached: str = field(compare=False)
    held: tuple[str, ...] = field(compare=False)


def learned_rates(place: Scope, known: Effects, steps: Mapping[str, str], reached: str,
                  held: Sequence[str]) -> Mapping[str, Estimate]:
    """Per segment the rate of its step among those who may be contacted, by at most 5,000 of them; only where the
    run's model has a usable uplift of that step.

    Args:
        known: the rates that later trials have moved. steps: segment -> treatment. reached: SQL, true for whoever can
            be reached and agrees to it. held: the consents that it looks at.
    """
    if not (store.models_home() / place.dataset.name / place.run.model_id).is_dir():
        return {}
    key = (str(place.run.folder), place.key, tuple(steps.items()), trials.version(place.dataset.name))
    return _rates(_Asked(key, place, known, steps, reached, tuple(held)))


@functools.lru_cache(maxsize=8)
def _rates(asked: _Asked) -> Mapping[str, Estimate]:
    place, known = asked.place, asked.known
    card = store.card(place.dataset.name, place.run.model_id)
    if not (card.detail.get("uplift") or {}).get("usable"):
        return {}
    people = ask(place, PEOPLE_SQL.format(reached=asked.reached, most=MOST), known=asked.held)
    learned = learned_of(place, card, people, known)
    rows = {segment: np.flatnonzero((people["segment"] == segment).to_numpy()) for segment in asked.steps}
    return {segment: _rate(people, learned, rows[segment], step, known.tried(step))
            for segment, step in asked.steps.items() if step in learned.uplift and len(rows[segment])}


def _rate(people: pd.DataFrame, learned: Learned, rows: np.ndarray, step: str, tried: int) -> Estimate:
    leavers = float(people["churn_probability"].to_numpy()[rows].sum())
    rate = float(learned.uplift[step][rows].sum()) / leavers
    assert learned.together is not None
    reach = Z90 * float(np.sqrt(learned.together(rows, [step] * len(rows), np.ones(len(rows))))) / leavers
    return Estimate(rate, rate - reach, rate + reach, tried, METHOD)
