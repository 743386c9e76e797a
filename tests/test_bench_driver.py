"""`make bench` in one go: each topic alone, written once measured; one that fails is named and keeps its figures."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[1] / "benchmarks"
GOOD = """'Good.'
from benchmarks.common import Row

def run(real_data):
    return [Row("what is measured", "1", "<= 2", True)]
"""
BAD = """'Bad.'

def run(real_data):
    raise FileNotFoundError(real_data / "nowhere.csv")
"""
KEPT = {"title": "Bad, when it still worked", "cpu": 1.0, "wall": 1.0, "measured_on": "2026-01-01", "machine": "m",
        "versions": "v", "rows": [{"name": "what was measured", "measured": "7", "goal": "", "met": None, "note": ""}]}


@pytest.fixture
def bench(tmp_path: Path) -> Path:
    """The driver with two topics of its own: of these, `bad` fails and has figures of an earlier day."""
    folder = tmp_path / "benchmarks"
    (folder / "results").mkdir(parents=True)
    for name in ("__init__.py", "__main__.py", "common.py"):
        shutil.copy(BENCHMARKS / name, folder / name)
    (folder / "bench_bad.py").write_text(BAD, encoding="utf-8")
    (folder / "bench_good.py").write_text(GOOD, encoding="utf-8")
    (folder / "results" / "bad.json").write_text(json.dumps(KEPT), encoding="utf-8")
    return folder


def ran(folder: Path, *topics: str, real_data: str = ".") -> subprocess.CompletedProcess[str]:
    told = os.environ | {"HOLDFAST_REAL_DATA": real_data, "PYTHONPATH": ""}
    return subprocess.run([sys.executable, "-m", "benchmarks", *topics], cwd=folder.parent, env=told,
                          capture_output=True, text=True, check=False)


def test_a_topic_that_fails_stops_no_other_and_keeps_its_figures(bench: Path) -> None:
    done = ran(bench)
    told = (bench / "RESULTS.md").read_text(encoding="utf-8")
    assert done.returncode == 1
    assert "nowhere.csv" in done.stderr
    assert done.stderr.rstrip().endswith("Failed, their last figures kept: bad. What went wrong stands above.")
    assert "| what is measured | 1 | <= 2 | yes |  |" in told
    assert "| what was measured | 7 |" in told


def test_one_topic_alone_is_written_beside_what_is_kept(bench: Path) -> None:
    assert ran(bench, "good").returncode == 0
    assert sorted(path.name for path in (bench / "results").iterdir()) == ["bad.json", "good.json"]


def test_without_data_or_with_an_unknown_topic_it_says_what_to_do(bench: Path) -> None:
    for done in (ran(bench, real_data=""), ran(bench, "nonsense")):
        assert done.returncode == 2
        assert "HOLDFAST_REAL_DATA" in done.stderr or "Choose from: bad, good." in done.stderr


def test_the_shop_topic_says_that_its_peer_is_missing(bench: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOLDFAST_PEER", raising=False)
    (bench / "bench_shop_peer.py").write_text(GOOD, encoding="utf-8")
    assert "HOLDFAST_PEER is not set" in ran(bench, "good", "shop_peer").stderr
