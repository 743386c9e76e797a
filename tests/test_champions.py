"""Champion and challenger: paired differences against known truth, rules, promotion, retiring, made again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

import engine
from engine import catalog, champions, saved, state
from engine.campaign.tables import CAMPAIGNS
from engine.errors import EngineError, Refused
from engine.prediction import challenge, store
from engine.prediction.challenge import Comparison, compare, decide
from engine.prediction.heldout import MOST_ROWS, HeldOut, held_out
from engine.schema import Actor, Estimate, ModelCard, Snapshot, Window

ANA, EVE = Actor("ana", "manager"), Actor("eve", "executive")
NOW = datetime(2025, 7, 2)
FOLDS, CUSTOMERS = 5, 1_000


def world(seed: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """True probabilities and answers of a thousand customers."""
    rng = np.random.default_rng(seed)
    p = rng.beta(2, 5, CUSTOMERS)
    return p, (rng.random(CUSTOMERS) < p).astype(int)


def rows(y: np.ndarray, p: np.ndarray) -> pd.DataFrame:
    """Held-out rows of a model that said p."""
    at = np.arange(len(y))
    return pd.DataFrame({"position": at, "repeat": 0, "fold": at % FOLDS, "trained_on": len(y) * 4 // 5, "owner": at,
                         "y": y, "probability": p, "flagged": p > 0.5})


def keep(model_id: str, p: np.ndarray, y: np.ndarray, case: str = "case", **other: object) -> ModelCard:
    """A stored model of which only what it said is known."""
    told = {"held_out": {"case": case, "folds": "folds"}}
    nothing = Estimate(0.5, 0.4, 0.6, len(y), "none")
    card = ModelCard(model_id, "acme", "v1", "lightgbm", "survival", 7, datetime(2024, 5, 31), 90, "left", False,
                     len(y), int(y.sum()), ("a",), (), (), {"model": {"roc_auc": nothing, "brier": nothing}}, 0.4, True,
                     (), {"seed": 7, "algorithm": "lightgbm"}, told)
    card = replace(card, **other)  # type: ignore[arg-type]
    store.save({}, card, "acme", tables={"held_out": rows(y, p)})
    return card


# ----------------------------------------------------------------------------------------------- known truth

@pytest.mark.slow
def test_differences_are_those_of_scikit_learn_on_the_same_rows(home: Path) -> None:
    from sklearn.metrics import brier_score_loss, log_loss, roc_auc_score

    truth, y = world()
    blurred = np.clip(truth + np.random.default_rng(1).normal(0, 0.1, len(y)), 0.01, 0.99)
    keep("champion", blurred, y)
    keep("challenger", truth, y)
    found = compare("acme", "champion", "challenger")
    assert found.how == "held out" and "1,000 rows" in found.on
    assert found.differences["log_loss"].value == pytest.approx(log_loss(y, truth) - log_loss(y, blurred))
    assert found.differences["brier"].value == pytest.approx(brier_score_loss(y, truth) - brier_score_loss(y, blurred))
    by_fold = [roc_auc_score(y[fold::FOLDS], truth[fold::FOLDS]) - roc_auc_score(y[fold::FOLDS], blurred[fold::FOLDS])
               for fold in range(FOLDS)]
    assert found.differences["roc_auc"].value == pytest.approx(np.mean(by_fold))
    assert found.better("log_loss") and found.better("brier") and not found.worse("roc_auc")
    assert compare("acme", "challenger", "champion").worse("log_loss"), "and the other way round"


def test_pairing_tells_apart_what_two_intervals_cannot(home: Path) -> None:
    """The same small improvement for everyone: the paired interval excludes zero where the models' own overlap."""
    truth, y = world()
    keep("champion", np.clip(truth * 1.4, 0, 0.99), y)
    keep("challenger", truth, y)
    found = compare("acme", "champion", "challenger")
    mine, theirs = found.challenger_metrics["log_loss"], found.champion_metrics["log_loss"]
    assert found.better("log_loss") and mine.high > theirs.low


def test_a_model_does_not_differ_from_itself(home: Path) -> None:
    truth, y = world()
    keep("one", truth, y)
    keep("two", truth, y)
    found = compare("acme", "one", "two")
    assert all((each.value, each.low, each.high) == (0, 0, 0) for each in found.differences.values())
    assert found.changed == () and not found.better("log_loss") and not found.worse("log_loss")


