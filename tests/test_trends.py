"""Trends of columns of successive months: made of the right columns, right, and learned from where they tell more."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine import catalog, onboarding
from engine.data import adapters
from engine.data.features import feature_columns, features
from engine.data.features.trends import trends
from engine.data.periods import moved, series
from engine.prediction import store
from engine.prediction.settings import Settings
from engine.schema import Actor, Column

NOW = datetime(2024, 8, 1)
ANA = Actor("ana", "manager")


def numbers(*names: str) -> list[Column]:
    return [Column(name, "number", "", "", label=name.replace("_", " ").capitalize()) for name in names]


@pytest.mark.parametrize(("names", "members"), [
    (["visits_2024_01", "visits_2023_12", "visits_2023_11"], ["visits_2023_11", "visits_2023_12", "visits_2024_01"]),
    (["sales_jan", "sales_nov", "sales_dec"], ["sales_nov", "sales_dec", "sales_jan"]),
    (["leituras_mai", "leituras_abr"], ["leituras_abr", "leituras_mai"]),
    (["q3_spend", "q1_spend", "q2_spend"], ["q1_spend", "q2_spend", "q3_spend"]),
    (["fy21_giving", "fy22_giving", "fy23_giving"], ["fy21_giving", "fy22_giving", "fy23_giving"]),
    (["wk2", "wk10", "wk1", "wk3"], []),
    (["may_contact", "out_of_office"], []),
    (["score_1", "score_2"], []),
])
def test_series_are_known_by_their_names(names: list[str], members: list[str]) -> None:
    assert [list(found) for found in series(names)] == ([members] if members else [])


def test_the_last_third_is_held_against_what_came_before() -> None:
    names = [f"visits_{month}" for month in ("jan", "feb", "mar", "apr", "may", "jun")]
    trend, = trends(numbers(*names))
    assert (trend.before, trend.lately) == (tuple(names[:4]), tuple(names[4:]))
    assert trend.column.title == "Visits may to visits jun against visits jan to visits apr"
    rows = pd.DataFrame([[2, 2, 2, 2, 1, 3], [4, 4, 4, 4, 1, 1], [0, 0, 0, 0, 0, 0], [0, 0, 0, 0, 1, 0],
                         [1, np.nan, 1, 1, 2, np.nan]], columns=names, dtype=float)
    assert trend.of(rows).tolist() == pytest.approx([1.0, 0.25, np.nan, 10.0, 2.0], nan_ok=True)


def test_words_and_flags_make_no_trend() -> None:
    assert trends([Column(f"plan_{month}", "category", "", "") for month in ("jan", "feb", "mar")]) == ()
    assert trends([Column(f"active_{month}", "flag", "", "") for month in ("jan", "feb", "mar")]) == ()


def fading(rng: np.random.Generator, rows: int = 3_000) -> pd.DataFrame:
    """Customers of very different habits who leave when they come less than before, and not when they come seldom."""
    habit = rng.gamma(1.2, 40, rows)
    months = {f"Visits {month}": rng.poisson(habit) for month in ("Mar", "Apr")}
    may = rng.poisson(habit * rng.choice([0.4, 1.0, 1.3], rows))
    fade = may / (np.mean(list(months.values()), axis=0) + 1)
    left = rng.random(rows) < 1 / (1 + np.exp(-1.2 + 3 * fade))
    june = rng.poisson(habit * np.where(left, 0.1, 1.0))
    return pd.DataFrame({"Member": [f"m{n:05d}" for n in range(rows)], **months, "Visits May": may, "Visits Jun": june,
                         "Monthly fee": rng.choice([19.0, 29.0, 39.0], rows),
                         "Churned in June": np.where(left, "Yes", "No")})


@pytest.mark.slow
def test_a_fading_customer_is_known_from_the_ratio_of_months(
    home: Path, tmp_path: Path, rng: np.random.Generator,
) -> None:
    """A LightGBM with the ratio at hand is no better; without it, it loses."""
    from lightgbm import LGBMClassifier
    from sklearn.model_selection import StratifiedKFold, cross_val_score

    frame = fading(rng)
    frame.to_csv(tmp_path / "members.csv", index=False)
    found = onboarding.propose([tmp_path / "members.csv"], name="club", actor=ANA, now=NOW)
    report = onboarding.accept(found, settings=Settings(quick=True), actor=ANA, now=NOW)
    dataset, card = catalog.dataset("club"), store.load("club")[1]
    names = [column.name for column in feature_columns(dataset)]
    assert "visits_may_trend" in names
    assert {name for name, _ in card.quarantined} == {"visits_jun"}
    X = features(dataset, dataset.observed_until)
    someone = X.index[7]
    assert features(dataset, dataset.observed_until, only=[someone]).equals(X.loc[[someone]])
    plain = frame[["Visits Mar", "Visits Apr", "Visits May", "Monthly fee"]]
    ratio = plain.assign(ratio=plain["Visits May"] / (plain["Visits Mar"] + plain["Visits Apr"] + 1e-9))
    left = frame["Churned in June"].eq("Yes")
    trees = LGBMClassifier(n_estimators=200, learning_rate=0.03, num_leaves=8, min_child_samples=40, reg_lambda=5,
                           verbosity=-1, n_jobs=1, random_state=0)
    cut = StratifiedKFold(5, shuffle=True, random_state=0)
    without, by_hand = (float(cross_val_score(trees, of, left, scoring="roc_auc", cv=cut).mean())
                        for of in (plain, ratio))
    ours = report["models"]["lightgbm"]["roc_auc"]["value"]
    assert by_hand > without + 0.005
    assert ours > by_hand - 0.005


LATER = {"Visits Mar": "Visits Apr", "Visits Apr": "Visits May", "Visits May": "Visits Jun", "Visits Jun": "Visits Jul",
         "Churned in June": "Churned in July"}


@pytest.mark.slow
@pytest.mark.parametrize("answered", [True, False])
def test_months_that_have_moved_on_are_read_as_the_last_ones_were(
    answered: bool, home: Path, tmp_path: Path, rng: np.random.Generator,
) -> None:
    june, july = (fading(rng, 400) for _ in range(2))
    june.to_csv(tmp_path / "june.csv", index=False)
    onboarding.keep(onboarding.propose([tmp_path / "june.csv"], name="club", actor=ANA, now=NOW), actor=ANA, now=NOW)
    frame = july.rename(columns=LATER) if answered else july.rename(columns=LATER).drop(columns="Churned in July")
    frame.to_csv(tmp_path / "july.csv", index=False)
    found = onboarding.propose([tmp_path / "july.csv"], name="club", actor=ANA, now=NOW)
    assert found.trainable == answered and not [one for one in found.changes if one.where != "Churned in June"]
    onboarding.keep(found, actor=ANA, now=NOW)
    reading = adapters.read([tmp_path / "july.csv"], tmp_path / "read", name="club", now=NOW,
                            options={"mapping": dict(found.mapping)})
    assert reading.dataset.frame()["visits_jun"].tolist() == july["Visits Jun"].tolist()
    assert {column.name: column.title for column in reading.dataset.columns}["visits_may"] == "Visits Jun"
    told = [finding.what for finding in reading.findings if "moved on" in finding.what]
    assert len(told) == 1 and "Visits Apr as Visits Mar" in told[0]


@pytest.mark.parametrize(("came", "wanted"), [
    (["a_2024_05", "a_2024_06"], ["a_2024_04", "a_2024_05"]), (["a_jan"], ["a_dec"]),
    (["q1_a", "q2_a"], ["q4_a", "q1_a"]),
    (["x_2", "x_3", "x_4"], ["x_1", "x_2", "x_3"]), (["a_may", "a_jun", "a_jul"], ["a_apr", "a_may"]),
])
def test_what_has_moved_on_is_known_by_its_names(came: list[str], wanted: list[str]) -> None:
    assert sorted(moved(came, wanted).values()) == sorted(wanted)


@pytest.mark.parametrize(("came", "wanted"), [
    (["a_2024_03", "a_2024_04"], ["a_2024_04", "a_2024_05"]), (["a_mar", "a_apr"], ["a_apr", "a_may"]),
    (["a_may", "a_jun", "b_jun"], ["a_apr", "a_may", "b_apr"]), (["a_may"], ["a_apr", "a_may"]),
    (["x_2", "x_3"], ["x_1", "x_2"]),
])
def test_earlier_months_fewer_months_and_other_steps_have_not_moved_on(came: list[str], wanted: list[str]) -> None:
    assert moved(came, wanted) == {}
