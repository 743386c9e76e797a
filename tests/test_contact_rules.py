"""Who may be contacted: each rule against cases worked out by hand, and the suppression list on both databases."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from engine import state
from engine.campaign import contact_rules
from engine.campaign.contact_rules import History, left_out, wait_until
from engine.campaign.rules import Rules, rules, set_rules
from engine.campaign.suppression import BY_ADDRESS, Entry, from_file, lift, of_customers, suppress, suppressed
from engine.campaign.tables import SUPPRESSIONS
from engine.errors import EngineError, Refused
from tests.campaigns import ADA, ANA, EVE, MIA
from tests.offers import CALL, GIFT, NOTE

NOW = datetime(2024, 6, 1, 12)


def rows(**channels: str) -> pd.DataFrame:
    """One row per customer, with the channel; the treatment is called after it."""
    return pd.DataFrame({"customer_id": list(channels), "channel": list(channels.values()),
                         "treatment": [f"offer by {channel}" for channel in channels.values()]})


def reached(*ids: str, **changes: Any) -> pd.DataFrame:
    """What the data say of customers who agreed to everything and have every address, but for the changes."""
    frame = pd.DataFrame({"consent_email": 1.0, "consent_sms": 1.0, "consent_phone": 1.0, "email": "x@example.org",
                          "phone": "+4930123"}, index=list(ids))
    for name, value in changes.items():
        frame[name] = value
    return frame


def why(asked: pd.DataFrame, customers: pd.DataFrame | None = None, history: History | None = None,
        cooldown: dict[str, float] | None = None, **more: Any) -> dict[str, str]:
    """Why each customer is left out."""
    found = left_out(asked, reached(*asked["customer_id"]) if customers is None else customers, history or History(),
                     Rules(**more), cooldown or {}, NOW)
    return dict(zip(asked["customer_id"], found, strict=True))


def contacts(*past: tuple[str, str, float]) -> History:
    """Contacts, each of whom, with what, and how many days ago."""
    frame = pd.DataFrame([(who, what, NOW - timedelta(days=ago)) for who, what, ago in past],
                         columns=["customer_id", "treatment", "at"])
    return History(contacts=frame)


def test_who_agreed_and_has_an_address_may_be_contacted() -> None:
    assert why(rows(a="email", b="sms", c="phone", d="post", e="app")) == dict.fromkeys("abcde", "")


@pytest.mark.parametrize(("channel", "consent", "words"), [
    ("email", "consent_email", "e-mail"), ("sms", "consent_sms", "SMS"), ("phone", "consent_phone", "telephone")])
def test_consent_is_asked_per_channel_and_silence_is_none(channel: str, consent: str, words: str) -> None:
    asked = rows(yes=channel, no=channel, silent=channel, unheard_of=channel)
    known = reached("yes", "no", "silent", **{consent: [1.0, 0.0, None]})
    assert why(asked, known) == {"yes": "", **dict.fromkeys(["no", "silent", "unheard_of"], f"no consent to {words}")}


def test_data_without_consent_or_addresses_say_what_is_missing() -> None:
    bare = pd.DataFrame({"plan": ["a"]}, index=["a"])
    assert why(rows(a="email"), bare)["a"] == "the data do not say who agreed to e-mail (no column consent_email)"
    agreed = pd.DataFrame({"consent_sms": [1]}, index=["a"])
    assert why(rows(a="sms"), agreed)["a"] == "the data hold no addresses of that kind (no column phone)"
    assert why(rows(a="post"), bare)["a"] == ""


def test_consent_without_an_address_reaches_nobody() -> None:
    known = reached("a", "b", "c", email=["x@example.org", "  ", None])
    assert why(rows(a="email", b="email", c="email"), known) == {"a": "", "b": "no email known", "c": "no email known"}


def test_suppressed_everywhere_or_through_one_channel() -> None:
    listed = pd.DataFrame([("a", "all", "moved away"), ("b", "email", ""), ("c", "sms", "STOP")],
                          columns=["customer_id", "channel", "reason"])
    found = why(rows(a="post", b="email", c="email"), history=History(suppressed=listed))
    assert found == {"a": "on the suppression list: moved away", "b": "on the suppression list", "c": ""}


def test_whom_another_campaign_holds_out_nobody_contacts() -> None:
    held = pd.DataFrame([("a", "July", NOW + timedelta(days=30))], columns=["customer_id", "campaign", "until"])
    assert why(rows(a="email", b="email"), history=History(held=held)) == {
        "a": 'held out by the campaign "July" until 2024-07-01', "b": ""}


def test_the_cap_counts_across_campaigns_and_treatments_within_its_days() -> None:
    past = contacts(("a", "x", 1), ("a", "y", 29), ("b", "x", 1), ("b", "y", 30), ("c", "x", 1))
    found = why(rows(a="email", b="email", c="email", d="email"), history=past, most_contacts=2, within_days=30)
    assert found["a"] == "contacted 2 times in 30 days; at most 2 are allowed"
    assert (found["b"], found["c"], found["d"]) == ("", "", ""), "Thirty days ago is over."


def test_a_treatment_rests_and_others_do_not() -> None:
    past = contacts(("a", "offer by email", 20), ("b", "offer by email", 30), ("c", "offer by phone", 1))
    found = why(rows(a="email", b="email", c="email"), history=past, cooldown={"offer by email": 30})
    assert found == {"a": "had the same offer on 2024-05-12; it rests for 30 days", "b": "", "c": ""}


def test_the_first_rule_that_forbids_it_is_named() -> None:
    listed = pd.DataFrame([("a", "all", "")], columns=["customer_id", "channel", "reason"])
    past = contacts(("a", "x", 1), ("a", "y", 1))
    history = History(suppressed=listed, contacts=past.contacts)
    found = why(rows(a="email"), reached("a", consent_email=0.0), history, most_contacts=1)
    assert found["a"] == "on the suppression list"


@pytest.mark.parametrize(("channel", "at", "place", "until"), [
    ("sms", datetime(2024, 6, 1, 7, 59), "", datetime(2024, 6, 1, 8)),
    ("sms", datetime(2024, 6, 1, 8, 0), "", None),
    ("phone", datetime(2024, 6, 1, 20, 59), "", None),
    ("phone", datetime(2024, 6, 1, 21, 0), "", datetime(2024, 6, 2, 8)),
    ("email", datetime(2024, 6, 1, 3, 0), "", None),
    ("post", datetime(2024, 6, 1, 3, 0), "", None),
    ("sms", datetime(2024, 6, 1, 12, 0), "America/Los_Angeles", datetime(2024, 6, 1, 15)),
    ("sms", datetime(2024, 6, 1, 12, 0), "Asia/Tokyo", datetime(2024, 6, 1, 23)),
    ("sms", datetime(2024, 6, 1, 12, 0), "Middle/Earth", None),
    ("sms", datetime(2024, 3, 31, 0, 30), "Europe/Berlin", datetime(2024, 3, 31, 6)),
])
def test_quiet_hours_are_the_recipients(channel: str, at: datetime, place: str, until: datetime | None) -> None:
    """The last case is the night in which Berlin's clocks go forward: at eight it is six in UTC, not seven."""
    assert wait_until(channel, at, Rules(), place) == until


