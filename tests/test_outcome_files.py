"""Files of outcomes: read under the names that teams give, and no row lost without a reason."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

from engine.campaign.outcome_files import NAMES, OutcomeFile, form, read_outcomes
from engine.errors import EngineError
from engine.schema import OUTCOMES

NOW = datetime(2024, 9, 1, 12, 0)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Where the file lies."""
    return tmp_path / "outcomes.csv"


def read(path: Path, text: str, **given: Any) -> OutcomeFile:
    """What the text says as a file."""
    path.write_text(text, encoding="utf-8")
    found = read_outcomes(path, "c1", now=NOW, **given)
    assert OUTCOMES.validate(found.outcomes) == []
    return found


def told(found: OutcomeFile) -> dict[str, int]:
    """Who stayed."""
    return dict(zip(found.outcomes["customer_id"], found.outcomes["stayed"].astype(int), strict=True))


def test_the_form_filled_in_is_a_file_of_outcomes(file: Path) -> None:
    empty = form(pd.DataFrame({"customer_id": ["007", "=8", "9"], "campaign_id": "c1"})).decode("utf-8-sig")
    head, *lines = empty.split("\r\n")[:-1]
    assert head == "customer_id,stayed,revenue,observed_at,campaign_id"
    assert lines == ["007,,,,c1", "'=8,,,,c1", "9,,,,c1"]
    found = read(file, empty.replace("007,,", "007,1,12.5").replace("8,,", "8,no,"))
    assert told(found) == {"007": 1, "=8": 0}
    assert found.rejected["reason"].tolist() == ["does not say whether the customer stayed"]
    assert found.outcomes["observed_at"].tolist() == [pd.Timestamp(NOW)] * 2


ADDRESSES = {"ann@x.org": "A1", "bob@x.org": "B2", "both@x.org": ""}


def test_customers_are_known_by_their_address_where_no_id_is_given(file: Path) -> None:
    found = read(file, "E-mail address,Retained,Spend\n Ann@X.org,yes,5\nBOB@x.org,no,\nboth@x.org,yes,\n"
                       "stranger@x.org,yes,\nnobody,yes,\n,yes,\nann@x.org,yes,5\n", addresses=ADDRESSES)
    assert told(found) == {"A1": 1, "B2": 0} and found.outcomes["revenue"].iloc[0] == 5
    assert found.rejected[["row", "column", "reason"]].to_numpy().tolist() == [
        [3, "E-mail address", "is the address of several customers in this campaign"],
        [4, "E-mail address", "is the address of nobody in this campaign"],
        [5, "E-mail address", "not an e-mail address"], [6, "E-mail address", "empty"]]
    assert "stranger" not in found.rejected.to_string(), "Addresses are masked."


def test_two_outcomes_of_one_address_are_taken_neither(file: Path) -> None:
    found = read(file, "email,stayed\nann@x.org,1\nANN@x.org,0\n", addresses=ADDRESSES)
    assert told(found) == {} and len(found.rejected) == 2


def test_an_id_goes_before_an_address(file: Path) -> None:
    assert told(read(file, "email,customer_id,stayed\nann@x.org,C7,1\n", addresses=ADDRESSES)) == {"C7": 1}


def test_a_file_as_the_template_has_it(file: Path) -> None:
    found = read(file, "customer_id,stayed,revenue,observed_at\n007,1,12.50,2024-08-31\n8,0,,2024-08-30T10:00:00Z\n")
    assert found.outcomes.to_dict("records") == [
        {"campaign_id": "c1", "customer_id": "007", "observed_at": pd.Timestamp(2024, 8, 31), "stayed": 1,
         "revenue": 12.5},
        {"campaign_id": "c1", "customer_id": "8", "observed_at": pd.Timestamp(2024, 8, 30, 10), "stayed": 0,
         "revenue": pytest.approx(float("nan"), nan_ok=True)}]
    assert found.rejected.empty


@pytest.mark.parametrize("name", sorted(NAMES["customer_id"]))
@pytest.mark.parametrize("styled", [str.upper, lambda name: f" {name.replace('_', ' ').title()} "])
def test_common_names_of_the_id(file: Path, name: str, styled: object) -> None:
    assert told(read(file, f"{styled(name)},Retained\nC1,yes\nC2,No\n")) == {"C1": 1, "C2": 0}


@pytest.mark.parametrize("name", sorted((*NAMES["stayed"], *NAMES["left"])))
@pytest.mark.parametrize(("yes", "no"), [("1", "0"), ("Yes", "no"), ("TRUE", "false"), ("y", "n")])
def test_common_names_and_words_of_staying(file: Path, name: str, yes: str, no: str) -> None:
    stays = name in NAMES["stayed"]
    assert told(read(file, f"customer_id,{name}\nC1,{yes}\nC2,{no}\n")) == {"C1": int(stays), "C2": int(not stays)}


