"""Churn models: the same promises for each of them, signal found, noise admitted, new data aligned."""

from __future__ import annotations

import pickle
import warnings
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.errors import EngineError
from engine.prediction import evaluate
from engine.prediction.calibration import inverse_logit
from engine.prediction.churn import CHURN_MODELS, QUICK, ChurnModel, ChurnOptions, train_churn
from engine.prediction.ensembles import Blend, best_weights, ensemble, fit, lightgbm, vote
from engine.prediction.metrics import roc_auc
from engine.prediction.thresholds import Line
from engine.prediction.workers import each
from engine.schema import Snapshot, Window

AS_OF = datetime(2024, 1, 1)


def company(seed: int, n: int = 900, signal: float = 1.0) -> Snapshot:
    """Customers with numbers, a category and gaps; log-odds -1 + signal x (1.2 tenure-like - .8 plan b)."""
    rng = np.random.default_rng(seed)
    X = pd.DataFrame({
        "tenure": rng.normal(size=n), "bill": rng.normal(size=n), "visits": rng.poisson(3, size=n),
        "plan": pd.Categorical(rng.choice(["a", "b", "c"], size=n)),
    })
    log_odds = -1 + signal * (1.2 * X["tenure"] - 0.8 * (X["plan"] == "b"))
    y = (rng.uniform(size=n) < inverse_logit(log_odds.to_numpy())).astype(int)
    X.loc[rng.uniform(size=n) < 0.1, "bill"] = np.nan
    X.loc[rng.uniform(size=n) < 0.05, "plan"] = np.nan
    index = pd.MultiIndex.from_product([[AS_OF], [f"c{row}" for row in range(n)]], names=["as_of", "customer_id"])
    return Snapshot(X.set_index(index), pd.Series(y, index=index), (Window(AS_OF, 90),), ())


@pytest.fixture(scope="module")
def trained() -> tuple[ChurnModel, Any, Snapshot]:
    snapshot = company(1)
    return *train_churn(snapshot, seed=5, options=QUICK), snapshot


@pytest.mark.slow
def test_signal_is_found_and_beats_the_rule_and_chance(trained: Any) -> None:
    _, report, _ = trained
    auc = {subject: metrics["roc_auc"] for subject, metrics in report.metrics.items()}
    assert auc["model"].low > auc["random"].high
    assert auc["model"].value > auc["rule"].value
    assert report.findings == ()


@pytest.mark.slow
def test_the_report_holds_every_metric_with_its_interval(trained: Any) -> None:
    _, report, snapshot = trained
    assert set(report.metrics) == {"model", "rule", "random"}
    assert {"roc_auc", "pr_auc", "log_loss", "brier", "ece", "lift_at_10", "f1", "f2", "precision", "recall",
            "calibration_in_the_large"} == set(report.metrics["model"])
    assert all(e.low <= e.value <= e.high and e.n == 900 for e in report.metrics["model"].values())
    assert len(report.out_of_fold) == 900 and set(report.out_of_fold.index) == set(snapshot.X.index)
    assert {"reliability", "curves", "confusion", "calibration", "intervals"} <= set(report.detail)


@pytest.mark.slow
def test_the_same_seed_gives_the_same_model(trained: Any) -> None:
    model, report, snapshot = trained
    again, report_again = train_churn(snapshot, seed=5, options=QUICK)
    assert np.array_equal(model.probability(snapshot.X), again.probability(snapshot.X))
    assert np.array_equal(model.interval(snapshot.X), again.interval(snapshot.X))
    assert report.metrics == report_again.metrics and report.threshold == report_again.threshold


def test_a_model_survives_the_pickle_and_places_one_customer_like_many(trained: Any) -> None:
    model, _, snapshot = trained
    back = pickle.loads(pickle.dumps(model))
    assert np.array_equal(back.probability(snapshot.X), model.probability(snapshot.X))
    assert back.probability(snapshot.X.iloc[[7]])[0] == model.probability(snapshot.X)[7]
    assert set(model.risk_band(model.probability(snapshot.X))) <= {"LOW", "MEDIUM", "HIGH"}


