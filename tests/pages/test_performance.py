"""Model Performance as everyone sees it: the answer in a sentence, sections one at a time, a threshold that moves."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

import engine
from engine import catalog
from engine.schema import ModelCard
from tests.pages.app import healthy, open_app, words

PAGE = "model_performance.py"
SECTIONS = {
    "Ranking": "It tells leavers from stayers", "Calibration": "Probabilities are off by",
    "Threshold and cost": "Where to draw the line", "Drivers": "The strongest driver on the whole",
    "Value": "Customers are ranked by value", "Data checks": "No column is too good to be true",
    "Stress": "Stress: not in this model's card", "Model card": "Its limits",
}

pytestmark = pytest.mark.slow


def card_of(name: str) -> ModelCard:
    """The card of the dataset's current run."""
    return engine.model_card(name, catalog.run(name).model_id)


def opened(monkeypatch: pytest.MonkeyPatch, section: str, name: str = "demo-telecom",
           role: str = "executive") -> AppTest:
    """The screen with one section open."""
    return healthy(open_app(monkeypatch, role, PAGE, dataset=name, performance_section=section))


def plain(text: str) -> str:
    """The text without icons, and without the signs that keep Markdown from reading it."""
    return re.sub(r":material/\w+:", "", text).replace("\\", "")


@pytest.mark.parametrize("name", list(engine.DEMOS))
def test_the_answer_stands_on_top_with_four_figures(read_companies: Path, monkeypatch: pytest.MonkeyPatch,
                                                    name: str) -> None:
    app = opened(monkeypatch, "Ranking", name)
    auc = card_of(name).metrics["model"]["roc_auc"]
    assert "Can I trust it?" in [title.value for title in app.title]
    assert f"it picks the leaver {100 * auc.value:.0f} times in 100 ({100 * auc.low:.0f} to {100 * auc.high:.0f})" in (
        plain(words(app)))
    assert [metric.label for metric in app.metric] == [
        "Ranking (ROC-AUC)", "Squared error (Brier)", "Calibration error (ECE)", "Lift in the top 10 %"]
    assert app.metric[0].value == f"{auc.value:.3f}"
    assert plain(app.metric[0].delta) == f"95 %: {auc.low:.3f} to {auc.high:.3f}"


@pytest.mark.parametrize("name", list(engine.DEMOS))
@pytest.mark.parametrize("section", SECTIONS)
def test_every_section_opens_alone_for_an_executive(read_companies: Path, monkeypatch: pytest.MonkeyPatch, name: str,
                                                    section: str) -> None:
    told = plain(words(opened(monkeypatch, section, name)))
    assert SECTIONS[section] in told
    others = set(SECTIONS.values()) - {SECTIONS[section]}
    assert not [other for other in others if other in told], "only the open section is computed"


def test_a_section_is_changed_on_the_screen(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(monkeypatch, "Ranking")
    app.segmented_control(key="performance_section").set_value("Drivers").run()
    assert SECTIONS["Drivers"] in plain(words(healthy(app)))


def test_the_threshold_moves_the_counts(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app, card = opened(monkeypatch, "Threshold and cost"), card_of("demo-telecom")
    told = card.detail["thresholds"]
    slider = app.select_slider(key=f"performance_threshold_{card.model_id}")
    assert slider.value == card.threshold
    for place in (len(told["threshold"]) // 3, len(told["threshold"]) - 1):
        line, flagged, caught = (told[name][place] for name in ("threshold", "flagged", "caught"))
        app.select_slider(key=f"performance_threshold_{card.model_id}").set_value(line).run()
        said = plain(words(healthy(app)))
        assert f"Contacting everyone from {100 * line:.1f} % on reaches {caught:,} leaver" in said
        assert f"of {told['leavers']:,} ({100 * caught / told['leavers']:.1f} %)" in said
        assert f"and {flagged - caught:,} customer" in said
        assert f"{100 * flagged / told['customers']:.1f} % of all customers are contacted" in said


def test_what_a_missed_leaver_costs_moves_the_cheapest_threshold(read_companies: Path,
                                                                 monkeypatch: pytest.MonkeyPatch) -> None:
    app, card = opened(monkeypatch, "Threshold and cost"), card_of("demo-telecom")
    told = card.detail["thresholds"]
    for ratio in (1.0, 40.0):
        app.number_input(key=f"performance_ratio_{card.model_id}").set_value(ratio).run()
        costs = [flagged - caught + ratio * (told["leavers"] - caught)
                 for flagged, caught in zip(told["flagged"], told["caught"], strict=True)]
        best = told["threshold"][costs.index(min(costs))]
        assert f"With a missed leaver worth {ratio:g} false alarms, {100 * best:.1f} % costs least" in plain(
            words(healthy(app)))


def test_a_feature_is_followed(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app, card = opened(monkeypatch, "Drivers"), card_of("demo-telecom")
    chosen = app.selectbox(key=f"performance_feature_{card.model_id}")
    chosen.set_value("tenure_months").run()
    assert "Tenure: the risk is highest at" in plain(words(healthy(app)))


def test_no_raw_names_reach_the_screen(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for section in SECTIONS:
        app = opened(monkeypatch, section)
        heads = [str(head) for kind in (app.dataframe, app.table) for element in kind for head in element.value.columns]
        assert not [text for text in (*heads, plain(words(app))) if "_" in text], section


def test_the_card_can_be_taken_away_as_a_file(read_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(monkeypatch, "Model card", role="marketer")
    assert [button.label for button in app.get("download_button")] == ["Download the card (JSON)"]


def test_another_model_can_be_looked_at(own_companies: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second model of the dataset: the first one's card under another id."""
    import shutil
    from dataclasses import replace

    from engine.prediction import store
    from ui import evidence

    evidence.models_of.clear()
    first = catalog.run("demo-telecom").model_id
    parts, card = store.load("demo-telecom", first)
    store.save(parts, replace(card, model_id="another", algorithm="ensemble"), "demo-telecom")
    app = healthy(open_app(monkeypatch, "manager", PAGE, dataset="demo-telecom", performance_section="Model card"))
    picker = app.selectbox(key="performance_model_demo-telecom")
    assert picker.value == first and len(picker.options) == 2
    picker.set_value("another").run()
    assert "another" in str([table.value.to_dict() for table in healthy(app).table])
    shutil.rmtree(own_companies / "models" / "demo-telecom" / "another")
    evidence.models_of.clear()
    app.run()
    assert "another" not in str([table.value.to_dict() for table in healthy(app).table]), "a model that is gone"
