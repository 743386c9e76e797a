"""One company's story from its file to a customer's card, held to numbers that can be worked out by hand.

The company: 800 customers on two plans. On "flex" 4 of 10 left, on "bound" 1 of 10; everyone pays 50 a month.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import engine
from engine import catalog, insight, planning
from engine.cards import customer
from engine.data.labels import labels, windows_for
from engine.prediction import store
from engine.prediction.model import Model
from engine.schema import NO_REASONS, Actor

NOW = datetime(2024, 6, 1, 12)
ANN = Actor("ann", "manager")
HORIZON_DAYS, MONTH_DAYS = 90, 365.25 / 12
MARGIN = 50 * 0.30
MAPPING = """
id = "id"
horizon_days = 90
sector = "telecom"
currency = "EUR"
tenure = "months"
categorical = ["plan"]
[label]
column = "left"
positive = "yes"
[money]
column = "fee"
per = "month"
"""

pytestmark = pytest.mark.slow


def company() -> pd.DataFrame:
    """800 customers: 400 on each plan, 160 and 40 of them leavers, tenure without meaning, in no order."""
    frame = pd.DataFrame({"plan": np.repeat(["flex", "bound"], 400), "left": "no"})
    frame.loc[[*range(160), *range(400, 440)], "left"] = "yes"
    rng = np.random.default_rng(7)
    frame = frame.iloc[rng.permutation(800)].reset_index(drop=True)
    return frame.assign(id=[f"{n:04d}" for n in range(800)], months=rng.integers(1, 61, 800), fee=50.0)


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict:
    """The run's report, in a home of its own."""
    folder = tmp_path_factory.mktemp("story")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_HOME", str(folder / "home"))
        company().to_csv(folder / "acme.csv", index=False)
        (folder / "acme.toml").write_text(MAPPING, encoding="utf-8")
        report = engine.run([folder / "acme.csv"], name="acme", adapter="table", now=NOW, actor=ANN,
                            options={"mapping": folder / "acme.toml"}, settings=engine.Settings(quick=True, seed=1))
        yield report | {"folder": folder}


@pytest.fixture
def scores(told: dict) -> pd.DataFrame:
    """The stored scores, by customer."""
    return catalog.run("acme").scores().set_index("customer_id")


def test_the_data_are_what_the_file_says(told: dict) -> None:
    dataset = catalog.dataset("acme")
    answers = labels(dataset, windows_for(dataset, 1))
    assert (told["rows"], int(answers.sum())) == (800, 200)
    assert dataset.observed_until == datetime(2024, 6, 1)
    assert told["quarantined"] == []


def test_probabilities_are_the_plans_rates(scores: pd.DataFrame) -> None:
    flex = company().set_index("id")["plan"] == "flex"
    by_plan = scores["churn_probability"].groupby(flex).mean()
    assert by_plan[True] == pytest.approx(0.40, abs=0.03)
    assert by_plan[False] == pytest.approx(0.10, abs=0.03)
    assert scores["churn_probability"].mean() == pytest.approx(0.25, abs=0.01)


def test_value_is_an_annuity_that_counts_churn_once(scores: pd.DataFrame) -> None:
    """(1 - p) x value if she stays + p x what a leaver brings, and the latter is less than the window's margin."""
    p, stays, expected = (scores[name] for name in ("churn_probability", "ltv_if_stays", "expected_ltv"))
    from_leavers = (expected - (1 - p) * stays) / p
    window_margin = MARGIN * HORIZON_DAYS / MONTH_DAYS
    assert from_leavers.between(0, window_margin).all()
    assert (stays > window_margin * 0.97).all()
    assert (stays < MARGIN * 730 / MONTH_DAYS).all()
    assert scores["margin_at_risk"].to_numpy() == pytest.approx((p * stays).to_numpy())


def test_survival_and_probability_share_one_window(told: dict, scores: pd.DataFrame) -> None:
    from engine.data.features import features
    from engine.prediction.value import value_inputs

    dataset, model = catalog.dataset("acme"), Model.of(store.load("acme")[0])
    X = features(dataset, dataset.observed_until)
    p = model.churn.probability(X)
    inputs = value_inputs(dataset, X, p, dataset.observed_until, model.ltv.settings)
    at_window = model.ltv.survival(inputs, np.array([0.0, HORIZON_DAYS / MONTH_DAYS]))[:, 1]
    assert 1 - at_window == pytest.approx(p, abs=1e-9)
    assert scores["churn_probability"].mean() == pytest.approx(np.mean(1 - at_window), abs=1e-9)


