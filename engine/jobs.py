"""Long work in the background: the same command-line verb as a process of its own, with a row in the jobs table.

    data/.jobs/<id>/    began (empty), progress.jsonl, stdout.json (the verb's one JSON object), stderr.log, exit (its
                        exit code)

A job lives while it holds its dataset's lock. The exit code is written by the shell that the verb runs in, so that it
is known even when whoever started the job is gone. Jobs are nice: whoever looks at a screen meanwhile goes first.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from engine import catalog, locks, progress
from engine.catalog import data_home
from engine.data.sources import PASSWORD, hidden
from engine.errors import EngineError
from engine.files import writing
from engine.locks import Holder, dataset_lock
from engine.permissions import ACTOR, allow
from engine.progress import Progress, read_progress
from engine.schema import Actor
from engine.state import JOBS, reader, record, writer

__all__ = ["Job", "cancel", "dataset_lock", "jobs", "progress_of", "result", "seconds_of", "start",
           "status", "wait"]

COMMAND = (sys.executable, "-m", "engine")
KEEP_EXIT_CODE = 'nice -n 15 "$@"; code=$?; echo $code > "$0.part" && mv "$0.part" "$0"; exit $code'
UNDER_WAY = ("queued", "running")
BUG, SIGNALLED = 1, 128
ERASED = "(erased)"
TAIL_BYTES = 4000
POLL_SECONDS = 0.05

_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


@dataclass(frozen=True)
class Job:
    """One piece of background work. `status`: queued, running, done, failed or cancelled; `error`: why it failed."""

    id: int
    dataset: str
    args: tuple[str, ...]
    actor: Actor
    at: datetime
    status: str
    pid: int | None = None
    exit_code: int | None = None
    error: str = ""

    @property
    def verb(self) -> str:
        """What it does: the first of its arguments."""
        return self.args[0]

    @property
    def folder(self) -> Path:
        """Where its files are."""
        return data_home() / ".jobs" / str(self.id)


def start(args: Sequence[str], dataset: str, actor: Actor, now: datetime, command: Sequence[str] = COMMAND) -> int:
    """Run a verb in the background, `command args --json`; returns its id. EngineError while the dataset is taken.

    A password in a database's URL reaches the process through its environment, never the jobs table.
    """
    allow(actor, args[0])
    args, secret = hidden(args)
    lock = locks.take(dataset)
    try:
        job = _enter(args, dataset, actor, now)
        locks.sign(lock, Holder(actor.id, job.verb, now, job.id))
        _launch(job, command, lock, {PASSWORD: secret} if secret else {})
    finally:
        os.close(lock)
    record(actor, "start", dataset, now, {"job": job.id, "verb": job.verb})
    return job.id


def _enter(args: Sequence[str], dataset: str, actor: Actor, now: datetime) -> Job:
    row = {"dataset": dataset, "args": list(args), "actor": actor.id, "role": actor.role, "at": now, "status": "queued"}
    with writer() as connection:
        number = connection.scalar(sa.insert(JOBS).values(row).returning(JOBS.c.id))
    assert number is not None, "An insert that returns its id always has one."
    return Job(number, dataset, tuple(args), actor, now, "queued")


def _launch(job: Job, command: Sequence[str], lock: int, secret: Mapping[str, str]) -> None:
    """Start the process in a group of its own, handing it the locked file; the row learns its number."""
    arguments = [*command, *job.args, *(() if "--json" in job.args else ("--json",))]
    with writing(job.folder):
        shutil.rmtree(job.folder, ignore_errors=True)  # of an earlier database that counted from 1 too
        job.folder.mkdir(parents=True, mode=0o700)
        (job.folder / "began").touch()
        environment = {**_environment(job, lock), **secret}
        with (job.folder / "stdout.json").open("wb") as out, (job.folder / "stderr.log").open("wb") as err:
            process = subprocess.Popen(["/bin/sh", "-c", KEEP_EXIT_CODE, str(job.folder / "exit"), *arguments],
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=err, env=environment,
                                       pass_fds=(lock,), start_new_session=True)
    _CHILDREN[process.pid] = process
    _update(job.id, status="running", pid=process.pid)


def _environment(job: Job, lock: int) -> dict[str, str]:
    project = Path(__file__).resolve().parent.parent
    paths = [str(project), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths), locks.INHERITED: str(lock),
            ACTOR: f"{job.actor.id}:{job.actor.role}", progress.FILE: str(job.folder / "progress.jsonl")}


def status(job_id: int) -> Job:
    """The job as it is now; a process that has ended, or vanished, is noticed here."""
    return _settled(_row(job_id))


def jobs(dataset: str | None = None, limit: int = 50) -> list[Job]:
    """The newest jobs, newest first; of one dataset when it is given."""
    query = sa.select(JOBS).order_by(JOBS.c.id.desc()).limit(limit)
    with reader() as connection:
        rows = connection.execute(query if dataset is None else query.where(JOBS.c.dataset == dataset)).all()
    return [_settled(_job(row)) for row in rows]


def progress_of(job_id: int) -> list[Progress]:
    """What the job has told of its steps, oldest first."""
    return read_progress(_row(job_id).folder / "progress.jsonl")


def seconds_of(job: Job) -> float | None:
    """How long it ran [s]; None while it does, and where it was stopped or its files are gone."""
    began, ended = job.folder / "began", job.folder / "exit"
    with suppress(FileNotFoundError):
        return ended.stat().st_mtime - began.stat().st_mtime
    return None


def result(job_id: int) -> dict[str, Any]:
    """The JSON object that the verb printed; EngineError while there is none."""
    job = status(job_id)
    if job.status != "done":
        raise EngineError(f"Job {job_id} has no result: it is {job.status}. {job.error}".rstrip())
    path = job.folder / "stdout.json"
    if not path.is_file():
        raise EngineError(f"What job {job_id} printed is gone: an erasure removed it. Start it again.")
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def cancel(job_id: int, actor: Actor, now: datetime, grace_seconds: float = 10.0) -> Job:
    """End a job: ask its processes to stop, and after the grace stop them. One that has ended stays as it is."""
    allow(actor, "cancel")
    job = status(job_id)
    if job.status not in UNDER_WAY or not _update(job_id, status="cancelled"):
        return status(job_id)
    record(actor, "cancel", job.dataset, now, {"job": job_id, "verb": job.verb})
    if not _end(job, signal.SIGTERM, grace_seconds):
        _end(job, signal.SIGKILL, grace_seconds)
    _tidy(job.dataset, actor, now)
    return status(job_id)


def _tidy(dataset: str, actor: Actor, now: datetime) -> None:
    """What a first training read goes with it when it is cancelled; not where somebody has begun anew meanwhile."""
    with suppress(EngineError), locks.dataset_lock(dataset, "cancel", actor, now):
        catalog.discard_unused(dataset)


def forget(dataset: str) -> int:
    """Remove the dataset's jobs and all they printed; returns how many. For whoever holds the dataset's lock."""
    with writer() as connection:
        gone = connection.scalars(sa.delete(JOBS).where(JOBS.c.dataset == dataset).returning(JOBS.c.id)).all()
    for number in gone:
        shutil.rmtree(data_home() / ".jobs" / str(number), ignore_errors=True)
    return len(gone)


def forget_customer(dataset: str, customer_id: str, texts: Sequence[str]) -> int:
    """Take a customer out of the dataset's jobs: the id out of the arguments, and whatever printed one of the texts."""
    with reader() as connection:
        rows = [_job(row) for row in connection.execute(sa.select(JOBS)).all()]
    mine = [_settled(job) for job in rows if dataset in (job.dataset, *job.args)]
    return sum([_unnamed(job, customer_id) | _unprinted(job, texts) for job in mine])


