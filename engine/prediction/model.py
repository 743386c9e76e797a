"""The whole model of a company's customers: who leaves, what they are worth, why, in which segment.

Learned together, stored together, and applied by one function, so that batch, single customer and new file agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd

from engine.data.features import features
from engine.data.labels import labels, snapshot, windows_for
from engine.data.leakage import Audit, audit
from engine.errors import choose
from engine.files import short_hash
from engine.prediction import churn, drivers, explain, figures, value
from engine.prediction.backtest import SEASON_DAYS, base_rates, season_shift, shifted
from engine.prediction.balance import BALANCES
from engine.prediction.churn import ChurnModel, ChurnOptions, ChurnReport
from engine.prediction.drivers import Rates
from engine.prediction.evaluate import Split, temporal_splits
from engine.prediction.ltv import LTV_MODELS, LtvModel
from engine.prediction.money import LtvSettings
from engine.prediction.segments import SegmentCuts, segments
from engine.prediction.thresholds import THRESHOLDS, Line
from engine.progress import Steps
from engine.schema import (
    SCORES,
    SEVERITIES,
    Column,
    Dataset,
    Estimate,
    Finding,
    ModelCard,
    Snapshot,
    Window,
    jsonable,
    to_json,
)

LEARNING = 1  # one more whenever the same data and settings would give another model
RECENCY = ("recency_days",)
CART = ("cart_abandon_rate", "cart_abandon_share_90d")
SHORTEST_STEP_DAYS = 45
TOP = 3
NO_CUTS = SegmentCuts({}, (0.0, 0.0), {})


@dataclass(frozen=True)
class Settings:
    """How to learn. `quick` judges with fewer folds and replicates; the model itself is the same.

    algorithm and ltv_algorithm "" take what suits the kind of data. overrule: quarantined columns to use nevertheless.
    """

    algorithm: str = ""
    ltv_algorithm: str = ""
    balance: str = "none"
    threshold_rule: str = "f2"
    overrule: tuple[str, ...] = ()
    seed: int = 0
    quick: bool = False
    money: LtvSettings = field(default_factory=LtvSettings)

    def __post_init__(self) -> None:
        choose("churn model", self.algorithm or "lightgbm", churn.CHURN_MODELS)
        choose("LTV model", self.ltv_algorithm or "survival", LTV_MODELS)
        choose("cure for class imbalance", self.balance, BALANCES)
        choose("threshold rule", self.threshold_rule, THRESHOLDS)

    @property
    def churn(self) -> ChurnOptions:
        """The churn model's options."""
        return replace(churn.QUICK if self.quick else ChurnOptions(), balance=self.balance,
                       line=Line(self.threshold_rule))


@dataclass(frozen=True)
class Model:
    """What scoring needs: churn and value models, rates behind the words, cuts of the segments, the features' words.

    base_rates: customers and share who left per window learned from, from which the season's level is read.
    """

    churn: ChurnModel
    ltv: LtvModel
    rates: Rates
    cuts: SegmentCuts
    columns: tuple[Column, ...]
    base_rates: pd.DataFrame

    def parts(self) -> dict[str, Any]:
        """The parts by name, as the store keeps them."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @classmethod
    def of(cls, parts: Mapping[str, Any]) -> Model:
        """The model of stored parts."""
        return cls(**parts)


@dataclass(frozen=True)
class Scored:
    """SCORES and REASONS without a run's id, the features they rest on, and what else is known of each customer.

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
    steps = steps or Steps(of=5)
    settings = replace(settings, algorithm=settings.algorithm or churn.SUITS[dataset.kind])
    with steps("Compute features as of each moment"):
        known = snapshot(dataset, learning_windows(dataset))
    with steps("Audit for leakage"):
        audited = audit(known, dataset, settings.overrule, settings.seed)
        known = without(known, [name for name, _ in audited.quarantined])
    with steps("Train and judge the churn model") as part:
        who, report = churn.train_churn(known, settings.algorithm, seed=settings.seed, options=settings.churn,
                                        splits=_splits(known), progress=part)
    with steps("Train and judge the value model"):
        last = latest(known)
        X, p = last.X.droplevel("as_of"), who.probability(last.X)
        worth, metrics, detail = value.train_value(dataset, X, last.y.droplevel("as_of"), p, last.windows[-1].as_of,
                                                   settings.ltv_algorithm, settings.money, settings.seed)
    with steps("Learn reasons and segments"):
        model = _with_reasons_and_cuts(dataset, known, who, worth, settings.seed)
        money = _judged(model, dataset, X, last.windows[-1].as_of)[1]
        drawn = figures.of(who, model.rates.background, X, money, settings.seed)
    findings = (*found, *audited.findings, *report.findings)
    card = _card(dataset, settings, known, audited, findings, {**report.metrics, "ltv": metrics}, model)
    told = {"single_column_auc": audited.single_column_auc, "season": season(report, known)}
    return model, replace(card, detail={**report.detail, "ltv": detail, **drawn, **told})


