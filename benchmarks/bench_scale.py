"""Growth: features of 1, 10 and 100 million events as of 4 moments, one machine.

Each way is a process of its own: CPU seconds and peak memory are what the kernel says of it, imports included. Beside
it, in the same run, pandas and polars compute those features that all three share. HOLDFAST_SCALE_EVENTS is the most
events (100 million unless set); HOLDFAST_SCALE_FOLDER keeps the generated events for the next run.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.common import Row
from benchmarks.scale_child import SHARED
from benchmarks.scale_events import write_customers, write_events

SIZES = (1_000_000, 10_000_000, 100_000_000)
PEERS_UP_TO = 10_000_000
SEED = 5
MOST_MEMORY = 4e9
ENVIRONMENT = {"OMP_WAIT_POLICY": "PASSIVE", "OMP_NUM_THREADS": "1", "HOLDFAST_MEMORY": "2GB"}


def run(_real_data: Path) -> list[Row]:
    """Figures by size."""
    most = int(os.environ.get("HOLDFAST_SCALE_EVENTS", SIZES[-1]))
    return [row for size in SIZES if size <= most for row in _at(size)]


def _at(size: int) -> Iterator[Row]:
    with tempfile.TemporaryDirectory() as scratch:
        events = Path(os.environ.get("HOLDFAST_SCALE_FOLDER") or scratch) / f"{size}" / "events.parquet"
        count, customers = made_once(events, size)
        what = f"{size // 1_000_000} million events"
        yield Row(f"{what}: generated", f"{count:,} events of {customers:,} customers", "", None,
                  f"{events.stat().st_size / 1e6:,.0f} MB Parquet")
        made = measured("whole", events)
        each = f"{made['rows']:,} rows; {1e6 * made['cpu'] / count:.1f} CPU us an event"
        yield Row(f"{what}: all features, in parts", told(made), f"<= {MOST_MEMORY / 1e9:.0f} GB",
                  made["peak"] <= MOST_MEMORY, each)
        if size <= PEERS_UP_TO:
            yield from _beside_peers(what, events)


def made_once(events: Path, size: int) -> tuple[int, int]:
    """Make the events and their customers unless they are there; returns how many of each."""
    customers = events.with_name("customers.parquet")
    if customers.exists():
        return pq.read_metadata(events).num_rows, pq.read_metadata(customers).num_rows
    events.parent.mkdir(parents=True, exist_ok=True)
    return write_events(events, size, SEED), write_customers(customers, events)


def _beside_peers(what: str, events: Path) -> Iterator[Row]:
    ours = measured("ours", events)
    yield Row(f"{what}: {len(SHARED)} shared features, ours", told(ours), "", None, f"{ours['rows']:,} rows")
    for peer in ("pandas", "polars"):
        if importlib.util.find_spec(peer) is None:
            yield Row(f"{what}: the same, {peer}", "left out", note=f"{peer} is not installed")
            continue
        theirs = measured(peer, events)
        assert agree(ours, theirs), f"{peer} computes something else: {theirs} beside {ours}"
        yield Row(f"{what}: the same, {peer}", told(theirs), "ours takes less CPU", ours["cpu"] < theirs["cpu"],
                  f"{theirs['cpu'] / ours['cpu']:.1f} x our CPU seconds; rows and sums agree")


def agree(one: dict, other: dict) -> bool:
    """Whether both have as many rows and the same sums, to a part in a million."""
    pairs = zip(one["sums"], other["sums"], strict=True)
    return one["rows"] == other["rows"] and all(abs(a - b) <= 1e-6 * abs(a) + 1 for a, b in pairs)


def told(made: dict) -> str:
    """CPU, clock and memory of a child in words."""
    return f"{made['cpu']:.1f} s CPU, {made['wall']:.0f} s on the clock, {made['peak'] / 1e9:.2f} GB at most"


def measured(way: str, events: Path) -> dict:
    """What a way took as a process of its own, and the totals of what it made."""
    folder = events.parent / way
    folder.mkdir()
    began = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "benchmarks.scale_child", way, events, folder],
                          env=os.environ | ENVIRONMENT, check=True, stdout=subprocess.PIPE, text=True)
    shutil.rmtree(folder)
    return json.loads(done.stdout) | {"wall": time.monotonic() - began}
