"""Erasing: one customer of a dataset, or a dataset, everywhere in the home.

    data/<dataset>/erasing.json    the customer whose erasure is under way; whoever erases there next completes it first
    data/.erased-<token>/          a dataset on its way out: gone for everyone, removed by whoever erases next

What cannot be done is said in the report: a model does not unlearn, and nothing here reaches backups, exported files or
another customer's row that mentions the id. The audit log calls a customer by a keyed hash (engine/pseudonyms.py), so
that its lines stay.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from engine import catalog, forgetting, jobs, locks, saved, state
from engine.campaign import traces
from engine.catalog import data_home, dataset_folder
from engine.data.readers import digest
from engine.errors import EngineError
from engine.files import read_record, write_record, writing
from engine.forgetting import Removed
from engine.locks import dataset_lock
from engine.permissions import allow
from engine.prediction import store
from engine.pseudonyms import pseudonym
from engine.schema import Actor
from engine.uploads import Upload

ELSEWHERE = "Not within reach: backups, exported files, and files that `score` wrote."
NOT_IN_DATA = "No version of the data holds that id: what went are traces of it beside the data."
MENTIONED = "Rows of other customers that mention the id stay as they are."

TELLING = 3  # characters from which on a text tells who is meant


@dataclass(frozen=True)
class Erasing:
    """An erasure that has begun: who is to be forgotten, why, who asked, when (naive UTC)."""

    customer_id: str
    reason: str
    actor: Actor
    at: datetime


def erase_customer(name: str, customer_id: str, *, reason: str, actor: Actor, now: datetime) -> dict[str, Any]:
    """Remove a customer from every version, run, upload, job and saved item of a dataset; returns what was done.

    An erasure that was interrupted there is completed first. Done again, nothing more is found, and that is said.

    Raises:
        EngineError: when nobody of that id is or was known, somebody is at work there, or the reason names them.
    """
    allow(actor, "erase")
    if not catalog.versions(name):
        catalog.dataset(name)
    erasing = Erasing(customer_id.strip(), reason.strip(), actor, now)
    _refuse_names(name, erasing)
    with dataset_lock(name, "erase", actor, now):
        _refuse_job(name)
        _complete(name)
        write_record(_marker(name), erasing)
        removed = forgetting.forget(name, erasing.customer_id)
        known = removed.anything or _was_erased(name, erasing.customer_id)
        if known:
            _record(name, erasing, removed)
        _marker(name).unlink()
    if not known:
        raise EngineError(f"{name} knows no customer {customer_id!r}. Ids are compared as text, zeros included.")
    return _report(name, removed)


def erase_dataset(name: str, *, confirm: str, reason: str, actor: Actor, now: datetime) -> dict[str, Any]:
    """Remove a dataset with its versions, runs, models, jobs and saved items; `confirm` repeats its name.

    Raises:
        EngineError: when there is no such dataset, its name is not repeated, or somebody is at work on it.
    """
    allow(actor, "erase")
    sweep()
    folder, models = dataset_folder(name), store.models_home() / name
    if not folder.is_dir() and not models.is_dir():
        catalog.dataset(name)
    if confirm != name:
        raise EngineError(f"To erase {name}, repeat its name exactly; {confirm[:80]!r} is another.")
    with dataset_lock(name, "erase", actor, now):
        _refuse_job(name)
        removed = Removed(
            versions=tuple(path.parent.name for path in sorted(folder.glob("[!.]*/dataset.json"))),
            runs=len(list(folder.glob("runs/[!.]*/run.json"))),
            models=tuple(path.parent.name for path in sorted(models.glob("[!.]*/card.json"))),
            uploads=forgetting.drop_uploads(_is_source(name)), jobs=jobs.forget(name), saved=saved.forget_dataset(name),
            ledger=traces.forget_dataset(name),
        )
        with writing(folder):
            if models.is_dir():
                shutil.move(models, folder / f"models-{secrets.token_hex(4)}")
            folder.rename(data_home() / f".erased-{secrets.token_hex(8)}")
    sweep()
    removed = replace(removed, scrubbed=state.scrub())
    state.record(actor, "erase", name, now, {"reason": reason.strip(), "dataset": name, **_said(removed)})
    return {"dataset": name, **_said(removed), "advice": [ELSEWHERE, *_unscrubbed(removed)]}


def sweep() -> int:
    """Remove what is left of erased datasets; returns of how many."""
    gone = list(data_home().glob(".erased-*"))
    for folder in gone:
        shutil.rmtree(folder, ignore_errors=True)
    return len(gone)


def unfinished(actor: Actor) -> list[str]:
    """The datasets in which an erasure was interrupted and nobody is at work."""
    allow(actor, "erase")
    names = [path.parent.name for path in sorted(data_home().glob("[!.]*/erasing.json"))]
    return [name for name in names if not locks.is_held(name)]


def complete(name: str, *, actor: Actor, now: datetime) -> None:
    """Complete the erasure that was interrupted there; nothing happens when there is none."""
    allow(actor, "erase")
    with dataset_lock(name, "erase", actor, now):
        _complete(name)


def _complete(name: str) -> None:
    if _marker(name).is_file():
        erasing: Erasing = read_record(_marker(name), Erasing)
        _record(name, erasing, forgetting.forget(name, erasing.customer_id, resumed=True))
        _marker(name).unlink()


def _marker(name: str) -> Path:
    return dataset_folder(name) / "erasing.json"


def _was_erased(name: str, customer_id: str) -> bool:
    called = pseudonym(customer_id)
    return any(called in version.erased for version in forgetting.versions_of(name))


def _refuse_job(name: str) -> None:
    """An erasure removes its own traces, so it cannot be a job that others watch."""
    holder = locks.holder(name)
    if holder is not None and holder.job is not None:
        raise EngineError("Erase on the screen Data or from a shell, not as a background job.")


def _refuse_names(name: str, erasing: Erasing) -> None:
    if not erasing.customer_id:
        raise EngineError("No customer was named. Give the id as the data hold it.")
    telling = [text for text in forgetting.texts_of(name, erasing.customer_id) if len(text) >= TELLING]
    if telling and forgetting.named(telling).search(erasing.reason):
        raise EngineError("The reason stays in the audit log: leave the customer's id, name and addresses out of it.")


def _is_source(name: str) -> Callable[[Upload], bool]:
    """Whether an upload is what a version of the dataset was read from, by its bytes; none is of a damaged dataset."""
    known: set[str] = set()
    with suppress(EngineError):
        known = {source.sha256 for version in forgetting.versions_of(name) for source in version.sources}
    return lambda upload: any(digest(path) in known for path in upload.sources)


# ------------------------------------------------------------------------------------------------ what is said

def _record(name: str, erasing: Erasing, removed: Removed) -> None:
    detail = {"customer_id": erasing.customer_id, "reason": erasing.reason, **_said(removed)}
    state.record(erasing.actor, "erase", name, erasing.at, detail)


def _said(removed: Removed) -> dict[str, Any]:
    return {"found": removed.anything, **asdict(removed)}


def _report(name: str, removed: Removed) -> dict[str, Any]:
    return {"dataset": name, **_said(removed),
            "advice": [*_advice(name, removed), ELSEWHERE, MENTIONED, *_unscrubbed(removed)]}


def _advice(name: str, removed: Removed) -> list[str]:
    """What is left for a person to do or to know."""
    told = [] if removed.versions else [NOT_IN_DATA if removed.anything else
                                        "Nothing more was found: the customer had been erased before."]
    if removed.raw:
        told.append(f"Raw files that cannot be rewritten safely went as a whole: {', '.join(removed.raw)}.")
    if removed.models:
        told.append(f"Learned from data that held the customer: {', '.join(removed.models)}. A model does not unlearn; "
                    f"train again: python -m engine train --dataset {name}.")
    return told


def _unscrubbed(removed: Removed) -> list[str]:
    return [] if removed.scrubbed else ["The database's log still holds what was removed, since somebody was reading; "
                                        "it sheds it with the next erasure."]
