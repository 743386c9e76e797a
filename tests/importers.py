"""The vendors' importers, as their help pages describe them: each reads a file back and refuses what its tool would."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime

E164 = re.compile(r"\+[1-9]\d{6,14}")
COMPUTED = re.compile(r"[\t\r\n]|[\s\"'\u200b\ufeff]*[-+=@＝＋－＠]")
NUMBER = re.compile(r"[-+]\d+")
E_MAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[a-z0-9-]{2,}")
BRAZE_STANDARD = {"external_id", "first_name", "last_name", "email", "phone", "country", "language", "time_zone",
                  "date_of_birth", "gender", "home_city", "email_subscribe", "push_subscribe", "subscription_group_id",
                  "subscription_state"}
BRAZE_IDS = {"external_id", "braze_id", "user_alias_name", "user_alias_label"}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ012345"
Record = dict[str, str]


class NotImported(AssertionError):
    """The tool would not take it."""


def must(fact: object, why: str) -> None:
    """Refuse the file unless the fact holds."""
    if not fact:
        raise NotImported(why)


def table(content: bytes, most_bytes: float = float("inf")) -> tuple[list[str], list[Record]]:
    """The CSV as every tool reads it: UTF-8 without a mark, one header, rows of its width, no cell that computes."""
    must(len(content) <= most_bytes, "The file is too large.")
    must(not content.startswith(b"\xef\xbb\xbf"), "A byte-order mark would become part of the first header.")
    head, *rows = list(csv.reader(io.StringIO(content.decode("utf-8"), newline="")))
    must(len(set(head)) == len(head), "A header repeats.")
    must(rows, "There are no rows.")
    must(all(len(row) == len(head) for row in rows), "A row is not as wide as the header.")
    for cell in (cell for row in rows for cell in row):
        must(not COMPUTED.match(cell) or NUMBER.fullmatch(cell), f"{cell!r} would be computed.")
        must("\x00" not in cell, "A null character.")
    return head, [dict(zip(head, row, strict=True)) for row in rows]


def unique(rows: list[Record], key: str) -> None:
    """No two rows are the same person to a tool that ignores case."""
    keys = [row[key].casefold() for row in rows]
    must(all(keys), f"A row has no {key}.")
    must(len(set(keys)) == len(keys), f"Two rows have the same {key}.")


def iso_day(text: str) -> None:
    must(not text or date.fromisoformat(text).isoformat() == text, f"{text!r} is no day as YYYY-MM-DD.")


def klaviyo(content: bytes, first: str = "Email Address") -> list[Record]:
    """A list: its first column names the profiles; 50 MB at most; an SMS list needs the country."""
    head, rows = table(content, 50_000_000)
    must(head[0] in (first, "Phone Number"), f"The first column is {head[0]!r}.")
    must(not {first, "Phone Number"} <= set(head), "Consent counts for all of a file: e-mail and SMS are two files.")
    unique(rows, head[0])
    for row in rows:
        pattern = E_MAIL if head[0] == first else E164
        must(pattern.fullmatch(row[head[0]]), f"{row[head[0]]!r} is not imported.")
        must(head[0] == first or re.fullmatch("[A-Z]{2}", row.get("Country", "")), "An SMS profile needs its country.")
        iso_day(row["Holdfast Decided"])
    return rows


def klaviyo_suppression(content: bytes) -> list[Record]:
    """One column, Email."""
    head, rows = table(content, 50_000_000)
    must(head == ["Email"], f"The columns are {head}.")
    unique(rows, "Email")
    must(all(E_MAIL.fullmatch(row["Email"]) for row in rows), "An address is not imported.")
    return rows


def mailchimp(content: bytes, first: str = "Email Address") -> list[Record]:
    """An audience: text of at most 255 bytes, tags of at most 100 characters, commas within a tag quoted."""
    head, rows = table(content)
    keys = [name for name in (first, "SMS Phone Number") if name in head]
    must(len(keys) == 1, f"It needs one of {first} and SMS Phone Number.")
    unique(rows, keys[0])
    for row in rows:
        must((E_MAIL if keys[0] == first else E164).fullmatch(row[keys[0]]), f"{row[keys[0]]!r} is not imported.")
        must(all(len(cell.encode()) <= 255 for cell in row.values()), "A text of more than 255 bytes is cut.")
        [tags] = list(csv.reader([row["Tags"]], skipinitialspace=True))
        must(len(tags) == 1 and 0 < len(tags[0]) <= 100, f"The tag is read as {tags}.")
        iso_day(row["Holdfast Decided"])
    return rows


def hubspot(content: bytes) -> list[Record]:
    """Contacts: found again by Email; 20 MB and 500,000 rows a day without a paid plan; under 1000 columns."""
    head, rows = table(content, 20_000_000)
    must("Email" in head and {"First Name", "Last Name"} & set(head) and len(head) < 1_000, f"The columns are {head}.")
    must(len(rows) <= 500_000, "Too many rows for a day.")
    unique(rows, "Email")
    for row in rows:
        must(E_MAIL.fullmatch(row["Email"]), f"{row['Email']!r} is not imported.")
        must(not row["Phone Number"] or E164.fullmatch(row["Phone Number"]), "A phone number is not E.164.")
        iso_day(row["Holdfast Decided"])
    return rows


def salesforce(content: bytes, statuses: tuple[str, ...] = ("Sent", "Responded")) -> list[Record]:
    """Campaign members: CampaignId and exactly one of ContactId and LeadId; statuses that the campaign has."""
    head, rows = table(content)
    kinds = [name for name in ("ContactId", "LeadId") if name in head]
    must("CampaignId" in head and len(kinds) == 1 and "HasResponded" not in head, f"The columns are {head}.")
    must(len(rows) <= 50_000, "More than 50,000 rows in a batch.")
    unique(rows, kinds[0])
    for row in rows:
        for name, prefix in (("CampaignId", "701"), (kinds[0], {"ContactId": "003", "LeadId": "00Q"}[kinds[0]])):
            must(_is_salesforce(row[name], prefix), f"{row[name]!r} is no {name}.")
        must(row["Status"] in statuses and len(row["Status"]) <= 40, f"There is no status {row['Status']!r}.")
    return rows


def _is_salesforce(text: str, prefix: str) -> bool:
    if not re.fullmatch("[A-Za-z0-9]{18}", text) or not text.startswith(prefix):
        return False
    bits = [int("".join("1" if letter.isupper() else "0" for letter in reversed(text[n:n + 5])), 2) for n in (0, 5, 10)]
    return text[15:] == "".join(ALPHABET[number] for number in bits)


def braze(content: bytes) -> list[Record]:
    """Attributes: one identifier; a header that is a standard one in another case would become a custom attribute."""
    head, rows = table(content, 500_000_000)
    must(len(BRAZE_IDS & set(head)) == 1, "One identifier type per file.")
    must(head[0] == "external_id", "The identifier comes first.")
    for name in head:
        must(name == name.lower(), f"{name!r} is not lower case.")
        must(name in BRAZE_STANDARD or name.startswith("holdfast_"), f"{name!r} would be a new attribute.")
    keys = [row["external_id"] for row in rows]
    must(all(keys) and len(set(keys)) == len(keys), "An external_id is missing or repeats.")
    for row in rows:
        if row.get("holdfast_decided_at"):
            must(datetime.fromisoformat(row["holdfast_decided_at"]).tzinfo, "A moment without its zone.")
    return rows


def calls(content: bytes) -> list[Record]:
    """A list for people: who, a number that can be dialled, what to say, and how long it takes."""
    head, rows = table(content)
    must(head[:2] == ["Customer", "Phone"] and "Message" in head, f"The columns are {head}.")
    unique(rows, "Customer")
    for row in rows:
        must(E164.fullmatch(row["Phone"]), f"{row['Phone']!r} cannot be dialled.")
        must(float(row["Minutes"]) >= 0, "A call takes time.")
    return rows


IMPORTERS: Mapping[str, Callable[[bytes], list[Record]]] = {
    "klaviyo": klaviyo, "klaviyo_suppression": klaviyo_suppression, "mailchimp": mailchimp, "hubspot": hubspot,
    "salesforce": salesforce, "braze": braze, "braze_segment": braze,
    "calls": calls,
}
