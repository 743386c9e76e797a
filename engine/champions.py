"""The model in use and those that may take its place: compare, promote, roll back, retire, make again.

    compare(name, challenger)   the challenger beside the champion, in plain values
    promote(name, model_id)     the pointer, and the scores of that model, in one step
    rollback(name)              back to the model before, and to its scores
    set_rule(name, rule)        when a newly learned model takes production's place
    retire(name, keep)          old models that nothing refers to, with their scores
    reproduce(name, model_id)   learn again from the card: are the scores the same?
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import sqlalchemy as sa

from engine import catalog, files, pipeline, saved, state
from engine.campaign.tables import ASSIGNMENTS, CAMPAIGNS
from engine.errors import EngineError, choose
from engine.locks import dataset_lock
from engine.permissions import allow, may
from engine.prediction import challenge, store
from engine.prediction import model as prediction
from engine.prediction.challenge import PROMOTIONS
from engine.progress import Steps, Told
from engine.schema import Actor, Dataset, ModelCard

KEPT = 5


# ----------------------------------------------------------------------------------------------------- compare

def compare(name: str, challenger: str = "staging", champion: str = "production", *, actor: Actor, now: datetime,
            kept_only: bool = False, progress: Told | None = None) -> dict[str, Any]:
    """The challenger beside the champion: metrics, paired differences with 95 % intervals, what changed; by id or
    pointer. What took work is kept, so that it is looked up the next time; kept_only: do no such work now.

    Raises:
        EngineError: when there is no such model, or both are one.
        NeedsWork: when the kept rows do not tell, and the actor may not train or only what is kept was asked for.
    """
    allow(actor, "models")
    catalog.dataset(name)
    ids = [store.card(name, model_id).model_id for model_id in (champion, challenger)]
    if ids[0] == ids[1]:
        raise EngineError(f"{ids[0]} is both models. Compare two: python -m engine models --dataset {name} lists them.")
    key = challenge.pair(*ids)
    known = [kept for kept in saved.kept("comparison", name, actor=actor) if kept.name == key]
    if known:
        return dict(known[0].content)
    with Steps(of=1, told=progress)("Hold both against each other") as part:
        works = may(actor, "train") and not kept_only
        found = challenge.compare(name, ids[0], ids[1], again=works, progress=part)
    record = challenge.described(name, found)
    if found.how != "held out":
        saved.keep("comparison", name, key, record, actor=actor, now=now)
    return record


# ----------------------------------------------------------------------------------------------------- promote

def promote(name: str, model_id: str, *, actor: Actor, now: datetime) -> str:
    """Make a model, by id or pointer, the production model and its scores those in use; returns its id."""
    allow(actor, "promote")
    with dataset_lock(name, "promote", actor, now):
        before = store.current(name)
        card = store.card(name, model_id)
        kept = _scored(name, card.model_id, actor, now)
        store.promote(name, card.model_id)
        store.withdraw(name, card.model_id)
        catalog.use_run(kept)
    state.record(actor, "promote", name, now, {"model_id": card.model_id, "before": before, "run_id": kept.run_id})
    return card.model_id


def rollback(name: str, *, actor: Actor, now: datetime) -> str:
    """Go back to the production model before the current one, and to its scores; returns its id."""
    allow(actor, "rollback")
    with dataset_lock(name, "rollback", actor, now):
        named = store.stack(name)
        if len(named) > 1:
            kept = _scored(name, store.card(name, named[1]).model_id, actor, now)
        restored = store.rollback(name)
        catalog.use_run(kept)
    state.record(actor, "rollback", name, now, {"model_id": restored, "before": named[0], "run_id": kept.run_id})
    return restored


def is_scored(name: str, model_id: str) -> bool:
    """Whether the model's scores of the data in use are there, so that it can be put to use at once."""
    return _run_of(catalog.dataset(name), model_id) is not None


