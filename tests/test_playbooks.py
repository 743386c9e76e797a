"""Playbooks: every sector keeps the contract, and a broken file says where."""

from __future__ import annotations

import math
import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.decision.playbook_lines import lines_of
from engine.decision.playbooks import (
    LEAVE_ALONE,
    MOST_STEPS,
    PLAYBOOKS,
    WIN_BACK,
    check,
    load,
    parsed,
    playbook,
    playbook_files,
)
from engine.errors import DataError, EngineError
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
    with pytest.raises(EngineError, match=r"medspa, real_estate, retail, saas, streaming, telecom"):
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


# --- every entry, every mistake


@pytest.mark.parametrize("sector", sorted(playbook_files()))
class TestEveryPlaybookThatActs:
    def test_is_named_like_its_file_and_brings_six_to_ten_treatments(self, sector: str) -> None:
        book = playbook(sector)
        assert book.sector == sector
        assert 6 <= len(list(book.acting())) <= 10

    def test_says_where_each_assumption_is_from_and_how_each_contact_is_made(self, sector: str) -> None:
        book = playbook(sector)
        for treatment in book.acting():
            assert treatment.source
            assert treatment.channel in book.channels, f"{treatment.name}: its channel has no capacity."
            assert treatment.contact_cost > 0
            assert treatment.cooldown_days > 0
            assert 0 < treatment.recovery_rate <= 0.3, "A practitioner would not believe more without a measurement."
            assert (treatment.minutes > 0) == bool(book.channels[treatment.channel].team), treatment.name

    def test_has_a_team_behind_every_person_who_calls(self, sector: str) -> None:
        book = playbook(sector)
        assert {channel.team for channel in book.channels.values() if channel.team} <= set(book.teams)
        assert all(math.isfinite(channel.contacts_a_day) for channel in book.channels.values())


MISTAKES = [
    ("most = 30", "most = 30.5", "most is 30.5", "whole number"),
    ("offer_cost = 10.0", "offer_cost = 10.0\nfree_months = 1", "offer_cost too", "one of offer_cost"),
    ("offer_months = 6\n", "", "for some months", "together"),
    ("redemption = 0.20", "redemption = 20", "redemption is 20", "at most 1"),
    ('"Champion" = 0.06', '"Champ" = 0.06', "no segment 'Champ'", "Choose one of"),
    ('"Champion" = 0.06', '"Champion" = "low"', "rate of Champion", "number"),
    ("tenure_months = { least = 12 }", "tenure_months = { least = 12, most = 6 }", "range of tenure_months", "least"),
    ("tenure_months = { least = 12 }", "tenure_months = 12", "tenure_months is 12", "list of values"),
    ("tenure_months = { least = 12 }", "tenure_months = []", "tenure_months is", "values that allow"),
    ('channel = "post"', 'channel = "pigeon"', "channel is 'pigeon'", "email, sms, phone"),
    ('team = "agents"\n\n[channels.post]', 'team = "robots"\n\n[channels.post]', "no team 'robots'", "agents"),
    ("contacts_a_day = 120", "contacts_a_day = -1", "contacts_a_day is -1", "at least 0"),
    ("minutes_a_day = 1200", "hours_a_day = 20", "Unknown entry 'hours_a_day'", "minutes_a_day"),
    ("payback_days = 90", 'payback_days = "90"', "payback_days is '90'", "number"),
    ("days = 10 ", "days = 0 ", "days is 0", "at least 1"),
    ('words = "Give 10 %', 'words = "give 10 %', "words is", "sentence"),
    ("[plan]\n", "[plans]\n", "Unknown entry 'plans'", "Known entries"),
    ('["leave_alone", "autopay_switch"]', "[]", "Promising is []", "first step first"),
]


@pytest.mark.parametrize(("old", "new", "what", "cure"), MISTAKES)
def test_every_mistake_is_told_with_its_line_and_its_cure(old: str, new: str, what: str, cure: str) -> None:
    assert TELECOM.count(old) >= 1
    broken = TELECOM.replace(old, new, 1)
    findings = check(broken, "mine.toml")
    [finding] = [one for one in findings if what in one.what]
    assert cure in finding.fix
    line = int(re.findall(r"^mine\.toml, line (\d+)", finding.where)[0])
    first = broken[: broken.index(new) if new else TELECOM.index(old)].count("\n") + 1
    table = broken.splitlines()[line - 1].startswith("[")
    assert line in (first, first + 1) or (table and line < first), (line, first)


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    broken = TELECOM.replace("[treatments.win_back]", "[treatments.w]")
    broken = broken.replace("contact_cost = 4.0", "contact_cost = -4.0")
    broken = broken.replace('["leave_alone", "service_email"]', '["leave_alone", "serenade"]')
    findings = check(broken)
    lines = [int(re.findall(r"line (\d+)", finding.where)[0]) for finding in findings]
    assert len(findings) == 4, "a cost, a missing step, and a treatment that two segments name"
    assert lines == sorted(lines)
    with pytest.raises(DataError) as problem:
        parsed(broken, "x.toml")
    assert len(problem.value.findings) == 4


def test_an_entry_stands_where_the_text_says() -> None:
    text = ('# head\nsector = "x"\n\n[a."b c"]\nwhen = [\n  "one", # first\n  "two",\n]\nonly = { c = 1, d = [2] }\n'
            'long = """\n[not]\n"""\nlast = 1\n')
    lines = lines_of(text)
    assert lines["sector",] == 2
    assert lines["a", "b c"] == 4
    assert lines["a", "b c", "when"] == 5
    assert (lines["a", "b c", "when", 0], lines["a", "b c", "when", 1]) == (6, 7)
    assert lines["a", "b c", "only", "d"] == 9
    assert lines["a", "b c", "last"] == 13
    assert ("not",) not in lines


@settings(max_examples=50, deadline=None)
@given(at=st.integers(0, len(TELECOM) - 1), junk=st.sampled_from(["=", '"', "[", "x", "\n", "7", "-", "{", "é", ""]))
def test_whatever_is_typed_is_answered_with_findings_never_with_a_crash(at: int, junk: str) -> None:
    for finding in check(TELECOM[:at] + junk + TELECOM[at + 1:]):
        assert finding.severity == "error"
        assert finding.fix


def test_offers_cost_what_they_say() -> None:
    book = playbook("telecom")
    assert book.treatments["loyalty_discount"].offer_price(70.0) == pytest.approx(0.10 * 6 * 70)
    assert book.treatments["free_month"].offer_price(70.0) == pytest.approx(70)
    assert book.treatments["contract_migration"].offer_price(70.0) == 10
    assert book.treatments["loyalty_discount"].offer_words == "10 % off for 6 months"
    assert book.treatments["contract_migration"].rate("Champion") == 0.06
    assert book.treatments["contract_migration"].rate("Vulnerable") == 0.10