@pytest.mark.slow
def test_models_equally_good_are_seldom_told_apart(home: Path) -> None:
    """Two that err alike: in 60 worlds the 95 % interval of the log loss excludes zero at most 8 times."""
    apart = 0
    for seed in range(60):
        truth, y = world(seed)
        rng = np.random.default_rng(seed + 1_000)
        one, two = (np.clip(truth + rng.normal(0, 0.08, len(y)), 0.02, 0.98) for _ in range(2))
        found = challenge.differences(rows(y, two), rows(y, one), seed, None, 100, ("log_loss",))["log_loss"]
        apart += found.low > 0 or found.high < 0
    assert apart <= 8


def test_other_rows_or_answers_are_never_compared_by_what_is_kept(home: Path) -> None:
    truth, y = world()
    keep("champion", truth, y, case="one")
    keep("challenger", truth, y, case="other", settings={"seed": 7, "algorithm": "lightgbm", "balance": "smote"})
    with pytest.raises(EngineError, match=r"have not judged the same rows.*may fit both anew"):
        compare("acme", "champion", "challenger", again=False)


def test_what_is_made_alike_on_other_data_is_told_as_that(home: Path) -> None:
    truth, y = world()
    keep("champion", truth, y, case="one")
    keep("challenger", truth, y, case="other", as_of=datetime(2024, 8, 1), version="v1")
    found = compare("acme", "champion", "challenger")
    assert found.how == "same recipe" and not found.differences and found.newer
    assert [what for what, *_ in found.changed] == ["knows answers as of"]


def test_held_out_rows_name_nobody_and_are_the_same_for_every_model(monkeypatch: pytest.MonkeyPatch) -> None:
    index = pd.MultiIndex.from_product([[datetime(2024, 1, 1), datetime(2024, 4, 1)], [f"c{i}" for i in range(300)]],
                                       names=["as_of", "customer_id"])
    rng = np.random.default_rng(5)
    y = pd.Series(rng.integers(0, 2, len(index)), index)
    known = Snapshot(pd.DataFrame({"x": rng.random(len(index))}, index), y, (Window(datetime(2024, 1, 1), 90),), ())
    said = pd.DataFrame({"repeat": 0, "fold": 0, "trained_on": 300, "y": y, "raw": 0.5, "probability": 0.5,
                         "flagged": False}, index).iloc[300:]
    kept = held_out(known, said)
    assert not set(kept.rows) & {"customer_id", "as_of"} and (kept.rows["position"] >= 300).all()
    assert held_out(known, said.assign(probability=0.7)).comparable(kept)
    assert not held_out(replace(known, y=1 - y), said).comparable(kept), "other answers"
    monkeypatch.setattr("engine.prediction.heldout.MOST_ROWS", 100)
    few = held_out(known, said)
    assert len(few.rows) == 100 < MOST_ROWS
    assert few.rows["position"].equals(held_out(known, said.assign(probability=0.1)).rows["position"])
    assert HeldOut(few.rows, "a", "b").groups[few.rows["position"].iloc[0]] == few.rows["owner"].iloc[0]


# ------------------------------------------------------------------------------------------------------ rules

def told(low: float, value: float, high: float, newer: bool = False) -> Comparison:
    """A comparison of which only the log loss matters."""
    loss = Estimate(value, low, high, 9, "")
    return Comparison("a", "b", "held out", "9 rows", {}, {}, {"log_loss": loss}, newer, ())


ALIKE = Comparison("a", "b", "same recipe", "no rows that both have judged", {}, {}, {}, True, ())


@pytest.mark.parametrize(("rule", "found", "promoted"), [
    ("better", told(-0.02, -0.01, -0.001), True), ("better", told(-0.02, -0.01, 0.001), False),
    ("better", told(-0.02, -0.01, 0.001, newer=True), False), ("better", ALIKE, False),
    ("better_or_newer", told(-0.02, -0.01, 0.001, newer=True), True),
    ("better_or_newer", told(-0.02, 0.01, 0.03, newer=False), False),
    ("better_or_newer", told(0.001, 0.01, 0.03, newer=True), False), ("better_or_newer", ALIKE, True),
    ("person", told(-0.02, -0.01, -0.001), False),
])
def test_rules(rule: str, found: Comparison, promoted: bool) -> None:
    asks = challenge.PROMOTIONS[rule]
    assert asks is not None and asks(found)[0] == promoted


