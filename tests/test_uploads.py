"""Uploads: each person's own, under safe names, whole or not at all; looked at and checked without being kept."""

from __future__ import annotations

import errno
import os
import sqlite3
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import catalog, files, intake, jobs, locks, onboarding, state, uploads, watch
from engine.data.adapters.mapping import written
from engine.data.demo import DEMOS
from engine.errors import EngineError, Refused
from engine.schema import Actor

ANA, BEN, EVE, MARK = (Actor("ana", "manager"), Actor("ben", "admin"), Actor("eve", "executive"),
                       Actor("mark", "marketer"))


@pytest.fixture(scope="module")
def telco(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A telecom's customers: 600 rows of the demo company."""
    folder = tmp_path_factory.mktemp("telco")
    return next(path for path in DEMOS["demo-telecom"].write(folder, 3, 600).sources if path.name == "customers.csv")


def keep(*contents: tuple[str, bytes], actor: Actor = ANA, now: datetime = datetime(2024, 6, 1)) -> uploads.Upload:
    """Put files aside."""
    return uploads.keep(contents, actor=actor, now=now)


# --- whose, where, under which name


def test_nobody_sees_anothers_files(home: Path) -> None:
    mine, yours = keep(("a.csv", b"x\n1\n")), keep(("a.csv", b"y\n2\n"), actor=BEN)
    assert uploads.latest(actor=ANA) == mine and uploads.latest(actor=BEN) == yours
    assert [path.read_bytes() for path in uploads.opened(mine.token, actor=ANA).sources] == [b"x\n1\n"]
    for take in (lambda: uploads.opened(yours.token, actor=ANA), lambda: uploads.drop(yours.token, actor=ANA),
                 lambda: uploads.put_mapping(yours.token, "id = 1", actor=ANA),
                 lambda: uploads.add(yours.token, [("b.csv", b"x\n1\n")], actor=ANA),
                 lambda: uploads.opened("0" * 32, actor=ANA)):
        with pytest.raises(EngineError, match="These files are not here any more"):
            take()
    with pytest.raises(EngineError, match="is no upload"):
        uploads.opened("../../state.db", actor=ANA)
    assert [path.read_bytes() for path in yours.sources] == [b"y\n2\n"]
    assert mine.folder.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("actor", [EVE, MARK])
def test_only_who_may_bring_files_keeps_them(home: Path, actor: Actor) -> None:
    with pytest.raises(Refused, match="may not onboard"):
        keep(("a.csv", b"x\n1\n"), actor=actor)
    assert not uploads.uploads_home().exists()


@given(st.lists(st.text(max_size=300), min_size=1, max_size=6))
def test_any_name_becomes_a_safe_one(names: list[str]) -> None:
    safe = list(uploads._safe([(f"{name}.csv", b"x") for name in names]))
    assert len({name.lower() for name in safe}) == len(names)
    for name in safe:
        assert Path(name).name == name and name.endswith(".csv") and len(name.encode()) <= 255
        assert not name.startswith((".", "-")) and not set("<>\"'`$&|;*?\\/:\x00\n ") & set(name)


def test_a_file_of_the_same_name_takes_the_others_place_when_it_is_added(home: Path) -> None:
    upload = keep(("a.csv", b"x\n1\n"), ("A.csv", b"x\n2\n"))
    assert [path.name for path in upload.sources] == ["2-A.csv", "a.csv"]
    uploads.add(upload.token, [("a.csv", b"x\n9\n"), ("b.tsv", b"x\n3\n")], actor=ANA)
    assert [path.read_bytes() for path in upload.sources] == [b"x\n2\n", b"x\n9\n", b"x\n3\n"]


@pytest.mark.parametrize(("contents", "says"), [
    ([], "No file was given"),
    ([("a.exe", b"MZ")], r"a\.exe is of a kind that is not read"),
    ([("a.csv", b"")], r"a\.csv is empty"),
    ([(f"{n}.csv", b"x") for n in range(13)], "13 files are more than the 12"),
    ([("a.csv", b"x" * (1 << 20)), ("b.csv", b"y")], "1 MB are more than the 1 MB that a screen takes"),
], ids=["none", "kind", "empty", "many", "big"])
def test_what_is_refused_is_told_and_nothing_is_kept(home: Path, monkeypatch: pytest.MonkeyPatch,
                                                     contents: list[tuple[str, bytes]], says: str) -> None:
    monkeypatch.setenv("HOLDFAST_UPLOAD_MB", "1")
    with pytest.raises(EngineError, match=says):
        keep(*contents)
    assert uploads.every() == []
    monkeypatch.setenv("HOLDFAST_UPLOAD_MB", "much")
    with pytest.raises(EngineError, match="whole number of megabytes"):
        keep(("a.csv", b"x"))


def test_a_full_disk_is_told_and_leaves_nothing(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(files, "_sync", full)
    with pytest.raises(EngineError, match="The disk is full"):
        keep(("a.csv", b"x\n1\n"))
    assert list((home / "data").rglob("*.csv")) == [] and uploads.every() == []


# --- swept


def test_uploads_live_for_a_day(home: Path, now: datetime) -> None:
    old, new = keep(("a.csv", b"x\n1\n"), now=now), keep(("a.csv", b"x\n1\n"), now=now + timedelta(hours=2))
    broken = uploads.uploads_home() / ("f" * 32)
    (broken / "files").mkdir(parents=True)
    assert uploads.sweep(now + timedelta(hours=23)) == 1, "What has no record is swept at once."
    assert uploads.sweep(now + timedelta(hours=25)) == 1
    assert uploads.every() == [new] and not old.folder.exists() and not broken.exists()


def test_a_removal_that_was_killed_half_way_is_gone_for_all_and_swept(
    home: Path, now: datetime, monkeypatch: pytest.MonkeyPatch,
) -> None:
    upload = keep(("a.csv", b"x\n1\n"), now=now)
    with monkeypatch.context() as killed:
        killed.setattr(files.shutil, "rmtree", lambda *_, **__: None)
        uploads.drop(upload.token, actor=ANA)
    assert uploads.every() == [] and not upload.folder.exists() and uploads.latest(actor=ANA) is None
    assert list(uploads.uploads_home().rglob("a.csv")), "The bytes are still there, aside."
    assert uploads.sweep(now) == 1 and not list(uploads.uploads_home().rglob("a.csv"))


def test_an_upload_goes_once_its_job_is_done(home: Path, now: datetime) -> None:
    upload, other = keep(("a.csv", b"x\n1\n"), now=now), keep(("b.csv", b"x\n1\n"), actor=BEN, now=now)
    command = [sys.executable, "-c", "import sys; sys.exit(int(sys.argv[-2]))"]
    for code in ("2", "0"):
        args = ["run", "--source", str(upload.sources[0]), "--name", "acme", code]
        jobs.wait(jobs.start(args, "acme", ANA, now, command=command), 60)
        job = watch.job_of(upload)
        assert job and job.status == ("done" if code == "0" else "failed")
        watch.tidy(now)
        assert upload.folder.exists() == (code == "2"), "After a failure the files stay, to be corrected."
    assert uploads.every() == [other] and watch.job_of(other) is None


# --- looked at


def test_files_show_their_columns_and_first_rows(home: Path, telco: Path) -> None:
    upload = keep(("Kunden.csv", telco.read_bytes()))
    [seen] = intake.look_at(upload, actor=ANA)
    assert seen.columns[0] == "customerID" and seen.first is not None and len(seen.first) == intake.FIRST_ROWS
    assert seen.values("Partner") == ["No", "Yes"] and seen.values("nothing") == []
    with pytest.raises(Refused):
        intake.look_at(upload, actor=MARK)


@pytest.mark.parametrize("suffix", [".tsv", ".parquet", ".xlsx"])
def test_every_kind_of_file_shows_its_first_rows(home: Path, tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame({"client": ["007", "8"], "spent": [1.5, None], "on": pd.to_datetime(["2024-01-01", None])})
    path = tmp_path / f"x{suffix}"
    {".tsv": lambda: frame.to_csv(path, sep="\t", index=False), ".parquet": lambda: frame.to_parquet(path),
     ".xlsx": lambda: frame.to_excel(path, index=False)}[suffix]()
    [seen] = intake.look_at(keep((path.name, path.read_bytes())), actor=ANA)
    assert seen.columns == ("client", "spent", "on") and seen.first is not None
    assert seen.first["client"].tolist() == ["007", "8"] and seen.first["spent"].tolist() == ["1.5", ""]


def test_a_broken_file_is_told_beside_the_others(home: Path, telco: Path) -> None:
    broken, whole = intake.look_at(keep(("a.parquet", b"PAR1 and then nothing"), ("b.csv", telco.read_bytes())),
                                   actor=ANA)
    assert "not a whole Parquet file" in broken.problem and whole.problem == ""


# --- fetched


def test_an_admin_brings_what_lies_on_the_server_and_nobody_else_does(home: Path, telco: Path, tmp_path: Path,
                                                                      now: datetime) -> None:
    with sqlite3.connect(tmp_path / "crm.sqlite") as base:
        pd.read_csv(telco).to_sql("clients", base, index=False)
        pd.DataFrame({"x": [1]}).to_sql("other", base, index=False)
    with pytest.raises(Refused):
        uploads.fetch(str(telco), actor=ANA, now=now)
    assert uploads.every() == []
    upload = uploads.fetch(f"{tmp_path / 'crm.sqlite'}::clients", actor=BEN, now=now)
    found = onboarding.propose(upload.sources, name="acme", actor=BEN, now=now)
    assert (len(upload.sources), found.adapter, found.examined.customers) == (1, "table", 600)
    asked = uploads.fetch(str(tmp_path / "crm.sqlite"), "SELECT x FROM other", actor=BEN, now=now)
    assert intake.look_at(asked, actor=BEN)[0].columns == ("x",)
    plain = uploads.fetch(str(telco), actor=BEN, now=now)
    assert plain.sources[0].read_bytes() == telco.read_bytes() and plain.folder in plain.sources[0].parents
    assert [entry.about for entry in state.audit_log(verb="onboard")][:2] == ["customers.csv", "crm.sqlite"]
    with pytest.raises(EngineError, match="nowhere"):
        uploads.fetch(f"{tmp_path / 'crm.sqlite'}::nowhere", actor=BEN, now=now)
    assert len(uploads.every()) == 3


# --- examined


def test_a_proposal_finds_what_onboarding_would_and_keeps_nothing(home: Path, telco: Path, now: datetime) -> None:
    upload = keep(("Kunden.csv", telco.read_bytes()))
    found = onboarding.propose(upload.sources, name="acme", actor=ANA, now=now)
    assert found.trainable and found.examined.customers == 600 and found.part("label").column == "Churn"
    assert found.examined.left == pytest.approx(pd.read_csv(telco)["Churn"].eq("Yes").mean())
    assert found.examined.first is not None and len(found.examined.first) == 8
    assert any(finding.where == "Churn" for finding in found.examined.findings)
    assert catalog.datasets() == [] and [path.name for path in (home / "data").iterdir()] == [".uploads"]
    assert [path.name for path in uploads.uploads_home().iterdir()] == [upload.token]


def test_errors_head_the_proposal_and_stop_it(home: Path, telco: Path, now: datetime) -> None:
    frame = pd.read_csv(telco, dtype=str)
    path = telco.with_name("twice.csv")
    pd.concat([frame, frame.head(9).assign(tenure="3")]).to_csv(path, index=False)
    found = onboarding.propose([path], name="acme", actor=ANA, now=now, adapter="telco")
    assert not found.trainable and found.examined.stopped and found.examined.findings[0].severity == "error"
    frame.assign(Churn="No").to_csv(path, index=False)
    found = onboarding.propose([path], name="acme", actor=ANA, now=now)
    assert not found.trainable, "Where everybody stayed, nobody can say who leaves."
    assert any(fault.finding.where == "Churn" and "Every value is No" in fault.finding.what for fault in found.faults)


def test_without_an_answer_nothing_can_be_learned(home: Path, telco: Path, now: datetime) -> None:
    path = telco.with_name("unlabelled.csv")
    pd.read_csv(telco, dtype=str).drop(columns="Churn").to_csv(path, index=False)
    found = onboarding.propose([path], name="acme", actor=ANA, now=now)
    assert found.examined.left is None and not found.trainable and not found.examined.stopped
    with pytest.raises(EngineError, match="cannot name a dataset"):
        onboarding.propose([path], name="../acme", actor=ANA, now=now)
    with pytest.raises(Refused):
        onboarding.propose([path], name="acme", actor=EVE, now=now)


def test_files_are_read_as_a_person_says_whatever_they_look_like(home: Path, telco: Path, now: datetime) -> None:
    found = onboarding.propose([telco], name="acme", actor=ANA, now=now, adapter="table")
    assert (found.adapter, found.part("id").column, found.part("label").column) == ("table", "customerID", "Churn")
    assert found.trainable
    with pytest.raises(EngineError, match="adapter"):
        onboarding.propose([telco], name="acme", actor=ANA, now=now, adapter="nonsense")


# --- mappings


TEXT = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20)


@given(id_=TEXT, label=TEXT, positive=TEXT, money=TEXT, ignored=st.lists(TEXT, max_size=3),
       per=st.sampled_from(["month", "total"]))
def test_a_mapping_written_on_the_screen_is_read_as_it_was_meant(id_: str, label: str, positive: str, money: str,
                                                                 ignored: list[str], per: str) -> None:
    mapping = {"id": id_, "tenure": "", "ignored": ignored, "label": {"column": label, "positive": positive},
               "money": {"column": money, "per": per, "period_days": 30}}
    expected = {name: value for name, value in mapping.items() if value not in ("", [])}
    assert onboarding.read_mapping(written(mapping)) == expected


@pytest.mark.parametrize(("text", "says"), [
    ("id =", "is not valid TOML"), ('id = "a"', r"lacks 'column' in \[money\]"), ("[money]", "lacks 'id'"),
    ('id = "a"\nnonsense = 1\n[money]\ncolumn = "b"\nper = "month"', "but holds"),
])
def test_a_wrong_mapping_is_told(text: str, says: str) -> None:
    with pytest.raises(EngineError, match=says):
        onboarding.read_mapping(text)


# --- what is under way


def test_open_screens_see_jobs_and_shells(home: Path, now: datetime) -> None:
    pulses = [watch.pulse(EVE)]
    number = jobs.start(["run", "--name", "acme"], "acme", ANA, now,
                        command=[sys.executable, "-c", "import time; time.sleep(60)"])
    pulses.append(watch.pulse(EVE))
    with locks.dataset_lock("other", "run", BEN, now):
        assert [(work.dataset, work.who, work.job) for work in watch.under_way(EVE)] == [
            ("acme", "ana", number), ("other", "ben", None)]
        pulses.append(watch.pulse(EVE))
    assert watch.pulse(EVE) == pulses[1], "Nothing is left of a shell's work but its dataset."
    jobs.cancel(number, BEN, now)
    pulses.append(watch.pulse(EVE))
    assert watch.under_way(EVE) == [] and len(set(pulses)) == 4


def test_progress_is_told_with_its_share(home: Path, now: datetime) -> None:
    code = ("import time; from engine.progress import Steps; steps = Steps(of=4)\n"
            "with steps('Read'): pass\nwith steps('Train') as part: part(1, 2); time.sleep(60)")
    number = jobs.start(["run", "--name", "acme"], "acme", ANA, now, command=[sys.executable, "-c", code])
    try:
        until = time.monotonic() + 60
        while time.monotonic() < until and not ((work := watch.under_way(ANA)[0]).at and work.at.part):
            time.sleep(0.05)
        assert work.at and (work.at.step, work.at.done, work.at.of, work.at.share) == ("Train", 1, 4, 0.375)
    finally:
        jobs.cancel(number, ANA, now)
