"""Exports: each file is read back as its tool would, nobody held out or unasked is in one, and nothing is lost."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import openpyxl
import pandas as pd
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from engine.campaign.addresses import e_mail, masked
from engine.campaign.contact_rules import WORDS
from engine.campaign.export import FORMULA
from engine.campaign.phones import E164, checked_country, country_of, e164
from engine.campaign.sendlist import EMPTIED, LEFT_OUT, Exported, export_rows
from engine.campaign.vendors import VENDORS, Settings, salesforce_id
from engine.errors import EngineError
from engine.schema import ASSIGNMENTS, CONTACT
from tests.importers import IMPORTERS, NotImported, klaviyo, mailchimp, salesforce

NOW = datetime(2024, 6, 1, 12, 0)
CAMPAIGN_THERE = "7015g000000AbCdAAK"  # capitals at places 12 and 14: bits 1 and 3 of the third five, K
PLAIN = Settings("Summer, 2024", "US", salesforce_campaign="7015g000000AbCd")
TOOLS = sorted(IMPORTERS)
TABLES = ["csv", "json", "parquet", "xlsx"]
SENDING = sorted(name for name, tool in VENDORS.items() if tool.sends)
CHANNELS = {tool: {"calls": ("phone",), "hubspot": ("email",), "salesforce": ("email", "phone")}.get(
    tool, ("email", "sms")) for tool in SENDING}
CONTACTS_THERE = [f"0035g00000ABc{letter}1" for letter in "abcdefgh"]


def rows(count: int = 4, **columns: Any) -> pd.DataFrame:
    """Assignments of so many customers, all of whom may be contacted, by e-mail and SMS in turn."""
    told: Mapping[str, Any] = {
        "campaign_id": "c1", "customer_id": [f"C{number:03}" for number in range(count)],
        "segment": "Vulnerable", "churn_probability": 0.25, "ltv_if_stays": 100.5, "treatment": "loyalty_discount",
        "channel": ["email", "sms"] * (count // 2) + ["email"] * (count % 2), "uplift": 0.1, "expected_cost": 3.0,
        "incremental_margin": 7.05, "minutes": 0.0, "propensity": 1.0, "holdout": 0,
        "message": [f"Hi Ann, number {number}." for number in range(count)], "message_source": "template",
        "run_id": "r1", "model_id": "m1", "policy_id": "p1", "decided_at": NOW, "approved_by": "bob",
        "first_name": "Änne", "last_name": "O'Neil", "email": [f"Ann{number}@Example.org" for number in range(count)],
        "phone": [f"(415) 555-01{number:02}" for number in range(count)], "consent_email": 1, "consent_sms": 1,
        "consent_phone": 1,
    }
    return pd.DataFrame({**told, **columns}, index=range(5, 5 + count))


def made(tool: str, frame: pd.DataFrame, told: Settings = PLAIN) -> Exported:
    """The export, its ids those of Salesforce where that is asked."""
    if tool == "salesforce" and len(frame) <= len(CONTACTS_THERE) and frame["customer_id"].str.startswith("C").all():
        frame = frame.assign(customer_id=CONTACTS_THERE[:len(frame)])
    if "sms" in set(frame.get("channel", ())) - {*CHANNELS.get(tool, ("sms",))} or tool == "calls":
        frame = frame.assign(channel=[CHANNELS[tool][place % len(CHANNELS[tool])] for place in range(len(frame))])
    return export_rows(frame, tool, told, now=NOW)


def lists(found: Exported) -> dict[str, bytes]:
    """The files that are imported."""
    return {name: content for name, content in found.files.items()
            if "-rejected." not in name and not name.endswith("-manifest.json")}


def read(tool: str, found: Exported) -> list[dict[str, str]]:
    """All records of all files, as the tool imports them."""
    return [record for content in lists(found).values() for record in IMPORTERS[tool](content)]


def table_of(found: Exported, kind: str) -> pd.DataFrame:
    """The generic table, read as somebody would."""
    [content] = lists(found).values()
    if kind == "csv":
        return pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, encoding="utf-8-sig")
    if kind == "xlsx":
        head, *cells = openpyxl.load_workbook(io.BytesIO(content))["list"].iter_rows(values_only=True)
        return pd.DataFrame(cells, columns=head)
    return pd.DataFrame(json.loads(content)) if kind == "json" else pd.read_parquet(io.BytesIO(content))


# --- each tool takes its file


def test_every_export_has_its_importer() -> None:
    assert sorted(VENDORS) == sorted([*IMPORTERS, *TABLES])


@pytest.mark.parametrize("tool", TOOLS)
class TestEveryTool:
    def test_imports_its_files(self, tool: str) -> None:
        found = made(tool, rows())
        assert len(read(tool, found)) == 4 == found.manifest["written"]
        assert found.rejected.empty and not [name for name in found.files if "rejected" in name]

    def test_takes_names_in_every_alphabet_and_no_formula(self, tool: str) -> None:
        names = ["李小龍", "=HYPERLINK(1)", "Łukasz \"L\", Jr", "@SUM(A1)"]
        found = made(tool, rows(first_name=names, last_name=["\t=1", "naïve\nline", "＝1", "🙂"]))
        told = read(tool, found)
        assert len(told) == 4
        everything = b"".join(lists(found).values()).decode()
        assert "HYPERLINK" not in everything and "SUM(" not in everything
        if any("First Name" in record or "first_name" in record for record in told):
            assert "李小龍" in everything
            assert set(found.rejected["effect"]) == {EMPTIED}
            assert set(found.rejected["reason"]) == {"begins as a formula"}

    def test_splits_at_small_limits(self, tool: str) -> None:
        found = made(tool, rows(7), Settings("s", "US", salesforce_campaign="7015g000000AbCd", most_rows=2))
        assert len(read(tool, found)) == 7
        assert all(len(IMPORTERS[tool](content)) <= 2 for content in lists(found).values())
        assert all("-part-" in name for name, content in lists(found).items() if len(lists(found)) > 2)
        whole = max(map(len, lists(made(tool, rows(7))).values()))
        found = made(tool, rows(7), Settings("s", "US", salesforce_campaign="7015g000000AbCd", most_bytes=whole - 1))
        assert len(read(tool, found)) == 7
        assert all(len(content) < whole for content in lists(found).values())

    def test_a_row_that_fits_no_file_is_an_error(self, tool: str) -> None:
        with pytest.raises(EngineError, match="has no room for a row"):
            made(tool, rows(), Settings("s", "US", salesforce_campaign="7015g000000AbCd", most_bytes=12))

    def test_knows_nobody_twice(self, tool: str) -> None:
        same = rows(4, email=["a@x.org", "b@x.org", "A@X.ORG ", "c@x.org"], channel="email")
        found = made(tool, same)
        read(tool, found)
        if VENDORS[tool].layouts[0].key.source == "email":
            assert found.rejected["reason"].tolist() == ["the same as another customer's"]
            assert found.manifest["written"] == 3

    def test_nobody_is_an_error(self, tool: str) -> None:
        with pytest.raises(EngineError, match="Nobody is on this list"):
            made(tool, rows().head(0))


WORDED = {tool: [WORDS[channel] for channel in channels] for tool, channels in CHANNELS.items()}


@pytest.mark.parametrize("tool", SENDING)
class TestEverySendList:
    @pytest.mark.parametrize("held", [1, True, None, 0.5, 2])
    def test_refuses_whoever_is_held_out(self, tool: str, held: Any) -> None:
        frame = rows().astype({"holdout": object})
        frame.loc[frame.index[2], "holdout"] = held
        with pytest.raises(EngineError, match="held out"):
            made(tool, frame)

    def test_refuses_rows_that_do_not_say_who_is_held_out(self, tool: str) -> None:
        with pytest.raises(EngineError, match="held out"):
            made(tool, rows().drop(columns="holdout"))

    @pytest.mark.parametrize("treatment", ["none", "leave_alone"])
    def test_refuses_whoever_is_left_alone(self, tool: str, treatment: str) -> None:
        with pytest.raises(EngineError, match="1 customer is to be left alone"):
            made(tool, rows(treatment=["call", treatment, "call", "call"]))

    def test_refuses_a_customer_twice(self, tool: str) -> None:
        with pytest.raises(EngineError, match="stands twice"):
            made(tool, rows(customer_id=["7", "8", "7", "9"]))

    @pytest.mark.parametrize("agreed", [0, None, False])
    def test_leaves_out_whoever_has_not_agreed(self, tool: str, agreed: Any) -> None:
        consent, [channel, *_] = f"consent_{CHANNELS[tool][0]}", WORDED[tool]
        frame = rows().astype({consent: object})
        frame.loc[frame.index[0], consent] = agreed
        found = made(tool, frame)
        assert found.manifest["written"] == 3
        assert found.rejected["reason"].tolist() == [f"no consent to {channel}"]
        told = table_of(found, tool).to_string() if tool in TABLES else b"".join(lists(found).values()).decode()
        assert "ann0@example.org" not in told and ("number 0" not in told)
        assert found.manifest["consent"] == "every row has agreed to its channel"

    def test_takes_silence_for_no(self, tool: str) -> None:
        found = made(tool, rows().drop(columns=["consent_email", "consent_sms", "consent_phone"]))
        assert found.manifest["written"] == 0 and not lists(found)
        assert set(found.rejected["reason"]) == {f"the data do not say who agreed to {channel}"
                                                 for channel in WORDED[tool]}

    def test_says_who_has_no_id(self, tool: str) -> None:
        found = made(tool, rows(customer_id=["C1", None, " ", "C4"]) if tool != "salesforce" else rows(
            customer_id=[CONTACTS_THERE[0], None, " ", CONTACTS_THERE[1]]))
        assert found.manifest["written"] == 2
        assert found.rejected[["column", "reason"]].to_numpy().tolist() == [["customer_id", "empty"]] * 2

    def test_tells_of_every_file(self, tool: str) -> None:
        frame = rows(8, email=["a@x", *[f"ann{number}@x.org" for number in range(7)]],
                     phone=["1", *[f"+1415555010{number}" for number in range(7)]])
        found = made(tool, frame)
        [(name, content)] = [(name, content) for name, content in found.files.items() if name.endswith("manifest.json")]
        told = json.loads(content)
        assert told == found.manifest and name == f"summer-2024-{tool.replace('_', '-')}-manifest.json"
        assert {file["name"]: file["sha256"] for file in told["files"]} == {
            name: hashlib.sha256(content).hexdigest() for name, content in found.files.items()
            if not name.endswith("manifest.json")}
        assert told["rows"] == 8 == told["written"] + told["left_out"]
        assert sum(told["reasons"].values()) == len(found.rejected) == told["left_out"] + told["cells_left_empty"]
        assert told["trace"] == {"campaign_id": ["c1"], "run_id": ["r1"], "model_id": ["m1"], "policy_id": ["p1"],
                                 "approved_by": ["bob"]}
        assert (told["made_at"], told["synthetic"], told["default_country"]) == ("2024-06-01T12:00:00Z", False, "US")

    def test_an_invented_company_is_called_so(self, tool: str) -> None:
        found = made(tool, rows(), Settings("s", "US", salesforce_campaign="7015g000000AbCd", synthetic=True))
        assert found.manifest["synthetic"] and all(name.startswith("synthetic-s-") for name in found.files)


# --- to the letter


def heads(tool: str, told: Settings = PLAIN) -> dict[str, str]:
    """The first line of each file."""
    return {name: content.decode().split("\r\n")[0] for name, content in lists(made(tool, rows(), told)).items()}


@pytest.mark.parametrize(("tool", "told"), [
    ("klaviyo", {
        "summer-2024-klaviyo-email.csv": "Email Address,First Name,Last Name,Holdfast Campaign,Holdfast Treatment,"
                                         "Holdfast Message,Holdfast Decided",
        "summer-2024-klaviyo-sms.csv": "Phone Number,First Name,Last Name,Country,Holdfast Campaign,Holdfast Treatment,"
                                       "Holdfast Message,Holdfast Decided"}),
    ("klaviyo_suppression", {"summer-2024-klaviyo-suppression.csv": "Email"}),
    ("mailchimp", {
        "summer-2024-mailchimp-email.csv": "Email Address,First Name,Last Name,Tags,Holdfast Treatment,Holdfast "
                                           "Message,Holdfast Decided",
        "summer-2024-mailchimp-sms.csv": "SMS Phone Number,First Name,Last Name,Tags,Holdfast Treatment,Holdfast "
                                         "Message,Holdfast Decided"}),
    ("hubspot", {"summer-2024-hubspot.csv": "Email,First Name,Last Name,Phone Number,Holdfast Campaign,Holdfast "
                                            "Treatment,Holdfast Message,Holdfast Decided"}),
    ("salesforce", {f"summer-2024-salesforce-{channel}.csv": "CampaignId,ContactId,Status"
                    for channel in ("email", "phone")}),
    ("braze", {f"summer-2024-braze-{channel}.csv": "external_id,first_name,holdfast_campaign,holdfast_channel,"
               "holdfast_treatment,holdfast_message,holdfast_decided_at" for channel in ("email", "sms")}),
    ("braze_segment", {f"summer-2024-braze-segment-{channel}.csv": "external_id" for channel in ("email", "sms")}),
    ("calls", {"summer-2024-calls.csv": "Customer,Phone,First Name,Last Name,Segment,Treatment,Message,Minutes,"
                                        "Campaign"}),
])
def test_headers(tool: str, told: dict[str, str]) -> None:
    assert heads(tool) == told


def test_a_setting_changes_a_header() -> None:
    told = Settings("s", "US", headers={"Email Address": "Email"})
    assert klaviyo(lists(made("klaviyo", rows(), told))["s-klaviyo-email.csv"], first="Email")
    assert mailchimp(lists(made("mailchimp", rows(), told))["s-mailchimp-email.csv"], first="Email")
    assert made("klaviyo", rows(), told).manifest["headers_changed"] == {"Email Address": "Email"}


def test_cells_of_klaviyo() -> None:
    files = lists(made("klaviyo", rows(2)))
    [mail], [text] = (klaviyo(content) for content in files.values())
    assert mail == {"Email Address": "ann0@example.org", "First Name": "Änne", "Last Name": "O'Neil",
                    "Holdfast Campaign": "Summer, 2024", "Holdfast Treatment": "loyalty_discount",
                    "Holdfast Message": "Hi Ann, number 0.", "Holdfast Decided": "2024-06-01"}
    assert (text["Phone Number"], text["Country"]) == ("+14155550101", "US")


def test_cells_of_braze_and_salesforce() -> None:
    [record] = read("braze", made("braze", rows(1, customer_id=["007"])))
    assert (record["external_id"], record["holdfast_decided_at"]) == ("007", "2024-06-01T12:00:00Z")
    [member] = read("salesforce", made("salesforce", rows(1, customer_id=["0035g00000ABcab"])))
    whole = salesforce_id("0035g00000ABcab", "003")[0]
    assert member == {"CampaignId": CAMPAIGN_THERE, "ContactId": whole, "Status": "Sent"}


def test_a_tag_with_a_comma_is_one_tag() -> None:
    tags = {record["Tags"] for record in read("mailchimp", made("mailchimp", rows()))}
    assert tags == {'"Summer, 2024"'}
    plain = made("mailchimp", rows(), Settings("June", "US"))
    assert {record["Tags"] for record in read("mailchimp", plain)} == {"June"}


def test_mailchimp_takes_no_long_text() -> None:
    found = made("mailchimp", rows(2, message=["é" * 128, "ok"], last_name=["x" * 256, "Y"], channel="email"))
    assert len(read("mailchimp", found)) == 1
    assert found.rejected[["column", "reason", "effect"]].to_numpy().tolist() == [
        ["message", "256 bytes; mailchimp takes 255", LEFT_OUT]]


def test_a_lead_is_no_contact() -> None:
    leads = ["00Q5g00000ABcab", "0035g00000ABcab", "C1", "00Q5g00000ABcabXXX"]
    told = Settings("s", salesforce_campaign="7015g000000AbCd", salesforce_id="LeadId", status="Responded")
    found = made("salesforce", rows(4, customer_id=leads), told)
    [content] = lists(found).values()
    assert [record["LeadId"] for record in salesforce(content)] == [salesforce_id(leads[0], "00Q")[0]]
    assert found.rejected["reason"].tolist() == ["it begins with 003 instead of 00Q",
                                                 "no Salesforce id of 15 or 18 characters",
                                                 "its last three characters do not fit the others"]


@pytest.mark.parametrize(("tool", "told", "says"), [
    ("salesforce", Settings("s"), "begins with 701"),
    ("salesforce", Settings("s", salesforce_campaign="0035g00000ABcab"), "begins with 003 instead of 701"),
    ("salesforce", Settings("s", salesforce_campaign=CAMPAIGN_THERE, salesforce_id="AccountId"), "ContactId, LeadId"),
    ("salesforce", Settings("s", salesforce_campaign="7015g000000AbCd", status="x" * 41), "at most 40"),
    ("mailchimp", Settings("x" * 101), "Shorten it"), ("csv", Settings("=1"), "begins as a formula"),
    ("csv", Settings(" "), "empty"), ("json", Settings("s", most_rows=0), "at least one row"),
    ("klaviyo", Settings("s", "Germany"), "two letters"),
    ("pdf", Settings("s"), "klaviyo"),
])
def test_wrong_settings_say_what_to_do(tool: str, told: Settings, says: str) -> None:
    with pytest.raises(EngineError, match=says):
        export_rows(rows(), tool, told, now=NOW)


def test_what_the_data_lack_is_named() -> None:
    with pytest.raises(EngineError, match=r"no column email.*braze"):
        made("hubspot", rows().drop(columns="email"))
    assert len(read("braze", made("braze", rows().drop(columns=["email", "phone", "first_name", "last_name"])))) == 4


@pytest.mark.parametrize("tool", sorted(set(SENDING) - set(TABLES)))
def test_every_file_of_a_tool_is_for_one_channel_by_which_the_tool_reaches(tool: str) -> None:
    """Eight customers, five channels; three of them refused the channel of their row and agreed to the others."""
    channels = ["email", "email", "sms", "sms", "phone", "phone", "post", "app"]
    agreed = {"consent_email": [1, 0, 1, 1, 0, 1, 1, 1], "consent_sms": [1, 1, 1, 0, 1, 1, 1, 1],
              "consent_phone": [1, 1, 1, 1, 1, 0, 1, 1]}
    frame = rows(8, channel=channels, customer_id=CONTACTS_THERE, **agreed)
    found = export_rows(frame, tool, PLAIN, now=NOW)
    keys = {"email": "ann{}@example.org", "phone": "+141555501{:02}"}
    for file in found.manifest["files"]:
        if file["kind"] != "rejected":
            layout = next(one for one in VENDORS[tool].layouts if one.name == file["kind"])
            [channel] = layout.channels
            told = found.files[file["name"]].decode().lower()
            ids = [salesforce_id(who, "003")[0] if tool == "salesforce" else who for who in CONTACTS_THERE]
            there = [place for place, who in enumerate(ids)
                     if keys.get(layout.key.source, who.lower()).format(place) in told]
            assert there == [channels.index(channel)] and file["rows"] == 1
    written = {layout.channels[0] for layout in VENDORS[tool].layouts}
    assert found.manifest["written"] == len(written)
    served = ", ".join(WORDS.get(layout.channels[0], layout.channels[0]) for layout in VENDORS[tool].layouts)
    assert {f"{tool} is for {served}; the plan says {channel}" for channel in set(channels) - written} <= set(
        found.rejected["reason"])


def test_a_row_for_another_channel_is_not_for_this_tool() -> None:
    found = made("klaviyo", rows(3, channel=["email", "phone", "post"]))
    assert len(read("klaviyo", found)) == 1
    assert found.rejected["reason"].tolist() == ["klaviyo is for e-mail, SMS; the plan says phone",
                                                 "klaviyo is for e-mail, SMS; the plan says post"]


def test_a_suppression_list_asks_for_no_consent() -> None:
    frame = pd.DataFrame({"customer_id": ["1", "2", "3"], "email": ["a@x.org", "nonsense", None]})
    found = made("klaviyo_suppression", frame)
    assert read("klaviyo_suppression", found) == [{"Email": "a@x.org"}]
    assert found.rejected["reason"].tolist() == ["not an e-mail address", "empty"]
    assert found.manifest["consent"].startswith("not asked")


def test_keys_and_messages_are_exact_or_left_out() -> None:
    """An apostrophe would make another customer of the id, and be read by whoever gets the message."""
    found = made("braze", rows(6, channel="email", customer_id=["=1+1", "-5", "+49151", "@x", "a\x00b", "C6"],
                               message=["m", "m", "m", "m", "m", "=cmd()"]))
    assert [record["external_id"] for record in read("braze", found)] == ["-5", "+49151"]
    assert found.rejected["effect"].tolist() == [LEFT_OUT] * 4
    assert found.rejected["column"].tolist() == ["customer_id", "customer_id", "customer_id", "message"]


def test_the_importers_refuse_what_their_tools_would() -> None:
    """A test that cannot fail proves nothing: each of these files breaks one rule."""
    for content in (b"\xef\xbb\xbfEmail Address,Holdfast Decided\r\na@x.org,\r\n",
                    b"Email,Holdfast Decided\r\na@x.org,\r\n",
                    b"Email Address,Phone Number,Holdfast Decided\r\na@x.org,+14155550100,\r\n",
                    b"Email Address,Holdfast Decided\r\na@x,\r\n",
                    b"Email Address,Holdfast Decided\r\na@x.org,6/1/2024\r\n",
                    b"Email Address,Holdfast Decided\r\na@x.org,\r\nA@x.org,\r\n",
                    b"Phone Number,Country,Holdfast Decided\r\n+14155550100,,\r\n",
                    b"Email Address,Holdfast Decided\r\na@x.org,=1\r\n"):
        with pytest.raises((NotImported, ValueError)):
            klaviyo(content)


# --- tables for other uses


@pytest.mark.parametrize("kind", TABLES)
class TestEveryTable:
    def test_holds_all_that_the_ledger_knows(self, kind: str) -> None:
        frame = table_of(made(kind, rows()), kind)
        assert list(frame) == [column.name for column in (*ASSIGNMENTS, *CONTACT)]
        assert frame["customer_id"].tolist() == [f"C{number:03}" for number in range(4)]
        assert frame["email"].tolist() == [f"ann{number}@example.org" for number in range(4)]
        assert frame["phone"].tolist() == [f"+141555501{number:02}" for number in range(4)], "No apostrophe, no number."
        assert frame["ltv_if_stays"].astype(float).tolist() == [100.5] * 4
        assert frame["holdout"].astype(int).tolist() == [0] * 4
        assert pd.to_datetime(frame["decided_at"]).dt.tz_localize(None).tolist() == [pd.Timestamp(NOW)] * 4

    def test_leaves_out_whoever_cannot_be_reached_and_empties_what_is_not_needed(self, kind: str) -> None:
        found = made(kind, rows(4, email=["nonsense", "nonsense", None, None], phone=["12", "12", None, None]))
        assert found.rejected[["customer_id", "column", "reason", "effect"]].to_numpy().tolist() == [
            ["C000", "email", "not an e-mail address", LEFT_OUT],
            ["C000", "phone", "too short or too long for its country", EMPTIED],
            ["C001", "email", "not an e-mail address", EMPTIED],
            ["C001", "phone", "too short or too long for its country", LEFT_OUT],
            ["C002", "email", "empty", LEFT_OUT], ["C003", "phone", "empty", LEFT_OUT]]
        assert not lists(found)

    def test_executes_nowhere(self, kind: str) -> None:
        frame = table_of(made(kind, rows(first_name=["=1+1", "@x", "\t=1", "-Ann"], channel="email")), kind)
        told = frame["first_name"].tolist()
        if kind == "csv":
            assert told == ["'=1+1", "'@x", "'\t=1", "'-Ann"]
            cells = frame.drop(columns="phone").to_numpy().ravel()
            assert not [cell for cell in cells if FORMULA.match(cell) and not cell.startswith("'")]
        elif kind == "xlsx":
            [content] = lists(made(kind, rows(first_name="=1+1"))).values()
            sheet = openpyxl.load_workbook(io.BytesIO(content))["list"]
            assert {cell.data_type for row in sheet for cell in row} <= {"s", "n", "d"}
        else:
            assert told == ["=1+1", "@x", "\t=1", "-Ann"]

    def test_splits(self, kind: str) -> None:
        found = made(kind, rows(5), Settings("s", "US", most_rows=2))
        assert [file["rows"] for file in found.manifest["files"]] == [2, 2, 1]
        assert list(lists(found)) == [f"s-{kind}-part-{number}-of-3.{kind}" for number in (1, 2, 3)]


# --- who was left out


def test_the_rejected_file_tells_why_and_shows_no_address() -> None:
    found = made("klaviyo", rows(3, email=["jane.doe@example,org", "b@x.org", "c@x.org"], channel="email",
                                 customer_id=["=7", "8", "9"]))
    content = found.files["summer-2024-klaviyo-rejected.csv"]
    [told] = csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline=""))
    assert told == {"customer_id": "'=7", "column": "email", "value": "j…g (20 characters)",
                    "reason": "its domain is not complete", "effect": LEFT_OUT}
    assert b"jane" not in content and b"jane" not in found.files["summer-2024-klaviyo-manifest.json"]


# --- addresses and numbers


@pytest.mark.parametrize(("text", "told"), [
    ("ann@example.org", "ann@example.org"), (" Ann.Doe+tag@Example.CO.UK\n", "ann.doe+tag@example.co.uk"),
    ("mailto:a@x.org", "a@x.org"), ("o'neil@x.org", "o'neil@x.org"), ("ann@bücher.de", "ann@xn--bcher-kva.de"),
    ("a@xn--bcher-kva.de", "a@xn--bcher-kva.de"), ("_a@x.museum", "_a@x.museum"),
    ("a" * 64 + "@x.org", "a" * 64 + "@x.org"),
])
def test_e_mails_that_pass(text: str, told: str) -> None:
    assert e_mail(text) == (told, "")


@pytest.mark.parametrize("text", [
    "", " ", "ann", "@x.org", "ann@", "ann@x", "ann@localhost", "a@b@x.org", "a b@x.org", "a@x..org", ".a@x.org",
    "a.@x.org", "a..b@x.org", "a@-x.org", "a@x-.org", "a@x.o", "a@x.123", "=a@x.org", "+a@x.org", "-a@x.org",
    "a@x.org,b@x.org", "a@x.org;", "Ann <a@x.org>", "a@exa mple.org", "é@x.org", "a" * 65 + "@x.org",
    "a@" + "x" * 64 + ".org",
    "a@" + "x." * 130 + "org", "a@x.org\x00", '"a"@x.org', "a@[1.2.3.4]", "a@x,org",
])
def test_e_mails_that_do_not(text: str) -> None:
    told, reason = e_mail(text)
    assert told == "" and reason


@pytest.mark.parametrize(("text", "country", "told"), [
    ("+49 30 123456", "", "+4930123456"), ("030/123 456", "DE", "+4930123456"), ("+49 (0)30 123456", "", "+4930123456"),
    ("0049-30-123456", "", "+4930123456"), ("(415) 555-0132", "US", "+14155550132"),
    ("1-415-555-0132", "US", "+14155550132"),
    ("415.555.0132", "US", "+14155550132"), ("011 44 20 7946 0958", "US", "+442079460958"),
    ("020 7946 0958", "GB", "+442079460958"),
    ("06 12 34 56 78", "FR", "+33612345678"), ("0664 1234567", "AT", "+436641234567"),
    ("02 1234 5678", "IT", "+390212345678"),
    ("090-1234-5678", "JP", "+819012345678"), ("+1 415 555 0132", "DE", "+14155550132"),
    ("tel: +49 30 123456", "", "+4930123456"),
    ("'+4930123456", "", "+4930123456"), ("4155550132.0", "US", "+14155550132"), ("８０", "US", ""),
    ("+\u200e4930123456", "", ""),
])
def test_numbers(text: str, country: str, told: str) -> None:
    assert e164(text, country)[0] == told


@pytest.mark.parametrize(("text", "country", "reason"), [
    ("", "US", "empty"), ("030 123456", "", "no default country"), ("12", "US", "too short"),
    ("+1 415", "", "too short"),
    ("4.15555E+09", "US", "more than a number"), ("415-555-0132 x5", "US", "more than a number"),
    ("none", "US", "more than a"),
    ("+999 1234567", "", "not a telephone number"), ("415 555 0132 / 415 555 0133", "US", "not a telephone"),
    ("=1+1", "US", "more than a"),
    ("+49" + "1" * 20, "", "t"),
])
def test_numbers_that_are_none(text: str, country: str, reason: str) -> None:
    told, why = e164(text, country)
    assert told == "" and reason in why


@example(text="000000", country="DE")
@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=25) | st.from_regex(r"[+0-9 ()/-]{5,18}", fullmatch=True),
       country=st.sampled_from(["", "US", "DE", "GB", "IT", "JP", "BR"]))
def test_whatever_is_written_a_number_is_e164_and_stays_it(text: str, country: str) -> None:
    told, why = e164(text, country)
    assert bool(told) != bool(why)
    if told:
        assert E164.fullmatch(told) and e164(told, country) == (told, "")


@settings(max_examples=100, deadline=None)
@given(text=st.text(max_size=40) | st.emails())
def test_whatever_is_written_an_address_passes_once_and_again(text: str) -> None:
    told, why = e_mail(text)
    assert bool(told) != bool(why)
    if told:
        assert e_mail(told) == (told, "") and told.isascii() and not FORMULA.match(told)


def test_countries() -> None:
    assert [country_of(number) for number in ("+4930123456", "+14155550132", "+442079460958")] == ["DE", "US", "GB"]
    assert checked_country("gb") == "GB" and checked_country("") == ""


def test_published_salesforce_ids() -> None:
    assert salesforce_id("001A0000006Vm9r", "001") == ("001A0000006Vm9rIAC", "")
    assert salesforce_id("001A0000006Vm9rIAC", "001") == ("001A0000006Vm9rIAC", "")
    assert salesforce_id("001A0000006Vm9rIAA", "001")[0] == ""


def test_masked_values_show_little() -> None:
    assert masked("jane.doe@example.org") == "j…g (20 characters)"
    assert masked("abc") == "… (3 characters)" and masked(float("nan")) == "" == masked("")
