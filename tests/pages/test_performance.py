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
    "Compare models": "Only one model so far",
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
    return re.sub(r":material/\w+:", "", text).replace("\\", "").replace("\N{NO-BREAK SPACE}", " ")


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


@pytest.fixture
def two_models(own_companies: Path) -> tuple[str, str]:
    """The demo telecom with a second model in staging, which says the same a little less surely; the ids of both."""
    from dataclasses import replace

    from engine.prediction import store
    from ui import evidence, versus

    name = "demo-telecom"
    first = catalog.run(name).model_id
    parts, card = store.load(name, first)
    kept = store.table(name, first, "held_out")
    assert kept is not None
    blurred = kept.assign(probability=0.5 * kept["probability"] + 0.25)
    store.save(parts, replace(card, model_id="another", settings={**card.settings, "balance": "smote"}), name,
               tables={"held_out": blurred})
    store.promote(name, "another", "staging")
    for cached in (evidence.models_of, versus._compared):
        cached.clear()
    return first, "another"


@pytest.mark.parametrize("role", ["executive", "manager"])
def test_two_models_are_compared_and_only_a_manager_chooses(two_models: tuple[str, str], role: str,
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    app = opened(monkeypatch, "Compare models", role=role)
    told = plain(words(app))
    assert f"Champion {two_models[0]} and challenger another" in told
    assert "The challenger is worse by" in told and "Log loss" in told
    assert "smote" in str([table.value.to_dict() for table in app.table])
    labels = [button.label for button in app.button]
    assert ("Put the challenger to use" in labels) == (role == "manager")
    assert ("A manager decides which model is in use" in told) == (role == "executive")
    assert "_" not in "".join(str(head) for frame in app.dataframe for head in frame.value.columns)


def test_a_manager_puts_the_challenger_to_use_and_goes_back(two_models: tuple[str, str],
                                                            monkeypatch: pytest.MonkeyPatch) -> None:
    """The challenger was never applied, so its scores are made in the background first; here they are laid ready."""
    from datetime import datetime

    from engine import champions, pipeline
    from engine.prediction import store
    from engine.schema import Actor

    ana, name = Actor("ana", "manager"), "demo-telecom"
    pipeline.score(catalog.dataset(name), actor=ana, now=datetime(2025, 7, 2), by=pipeline.opened(name, "another"),
                   in_use=False)
    app = opened(monkeypatch, "Compare models", role="manager")
    app.button(key="performance_versus_promote").click().run()
    assert store.current(name) == catalog.run(name).model_id == "another"
    app = opened(monkeypatch, "Compare models", role="manager")
    app.selectbox(key=f"performance_versus_rule_{name}").set_value("person").run()
    assert champions.rule_of(name, ana) == "person"
    app.button(key="performance_versus_rollback").click().run()
    assert store.current(name) == catalog.run(name).model_id == two_models[0]
    healthy(app)


def test_models_of_other_customers_are_compared_in_the_background(two_models: tuple[str, str],
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    from dataclasses import replace

    import engine as door
    from engine.prediction import store
    from ui import versus

    parts, card = store.load("demo-telecom", "another")
    store.save(parts, replace(card, model_id="foreign", detail={}), "demo-telecom")
    store.promote("demo-telecom", "foreign", "staging")
    versus._compared.clear()
    asked: list[list[str]] = []
    monkeypatch.setattr(door, "start_job", lambda words, *_, **__: asked.append(words))
    app = opened(monkeypatch, "Compare models", role="manager")
    assert "These two have not judged the same customers" in plain(words(app))
    app.button(key="performance_versus_work").click().run()
    assert asked == [["models", "--dataset", "demo-telecom", "--compare", "foreign", "--against", two_models[0]]]
    app = opened(monkeypatch, "Compare models", role="executive")
    assert "Hold both against each other" not in [button.label for button in app.button]
