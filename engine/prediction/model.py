"""The whole model of a company's customers: who leaves, what they are worth, why, in which segment.

Learned together, stored together, and applied by one function, so that batch, single customer and new file agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from engine.data import worth as worth_of
from engine.data.features import features
from engine.data.labels import how_it_ended, labels, snapshot, windows_for
from engine.data.leakage import audit, without_advice_on
from engine.errors import EngineError
from engine.prediction import churn, drivers, explain, figures, value
from engine.prediction.card import write_card
from engine.prediction.churn import ChurnModel
from engine.prediction.drivers import Rates
from engine.prediction.heldout import HeldOut, held_out
from engine.prediction.level import Level, learn_level, learning_windows, level_findings, season_words, tested_splits
from engine.prediction.ltv import LtvModel, spend_index
from engine.prediction.segments import SegmentCuts, segments
from engine.prediction.settings import Settings
from engine.prediction.uplift import Uplift
from engine.prediction.uplift_offers import uplift_of_offers
from engine.prediction.value_level import level_words
from engine.progress import Steps
from engine.schema import SCORES, Column, Dataset, Finding, ModelCard, Snapshot, plural

RECENCY = ("recency_days",)
CART = ("cart_abandon_rate", "cart_abandon_share_90d")
SPENT = (("monetary", "frequency"), ("spend", "orders"))
SAID_LATER = frozenset({"run_id", "hold_back"})  # by whoever keeps the run, and by the playbook
TOP = 3
NO_CUTS = SegmentCuts({}, (0.0, 0.0), {})


@dataclass(frozen=True)
class Model:
    """What scoring needs: churn model and its level, value model, rates behind the words, cuts of the segments, the
    features' meaning, and whom offers move where past randomised offers tell.

    held_out: what its folds said of customers they had not seen, right after learning; kept apart from the parts.
    """

    churn: ChurnModel
    ltv: LtvModel
    rates: Rates
    cuts: SegmentCuts
    columns: tuple[Column, ...]
    level: Level
    uplift: Uplift | None = None
    held_out: HeldOut | None = None

    def parts(self) -> dict[str, Any]:
        """The parts by name, as the store keeps them."""
        return {field.name: getattr(self, field.name) for field in fields(self) if field.name != "held_out"}

    def tables(self) -> dict[str, pd.DataFrame]:
        """What the store keeps beside the parts: the held-out rows, where the model has just been learned."""
        return {} if self.held_out is None else {"held_out": self.held_out.rows}

    @classmethod
    def of(cls, parts: Mapping[str, Any]) -> Model:
        """The model of stored parts."""
        return cls(**parts)


@dataclass(frozen=True)
class Scored:
    """SCORES and REASONS without what is SAID_LATER, the features they rest on, what else is known of each customer.

    features and known are indexed by customer_id, in the order of the scores.
    """

    scores: pd.DataFrame
    reasons: pd.DataFrame
    features: pd.DataFrame
    known: pd.DataFrame
    as_of: datetime


def learn(dataset: Dataset, settings: Settings, *, found: Sequence[Finding] = (),
          steps: Steps | None = None) -> tuple[Model, ModelCard]:
    """Audit, train, judge: the model and its card. `found` are the findings so far; they head the card's figures.

    Raises:
        EngineError: when the data hold no label, or too little of it.
    """
    steps, settings = steps or Steps(of=5), settings.suited(dataset)
    with steps("Compute features as of each moment"):
        known, short = judgeable(snapshot(dataset, learning_windows(dataset)))
    with steps("Audit for leakage"):
        audited, columns = audit(known, dataset, settings.overrule, settings.seed), known.columns
        known = without(known, [name for name, _ in audited.quarantined])
        unpaid = worth_of.told(dataset, audited.quarantined)
        dataset = worth_of.counted(dataset, audited.quarantined)
    with steps("Train and judge the churn model") as part:
        options = settings.churn_options(len(known.windows))
        who, report = churn.train_churn(known, settings.algorithm, seed=settings.seed, options=options,
                                        splits=tested_splits(known) or None, progress=part)
        level, told = learn_level(report.out_of_fold, known, report.rates)
    with steps("Train and judge the value model"):
        last = latest(known)
        worth, metrics, detail = value.train_value(dataset, last, report.out_of_fold, who, settings.ltv_algorithm,
                                                   settings.money, settings.seed)
    with steps("Learn reasons and segments"):
        rates = Rates.learn(known.X, known.y, known.columns, settings.seed)
        model, few = _with_cuts(dataset, Model(who, worth, rates, NO_CUTS, known.columns, level), settings)
        X, as_of = last.X.droplevel("as_of"), last.windows[-1].as_of
        drawn = figures.of(who, model.rates.background, X, _judged(model, dataset, X, as_of)[1], settings.seed)
        told_by_offers = uplift_of_offers(dataset, tuple(model.churn.columns), settings.seed)
        kept = held_out(known, report.out_of_fold)
        model = replace(model, uplift=told_by_offers, held_out=kept)
    ways = how_it_ended(dataset)
    findings = (*without_advice_on(audited.quarantined, found), *unpaid, *few, *short, *_ways_told(ways),
                *audited.findings, *report.findings, *level_findings(level, told))
    card = write_card(dataset, settings, known, audited, findings, {**report.metrics, "ltv": metrics}, who)
    more = {"ltv": detail, "single_column_auc": audited.single_column_auc, "season": told,
            "held_out": kept.told(),
            "columns": {column.name: figures.described(column) for column in columns}}
    offers = {} if told_by_offers is None else {"uplift": told_by_offers.told()}
    ended = {"how_it_ended": ways} if ways else {}
    of_time = filter(None, (season_words(level, told, dataset.observed_until), level_words(detail)))
    return model, replace(card, notes=(*card.notes, *of_time),
                          detail={**report.detail, **drawn, **more, **offers, **ended})


def _ways_told(ways: Mapping[str, int]) -> tuple[Finding, ...]:
    """How those who left went, where the data tell: by choice, or because a payment failed."""
    gone = sum(ways.values())
    if not gone:
        return ()
    parts = ", ".join(f"{count / gone:.0%} {way}".replace("%", " %") for way, count in ways.items())
    what = f"Of {plural(gone, 'subscription')} that ended without another in time: {parts}."
    return (Finding("note", "label", what, "A failed payment is no choice: mend it by another way of paying.", 0),)


def judgeable(known: Snapshot) -> tuple[Snapshot, tuple[Finding, ...]]:
    """The snapshot; or its last moment alone when no earlier label was known by then. A warning then, and when only one
    moment can be tested, says up to which window the history would carry more."""
    tested = len(tested_splits(known))
    if len(known.windows) == 1 or tested > 1:
        return known, ()
    carries = (known.windows[-1].ends - known.windows[0].as_of).days // (tested + 2)
    more = f"bring more history, or ask about at most {plural(carries, 'day')} instead of {known.horizon_days}."
    if tested:
        what = "The history is so short that the model could be tested at one moment only."
        fix = f"The figures speak of that moment; for another {more}"
        return known, (Finding("warning", "history", what, fix, len(known.y)),)
    what = "The history is too short to learn at one moment and test at a later one."
    fix = f"The figures come from cross-validation at one moment and may flatter; {more}"
    return latest(known), (Finding("warning", "history", what, fix, len(known.y)),)


def _with_cuts(dataset: Dataset, unplaced: Model, settings: Settings) -> tuple[Model, tuple[Finding, ...]]:
    """The model with cuts learned on the customers as of now, those who have left already aside; and what is found
    where their values hardly differ."""
    X = features(dataset, dataset.observed_until)
    here = X[_has_left(dataset, X.index) == 0]
    p, money = _judged(unplaced, dataset, here, dataset.observed_until)
    recency, cart = terms(unplaced.churn, here)
    cuts = SegmentCuts.learn(p, money["expected_ltv"], recency, cart, definitions=settings.segments)
    return replace(unplaced, cuts=cuts), value.of_few(dataset, money["expected_ltv"].to_numpy(float), cuts.tiers)


def _judged(model: Model, dataset: Dataset, X: pd.DataFrame, as_of: datetime,
            chance: np.ndarray | None = None) -> tuple[np.ndarray, pd.DataFrame]:
    """Calibrated probabilities of the customers in X at the moment's level, and what the value model says of them.

    chance: what the churn model said of X, where that is known already.
    """
    p = model.level.moved(model.churn.probability(X) if chance is None else chance, as_of)
    inputs = value.value_inputs(dataset, X, p, as_of, model.ltv.settings)
    knows_when = model.ltv.hazard is not None and inputs.tenure() is not None
    when = model.ltv.time_to_churn(inputs)["best_contact_month"] if knows_when else np.nan
    return p, model.ltv.ltv(inputs).assign(best_contact_month=when)


def terms(who: ChurnModel, X: pd.DataFrame) -> tuple[pd.Series | None, pd.Series | None]:
    """Recency and cart abandonment, where the company has them and the audit has not quarantined them."""
    found = [next((X[name] for name in names if name in who.columns), None) for names in (RECENCY, CART)]
    return found[0], found[1]


def without(known: Snapshot, names: Sequence[str]) -> Snapshot:
    """The snapshot without the columns of those names."""
    columns = tuple(column for column in known.columns if column.name not in names)
    return replace(known, X=known.X[[column.name for column in columns]], columns=columns)


def latest(known: Snapshot) -> Snapshot:
    """The snapshot's last moment alone."""
    rows = np.asarray(known.as_of == known.as_of.max())
    return replace(known, X=known.X[rows], y=known.y[rows], windows=known.windows[-1:])


