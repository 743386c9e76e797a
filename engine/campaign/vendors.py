"""What each marketing tool imports: its headers to the letter, one kind of id per file, its limits, its consent rules.

Read from stored copies of the vendors' help pages (Klaviyo 115005078967, 360043841811, 360035428731; Mailchimp format
guidelines; HubSpot import file; Salesforce CampaignMember; Braze CSV import). Where a page and another name a header
differently, the list-import page's is the default and `Settings.headers` changes it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from engine.campaign.export import FORMULA
from engine.campaign.phones import checked_country
from engine.decision.playbooks import LEAVE_ALONE
from engine.errors import EngineError, choose
from engine.schema import NOTHING_DONE

MB = 1_000_000
CALL_LIST = "calls"
CLOSED = (NOTHING_DONE, LEAVE_ALONE)
SALESFORCE_IDS = {"ContactId": "003", "LeadId": "00Q"}
CAMPAIGN_PREFIX = "701"
LONGEST_STATUS, LONGEST_TAG = 40, 100


@dataclass(frozen=True)
class Field:
    """A column of a file: its header, the column of the rows it is made of, and what it is made into.

    kind: email, phone, country (of the phone), id, salesforce, text, number, day, moment, or given (the same in every
    row).
    key: a row without it is left out; elsewhere the cell is left empty. exact: a text that must not be changed.
    """

    header: str
    source: str
    kind: str = "text"
    key: bool = False
    exact: bool = False

    @property
    def unchangeable(self) -> bool:
        """Whether a row must be left out rather than its cell changed."""
        return self.key or self.exact


@dataclass(frozen=True)
class Layout:
    """One kind of file: for rows of these channels (all where empty), told apart by `name`."""

    name: str
    fields: tuple[Field, ...]
    channels: tuple[str, ...] = ()

    @property
    def key(self) -> Field:
        """The column by which the tool tells people apart."""
        return next(field for field in self.fields if field.key)


@dataclass(frozen=True)
class Vendor:
    """A tool and what it imports. sends: the file is a list of people to contact, so that consent and holdout count.

    format: csv for what tools import, xlsx, json and parquet for other uses. most_text: bytes that a text may take.
    """

    name: str
    words: str
    layouts: tuple[Layout, ...]
    format: str = "csv"
    most_bytes: float = math.inf
    most_rows: float = math.inf
    most_text: float = math.inf
    sends: bool = True

    def layout_of(self, channel: str) -> Layout | None:
        """The layout for rows of that channel; None where the tool does not serve it."""
        return next((layout for layout in self.layouts if not layout.channels or channel in layout.channels), None)


@dataclass(frozen=True)
class Settings:
    """What an export is told.

    campaign: the name as the tool shows it. country: two letters, by which telephone numbers without a country code
    are read. headers: a header of ours -> the header wanted. salesforce_campaign: the id of the campaign there;
    salesforce_id: ContactId or LeadId, what the customer ids are; status: the members' status, which must exist there.
    most_rows, most_bytes: smaller parts than the tool's own limits.
    """

    campaign: str
    country: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    salesforce_campaign: str = ""
    salesforce_id: str = "ContactId"
    status: str = "Sent"
    most_rows: float = math.inf
    most_bytes: float = math.inf
    synthetic: bool = False


def given(settings: Settings, vendor: Vendor) -> Mapping[str, str]:
    """What is the same in every row, by the name that a Field of kind "given" has as its source; checked.

    Raises:
        EngineError: when a setting is not what the tool takes; says what to do.
    """
    checked_country(settings.country)
    if settings.most_rows < 1 or settings.most_bytes < 1:
        raise EngineError("A file holds at least one row and one byte. Give larger limits for the parts.")
    campaign = " ".join(settings.campaign.split())
    if not campaign or FORMULA.match(campaign):
        raise EngineError(f"{settings.campaign!r} cannot be the campaign's name in a file: it is empty or begins as a "
                          "formula. Give it another name.")
    told = {"campaign": campaign}
    if vendor.name == "mailchimp":
        told["tag"] = _tag(campaign)
    if vendor.name == "salesforce":
        told |= _salesforce(settings)
    return told


def _tag(campaign: str) -> str:
    """Mailchimp's tags are separated by commas, so that one with a comma stands in quotes."""
    if len(campaign) > LONGEST_TAG:
        raise EngineError(f"The campaign's name has {len(campaign)} characters; as a Mailchimp tag it may have "
                          f"{LONGEST_TAG}. Shorten it.")
    return '"' + campaign.replace('"', "'") + '"' if "," in campaign else campaign


def _salesforce(settings: Settings) -> dict[str, str]:
    choose("Salesforce id", settings.salesforce_id, SALESFORCE_IDS)
    campaign, problem = salesforce_id(settings.salesforce_campaign, CAMPAIGN_PREFIX)
    if problem:
        raise EngineError(f"The Salesforce campaign's id {settings.salesforce_campaign!r} is not one: {problem}. Copy "
                          f"it from the campaign's address; it begins with {CAMPAIGN_PREFIX}.")
    if not 0 < len(settings.status) <= LONGEST_STATUS or FORMULA.match(settings.status):
        raise EngineError(f"The member status {settings.status!r} is not one. Give one of the campaign's statuses, at "
                          f"most {LONGEST_STATUS} characters.")
    return {"salesforce_campaign": campaign, "status": settings.status}


