"""The records that verbs return and `--json` prints: what a screen or another program needs, in plain values."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow.parquet as pq

from engine import catalog, listings
from engine.campaign import export
from engine.data.features import feature_columns
from engine.decision.consents import agreed
from engine.decision.playbooks import LEAVE_ALONE, WIN_BACK, Playbook, Range, Treatment
from engine.decision.treatments import Allowed
from engine.insight import answers, card_words
from engine.insight.handover import Export, described
from engine.insight.source import Scope
from engine.insight.worklist import Listing
from engine.prediction import portrait, store
from engine.prediction.model import Model, Scored
from engine.schema import SEGMENTS, Column, Dataset, Finding, ModelCard, Reading, jsonable
from engine.schema.columns import AS_IN_FILE

DRIVERS = 3


def of_run(dataset: Dataset, card: ModelCard, kept: catalog.Run, book: Playbook,
           steps: Sequence[tuple[str, float]]) -> dict[str, Any]:
    """What a run did and found: rows, quarantine, findings, steps, every model's metrics, segments, and where it is."""
    scores = kept.scores()
    return {
        "dataset": dataset.name, "version": dataset.version, "synthetic": dataset.synthetic, "rows": len(scores),
        "label": dataset.label.words, "unasked": dataset.label.unasked, "horizon_days": dataset.label.horizon_days,
        "currency": dataset.currency,
        "as_of": kept.as_of.isoformat(), "run_id": kept.run_id, "model_id": card.model_id,
        "algorithm": card.algorithm, "ltv_algorithm": card.ltv_algorithm, "learned_from": card.rows,
        "leavers": card.leavers, "usable": card.usable, "known": listings.rows(dataset),
        "rejected": pq.read_metadata(catalog.rejected_file(dataset)).num_rows,
        "quarantined": [{"column": column, "reason": reason, "told": card_words.why(card, column, reason)}
                        for column, reason in card.quarantined],
        "findings": _said(card, card.findings), "notes": notes(dataset, card, book), "threshold": card.threshold,
        "steps": [{"name": name, "seconds": round(seconds, 3)} for name, seconds in steps],
        "models": {_subject(name, card): jsonable(metrics) for name, metrics in card.metrics.items()},
        "segments": of_segments(scores, book, card.usable), "held_back": of_held_back(scores),
        "where": where(dataset, card, kept),
    }


def _subject(name: str, card: ModelCard) -> str:
    """The metrics' subject under the name of what was measured: the algorithm, the rule, chance."""
    return {"model": card.algorithm, "rule": "one-column rule", "ltv": f"ltv {card.ltv_algorithm}"}.get(name, name)


def notes(dataset: Dataset, card: ModelCard, book: Playbook) -> list[str]:
    """What a reader must know: the card's notes, and what was assumed of sector and currency, what was not heeded."""
    told = list(card.notes)
    if book.sector != dataset.sector:
        told.append(f"The sector {dataset.sector!r} has no playbook of its own; the next steps are those of the "
                    f"{book.sector} one.")
    if not dataset.currency:
        told.append("The data do not name their currency; money is in the file's own unit (Currency on Data, or "
                    "--currency, names it).")
    needed = book.minimum_tenure_column
    if needed and needed not in [column.name for column in feature_columns(dataset)]:
        told.append(f"The playbook leaves customers below {book.minimum_tenure_months:g} months of tenure alone, but "
                    f"the data have no {needed}: nobody is held back for being new.")
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