def _unnamed(job: Job, customer_id: str) -> bool:
    args = [_without(word, customer_id) for word in job.args]
    if args == list(job.args):
        return False
    with writer() as connection:
        connection.execute(sa.update(JOBS).where(JOBS.c.id == job.id).values(args=args))
    return True


def _without(word: str, customer_id: str) -> str:
    """The argument, or what stands for the id in it.

    >>> _without("--customer-id=7", "7"), _without("7", "7"), _without("77", "7")
    ('--customer-id=(erased)', '(erased)', '77')
    """
    option, _, value = word.rpartition("=")
    return f"{option}={ERASED}" if option and value == customer_id else ERASED if word == customer_id else word


def _unprinted(job: Job, texts: Sequence[str]) -> bool:
    said = [form.encode() for text in texts for form in (text, json.dumps(text)[1:-1])]
    held = [path for path in (job.folder / "stdout.json", job.folder / "stderr.log")
            if path.is_file() and any(text in path.read_bytes() for text in said)]
    for path in held:
        path.unlink()
    return bool(held)


def wait(job_id: int, seconds: float) -> Job:
    """The job once it has ended, or as it is after so many seconds."""
    until = time.monotonic() + seconds
    while (job := status(job_id)).status in UNDER_WAY and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    return job


def _end(job: Job, how: signal.Signals, seconds: float) -> bool:
    """Send a signal to the job's processes; whether all of them have ended within the time."""
    until = time.monotonic() + seconds
    if job.pid is not None and _lives(job):
        os.killpg(job.pid, how)
    while _lives(job) and time.monotonic() < until:
        time.sleep(POLL_SECONDS)
    return not _lives(job)