def learning_windows(dataset: Dataset) -> tuple[Window, ...]:
    """The moments to learn from: a snapshot's one; of orders, half a label window or 45 days apart, back to last year.

    One of them lies a year before the moment up to which the data are known, so that its season has been seen.
    """
    horizon = dataset.label.horizon_days
    back = SEASON_DAYS - horizon
    steps = max(1, round(back / max(horizon / 2, SHORTEST_STEP_DAYS)))
    return windows_for(dataset, steps + 2, step_days=max(1, back // steps))


def _splits(known: Snapshot) -> tuple[Split, ...] | None:
    """Of several moments, those to be predicted whose label windows do not overlap, the latest among them."""
    if len(known.windows) == 1:
        return None
    tested: list[Split] = []
    for train, test in reversed(temporal_splits(known)):
        ends = known.as_of[test[0]] + pd.Timedelta(days=known.horizon_days)
        if not tested or ends <= known.as_of[tested[-1][1][0]]:
            tested.append((train, test))
    return tuple(reversed(tested)) or None


def season(report: ChurnReport, known: Snapshot) -> list[dict[str, Any]]:
    """Mean predicted less observed churn per moment predicted, without and with the season's level known then."""
    told = []
    for moment in report.out_of_fold.index.unique("as_of"):
        part = report.out_of_fold.xs(moment, level="as_of")
        ended = known.as_of + pd.Timedelta(days=known.horizon_days) <= moment
        shift = season_shift(base_rates(known.y[ended]), moment) if ended.any() else 0.0
        with_season = shifted(part["probability"].to_numpy(), shift).mean()
        told.append({"as_of": moment, "observed": part["y"].mean(), "shift": shift,
                     "without": part["probability"].mean() - part["y"].mean(), "with": with_season - part["y"].mean()})
    return told


def _with_reasons_and_cuts(dataset: Dataset, known: Snapshot, who: ChurnModel, worth: LtvModel, seed: int) -> Model:
    """The model with the rates behind its words, and with cuts learned on the customers as of now."""
    rates = Rates.learn(known.X, known.y, known.columns, seed)
    unplaced = Model(who, worth, rates, NO_CUTS, known.columns, base_rates(known.y))
    X = features(dataset, dataset.observed_until)
    p, money = _judged(unplaced, dataset, X, dataset.observed_until)
    return replace(unplaced, cuts=SegmentCuts.learn(p, money["expected_ltv"], *_terms(who, X)))


def _judged(model: Model, dataset: Dataset, X: pd.DataFrame, as_of: datetime) -> tuple[np.ndarray, pd.DataFrame]:
    """Calibrated probabilities of the customers in X at the season's level, and what the value model says of them."""
    p = shifted(model.churn.probability(X), season_shift(model.base_rates, as_of))
    return p, model.ltv.ltv(value.value_inputs(dataset, X, p, as_of, model.ltv.settings))


def _terms(who: ChurnModel, X: pd.DataFrame) -> tuple[pd.Series | None, pd.Series | None]:
    """Recency and cart abandonment, where the company has them and the audit has not quarantined them."""
    found = [next((X[name] for name in names if name in who.columns), None) for names in (RECENCY, CART)]
    return found[0], found[1]


def _card(dataset: Dataset, settings: Settings, known: Snapshot, audited: Audit, findings: Sequence[Finding],
          metrics: Mapping[str, Mapping[str, Estimate]], model: Model) -> ModelCard:
    """The card without its detail. Its id depends on the data and the settings alone."""
    last = known.windows[-1]
    return ModelCard(
        model_id=short_hash(dataset.name, dataset.version, to_json(settings), LEARNING), dataset=dataset.name,
        version=dataset.version, algorithm=settings.algorithm, ltv_algorithm=model.ltv.algorithm, seed=settings.seed,
        as_of=last.as_of, horizon_days=last.horizon_days, label=dataset.label.words, synthetic=dataset.synthetic,
        rows=len(known.y), leavers=int(known.y.sum()), features=model.churn.columns, quarantined=audited.quarantined,
        findings=_worst_first(findings), metrics=metrics, threshold=model.churn.threshold,
        usable=not model.churn.knows_nothing, notes=_notes(dataset, model), settings=jsonable(settings),
    )


def _worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    """Each finding once, severe ones at the head."""
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: -SEVERITIES.index(finding.severity)))


