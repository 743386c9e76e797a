"""The ledger: what is written stays, nothing is paid for twice, and no kill leaves a campaign half launched."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest
import sqlalchemy as sa

from engine import state
from engine.campaign import budgets, desk, ledger, traces
from engine.campaign.tables import (
    ASSIGNMENTS,
    CAMPAIGNS,
    CONTACTS,
    DESK_ITEMS,
    ERASING,
    EXCLUSIONS,
    OUTCOMES,
    PLANNED,
)
from engine.errors import EngineError, Infeasible, Refused
from engine.schema import ASSIGNMENTS as WORDS
from tests.campaigns import (
    ANA,
    BEN,
    EVE,
    LIMIT,
    MIA,
    NOBODY,
    asked,
    count,
    decisions,
    drafted,
    everyone,
    launched,
    planned,
    reserved,
)


class TestTheWay:
    def test_from_draft_to_close(self, engine: sa.Engine, now: datetime) -> None:
        budgets.set_budget("acme", "Q3", 1_000.0, actor=ANA, now=now)
        there = drafted(now, budget="Q3")
        assert (there.status, there.spend, count(PLANNED)) == ("draft", 180.0, 20), "18 are treated, at 10 each."
        assert reserved() == (0, 100_000)
        ledger.submit(there.id, actor=MIA, now=now)
        ledger.approve(there.id, LIMIT, actor=ANA, now=now + timedelta(hours=1))
        done = ledger.launch(there.id, everyone, actor=MIA, now=now + timedelta(hours=2))
        assert (done.treated, done.held_out, done.left_out, done.replayed) == (18, 2, 0, False)
        assert reserved() == (18_000, 100_000)
        assert (count(PLANNED), count(ASSIGNMENTS), count(CONTACTS)) == (0, 20, 18)
        closed = ledger.close(there.id, "done", actor=MIA, now=now + timedelta(days=100))
        steps = closed.steps or {}
        assert {name: step.by for name, step in steps.items()} == {
            "created": "mia", "submitted": "mia", "approved": "ana", "launched": "mia", "closed": "mia"}
        assert (closed.status, ledger.get(there.id).note, closed.ends) == (
            "closed", "done", now + timedelta(hours=2, days=90))
        verbs = [entry.verb for entry in reversed(state.audit_log())]
        assert verbs == ["budget", "draft", "draft", "approve", "launch", "close"]

    def test_every_assignment_says_where_it_comes_from(self, engine: sa.Engine, now: datetime) -> None:
        there = launched(now)
        rows = ledger.table_of(there.id, ASSIGNMENTS)
        assert WORDS.validate(rows) == [] and set(rows) == set(WORDS.names)
        assert rows[["run_id", "model_id", "policy_id", "approved_by"]].drop_duplicates().to_numpy().tolist() == [
            ["r1", "m1", "plan", "ana"]]
        assert (rows["decided_at"] == now).all()
        assert rows.loc[rows["holdout"], "message"].isna().all() and rows.loc[~rows["holdout"], "message"].notna().all()

    def test_only_conversations_reach_the_desk_and_no_holdout_does(self, engine: sa.Engine, now: datetime) -> None:
        there = launched(now, rows=decisions(200))
        rows = ledger.table_of(there.id, ASSIGNMENTS).set_index("customer_id")
        on_desk = [item.customer_id for item in desk.items("acme", actor=MIA)]
        assert set(on_desk) == set(rows.index[(rows["treatment"] == "call") & ~rows["holdout"]])
        assert not set(ledger.table_of(there.id, CONTACTS)["customer_id"]) & set(rows.index[rows["holdout"]])

    def test_a_second_look_leaves_people_out(self, engine: sa.Engine, now: datetime) -> None:
        budgets.set_budget("acme", "Q3", 1_000.0, actor=ANA, now=now)
        there = drafted(now, budget="Q3")
        ledger.approve(there.id, LIMIT, actor=ANA, now=now)
        gone = {"00000", "00001", "00002"}

        def again(_: object, rows: pd.DataFrame) -> pd.Series:
            return rows["customer_id"].isin(gone).map({True: "on the suppression list", False: ""})

        done = ledger.launch(there.id, again, actor=MIA, now=now)
        rows = ledger.table_of(there.id, ASSIGNMENTS)
        assert (len(rows), done.left_out) == (17, 3) and not gone & set(rows["customer_id"])
        assert set(ledger.table_of(there.id, EXCLUSIONS)["reason"]) == {"on the suppression list"}
        assert reserved()[0] == 1_000 * int((~rows["holdout"]).sum()) == done.campaign.spend_cents

    def test_a_withdrawn_draft_forgets_its_plan(self, engine: sa.Engine, now: datetime) -> None:
        there = drafted(now)
        assert ledger.close(there.id, "no need", actor=MIA, now=now).status == "closed"
        assert count(PLANNED) == 0
        with pytest.raises(EngineError, match="is closed; only an approved campaign"):
            ledger.launch(there.id, everyone, actor=MIA, now=now)


class TestApproval:
    def test_below_the_limit_the_author_may(self, engine: sa.Engine, now: datetime) -> None:
        there = drafted(now)
        assert ledger.approve(there.id, 180.0, actor=MIA, now=now).status == "approved"

    def test_above_it_a_second_person_must_and_a_manager(self, engine: sa.Engine, now: datetime) -> None:
        there = drafted(now, actor=ANA)
        with pytest.raises(Refused, match=r"€180\.00, above the limit of €179\.99: a manager must approve"):
            ledger.approve(there.id, 179.99, actor=MIA, now=now)
        with pytest.raises(Refused, match="somebody other than ana"):
            ledger.approve(there.id, 179.99, actor=ANA, now=now)
        assert ledger.approve(there.id, 179.99, actor=BEN, now=now).step("approved") == ledger.Step("ben", now)

    def test_who_asks_for_approval_cannot_give_it(self, engine: sa.Engine, now: datetime) -> None:
        there = drafted(now)
        assert ledger.submit(there.id, actor=BEN, now=now).status == "awaiting approval"
        with pytest.raises(Refused, match="somebody other than ben"):
            ledger.approve(there.id, 0.0, actor=BEN, now=now)

    def test_what_was_written_anew_meanwhile_is_not_approved(self, engine: sa.Engine, now: datetime,
                                                             monkeypatch: pytest.MonkeyPatch) -> None:
        there = drafted(now)
        drafted(now, rows=decisions(40))
        monkeypatch.setattr(ledger, "get", lambda _: there)
        with pytest.raises(EngineError, match="has just been written anew"):
            ledger.approve(there.id, LIMIT, actor=ANA, now=now)

    def test_nothing_is_launched_without_it(self, engine: sa.Engine, now: datetime) -> None:
        there = drafted(now)
        with pytest.raises(EngineError, match="is draft; only an approved campaign can be launched"):
            ledger.launch(there.id, everyone, actor=MIA, now=now)
        assert count(ASSIGNMENTS) == 0

    @pytest.mark.parametrize("verb", ["draft", "submit", "approve", "launch", "close"])
    def test_an_executive_may_none_of_it(self, home: Path, now: datetime, verb: str) -> None:
        there = drafted(now)
        arguments = {"draft": (asked("X"), planned(decisions()), NOBODY), "approve": (there.id, LIMIT),
                     "launch": (there.id, everyone), "close": (there.id, "")}
        with pytest.raises(Refused, match="executive"):
            getattr(ledger, verb)(*arguments.get(verb, (there.id,)), actor=EVE, now=now)


class TestReplays:
    def test_the_same_draft_is_the_same_campaign(self, engine: sa.Engine, now: datetime) -> None:
        first, again = drafted(now), drafted(now + timedelta(hours=1), actor=BEN)
        assert first == again and count(CAMPAIGNS) == 1 and count(PLANNED) == 20

    def test_another_draft_replaces_a_draft_and_nothing_more(self, engine: sa.Engine, now: datetime) -> None:
        drafted(now)
        assert drafted(now, rows=decisions(30)).spend == 270.0 and count(PLANNED) == 30
        there = launched(now, "August")
        with pytest.raises(EngineError, match=r'campaign "August" already \(launched\)'):
            drafted(now, "August", rows=decisions(30))
        assert len(ledger.table_of(there.id, ASSIGNMENTS)) == 20

    def test_a_replayed_launch_changes_nothing_and_says_so(self, engine: sa.Engine, now: datetime) -> None:
        budgets.set_budget("acme", "Q3", 1_000.0, actor=ANA, now=now)
        there = launched(now, budget="Q3")
        log = len(state.audit_log())
        again = ledger.launch(there.id, everyone, actor=BEN, now=now + timedelta(days=3))
        assert again.replayed and again.campaign == there and (again.treated, again.held_out) == (18, 2)
        assert (count(ASSIGNMENTS), count(CONTACTS), reserved()[0], len(state.audit_log())) == (20, 18, 18_000, log)

    def test_another_key_is_no_replay(self, engine: sa.Engine, now: datetime) -> None:
        there = launched(now)
        with pytest.raises(EngineError, match="was launched by mia on 2024-06-01 12:00 already"):
            ledger.launch(there.id, everyone, "another", actor=BEN, now=now)


class TestMoney:
    def test_a_budget_that_is_not_enough_books_nothing(self, engine: sa.Engine, now: datetime) -> None:
        budgets.set_budget("acme", "Q3", 300.0, actor=ANA, now=now)
        launched(now, "July", budget="Q3")
        there = drafted(now, "August", budget="Q3")
        ledger.approve(there.id, LIMIT, actor=ANA, now=now)
        with pytest.raises(Infeasible, match=r"needs 180\.00, and the budget Q3 has 120\.00 left of 300\.00"):
            ledger.launch(there.id, everyone, actor=MIA, now=now)
        assert (ledger.get(there.id).status, count(ASSIGNMENTS), reserved()[0]) == ("approved", 20, 18_000)
        budgets.set_budget("acme", "Q3", 360.0, actor=ANA, now=now)
        assert ledger.launch(there.id, everyone, actor=MIA, now=now).treated == 18
        assert reserved() == (36_000, 36_000), "To the last hundredth."

    def test_a_budget_cannot_shrink_below_what_is_spoken_for(self, engine: sa.Engine, now: datetime) -> None:
        budgets.set_budget("acme", "Q3", 300.0, actor=ANA, now=now)
        launched(now, budget="Q3")
        with pytest.raises(EngineError, match=r"180\.00 of the budget Q3 are spoken for"):
            budgets.set_budget("acme", "Q3", 179.0, actor=ANA, now=now)
        assert budgets.budgets("acme", actor=EVE) == [budgets.Budget("Q3", 300.0, 180.0)]
        assert budgets.budgets("acme", actor=EVE)[0].left == 120.0

    def test_a_part_of_a_cent_is_no_budget(self, home: Path, now: datetime) -> None:
        assert budgets.set_budget("acme", "Q3", 10.009, actor=ANA, now=now).total == 10.0
        assert budgets.set_budget("acme", "Q3", 0.1 + 0.2, actor=ANA, now=now).total == 0.3

    def test_an_unknown_budget_is_named_at_the_draft(self, engine: sa.Engine, now: datetime) -> None:
        with pytest.raises(EngineError, match="acme has no budget 'Q9'"):
            drafted(now, budget="Q9")

    def test_only_managers_set_budgets(self, home: Path, now: datetime) -> None:
        with pytest.raises(Refused, match="may not budget"):
            budgets.set_budget("acme", "Q3", 1.0, actor=MIA, now=now)

    @pytest.mark.parametrize("total", [-1.0, float("nan"), float("inf"), 1e14])
    def test_a_senseless_total_is_refused(self, home: Path, now: datetime, total: float) -> None:
        with pytest.raises(EngineError, match="needs a name and a total"):
            budgets.set_budget("acme", "Q3", total, actor=ANA, now=now)


class TestAppendOnly:
    @pytest.mark.parametrize("change", [
        "UPDATE assignments SET expected_cost = 0", "DELETE FROM assignments",
        "UPDATE assignments SET holdout = NOT holdout"])
    def test_assignments_only_grow(self, engine: sa.Engine, now: datetime, change: str) -> None:
        there = launched(now)
        before = ledger.table_of(there.id, ASSIGNMENTS)
        with pytest.raises(sa.exc.DatabaseError, match="can only be added to"), state.writer() as connection:
            connection.execute(sa.text(change))
        pd.testing.assert_frame_equal(ledger.table_of(there.id, ASSIGNMENTS), before)

    def test_not_even_emptied_on_postgresql(self, engine: sa.Engine, now: datetime) -> None:
        launched(now)
        command = "TRUNCATE" if engine.dialect.name == "postgresql" else "DELETE FROM"
        with pytest.raises(sa.exc.DatabaseError, match="can only be added to"), state.writer() as connection:
            connection.execute(sa.text(f"{command} assignments"))
        assert count(ASSIGNMENTS) == 20

    def test_an_erasure_is_the_exception_for_that_customer_alone(self, engine: sa.Engine, now: datetime) -> None:
        there = launched(now)
        assert traces.forget_customer("other", "00000") == 0
        assert traces.forget_customer("acme", "00000") >= 1
        assert "00000" not in set(ledger.table_of(there.id, ASSIGNMENTS)["customer_id"])
        assert (count(ASSIGNMENTS), count(ERASING), ledger.get(there.id).erased) == (19, 0, 1)
        with pytest.raises(sa.exc.DatabaseError, match="can only be added to"), state.writer() as connection:
            connection.execute(sa.text("DELETE FROM assignments"))

    def test_a_dataset_takes_its_ledger_with_it(self, engine: sa.Engine, now: datetime) -> None:
        budgets.set_budget("acme", "Q3", 300.0, actor=ANA, now=now)
        launched(now, budget="Q3")
        kept = launched(now, "Theirs", dataset="other", id=ledger.campaign_id("other", "Theirs"))
        assert traces.forget_dataset("acme") == 1
        assert [one.id for one in ledger.campaigns()] == [kept.id] and count(ASSIGNMENTS) == 20
        assert budgets.budgets("acme", actor=ANA) == [] and desk.items("acme", actor=ANA) == []


# --- many at once, and killed


def _approve_and_launch(number: int, now: datetime) -> None:
    """One of many: approve a campaign of one's own, and launch it against the budget that all share."""
    state.connect().dispose(close=False)
    there = ledger.campaign_id("acme", f"campaign {number}")
    ledger.approve(there, LIMIT, actor=ANA, now=now)
    for _ in range(3):
        try:
            ledger.launch(there, everyone, actor=ANA, now=now)
        except Infeasible:
            return