def test_a_dataset_has_a_time_zone_of_its_own() -> None:
    assert wait_until("sms", datetime(2024, 6, 1, 20), Rules(timezone="Europe/Berlin")) == datetime(2024, 6, 2, 6)


class TestRules:
    def test_the_spend_limit_is_moved_by_an_admin_alone(self, engine: sa.Engine, now: datetime) -> None:
        """Else a manager could lift it, and approve a campaign of their own."""
        with pytest.raises(Refused, match=r"ana \(manager\) may not spend_limit"):
            set_rules("acme", {"spend_limit": 1e9, "most_contacts": 1}, actor=ANA, now=now)
        assert rules("acme", actor=EVE) == Rules()
        assert set_rules("acme", {"spend_limit": 9.0}, actor=ADA, now=now) == Rules(spend_limit=9.0)

    def test_are_kept_per_dataset_by_managers(self, engine: sa.Engine, now: datetime) -> None:
        assert rules("acme", actor=EVE) == Rules()
        changed = set_rules("acme", {"spend_limit": 100.0, "timezone": "Europe/Berlin"}, actor=ADA, now=now)
        assert rules("acme", actor=MIA) == changed == Rules(spend_limit=100.0, timezone="Europe/Berlin")
        assert rules("other", actor=MIA) == Rules()
        assert set_rules("acme", {"most_contacts": 1}, actor=ANA, now=now).spend_limit == 100.0
        with pytest.raises(Refused, match="may not rules"):
            set_rules("acme", {"spend_limit": 1e9}, actor=MIA, now=now)
        assert [entry.detail for entry in state.audit_log(verb="rules")][1] == {
            "spend_limit": 100.0, "timezone": "Europe/Berlin"}

    @pytest.mark.parametrize(("change", "says"), [
        ({"timezone": "Middle/Earth"}, "no time zone 'Middle/Earth'"), ({"from_hour": 22}, "cannot be"),
        ({"holdout_share": 0.7}, r"within 0\.\.0\.5"), ({"most_contacts": -1}, "at least 0"),
        ({"spend_limit": float("nan")}, "at least 0"), ({"nonsense": 1}, "There is no rule 'nonsense'")])
    def test_senseless_ones_are_refused(self, home: Path, now: datetime, change: dict[str, Any], says: str) -> None:
        with pytest.raises(EngineError, match=says):
            set_rules("acme", change, actor=ADA, now=now)
        assert asdict(rules("acme", actor=ANA)) == asdict(Rules())