def score(model: Model, dataset: Dataset, as_of: datetime, only: Sequence[str] | None = None) -> Scored:
    """SCORES and REASONS of every customer known as of the moment, or of `only` some: the same values either way.

    Raises:
        EngineError: when not enough is known of any of them to judge.
    """
    X = features(dataset, as_of, only)
    if X.empty:
        who = f"customer {only[0]!r}" if only is not None and len(only) == 1 else "these customers"
        raise EngineError(f"{dataset.name} knows {who}, but not enough to judge as of {as_of:%Y-%m-%d}: "
                          f"nobody {dataset.label.unasked} is judged.")
    return score_of(model, dataset, X, as_of, only)


def score_of(model: Model, dataset: Dataset, X: pd.DataFrame, as_of: datetime,
             only: Sequence[str] | None = None) -> Scored:
    """SCORES and REASONS of the customers in X, their features as of the moment; `only`: their ids, if they are some
    of many."""
    chance = model.churn.probability(X)
    p, worth = _judged(model, dataset, X, as_of, chance)
    low, high = model.level.interval(chance, *model.churn.interval(X, chance), as_of)
    placed = segments(p, worth["expected_ltv"], *terms(model.churn, X), cuts=model.cuts)
    scores = pd.DataFrame({
        "customer_id": X.index, "churn_probability": p, "churn_low": low, "churn_high": high,
        "churn_risk": model.churn.risk_band(p), "margin_at_risk": p * worth["ltv_if_stays"].to_numpy(),
        **{name: placed[name].astype(str).to_numpy() for name in ("ltv_tier", "segment")},
        "risk_score": placed["risk_score"].to_numpy(), **{str(name): worth[name].to_numpy() for name in worth},
        "next_order_at": pd.Timestamp(as_of) + pd.to_timedelta(worth["next_order_in_days"].to_numpy(), unit="D"),
        "spend_index": _spend_index(X), "has_left": _has_left(dataset, X.index),
    })
    reasons = drivers.drivers(explain.contributions(model.churn, X, model.rates.background), X, model.columns,
                              model.rates, TOP, dataset.currency)
    known = dataset.frame(only).reindex(X.index)
    told = [name for name in SCORES.names if name not in SAID_LATER]
    return Scored(scores.reindex(columns=told), reasons, X, known, as_of)


def _has_left(dataset: Dataset, customers: pd.Index) -> np.ndarray:
    """1 for customers of whom the data say that they have left already, else 0."""
    if dataset.label.kind not in ("column", "threshold"):
        return np.zeros(len(customers), dtype=np.int64)
    left = labels(dataset, windows_for(dataset, 1), customers.tolist()).droplevel("as_of")
    return left.reindex(customers, fill_value=0).to_numpy()


def _spend_index(X: pd.DataFrame) -> np.ndarray:
    """The historical index of past spend, where money and orders are among the features; missing otherwise."""
    for money, orders in SPENT:
        if money in X and orders in X:
            return spend_index(X[money], X[orders]).to_numpy(dtype=float)
    return np.full(len(X), np.nan)