def _in_processes(numbers: range, now: datetime, killer: random.Random | None = None) -> list[int | None]:
    """Run them side by side; with a killer, each is killed at a random moment. The exit codes."""
    state.connect().dispose()
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_approve_and_launch, args=(number, now)) for number in numbers]
    for process in processes:
        process.start()
    for process in processes if killer else []:
        time.sleep(killer.uniform(0, 0.06))  # type: ignore[union-attr]
        if process.is_alive() and process.pid:
            os.kill(process.pid, signal.SIGKILL)
    for process in processes:
        process.join(300)
    return [process.exitcode for process in processes]


def _sound() -> int:
    """Hold the ledger against itself; returns how many campaigns are launched."""
    with state.reader() as connection:
        booked = sa.select(ASSIGNMENTS.c.campaign_id, sa.func.count().label("rows")).group_by(ASSIGNMENTS.c.campaign_id)
        rows = {row.campaign_id: row.rows for row in connection.execute(booked)}
        known = connection.execute(sa.select(CAMPAIGNS)).all()
        spent = sum(row.spend_cents for row in known if row.status == "launched")
    for row in known:
        assert rows.get(row.id, 0) == (20 if row.status == "launched" else 0), "All rows or none."
        assert row.status in ("draft", "approved", "launched")
    taken, total = reserved()
    assert taken == spent <= total, "What is spoken for is what was launched, and never more than there is."
    assert count(CONTACTS) == 18 * len(rows)
    assert len(state.audit_log(1_000, "launch")) == len(rows), "Each launch is in the log, once."
    return len(rows)