def test_the_interval_surrounds_the_probability(trained: Any) -> None:
    model, _, snapshot = trained
    low, high = model.interval(snapshot.X)
    p = model.probability(snapshot.X)
    assert ((low > 0) & (low <= p) & (p <= high) & (low < high) & (high < 1)).all()


def test_log_odds_are_lightgbms_own(trained: Any) -> None:
    model, _, snapshot = trained
    contributions = model.estimator.predict_proba(model.align(snapshot.X), pred_contrib=True)
    assert model.log_odds(snapshot.X) == pytest.approx(np.asarray(contributions).sum(axis=1))


def test_new_data_align_by_name(trained: Any) -> None:
    model, _, snapshot = trained
    plain = snapshot.X.astype({"plan": object})[["visits", "plan", "tenure", "bill"]].assign(extra=1)
    assert np.array_equal(model.probability(plain), model.probability(snapshot.X))
    unseen = model.align(plain.assign(plan="gold"))
    assert unseen["plan"].isna().all()


def test_missing_columns_are_named(trained: Any) -> None:
    model, _, snapshot = trained
    with pytest.raises(EngineError, match="missing: bill, plan"):
        model.probability(snapshot.X.drop(columns=["plan", "bill"]))


def test_text_where_numbers_belong_is_refused_with_the_column(trained: Any) -> None:
    model, _, snapshot = trained
    with pytest.raises(EngineError, match="Column bill holds text"):
        model.probability(snapshot.X.astype({"bill": object}).assign(bill="dear"))


def test_too_few_leavers_are_refused() -> None:
    snapshot = company(2, n=60, signal=0.0)
    few = Snapshot(snapshot.X, snapshot.y * 0 + (np.arange(60) < 4), snapshot.windows, ())
    with pytest.raises(EngineError, match="Only 4 of 60"):
        train_churn(few, seed=1, options=QUICK)


def test_an_unknown_algorithm_names_those_there_are() -> None:
    with pytest.raises(EngineError, match=r"ensemble, lightgbm, .*vote"):
        train_churn(company(1, n=100), "prophet", seed=1)


@pytest.mark.slow
def test_noise_is_admitted() -> None:
    snapshot = company(4, n=600, signal=0.0)
    model, report = train_churn(snapshot, seed=1, options=QUICK)
    assert model.knows_nothing
    assert "knows nothing" in report.findings[0].what and report.findings[0].severity == "severe"


@pytest.mark.slow
def test_noise_is_almost_always_admitted() -> None:
    quick = ChurnOptions(folds=3, repeats=1, replicates=2, draws=100, comparison=False, stress=False,
                         balance_effect=False)
    claims = [not train_churn(company(seed, n=400, signal=0.0), seed=seed, options=quick)[0].knows_nothing
              for seed in range(40)]
    assert sum(claims) <= 4


@pytest.mark.slow
def test_several_moments_are_judged_forward_in_time() -> None:
    parts = [company(seed, n=300) for seed in (1, 2, 3)]
    moments = [datetime(2024, month, 1) for month in (1, 5, 9)]
    X = pd.concat([part.X.droplevel("as_of") for part in parts], keys=moments, names=["as_of"])
    y = pd.Series(np.concatenate([part.y.to_numpy() for part in parts]), index=X.index)
    snapshot = Snapshot(X, y, tuple(Window(moment, 90) for moment in moments), ())
    _, report = train_churn(snapshot, seed=1, options=QUICK)
    assert report.out_of_fold.index.get_level_values("as_of").unique().tolist() == moments[1:]
    assert report.metrics["model"]["roc_auc"].n == 600


@pytest.mark.slow
def test_rows_copied_before_the_split_head_the_figures() -> None:
    honest = company(6, n=400)
    left = np.flatnonzero(honest.y.to_numpy())
    again = np.r_[np.arange(400), left, left]
    index = pd.MultiIndex.from_product([[AS_OF], [f"c{row}" for row in range(len(again))]],
                                       names=["as_of", "customer_id"])
    doubled = Snapshot(honest.X.iloc[again].set_index(index), pd.Series(honest.y.to_numpy()[again], index=index),
                       honest.windows, ())
    assert "severe" in {finding.severity for finding in train_churn(doubled, seed=1, options=QUICK)[1].findings}


