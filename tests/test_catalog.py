"""Datasets and runs: whole or not there, the same after a round trip, safe from names, disks and kills."""

from __future__ import annotations

import dataclasses
import errno
import hashlib
import multiprocessing
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import catalog, files
from engine.errors import DataError, EngineError
from engine.schema import (
    REASONS,
    SCORES,
    Actor,
    Column,
    Dataset,
    Estimate,
    Finding,
    LabelRule,
    MoneyRule,
    Reading,
    Source,
)
from engine.schema.codec import dumps, loads

ANA = Actor("ana", "manager")
LATER = timedelta(days=30)


def reading(staged: Path, source: Path, version: str = "v1", name: str = "acme") -> Reading:
    """What an adapter would return for three customers and one event."""
    pd.DataFrame({"customer_id": ["007", "b", "c"], "spend": [1.5, None, 3.0]}).to_parquet(staged / "customers.parquet")
    pd.DataFrame({"event_id": ["e1"], "customer_id": ["b"]}).to_parquet(staged / "events.parquet")
    dataset = Dataset(
        name, version, "snapshot", "table", "telecom", "EUR",
        LabelRule("column", 90, "Churn is Yes", "Churn", "Yes", assumed=True), MoneyRule("spend", "month"),
        datetime(2024, 5, 31, 23, 59, 59, 123456), True, staged / "customers.parquet",
        (Column("spend", "number", "currency/month", "Money spent", low=0.0), Column("x", "text", "", "Anything")),
        events=staged / "events.parquet", sources=(Source(source.name, files.sha256(source), 3),),
        options={"delimiter": ";", "nested": {"ids": ["a", 1, None, 0.5]}},
    )
    return Reading(dataset, (Finding("warning", "spend", "1 value is blank.", "Fill it.", 1),),
                   pd.DataFrame({"spend": ["12x"], "source": ["a.csv"], "row": [4], "reason": ["no number"]}))


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A company's raw file."""
    path = tmp_path / "acme.csv"
    path.write_bytes(b"customer_id;spend\r\n007;1,5\r\n")
    return path


@pytest.fixture
def onboard(home: Path, source: Path, now: datetime) -> Callable[..., Dataset]:
    """Register three customers as a version of acme."""

    def register(version: str = "v1", name: str = "acme", at: datetime = now, **more: object) -> Dataset:
        with catalog.staging(name) as staged:
            return catalog.register(reading(staged, source, version, name), staged, [source], actor=ANA, now=at, **more)

    return register


FEATURES = pd.DataFrame({"spend": [1.0, 2.0, 3.0]}, index=pd.Index(["007", "b", "c"], name="customer_id"))


def scored(dataset: Dataset, as_of: datetime, model_id: str = "m1") -> tuple[catalog.Run, pd.DataFrame, pd.DataFrame]:
    """A run with its tables: every customer with the same figures."""
    run = catalog.Run.of(dataset, model_id, as_of, 3)
    figures = {column.name: 0.5 for column in SCORES if column.kind == "number"}
    words = {"churn_risk": "LOW", "ltv_tier": "Low LTV", "segment": "Champion", "hold_back": "", "has_left": 0,
             "next_order_at": pd.NaT, "best_contact_month": 1.0, "spend_index": 0.0}
    scores = pd.DataFrame({"run_id": run.run_id, "customer_id": ["007", "b", "c"], **figures, **words})
    reasons = pd.DataFrame({"run_id": run.run_id, "customer_id": ["007", "b", "c"], "rank": 1, "feature": "spend",
                            "value": "2", "contribution": 0.1, "words": "Spends."})
    return run, scores[SCORES.names], reasons[REASONS.names]


def tree(folder: Path) -> dict[str, str]:
    """Every file below the folder with its hash."""
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file()}


# --- datasets


