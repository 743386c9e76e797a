"""The technical report as a reader gets it: one file, nothing loaded from elsewhere, every text escaped, recorded."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from html.parser import HTMLParser
from pathlib import Path

import pandas as pd
import plotly.graph_objects as go
import pytest

import engine
from engine import state
from engine.__main__ import main
from engine.schema import Actor
from tests.cards import full_card
from ui import document
from ui.charts.base import Chart
from ui.document import Figures, Section, page
from ui.look import LIGHT

VOID = {"meta", "link", "br", "img", "input", "hr"}
LOADING = {"src", "href", "data", "action", "poster", "srcset"}


class Read(HTMLParser):
    """The file's tags, checked to be closed in order; its texts, and everything that would be loaded."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.loads: list[str] = []
        self.links: list[str] = []
        self.scripts: list[tuple[dict[str, str | None], str]] = []
        self.texts: list[str] = []
        self.feed(text)
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.ids += [given["id"]] if given.get("id") else []
        (self.links if tag == "a" else self.loads).extend(str(given[name]) for name in LOADING & given.keys())
        if tag == "script":
            self.scripts.append((given, ""))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-1:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "script":
            given, so_far = self.scripts[-1]
            self.scripts[-1] = (given, so_far + data)
        elif self.open and self.open[-1] != "style":
            self.texts.append(data)


def _chart(words: str) -> Chart:
    return Chart(words, f"{words}.", go.Figure(go.Scatter(x=[1, 2], y=[3, 4], name=words)),
                 pd.DataFrame({words: [words, "x"], "n": [1.5, None]}), words)


def test_every_text_is_escaped_and_no_data_can_end_a_script() -> None:
    evil = '</script><script>alert("1")</script><b>&'
    figures = Figures()
    text = page(evil, [], [Section(evil, evil).add(figures.one(_chart(evil)), document.block(evil, document.listing([
        evil])), document.pairs([(evil, evil)]), document.tiles([(evil, evil, evil, evil)]))], LIGHT)
    read = Read(text)
    assert [given.get("type") for given, _ in read.scripts] == ["application/json", None, None]
    assert json.loads(read.scripts[0][1])["data"][0]["name"] == evil, "the data arrive whole"
    assert sum(evil in told for told in read.texts) >= 8
    assert len(read.ids) == len(set(read.ids))


def test_a_long_table_says_how_much_of_it_is_shown() -> None:
    text = document.table(pd.DataFrame({"n": range(document.MOST_ROWS + 5)}))
    assert text.count("<tr>") == document.MOST_ROWS + 1
    assert "The first 200 of 205 rows." in text


def test_charts_that_a_card_lacks_leave_no_hole() -> None:
    assert Figures().pair(None, None) == ""
    assert Figures().pair(None, _chart("a")).count("<figure>") == 1


@pytest.fixture(scope="module")
def written(companies: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Path]]:
    """The report on each demo company, written by the command line."""
    folder = tmp_path_factory.mktemp("report")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_HOME", str(companies))
        patch.setenv("HOLDFAST_ACTOR", "eve:executive")
        files = {}
        for name in engine.DEMOS:
            files[name] = folder / name / "report.html"
            assert main(["report", "--dataset", name, "--output", str(files[name])]) == 0
        yield files


