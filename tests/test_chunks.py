"""Big files read chunk by chunk: the same values, findings, rejected rows and line numbers as in one piece."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.data import adapters, chunks
from engine.data import parts as parts_of
from engine.data.adapters import spool
from engine.data.demo import DEMOS
from engine.data.doctor import kinds
from engine.data.doctor.looks import looks
from engine.data.layouts import Layout
from engine.data.readers import read_raw
from engine.data.repeats import Repeats
from engine.errors import DataError, EngineError
from engine.schema import Reading

NOW = datetime(2024, 6, 1)


def small_chunks(patch: pytest.MonkeyPatch, size: int = 4_000, texts: int = 1_000_000) -> None:
    """Read every text file in blocks of so many characters, every Parquet file a hundred rows at a time."""
    patch.setattr(chunks, "WHOLE_BYTES", 0)
    patch.setattr(parts_of, "BLOCK", size)
    patch.setattr(parts_of, "ROWS", 100)
    patch.setattr(chunks, "MOST_TEXTS", texts)


def read(sources: list[Path], into: Path, adapter: str | None = None, **options: object) -> Reading:
    return adapters.read(sources, into, adapter, name="acme", now=NOW, options=options)


def same(whole: Reading, parts: Reading, findings: bool = True) -> None:
    """The two readings hold the same."""
    assert parts.dataset.version == whole.dataset.version and parts.dataset.sources == whole.dataset.sources
    assert parts.dataset.observed_until == whole.dataset.observed_until
    if findings:
        assert list(map(str, parts.findings)) == list(map(str, whole.findings))
        assert parts.findings == whole.findings
    assert parts.rejected.astype(object).to_dict("records") == whole.rejected.astype(object).to_dict("records")
    pd.testing.assert_frame_equal(pd.read_parquet(parts.dataset.customers), pd.read_parquet(whole.dataset.customers))
    assert parts.dataset.events is not None and whole.dataset.events is not None
    assert pq.read_table(parts.dataset.events).equals(pq.read_table(whole.dataset.events))
    assert not (parts.dataset.events.parent / spool.FOLDER).exists()


def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sources: list[Path], size: int = 4_000,
         **options: object) -> tuple[Reading, Reading]:
    whole = read(sources, tmp_path / "whole", **options)
    small_chunks(monkeypatch, size)
    return whole, read(sources, tmp_path / "parts", **options)


def dirty_visits(rng: np.random.Generator, rows: int = 1_200) -> pd.DataFrame:
    """Shop events with the faults that such files have: repeated views and purchases, unknown types, free purchases."""
    at = pd.Timestamp(2024, 1, 1) + pd.to_timedelta(np.sort(rng.integers(0, 120 * 86_400, rows)), "s")
    frame = pd.DataFrame({
        "event_time": at.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "event_type": rng.choice(["view", "Cart", "purchase", "remove_from_cart", "wish: is no list"], rows,
                                 p=[.6, .15, .2, .03, .02]),
        "product_id": rng.integers(1, 40, rows).astype(str), "category_id": rng.integers(1, 5, rows).astype(str),
        "category_code": rng.choice(["electronics.phone", "", "home"], rows), "brand": rng.choice(["aurel", ""], rows),
        "price": [f"{price:.2f}" for price in rng.uniform(-4, 90, rows)],
        "user_id": rng.integers(1, 60, rows).astype(str), "user_session": rng.integers(1, 150, rows).astype(str),
    })
    frame.loc[[7, 500], "user_id"] = ""
    return pd.concat([frame.iloc[:700], frame.iloc[650:720], frame.iloc[700:], frame.iloc[::40]])


def dirty_lines(rng: np.random.Generator, rows: int = 900) -> pd.DataFrame:
    """Order lines with the faults that such files have, the decisive date and number far down."""
    at = pd.Timestamp(2023, 1, 1) + pd.to_timedelta(rng.integers(0, 12 * 30, rows), "D")
    frame = pd.DataFrame({
        "Invoice": [("C" if n % 31 == 0 else "A" if n % 97 == 0 else "") + str(10_000 + n // 3) for n in range(rows)],
        "StockCode": rng.choice(["x", "y", "007"], rows), "Quantity": rng.integers(-2, 9, rows).astype(str),
        "InvoiceDate": [f"{time.day % 12 + 1:02d}/{time.month:02d}/{time.year} {n % 24:02d}:00"
                        for n, time in enumerate(at)],
        "Price": [f"{price:.2f}".replace(".", ",") for price in rng.uniform(-1, 90, rows)],
        "Customer ID": [f"{n:05d}.0" if n else "" for n in rng.integers(0, 40, rows)],
        "Country": rng.choice(["France", " Norge", "NULL", ""], rows), "note": "-",
    })
    frame.loc[rows - 2, "InvoiceDate"] = "31/01/2023 10:00"
    frame.loc[[5, 300], "Quantity"] = ["many", "∞"]
    frame.loc[[17, 500], "InvoiceDate"] = ["yesterday", ""]
    return pd.concat([frame, frame.iloc[[3, 44, 200]]], ignore_index=True)


# --- order lines


@pytest.mark.slow
@pytest.mark.parametrize("size", [80, 4_000, 1_000_000])
def test_order_lines_in_chunks_are_those_of_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int,
                                                          rng: np.random.Generator) -> None:
    frame = dirty_lines(rng)
    frame["Quantity"] = frame["Quantity"].replace("∞", "7")
    path = tmp_path / "orders.csv"
    frame.head(55 if size == 80 else len(frame)).to_csv(path, index=False, sep=";")
    lines = path.read_text().split("\n")
    lines[20] += ";too;many"
    lines[50] += ";cells"
    lines[-5] += ";more"
    path.write_text("\n".join(lines), encoding="cp1252")
    whole, parts = both(tmp_path, monkeypatch, [path], size)
    assert len(whole.rejected) > 4 and len(whole.findings) > 8
    same(whole, parts)


@pytest.mark.slow
def test_errors_are_found_in_chunks_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator
                                        ) -> None:
    path = tmp_path / "orders.csv"
    dirty_lines(rng).to_csv(path, index=False, sep=";")
    said = []
    for place in ("whole", "parts"):
        with pytest.raises(DataError) as refusal:
            read([path], tmp_path / place)
        said.append(refusal.value.findings)
        small_chunks(monkeypatch)
    assert said[0] == said[1] and "Row 301 holds ∞" in str(said[0])
    assert not list((tmp_path / "parts").glob("*.parquet"))


@pytest.mark.slow
def test_parquet_lines_in_chunks_are_those_of_the_whole_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                            rng: np.random.Generator) -> None:
    frame = dirty_lines(rng).assign(
        Quantity=rng.integers(-2, 9, 903), Price=rng.uniform(-1, 90, 903).round(2),
        InvoiceDate=pd.Timestamp(2023, 1, 1) + pd.to_timedelta(rng.integers(0, 360, 903), "D"))
    frame.loc[4, "Country"] = None
    frame.to_parquet(tmp_path / "orders.parquet", row_group_size=100)
    same(*both(tmp_path, monkeypatch, [tmp_path / "orders.parquet"]))


# --- views, carts and purchases

@pytest.mark.parametrize("size", [30_000, pytest.param(4_000, marks=pytest.mark.slow),
                                  pytest.param(700, marks=pytest.mark.slow)])
def test_shop_events_in_chunks_are_those_of_the_whole_file(size: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                           rng: np.random.Generator) -> None:
    path = tmp_path / "2024-Apr.csv"
    dirty_visits(rng).to_csv(path, index=False)
    whole, parts = both(tmp_path, monkeypatch, [path], size)
    told = " ".join(finding.what for finding in whole.findings)
    assert "event_type is no kind of shop event" in told and "repeat another in the same second" in told
    assert whole.rejected["reason"].str.contains("is not above 0|is no kind").sum() > 20
    same(whole, parts)


@pytest.mark.slow
def test_months_of_shop_events_are_one_history_though_some_are_big(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                  rng: np.random.Generator) -> None:
    every = dirty_visits(rng)
    months = [tmp_path / f"2024-{month}.csv" for month in ("Jan", "Feb", "Mar")]
    for path, rows in zip(months, (every[:200], every[200:1_000], every[1_000:]), strict=True):
        rows.to_csv(path, index=False)
    whole = read(months, tmp_path / "whole")
    small_chunks(monkeypatch)
    monkeypatch.setattr(chunks, "WHOLE_BYTES", months[2].stat().st_size)
    assert [chunks.is_big(path) for path in months] == [False, True, False]
    same(whole, read(months, tmp_path / "parts"))


# --- events beside customers, orders beside events


@pytest.mark.slow
def test_a_company_of_several_files_is_the_same_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, adapter in (("demo-shop", "orders"), ("demo-telecom", "telco")):
        made = DEMOS[name].write(tmp_path / name, 3, 250)
        whole = read(list(made.sources), tmp_path / name / "whole", adapter)
        with monkeypatch.context() as patch:
            small_chunks(patch, 60_000)
            same(whole, read(list(made.sources), tmp_path / name / "parts", adapter))


@pytest.mark.slow
def test_one_big_file_among_small_ones_keeps_their_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Events of one customer at one moment stay in the order of the files."""
    lines = "customer_id,date,order_id,amount\n" + "".join(f"a,2024-01-0{n % 3 + 1},{n},{n + 1}\n" for n in range(30))
    for name in ("1.csv", "2.csv", "3.csv"):
        (tmp_path / name).write_text(lines)
    (tmp_path / "events.csv").write_text("customer_id,at,kind,event_id\na,2024-01-01,cart,x\na,2024-01-01,usage,y\n")
    sources = sorted(tmp_path.glob("*.csv"))
    whole = read(sources, tmp_path / "whole", "orders")
    for size in (len(lines) - 1, 0):
        with monkeypatch.context() as patch:
            small_chunks(patch, 200)
            patch.setattr(chunks, "WHOLE_BYTES", size)
            same(whole, read(sources, tmp_path / f"parts{size}", "orders"))


