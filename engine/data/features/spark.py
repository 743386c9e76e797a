"""Features on Apache Spark: the same expression, as Spark's SQL, over the same Parquet files.

The files, this checkout and its Python lie where every machine of the cluster sees them under the same path. Moments
are naive UTC on both sides.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import ibis
import pandas as pd

from engine.errors import EngineError

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

    from engine.data.features.backends import Query

SETTINGS = {
    "spark.sql.session.timeZone": "UTC", "spark.sql.execution.arrow.pyspark.enabled": "true",
    "spark.sql.legacy.parquet.nanosAsLong": "true", "spark.ui.enabled": "false",
    "spark.ui.showConsoleProgress": "false",
}
LOOPBACK = {"spark.driver.host": "127.0.0.1", "spark.driver.bindAddress": "127.0.0.1",
            "spark.sql.shuffle.partitions": "4"}
HERE = ("local", "spark://127.0.0.1")


@dataclass(frozen=True)
class Spark:
    """A cluster by its master's URL: spark://host:7077, yarn, k8s://..., or local[2] for a try on this machine."""

    master: str

    def session(self) -> SparkSession:
        """The session, opened once per process; further settings come from Spark's own spark-defaults.conf.

        Raises:
            EngineError: when pyspark or Java is missing, or the session here is of another master.
        """
        if not self.master:
            raise EngineError("Which Spark? Give its URL: --spark-master spark://host:7077, or local[2] for a try.")
        builder = _builder()
        here = LOOPBACK if self.master.startswith(HERE) else {}
        root = str(Path(__file__).resolve().parents[3])
        for name, value in (SETTINGS | here | {"spark.executorEnv.PYTHONPATH": root}).items():
            builder = builder.config(name, value)
        os.environ.setdefault("PYSPARK_PYTHON", sys.executable)
        session = _opened(builder.master(self.master))
        if session.sparkContext.master != self.master:
            raise EngineError(f"This process already speaks to Spark at {session.sparkContext.master}.")
        return session

    def table(self, query: Query, events: Path, only: Sequence[str] | None = None) -> DataFrame:
        """The answer, left on the cluster."""
        session = self.session()
        ibis.pyspark.connect(session)  # makes Ibis ready to write Spark's SQL
        happened = session.read.parquet(str(events))
        if only is not None:
            few = session.createDataFrame(pd.DataFrame({"customer_id": sorted(set(only))}))
            happened = happened.join(few, "customer_id")
        happened.createOrReplaceTempView("events")
        session.createDataFrame(query.spine).createOrReplaceTempView("spine")
        return session.sql(query.sql("pyspark"))

    def run(self, query: Query, events: Path, only: Sequence[str] | None) -> pd.DataFrame:
        """The answer, brought here."""
        return self.table(query, events, only).toPandas()


def _builder() -> Any:
    try:
        from pyspark.sql import SparkSession
    except ImportError as problem:
        raise EngineError("Spark is not installed here. Install it: pip install -r requirements-spark.txt "
                          "(it also needs Java 17 or 21).") from problem
    return SparkSession.builder.appName("holdfast")


def _opened(builder: Any) -> Any:
    from pyspark.errors import PySparkRuntimeError

    try:
        return builder.getOrCreate()
    except PySparkRuntimeError as problem:
        if problem.getCondition() != "JAVA_GATEWAY_EXITED":
            raise
        raise EngineError("Spark did not start: it needs Java 17 or 21. Install it (Debian: apt-get install "
                          "openjdk-17-jre-headless), or say where it is in JAVA_HOME.") from problem
