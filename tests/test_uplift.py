"""Uplift: a known effect is found, nothing is claimed where there is none, and the Qini is scikit-uplift's."""

from __future__ import annotations

import itertools
import pickle
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from benchmarks.retention_world import margin, sigmoid, trial, value
from engine.data import adapters
from engine.data.demo import DEMOS
from engine.data.features import feature_columns, features
from engine.decision.budget import Limit, Problem, solve
from engine.errors import EngineError
from engine.prediction import uplift_logit
from engine.prediction.qini import curve, qini
from engine.prediction.uplift import TYPES, kinds, learn_uplift
from engine.prediction.uplift_learners import LEARNERS
from engine.prediction.uplift_offers import uplift_of_offers
from engine.schema import Dataset, LabelRule, MoneyRule


def records(n: int, seed: int, effect: float = 1.0) -> tuple[pd.DataFrame, pd.Series, pd.Series, pd.Series]:
    """Two treatments and nothing; the first moves those with `need`, the second nobody."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({"need": rng.normal(size=n), "risk": rng.normal(size=n),
                      "plan": pd.Categorical(rng.choice(["a", "b", "c"], n))})
    X.loc[rng.random(n) < 0.05, "risk"] = np.nan
    arm = rng.choice(["none", "call", "card"], n, p=[0.4, 0.3, 0.3])
    logit = -0.8 + X["risk"].fillna(0) - effect * (arm == "call") * (0.5 + 1.2 * X["need"])
    churned = (rng.random(n) < sigmoid(logit.to_numpy())).astype(int)
    chance = np.where(arm == "none", 0.4, 0.3)
    return X, pd.Series(arm), pd.Series(churned), pd.Series(chance)


class TestQini:
    def test_curve_by_hand(self) -> None:
        """Treated at 5, 3, 2; untreated at 4, 1: after four, two of three treated and one of one untreated stayed."""
        y, treated = np.array([1, 1, 0, 1, 0]), np.array([1, 0, 1, 1, 0])
        taken, gained = curve(y, np.array([5.0, 4.0, 3.0, 2.0, 1.0]), treated)
        assert taken.tolist() == [0, 1, 2, 3, 4, 5]
        assert gained.tolist() == [0, 1, 0, -1, -1, 0.5]

    def test_coefficient_by_hand(self) -> None:
        """Area -.75 less the chord 1.25 is -2; the perfect order, 0, 2, 2, .5 at 0, 2, 4, 5, has 7.25 less 1.25."""
        y, treated = np.array([1, 1, 0, 1, 0]), np.array([1, 0, 1, 1, 0])
        taken, gained = curve(y, np.array([5.0, 4.0, 3.0, 2.0, 1.0]), treated)
        assert np.trapezoid(gained, taken) == pytest.approx(-0.75)
        ranked, perfect = curve(y, y * treated - y * (1 - treated), treated)
        best = np.trapezoid(perfect, ranked)
        assert ranked.tolist() == [0, 2, 4, 5]
        assert perfect.tolist() == [0, 2, 2, 0.5]
        assert best == pytest.approx(2 + 4 + 1.25)
        assert qini(y, np.array([5.0, 4.0, 3.0, 2.0, 1.0]), treated) == pytest.approx(-2 / 6)

    def test_ties_are_taken_together(self) -> None:
        y, treated = np.array([1, 0, 1, 0]), np.array([1, 0, 1, 0])
        taken, gained = curve(y, np.array([1.0, 1.0, 1.0, 1.0]), treated)
        assert taken.tolist() == [0, 4]
        assert gained.tolist() == [0, 2]
        assert qini(y, np.ones(4), treated) == 0

    def test_chance_is_near_zero(self) -> None:
        rng = np.random.default_rng(0)
        y, treated = rng.integers(0, 2, 4_000), rng.integers(0, 2, 4_000)
        found = [qini(y, rng.random(4_000), treated) for _ in range(30)]
        assert abs(np.mean(found)) < 0.01


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(LEARNERS))
class TestEveryLearner:
    def test_finds_whom_the_treatment_moves_and_repeats_and_survives_storage(self, name: str) -> None:
        X, arm, churned, chance = records(4_000, 1)
        codes = pd.Categorical(arm, categories=["none", "call", "card"]).codes.astype(np.int64)
        fitted = [LEARNERS[name](X, codes, churned.to_numpy(), chance.to_numpy(), 3) for _ in range(2)]
        p = fitted[0].chances(X)
        assert p.shape == (4_000, 3)
        assert ((p >= 0) & (p <= 1)).all()
        assert np.corrcoef(p[:, 0] - p[:, 1], X["need"])[0, 1] > 0.5
        assert abs(np.mean(p[:, 0] - p[:, 2])) < 0.05
        assert np.array_equal(p, fitted[1].chances(X))
        assert np.array_equal(pickle.loads(pickle.dumps(fitted[0])).chances(X), p)
        assert fitted[0].spread(X).shape == (4_000, 2)


@pytest.mark.slow
class TestLearnUplift:
    def test_an_effect_is_found_with_its_uncertainty(self) -> None:
        X, arm, churned, chance = records(4_000, 2)
        found = learn_uplift(X, arm, churned, chance, seed=0)
        assert found.treatments == ("call", "card")
        assert found.usable
        assert found.evidence["uplift"].low > 0
        assert found.evidence["uplift"].value > found.evidence["response"].value
        logit = -0.8 + X["risk"].fillna(0).to_numpy()
        truth = sigmoid(logit) - sigmoid(logit - 0.5 - 1.2 * X["need"].to_numpy())
        told = found.predict(X)["call"].to_numpy()
        assert np.corrcoef(told, truth)[0, 1] > 0.9
        within = np.abs(told - truth) <= 2.5 * found.spread(X)["call"].to_numpy()
        assert within.mean() > 0.75

    def test_where_there_is_none_it_says_so(self) -> None:
        usable = [learn_uplift(*records(1_500, seed, effect=0.0), seed=seed).usable for seed in range(4)]
        assert sum(usable) <= 1

    def test_new_customers_may_lack_columns_and_have_unknown_plans(self) -> None:
        found = learn_uplift(*records(1_500, 5), seed=0)
        new = pd.DataFrame({"need": [0.0, 2.0], "risk": [np.nan, 1.0], "plan": pd.Categorical(["z", "a"])})
        assert np.isfinite(found.predict(new).to_numpy()).all()
        assert found.predict(new)["call"].iloc[1] > found.predict(new)["call"].iloc[0]
        assert found.untreated(new).between(0, 1).all()


class TestWhatCannotBeLearnedFrom:
    def test_few_records(self) -> None:
        with pytest.raises(EngineError, match="too few to learn from"):
            learn_uplift(*records(200, 0), seed=0)

    def test_an_arm_in_which_nobody_leaves(self) -> None:
        X, arm, churned, chance = records(1_000, 0)
        with pytest.raises(EngineError, match="'card' there are not both"):
            learn_uplift(X, arm, churned.where(arm != "card", 0), chance, seed=0)

    def test_a_propensity_of_zero(self) -> None:
        X, arm, churned, chance = records(1_000, 0)
        with pytest.raises(EngineError, match="propensity is 0"):
            learn_uplift(X, arm, churned, chance * 0, seed=0)

    def test_an_unknown_learner(self) -> None:
        with pytest.raises(EngineError, match="dr_learner, logit, t_learner"):
            learn_uplift(*records(1_000, 0), seed=0, learner="magic")


@pytest.mark.slow
def test_the_plan_beats_the_rules_in_the_simulated_world() -> None:
    known, world = trial(5_000, 0.0, 3), trial(40_000, 0.0, 1_003)
    arm = known.treated.astype(np.int64)
    p = LEARNERS["logit"](known.X, arm, known.churned, np.full(5_000, 0.5), 3).chances(world.X)
    best = value(margin(world.p0 - world.p1, world.p1, world.ltv), world)
    plan = value(margin(p[:, 0] - p[:, 1], p[:, 1], world.ltv), world) / best
    assert plan > 0.75
    assert plan > value(world.p0 * world.ltv, world, all_of_them=True) / best + 0.1


@pytest.mark.slow
def test_standard_errors_hold_what_they_say() -> None:
    """In worlds that were not looked at when they were set: each customer's, and of sums over those a plan chooses."""
    each, sums = [], []
    for seed, rho in ((160, 0.0), (161, -0.5), (162, 0.5), (163, 0.0)):
        known, world = trial(4_000, rho, seed), trial(4_000, rho, 1_000 + seed)
        found = uplift_logit.learn(known.X, known.treated.astype(np.int64), known.churned, seed)
        p = found.chances(world.X)
        off = p[:, 0] - p[:, 1] - (world.p0 - world.p1)
        each.append(off / found.spread(world.X)[:, 0])
        chosen = np.argsort(p[:, 1] - p[:, 0])[:800]
        for rows, weights in ((chosen, world.ltv[chosen]), (np.arange(4_000), np.ones(4_000))):
            variance = found.together(world.X.iloc[rows], np.ones(len(rows), np.int64), weights)
            sums.append(weights @ off[rows] / np.sqrt(variance))
    held = np.abs(np.concatenate(each)) <= 1.645
    assert 0.83 < held.mean() < 0.97, "a 90 % interval"
    assert 0.75 < np.std(np.concatenate(each)) < 1.25
    assert np.mean(np.abs(sums) <= 1.645) >= 0.75