def _notes(dataset: Dataset, model: Model) -> tuple[str, ...]:
    """What a reader of any figure must know: the window, the explanations' scale, the money's assumptions."""
    money = model.ltv.settings
    notes = [
        f"A probability is the chance to leave within {dataset.label.horizon_days} days: {dataset.label.words}"
        + ("; the window is assumed." if dataset.label.assumed else "."),
        f"LTV is margin over {money.horizon_days} days, discounted at {money.annual_discount:.0%} a year; "
        f"{money.margin_rate:.0%} of revenue counts as margin (a setting).".replace("%", " %"),
        "Drivers add up to the model's raw log-odds before calibration.",
    ]
    if dataset.money.assumed:
        notes.append(f"The data do not say over which time the money was spent; {dataset.money.period_days:g} days "
                     "are assumed.")
    if model.churn.knows_nothing:
        notes.insert(0, "The model knows nothing about who leaves: do not act on its scores.")
    return tuple(notes)


def without(known: Snapshot, names: Sequence[str]) -> Snapshot:
    """The snapshot without the columns of those names."""
    columns = tuple(column for column in known.columns if column.name not in names)
    return replace(known, X=known.X[[column.name for column in columns]], columns=columns)


def latest(known: Snapshot) -> Snapshot:
    """The snapshot's last moment alone."""
    rows = np.asarray(known.as_of == known.as_of.max())
    return replace(known, X=known.X[rows], y=known.y[rows], windows=known.windows[-1:])


def score(model: Model, dataset: Dataset, as_of: datetime, only: Sequence[str] | None = None) -> Scored:
    """SCORES and REASONS of every customer known as of the moment, or of `only` some: the same values either way."""
    X = features(dataset, as_of, only)
    p, worth = _judged(model, dataset, X, as_of)
    low, high = (shifted(end, season_shift(model.base_rates, as_of)) for end in model.churn.interval(X))
    placed = segments(p, worth["expected_ltv"], *_terms(model.churn, X), cuts=model.cuts)
    scores = pd.DataFrame({
        "customer_id": X.index, "churn_probability": p, "churn_low": low, "churn_high": high,
        "churn_risk": model.churn.risk_band(p), "ltv_if_stays": worth["ltv_if_stays"].to_numpy(),
        "expected_ltv": worth["expected_ltv"].to_numpy(), "margin_at_risk": p * worth["ltv_if_stays"].to_numpy(),
        **{name: placed[name].astype(str).to_numpy() for name in ("ltv_tier", "segment")},
        "risk_score": placed["risk_score"].to_numpy(), "expected_months": worth["expected_months"].to_numpy(),
        "p_alive": worth["p_alive"].to_numpy(), "expected_orders": worth["expected_orders"].to_numpy(),
        "next_order_at": pd.Timestamp(as_of) + pd.to_timedelta(worth["next_order_in_days"].to_numpy(), unit="D"),
        "has_left": _has_left(dataset, X.index), "hold_back": "",
    })
    reasons = drivers.drivers(explain.contributions(model.churn, X, model.rates.background), X, model.columns,
                              model.rates, TOP, dataset.currency)
    known = dataset.frame().reindex(X.index)
    return Scored(scores.reindex(columns=[name for name in SCORES.names if name != "run_id"]), reasons, X, known, as_of)


def _has_left(dataset: Dataset, customers: pd.Index) -> np.ndarray:
    """1 for customers of whom the data say that they have left already, else 0."""
    if dataset.label.kind not in ("column", "threshold"):
        return np.zeros(len(customers), dtype=np.int64)
    left = labels(dataset, windows_for(dataset, 1)).droplevel("as_of")
    return left.reindex(customers, fill_value=0).to_numpy()