@pytest.mark.slow
def test_the_first_model_needs_no_rule_and_the_same_one_stays(home: Path) -> None:
    truth, y = world()
    card = keep("m1", truth, y)
    assert decide("acme", card, "person").promoted
    store.promote("acme", "m1")
    assert decide("acme", card, "person").promoted
    assert not decide("acme", keep("m2", truth, y), "person").promoted
    worthless = keep("m3", truth, y, usable=False)
    for rule in ("always", "better_or_newer"):
        found = decide("acme", worthless, rule)
        assert not found.promoted and found.why == challenge.KNOWS_LESS
    record = challenge.described("acme", compare("acme", "m1", "m3"))
    assert not any(each["promotes"] for each in record["rules"].values()), "what each rule would do says the same"
    store.promote("acme", "m3")
    assert decide("acme", keep("m4", truth, y, usable=False), "always").promoted, "no usable one is lost"
    assert decide("acme", card, "always").promoted
    next(store.models_home().glob("acme/m3/held_out.parquet")).unlink()
    assert decide("acme", keep("m5", truth, y, usable=False), "always").promoted, "what is damaged is of no use either"


# ------------------------------------------------------------------------------------------------------ story

def company(folder: Path, seed: int = 1, customers: int = 500) -> tuple[Path, dict[str, object]]:
    """A small company's file and its mapping."""
    rng = np.random.default_rng(seed)
    use, plan = rng.gamma(2, 10, customers), rng.choice(["month", "year"], customers)
    left = rng.random(customers) < 1 / (1 + np.exp(0.12 * use - 1.5 - (plan == "month")))
    pd.DataFrame({"id": [f"c{i}" for i in range(customers)], "use": use.round(2), "plan": plan,
                  "fee": rng.uniform(10, 50, customers).round(2), "gone": np.where(left, "yes", "no"),
                  }).to_csv(folder / "acme.csv", index=False)
    mapping = {"id": "id", "horizon_days": 30, "label": {"column": "gone", "positive": "yes"},
               "money": {"column": "fee", "per": "month"}}
    return folder / "acme.csv", {"mapping": mapping}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a small company, a model in use, and another one that a person is to decide about."""
    place = tmp_path_factory.mktemp("acme")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_HOME", str(place / "home"))
        patch.delenv("HOLDFAST_DATABASE_URL", raising=False)
        source, options = company(place)
        engine.run([source], name="acme", adapter="table", options=options, observed_until=datetime(2025, 7, 1),
                   actor=ANA, now=NOW, settings=engine.Settings(quick=True))
        champions.set_rule("acme", "person", actor=ANA, now=NOW)
        engine.train("acme", actor=ANA, now=NOW, settings=engine.Settings(quick=True, balance="class_weight"))
    return place / "home"


@pytest.fixture
def acme(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that home."""
    import shutil

    monkeypatch.setenv("HOLDFAST_HOME", str(shutil.copytree(made, tmp_path / "home")))
    monkeypatch.delenv("HOLDFAST_DATABASE_URL", raising=False)
    return tmp_path / "home"


def stages() -> dict[str, str | None]:
    return {pointer: store.current("acme", pointer) for pointer in store.POINTERS}


@pytest.mark.slow
def test_a_challenger_waits_and_the_scores_stay_those_of_the_champion(acme: Path) -> None:
    names = stages()
    assert names["staging"] and names["production"] and names["staging"] != names["production"]
    assert catalog.run("acme").model_id == names["production"]
    entry = engine.audit_log(5, Actor("ada", "admin"), verb="stage")[0]
    assert entry["detail"]["model_id"] == names["staging"] and entry["detail"]["rule"] == "person"
    assert champions.is_scored("acme", names["staging"]), "its scores lie ready beside those in use"


@pytest.mark.slow
def test_promotion_and_the_way_back_move_model_and_scores_together(acme: Path) -> None:
    names = stages()
    with pytest.raises(Refused):
        engine.promote("acme", "staging", actor=EVE, now=NOW)
    assert engine.promote("acme", "staging", actor=ANA, now=NOW) == names["staging"] == catalog.run("acme").model_id
    assert stages() == {"production": names["staging"], "staging": None}
    assert engine.rollback("acme", actor=ANA, now=NOW) == names["production"] == catalog.run("acme").model_id
    log = engine.audit_log(2, Actor("ada", "admin"))
    assert [(entry["verb"], entry["actor"]) for entry in log] == [("rollback", "ana"), ("promote", "ana")]
    with pytest.raises(EngineError, match="no production model before"):
        engine.rollback("acme", actor=ANA, now=NOW)


@pytest.mark.slow
def test_everybody_may_compare_what_is_kept_and_it_is_the_stored_rows(acme: Path) -> None:
    record = champions.compare("acme", actor=EVE, now=NOW)
    assert record["how"] == "held out" and set(record["verdicts"]) == {"roc_auc", "log_loss", "brier", "ece"}
    assert ["balance", "none", "class_weight"] in [list(change) for change in record["changed"]]
    kept = store.table("acme", record["challenger"], "held_out")
    metrics = engine.model_card("acme", record["challenger"]).metrics["model"]
    assert kept is not None and record["challenger_metrics"]["roc_auc"]["value"] == metrics["roc_auc"].value
    with pytest.raises(EngineError, match="is both models"):
        champions.compare("acme", "production", actor=EVE, now=NOW)


