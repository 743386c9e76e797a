"""Who will leave: train a model, judge it on customers it has not seen, give each customer a calibrated probability.

    model, report = train_churn(snapshot, "lightgbm", seed=1, options=ChurnOptions())
    model.probability(X), model.interval(X), model.risk_band(model.probability(X))

Everything that is learned (encoding, resampling, calibration, threshold) is learned inside the folds; the model handed
back is then fitted on all rows, with the calibrator and threshold that the out-of-fold predictions taught.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from engine.errors import EngineError, choose
from engine.prediction import assess, ensembles, moments, timely
from engine.prediction.balance import fit_balanced
from engine.prediction.calibration import Calibrator, logit
from engine.prediction.ensembles import FORBIDDEN_IN_NAMES, Make, probability
from engine.prediction.evaluate import (
    Judged,
    Rules,
    Split,
    decide,
    out_of_fold,
    repeat_of,
    stratified_splits,
    temporal_splits,
)
from engine.prediction.intervals import Asked, Spread, learn_spread
from engine.prediction.season import base_rates
from engine.prediction.thresholds import Line, risk_bands, risk_cuts, threshold
from engine.schema import Estimate, Finding, Snapshot

CHURN_MODELS: Mapping[str, Make] = {
    "lightgbm": ensembles.lightgbm, "lightgbm_orders": timely.lightgbm_orders,
    "lightgbm_temporal": timely.lightgbm_temporal,
    "vote": ensembles.vote, "ensemble": ensembles.ensemble,
}
SUITS: Mapping[str, str] = {"snapshot": "lightgbm", "orders": "lightgbm_orders", "events": "lightgbm_orders"}

MANY_ROWS = 30_000
Tick = Callable[[int, int], None]


@dataclass(frozen=True)
class ChurnOptions:
    """How to train and judge. Smaller numbers and switched-off parts make a quick run, never another model.

    folds x repeats: the cross-validation of a snapshot; of more than 30,000 rows the folds are cut once. replicates:
    refits behind the intervals. draws: bootstrap draws behind each metric's interval. comparison, stress,
    balance_effect: parts of the report.
    """

    folds: int = 5
    repeats: int = 5
    replicates: int = 16
    draws: int = 400
    balance: str = "none"
    calibration: str = "best"
    line: Line = field(default_factory=Line)
    comparison: bool = True
    stress: bool = True
    balance_effect: bool = True

    def refits(self, rows: int) -> int:
        """Refits behind the intervals: half as many where rows are many, for each then tells of thousands unseen."""
        return self.replicates if rows <= MANY_ROWS else max(self.replicates // 2, 2)

    def rounds(self, rows: int) -> int:
        """Repeats of the folds: one where rows are many, for how they happen to be cut hardly moves a metric then.

        >>> ChurnOptions().rounds(7_000), ChurnOptions().rounds(440_000)
        (5, 1)
        """
        return self.repeats if rows <= MANY_ROWS else 1

    @property
    def rules(self) -> Rules:
        """What is decided on held-out predictions."""
        return Rules(self.calibration, self.line)


QUICK = ChurnOptions(folds=3, repeats=1, replicates=8, draws=100, comparison=False, stress=False, balance_effect=False)


@dataclass(frozen=True)
class ChurnModel:
    """A trained model with everything needed to place a new customer. Frozen and picklable.

    columns and categories: the features and their levels, so that new data align. threshold and cuts: on calibrated
    probabilities. replicates: the spread of refits behind the intervals. knows_nothing: unusable for action.
    """

    algorithm: str
    columns: tuple[str, ...]
    categories: Mapping[str, tuple[Any, ...]]
    estimator: Any
    calibrator: Calibrator
    replicates: Spread
    threshold: float
    cuts: tuple[float, float]
    knows_nothing: bool

    @property
    def leaves(self) -> int:
        """Leaves of each tree, where the size of the trees was chosen by held-out rows; else 0."""
        chosen = self.algorithm == "lightgbm" and ensembles.is_boosted(self.estimator)
        return int(self.estimator.num_leaves) if chosen else 0

    def align(self, X: pd.DataFrame) -> pd.DataFrame:
        """The model's columns in its order: numbers as float, categories with its levels; unseen levels are missing."""
        return align(X, self.columns, self.categories)

    def probability(self, X: pd.DataFrame) -> np.ndarray:
        """Calibrated chance to leave within the label window, one per row [0..1]."""
        return self.calibrator(probability(self.estimator, self.align(X)))

    def log_odds(self, X: pd.DataFrame) -> np.ndarray:
        """The model's raw log-odds before calibration, one per row: what explanations add up to."""
        aligned = self.align(X)
        if ensembles.is_boosted(self.estimator):
            return np.asarray(self.estimator.predict_proba(aligned, raw_score=True), dtype=float)
        return logit(probability(self.estimator, aligned))

    def interval(self, X: pd.DataFrame, p: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
        """Lower and upper end of the 90 % interval of each customer's true probability [0..1]; p: what `probability`
        said of X, where that is known already."""
        return self.replicates.interval(self.align(X), self.probability(X) if p is None else p)

    def risk_band(self, p: np.ndarray) -> np.ndarray:
        """LOW, MEDIUM or HIGH per calibrated probability, by the model's stored cuts."""
        return risk_bands(p, self.cuts)


@dataclass(frozen=True)
class ChurnReport:
    """How good the model is, measured on rows it had not seen.

    metrics: by subject ("model", "rule", "random"), then by name. out_of_fold: index as the snapshot's, one row per
    repeat: y, raw, probability, flagged. detail: curves, calibration, balance, benchmark, stress, intervals. rates:
    of several moments, base_rates of what each split's model learned from beside what it says of it, and last the
    model's own; else none.
    """

    metrics: Mapping[str, Mapping[str, Estimate]]
    out_of_fold: pd.DataFrame
    detail: Mapping[str, Any]
    threshold: float
    findings: tuple[Finding, ...]
    rates: tuple[pd.DataFrame, ...] = ()


def train_churn(snapshot: Snapshot, algorithm: str = "lightgbm", *, seed: int, options: ChurnOptions | None = None,
                splits: Iterable[Split] | None = None, progress: Tick | None = None) -> tuple[ChurnModel, ChurnReport]:
    """A model of who leaves and the report on it.

    Args:
        algorithm: one of CHURN_MODELS.
        splits: (train, test) positions; by default repeated stratified folds for one moment of knowledge, and a
            backtest that trains on earlier moments only for several.
        progress: told (fits and stress tests done, in all).

    Raises:
        EngineError: when a class has too few rows to be cut into folds, or a feature's name cannot be used.
    """
    options = options or ChurnOptions()
    make, y = choose("churn model", algorithm, CHURN_MODELS), snapshot.y.to_numpy(dtype=int)
    _refuse_what_cannot_be_learned(snapshot.X, y, options.folds)
    categories = levels(snapshot.X)
    X = align(snapshot.X, tuple(snapshot.X.columns), categories)
    cut = tuple(splits) if splits is not None else default_splits(snapshot, y, options, seed)
    refits, groups = options.refits(len(y)), owners(snapshot)
    parts = {"comparison": options.comparison, "balance_effect": options.balance_effect, "stressed": options.stress}
    beside = assess.ticks_beside(algorithm, repeat_of(cut, len(y)).count(0), **parts)
    tick = _Count(progress, len(cut) + refits + beside)

    def fit(rows: pd.DataFrame, labels: np.ndarray) -> Any:
        return fit_balanced(make, seed, rows, labels, options.balance)

    judged = out_of_fold(fit, X, y, cut, options.rules, tick.one)
    calibrator, line = final_rules(judged, options.rules)
    estimator = fit(X, y)
    same_size = ensembles.as_learned(make, estimator)

    def fit_again(rows: pd.DataFrame, labels: np.ndarray) -> Any:
        return fit_balanced(same_size, seed, rows, labels, options.balance)

    spread = learn_spread(fit_again, estimator, X, y, judged, calibrator, seed=seed, replicates=refits,
                          asked=_asked(snapshot, groups), tick=tick.one)
    case = assess.Case(X, y, groups, judged, calibrator, spread, algorithm, make, seed, options.rules,
                       options.balance, options.draws, tick=tick.one)
    metrics = assess.metrics(case)
    knows_nothing = bool(metrics["model"]["roc_auc"].low <= 0.5)
    model = ChurnModel(algorithm, tuple(X.columns), categories, estimator, calibrator, spread, line,
                       risk_cuts(float(y.mean()), line), knows_nothing)
    detail = assess.detail(case, line, **parts)
    moved = moments.over_time(snapshot, judged, seed, groups, case.few)
    detail |= {"over_time": moved, "drift": moments.drift(moved)} if moved else {}
    return model, ChurnReport(metrics, _indexed(judged, X), detail, line, assess.findings(case, metrics["model"]),
                              _rates(snapshot, X, judged, model))


def rows_held_out(snapshot: Snapshot, algorithm: str, *, seed: int, options: ChurnOptions, splits: Iterable[Split],
                  progress: Tick | None = None) -> pd.DataFrame:
    """The out-of-fold rows of such a model on these splits, without training the model itself; nobody is flagged.

    Columns: position, repeat, fold, trained_on [rows], y, raw, probability, flagged.
    """
    make, y = choose("churn model", algorithm, CHURN_MODELS), snapshot.y.to_numpy(dtype=int)
    X = align(snapshot.X, tuple(snapshot.X.columns), levels(snapshot.X))

    def fit(rows: pd.DataFrame, labels: np.ndarray) -> Any:
        return fit_balanced(make, seed, rows, labels, options.balance)

    return out_of_fold(fit, X, y, splits, replace(options.rules, flags=False), progress).rows


def final_rules(judged: Judged, rules: Rules) -> tuple[Calibrator, float]:
    """The calibrator that the first repeat teaches, and the threshold on all held-out rows calibrated by it."""
    rows = judged.rows
    calibrator, _ = decide(judged.first, rules)
    return calibrator, threshold(rows["y"].to_numpy(), calibrator(rows["raw"].to_numpy()), rules.line)


def default_splits(snapshot: Snapshot, y: np.ndarray, options: ChurnOptions, seed: int) -> tuple[Split, ...]:
    """Repeated stratified folds for one moment of knowledge, a temporal backtest for several."""
    if snapshot.as_of.nunique() > 1:
        return temporal_splits(snapshot)
    return stratified_splits(y, options.folds, options.rounds(len(y)), seed)


def owners(snapshot: Snapshot) -> np.ndarray | None:
    """Whose row each is, as a whole number; None when every customer has one row."""
    codes = snapshot.X.index.get_level_values("customer_id").factorize()[0]
    return None if len(np.unique(codes)) == len(codes) else np.asarray(codes)


def _rates(snapshot: Snapshot, X: pd.DataFrame, judged: Judged, model: ChurnModel) -> tuple[pd.DataFrame, ...]:
    if snapshot.as_of.nunique() == 1:
        return ()
    learned = [(train, fitted, calibrator) for (train, _), fitted, calibrator in zip(
        judged.splits, judged.models, judged.calibrators, strict=False)]
    everything = np.arange(len(X)), model.estimator, model.calibrator
    return tuple(base_rates(snapshot.y.iloc[rows], calibrator(probability(fitted, X.iloc[rows])))
                 for rows, fitted, calibrator in (*learned, everything))


def _asked(snapshot: Snapshot, groups: np.ndarray | None) -> Asked | None:
    days = (snapshot.as_of - snapshot.as_of.min()).days.to_numpy()
    return None if groups is None else Asked(groups, days, snapshot.horizon_days)


def levels(X: pd.DataFrame) -> dict[str, tuple[Any, ...]]:
    """The levels of each category column, in order.

    >>> levels(pd.DataFrame({"plan": pd.Categorical(["b", "a"]), "x": [1, 2]}))
    {'plan': ('a', 'b')}
    """
    return {str(name): tuple(X[name].cat.categories) for name in X if X[name].dtype == "category"}


def align(X: pd.DataFrame, columns: tuple[str, ...], categories: Mapping[str, tuple[Any, ...]]) -> pd.DataFrame:
    """Those columns in that order: numbers as float, categories with the given levels; unseen levels are missing.

    >>> X = pd.DataFrame({"plan": ["a", "new"], "x": [1, 2]})
    >>> align(X, ("x", "plan"), {"plan": ("a", "b")}).isna().sum().to_dict()
    {'x': 0, 'plan': 1}
    """
    absent = [name for name in columns if name not in X]
    if absent:
        raise EngineError(f"The model needs columns that are missing: {', '.join(absent)}. "
                          "Give data with all of its columns, or learn anew from files that lack them: onboard --anew, "
                          "or the switch for it on the screen Data.")
    return pd.DataFrame({name: _as_learned(X[name], categories.get(name)) for name in columns}, index=X.index)


def _as_learned(values: pd.Series, known: tuple[Any, ...] | None) -> Any:
    if known is not None:
        return pd.Categorical(values, categories=list(known))
    try:
        return values.to_numpy(dtype=float, na_value=np.nan)
    except (TypeError, ValueError) as problem:
        raise EngineError(f"Column {values.name} holds text where the model expects numbers ({problem}). "
                          "Correct the column or train a new model.") from problem


def _refuse_what_cannot_be_learned(X: pd.DataFrame, y: np.ndarray, folds: int) -> None:
    rarest = int(np.bincount(y, minlength=2).min())
    if rarest < 2 * folds:
        raise EngineError(f"Only {rarest} of {len(y)} customers are in the rarer class, too few for {folds} folds. "
                          "Give data with more leavers and stayers.")
    for name in X.columns:
        if set(FORBIDDEN_IN_NAMES) & set(str(name)):
            raise EngineError(f"The feature name {name!r} holds one of {FORBIDDEN_IN_NAMES}. Rename the column.")


def _indexed(judged: Judged, X: pd.DataFrame) -> pd.DataFrame:
    """The out-of-fold rows under the snapshot's own index."""
    rows = judged.rows
    return rows.set_index(X.index[rows["position"]]).drop(columns="position")


class _Count:
    """Counts fits and tells how many are done."""

    def __init__(self, told: Tick | None, of: int) -> None:
        self.told, self.of, self.done = told, of, 0

    def one(self, *_: int) -> None:
        """One more is done, of as many as there were to be; what is fitted beyond that is not told."""
        self.done = min(self.done + 1, self.of)
        if self.told:
            self.told(self.done, self.of)
