"""Playbook: everybody reads it, managers change it; a mistake is told with its line and changes nothing."""

from __future__ import annotations

from pathlib import Path

import pytest

from engine import insight
from engine.decision import own_playbooks
from engine.schema import Actor
from tests.pages.app import healthy, open_app, words

MONA = Actor("ana", "manager")
PAGE = "playbook.py"

pytestmark = pytest.mark.slow


def text_of(app) -> object:
    return next(area for area in app.text_area if area.key.startswith("playbook_text"))


def test_effects_are_told_as_what_they_are(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tried = words(healthy(open_app(monkeypatch, "executive", PAGE, dataset="demo-telecom")))
    assert "rests on what was tried by chance" in tried
    assumed = words(healthy(open_app(monkeypatch, "executive", PAGE, dataset="demo-shop")))
    assert "assumed until a campaign with a holdout measures it" in assumed


def test_a_manager_changes_a_number_and_takes_it_back(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "manager", PAGE, dataset="demo-telecom", playbook_view="Text"))
    begun = insight.scope("demo-telecom").book.plan.budget
    area = text_of(app)
    area.set_value(area.value.replace("budget = 50000.0", "budget = 1234.0"))  # type: ignore[attr-defined]
    app.run()
    app.button(key="playbook_keep").click().run()
    assert "Version 1 holds" in words(healthy(app))
    assert (begun, insight.scope("demo-telecom").book.plan.budget) == (50_000.0, 1_234.0)
    app.button(key="playbook_revert").click().run()
    assert insight.scope("demo-telecom").book.plan.budget == begun
    dataset = insight.scope("demo-telecom").dataset
    assert [one.number for one in own_playbooks.history(dataset, actor=MONA)] == [2, 1]


def test_a_mistake_is_told_with_its_line(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "manager", PAGE, dataset="demo-telecom", playbook_view="Text"))
    area = text_of(app)
    broken = area.value.replace("budget = 50000.0", "budget = -1.0")  # type: ignore[attr-defined]
    line = 1 + broken[:broken.index("budget = -1.0")].count("\n")
    area.set_value(broken)  # type: ignore[attr-defined]
    app.run()
    app.button(key="playbook_keep").click().run()
    said = words(healthy(app)).replace("\\", "")
    assert "1 mistake: nothing was changed" in said and f"line {line}" in said
    assert insight.scope("demo-telecom").playbook == own_playbooks.SHIPPED


def test_a_marketer_reads_and_cannot_change(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = healthy(open_app(monkeypatch, "marketer", PAGE, dataset="demo-telecom", playbook_view="Text"))
    assert text_of(app).disabled  # type: ignore[attr-defined]
    assert not [button for button in app.button if button.key == "playbook_keep"]
