"""Measure everything that BENCHMARKS compares, one topic after the other, and write benchmarks/RESULTS.md.

    python -m benchmarks                 every topic
    python -m benchmarks telco ltv       some of them; the others keep their last figures

Each of several topics is measured in a process of its own and written as soon as it is: one that fails is named at the
end and keeps its last figures. Real data are found through HOLDFAST_REAL_DATA; the shop topic runs its peer where
HOLDFAST_PEER names its checkout.
"""

from __future__ import annotations

import importlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.common import Row, clock

HERE = Path(__file__).resolve().parent
TOPICS = {path.stem.removeprefix("bench_"): path.stem for path in sorted(HERE.glob("bench_*.py"))}
LIBRARIES = ("lightgbm", "xgboost-cpu", "scikit-learn", "numpy", "pandas", "numba", "duckdb", "ibis-framework")
KEPT = HERE / "results"


def main(asked: list[str]) -> int:
    """Run the topics asked for (all of them when none is named); returns the exit code."""
    root = os.environ.get("HOLDFAST_REAL_DATA")
    if not root:
        print("Set HOLDFAST_REAL_DATA to the folder that holds the real data sets (README says where to get them).",
              file=sys.stderr)
        return 2
    unknown = set(asked) - set(TOPICS)
    if unknown:
        print(f"There is no topic {', '.join(sorted(unknown))}. Choose from: {', '.join(TOPICS)}.", file=sys.stderr)
        return 2
    topics = asked or list(TOPICS)
    if len(topics) > 1:
        return each_alone(topics)
    measure(topics[0], Path(root).resolve())
    (HERE / "RESULTS.md").write_text(report(), encoding="utf-8")
    print(f"Written: {HERE / 'RESULTS.md'}", file=sys.stderr)
    return 0


def each_alone(topics: list[str]) -> int:
    """Measure each topic in a process of its own; returns 1 when some of them failed, which are named."""
    if "shop_peer" in topics and not os.environ.get("HOLDFAST_PEER"):
        print("HOLDFAST_PEER is not set: shop_peer is measured without its peer's own run.", file=sys.stderr)
    failed = [topic for topic in topics if subprocess.run([sys.executable, "-m", "benchmarks", topic]).returncode]
    if failed:
        print(f"Failed, their last figures kept: {', '.join(failed)}. What went wrong stands above.", file=sys.stderr)
    return 1 if failed else 0


def measure(topic: str, real_data: Path) -> None:
    """Run one topic and keep its rows as JSON."""
    print(f"Measuring {topic} ...", file=sys.stderr, flush=True)
    with clock() as took:
        module = importlib.import_module(f"benchmarks.{TOPICS[topic]}")
        rows: list[Row] = module.run(real_data)
    KEPT.mkdir(exist_ok=True)
    record = {"title": (module.__doc__ or topic).strip().splitlines()[0], "cpu": took.cpu, "wall": took.wall,
              "measured_on": f"{datetime.now(UTC):%Y-%m-%d}", "machine": machine(), "versions": versions(),
              "rows": [vars(row) for row in rows]}
    (KEPT / f"{topic}.json").write_text(json.dumps(record, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def report() -> str:
    """RESULTS.md from the kept records."""
    records = [json.loads(path.read_text(encoding="utf-8")) for path in sorted(KEPT.glob("*.json"))]
    head = ["# Measured figures", "", "Written by `make bench`. Each topic says when, where and with which versions it "
            "was measured; a goal that was not met says so.", ""]
    return "\n".join([*head, *(line for record in records for line in topic_lines(record))])


def topic_lines(record: dict) -> list[str]:
    """One topic as Markdown."""
    took = [f"{record['cpu']:.0f} s CPU"] if record["cpu"] else []
    took += [f"{record['wall']:.0f} s on the clock"] if record["wall"] else []
    head = "; ".join(filter(None, [record["measured_on"], record["machine"], record["versions"], ", ".join(took)]))
    verdict = {True: "yes", False: "**no**", None: ""}
    rows = [f"| {row['name']} | {row['measured']} | {row['goal']} | {verdict[row['met']]} | {row['note']} |"
            for row in record["rows"]]
    return [f"## {record['title']}", "", head, "", "| what | measured | goal | met | note |", "|---|---|---|---|---|",
            *rows, ""]


def machine() -> str:
    """Processor, cores and Python of this machine."""
    return f"{platform.machine()}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}"


def versions() -> str:
    """The versions of the libraries that the figures depend on."""
    return ", ".join(f"{name} {importlib.metadata.version(name)}" for name in LIBRARIES)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