def test_a_dataset_comes_back_exactly(onboard: Callable[..., Dataset], home: Path) -> None:
    dataset = onboard()
    assert catalog.dataset("acme") == dataset == catalog.dataset("acme", "v1")
    assert catalog.datasets() == [dataset]
    assert dataset.customers == home / "data" / "acme" / "v1" / "customers.parquet"
    assert dataset.columns[0].high == np.inf and dataset.columns[1].low == -np.inf
    assert dataset.observed_until == datetime(2024, 5, 31, 23, 59, 59, 123456)
    assert dataset.offers is None and dataset.options["nested"]["ids"] == ["a", 1, None, 0.5]
    assert list(dataset.frame().index) == ["007", "b", "c"]


def test_what_lies_beside_the_tables(onboard: Callable[..., Dataset], source: Path, now: datetime) -> None:
    dataset = onboard()
    assert catalog.findings(dataset) == (Finding("warning", "spend", "1 value is blank.", "Fill it.", 1),)
    assert catalog.rejected(dataset)["reason"].tolist() == ["no number"]
    [kept] = catalog.raw(dataset)
    assert kept.read_bytes() == source.read_bytes()
    assert kept.stat().st_mode & 0o222 == 0
    assert source.stat().st_mode & 0o200
    assert catalog.receipt(kept.parent.parent) == catalog.Receipt(now, ANA)


def test_only_the_receipt_knows_the_clock(onboard: Callable[..., Dataset], home: Path, now: datetime) -> None:
    onboard("v1", "acme", now)
    first = tree(home / "data" / "acme")
    (home / "data").rename(home / "before")
    onboard("v1", "acme", now + LATER)
    second = tree(home / "data" / "acme")
    assert {name for name in first if first[name] != second[name]} == {"v1/receipt.json"}
    assert first.keys() == second.keys()


def test_the_home_can_move(onboard: Callable[..., Dataset], tmp_path: Path, home: Path,
                           monkeypatch: pytest.MonkeyPatch) -> None:
    onboard()
    home.rename(tmp_path / "elsewhere")
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "elsewhere"))
    assert catalog.dataset("acme").customers.is_file()
    assert str(tmp_path) not in (tmp_path / "elsewhere/data/acme/v1/dataset.json").read_text()


def test_the_same_version_twice_changes_nothing(onboard: Callable[..., Dataset], home: Path, now: datetime) -> None:
    first = onboard()
    before = tree(home)
    assert onboard(at=now + LATER) == first
    assert tree(home) == before


def test_versions_stay_and_the_newest_is_current(onboard: Callable[..., Dataset], now: datetime) -> None:
    for number, version in enumerate(["zz", "aa", "mm"]):
        onboard(version, at=now + number * LATER)
    assert catalog.versions("acme") == ["zz", "aa", "mm"]
    assert catalog.dataset("acme").version == "mm"
    assert onboard("aa").version == catalog.dataset("acme").version == "aa"


def test_sources_of_one_name_are_both_kept(home: Path, tmp_path: Path, source: Path, now: datetime) -> None:
    (tmp_path / "other").mkdir()
    twin = tmp_path / "other" / source.name
    twin.write_text("another")
    with catalog.staging("acme") as staged:
        dataset = catalog.register(reading(staged, source), staged, [source, twin], actor=ANA, now=now)
    assert {path.read_bytes() for path in catalog.raw(dataset)} == {source.read_bytes(), b"another"}


def test_a_source_that_changes_meanwhile_is_refused(home: Path, source: Path, now: datetime) -> None:
    with pytest.raises(EngineError, match=r"acme\.csv changed while it was read"), catalog.staging("acme") as staged:
        told = reading(staged, source)
        source.write_text("more rows")
        catalog.register(told, staged, [source], actor=ANA, now=now)
    assert not (home / "data" / "acme").exists()