@pytest.mark.slow
def test_the_interval_of_a_plans_sum_holds_its_share_of_worlds() -> None:
    """Twelve worlds not looked at when the errors were set: whom a plan chooses by what it believes they bring."""
    off = []
    for seed, rho in zip(range(400, 412), itertools.cycle((0.0, -0.5, 0.5)), strict=False):
        known, world = trial(2_000, rho, seed), trial(4_000, rho, 1_000 + seed)
        found = uplift_logit.learn(known.X, known.treated.astype(np.int64), known.churned, seed)
        p = found.chances(world.X)
        chosen = np.argsort(-margin(p[:, 0] - p[:, 1], p[:, 1], world.ltv))[:800]
        brings, error = world.ltv[chosen], (p[:, 0] - p[:, 1] - world.p0 + world.p1)[chosen]
        variance = found.together(world.X.iloc[chosen], np.ones(800, np.int64), brings)
        off.append(float(brings @ error) / np.sqrt(variance))
    assert np.mean(np.abs(off) <= 1.645) >= 0.8, "a 90 % interval"
    assert 0.35 < np.sqrt(np.mean(np.square(off))) < 1.3, "neither too narrow nor so wide that it says nothing"


@pytest.mark.slow
def test_one_customers_error_is_that_of_a_sum_of_one_but_for_what_all_share() -> None:
    X, arm, churned, chance = records(1_500, 5)
    found = learn_uplift(X, arm, churned, chance, seed=0)
    one = np.sqrt(found.together(X.iloc[:1], ["card"], np.ones(1)))
    assert one == pytest.approx(found.spread(X.iloc[:1])["card"].iloc[0], rel=0.25)
    many = np.sqrt(found.together(X, ["card"] * len(X), np.ones(len(X))))
    assert many < found.spread(X)["card"].sum() * 1.25
    assert many > np.sqrt((found.spread(X)["card"] ** 2).sum()), "errors are shared and do not average out"


