"""Erasure: nothing of the customer is left anywhere, nobody else is touched, and no kill leaves it half done."""

from __future__ import annotations

import csv
import json
import multiprocessing
import os
import pickle
import random
import shutil
import signal
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import joblib
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import engine
from engine import catalog, erasure, forgetting, insight, jobs, noted, restoring, saved, state, uploads, watch
from engine.__main__ import main
from engine.campaign import outcomes
from engine.data import rewriting
from engine.data.demo import DEMOS
from engine.errors import EngineError, Refused
from engine.prediction import store
from engine.pseudonyms import pseudonym
from engine.schema import Actor, Dataset, Window
from tests.traces import ANA, CUSTOMERS, contacts, leave_traces, onboard

pytestmark = pytest.mark.slow  # each test has a home of its own, trained

ROOT = Actor("root", "admin")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home in which one customer of a small shop has left traces of every kind; copied for each test."""
    home = tmp_path_factory.mktemp("erasing")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_HOME", str(home))
        patch.delenv("HOLDFAST_DATABASE_URL", raising=False)
        leave_traces(home, datetime(2024, 6, 1))
    return home


@pytest.fixture
def home(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that home."""
    place = shutil.copytree(made, tmp_path / "home")
    monkeypatch.setenv("HOLDFAST_HOME", str(place))
    monkeypatch.delenv("HOLDFAST_DATABASE_URL", raising=False)
    return place


@pytest.fixture
def who(home: Path) -> str:
    """The customer: the one of whom a row was rejected."""
    return str(contacts(catalog.dataset("acme")).index[0])


def traces(home: Path, text: str) -> list[str]:
    """The files that hold the text: in their bytes, or in what they hold once unpacked."""
    return [path.relative_to(home).as_posix() for path in sorted(home.rglob("*")) if path.is_file()
            and (text.encode() in path.read_bytes() or text in _unpacked(path))]


def _unpacked(path: Path) -> str:
    if path.suffix == ".parquet":
        return pd.read_parquet(path).to_csv()
    return pickle.dumps(joblib.load(path), 0).decode("latin-1") if path.suffix == ".joblib" else ""


def contents(home: Path, without: str) -> dict[str, Any]:
    """Every table and text of a home, without the rows of one customer."""
    found: dict[str, Any] = {}
    for path in sorted((home / "data" / "acme").rglob("*")):
        key = path.relative_to(home).as_posix()
        if path.suffix == ".parquet":
            frame = pd.read_parquet(path)
            frame = frame.reset_index() if frame.index.name else frame
            mine = frame.get("customer_id", pd.Series(index=frame.index, dtype=object)) == without
            found[key] = frame[~mine].reset_index(drop=True)
        elif path.suffix == ".csv":
            found[key] = [line for line in path.read_bytes().splitlines(True) if not line.startswith(without.encode())
                          and not line.startswith(b"the second line")]
    return found


def erase(who: str, **more: Any) -> dict[str, Any]:
    """Erase a customer of acme."""
    asked = {"reason": "They asked for it.", "actor": ROOT, "now": datetime(2024, 6, 3), **more}
    return engine.erase_customer("acme", who, **asked)


# --- a customer


def test_nothing_of_the_customer_is_left_anywhere(home: Path, who: str) -> None:
    row = contacts(catalog.dataset("acme")).loc[who]
    texts = [who, row["email"], row["phone"]]
    before = traces(home, who)
    for place in ("raw/orders.csv", "raw/customers.csv", "customers.parquet", "events.parquet", "rejected.parquet",
                  "apart/truth.parquet", "scores.parquet", "reasons.parquet", "features.parquet", "findings.json",
                  "card.json", "stdout.json", "files/orders.csv"):
        assert any(found.endswith(place) for found in before), f"The test leaves no trace in {place}."
    done = erase(who)
    assert [trace for text in texts for trace in traces(home, text)] == []
    assert done["ledger"] == 7, "Assignment, contact, item and its change, outcome, feedback, a line of the list."
    assert done["found"] and done["runs"] == 1 and done["uploads"] == 1 and done["jobs"] == 1 and done["saved"] == 1
    assert len(done["versions"]) == 2 and done["models"] == ("m1",) and done["raw"] == () and done["scrubbed"]
    assert "A model does not unlearn" in " ".join(done["advice"]) and "backups" in " ".join(done["advice"])


