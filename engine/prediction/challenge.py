"""Champion and challenger: the model in use and one that may take its place, told apart by paired differences.

    held out     both judged the same customers, answers and folds: their kept out-of-fold rows
    as they are  rows that the challenger's folds held out and that the champion never learned from: both as they are
    made anew    neither: both recipes are fitted again on the challenger's data, on the same folds
    same recipe  nothing that both judged, and made alike: only the data differ, which no rows can tell apart

A difference is always challenger minus champion, on the same rows with the same answers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from engine import catalog
from engine.data.labels import snapshot
from engine.errors import EngineError
from engine.prediction import store
from engine.prediction.churn import ChurnModel, Tick, default_splits, owners, rows_held_out
from engine.prediction.evaluate import DRAWS, Split, differences, estimates
from engine.prediction.heldout import HeldOut, case_of, unpacked
from engine.prediction.level import learning_windows, tested_splits
from engine.prediction.model import judgeable
from engine.prediction.settings import Settings
from engine.schema import Dataset, Estimate, ModelCard, Snapshot, jsonable, plural
from engine.schema.codec import dumps, loads

HEADLINES = ("roc_auc", "log_loss", "brier", "ece")
MORE_IS_BETTER = frozenset({"roc_auc"})
FEWEST_ROWS, FEWEST_OF_A_CLASS = 200, 30


@dataclass(frozen=True)
class Comparison:
    """Two models on the same rows. how: one of the ways above; on: the rows in words. differences: challenger minus
    champion, empty where no rows can tell. newer: the challenger knows later data. changed: what differs between them.
    """

    champion: str
    challenger: str
    how: str
    on: str
    champion_metrics: Mapping[str, Estimate]
    challenger_metrics: Mapping[str, Estimate]
    differences: Mapping[str, Estimate]
    newer: bool
    changed: tuple[tuple[str, str, str], ...]

    def better(self, name: str) -> bool:
        """Whether the challenger is better by a metric, its interval wholly on one side of zero."""
        found = self.differences.get(name)
        return found is not None and (found.low > 0 if name in MORE_IS_BETTER else found.high < 0)

    def worse(self, name: str) -> bool:
        """Whether the challenger is worse by a metric, its interval wholly on one side of zero."""
        found = self.differences.get(name)
        return found is not None and (found.high < 0 if name in MORE_IS_BETTER else found.low > 0)


class NeedsWork(EngineError):
    """Two models have not judged the same rows, and more than reading what is kept was not allowed."""


@dataclass(frozen=True)
class Judgement:
    """Both models' rows on one case: how they came about, on what, and whose rows they are."""

    how: str
    on: str
    champion: pd.DataFrame
    challenger: pd.DataFrame
    groups: np.ndarray | None


def compare(name: str, champion: str, challenger: str, *, again: bool = True,
            progress: Tick | None = None) -> Comparison:
    """The challenger held against the champion, models of one dataset by their ids.

    again: whether models may be applied or made anew where the kept rows do not tell; else NeedsWork.
    """
    cards = store.card(name, champion), store.card(name, challenger)
    judged = _kept(name, *cards)
    if judged is None and not again:
        raise NeedsWork(f"{champion} and {challenger} have not judged the same rows: holding them against each other "
                        "may fit both anew, which takes minutes and a manager. From a shell: python -m engine models "
                        f"--dataset {name} --compare {challenger} --against {champion}.")
    judged = judged or _as_they_are(name, *cards)
    if judged is None and alike(*cards):
        return _told(cards, None)
    return _told(cards, judged or _made_anew(name, *cards, progress))


def _told(cards: tuple[ModelCard, ModelCard], judged: Judgement | None) -> Comparison:
    champion, challenger = cards
    newer, changed = _knows_until(challenger) > _knows_until(champion), changes(champion, challenger)
    if judged is None:
        return Comparison(champion.model_id, challenger.model_id, "same recipe", "no rows that both have judged",
                          {}, {}, {}, newer, changed)
    seed, groups = challenger.seed, judged.groups
    old, new = (estimates(rows, seed, groups, names=HEADLINES) for rows in (judged.champion, judged.challenger))
    minus = differences(judged.challenger, judged.champion, seed, groups, DRAWS, HEADLINES)
    return Comparison(champion.model_id, challenger.model_id, judged.how, judged.on, old, new, minus, newer, changed)


def _knows_until(card: ModelCard) -> pd.Timestamp:
    return pd.Timestamp(card.as_of)


# ------------------------------------------------------------------------------------------------------- rows

def _kept(name: str, champion: ModelCard, challenger: ModelCard) -> Judgement | None:
    """The kept out-of-fold rows of both, where they are of one case and cut alike."""
    mine, theirs = (rows_of(name, card) for card in (challenger, champion))
    if mine is None or theirs is None or not mine.comparable(theirs):
        return None
    on = f"{plural(mine.rows['position'].nunique(), 'row')} that both held out, in the same folds"
    return Judgement("held out", on, theirs.rows, mine.rows, mine.groups)


