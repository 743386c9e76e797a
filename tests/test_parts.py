"""Work in parts: the same values as all at once, whatever the size of a part; what was killed resumes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from engine import bulk, catalog, pipeline
from engine.data.features import features_at
from engine.data.features.happened import limits
from engine.data.features.parts import customers_in_parts, features_in_parts
from engine.errors import EngineError
from engine.parts import in_parts, join, tables
from engine.schema import Actor, Dataset

CLOSE = {"rtol": 1e-12, "atol": 1e-12}
DEMOS = ["demo-shop", "demo-telecom"]


@pytest.fixture(params=DEMOS)
def company(request: pytest.FixtureRequest, read_companies: Path) -> Dataset:
    return catalog.dataset(request.param)


def moments(company: Dataset) -> list:
    days = (0,) if company.kind == "snapshot" else (0, 90, 365)
    return [company.observed_until - timedelta(days=back) for back in days]


def read(paths: list[Path]) -> pd.DataFrame:
    """The parts as one frame, in the order of all at once."""
    return plain(pd.concat([pd.read_parquet(path) for path in paths]).set_index(["as_of", "customer_id"]))


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Sorted, categories as what they say."""
    told = {name: object for name in frame if frame[name].dtype in ("category", object)}
    return frame.astype(told).sort_index()