def test_nobody_else_is_touched(home: Path, who: str) -> None:
    before = contents(home, who)
    other = str(contacts(catalog.dataset("acme")).index[1])
    erase(who)
    after = contents(home, who)
    assert before.keys() == after.keys()
    for name, content in before.items():
        if isinstance(content, list):
            assert content == after[name], name
        elif not name.endswith("rejected.parquet"):
            pd.testing.assert_frame_equal(content, after[name])
    assert len(traces(home, other)) > 10
    assert [kept.content for kept in saved.kept("audience", "acme", actor=ANA)] == [{"ids": ["someone"]}]


def test_the_log_knows_of_it_by_a_keyed_hash(home: Path, who: str) -> None:
    erase(who)
    entries = engine.audit_log(10, ROOT, who)
    assert [entry["verb"] for entry in entries] == ["erase", "feedback", "desk", "predict"]
    detail = entries[0]["detail"]
    assert detail["customer"] == pseudonym(who) and detail["reason"] == "They asked for it."
    assert detail["rows"] > 10 and detail["models"] == ["m1"]


def test_versions_and_runs_say_what_they_lack(home: Path, who: str) -> None:
    scope = insight.scope("acme")
    dataset, run, key = scope.dataset, scope.run, scope.key
    assert insight.ask(scope, "SELECT count(*) AS n FROM people")["n"][0] == run.customers
    erase(who)
    now = insight.scope("acme")
    assert (now.dataset.version, now.run.run_id, now.dataset.sources) == (dataset.version, run.run_id, dataset.sources)
    assert now.dataset.erased == (pseudonym(who),)
    assert now.key != key, "Answers kept under the old key must not be seen."
    assert now.run.customers == run.customers - 1 == len(now.run.scores())
    assert insight.ask(now, "SELECT count(*) AS n FROM people")["n"][0] == run.customers - 1


def test_models_trained_afterwards_are_other_models(home: Path, who: str) -> None:
    """A model stays as it is under its id: the one that knew the customer must not be taken for one that does not."""
    before = _model_id(catalog.dataset("acme"))
    assert before == _model_id(catalog.dataset("acme"))
    erase(who)
    assert before != _model_id(catalog.dataset("acme"))
    assert store.load("acme")[1].model_id == "m1", "The old one is sound, though its card was cleaned."


def _model_id(dataset: Dataset) -> str:
    """The id that a model learned from the dataset would get."""
    from engine.prediction.card import write_card

    known = SimpleNamespace(windows=(Window(dataset.observed_until, 90),), y=pd.Series([0, 1]))
    who = SimpleNamespace(columns=(), threshold=0.5, knows_nothing=False, leaves=0)
    return write_card(dataset, engine.Settings(), known, SimpleNamespace(quarantined=()), (), {}, who).model_id


def test_the_same_file_does_not_bring_the_customer_back(home: Path, made: Path, who: str, now: datetime) -> None:
    files = DEMOS["demo-shop"].write(home.parent / "again", 1, CUSTOMERS)
    oldest = catalog.versions("acme")[0]
    erase(who)
    dataset = onboard(list(files.sources), files, now)
    assert dataset.version == oldest and who not in dataset.frame().index
    assert traces(home, who) == []


def test_erasing_twice_finds_nothing_more(home: Path, who: str) -> None:
    erase(who)
    before = contents(home, who)
    done = erase(who)
    assert not done["found"] and done["rows"] == 0 and done["models"] == ()
    assert "erased before" in done["advice"][0]
    assert before.keys() == contents(home, who).keys()
    assert catalog.dataset("acme").erased == (pseudonym(who),)


def test_a_stranger_is_named_and_leaves_no_line(home: Path) -> None:
    lines = len(state.audit_log())
    with pytest.raises(EngineError, match="acme knows no customer 'nobody'"):
        erase("nobody")
    assert len(state.audit_log()) == lines and erasure.unfinished(ROOT) == []
    with pytest.raises(EngineError, match="No customer was named"):
        erase(" ")
    with pytest.raises(EngineError, match="There is no dataset 'other'"):
        engine.erase_customer("other", "7", reason="", actor=ROOT, now=datetime(2024, 6, 3))


