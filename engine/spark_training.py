"""Training on Apache Spark by xgboost.spark, where the rows to learn from are more than one machine holds.

Features are the same expression, left on the cluster beside the frozen answers; every worker holds its own rows, and
trees grow from the sums of all. The latest moment is held back to judge by; what is kept has learned from it too.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from engine.data.answers import checked
from engine.data.features import feature_columns, query
from engine.data.features.spark import Spark
from engine.errors import EngineError
from engine.schema import Dataset

if TYPE_CHECKING:
    from pyspark.sql import DataFrame
    from xgboost import Booster

ANSWER = "churned"
SETTINGS: dict[str, Any] = {"n_estimators": 300, "max_depth": 4, "learning_rate": 0.05, "min_child_weight": 10,
                            "reg_lambda": 5.0, "tree_method": "hist"}
Z90 = 1.645
LOST, MOST_LOSSES = "failed barrier ResultStage", 4  # as Spark repeats any other stage


@dataclass(frozen=True)
class Boosted:
    """A model learned on a cluster: what it learned from, and how well its like ranked the moment held back.

    auc, low, high: area under the ROC curve [0..1] and its 90 % interval (Hanley and McNeil 1982).
    """

    booster: Booster
    rows: int
    leavers: int
    customers: int
    judged: int
    auc: float
    low: float
    high: float


def boost(spark: Spark, dataset: Dataset, *, seed: int, workers: int) -> Boosted:
    """Learn who leaves from every frozen answer of the dataset.

    Raises:
        EngineError: when no answers are frozen, features are not of events alone, or no moment can be held back to
            judge by.
    """
    names = [column.name for column in feature_columns(dataset)]
    rows = training_rows(spark, dataset).cache()
    before, last = _apart(rows, dataset)
    stayed, left = _counts(rows)
    staying, leaving = _counts(last)
    if not (staying and leaving and all(_counts(before))):
        raise EngineError(f"Of {dataset.name} everybody left or everybody stayed, at the last moment or before it, so "
                          "no model can be judged. Bring a longer history.")
    auc = _ranked(trained(before, names, seed, workers).transform(last))
    half = Z90 * auc_error(auc, leaving, staying)
    booster = trained(rows, names, seed, workers).get_booster()
    return Boosted(booster, left + stayed, left, rows.select("customer_id").distinct().count(),
                   leaving + staying, auc, max(auc - half, 0.0), min(auc + half, 1.0))


def training_rows(spark: Spark, dataset: Dataset) -> DataFrame:
    """as_of, customer_id, the features and the answer of every frozen answer, on the cluster."""
    if dataset.answers is None or dataset.events is None:
        raise EngineError(f"{dataset.name} has no frozen answers to learn from. Read its files with `run` first.")
    moments = [moment.to_pydatetime() for moment in checked(dataset)["as_of"].unique()]
    made = spark.table(query(dataset, moments), dataset.events)
    answers = spark.session().read.parquet(str(dataset.answers))
    as_of = "cast(timestamp_micros(as_of div 1000) as timestamp_ntz) as as_of"  # pandas wrote nanoseconds
    told = answers.selectExpr(as_of, "customer_id", ANSWER)
    return made.withColumn("as_of", made["as_of"].cast("timestamp_ntz")).join(told, ["as_of", "customer_id"])


def trained(rows: DataFrame, names: list[str], seed: int, workers: int) -> Any:
    """xgboost.spark's model of the rows, which lie in an order of their own on each worker: the same rows and workers
    give the same trees. Where an executor is lost, all of them begin again: a stage of workers that wait for each other
    is not one that Spark repeats by itself."""
    from xgboost.spark import SparkXGBClassifier

    placed = rows.repartition(workers, "customer_id").sortWithinPartitions("customer_id", "as_of")
    learner = SparkXGBClassifier(features_col=names, label_col=ANSWER, num_workers=workers, random_state=seed,
                                 missing=math.nan, verbosity=0, **SETTINGS)
    return _whatever_is_lost(lambda: learner.fit(placed))


def _whatever_is_lost(fit: Callable[[], Any]) -> Any:
    """What is fitted, begun again when an executor is lost on the way; the fifth loss is told as it is."""
    from py4j.protocol import Py4JJavaError

    for _ in range(MOST_LOSSES):
        try:
            return fit()
        except Py4JJavaError as problem:
            if LOST not in str(problem):
                raise
    return fit()


def _apart(rows: DataFrame, dataset: Dataset) -> tuple[DataFrame, DataFrame]:
    """The rows whose windows end by the last moment, and those of the last moment."""
    moments = checked(dataset)[["as_of", "horizon_days"]].drop_duplicates()
    last = moments["as_of"].max()
    over = moments["as_of"] + pd.to_timedelta(moments["horizon_days"], "D") <= last
    if not over.any():
        raise EngineError(f"{dataset.name} has no moment whose answers end before the last one begins, so no model can "
                          "be judged. Bring a longer history.")
    early = [moment.to_pydatetime() for moment in moments["as_of"][over]]
    return rows.filter(rows["as_of"].isin(early)), rows.filter(rows["as_of"] == last.to_pydatetime())


def _counts(rows: DataFrame) -> tuple[int, int]:
    """How many stayed, and how many left."""
    known = {bool(row[ANSWER]): int(row["count"]) for row in rows.groupBy(ANSWER).count().collect()}
    return known.get(False, 0), known.get(True, 0)


def _ranked(judged: DataFrame) -> float:
    """The area under the ROC curve."""
    from pyspark.ml.evaluation import BinaryClassificationEvaluator

    return float(BinaryClassificationEvaluator(labelCol=ANSWER, numBins=0).evaluate(judged))


def auc_error(auc: float, leaving: int, staying: int) -> float:
    """The standard error of an area under the ROC curve (Hanley and McNeil 1982).

    >>> round(auc_error(0.9, 50, 50), 4)
    0.0321
    """
    q1, q2 = auc / (2 - auc), 2 * auc * auc / (1 + auc)
    spread = auc * (1 - auc) + (leaving - 1) * (q1 - auc * auc) + (staying - 1) * (q2 - auc * auc)
    return math.sqrt(spread / (leaving * staying))
