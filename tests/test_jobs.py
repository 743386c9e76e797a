"""Background work and locks: who works on what, how far it is, how it ended."""

from __future__ import annotations

import io
import json
import multiprocessing
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest

import engine
from engine import catalog, jobs, locks, state
from engine.errors import EngineError, Refused
from engine.jobs import dataset_lock
from engine.progress import Progress, Steps, read_progress
from engine.schema import Actor

ANA, BEN, EVE = Actor("ana", "manager"), Actor("ben", "admin"), Actor("eve", "executive")

VERB = {
    "well": "print(json.dumps({'args': sys.argv[1:], 'actor': os.environ['HOLDFAST_ACTOR']}))",
    "badly": "print('There is no file x.csv. Name another one.', file=sys.stderr); sys.exit(2)",
    "long": "time.sleep(60)",
    "deaf": "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', file=sys.stderr, flush=True); time.sleep(60)",
}
LOCKING = """
from datetime import datetime
from engine.jobs import dataset_lock
from engine.progress import Steps
from engine.schema import Actor
with dataset_lock("acme", "run", Actor("ana"), datetime(2024, 6, 1)):
    steps = Steps(of=2)
    with steps("Read"): pass
    with steps("Train") as part: part(1, 2)
print('{"ok": true}')
"""

Start = Callable[..., int]


@pytest.fixture
def start(home: Path, now: datetime) -> Start:
    """Start a job that does what one of the small verbs does."""

    def begin(verb: str, dataset: str = "acme", actor: Actor = ANA) -> int:
        code = VERB.get(verb, verb)
        if verb in VERB:
            code = "import json, os, signal, sys, time\n" + code
        return jobs.start(["run", "--name", dataset], dataset, actor, now, command=[sys.executable, "-c", code])

    return begin


def test_a_job_ends_well(start: Start, now: datetime) -> None:
    job = jobs.wait(start("well"), 60)
    assert (job.status, job.exit_code, job.verb, job.error, job.at) == ("done", 0, "run", "", now)
    assert jobs.result(job.id) == {"args": ["run", "--name", "acme", "--json"], "actor": "ana:manager"}
    assert jobs.jobs("acme") == [job] and jobs.jobs("other") == []


def test_it_is_known_how_long_a_job_ran(start: Start) -> None:
    running = jobs.status(start("import time; time.sleep(60)", "other"))
    assert jobs.seconds_of(running) is None
    ended = jobs.wait(start("import time; time.sleep(0.5)"), 60)
    assert 0.5 <= (jobs.seconds_of(ended) or 0) < 30
    (ended.folder / "began").unlink()
    assert jobs.seconds_of(ended) is None, "A job of an earlier release."
    assert jobs.cancel(running.id, ANA, datetime(2024, 6, 1)).status == "cancelled"


def test_a_job_ends_badly_and_says_why(start: Start) -> None:
    job = jobs.wait(start("badly"), 60)
    assert (job.status, job.exit_code) == ("failed", 2)
    assert job.error == "There is no file x.csv. Name another one."
    with pytest.raises(EngineError, match=r"has no result: it is failed\. There is no file x\.csv"):
        jobs.result(job.id)


def test_a_refusal_is_told_in_its_own_words(start: Start) -> None:
    """What the verb printed for programs, not the progress that stands before it on stderr."""
    job = jobs.wait(start("print('  1/9  Read', file=__import__('sys').stderr)\n"
                          "print('{\"error\": \"The label is missing.\"}'); raise SystemExit(2)"), 60)
    assert (job.status, job.exit_code, job.error) == ("failed", 2, "The label is missing.")


def test_a_bug_is_told_from_bad_data_and_its_trace_stays_in_the_log(start: Start) -> None:
    job = jobs.wait(start("1 / 0"), 60)
    assert (job.status, job.exit_code) == ("failed", 1)
    assert job.error == f"A bug stopped it, not your data. The log is at {job.folder / 'stderr.log'}."
    assert "ZeroDivisionError" in (job.folder / "stderr.log").read_text()


def test_jobs_let_others_go_first(start: Start) -> None:
    number = jobs.wait(start("import json, os; print(json.dumps({'nice': os.nice(0)}))"), 60).id
    assert jobs.result(number) == {"nice": min(19, os.nice(0) + 15)}


def test_a_program_that_is_not_there_fails(home: Path, now: datetime) -> None:
    job = jobs.wait(jobs.start(["run"], "acme", ANA, now, command=["/no/such/program"]), 60)
    assert (job.status, job.exit_code) == ("failed", 127)


@pytest.mark.slow
def test_one_job_per_dataset(start: Start) -> None:
    first = start("long")
    with pytest.raises(EngineError, match=rf"acme is being worked on by ana \(run\) since 2024-06-01 12:00: "
                                          rf"wait, or cancel job {first}\."):
        start("well", actor=BEN)
    other = start("well", "other")
    assert jobs.wait(other, 60).status == "done"
    assert jobs.status(first).status == "running"
    assert jobs.cancel(first, BEN, datetime(2024, 6, 1)).status == "cancelled"
    assert jobs.wait(start("well"), 60).status == "done"


