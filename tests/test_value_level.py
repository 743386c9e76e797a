"""The level of what orders will bring: weights by hand, trials that see nothing of what came, one total for all."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pandas as pd
import pytest

from engine.planning import doubts_of
from engine.prediction import regressors, value, value_level
from engine.prediction.money import LtvSettings
from engine.prediction.purchases import history
from engine.prediction.value_level import ACCIDENT, expected, learned, level_error, levelled, missed, trials, weight
from tests.cards import about, full_card

BEGAN, NOW = datetime(2024, 1, 1), datetime(2024, 12, 1)
MONEY = LtvSettings(margin_rate=0.4)
WINDOW = 60.0


def shop(rng: np.random.Generator, customers: int = 700, fading: float = 0.0) -> pd.DataFrame:
    """Orders from 2024 on of customers who came in its first quarter; `fading`: how fast their rates fall a year."""
    who = np.repeat(np.arange(customers), 40)
    came, rate = rng.uniform(0, 90, customers), rng.gamma(1.0, 1 / 40, customers)
    at = came[who] + np.concatenate([np.r_[0, np.cumsum(rng.exponential(1 / one, 39))] for one in rate])
    kept = (at < 366) & ((at == came[who]) | (rng.random(len(at)) < np.exp(-fading * (at - came[who]) / 365)))
    return pd.DataFrame({"customer_id": who[kept].astype(str), "at": pd.Timestamp(BEGAN)
                         + pd.to_timedelta(at[kept], unit="D"), "amount": rng.gamma(4, 10, int(kept.sum()))})


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    few = {**regressors.BOOSTING, "n_estimators": 40, "learning_rate": 0.1}
    monkeypatch.setattr(regressors, "BOOSTING", few)


def test_weights_by_hand() -> None:
    told = [{"learned": 0.3, "rhythm": 0.0}, {"learned": -0.1, "rhythm": 0.1}]
    by_learned, by_rhythm = 0.01 + (0.09 + 0.01) / 2, 0.01 + 0.01 / 2
    assert weight(told) == pytest.approx(by_rhythm / (by_learned + by_rhythm))
    alone = [0.02 / (0.02 + 0.02), 0.01 / (0.10 + 0.01)]
    assert missed(told) == pytest.approx([0.3 * alone[0], -0.1 * alone[1] + 0.1 * (1 - alone[1])])


def test_an_interval_is_never_narrower_than_one_periods_accidents() -> None:
    exact = level_error([{"learned": 0.0, "rhythm": 0.0, "customers": 90}] * 3)
    assert (exact.value, exact.n) == (0.0, 90)
    assert np.log1p([exact.low, exact.high]) == pytest.approx([-1.96 * ACCIDENT, 1.96 * ACCIDENT])
    off = level_error([{"learned": 0.3, "rhythm": 0.3, "customers": 90}] * 3)
    assert np.log1p(off.high) == pytest.approx(0.3 + 1.96 * np.hypot(0.3, ACCIDENT))


def test_plans_are_as_unsure_of_their_money_as_the_level() -> None:
    card, place = full_card(), cast(Any, SimpleNamespace(run=SimpleNamespace(customers=100)))
    untried = doubts_of(place, card).worth_all
    tried: dict[str, Any] = {**card.metrics, "ltv": {**card.metrics["ltv"], "level_error": about(0.3, 0.4)}}
    assert untried < 0.05
    assert doubts_of(place, full_card(metrics=tried)).worth_all == pytest.approx(np.hypot(0.3, 0.4 / 1.96), rel=1e-4)


@pytest.mark.slow
def test_the_total_is_the_combined_one_and_what_comes_later_changes_nothing(
    rng: np.random.Generator, quick: None,
) -> None:
    orders = shop(rng)
    known = orders[orders["at"] < NOW]
    alone = learned(known, NOW, "tweedie", MONEY, 1)
    model, metrics, detail = levelled(alone, known, NOW, WINDOW, 1)
    assert learned(orders, NOW, "tweedie", MONEY, 1).orders == alone.orders
    now, period = history(known, NOW), model.period_days
    valued, rhythm = expected(model, now, period, WINDOW)
    unlevelled, _ = expected(alone, now, period, WINDOW)
    w = detail["level"]["weight"]
    assert np.log(valued.sum()) == pytest.approx(w * np.log(unlevelled.sum()) + (1 - w) * np.log(rhythm.sum()))
    assert valued.to_numpy() / unlevelled.to_numpy() == pytest.approx(model.level)
    assert metrics["level_error"].low < 0 < metrics["level_error"].high
    assert [told["days"] for told in detail["level"]["trials"]] == [167, 125, 83]


@pytest.mark.slow
def test_where_orders_fade_the_forecast_that_knew_it_weighs_more(
    rng: np.random.Generator, quick: None,
) -> None:
    told = trials(shop(rng, fading=3.0), NOW, "tweedie", WINDOW, MONEY, 1)
    assert len(told) == 3
    squares = {name: sum(one[name] ** 2 for one in told) for name in ("learned", "rhythm")}
    assert (weight(told) > 0.5) == (squares["learned"] < squares["rhythm"])
    assert sum(miss**2 for miss in missed(told)) < max(squares.values())


def test_of_very_many_customers_some_stand_trial_always_the_same(
    rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch,
) -> None:
    orders = shop(rng, 200)
    assert value_level._some(orders, 1) is orders
    monkeypatch.setattr(value_level, "MOST_CUSTOMERS", 50)
    drawn = value_level._some(orders, 1)
    assert drawn["customer_id"].nunique() == 50
    assert len(drawn) == orders["customer_id"].isin(drawn["customer_id"]).sum()
    pd.testing.assert_frame_equal(drawn, value_level._some(orders, 1))


def test_a_history_too_short_for_trials_goes_half_way(rng: np.random.Generator) -> None:
    orders = shop(rng, 200)
    short = BEGAN + timedelta(days=80)
    assert trials(orders[orders["at"] < short], short, "tweedie", WINDOW, MONEY, 1) == []
    assert weight([]) == 0.5


@pytest.mark.slow
def test_of_many_customers_value_is_learned_from_some_and_says_so(
    rng: np.random.Generator, quick: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    lines = shop(rng).assign(quantity=1, kind="order")
    known = tmp_path / "customers.parquet", tmp_path / "events.parquet"
    lines[["customer_id"]].drop_duplicates().to_parquet(known[0])
    lines.to_parquet(known[1])
    about_them = SimpleNamespace(kind="orders", events=known[1], options={}, observed_until=NOW,
                                 label=SimpleNamespace(horizon_days=int(WINDOW)),
                                 frame=lambda columns: pd.read_parquet(known[0]).set_index("customer_id")[columns])

    def trained() -> value.Trained:
        nothing = cast(Any, None)
        return value.train_value(cast(Any, about_them), nothing, nothing, nothing, "tweedie", MONEY, 1)

    _, whole, _ = trained()
    monkeypatch.setattr(value, "MOST_CUSTOMERS", 350)
    _, some, _ = trained()
    assert not any("sample" in one.method for one in whole.values())
    assert all(one.method.endswith("; on a sample of 350 of 700 customers") for one in some.values())
    assert some["gini"].n <= 350 < whole["gini"].n
    assert some["gini"].low < whole["gini"].value < some["gini"].high
