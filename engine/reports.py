"""The records that verbs return and `--json` prints: what a screen or another program needs, in plain values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from engine import catalog
from engine.decision.playbooks import LEAVE_ALONE, Playbook, Treatment
from engine.prediction import store
from engine.prediction.model import Scored
from engine.schema import SEGMENTS, Dataset, Finding, ModelCard, Reading, jsonable

DRIVERS = 3


def of_run(dataset: Dataset, card: ModelCard, kept: catalog.Run, book: Playbook,
           steps: Sequence[tuple[str, float]]) -> dict[str, Any]:
    """What a run did and found: rows, quarantine, findings, steps, every model's metrics, segments, and where it is."""
    scores = kept.scores()
    return {
        "dataset": dataset.name, "version": dataset.version, "synthetic": dataset.synthetic, "rows": len(scores),
        "label": dataset.label.words, "horizon_days": dataset.label.horizon_days, "currency": dataset.currency,
        "as_of": kept.as_of.isoformat(), "run_id": kept.run_id, "model_id": card.model_id,
        "algorithm": card.algorithm, "ltv_algorithm": card.ltv_algorithm, "learned_from": card.rows,
        "leavers": card.leavers, "usable": card.usable, "known": rows(dataset),
        "rejected": len(catalog.rejected(dataset)),
        "quarantined": [{"column": column, "reason": reason} for column, reason in card.quarantined],
        "findings": jsonable(card.findings), "notes": notes(dataset, card, book), "threshold": card.threshold,
        "steps": [{"name": name, "seconds": round(seconds, 3)} for name, seconds in steps],
        "models": {_subject(name, card): jsonable(metrics) for name, metrics in card.metrics.items()},
        "segments": of_segments(scores, book, card.usable), "held_back": of_held_back(scores),
        "where": where(dataset, card, kept),
    }


def _subject(name: str, card: ModelCard) -> str:
    """The metrics' subject under the name of what was measured: the algorithm, the rule, chance."""
    return {"model": card.algorithm, "rule": "one-column rule", "ltv": f"ltv {card.ltv_algorithm}"}.get(name, name)


def notes(dataset: Dataset, card: ModelCard, book: Playbook) -> list[str]:
    """What a reader must know: the card's notes, and what was assumed about sector and currency."""
    told = list(card.notes)
    if book.sector != dataset.sector:
        told.append(f"The sector {dataset.sector!r} has no playbook; the next steps are those of {book.sector}.")
    if not dataset.currency:
        told.append("The data do not name their currency; money is in the file's own unit (--currency names it).")
    return told


def of_segments(scores: pd.DataFrame, book: Playbook, usable: bool = True) -> list[dict[str, Any]]:
    """Per segment, of the customers who are still there: how many, mean chance to leave, mean LTV, margin at risk,
    first step; and beside them those who have left already."""
    rows = []
    for name in SEGMENTS:
        mine = scores[scores["segment"] == name]
        here = mine[mine["has_left"] != 1]
        means = here[["churn_probability", "expected_ltv"]].mean().fillna(0.0)
        rows.append({
            "segment": name, "customers": len(here), "already_left": len(mine) - len(here),
            "churn_probability": float(means["churn_probability"]), "expected_ltv": float(means["expected_ltv"]),
            "margin_at_risk": float(here["margin_at_risk"].sum()),
            "first_step": (book.steps(name, {})[0].name if usable else LEAVE_ALONE).replace("_", " "),
        })
    return rows


def of_held_back(scores: pd.DataFrame) -> dict[str, Any]:
    """What the minimum tenure (or a model that knows nothing) costs: customers held back and their margin at risk."""
    held = scores[(scores["hold_back"] != "") & (scores["has_left"] != 1)]
    return {"customers": len(held), "margin_at_risk": float(held["margin_at_risk"].sum())}


def where(dataset: Dataset, card: ModelCard, kept: catalog.Run) -> dict[str, str]:
    """The folders of the data, the scores and the model."""
    return {"data": str(dataset.customers.parent), "scores": str(kept.folder),
            "model": str(store.models_home() / dataset.name / card.model_id)}


def of_customer(dataset: Dataset, card: ModelCard, scored: Scored, book: Playbook) -> dict[str, Any]:
    """One customer's card: who leaves, when, worth what, why, and the next steps."""
    row = scored.scores.iloc[0]
    reasons = scored.reasons.sort_values("rank")
    known = {str(name): value for name, value in scored.known.iloc[0].items()}
    actions = book.steps(row["segment"], known, hold_back=row["hold_back"], has_left=bool(row["has_left"] == 1))
    return jsonable({
        **{name: row[name] for name in row.index if name != "run_id"},
        "predicted_ltv": row["expected_ltv"], "risk_score": row["risk_score"],
        "drivers": reasons[["feature", "value", "contribution", "words"]].to_dict("records"),
        "actions": [_action(step) for step in actions],
        "dataset": dataset.name, "version": dataset.version, "synthetic": dataset.synthetic,
        "currency": dataset.currency, "horizon_days": dataset.label.horizon_days, "label": dataset.label.words,
        "as_of": scored.as_of.isoformat(), "model_id": card.model_id, "usable": card.usable,
        "notes": notes(dataset, card, book),
        "findings": [finding for finding in card.findings if finding.severity == "severe"],
    })


def _action(step: Treatment) -> dict[str, Any]:
    return {"name": step.name, "words": step.words, "channel": step.channel, "contact_cost": step.contact_cost}


def with_reasons(scored: Scored) -> pd.DataFrame:
    """The scores with the drivers in words beside them, one row per customer."""
    words = scored.reasons[scored.reasons["rank"] <= DRIVERS].pivot(index="customer_id", columns="rank", values="words")
    words = words.reindex(columns=range(1, DRIVERS + 1))
    words.columns = pd.Index([f"driver_{rank}" for rank in range(1, DRIVERS + 1)])
    return scored.scores.drop(columns="run_id", errors="ignore").merge(words, on="customer_id", how="left")


def of_scored_file(reading: Reading, card: ModelCard, frame: pd.DataFrame, output: Path,
                   beside: Path) -> dict[str, Any]:
    """What a batch scoring did."""
    severe = [finding for finding in card.findings if finding.severity == "severe"]
    return {
        "dataset": card.dataset, "model_id": card.model_id, "rows": len(frame), "synthetic": card.synthetic,
        "output": str(output), "rejected": len(reading.rejected), "notes": list(card.notes),
        "rejected_output": str(beside) if len(reading.rejected) else "",
        "findings": jsonable(_once([*reading.findings, *severe])),
    }


def _once(findings: Sequence[Finding]) -> list[Finding]:
    return list(dict.fromkeys(findings))


def of_datasets(datasets: Sequence[Dataset]) -> list[dict[str, Any]]:
    """Each dataset's current version in a line."""
    return [{"name": d.name, "version": d.version, "adapter": d.adapter, "kind": d.kind, "sector": d.sector,
             "currency": d.currency, "customers": rows(d), "as_of": d.observed_until.date().isoformat(),
             "label": d.label.words, "horizon_days": d.label.horizon_days, "synthetic": d.synthetic,
             "sources": jsonable(d.sources), "runs": len(catalog.runs(d.name))} for d in datasets]


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
    """Each scoring run in a line, the latest knowledge last."""
    return [{**jsonable(run), "as_of": run.as_of.date().isoformat()} for run in runs]
