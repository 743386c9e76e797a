"""More customers than memory holds: features, and scores, some customers at a time; what was killed resumes.

    data/<dataset>/runs/.parts-<run_id>/    the parts of a scoring run in the making; gone once the run is kept
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from engine import catalog, files, state
from engine.catalog import Receipt, Run
from engine.data.features import asks_events_alone, features
from engine.data.features.backends import current
from engine.data.features.parts import PART, customers_in_parts, features_in_parts
from engine.data.features.spark import Spark
from engine.errors import DataError, EngineError
from engine.files import write_record, write_text, writing
from engine.parts import in_parts, join, tables
from engine.permissions import allow
from engine.prediction.model import Model, Scored, score_of
from engine.progress import Part, Steps, Told
from engine.schema import REASONS, SCORES, Actor, Dataset, Table

Judge = Callable[[Scored], pd.DataFrame]
TABLES: Mapping[str, Table | None] = {"scores": SCORES, "reasons": REASONS, "features": None}


def features_file(name: str, as_ofs: Sequence[datetime], output: Path, *, actor: Actor, now: datetime,
                  size: int = PART, progress: Told | None = None) -> dict[str, Any]:
    """Write the features of every customer as of the moments into a folder of Parquet files, `size` customers at a
    time; the moment up to which the data are known without any. Asked again, it goes on where it was stopped.

    Raises:
        EngineError: when the folder holds something else, or a snapshot does not know the moment.
    """
    allow(actor, "score")
    dataset = catalog.dataset(name)
    steps = Steps(of=1, told=progress)
    with steps("Compute features, part by part") as part, writing(output):
        made = features_in_parts(dataset, as_ofs or [dataset.observed_until], output, size=size, part=part)
    rows = sum(pq.read_metadata(path).num_rows for path in made)
    state.record(actor, "score", name, now, {"features": rows, "output": output.name})
    return {"dataset": name, "version": dataset.version, "rows": rows, "parts": len(made), "output": str(output),
            "as_ofs": [moment.isoformat() for moment in sorted(set(as_ofs or [dataset.observed_until]))]}


def boosted_file(name: str, master: str, output: Path, *, workers: int, seed: int, actor: Actor, now: datetime
                 ) -> dict[str, Any]:
    """Learn who leaves on the cluster and write the model as XGBoost keeps it; returns its rows and its AUC.

    Raises:
        EngineError: when the dataset has no answers to learn and judge by, the output's ending is neither .json nor
            .ubj, it cannot be written, or there is no Spark.
    """
    from engine.spark_training import boost

    allow(actor, "train")
    if output.suffix not in (".json", ".ubj"):
        raise EngineError(f"{output.name} is no name of a model. End it in .json or .ubj.")
    if workers < 1:
        raise EngineError(f"Rows cannot be spread among {workers} tasks. Give --workers at least 1.")
    dataset = catalog.dataset(name)
    with files.whole(output) as half:  # opened first: a place that cannot be written is told of before hours of work
        made = boost(Spark(master), dataset, seed=seed, workers=workers)
        half.write(made.booster.save_raw(output.suffix[1:]))
    state.record(actor, "train", name, now, {"rows": made.rows, "output": output.name})
    return {"dataset": name, "version": dataset.version, "rows": made.rows, "leavers": made.leavers,
            "customers": made.customers, "judged": made.judged, "auc": made.auc, "auc_low": made.low,
            "auc_high": made.high, "output": str(output)}


# ---------------------------------------------------------------------------------------------------- scoring

def many(dataset: Dataset) -> bool:
    """Whether the dataset is scored in parts: it has more customers than one part holds, or a cluster scores it."""
    return _cluster(dataset) is not None or pq.read_metadata(dataset.customers).num_rows > PART


def _cluster(dataset: Dataset) -> Spark | None:
    """The cluster that scores the dataset: the current one, where features are of events alone."""
    backend = current()
    return backend if isinstance(backend, Spark) and asks_events_alone(dataset) else None


def score_in_parts(model: Model, dataset: Dataset, run: Run, judged: Judge, *, actor: Actor, now: datetime,
                   size: int = PART, in_use: bool = True, part: Part | None = None) -> Run:
    """Score every customer as the run says, some at a time, and keep the run; asked again after a crash, it goes on.

    judged: the scores with what the playbook says of them. size: customers in a part.
    """
    folder = run.folder.parent / f".parts-{run.run_id}"
    if not (run.folder / "run.json").exists():
        asked = {"run": run.run_id, "erased": list(dataset.erased), "size": size}
        if cluster := _cluster(dataset):
            from engine.spark_scoring import score_on_spark

            score_on_spark(cluster, model, dataset, run, functools.partial(told, run=run, judged=judged), folder, asked)
        else:
            in_parts(folder, asked, customers_in_parts(dataset, size), _scoring(model, dataset, run, judged), part)
        _keep(folder, run, actor, now)
    if in_use:
        write_text(run.folder.parent / "current", run.run_id + "\n")
    shutil.rmtree(folder, ignore_errors=True)
    return catalog.run(run.dataset, run.run_id)


def _scoring(model: Model, dataset: Dataset, run: Run, judged: Judge) -> Callable[..., dict[str, pd.DataFrame]]:
    def make(some: pa.ChunkedArray) -> dict[str, pd.DataFrame]:
        only = some.to_pylist()
        X = features(dataset, run.as_of, only)
        return {} if X.empty else told(score_of(model, dataset, X, run.as_of, only), run, judged)

    return make


def told(scored: Scored, run: Run, judged: Judge) -> dict[str, pd.DataFrame]:
    """The tables of a part, as the run keeps them.

    Raises:
        DataError: when rows break their table's contract.
    """
    made = {"scores": judged(scored).assign(run_id=run.run_id)[SCORES.names],
            "reasons": scored.reasons.assign(run_id=run.run_id)[REASONS.names],
            "features": scored.features.rename_axis("customer_id").reset_index()}
    wrong = [finding for name, table in TABLES.items() if table for finding in table.validate(made[name])
             if finding.severity == "error"]
    if wrong:
        raise DataError(wrong)
    return made


def _keep(folder: Path, run: Run, actor: Actor, now: datetime) -> None:
    """The parts as the tables of the run, whole or not at all."""
    with files.staging(run.folder.parent) as staged:
        rows = {name: join(tables(folder, name), staged / f"{name}.parquet") for name in TABLES}
        catalog.write_known(staged, run)
        write_record(staged / "run.json", replace(run, customers=rows["scores"]))
        write_record(staged / "receipt.json", Receipt(now, actor))
        files.publish(staged, run.folder)


def drop_parts(name: str) -> int:
    """Remove the parts of runs in the making, which hold customers; returns of how many runs."""
    left = list((catalog.dataset_folder(name) / "runs").glob(".parts-*"))
    for folder in left:
        shutil.rmtree(folder)
    return len(left)
