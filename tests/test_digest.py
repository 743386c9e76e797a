"""The executive's digest: one file that loads nothing, escapes everything, says what the screens say; recorded."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import engine
from engine import catalog, insight, saved, state
from engine.__main__ import main
from engine.briefing import pictures
from engine.briefing.facts import Facts, gather, movement_words
from engine.briefing.page import JOINER, page
from engine.catalog import Run
from engine.decision.recovery import Scenario, Terms
from engine.insight import overview
from engine.schema import SEGMENTS, Actor, Estimate, Finding, money
from ui.look import LIGHT

pytestmark = pytest.mark.slow
EVE, ANA = Actor("eve", "executive"), Actor("ana", "manager")
NOW = datetime(2025, 7, 20)
BAD = "<img src=x onerror=alert(1)> & \"co\""
VOID = {"meta", "br"}


class Read(HTMLParser):
    """The file's words and tags, checked to be closed in order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: set[str] = set()
        self.words = ""
        self.feed(text)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes |= {name for name, _ in attrs}
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words += data


def read(path: Path) -> Read:
    """The written digest."""
    return Read(path.read_text(encoding="utf-8"))


def facts(name: str = "demo-telecom", **more: object) -> Facts:
    """What the digest of a demo company says, with parts replaced."""
    return replace(gather(insight.scope(name), ANA, NOW), **more)


# --- the command line


