"""The front door: what pages, scripts and the command line may call. Everything else is a room behind it.

A room is entered when something of it is asked for, and brings its libraries then: small questions get quick answers.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from engine.errors import DataError, EngineError, Infeasible, Refused
from engine.permissions import allow, may
from engine.schema import Actor, Dataset, Estimate, Finding, ModelCard, Table, dictionary, jsonable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from datetime import datetime

    from engine import jobs
    from engine.backup import back_up
    from engine.briefing import digest
    from engine.champions import promote, rollback
    from engine.data.adapters import ADAPTERS
    from engine.data.demo import DEMOS
    from engine.decision.playbooks import playbook
    from engine.erasure import erase_customer, erase_dataset
    from engine.pipeline import learn, onboard, predict, report_of, run, run_demos, score, score_file, train
    from engine.prediction.model import Model
    from engine.prediction.money import LtvSettings
    from engine.prediction.settings import Settings
    from engine.prediction.thresholds import Line
    from engine.restoring import restore

__all__ = [
    "ADAPTERS", "DEMOS", "Actor", "DataError", "Dataset", "EngineError", "Estimate", "Finding", "Infeasible",
    "Line", "LtvSettings", "ModelCard", "Refused", "Settings", "Table", "audit_log", "back_up", "cancel_job",
    "describe_datasets", "describe_jobs", "describe_models", "describe_runs", "describe_versions", "dictionary",
    "digest", "erase_customer", "erase_dataset", "finish_restore", "jsonable", "learn", "may", "model_card",
    "onboard", "open_model", "playbook", "predict", "promote", "rejected_file", "report_of", "restore", "rollback",
    "run", "run_demos", "score", "score_file", "start_job", "train",
]

ROOMS = {
    "backup": ("back_up",),
    "briefing": ("digest",),
    "champions": ("promote", "rollback"),
    "data.adapters": ("ADAPTERS",),
    "data.demo": ("DEMOS",),
    "decision.playbooks": ("playbook",),
    "erasure": ("erase_customer", "erase_dataset"),
    "pipeline": ("learn", "onboard", "predict", "report_of", "run", "run_demos", "score", "score_file", "train"),
    "prediction.money": ("LtvSettings",),
    "prediction.settings": ("Settings",),
    "prediction.thresholds": ("Line",),
    "restoring": ("restore",),
}
JOBS_PER_HOUR = 60

if not TYPE_CHECKING:
    def __getattr__(name: str) -> Any:
        """What a room offers at the door, fetched when it is first asked for."""
        room = next((room for room, offers in ROOMS.items() if name in offers), None)
        if room is None:
            raise AttributeError(f"module 'engine' has no attribute {name!r}")
        globals()[name] = found = getattr(import_module(f"engine.{room}"), name)
        return found


def describe_datasets(actor: Actor) -> list[dict[str, Any]]:
    """Each dataset's current version: name, version, adapter, customers, moment, label, whether it is synthetic."""
    from engine import catalog, listings

    allow(actor, "datasets")
    return listings.of_datasets(catalog.datasets())


def describe_models(name: str, actor: Actor) -> list[dict[str, Any]]:
    """Each of the dataset's models: id, stage, algorithm and metrics with their intervals."""
    from engine import catalog, listings
    from engine.prediction import store

    allow(actor, "models")
    catalog.dataset(name)
    return listings.of_models(store.models(name))


def describe_runs(name: str, actor: Actor) -> list[dict[str, Any]]:
    """Each of the dataset's scoring runs, the latest knowledge last."""
    from engine import catalog, listings

    allow(actor, "models")
    catalog.dataset(name)
    return listings.of_runs(catalog.runs(name))


def describe_versions(name: str, actor: Actor) -> list[dict[str, Any]]:
    """Each of the dataset's versions, the newest first: what was read, found, rejected, and erased since."""
    from engine import listings

    allow(actor, "datasets")
    return listings.of_versions(name)


def rejected_file(name: str, version: str, *, actor: Actor, now: datetime) -> bytes:
    """The rows that could not be taken, each with its reason, as a CSV file that no spreadsheet executes."""
    from engine import catalog, reports, state

    allow(actor, "contact")
    allow(actor, "export")
    written, rows = reports.rejected_csv(catalog.dataset(name, version))
    state.record(actor, "export", name, now, {"rejected": rows, "version": version})
    return written


def model_card(name: str, model_id: str) -> ModelCard:
    """The card of one of the dataset's models: figures about all customers together."""
    from engine.prediction import store

    return store.card(name, model_id)


def open_model(name: str, model_id: str) -> tuple[Model, ModelCard]:
    """One of the dataset's models, its files checked, and its card; hand it to `predict` to score without reloading."""
    from engine.pipeline import opened

    return opened(name, model_id)


def audit_log(limit: int, actor: Actor, customer_id: str | None = None, *, verb: str | None = None,
              who: str | None = None, about: str | None = None,
              since: datetime | None = None) -> list[Mapping[str, Any]]:
    """Who did what, the newest first; about one customer, of one verb, actor or subject, or since a moment."""
    from engine import state

    allow(actor, "audit")
    found = state.audit_log(limit, verb, customer_id, who=who, about=about, since=since)
    return [{"at": entry.at.isoformat(), "actor": entry.actor.id, "role": entry.actor.role, "verb": entry.verb,
             "about": entry.about, "detail": entry.detail} for entry in found]


def start_job(args: Sequence[str], dataset: str, *, actor: Actor, now: datetime) -> dict[str, Any]:
    """Run a verb in the background; returns the job. An actor starts at most 60 within an hour."""
    from engine import jobs
    from engine.limits import within

    within(actor, "start", JOBS_PER_HOUR, 3600, now)
    return _described(jobs.status(jobs.start(args, dataset, actor, now)))


def describe_jobs(actor: Actor, limit: int = 50) -> list[dict[str, Any]]:
    """The background jobs, the newest first, each with the step it is at and how much of that and of all is done."""
    from engine import jobs

    allow(actor, "jobs")
    return [_described(job) for job in jobs.jobs(limit=limit)]


def cancel_job(job_id: int, *, actor: Actor, now: datetime) -> dict[str, Any]:
    """Stop a background job; what it had not finished is as if it had never begun."""
    from engine import jobs

    return _described(jobs.cancel(job_id, actor, now))


def finish_restore(actor: Actor, now: datetime) -> bool:
    """Carry out a restore that was decided before a crash, and erase again who is to be; whether there was one."""
    from engine import catalog

    if not catalog.decided_restore().is_dir() and not catalog.erased_since().is_file():
        return False
    from engine import restoring

    return restoring.finish_restore(actor, now)


def _described(job: jobs.Job) -> dict[str, Any]:
    from engine import jobs
    from engine.progress import Progress

    told = jobs.progress_of(job.id)
    last = told[-1] if told else Progress("", 0, 0)
    return {"job_id": job.id, "dataset": job.dataset, "verb": job.verb, "command": " ".join(job.args),
            "actor": job.actor.id, "status": job.status, "at": job.at.isoformat(), "step": last.step,
            "done": last.done, "of": last.of, "part": last.part, "share": last.share, "exit_code": job.exit_code,
            "error": job.error, "seconds": jobs.seconds_of(job)}
