"""The digest on paper and on a phone, in a real Chromium: one A4 page, no overflow, nothing asked of a network."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from engine import insight
from engine.briefing.facts import Facts, gather
from engine.briefing.page import page
from engine.decision.recovery import Scenario, simulate
from engine.insight import overview
from engine.schema import Actor, Finding


def crowded(plain: Facts) -> Facts:
    """As much as the page can be asked to hold: all six segments, long findings, long names."""
    cells = insight.recovery_cells(plain.scope, overview.doubt(plain.card))
    everyone = Scenario({name: start.terms for name, start in plain.starts.items()}, budget=2e6)
    long = "It says what was found. " * 20
    findings = tuple(Finding("severe", f"column {at} of the customers table", long, "Look.", 1) for at in range(6))
    dataset = replace(plain.scope.dataset, name="n" * 64)
    return replace(plain, simulation=simulate(cells, everyone), findings=findings, scenario="S" * 120,
                   scope=replace(plain.scope, dataset=dataset))


@pytest.mark.parametrize("name", ["demo-telecom", "demo-shop", "crowded"])
def test_it_prints_on_one_page_and_fits_a_phone(read_companies: Path, browser: Any, tmp_path: Path, name: str) -> None:
    plain = gather(insight.scope("demo-telecom" if name == "crowded" else name), Actor("ana", "manager"),
                   datetime(2025, 12, 1))
    path = tmp_path / "digest.html"
    path.write_text(page(crowded(plain) if name == "crowded" else plain), encoding="utf-8")
    asked, complaints = [], []
    window = browser.new_page(viewport={"width": 390, "height": 800})
    window.on("request", lambda request: asked.append(request.url))
    window.on("console", lambda message: complaints.append(message.text))
    window.goto(path.as_uri())
    assert window.evaluate("document.documentElement.scrollWidth") == 390
    printed = window.pdf(prefer_css_page_size=True)
    assert len(re.findall(rb"/Type\s*/Page[^s]", printed)) == 1
    assert asked == [path.as_uri()]
    assert complaints == []
    window.close()