def test_the_simulated_world_is_the_published_one() -> None:
    world = trial(200_000, 0.0, 0)
    uplift = world.p0 - world.p1
    assert world.p0.mean() == pytest.approx(0.24, abs=0.005)
    assert np.corrcoef(world.p0, uplift)[0, 1] == pytest.approx(0.42, abs=0.02)
    assert np.maximum(uplift, 0).mean() == pytest.approx(0.064, abs=0.003)
    assert np.maximum(-uplift, 0).mean() == pytest.approx(0.012, abs=0.002)


def test_kinds_are_the_four() -> None:
    world = trial(2_000, 0.0, 0)
    assert set(kinds(pd.Series(world.p0), pd.Series(world.p0 - world.p1))) <= set(TYPES)


@pytest.mark.slow
def test_the_demo_companys_past_offers_tell_whom_each_moves(tmp_path: Path) -> None:
    """Four treatments, 6,000 randomised records: effects go with the truth, and `usable` says which plan brings more.

    What counts is the plan: a pooled rate times the chance to leave is what it would be made of without the model.
    """
    made = DEMOS["demo-telecom"].write(tmp_path / "raw", seed=3)
    (tmp_path / "read").mkdir()
    company = adapters.read(made.sources, tmp_path / "read", made.adapter, name="telecom", now=datetime(2025, 7, 2),
                            observed_until=made.observed_until, options={"synthetic": True}).dataset
    found = uplift_of_offers(company, [column.name for column in feature_columns(company)], seed=0)
    assert found is not None
    X = features(company, company.observed_until)
    truth = pd.read_parquet(made.truth).reindex(X.index)
    told = found.predict(X)
    real = pd.DataFrame({name: truth[f"expected_uplift_{name}"] for name in told})
    assert told.where(real.notna()).corrwith(real).mean() > 0.3
    worth, cost = truth["expected_ltv"].to_numpy()[:, None], 10.0
    most = Limit("contacts", np.ones(len(found.treatments)), 1_400.0)
    margins = (real * worth - cost).to_numpy()

    def brings(uplift: np.ndarray) -> float:
        plan = solve(Problem(np.where(np.isnan(margins), np.nan, uplift * worth - cost), (most,)))
        treated = np.flatnonzero(plan.choice >= 0)
        return float(margins[treated, plan.choice[treated]].sum())

    offers = pd.read_parquet(company.offers)
    left = offers.groupby("treatment")["churned"].mean()
    rates = (1 - left[list(found.treatments)] / left["none"]).to_numpy()
    pooled = truth["churn_probability"].to_numpy()[:, None] * rates
    ahead = brings(told.to_numpy()) > brings(pooled)
    assert ahead or not found.usable
    assert brings(told.to_numpy()) < brings(real.to_numpy())


def test_a_dataset_without_offers_has_nothing_to_learn_from() -> None:
    assert uplift_of_offers(replace(_nothing(), offers=None), ["a"], seed=0) is None


def _nothing() -> Dataset:
    label, money = LabelRule("none", 90, "left"), MoneyRule("", "month")
    return Dataset("d", "v", "snapshot", "table", "any", "EUR", label, money, datetime(2025, 1, 1), True, Path(), ())
