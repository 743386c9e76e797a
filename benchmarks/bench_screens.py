"""What a screen costs the server: a rerun with no answer kept, 100,000 to 10,000,000 customers, one process.

CPU is the whole script run's, queries and charts included.
"""

from __future__ import annotations

import resource
import shutil
import statistics
import sys
from dataclasses import replace
from pathlib import Path

from benchmarks.common import Row, clock
from benchmarks.many import LAN, NAME, copied, grown, small_company
from engine import catalog
from engine.files import read_record, write_record

ROOT = Path(__file__).resolve().parents[1]
SIZES = {100_000: 0.300, 1_000_000: 0.600, 10_000_000: 2.0}
MOST, AT_MOST = 10_000_000, ("Overview", "Segment Analysis", "Action Center")
REPEATS = 5


def run(_real_data: Path) -> list[Row]:
    """Every screen of a scored dataset, and those in AT_MOST of the most customers."""
    with small_company():
        return [row for customers, limit in SIZES.items() for row in _measured(customers, limit)]


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
    happened = times if customers < MOST else 1
    bigger = grown(dataset, f"grown{customers}", {"customers.parquet": times, "events.parquet": happened})
    run = replace(kept, run_id=bigger.version, version=bigger.version, customers=times * kept.customers)
    for before in catalog.runs(NAME):
        shutil.rmtree(before.folder)
    copied(first, run.folder, {f"{table}.parquet": times for table in ("scores", "reasons", "features", "known")})
    write_record(run.folder / "run.json", run)
    (run.folder.parent / "current").write_text(run.run_id + "\n", encoding="utf-8")