@pytest.mark.slow
def test_thirty_two_at_once_never_overspend(engine: sa.Engine, now: datetime) -> None:
    """Each needs 180; 2,000 is enough for eleven of 32, whoever comes first."""
    budgets.set_budget("acme", "Q3", 2_000.0, actor=ANA, now=now)
    for number in range(32):
        drafted(now, f"campaign {number}", budget="Q3")
    assert _in_processes(range(32), now) == [0] * 32
    assert _sound() == 11 and reserved()[0] == 11 * 18_000
    assert _in_processes(range(32), now) == [0] * 32, "All again: replays."
    assert _sound() == 11


@pytest.mark.slow
def test_killed_at_random_moments_nothing_is_half_done(engine: sa.Engine, now: datetime) -> None:
    killer = random.Random(7)
    budgets.set_budget("acme", "Q3", 4_000.0, actor=ANA, now=now)
    for number in range(32):
        drafted(now, f"campaign {number}", budget="Q3")
    codes: list[int | None] = []
    for start in range(0, 32, 8):
        codes += _in_processes(range(start, start + 8), now, killer)
        _sound()
    assert codes.count(-signal.SIGKILL) >= 3, "The killer must have met some at work."
    assert _in_processes(range(32), now) == [0] * 32
    assert _sound() == 22, "4,000 is enough for 22 campaigns of 180."


