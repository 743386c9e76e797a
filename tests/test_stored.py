"""Some customers' rows out of a stored table: the same as reading it whole, whatever their ids."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.schema.stored import FEW, rows_of, table_of

ODD = ["007", "7", "o'hara", 'the "x"', "a;--", "ü", ""]


@pytest.fixture
def events(tmp_path: Path) -> tuple[Path, pd.DataFrame]:
    """Three thousand customers with odd ids among them, two rows each, in no order, with gaps in every column."""
    rng = np.random.default_rng(3)
    ids = [*ODD, *(f"c{number}" for number in range(3_000))]
    frame = pd.DataFrame({"customer_id": ids * 2})
    frame["kind"] = rng.choice(["order", "ticket"], len(frame))
    frame["amount"] = np.where(rng.random(len(frame)) < 0.2, np.nan, rng.normal(size=len(frame)))
    frame["at"] = pd.Timestamp("2024-05-01 12:00:00.123456") + pd.to_timedelta(np.arange(len(frame)), unit="s")
    frame["count"], frame["word"] = np.arange(len(frame)), np.where(rng.random(len(frame)) < 0.2, None, "w")
    frame = frame.iloc[rng.permutation(len(frame))].reset_index(drop=True)
    path = tmp_path / "it's events.parquet"
    frame.to_parquet(path, row_group_size=500)
    return path, pd.read_parquet(path)


@pytest.mark.parametrize("only", [["007"], ["o'hara"], [""], ODD, ["nobody"], [], ["nobody", "7"]])
def test_some_rows_are_those_of_the_whole(events: tuple[Path, pd.DataFrame], only: list[str]) -> None:
    path, whole = events
    wanted = whole[whole["customer_id"].isin(only)].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows_of(path, only), wanted, check_dtype=bool(len(wanted)))
    orders = wanted.loc[wanted["kind"] == "order", ["amount", "customer_id"]].reset_index(drop=True)
    found = rows_of(path, only, ["amount", "customer_id"], kind="order")
    pd.testing.assert_frame_equal(found, orders, check_dtype=bool(len(orders)))


def test_many_customers_are_cut_out_of_the_whole(events: tuple[Path, pd.DataFrame]) -> None:
    path, whole = events
    only = sorted(whole["customer_id"].unique())[: FEW + 1]
    wanted = whole[whole["customer_id"].isin(only) & (whole["kind"] == "ticket")].reset_index(drop=True)
    pd.testing.assert_frame_equal(rows_of(path, only, kind="ticket"), wanted)


def test_a_file_that_has_been_rewritten_is_read_anew(events: tuple[Path, pd.DataFrame]) -> None:
    path, whole = events
    assert table_of(path, ["007"]).num_rows == 2
    whole[whole["customer_id"] != "007"].to_parquet(path)
    os.utime(path, ns=(1, 1))
    assert table_of(path, ["007"]).num_rows == 0
