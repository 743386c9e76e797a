"""Exports: no spreadsheet executes them, what comes back is what went in, and the log knows who took what."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
import zipfile
from datetime import date, datetime, timedelta
from pathlib import Path

import openpyxl
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import state
from engine.__main__ import main
from engine.campaign import export
from engine.campaign.export import EXPORTERS, UNPRINTABLE, harmless, original, printable
from engine.errors import EngineError, Refused
from engine.insight import Filters, Listing, Scope, export_file, export_list, handover
from engine.schema import CONTACT, Actor, Column
from tests.desk import ANA, EVE

COLUMNS = (Column("customer_id", "id", "", "Who"), Column("=note", "text", "", "What"),
           Column("margin", "number", "EUR", "How much"), Column("flag", "flag", "", "Whether"),
           Column("day", "date", "UTC", "When"))
DANGEROUS = (
    "=1+1", "+1", "-1", "@sum(1)", "\t=1", "\r=1", "\n=1", "\tx", " =1", "  \u00a0=1", "\u3000@x", "\u200b=1",
    "\ufeff=1", "＝1+1", "＋1", "－1", "＠x", "﹢1", "'=1", "''=1", '"=1', "=cmd|' /C calc'!A0", "=HYPERLINK(\"http://x\",\"y\")",
    "\x00=1", "\x0b=1", "\u2028=1", "+49 30 123456", "-", "=\n", "=" * 40_000,
)
HARMLESS = ("", "007", "Ann", "a=b", "1+1", "'tis", "x@y.org", "Two-year", "é", "漢字", "one\ntwo", 'say "x"', "a,b;c",
            "#1")


def written(frame: pd.DataFrame, kind: str, columns: tuple[Column, ...] = COLUMNS) -> bytes:
    """The frame as a file, in two parts."""
    stream, half = io.BytesIO(), len(frame) // 2
    rows = EXPORTERS[kind].write(stream, columns, [frame[:half], frame[half:]], [("dataset", "=x"), ("on", "2024")])
    assert rows == len(frame)
    return stream.getvalue()


def as_rows(content: bytes) -> list[list[str]]:
    """What the csv module reads."""
    return list(csv.reader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def sheet(content: bytes, name: str = "list") -> openpyxl.worksheet.worksheet.Worksheet:
    """A sheet of the workbook, formulas not computed."""
    return openpyxl.load_workbook(io.BytesIO(content))[name]


# --- formula safety


@pytest.mark.parametrize("text", DANGEROUS)
def test_no_cell_begins_as_a_formula(text: str) -> None:
    frame = pd.DataFrame({"customer_id": [text], "=note": [text], "margin": [1.0], "flag": [1], "day": [None]})
    head, row = as_rows(written(frame, "csv"))
    assert row[0][0] in "'\ufffd", f"{row[0][:40]!r} would be computed."
    assert original(row[0]) == printable(text)
    assert head[1] == "'=note"


@pytest.mark.parametrize("text", HARMLESS)
def test_harmless_text_is_left_as_it_is(text: str) -> None:
    assert harmless(text) == text == original(text)


@pytest.mark.slow
@pytest.mark.parametrize("text", (*DANGEROUS, *HARMLESS[1:], "#N/A", "#DIV/0!", "1e5", "TRUE", "2024-01-01"))
def test_no_cell_of_a_workbook_is_anything_but_text(text: str) -> None:
    frame = pd.DataFrame({"customer_id": [text], "=note": ["x"], "margin": [1.0], "flag": [1], "day": [None]})
    content = written(frame, "xlsx")
    assert {cell.data_type for name in ("list", "about") for row in sheet(content, name) for cell in row} <= {"s", "n"}
    assert sheet(content)["A2"].data_type == "s"
    expected = printable(text).replace("\r\n", "\n").replace("\r", "\n")[:export.LONGEST_CELL]
    assert sheet(content)["A2"].value == expected
    with zipfile.ZipFile(io.BytesIO(content)) as package:
        assert not [name for name in package.namelist() if b"<f>" in package.read(name)]


# --- what comes back is what went in

TEXTS = st.text(st.characters(exclude_categories=("Cs",)), max_size=20) | st.sampled_from(DANGEROUS[:-1])
ROWS = st.lists(st.tuples(TEXTS.filter(bool), TEXTS, st.floats(-1e300, 1e300) | st.none(),
                          st.sampled_from([0, 1, None]), st.datetimes(datetime(1990, 1, 1), datetime(2100, 1, 1))
                          .map(lambda moment: moment.replace(microsecond=0)) | st.none()), min_size=1, max_size=6)


def framed(rows: list[tuple]) -> pd.DataFrame:
    """The rows as an export gets them."""
    frame = pd.DataFrame(rows, columns=[column.name for column in COLUMNS])
    return frame.assign(flag=frame["flag"].astype("Int64"), day=pd.to_datetime(frame["day"]),
                        margin=frame["margin"].astype(float))


@settings(max_examples=100, deadline=None)
@given(rows=ROWS)
@pytest.mark.slow
def test_csv_round_trip(rows: list[tuple]) -> None:
    content = written(framed(rows), "csv")
    head, *cells = as_rows(content)
    assert [original(name) for name in head] == [column.name for column in COLUMNS]
    for row, (who, note, margin, flag, day) in zip(cells, rows, strict=True):
        assert (original(row[0]), original(row[1])) == (printable(who), printable(note))
        assert row[2] == "" if margin is None else float(row[2]) == margin
        assert row[3] == ("" if flag is None else str(flag))
        assert row[4] == "" if day is None else datetime.fromisoformat(row[4]) == day
    assert content.count(b"\r\n") >= len(rows) + 1
    read = pd.read_csv(io.BytesIO(content), dtype=str, keep_default_na=False, encoding="utf-8-sig")
    assert len(read) == len(rows)
    assert read.to_numpy().tolist() == cells


@settings(max_examples=30, deadline=None)
@given(rows=ROWS)
@pytest.mark.slow
def test_workbook_round_trip(rows: list[tuple]) -> None:
    head, *cells = sheet(written(framed(rows), "xlsx")).iter_rows(values_only=True)
    assert list(head) == [column.name for column in COLUMNS]
    for row, (who, note, margin, flag, day) in zip(cells, rows, strict=True):
        plain = [printable(text).replace("\r\n", "\n").replace("\r", "\n") or None for text in (who, note)]
        assert list(row[:2]) == plain
        assert row[2] == margin if margin is None else math.isclose(row[2], margin, rel_tol=1e-15)
        assert row[3] == flag
        assert row[4] is None if day is None else row[4] == day


def test_texts_that_differ_behind_a_nul_stay_apart() -> None:
    rows = [(str(number), note, 1.0, 1, None) for number, note in enumerate(["", "\x00", "a", "a\x00b"])]
    notes = [row[1] for row in as_rows(written(framed(rows), "csv"))[1:]]
    assert notes == ["", "\ufffd", "a", "a\ufffdb"]
    _, *cells = sheet(written(framed(rows), "xlsx")).iter_rows(values_only=True)
    assert [row[1] for row in cells] == [None, "\ufffd", "a", "a\ufffdb"]


def test_ids_keep_their_zeros_and_numbers_their_dot() -> None:
    frame = pd.DataFrame({"customer_id": ["007"], "=note": ["1e3"], "margin": [1234.5], "flag": [1],
                          "day": [pd.Timestamp("2024-06-30")]})
    assert written(frame, "csv") == ("\ufeffcustomer_id,'=note,margin,flag,day\r\n007,1e3,1234.5,1,2024-06-30\r\n"
                                     ).encode()
    assert pd.read_csv(io.BytesIO(written(frame, "csv")), dtype={"customer_id": str})["customer_id"].item() == "007"
    row = next(sheet(written(frame, "xlsx")).iter_rows(min_row=2, values_only=True))
    assert row == ("007", "1e3", 1234.5, 1, datetime(2024, 6, 30))


def test_days_and_moments_are_told_apart() -> None:
    columns = (Column("day", "date", "UTC", "When"),)
    frame = pd.DataFrame({"day": [date(2024, 6, 30), datetime(2024, 6, 30, 12, 5), None]})
    assert written(frame, "csv", columns).decode("utf-8-sig") == "day\r\n2024-06-30\r\n2024-06-30T12:05:00\r\n\"\"\r\n"


def test_a_workbook_has_a_frozen_bold_head_widths_and_a_page_about_it() -> None:
    frame = pd.DataFrame({"customer_id": ["1"], "=note": ["x"], "margin": [1.0], "flag": [1], "day": [None]})
    content = written(frame, "xlsx")
    found = sheet(content)
    assert found.freeze_panes == "B2"
    assert all(cell.font.bold for cell in found[1])
    assert found.column_dimensions["B"].width > found.column_dimensions["C"].width >= 12
    about = list(sheet(content, "about").iter_rows(values_only=True))
    assert about[0][:2] == ("dataset", "=x")
    assert ("margin", "EUR", "How much") in about


def test_control_characters_are_marked() -> None:
    assert printable("a\x00b\x1fc\ufffe") == "a\ufffdb\ufffdc\ufffd"
    assert not UNPRINTABLE.search("tab\there\nline\r")


# --- a worklist that leaves


@pytest.fixture
def scope(own_desk: Scope) -> Scope:
    """Eight customers whose worklist is known by hand."""
    return own_desk


def test_a_list_as_a_file(scope: Scope, now: datetime) -> None:
    made = export_list(scope, Listing(), "csv", actor=ANA, now=now)
    head, *rows = as_rows(made.content)
    assert made.rows == len(rows) == 5
    assert tuple(head) == made.columns
    table = {row[0]: dict(zip(head, row, strict=True)) for row in rows}
    assert list(table) == ["001", "002", "003", "007", "'=8"], "The list's order; ids are text, and harmless."
    assert table["'=8"]["first_name"] == "'@sum(1)"
    assert table["003"]["first_name"] == "'=cmd|' /C calc'!A0"
    told = ("next_step", "channel", "contact_cost", "agreed", "margin_at_risk", "churn_probability", "driver_1",
            "driver_2", "driver_3", "best_contact_month", "as_of", "synthetic", "model_id", "run_id")
    assert [table["001"][name] for name in told] == [
        "contract_migration", "phone", "4.0", "1", "100.0", "0.5", "Reason 1 of 001.", "Reason 2 of 001.", "", "3",
        "2024-05-31", "1", "m1", scope.run.run_id]


def test_a_workbook_says_what_it_is(scope: Scope, now: datetime) -> None:
    made = export_list(scope, Listing(segments=("At-Risk VIP",), agreed=True), "xlsx", actor=ANA, now=now)
    rows = list(sheet(made.content, "about").iter_rows(values_only=True))
    about, units = ({row[0]: row[1] for row in part} for part in (rows[:11], rows[12:]))
    assert about["list"] == "To contact; segment: At-Risk VIP; only those who may be contacted"
    assert about["synthetic"].startswith("yes")
    assert (about["customers"], about["exported by"]) == ("2", "ana (marketer)")
    assert (units["margin_at_risk"], units["churn_probability"]) == ("EUR", "share 0..1")
    assert [row[0].value for row in sheet(made.content).iter_rows(min_row=2)] == ["001", "003"]


def test_picked_customers_alone_leave(scope: Scope, now: datetime) -> None:
    made = export_list(scope, Listing(), "csv", actor=ANA, now=now, ids=("=8", "002", "004"))
    assert [row[0] for row in as_rows(made.content)[1:]] == ["002", "'=8"], "004 is not on the list."


def test_contact_fields_stay_at_home_when_asked(scope: Scope, now: datetime) -> None:
    made = export_list(scope, Listing(), "csv", actor=ANA, now=now, contact=False)
    assert not {column.name for column in CONTACT} & set(made.columns)
    assert b"example.org" not in made.content


def test_the_log_knows_what_left_and_nobody_in_it(scope: Scope, now: datetime) -> None:
    listing = Listing(Filters(values={"churn_risk": ("HIGH", "MEDIUM")}), segments=("At-Risk VIP",))
    made = export_list(scope, listing, "csv", actor=ANA, now=now, ids=("001",))
    [entry] = state.audit_log(verb="export")
    assert (entry.actor, entry.about, entry.at) == (Actor("ana", "marketer"), "desk", now)
    detail = entry.detail
    assert (detail["rows"], detail["file"], detail["run_id"]) == (1, made.name, scope.run.run_id)
    assert detail["sha256"] == made.sha256 == hashlib.sha256(made.content).hexdigest()
    assert detail["columns"] == list(made.columns)
    assert detail["list"] == {"standing": "contact", "segments": ["At-Risk VIP"], "order": "margin_at_risk",
                              "picked": 1, "values": {"churn_risk": ["HIGH", "MEDIUM"]}}
    assert len(detail["customers"]) == 1
    assert not any(part in json.dumps(detail) for part in ("Ann", "Doe", "example.org", "+49", '"001"'))


def test_file_names_never_repeat_and_leave_no_folder(scope: Scope, now: datetime) -> None:
    names = {export_list(scope, Listing(segments=("At-Risk VIP",)), "csv", actor=ANA, now=now).name for _ in range(5)}
    assert len(names) == 5
    assert all(name.startswith("desk-at-risk-vip-to-contact-20240601T120000Z-") for name in names)
    odd = export_list(scope, Listing(Filters(ids=("001",)), segments=("At-Risk VIP",) * 9), "csv", actor=ANA, now=now)
    assert "/" not in odd.name and len(odd.name) < 120


def test_roles(scope: Scope, tmp_path: Path, now: datetime) -> None:
    with pytest.raises(Refused, match="may not export"):
        export_list(scope, Listing(), "csv", actor=EVE, now=now)
    with pytest.raises(Refused, match="may not export"):
        export_file(scope, Listing(), tmp_path / "x.csv", actor=EVE, now=now)
    assert not (tmp_path / "x.csv").exists()
    assert state.audit_log(verb="export") == []
    for role in ("marketer", "manager", "admin"):
        assert export_list(scope, Listing(), "csv", actor=Actor("x", role), now=now).rows == 5


def test_too_many_exports_in_an_hour_wait(scope: Scope, now: datetime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(handover, "MOST_EXPORTS", 2)
    for _ in range(2):
        export_list(scope, Listing(), "csv", actor=ANA, now=now)
    with pytest.raises(EngineError, match="at most 2 times"):
        export_list(scope, Listing(), "csv", actor=ANA, now=now)
    assert export_list(scope, Listing(), "csv", actor=ANA, now=now + timedelta(hours=1, minutes=1)).rows == 5


def test_what_cannot_be_exported_says_what_to_do(scope: Scope, tmp_path: Path, now: datetime,
                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(EngineError, match=r"Nobody is on this list.*win_back"):
        export_list(scope, Listing(segments=("Champion",)), "csv", actor=ANA, now=now)
    with pytest.raises(EngineError, match="csv, xlsx"):
        export_list(scope, Listing(), "pdf", actor=ANA, now=now)
    small = {"csv": export.Format("csv", "text/csv", 4, 4, export.write_csv)}
    monkeypatch.setattr(handover, "EXPORTERS", small)
    with pytest.raises(EngineError, match=r"5 customers; a csv file takes 4 here.*python -m engine export"):
        export_list(scope, Listing(), "csv", actor=ANA, now=now)
    with pytest.raises(EngineError, match="takes 4"):
        export_file(scope, Listing(), tmp_path / "x.csv", actor=ANA, now=now)
    assert list(tmp_path.glob("*x.csv*")) == []


def test_a_file_on_disk_is_the_same_list(scope: Scope, tmp_path: Path, now: datetime) -> None:
    made = export_file(scope, Listing(), tmp_path / "list.csv", actor=ANA, now=now)
    assert made.content == b""
    assert (tmp_path / "list.csv").read_bytes() == export_list(scope, Listing(), "csv", actor=ANA, now=now).content
    assert made.sha256 == hashlib.sha256((tmp_path / "list.csv").read_bytes()).hexdigest()
    assert [entry.detail["file"] for entry in state.audit_log(verb="export")][-1] == "list.csv"


def test_from_the_command_line(scope: Scope, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ["export", "--dataset", "desk", "--output", str(tmp_path / "vip.xlsx"), "--segment", "At-Risk VIP"]
    assert main([*asked, "--json", "--without-contact"]) == 0
    record = json.loads(capsys.readouterr().out)
    assert (record["rows"], record["list"], record["synthetic"]) == (3, "To contact; segment: At-Risk VIP", True)
    assert record["sha256"] == hashlib.sha256((tmp_path / "vip.xlsx").read_bytes()).hexdigest()
    assert "email" not in record["columns"]
    assert main([*asked, "--least-margin", "50", "--agreed"]) == 0
    printed = capsys.readouterr().out
    assert printed.startswith("SYNTHETIC") and "1 customer written to" in printed
    assert main([*asked, "--list", "win_back"]) == 2
    assert "Nobody is on this list" in capsys.readouterr().err