def salesforce_id(text: str, prefix: str) -> tuple[str, str]:
    """The record's id in its form of 18 characters, which survives tools that ignore case, and "", or "" and why not.

    The last three characters say which of the others are capitals, five at a time.

    >>> salesforce_id("001A0000006Vm9r", "001"), salesforce_id("001A0000006Vm9rIAC", "003")
    (('001A0000006Vm9rIAC', ''), ('', 'it begins with 001 instead of 003'))
    """
    text = text.strip()
    if not re.fullmatch(r"[A-Za-z0-9]{15}(?:[A-Z0-5]{3})?", text):
        return "", "no Salesforce id of 15 or 18 characters"
    if not text.startswith(prefix):
        return "", f"it begins with {text[:3]} instead of {prefix}"
    whole = text[:15] + "".join(_capitals(text[begin:begin + 5]) for begin in (0, 5, 10))
    return (whole, "") if whole.startswith(text) else ("", "its last three characters do not fit the others")


def _capitals(five: str) -> str:
    place = sum(1 << bit for bit, letter in enumerate(five) if "A" <= letter <= "Z")
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"[place]


def _names(first: str, last: str) -> tuple[Field, Field]:
    return Field(first, "first_name"), Field(last, "last_name")


def _each(channels: tuple[str, ...], fields: tuple[Field, ...]) -> tuple[Layout, ...]:
    """A file for each channel: a key that is no address does not say by which a customer is reached."""
    return tuple(Layout(channel, fields, (channel,)) for channel in channels)


OURS = (Field("Holdfast Campaign", "campaign", "given"), Field("Holdfast Treatment", "treatment"),
        Field("Holdfast Message", "message", exact=True), Field("Holdfast Decided", "decided_at", "day"))
KLAVIYO = (
    Layout("email", (Field("Email Address", "email", "email", key=True), *_names("First Name", "Last Name"), *OURS),
           ("email",)),
    Layout("sms", (Field("Phone Number", "phone", "phone", key=True), *_names("First Name", "Last Name"),
                   Field("Country", "phone", "country", key=True), *OURS), ("sms",)),
)
TAGS = Field("Tags", "tag", "given")
MAILCHIMP = (
    Layout("email", (Field("Email Address", "email", "email", key=True), *_names("First Name", "Last Name"), TAGS,
                     *OURS[1:]), ("email",)),
    Layout("sms", (Field("SMS Phone Number", "phone", "phone", key=True), *_names("First Name", "Last Name"), TAGS,
                   *OURS[1:]), ("sms",)),
)
HUBSPOT = (Layout("contacts", (Field("Email", "email", "email", key=True), *_names("First Name", "Last Name"),
                               Field("Phone Number", "phone", "phone"), *OURS), ("email",)),)
SALESFORCE = _each(("email", "phone"), (Field("CampaignId", "salesforce_campaign", "given"),
                                        Field("ContactId", "customer_id", "salesforce", key=True),
                                        Field("Status", "status", "given")))
EXTERNAL_ID = Field("external_id", "customer_id", "id", key=True)
BY_BRAZE = ("email", "sms", "app")
BRAZE = _each(BY_BRAZE, (
    EXTERNAL_ID, Field("first_name", "first_name"), Field("holdfast_campaign", "campaign", "given"),
    Field("holdfast_channel", "channel"), Field("holdfast_treatment", "treatment"),
    Field("holdfast_message", "message", exact=True), Field("holdfast_decided_at", "decided_at", "moment")))
CALLS = (Layout("calls", (
    Field("Customer", "customer_id", "id", key=True), Field("Phone", "phone", "phone", exact=True),
    *_names("First Name", "Last Name"), Field("Segment", "segment"), Field("Treatment", "treatment"),
    Field("Message", "message", exact=True), Field("Minutes", "minutes", "number"),
    Field("Campaign", "campaign", "given")), ("phone",)),)
ANY = (Layout("list", ()),)

VENDORS: Mapping[str, Vendor] = {vendor.name: vendor for vendor in (
    Vendor("csv", "A table for any tool, as text", ANY),
    Vendor("xlsx", "A workbook for Excel", ANY, format="xlsx", most_rows=1_048_575),
    Vendor("json", "Records for a program", ANY, format="json"),
    Vendor("parquet", "Typed columns for a data warehouse", ANY, format="parquet"),
    Vendor("klaviyo", "Klaviyo: lists of profiles, one file for e-mail and one for SMS, all consented", KLAVIYO,
           most_bytes=50 * MB),
    Vendor("klaviyo_suppression", "Klaviyo: profiles that must never be written to",
           (Layout("suppression", (Field("Email", "email", "email", key=True),)),), most_bytes=50 * MB, sends=False),
    Vendor("mailchimp", "Mailchimp: an audience, one file for e-mail and one for SMS", MAILCHIMP, most_text=255),
    Vendor("hubspot", "HubSpot: contacts to be written to by e-mail, found again by it", HUBSPOT,
           most_bytes=20 * MB, most_rows=500_000),
    Vendor("salesforce", "Salesforce: members of a campaign, for Data Loader, one file for e-mail and one for calls",
           SALESFORCE, most_rows=50_000),
    Vendor("braze", "Braze: attributes of users by external_id, one file for each of e-mail, SMS and app", BRAZE,
           most_bytes=500 * MB),
    Vendor("braze_segment", "Braze: segments for e-mail, SMS and app, external_id alone, which costs no data points",
           _each(BY_BRAZE, (EXTERNAL_ID,)), most_bytes=500 * MB),
    Vendor(CALL_LIST, "Calls: whom to call and what to say, for those who call", CALLS),
)}