@pytest.mark.slow
def test_cancel_ends_every_process(start: Start, now: datetime) -> None:
    job = jobs.status(start("long"))
    assert job.pid is not None
    jobs.cancel(job.id, ANA, now)
    with pytest.raises(ProcessLookupError):
        for _ in range(200):
            os.killpg(job.pid, 0)
            jobs.jobs()
            time.sleep(0.05)
    assert not locks.is_held("acme")
    assert jobs.cancel(job.id, ANA, now).status == "cancelled"
    assert [entry.verb for entry in state.audit_log()] == ["cancel", "start"]


@pytest.mark.parametrize("used", [True, False])
def test_a_cancelled_first_training_leaves_nothing_behind(start: Start, now: datetime, used: bool) -> None:
    version = catalog.dataset_folder("acme") / "v1"
    version.mkdir(parents=True)
    (version / "dataset.json").write_text("{}", encoding="utf-8")
    if used:
        (version.parent / "current").write_text("v1\n", encoding="utf-8")
    jobs.cancel(start("long"), ANA, now)
    assert version.parent.exists() == used, "Only what never came into use goes."
    assert not locks.is_held("acme")


def test_the_deaf_are_stopped_after_the_grace(start: Start, now: datetime) -> None:
    job = jobs.status(start("deaf"))
    while b"deaf" not in (job.folder / "stderr.log").read_bytes():
        time.sleep(0.02)
    assert jobs.cancel(job.id, ANA, now, grace_seconds=0.2).status == "cancelled"
    assert not locks.is_held("acme")


def test_what_has_ended_cannot_be_cancelled(start: Start, now: datetime) -> None:
    job = jobs.wait(start("well"), 60)
    assert jobs.cancel(job.id, ANA, now) == job


def test_a_vanished_process_is_noticed(start: Start) -> None:
    job = jobs.status(start("long"))
    assert job.pid is not None
    os.killpg(job.pid, signal.SIGKILL)
    job = jobs.wait(job.id, 60)
    assert (job.status, job.exit_code) == ("failed", None)
    assert "vanished" in job.error
    assert jobs.wait(start("well"), 60).status == "done"


def test_a_killed_verb_is_told_from_a_vanished_job(start: Start) -> None:
    job = jobs.wait(start("import os, signal; os.kill(os.getpid(), signal.SIGKILL)"), 60)
    assert (job.status, job.exit_code) == ("failed", 137)
    assert "killed (signal 9)" in job.error


@pytest.mark.slow
def test_a_job_outlives_who_started_it(start: Start) -> None:
    starter = multiprocessing.get_context("fork").Process(target=start, args=("import time; time.sleep(0.5)",))
    starter.start()
    starter.join(60)
    [job] = jobs.jobs()
    assert job.status == "running"
    job = jobs.wait(job.id, 60)
    assert (job.status, job.exit_code) == ("done", 0)


@pytest.mark.slow
def test_a_jobs_own_verb_enters_its_lock_and_tells_its_steps(start: Start) -> None:
    job = jobs.wait(start(LOCKING), 120)
    assert (job.status, job.error) == ("done", "")
    told = [(line.step, line.done, line.of, line.part) for line in jobs.progress_of(job.id)]
    assert told == [("Read", 0, 2, 0), ("Read", 1, 2, 0), ("Train", 1, 2, 0), ("Train", 1, 2, 0.5), ("Train", 2, 2, 0)]


def test_the_right_role_starts_and_cancels(start: Start, now: datetime) -> None:
    with pytest.raises(Refused, match="eve"):
        start("well", actor=EVE)
    assert jobs.jobs() == []
    number = start("long")
    with pytest.raises(Refused, match="eve"):
        jobs.cancel(number, EVE, now)
    jobs.cancel(number, ANA, now)


def test_an_actor_starts_at_most_so_many_an_hour(home: Path, now: datetime) -> None:
    for _ in range(engine.JOBS_PER_HOUR):
        state.record(ANA, "start", "acme", now)
    with pytest.raises(EngineError, match=r"ana may start at most 60 times in 1 hour"):
        engine.start_job(["train", "--dataset", "acme"], "acme", actor=ANA, now=now)
    assert jobs.jobs() == []


def test_no_such_job(home: Path) -> None:
    with pytest.raises(EngineError, match="There is no job 7"):
        jobs.status(7)


