"""Apache Spark: the same expressions and the same models give the same figures."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine import bulk, catalog, pipeline, spark_training, state
from engine.catalog import Run
from engine.data.features import feature_columns, features_at
from engine.data.features.backends import using
from engine.data.features.spark import Spark
from engine.data.labels import labels
from engine.errors import EngineError
from engine.prediction.level import learning_windows
from engine.schema import Actor

MASTER = "local[2]"
CLUSTER = "local-cluster[2,1,1024]"
EXACT = {"count", "flag"}
pytestmark = [pytest.mark.spark, pytest.mark.slow]

NOW = datetime(2025, 7, 2)
SHOP = "demo-shop"
ANA = Actor("ana", "manager")


@pytest.fixture(scope="module")
def spark() -> Iterator[str]:
    """A Spark of two threads on this machine, closed afterwards."""
    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        pytest.skip("Install Java 17 and `pip install -r requirements-spark.txt` to run these tests.")
    yield MASTER
    closed()


@pytest.fixture
def cluster(spark: str) -> Iterator[str]:
    """A Spark whose two executors are processes of their own, opened after the other one is closed."""
    closed()
    yield CLUSTER
    closed()


def closed() -> None:
    """No Spark is open in this process any more."""
    from pyspark.sql import SparkSession

    if session := SparkSession.getActiveSession():
        session.stop()


def test_features_are_duckdbs(spark: str, read_companies: Path) -> None:
    """Counts, times and money exactly, and here everything else too, to the last bit but one."""
    shop = catalog.dataset(SHOP)
    moments = [shop.observed_until, shop.observed_until - timedelta(days=200)]
    here = features_at(shop, moments)
    with using("spark", spark):
        there = features_at(shop, moments)
    assert len(here) > 800
    pd.testing.assert_frame_equal(there, here, rtol=1e-9, atol=1e-12)
    exact = [column.name for column in feature_columns(shop)
             if column.kind in EXACT or column.unit in ("currency", "days", "pieces")]
    assert len(exact) > 40
    pd.testing.assert_frame_equal(there[exact], here[exact], check_exact=True)


def test_scores_are_duckdbs(spark: str, own_companies: Path) -> None:
    """Features by Spark's SQL, scores by mapInArrow: the run that comes of it is the one that DuckDB made."""
    alike(catalog.run(SHOP), scored_on(spark, size=300))


def test_a_killed_executor_loses_nothing(cluster: str, own_companies: Path) -> None:
    """One of two executors is killed as soon as a part is kept; the other, or its successor, does its work again."""
    with ThreadPoolExecutor() as pool:
        killed = pool.submit(an_executor_killed, catalog.dataset_folder(SHOP) / "runs")
        made = scored_on(cluster, size=60)
        assert killed.result() > 0
    alike(catalog.run(SHOP), made)


def scored_on(master: str, size: int) -> Run:
    """The shop scored on a Spark, as a run beside its own."""
    shop = catalog.dataset(SHOP)
    model, card = pipeline.production(SHOP)
    judged = partial(pipeline.with_hold_back, card=card, book=pipeline._steps_of(shop))
    run = Run(**{**vars(catalog.run(SHOP)), "run_id": "onspark"})
    with using("spark", master):
        return bulk.score_in_parts(model, shop, run, judged, actor=Actor("ana"), now=NOW, size=size, in_use=False)


def alike(here: Run, there: Run) -> None:
    """Both runs say the same of the same customers."""
    for one, other in ((here.scores(), there.scores()), (here.reasons(), there.reasons())):
        pd.testing.assert_frame_equal(other.drop(columns="run_id"), one.drop(columns="run_id"), rtol=1e-9, atol=1e-12,
                                      check_dtype=False)


def test_a_killed_executor_costs_training_time_and_nothing_else(cluster: str, own_companies: Path) -> None:
    """One of two executors is killed while both grow trees: the stage begins again, and the trees are the same."""
    names = [column.name for column in feature_columns(catalog.dataset(SHOP))]
    rows = spark_training.training_rows(Spark(cluster), catalog.dataset(SHOP)).cache()
    whole = spark_training.trained(rows, names, 0, 2).get_booster().save_raw("json")
    with ThreadPoolExecutor() as pool:
        killed = pool.submit(killed_while, trees_grow)
        again = spark_training.trained(rows, names, 0, 2).get_booster().save_raw("json")
        assert killed.result() > 0
    assert again == whole


def trees_grow() -> bool:
    """Whether the stage in which both workers fit is under way."""
    from pyspark import SparkContext

    tracker = SparkContext._active_spark_context.statusTracker()
    stages = [tracker.getStageInfo(stage) for stage in tracker.getActiveStageIds()]
    return any(stage is not None and stage.name.startswith("fit at") and stage.numTasks == stage.numActiveTasks == 2
               for stage in stages)