@pytest.mark.parametrize("name", ["stayed", "churned"])
def test_words_mean_what_they_say_in_any_column(file: Path, name: str) -> None:
    rows = "C1,Retained\nC2,churned\nC3,active\nC4,Cancelled\nC5,lost\nC6,stayed\n"
    assert told(read(file, f"customer_id,{name}\n{rows}")) == {"C1": 1, "C2": 0, "C3": 1, "C4": 0, "C5": 0, "C6": 1}


def test_an_excel_file(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in (["Customer ID", "Churned", "Revenue", "Date"], ["C1", True, 3.5, datetime(2024, 8, 1)],
                ["C2", False, None, None]):
        book.active.append(row)
    book.save(tmp_path / "o.xlsx")
    found = read_outcomes(tmp_path / "o.xlsx", "c1", now=NOW, observed_at=datetime(2024, 8, 15))
    assert told(found) == {"C1": 0, "C2": 1}
    assert found.outcomes["observed_at"].tolist() == [pd.Timestamp(2024, 8, 1), pd.Timestamp(2024, 8, 15)]
    assert found.outcomes["revenue"].iloc[0] == 3.5


def test_a_file_with_semicolons_commas_and_our_apostrophes(file: Path) -> None:
    found = read(file, "customer_id;stayed;revenue\n'=7;1;1.234,56\n'+49;0;7,50\n")
    assert told(found) == {"=7": 1, "+49": 0}, "What the export protected comes home as it was."
    assert found.outcomes["revenue"].tolist() == [1234.56, 7.5]


def test_no_row_is_lost_without_a_reason(file: Path) -> None:
    found = read(file, "customer_id,stayed,revenue,observed_at,campaign_id\n"
                       ",1,1,2024-08-01,c1\n"            # 1
                       "C2,maybe,1,2024-08-01,c1\n"      # 2
                       "C3,,1,2024-08-01,c1\n"           # 3
                       "C4,1,a lot,2024-08-01,c1\n"      # 4
                       "C5,1,1,yesterday,c1\n"           # 5
                       "C6,1,1,2025-08-01,c1\n"          # 6
                       "C7,1,1,2024-08-01,c2\n"          # 7
                       "C8,1,1,2024-08-01,c1\n"          # 8 says two things
                       "C8,0,1,2024-08-01,c1\n"          # 9
                       "C9,1,1,2024-08-01,c1\n"          # 10
                       "C9,1,1,2024-08-01,c1\n"          # 11 says it twice
                       "C10,1,1,2024-08-01,\n"           # 12
                       "C11,1,1,2024-08-01,c1,more\n")   # 13
    assert told(found) == {"C9": 1, "C10": 1}
    assert found.rejected[["row", "column", "reason"]].to_numpy().tolist() == [
        [1, "customer_id", "empty"], [2, "stayed", "cannot be read"],
        [3, "stayed", "does not say whether the customer stayed"], [4, "revenue", "cannot be read"],
        [5, "observed_at", "cannot be read"], [6, "observed_at", "lies in the future"],
        [7, "campaign_id", "is of another campaign"],
        [8, "customer_id", "the file says different things of this customer"],
        [9, "customer_id", "the file says different things of this customer"],
        [13, "", "6 cells where the header has 5 names"]]
    assert found.rejected["customer_id"].tolist() == ["", "C2", "C3", "C4", "C5", "C6", "C7", "C8", "C8", ""]
    assert "a lot" not in found.rejected.to_string()
    assert any("repeats what another row says" in finding.what for finding in found.findings)


def test_moments_are_now_unless_somebody_says_so(file: Path) -> None:
    rows, said = "customer_id,stayed\nC1,1\n", datetime(2024, 8, 1)
    assert read(file, rows).outcomes["observed_at"].tolist() == [pd.Timestamp(NOW)]
    assert read(file, rows, observed_at=said).outcomes["observed_at"].tolist() == [pd.Timestamp(said)]


@pytest.mark.parametrize(("text", "says"), [
    ("name,stayed\nx,1\n", r"no column for customer_id.*name, stayed.*external_id.*email"),
    ("customer_id,result\n1,1\n", r"no column for stayed.*retained.*churned"),
    ("customer_id,stayed,churned\n1,1,0\n", "both say who stayed"),
    ("customer_id,id,stayed\n1,1,0\n", "all read as customer_id"),
    ("customer_id,stayed\n", "no rows"),
])
def test_what_the_file_lacks_is_named(file: Path, text: str, says: str) -> None:
    with pytest.raises(EngineError, match=says):
        read(file, text)


def test_the_same_file_says_the_same_twice(file: Path) -> None:
    rows = "customer_id,stayed,revenue\n" + "".join(f"C{number},{number % 2},{number}.5\n" for number in range(200))
    first = read(file, rows)
    pd.testing.assert_frame_equal(first.outcomes, read(file, rows).outcomes)
    assert len(first.outcomes) == 200 and first.outcomes["stayed"].sum() == 100
