"""A company whose data hold no money: it is said in months as a customer, and no cost is weighed against them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest

from engine import catalog, insight, planning
from engine.briefing import digest
from engine.errors import EngineError
from engine.files import write_record
from engine.insight import overview
from engine.prediction import store
from engine.schema import Actor, MoneyRule
from tests.pages.app import healthy, open_app, words
from ui import report

pytestmark = pytest.mark.slow
ANA = Actor("ana", "manager")
NAME, NOW = "demo-telecom", datetime(2025, 7, 3)
SAYS = "no cost can be weighed against it"


@pytest.fixture
def months(own_companies: Path) -> insight.Scope:
    """The telecom, as if its file had no column of money."""
    known = catalog.dataset(NAME)
    bare = replace(known, money=MoneyRule("", "month"), currency="months", **{
        name: Path(path.name) for name in catalog.TABLES if (path := getattr(known, name)) is not None})
    write_record(known.customers.parent / "dataset.json", bare)
    return insight.scope(NAME)


def test_no_cost_is_weighed_against_months(months: insight.Scope) -> None:
    assert not months.dataset.worth_in_money
    for ask in (lambda: planning.plan(months, actor=ANA, now=NOW),
                lambda: planning.recommend(NAME, months.run.scores()["customer_id"].iloc[0], actor=ANA, now=NOW)):
        with pytest.raises(EngineError, match=SAYS):
            ask()
    cells = insight.recovery_cells(months, overview.doubt(store.card(NAME, months.run.model_id)))
    assert cells.empty and list(cells) == list(insight.recovery_cells(insight.scope("demo-shop"), overview.doubt(
        store.card("demo-shop", insight.scope("demo-shop").run.model_id))))


def test_the_screens_say_so_and_speak_of_months(months: insight.Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    for page, more in (("revenue_recovery.py", {}), ("action_center.py", {"actions_view": "Campaigns"})):
        app = healthy(open_app(monkeypatch, "manager", page, dataset=NAME, **more))
        assert SAYS in words(app) and not app.slider and not app.metric
    for page in ("overview.py", "action_center.py", "segment_analysis.py", "playbook.py"):
        app = healthy(open_app(monkeypatch, "manager", page, dataset=NAME))
        assert "$" not in words(app).replace("\\$", "$")
    lists = {metric.label: str(metric.value) for metric in healthy(
        open_app(monkeypatch, "manager", "action_center.py", dataset=NAME)).metric}
    assert lists["Margin at risk"].endswith(" months") and "months" not in lists["Contact cost"]


def test_what_is_written_says_so(months: insight.Scope, tmp_path: Path) -> None:
    made = digest(NAME, tmp_path / "digest.html", actor=ANA, now=NOW)
    told = report.write(NAME, tmp_path / "report.html", actor=ANA, now=NOW)
    assert made and told
    for name in ("digest.html", "report.html"):
        page = (tmp_path / name).read_text(encoding="utf-8")
        assert SAYS in page and "Leavers kept" not in page, "no rate of a campaign is set"
