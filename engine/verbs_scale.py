"""The verbs for many customers, on the command line: features; and what computes them, here or on a cluster."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

from engine.grammar import Printed, moment, told_on_stderr, verb
from engine.permissions import acting
from engine.progress import Steps


def add(verbs: Any) -> None:
    """Add the verbs to the command line."""
    verb(verbs, "features", backed(_features), "write every customer's features, part by part; killed, it resumes",
         _features_options)
    verb(verbs, "boost", _boost, "learn who leaves on a Spark cluster, from more rows than a machine holds",
         _boost_options)


def backing(parser: argparse.ArgumentParser) -> None:
    """Options that say what computes features."""
    parser.add_argument("--backend", default="duckdb", help="what computes features: duckdb (here) or spark")
    parser.add_argument("--spark-master", default="", metavar="URL", help="the cluster: spark://host:7077, yarn, ...")


def backed(does: Callable[[argparse.Namespace], Printed]) -> Callable[[argparse.Namespace], Printed]:
    """The verb, its features computed by what the options of `backing` say."""
    def on_backend(asked: argparse.Namespace) -> Printed:
        from engine.data.features.backends import using

        with using(asked.backend, asked.spark_master):
            return does(asked)

    return on_backend


def rescore(asked: argparse.Namespace) -> Printed:
    """Score every customer of the dataset anew, as its production model says."""
    from engine import catalog, pipeline
    from engine.locks import dataset_lock

    dataset, actor = catalog.dataset(asked.dataset), acting()
    with dataset_lock(asked.dataset, "score", actor, asked.now):
        run = pipeline.score(dataset, actor=actor, now=asked.now, steps=Steps(of=2, told=told_on_stderr))
    record = {"dataset": run.dataset, "run_id": run.run_id, "model_id": run.model_id, "rows": run.customers,
              "as_of": run.as_of.isoformat()}
    return record, lambda record: f"{record['rows']:,} customers scored: run {record['run_id']}"


def _features_options(features: argparse.ArgumentParser) -> None:
    from engine.data.features.parts import PART

    features.add_argument("--dataset", required=True)
    features.add_argument("--as-of", type=moment, action="append", default=[], dest="as_ofs",
                          help="a moment of knowledge; repeat for several")
    features.add_argument("--output", required=True, type=Path, help="a folder for Parquet files")
    features.add_argument("--part", type=int, default=PART, metavar="CUSTOMERS", help="how many at a time")
    backing(features)


def _features(asked: argparse.Namespace) -> Printed:
    from engine.bulk import features_file

    record = features_file(asked.dataset, asked.as_ofs, asked.output, actor=acting(), now=asked.now, size=asked.part,
                           progress=told_on_stderr)
    return record, lambda record: (f"{record['rows']:,} rows of features in {record['parts']} files: "
                                   f"{record['output']}")


def _boost_options(boost: argparse.ArgumentParser) -> None:
    boost.add_argument("--dataset", required=True)
    boost.add_argument("--spark-master", default="", metavar="URL", help="the cluster: spark://host:7077, yarn, ...")
    boost.add_argument("--workers", type=int, default=2, help="among how many tasks the rows are spread")
    boost.add_argument("--seed", type=int, default=0)
    boost.add_argument("--output", required=True, type=Path, help="a .json or .ubj file for XGBoost's own model")


def _boost(asked: argparse.Namespace) -> Printed:
    from engine.bulk import boosted_file

    record = boosted_file(asked.dataset, asked.spark_master, asked.output, workers=asked.workers, seed=asked.seed,
                          actor=acting(), now=asked.now)
    return record, lambda record: (
        f"Learned from {record['rows']:,} answers of {record['customers']:,} customers. Before that, the latest moment "
        f"was held back and ranked: area under the ROC curve {record['auc']:.3f} (90 % interval "
        f"{record['auc_low']:.3f} to {record['auc_high']:.3f}). Written: {record['output']}")
