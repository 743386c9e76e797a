"""The verb `correct`: try a correction of the events, record what it brings, and keep it where a person says so.

What came is never changed: a correction that is kept becomes a version of its own, with the same raw files.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from engine import catalog, files, state
from engine.data.corrections import OPTION, RULES, corrected, note, version_after
from engine.errors import EngineError, choose
from engine.locks import dataset_lock
from engine.permissions import allow
from engine.prediction.correction import Trial, remember, tried
from engine.prediction.correction import trials as recorded
from engine.prediction.settings import Settings
from engine.progress import Steps, Told
from engine.schema import Actor, Dataset, Reading, Source, jsonable

DEFAULTS = Settings()
STEPS = 4


def correct(name: str, rule: str, *, keep: bool = False, actor: Actor, now: datetime, settings: Settings = DEFAULTS,
            progress: Told | None = None) -> dict[str, Any]:
    """Try a rule on the dataset's version in use; returns the trial with its verdict, in plain values.

    keep: make the corrected data the version in use if the verdict is to keep them; train again then.

    Raises:
        EngineError: when the dataset has no events or no label, or has been corrected by the rule already.
    """
    allow(actor, "correct")
    choose("correction", rule, RULES)
    with dataset_lock(name, "correct", actor, now):
        dataset, steps = catalog.dataset(name), Steps(of=STEPS + keep, told=progress)
        trial = tried(dataset, rule, settings, by=actor.id, at=now, steps=steps)
        if keep and trial.verdict == "keep":
            with steps("Keep the corrected data"):
                trial = replace(trial, kept_as=_keep(dataset, trial, actor, now))
        remember(trial)
    told = {"rule": rule, "version": trial.version, "verdict": trial.verdict, "kept_as": trial.kept_as}
    state.record(actor, "correct", name, now, told)
    return described(trial) | {"asked_to_keep": keep}


def undo(name: str, *, actor: Actor, now: datetime) -> str:
    """Make the version that was corrected last the one in use again; returns its name. Train again then.

    Raises:
        EngineError: when the version in use is not a corrected one.
    """
    allow(actor, "correct")
    with dataset_lock(name, "correct", actor, now):
        dataset = catalog.dataset(name)
        rules = dataset.options.get(OPTION, ())
        before = [version for version in catalog.versions(name)
                  if rules and version_after(version, rules[-1]) == dataset.version]
        if not before:
            raise EngineError(f"Version {dataset.version} of {name} is in use as it came: there is nothing to undo.")
        catalog.use(catalog.dataset(name, before[0]))
    state.record(actor, "correct", name, now, {"undone": rules[-1], "version": before[0]})
    return before[0]


def trials(name: str, actor: Actor) -> list[dict[str, Any]]:
    """Every correction tried on the dataset, the latest first, in plain values."""
    allow(actor, "datasets")
    catalog.dataset(name)
    return [described(trial) for trial in recorded(name)]


def described(trial: Trial) -> dict[str, Any]:
    """A trial in plain values, with what it changed in words."""
    return {**jsonable(trial), "says": RULES[trial.rule].says, "did": trial.changed.words()}


def _keep(dataset: Dataset, trial: Trial, actor: Actor, now: datetime) -> str:
    """Make the corrected data a version of the dataset, the one in use; returns its name."""
    with catalog.staging(dataset.name) as staged:
        copied = _copied(dataset, staged)
        better, changed = corrected(copied, trial.rule, staged)
        assert better.events is not None and copied.events is not None, "what has been tried has events"
        better.events.replace(copied.events)
        reading = Reading(replace(better, events=copied.events),
                          (*catalog.findings(dataset), note(trial.rule, changed)), catalog.rejected_file(dataset))
        kept = catalog.register(reading, staged, catalog.raw(dataset), actor=actor, now=now, apart=_apart(dataset))
    return kept.version


def _copied(dataset: Dataset, into: Path) -> Dataset:
    """The dataset with its tables copied, and its sources as the raw files are now: erasures may have changed them."""
    places: dict[str, Any] = {}
    for table in catalog.TABLES:
        path = getattr(dataset, table)
        if path is not None:
            places[table] = into / path.name
            shutil.copyfile(path, places[table])
    rows = {source.name: source.rows for source in dataset.sources}
    raw = catalog.raw(dataset)
    if not raw:
        raise EngineError(f"{dataset.name} has lost its raw files to an erasure. Bring the file again first.")
    sources = tuple(Source(path.name, files.sha256(path), rows.get(path.name, 0)) for path in raw)
    return replace(dataset, sources=sources, **places)


def _apart(dataset: Dataset) -> dict[str, Path]:
    """What is kept apart from the version, such as a demo's truth."""
    folder = dataset.customers.parent / "apart"
    return {path.stem: path for path in sorted(folder.glob("*"))} if folder.is_dir() else {}
