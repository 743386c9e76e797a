"""What a screen costs the server: a rerun with no answer kept, 100,000 to 10,000,000 customers, one process.

The telecom demo is made small, trained quickly, and its customers are repeated under new ids until there are enough:
real features, scores and reasons of a real model. CPU is the whole script run's, queries and charts included.
"""

from __future__ import annotations

import os
import resource
import shutil
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
from engine.files import read_record, write_record
from engine.schema import Actor, Dataset

ROOT = Path(__file__).resolve().parents[1]
SIZES = {100_000: 0.300, 1_000_000: 0.600, 10_000_000: 2.0}
MOST, AT_MOST = 10_000_000, ("Overview", "Segment Analysis", "Action Center")
BLOCK = 200_000
NAME = "demo-telecom"
LAN = Actor("lan", "manager")
REPEATS = 5


def run(_real_data: Path) -> list[Row]:
    """Every screen of a scored dataset, and those in AT_MOST of the most customers."""
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
        if screen.scored and (customers < MOST or screen.title in AT_MOST):
            seconds = statistics.median(_reruns(screen.path))
            rows.append(Row(f"{screen.title}, {customers:,} customers", f"{1000 * seconds:.0f} ms CPU",
                            f"<= {1000 * limit:.0f} ms", seconds <= limit,
                            f"median of {REPEATS}, no answer kept; {held():.2f} GB held at most so far"))
    return rows


def held() -> float:
    """The most memory this process has held [GB]."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


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
    shown = f"{catalog.run(NAME).customers:,} customers scored"
    assert any(shown in caption.value for caption in app.caption), f"The screen does not speak of {shown}."
    took = []
    for _ in range(REPEATS):
        state.forget_answers()
        with clock() as spent:
            app.run()
        took.append(spent.cpu)
    return took


def _grow(customers: int) -> None:
    """Repeat the first run's customers until there are so many, as a version and a run of their own, the only one.

    What happened to the most customers would be a thousand million events, of which AT_MOST show nothing.
    """
    dataset, first = catalog.dataset(NAME), catalog.dataset_folder(NAME) / "runs" / ".first"
    if not first.exists():
        catalog.run(NAME).folder.rename(first)
    kept = read_record(first / "run.json", catalog.Run)
    times = -(-customers // kept.customers)
    grown = replace(dataset, version=f"grown{customers}")
    folder = catalog.dataset_folder(NAME) / grown.version
    happened = times if customers < MOST else 1
    _copy(dataset.customers.parent, folder, {"customers.parquet": times, "events.parquet": happened})
    write_record(folder / "dataset.json", replace(grown, **_relative(grown)))
    bigger = replace(kept, run_id=f"grown{customers}", version=grown.version, customers=times * kept.customers)
    for before in catalog.runs(NAME):
        shutil.rmtree(before.folder)
    _copy(first, bigger.folder, {f"{table}.parquet": times for table in ("scores", "reasons", "features", "known")})
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
