"""Whom a treatment moves, learned from randomised records, with the evidence that it can be told at all.

uplift = P(leaves | nothing done) - P(leaves | treatment); positive is good. The evidence is the Qini coefficient of the
effects predicted for records that were held out, beside the response model (who leaves) and a rule of one column. A
pooled rate times the chance to leave ranks as the response model does: unless the effects rank better than chance and
better than that, `usable` is False, and pooled rates are to be used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from engine.errors import EngineError, choose
from engine.prediction.encoding import Encoder
from engine.prediction.qini import qini, qinis
from engine.prediction.uplift_learners import LEARNERS, Effects
from engine.prediction.uplift_logit import folds
from engine.schema import Estimate
from engine.schema.campaigns import NOTHING_DONE

LEAST_RECORDS, LEAST_LEFT = 400, 40
FOLDS = 3
TYPES = ("persuadable", "sure thing", "lost cause", "sleeping dog")


@dataclass(frozen=True)
class Uplift:
    """The learned effects of `treatments`. evidence: "uplift", "response", "one_column", each a Qini coefficient, and
    "ahead", the first less the second.

    usable: the lower ends of "uplift" and of "ahead" are above 0. note: what a person should know, in a sentence.
    """

    treatments: tuple[str, ...]
    columns: tuple[str, ...]
    effects: Effects
    evidence: Mapping[str, Estimate]
    usable: bool
    note: str

    def predict(self, X: pd.DataFrame) -> pd.DataFrame:
        """Expected uplift of each treatment for each customer [share -1..1]."""
        chances = self.effects.chances(self._needed(X))
        return pd.DataFrame(chances[:, :1] - chances[:, 1:], index=X.index, columns=list(self.treatments))

    def untreated(self, X: pd.DataFrame) -> pd.Series:
        """Chance to leave if nothing is done [share 0..1]."""
        return pd.Series(self.effects.chances(self._needed(X))[:, 0], index=X.index, name=NOTHING_DONE)

    def spread(self, X: pd.DataFrame) -> pd.DataFrame:
        """Standard error of each uplift [share]."""
        return pd.DataFrame(self.effects.spread(self._needed(X)), index=X.index, columns=list(self.treatments))

    def together(self, X: pd.DataFrame, treatment: Sequence[str], weights: np.ndarray) -> float:
        """The variance of sum of weights x uplift, one of these treatments per customer: errors that customers share do
        not average out."""
        arm = 1 + pd.Index(self.treatments).get_indexer(pd.Index(treatment))
        return self.effects.together(self._needed(X), arm, weights)

    def told(self) -> dict[str, Any]:
        """What a model card keeps: treatments, evidence, whether it is usable, and the sentence about it."""
        return {"treatments": list(self.treatments), "evidence": dict(self.evidence), "usable": self.usable,
                "note": self.note}

    def _needed(self, X: pd.DataFrame) -> pd.DataFrame:
        return X.reindex(columns=list(self.columns))


def learn_uplift(X: pd.DataFrame, treatment: pd.Series, churned: pd.Series, propensity: pd.Series, *, seed: int,
                 learner: str = "logit") -> Uplift:
    """Learn each treatment's effect from randomised records, one row each.

    Args:
        treatment: what was done, "none" for nothing. propensity: the chance with which it was drawn [0..1].

    Raises:
        EngineError: fewer than 400 records or 40 leavers, an arm without both outcomes, or a propensity of 0.
    """
    from threadpoolctl import threadpool_limits

    names = (NOTHING_DONE, *sorted(set(treatment.astype(str)) - {NOTHING_DONE}))
    arm = pd.Categorical(treatment.astype(str), categories=names).codes.astype(np.int64)
    y, chance = churned.to_numpy(np.int64), propensity.to_numpy(float)
    _check(names, arm, y, chance)
    fit = choose("uplift learner", learner, LEARNERS)
    with threadpool_limits(1):
        evidence, effects = _evidence(X, arm, y, chance, seed, learner), fit(X, arm, y, chance, seed)
    usable = min(evidence["uplift"].low, evidence["ahead"].low) > 0
    return Uplift(names[1:], tuple(str(name) for name in X), effects, evidence, usable,
                  _note(evidence, usable))


def _note(evidence: Mapping[str, Estimate], usable: bool) -> str:
    found = evidence["uplift"]
    if usable:
        return f"Whom an offer moves can be told: Qini {found} on records held out, ahead of the chance to leave."
    what = "reaches 0" if found.low <= 0 else "is not surely above that of the chance to leave alone"
    return (f"Whom an offer moves cannot be told well enough from {found.n:,} records: Qini {found} on records held "
            f"out {what}. Rates by segment are used instead.")


def _check(names: tuple[str, ...], arm: np.ndarray, y: np.ndarray, chance: np.ndarray) -> None:
    if len(arm) < LEAST_RECORDS or y.sum() < LEAST_LEFT:
        raise EngineError(f"{len(arm):,} randomised records with {y.sum():,} leavers are too few to learn from: "
                          f"bring at least {LEAST_RECORDS} and {LEAST_LEFT}.")
    for number, name in enumerate(names):
        if len(np.unique(y[arm == number])) < 2:
            raise EngineError(f"Among those who got {name!r} there are not both stayers and leavers: leave it out.")
    if not ((chance > 0) & (chance <= 1)).all():
        raise EngineError("A propensity is 0, above 1 or missing: say the chance with which each offer was drawn.")


def _evidence(X: pd.DataFrame, arm: np.ndarray, y: np.ndarray, chance: np.ndarray, seed: int,
              learner: str) -> dict[str, Estimate]:
    """Qini coefficients on records held out, of being contacted at all against nothing."""
    scores = {name: np.zeros(len(arm)) for name in ("uplift", "response", "one_column")}
    for a, b in folds(len(arm), FOLDS, seed):
        told = LEARNERS[learner](X.iloc[a], arm[a], y[a], chance[a], seed).chances(X.iloc[b])
        shares = np.bincount(arm[a], minlength=told.shape[1])[1:]
        scores["uplift"][b] = told[:, 0] - told[:, 1:] @ (shares / shares.sum())
        scores["response"][b] = told[:, 0]
        scores["one_column"][b] = one_column(X.iloc[a], 1 - y[a], arm[a] > 0, X.iloc[b])
    return qinis(1 - y, scores, arm > 0, np.random.default_rng(seed), f"Qini on {FOLDS} held-out folds")


def one_column(X: pd.DataFrame, stayed: np.ndarray, treated: np.ndarray, others: pd.DataFrame) -> np.ndarray:
    """The score of others by the column, and the direction, with the highest Qini among the records X."""
    encoder = Encoder.learn(X)
    F, G = encoder.encode(X)[:, 1:], encoder.encode(others)[:, 1:]
    if not F.shape[1]:
        return np.zeros(len(others))
    found = [qini(stayed, F[:, column], treated) for column in range(F.shape[1])]
    best = int(np.argmax(np.abs(found)))
    return np.asarray(np.sign(found[best]) * G[:, best])


def kinds(plain: pd.Series, uplift: pd.Series) -> pd.Series:
    """Each customer's likeliest type from P(leaves) untreated and uplift, both fates drawn by one chance.

    persuadable: leaves unless treated; sleeping dog: leaves if treated; sure thing: stays anyway; lost cause: leaves
    anyway.

    >>> kinds(pd.Series([0.9, 0.1, 0.9, 0.2]), pd.Series([0.6, 0.0, 0.0, -0.6])).tolist()
    ['persuadable', 'sure thing', 'lost cause', 'sleeping dog']
    """
    treated = plain - uplift
    chances = np.column_stack([uplift.clip(lower=0), 1 - np.maximum(plain, treated), np.minimum(plain, treated),
                               (-uplift).clip(lower=0)])
    return pd.Series(np.array(TYPES)[chances.argmax(axis=1)], index=plain.index)