@pytest.mark.parametrize("name", ["demo-telecom", "demo-shop"])
def test_an_executive_writes_one_page_from_the_shell(own_companies: Path, tmp_path: Path, name: str,
                                                    monkeypatch: pytest.MonkeyPatch,
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("HOLDFAST_ACTOR", "eve:executive")
    output = tmp_path / "sub" / "digest.html"
    assert main(["digest", "--dataset", name, "--output", str(output), "--budget", "750", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert told["output"] == str(output)
    assert told["bytes"] == output.stat().st_size
    assert told["recovery"]["budget"] == 750
    assert set(told["recovery"]["assumptions"]) == {"At-Risk VIP", "Vulnerable", "Losing Customer"}
    words = read(output).words
    assert told["headline"] in words
    assert "Synthetic: an invented company" in words
    [line] = [entry for entry in state.audit_log(5) if entry.verb == "digest"]
    assert (line.actor, line.about, line.detail["output"]) == (EVE, name, "digest.html")


def test_figures_are_those_of_the_screens(read_companies: Path, tmp_path: Path) -> None:
    engine.digest("demo-telecom", tmp_path / "d.html", actor=EVE, now=NOW)
    words, scope = read(tmp_path / "d.html").words, insight.scope("demo-telecom")
    doubt = overview.doubt(engine.model_card("demo-telecom", scope.run.model_id))
    stands, starts = overview.standing(scope, doubt), insight.recovery_starts(scope)
    assert f"Expected leavers of {stands.customers:,}{stands.leavers.value:,.0f}" in words
    assert f"{stands.leavers.low:,.0f} to {stands.leavers.high:,.0f} with 90 %" in words
    assert money(stands.margin_at_risk.value, "USD") in words
    for segment in stands.segments["segment"]:
        assert segment in words
    scenario = insight.first_scenario(scope, starts)
    assert scenario.budget == scope.book.plan.budget, "One budget, the playbook's, wherever nobody has set another."
    simulated = insight.simulate(insight.recovery_cells(scope, doubt), scenario)
    assert insight.recovery_sentence(simulated, "USD").replace("-$", "−$") in words.replace(JOINER, "")
    assert "until campaigns measure it" in words
    assert all(starts[name].brief(starts[name].terms.recovery_rate) in words for name in insight.AT_RISK)


def test_a_saved_scenario_is_simulated_instead(own_companies: Path, tmp_path: Path, now: datetime) -> None:
    scenario = Scenario({"Vulnerable": Terms(1.0, 0.0, 0.5)}, budget=400.0)
    saved.keep("scenario", "demo-telecom", "Mild", vars(scenario), actor=EVE, now=now)
    told = engine.digest("demo-telecom", tmp_path / "d.html", actor=EVE, now=NOW, scenario="Mild")
    assert list(told["recovery"]["assumptions"]) == ["Vulnerable"]
    assert "What $400 for retention would bring back (scenario Mild)" in read(tmp_path / "d.html").words
    with pytest.raises(engine.EngineError, match=r"no scenario 'Wild'.*Mild"):
        engine.digest("demo-telecom", tmp_path / "e.html", actor=EVE, now=NOW, scenario="Wild")
    assert not (tmp_path / "e.html").exists()


def test_what_cannot_be_written_is_advice_and_no_half_file(read_companies: Path, tmp_path: Path,
                                                          capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("in the way")
    assert main(["digest", "--dataset", "demo-telecom", "--output", str(tmp_path / "file" / "d.html")]) == 2
    assert main(["digest", "--dataset", "nobody", "--output", str(tmp_path / "d.html")]) == 2
    assert main(["digest", "--dataset", "demo-telecom", "--output", str(tmp_path / "d.html"), "--budget", "-1"]) == 2
    assert "choose a number" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def test_the_same_moment_gives_the_same_bytes(read_companies: Path) -> None:
    assert page(facts()) == page(facts())


# --- one file that needs nothing and trusts nothing


def test_nothing_is_loaded_from_anywhere(read_companies: Path) -> None:
    for name in ("demo-telecom", "demo-shop"):
        text = page(facts(name))
        assert not re.findall(r"https?:|url\(|@import|\b(?:src|href|srcset|action|poster)=|<script|<link", text)
        assert "default-src 'none'" in text
        assert Read(text).tags.count("svg") >= 8
        assert text.count("<svg") == text.count('role="img" aria-label="'), "Every picture has its words."


def test_every_text_from_data_is_escaped(read_companies: Path) -> None:
    plain = facts()
    dataset = replace(plain.scope.dataset, name=BAD, label=replace(plain.scope.dataset.label, words=BAD))
    text = page(replace(
        plain, scope=replace(plain.scope, dataset=dataset), scenario=BAD, drivers=plain.drivers.assign(title=BAD),
        findings=(Finding("severe", BAD, BAD, BAD, 1),), actor=Actor(BAD, "manager")))
    assert "<img" not in text
    assert text.count("&lt;img src=x onerror=alert(1)&gt;") >= 6
    assert "img" not in Read(text).tags
    assert not [name for name in Read(text).attributes if name.startswith("on")]


def test_severe_findings_head_every_figure(read_companies: Path) -> None:
    mild, bad = (Finding(severity, "label", what, "Look.", 1) for severity, what in
                 (("warning", "It moves."), ("severe", "Too late.")))
    told = facts(findings=(bad, mild))
    words = Read(page(told)).words
    assert words.index("Before anything else") < words.index("Too late.") < words.index(told.headline)
    assert words.count("Too late.") == 1 and words.index("What to look at") < words.index("It moves.")
    assert "Before anything else" not in Read(page(facts(findings=(mild,)))).words
    assert "The recovery rates are" in words or "recovery rates are as measured" in words


def test_findings_wait_until_they_are_answered_and_long_ones_are_cut(own_companies: Path, now: datetime) -> None:
    many = tuple(Finding("severe", f"column {at}", "It says much. " * 40, "Look.", 1) for at in range(5))
    words = Read(page(facts(findings=many))).words
    assert "column 2" in words and "column 3" not in words
    assert "2 more severe findings on the Overview screen" in words
    assert len(words) < 9_000
    assert "Nothing waits for a person" in Read(page(facts(findings=()))).words


def test_a_model_that_knows_nothing_says_so_first(read_companies: Path) -> None:
    plain = facts()
    words = Read(page(replace(plain, card=replace(plain.card, usable=False)))).words
    assert words.index("do not act on these figures") < words.index(plain.headline)


# --- movement


def test_the_first_run_has_nothing_to_compare_with(read_companies: Path) -> None:
    first = catalog.runs("demo-telecom")[0]
    told = gather(insight.scope("demo-telecom", first.run_id), EVE, NOW)
    assert told.moved is None
    assert "first scoring run" in Read(page(told)).words


def test_movement_is_counted_from_the_run_before(own_companies: Path, now: datetime) -> None:
    """Five customers of a low band stood higher before, three of a high one lower; ten were not there."""
    current = catalog.run("demo-telecom")
    scores = current.scores().sort_values("customer_id", ignore_index=True)
    here = scores["has_left"] != 1
    moment = catalog.runs("demo-telecom")[0].as_of.replace(year=2024)
    before = Run.of(catalog.dataset("demo-telecom"), current.model_id, moment, len(scores) - 10)
    earlier = scores.assign(run_id=before.run_id)
    earlier.loc[earlier.index[here & (scores["churn_risk"] == "LOW")][:5], "churn_risk"] = "HIGH"
    earlier.loc[earlier.index[here & (scores["churn_risk"] == "HIGH")][:3], "churn_risk"] = "LOW"
    earlier = earlier.drop(earlier.index[here & (scores["churn_risk"] == "MEDIUM")][:10])
    ids = set(earlier["customer_id"])
    reasons = current.reasons().query("customer_id in @ids").assign(run_id=before.run_id)
    features = pd.read_parquet(current.folder / "features.parquet").set_index("customer_id").loc[earlier["customer_id"]]
    catalog.save_run(before, earlier, reasons, features, actor=ANA, now=now, in_use=False)
    latest = Run.of(catalog.dataset("demo-telecom"), current.model_id, moment.replace(day=28), len(scores))
    again = pd.read_parquet(current.folder / "features.parquet").set_index("customer_id")
    catalog.save_run(latest, scores.assign(run_id=latest.run_id), current.reasons().assign(run_id=latest.run_id), again,
                     actor=ANA, now=now, in_use=False)
    told = gather(insight.scope("demo-telecom", latest.run_id), EVE, NOW)
    words = movement_words(told)
    assert "3 rose to a higher risk band and 5 fell to a lower one; 10 came, 0 left." in words
    missing = scores[~scores["customer_id"].isin(ids)]["churn_probability"].sum()
    assert f"expected leavers moved by {missing:+,.0f}" in words
    assert f"since {moment:%d %b}" in Read(page(told)).words
    assert told.moved is not None
    assert told.moved.changes.risers is None, "An executive is told of no single customer."
    assert " and margin at risk by " in words and Read(page(told)).words.count(f"since {moment:%d %b}") == 4
    abroad = replace(told, moved=replace(told.moved, then=replace(told.moved.then, currency="CHF")))
    assert f"moved by {missing:+,.0f}. Money was in CHF then: it is not compared. Of " in movement_words(abroad)
    assert Read(page(abroad)).words.count(f"since {moment:%d %b}") == 2, "leavers and a share, no money"


# --- pictures


def test_the_palette_is_the_houses() -> None:
    assert LIGHT.segments == pictures.SEGMENT_COLOURS
    assert (LIGHT.text, LIGHT.muted, LIGHT.border, LIGHT.accent) == (pictures.TEXT, pictures.MUTED, pictures.FAINT,
                                                                    pictures.ACCENT)
    assert (LIGHT.loss, LIGHT.gain) == (pictures.RAISES, pictures.LOWERS)
    assert set(pictures.SEGMENT_COLOURS) == set(SEGMENTS)


def test_an_interval_lies_where_its_figures_say() -> None:
    drawn = pictures.interval(Estimate(50.0, 40.0, 70.0, 200, ""), 200.0)
    assert '<rect x="20.0" y="1.5" width="15.0"' in drawn
    assert '<rect x="24.5"' in drawn
    assert "50, 90 % interval 40 to 70, of 200" in drawn


def test_a_curve_is_drawn_from_the_left_bottom_to_its_end(read_companies: Path) -> None:
    found = facts().simulation
    drawn = pictures.budget_curve(found, "USD")
    points = np.array([[float(part) for part in pair.split(",")]
                       for pair in re.findall(r'<polyline points="([^"]+)"[^>]*stroke-width="2"', drawn)[0].split()])
    assert len(points) == len(found.curve)
    assert (np.diff(points[:, 0]) >= 0).all()
    assert points[found.curve["net"].argmax(), 1] == points[:, 1].min(), "The best budget is the curve's highest point."
    assert points.min() >= 0 and points[:, 0].max() <= pictures.WIDE and points[:, 1].max() <= pictures.HIGH