def of_customer(dataset: Dataset, card: ModelCard, scored: Scored, book: Playbook, model: Model) -> dict[str, Any]:
    """One customer's card: who leaves, when, worth what, why, and the next steps.

    way: how the chance comes about (portrait.way); ahead: the months to come (portrait.months_ahead); bands: from
    which chance on a risk is MEDIUM and HIGH; unseen: values that no training customer had; options: every treatment
    of the playbook with why it is advised or not.
    """
    row = scored.scores.iloc[0]
    reasons = scored.reasons.sort_values("rank")
    made = scored.features.iloc[0] if len(scored.features) else pd.Series(dtype=object)
    known = {str(name): value for name, value in {**made, **scored.known.iloc[0]}.items()}
    actions = book.steps(row["segment"], known, hold_back=row["hold_back"], has_left=bool(row["has_left"] == 1))
    return jsonable({
        **{name: row[name] for name in row.index if name != "run_id"},
        "predicted_ltv": row["expected_ltv"], "risk_score": row["risk_score"],
        "drivers": reasons[["feature", "value", "contribution", "words"]].to_dict("records"),
        "actions": [_action(step, known) for step in actions],
        "options": _options(book, actions, dataset, row, known),
        "way": portrait.way(model, scored, dataset.currency), "ahead": portrait.months_ahead(model, dataset, scored),
        "threshold": card.threshold, "bands": model.churn.cuts, "unseen": portrait.unseen(model, scored),
        "dataset": dataset.name, "version": dataset.version, "synthetic": dataset.synthetic,
        "currency": dataset.currency, "horizon_days": dataset.label.horizon_days, "label": dataset.label.words,
        "as_of": scored.as_of.isoformat(), "model_id": card.model_id, "usable": card.usable,
        "notes": notes(dataset, card, book),
        "findings": _said(card, [one for one in answers.findings(card, dataset) if one.severity == "severe"]),
    })


def _action(step: Treatment, known: Mapping[str, Any]) -> dict[str, Any]:
    return {"name": step.name, "words": step.words, "channel": step.channel, "contact_cost": step.contact_cost,
            "agreed": agreed(step.channel, known)}


def _options(book: Playbook, advised: Sequence[Treatment], dataset: Dataset, row: pd.Series,
             known: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The advised steps in order, then all others, each with why it is not advised."""
    named = [step.name for step in advised]
    others = [step for name, step in book.treatments.items() if name not in named]
    why = {step.name: "" if rank == 0 else "Fits too; a later step of the same plan."
           for rank, step in enumerate(advised)}
    return [{**_action(step, known), "advised": step.name in named,
             "why": why.get(step.name) if step.name in named else _why_not(step, dataset, row, known)}
            for step in (*advised, *others)]


def _why_not(step: Treatment, dataset: Dataset, row: pd.Series, known: Mapping[str, Any]) -> str:
    """The first reason against a treatment."""
    if row["has_left"] == 1:
        return "The customer has left already."
    if step.name == WIN_BACK:
        return "Only for customers who have left."
    if row["hold_back"]:
        return str(row["hold_back"])
    titles = {column.name: column.title for column in dataset.columns}
    if lacks := step.lacks(known):
        return f"The data hold no {titles.get(lacks[0], lacks[0].replace('_', ' '))}, which this answers."
    for column, allowed in step.only_if.items():
        if column in known and known[column] not in allowed:
            return f"{titles.get(column, column)} is {known[column]}; this is for {_whom(allowed)}."
    return f"Not in the plan of {row['segment']}."


def _whom(allowed: Allowed) -> str:
    return str(allowed) if isinstance(allowed, Range) else " or ".join(map(str, allowed))


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
        "output": str(output), "rejected": reading.rejections, "notes": list(card.notes),
        "rejected_output": str(beside) if reading.rejections else "",
        "findings": _said(card, _once([*reading.findings, *severe])),
    }


def _said(card: ModelCard, findings: Sequence[Finding]) -> list[dict[str, Any]]:
    """The findings, each with what a person reads in its stead: the columns under their own titles."""
    return [{**jsonable(finding), "told": card_words.told(card, finding)} for finding in findings]


def _once(findings: Sequence[Finding]) -> list[Finding]:
    return list(dict.fromkeys(findings))


def of_export(scope: Scope, listing: Listing, made: Export, output: Path) -> dict[str, Any]:
    """What an export took along: of whom, how many rows, which columns, and the fingerprint in the audit log."""
    return {"dataset": scope.dataset.name, "run_id": scope.run.run_id, "synthetic": scope.run.synthetic,
            "list": described(listing), "rows": made.rows, "left_out": made.left_out, "unreached": made.unreached,
            "columns": list(made.columns), "sha256": made.sha256, "output": str(output)}


def rejected_csv(version: Dataset) -> tuple[bytes, int]:
    """The rejected rows as a file, and how many they are."""
    stream = io.BytesIO()
    with pq.ParquetFile(catalog.rejected_file(version)) as rows:
        columns = [Column(name, "text", "", AS_IN_FILE) for name in rows.schema_arrow.names]
        count = export.write_csv(stream, columns, (batch.to_pandas() for batch in rows.iter_batches()), ())
    return stream.getvalue(), count