@pytest.mark.slow
@pytest.mark.parametrize("name", list(engine.DEMOS))
class TestTheReport:
    def test_is_one_file_that_loads_nothing(self, written: dict[str, Path], name: str) -> None:
        text = written[name].read_text(encoding="utf-8")
        read = Read(text)
        assert read.loads == []
        assert all(link.startswith("#") for link in read.links)
        assert "default-src 'none'" in text
        style = re.search(r"<style>(.*?)</style>", text, re.DOTALL)
        assert style and not re.search(r"url\(|@import", style[1])
        assert written[name].stat().st_size < 8_000_000

    def test_holds_plotly_once_and_data_for_every_chart(self, written: dict[str, Path], name: str) -> None:
        read = Read(written[name].read_text(encoding="utf-8"))
        drawn = [json.loads(told) for given, told in read.scripts if given.get("type") == "application/json"]
        assert len(drawn) >= 15
        assert all(figure["data"] and "template" not in figure["layout"] for figure in drawn)
        assert sum(len(told) > 1_000_000 for _, told in read.scripts) == 1
        for number in range(1, len(drawn) + 1):
            assert {f"chart-{number}", f"chart-{number}-data"} <= set(read.ids)

    def test_leads_with_the_verdict_and_finds_every_section(self, written: dict[str, Path], name: str) -> None:
        read = Read(written[name].read_text(encoding="utf-8"))
        told = " ".join(read.texts)
        for words in ("Synthetic: an invented company", "shown a leaver and a stayer", "Segments", "At-Risk VIP",
                      "Every measure beside rule and chance", "Model card", "Its limits", "What is synthetic"):
            assert words in told, words
        assert {link.removeprefix("#") for link in read.links} <= set(read.ids)
        assert len(read.links) >= 9
        assert not [text for text in read.texts if re.search(r"\b(roc_auc|ltv_if_stays|churn_probability)\b", text)]

    def test_names_no_single_customer(self, written: dict[str, Path], name: str, companies: Path,
                                      monkeypatch: pytest.MonkeyPatch) -> None:
        from engine import catalog

        monkeypatch.setenv("HOLDFAST_HOME", str(companies))
        ids = catalog.dataset(name).frame().index[:50]
        text = written[name].read_text(encoding="utf-8").split("<script>")[0]
        assert not [customer for customer in ids if re.search(rf"\b{re.escape(str(customer))}\b", text)]


@pytest.mark.slow
def test_the_verb_is_recorded_and_tells_what_it_did(own_companies: Path, tmp_path: Path,
                                                    capsys: pytest.CaptureFixture[str]) -> None:
    output = tmp_path / "there" / "r.html"
    assert main(["report", "--dataset", "demo-telecom", "--output", str(output), "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["output"], told["bytes"]) == (str(output), output.stat().st_size)
    entry = state.audit_log(1)[0]
    assert (entry.verb, entry.about, entry.detail["output"]) == ("report", "demo-telecom", "r.html")
    assert not list(output.parent.glob("*.part"))


@pytest.mark.slow
def test_what_cannot_be_written_or_found_is_said(read_companies: Path, tmp_path: Path,
                                                 capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text("x", encoding="utf-8")
    for arguments, words in ((["--dataset", "nobody", "--output", str(tmp_path / "r.html")], "nobody"),
                             (["--dataset", "demo-shop", "--output", str(tmp_path / "file" / "r.html")], "folder"),
                             (["--dataset", "demo-shop", "--run", "zzz", "--output", str(tmp_path / "r.html")], "zzz")):
        assert main(["report", *arguments]) == 2
        assert words in capsys.readouterr().err
    assert not (tmp_path / "r.html").exists()


def test_someone_without_a_role_gets_no_report(home: Path, tmp_path: Path) -> None:
    from ui.report import write

    with pytest.raises(engine.Refused, match="may not models"):
        write("acme", tmp_path / "r.html", actor=Actor("mal", "visitor"), now=datetime(2025, 7, 2))


def test_the_hand_made_card_fills_every_section_of_the_model() -> None:
    """All charts of a fully judged model, which the quick demo companies of these tests do not have."""
    from ui import report

    card, figures = full_card(), Figures()
    parts = [report._ranking(card, figures), report._calibration(card, figures), report._threshold(card, figures),
             report._value(card, "EUR", figures), report._checks(card, figures), report._stress(card, figures),
             report._card(card, "EUR")]
    read = Read(page("all", [], parts, LIGHT))
    assert figures.count == 18
    assert "Exit survey" in " ".join(read.texts)


def test_what_only_a_screen_can_do_is_left_out() -> None:
    chart = Chart("Bars", "What is drawn. Click a bar to open it. And more.", go.Figure(), pd.DataFrame({"n": [1]}))
    assert "What is drawn. And more." in Figures().one(chart)