def test_a_demos_truth_is_kept_apart(onboard: Callable[..., Dataset], tmp_path: Path) -> None:
    pd.DataFrame({"type": ["persuadable"]}).to_parquet(tmp_path / "t.parquet")
    dataset = onboard(apart={"truth": tmp_path / "t.parquet"})
    assert catalog.apart(dataset, "truth").name == "truth.parquet"
    assert str(catalog.apart(dataset, "truth")) not in dumps(dataset)
    with pytest.raises(EngineError, match="keeps no secret apart"):
        catalog.apart(dataset, "secret")
    with pytest.raises(EngineError, match="is no name"):
        catalog.apart(dataset, "../truth")


@pytest.mark.parametrize("name", ["", "..", "../x", "a/b", "/etc", "Acme", "a b", "acme\n", "-a", "_a", ".a", "a" * 65,
                                  "ä", "a\x00b", "playbooks"])
def test_names_that_are_no_names(home: Path, name: str) -> None:
    with pytest.raises(EngineError), catalog.staging(name):
        pass
    with pytest.raises(EngineError):
        catalog.dataset(name)
    assert list(home.iterdir()) == []


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=70))
def test_no_name_leaves_the_data_folder(name: str) -> None:
    try:
        folder = catalog.dataset_folder(name)
    except EngineError:
        return
    assert folder.resolve().parent == catalog.data_home().resolve()


@pytest.mark.parametrize("identity", ["../v1", "..", "v1/../../x", ".staging-1-0", "v1\n"])
def test_ids_that_are_no_ids(onboard: Callable[..., Dataset], identity: str) -> None:
    onboard()
    with pytest.raises(EngineError):
        catalog.dataset("acme", identity)
    with pytest.raises(EngineError):
        catalog.run("acme", identity)


def test_what_is_not_there_is_named(onboard: Callable[..., Dataset]) -> None:
    with pytest.raises(EngineError, match=r"There is no dataset 'acme' \(there are: none yet\)"):
        catalog.dataset("acme")
    onboard()
    with pytest.raises(EngineError, match=r"no dataset 'other' \(there are: acme\)"):
        catalog.dataset("other")
    with pytest.raises(EngineError, match=r"has no version 'v9'\. Choose one of: v1"):
        catalog.dataset("acme", "v9")
    with pytest.raises(EngineError, match="has not been scored"):
        catalog.run("acme")


def test_a_damaged_record_names_its_file(onboard: Callable[..., Dataset], home: Path) -> None:
    onboard()
    path = home / "data/acme/v1/dataset.json"
    for text in [path.read_text()[:-20], "[]", '{"name": "acme"}', path.read_text().replace('"kind"', '"sort"', 1)]:
        path.write_text(text)
        with pytest.raises(EngineError, match=r"dataset\.json is damaged"):
            catalog.dataset("acme")


# --- records


def test_numbers_survive_json() -> None:
    estimate = Estimate(float("nan"), -np.inf, np.inf, np.int64(3), "m")  # type: ignore[arg-type]
    back = loads(Estimate, dumps(estimate))
    assert np.isnan(back.value) and (back.low, back.high, back.n, back.method) == (-np.inf, np.inf, 3, "m")


@settings(max_examples=50, deadline=None)
@given(st.floats(allow_nan=False), st.text(), st.none() | st.integers())
def test_json_is_exact(number: float, text: str, whole: int | None) -> None:
    column = Column(text, "number", "", text, low=number)
    assert loads(Column, dumps(column)) == column
    assert loads(tuple[int | None, ...], dumps((whole,), tuple[int | None, ...])) == (whole,)


def test_an_older_record_takes_defaults() -> None:
    assert loads(Finding, '{"severity": "note", "where": "x", "what": "y"}') == Finding("note", "x", "y")


# --- runs


def test_a_run_comes_back(onboard: Callable[..., Dataset], now: datetime) -> None:
    run, scores, reasons = scored(onboard(), now)
    catalog.save_run(run, scores, reasons, FEATURES, actor=ANA, now=now)
    assert catalog.run("acme") == run == catalog.run("acme", run.run_id)
    assert run.synthetic
    pd.testing.assert_frame_equal(catalog.run("acme").scores(), scores)
    pd.testing.assert_frame_equal(catalog.run("acme").reasons(), reasons)


