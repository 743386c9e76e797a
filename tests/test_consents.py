"""Consent in a company's own file: known from names and answers, no feature, and whoever said no is on no list."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine import catalog, onboarding
from engine.campaign import contact_rules
from engine.campaign.rules import Rules
from engine.data.adapters import mapping as mappings
from engine.data.doctor import consents
from engine.data.doctor.vocabulary import named
from engine.data.readers import Raw
from engine.insight import Listing, export_list, worklist
from engine.schema import Actor, Source
from tests.desk import ANA as BEN
from tests.desk import CUSTOMERS, desk

ANA = Actor("ana", "manager")
NOW = datetime(2024, 7, 1)
NAMES = {
    "marketing_consent": "consent", "GDPR consent": "consent", "gdprConsent": "consent", "OptIn": "consent",
    "Werbeeinwilligung": "consent", "Accepts Marketing": "consent", "may_contact": "consent", "newsletter":
    "consent_email", "email_opt_in": "consent_email", "Accepts Email Marketing": "consent_email",
    "sms_consent": "consent_sms", "Phone opt-in": "consent_phone", "consent_phone": "consent_phone",
    "opt_out": "refusal", "do_not_contact": "refusal", "DNC": "refusal", "do_not_call": "refusal_phone",
    "HasOptedOutOfEmail": "refusal_email", "email_unsubscribed": "refusal_email", "no_calls": "refusal_phone",
    "cookie_consent": "", "roaming_allowed": "", "paperless_opt_out": "", "subscribed": "", "unsubscribed": "",
    "calls": "", "email": "", "phone_service": "", "do_not_renew": "", "direct_mail_opt_in": "", "marketing": "",
    "text_messages": "", "contact": "", "mail_order": "", "is_subscriber": "",
}


@pytest.mark.parametrize("name", NAMES)
def test_names_of_consent_say_by_which_channel_and_whether_a_yes_refuses(name: str) -> None:
    assert consents.asked(named(name)) == NAMES[name]


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pd.DataFrame:
    """Sixty customers: every third said no to marketing, every fifth must not be called, the first said nothing."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    number = np.arange(60)
    frame = pd.DataFrame({
        "customer_id": [f"c{one:03}" for one in number], "monthly_fee": 10.0 + number % 7,
        "tenure_months": 1 + number % 36, "churned": np.where(number % 4 == 0, "Yes", "No"),
        "email": [f"c{one}@example.org" for one in number], "phone": [f"+49 30 12345{one:03}" for one in number],
        "marketing_consent": np.where(number % 3 == 0, "N", "Y"),
        "do_not_call": np.where(number % 5 == 0, "x", "")})
    frame.loc[0, "marketing_consent"] = ""
    frame.to_csv(tmp_path / "shop.csv", index=False)
    return frame


def test_consent_is_no_feature_and_counts_for_the_channels_it_speaks_of(shop: pd.DataFrame, tmp_path: Path) -> None:
    found = onboarding.propose([tmp_path / "shop.csv"], name="shop", actor=ANA, now=NOW)
    told = {part.column: part for part in found.columns}
    assert (told["marketing_consent"].role, told["do_not_call"].role) == ("consent", "refusal_phone")
    assert "67.8 %" in told["marketing_consent"].evidence
    plan = mappings.check(mappings.parsed(found.toml, "kept"))
    assert plan.consents == {"consent": ("marketing_consent",), "refusal_phone": ("do_not_call",)}
    onboarding.accept(found, actor=ANA, now=NOW)
    kept = catalog.dataset("shop")
    assert not {"marketing_consent", "do_not_call"} & set(kept.names)
    rows = kept.frame()
    agreed = shop.set_index("customer_id")["marketing_consent"] == "Y"
    assert ((rows["consent_email"] == 1) == agreed).all() and ((rows["consent_sms"] == 1) == agreed).all()
    may_be_called = agreed & (shop.set_index("customer_id")["do_not_call"] == "")
    assert ((rows["consent_phone"] == 1) == may_be_called).all() and rows["consent_email"].isna().sum() == 1


def test_whoever_said_no_in_the_companys_own_column_is_left_off_lists_and_campaigns(
        home: Path, tmp_path: Path, now: datetime) -> None:
    own = CUSTOMERS.drop(columns=["consent_email", "consent_sms", "consent_phone"])
    told = {"001": "Y", "002": "N", "003": "N", "004": "Y", "005": "Y", "006": "Y", "007": "Y", "=8": "N"}
    raw = Raw(Source("own.csv", "", len(own)), own.assign(**{"Marketing consent": own["customer_id"].map(told)}))
    read, spoken, unread = consents.agreed(raw, consents.of_frame(raw.frame))
    assert spoken == ("Marketing consent",) and not unread
    refused, scope = {"002", "003", "=8"}, desk(now, tmp_path, read.frame.drop(columns=list(spoken)))
    listing = Listing(agreed=True)
    assert worklist.tally(scope, listing.filters, BEN).total(Listing()).refused == len(refused)
    assert set(worklist.rows(scope, listing, BEN)["customer_id"]) == {"001", "007"}
    content = export_list(scope, listing, "csv", actor=BEN, now=now).content.decode("utf-8-sig")
    assert not any(f"{who}," in line[:6] for who in refused for line in content.splitlines())
    rows = pd.DataFrame({"customer_id": list(told), "treatment": "call", "channel": "email"})
    why = contact_rules.left_out(rows, scope.dataset.frame(), contact_rules.History(), Rules(), {}, now)
    assert set(rows.loc[why == "no consent to e-mail", "customer_id"]) == refused
