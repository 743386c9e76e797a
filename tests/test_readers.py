"""Readers and parsers: what is repaired is reported, what cannot be used is refused with advice."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import numpy as np
import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from engine.data.chunks import open_chunks
from engine.data.dates import moments
from engine.data.parsing import Parsed, flags, ids, numbers, shares, words
from engine.data.readers import column_names, first_rows, read_raw
from engine.errors import EngineError

ROWS = "id;name;joined\n007;Zoë;01.02.2024\n7;Bo;13.02.2024\n"


def written(folder: Path, content: str | bytes, name: str = "data.csv") -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


def sheet(path: Path, *rows: list[object]) -> Path:
    book = openpyxl.Workbook()
    for row in rows:
        book.active.append(row)
    book.save(path)
    return path


def texts(frame: pd.DataFrame) -> list[list[str]]:
    return frame.astype(str).to_numpy().tolist()


def said(parsed: Parsed) -> str:
    return " ".join(map(str, parsed.findings))


# ------------------------------------------------------------------------------------------------------- reading

@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_any_encoding_and_delimiter_gives_the_same_frame(tmp_path: Path, encoding: str, delimiter: str) -> None:
    raw = read_raw(written(tmp_path, ROWS.replace(";", delimiter).encode(encoding)))
    assert list(raw.frame.columns) == ["id", "name", "joined"]
    assert texts(raw.frame) == [["007", "Zoë", "01.02.2024"], ["7", "Bo", "13.02.2024"]]
    assert raw.frame.index.tolist() == [1, 2]


def test_what_was_repaired_is_reported(tmp_path: Path) -> None:
    found = " ".join(map(str, read_raw(written(tmp_path, ROWS.encode("utf-8-sig"))).findings))
    assert "byte-order mark" in found and "semicolons" in found
    assert "cp1252" in str(read_raw(written(tmp_path, ROWS.encode("cp1252"))).findings)
    assert "utf-16" in str(read_raw(written(tmp_path, ROWS.encode("utf-16"))).findings)
    assert read_raw(written(tmp_path, ROWS.replace(";", ","))).findings == ()


def test_white_space_separates_when_nothing_else_does(tmp_path: Path) -> None:
    raw = read_raw(written(tmp_path, " customer_id  date cds\r\n 00001 19970101  1\r\n 00002 19970112  2\r\n", "x.txt"))
    assert texts(raw.frame) == [["00001", "19970101", "1"], ["00002", "19970112", "2"]]


def test_quoted_cells_may_hold_the_delimiter_and_line_breaks(tmp_path: Path) -> None:
    raw = read_raw(written(tmp_path, 'id,note\n1,"a, b"\n2,"two\nlines"\n'))
    assert texts(raw.frame) == [["1", "a, b"], ["2", "two\nlines"]]


def test_lines_with_too_many_cells_are_rejected_and_rows_keep_their_numbers(tmp_path: Path) -> None:
    raw = read_raw(written(tmp_path, "a,b\n1,2\n3,4,5\n6,7\n"))
    assert raw.frame.index.tolist() == [1, 3]
    assert raw.rejected.to_dict("records") == [{"row": 2, "reason": "3 cells where the header has 2 names"}]
    assert raw.source.rows == 3


def test_a_trailing_delimiter_is_harmless(tmp_path: Path) -> None:
    assert list(read_raw(written(tmp_path, "a,b,\n1,2,\n3,4,\n")).frame.columns) == ["a", "b"]
    assert texts(read_raw(written(tmp_path, "a,b\n1,2,\n3,4,\n")).frame) == [["1", "2"], ["3", "4"]]


def test_parquet_keeps_types_and_excel_keeps_numbers_moments_and_text(tmp_path: Path) -> None:
    table = pa.table({"tags": [["a"], None], "id": ["007", None], "n": pa.array([1, None], pa.int64()),
                      "big": pa.array([2**60, 1]),
                      "at": pa.array([datetime(2024, 1, 1), None], pa.timestamp("ns", "Europe/Berlin")),
                      "yes": [True, False]})
    pq.write_table(table, tmp_path / "t.parquet")
    frame = read_raw(tmp_path / "t.parquet").frame
    assert frame["tags"].iloc[0] == "['a']"
    assert frame["id"].tolist()[0] == "007" and frame["n"].iloc[0] == 1 and frame["n"].isna().iloc[1]
    assert frame["big"].iloc[0] == 2**60, "whole numbers are not rounded through floats"
    assert frame["at"].iloc[0] == pd.Timestamp(2024, 1, 1)
    rows: list[list[object]] = [["007", 1, datetime(2024, 1, 1)], ["8", None, date(2024, 1, 2)]]
    book = sheet(tmp_path / "b.xlsx", ["id", "n", "when"], *rows)
    frame = read_raw(book).frame
    assert frame["id"].tolist() == ["007", "8"]
    assert frame["when"].tolist() == [pd.Timestamp(2024, 1, 1), pd.Timestamp(2024, 1, 2)]


def test_column_names_are_read_without_the_rest(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": [1], "b": [2]}), tmp_path / "t.parquet")
    sheet(tmp_path / "b.xlsx", ["a", "b"], [1, 2])
    written(tmp_path, "a\tb\n1\t2\n", "t.tsv")
    assert all(column_names(tmp_path / name) == ["a", "b"] for name in ("t.parquet", "b.xlsx", "t.tsv"))


# ----------------------------------------------------------------------------------------------------------- JSON

LINES = """{"id": "007", "fee": 1.50, "address": {"city": "Zürich", "zip": 8001}, "plan": null}
{"id": "7", "fee": 12345678901234567890, "tags": ["a", "b"], "vip": true}

