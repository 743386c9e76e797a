"""Intervals hold the true probability as often as they say, where the truth is known."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.data.adapters import ADAPTERS
from engine.data.demo import DEMOS
from engine.data.features import features
from engine.prediction import ensembles
from engine.prediction.calibration import inverse_logit
from engine.prediction.churn import ChurnModel, ChurnOptions, train_churn
from engine.prediction.intervals import earned_weight, held_by_bins, pilot
from engine.schema import Snapshot, Window

PLAIN = ChurnOptions(repeats=1, comparison=False, stress=False, balance_effect=False, draws=50)
NOW = datetime(2024, 6, 1)


def snapshot_of(X: pd.DataFrame, y: np.ndarray, as_of: datetime = NOW) -> Snapshot:
    index = pd.MultiIndex.from_product([[as_of], X.index.astype(str)], names=["as_of", "customer_id"])
    return Snapshot(X.set_index(index), pd.Series(y, index=index), (Window(as_of, 90),), ())


def demo_company(folder: Path, seed: int) -> tuple[Snapshot, np.ndarray]:
    """The demo telecom through its own adapter and features, and each customer's true probability."""
    files = DEMOS["demo-telecom"].write(folder, seed)
    dataset = ADAPTERS[files.adapter].read(files.sources, folder, name="demo", observed_until=files.observed_until,
                                           now=NOW).dataset
    X = features(dataset, dataset.observed_until)
    y = dataset.frame()["churned"].reindex(X.index).to_numpy(dtype=int)
    truth = pd.read_parquet(files.truth)["churn_probability"].reindex(X.index).to_numpy()
    return snapshot_of(X, y, dataset.observed_until), truth


def share_held(model: ChurnModel, X: pd.DataFrame, truth: np.ndarray) -> float:
    low, high = model.interval(X)
    return float(np.mean((low <= truth) & (truth <= high)))


@pytest.mark.slow
def test_ninety_percent_intervals_hold_ninety_percent_on_the_demo_companies(tmp_path: Path) -> None:
    """One draw of labels moves all customers' errors together, so the promise is kept on average over companies.

    A single company held 83 to 95 % where it was measured; the mean of several is to lie in 88 to 92 %. The seeds here
    were looked at in tuning; benchmarks/RESULTS.md has fresh ones.
    """
    held = []
    for seed in range(4):
        snapshot, truth = demo_company(tmp_path / str(seed), seed)
        model, _ = train_churn(snapshot, seed=seed, options=PLAIN)
        held.append(share_held(model, snapshot.X, truth))
    assert 0.88 <= np.mean(held) <= 0.92
    assert 0.82 < min(held) <= max(held) < 0.95


@pytest.mark.slow
def test_intervals_narrow_with_more_customers() -> None:
    widths = []
    for n in (700, 5600):
        rng = np.random.default_rng(1)
        X = pd.DataFrame(rng.normal(size=(n, 4)), columns=list("abcd"))
        y = (rng.uniform(size=n) < inverse_logit(X["a"].to_numpy() - 1)).astype(int)
        model, _ = train_churn(snapshot_of(X, y), seed=1, options=PLAIN)
        low, high = model.interval(snapshot_of(X, y).X)
        widths.append(float(np.mean(high - low)))
    assert widths[1] < 0.7 * widths[0]


@pytest.mark.slow
@pytest.mark.real
def test_bins_of_held_out_telco_customers_lie_within_their_intervals(real_data: Any, tmp_path: Path) -> None:
    dataset = ADAPTERS["telco"].read([real_data("telco_ibm_21/Telco-Customer-Churn.csv")], tmp_path, name="telco",
                                     now=NOW).dataset
    X = features(dataset, dataset.observed_until)
    y = dataset.frame()["churned"].reindex(X.index).to_numpy(dtype=int)
    _, report = train_churn(snapshot_of(X, y), seed=1, options=PLAIN)
    assert report.detail["intervals"]["share_held"] >= 0.9


def test_bins_with_another_rate_than_promised_are_not_held() -> None:
    p = np.repeat([0.2, 0.8], 500)
    y = np.tile([1, 0], 500)
    assert held_by_bins(y, p, p - 0.05, p + 0.05, bins=2)["share_held"] == 0.0
    assert held_by_bins(y, p, p - 0.3, p + 0.3, bins=2)["share_held"] == 1.0


def test_a_useless_difference_earns_no_weight(rng: np.random.Generator) -> None:
    truth = rng.normal(size=20_000)
    y = (rng.uniform(size=20_000) < inverse_logit(truth)).astype(int)
    assert earned_weight(y, truth, rng.normal(size=20_000)) == pytest.approx(0.0, abs=0.06)
    assert earned_weight(y, np.zeros(20_000), truth) == pytest.approx(1.0, abs=0.06)


def test_the_pilot_moves_from_the_model_to_the_rough_one() -> None:
    fitted, rough = np.array([0.2, 0.6]), np.array([1.0, -1.0])
    assert pilot(fitted, rough, 0.0) == pytest.approx(fitted)
    assert pilot(fitted, rough, 1.0) == pytest.approx(inverse_logit(rough))


def test_many_rows_are_asked_in_parts_and_answer_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(2)
    X = pd.DataFrame({"x": rng.normal(size=2_500), "plan": pd.Categorical(rng.choice(["a", "b"], 2_500))})
    model = ensembles.logistic(0).fit(X, (rng.random(2_500) < 0.3).astype(int))
    whole, seen = ensembles.probability(model, X), []
    ask = model.predict_proba
    monkeypatch.setattr(ensembles, "ROWS_AT_ONCE", 1_000)
    monkeypatch.setattr(type(model), "predict_proba", lambda _self, part: seen.append(len(part)) or ask(part))
    parts = ensembles.probability(model, X)
    assert seen == [1_000, 1_000, 500]
    assert np.allclose(parts, whole, rtol=0, atol=1e-12)
    assert len(ensembles.probability(model, X.head(0))) == 0