def test_repeated_event_ids_are_an_error_in_chunks_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "e.csv"
    rows = "".join(f"c{n % 9},2024-01-0{n % 8 + 1},order,e{n % 50},{n}\n" for n in range(60))
    path.write_text("customer_id,at,kind,event_id,amount\n" + rows)
    found = []
    for place in ("whole", "parts"):
        with pytest.raises(DataError, match="10 events repeat an id") as refusal:
            read([path], tmp_path / place, "orders")
        found.append(str(refusal.value))
        small_chunks(monkeypatch, 200)
    assert found[0] == found[1]


# --- beyond what a tally holds


@pytest.mark.slow
def test_texts_beyond_a_tally_are_read_in_the_company_of_the_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                                  rng: np.random.Generator) -> None:
    """The first twenty different dates and prices prove how all are written; nothing later is read otherwise."""
    frame = dirty_lines(rng)
    frame["Quantity"] = frame["Quantity"].replace("∞", "7")
    frame.loc[0, "InvoiceDate"] = "31/01/2023 10:00"
    path = tmp_path / "orders.csv"
    frame.to_csv(path, index=False, sep=";")
    whole = read([path], tmp_path / "whole")
    small_chunks(monkeypatch, texts=20)
    same(whole, read([path], tmp_path / "parts"), findings=False)


