"""What the model has learned of whom each offer moves, for the customers of a run: when usable, and why not when not.

The model's uplift rests on the past offers that it was trained on. What the company's own campaigns have shown since
moves it as it moves the rates: by the difference that they make to the rate of the treatment in the customer's segment.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from engine.decision.economics import Learned, places
from engine.decision.effects import Effects, effects
from engine.insight.past import past_trials
from engine.insight.source import Scope
from engine.prediction import store
from engine.prediction.uplift import Uplift
from engine.schema import ModelCard
from engine.schema.stored import FEW, rows_of

UNTAUGHT = "Nobody was offered anything by chance yet, so whom each offer moves is not learned. Pooled rates instead."


@dataclass(frozen=True)
class _Of:
    """The learned uplift of these customers, by their places; `X` is what is known of each."""

    uplift: Uplift
    X: pd.DataFrame

    def together(self, rows: np.ndarray, names: Sequence[str], weights: np.ndarray) -> float:
        """The variance of the sum of weights x uplift."""
        return self.uplift.together(self.X.iloc[rows], names, weights)


@dataclass(frozen=True)
class _Errors:
    """Standard errors of one treatment's uplift, computed for those who are asked about."""

    of: _Of
    name: str

    def __getitem__(self, rows: np.ndarray, /) -> np.ndarray:
        return self.of.uplift.spread(self.of.X.iloc[rows])[self.name].to_numpy()


def learned_of(place: Scope, card: ModelCard, people: pd.DataFrame, known: Effects) -> Learned:
    """Expected uplift of each tried treatment for these people where the model can tell it; its words in any case.

    people: customer_id, segment, churn_probability. known: the rates, from all that was tried until today.
    """
    told = card.detail.get("uplift")
    if told is None or not told["usable"]:
        return Learned(words=words(told))
    uplift = _uplift(place.dataset.name, place.run.model_id)
    X = _features(place, people["customer_id"], uplift.columns)
    found, since = uplift.predict(X), _since(place, people, known, list(uplift.treatments))
    mine, acting = _Of(uplift, X), {one.name for one in place.book.acting()}
    names = [name for name in uplift.treatments if name in acting]
    return Learned({name: found[name].to_numpy() + since[name] for name in names},
                   {name: _Errors(mine, name) for name in names}, mine.together, words(told))


def words(told: Mapping[str, Any] | None) -> str:
    """Where a plan's effects are from, in a sentence; `told` as `Uplift.told` keeps it in the model's card.

    >>> qini = {"value": 0.019, "low": 0.007, "high": 0.032, "n": 6000}
    >>> print(words({"usable": False, "evidence": {"uplift": qini, "ahead": {**qini, "value": -0.004, "low": -0.013}}}))
    Learned uplift is not usable: 6,000 randomised records do not tell well enough whom each offer moves (Qini 0.019 \
[0.007, 0.032], less that of the chance to leave -0.004 [-0.013, 0.032], 90 % intervals). Pooled rates instead.
    """
    if told is None:
        return UNTAUGHT
    qini, ahead = (_interval(told["evidence"][name]) for name in ("uplift", "ahead"))
    records = f"{told['evidence']['uplift']['n']:,} randomised records"
    figures = f"Qini {qini}, less that of the chance to leave {ahead}, 90 % intervals"
    if not told["usable"]:
        return (f"Learned uplift is not usable: {records} do not tell well enough whom each offer moves ({figures}). "
                "Pooled rates instead.")
    return f"Whom each offer moves is learned from {records} ({figures}); pooled rates where it was not tried."


def _interval(found: Mapping[str, Any]) -> str:
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


@functools.lru_cache(maxsize=4)
def _uplift(dataset: str, model_id: str) -> Uplift:
    found: Uplift = store.part(dataset, model_id, "uplift")
    return found


def _features(place: Scope, ids: pd.Series, columns: Sequence[str]) -> pd.DataFrame:
    """What the run knows of these customers, in their order."""
    path, wanted = place.run.folder / "features.parquet", ["customer_id", *columns]
    rows = rows_of(path, ids.tolist(), wanted) if len(ids) <= FEW else pd.read_parquet(path, columns=wanted)
    return rows.set_index("customer_id").reindex(ids)


def _since(place: Scope, people: pd.DataFrame, known: Effects, names: list[str]) -> dict[str, np.ndarray | float]:
    """What the company's own campaigns have moved each uplift by: the change of its rate x the chance to leave."""
    before = effects(place.book, past_trials(place))
    if before.table["rate"].equals(known.table["rate"]):
        return dict.fromkeys(names, 0.0)
    p, segment = people["churn_probability"].to_numpy(dtype=float), places(people["segment"])
    acting = [name for name in names if name in known.table.index.get_level_values("treatment")]
    moved = known.wide("rate", acting) - before.wide("rate", acting)
    return dict.fromkeys(names, 0.0) | {name: moved[segment, at] * p for at, name in enumerate(acting)}
