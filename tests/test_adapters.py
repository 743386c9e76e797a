"""Adapters: a company's files in; customers, events, offers, findings and rejected rows out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from engine.data.adapters import ADAPTERS, guess, read
from engine.errors import DataError, EngineError
from engine.schema import EVENTS, Reading, to_json

NOW = datetime(2024, 6, 1, 15, 30)
TELCO = ADAPTERS["telco"].required
PERSON = ("Female", "0", "Yes", "No", "12", "Yes", "No", "DSL", "No", "Yes", "No", "No", "No", "No", "One year", "Yes",
          "Mailed check", "50.00", "600.00")
SHOP = ADAPTERS["shop_snapshot"].required
VISITOR = ("30", "5", "500", "100", "20", "7.5", "60", "90", "1", "3", "20", "0")


def save(path: Path, header: object, *rows: object) -> Path:
    lines = [",".join(map(str, row)) if not isinstance(row, str) else row for row in (header, *rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def telco(folder: Path, rows: Mapping[str, Mapping[str, str]], extra: tuple[str, ...] = ("Churn",)) -> Path:
    """A Telco file with one ordinary person per id, changed as said."""
    names = (*TELCO, *extra)
    people = [{**dict(zip(TELCO, (key, *PERSON), strict=True)), "Churn": "No", **change}
              for key, change in rows.items()]
    return save(folder / "telco.csv", names, *[[person.get(name, "") for name in names] for person in people])


def shop(folder: Path, *changes: Mapping[str, str]) -> Path:
    rows = [{**dict(zip(SHOP, (f"C{n}", *VISITOR), strict=True)), **change} for n, change in enumerate(changes)]
    return save(folder / "shop.csv", SHOP, *[row.values() for row in rows])


def orders(folder: Path, *lines: str, header: str = "Invoice,StockCode,Quantity,InvoiceDate,Price,Customer ID") -> Path:
    return save(folder / "orders.csv", header, *lines)


def reading(*sources: Path, adapter: str | None = None, **options: Any) -> Reading:
    return read(sources, sources[0].parent / "out", adapter, name="acme", now=NOW, options=options)


def events(result: Reading) -> pd.DataFrame:
    assert result.dataset.events is not None
    return pd.read_parquet(result.dataset.events)


def said(result: Reading) -> str:
    return "\n".join(map(str, result.findings))


# ------------------------------------------------------------------------------------------------------- telco

def test_telco_gives_canonical_columns_and_a_label(tmp_path: Path) -> None:
    result = reading(telco(tmp_path, {"0007": {}, "0008": {"Churn": "Yes", "tenure": "3"}}))
    dataset, frame = result.dataset, result.dataset.frame()
    assert (dataset.adapter, dataset.sector, dataset.kind) == ("telco", "telecom", "snapshot")
    assert frame.index.tolist() == ["0007", "0008"]
    assert frame["churned"].tolist() == [0, 1] and frame["tenure_months"].tolist() == [12, 3]
    assert frame.loc["0007", ["partner", "dependents", "paperless_billing"]].tolist() == [1, 0, 1]
    assert frame.loc["0007", "contract"] == "One year" and frame.loc["0007", "multiple_lines"] == "No"
    assert dataset.names == list(frame.columns)
    assert dataset.observed_until == datetime(2024, 6, 1)
    assert (dataset.money.column, dataset.money.per) == ("monthly_charges", "month")


def test_a_file_that_does_not_say_its_day_is_taken_to_be_of_today_and_that_is_said(tmp_path: Path) -> None:
    path = telco(tmp_path, {"1": {}})
    undated, dated = reading(path), reading(path, observed_until="2024-03-31")
    [note] = [finding for finding in undated.findings if "--as-of" in finding.fix]
    assert (note.severity, note.where) == ("note", path.name)
    assert note.what == "The file does not say when it was drawn; today (2024-06-01) is taken."
    assert not [finding for finding in dated.findings if "--as-of" in finding.fix]
    assert undated.dataset.version != dated.dataset.version


def test_telco_takes_a_quarter_and_says_so_unless_told(tmp_path: Path) -> None:
    path = telco(tmp_path, {"1": {}})
    assumed, told = reading(path), reading(path, horizon_days=30)
    assert assumed.dataset.label.horizon_days == 91 and assumed.dataset.label.assumed
    assert "91 days are taken" in said(assumed) and "month" in said(assumed) and "year" in said(assumed)
    assert told.dataset.label.horizon_days == 30 and not told.dataset.label.assumed and "quarter" not in said(told)
    assert assumed.dataset.version != told.dataset.version
    with pytest.raises(EngineError, match="horizon_days"):
        reading(path, horizon_days="soon")


def test_total_charges_are_zero_before_the_first_bill_and_missing_later(tmp_path: Path) -> None:
    path = telco(tmp_path, {"1": {"tenure": "0", "TotalCharges": " "}, "2": {"TotalCharges": ""}, "3": {}})
    result = reading(path)
    total = result.dataset.frame()["total_charges"]
    assert total["1"] == 0 and pd.isna(total["2"]) and total["3"] == 600
    assert "1 value is blank where tenure is 0" in said(result) and "tenure is above 0" in said(result)


def test_what_else_was_read_into_total_charges_is_told_beside_the_blanks(tmp_path: Path) -> None:
    result = reading(telco(tmp_path, {"1": {"tenure": "0", "TotalCharges": " "}, "2": {"TotalCharges": '"$1,889.50"'}}))
    notes = [finding.what for finding in result.findings if finding.where == "TotalCharges"]
    assert result.dataset.frame()["total_charges"].to_dict() == {"1": 0.0, "2": 1889.5}
    assert notes == ["Values carry currency signs (USD).", "Numbers have thousands separators.",
                     "1 value is blank where tenure is 0."]


def test_a_file_without_the_answer_can_be_scored(tmp_path: Path) -> None:
    result = reading(telco(tmp_path, {"1": {}}, extra=()))
    assert result.dataset.label.kind == "none" and "churned" not in result.dataset.frame()


def test_rows_that_cannot_be_taken_are_kept_with_their_reason(tmp_path: Path) -> None:
    people = {str(n): {} for n in range(5)} | {"5": {"tenure": "abc"}, "6": {"MonthlyCharges": ""}, "": {}}
    result = reading(telco(tmp_path, people))
    assert result.dataset.frame().index.tolist() == ["0", "1", "2", "3", "4"]
    assert result.rejected[["source", "row", "reason"]].to_numpy().tolist() == [
        ["telco.csv", 6, "tenure: 'abc' is not a number"],
        ["telco.csv", 7, "MonthlyCharges is blank"],
        ["telco.csv", 8, "customerID is blank"],
    ]
    assert result.rejected["tenure"].tolist() == ["abc", "12", "12"]


def test_more_than_half_the_rows_rejected_stops_the_work(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="2 of 3 rows"):
        reading(telco(tmp_path, {"1": {}, "2": {"tenure": "x"}, "3": {"tenure": "y"}}))
    assert not (tmp_path / "out").exists()


def test_repeated_rows_are_dropped_and_contradicting_ones_refused(tmp_path: Path) -> None:
    path = telco(tmp_path, {"1": {}, "2": {}})
    path.write_text(path.read_text() + path.read_text().splitlines()[-1] + "\n")
    result = reading(path)
    assert len(result.dataset.frame()) == 2 and "1 row repeats another exactly" in said(result)
    path.write_text(path.read_text() + path.read_text().splitlines()[-1].replace("600.00", "601.00") + "\n")
    with pytest.raises(DataError, match="such as 2"):
        reading(path)


def test_all_errors_are_told_at_once_and_nothing_is_written(tmp_path: Path) -> None:
    with pytest.raises(DataError) as refusal:
        reading(telco(tmp_path, {"1": {"MonthlyCharges": "inf"}, "2": {"TotalCharges": "1e308"}, "3": {}}))
    assert [finding.where for finding in refusal.value.findings] == ["MonthlyCharges", "TotalCharges"]
    assert "Row 1 holds inf" in str(refusal.value) and "Row 2 holds 1e308" in str(refusal.value)
    assert not (tmp_path / "out").exists()


def test_ids_that_differ_by_zeros_are_different_customers(tmp_path: Path) -> None:
    assert reading(telco(tmp_path, {"1": {}, "01": {}})).dataset.frame().index.tolist() == ["1", "01"]


def test_ids_that_are_number_and_text_at_once_are_refused(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    book.active.append(list(TELCO))
    for key in (7, "7"):
        book.active.append([key, *PERSON])
    book.save(tmp_path / "t.xlsx")
    with pytest.raises(EngineError, match="same id"):
        reading(tmp_path / "t.xlsx")


def test_contact_columns_and_further_columns_are_kept(tmp_path: Path) -> None:
    extra = ("Churn", "E-Mail", "First Name", "SMS consent", "Satisfaction Score", "City")
    path = telco(tmp_path, {"1": {"E-Mail": "a@example.org", "First Name": "Ann", "SMS consent": "yes",
                                  "Satisfaction Score": "3.5", "City": "Ulm"}, "2": {"SMS consent": "maybe"}}, extra)
    result = reading(path)
    row = result.dataset.frame().loc["1"]
    assert row[["email", "first_name", "consent_sms"]].tolist() == ["a@example.org", "Ann", 1]
    assert row[["satisfaction_score", "city"]].tolist() == [3.5, "Ulm"]
    kinds = {column.name: column.kind for column in result.dataset.columns}
    assert kinds["satisfaction_score"] == "number" and kinds["city"] == "category" and kinds["email"] == "text"
    assert "2 further columns: Satisfaction Score, City" in said(result)
    assert len(result.dataset.frame()) == 2, "an unreadable consent does not reject the customer"


@pytest.mark.parametrize("way", ["xlsx", "parquet", "semicolon"])
def test_every_way_of_storing_gives_the_same_customers(tmp_path: Path, way: str) -> None:
    plain = telco(tmp_path, {"001": {"MonthlyCharges": "1234.5"}, "002": {"Churn": "Yes"}})
    frame = pd.read_csv(plain, dtype={"customerID": str})
    if way == "xlsx":
        frame.to_excel(tmp_path / "t.xlsx", index=False)
    elif way == "parquet":
        frame.to_parquet(tmp_path / "t.parquet")
    else:
        text = plain.read_text().replace(",", ";").replace("1234.5", '"1.234,5"').replace("50.00", "50,00")
        (tmp_path / "t.csv").write_text(text.replace("600.00", "600,00"), encoding="utf-16")
    other = next(tmp_path.glob("t.*"))
    pd.testing.assert_frame_equal(reading(other).dataset.frame(), reading(plain).dataset.frame())


def test_events_and_offers_come_as_extra_sources(tmp_path: Path) -> None:
    happened = save(tmp_path / "events.csv", "customer_id,at,kind,amount,quantity", "2,2024-03-01 10:00,ticket,,-0.5",
                    "1,2024-02-01,payment,50,", "1,2024-01-01,Usage,,3.5", "9,2024-01-01,usage,,1",
                    "1,2024-01-02,dance,,1")
    made = save(tmp_path / "offers.csv", "customer_id,offered_at,treatment,propensity,churned,margin,tenure_months",
                "2,2024-01-01,none,0.5,0,10,3", "1,2024-01-01,discount,0.5,1,,2")
    result = reading(happened, telco(tmp_path, {"1": {}, "2": {}}), made)
    assert result.dataset.adapter == "telco"
    assert events(result)[["event_id", "customer_id", "kind"]].to_numpy().tolist() == [
        ["1-3", "1", "usage"], ["1-2", "1", "payment"], ["1-1", "2", "ticket"]]
    assert EVENTS.validate(events(result)) == []
    assert result.rejected["reason"].tolist() == ["kind: 'dance' is no kind of event", "customer '9' is unknown"]
    assert result.dataset.observed_until == datetime(2024, 3, 2)
    offers = pd.read_parquet(result.dataset.offers or "")
    assert offers["treatment"].tolist() == ["discount", "none"] and offers["tenure_months"].tolist() == [2, 3]


# ------------------------------------------------------------------------------------------------------- shop

def test_the_shop_snapshot_is_labelled_by_recency_and_keeps_shares(tmp_path: Path) -> None:
    result = reading(shop(tmp_path, {}, {"Recency": "91", "Cart_Abandon_Rate": "17.6"}, {"Recency": "90"}))
    rule, frame = result.dataset.label, result.dataset.frame()
    assert (rule.kind, rule.column, rule.above, rule.same_instant) == ("threshold", "recency_days", 90, True)
    assert (frame[rule.column] > rule.above).tolist() == [False, True, False]
    assert frame["cart_abandon_rate"].tolist() == pytest.approx([0.2, 0.176, 0.2])
    assert frame["avg_session_minutes"].tolist() == [7.5] * 3
    assert result.dataset.money.column == "monetary" and result.dataset.money.assumed
    assert "same moment" in said(result) and "percent" in said(result)


def test_the_companys_scale_is_remembered_for_files_to_be_scored(tmp_path: Path) -> None:
    options = reading(shop(tmp_path, {}, {})).dataset.options
    one = reading(shop(tmp_path, {"Cart_Abandon_Rate": "0.10"}), **options)
    assert one.dataset.frame()["cart_abandon_rate"].tolist() == [0.001]
    assert "the company's data are in percent" in said(one)
    assert reading(shop(tmp_path, {"Cart_Abandon_Rate": "0.10"})).dataset.frame()["cart_abandon_rate"].tolist() == [0.1]


# ------------------------------------------------------------------------------------------------------- orders

def test_orders_returns_cancellations_and_corrections_are_told_apart(tmp_path: Path) -> None:
    result = reading(orders(
        tmp_path, "1,A,2,01/12/2010 08:26,1.50,7", "1,A,2,01/12/2010 08:26,1.50,7", "1,B,1,01/12/2010 08:26,3,7",
        "C2,A,-1,13/12/2010 09:00,1.50,7", "3,A,-2,14/12/2010 09:00,1.50,007", "4,A,1,15/12/2010 09:00,2,007",
        "A5,B,1,15/12/2010 10:00,11062.06,7", "6,X,1,15/12/2010 11:00,0,7", "7,X,1,15/12/2010 11:00,4,",
        "8,X,0,15/12/2010 11:00,4,7"))
    found = events(result)
    assert found[["customer_id", "kind", "group_id", "amount", "quantity", "item_id"]].to_numpy().tolist() == [
        ["007", "return", "3", 3.0, 2, "A"], ["007", "order", "4", 2.0, 1, "A"], ["7", "order", "1", 3.0, 2, "A"],
        ["7", "order", "1", 3.0, 1, "B"], ["7", "cancellation", "C2", 1.5, 1, "A"]]
    assert found["at"].iloc[-1] == pd.Timestamp(2010, 12, 13, 9)
    assert sorted(result.rejected["reason"]) == [
        "Customer ID is blank", "Invoice: A5 is an adjustment, not an order", "Price: 0 is not above 0",
        "Quantity is 0"]
    assert "1 line repeats another" in said(result) and "DD/MM/YYYY" in said(result)
    assert result.dataset.frame()["first_order_at"].tolist() == [pd.Timestamp(2010, 12, 15, 9),
                                                                 pd.Timestamp(2010, 12, 1, 8, 26)]
    label = result.dataset.label
    assert (result.dataset.kind, label.kind, label.horizon_days) == ("orders", "inactivity", 90)
    assert result.dataset.observed_until == datetime(2010, 12, 16)


def test_amounts_without_order_ids_keep_every_line(tmp_path: Path) -> None:
    """Two equal lines on one day may be two purchases; without an order id nothing says that they are not."""
    path = orders(tmp_path, "1,20240101,5", "1,20240101,5", "2,20240103,-4", "2,20240102,0",
                  header="customer_id,date,amount")
    found = events(reading(path))
    assert found[["customer_id", "kind", "amount"]].to_numpy().tolist() == [
        ["1", "order", 5], ["1", "order", 5], ["2", "order", 0], ["2", "return", 4]]
    assert found["group_id"].nunique() == 3 and found["event_id"].is_unique


def test_customers_and_events_complete_the_orders(tmp_path: Path) -> None:
    lines = orders(tmp_path, "1,A,1,2024-01-01,2,x", "2,A,1,2024-01-05,2,y")
    people = save(tmp_path / "people.csv", "customer_id,email,plan", "x,x@example.org,gold", "z,z@example.org,blue")
    visits = save(tmp_path / "visits.csv", "customer_id,at,kind,quantity", "x,2024-02-01,session,5",
                  "q,2024-02-01,cart,1")
    result = reading(people, visits, lines)
    frame = result.dataset.frame()
    assert frame.index.tolist() == ["x", "y", "z"] and frame["plan"].tolist() == ["gold", None, "blue"]
    assert pd.isna(frame.loc["z", "first_order_at"]) and "1 customer has no order" in said(result)
    assert events(result)["kind"].tolist() == ["order", "session", "order"]
    assert result.dataset.observed_until == datetime(2024, 2, 2)
    assert result.rejected["reason"].tolist() == ["customer 'q' is unknown"]


def test_several_order_files_are_one_history(tmp_path: Path) -> None:
    first = orders(tmp_path, "1,A,1,2024-01-01,2,x")
    second = save(tmp_path / "more.csv", "CustomerID,InvoiceNo,InvoiceDate,Quantity,UnitPrice", "x,2,2024-02-01,3,4")
    found = events(reading(first, second))
    assert found["amount"].tolist() == [2, 12] and found["event_id"].tolist() == ["0-1", "1-1"]


def test_orders_after_now_do_not_move_the_moment_of_observation(tmp_path: Path) -> None:
    path = orders(tmp_path, "1,A,1,2024-05-01 10:00,2,x", "2,A,1,2204-01-05,2,x", "3,A,1,2044-01-05,2,x")
    assert reading(path, adapter="orders").dataset.observed_until == datetime(2024, 5, 2)
    assert reading(path, observed_until="2024-04-30").dataset.observed_until == datetime(2024, 4, 30)
    assert reading(path, observed_until="2024-04-30T02:00+02:00").dataset.observed_until == datetime(2024, 4, 30)
    with pytest.raises(EngineError, match="2011-12-10"):
        reading(path, observed_until="last week")


# ------------------------------------------------------------------------------------------------------- table

MAPPING = """
id = "client"
horizon_days = 30
sector = "saas"
currency = "EUR"
tenure = "months"
recency = "idle"
categorical = ["plan"]
numeric = ["seats"]
ignored = ["note"]
[label]
column = "status"
positive = "gone"
[money]
column = "mrr"
per = "month"
"""
CLIENTS = ("client,status,mrr,months,idle,plan,seats,note,Region", "a,Gone,10,3,50,1,2,hm,north",
           "b,active,\"1,020.50\",8,2,2,x,hm,south", "c,,30,9,1,1,4,hm,south")


def table(folder: Path, mapping: str = MAPPING, clients: tuple[str, ...] = CLIENTS) -> Reading:
    (folder / "map.toml").write_text(mapping)
    return reading(save(folder / "clients.csv", *clients), adapter="table", mapping=folder / "map.toml")


def test_a_mapping_says_what_a_table_means(tmp_path: Path) -> None:
    result = table(tmp_path)
    dataset, frame = result.dataset, result.dataset.frame()
    assert (dataset.sector, dataset.currency, dataset.label.horizon_days) == ("saas", "EUR", 30)
    assert (dataset.money.column, dataset.money.per) == ("mrr", "month")
    assert frame["churned"].tolist()[:2] == [1, 0] and pd.isna(frame.loc["c", "churned"])
    roles = frame[["mrr", "tenure_months", "recency_days"]].to_numpy().tolist()
    assert roles == [[10, 3, 50], [1020.5, 8, 2], [30, 9, 1]]
    assert frame["plan"].tolist() == ["1", "2", "1"] and "note" not in frame
    assert pd.isna(frame.loc["b", "seats"]) and "not a number, for example 'x'" in said(result)
    assert frame["region"].tolist() == ["north", "south", "south"] and "1 further column: Region" in said(result)


def test_what_a_mapping_names_must_exist(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"'mrrr', but clients\.csv has the columns: client, status"):
        table(tmp_path, MAPPING.replace('"mrr"', '"mrrr"'))
    with pytest.raises(EngineError, match=r"may hold .*tenure"):
        table(tmp_path, 'ident = "client"\n' + MAPPING)
    with pytest.raises(EngineError, match="lacks 'id'"):
        table(tmp_path, MAPPING.replace('id = "client"', ""))
    with pytest.raises(EngineError, match="not valid TOML"):
        table(tmp_path, "id = client")
    with pytest.raises(EngineError, match="needs a mapping"):
        reading(tmp_path / "clients.csv", adapter="table")


def test_a_table_without_its_label_can_be_scored_with_the_same_options(tmp_path: Path) -> None:
    options = table(tmp_path).dataset.options
    path = save(tmp_path / "new.csv", "client,mrr,months,idle,plan,seats,note", "a,1,2,3,4,5,n")
    new = reading(path, adapter="table", **options)
    assert new.dataset.label.kind == "none" and "'status' is not in the file" in said(new)


def test_a_positive_value_that_never_occurs_is_reported(tmp_path: Path) -> None:
    assert "the values are Gone, active" in said(table(tmp_path, MAPPING.replace('"gone"', '"cancelled"')))


def test_a_table_is_of_the_day_after_customers_were_last_seen_unless_a_day_is_told(tmp_path: Path) -> None:
    clients = ("client,status,mrr,months,idle,plan,seats,note,Last Visit,Renewal", *(
        f"{who},active,10,3,5,1,2,hm,2024-03-{day},2031-01-01" for who, day in (("a", "02"), ("b", "30"), ("c", "11"))))
    dated = MAPPING.replace('categorical = ["plan"]', 'categorical = ["plan"]\ndates = ["Last Visit", "Renewal"]')
    found = table(tmp_path, dated, clients)
    assert found.dataset.observed_until == datetime(2024, 3, 31)
    assert "the last value of Last Visit is of 2024-03-30" in said(found)
    (tmp_path / "map.toml").write_text(dated)
    told = reading(tmp_path / "clients.csv", adapter="table", mapping=tmp_path / "map.toml",
                   observed_until="2024-05-01")
    assert told.dataset.observed_until == datetime(2024, 5, 1)


def test_answers_of_several_kinds_that_count_as_having_stayed_are_told(tmp_path: Path) -> None:
    joined = (*CLIENTS, "d,joined,7,0,1,1,1,hm,north", "e,active,7,4,1,1,1,hm,north")
    found = next(one for one in table(tmp_path, clients=joined).findings if "count as having stayed" in one.what)
    assert (found.severity, found.where, found.rows) == ("warning", "status", 1)
    assert "active (2), joined (1)" in found.what
    assert "count as having stayed" not in said(table(tmp_path)), "Of one kind there is nothing to tell."


# ------------------------------------------------------------------------------------------------------- all

def test_the_adapter_is_guessed_from_the_columns_of_any_source(tmp_path: Path) -> None:
    assert guess([telco(tmp_path, {"1": {}})]).name == "telco"
    assert guess([shop(tmp_path, {})]).name == "shop_snapshot"
    assert guess([orders(tmp_path, "1,A,1,2024-01-01,2,x")]).name == "orders"


def test_a_file_that_fits_nothing_says_what_each_adapter_needs(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as refusal:
        guess([save(tmp_path / "x.csv", "customer_id,date,colour", "1,2024-01-01,red")])
    for words in ("telco lacks", "tenure", "shop_snapshot lacks", "Recency", "orders lacks price or amount", "table"):
        assert words in str(refusal.value)


def test_a_nearly_fitting_file_is_told_the_one_missing_column(tmp_path: Path) -> None:
    path = telco(tmp_path, {"1": {}})
    path.write_text(path.read_text().replace("Contract,", "Kontrakt,"))
    with pytest.raises(EngineError, match="telco lacks Contract;"):
        reading(path)
    with pytest.raises(EngineError, match="customers lack the columns contract"):
        reading(path, adapter="telco")


def test_an_unknown_adapter_is_refused(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"Choose one of: .*orders"):
        reading(telco(tmp_path, {"1": {}}), adapter="telko")


def test_the_version_follows_bytes_options_and_moment_and_the_tables_repeat(tmp_path: Path) -> None:
    path = orders(tmp_path, "1,A,1,2024-01-01,2,x", "2,A,1,2024-01-05,2,y")
    first = reading(path)
    bytes_before = [file.read_bytes() for file in sorted((tmp_path / "out").iterdir())]
    again = reading(path)
    assert to_json(first.dataset) == to_json(again.dataset) and len(first.dataset.version) == 12
    assert bytes_before == [file.read_bytes() for file in sorted((tmp_path / "out").iterdir())]
    assert reading(path, currency="EUR").dataset.version != first.dataset.version
    assert reading(path, observed_until="2024-02-01").dataset.version != first.dataset.version
    path.write_text(path.read_text() + "3,A,1,2024-01-05,2,y\n")
    assert reading(path, observed_until="2024-01-06").dataset.version != first.dataset.version


def test_an_unwritable_folder_is_refused_with_advice(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file is in the way")
    with pytest.raises(EngineError, match="cannot be written"):
        reading(telco(tmp_path, {"1": {}}))


def test_a_currency_sign_names_the_currency(tmp_path: Path) -> None:
    path = telco(tmp_path, {"1": {"MonthlyCharges": "£50", "TotalCharges": "£600"}})
    assert reading(path).dataset.currency == "GBP" and reading(path, currency="EUR").dataset.currency == "EUR"


@pytest.mark.parametrize(("sign", "said", "found"), [
    ("€", "USD", "EUR"), ("$", "EUR", "USD"), ("£", "CAD", "GBP"), ("$", "CAD", ""), ("€", "EUR", ""), ("€", "eur", ""),
    ("", "EUR", ""), ("€", "", ""),
])
def test_signs_of_another_currency_than_the_one_agreed_on_are_severe(tmp_path: Path, sign: str, said: str,
                                                                    found: str) -> None:
    path = telco(tmp_path, {"1": {"MonthlyCharges": f"{sign}50", "TotalCharges": f"{sign}600"}})
    told = [one for one in reading(path, currency=said).findings if one.where == "currency"]
    assert [one.severity for one in told] == (["severe"] if found else [])
    assert all(said in one.what and f"the sign of {found}" in one.what for one in told)


# ------------------------------------------------------------------------------------------------------- real files

@pytest.mark.real
def test_telco_in_full(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    result = read([real_data("telco_ibm_21/Telco-Customer-Churn.csv")], tmp_path, name="telco", now=NOW)
    frame = result.dataset.frame()
    assert (len(frame), frame["churned"].sum(), len(result.rejected)) == (7043, 1869, 0)
    assert "11 values are blank where tenure is 0" in said(result)
    assert (frame["total_charges"] == 0).sum() == 11 and not frame.isna().any().any()


@pytest.mark.real
def test_the_shop_snapshot_in_full(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    path = real_data("ecommerce_user_segmentation/ecommerce_user_segmentation.csv")
    frame = read([path], tmp_path, name="shop", now=NOW).dataset.frame()
    assert (len(frame), (frame["recency_days"] > 90).sum()) == (10_000, 1_069)
    assert frame["cart_abandon_rate"].max() <= 0.5 and set(frame["segment_label"]) == {
        "Iron", "Copper", "Silver", "Gold", "Platinum"}


@pytest.mark.real
@pytest.mark.slow
def test_online_retail_in_full(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    """Every count beside the same count made with plain pandas."""
    path = real_data("online_retail_ii_uci/online_retail_two_years_dedup_window.parquet")
    result = read([path], tmp_path, name="retail", now=NOW)
    raw = pd.read_parquet(path)
    known = raw[raw["Customer ID"].notna()]
    lines = known.drop_duplicates()
    lines = lines[lines["Price"] > 0]
    sold = lines[~lines["Invoice"].str.startswith("C")]
    found = events(result)
    bought = found[found["kind"] == "order"]
    assert (len(raw) - len(known), len(found), len(bought)) == (235_287, len(lines), len(sold))
    assert (found["kind"] == "cancellation").sum() == 18_390 and found["customer_id"].nunique() == 5_939
    assert bought["amount"].sum() == pytest.approx((sold["Quantity"] * sold["Price"]).sum())
    assert bought["group_id"].nunique() == sold["Invoice"].nunique() == 36_969
    assert set(found["customer_id"]) == {f"{customer:.0f}" for customer in lines["Customer ID"]}
    assert result.dataset.observed_until == datetime(2011, 12, 10)
    assert found["customer_id"].is_monotonic_increasing and EVENTS.validate(found) == []


@pytest.mark.real
@pytest.mark.slow
def test_cdnow_in_full(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    result = read([real_data("cdnow/CDNOW_master.txt")], tmp_path, name="cdnow", now=NOW)
    found = events(result)
    assert (len(found), found["customer_id"].nunique(), len(result.rejected)) == (69_659, 23_570, 0)
    assert (found["amount"] == 0).sum() == 80 and found["customer_id"].iloc[0] == "00001"
    assert result.dataset.observed_until == datetime(1998, 7, 1)
    assert result.dataset.frame()["first_order_at"].max() < pd.Timestamp(1997, 4, 1)


@pytest.mark.real
def test_a_log_of_views_is_not_taken_for_orders(real_data: Callable[[str], Path], tmp_path: Path) -> None:
    log = real_data("rees46_sample/2019-Oct_head17435.csv")
    assert guess([log]).name == "shop_events"
    with pytest.raises(DataError, match="No order is left"):
        read([log], tmp_path, "orders", name="log", now=NOW)


def test_offers_known_by_the_very_id_of_the_mapping_are_no_customers(tmp_path: Path) -> None:
    clients = [row.replace("client", "customer_id") for row in CLIENTS]
    (tmp_path / "map.toml").write_text(MAPPING.replace("client", "customer_id"))
    who = [row.split(",")[0] for row in clients[1:3]]
    made = save(tmp_path / "offers.csv", "customer_id,offered_at,treatment,propensity,churned",
                f"{who[0]},2024-01-01,none,0.5,0", f"{who[1]},2024-01-01,discount,0.5,1")
    result = reading(made, save(tmp_path / "clients.csv", *clients), adapter="table", mapping=tmp_path / "map.toml")
    assert pd.read_parquet(result.dataset.offers or "")["treatment"].tolist() == ["none", "discount"]
    assert len(result.dataset.frame()) == len(clients) - 1


def test_a_parquet_of_numbers_is_read_as_a_csv_of_text(tmp_path: Path) -> None:
    pq.write_table(pa.table({"CustomerID": [7.0, 8.0], "InvoiceDate": pa.array([datetime(2024, 1, 1)] * 2),
                             "Amount": [5, 6]}), tmp_path / "o.parquet")
    assert events(reading(tmp_path / "o.parquet"))["customer_id"].tolist() == ["7", "8"]


def test_a_full_disk_leaves_nothing_half_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = orders(tmp_path, "1,A,1,2024-01-01,2,x", "2,A,1,2024-01-05,2,y")
    write = pq.write_table

    def full(table: pa.Table, where: Path, **settings: Any) -> None:
        write(table, where, **settings)
        if "events" in where.name:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(pq, "write_table", full)
    with pytest.raises(EngineError, match="No space left on device"):
        reading(path)
    assert list((tmp_path / "out").iterdir()) == []
