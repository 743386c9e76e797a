"""Of which kept dataset new files look like newer ones: by the names of their columns, and never by one in doubt."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from engine import catalog, onboarding, pipeline
from engine.data.readers import column_names
from engine.onboarding import Newer, newer_of
from engine.onboarding.memory import MAPPING
from engine.schema import Actor
from tests.files import small, visits

ANA, NOW = Actor("ana", "manager"), datetime(2024, 7, 1)
COLUMNS = ["client_no", "monthly_fee", "plan", "months_active", "status"]


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))


def keep(folder: Path, name: str, **columns: list[int]) -> None:
    """A dataset of which the mapping and the portrait are kept."""
    first = onboarding.propose([small(folder / name, **columns)], name=name, actor=ANA, now=NOW)
    onboarding.keep(first, actor=ANA, now=NOW)


@pytest.mark.slow
def test_next_months_file_is_known_by_its_columns_however_they_are_written(tmp_path: Path) -> None:
    assert newer_of(COLUMNS) is None, "Nothing is kept yet."
    keep(tmp_path, "acme")
    assert newer_of(COLUMNS[::-1]) == Newer("acme", 5, 5)
    assert newer_of(["Client No", "MonthlyFee", "Plan", "months-active", "Status", "region"]) == Newer("acme", 5, 5)
    assert newer_of(COLUMNS[:-1]) == Newer("acme", 4, 5), "Who is only to be scored has no label."


@pytest.mark.slow
@pytest.mark.parametrize("columns", [
    ["monthly_fee", "plan", "months_active", "status"], ["client_no", "plan", "months_active", "status"],
    ["client_no", "monthly_fee", "plan", "status"], [*COLUMNS, *(f"other_{n}" for n in range(6))], [],
], ids=["no id", "no money", "too few", "mostly others", "no columns"])
def test_files_in_doubt_are_of_no_dataset(tmp_path: Path, columns: list[str]) -> None:
    keep(tmp_path, "acme")
    assert newer_of(columns) is None


@pytest.mark.slow
def test_one_column_of_many_may_be_missing(tmp_path: Path) -> None:
    more = {f"used_{n}": list(range(n, 600 + n)) for n in range(8)}
    keep(tmp_path, "acme", **more)
    assert newer_of([*COLUMNS, *list(more)[1:]]) == Newer("acme", 12, 13)
    assert newer_of([*COLUMNS, *list(more)[2:]]) is None


@pytest.mark.slow
def test_of_several_datasets_it_is_the_one_that_fits_best_and_a_damaged_one_stops_nothing(tmp_path: Path) -> None:
    keep(tmp_path, "plain")
    keep(tmp_path, "rich", seats=list(range(600)))
    assert newer_of([*COLUMNS, "seats"]) == Newer("rich", 6, 6)
    keep(tmp_path, "later", seats=list(range(600)))
    assert newer_of([*COLUMNS, "seats"]) == Newer("later", 6, 6), "Of two that fit alike the latest."
    assert newer_of(COLUMNS) == Newer("plain", 5, 5)
    for name in ("later", "rich"):
        (catalog.dataset_folder(name) / MAPPING).write_text("id = ", encoding="utf-8")
    assert newer_of([*COLUMNS, "seats"]) == Newer("plain", 5, 5)


@pytest.mark.slow
def test_a_column_known_under_another_name_and_files_that_are_joined_are_known_again(tmp_path: Path) -> None:
    path = small(tmp_path)
    tickets = tmp_path / "tickets.csv"
    tickets.write_text("ticket,client_no,opened,topic\n" + "".join(
        f"T{n},K{n % 500:05d},2024-0{n % 5 + 1}-11,{'bill' if n % 3 else 'fault'}\n" for n in range(900)))
    first = onboarding.propose([path, tickets], name="acme", actor=ANA, now=NOW)
    assert first.mapping["files"]
    moved = onboarding.amended(first, mapping=first.toml + '\n[[cures]]\ncolumn = "tariff"\ncure = "renamed"\n'
                                                           'to = "plan"\n')
    onboarding.keep(moved, actor=ANA, now=NOW)
    renamed = ["tariff" if name == "plan" else name for name in COLUMNS]
    found = newer_of([*renamed, *column_names(tickets)])
    assert found is not None and found.name == "acme" and found.there == found.of
    assert newer_of(renamed) is None, "The file that the mapping joins is missing."


@pytest.mark.slow
def test_orders_are_known_by_the_columns_of_the_files_that_were_kept(tmp_path: Path) -> None:
    path = tmp_path / "orders.csv"
    visits().assign(amount=20.0).to_csv(path, index=False)
    first = onboarding.propose([path], name="shop", actor=ANA, now=NOW)
    assert first.adapter != "table"
    pipeline.onboard(first.sources, name="shop", adapter=first.adapter, actor=ANA, now=NOW)
    onboarding.keep(first, actor=ANA, now=NOW)
    assert newer_of(["customer_id", "at", "amount"]) == Newer("shop", 3, 3)
    assert newer_of(["customer_id", "at"]) is None