@pytest.mark.slow
@pytest.mark.parametrize("size", [100, 1_001, 5_000], ids=lambda size: f"{size} at a time")
def test_parts_equal_all_at_once(company: Dataset, tmp_path: Path, size: int) -> None:
    told: list[tuple[int, int]] = []
    paths = features_in_parts(company, moments(company), tmp_path / "made", size=size,
                              part=lambda done, of: told.append((done, of)))
    at_once = features_at(company, moments(company))
    assert len(at_once) > 500
    exact = company.kind == "orders"  # means of a telecom's use are sums of fractions
    pd.testing.assert_frame_equal(read(paths), plain(at_once), check_exact=exact, **({} if exact else CLOSE))
    count = -(-pq.read_metadata(company.customers).num_rows // size)
    assert told == [(done, count) for done in range(1, count + 1)]


@pytest.mark.slow
def test_every_customer_is_in_one_part(company: Dataset) -> None:
    ids = [one for part in customers_in_parts(company, 333) for one in part.to_pylist()]
    assert ids == sorted(company.frame().index)


def test_what_is_done_is_not_done_again(tmp_path: Path) -> None:
    made: list[int] = []

    def make(number: int) -> dict[str, pd.DataFrame]:
        if number == 2 and len(made) == 2:
            raise KeyboardInterrupt
        made.append(number)
        return {"rows": pd.DataFrame({"number": [number]})} if number != 1 else {}

    with pytest.raises(KeyboardInterrupt):
        in_parts(tmp_path, {"of": "test"}, range(4), make)
    assert [path.name for path in tables(tmp_path, "rows")] == ["rows-00000.parquet"]
    made.append(9)
    assert in_parts(tmp_path, {"of": "test"}, range(4), make) == 2
    assert made == [0, 1, 9, 2, 3]
    assert join(tables(tmp_path, "rows"), tmp_path / "all") == 3
    assert pd.read_parquet(tmp_path / "all")["number"].tolist() == [0, 2, 3]


def test_parts_of_another_question_are_refused(tmp_path: Path) -> None:
    in_parts(tmp_path / "one", {"size": 1}, [], dict)
    with pytest.raises(EngineError, match="holds the parts of another computation"):
        in_parts(tmp_path / "one", {"size": 2}, [], dict)
    (tmp_path / "letter.txt").write_text("dear")
    with pytest.raises(EngineError, match="is not empty"):
        in_parts(tmp_path, {"size": 2}, [], dict)


def test_parts_with_other_categories_join(tmp_path: Path) -> None:
    plans = [pd.Categorical(["a"]), pd.Categorical([f"p{n}" for n in range(200)]), pd.Categorical([None])]
    in_parts(tmp_path / "made", {}, plans, lambda plan: {"rows": pd.DataFrame({"plan": plan})})
    assert join(tables(tmp_path / "made", "rows"), tmp_path / "all.parquet") == 202
    assert pd.read_parquet(tmp_path / "all.parquet")["plan"].astype(object).tolist()[:2] == ["a", "p0"]


def test_memory_is_written_as_one_says_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_MEMORY", "much")
    with pytest.raises(EngineError, match="Write it as 3GB"):
        limits()


SLOWLY = """
import sys, time
from datetime import datetime
from pathlib import Path
from engine import catalog
from engine.data.features.parts import features_in_parts

dataset = catalog.dataset("demo-shop")
features_in_parts(dataset, [dataset.observed_until], Path(sys.argv[1]), size=100,
                  part=lambda done, of: (print(done, flush=True), time.sleep(0.2)))
"""


@pytest.mark.slow
def test_a_killed_computation_resumes_where_it_was(read_companies: Path, tmp_path: Path) -> None:
    """SIGKILL in the middle: what was whole stays as it was, byte for byte and untouched; the rest is made."""
    command = [sys.executable, "-c", SLOWLY, str(tmp_path / "made")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    for line in process.stdout:
        if int(line) == 3:
            break
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    there = {path: path.stat().st_mtime_ns for path in tables(tmp_path / "made", "features")}
    assert 3 <= len(there) < 12
    dataset = catalog.dataset("demo-shop")
    paths = features_in_parts(dataset, [dataset.observed_until], tmp_path / "made", size=100)
    assert len(paths) == 12
    assert {path: path.stat().st_mtime_ns for path in there} == there
    pd.testing.assert_frame_equal(read(paths), plain(features_at(dataset, [dataset.observed_until])), check_exact=True)


@pytest.mark.slow
def test_the_verb_writes_features_and_says_so(own_companies: Path, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "engine", "features", "--dataset", "demo-shop", "--as-of", "2024-06-01",
               "--as-of", "2025-01-01", "--output", str(tmp_path / "out"), "--part", "700", "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    record = json.loads(done.stdout)
    made = read(tables(tmp_path / "out", "features"))
    assert record["rows"] == len(made) and record["parts"] == 2
    assert sorted({str(at)[:10] for at in made.index.get_level_values("as_of")}) == ["2024-06-01", "2025-01-01"]


@pytest.mark.slow
@pytest.mark.parametrize("name", DEMOS)
def test_scores_in_parts_equal_those_of_all_at_once(own_companies: Path, name: str) -> None:
    dataset, now = catalog.dataset(name), datetime(2025, 7, 2)
    model, card = pipeline.production(name)
    before = catalog.run(name)
    judged = partial(pipeline.with_hold_back, card=card, book=pipeline._steps_of(dataset))
    run = bulk.score_in_parts(model, dataset, replace(before, run_id="inparts"), judged, actor=Actor("ana"), now=now,
                              size=451)
    assert run.customers == before.customers and catalog.run(name) == run
    for there, here in ((before.scores(), run.scores()), (before.reasons(), run.reasons())):
        alike = {"check_exact": False, "rtol": 1e-9, "atol": 1e-12, "check_dtype": False}
        pd.testing.assert_frame_equal(here.drop(columns="run_id"), there.drop(columns="run_id"), **alike)
    assert not list(run.folder.parent.glob(".parts-*"))


@pytest.mark.slow
def test_parts_in_the_making_go_when_a_customer_is_erased(own_companies: Path) -> None:
    runs = catalog.dataset_folder("demo-shop") / "runs"
    (runs / ".parts-abc").mkdir()
    (runs / ".parts-abc" / "scores-00000.parquet").write_bytes(b"somebody")
    assert bulk.drop_parts("demo-shop") == 1
    assert not (runs / ".parts-abc").exists()
