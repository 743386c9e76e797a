"""Corrections as a measured experiment: the model on the data as they came, the model on corrected events, the gain.

Both learn and are judged on the same customers, moments and folds, and by the same answers: those of the data as they
came. A correction is kept only where the log loss falls with an interval that excludes zero.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import pandas as pd

from engine import catalog
from engine.catalog import dataset_folder
from engine.data.corrections import Changed, corrected
from engine.data.features import features_at
from engine.data.labels import snapshot
from engine.data.leakage import audit
from engine.files import read_record, write_record
from engine.prediction.challenge import HEADLINES, same_folds
from engine.prediction.churn import owners, rows_held_out
from engine.prediction.evaluate import DRAWS, differences, estimates
from engine.prediction.level import learning_windows
from engine.prediction.model import judgeable, without
from engine.prediction.settings import Settings
from engine.progress import Steps
from engine.schema import Dataset, Estimate, Snapshot

FOLDER = "corrections"


@dataclass(frozen=True)
class Trial:
    """One correction tried on one version: what it changed, both models' metrics, the gain (corrected minus raw, with
    95 % intervals), and the verdict: keep or drop, and why. Metrics are empty where there was nothing to correct.

    kept_as: the version that it became, "" unless a person kept it. by, at: who tried it and when (naive UTC).
    """

    dataset: str
    version: str
    rule: str
    changed: Changed
    rows: int
    algorithm: str
    raw: Mapping[str, Estimate]
    corrected: Mapping[str, Estimate]
    gain: Mapping[str, Estimate]
    verdict: str
    why: str
    by: str
    at: datetime
    kept_as: str = ""


def tried(dataset: Dataset, rule: str, settings: Settings, *, by: str, at: datetime,
          steps: Steps | None = None) -> Trial:
    """Measure what a correction brings; nothing of the dataset is changed.

    Raises:
        EngineError: when the dataset has no events or no label, or has been corrected by the rule already.
    """
    steps, settings = steps or Steps(of=4), settings.suited(dataset)
    with tempfile.TemporaryDirectory() as folder:
        with steps("Correct a copy of the events"):
            better, changed = corrected(dataset, rule, Path(folder))
        if not changed.anything:
            return Trial(dataset.name, dataset.version, rule, changed, 0, settings.algorithm, {}, {}, {}, "drop",
                         "there is nothing to correct", by, at)
        with steps("Compute features of both"):
            raw, _ = judgeable(snapshot(dataset, learning_windows(dataset)))
            both = _without_leaks(dataset, raw, _same_rows(better, raw), settings)
    metrics, gain = _judged(*both, settings, steps)
    verdict, why = verdict_of(gain)
    return Trial(dataset.name, dataset.version, rule, changed, len(raw.y), settings.algorithm, *metrics, gain, verdict,
                 why, by, at)


def _same_rows(better: Dataset, raw: Snapshot) -> Snapshot:
    """The raw snapshot's customers, moments and answers, with features from the corrected events."""
    moments = [window.as_of for window in raw.windows]
    X = features_at(better, moments, lookback_days=raw.windows[0].lookback_days)
    return replace(raw, X=X.reindex(raw.X.index)[list(raw.X)])


def _without_leaks(dataset: Dataset, raw: Snapshot, better: Snapshot, settings: Settings) -> tuple[Snapshot, Snapshot]:
    """Both without the columns that know the answer in either."""
    shut = {name for known in (raw, better)
            for name, _ in audit(known, dataset, settings.overrule, settings.seed).quarantined}
    return without(raw, sorted(shut)), without(better, sorted(shut))


def _judged(raw: Snapshot, better: Snapshot, settings: Settings, steps: Steps
            ) -> tuple[tuple[Mapping[str, Estimate], Mapping[str, Estimate]], Mapping[str, Estimate]]:
    """Both models' metrics on the same folds, and the paired differences: corrected minus raw."""
    splits, groups, options = same_folds(raw, settings), owners(raw), settings.churn_options(len(raw.windows))
    rows: list[pd.DataFrame] = []
    for name, known in (("as they came", raw), ("corrected", better)):
        with steps(f"Learn from the data {name}") as part:
            rows.append(rows_held_out(known, settings.algorithm, seed=settings.seed, options=options, splits=splits,
                                      progress=part))
    old, new = (estimates(found, settings.seed, groups, names=HEADLINES) for found in rows)
    return (old, new), differences(rows[1], rows[0], settings.seed, groups, DRAWS, HEADLINES)


def verdict_of(gain: Mapping[str, Estimate]) -> tuple[str, str]:
    """Keep or drop, and why in a sentence, by the paired differences (corrected minus raw).

    >>> fell = Estimate(-0.02, -0.03, -0.01, 900, "")
    >>> verdict_of({"log_loss": fell})[0], verdict_of({"log_loss": replace(fell, high=0.01)})[0]
    ('keep', 'drop')
    """
    loss = gain["log_loss"]
    words = f"log loss {loss.value:+.4f} ({loss.low:+.4f} to {loss.high:+.4f})"
    if loss.high < 0:
        return "keep", f"it helps: {words}"
    return "drop", f"{'it harms' if loss.low > 0 else 'no gain that can be told from chance'}: {words}"


# ----------------------------------------------------------------------------------------------------- records

def remember(trial: Trial) -> None:
    """Keep the record with the dataset; a later trial of the same rule and version takes its place."""
    write_record(_place(trial.dataset) / f"{trial.version}-{trial.rule}.json", trial)


def trials(name: str) -> list[Trial]:
    """Every correction tried on the dataset, the latest first."""
    found: list[Trial] = [read_record(path, Trial) for path in sorted(_place(name).glob("[!.]*.json"))]
    return sorted(found, key=lambda trial: (trial.at, trial.rule), reverse=True)


def _place(name: str) -> Path:
    return dataset_folder(name) / FOLDER


def trial_of(name: str, rule: str) -> Trial | None:
    """The trial of a rule on the version in use; None where it has not been tried there."""
    version = catalog.dataset(name).version
    return next((trial for trial in trials(name) if (trial.version, trial.rule) == (version, rule)), None)