{"id": "8", "fee": 2,
{"id": "9", "address": {"city": "Bern"}}
"""


def test_json_is_read_as_text_and_a_broken_line_is_a_rejected_row(tmp_path: Path) -> None:
    raw = read_raw(written(tmp_path, LINES, "data.jsonl"))
    assert list(raw.frame.columns) == ["id", "fee", "address.city", "address.zip", "plan", "tags", "vip"]
    assert texts(raw.frame) == [["007", "1.50", "Zürich", "8001", "", "", ""],
                                ["7", "12345678901234567890", "", "", "", '["a", "b"]', "true"],
                                ["9", "", "Bern", "", "", "", ""]]
    assert raw.frame.index.tolist() == [1, 2, 4] and raw.source.rows == 4
    assert raw.rejected.to_numpy().tolist() == [
        [3, "no JSON: Expecting property name enclosed in double quotes at character 22"]]
    assert [found.where for found in raw.findings] == ["data.jsonl"] and "tags" in raw.findings[0].what


def test_an_array_of_records_is_read_as_lines_are(tmp_path: Path) -> None:
    records = [line for line in LINES.splitlines() if line and not line.endswith(",")]
    lines = read_raw(written(tmp_path, "\n".join(records), "a.ndjson")).frame
    array = f"[{', '.join(records)}]"
    for name, text in (("b.json", f"\ufeff{array}"), ("c.json", f'{{"n": 3,\n"rows": {array}}}'),
                       ("d.json", "\n".join(records))):
        path = written(tmp_path, text, name)
        pd.testing.assert_frame_equal(read_raw(path).frame, lines)
        assert column_names(path) == list(lines.columns)
        assert first_rows(path, 2)["id"].tolist() == ["007", "7"]


def test_json_beyond_what_is_read_whole_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_WHOLE_MB", "1")
    path = written(tmp_path, '{"id": "7", "x": "yyyyyyyyyyyyyyyyyyyyyyyyy"}\n' * 30_000, "data.jsonl")
    for reads in (read_raw, column_names):
        with pytest.raises(EngineError, match="HOLDFAST_WHOLE_MB"):
            reads(path)


# ------------------------------------------------------------------------------------------------------- refusing

BIG = "x" * 1_000_000
REFUSED: dict[str, tuple[str, str | bytes, str]] = {
    "empty": ("a.csv", "", "empty"),
    "only blanks": ("a.csv", " \n\n", "empty"),
    "header only": ("a.csv", "id,name\n", "no rows"),
    "huge cell": ("a.csv", f"id,name\n1,ok\n2,{BIG}\n", "characters"),
    "huge cell late": ("a.csv", "id,name\n" + "1,ok\n" * 100_000 + f"2,{BIG}\n", "row 100001"),
    "huge quoted cell": ("a.csv", f'id,name\n1,"{BIG}\n{BIG}"\n', "characters"),
    "no header": ("a.csv", "1,2\n3,4\n", "instead of column names"),
    "unclosed quote": ("a.csv", 'id,name\n1,"a\n2,b\n', "quotation mark"),
    "wide rows": ("a.csv", "id,name\n1,2,3\n4,5,6\n", "line 2"),
    "binary": ("a.csv", bytes(range(256)) * 20, "text"),
    "parquet as csv": ("a.csv", b"PAR1" + b"x" * 100, "Parquet"),
    "excel as csv": ("a.csv", b"PK\x03\x04" + b"x" * 100, "Excel"),
    "utf-16 cut off": ("a.csv", ROWS.encode("utf-16")[:-1], "breaks off"),
    "garbage parquet": ("a.parquet", b"not parquet at all", "not a whole Parquet"),
    "garbage excel": ("a.xlsx", b"not excel at all", "not a whole Excel"),
    "broken array": ("a.json", '[{"id": 1},\n{"id": 2,}]', r"record 2 on \(line 2\)"),
    "array cut off": ("a.json", '[{"id": 1}, {"id": 2}', "record 3 on"),
    "several lists": ("a.json", '{\n"a": [{}],\n"b": [{}]}', "2 lists of records"),
    "object cut off": ("a.json", '{\n"a": [', "not whole JSON"),
    "no records": ("a.jsonl", "1\n2\n", "holds no record"),
    "objects without end": ("a.jsonl", '{"a":' * 100_000, "holds no record"),
    "names without end": ("a.jsonl", "".join(f'{{"n{n}": 1}}\n' for n in range(2_100)), "2,000 different names"),
    "huge JSON cell": ("a.jsonl", f'{{"id": 1}}\n{{"id": "{BIG}"}}', "row 2, column 'id'"),
    "parquet as JSON": ("a.json", b"PAR1" + b"x" * 100, "Parquet"),
    "unknown ending": ("a.docx", "id,name\n1,2\n", "unknown ending"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused_with_one_sentence_of_advice(tmp_path: Path, case: str) -> None:
    name, content, expected = REFUSED[case]
    with pytest.raises(EngineError, match=expected) as refusal:
        read_raw(written(tmp_path, content, name))
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 400


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=200), st.sampled_from(["f.csv", "f.parquet", "f.xlsx", "f.jsonl", "f.json"]))
@example(b'{"\\ud800": "\\ud800"}', "f.jsonl")
@example(b'{"a.b": 1, "a": {"b": [' + b"[" * 90 + b"]" * 90 + b"]}}", "f.json")
@example(b"\x1a\xa0!", "f.csv")
@example(b"\r,", "f.csv")
@example(b'b;a,a1"\r\r 1;|1', "f.csv")
@example(b"a\xa0b\n1\xa02\n", "f.csv")
def test_any_bytes_are_read_or_refused(tmp_path: Path, content: bytes, name: str) -> None:
    path = written(tmp_path, content, name)
    try:
        raw = read_raw(path)
    except EngineError as refusal:
        assert str(refusal).rstrip().endswith((".", "?"))
    else:
        assert len(raw.frame) and list(raw.frame.columns) == column_names(path)


def test_paths_that_are_no_files_are_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="folder"):
        read_raw(tmp_path)
    with pytest.raises(EngineError, match="no file"):
        read_raw(tmp_path / "missing.csv")


def test_a_truncated_parquet_is_refused_wherever_it_breaks(tmp_path: Path) -> None:
    path = tmp_path / "t.parquet"
    pq.write_table(pa.table({"id": [str(n) for n in range(1000)]}), path)
    whole = path.read_bytes()
    for size in (1, 4, 8, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:size])
        with pytest.raises(EngineError, match="Copy or export it again"):
            read_raw(path)


@pytest.mark.parametrize("kind", ["csv", "parquet", "xlsx"])
def test_names_that_stand_there_twice_are_numbered_and_told(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"t.{kind}"
    if kind == "csv":
        path.write_text("a,b,a\n1,2,3\n")
    elif kind == "parquet":
        pq.write_table(pa.table([[1], [2], [3]], names=["a", "b", "a"]), path)
    else:
        sheet(path, ["a", "b", "a"], [1, 2, 3])
    raw = read_raw(path)
    assert column_names(path) == list(raw.frame) == ["a", "b", "a_2"] and str(raw.frame["a_2"].iloc[0]) == "3"
    assert "more than once: a." in " ".join(finding.what for finding in raw.findings)


@pytest.mark.parametrize("above", ["Our customers\n", '"Our, customers"\n\n# 2024\n', "Our customers;;;\n\n"])
def test_lines_above_the_header_are_left_out_and_told(tmp_path: Path, above: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(above + "id;fee;plan;seats\n" + "7;1,5;a;3\n" * 9)
    for raw in (read_raw(path), *open_chunks(path)):
        assert list(raw.frame) == ["id", "fee", "plan", "seats"] and raw.frame["id"].tolist() == ["7"] * 9
        assert raw.frame.index.tolist() == list(range(1, 10))
    assert first_rows(path, 1)["fee"].tolist() == ["1,5"]
    assert any("above the names" in finding.what for finding in read_raw(path).findings)


def test_a_parquet_without_rows_is_refused(tmp_path: Path) -> None:
    pq.write_table(pa.table({"a": pa.array([], pa.string())}), tmp_path / "t.parquet")
    with pytest.raises(EngineError, match="no rows"):
        read_raw(tmp_path / "t.parquet")


def test_ids_that_are_numbers_and_texts_at_once_are_refused(tmp_path: Path) -> None:
    raw = read_raw(sheet(tmp_path / "b.xlsx", ["id"], [7], ["7"], ["8"]))
    with pytest.raises(EngineError, match="'7'"):
        ids(raw.frame["id"], "id", raw.clashes["id"])
    with pytest.raises(EngineError, match="same id"):
        ids(pd.Series(["7", "7.0"]), "id")


# ------------------------------------------------------------------------------------------------------- numbers

@pytest.mark.parametrize(("cells", "expected"), [
    (["1,234.56", "7"], [1234.56, 7]),
    (["1.234,56", "7"], [1234.56, 7]),
    (["1 234,5", "12 000"], [1234.5, 12000]),
    (["1\u00a0234", "1\u202f234\u202f567"], [1234, 1234567]),
    (["1'234.5", "2"], [1234.5, 2]),
    (["1,234", "5"], [1234, 5]),
    (["1,234", "1,5"], [1.234, 1.5]),
    (["1.234", "5"], [1.234, 5]),
    (["1.234", "1.234.567"], [1234, 1234567]),
    (["0.125", "1,000"], [0.125, 1000]),
    (["$5", "$ 1,000", "-$3.50"], [5, 1000, -3.5]),
    (["5 €", "€7,25"], [5, 7.25]),
    (["GBP 12", "£3"], [12, 3]),
    (["(12.5)", "3"], [-12.5, 3]),
    (["17 %", "3%"], [0.17, 0.03]),
    (["1e3", " 2 ", "x1"], [1000, 2, np.nan]),
    (["", " ", "NULL", "n/a", "-", "4"], [np.nan] * 5 + [4]),
])
def test_numbers_as_people_write_them(cells: list[str], expected: list[float]) -> None:
    np.testing.assert_allclose(numbers(pd.Series(cells), "n").values, expected)


def test_what_was_done_to_numbers_is_said() -> None:
    parsed = numbers(pd.Series(["$1,234.50", "$7", " "]), "price")
    assert parsed.currency == "USD" and not parsed.bad.any()
    assert "currency signs" in said(parsed) and "thousands" in said(parsed) and "blank string" in said(parsed)
    assert "warning" in said(numbers(pd.Series(["1,234"]), "n")), "only a warning can settle what 1,234 means"
    assert "1.234,5" in said(numbers(pd.Series(["1,5"]), "n"))
    mixed = numbers(pd.Series(["1.5", "2.5", "1,25"]), "n")
    assert mixed.bad.tolist() == [False, False, True] and "warning" in said(mixed)
    assert numbers(pd.Series(["1.5", "2"]), "n").findings == ()


@pytest.mark.parametrize("cell", ["inf", "-inf", "Infinity", "1e308", "1e400", "9" * 40, "∞"])
def test_numbers_beyond_use_are_errors_that_name_row_and_value(cell: str) -> None:
    parsed = numbers(pd.Series(["1", cell], index=[1, 2]), "charges")
    assert [f.severity for f in parsed.findings] == ["error"]
    assert "Row 2" in said(parsed) and cell in said(parsed) and "charges" in said(parsed)
    assert np.isnan(parsed.values[2])


def test_infinity_in_a_typed_column_is_an_error_too() -> None:
    assert "Row 1 holds inf" in said(numbers(pd.Series([np.inf, 1.0], index=[1, 2]), "n"))


STYLES: dict[str, Callable[[float], str]] = {
    "plain": lambda x: f"{x:.2f}",
    "thousands": lambda x: f"{x:,.2f}",
    "european": lambda x: f"{x:,.2f}".translate(str.maketrans(",.", ".,")),
    "spaces": lambda x: f"{x:,.2f}".replace(",", " "),
    "dollars": lambda x: f"${x:,.2f}",
}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(-10**11, 10**11), min_size=1, max_size=20), st.sampled_from(sorted(STYLES)))
def test_a_number_survives_being_written_in_any_style(cents: list[int], style: str) -> None:
    values = [cent / 100 for cent in cents]
    parsed = numbers(pd.Series([STYLES[style](value) for value in values]), "n")
    np.testing.assert_allclose(parsed.values, values, rtol=1e-12)
    assert not parsed.bad.any()


@settings(max_examples=20, deadline=None)
@given(st.lists(st.text(max_size=12), min_size=1, max_size=10))
def test_no_text_breaks_a_parser_and_each_cell_is_read_or_bad_or_blank(cells: list[str]) -> None:
    column = pd.Series(cells, dtype=object)
    for parse in (numbers, flags, moments, words):
        parsed = parse(column, "c")
        assert len(parsed.values) == len(cells) and not (parsed.values.notna() & parsed.bad).any()
        again = parse(column.astype("category"), "c")
        pd.testing.assert_series_equal(again.values, parsed.values)


# ----------------------------------------------------------------------------------------- shares, flags, ids, words

def test_percent_or_share_is_decided_by_the_column() -> None:
    percent, scale = shares(pd.Series(["17.6", "0.5", "50"]), "rate")
    assert scale and percent.values.tolist() == pytest.approx([0.176, 0.005, 0.5])
    share, scale = shares(pd.Series(["0.176", "1"]), "rate")
    assert not scale and share.values.tolist() == [0.176, 1]
    few, scale = shares(pd.Series([0.2] * 99 + [25.0]), "rate")
    assert not scale and few.values.iloc[-1] == 25, "one percentage among shares is left for the checks to see"


def test_a_decision_made_before_holds_for_a_file_of_few_rows() -> None:
    parsed, _ = shares(pd.Series(["0.10"]), "rate", percent=True)
    assert parsed.values.tolist() == [0.001] and "the company's data are in percent" in said(parsed)
    assert shares(pd.Series(["17%"]), "rate", percent=True)[0].values.tolist() == [0.17]


def test_flags_are_read_in_any_spelling() -> None:
    parsed = flags(pd.Series(["Yes", "NO", "true", "F", "1", "0", "maybe", "", None]), "flag")
    np.testing.assert_array_equal(parsed.values, [1, 0, 1, 0, 1, 0, np.nan, np.nan, np.nan])
    assert parsed.bad.tolist() == [False] * 6 + [True, False, False]
    assert flags(pd.Series([0, 1, 2]), "flag").bad.tolist() == [False, False, True]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.from_regex(r"[0-9]{1,9}", fullmatch=True), min_size=1, max_size=20))
def test_ids_keep_every_digit(cells: list[str]) -> None:
    assert ids(pd.Series(cells), "id").values.tolist() == cells


def test_ids_from_numbers_are_whole() -> None:
    assert ids(pd.Series([13085.0, np.nan]), "id").values.tolist() == ["13085", None]
    assert ids(pd.Series([2**60], dtype="Int64"), "id").values.tolist() == [str(2**60)]
    kept = ids(pd.Series(["1", "01"]), "id")
    assert kept.values.tolist() == ["1", "01"] and "zeros were kept" in said(kept)


def test_words_named_none_are_words() -> None:
    assert words(pd.Series(["None", "nan", " DSL "]), "offer").values.tolist() == ["None", None, "DSL"]


# ------------------------------------------------------------------------------------------------------- dates

FORMATS = {
    "iso": "%Y-%m-%d", "iso time": "%Y-%m-%dT%H:%M:%S", "iso blank": "%Y-%m-%d %H:%M:%S", "compact": "%Y%m%d",
    "day first": "%d/%m/%Y", "month first": "%m/%d/%Y %H:%M", "dotted": "%d.%m.%Y %H:%M", "named": "%d %b %Y",
    "american": "%B %d, %Y", "half days": "%m/%d/%Y %I:%M:%S %p", "short year": "%d-%m-%y",
}
PROOF = datetime(2024, 12, 31, 13, 45, 10)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.datetimes(datetime(1970, 1, 1), datetime(2068, 12, 31)), max_size=15),
       st.sampled_from(sorted(FORMATS)))
def test_a_moment_survives_being_written_in_any_format(times: list[datetime], name: str) -> None:
    """One date that can only be read one way (31 December) decides the order for the whole column."""
    style = FORMATS[name]
    cells = [time.strftime(style) for time in [*times, PROOF]]
    parsed = moments(pd.Series(cells), "at")
    assert parsed.values.tolist() == pd.to_datetime(cells, format=style).tolist()
    assert not parsed.bad.any()


def test_the_order_of_day_and_month_is_decided_by_evidence_and_said() -> None:
    day_first = moments(pd.Series(["01/02/2024", "13/02/2024"]), "at")
    assert day_first.values.dt.month.tolist() == [2, 2] and "DD/MM/YYYY" in said(day_first)
    month_first = moments(pd.Series(["01/02/2024", "02/13/2024"]), "at")
    assert month_first.values.dt.month.tolist() == [1, 2] and "MM/DD/YYYY" in said(month_first)
    open_case = moments(pd.Series(["01/02/2024"]), "at")
    assert open_case.values.dt.month.tolist() == [2] and "warning" in said(open_case)
    assert moments(pd.Series(["01/02/2024"]), "at", day_first=False).values.dt.month.tolist() == [1]
    both = moments(pd.Series(["13/01/2024", "14/01/2024", "01/15/2024"]), "at")
    assert both.bad.tolist() == [False, False, True] and "warning" in said(both)


def test_three_formats_in_one_column_are_all_read_and_reported() -> None:
    parsed = moments(pd.Series(["2024-01-31", "31/01/2024", "20240131"]), "at")
    assert parsed.values.nunique() == 1 and "3 ways" in said(parsed)


def test_zones_become_utc() -> None:
    parsed = moments(pd.Series(["2024-01-01T12:00:00+02:00", "2024-01-01 10:00:00 UTC"]), "at")
    assert parsed.values.tolist() == [pd.Timestamp(2024, 1, 1, 10)] * 2 and "UTC" in said(parsed)


@pytest.mark.parametrize("cell", ["31/02/2024", "2024-13-01", "yesterday", "1750-01-01", "99999999", "12.5", "0"])
def test_what_is_no_date_is_bad(cell: str) -> None:
    assert moments(pd.Series([cell]), "at").bad.all()


def test_compact_dates_stored_as_numbers_are_read() -> None:
    parsed = moments(pd.Series([19970101, 12], dtype="Int64"), "at")
    assert parsed.values.iloc[0] == pd.Timestamp(1997, 1, 1) and parsed.bad.tolist() == [False, True]


# ------------------------------------------------------------------------------------------------------- real files

@pytest.mark.real
@pytest.mark.slow
def test_real_files_are_read_whole(real_data: Callable[[str], Path]) -> None:
    shapes = {"telco_ibm_21/Telco-Customer-Churn.csv": (7043, 21), "cdnow/CDNOW_master.txt": (69659, 4),
              "ecommerce_user_segmentation/ecommerce_user_segmentation.csv": (10000, 14),
              "online_retail_ii_uci/online_retail_two_years_dedup_window.parquet": (1044847, 8)}
    for name, shape in shapes.items():
        raw = read_raw(real_data(name))
        assert raw.frame.shape == shape and not len(raw.rejected)