def test_an_id_that_only_the_ledger_knows_is_forgotten_and_told_as_no_customer(home: Path) -> None:
    outcomes.feedback("acme", "NOPE-77", "called", "open", actor=ANA, now=datetime(2024, 6, 2))
    done = erase("NOPE-77")
    assert (done["found"], done["rows"], done["versions"], done["ledger"]) == (True, 0, (), 1)
    assert done["advice"][0] == erasure.NOT_IN_DATA and traces(home, "NOPE-77") == []
    with pytest.raises(EngineError, match="acme knows no customer 'NOPE-77'"):
        erase("NOPE-77")


def test_a_restore_brings_nobody_back_who_was_erased_since(home: Path, tmp_path: Path, who: str, now: datetime) -> None:
    path = tmp_path / "all.zip"
    engine.back_up(path, actor=ROOT, now=now)
    engine.erase_customer("acme", who, reason="asked for", actor=ROOT, now=now + timedelta(hours=1))
    before = traces(home, who)
    told = engine.restore(path, actor=ROOT, now=now + timedelta(hours=2))
    assert (told["erased_again"], told["datasets_back"]) == (1, []) and any("unlearn" in one for one in told["advice"])
    assert traces(home, who) == before
    (line,) = state.audit_log(verb="erase", customer_id=who)
    assert line.detail["reason"] == "asked for" and line.at == now + timedelta(hours=2)
    assert engine.restore(path, actor=ROOT, now=now + timedelta(hours=3))["erased_again"] == 1, "However often."
    assert not (home / "data" / ".to-erase.json").exists()


def _interrupted(*_: object) -> None:
    raise InterruptedError