class TestSuppressionList:
    def test_adds_once_and_lifts(self, engine: sa.Engine, now: datetime) -> None:
        listed = [Entry("007"), Entry("008", "sms", "STOP")]
        assert suppress("acme", listed, actor=MIA, now=now) == {"added": 2, "known": 0}
        assert suppress("acme", listed, actor=MIA, now=now + timedelta(days=1)) == {"added": 0, "known": 2}
        assert [(one.who, one.channel, one.reason, one.at) for one in suppressed("acme", actor=MIA)] == [
            ("007", "all", "", now), ("008", "sms", "STOP", now)]
        assert lift("acme", Entry("007"), actor=MIA, now=now) and not lift("acme", Entry("007"), actor=MIA, now=now)
        assert not lift("acme", Entry("008"), actor=MIA, now=now), "That line is of SMS alone."
        assert len(suppressed("acme", actor=MIA)) == 1 and suppressed("other", actor=MIA) == []

    def test_an_address_holds_for_whoever_has_it_and_is_told_to_nobody(self, engine: sa.Engine, now: datetime) -> None:
        addresses = [Entry(" Ana@Example.org", kind=BY_ADDRESS), Entry("0049 (30) 123", "sms", kind=BY_ADDRESS)]
        suppress("acme", addresses, actor=MIA, now=now)
        known = pd.DataFrame({"email": ["ana@example.ORG", "b@example.org", None],
                              "phone": [None, "+49 30-123", "n/a"]}, index=["1", "2", "3"])
        with state.reader() as connection:
            found = of_customers(connection, "acme", known, ["1", "2", "3"])
            kept = str(connection.execute(sa.select(SUPPRESSIONS)).all())
        assert dict(zip(found["customer_id"], found["channel"], strict=True)) == {"1": "all", "2": "sms"}
        assert "example" not in kept and "30123" not in kept

    def test_reads_a_file_by_its_columns(self) -> None:
        frame = pd.DataFrame({"Customer_ID": ["007", None], "Email": [None, "x@example.org"], "reason": ["STOP", None]})
        assert from_file(frame, "stop.csv") == [Entry("007", "all", "STOP"), Entry("x@example.org", kind=BY_ADDRESS)]
        with pytest.raises(EngineError, match=r"stop\.csv has no column customer_id, email or phone"):
            from_file(frame[["reason"]], "stop.csv")
        with pytest.raises(EngineError, match=r"stop\.csv, row 2 names nobody"):
            from_file(frame[["Customer_ID"]], "stop.csv")

    def test_refuses_nobody_and_unknown_channels_and_changes_nothing(self, home: Path, now: datetime) -> None:
        for entries in ([Entry("007"), Entry(" ")], [Entry("007", "pigeon")], [Entry("n/a", kind=BY_ADDRESS)]):
            with pytest.raises(EngineError):
                suppress("acme", entries, actor=MIA, now=now)
        assert suppressed("acme", actor=MIA) == []
        with pytest.raises(Refused, match="executive"):
            suppress("acme", [Entry("007")], actor=EVE, now=now)