def test_a_runs_id_follows_from_what_it_is(onboard: Callable[..., Dataset], now: datetime) -> None:
    dataset = onboard()
    other = dataclasses.replace(dataset, version="v2")
    ids = {catalog.Run.of(*of, 3).run_id for of in [(dataset, "m1", now), (dataset, "m2", now), (other, "m1", now),
                                                    (dataset, "m1", now + LATER), (dataset, "m1", now)]}
    assert len(ids) == 4


def test_runs_in_order_of_time(onboard: Callable[..., Dataset], now: datetime) -> None:
    dataset = onboard()
    made = {}
    for number, (as_of, model) in enumerate([(2, "m1"), (1, "m1"), (3, "m1"), (3, "m0")]):
        run, scores, reasons = scored(dataset, now + as_of * LATER, model)
        made[as_of, model] = catalog.save_run(run, scores, reasons, FEATURES, actor=ANA, now=now + number * LATER)
    assert catalog.runs("acme") == [made[1, "m1"], made[2, "m1"], made[3, "m1"], made[3, "m0"]]
    assert catalog.run("acme") == made[3, "m0"]
    assert catalog.previous(made[3, "m0"]) == made[2, "m1"]
    assert catalog.previous(made[1, "m1"]) is None


def test_a_challengers_scores_are_not_what_customers_moved_from(onboard: Callable[..., Dataset], now: datetime) -> None:
    dataset = onboard()
    made = {}
    for as_of, model in [(1, "m0"), (1, "m1"), (2, "m0"), (2, "staged"), (3, "m0")]:
        run, scores, reasons = scored(dataset, now + as_of * LATER, model)
        made[as_of, model] = catalog.save_run(run, scores, reasons, FEATURES, actor=ANA, now=now + len(made) * LATER,
                                              in_use=model != "staged")
    assert catalog.earlier(made[3, "m0"]) == [made[1, "m0"], made[2, "m0"]]
    assert catalog.previous(made[2, "staged"]) == made[1, "m1"], "None of its own."


def test_a_run_twice_changes_nothing(onboard: Callable[..., Dataset], home: Path, now: datetime) -> None:
    run, scores, reasons = scored(onboard(), now)
    catalog.save_run(run, scores, reasons, FEATURES, actor=ANA, now=now)
    before = tree(home)
    catalog.save_run(run, scores, reasons, FEATURES, actor=ANA, now=now + LATER)
    assert tree(home) == before


def test_wrong_scores_never_reach_the_disk(onboard: Callable[..., Dataset], home: Path, now: datetime) -> None:
    run, scores, reasons = scored(onboard(), now)
    for wrong in [scores.assign(churn_probability=1.5), scores.drop(columns="segment"), pd.concat([scores, scores])]:
        with pytest.raises(DataError):
            catalog.save_run(run, wrong, reasons, FEATURES, actor=ANA, now=now)
    with pytest.raises(AssertionError, match="another run"):
        catalog.save_run(run, scores.assign(run_id="other"), reasons, FEATURES, actor=ANA, now=now)
    with pytest.raises(AssertionError, match="speaks of 3 customers"):
        catalog.save_run(run, scores[:2], reasons, FEATURES, actor=ANA, now=now)
    assert not (home / "data/acme/runs").exists()


# --- disks


@pytest.mark.parametrize(("number", "advice"), [
    (errno.ENOSPC, "The disk is full"), (errno.EDQUOT, "The disk is full"), (errno.EROFS, "may not be written"),
    (errno.EACCES, "may not be written")])