def rows_of(name: str, card: ModelCard) -> HeldOut | None:
    """A model's kept out-of-fold rows; None where an earlier Holdfast kept none."""
    return unpacked(store.table(name, card.model_id, "held_out"), card.detail.get("held_out"))


def _as_they_are(name: str, champion: ModelCard, challenger: ModelCard) -> Judgement | None:
    """The challenger's held-out rows that the champion never learned from, judged by the champion as it is."""
    mine = rows_of(name, challenger)
    if mine is None or champion.version == challenger.version or _knows_until(challenger) <= _knows_until(champion):
        return None
    dataset, known = _snapshot_of(name, challenger)
    rows = mine.rows[mine.rows["repeat"] == 0]
    if case_of(known.y) != mine.case or not set(champion.features) <= set(known.X):
        return None
    rows = rows[_unseen(dataset, champion, known)[rows["position"]]]
    if len(rows) < FEWEST_ROWS or np.bincount(rows["y"], minlength=2).min() < FEWEST_OF_A_CLASS:
        return None
    who: ChurnModel = store.load(name, champion.model_id)[0]["churn"]
    theirs = rows.assign(probability=who.probability(known.X.iloc[rows["position"]]))
    on = f"{plural(len(rows), 'row')} that the challenger held out and the champion never learned from"
    return Judgement("as they are", on, theirs, rows, mine.groups)


def _unseen(dataset: Dataset, champion: ModelCard, known: Snapshot) -> np.ndarray:
    """Rows asked of a time after all that the champion's labels knew; of snapshots, customers it had not met."""
    if dataset.kind != "snapshot":
        return np.asarray(known.as_of >= _knows_until(champion) + pd.Timedelta(days=champion.horizon_days))
    met = catalog.dataset(dataset.name, champion.version).frame(columns=[]).index
    return ~np.asarray(known.X.index.get_level_values("customer_id").isin(met))


def _made_anew(name: str, champion: ModelCard, challenger: ModelCard, progress: Tick | None) -> Judgement:
    """Both recipes fitted on the later of the two models' data, on the same folds."""
    newest = max(champion, challenger, key=_knows_until)
    _, known = _snapshot_of(name, newest)
    splits = same_folds(known, settings_of(newest))
    theirs, mine = (_by_recipe(known, card, splits, progress) for card in (champion, challenger))
    on = f"{plural(mine['position'].nunique(), 'row')} of version {newest.version}, both recipes fitted anew"
    return Judgement("made anew", on, theirs, mine, owners(known))


def _by_recipe(known: Snapshot, card: ModelCard, splits: tuple[Split, ...], progress: Tick | None) -> pd.DataFrame:
    absent = [column for column in card.features if column not in known.X]
    if absent:
        raise EngineError(f"{card.model_id} cannot be made anew on these data: they lack {', '.join(absent[:5])}.")
    settings = settings_of(card)
    sees = replace(known, X=known.X[list(card.features)])
    return rows_held_out(sees, card.algorithm, seed=settings.seed, options=settings.churn_options(len(known.windows)),
                         splits=splits, progress=progress)


def same_folds(known: Snapshot, settings: Settings) -> tuple[Split, ...]:
    """The splits on which recipes are compared: a backtest's moments, or one repeat of stratified folds."""
    options = replace(settings.churn_options(len(known.windows)), repeats=1)
    return tested_splits(known) or default_splits(known, known.y.to_numpy(dtype=int), options, settings.seed)


def _snapshot_of(name: str, card: ModelCard) -> tuple[Dataset, Snapshot]:
    """The rows and answers that a model learned from, as its version of the data tells them now."""
    dataset = catalog.dataset(name, card.version)
    return dataset, judgeable(snapshot(dataset, learning_windows(dataset)))[0]


# ----------------------------------------------------------------------------------------------------- recipes

def settings_of(card: ModelCard) -> Settings:
    """The settings that a model was learned with, from its card."""
    found: Settings = loads(Settings, dumps(jsonable(card.settings), Any))
    return found


def alike(champion: ModelCard, challenger: ModelCard) -> bool:
    """Whether both were made by one recipe: the same learner, seed and features."""
    one, other = (settings_of(card) for card in (champion, challenger))
    same = all(getattr(one, name) == getattr(other, name) for name in ("algorithm", "balance", "seed"))
    return same and champion.features == challenger.features


def changes(champion: ModelCard, challenger: ModelCard) -> tuple[tuple[str, str, str], ...]:
    """What differs: (what, of the champion, of the challenger), data first, then settings, then features."""
    pairs = [(what, say(champion), say(challenger)) for what, say in SAID.items()]
    old, new = _flat(champion.settings), _flat(challenger.settings)
    pairs += [(name.replace("_", " "), str(old.get(name, "-")), str(new.get(name, "-"))) for name in {**old, **new}]
    pairs += [("features only in one", _listed(champion, challenger), _listed(challenger, champion))]
    return tuple(pair for pair in pairs if pair[1] != pair[2])