def _scored(name: str, model_id: str, actor: Actor, now: datetime) -> catalog.Run:
    """The model's scores of the data in use, made where there are none."""
    dataset = catalog.dataset(name)
    return _run_of(dataset, model_id) or pipeline.score(dataset, actor=actor, now=now,
                                                        by=pipeline.opened(name, model_id), in_use=False)


def _run_of(dataset: Dataset, model_id: str) -> catalog.Run | None:
    mine = [run for run in catalog.runs(dataset.name) if (run.version, run.model_id, run.as_of) == (
        dataset.version, model_id, dataset.observed_until)]
    return mine[-1] if mine else None


def rule_of(name: str, actor: Actor) -> str:
    """When a newly learned model takes the place of the one in production, one of PROMOTIONS."""
    return pipeline.promotion_rule(name, "", actor)


def set_rule(name: str, rule: str, *, actor: Actor, now: datetime) -> str:
    """Decide when a newly learned model takes the place of the one in production; returns the rule."""
    allow(actor, "promote")
    catalog.dataset(name)
    choose("promotion rule", rule, PROMOTIONS)
    saved.keep("promotion", name, "rule", {"rule": rule}, actor=actor, now=now)
    state.record(actor, "promotion_rule", name, now, {"rule": rule})
    return rule


# ------------------------------------------------------------------------------------------------------ retire

@dataclass(frozen=True)
class Retired:
    """What retiring removes, or would: models, their scoring runs, bytes; and the models that stay, each with why."""

    models: tuple[str, ...]
    runs: tuple[str, ...]
    bytes: int
    stay: tuple[tuple[str, str], ...]
    done: bool


def retire(name: str, keep: int = KEPT, *, actor: Actor, now: datetime, dry: bool = False) -> Retired:
    """Remove models that nothing needs, with their scores: never the newest `keep`, what a pointer names or named just
    before, what a campaign rests on, or what made the scores in use and those that they are compared with.

    Raises:
        EngineError: when fewer than one is to be kept.
    """
    allow(actor, "promote")
    if keep < 1:
        raise EngineError(f"Keeping {keep} models is not possible: keep at least the newest one.")
    catalog.dataset(name)
    with dataset_lock(name, "retire", actor, now):
        stay = _needed(name, keep)
        gone = [record.model_id for record in store.models(name) if record.model_id not in stay]
        runs = [run for run in catalog.runs(name) if run.model_id in gone]
        size = sum(store.size(name, model_id) for model_id in gone) + sum(map(_size, runs))
        told = Retired(tuple(gone), tuple(run.run_id for run in runs), size, tuple(stay.items()), not dry)
        if not dry:
            _remove(name, told, runs)
    if gone and not dry:
        state.record(actor, "retire", name, now, {"models": told.models, "runs": told.runs, "bytes": size})
    return told


def _needed(name: str, keep: int) -> dict[str, str]:
    """The models that stay, by id, each with the first reason."""
    stay: dict[str, str] = {}
    for pointer in store.POINTERS:
        for place, model_id in enumerate(store.stack(name, pointer)[:2]):
            stay.setdefault(model_id, f"{pointer} now" if place == 0 else f"{pointer} before")
    for model_id in _of_campaigns(name):
        stay.setdefault(model_id, "a campaign rests on it")
    for run in _shown(name):
        stay.setdefault(run.model_id, "the scores in use, or those that they are compared with")
    newest = sorted(store.models(name), key=lambda record: (record.card.as_of, _made(name, record.model_id)),
                    reverse=True)
    for record in newest[:keep]:
        stay.setdefault(record.model_id, f"one of the newest {keep}")
    known = {record.model_id for record in store.models(name)}
    return {model_id: why for model_id, why in stay.items() if model_id in known}


def _made(name: str, model_id: str) -> float:
    """When the model was written: its card may have been rewritten since, its parts never."""
    return min(path.stat().st_mtime for path in (store.models_home() / name / model_id).iterdir())


