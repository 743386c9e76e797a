"""Held-out evaluation: every row is judged by a model, a calibrator and a threshold that were not fitted on it.

`splits` are (train, test) positions: repeated stratified folds for a snapshot, a temporal backtest for events. Each
split's calibrator and threshold are chosen on the out-of-fold predictions of its own training rows. In a backtest the
models behind those predictions are earlier ones. In folds they are the other folds' models, which saw this fold's test
rows: its calibrator and threshold met no test row themselves, but are not wholly independent of them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from engine.prediction.calibration import Calibrator, calibrate
from engine.prediction.ensembles import probability
from engine.prediction.metrics import FLAGS, METRICS, RANGES, RANKING
from engine.prediction.thresholds import Line, threshold
from engine.prediction.workers import each
from engine.schema import Estimate, Snapshot

Split = tuple[np.ndarray, np.ndarray]
FitRows = Callable[[pd.DataFrame, np.ndarray], Any]
Tick = Callable[[int, int], None]
LEVEL = 0.95
DRAWS = 400
SAMPLE = 8_000
RARER_IN_SAMPLE = 500


@dataclass(frozen=True)
class Rules:
    """What is decided on held-out predictions: the calibration (a method's name, or "best") and the threshold.

    flags False flags nobody: for learners of whom only the probabilities are asked.
    """

    calibration: str = "best"
    line: Line = field(default_factory=Line)
    flags: bool = True

    @property
    def nothing(self) -> bool:
        """Whether there is nothing to decide, so that no held-out predictions are needed."""
        return self.calibration == "none" and not self.flags


@dataclass(frozen=True)
class Judged:
    """Out-of-fold rows, and the fitted models and calibrators of the first repeat.

    rows: position, repeat, fold, trained_on (rows), y, raw, probability, flagged; one row per customer, moment, repeat.
    """

    rows: pd.DataFrame
    models: tuple[Any, ...]
    calibrators: tuple[Calibrator, ...]
    splits: tuple[Split, ...]

    @property
    def first(self) -> pd.DataFrame:
        """The rows of the first repeat."""
        return self.rows[self.rows["repeat"] == 0]

    def of(self, some: np.ndarray) -> Judged:
        """The first repeat on some rows alone (sorted positions), which are then counted from 0."""
        kept = self.first[self.first["position"].isin(some)]
        rows = kept.assign(position=np.searchsorted(some, kept["position"]))
        splits = tuple((_among(some, train), _among(some, test)) for train, test in self.splits[: len(self.models)])
        return Judged(rows, self.models, self.calibrators, splits)


def _among(some: np.ndarray, positions: np.ndarray) -> np.ndarray:
    """Where those of the positions that are among `some` (sorted) stand in it.

    >>> _among(np.array([2, 5, 7]), np.array([1, 5, 7])).tolist()
    [1, 2]
    """
    return np.flatnonzero(np.isin(some, positions))


def sample(y: np.ndarray, groups: np.ndarray | None, seed: int) -> np.ndarray:
    """Positions of at most 8,000 rows, or so many more that 500 of the rarer class are expected, in order: all rows of
    customers (`groups`: whose row it is) drawn by the seed. All positions where rows are few.

    >>> sample(np.arange(4) % 2, None, seed=0).tolist()
    [0, 1, 2, 3]
    """
    rarer = min(np.mean(y), 1 - np.mean(y))
    most = max(SAMPLE, RARER_IN_SAMPLE / max(rarer, 1e-9))
    if len(y) <= most:
        return np.arange(len(y))
    owner = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
    customers = int(owner.max()) + 1
    drawn = np.random.default_rng(seed).permutation(customers)[: int(customers * most / len(y))]
    return np.flatnonzero(np.isin(owner, drawn))


def stratified_splits(y: np.ndarray, folds: int, repeats: int, seed: int) -> tuple[Split, ...]:
    """Repeated stratified folds: `repeats` times `folds` (train, test) positions.

    >>> [test.tolist() for _, test in stratified_splits(np.array([0, 1, 0, 1]), folds=2, repeats=1, seed=0)]
    [[1, 2], [0, 3]]
    """
    from sklearn.model_selection import RepeatedStratifiedKFold

    cutter = RepeatedStratifiedKFold(n_splits=folds, n_repeats=repeats, random_state=seed)
    return tuple((train, test) for train, test in cutter.split(np.zeros(len(y)), y))


def temporal_splits(snapshot: Snapshot) -> tuple[Split, ...]:
    """One split per moment of knowledge that others come before: train where the label was known by then, test there.

    Source: rolling-origin evaluation, Tashman (2000), International Journal of Forecasting 16.
    """
    as_of = pd.DatetimeIndex(snapshot.as_of)
    known_at = as_of + pd.Timedelta(days=snapshot.horizon_days)
    moments = as_of.unique().sort_values()
    splits = ((np.flatnonzero(known_at <= moment), np.flatnonzero(as_of == moment)) for moment in moments)
    return tuple((train, test) for train, test in splits if len(train))


def repeat_of(splits: Sequence[Split], rows: int) -> list[int]:
    """Each split's repeat: a new one begins where a test row comes round again.

    >>> halves = [(np.array([1]), np.array([0])), (np.array([0]), np.array([1]))]
    >>> repeat_of(halves * 2, rows=2)
    [0, 0, 1, 1]
    """
    repeats, repeat, seen = [], 0, np.zeros(rows, dtype=bool)
    for _, test in splits:
        if seen[test].any():
            repeat, seen = repeat + 1, np.zeros(rows, dtype=bool)
        seen[test] = True
        repeats.append(repeat)
    return repeats


def out_of_fold(fit: FitRows, X: pd.DataFrame, y: np.ndarray, splits: Iterable[Split], rules: Rules,
                tick: Tick | None = None) -> Judged:
    """Every test row's probability and flag, by its split's model and what held-out training rows taught about it."""
    splits = tuple(splits)
    repeats = repeat_of(splits, len(y))

    def predicted(number: int) -> tuple[Any, pd.DataFrame]:
        train, test = splits[number]
        model = fit(X.iloc[train], y[train])
        rows = _rows(test, repeats[number], number, y, probability(model, X.iloc[test]))
        return model if repeats[number] == 0 else None, rows.assign(trained_on=len(train))

    models, parts = [], []
    for number, (model, rows) in enumerate(each(predicted, range(len(splits)))):
        parts.append(rows)
        models += [model] if repeats[number] == 0 else []
        if tick:
            tick(number + 1, len(splits))
    raw = pd.concat(parts, ignore_index=True)
    judged = [_judge(raw, number, split, rules, lambda rows: inner_predictions(fit, X, y, rows))
              for number, split in enumerate(splits)]
    calibrators = tuple(calibrator for _, calibrator in judged[: len(models)])
    return Judged(pd.concat([rows for rows, _ in judged], ignore_index=True), tuple(models), calibrators, splits)


def _rows(test: np.ndarray, repeat: int, fold: int, y: np.ndarray, raw: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame({"position": test, "repeat": repeat, "fold": fold, "y": y[test], "raw": raw})


def _judge(raw: pd.DataFrame, number: int, split: Split, rules: Rules,
           inner: Callable[[np.ndarray], pd.DataFrame]) -> tuple[pd.DataFrame, Calibrator]:
    """The split's test rows, calibrated and flagged by what its training rows' held-out predictions taught."""
    rows = raw[raw["fold"] == number]
    if rules.nothing:
        return rows.assign(probability=rows["raw"], flagged=False), Calibrator("none")
    same_repeat = raw[(raw["repeat"] == rows["repeat"].iloc[0]) & (raw["fold"] != number)]
    known = same_repeat[same_repeat["position"].isin(split[0])]
    calibrator, line = decide(known if len(known) else inner(split[0]), rules)
    calibrated = calibrator(rows["raw"].to_numpy())
    return rows.assign(probability=calibrated, flagged=calibrated >= line), calibrator


def decide(known: pd.DataFrame, rules: Rules) -> tuple[Calibrator, float]:
    """The calibrator and the threshold that held-out predictions (columns y, raw, fold) teach."""
    y, raw = known["y"].to_numpy(), known["raw"].to_numpy()
    calibrator = calibrate(raw, y, known["fold"].to_numpy(), rules.calibration)
    return calibrator, threshold(y, calibrator(raw), rules.line) if rules.flags else np.inf


def inner_predictions(fit: FitRows, X: pd.DataFrame, y: np.ndarray, rows: np.ndarray, folds: int = 3) -> pd.DataFrame:
    """Held-out predictions within `rows` (stratified folds, a fixed cut), for a split that nothing came before.

    A customer's rows stay in one fold.
    """
    from sklearn.model_selection import StratifiedGroupKFold

    customers = X.index.get_level_values(-1)[rows]
    cut = list(StratifiedGroupKFold(folds, shuffle=True, random_state=0).split(rows, y[rows], customers))

    def predicted(fold: int) -> pd.DataFrame:
        train, test = rows[cut[fold][0]], rows[cut[fold][1]]
        return _rows(test, 0, fold, y, probability(fit(X.iloc[train], y[train]), X.iloc[test]))

    return pd.concat(each(predicted, range(folds)), ignore_index=True)


def estimates(rows: pd.DataFrame, seed: int, groups: np.ndarray | None = None, draws: int = DRAWS,
              names: Iterable[str] = tuple(METRICS)) -> dict[str, Estimate]:
    """Each metric of out-of-fold rows with its 95 % interval.

    Value: ranking metrics are means over folds, the others means over repeats of all rows pooled. Interval: basic
    bootstrap over customers (`groups`: whose row it is, by position), so that one customer's rows stay together, made
    wider by `widening` because models of different folds learn from the same rows.

    Source: Davison and Hinkley (1997), Bootstrap Methods and their Application, section 5.2; Nadeau and Bengio (2003).
    """
    wanted = list(names)
    values, spread = point(rows, wanted), deviations(rows, seed, groups, draws, wanted)
    return {name: _estimate(name, values[name], spread[name].to_numpy(), rows) for name in wanted}


def differences(rows: pd.DataFrame, other: pd.DataFrame, seed: int, groups: np.ndarray | None = None,
                draws: int = DRAWS, names: Iterable[str] = ("roc_auc", "log_loss", "brier")) -> dict[str, Estimate]:
    """Each metric of `rows` minus that of `other` on the same rows, paired: both are resampled together."""
    wanted = list(names)
    mine, theirs = point(rows, wanted), point(other, wanted)
    spread = deviations(rows, seed, groups, draws, wanted) - deviations(other, seed, groups, draws, wanted)
    return {name: _estimate("difference", mine[name] - theirs[name], spread[name].to_numpy(), rows) for name in wanted}


def point(rows: pd.DataFrame, names: Iterable[str]) -> dict[str, float]:
    """Each metric's value: ranking metrics averaged over folds, the others over repeats of pooled rows."""
    by_fold, by_repeat = _parts(rows, "fold"), _parts(rows, "repeat")
    return {name: float(np.nanmean([_value(name, part) for part in (by_fold if name in RANKING else by_repeat)]))
            for name in names}


def deviations(rows: pd.DataFrame, seed: int, groups: np.ndarray | None, draws: int,
               names: Iterable[str]) -> pd.DataFrame:
    """How far each metric of resampled customers lies from that of all; draws take the repeats in turn."""
    parts, rng, wanted = _parts(rows, "repeat"), np.random.default_rng(seed), list(names)
    owners = [_owners(part, groups) for part in parts]
    orders = [np.argsort(part[1], kind="stable") for part in parts]
    full = [np.array([_value(name, part) for name in wanted]) for part in parts]
    found = np.empty((draws, len(wanted)))
    for draw in range(draws):
        which = draw % len(parts)
        times = resampled(owners[which], rng)[orders[which]]
        taken = np.repeat(parts[which][:, orders[which]], times, axis=1)
        found[draw] = [_value(name, taken) for name in wanted] - full[which]
    return pd.DataFrame(found, columns=wanted)


def resampled(owner: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """How often each row is taken when as many customers as there are (0, 1, ...) are drawn with replacement.

    >>> times = resampled(np.array([0, 0, 1]), np.random.default_rng(0))
    >>> bool(times[0] == times[1]), int(times[1] + times[2])
    (True, 2)
    """
    customers = int(owner.max()) + 1
    return np.bincount(rng.integers(customers, size=customers), minlength=customers)[owner]


def _parts(rows: pd.DataFrame, by: str) -> list[np.ndarray]:
    """Arrays of (y, probability, flagged, position) per fold or repeat, in order of position."""
    ordered = rows.sort_values("position", kind="stable")
    return [part[["y", "probability", "flagged", "position"]].to_numpy(dtype=float).T
            for _, part in ordered.groupby(by, sort=True)]


def _value(name: str, part: np.ndarray) -> float:
    return METRICS[name](part[0], part[2] > 0 if name in FLAGS else part[1])


def _owners(part: np.ndarray, groups: np.ndarray | None) -> np.ndarray:
    """Whose row each is, counted from 0."""
    if groups is None:
        return np.arange(part.shape[1])
    return np.asarray(np.unique(groups[part[3].astype(int)], return_inverse=True)[1])


def _estimate(name: str, value: float, spread: np.ndarray, rows: pd.DataFrame) -> Estimate:
    low, high = value - widening(rows) * np.nanquantile(spread, [(1 + LEVEL) / 2, (1 - LEVEL) / 2])
    least, most = RANGES.get(name, (-np.inf, np.inf) if name == "difference" else (0.0, 1.0))
    return Estimate(value, float(np.clip(min(low, value), least, most)), float(np.clip(max(high, value), least, most)),
                    int(rows["position"].nunique()), method_words(rows))


def widening(rows: pd.DataFrame) -> float:
    """How much wider intervals must be as folds share training rows: sqrt(1 + folds x test rows / training rows).

    Without it a model of pure noise would seem to know something in 8 of 100 data sets instead of 2 or 3.

    Source: Nadeau and Bengio (2003), Inference for the Generalization Error, Machine Learning 52.

    >>> round(widening(pd.DataFrame({"repeat": 0, "fold": [0, 1, 2, 3, 4], "trained_on": 4})), 3)
    1.5
    """
    first = rows[rows["repeat"] == rows["repeat"].min()]
    return float(np.sqrt(1 + len(first) / first.groupby("fold")["trained_on"].first().mean()))


def method_words(rows: pd.DataFrame) -> str:
    """How the rows were held out and how the interval was made, in words."""
    repeats, folds = rows["repeat"].nunique(), rows["fold"].nunique()
    how = f"{repeats} x {folds // repeats} held-out folds" if folds > 1 else "one held-out period"
    return f"{how}; 95 % bootstrap over customers, widened for shared training rows (Nadeau-Bengio)"