SAID: Mapping[str, Callable[[ModelCard], str]] = {
    "data version": lambda card: card.version,
    "knows answers as of": lambda card: f"{card.as_of:%Y-%m-%d}",
    "rows learned from": lambda card: f"{card.rows:,}",
    "leavers among them": lambda card: f"{card.leavers:,}",
    "who counts as leaving": lambda card: card.label,
    "usable": lambda card: "yes" if card.usable else "no: it knows nothing",
}


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Nested settings by one name each.

    >>> _flat({"seed": 1, "line": {"rule": "f2"}})
    {'seed': 1, 'line rule': 'f2'}
    """
    return {f"{name} {inner}" if inner else name: value for name, nested in settings.items()
            for inner, value in (nested.items() if isinstance(nested, Mapping) else (("", nested),))}


def _listed(one: ModelCard, other: ModelCard) -> str:
    return ", ".join(sorted(set(one.features) - set(other.features))) or "none"


# ------------------------------------------------------------------------------------------------------- rules

@dataclass(frozen=True)
class Decision:
    """Whether a newly learned model takes the champion's place, by which rule, and why in a sentence."""

    promoted: bool
    rule: str
    why: str
    comparison: Comparison | None = None

    def stuck(self, problem: EngineError) -> EngineError:
        """What to say where the new model waits, and the one in production cannot score the new data."""
        return EngineError(f"The new model is not put to use: {self.why}. The one in production cannot score these "
                           f"data: {problem} What was in use stays in use. If the data have changed for good, bring "
                           "them under another name.")


Promotes = Callable[[Comparison], tuple[bool, str]]


def _better(found: Comparison) -> tuple[bool, str]:
    told = found.differences.get("log_loss")
    if told is None:
        return False, "made alike on other data: no rows can tell which is better"
    words = f"log loss {told.value:+.4f} ({told.low:+.4f} to {told.high:+.4f}) on {found.on}"
    if found.better("log_loss"):
        return True, f"better: {words}"
    return False, f"{'worse' if found.worse('log_loss') else 'not told apart'}: {words}"


def _better_or_newer(found: Comparison) -> tuple[bool, str]:
    better, why = _better(found)
    if better or found.worse("log_loss") or not found.newer:
        return better, why
    return True, f"knows later data and is not surely worse; {why}"


PROMOTIONS: Mapping[str, Promotes | None] = {
    "always": None, "person": lambda _: (False, "a person decides"), "better": _better,
    "better_or_newer": _better_or_newer,
}
"""When a newly learned model takes the champion's place: always; only when a person says so; when its log loss is
better with an interval that excludes zero; or then, and also when it knows later data and is not surely worse. One that
knows nothing about who leaves never takes the place of one that is usable."""
EACH = "each new model is put to use"
KNOWS_LESS = "it knows nothing about who leaves, and the model in production is usable"


def decide(name: str, card: ModelCard, rule: str, progress: Tick | None = None) -> Decision:
    """Whether the model takes the place of the one in production, by a rule of PROMOTIONS."""
    champion, asks = store.current(name), PROMOTIONS[rule]
    if champion is None:
        return Decision(True, rule, "the first model")
    if champion == card.model_id:
        return Decision(True, rule, "the same data and settings: the model in production itself")
    if rule == "person":
        return Decision(False, rule, "a person decides")
    found = None if asks is None else compare(name, champion, card.model_id, progress=progress)
    if not card.usable and _is_usable(name, champion):
        return Decision(False, rule, KNOWS_LESS, found)
    if asks is None or found is None:
        return Decision(True, rule, EACH)
    promoted, why = asks(found)
    return Decision(promoted, rule, why, found)


def _is_usable(name: str, model_id: str) -> bool:
    """Whether a stored model is sound and knows something about who leaves."""
    try:
        return store.card(name, model_id).usable
    except EngineError:
        return False


def pair(champion: str, challenger: str) -> str:
    """What the comparison of two models is kept under."""
    return f"{champion} and {challenger}"


def described(name: str, found: Comparison) -> dict[str, Any]:
    """A comparison in plain values; a verdict per metric: better, worse, or not told apart; what each rule would do."""
    verdicts = {metric: "better" if found.better(metric) else "worse" if found.worse(metric) else "not told apart"
                for metric in found.differences}
    less = _is_usable(name, found.champion) and not _is_usable(name, found.challenger)
    rules = {rule: (False, KNOWS_LESS) if less else (True, EACH) if asks is None else asks(found)
             for rule, asks in PROMOTIONS.items()}
    return {"dataset": name, **jsonable(asdict(found)), "verdicts": verdicts, "metrics": list(HEADLINES),
            "rules": {rule: {"promotes": promoted, "why": why} for rule, (promoted, why) in rules.items()}}
