"""Trees as large as held-out rows ask for: known worlds in which columns add up, or act together, or say nothing."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import numpy as np
import pandas as pd
import pytest

from engine.prediction import boosting, ensembles
from engine.prediction.balance import fit_balanced
from engine.prediction.boosting import SIZES, SMALLEST, Boosting, size_for
from engine.prediction.churn import ChurnOptions, train_churn
from engine.schema import Snapshot, Window

World = tuple[pd.DataFrame, np.ndarray]
AS_OF = datetime(2024, 1, 1)


def snapshot_of(X: pd.DataFrame, y: np.ndarray) -> Snapshot:
    names = [f"c{number:05d}" for number in range(len(X))]
    index = pd.MultiIndex.from_product([[AS_OF], names], names=["as_of", "customer_id"])
    return Snapshot(X.set_index(index), pd.Series(y, index=index), (Window(AS_OF, 90),), ())


def columns(seed: int, rows: int = 2_000) -> tuple[np.random.Generator, pd.DataFrame]:
    rng = np.random.default_rng(seed)
    return rng, pd.DataFrame(rng.normal(size=(rows, 8)), columns=[f"x{place}" for place in range(8)])


def answers(rng: np.random.Generator, log_odds: pd.Series) -> np.ndarray:
    return (rng.random(len(log_odds)) < 1 / (1 + np.exp(-log_odds.to_numpy()))).astype(int)


def adding_up(seed: int) -> World:
    rng, X = columns(seed)
    return X, answers(rng, X.x0 + 0.6 * X.x1.abs() - 0.7 * X.x2 - 1)


def together(seed: int) -> World:
    rng, X = columns(seed)
    return X, answers(rng, 2.5 * X.x0 * X.x1 + 2 * (X.x2 > 0) * X.x3 - 1)


def rules(seed: int) -> World:
    """Who leaves fits one of three descriptions, each of three columns."""
    rng, X = columns(seed, 4_000)
    fits = ((X.x0 > 0.4) & (X.x1 < 0) & (X.x2 < 0.5)) | ((X.x3 > 0.8) & (X.x4 > 0) & (X.x0 < 0.3)) | (
        (X.x5 < -0.5) & (X.x6 > 0) & (X.x1 > 0.2))
    return X, (rng.random(len(X)) < np.where(fits, 0.9, 0.04)).astype(int)


def silent(seed: int) -> World:
    rng, X = columns(seed)
    return X, (rng.random(len(X)) < 0.2).astype(int)


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in (2, 3))])
@pytest.mark.parametrize("world", [adding_up, silent])
def test_where_columns_add_up_or_say_nothing_the_smallest_trees_are_taken(world: Callable[[int], World],
                                                                          seed: int) -> None:
    assert size_for(*world(seed), seed=0) == SIZES[0]


@pytest.mark.parametrize("seed", [1, pytest.param(2, marks=pytest.mark.slow)])
@pytest.mark.parametrize(("world", "least"), [(together, 5), (rules, 8)])
def test_where_columns_act_together_larger_trees_are_taken(world: Callable[[int], World], least: int,
                                                           seed: int) -> None:
    assert size_for(*world(seed), seed=0)["num_leaves"] >= least


def test_too_few_leavers_tell_nothing_of_size() -> None:
    X, y = together(1)
    rare = np.flatnonzero(y)[boosting.ENOUGH_OF_EACH - 1:]
    y[rare] = 0
    assert size_for(X, y, seed=0) == SIZES[0]


@pytest.mark.slow
def test_the_size_chosen_ranks_within_a_hair_of_the_best_size() -> None:
    from sklearn.metrics import roc_auc_score

    for world in (adding_up, together, rules):
        X, y = world(11)
        fresh, truth = world(12)
        models = [boosting.boosted(size, 8, 0).fit(X, y) for size in SIZES]
        found = [roc_auc_score(truth, model.predict_proba(fresh)[:, 1]) for model in models]
        assert found[SIZES.index(size_for(X, y, seed=0))] > max(found) - 0.005, (world.__name__, found)


@pytest.mark.slow
def test_the_smallest_trees_alone_would_lose_where_columns_act_together() -> None:
    from sklearn.metrics import roc_auc_score

    X, y = together(11)
    fresh, truth = together(12)
    ours = ensembles.probability(ensembles.fit(ensembles.lightgbm(0), X, y), fresh)
    small = ensembles.probability(boosting.boosted(SIZES[0], 8, 0).fit(X, y), fresh)
    assert roc_auc_score(truth, ours) > roc_auc_score(truth, small) + 0.02


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The rows of each question after the size, to which the second is the answer."""
    rows: list[int] = []

    def second(X: pd.DataFrame, y: np.ndarray, seed: int) -> boosting.Size:
        rows.append(len(y))
        return SIZES[1]

    monkeypatch.setattr(boosting, "size_for", second)
    return rows


def test_rows_made_up_by_smote_have_no_say_in_the_size(asked: list[int]) -> None:
    X, y = adding_up(1)
    model = fit_balanced(ensembles.lightgbm, 0, X, y, "smote")
    assert asked == [len(y)] and model.num_leaves == SIZES[1]["num_leaves"]


@pytest.mark.slow
def test_refits_behind_the_intervals_keep_the_size_and_folds_choose_their_own(asked: list[int]) -> None:
    X, y = together(3)
    options = ChurnOptions(folds=3, repeats=1, replicates=2, draws=20, comparison=False, stress=False,
                           balance_effect=False)
    model, _ = train_churn(snapshot_of(X, y), "lightgbm", seed=0, options=options)
    assert sorted(asked) == [1333, 1333, 1334, 2000]
    assert model.leaves == SIZES[1]["num_leaves"] > SMALLEST


@pytest.mark.slow
def test_the_same_rows_and_seed_give_the_same_model() -> None:
    X, y = together(5)
    first, again = (Boosting(4).fit(X, y).predict_proba(X) for _ in range(2))
    assert (first == again).all()
