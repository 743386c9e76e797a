"""The save desk: in the order that pays, within the day's time, with every change kept and overrides scored."""

from __future__ import annotations

from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

from engine import settling
from engine.__main__ import main
from engine.campaign import desk, outcomes
from engine.cards_campaign import _score
from engine.errors import EngineError, Refused
from engine.schema import jsonable
from tests.campaigns import ANA, EVE, MIA, decisions, launched

TODAY = date(2024, 6, 1)


def filled(now: datetime, *people: tuple[str, float, float], probability: float = 0.6) -> dict[str, int]:
    """Customers with their margin and minutes on acme's desk; their items' numbers."""
    rows = pd.DataFrame([(who, "call", "Vulnerable", probability, margin, minutes) for who, margin, minutes in people],
                        columns=["customer_id", "treatment", "segment", "churn_probability", "incremental_margin",
                                 "minutes"])
    desk.put("acme", rows, actor=MIA, now=now)
    return {item.customer_id: item.id for item in desk.items("acme", actor=MIA)}


def todays(minutes: float = 60, **more: Any) -> list[str]:
    """Whom to speak with today, in order."""
    return [item.customer_id for item in desk.worklist("acme", minutes, TODAY, actor=MIA, **more).today]


def test_the_most_margin_per_minute_comes_first(engine: sa.Engine, now: datetime) -> None:
    filled(now, ("slow", 100, 50), ("quick", 30, 5), ("rich", 200, 25), ("poor", -5, 5))
    assert todays() == ["rich", "quick"], "8 a minute, 6 a minute; 30 minutes are left, and the slow one takes 50."
    found = desk.worklist("acme", 60, TODAY, actor=MIA)
    assert (found.minutes, found.margin) == (30, 230) and [item.customer_id for item in found.later] == ["slow", "poor"]
    assert todays(1_000) == ["rich", "quick", "slow"], "Nobody is called at a loss, however much time there is."
    assert todays(0) == []


def test_what_does_not_fit_lets_the_next_one_pass(engine: sa.Engine, now: datetime) -> None:
    filled(now, ("first", 100, 10), ("long", 300, 55), ("short", 20, 10))
    assert todays(20) == ["first", "short"]


def test_snoozed_ended_and_others_are_not_on_todays_list(engine: sa.Engine, now: datetime) -> None:
    at = filled(now, ("a", 50, 5), ("b", 40, 5), ("c", 30, 5), ("d", 20, 5))
    desk.change(at["a"], {"snoozed_until": TODAY + timedelta(days=1)}, actor=MIA, now=now)
    desk.change(at["b"], {"stage": "recovered", "reason": "new contract"}, actor=MIA, now=now)
    desk.change(at["c"], {"owner": "ben", "due": TODAY}, actor=MIA, now=now)
    assert todays() == ["c", "d"] and todays(owner="mia") == ["d"] and todays(owner="ben") == ["c", "d"]
    assert [item.customer_id for item in desk.worklist("acme", 60, TODAY + timedelta(days=1), actor=MIA).today] == [
        "a", "c", "d"]


def test_every_change_is_kept(engine: sa.Engine, now: datetime) -> None:
    item = filled(now, ("a", 50, 5))["a"]
    desk.change(item, {"owner": "mia", "due": TODAY}, actor=MIA, now=now)
    desk.change(item, {"stage": "saving"}, actor=ANA, now=now + timedelta(hours=1))
    desk.change(item, {"stage": "lost", "reason": "moved away", "outcome": "cancelled"}, actor=MIA, now=now)
    kept = desk.history(item, actor=MIA)
    assert [(one["actor"], one["changes"]) for one in kept] == [
        ("mia", {"owner": "mia", "due": "2024-06-01"}), ("ana", {"stage": "saving", "ended_at": None}),
        ("mia", {"stage": "lost", "reason": "moved away", "outcome": "cancelled", "ended_at": now.isoformat()})]
    [there] = desk.items("acme", actor=MIA)
    assert (there.stage, there.owner, there.due, there.ended_at) == ("lost", "mia", TODAY, now)


@pytest.mark.parametrize(("changes", "says"), [
    ({"stage": "won"}, "no stage 'won'"), ({"stage": "lost"}, "Say why the customer is lost"),
    ({"minutes": 1}, "no field of the desk 'minutes'")])
def test_senseless_changes_are_refused(home: Path, now: datetime, changes: dict[str, Any], says: str) -> None:
    item = filled(now, ("a", 50, 5))["a"]
    with pytest.raises(EngineError, match=says):
        desk.change(item, changes, actor=MIA, now=now)
    assert desk.history(item, actor=MIA) == []


def test_nobody_is_on_the_desk_twice(engine: sa.Engine, now: datetime) -> None:
    at = filled(now, ("a", 50, 5))
    assert filled(now, ("a", 60, 5), ("b", 1, 1)).keys() == {"a", "b"} and len(desk.items("acme", actor=MIA)) == 2
    desk.change(at["a"], {"stage": "lost", "reason": "gone"}, actor=MIA, now=now)
    filled(now, ("a", 60, 5))
    assert len(desk.items("acme", actor=MIA)) == 3, "Whoever comes back is at risk anew."


def test_executives_do_not_see_the_desk(home: Path, now: datetime) -> None:
    with pytest.raises(Refused, match="may not desk"):
        desk.worklist("acme", 60, TODAY, actor=EVE)


