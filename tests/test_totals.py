"""Lines of totals are looked for in whatever a file holds, one row or none."""

from __future__ import annotations

import pandas as pd
import pytest

from engine.data.doctor.cures import totals


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_rows_all_alike_in_categories_hold_no_total(rows: int) -> None:
    frame = pd.DataFrame({"customer_id": ["A1"] * rows, "plan": ["basic"] * rows}).astype("category")
    assert totals(frame) == 0


def test_a_total_below_categories_is_found() -> None:
    frame = pd.DataFrame({"customer_id": ["A1", "A2", "Total"], "plan": ["basic", "gold", ""], "paid": ["1", "2", "3"],
                          "since": ["2024", "2025", ""], "calls": ["4", "5", ""]}).astype("category")
    assert totals(frame) == 1
