"""Backup and restore: everything comes back, byte by byte, or nothing changes."""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import stat
import zipfile
from contextlib import closing, suppress
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

import engine as holdfast
from engine import backup, locks, state
from engine.__main__ import main
from engine.campaign import budgets, ledger, traces
from engine.campaign.tables import ASSIGNMENTS
from engine.errors import EngineError, Refused
from engine.schema import Actor
from engine.schema.codec import dumps
from engine.state import SESSIONS, USERS
from tests.campaigns import launched

ROOT = Actor("root", "admin")
Tree = dict[str, bytes]


class Crash(BaseException):
    """The process ends here."""


def write(path: Path, content: str) -> None:
    """A file, its folders made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


@pytest.fixture
def full(home: Path, now: datetime) -> Path:
    """A home with two datasets, a model, a user with a session, a log, and what is no part of a backup."""
    for name in ("acme", "beta"):
        write(home / "data" / name / "v1" / "dataset.json", f"the dataset {name}")
        write(home / "data" / name / "v1" / "raw" / "customers of 2024.csv", "id\n1\n" * 5_000)
        (home / "data" / name / "v1" / "raw" / "customers of 2024.csv").chmod(0o444)
        write(home / "data" / name / "runs" / "r1" / "scores.parquet", "scores" * 100)
        write(home / "data" / name / "runs" / "current", "r1\n")
        write(home / "data" / name / "current", "v1\n")
    write(home / "models" / "acme" / "m1" / "churn.joblib", "a model")
    write(home / "models" / "acme" / "production", "m1\n")
    for other in ("data/.jobs/1/stdout.json", "data/.logs/holdfast.log", "data/acme/.staging-1-1/x",
                  "data/playbooks/x.toml"):
        write(home / other, "stays")
    state.record(ROOT, "predict", "acme", now, {"customer_id": "7"})
    user = {"name": "ana", "role": "admin", "password_hash": "x", "epoch": 0, "disabled": False, "at": now}
    session = {"token_sha256": "t", "user_name": "ana", "epoch": 0, "at": now, "expires_at": now + timedelta(hours=12)}
    with state.writer() as connection:
        connection.execute(sa.insert(USERS).values(user))
        connection.execute(sa.insert(SESSIONS).values(session))
    return home


def tree(home: Path) -> Tree:
    """Every file of the datasets and models, without what is hidden."""
    return {name: path.read_bytes() for kind in ("data", "models") for path in sorted((home / kind).rglob("*"))
            if path.is_file() and not (name := path.relative_to(home).as_posix()).startswith("data/state.db")
            and not any(part.startswith(".") for part in path.relative_to(home).parts)}


def log() -> list[tuple[str, str]]:
    """The audit log, oldest first."""
    return [(entry.verb, entry.about) for entry in reversed(state.audit_log())]


def change(home: Path, now: datetime) -> Tree:
    """Work goes on after a backup; what it leaves."""
    write(home / "data" / "acme" / "v2" / "dataset.json", "another version")
    write(home / "data" / "acme" / "current", "v2\n")
    (home / "data" / "acme" / "runs" / "current").unlink()
    (home / "data" / "beta").rename(home / "data" / "gamma")
    write(home / "models" / "gamma" / "m2" / "churn.joblib", "another model")
    state.record(ROOT, "erase", "beta", now + timedelta(hours=1))
    with state.writer() as connection:
        connection.execute(sa.delete(USERS))
    return tree(home)


@pytest.fixture
def made(full: Path, tmp_path: Path, now: datetime) -> Path:
    """A backup of the full home."""
    holdfast.back_up(tmp_path / "kept" / "all.zip", actor=ROOT, now=now)
    return tmp_path / "kept" / "all.zip"


class TestRoundTrip:
    def test_brings_everything_back(self, full: Path, tmp_path: Path, now: datetime) -> None:
        before, path = tree(full), tmp_path / "all.zip"
        report = holdfast.back_up(path, actor=ROOT, now=now)
        assert change(full, now) != before
        with closing(sqlite3.connect(full / "data" / "state.db")) as open_before:
            open_before.execute("SELECT count(*) FROM users").fetchone()
            restored = holdfast.restore(path, actor=ROOT, now=now + timedelta(hours=2))
            assert open_before.execute("SELECT name FROM users").fetchall() == [("ana",)], "Open connections see it."
        assert tree(full) == before
        assert log() == [("predict", "acme"), ("restore", "all.zip")]
        assert report["datasets"] == restored["datasets"] == ["acme", "beta"]
        assert report["files"] == len(before) + 1 - 1, "With the state, without the playbook."
        assert restored["erasures_undone"] == 1
        assert (full / "data" / ".jobs" / "1" / "stdout.json").read_text() == "stays"
        assert not list((full / "data").glob(".re*[!k]")), "Nothing is left of the work."

    def test_brings_the_ledger_back_as_strict_as_it_was(self, full: Path, tmp_path: Path, now: datetime) -> None:
        budgets.set_budget("acme", "Q3", 1_000.0, actor=ROOT, now=now)
        there = launched(now, budget="Q3")
        before = ledger.table_of(there.id, ASSIGNMENTS)
        holdfast.back_up(tmp_path / "all.zip", actor=ROOT, now=now)
        traces.forget_dataset("acme")
        holdfast.restore(tmp_path / "all.zip", actor=ROOT, now=now)
        pd.testing.assert_frame_equal(ledger.table_of(there.id, ASSIGNMENTS), before)
        assert ledger.get(there.id) == there and budgets.budgets("acme", actor=ROOT)[0].reserved == 180.0
        with pytest.raises(sa.exc.DatabaseError, match="can only be added to"), state.writer() as connection:
            connection.execute(sa.delete(ASSIGNMENTS))

    def test_leaves_nobody_signed_in(self, full: Path, made: Path, now: datetime) -> None:
        holdfast.restore(made, actor=ROOT, now=now)
        with state.reader() as connection:
            assert connection.execute(sa.select(SESSIONS)).all() == []

    def test_fills_an_empty_home(self, full: Path, made: Path, now: datetime, tmp_path: Path,
                                 monkeypatch: pytest.MonkeyPatch) -> None:
        before = {name: content for name, content in tree(full).items() if "playbooks" not in name}
        monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "other"))
        holdfast.restore(made, actor=ROOT, now=now)
        assert tree(tmp_path / "other") == before

    def test_keeps_files_read_only_and_the_archive_private(self, full: Path, made: Path, now: datetime) -> None:
        assert stat.S_IMODE(made.stat().st_mode) == 0o600
        holdfast.restore(made, actor=ROOT, now=now)
        raw = full / "data" / "acme" / "v1" / "raw" / "customers of 2024.csv"
        assert stat.S_IMODE(raw.stat().st_mode) == 0o444
        assert stat.S_IMODE((full / "data" / "acme" / "current").stat().st_mode) == 0o644
        assert stat.S_IMODE((full / "data" / "audit.key").stat().st_mode) == 0o600

    def test_is_told_on_the_command_line(self, full: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
        path = str(tmp_path / "all.zip")
        assert main(["backup", "--output", path, "--json"]) == 0
        assert json.loads(capsys.readouterr().out)["datasets"] == ["acme", "beta"]
        assert main(["restore", "--input", path]) == 0
        assert "datasets: acme, beta" in capsys.readouterr().out
        assert main(["restore", "--input", path + "x", "--json"]) == 2
        assert "no file" in json.loads(capsys.readouterr().out)["error"]

    def test_holds_what_the_pointers_point_to_though_work_goes_on(self, full: Path, tmp_path: Path, now: datetime,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
        add = backup._add

        def add_and_work(archive: zipfile.ZipFile, name: str, path: Path) -> backup.Member:
            member = add(archive, name, path)
            if name == "data/acme/current":
                write(full / "data" / "acme" / "v2" / "dataset.json", "another version")
                write(full / "data" / "acme" / "current", "v2\n")
            return member

        monkeypatch.setattr(backup, "_add", add_and_work)
        holdfast.back_up(tmp_path / "all.zip", actor=ROOT, now=now)
        holdfast.restore(tmp_path / "all.zip", actor=ROOT, now=now)
        assert (full / "data" / "acme" / "current").read_text() == "v1\n"
        assert (full / "data" / "acme" / "v1" / "dataset.json").exists()

    def test_says_so_when_something_is_erased_meanwhile(self, full: Path, tmp_path: Path, now: datetime,
                                                        monkeypatch: pytest.MonkeyPatch) -> None:
        found = backup._files
        monkeypatch.setattr(backup, "_files", lambda pointers: [*found(pointers), ("data/x/y/z", full / "gone")])
        with pytest.raises(EngineError, match="gone was erased while"):
            holdfast.back_up(tmp_path / "all.zip", actor=ROOT, now=now)
        assert list(tmp_path.glob("*.zip*")) == [] and list(tmp_path.glob(".*.part")) == []

    @pytest.mark.slow
    def test_leaves_postgresql_to_its_own_tools(self, postgres: str, full: Path, tmp_path: Path,
                                                now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOLDFAST_DATABASE_URL", postgres)
        report = holdfast.back_up(tmp_path / "all.zip", actor=ROOT, now=now)
        assert "pg_dump" in report["state"] and "state.db" not in zipfile.ZipFile(tmp_path / "all.zip").namelist()
        before = tree(full)
        change(full, now)
        holdfast.restore(tmp_path / "all.zip", actor=ROOT, now=now)
        assert tree(full) == before


class TestRefusals:
    @pytest.mark.parametrize("role", ["executive", "marketer", "manager"])
    def test_only_an_admin_does_either(self, role: str, made: Path, tmp_path: Path, now: datetime) -> None:
        with pytest.raises(Refused):
            holdfast.back_up(tmp_path / "x.zip", actor=Actor("eve", role), now=now)
        with pytest.raises(Refused):
            holdfast.restore(made, actor=Actor("eve", role), now=now)

    @pytest.mark.slow
    def test_not_while_somebody_is_at_work(self, full: Path, made: Path, now: datetime) -> None:
        after = change(full, now)
        lock = locks.take("acme")
        try:
            with pytest.raises(EngineError, match="acme is being worked on"):
                holdfast.restore(made, actor=ROOT, now=now)
        finally:
            os.close(lock)
        assert {name: content for name, content in tree(full).items() if ".lock" not in name} == after

    def test_not_where_it_does_not_fit(self, full: Path, made: Path, now: datetime, tmp_path: Path) -> None:
        huge = rewritten(made, tmp_path, members={"data/acme/v1/dataset.json": backup.Member(10**17, "0" * 64)})
        refuses(full, huge, now, "Free some space")

    def test_not_from_a_newer_holdfast(self, full: Path, made: Path, now: datetime, tmp_path: Path) -> None:
        refuses(full, rewritten(made, tmp_path, form=2), now, "newer Holdfast")

    def test_not_a_state_of_a_newer_version(self, full: Path, tmp_path: Path, now: datetime) -> None:
        with state.writer() as connection:
            connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
        holdfast.back_up(tmp_path / "all.zip", actor=ROOT, now=now)
        with state.writer() as connection:
            connection.exec_driver_sql(f"UPDATE alembic_version SET version_num = '{state.HEAD}'")
        refuses(full, tmp_path / "all.zip", now, "newer Holdfast")

    @pytest.mark.parametrize("name", [
        "data/../../outside/x", "../outside/x/y", "/tmp/outside/x", "data/acme/../../../outside", "data\\acme\\v1\\x",
        "data/acme/v1/..\\..\\x", "data/.jobs/1/x", "data/playbooks/v1/x", "data/ACME/v1/x", "models/acme/.hidden/x",
        "data/acme//x", "data/acme/v1/", "data/acme/v1/C:x", "data/state.db", "engine/x/y", "data/acme/v1/a\0b", "x"])
    def test_nothing_that_lands_elsewhere(self, full: Path, made: Path, now: datetime, tmp_path: Path,
                                          name: str) -> None:
        evil = rewritten(made, tmp_path, add={name: b"evil"})
        refuses(full, evil, now, "no place in Holdfast|does not hold")
        assert not list(tmp_path.rglob("outside*"))

    def test_nothing_that_is_not_declared(self, full: Path, made: Path, now: datetime, tmp_path: Path) -> None:
        bomb = rewritten(made, tmp_path, members={"data/acme/v1/dataset.json": backup.Member(3, "0" * 64)})
        refuses(full, bomb, now, "has changed")
        with zipfile.ZipFile(made, "a") as archive:
            archive.writestr("data/acme/v1/more", "more")
        refuses(full, made, now, "does not hold")

    @pytest.mark.parametrize("content", [b"", b"PK", b"a text", b"\0" * 100_000])
    def test_no_other_file(self, full: Path, tmp_path: Path, now: datetime, content: bytes) -> None:
        (tmp_path / "x.zip").write_bytes(content)
        refuses(full, tmp_path / "x.zip", now, "no sound backup")

    def test_no_zip_of_somebody_elses(self, full: Path, tmp_path: Path, now: datetime) -> None:
        with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
            archive.writestr("manifest.json", "[1]")
        refuses(full, tmp_path / "x.zip", now, "manifest cannot be read")


def refuses(home: Path, path: Path, now: datetime, says: str) -> None:
    """Restoring raises, and nothing has changed."""
    before, told = tree(home), log()
    with pytest.raises(EngineError, match=says):
        holdfast.restore(path, actor=ROOT, now=now)
    assert tree(home) == before and log() == told
    assert not (home / "data" / ".restore").exists()


def rewritten(made: Path, folder: Path, *, members: dict[str, backup.Member] | None = None,
              add: dict[str, bytes] | None = None, form: int = backup.FORMAT) -> Path:
    """The backup with other members, its manifest saying so."""
    with zipfile.ZipFile(made) as archive:
        contents = {name: archive.read(name) for name in archive.namelist() if name != backup.MANIFEST} | (add or {})
        manifest = backup._manifest(archive, made)
    said = dict(manifest.members) | (members or {})
    for name, content in (add or {}).items():
        said[name] = backup.Member(len(content), hashlib.sha256(content).hexdigest())
    path = folder / "rewritten.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
        archive.writestr(backup.MANIFEST, dumps(backup.Manifest(form, "9.9.9", manifest.at, said)))
    return path


class TestDamage:
    @pytest.mark.slow
    def test_anywhere_leaves_the_old_or_brings_the_new(self, full: Path, made: Path, now: datetime,
                                                       rng: np.random.Generator) -> None:
        new, sound = tree(full), made.read_bytes()
        old = change(full, now)
        came = {"old": 0, "new": 0}
        directory = sound.rindex(b"PK\5\6") - 1_500
        for at in [*range(0, directory, directory // 150), *range(directory, len(sound), 3)]:
            made.write_bytes(sound[:at] + bytes([sound[at] ^ int(rng.integers(1, 256))]) + sound[at + 1 :])
            try:
                holdfast.restore(made, actor=ROOT, now=now)
            except EngineError:
                assert tree(full) == old
                came["old"] += 1
            else:
                assert tree(full) == new, "Only what does not matter was hit, such as a date."
                came["new"] += 1
                made.write_bytes(sound)
                change(full, now)
        assert came["old"] > 300

    def test_at_the_end_leaves_the_old(self, full: Path, made: Path, now: datetime) -> None:
        sound = made.read_bytes()
        for length in range(0, len(sound), len(sound) // 40):
            made.write_bytes(sound[:length])
            refuses(full, made, now, "no sound backup")


class TestACrash:
    @pytest.mark.parametrize("nth", range(1, 12))
    def test_leaves_the_old_or_what_was_decided(self, full: Path, made: Path, now: datetime, nth: int) -> None:
        new, calls = tree(full), 0
        old = change(full, now)
        rename = Path.rename

        def crashing(self: Path, target: Path) -> Path:
            nonlocal calls
            calls += 1
            if calls == nth:
                raise Crash
            return rename(self, target)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Path, "rename", crashing)
            with suppress(Crash):
                holdfast.restore(made, actor=ROOT, now=now)
        crashed = calls == nth
        assert crashed or nth > 8, "There are eight renamings."
        assert holdfast.finish_restore(ROOT, now) == (crashed and nth > 1), "The first renaming decides."
        assert tree(full) == (old if nth == 1 else new)
        assert (("erase", "beta") in log()) == (nth == 1)
        assert not holdfast.finish_restore(ROOT, now)

    @pytest.mark.parametrize("step", ["_unpack", "_check_state", "_restore_state"])
    def test_between_the_steps(self, full: Path, made: Path, now: datetime, step: str) -> None:
        new, old = tree(full), change(full, now)

        def crash(*_: object) -> None:
            raise Crash

        with pytest.MonkeyPatch.context() as patch, pytest.raises(Crash):
            patch.setattr(backup, step, crash)
            holdfast.restore(made, actor=ROOT, now=now)
        assert main(["datasets", "--json"]) in (0, 2), "Whichever verb comes next carries out what was decided."
        assert tree(full) == (new if step == "_restore_state" else old)
        with state.reader() as connection:
            assert len(connection.execute(sa.select(USERS)).all()) == (1 if step == "_restore_state" else 0)
