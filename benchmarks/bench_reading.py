"""Reading a big file: the most memory a process holds, as a whole and in chunks, of order lines and events.

HOLDFAST_READING_MB sets the sizes (75,300,2000); the largest, a CSV of 2 GB, takes ten minutes on two busy cores.

Files are made here (nothing real) in a temporary folder and removed. Memory is the reading process's own peak (RSS),
libraries included; the process is an adapter at work, from the CSV to the sorted Parquet tables.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq

from benchmarks.common import Row, clock

MEGABYTE = 1 << 20
BLOCK = 250_000
SIZES = (75, 300, 2000)
WHOLE = 75
MOST_GB = 2.0
WORLDS: dict[str, Callable[[int, np.random.Generator], pd.DataFrame]] = {}


def run(_real_data: Path) -> list[Row]:
    """Peak memory and seconds by size and by way of reading."""
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for world in WORLDS:
            for size in sizes() if world == "order lines" else sizes()[:1]:
                path = Path(folder) / "big.csv"
                lines = write(path, world, size * MEGABYTE)
                rows += [_row(world, path, lines, whole) for whole in ((True, False) if size <= WHOLE else (False,))]
                path.unlink()
    return rows


def sizes() -> list[int]:
    """The sizes [MB], the smallest first."""
    told = os.environ.get("HOLDFAST_READING_MB", "")
    return sorted(int(size) for size in told.split(",")) if told else list(SIZES)


def _row(world: str, path: Path, lines: int, whole: bool) -> Row:
    found = json.loads(subprocess.run([sys.executable, "-m", "benchmarks.bench_reading", str(path), str(int(whole))],
                                      check=True, capture_output=True, text=True).stdout)
    size = path.stat().st_size / 1e6
    measured = f"{found['gigabytes']:.2f} GB held, {found['cpu']:.0f} CPU s, {found['wall']:.0f} s on the clock"
    name = f"{size:,.0f} MB of {world} ({lines:,}), {'as a whole' if whole else 'in chunks'}"
    assert found["events"] + found["rejected"] == lines, "Every line is an event or rejected."
    note = f"{found['rejected']:,} rejected, {found['customers']:,} customers"
    if whole:
        return Row(name, measured, note=note)
    return Row(name, measured, f"<= {MOST_GB:.0f} GB held", found["gigabytes"] <= MOST_GB, note)


def write(path: Path, world: str, least_bytes: int) -> int:
    """A CSV of that world and of at least so many bytes; returns its lines under the header."""
    rng, lines = np.random.default_rng(0), 0
    with path.open("w", encoding="utf-8", newline="") as file:
        while file.tell() < least_bytes:
            WORLDS[world](lines, rng).to_csv(file, index=False, header=not lines)
            lines += BLOCK
    return lines


def _order_lines(start: int, rng: np.random.Generator) -> pd.DataFrame:
    """Lines as in Online Retail: about ten to an order, one in five of nobody."""
    order = start // 10 + np.arange(BLOCK) // 10
    at = np.datetime64("2022-01-01", "s") + (order * 7 % (900 * 86_400)).astype("timedelta64[s]")
    customer = rng.integers(10_000, 400_000, BLOCK).astype(str).astype(object)
    customer[rng.random(BLOCK) < 0.2] = ""
    return pd.DataFrame({
        "Invoice": 500_000 + order, "StockCode": rng.integers(20_000, 24_000, BLOCK), "Description": "A THING OF SORTS",
        "Quantity": rng.integers(1, 40, BLOCK), "InvoiceDate": pd.Series(at).dt.strftime("%Y-%m-%d %H:%M:%S"),
        "Price": rng.integers(10, 5_000, BLOCK) / 100, "Customer ID": customer, "Country": "United Kingdom"})


def _events(start: int, rng: np.random.Generator) -> pd.DataFrame:
    """Events with an id of their own, to the second."""
    number = start + np.arange(BLOCK)
    at = np.datetime64("2022-01-01", "s") + rng.integers(0, 900 * 86_400, BLOCK).astype("timedelta64[s]")
    return pd.DataFrame({
        "event_id": pd.Series(number).map("e{:012d}".format), "customer_id": rng.integers(10_000, 400_000, BLOCK),
        "at": pd.Series(at).dt.strftime("%Y-%m-%dT%H:%M:%S"), "kind": rng.choice(["order", "session", "cart"], BLOCK),
        "amount": rng.integers(10, 5_000, BLOCK) / 100})


WORLDS |= {"order lines": _order_lines, "events": _events}


def alone(path: Path, whole: bool) -> dict[str, float]:
    """Read the file in this process, and say what it took."""
    from engine.data import adapters, chunks

    if whole:
        chunks.WHOLE_BYTES = sys.maxsize
    with tempfile.TemporaryDirectory(dir=path.parent) as into, clock() as took:
        reading = adapters.read([path], Path(into), "orders", name="big", now=datetime(2025, 1, 1))
        assert reading.dataset.events is not None, "Orders are events."
        count = {"events": pq.read_metadata(reading.dataset.events).num_rows,
                 "customers": pq.read_metadata(reading.dataset.customers).num_rows, "rejected": reading.rejections}
    held = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {**count, "gigabytes": held / 1e9, "cpu": took.cpu, "wall": took.wall}


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    print(json.dumps(alone(Path(sys.argv[1]), bool(int(sys.argv[2])))))