def test_the_state_of_a_verb_that_cannot_be_started(home: Path, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise RuntimeError("no process")

    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(RuntimeError):
        jobs.start(["run"], "acme", ANA, now)
    assert jobs.jobs()[0].status == "failed" and not locks.is_held("acme")


# --- locks


@pytest.mark.slow
def test_a_lock_keeps_others_out_and_its_holder_in(home: Path, now: datetime) -> None:
    with dataset_lock("acme", "train", ANA, now):
        assert locks.holder("acme") == locks.Holder("ana", "train", now)
        with dataset_lock("acme", "score", ANA, now):
            pass
        refused: list[str] = []
        thread = threading.Thread(target=_try_to_work, args=(now, refused))
        thread.start()
        thread.join()
        assert refused == ["acme is being worked on by ana (train) since 2024-06-01 12:00: wait until it is done."]
        assert locks.holder("acme") == locks.Holder("ana", "train", now)
    assert locks.holder("acme") is None
    _try_to_work(now, refused)
    assert len(refused) == 1
    assert list((home / "data").iterdir()) == []


def _try_to_work(now: datetime, refused: list[str]) -> None:
    try:
        with dataset_lock("acme", "run", BEN, now):
            pass
    except EngineError as error:
        refused.append(str(error))


def test_who_moved_the_folder_away_leaves_the_next_ones_lock_alone(home: Path, now: datetime) -> None:
    with dataset_lock("acme", "erase", ANA, now):
        (home / "data" / "acme").rename(home / "data" / ".erased")
        lock = locks.take("acme")
    assert locks.is_held("acme"), "The lock of whoever came next was removed with ours."
    os.close(lock)


def test_an_error_lets_go_of_the_lock(home: Path, now: datetime) -> None:
    with pytest.raises(ZeroDivisionError), dataset_lock("acme", "run", ANA, now):
        raise ZeroDivisionError
    assert not locks.is_held("acme")


def test_a_kill_lets_go_of_the_lock(home: Path, now: datetime) -> None:
    worker = multiprocessing.get_context("fork").Process(target=_hold, args=(now,))
    worker.start()
    while locks.holder("acme") != locks.Holder("ana", "run", now):
        time.sleep(0.01)
    worker.kill()
    worker.join()
    with dataset_lock("acme", "run", BEN, now):
        pass


def _hold(now: datetime) -> None:
    with dataset_lock("acme", "run", ANA, now):
        time.sleep(60)


@pytest.mark.slow
def test_a_stranger_does_not_inherit(home: Path, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable alone opens nothing: the very file must be open, and locked, in this process."""
    lock = locks.take("acme")
    refused: list[str] = []
    for number in ("0", "999", "x"):
        monkeypatch.setenv(locks.INHERITED, number)
        _try_to_work(now, refused)
    assert len(refused) == 3
    monkeypatch.setenv(locks.INHERITED, str(lock))
    _try_to_work(now, refused)
    assert len(refused) == 3
    os.close(lock)


def test_many_workers_one_at_a_time(home: Path, now: datetime) -> None:
    """Eight threads take and leave the lock, whose file comes and goes; two are never inside at once."""
    inside: list[int] = []
    most: list[int] = []

    def work() -> None:
        for _ in range(15):
            try:
                with dataset_lock("acme", "run", ANA, now):
                    inside.append(1)
                    most.append(len(inside))
                    time.sleep(0.001)
                    inside.pop()
            except EngineError:
                continue

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(most) == {1} and len(most) > 15


def test_looking_does_not_disturb_taking(home: Path, now: datetime) -> None:
    over, broken = threading.Event(), []

    def look() -> None:
        while not over.is_set():
            try:
                locks.holder("acme")
            except Exception as error:
                broken.append(error)

    with dataset_lock("acme", "run", ANA, now):
        pass
    watchers = [threading.Thread(target=look) for _ in range(3)]
    for watcher in watchers:
        watcher.start()
    try:
        for _ in range(30):
            with dataset_lock("acme", "run", ANA, now):
                pass
    finally:
        over.set()
    for watcher in watchers:
        watcher.join()
    assert broken == []


# --- progress


def test_steps_are_told_and_timed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_PROGRESS", str(tmp_path / "progress.jsonl"))
    heard: list[Progress] = []
    steps = Steps(told=heard.append)
    with steps("Read"):
        time.sleep(0.01)
    with pytest.raises(ZeroDivisionError), steps("Train"):
        raise ZeroDivisionError
    [(name, seconds)] = steps.seconds
    assert name == "Read" and seconds >= 0.01
    assert heard == [Progress("Read", 0, 0), Progress("Read", 1, 1, seconds), Progress("Train", 1, 1)]
    assert read_progress(tmp_path / "progress.jsonl") == heard


def test_a_terminal_shows_how_far_a_step_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.grammar import told_on_stderr

    for terminal, shown in ((True, "   4/9  Train  45 %\r"), (False, "")):
        stream = io.StringIO()
        stream.isatty = lambda terminal=terminal: terminal  # type: ignore[method-assign]
        monkeypatch.setattr(sys, "stderr", stream)
        told_on_stderr(Progress("Train", 4, 9, part=0.45))
        assert stream.getvalue() == shown
        told_on_stderr(Progress("Train", 5, 9, seconds=1.25))
        assert re.search(r"   5/9  Train +1\.2 s\n$", stream.getvalue())


def test_a_line_in_the_making_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "progress.jsonl"
    assert read_progress(path) == []
    path.write_text(json.dumps({"step": "Read", "done": 1, "of": 2, "seconds": 0.5}) + '\n{"step": "Tr')
    assert read_progress(path) == [Progress("Read", 1, 2, 0.5)]
