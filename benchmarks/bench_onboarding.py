"""Files nobody here has seen: the doctor's mapping and quick training, unaided, beside a LightGBM prepared by hand.

The companies are invented (tests/exports.py): a sector's columns, dirt, leaks and layout, drawn by the seed. The hand
knows each company's truth: it is given the honest columns, clean, and the same folds. Seeds 9001 to 9020 were looked at
(three of them showed that numbers of a few tiers are better read as words); those here were not. In the first twenty
companies the columns add up, in curves, which small trees tell best; in the others who leaves hangs on two or three
columns at once, in products and in rules, which they cannot tell.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.common import Row, clock
from benchmarks.many import own_home
from engine import catalog, onboarding
from engine.data.labels import snapshot, windows_for
from engine.data.names import snake
from engine.errors import EngineError
from engine.onboarding import Proposal
from engine.prediction import store
from engine.prediction.evaluate import Rules, differences, out_of_fold, point
from engine.prediction.settings import Settings
from engine.schema import Actor, Estimate
from tests.exports import Export, company

ADDING_UP, TOGETHER = range(9_101, 9_121), range(9_201, 9_221)
NOW = datetime(2024, 7, 1)
ANYONE = Actor("bench", "admin")
WITHIN = 0.005


@dataclass(frozen=True)
class Judged:
    """A company as it was learned: AUC out of fold, the hand's on the same folds, and the difference; what of the
    leaks is still used, and which honest columns are lost."""

    customers: int
    ours: float
    by_hand: float
    gap: Estimate
    leaking: tuple[str, ...]
    lost: tuple[str, ...]
    cpu: float = float("nan")

    @property
    def met(self) -> bool:
        """Within the goal, with no leak used and nothing honest lost."""
        return self.gap.value >= -WITHIN and not self.leaking and not self.lost


def run(_real_data: Path) -> list[Row]:
    """A row per company, then what those whose columns add up and those whose columns act together have in common."""
    return [*_rows("columns add up", [company(seed, signal=True) for seed in ADDING_UP]),
            *_rows("columns act together", [company(seed, signal=True, together=True) for seed in TOGETHER])]


def _rows(how: str, companies: list[Export]) -> list[Row]:
    tried = [(made, _tried(made)) for made in companies]
    judged = [found for _, found in tried if isinstance(found, Judged)]
    return [*(_row(how, made, found) for made, found in tried), *_in_common(how, judged, len(companies))]


def _row(how: str, made: Export, found: Judged | str) -> Row:
    name = f"{made.sector}, {made.faults[0]}, {how} (seed {made.seed})"
    goal = f"AUC within {WITHIN} of by hand; no leak used"
    if isinstance(found, str):
        return Row(name, "not learned", goal, False, found)
    measured = (f"AUC {found.ours:.4f}, by hand {found.by_hand:.4f}: {found.gap.value:+.4f} "
                f"[{found.gap.low:+.4f}, {found.gap.high:+.4f}]")
    notes = [f"{found.customers:,} customers", *(f"{name} leaks and is used" for name in found.leaking),
             *(f"{name} is lost" for name in found.lost)]
    return Row(name, measured, goal, found.met, "; ".join(notes))


def _in_common(how: str, judged: list[Judged], asked: int) -> list[Row]:
    gaps = [found.gap.value for found in judged]
    near = sum(gap >= -WITHIN for gap in gaps)
    return [
        Row(f"All whose {how}, difference in AUC", f"mean {np.mean(gaps):+.4f}, worst {min(gaps):+.4f}, best "
            f"{max(gaps):+.4f}; {near} of {asked} within {WITHIN} or better", f"{asked} of {asked}", near == asked),
        Row("  from the files to scores", f"{np.mean([found.cpu for found in judged]):.0f} CPU s each"),
    ]


# --------------------------------------------------------------------------------------------------------- one company

def _tried(made: Export) -> Judged | str:
    """How the company was judged; where it could not be learned from, why."""
    with own_home() as home:
        with clock() as took:
            try:
                proposal = onboarding.propose(made.write(home / "files"), name="acme", actor=ANYONE, now=NOW)
                report = onboarding.accept(proposal, actor=ANYONE, now=NOW, settings=Settings(quick=True))
            except EngineError as problem:
                return str(problem)
        if not report.get("models"):
            return str(report["why"])
        found = _judged(made, proposal, str(report["model_id"]))
        return found if isinstance(found, str) else replace(found, cpu=took.cpu)


def _judged(made: Export, proposal: Proposal, model_id: str) -> Judged | str:
    dataset = catalog.dataset("acme")
    known = snapshot(dataset, windows_for(dataset, n=1))
    rows = store.table("acme", model_id, "held_out")
    assert rows is not None, "What a model has just learned from is kept beside it."
    places, y = _places(made, known.X.index.get_level_values("customer_id")), known.y.to_numpy(dtype=int)
    if (made.left.to_numpy()[places] != y).any():
        return f"another answer was learned: {proposal.part('label').column}"
    hand = _typed(made.clean.iloc[places].reset_index(drop=True))
    theirs = out_of_fold(_fit, hand, y, _folds(rows, len(y)), Rules(flags=False)).rows
    gap = differences(rows, theirs, seed=0, draws=200, names=["roc_auc"])["roc_auc"]
    auc = [point(each, ["roc_auc"])["roc_auc"] for each in (rows, theirs)]
    kept_out = {name for name, _ in proposal.examined.quarantined}
    used = {snake(part.column) for part in (*proposal.parts, *proposal.columns) if part.role != "ignored"} - kept_out
    return Judged(len(y), auc[0], auc[1], gap, tuple(sorted({snake(name) for name in made.leaks} & used)),
                  tuple(sorted({snake(name) for name in made.honest} - used)))


def _places(made: Export, customers: pd.Index) -> np.ndarray:
    """By customer the row of the truth: by the id as the company writes it, or by the number of the row."""
    if not made.id:
        return customers.str.removeprefix("row-").astype(int).to_numpy() - 1
    frames = [frame for frame in made.files.values() if made.id in frame]
    whole = [frame for frame in frames if len(frame) == len(made.clean)][:1]
    ids = pd.concat([frame[made.id] for frame in whole or frames])
    places = pd.Index(ids.astype(str).str.strip()).get_indexer(customers)
    assert (places >= 0).all(), "Every customer is one of the company's."
    return np.asarray(places)


def _folds(rows: pd.DataFrame, count: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The folds in which the model was judged, as (train, test) positions."""
    tests = [part["position"].to_numpy() for _, part in rows.groupby("fold")]
    return [(np.setdiff1d(np.arange(count), test), test) for test in tests]


# ------------------------------------------------------------------------------------------------------------- by hand

def _typed(clean: pd.DataFrame) -> pd.DataFrame:
    """The honest columns under plain names, words as categories."""
    return pd.DataFrame({f"c{place}": clean[name].astype("category" if clean[name].dtype == object else float)
                         for place, name in enumerate(clean)})


def _fit(X: pd.DataFrame, y: np.ndarray) -> Any:
    from lightgbm import LGBMClassifier

    return LGBMClassifier(n_estimators=200, learning_rate=0.03, num_leaves=12, min_child_samples=40, reg_lambda=5.0,
                          colsample_bytree=0.6, subsample=0.8, subsample_freq=1, n_jobs=1, verbosity=-1,
                          random_state=1).fit(X, y)