# --- the same rules before anything is planned

OFFERED = (replace(CALL, cooldown_days=30.0), replace(GIFT, cooldown_days=10.0), replace(NOTE, cooldown_days=0.0))


def kept_from(history: History, *ids: str, **more: Any) -> dict[str, dict[str, list[str]]]:
    """The offers that each customer must not get now, by the reason."""
    found = contact_rules.barred(pd.Series(ids), OFFERED, history, Rules(**more), NOW)
    wide = {reason: np.broadcast_to(mask, (len(ids), len(OFFERED))) for reason, mask in found.items()}
    return {reason: {who: [one.name for one, no in zip(OFFERED, row, strict=True) if no]
                     for who, row in zip(ids, mask, strict=True) if row.any()} for reason, mask in wide.items()}


def test_an_offer_rests_and_the_others_may_be_made() -> None:
    past = contacts(("a", "call", 29), ("b", "call", 30), ("b", "gift", 9), ("c", "note", 0))
    assert kept_from(past, "a", "b", "c") == {contact_rules.SAME: {"a": ["call"], "b": ["gift"]}}


def test_who_is_held_out_or_contacted_often_gets_nothing() -> None:
    past = contacts(("d", "other", 1), ("d", "other", 2), ("e", "other", 1), ("e", "other", 40)).contacts
    history = History(contacts=past, held=pd.DataFrame([("c", "July", NOW)],
                                                       columns=["customer_id", "campaign", "until"]))
    all_of_them = [one.name for one in OFFERED]
    assert kept_from(history, *"abcdef", most_contacts=2) == {
        contact_rules.HELD: {"c": all_of_them}, contact_rules.OFTEN: {"d": all_of_them}}
    assert kept_from(History(), "a", most_contacts=0) == {contact_rules.OFTEN: {"a": all_of_them}}
    assert kept_from(History(), "a") == {}


@pytest.mark.parametrize("seed", range(5))
def test_a_plan_and_a_draft_keep_to_the_same_rules(seed: int) -> None:
    """Every customer and offer of a history drawn by chance: barred exactly where a draft would leave them out."""
    rng = np.random.default_rng(seed)
    ids, names = [f"c{number}" for number in range(40)], ["call", "gift", "note", "other"]
    past = contacts(*((str(rng.choice(ids)), str(rng.choice(names)), float(rng.integers(0, 45))) for _ in range(60)))
    held = pd.DataFrame([(who, "July", NOW) for who in rng.choice(ids, 5)],
                        columns=["customer_id", "campaign", "until"])
    history = History(contacts=past.contacts, held=held)
    told = kept_from(history, *ids, most_contacts=2)
    for one in OFFERED:
        asked = pd.DataFrame({"customer_id": ids, "treatment": one.name, "channel": one.channel})
        out = why(asked, history=history, cooldown={one.name: one.cooldown_days}, most_contacts=2)
        mine = {who for names_of in told.values() for who, offers in names_of.items() if one.name in offers}
        assert mine == {who for who, reason in out.items() if reason} != set()