@pytest.mark.slow
def test_recipes_are_made_anew_on_the_same_folds_where_rows_differ(acme: Path) -> None:
    """A champion whose kept rows are gone: both are fitted again, by a manager; then everybody reads the result."""
    parts, card = store.load("acme")
    old = replace(card, model_id="old", detail={})
    store.save(parts, old, "acme")
    store.promote("acme", "old")
    with pytest.raises(EngineError, match="takes minutes and a manager"):
        champions.compare("acme", actor=EVE, now=NOW)
    record = champions.compare("acme", actor=ANA, now=NOW)
    assert record["how"] == "made anew"
    assert champions.compare("acme", actor=EVE, now=NOW) == record
    kept = champions.compare("acme", champion=card.model_id, actor=ANA, now=NOW)
    for name, told_again in record["differences"].items():
        assert told_again["value"] == pytest.approx(kept["differences"][name]["value"], abs=1e-12), name


@pytest.mark.slow
def test_the_rule_is_the_datasets_own(acme: Path) -> None:
    assert champions.rule_of("acme", EVE) == "person"
    with pytest.raises(Refused):
        champions.set_rule("acme", "always", actor=EVE, now=NOW)
    with pytest.raises(EngineError, match="promotion rule"):
        champions.set_rule("acme", "coin", actor=ANA, now=NOW)
    champions.set_rule("acme", "better", actor=ANA, now=NOW)
    assert [kept.content for kept in saved.kept("promotion", "acme", actor=ANA)] == [{"rule": "better"}]


@pytest.mark.slow
def test_a_model_made_again_from_its_card_gives_the_same_scores(acme: Path) -> None:
    told_again = champions.reproduce("acme", "staging", actor=ANA, now=NOW)
    assert told_again.same and told_again.largest_difference == 0 and told_again.largest_held_out == 0
    assert told_again.same_id and told_again.files == told_again.same_files
    assert len(store.models("acme")) == 2, "nothing is kept of it"


@pytest.mark.slow
def test_a_model_that_is_not_what_its_card_says_is_found_out(acme: Path) -> None:
    parts, card = store.load("acme", "staging")
    other, _ = store.load("acme", "production")
    store.save({**parts, "churn": other["churn"]}, replace(card, model_id="forged"), "acme")
    told_again = champions.reproduce("acme", "forged", actor=ANA, now=NOW)
    assert not told_again.same and told_again.largest_difference > 0 and told_again.same_files < told_again.files


@pytest.mark.slow
def test_next_months_file_is_judged_by_the_customers_neither_had_met(acme: Path, tmp_path: Path) -> None:
    """The rule is asked by `run`: the old model is held against the new one on new customers, both as they are."""
    source, options = company(tmp_path, customers=900)
    champion = stages()["production"]
    report = engine.run([source], name="acme", adapter="table", options=options, actor=ANA,
                        now=NOW + timedelta(days=30), observed_until=datetime(2025, 8, 1), promotion="better_or_newer",
                        settings=engine.Settings(quick=True))
    told_again = report["promotion"]
    assert told_again["promoted"] == (catalog.run("acme").model_id == told_again["model_id"])
    record = champions.compare("acme", told_again["model_id"], str(champion), actor=EVE, now=NOW)
    assert record["how"] == "as they are" and "400 rows" in record["on"], "500 of the 900 were known"
    assert record["newer"] and record["rules"]["better_or_newer"]["why"] == told_again["why"]
    assert {"data version", "rows learned from"} <= {what for what, *_ in record["changed"]}


