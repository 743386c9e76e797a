"""A company of as many customers as one likes: the telecom demo made small and judged quickly, its customers repeated
under new ids. Its features, scores and reasons are real ones, of a real model.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import engine
from engine import catalog
from engine.files import write_record
from engine.schema import Actor, Dataset

NAME, SMALL = "demo-telecom", 2_000
LAN = Actor("lan", "manager")
BLOCK = 200_000


@contextmanager
def own_home() -> Iterator[Path]:
    """A home and a state database of its own, gone afterwards; the environment is as it was."""
    with tempfile.TemporaryDirectory() as folder:
        before = dict(os.environ)
        os.environ["HOLDFAST_HOME"] = folder
        os.environ.pop("HOLDFAST_DATABASE_URL", None)
        try:
            yield Path(folder)
        finally:
            os.environ.clear()
            os.environ.update(before)


@contextmanager
def small_company() -> Iterator[None]:
    """A home with the telecom demo of SMALL customers, judged quickly."""
    with own_home() as home:
        make(home / "files")
        yield


def make(folder: Path) -> None:
    """Onboard and train the small company of files in the folder."""
    demo = engine.DEMOS[NAME]
    made = demo.write(folder, seed=0, customers=SMALL)
    options = {"synthetic": True, "currency": demo.currency, "sector": demo.sector, "horizon_days": demo.horizon_days}
    engine.run(made.sources, name=NAME, adapter=made.adapter, observed_until=made.observed_until, options=options,
               settings=engine.Settings(quick=True), actor=LAN, now=datetime(2025, 7, 2))


def grown(dataset: Dataset, version: str, times: Mapping[str, int]) -> Dataset:
    """The dataset with its tables repeated as often as said, kept as another version of it."""
    folder = catalog.dataset_folder(dataset.name) / version
    bigger = replace(dataset, version=version)
    copied(dataset.customers.parent, folder, times)
    write_record(folder / "dataset.json", replace(bigger, **_relative(bigger)))
    return catalog.dataset(dataset.name, version)


def _relative(dataset: Dataset) -> dict[str, Any]:
    return {name: Path(path.name) for name in catalog.TABLES if (path := getattr(dataset, name)) is not None}


def copied(source: Path, target: Path, times: Mapping[str, int]) -> None:
    """The folder with some of its tables repeated, each time under ids of their own."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.name in times:
            _repeat(path, target / path.name, times[path.name])
        elif path.is_file():
            (target / path.name).write_bytes(path.read_bytes())


def _repeat(source: Path, target: Path, times: int) -> None:
    """The table so many times, one copy after the other and never all in memory, ids in the order in which runs keep
    them."""
    table = pq.read_table(source)
    place = table.schema.get_field_index("customer_id")
    field, together = table.schema.field(place), -(-BLOCK // len(table))
    with pq.ParquetWriter(target, table.schema, compression="zstd") as writer:
        for start in range(0, times, together):
            named = [pc.binary_join_element_wise(f"{number:06}", table["customer_id"].cast(pa.string()), "-")
                     for number in range(start, min(start + together, times))]
            copies = [table.set_column(place, field, ids.cast(field.type)) for ids in named]
            writer.write_table(pa.concat_tables(copies), row_group_size=BLOCK)
