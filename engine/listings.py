"""What there is, a line each, in plain values: datasets, their versions, models, scoring runs.

These are the first things that anybody asks for, so nothing heavy is imported to answer them.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from engine import catalog
from engine.schema import Dataset, jsonable

if TYPE_CHECKING:
    from engine.prediction import store

CELL = r"(?:: |(?<=customer) )(?:'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"|[-+.\de]+(?= is))"


def of_datasets(datasets: Sequence[Dataset]) -> list[dict[str, Any]]:
    """Each dataset's current version in a line."""
    return [{"name": d.name, "version": d.version, "adapter": d.adapter, "kind": d.kind, "sector": d.sector,
             "currency": d.currency, "customers": rows(d), "as_of": d.observed_until.date().isoformat(),
             "label": d.label.words, "horizon_days": d.label.horizon_days, "synthetic": d.synthetic,
             "sources": jsonable(d.sources), "runs": len(catalog.runs(d.name))} for d in datasets]


def of_versions(name: str) -> list[dict[str, Any]]:
    """Each of the dataset's versions in a line, the newest first, with its findings and why rows were rejected."""
    current = catalog.dataset(name).version
    found = [catalog.dataset(name, version) for version in reversed(catalog.versions(name))]
    return [{"version": version.version, "current": version.version == current, "as_of": version.observed_until,
             "customers": rows(version), "erased": len(version.erased), "sources": [s.name for s in version.sources],
             **_received(version), "findings": catalog.findings(version), "rejected": of_rejected(version)}
            for version in found]


def _received(version: Dataset) -> dict[str, Any]:
    receipt = catalog.receipt(version.customers.parent)
    return {"at": receipt.at, "by": receipt.actor.id}


def of_rejected(version: Dataset) -> list[dict[str, Any]]:
    """Why rows were rejected and how many, the most frequent reason first; without the cells, which are customers'."""
    import pyarrow.parquet as pq

    told = pq.read_table(catalog.rejected_file(version), columns=["reason"], read_dictionary=["reason"])["reason"]
    counts: Counter[str] = Counter()
    for reason in told.value_counts().to_pylist():
        counts[re.sub(CELL, "", str(reason["values"]))] += reason["counts"]
    return [{"reason": reason, "rows": count} for reason, count in counts.most_common()]


def rows(dataset: Dataset) -> int:
    """How many customers the dataset has, read from the file's footer alone."""
    import pyarrow.parquet as pq

    return pq.read_metadata(dataset.customers).num_rows


def of_models(records: Sequence[store.ModelRecord]) -> list[dict[str, Any]]:
    """Each model in a line: stage, algorithm, and its headline metrics with their intervals."""
    return [{"model_id": r.model_id, "stage": _stage(r), "algorithm": r.card.algorithm, "ltv": r.card.ltv_algorithm,
             "as_of": r.card.as_of.date().isoformat(), "rows": r.card.rows, "usable": r.card.usable,
             "roc_auc": str(r.card.metrics["model"]["roc_auc"]), "brier": str(r.card.metrics["model"]["brier"]),
             "metrics": jsonable(r.card.metrics), "synthetic": r.card.synthetic} for r in records]


def _stage(record: store.ModelRecord) -> str:
    stages: Mapping[str, bool] = {"production": record.production, "staging": record.staging}
    return ", ".join(name for name, holds in stages.items() if holds) or "-"


def of_runs(runs: Sequence[catalog.Run]) -> list[dict[str, Any]]:
    """Each of a dataset's scoring runs in a line, the latest knowledge last."""
    return [{**jsonable(run), "as_of": run.as_of.date().isoformat(), "in_use": catalog.is_in_use(run)} for run in runs]