# --- refused as in one piece


@pytest.mark.parametrize(("body", "says"), [
    ("id,name\n" + "1,ok\n" * 70_000 + f"2,{'x' * 200_000}\n", "row 70001"), ("id,name\n", "no rows"), ("", "empty"),
    ('id,name\n1,"a\n2,b\n', "quotation mark"), ("id,name\n1,2,3\n4,5,6\n", "line 2"),
    ("id,name\n" + "1,2\n" * 30 + '3,"open\n', "quotation mark"),
])
def test_what_is_refused_as_a_whole_is_refused_in_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str,
                                                        says: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(body)
    for how in (read_raw, chunks.open_chunks):
        with pytest.raises(EngineError, match=says):
            how(path)
        small_chunks(monkeypatch, 1 << 16)


@pytest.mark.parametrize("whole", [True, False])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                         whole: bool) -> None:
    from engine.data import readers

    path = tmp_path / "a.csv"
    path.write_text("customer_id,at,amount\n" + "a,2024-01-01,1\n" * 30)
    small_chunks(monkeypatch)
    digest: Callable[[Path], str] = readers.digest

    def grows(path: Path) -> str:
        with path.open("a") as file:
            file.write("b,2024-01-02,2\n")
        return digest(path)

    for place in (readers, chunks):
        monkeypatch.setattr(place, "digest", grows)
    with pytest.raises(EngineError, match=r"a\.csv changed while it was read. Wait until it is complete"):
        read_raw(path) if whole else chunks.open_chunks(path)