def test_the_driver_quotes_a_rate_that_can_be_counted(told: dict) -> None:
    someone = company().query("plan == 'flex'")["id"].iloc[0]
    card = engine.predict("acme", someone, actor=ANN, now=NOW)
    words = {driver["feature"]: driver["words"] for driver in card["drivers"]}
    assert words["plan"] == "Plan (flex) raises the risk: 40 % of such customers left."


def test_segments_are_quarters_of_thirds(scores: pd.DataFrame) -> None:
    scores = scores[scores["has_left"] == 0]
    tiers = scores["ltv_tier"].value_counts(normalize=True)
    assert tiers.to_numpy() == pytest.approx(np.full(3, 1 / 3), abs=0.03)
    risky = scores["segment"].isin(["At-Risk VIP", "Vulnerable", "Losing Customer"])
    assert risky.groupby(scores["ltv_tier"]).mean().to_numpy() == pytest.approx(np.full(3, 0.25), abs=0.06)
    assert scores["risk_score"].to_numpy() == pytest.approx(scores["churn_probability"].to_numpy())


def test_new_customers_are_left_alone_and_leavers_won_back(scores: pd.DataFrame) -> None:
    new = company().set_index("id")["months"] < 6
    assert ((scores["hold_back"] != "") == new).all()
    staying = scores[new & (scores["has_left"] == 0)].index[0]
    gone = scores[scores["has_left"] == 1].index[0]
    assert [step["name"] for step in engine.predict("acme", staying, actor=ANN, now=NOW)["actions"]] == ["leave_alone"]
    assert [step["name"] for step in engine.predict("acme", gone, actor=ANN, now=NOW)["actions"]] == ["win_back"]


def test_batch_single_customer_and_file_agree(told: dict, scores: pd.DataFrame) -> None:
    someone = scores.index[[3, 77, 410]]
    output = told["folder"] / "scored.csv"
    company().drop(columns="left").to_csv(told["folder"] / "new.csv", index=False)
    engine.score_file("acme", [told["folder"] / "new.csv"], output, actor=ANN, now=NOW)
    filed = pd.read_csv(output, dtype={"customer_id": str}).set_index("customer_id")
    for who in someone:
        card = engine.predict("acme", who, actor=ANN, now=NOW)
        for name in ("churn_probability", "churn_low", "ltv_if_stays", "expected_ltv", "risk_score"):
            assert card[name] == pytest.approx(scores.loc[who, name], rel=1e-9)
            assert card[name] == pytest.approx(filed.loc[who, name], rel=1e-9)
        assert card["segment"] == scores.loc[who, "segment"] == filed.loc[who, "segment"]


def test_value_of_a_steady_customer_is_the_closed_form() -> None:
    """Constant hazard h, margin m a month, no discount: m (1 - e^-hH) / h, worked out for one customer."""
    from engine.prediction.ltv import LtvInputs, train_ltv
    from engine.prediction.money import LtvSettings

    index = pd.Index(["a"], name="customer_id")
    inputs = LtvInputs(pd.DataFrame({"x": [0.0]}, index=index), pd.Series([0.10], index), MONTH_DAYS,
                       pd.Series([15.0], index))
    settings = LtvSettings(horizon_days=365, annual_discount=0.0)
    model, _, _ = train_ltv(inputs, None, "survival", seed=0, settings=settings)
    hazard, horizon = -np.log(0.9), 365 / MONTH_DAYS
    by_hand = 15.0 * (1 - np.exp(-hazard * horizon)) / hazard
    assert by_hand == pytest.approx(102.15, abs=0.05)
    assert model.ltv(inputs)["expected_ltv"].iloc[0] == pytest.approx(by_hand, rel=1e-6)


