"""Whom no list may hold: suppressed for the step's channel or everywhere, by id or address; held out by a campaign."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd
import pytest

from engine.__main__ import main
from engine.campaign import ledger, suppression
from engine.campaign.rules import set_rules
from engine.campaign.suppression import BY_ADDRESS, Entry
from engine.errors import EngineError, Refused
from engine.insight import Listing, Scope, export_list, worklist
from engine.insight.off_limits import off_limits, suppressed, why_off_limits
from tests.campaigns import ANA as MANAGER
from tests.campaigns import MIA, NOBODY, asked, decisions, everyone
from tests.desk import ANA, EVE, IDS


@pytest.fixture
def scope(own_desk: Scope) -> Scope:
    """Eight customers whose worklist is known by hand."""
    return own_desk


def stop(now: datetime, *entries: Entry) -> None:
    """Put them on the company's suppression list."""
    suppression.suppress("desk", entries, actor=ANA, now=now)


def listed(scope: Scope, now: datetime, listing: Listing) -> set[str]:
    """Who is on the screen's list; the tally counts the same."""
    kept = Listing(off_limits(scope, now, actor=ANA).filters, listing.standing, agreed=listing.agreed)
    found = set(worklist.rows(scope, kept, ANA)["customer_id"])
    assert worklist.tally(scope, kept.filters, ANA).total(kept).customers == len(found)
    return found


def taken(scope: Scope, now: datetime, listing: Listing) -> set[str]:
    """Who is in the file."""
    content = export_list(scope, listing, "csv", actor=ANA, now=now).content.decode("utf-8-sig")
    return {row["customer_id"].lstrip("'") for row in csv.DictReader(io.StringIO(content, newline=""))}


@pytest.mark.slow
@pytest.mark.parametrize(("entry", "off"), [
    (Entry("001", "phone"), {"001"}), (Entry("003", "phone"), set()), (Entry("003", "email"), {"003"}),
    (Entry("002"), {"002"}), (Entry("C@example.org ", "email", kind=BY_ADDRESS), {"003"}),
    (Entry("0049 30 123456", "phone", kind=BY_ADDRESS), {"001", "002"}), (Entry("nobody"), set())],
    ids=["channel", "other channel", "e-mail", "everywhere", "by address", "by a number of all", "a stranger"])
def test_whoever_is_suppressed_for_the_channel_of_the_step_is_on_no_list(scope: Scope, now: datetime, entry: Entry,
                                                                       off: set[str]) -> None:
    whole = {"001", "002", "003", "007", "=8"}
    assert listed(scope, now, Listing()) == taken(scope, now, Listing()) == whole
    stop(now, entry)
    assert listed(scope, now, Listing()) == taken(scope, now, Listing()) == whole - off
    told = off_limits(scope, now, actor=ANA).kept_off(scope, Listing())
    number = f"{len(off)} customer{'s' * (len(off) > 1)}"
    assert told == (f"{number} left out: {len(off)} on the suppression list." if off else "")


def test_everywhere_means_every_list(scope: Scope, now: datetime) -> None:
    stop(now, Entry("004"), Entry("005", "phone"), Entry("006", "email"))
    assert listed(scope, now, Listing(standing="")) == taken(scope, now, Listing(standing="")) == set(IDS) - {
        "004", "006"}, "005 is left alone by no channel."
    with pytest.raises(EngineError, match=r"nothing to export\. 1 customer left out: 1 on the suppression list\."):
        export_list(scope, Listing(standing="win_back"), "csv", actor=ANA, now=now)


def test_a_line_taken_off_the_list_brings_the_customer_back(scope: Scope, now: datetime) -> None:
    stop(now, Entry("001", "phone"))
    suppression.lift("desk", Entry("001", "phone"), actor=ANA, now=now)
    assert "001" in listed(scope, now, Listing()) and suppressed(scope) == {}


def test_the_shell_leaves_them_out_and_counts_them(scope: Scope, now: datetime, tmp_path: Path,
                                                   capsys: pytest.CaptureFixture[str]) -> None:
    stop(now, Entry("001", "phone"), Entry("=8"))
    asked_for = ["export", "--dataset", "desk", "--output", str(tmp_path / "x.csv")]
    assert main([*asked_for, "--json"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["rows"], record["left_out"]) == (3, "2 customers left out: 2 on the suppression list.")
    assert set(pd.read_csv(tmp_path / "x.csv", dtype=str)["customer_id"]) == {"002", "003", "007"}
    assert main([*asked_for, "--agreed"]) == 0
    assert "2 customers left out: 2 on the suppression list." in capsys.readouterr().out


def launched(scope: Scope, now: datetime, horizon_days: int = 90) -> None:
    """A campaign that holds out 001 and treats 003 by e-mail."""
    rows = decisions(2).assign(customer_id=["001", "003"], holdout=[True, False], message=None, message_source=None,
                               treatment="loyalty_discount", channel="email")
    wanted = asked(id=ledger.campaign_id("desk", "July"), dataset="desk", horizon_days=horizon_days)
    there = ledger.draft(wanted, rows, NOBODY, actor=MIA, now=now)
    ledger.approve(there.id, 1e9, actor=MANAGER, now=now)
    ledger.launch(there.id, everyone, actor=MIA, now=now)


def test_whoever_a_campaign_holds_out_or_treats_is_counted_as_that(scope: Scope, now: datetime) -> None:
    launched(scope, now)
    stop(now, Entry("001"), Entry("007"))
    assert listed(scope, now, Listing()) == taken(scope, now, Listing()) == {"002", "=8"}
    assert off_limits(scope, now, actor=ANA).kept_off(scope, Listing()) == (
        "3 customers left out: 1 held out by a running campaign, 1 on the suppression list, "
        "1 treated by a running campaign.")
    assert why_off_limits(scope, "001", actor=ANA, now=now) == [
        "On the suppression list for every channel.",
        'Held out by the campaign "July" until 30 Aug 2024, to measure what it brings.']
    assert why_off_limits(scope, "003", actor=ANA, now=now) == ["Treated by a campaign that still runs."]
    assert why_off_limits(scope, "002", actor=ANA, now=now) == []
    with pytest.raises(Refused, match="may not customers"):
        why_off_limits(scope, "001", actor=EVE, now=now)


def test_a_contact_rests_when_its_campaign_is_over(scope: Scope, now: datetime) -> None:
    """The campaign runs for a day; the discount rests for so many days as the playbook says."""
    launched(scope, now, horizon_days=1)
    rest = scope.book.treatments["loyalty_discount"].cooldown_days
    later, rested = now + timedelta(days=2), now + timedelta(days=rest)
    assert listed(scope, later, Listing()) == taken(scope, later, Listing()) == {"001", "002", "007", "=8"}
    assert off_limits(scope, later, actor=ANA).kept_off(scope, Listing()) == (
        "1 customer left out: 1 resting after a contact.")
    assert why_off_limits(scope, "003", actor=ANA, now=later) == ["Contacted lately, and resting."]
    assert "003" in listed(scope, rested, Listing())


def test_whoever_was_contacted_as_often_as_the_rules_allow_rests(scope: Scope, now: datetime) -> None:
    launched(scope, now, horizon_days=1)
    rest = scope.book.treatments["loyalty_discount"].cooldown_days
    set_rules("desk", {"most_contacts": 1, "within_days": int(rest) + 30}, actor=MANAGER, now=now)
    later = now + timedelta(days=rest + 1)
    assert "003" not in listed(scope, later, Listing())
    assert "003" in listed(scope, later + timedelta(days=30), Listing())
