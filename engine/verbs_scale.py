"""The verbs for many customers, on the command line: features."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from engine.grammar import Printed, moment, told_on_stderr, verb
from engine.permissions import acting


def add(verbs: Any) -> None:
    """Add the verbs to the command line."""
    verb(verbs, "features", _features, "write every customer's features, part by part; killed, it resumes",
                    _features_options)


def _features_options(features: argparse.ArgumentParser) -> None:
    from engine.data.features.parts import PART

    features.add_argument("--dataset", required=True)
    features.add_argument("--as-of", type=moment, action="append", default=[], dest="as_ofs",
                          help="a moment of knowledge; repeat for several")
    features.add_argument("--output", required=True, type=Path, help="a folder for Parquet files")
    features.add_argument("--part", type=int, default=PART, metavar="CUSTOMERS", help="how many at a time")


def _features(asked: argparse.Namespace) -> Printed:
    from engine.bulk import features_file

    record = features_file(asked.dataset, asked.as_ofs, asked.output, actor=acting(), now=asked.now, size=asked.part,
                           progress=told_on_stderr)
    return record, lambda record: (f"{record['rows']:,} rows of features in {record['parts']} files: "
                                   f"{record['output']}")
