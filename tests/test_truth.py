"""The demo companies go the whole way, and what is said of their customers is held against the known truth."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

import engine
from engine import catalog
from engine.data.demo import DEMOS
from engine.schema import SCORES, Actor

NOW = datetime(2025, 7, 2, 9)
ANN = Actor("ann", "manager")
CUSTOMERS = {"demo-telecom": 3000, "demo-shop": 2500}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", params=sorted(DEMOS))
def told(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict]:
    """The report of a demo company's run, in a home of its own."""
    folder, demo = tmp_path_factory.mktemp(request.param), DEMOS[request.param]
    made = demo.write(folder / "raw", seed=2, customers=CUSTOMERS[request.param])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_HOME", str(folder / "home"))
        yield engine.run(made.sources, name=demo.name, adapter=made.adapter, actor=ANN, now=NOW,
                         observed_until=made.observed_until, settings=engine.Settings(quick=True, seed=1),
                         options={"synthetic": True, "sector": demo.sector, "currency": demo.currency,
                                  "horizon_days": demo.horizon_days}, apart={"truth": made.truth})


@pytest.fixture
def scores(told: dict) -> pd.DataFrame:
    return catalog.run(told["dataset"]).scores().set_index("customer_id")


@pytest.fixture
def truth(told: dict, scores: pd.DataFrame) -> pd.DataFrame:
    path = catalog.apart(catalog.dataset(told["dataset"]), "truth")
    return pd.read_parquet(path).reset_index().set_index("customer_id").reindex(scores.index)


def test_it_is_marked_synthetic_and_nothing_is_quarantined(told: dict) -> None:
    assert told["synthetic"]
    assert catalog.dataset(told["dataset"]).synthetic
    assert told["quarantined"] == []
    assert not [finding for finding in told["findings"] if finding["severity"] in ("severe", "error")]


def knowable(told: dict, truth: pd.DataFrame) -> pd.Series:
    """The true chance of each customer, as far as the data can tell it."""
    return truth["churn_probability_from_history" if told["dataset"] == "demo-shop" else "churn_probability"]


def test_probabilities_agree_with_the_truth(told: dict, scores: pd.DataFrame, truth: pd.DataFrame) -> None:
    p, true = scores["churn_probability"], knowable(told, truth)
    assert abs(p.mean() - true.mean()) < (0.05 if told["dataset"] == "demo-shop" else 0.03)
    assert np.corrcoef(p, true)[0, 1] > 0.9


def test_intervals_hold_the_truth(told: dict, scores: pd.DataFrame, truth: pd.DataFrame) -> None:
    """Each customer's true chance; of the shop the chance that all orders and visits tell, for the pace is hidden."""
    low, high, true = scores["churn_low"], scores["churn_high"], knowable(told, truth)
    assert np.mean((low <= true) & (true <= high)) > 0.8


def test_values_agree_with_the_truth(scores: pd.DataFrame, truth: pd.DataFrame) -> None:
    known = "expected_ltv" if "expected_ltv" in truth else "expected_spend"
    assert scores["expected_ltv"].rank().corr(truth[known].rank()) > 0.5


def test_every_promise_of_the_scores_is_kept(told: dict, scores: pd.DataFrame) -> None:
    assert SCORES.validate(scores.reset_index()) == []
    assert (scores["churn_low"] <= scores["churn_probability"]).all()
    assert (scores["churn_probability"] <= scores["churn_high"]).all()
    assert (scores["expected_ltv"] >= 0).all()
    orders = told["dataset"] == "demo-shop"
    assert scores["p_alive"].notna().all() == orders
    assert scores["next_order_at"].notna().all() == orders
    assert (scores["has_left"] == 0).all() == orders


def test_one_customer_alone_gets_what_the_batch_got(told: dict, scores: pd.DataFrame) -> None:
    for who in scores.index[[0, 5, 500, -1]]:
        card = engine.predict(told["dataset"], who, actor=ANN, now=NOW)
        for name in ("churn_probability", "churn_high", "ltv_if_stays", "expected_ltv", "risk_score"):
            assert card[name] == pytest.approx(scores.loc[who, name], rel=1e-9)
        assert (card["segment"], card["churn_risk"]) == (scores.loc[who, "segment"], scores.loc[who, "churn_risk"])
        assert card["synthetic"]
        assert all(driver["words"].endswith(".") for driver in card["drivers"])


def test_the_card_beside_the_model_tells_all(told: dict) -> None:
    card = engine.describe_models(told["dataset"], ANN)[0]
    assert {"model", "rule", "random", "ltv"} <= set(card["metrics"])
    assert card["stage"] == "production"


def test_a_later_look_is_a_run_of_its_own(told: dict) -> None:
    """The same model scores a later moment: two runs, so that movement between them can be shown."""
    from dataclasses import replace
    from datetime import timedelta

    dataset = catalog.dataset(told["dataset"])
    later = replace(dataset, observed_until=dataset.observed_until + timedelta(days=7))
    engine.score(later, actor=ANN, now=NOW)
    runs = [run for run in catalog.runs(told["dataset"]) if not run.looks_back]
    assert [run.as_of for run in runs] == [dataset.observed_until, later.observed_until]
    before = catalog.previous(runs[-1])
    assert before is not None
    assert before.run_id == told["run_id"]