@pytest.mark.slow
def test_what_knows_nothing_never_replaces_what_is_usable(acme: Path, tmp_path: Path) -> None:
    """Whoever leaves is drawn by lot: the new model waits under the rule "always", and the usable one goes on scoring;
    where it cannot, because a column is gone, nothing that is in use changes."""
    from engine import cards

    champion, before = stages()["production"], catalog.dataset("acme").version
    source, options = company(tmp_path)
    frame = pd.read_csv(source)
    frame["gone"] = np.random.default_rng(0).choice(["yes", "no"], len(frame))
    frame.drop(columns="plan").to_csv(source, index=False)
    told = {"name": "acme", "adapter": "table", "options": options, "actor": ANA, "promotion": "always",
            "now": NOW + timedelta(days=30), "settings": engine.Settings(quick=True)}
    with pytest.raises(EngineError, match=r"knows nothing .* cannot score these data: .*plan.* stays in use"):
        engine.run([source], observed_until=datetime(2025, 8, 1), **told)
    assert stages()["production"] == champion and catalog.dataset("acme").version == before
    frame.to_csv(source, index=False)
    report = engine.run([source], observed_until=datetime(2025, 8, 1), **told)
    assert stages() == {"production": champion, "staging": report["promotion"]["model_id"]}
    assert report["model_id"] == champion == catalog.run("acme").model_id
    assert catalog.dataset("acme").version == report["version"] != before, "this month's data, by the usable model"
    printed = " ".join(cards.run(report).split())
    assert "waits in staging by the rule always: it knows nothing about who leaves" in printed


@pytest.mark.slow
def test_the_command_line_tells_and_does_the_same(acme: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from engine.__main__ import main

    def say(*words: str) -> str:
        assert main(["models", "--dataset", "acme", *words]) == 0
        return capsys.readouterr().out

    names = stages()
    assert f"{names['staging']} against {names['production']}" in say("--compare", "staging")
    told_again = say("--compare", "staging")
    assert "difference (95 %)" in told_again and "balance: none -> class_weight" in told_again
    assert "Would remove" in say("--retire", "--keep", "1", "--dry-run") and len(store.models("acme")) == 2
    assert "by the rule: better" in say("--rule", "better")
    say("--promote", "staging")
    assert store.current("acme") == names["staging"]
    say("--rollback")
    assert store.current("acme") == names["production"]


# ----------------------------------------------------------------------------------------------------- retire

@pytest.mark.slow
def test_retiring_keeps_what_is_needed_and_says_so_first(acme: Path) -> None:
    parts, card = store.load("acme")
    first = {**stages()}
    for number in range(6):
        store.save(parts, replace(card, model_id=f"old{number}", as_of=card.as_of - timedelta(days=30 + number)),
                   "acme")
        run = replace(catalog.run("acme"), run_id=f"run{number}", model_id=f"old{number}")
        scores, reasons = (frame.assign(run_id=run.run_id) for frame in (catalog.run("acme").scores(),
                                                                        catalog.run("acme").reasons()))
        catalog.save_run(run, scores, reasons, pd.DataFrame(index=scores["customer_id"]), actor=ANA, now=NOW,
                         in_use=False)
    _campaign("old4")
    store.promote("acme", "old5")
    store.promote("acme", str(first["production"]))
    with pytest.raises(Refused):
        champions.retire("acme", 2, actor=EVE, now=NOW)
    before = sorted(path for path in acme.rglob("*") if path.is_file() and "state" not in path.name)
    dry = champions.retire("acme", 2, actor=ANA, now=NOW, dry=True)
    assert sorted(path for path in acme.rglob("*") if path.is_file() and "state" not in path.name) == before
    assert sorted(dry.models) == ["old0", "old1", "old2", "old3"] and sorted(dry.runs) == [f"run{i}" for i in range(4)]
    why = dict(dry.stay)
    assert (why[str(first["production"])], why[str(first["staging"])]) == ("production now", "staging now")
    assert (why["old5"], why["old4"]) == ("production before", "a campaign rests on it")
    size = sum(path.stat().st_size for path in acme.rglob("*") if path.is_file() and "state" not in path.name)
    done = champions.retire("acme", 2, actor=ANA, now=NOW)
    left = sum(path.stat().st_size for path in acme.rglob("*") if path.is_file() and "state" not in path.name)
    assert (done.models, done.runs) == (dry.models, dry.runs) and size - left == done.bytes
    assert {record.model_id for record in store.models("acme")} == {*first.values(), "old4", "old5"}
    assert engine.rollback("acme", actor=ANA, now=NOW) == "old5"
    with pytest.raises(EngineError, match="at least the newest"):
        champions.retire("acme", 0, actor=ANA, now=NOW)


def _campaign(model_id: str) -> None:
    """A campaign that was planned with a model."""
    texts = dict.fromkeys(("run_id", "version", "policy_id", "currency", "content_sha256", "note"), "x")
    row = {**texts, "id": "k1", "dataset": "acme", "name": "spring", "status": "closed", "model_id": model_id,
           "synthetic": False, "horizon_days": 30, "audience": {}, "constraints": {}, "figures": {}, "seed": 1,
           "holdout_share": 0.1, "spend_cents": 0, "erased": 0, "created_by": "ana", "created_at": NOW}
    with state.writer() as connection:
        connection.execute(sa.insert(CAMPAIGNS).values(row))