@pytest.mark.slow
@pytest.mark.parametrize(("stressed", "of"), [(False, 17), (True, 24)])
def test_progress_counts_the_fits_and_the_stress_tests(stressed: bool, of: int) -> None:
    told: list[tuple[int, int]] = []
    train_churn(company(1, n=300), seed=1, options=replace(QUICK, stress=stressed),
                progress=lambda done, of: told.append((done, of)))
    assert told == [(done, of) for done in range(1, of + 1)]


@pytest.mark.slow
def test_a_capacity_flags_no_more_than_can_be_contacted() -> None:
    options = ChurnOptions(**{**vars(QUICK), "line": Line("capacity", capacity=0.1)})
    _, report = train_churn(company(1, n=600), seed=1, options=options)
    assert report.out_of_fold["flagged"].mean() == pytest.approx(0.1, abs=0.04)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["ensemble", "lightgbm", "vote"])
def test_every_model_finds_the_signal_and_is_reproducible(algorithm: str) -> None:
    snapshot = company(3, n=700)
    y = snapshot.y.to_numpy()
    first, second = (CHURN_MODELS[algorithm](3).fit(snapshot.X, y) for _ in range(2))
    p = first.predict_proba(snapshot.X)[:, 1]
    assert np.array_equal(p, second.predict_proba(snapshot.X)[:, 1])
    new = company(30, n=2000)
    assert roc_auc(new.y.to_numpy(), first.predict_proba(new.X)[:, 1]) > 0.7


@pytest.mark.slow
def test_the_report_measures_cures_rivals_and_stress() -> None:
    options = ChurnOptions(folds=3, repeats=1, replicates=2, draws=60)
    _, report = train_churn(company(1), seed=1, options=options)
    assert len(report.detail["benchmark"]) == 6
    assert report.detail["balance"]["class_weight"]["change"]["ece"].value > 0.05
    assert report.detail["balance"]["none"]["change"]["brier"].value == 0.0
    by_name = {(line["data"], line["amount"]): line["metrics"]["roc_auc"].value for line in report.detail["stress"]}
    assert by_name["noised", 0.3] < by_name["as it is", 0.0]
    assert by_name["as it is", 0.0] == pytest.approx(report.metrics["model"]["roc_auc"].value)


@pytest.mark.slow
def test_the_report_holds_what_a_movable_threshold_and_the_rule_beside_it_need() -> None:
    options = ChurnOptions(folds=3, repeats=2, replicates=2, draws=60, comparison=False, stress=False,
                           balance_effect=False)
    model, report = train_churn(company(1), seed=1, options=options)
    rows = report.out_of_fold[report.out_of_fold["repeat"] == 0]
    told = report.detail["thresholds"]
    at = told["threshold"].index(model.threshold)
    flagged = rows["probability"] >= model.threshold
    assert (told["flagged"][at], told["caught"][at]) == (flagged.sum(), rows["y"][flagged].sum())
    assert (told["customers"], told["leavers"]) == (len(rows), rows["y"].sum())
    assert report.detail["rule_curves"]["roc"]["recall"][-1] == 1.0
    difference, alone = report.detail["minus_rule"]["roc_auc"], report.metrics["rule"]["roc_auc"].value
    assert difference.low <= difference.value <= difference.high
    assert difference.value == pytest.approx(report.metrics["model"]["roc_auc"].value - alone, abs=0.02)


@pytest.mark.slow
def test_a_model_that_is_none_of_the_rivals_stands_among_them() -> None:
    options = ChurnOptions(folds=3, repeats=1, replicates=2, draws=30, stress=False, balance_effect=False)
    _, report = train_churn(company(1, n=400), "vote", seed=1, options=options)
    assert len(report.detail["benchmark"]) == 7
    own = report.detail["benchmark"]["vote"]
    assert own["minus_model"]["roc_auc"].value == 0.0
    assert own["metrics"]["roc_auc"].value == pytest.approx(report.metrics["model"]["roc_auc"].value)