def test_who_is_to_be_erased_after_a_restore_is_so_after_a_crash_too(
        home: Path, tmp_path: Path, who: str, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "all.zip"
    engine.back_up(path, actor=ROOT, now=now)
    engine.erase_customer("acme", who, reason="", actor=ROOT, now=now)
    before = traces(home, who)
    with monkeypatch.context() as patch, pytest.raises(InterruptedError):
        patch.setattr(restoring, "erase_again", _interrupted)
        engine.restore(path, actor=ROOT, now=now)
    assert traces(home, who) != before and (home / "data" / ".to-erase.json").exists()
    engine.finish_restore(Actor("eve", "executive"), now)
    assert traces(home, who) == before and not (home / "data" / ".to-erase.json").exists()


@pytest.mark.parametrize("role", ["executive", "marketer", "manager"])
def test_only_an_admin_erases(home: Path, who: str, role: str) -> None:
    before = traces(home, who)
    with pytest.raises(Refused, match="may not erase"):
        erase(who, actor=Actor("eve", role))
    with pytest.raises(Refused, match="may not erase"):
        engine.erase_dataset("acme", confirm="acme", reason="", actor=Actor("eve", role), now=datetime(2024, 6, 3))
    assert traces(home, who) == before


def test_the_reason_must_not_name_the_customer(home: Path, who: str) -> None:
    row = contacts(catalog.dataset("acme")).loc[who]
    for reason in (f"Request of {who}", f"{row['first_name'].upper()} wrote to us", f"mail from {row['email']}"):
        with pytest.raises(EngineError, match="leave the customer's id, name and addresses out"):
            erase(who, reason=reason)
    assert traces(home, who)


def test_nobody_erases_under_a_worker(home: Path, who: str, now: datetime) -> None:
    number = jobs.start(["run"], "acme", ANA, now, command=[sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        for attempt in (lambda: erase(who), lambda: engine.erase_dataset("acme", confirm="acme", reason="", actor=ROOT,
                                                                        now=now)):
            with pytest.raises(EngineError, match=f"cancel job {number}"):
                attempt()
    finally:
        jobs.cancel(number, ROOT, now)
    assert erase(who)["found"]


def test_an_erasure_is_no_background_job(home: Path, who: str, now: datetime) -> None:
    job = jobs.wait(jobs.start(["erase", "--dataset", "acme", "--customer-id", who, "--yes"], "acme", ROOT, now), 120)
    assert job.status == "failed" and "not as a background job" in job.error
    assert erase(who)["found"] and traces(home, who) == []


def test_an_interrupted_erasure_is_completed_by_the_next(home: Path, who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Broken off before each of its steps in turn, then completed on behalf of whoever began it."""
    copy, steps = home.parent / "copy", 0
    shutil.copytree(home, copy)
    while True:
        _break_off_at(monkeypatch, steps)
        try:
            erase(who)
        except InterruptedError:
            pass
        else:
            break
        finally:
            monkeypatch.undo()
            monkeypatch.setenv("HOLDFAST_HOME", str(home))
        assert erasure.unfinished(ROOT) == ["acme"]
        with pytest.raises(Refused):
            erasure.unfinished(ANA)
        erasure.complete("acme", actor=Actor("bob", "admin"), now=datetime(2024, 7, 1))
        assert erasure.unfinished(ROOT) == [] and traces(home, who) == []
        [entry] = state.audit_log(verb="erase")
        assert entry.actor == ROOT and entry.detail["found"] and len(entry.detail["versions"]) == 2
        state.connect().dispose()
        shutil.rmtree(home)
        shutil.copytree(copy, home)
        steps += 1
    assert steps > 15


def _break_off_at(monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    """Let as many of the changing functions do their work, and then no more."""
    left = [step]

    def breaking(does: Callable[..., Any]) -> Callable[..., Any]:
        def work(*args: Any, **more: Any) -> Any:
            left[0] -= 1
            if left[0] < 0:
                raise InterruptedError
            return does(*args, **more)

        return work

    for module, name in ((forgetting, "remove_rows"), (forgetting, "write_record"), (noted, "erasure"),
                         (uploads, "remove"), (saved, "forget_customer"), (jobs, "forget_customer"),
                         (store, "rewrite_card"), (state, "scrub")):
        monkeypatch.setattr(module, name, breaking(getattr(module, name)))


def test_the_next_erasure_completes_the_one_before(home: Path, who: str, monkeypatch: pytest.MonkeyPatch) -> None:
    other = str(contacts(catalog.dataset("acme")).index[1])
    _break_off_at(monkeypatch, 6)
    with pytest.raises(InterruptedError):
        erase(who)
    monkeypatch.undo()
    monkeypatch.setenv("HOLDFAST_HOME", str(home))
    erase(other)
    assert traces(home, who) == [] == traces(home, other)
    assert {entry["verb"] for entry in engine.audit_log(2, ROOT)} == {"erase"}


def test_no_kill_leaves_a_trace_once_completed(home: Path, who: str) -> None:
    copy = home.parent / "copy"
    shutil.copytree(home, copy)
    chance, killed = random.Random(5), 0
    for _ in range(8):
        worker = multiprocessing.get_context("fork").Process(target=erase, args=(who,))
        worker.start()
        time.sleep(chance.uniform(0.02, 0.6))
        if worker.is_alive() and worker.pid:
            os.kill(worker.pid, signal.SIGKILL)
        worker.join(60)
        killed += worker.exitcode == -signal.SIGKILL
        for dataset in catalog.datasets():
            assert len(dataset.frame()) >= CUSTOMERS // 2, "Whatever is there can be read at any moment."
        assert not erase(who)["found"] or traces(home, who) == []
        assert traces(home, who) == []
        state.connect().dispose()
        shutil.rmtree(home)
        shutil.copytree(copy, home)
    assert killed > 2


def test_open_screens_notice(home: Path, who: str) -> None:
    before = watch.pulse(ANA)
    assert watch.pulse(ANA) == before
    engine.erase_dataset("acme", confirm="acme", reason="", actor=ROOT, now=datetime(2024, 6, 3))
    assert watch.pulse(ANA) != before


# --- files of every kind


@pytest.mark.parametrize("name", ["clients.xlsx", "clients.jsonl"])
def test_a_workbook_or_json_goes_as_a_whole_and_that_is_said(home: Path, tmp_path: Path, now: datetime, name: str
                                                             ) -> None:
    frame = pd.DataFrame({"client no": [f"C{n}" for n in range(600)], "spent": range(600), "gone": [0, 1] * 300})
    if name.endswith(".xlsx"):
        frame.to_excel(tmp_path / name, index=False)
    else:
        frame.to_json(tmp_path / name, orient="records", lines=True)
    mapping = {"id": "client no", "money": {"column": "spent", "per": "total"},
               "label": {"column": "gone", "positive": "1"}, "horizon_days": 90}
    engine.onboard([tmp_path / name], name="book", adapter="table", actor=ANA, now=now,
                   options={"mapping": mapping})
    done = engine.erase_customer("book", "C77", reason="", actor=ROOT, now=now)
    assert done["raw"] == (name,) and name in " ".join(done["advice"])
    assert catalog.raw(catalog.dataset("book")) == [] and len(catalog.dataset("book").frame()) == 599


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00"), max_size=6)


@given(rows=st.lists(st.tuples(st.sampled_from(["7", "07", "77", " 7 ", "x"]), CELL, CELL), min_size=1, max_size=12),
       delimiter=st.sampled_from([",", ";", "\t", "|"]), ending=st.sampled_from(["\n", "\r\n"]),
       encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]))
@settings(max_examples=60, deadline=None)
def test_other_rows_of_a_text_file_keep_every_byte(tmp_path_factory: pytest.TempPathFactory, rows: list, delimiter: str,
                                                   ending: str, encoding: str) -> None:
    path = tmp_path_factory.mktemp("text") / "rows.csv"

    def write(kept: list, to: Path) -> bytes:
        with to.open("w", encoding=encoding, newline="") as file:
            csv.writer(file, delimiter=delimiter, lineterminator=ending).writerows([("id", "name", "note"), (), *kept])
        return to.read_bytes()

    write(rows, path)
    left = [row for row in rows if row[0].strip() != "7"]
    try:
        assert rewriting.rows_of(path, ["id"], "7") == len(rows) - len(left)
    except (EngineError, ValueError):
        return  # what the reader cannot split is removed as a whole
    rewriting.remove_rows(path, ["id"], "7")
    assert path.read_bytes() == write(left, path.with_name("left.csv"))


@pytest.mark.parametrize("ids", [
    pa.array([13_085_000, 7, None], pa.int64()), pa.array([13_085_000.0, 7.0, None]),
    pa.array(["13085000.0", "7", None]), pa.array([" 13085000", "7", None]).dictionary_encode(),
    pa.array(["13085000", "7", None], pa.large_string()),
], ids=["whole", "float", "text with .0", "dictionary", "large"])
def test_ids_of_every_type_are_found_in_parquet(tmp_path: Path, ids: pa.Array) -> None:
    path = tmp_path / "raw.parquet"
    pq.write_table(pa.table({"CustomerID": ids, "x": [1, 2, 3]}), path, row_group_size=2)
    assert rewriting.rows_of(path, ["CustomerID"], "13085000") == 1
    rewriting.remove_rows(path, ["CustomerID"], "13085000")
    assert pq.read_table(path).column("x").to_pylist() == [2, 3]
    assert pq.read_table(path).schema.field("CustomerID").type == ids.type


def test_columns_apart_by_white_space(tmp_path: Path) -> None:
    path = tmp_path / "cdnow.txt"
    path.write_bytes(b" id  date  amount\n 00004  19970101  29.33\n 00005  19970102  1.5\n")
    rewriting.remove_rows(path, ["id"], "00004")
    assert path.read_bytes() == b" id  date  amount\n 00005  19970102  1.5\n"


# --- a dataset


def test_nothing_of_a_dataset_is_left(home: Path, who: str, now: datetime) -> None:
    done = engine.erase_dataset("acme", confirm="acme", reason="Test.", actor=ROOT, now=now)
    assert traces(home, who) == []
    assert sorted(path.name for path in (home / "data").iterdir() if "state" not in path.name) == [
        ".jobs", ".uploads", "audit.key"]
    assert list((home / "data" / ".jobs").iterdir()) == [] and list((home / "models").iterdir()) == []
    assert engine.describe_datasets(ROOT) == [] and engine.describe_jobs(ROOT) == []
    assert saved.kept("audience", "acme", actor=ANA) == []
    assert len(done["versions"]) == 2 and done["models"] == ("m1",) and done["uploads"] == 1
    with pytest.raises(EngineError, match="There is no dataset 'acme'"):
        engine.erase_dataset("acme", confirm="acme", reason="", actor=ROOT, now=now)


def test_the_name_must_be_repeated(home: Path, who: str, now: datetime) -> None:
    with pytest.raises(EngineError, match="repeat its name exactly; 'acm' is another"):
        engine.erase_dataset("acme", confirm="acm", reason="", actor=ROOT, now=now)
    assert traces(home, who)


def test_other_datasets_stay_and_the_name_is_free_again(home: Path, tmp_path: Path, now: datetime) -> None:
    files = DEMOS["demo-shop"].write(tmp_path / "shop", 2, CUSTOMERS)
    for name in ("other", "third"):
        engine.onboard(list(files.sources), name=name, actor=ANA, now=now)
    engine.erase_dataset("acme", confirm="acme", reason="", actor=ROOT, now=now)
    assert [dataset.name for dataset in catalog.datasets()] == ["other", "third"]
    engine.onboard(list(files.sources), name="acme", actor=ANA, now=now)
    assert len(catalog.dataset("acme").frame()) > 0


def test_a_damaged_dataset_is_told_and_can_be_erased(home: Path, now: datetime) -> None:
    version = catalog.dataset("acme").version
    (home / "data" / "acme" / version / "customers.parquet").write_bytes(b"PAR1")
    assert catalog.datasets() == [] and "missing or damaged" in catalog.aside()["acme"]
    (home / "data" / "acme" / version / "dataset.json").write_text("{")
    assert catalog.datasets() == [] and "is damaged" in catalog.aside()["acme"]
    engine.erase_dataset("acme", confirm="acme", reason="", actor=ROOT, now=now)
    assert catalog.aside() == {}


def test_what_was_read_but_never_used_is_told(home: Path) -> None:
    (home / "data" / "acme" / "current").unlink()
    assert catalog.aside() == {"acme": "Its files were read, but nothing was learned from them."}


def test_an_interrupted_erasure_of_a_dataset_is_swept(home: Path, who: str, now: datetime,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    def break_off() -> int:
        raise InterruptedError

    monkeypatch.setattr(erasure, "sweep", break_off)
    with pytest.raises(InterruptedError):
        engine.erase_dataset("acme", confirm="acme", reason="", actor=ROOT, now=now)
    monkeypatch.undo()
    monkeypatch.setenv("HOLDFAST_HOME", str(home))
    engine.erase_dataset("acme", confirm="acme", reason="", actor=ROOT, now=now)
    assert erasure.sweep() == 0 and traces(home, who) == []


# --- from the shell


def test_the_shell_erases_and_asks_first(home: Path, who: str, capsys: pytest.CaptureFixture) -> None:
    assert main(["erase", "--dataset", "acme", "--customer-id", who]) == 2
    assert "Nothing was erased" in capsys.readouterr().err and traces(home, who)
    assert main(["erase", "--dataset", "acme", "--customer-id", who, "--yes", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["found"] is True
    assert main(["audit", "--customer-id", who, "--json"]) == 0
    verbs = {line["verb"] for line in json.loads(capsys.readouterr().out)["log"]}
    assert verbs == {"erase", "feedback", "desk", "predict"}
    assert main(["erase", "--dataset", "acme", "--customer-id", who, "--yes"]) == 0
    assert "Nothing was erased from acme" in capsys.readouterr().out
    assert main(["erase", "--dataset", "acme", "--yes"]) == 0
    assert "Erased from acme" in capsys.readouterr().out
    assert main(["erase", "--dataset", "acme", "--yes"]) == 2


def test_numbers_survive_being_written_anew(home: Path, who: str) -> None:
    """Figures of others are the same bits, not only nearly so."""
    run = catalog.run("acme")
    before = run.scores().set_index("customer_id").drop(index=who)
    erase(who)
    after = run.scores().set_index("customer_id")
    assert np.array_equal(before["churn_probability"].to_numpy().view(np.int64),
                          after["churn_probability"].to_numpy().view(np.int64))


def test_training_again_gives_a_model_that_never_knew_the_customer(own_companies: Path, now: datetime) -> None:
    before, scored = engine.describe_models("demo-telecom", ROOT), catalog.run("demo-telecom")
    who = str(scored.scores()["customer_id"].iloc[0])
    done = engine.erase_customer("demo-telecom", who, reason="", actor=ROOT, now=now)
    assert set(done["models"]) == {model["model_id"] for model in before}
    report = engine.train("demo-telecom", settings=engine.Settings(quick=True), actor=ANA, now=now)
    assert report["model_id"] not in done["models"] and report["rows"] == scored.customers - 1
    assert store.current("demo-telecom") == report["model_id"] == catalog.run("demo-telecom").model_id
    assert [path for path in own_companies.rglob("*.parquet") if who in pd.read_parquet(path).to_csv()] == []
    with pytest.raises(EngineError, match="has no customer"):
        engine.predict("demo-telecom", who, actor=ANA, now=now)
