"""What people do on the screens, done by hand: move a slider, pick in a picture, take a file away and open it."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from pathlib import Path

from tests.browser.sight import Sight

KPI = '[data-testid="stMetricValue"]'


def test_a_moved_slider_moves_the_return(looking: Callable[..., Sight]) -> None:
    sight = looking("executive").go("/recovery?dataset=demo-telecom&budget=2000")
    before = sight.page.locator(KPI).all_inner_texts()
    rate = sight.page.get_by_role("slider").first
    rate.focus()
    for _ in range(8):
        rate.press("ArrowRight")
    sight.settle()
    after = sight.page.locator(KPI).all_inner_texts()
    assert len(before) == len(after) == 4
    assert before != after
    assert sight.errors == []


def test_a_box_in_the_picture_picks_the_customers_in_it(looking: Callable[..., Sight]) -> None:
    sight = looking("manager").go("/segments?dataset=demo-telecom")
    assert "Nobody picked yet" in sight.text()
    place = sight.page.locator(".js-plotly-plot .nsewdrag").first.bounding_box()
    assert place is not None
    mouse = sight.page.mouse
    mouse.move(place["x"] + 0.05 * place["width"], place["y"] + 0.05 * place["height"])
    mouse.down()
    mouse.move(place["x"] + 0.95 * place["width"], place["y"] + 0.6 * place["height"], steps=8)
    mouse.up()
    sight.page.get_by_text(re.compile(r"^Picked: [\d,]+ (points?|markers?)$")).wait_for()
    sight.settle()
    assert sight.errors == []


def test_a_prepared_list_is_taken_away_and_opened(looking: Callable[..., Sight], tmp_path: Path) -> None:
    sight = looking("marketer").go("/actions?dataset=demo-telecom&actions_segment=At-Risk+VIP")
    sight.page.get_by_role("button", name="Prepare export").click()
    ready = sight.page.get_by_role("button", name=re.compile(r"^Download [\d,]+ rows"))
    ready.wait_for()
    said = re.match(r"Download ([\d,]+) rows", ready.inner_text().removeprefix("download").strip())
    assert said is not None
    with sight.page.expect_download() as coming:
        ready.click()
    taken = tmp_path / coming.value.suggested_filename
    coming.value.save_as(taken)
    rows = list(csv.DictReader(taken.open(encoding="utf-8-sig", newline="")))
    assert len(rows) == int(said[1].replace(",", ""))
    assert {row["segment"] for row in rows} == {"At-Risk VIP"}
    assert all(row["customer_id"] and row["next_step"] and 0 <= float(row["churn_probability"]) <= 1 for row in rows)
    assert not any(cell.startswith(("=", "+", "-", "@")) for row in rows for name, cell in row.items()
                   if not re.fullmatch(r"-?[\d.e+-]+", cell or "") and name != "phone")
    assert sight.errors == []
