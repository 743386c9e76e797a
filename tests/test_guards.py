"""The split's guard: copies and interpolated children across the split are found; natural repetition is not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.prediction.guards import shared_rows


def customers(seed: int, n: int = 1500) -> tuple[pd.DataFrame, pd.Series]:
    """Customers with counts, prices on a grid, sums of products, categories, blanks, and a fifth who left."""
    rng = np.random.default_rng(seed)
    tenure = rng.geometric(0.05, n).clip(1, 72)
    price = rng.choice([19.95, 20.0, 20.05, 45.5, 70.25, 99.9], n) + rng.integers(0, 4, n) * 0.05
    X = pd.DataFrame({
        "tenure": tenure,
        "price": price.round(2),
        "total": (price * tenure).round(2),
        "per_service": price / rng.integers(1, 3, n),
        "visits": rng.poisson(6, n),
        "share": rng.beta(2, 5, n),
        "mood": np.where(rng.random(n) < 0.4, np.nan, rng.normal(size=n)),
        "plan": pd.Categorical(rng.choice(["month", "year"], n, p=[0.7, 0.3])),
        "pays_by": pd.Categorical(rng.choice(["card", "bank", "cheque"], n)),
        "flag": rng.integers(0, 2, n),
    })
    return X, pd.Series((rng.random(n) < 0.2).astype(int))


def split(X: pd.DataFrame, seed: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    place = np.random.default_rng(seed).permutation(len(X))
    return X.iloc[place[: int(0.8 * len(X))]], X.iloc[place[int(0.8 * len(X)) :]]


def numbers(X: pd.DataFrame) -> pd.DataFrame:
    return pd.get_dummies(X, dtype=float).fillna(0.0).astype(float)


@pytest.mark.parametrize("seed", range(6))
def test_an_honest_split_has_nothing_to_say(seed: int) -> None:
    X, _ = customers(seed)
    assert shared_rows(*split(X, seed)) == []
    assert shared_rows(*split(numbers(X), seed)) == []


def test_coarse_rows_repeat_by_nature(rng: np.random.Generator) -> None:
    flags = pd.DataFrame(rng.integers(0, 2, (2000, 8)))
    linked = pd.DataFrame({f"c{i}": pd.Categorical(np.minimum(rng.poisson(1, 2000), 3)) for i in range(6)})
    linked["count"] = rng.poisson(2, 2000)
    assert shared_rows(*split(flags, 0)) == []
    assert shared_rows(*split(linked, 0)) == []


def test_points_of_a_grid_lie_between_each_other_by_nature(rng: np.random.Generator) -> None:
    grid = pd.DataFrame(rng.poisson(20, (2000, 3)))
    minutes = rng.gamma(2, 30, 2000)
    line = pd.DataFrame({"minutes": minutes, "hours": minutes / 60, "cost": 5 + 0.2 * minutes})
    assert shared_rows(*split(grid, 0)) == []
    assert shared_rows(*split(line, 0)) == []


@pytest.mark.parametrize("seed", range(3))
def test_copies_made_before_the_split_are_found(seed: int) -> None:
    X, y = customers(seed)
    left = X[y == 1]
    copied = pd.concat([X, left.sample(3 * len(left), replace=True, random_state=seed)], ignore_index=True)
    (finding,) = shared_rows(*split(copied, seed))
    assert finding.severity == "severe"
    assert "copies of training rows" in finding.what
    assert finding.rows > 0.2 * 0.2 * len(copied)


def test_a_few_copies_are_counted() -> None:
    train, test = split(customers(1)[0], 1)
    planted = pd.concat([test.iloc[:190], train.iloc[:10]])
    (finding,) = shared_rows(train, planted)
    assert finding.rows in range(7, 11)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
def test_children_made_before_the_split_are_found(seed: int) -> None:
    from imblearn.over_sampling import SMOTE

    X, y = customers(seed)
    grown, _ = SMOTE(random_state=seed).fit_resample(numbers(X), y)
    findings = shared_rows(*split(grown, seed))
    assert ["between two training rows" in finding.what for finding in findings] == [True]
    assert findings[0].rows > 0.05 * 0.2 * len(grown)


@pytest.mark.slow
def test_children_with_categories_and_whole_numbers_are_found() -> None:
    from imblearn.over_sampling import SMOTENC

    X, y = customers(4)
    mixed = X.drop(columns="mood").astype({"plan": str, "pays_by": str})
    grown, _ = SMOTENC(["plan", "pays_by"], random_state=0).fit_resample(mixed, y)
    assert any("between two training rows" in finding.what for finding in shared_rows(*split(grown, 0)))


@pytest.mark.slow
def test_children_made_inside_the_training_part_are_allowed() -> None:
    from imblearn.over_sampling import SMOTE

    X, y = customers(5)
    train, test = split(numbers(X), 5)
    grown, _ = SMOTE(random_state=0).fit_resample(train, y.loc[train.index])
    assert shared_rows(grown, test) == []


def test_a_child_of_two_neighbours_by_hand(rng: np.random.Generator) -> None:
    """Each planted row divides a customer and the one nearest to it in a ratio of its own, as SMOTE does."""
    train, test = split(pd.DataFrame(rng.normal(size=(500, 5))), 0)
    place = train.to_numpy()
    distance = ((place[:40, None] - place) ** 2).sum(axis=2)
    nearest = place[np.argsort(distance, axis=1)[:, 1]]
    children = place[:40] + rng.uniform(0.1, 0.9, (40, 1)) * (nearest - place[:40])
    (finding,) = shared_rows(train, pd.concat([test, pd.DataFrame(children)], ignore_index=True))
    assert finding.rows == 40


def test_blank_columns_do_no_harm() -> None:
    X, _ = customers(2, 400)
    assert shared_rows(*split(X.assign(mood=np.nan), 0)) == []


def test_nothing_to_compare_says_nothing() -> None:
    X, _ = customers(0, 50)
    assert shared_rows(X, X.iloc[:0]) == shared_rows(X.iloc[:0], X) == []


@pytest.mark.slow
@pytest.mark.real
def test_telco_repeats_22_rows_by_nature(real_data, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    from imblearn.over_sampling import SMOTENC

    raw = pd.read_csv(real_data("telco_ibm_21/Telco-Customer-Churn.csv"))
    X, y = raw.drop(columns=["customerID", "Churn"]), (raw["Churn"] == "Yes").astype(int)
    X["TotalCharges"] = pd.to_numeric(X["TotalCharges"], errors="coerce").fillna(0.0)
    assert int(raw.drop(columns="customerID").duplicated().sum()) == 22
    assert [shared_rows(*split(X, seed)) for seed in range(5)] == [[]] * 5
    left = X[y == 1]
    copied = pd.concat([X, left.sample(3305, replace=True, random_state=0)], ignore_index=True)
    assert "copies of training rows" in shared_rows(*split(copied, 0))[0].what
    words = [name for name in X if X[name].dtype == object]
    grown, _ = SMOTENC(words, random_state=0).fit_resample(X, y)
    assert "between two training rows" in shared_rows(*split(grown, 0))[-1].what