def _lives(job: Job) -> bool:
    """Whether any process of the job is left: they hold the dataset's lock, and nobody else does meanwhile."""
    _reap()
    holder = locks.holder(job.dataset)
    if job.status == "queued":
        return locks.is_held(job.dataset)
    return holder is not None and holder.job == job.id


def _reap() -> None:
    """Take note of this process's own children that have ended, so that the system can forget them."""
    for pid, child in list(_CHILDREN.items()):
        if child.poll() is not None:
            _CHILDREN.pop(pid, None)


def _settled(job: Job) -> Job:
    """The job with its end, once its processes are gone."""
    if job.status in UNDER_WAY and not _lives(job):
        code = _exit_code(job)
        _update(job.id, status="done" if code == 0 else "failed", exit_code=code)
        job = _row(job.id)
    return replace(job, error=_why(job)) if job.status == "failed" else job


def _exit_code(job: Job) -> int | None:
    """What the verb's process ended with; None when it vanished without a word."""
    path = job.folder / "exit"
    return int(path.read_text()) if path.is_file() else None


def _why(job: Job) -> str:
    """What the verb asks for; or, where it could not say, what happened and what to do."""
    if job.exit_code is None:
        return "Its process vanished: it was killed, or the machine restarted. Start it again."
    if job.exit_code == BUG:
        return f"A bug stopped it, not your data. The log is at {job.folder / 'stderr.log'}."
    if job.exit_code > SIGNALLED:
        return (f"It was killed (signal {job.exit_code - SIGNALLED}), by hand or because memory ran out. Start it "
                "again, when less else is running.")
    return _refusal(job)


def _refusal(job: Job) -> str:
    """The error that the verb printed as JSON, or else the end of what it said on stderr."""
    with suppress(OSError, ValueError, KeyError):
        return str(json.loads((job.folder / "stdout.json").read_text(encoding="utf-8"))["error"])
    path = job.folder / "stderr.log"
    return path.read_bytes()[-TAIL_BYTES:].decode(errors="replace").strip() if path.is_file() else ""


def _update(job_id: int, **values: object) -> bool:
    """Change a job that is under way; False when it has ended, for an end is final."""
    under_way = (JOBS.c.id == job_id) & JOBS.c.status.in_(UNDER_WAY)
    with writer() as connection:
        return connection.execute(sa.update(JOBS).where(under_way).values(values)).rowcount == 1


def _row(job_id: int) -> Job:
    with reader() as connection:
        row = connection.execute(sa.select(JOBS).where(JOBS.c.id == job_id)).one_or_none()
    if row is None:
        raise EngineError(f"There is no job {job_id}. List them with: python -m engine jobs.")
    return _job(row)


def _job(row: Any) -> Job:
    actor = Actor(row.actor, row.role)
    return Job(row.id, row.dataset, tuple(row.args), actor, row.at, row.status, row.pid, row.exit_code)