def _of_campaigns(name: str) -> set[str]:
    """The models that campaigns of any state were planned with."""
    mine = sa.select(CAMPAIGNS.c.id).where(CAMPAIGNS.c.dataset == name)
    wanted = (sa.select(CAMPAIGNS.c.model_id).where(CAMPAIGNS.c.dataset == name),
              sa.select(ASSIGNMENTS.c.model_id).where(ASSIGNMENTS.c.campaign_id.in_(mine)).distinct())
    with state.reader() as connection:
        return {str(found) for query in wanted for found in connection.scalars(query)}


def _shown(name: str) -> list[catalog.Run]:
    """The scores in use and those that they are compared with."""
    if not catalog.runs(name):
        return []
    current = catalog.run(name)
    before = catalog.previous(current)
    return [current, *([before] if before else [])]


def _size(run: catalog.Run) -> int:
    return sum(path.stat().st_size for path in run.folder.iterdir())


def _remove(name: str, told: Retired, runs: list[catalog.Run]) -> None:
    """Runs go first: a run without its model could not be opened."""
    for run in runs:
        with files.writing(run.folder), files.staging(run.folder.parent) as aside:
            shutil.move(run.folder, aside / "removed")
    for model_id in told.models:
        store.remove(name, model_id)


# --------------------------------------------------------------------------------------------------- reproduce

@dataclass(frozen=True)
class Again:
    """A model learned again from its card, and how far the two lie apart.

    same: whether scores and held-out rows are the same to the last bit. scores: the largest difference of any
    customer's probability and of any held-out one. files: of how many files how many have the same bytes. changed: the
    libraries that are of another version now.
    """

    model_id: str
    version: str
    same: bool
    customers: int
    largest_difference: float
    largest_held_out: float | None
    files: int
    same_files: int
    changed: str
    same_id: bool


def reproduce(name: str, model_id: str = "production", *, actor: Actor, now: datetime,
              progress: Told | None = None) -> Again:
    """Learn a model again, from the version of the data, the settings and the seed that its card says, and hold its
    scores against the stored model's; nothing is kept. Takes as long as training.

    Raises:
        EngineError: when the version is no longer there, or customers were erased from it since.
    """
    allow(actor, "train")
    parts, card = store.load(name, model_id)
    dataset = catalog.dataset(name, card.version)
    with dataset_lock(name, "reproduce", actor, now):
        steps = Steps(of=6, told=progress)
        model, made = prediction.learn(dataset, challenge.settings_of(card), steps=steps)
        if made.rows != card.rows or made.leavers != card.leavers:
            raise EngineError(f"{card.model_id} learned from {card.rows:,} rows, and its data have {made.rows:,} now: "
                              "customers were erased since, so that it cannot be made again.")
        with steps("Hold the scores against each other"):
            told = _held_against(name, dataset, card, prediction.Model.of(parts), model, made)
    state.record(actor, "reproduce", name, now, {"model_id": card.model_id, "same": told.same})
    return told


def _held_against(name: str, dataset: Dataset, card: ModelCard, stored: prediction.Model, made: prediction.Model,
                  new: ModelCard) -> Again:
    old, again = (prediction.score(model, dataset, dataset.observed_until).scores for model in (stored, made))
    apart = np.abs(old["churn_probability"].to_numpy() - again["churn_probability"].to_numpy())
    kept, held = challenge.rows_of(name, card), made.held_out
    assert held is not None, "a model that has just been learned holds its held-out rows"
    far = None if kept is None else float(np.abs(kept.rows["probability"] - held.rows["probability"]).max())
    same = bool(old.equals(again)) and (kept is None or pd.DataFrame.equals(kept.rows, held.rows))
    written, sealed = store.digests(made.parts(), made.tables()), store.sealed(name, card.model_id)
    return Again(card.model_id, card.version, same, len(old), float(apart.max()), far, len(written),
                 sum(sealed.get(file) == digest for file, digest in written.items()),
                 store.written_with(name, card.model_id), new.model_id == card.model_id)
