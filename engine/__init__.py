"""The front door: what pages, scripts and the command line may call. Everything else is a room behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from engine import catalog, jobs, reports, state
from engine.data.adapters import ADAPTERS
from engine.data.demo import DEMOS
from engine.decision.playbooks import playbook
from engine.errors import DataError, EngineError, Infeasible, Refused
from engine.permissions import allow, may
from engine.pipeline import learn, onboard, predict, report_of, run, run_demos, score, score_file
from engine.prediction import store
from engine.prediction.model import Model
from engine.prediction.money import LtvSettings
from engine.prediction.settings import Settings
from engine.prediction.thresholds import Line
from engine.schema import Actor, Dataset, Estimate, Finding, ModelCard, Table, dictionary, jsonable

__all__ = [
    "ADAPTERS", "DEMOS", "Actor", "DataError", "Dataset", "EngineError", "Estimate", "Finding", "Infeasible",
    "Line", "LtvSettings", "ModelCard", "Refused", "Settings", "Table", "audit_log", "cancel_job",
    "describe_datasets", "describe_jobs", "describe_models", "describe_runs", "dictionary", "jsonable", "learn",
    "may", "model_card", "onboard", "open_model", "playbook", "predict", "promote", "report_of", "rollback", "run", "run_demos", "score", "score_file",
    "start_job",
]


def describe_datasets(actor: Actor) -> list[dict[str, Any]]:
    """Each dataset's current version: name, version, adapter, customers, moment, label, whether it is synthetic."""
    allow(actor, "datasets")
    return reports.of_datasets(catalog.datasets())


def describe_models(name: str, actor: Actor) -> list[dict[str, Any]]:
    """Each of the dataset's models: id, stage, algorithm and metrics with their intervals."""
    allow(actor, "models")
    catalog.dataset(name)
    return reports.of_models(store.models(name))


def describe_runs(name: str, actor: Actor) -> list[dict[str, Any]]:
    """Each of the dataset's scoring runs, the latest knowledge last."""
    allow(actor, "models")
    catalog.dataset(name)
    return reports.of_runs(catalog.runs(name))


def model_card(name: str, model_id: str) -> ModelCard:
    """The card of one of the dataset's models: figures about all customers together."""
    return store.card(name, model_id)


def open_model(name: str, model_id: str) -> tuple[Model, ModelCard]:
    """One of the dataset's models, its files checked, and its card; hand it to `predict` to score without reloading."""
    parts, card = store.load(name, model_id)
    return Model.of(parts), card


def promote(name: str, model_id: str, *, actor: Actor, now: datetime) -> str:
    """Make a model the production model; returns its id."""
    allow(actor, "promote")
    promoted = store.promote(name, model_id)
    state.record(actor, "promote", name, now, {"model_id": promoted})
    return promoted


def rollback(name: str, *, actor: Actor, now: datetime) -> str:
    """Go back to the production model before the current one; returns its id."""
    allow(actor, "rollback")
    restored = store.rollback(name)
    state.record(actor, "rollback", name, now, {"model_id": restored})
    return restored


def audit_log(limit: int, actor: Actor) -> list[Mapping[str, Any]]:
    """Who did what, the newest first."""
    allow(actor, "audit")
    return [{"at": entry.at.isoformat(), "actor": entry.actor.id, "role": entry.actor.role, "verb": entry.verb,
             "about": entry.about, "detail": entry.detail} for entry in state.audit_log(limit)]


def start_job(args: Sequence[str], dataset: str, *, actor: Actor, now: datetime) -> dict[str, Any]:
    """Run a verb in the background; returns the job."""
    return _described(jobs.status(jobs.start(args, dataset, actor, now)))


def describe_jobs(actor: Actor) -> list[dict[str, Any]]:
    """The background jobs, the newest first, each with the step it is at."""
    allow(actor, "jobs")
    return [_described(job) for job in jobs.jobs()]


def cancel_job(job_id: int, *, actor: Actor, now: datetime) -> dict[str, Any]:
    """Stop a background job; what it had not finished is as if it had never begun."""
    return _described(jobs.cancel(job_id, actor, now))


def _described(job: jobs.Job) -> dict[str, Any]:
    told = jobs.progress_of(job.id)
    last = told[-1] if told else None
    return {"job_id": job.id, "dataset": job.dataset, "command": " ".join(job.args), "status": job.status,
            "at": job.at.isoformat(), "step": last.step if last else "", "done": last.done if last else 0,
            "of": last.of if last else 0, "exit_code": job.exit_code, "error": job.error}