@pytest.mark.slow
def test_one_campaign_launched_by_many_is_launched_once(engine: sa.Engine, now: datetime) -> None:
    budgets.set_budget("acme", "Q3", 4_000.0, actor=ANA, now=now)
    drafted(now, "campaign 0", budget="Q3")
    state.connect().dispose()
    context = multiprocessing.get_context("fork")
    processes = [context.Process(target=_approve_and_launch, args=(0, now)) for _ in range(16)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
    assert [process.exitcode for process in processes] == [0] * 16
    assert _sound() == 1 and reserved()[0] == 18_000


def _take(part: int) -> int:
    """Take 700 a time, twenty times; returns how often it was to be had. Nothing but the guarded update keeps order."""
    taken = 0
    for _ in range(20):
        try:
            with state.writer() as connection:
                budgets.reserve(connection, "acme", "Q3", 700)
                time.sleep(0.001)
            taken += 1
        except Infeasible:
            pass
    return taken


@pytest.mark.slow
def test_without_any_lock_the_guarded_update_is_enough(engine: sa.Engine, now: datetime) -> None:
    budgets.set_budget("acme", "Q3", 1_000.0, actor=ANA, now=now)
    state.connect().dispose()
    with multiprocessing.get_context("fork").Pool(8) as pool:
        taken = sum(pool.map(_take, range(8), chunksize=1))
    assert taken == 142 and reserved() == (99_400, 100_000), "142 times 7 is 994, and 6 are not enough for one more."


def test_the_guard_is_what_holds_the_budget(engine: sa.Engine, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the guarded update the table's CHECK stops an overdraft, but a read before the write loses money."""
    budgets.set_budget("acme", "Q3", 100.0, actor=ANA, now=now)
    with pytest.raises(Infeasible), state.writer() as connection:
        budgets.reserve(connection, "acme", "Q3", 6_000)
        budgets.reserve(connection, "acme", "Q3", 4_001)
    assert reserved()[0] == 0, "The transaction that failed took nothing."
    with pytest.raises(sa.exc.IntegrityError, match="within"), state.writer() as connection:
        connection.execute(sa.text("UPDATE budgets SET reserved_cents = 10001"))


def test_outcomes_and_others_point_at_a_campaign(engine: sa.Engine, now: datetime) -> None:
    row = {"campaign_id": "nowhere", "customer_id": "1", "observed_at": now, "stayed": True, "source": "x", "at": now}
    with pytest.raises(sa.exc.IntegrityError), state.writer() as connection:
        connection.execute(sa.insert(OUTCOMES).values(row))


def test_a_list_of_campaigns_and_one_by_name(engine: sa.Engine, now: datetime) -> None:
    drafted(now, "July")
    drafted(now + timedelta(days=1), "August")
    assert [one.name for one in ledger.campaigns("acme")] == ["August", "July"] and ledger.campaigns("other") == []
    assert ledger.named("acme", "July").id == ledger.named("acme", ledger.campaign_id("acme", "July")).id
    with pytest.raises(EngineError, match='has no campaign \'May\' \\(there are: "August", "July"\\)'):
        ledger.named("acme", "May")
    with pytest.raises(EngineError, match="There is no campaign 'x'"):
        ledger.get("x")


def test_the_desk_holds_what_was_launched(engine: sa.Engine, now: datetime) -> None:
    launched(now, rows=decisions(40))
    assert count(DESK_ITEMS) == 18 and {item.stage for item in desk.items("acme", actor=MIA)} == {"plan in place"}
