"""Scoring on Apache Spark: features by the same expression, the model broadcast, one file per part by mapInArrow.

A part holds consecutive customers, so that the order lines that value needs are read from one stretch of the shared
file of events. A task that is run again, because its executor died, writes the same part again, so that no
part is there twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.parquet as pq

from engine.catalog import Run
from engine.data.features import feature_columns, query
from engine.data.features.spark import Spark
from engine.errors import EngineError
from engine.parts import begin, keep_part
from engine.prediction.model import Model, Scored, score_of
from engine.schema import Dataset

if TYPE_CHECKING:
    import pandas as pd

Tables = Callable[[Scored], Mapping[str, "pd.DataFrame"]]
COUNTED = pa.schema([("part", pa.int64()), ("rows", pa.int64())])


def score_on_spark(spark: Spark, model: Model, dataset: Dataset, run: Run, told: Tables, folder: Path,
                   asked: Mapping[str, Any]) -> None:
    """Write the scores, reasons and features of every customer into the folder, part by part; `told` makes the tables.

    Raises:
        EngineError: when parts are missing at the end, for the machines do not share the folder.
    """
    assert dataset.events is not None, "what Spark scores has events"
    begin(folder, asked)
    session = spark.session()
    known = spark.table(query(dataset, [run.as_of]), dataset.events).drop("as_of")
    parts = -(-pq.read_metadata(dataset.customers).num_rows // asked["size"])
    placed = known.repartitionByRange(parts, "customer_id").sortWithinPartitions("customer_id")
    names = [column.name for column in feature_columns(dataset)]
    by = session.sparkContext.broadcast((model, told))
    done = placed.mapInArrow(_task(by, dataset, run, folder, names), "part long, rows long").toPandas()
    there = sum(pq.read_metadata(path).num_rows for path in folder.glob("scores-*.parquet"))
    if there != int(done["rows"].sum()):
        raise EngineError(f"Spark scored {int(done['rows'].sum()):,} customers, but {folder} holds {there:,}. Every "
                          "machine of the cluster must see HOLDFAST_HOME under the same path.")


def _task(by: Any, dataset: Dataset, run: Run, folder: Path, names: list[str]) -> Callable[..., Iterator[Any]]:
    """What a task does with its customers: score them and keep the part."""
    def score_part(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        from pyspark import TaskContext

        some = [batch for batch in batches if batch.num_rows]
        if some:
            context = TaskContext.get()
            assert context is not None, "a task runs within Spark"
            model, told = by.value
            X = pa.Table.from_batches(some).to_pandas().set_index("customer_id")[names].astype("float64")
            scored = score_of(model, dataset, X, run.as_of, X.index.tolist())
            keep_part(folder, context.partitionId(), told(scored))
            yield pa.RecordBatch.from_pydict({"part": [context.partitionId()], "rows": [len(X)]}, COUNTED)

    return score_part