@pytest.mark.slow
def test_what_stands_beside_the_model_is_measured_on_a_sample_where_rows_are_many(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluate, "SAMPLE", 400)
    monkeypatch.setattr(evaluate, "RARER_IN_SAMPLE", 50)
    options = ChurnOptions(folds=3, repeats=1, replicates=2, draws=60)
    _, report = train_churn(company(1), seed=1, options=options)
    assert all(e.n == 900 and "sample" not in e.method for e in report.metrics["model"].values())
    benchmark, balance, stress = (report.detail[name] for name in ("benchmark", "balance", "stress"))
    told = [*(benchmark[name][part] for name in benchmark for part in ("metrics", "minus_model")),
            *(balance[name][part] for name in balance for part in ("metrics", "change")),
            *(line[part] for line in stress for part in ("metrics", "change"))]
    assert {e.n for part in told for e in part.values()} == {400}
    assert all(e.method.endswith("on a sample of 400 of 900 rows") for part in told for e in part.values())
    assert {e.value for e in benchmark["lightgbm"]["minus_model"].values()} == {0.0}, "fitted anew on the sample too"
    assert {e.value for e in balance["none"]["change"].values()} == {0.0}
    auc = {name: benchmark[name]["metrics"]["roc_auc"].value for name in benchmark}
    assert all(value > 0.6 for value in auc.values()) and len(set(auc.values())) == 6


def test_the_vote_is_the_weighted_mean_of_its_members() -> None:
    snapshot = company(1, n=200)
    model = vote(1).fit(snapshot.X, snapshot.y.to_numpy())
    parts = [member.predict_proba(snapshot.X)[:, 1] for member in model.fitted]
    assert model.learned == (0.7, 0.2, 0.1)
    assert model.predict_proba(snapshot.X)[:, 1] == pytest.approx(0.7 * parts[0] + 0.2 * parts[1] + 0.1 * parts[2])


def test_the_ensemble_learns_its_weights_on_held_out_rows(rng: np.random.Generator) -> None:
    assert isinstance(ensemble(1), Blend) and ensemble(1).weights is None
    p = rng.uniform(0.05, 0.95, size=5000)
    y = (rng.uniform(size=5000) < p).astype(int)
    noise = rng.uniform(0.05, 0.95, size=5000)
    weights = best_weights(np.column_stack([p, noise]), y)
    assert weights[0] > 0.95 and sum(weights) == pytest.approx(1.0)


@pytest.mark.slow
def test_what_the_model_gives_does_not_hang_on_the_order_of_the_columns() -> None:
    """A dozen columns, of which five say something: with three for each tree this was a matter of luck."""
    rng = np.random.default_rng(11)
    X = pd.DataFrame(rng.normal(size=(4_000, 12)), columns=[f"c{place}" for place in range(12)])
    chance = 1 / (1 + np.exp(1.5 - X[["c0", "c1", "c2", "c3", "c4"]].sum(axis=1)))
    y = (rng.random(len(X)) < chance).to_numpy(dtype=int)
    found = []
    for seed in range(4):
        mixed = X[rng.permutation(X.columns)]
        model = fit(lightgbm(seed), mixed[:3_000], y[:3_000])
        assert model.colsample_bytree * 12 >= 5
        found.append(roc_auc(y[3_000:], model.predict_proba(mixed[3_000:])[:, 1]))
    assert max(found) - min(found) < 0.003, found


def test_forests_fitted_side_by_side_warn_of_nothing_and_leave_the_filters() -> None:
    """scikit-learn takes the filters out of the process for a moment; another thread's forest then warned."""
    before, told = list(warnings.filters), list[str]()

    def work(_: int) -> None:
        warnings.showwarning("`sklearn.utils.parallel.delayed` should be used with", UserWarning, "parallel.py", 144)
        warnings.showwarning("something else", UserWarning, "other.py", 1)
        warnings.resetwarnings()

    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_more, **_named: told.append(str(message))
        list(each(work, range(3)))
        assert told == ["something else"] * 3
    assert warnings.filters == before
