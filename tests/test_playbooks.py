"""Playbooks: every sector keeps the contract, and a broken file says where."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine.decision.playbooks import LEAVE_ALONE, MOST_STEPS, PLAYBOOKS, WIN_BACK, load, playbook, playbook_files
from engine.errors import EngineError
from engine.schema import SEGMENTS

TELECOM = (PLAYBOOKS / "telecom.toml").read_text(encoding="utf-8")


@pytest.mark.parametrize("sector", sorted(playbook_files()))
class TestEverySector:
    def test_gives_every_segment_one_to_four_steps(self, sector: str) -> None:
        book = playbook(sector)
        for segment in SEGMENTS:
            assert 1 <= len(book.steps(segment, {})) <= MOST_STEPS

    def test_leaves_a_held_back_customer_alone_and_wins_back_one_who_left(self, sector: str) -> None:
        book = playbook(sector)
        assert [step.name for step in book.steps("At-Risk VIP", {}, hold_back="too new")] == [LEAVE_ALONE]
        assert [step.name for step in book.steps("At-Risk VIP", {}, has_left=True)] == [WIN_BACK]

    def test_says_each_treatment_in_a_sentence(self, sector: str) -> None:
        for treatment in playbook(sector).treatments.values():
            assert treatment.words[0].isupper()
            assert treatment.words.endswith(".")
            assert treatment.contact_cost >= 0


def test_passes_over_a_step_that_does_not_fit() -> None:
    book = playbook("telecom")
    names = [step.name for step in book.steps("At-Risk VIP", {"contract": "Two year", "tech_support": "Yes",
                                                              "internet_service": "No"})]
    assert names == ["loyalty_discount"]


def test_leaves_alone_when_nothing_fits() -> None:
    book = playbook("telecom")
    only_migration = type(book)("telecom", book.treatments, dict.fromkeys(SEGMENTS, ("contract_migration",)))
    assert [step.name for step in only_migration.steps("Champion", {"contract": "Two year"})] == [LEAVE_ALONE]


def test_unknown_sector_lists_those_there_are() -> None:
    with pytest.raises(EngineError, match=r"retail, telecom"):
        playbook("astrology")


@pytest.mark.parametrize(("old", "new", "says"), [
    ('sector = "telecom"', "sector = telecom", "not valid TOML.*line"),
    ("contact_cost = 4.0", "contact_cost = -4.0", r"contract_migration.*at least 0"),
    ("contact_cost = 4.0", "contact_price = 4.0", r"contract_migration.*contact_price"),
    ('"Champion" =', '"Champions" =', "exactly these six"),
    ('["leave_alone", "service_email"]', '["leave_alone", "serenade"]', "serenade"),
    ("[treatments.win_back]", "[treatments.wine_back]", r"add \[treatments.win_back\]"),
])
def test_a_broken_file_says_where(tmp_path: Path, old: str, new: str, says: str) -> None:
    assert old in TELECOM
    path = tmp_path / "telecom.toml"
    path.write_text(TELECOM.replace(old, new), encoding="utf-8")
    with pytest.raises(EngineError, match=says):
        load(path)
