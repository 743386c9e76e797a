"""A proposal accepted: run through the pipeline, and its mapping kept beside the dataset."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from engine import files, listings, pipeline, state
from engine.catalog import dataset_folder
from engine.errors import DataError
from engine.onboarding.examining import run_options
from engine.onboarding.memory import MAPPING, PORTRAIT
from engine.onboarding.proposal import Proposal
from engine.permissions import allow
from engine.prediction.settings import Settings
from engine.progress import Told
from engine.schema import Actor


def accept(proposal: Proposal, *, actor: Actor, now: datetime, settings: Settings | None = None,
           progress: Told | None = None) -> dict[str, Any]:
    """Run the files through the pipeline by the proposal's mapping, and keep the mapping with the dataset.

    Returns what `run` returns; where nobody says who left, what `onboard` made of the files, for a model to score.

    Raises:
        DataError: when an error stops it; nothing is kept then.
    """
    allow(actor, "run")
    errors = [finding for finding in proposal.examined.findings if finding.severity == "error"]
    if errors:
        raise DataError(errors)
    told: dict[str, Any] = {"name": proposal.name, "adapter": proposal.adapter, "options": run_options(proposal),
                            "observed_until": proposal.observed_until, "queries": proposal.queries, "actor": actor,
                            "now": now}
    if proposal.trainable:
        report = pipeline.run(proposal.sources, settings=settings or Settings(), progress=progress, **told)
    else:
        dataset, found = pipeline.onboard(proposal.sources, **told)
        report = {"dataset": dataset.name, "version": dataset.version, "customers": listings.rows(dataset),
                  "trained": False, "why": "The files do not say who left: they can be scored, not learned from.",
                  "findings": list(found)}
    keep(proposal, actor=actor, now=now)
    return report


def keep(proposal: Proposal, *, actor: Actor, now: datetime) -> Path:
    """Keep the mapping, and the portrait of the file that the next is compared with, beside the dataset."""
    allow(actor, "onboard")
    folder = dataset_folder(proposal.name)
    files.write_text(folder / MAPPING, proposal.toml + "\n")
    files.write_record(folder / PORTRAIT, dict(proposal.portrait))
    state.record(actor, "onboard", proposal.name, now, {"mapping": True, "refresh": proposal.refresh})
    return folder / MAPPING
