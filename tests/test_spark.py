"""Apache Spark: the same expressions and the same models give the same figures."""

from __future__ import annotations

import importlib.util
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pandas as pd
import pytest

from engine import bulk, catalog, pipeline
from engine.data.features import feature_columns, features_at
from engine.data.features.backends import using
from engine.errors import EngineError
from engine.schema import Actor

MASTER = "local[2]"
EXACT = {"count", "flag"}
pytestmark = [pytest.mark.spark, pytest.mark.slow]

NOW = datetime(2025, 7, 2)
SHOP = "demo-shop"


@pytest.fixture(scope="module")
def spark() -> Iterator[str]:
    """A Spark of two threads on this machine, closed afterwards."""
    if importlib.util.find_spec("pyspark") is None or shutil.which("java") is None:
        pytest.skip("Install Java 17 and `pip install -r requirements-spark.txt` to run these tests.")
    yield MASTER
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
    shop, before = catalog.dataset(SHOP), catalog.run(SHOP)
    model, card = pipeline.production(SHOP)
    judged = partial(pipeline.with_hold_back, card=card, book=pipeline._steps_of(shop))
    run = catalog.Run(**{**vars(before), "run_id": "onspark"})
    with using("spark", spark):
        made = bulk.score_in_parts(model, shop, run, judged, actor=Actor("ana"), now=NOW, size=300)
    alike = {"rtol": 1e-9, "atol": 1e-12, "check_dtype": False}
    for there, here in ((before.scores(), made.scores()), (before.reasons(), made.reasons())):
        pd.testing.assert_frame_equal(here.drop(columns="run_id"), there.drop(columns="run_id"), **alike)


def test_a_snapshot_is_not_sent_to_a_cluster(read_companies: Path) -> None:
    from engine.data.features import query

    telecom = catalog.dataset("demo-telecom")
    with pytest.raises(EngineError, match="are not of events alone"):
        query(telecom, [telecom.observed_until])
