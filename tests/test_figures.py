"""What the card keeps for drawing: small, the same each time, and true to the contributions it stands for."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from engine.prediction.figures import CUSTOMERS_IN_SWARM, dependence, swarm


@pytest.fixture
def explained(rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Rows with a number, a flag and a category, gaps in two of them, and contributions known by formula."""
    months, flag = rng.integers(0, 72, 600).astype(float), rng.integers(0, 2, 600).astype(float)
    plan = pd.Categorical(rng.choice(["monthly", "yearly"], 600))
    rows = pd.DataFrame({"months": months, "flag": flag, "plan": plan})
    rows.loc[rows.index[::10], "months"] = np.nan
    rows.loc[rows.index[::11], "plan"] = None
    mine = pd.DataFrame({"months": 1 - rows["months"].fillna(99) / 36, "flag": rows["flag"] * 0.2,
                         "plan": np.where(rows["plan"] == "monthly", 0.5, -0.5)})
    return mine, rows


def test_the_swarm_follows_nobody_from_feature_to_feature(explained: tuple) -> None:
    mine, rows = explained
    told = swarm(mine, rows, ["months", "flag", "plan"], seed=3)
    for values in told.values():
        assert values["contribution"] == sorted(values["contribution"])


def test_the_swarm_is_a_sample_of_customers(explained: tuple) -> None:
    mine, rows = explained
    told = swarm(mine, rows, ["months", "flag", "plan"], seed=3)
    assert {len(values) for part in told.values() for values in part.values()} == {CUSTOMERS_IN_SWARM}
    assert told == swarm(mine, rows, ["months", "flag", "plan"], seed=3)
    assert told != swarm(mine, rows, ["months", "flag", "plan"], seed=4)
    for contribution, value in zip(told["plan"]["contribution"], told["plan"]["value"], strict=True):
        assert contribution == (0.5 if value == "monthly" else -0.5)
    for contribution, value in zip(told["months"]["contribution"], told["months"]["value"], strict=True):
        assert contribution == pytest.approx(1 - (99 if value is None else value) / 36, abs=5e-4)


def test_places_run_from_the_lowest_to_the_highest_value(explained: tuple) -> None:
    mine, rows = explained
    told = swarm(mine, rows, ["months", "flag", "plan"], seed=3)
    assert set(told["flag"]["place"]) == {0, 100}
    assert set(told["plan"]["place"]) == {None}
    ranked = [(value, place) for value, place in zip(told["months"]["value"], told["months"]["place"], strict=True)]
    assert all((value is None) == (place is None) for value, place in ranked)
    places = [place for _, place in sorted((value, place) for value, place in ranked if value is not None)]
    assert places == sorted(places) and places[0] >= 0 and places[-1] <= 100


def test_dependence_counts_everyone_once_and_follows_the_contributions(explained: tuple) -> None:
    mine, rows = explained
    told = dependence(rows["months"], mine["months"])
    assert sum(told["customers"]) == 600
    assert told["value"][-1] is None and told["middle"][-1] == pytest.approx(1 - 99 / 36, abs=1e-4)
    known = told["value"][:-1]
    assert known == sorted(known) and len(known) <= 20
    assert told["middle"][0] > told["middle"][-2], "the longer the tenure, the less it raises the risk"
    assert all(low <= middle <= high for low, middle, high in zip(told["low"], told["middle"], told["high"],
                                                                  strict=True))


def test_dependence_of_few_values_keeps_them_apart() -> None:
    told = dependence(pd.Series([0.0, 1.0, 1.0, 3.0]), pd.Series([-1.0, 0.2, 0.4, 0.9]))
    assert told["value"] == [0.0, 1.0, 3.0]
    assert told["middle"] == [-1.0, 0.3, 0.9]
    assert told["customers"] == [1, 2, 1]


def test_rare_levels_stand_together(rng: np.random.Generator) -> None:
    cities = pd.Series(pd.Categorical([f"town {n // 3}" for n in range(90)]))
    told = dependence(cities, pd.Series(rng.normal(size=90)))
    assert len(told["value"]) == 21
    assert dict(zip(told["value"], told["customers"], strict=True))["all others"] == 30


def test_a_column_without_any_value_is_one_gap() -> None:
    told = dependence(pd.Series([np.nan, np.nan]), pd.Series([0.1, 0.1]))
    assert (told["value"], told["customers"]) == ([None], [2])


def test_what_is_kept_is_plain_json(explained: tuple) -> None:
    mine, rows = explained
    told = {"swarm": swarm(mine, rows, list(rows), 0), "dependence": [dependence(rows[name], mine[name]) for name in
                                                                      rows]}
    assert json.loads(json.dumps(told, allow_nan=False)) == told
