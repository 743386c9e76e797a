"""The next file: columns under other names are read as before or asked about, and guesses stay guesses."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import pandas as pd
import pytest

from engine import catalog, onboarding, pipeline
from engine.__main__ import main
from engine.data.adapters import mapping as mappings
from engine.data.adapters.table import GUESSED
from engine.data.doctor import cures
from engine.errors import EngineError
from engine.onboarding import Proposal
from engine.prediction.settings import Settings
from engine.schema import Actor
from tests.files import small

ANA = Actor("ana", "manager")
MAY, JUNE = datetime(2024, 6, 1), datetime(2024, 7, 1)


@pytest.fixture
def may(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A first file whose mapping is kept."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    path = small(tmp_path, rows=400)
    onboarding.keep(onboarding.propose([path], name="acme", actor=ANA, now=MAY), actor=ANA, now=MAY)
    return path


def june(path: Path, times: float = 1, **names: str) -> Proposal:
    """The next file, some of its columns under other names."""
    frame = pd.read_csv(path)
    frame.assign(monthly_fee=frame["monthly_fee"] * times).rename(columns=names).to_csv(path, index=False)
    return onboarding.propose([path], name="acme", actor=ANA, now=JUNE)


@pytest.mark.slow
@pytest.mark.parametrize(("old", "new"), [("client_no", "ClientNo"), ("monthly_fee", "Fee (monthly)"),
                                          ("plan", "PLAN"), ("status", "Status")])
def test_the_same_words_otherwise_written_are_the_same_column(may: Path, old: str, new: str) -> None:
    found = june(may, **{old: new})
    plan = mappings.check(found.mapping)
    assert not found.changes and found.trainable and {"column": new, "cure": "renamed", "to": old} in plan.cures
    assert (plan.id, plan.money, plan.label) == ("client_no", "monthly_fee", "status")
    onboarding.keep(found, actor=ANA, now=JUNE)
    july = onboarding.propose([may], name="acme", actor=ANA, now=JUNE)
    assert not july.changes and july.trainable and july.examined.customers == 400, "A cure once kept holds on."


def test_the_same_words_with_other_values_are_asked_about(may: Path) -> None:
    with pytest.raises(EngineError, match=r"fee_monthly: .* monthly_fee is missing, and their names.*--anew"):
        june(may, times=100, monthly_fee="fee_monthly")


def test_a_name_that_shares_words_or_a_column_of_like_values_is_for_a_person_to_say(may: Path) -> None:
    found = june(may, months_active="loyalty", plan="plan_name")
    asked = {(cure.spec["column"], cure.spec["to"]): cure.on for cure in found.cures if cure.spec["cure"] == "renamed"}
    assert asked == {("loyalty", "months_active"): False, ("plan_name", "plan"): False}
    assert {(one.kind, one.where) for one in found.changes} >= {("missing column", "plan"), ("new column", "plan_name")}
    place = next(place for place, cure in enumerate(found.cures) if cure.spec.get("to") == "months_active")
    said = onboarding.amended(found, cures={place: True})
    first = said.examined.first
    assert first is not None and "tenure_months" in first and "tenure_months" not in found.examined.first
    kept = [cure["to"] for cure in said.mapping["cures"] if cure["cure"] == "renamed"]
    assert kept == ["months_active"], "What nobody has agreed to is not kept."


def test_a_renaming_needs_both_names() -> None:
    with pytest.raises(EngineError, match="lacks 'column' or 'to'"):
        cures.check([{"column": "a", "cure": "renamed"}])
    both = pd.DataFrame({"a": [1], "b": [2]})
    assert list(cures.renamed(both, [{"column": "a", "cure": "renamed", "to": "b"}])[0]) == ["a", "b"]


# --------------------------------------------------------------------------------------- what nobody has agreed to yet

def guesses(found: Proposal) -> set[str]:
    """The parts of which it is said that they are guesses."""
    return {role for role, words in GUESSED.items()
            for finding in found.examined.findings if f"is taken for {words}, which is a guess" in finding.what}


@pytest.fixture
def vague(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file whose money and answer have names that say little."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    path = small(tmp_path, rows=400)
    frame = pd.read_csv(path).assign(status=lambda rows: (rows["status"] == "cancelled").astype(int))
    frame.rename(columns={"monthly_fee": "amount", "status": "target"}).to_csv(path, index=False)
    return path


def test_what_figures_hang_on_and_nobody_has_agreed_to_is_said_until_somebody_does(vague: Path) -> None:
    first = onboarding.propose([vague], name="acme", actor=ANA, now=MAY)
    assert guesses(first) == {"label", "money"} == first.mapping["guessed"].keys()
    said = onboarding.amended(first, parts={"money": "amount", "per": "month"})
    assert guesses(said) == {"label"}, "What a person names is no guess."
    onboarding.keep(said, actor=ANA, now=MAY)
    june = onboarding.propose([vague], name="acme", actor=ANA, now=JUNE)
    assert guesses(june) == {"label"} and (june.part("label").word, june.part("money").word) == ("a guess", "sure")


@pytest.mark.slow
def test_a_yes_of_a_persons_own_ends_a_guess_and_none_keeps_it(vague: Path) -> None:
    quick = Settings(quick=True)
    report = onboarding.accept(onboarding.propose([vague], name="acme", actor=ANA, now=MAY), actor=ANA, now=MAY,
                               settings=quick, unasked=True)
    assert sum("which is a guess" in finding["what"] for finding in report["findings"]) == 2
    june = onboarding.propose([vague], name="acme", actor=ANA, now=JUNE)
    assert guesses(june) == {"label", "money"}
    report = onboarding.accept(june, actor=ANA, now=JUNE, settings=quick)
    assert not any("which is a guess" in finding["what"] for finding in report["findings"])
    assert guesses(onboarding.propose([vague], name="acme", actor=ANA, now=JUNE)) == set()


@pytest.mark.slow
@pytest.mark.parametrize("agreed", [set(), {"label"}, {"label", "money"}])
def test_what_stands_as_guessed_in_a_mapping_of_ones_own_stays_a_guess(agreed: set[str], vague: Path, tmp_path: Path,
                                                                       capsys: pytest.CaptureFixture[str]) -> None:
    toml = tmp_path / "own.toml"
    found = onboarding.propose([vague], name="acme", actor=ANA, now=MAY)
    own = {role: why for role, why in found.mapping["guessed"].items() if role not in agreed}
    toml.write_text(mappings.written({**found.mapping, "guessed": own}))
    assert main(["onboard", str(vague), "--name", "acme", "--mapping", str(toml), "--yes", "--quick", "--json"]) == 0
    run = json.loads(capsys.readouterr().out)["run"]
    assert sum("which is a guess" in finding["what"] for finding in run["findings"]) == 2 - len(agreed)
    assert guesses(onboarding.propose([vague], name="acme", actor=ANA, now=JUNE)) == {"label", "money"} - agreed


@pytest.mark.slow
def test_a_file_that_is_only_scored_keeps_what_is_odd_and_is_not_what_the_next_is_compared_with(may: Path) -> None:
    file = pd.read_csv(may)
    onboarding.accept(onboarding.propose([may], name="acme", actor=ANA, now=MAY), actor=ANA, now=MAY,
                      settings=Settings(quick=True))
    said = []
    for now in (JUNE, datetime(2024, 8, 1)):
        file.assign(monthly_fee=file["monthly_fee"] * 1000).drop(columns="status").to_csv(may, index=False)
        odd = onboarding.propose([may], name="acme", actor=ANA, now=now)
        said.append({(change.kind, change.where) for change in odd.changes})
        onboarding.accept(odd, actor=ANA, now=now)
    assert said[0] == said[1] >= {("unit", "monthly_fee")}
    kept = [finding for finding in catalog.findings(catalog.dataset("acme")) if finding.severity == "severe"]
    assert ["thousands" in finding.what for finding in kept] == [True]
    record = pipeline.predict("acme", "K00007", actor=ANA, now=JUNE)
    assert any("thousands" in finding["what"] for finding in record["findings"])
