"""Scoring every customer of a telecom by its own model: 1 and 10 million in one go, one machine.

As `python -m engine score --dataset` does: features of what each did, probabilities with their intervals, value,
segment and three reasons in words, in parts. CPU seconds and peak memory are what the kernel says of that process,
imports included. HOLDFAST_SCORED_CUSTOMERS is the most customers (10 million unless set).
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.common import Row
from benchmarks.many import NAME, SMALL, grown, small_company
from engine import catalog
from engine.schema import Dataset

SIZES = (1_000_000, 10_000_000)
MOST_MEMORY = 4e9


def run(_real_data: Path) -> list[Row]:
    """Figures by number of customers."""
    most = int(os.environ.get("HOLDFAST_SCORED_CUSTOMERS", SIZES[-1]))
    with small_company():
        small = catalog.dataset(NAME)
        return [_scored(small, customers) for customers in SIZES if customers <= most]


def _scored(small: Dataset, customers: int) -> Row:
    times = -(-customers // SMALL)
    bigger = grown(small, f"grown{customers}", {"customers.parquet": times, "events.parquet": times})
    (catalog.dataset_folder(NAME) / "current").write_text(bigger.version + "\n", encoding="utf-8")
    assert bigger.events is not None, "The telecom keeps what its customers did."
    began = time.monotonic()
    child = subprocess.Popen([sys.executable, "-m", "engine", "score", "--dataset", NAME, "--json"],
                             stdout=subprocess.DEVNULL)
    _, status, used = os.wait4(child.pid, 0)
    assert status == 0, "Scoring failed."
    cpu, peak, found = used.ru_utime + used.ru_stime, used.ru_maxrss * 1024, catalog.run(NAME)
    assert (found.version, found.customers) == (bigger.version, customers)
    return Row(f"{customers:,} customers scored",
               f"{cpu:.0f} s CPU, {time.monotonic() - began:.0f} s on the clock, {peak / 1e9:.2f} GB at most",
               f"<= {MOST_MEMORY / 1e9:.0f} GB", peak <= MOST_MEMORY,
               f"{1e6 * cpu / customers:.0f} CPU us a customer; {pq.read_metadata(bigger.events).num_rows:,} events")
