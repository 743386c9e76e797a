"""One's own file, as a person brings it: dropped, checked, trained on, watched from two windows, stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.data.demo import DEMOS
from tests.browser.sight import Sight

WAIT_MS = 60_000


@pytest.fixture
def customers(tmp_path: Path) -> Path:
    """A telecom's customers, 700 rows, under a name that nobody should trust."""
    sources = DEMOS["demo-telecom"].write(tmp_path / "raw", 4, 700).sources
    made = next(path for path in sources if path.name == "customers.csv")
    return made.rename(tmp_path / "<b>Kunden Mai.csv")


def test_a_file_is_brought_checked_trained_on_and_the_training_stopped(looking: Callable[..., Sight],
                                                                       customers: Path) -> None:
    sight = looking("manager").go("/data?data_view=Bring+your+own")
    page = sight.page
    assert sight.barriers() == {}
    page.locator('input[type="file"]').first.set_input_files(str(customers))
    page.get_by_role("button", name="Train", exact=True).wait_for(timeout=WAIT_MS)
    assert "b_Kunden_Mai.csv" in sight.text()
    named = page.get_by_role("textbox", name="Name of the dataset")
    named.fill("browsed")
    named.press("Enter")
    sight.settle()
    assert "700" in sight.text() and sight.errors == []
    assert sight.barriers() == {}, "The proposal, its columns, cures and findings."
    page.get_by_role("button", name="Train", exact=True).click()
    cancel = page.get_by_role("button", name="Cancel", exact=True)
    cancel.wait_for(timeout=WAIT_MS)

    page.reload()
    cancel.wait_for(timeout=WAIT_MS)
    assert sight.barriers() == {}, "The training under way."
    colleague = looking("executive").go("/data")
    colleague.page.get_by_text("Reading, learning and scoring").wait_for(timeout=WAIT_MS)
    assert "b_Kunden" not in colleague.text()
    assert colleague.page.get_by_role("button", name="Cancel", exact=True).count() == 0

    cancel.click()
    _until(lambda: "Reading, learning and scoring" not in sight.text())
    _until(lambda: "Reading, learning and scoring" not in colleague.text())
    page.get_by_text("Jobs", exact=True).click()
    page.get_by_text("cancelled").wait_for(timeout=WAIT_MS)
    assert sight.errors == [] and sight.foreign == []


def _until(holds: Callable[[], bool], seconds: float = 60.0) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until, "It did not come about."
        time.sleep(0.2)
