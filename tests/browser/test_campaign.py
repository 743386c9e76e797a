"""A campaign from whom to what it saved, as two people make it in a real Chromium: the files that leave are opened."""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from engine import catalog
from engine.campaign import ledger
from engine.campaign.addresses import e_mail
from engine.campaign.rules import set_rules
from engine.campaign.tables import ASSIGNMENTS
from engine.schema import Actor, money
from tests.browser.sight import Sight

CAMPAIGNS = "/actions?dataset=demo-telecom&actions_view=Campaigns"
NAME = "Contracts, July"
SLOWLY_MS = 60_000


def press(sight: Sight, name: str | re.Pattern[str]) -> None:
    """Press the button of that name and wait for what comes of it."""
    sight.page.get_by_role("button", name=name, exact=isinstance(name, str)).click()
    sight.settle()


def fill(sight: Sight, label: str, text: str, role: str = "textbox") -> None:
    """Write into the field of that label."""
    sight.page.get_by_role(role, name=label, exact=True).fill(text)
    sight.page.keyboard.press("Tab")
    sight.settle()


def sure(sight: Sight, step: str, says: str) -> str:
    """Press a step, read what it means, and press again; returns what was said."""
    press(sight, step)
    dialog = sight.page.get_by_role("dialog")
    dialog.get_by_text(says).first.wait_for(timeout=SLOWLY_MS)
    told = dialog.inner_text()
    dialog.get_by_role("button", name=step, exact=True).click()
    dialog.wait_for(state="detached", timeout=SLOWLY_MS)
    sight.settle()
    return str(told)


def taken(sight: Sight, button: str | re.Pattern[str], place: Path) -> Path:
    """Press a download's button; where the file lies."""
    ready = sight.page.get_by_role("button", name=button)
    ready.wait_for(timeout=SLOWLY_MS)
    with sight.page.expect_download() as coming:
        ready.click()
    path = place / coming.value.suggested_filename
    coming.value.save_as(path)
    return path


def figure(sight: Sight, label: str) -> int:
    """The whole number on the card of that label."""
    card = sight.page.get_by_test_id("stMetric").filter(has_text=label)
    return int(card.get_by_test_id("stMetricValue").inner_text().replace(",", ""))


def read(content: bytes) -> list[dict[str, str]]:
    """The rows of a CSV."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_a_campaign_from_whom_to_what_it_saved(looking: Callable[..., Sight], served_home: Path, tmp_path: Path,
                                               monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody treated stays and everybody held out leaves: the largest effect there can be, and it says so."""
    monkeypatch.setenv("HOLDFAST_HOME", str(served_home))
    set_rules("demo-telecom", {"spend_limit": 1.0}, actor=Actor("ada", "admin"), now=datetime(2025, 7, 2))
    mark = looking("marketer").go(CAMPAIGNS)
    _drafted(mark)
    [there] = ledger.campaigns("demo-telecom")
    link = mark.page.url.removeprefix(mark.address)
    assert "campaign=" in link, "The address can be handed to whoever approves it."

    assert mark.page.get_by_role("button", name="Approve", exact=True).count() == 0
    press(mark, "Ask for approval")
    mona = looking("manager").go(link)
    said = sure(mona, "Approve", "Expected cost")
    assert money(there.spend, "USD") in said and "are held out, never contacted" in said
    assert "What cannot be undone" in sure(mona, "Launch", "What cannot be undone")
    rows = ledger.table_of(there.id, ASSIGNMENTS)
    held = set(rows.loc[rows["holdout"].astype(bool), "customer_id"])
    assert held and len(held) == figure(mona, "Held out") and len(rows) - len(held) == figure(mona, "Treated")

    mark.go(link)
    _sent(mark, rows, held, tmp_path)
    _measured(mark, held, len(rows), tmp_path)
    assert mark.errors == mona.errors == [] and mark.foreign == []


def _drafted(mark: Sight) -> None:
    """Audience, limits, plan, preview, holdout, draft."""
    fill(mark, "Budget [USD]", "4000", "spinbutton")
    press(mark, re.compile("Make the plan"))
    assert "more are expected to stay" in mark.text() and "90 % interval" in mark.text()
    mark.page.get_by_role("tab", name="Messages").click()
    mark.page.get_by_text("May be sent").wait_for(timeout=SLOWLY_MS)
    fill(mark, "Name", NAME)
    fill(mark, "Sender, as customers know you", "Acme")
    fill(mark, "Held out [%]", "30", "spinbutton")
    press(mark, re.compile("Write the draft"))
    mark.page.get_by_text(f"Campaign: {NAME}").wait_for(timeout=SLOWLY_MS)
    mark.settle()
    held, treated = figure(mark, "Held out"), figure(mark, "Treated")
    assert held / (held + treated) == pytest.approx(0.3, abs=0.03) and "Where it stands" in mark.text()


def _sent(mark: Sight, rows: pd.DataFrame, held: set[str], place: Path) -> None:
    """The files for Klaviyo, opened: those treated who are written to, by their addresses, and nobody held out."""
    mark.page.get_by_role("combobox", name="Tool").click()
    mark.page.get_by_role("option", name=re.compile("^Klaviyo: lists")).click()
    mark.settle()
    press(mark, re.compile("Prepare the files"))
    packed = zipfile.ZipFile(taken(mark, re.compile(r"Download \d+ files?"), place))
    [name] = [name for name in packed.namelist() if name.endswith("-klaviyo-email.csv")]
    sent = {row["Email Address"] for row in read(packed.read(name))}
    address = catalog.dataset("demo-telecom").frame()["email"].map(lambda text: e_mail(str(text))[0]).to_dict()
    mailed = rows[(rows["channel"] == "email") & ~rows["customer_id"].isin(held)]
    assert sent == {address[who] for who in mailed["customer_id"]} and not sent & {address[who] for who in held}
    if (rows["channel"] == "phone").any():
        assert "by telephone" in mark.text() and "save desk" in mark.text()


def _measured(mark: Sight, held: set[str], everybody: int, place: Path) -> None:
    """The form of everybody, filled in and taken in."""
    press(mark, re.compile("Prepare a form"))
    form = taken(mark, re.compile("Download the form"), place)
    blank = read(form.read_bytes())
    assert len(blank) == everybody and held <= {row["customer_id"] for row in blank}
    lines = [f"{row['customer_id']},{'no' if row['customer_id'] in held else 'yes'}" for row in blank]
    filled = place / "filled.csv"
    filled.write_text("\n".join(["customer_id,stayed", *lines]), encoding="utf-8")
    mark.page.locator('input[type="file"]').set_input_files(str(filled))
    mark.page.get_by_text(filled.name).wait_for(timeout=SLOWLY_MS)
    mark.settle()
    press(mark, re.compile("Take the outcomes in"))
    mark.page.get_by_text(f"{everybody:,} outcomes new").wait_for(timeout=SLOWLY_MS)
    assert "It works" in mark.text() and "Treatment by treatment" in mark.text()
