"""What a screen costs the server: a rerun with no answer kept, 100,000 and 1,000,000 customers, one process.

The telecom demo is made small, trained quickly, and its customers are repeated under new ids until there are enough:
real features, scores and reasons of a real model. CPU is the whole script run's, queries and charts included.
"""

from __future__ import annotations

import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

import engine
from benchmarks.common import Row, clock
from engine import catalog
from engine.files import write_record
from engine.schema import Actor, Dataset

ROOT = Path(__file__).resolve().parents[1]
SIZES = {100_000: 0.300, 1_000_000: 0.600}
NAME = "demo-telecom"
LAN = Actor("lan", "manager")
REPEATS = 5


def run(_real_data: Path) -> list[Row]:
    """Every screen of a scored dataset at both sizes."""
    with _small_company():
        return [row for customers, limit in SIZES.items() for row in _measured(customers, limit)]


@contextmanager
def _small_company() -> Iterator[None]:
    """A home with the telecom demo of 2,000 customers, judged quickly."""
    with tempfile.TemporaryDirectory() as folder:
        before = dict(os.environ)
        os.environ["HOLDFAST_HOME"] = folder
        os.environ.pop("HOLDFAST_DATABASE_URL", None)
        try:
            _make(Path(folder) / "files")
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def _make(folder: Path) -> None:
    demo = engine.DEMOS[NAME]
    made = demo.write(folder, seed=0, customers=2_000)
    options = {"synthetic": True, "currency": demo.currency, "sector": demo.sector, "horizon_days": demo.horizon_days}
    engine.run(made.sources, name=NAME, adapter=made.adapter, observed_until=made.observed_until, options=options,
               settings=engine.Settings(quick=True), actor=LAN, now=datetime(2025, 7, 2))


def _measured(customers: int, limit: float) -> list[Row]:
    from ui.navigation import offered

    _grow(customers)
    rows = []
    for screen in offered(LAN, scored=True):
        if screen.scored:
            seconds = statistics.median(_reruns(screen.path))
            rows.append(Row(f"{screen.title}, {customers:,} customers", f"{1000 * seconds:.0f} ms CPU",
                            f"<= {1000 * limit:.0f} ms", seconds <= limit, f"median of {REPEATS}, no answer kept"))
    return rows


def _reruns(page: Path) -> list[float]:
    """CPU seconds of reruns of the page with the answers thrown away before each."""
    from streamlit.testing.v1 import AppTest

    import ui.session
    from ui import state

    ui.session.signed_in = lambda: LAN
    sys.argv = ["streamlit_app.py"]
    app = AppTest.from_file(str(ROOT / "ui" / "main.py"), default_timeout=120)
    app.run()
    app.switch_page(str(page)).run()
    assert not app.exception, app.exception
    took = []
    for _ in range(REPEATS):
        state.forget_answers()
        with clock() as spent:
            app.run()
        took.append(spent.cpu)
    return took


def _grow(customers: int) -> None:
    """Repeat the run's customers until there are so many, as a version and a run of their own, and use them."""
    dataset, kept = catalog.dataset(NAME), catalog.run(NAME)
    there = engine.describe_datasets(LAN)[0]["customers"]
    times = -(-customers // there)
    grown = replace(dataset, version=f"grown{customers}")
    folder = catalog.dataset_folder(NAME) / grown.version
    _copy(dataset.customers.parent, folder, {"customers.parquet": times, "events.parquet": times})
    write_record(folder / "dataset.json", replace(grown, **_relative(grown)))
    bigger = replace(kept, run_id=f"grown{customers}", version=grown.version, customers=times * kept.customers)
    _copy(kept.folder, bigger.folder, {f"{table}.parquet": times for table in ("scores", "reasons", "features")})
    write_record(bigger.folder / "run.json", bigger)
    (bigger.folder.parent / "current").write_text(bigger.run_id + "\n", encoding="utf-8")


def _relative(dataset: Dataset) -> dict[str, Any]:
    return {name: Path(path.name) for name in catalog.TABLES if (path := getattr(dataset, name)) is not None}


def _copy(source: Path, target: Path, repeated: dict[str, int]) -> None:
    """The folder with some of its tables repeated, each time under ids of their own."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.iterdir():
        if path.name in repeated and path.exists():
            _repeat(path, target / path.name, repeated[path.name])
        elif path.is_file():
            (target / path.name).write_bytes(path.read_bytes())


def _repeat(source: Path, target: Path, times: int) -> None:
    """The table so many times, one copy after the other and never all in memory."""
    table = pq.read_table(source)
    place = table.schema.get_field_index("customer_id")
    with pq.ParquetWriter(target, table.schema, compression="zstd") as writer:
        for number in range(times):
            ids = pc.binary_join_element_wise(table["customer_id"].cast(pa.string()), str(number), "-")
            field = table.schema.field(place)
            writer.write_table(table.set_column(place, field, ids.cast(field.type)))
