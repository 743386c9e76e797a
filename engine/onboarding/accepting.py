"""A proposal accepted: run through the pipeline, and its mapping kept beside the dataset."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

from engine import files, listings, pipeline, state
from engine.catalog import dataset_folder
from engine.data.adapters import mapping as mappings
from engine.errors import DataError
from engine.onboarding.examining import run_options
from engine.onboarding.memory import MAPPING, PORTRAIT, kept, kept_portrait
from engine.onboarding.proposal import Proposal
from engine.permissions import allow
from engine.prediction import store
from engine.prediction.settings import Settings
from engine.progress import Told
from engine.schema import Actor, Dataset, Finding


def accept(proposal: Proposal, *, actor: Actor, now: datetime, settings: Settings | None = None,
           progress: Told | None = None, unasked: bool = False) -> dict[str, Any]:
    """Run the files through the pipeline by the proposal's mapping, and keep the mapping with the dataset.

    unasked: nobody has looked at the proposal, so what it guesses stays a guess, and is warned of, month by month.

    Returns what `run` returns; where nobody says who left, or too few did, what `onboard` made of the files, for a
    model to score.

    Raises:
        DataError: when an error stops it; nothing is kept then.
    """
    allow(actor, "run")
    if proposal.examined.stopped:
        raise DataError([finding for finding in proposal.examined.findings if finding.severity == "error"])
    if not unasked:
        proposal = replace(proposal, mapping={**proposal.mapping, "guessed": {}})
    told: dict[str, Any] = {"name": proposal.name, "adapter": proposal.adapter, "options": _options(proposal),
                            "observed_until": proposal.observed_until, "queries": proposal.queries, "actor": actor,
                            "now": now}
    if proposal.trainable:
        report = pipeline.run(proposal.sources, settings=settings or Settings(), said=lasting(proposal),
                              progress=progress, **told)
    else:
        dataset, found = pipeline.onboard(proposal.sources, said=lasting(proposal), **told)
        scored = _scored(dataset, actor, now)
        report = {"dataset": dataset.name, "version": dataset.version, "customers": listings.rows(dataset),
                  "trained": False, "why": _why_not(proposal),
                  "findings": list(found), **scored}
    keep(proposal, actor=actor, now=now)
    return report


def grave(proposal: Proposal) -> tuple[Finding, ...]:
    """What differs so from the file before that figures may be wrong until somebody has looked: other units and kinds
    head every figure, columns that are missing or blanker are warned of."""
    fix = ("Look at the column in both files; if the new one is right, have it mapped anew (the switch for it on Data, "
           "or `onboard --anew`).")
    return tuple(Finding("severe" if change.kind in ("unit", "kind") else "warning", change.where,
                         f"Since the last file: {change.what}", fix)
                 for change in proposal.changes if change.serious)


def lasting(proposal: Proposal) -> tuple[Finding, ...]:
    """What heads the findings of the run: what differs gravely, and doubts about what is learned from."""
    settled = {*proposal.mapping.get("ignored", ()), proposal.part("label").column}
    return (*grave(proposal), *(fault.finding for fault in proposal.faults
                                if fault.lasts and fault.finding.where not in settled))


def _options(proposal: Proposal) -> dict[str, Any]:
    """What the pipeline is told; answers too few to learn from are left out, so that the customers are kept without."""
    options = run_options(proposal)
    if not proposal.examined.too_few or "label" not in options.get("mapping", {}):
        return options
    mapping = dict(options["mapping"])
    label = mapping.pop("label")["column"]
    return {**options, "mapping": {**mapping, "ignored": [*mapping.get("ignored", ()), label]}}


def _why_not(proposal: Proposal) -> str:
    """Why nothing was learned, and what comes of the files nevertheless."""
    if not proposal.examined.too_few or (proposal.refresh and not proposal.examined.left):
        return "The files do not say who left: they can be scored, not learned from."
    return (f"{proposal.examined.too_few} Nothing is predicted from so little; the customers and what each column is "
            "are kept, and a file with more answers under the same name is learned from without a question.")


def _scored(dataset: Dataset, actor: Actor, now: datetime) -> dict[str, Any]:
    """Score a file without answers by the dataset's production model, where there is one."""
    if store.current(dataset.name) is None:
        return {}
    return {"run_id": pipeline.score(dataset, actor=actor, now=now).run_id}


def keep(proposal: Proposal, *, actor: Actor, now: datetime) -> Path:
    """Keep the mapping, and the portrait of the file that the next is compared with, beside the dataset."""
    allow(actor, "onboard")
    folder = dataset_folder(proposal.name)
    files.write_text(folder / MAPPING, mappings.written(_with_absent(proposal)) + "\n")
    files.write_record(folder / PORTRAIT, _to_compare_with(proposal))
    state.record(actor, "onboard", proposal.name, now, {"mapping": True, "refresh": proposal.refresh})
    return folder / MAPPING


def _to_compare_with(proposal: Proposal) -> dict[str, Any]:
    """The portrait of the file that was learned from last: what is only scored is held against that, and so is what
    comes after it."""
    before, now = kept_portrait(proposal.name), proposal.portrait
    return {**before, **now} if proposal.trainable else {**now, **before}


def _with_absent(proposal: Proposal) -> dict[str, Any]:
    """The mapping, with the columns that were agreed on before and are only missing from this one file."""
    before = kept(proposal.name)
    if before is None or proposal.adapter != "table" or any(
            before.get(part) != proposal.mapping.get(part) for part in ("id", "label")):
        return dict(proposal.mapping)
    absent = {use: [name for name in before.get(use, ()) if name not in proposal.portrait] for use in mappings.LISTS}
    single: dict[str, str] = {role: before[role] for role in ("tenure", "recency") if role in before}
    then, now = before.get("contact", {}), proposal.mapping.get("contact", {})
    return {**proposal.mapping, **_missing(single, proposal.mapping, proposal.portrait),
            "contact": {**now, **_missing(then, now, proposal.portrait)},
            **{use: [*proposal.mapping.get(use, ()), *names] for use, names in absent.items()}}


def _missing(before: Mapping[str, str], now: Mapping[str, Any], there: Collection[str]) -> dict[str, str]:
    """By role the column that played it before, where none plays it now and the file is without that column."""
    return {role: name for role, name in before.items() if not now.get(role) and name not in there}
