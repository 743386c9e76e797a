"""A company's own playbook: kept, looked up, gone back from; refused with its mistakes, or when it was overtaken."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from engine import state
from engine.decision import own_playbooks
from engine.decision.own_playbooks import current, history, in_use, keep, playbook_for, revert
from engine.decision.playbooks import shipped_text
from engine.errors import DataError, EngineError, Refused
from engine.insight import Scope, scope, worklist
from engine.insight.source import Filters
from engine.schema import Actor, Dataset
from tests.desk import ANA

MARIA = Actor("maria", "manager")
EVE = Actor("eve", "executive")
DEARER = shipped_text("telecom").replace("contact_cost = 4.0", "contact_cost = 9.0")


@pytest.fixture
def place(own_desk: Scope) -> Scope:
    """A small telecom with a run."""
    return own_desk


@pytest.fixture
def dataset(place: Scope) -> Dataset:
    return place.dataset


def test_without_an_own_copy_the_shipped_one_holds(dataset: Dataset) -> None:
    assert in_use(dataset) == 0
    assert current(dataset, actor=EVE).text == shipped_text("telecom")
    assert playbook_for(dataset).treatments["contract_migration"].contact_cost == 4.0
    assert history(dataset, actor=EVE) == []


def test_a_kept_text_holds_from_then_on_and_its_history_stays(dataset: Dataset, now: datetime) -> None:
    first = keep(dataset, DEARER, based_on=0, actor=MARIA, now=now, note="Our agents cost more.")
    assert (first.number, first.note, first.actor) == (1, "Our agents cost more.", "maria")
    assert playbook_for(dataset).treatments["contract_migration"].contact_cost == 9.0
    keep(dataset, DEARER.replace("9.0", "11.0"), based_on=1, actor=MARIA, now=now + timedelta(days=1))
    assert playbook_for(dataset).treatments["contract_migration"].contact_cost == 11.0
    assert playbook_for(dataset, 1).treatments["contract_migration"].contact_cost == 9.0
    assert [version.number for version in history(dataset, actor=EVE)] == [2, 1]
    assert playbook_for(replace(dataset, name="other")).treatments["contract_migration"].contact_cost == 4.0


def test_going_back_is_a_new_version(dataset: Dataset, now: datetime) -> None:
    keep(dataset, DEARER, based_on=0, actor=MARIA, now=now)
    assert revert(dataset, actor=MARIA, now=now).number == 2
    assert playbook_for(dataset).treatments["contract_migration"].contact_cost == 4.0
    assert current(dataset, actor=EVE).text == shipped_text("telecom")
    revert(dataset, 1, actor=MARIA, now=now)
    assert playbook_for(dataset).treatments["contract_migration"].contact_cost == 9.0
    assert "as version 1" in history(dataset, actor=EVE)[0].note
    with pytest.raises(EngineError, match="no playbook version 9"):
        revert(dataset, 9, actor=MARIA, now=now)


def test_a_text_with_mistakes_is_refused_with_every_line(dataset: Dataset, now: datetime) -> None:
    with pytest.raises(DataError, match=r"line \d+.*contact_cost"):
        keep(dataset, DEARER.replace("9.0", "-9.0"), based_on=0, actor=MARIA, now=now)
    assert in_use(dataset) == 0


def test_who_was_overtaken_is_told(dataset: Dataset, now: datetime) -> None:
    keep(dataset, DEARER, based_on=0, actor=MARIA, now=now)
    with pytest.raises(EngineError, match="kept version 1"):
        keep(dataset, DEARER.replace("9.0", "5.0"), based_on=0, actor=MARIA, now=now)
    assert playbook_for(dataset).treatments["contract_migration"].contact_cost == 9.0


def test_only_managers_change_it_and_that_is_recorded(dataset: Dataset, now: datetime) -> None:
    for who in (EVE, ANA):
        with pytest.raises(Refused):
            keep(dataset, DEARER, based_on=0, actor=who, now=now)
        with pytest.raises(Refused):
            revert(dataset, actor=who, now=now)
    keep(dataset, DEARER, based_on=0, actor=MARIA, now=now)
    [entry] = state.audit_log(verb="playbook")
    assert (entry.actor.id, entry.about, entry.detail["version"]) == ("maria", dataset.name, 1)


def test_the_worklist_follows_the_own_copy_and_so_does_what_screens_keep(place: Scope, now: datetime) -> None:
    before = worklist.tally(place, Filters(), ANA).total(worklist.Listing()).contact_cost
    keep(place.dataset, DEARER, based_on=0, actor=MARIA, now=now)
    after = scope(place.dataset.name)
    assert worklist.tally(after, Filters(), ANA).total(worklist.Listing()).contact_cost == pytest.approx(before + 5.0)
    assert after.key != place.key, "answers that were kept under the old playbook are not shown under the new one"
    assert own_playbooks.in_use(place.dataset) == 1