def test_a_run_that_fails_leaves_the_last_good_state(told: dict) -> None:
    before = catalog.dataset("acme").version
    changed = told["folder"] / "changed.csv"
    company().assign(fee=60.0).to_csv(changed, index=False)
    with pytest.raises(engine.EngineError, match="nonsense"):
        engine.run([changed], name="acme", adapter="table", now=NOW, actor=ANN,
                   options={"mapping": told["folder"] / "acme.toml"},
                   settings=engine.Settings(quick=True, overrule=("nonsense",)))
    assert catalog.dataset("acme").version == before
    assert engine.predict("acme", "0010", actor=ANN, now=NOW)["model_id"] == told["model_id"]


def test_the_same_input_gives_the_same_bytes(told: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "other"))
    again = engine.run([told["folder"] / "acme.csv"], name="acme", adapter="table", now=replace_day(NOW), actor=ANN,
                       options={"mapping": told["folder"] / "acme.toml"},
                       settings=engine.Settings(quick=True, seed=1))
    assert (again["model_id"], again["run_id"], again["version"]) == (
        told["model_id"], told["run_id"], told["version"])
    for place in ("model", "scores", "data"):
        mine, other = (Path(report["where"][place]) for report in (told, again))
        for path in sorted(mine.rglob("*")):
            if path.is_file() and path.name != "receipt.json":
                assert path.read_bytes() == (other / path.relative_to(mine)).read_bytes(), path.name


def replace_day(now: datetime) -> datetime:
    """Another hour of the same day: the clock must not reach the bytes."""
    return now.replace(hour=18)


def test_an_executive_sees_no_single_customer(told: dict) -> None:
    with pytest.raises(engine.Refused, match="marketer"):
        engine.predict("acme", "0010", actor=Actor("eve", "executive"), now=NOW)
    assert engine.describe_models("acme", Actor("eve", "executive"))


def test_everything_done_is_in_the_audit_log(told: dict) -> None:
    verbs = {entry["verb"] for entry in engine.audit_log(100, Actor("root", "admin"))}
    assert {"onboard", "train", "score", "predict"} <= verbs


def test_the_report_can_be_written_as_json(told: dict) -> None:
    told = {name: value for name, value in told.items() if name != "folder"}
    assert json.loads(json.dumps(told, allow_nan=False))["models"]["lightgbm"]["roc_auc"]["n"] == 800


def test_noise_is_called_noise(told: dict, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "noise"))
    rng = np.random.default_rng(5)
    frame = company().assign(left=np.where(rng.random(800) < 0.25, "yes", "no"))
    frame.to_csv(tmp_path / "noise.csv", index=False)
    report = engine.run([tmp_path / "noise.csv"], name="noise", adapter="table", now=NOW, actor=ANN,
                        options={"mapping": told["folder"] / "acme.toml"}, settings=engine.Settings(quick=True, seed=1))
    assert not report["usable"]
    assert report["notes"][0].startswith("The model knows nothing")
    staying = catalog.run("noise").scores().query("has_left == 0")["customer_id"].iloc[0]
    card = engine.predict("noise", staying, actor=ANN, now=NOW)
    assert [step["name"] for step in card["actions"]] == ["leave_alone"]
    place = insight.scope("noise")
    planned = planning.described(place, planning.plan(place, actor=ANN, now=NOW))
    assert planned["held_back"]["why"].startswith("The model knows nothing") and planned["total"]["customers"] == 0
    told = customer(card)
    assert NO_REASONS in told and not any(driver["words"] in told for driver in card["drivers"])


def test_what_cannot_be_heeded_and_what_is_unusual_is_said(told: dict, tmp_path: Path,
                                                           monkeypatch: pytest.MonkeyPatch) -> None:
    """Without tenure nobody can be held back as new; segments by the older definitions are for comparison."""
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "other"))
    (tmp_path / "plain.toml").write_text(MAPPING.replace('tenure = "months"', 'ignored = ["months"]'), encoding="utf-8")
    report = engine.run([told["folder"] / "acme.csv"], name="acme", adapter="table", now=NOW, actor=ANN,
                        options={"mapping": tmp_path / "plain.toml"},
                        settings=engine.Settings(quick=True, seed=1, segments="peer"))
    notes = " ".join(report["notes"])
    assert "data have no tenure_months: nobody is held back for being new." in notes
    assert "Segments follow the older definitions of Customer_Churn_LTV_Engine, for comparison only." in notes
    assert (catalog.run("acme").scores()["hold_back"] == "").all()
    ours = " ".join(told["notes"])
    assert "held back" not in ours and "older definitions" not in ours and "cases" not in ours