def test_a_disk_that_refuses_leaves_nothing(onboard: Callable[..., Dataset], home: Path, number: int, advice: str,
                                            monkeypatch: pytest.MonkeyPatch) -> None:
    onboard("v1")
    before = tree(home)

    def refuse(*_: object) -> None:
        raise OSError(number, os.strerror(number))

    for step in ("copy_whole", "_sync"):
        with monkeypatch.context() as patch:
            patch.setattr(files, step, refuse)
            with pytest.raises(EngineError, match=advice):
                onboard("v2")
        assert tree(home) == before
        assert not list(home.rglob(f"{files.STAGING}*"))


def test_other_errors_stay_bugs(home: Path) -> None:
    with pytest.raises(OSError, match="odd"), files.writing(home):
        raise OSError(errno.EIO, "odd")
    with pytest.raises(PermissionError), files.writing(home / "data"):
        raise PermissionError(errno.EACCES, "a source that may not be read", "/elsewhere/source.csv")


LIMITED = """
import resource, sys
from pathlib import Path
import pandas as pd
from engine import files
from engine.errors import EngineError
home = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
frame = pd.DataFrame({"a": range(100_000)})
def duckdb_copy(folder):
    import duckdb
    duckdb.sql(f"COPY (SELECT random() r FROM range(100000)) TO '{folder}/x.parquet'")
for write in [lambda folder: files.write_frame(folder / "x.parquet", frame),
              lambda folder: files.write_bytes(folder / "x", bytes(10_000)), duckdb_copy]:
    try:
        with files.staging(home / "acme") as folder:
            write(folder)
    except EngineError as error:
        assert "The disk is full" in str(error), error
    else:
        raise AssertionError("nothing was refused")
    assert list(home.iterdir()) == [], list(home.rglob("*"))
"""


@pytest.mark.slow
def test_a_real_limit_is_met_by_every_writer(home: Path) -> None:
    subprocess.run([sys.executable, "-c", LIMITED, home], check=True, env=_environment())


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(catalog.__file__).parent.parent)}


# --- kills


def test_dead_staging_is_swept_and_living_is_not(home: Path) -> None:
    parent = home / "data" / "acme"
    (parent / f"{files.STAGING}1-0").mkdir(parents=True)
    (parent / f"{files.STAGING}1-0" / "half.parquet").write_text("half")
    with files.staging(parent) as living, files.staging(parent) as second:
        assert sorted(path for path in parent.iterdir()) == sorted([living, second])
    assert not parent.exists()


def _work(source: Path, first: int, told: Any) -> None:
    """Register version after version, score each, and tell the number of the last that was done."""
    for number in range(first, 100_000):
        now = datetime(2024, 6, 1)
        with catalog.staging("acme") as staged:
            told_of = reading(staged, source, f"v{number}")
            dataset = catalog.register(told_of, staged, [source], actor=ANA, now=now)
        catalog.save_run(*scored(dataset, now + timedelta(hours=number)), FEATURES, actor=ANA, now=now)
        told.value = number


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_the_last_good_state(home: Path, source: Path) -> None:
    """Writers are killed at random moments; each time what was told to be done is there, whole, and current."""
    forked, chance = multiprocessing.get_context("fork"), random.Random(7)
    told = forked.Value("i", -1, lock=False)  # a killed writer would keep the lock
    for kills in range(16):
        worker = forked.Process(target=_work, args=(source, told.value + 1, told))
        worker.start()
        time.sleep(chance.uniform(0.01, 0.4))
        while kills == 15 and told.value < 0:  # on a busy machine: until one is done at all
            time.sleep(0.01)
        worker.kill()
        worker.join()
        for version in catalog.versions("acme"):
            assert len(catalog.dataset("acme", version).frame()) == 3
            assert len(catalog.raw(catalog.dataset("acme", version))) == 1
        assert all(len(run.scores()) == len(run.reasons()) == 3 for run in catalog.runs("acme"))
        assert told.value < 0 or int(catalog.dataset("acme").version[1:]) >= told.value
    assert told.value >= 0
    with catalog.staging("acme"):
        assert len(list((home / "data/acme").glob(f"{files.STAGING}*"))) == 1
