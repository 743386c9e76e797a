"""What reading the files by the proposed mapping finds: findings, who left, what the audit for leakage keeps out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from engine import files, listings, pipeline
from engine.data import adapters, worth
from engine.data.adapters import mapping as mappings
from engine.data.adapters.common import unsaid_window
from engine.data.checks import label_classes
from engine.data.doctor import silence
from engine.data.doctor.recognise import Part
from engine.data.features.happened import happened
from engine.data.labels import HISTORY_DAYS, labels, snapshot, windows_for
from engine.data.leakage import audit, without_advice_on
from engine.errors import DataError, EngineError
from engine.onboarding.proposal import Examined, Proposal
from engine.schema import SEVERITIES, Dataset, Finding
from engine.uploads import uploads_home

FIRST_CUSTOMERS = 8


def examined(proposal: Proposal, paths: Sequence[Path]) -> Proposal:
    """The proposal with what reading the files by its mapping finds, the audit for leakage included."""
    with files.staging(uploads_home()) as aside:
        try:
            reading = adapters.read(paths, aside, proposal.adapter, name=proposal.name, now=proposal.now,
                                    observed_until=proposal.observed_until, options=run_options(proposal))
        except DataError as problem:
            return replace(proposal, examined=Examined(problem.findings, stopped=True))
        proposal, dataset = _after_silence(proposal, reading.dataset)
        said = reading.dataset.label is not dataset.label  # the reader's own days of silence hold no more
        seen = _looked_at(dataset, [found for found in reading.findings if not (said and found.where == "label")])
        return replace(proposal, examined=replace(seen, rejected=reading.rejections,
                                                   first=_first_customers(dataset)))


def _first_customers(dataset: Dataset) -> pd.DataFrame:
    with pq.ParquetFile(dataset.customers) as table:
        return next((rows.to_pandas() for rows in table.iter_batches(FIRST_CUSTOMERS)), pd.DataFrame())


def _looked_at(dataset: Dataset, findings: Sequence[Finding]) -> Examined:
    """The checks and, where somebody says who left, the audit; an error among the findings stops."""
    try:
        found = (*findings, *pipeline.checked(dataset))
    except EngineError as problem:
        found = (*findings, Finding("error", "history", str(problem)))
    errors = [finding for finding in found if finding.severity == "error"]
    few = _too_few(dataset) if errors else ()
    stopped = not set(errors) <= set(few)
    left: float | None = None
    quarantined: tuple[tuple[str, str], ...] = ()
    if dataset.label.kind != "none" and not stopped:
        left, quarantined, more = _audited(dataset)
        found = (*without_advice_on(quarantined, found), *worth.told(dataset, quarantined), *(() if few else more))
    days = dataset.label.horizon_days if dataset.label.assumed else None
    return Examined(_worst_first(found), listings.rows(dataset), 0, left, quarantined, stopped,
                    " ".join(finding.what for finding in few), days,
                    next((finding for finding in found if days and finding.what == unsaid_window(days)), None))


def _too_few(dataset: Dataset) -> tuple[Finding, ...]:
    """Why the answers of a table are too few, or too much alike, to learn from; such a table can still be kept."""
    if dataset.kind != "snapshot" or dataset.label.kind == "none":
        return ()
    return tuple(finding for finding in label_classes(dataset, windows_for(dataset, n=1)[0])
                 if finding.severity == "error")


def _after_silence(proposal: Proposal, dataset: Dataset) -> tuple[Proposal, Dataset]:
    """Of orders and events: after how many days of silence somebody has left, where nobody has said so."""
    if dataset.kind != "orders" or dataset.events is None:
        return proposal, dataset
    until = pd.Timestamp(dataset.observed_until)
    with happened(dataset.events) as connection:
        orders = connection.sql("SELECT customer_id, \"at\" FROM events WHERE kind = 'order'")
        first = orders.min('"at"').fetchall()[0][0]
        span = (until - first).days if first else 0
        told = silence.of_events(orders, until, most=max((span - HISTORY_DAYS) // 2, silence.ROUND[0]))
    proposal = replace(proposal, silence=told)
    if not dataset.label.assumed:
        return proposal, dataset
    words = re.sub(r"\d+", str(told.days), dataset.label.words)
    rule = replace(dataset.label, horizon_days=told.days, words=words)
    part = Part("label", "", 0.7, told.evidence, rule.words)
    parts = (*(part for part in proposal.parts if part.role != "label"), part)
    mapping = {**proposal.mapping, "horizon_days": told.days}
    return replace(proposal, parts=parts, mapping=mapping), replace(dataset, label=rule)


def _audited(dataset: Dataset) -> tuple[float, tuple[tuple[str, str], ...], tuple[Finding, ...]]:
    """The share who left, and of a table what the audit for leakage keeps out."""
    windows = windows_for(dataset, n=1)
    if dataset.kind != "snapshot":
        return float(labels(dataset, windows).mean()), (), ()
    try:
        told = audit(snapshot(dataset, windows), dataset)
    except DataError as problem:
        return float(labels(dataset, windows).mean()), (), problem.findings
    return float(labels(dataset, windows).mean()), told.quarantined, told.findings


def _worst_first(findings: Sequence[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(dict.fromkeys(findings), key=lambda finding: -SEVERITIES.index(finding.severity)))


def run_options(proposal: Proposal) -> dict[str, Any]:
    """What `run` is told of the proposal besides the files."""
    if proposal.adapter == "table":
        return {**proposal.options, "mapping": mappings.parsed(proposal.toml, "as it is kept")}
    return {**{key: value for key, value in proposal.mapping.items() if key != "adapter"}, **proposal.options}