class TestOverrides:
    def test_needs_a_note_and_comes_before_the_end(self, engine: sa.Engine, now: datetime) -> None:
        item = filled(now, ("a", 50, 5))["a"]
        with pytest.raises(EngineError, match="Say in a note"):
            desk.override(item, "stays", " ", actor=MIA, now=now)
        with pytest.raises(EngineError, match="no call 'perhaps'"):
            desk.override(item, "perhaps", "hm", actor=MIA, now=now)
        there = desk.override(item, "stays", "has just renewed by phone", "none", actor=MIA, now=now)
        assert (there.human_call, there.model_call, there.human_by) == ("stays", "leaves", "mia")
        desk.change(item, {"stage": "recovered", "reason": "stayed"}, actor=MIA, now=now)
        with pytest.raises(EngineError, match="hindsight"):
            desk.override(item, "leaves", "I knew it", actor=MIA, now=now)

    def test_are_scored_against_the_model_by_how_it_ended(self, engine: sa.Engine, now: datetime) -> None:
        """The model says that all leave. People say: a stays (right), b stays (wrong), c leaves (right); d is open."""
        at = filled(now, ("a", 50, 5), ("b", 40, 5), ("c", 30, 5), ("d", 20, 5), ("e", 10, 5))
        for who, call in {"a": "stays", "b": "stays", "c": "leaves", "d": "stays"}.items():
            desk.override(at[who], call, "knows better", actor=MIA, now=now)
        for who, stage in {"a": "recovered", "b": "lost", "c": "lost", "e": "lost"}.items():
            desk.change(at[who], {"stage": stage, "reason": "seen"}, actor=MIA, now=now)
        told = settling.overrides("acme", actor=ANA)
        assert told.human is not None and told.model is not None
        assert (told.human.value, told.human.n, told.model.value, told.differed) == (
            pytest.approx(2 / 3), 3, pytest.approx(2 / 3), 2)
        assert told.apart is not None and (told.apart.value, told.apart.n) == (0.5, 2), "Of a and b, people knew a."
        assert told.human.low == pytest.approx(0.2077, abs=1e-4) and told.human.high == pytest.approx(0.9385, abs=1e-4)

    def test_the_campaigns_outcome_counts_before_the_desks_own_word(self, engine: sa.Engine, now: datetime) -> None:
        there = launched(now, rows=decisions(8, churn_probability=0.9), share=0.0)
        item = next(item for item in desk.items("acme", actor=MIA) if item.customer_id == "00000")
        desk.override(item.id, "stays", "a friend of the house", actor=MIA, now=now)
        assert settling.overrides("acme", actor=ANA).human is None
        assert there.ends is not None
        seen = pd.DataFrame({"customer_id": ["00000"], "stayed": True, "revenue": 1.0, "observed_at": [there.ends]})
        outcomes.settle(there.id, seen, "by hand", actor=MIA, now=now)
        desk.change(item.id, {"stage": "lost", "reason": "said so"}, actor=MIA, now=now)
        told = settling.overrides("acme", actor=ANA)
        assert told.human is not None and told.model is not None
        assert (told.human.value, told.model.value) == (1.0, 0.0)

    def test_made_when_the_end_was_known_count_nowhere(self, engine: sa.Engine, now: datetime) -> None:
        """Two leave on the third day: said of 0 before, of 2 after. What 4 does is known at the window's end."""
        there = launched(now, rows=decisions(8, churn_probability=0.2), share=0.0)
        at = {item.customer_id: item.id for item in desk.items("acme", actor=MIA)}
        third = now + timedelta(days=3)
        seen = pd.DataFrame({"customer_id": ["00000", "00002", "00004"], "stayed": [False, False, True],
                             "revenue": 1.0, "observed_at": third})
        desk.override(at["00000"], "leaves", "said so on the telephone", actor=MIA, now=now)
        outcomes.settle(there.id, seen, "by hand", actor=MIA, now=third)
        for who in ("00002", "00004"):
            desk.override(at[who], "leaves", "is gone", actor=MIA, now=third + timedelta(hours=1))
        told = settling.overrides("acme", actor=ANA)
        assert told.human is not None and told.model is not None
        assert (told.human.value, told.human.n, told.model.value, told.hindsight) == (1.0, 1, 0.0, 1)
        assert there.ends is not None
        outcomes.settle(there.id, seen.assign(observed_at=there.ends), "the end", actor=MIA, now=there.ends)
        told = settling.overrides("acme", actor=ANA)
        assert told.human is not None and (told.human.value, told.human.n, told.hindsight) == (0.5, 2, 1)

    def test_an_end_that_was_taken_back_was_known_all_the_same(self, engine: sa.Engine, now: datetime) -> None:
        item = filled(now, ("a", 50, 5))["a"]
        for hour, stage in enumerate(("lost", "saving")):
            desk.change(item, {"stage": stage, "reason": "gone"}, actor=MIA, now=now + timedelta(hours=hour))
        desk.override(item, "leaves", "I know now", actor=MIA, now=now + timedelta(hours=2))
        desk.change(item, {"stage": "lost"}, actor=MIA, now=now + timedelta(hours=3))
        told = settling.overrides("acme", actor=ANA)
        assert (told.human, told.hindsight) == (None, 1)
        assert _score(jsonable(told)) == ["1 override came when the end was known, and does not count."]


def test_a_day_that_is_none_is_refused_in_words(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stopped:
        main(["desk", "--dataset", "acme", "--item", "1", "--set-due", "yesterday"])
    assert stopped.value.code == 2 and "'yesterday' is no date; write it as 2024-06-30." in capsys.readouterr().err