def test_a_file_that_changes_between_the_two_passes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.csv"
    path.write_text("customer_id,at,amount\n" + "a,2024-01-01,1\n" * 30)
    small_chunks(monkeypatch, 100)
    opened = chunks.open_chunks(path)
    path.write_text("customer_id,at,amount\n" + "a,2024-01-01,2\n" * 30)
    with pytest.raises(EngineError, match="changed while it was read"):
        list(opened)


# --- where a block ends


@settings(deadline=None, max_examples=60)
@given(st.lists(st.lists(st.sampled_from(["1", "a\nb", 'say "x"', '"', "", ",", "\n\n", 'x,"\n']), min_size=3,
                         max_size=3), min_size=1, max_size=12), st.integers(20, 90))
def test_blocks_end_where_records_do(rows: list[list[str]], size: int) -> None:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([["a", "b", "c"], *rows])
    layout = Layout("utf-8", ",", ("a", "b", "c"), ())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parts_of, "BLOCK", size)
        patch.setattr(parts_of, "MOST_BLOCKS", 1_000)
        file = io.StringIO(text.getvalue())
        parts_of._skip_header(file, layout)
        blocks = list(parts_of._blocks("a.csv", file, layout))
    assert [row for block in blocks for row in csv.reader(io.StringIO(block))] == rows


# --- the hashes of rows


def test_rows_seen_before_are_known_across_chunks(tmp_path: Path, rng: np.random.Generator) -> None:
    frame = pd.DataFrame({"a": rng.integers(0, 60, 5_000).astype(str), "b": rng.integers(0, 60, 5_000)}).astype(
        {"a": "category"})
    seen = Repeats(tmp_path / "it's here")
    assert not len(seen.rows())
    for start in range(0, 5_000, 370):
        rows = frame.iloc[start:start + 370]
        seen.add(rows.assign(a=rows["a"].cat.remove_unused_categories()))
    assert seen.rows().tolist() == np.flatnonzero(frame.duplicated()).tolist()


def test_parts_of_nothing_are_no_table(tmp_path: Path) -> None:
    empty = pd.DataFrame({"customer_id": [], "at": [], "kind": []})
    part = spool.keep_part(tmp_path, 0, empty)
    assert pq.read_table(part).schema.field("at").type == pa.timestamp("us")
    known, first = spool.first_orders([part], tmp_path)
    assert len(known) == len(first) == 0 and spool.last_moments(part, NOW) == (None, None)


# --- what kind a big file is


def test_the_first_chunks_look_as_a_file_of_the_same_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                          rng: np.random.Generator) -> None:
    frame, path, short = dirty_lines(rng), tmp_path / "orders.csv", tmp_path / "begun.csv"
    frame.to_csv(path, index=False, sep=";")
    small_chunks(monkeypatch)
    begun = chunks.beginning(path)
    assert 100 < len(begun) < 500
    frame.head(len(begun)).to_csv(short, index=False, sep=";")
    assert str(looks(begun)) == str(looks(read_raw(short).frame))


OWN = {"InvoiceDate": "fecha", "Customer ID": "cliente", "Price": "precio"}


@pytest.mark.parametrize("names", [{}, OWN], ids=["known", "own"])
def test_a_big_history_is_told_without_reading_it_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
                                                        names: dict[str, str], rng: np.random.Generator) -> None:
    path = tmp_path / "orders.csv"
    dirty_lines(rng).rename(columns=names).to_csv(path, index=False, sep=";")
    small_chunks(monkeypatch)
    monkeypatch.setattr(kinds, "read_raw", lambda _path: pytest.fail("It was read as a whole."))
    assert kinds.kind_of([path]).adapter == "orders"


def test_a_big_table_of_customers_is_no_history_and_may_be_too_big(tmp_path: Path, monkeypatch: pytest.MonkeyPatch
                                                                   ) -> None:
    path, note = tmp_path / "customers.csv", "such is life, more or less"
    pd.DataFrame({"customer_id": range(30_000), "date": "2024-05-01", "amount": 12.5, "note": note}).to_csv(path)
    small_chunks(monkeypatch, 40_000)
    assert kinds.kind_of([path]).adapter == ""
    monkeypatch.setenv("HOLDFAST_WHOLE_MB", "1")
    with pytest.raises(EngineError, match=r"customers.csv has 2 MB.*up to 1 MB.*HOLDFAST_WHOLE_MB"):
        read_raw(path)
    path.write_text("a,b\n" + "\n" * 50_000, encoding="utf-8")
    with pytest.raises(EngineError, match="no rows"):
        chunks.beginning(path)
