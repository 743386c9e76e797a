"""What is under way, whether anything has changed, what is to be swept: asked often by open screens, so it is cheap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from engine import erasure, files, jobs, locks, uploads
from engine.catalog import NAME, data_home
from engine.data.sources import sources_home
from engine.files import short_hash
from engine.jobs import UNDER_WAY, Job
from engine.permissions import allow
from engine.prediction import store
from engine.progress import Progress
from engine.schema import Actor
from engine.uploads import Upload

NEWEST = 20
POINTERS = ("current", "runs/current", "erasing.json")


@dataclass(frozen=True)
class Work:
    """Somebody's work on a dataset: who, which verb, since when (naive UTC).

    job: its id, None for a verb that runs in a shell. at: how far it is, as last told; None while nothing is.
    """

    dataset: str
    verb: str
    who: str
    since: datetime
    job: int | None = None
    at: Progress | None = None


def tidy(now: datetime) -> None:
    """Remove what nobody needs any more: uploads that a job has taken in or that are a day old, remains of erasures."""
    erasure.sweep()
    uploads.sweep(now)
    files.sweep(sources_home())
    for upload in uploads.every():
        job = job_of(upload)
        if job and job.status == "done":
            uploads.remove(upload)


def job_of(upload: Upload) -> Job | None:
    """The latest job that reads an upload's files; None when none of the newest does."""
    return next((job for job in jobs.jobs(limit=NEWEST) if any(upload.token in word for word in job.args)), None)


def under_way(actor: Actor) -> list[Work]:
    """All work at this moment: background jobs, and verbs that run in a shell somewhere."""
    allow(actor, "jobs")
    mine = [job for job in jobs.jobs(limit=NEWEST) if job.status in UNDER_WAY]
    return [*map(_of_job, mine), *_in_shells({job.dataset for job in mine})]


def _of_job(job: Job) -> Work:
    told = jobs.progress_of(job.id)
    return Work(job.dataset, job.verb, job.actor.id, job.at, job.id, told[-1] if told else None)


def _in_shells(known: set[str]) -> Iterator[Work]:
    for path in sorted(data_home().glob("[!.]*/.lock")):
        holder = locks.holder(path.parent.name) if NAME.fullmatch(path.parent.name) else None
        if holder and holder.job is None and path.parent.name not in known:
            yield Work(path.parent.name, holder.verb, holder.who, holder.since)


def pulse(actor: Actor) -> str:
    """A few digits that change when a dataset, a run, a production model or a job comes, goes or ends."""
    allow(actor, "jobs")
    states = [(job.id, job.status) for job in jobs.jobs(limit=NEWEST)]
    return short_hash(states, _all_touched(), [work.dataset for work in _in_shells(set())])


def standing(actor: Actor) -> str:
    """A few digits that change when a dataset, a run or a production model comes or goes, whatever is under way."""
    allow(actor, "datasets")
    return short_hash(_all_touched())


def _all_touched() -> list[tuple[str, int]]:
    folders = [path.parent for path in sorted(data_home().glob("[!.]*/current"))]
    return [_touched(path) for folder in folders for path in _pointers(folder)]


def _pointers(folder: Path) -> Iterator[Path]:
    yield from (folder / name for name in POINTERS)
    yield store.models_home() / folder.name / "production"


def _touched(path: Path) -> tuple[str, int]:
    try:
        return path.parent.name, path.stat().st_mtime_ns
    except FileNotFoundError:
        return path.parent.name, 0