def an_executor_killed(runs: Path) -> int:
    """Wait for the first part to be kept, and kill one of the executors that are at work; returns its process."""
    return killed_while(lambda: bool(list(runs.glob(".parts-*/*.done"))))


def killed_while(at_work: Callable[[], bool]) -> int:
    """Wait until that is so, and kill one of the executors; returns its process."""
    while not at_work():
        time.sleep(0.05)
    listed = subprocess.run(["ps", "-ww", "-eo", "pid=,args="], check=True, capture_output=True, text=True).stdout
    executors = [int(line.split()[0]) for line in listed.splitlines()
                 if "CoarseGrainedExecutorBackend" in line and application() in line]
    os.kill(executors[0], signal.SIGKILL)
    return executors[0]


def application() -> str:
    """The id of the Spark application that this process has open."""
    from pyspark import SparkContext

    return SparkContext._active_spark_context.applicationId


def test_training_rows_are_the_snapshots(spark: str, read_companies: Path) -> None:
    """What the cluster learns from: the features and answers of every moment that is learned from here."""
    shop = catalog.dataset(SHOP)
    y = labels(shop, learning_windows(shop))
    rows = spark_training.training_rows(Spark(spark), shop).toPandas()
    there = rows.astype({"as_of": "datetime64[ns]"}).set_index(["as_of", "customer_id"]).sort_index()
    pd.testing.assert_series_equal(there["churned"], y.sort_index(), check_dtype=False)
    X = features_at(shop, y.index.unique("as_of"))
    pd.testing.assert_frame_equal(there[list(X)].astype("float64"), X.loc[there.index], rtol=1e-9, atol=1e-12)


def test_trees_of_a_cluster_are_those_of_xgboost_here(spark: str, own_companies: Path, tmp_path: Path) -> None:
    """The same rows and settings: one worker grows the same trees, two rank as well, and both say so of unseen rows."""
    import xgboost

    from engine.prediction.metrics import roc_auc

    told = bulk.boosted_file(SHOP, spark, tmp_path / "model.ubj", workers=2, seed=0, actor=ANA, now=NOW)
    names = [column.name for column in feature_columns(catalog.dataset(SHOP))]
    rows = spark_training.training_rows(Spark(spark), catalog.dataset(SHOP)).cache()
    frame = rows.toPandas().sort_values(["customer_id", "as_of"])
    X, y = frame[names].astype("float64"), frame["churned"].to_numpy()
    here = xgboost.XGBClassifier(random_state=0, n_jobs=1, **spark_training.SETTINGS).fit(X, y).predict_proba(X)[:, 1]
    alone, both = (booster.predict(xgboost.DMatrix(X)) for booster in (
        spark_training.trained(rows, names, 0, 1).get_booster(), xgboost.Booster(model_file=told["output"])))
    np.testing.assert_allclose(alone, here, atol=1e-6)
    assert abs(roc_auc(y, both) - roc_auc(y, here)) < 0.005
    assert (told["rows"], told["leavers"], told["customers"]) == (len(y), y.sum(), frame["customer_id"].nunique())
    assert 0.5 < told["auc_low"] < told["auc"] < told["auc_high"] < 1 and 0 < told["judged"] < told["rows"]
    assert state.audit_log(verb="train")[0].detail == {"rows": len(y), "output": "model.ubj"}


@pytest.mark.parametrize(("who", "output", "workers", "says"), [
    ("marketer", "model.ubj", 2, "marketer"), ("manager", "model.pkl", 2, "End it in .json or .ubj"),
    ("manager", "model.ubj", 0, "at least 1"), ("manager", "model.ubj", 2, "Spark is not installed here")],
    ids=["role", "ending", "workers", "no-pyspark"])
def test_what_a_cluster_cannot_learn_is_refused(own_companies: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                who: str, output: str, workers: int, says: str) -> None:
    """Before any work, in words, and nothing is left behind."""
    monkeypatch.setitem(sys.modules, "pyspark.sql", None)
    folder = tmp_path / "models"
    with pytest.raises(EngineError, match=says):
        bulk.boosted_file(SHOP, MASTER, folder / output, workers=workers, seed=0, actor=Actor("ben", who), now=NOW)
    assert not list(folder.glob("*"))


def test_a_snapshot_is_not_sent_to_a_cluster(read_companies: Path) -> None:
    from engine.data.features import query

    telecom = catalog.dataset("demo-telecom")
    with pytest.raises(EngineError, match="are not of events alone"):
        query(telecom, [telecom.observed_until])
