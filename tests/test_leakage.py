"""The leakage audit: planted leaks are found by name, honest companies are left alone, suspicion is said out loud."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from worlds import AS_OF, FLAG, PLANTS, World, honest, logins_of

from engine.data.features.derived import derived
from engine.data.identity import identifier, order_matters, order_signal
from engine.data.leakage import audit, without_advice_on
from engine.data.own_month import of_the_answer
from engine.data.signal import auc, best_interval, folds, levels, levels_of_numbers, single_column_auc
from engine.data.telltales import alone, in_words
from engine.errors import DataError, EngineError
from engine.schema import Column, Finding, LabelRule


def quarantined(world: World, folder: Path, seed: int = 0) -> set[str]:
    return set(dict(audit(*world.snapshot(folder), seed=seed).quarantined))


@pytest.mark.parametrize("name", PLANTS)
def test_a_planted_leak_is_found_and_nothing_else(name: str, tmp_path: Path) -> None:
    world = honest(seed=11)
    expected = PLANTS[name](world)
    assert quarantined(world, tmp_path) == expected


@pytest.mark.slow
@pytest.mark.parametrize("name", PLANTS)
def test_planted_leaks_are_found_in_many_worlds(name: str, tmp_path: Path) -> None:
    missed = []
    for seed in range(100, 130):
        world = honest(seed)
        expected = PLANTS[name](world)
        if quarantined(world, tmp_path, seed) != expected:
            missed.append(seed)
    assert missed == []


@pytest.mark.slow
@pytest.mark.parametrize("customers", [200, 1500, 5000])
def test_honest_worlds_are_left_alone(customers: int, tmp_path: Path) -> None:
    strongest = []
    for seed in range(40):
        found = audit(*honest(seed, customers).snapshot(tmp_path), seed=seed)
        assert found.quarantined == ()
        assert {finding.severity for finding in found.findings} <= {"severe"}
        strongest.append(max(found.single_column_auc.values()))
    assert sum(0.90 <= value <= 0.95 for value in strongest) >= 8, "worlds with a strong honest column are among them"


@pytest.mark.parametrize("blank", [
    pd.Series(np.nan, range(1500)), pd.Series(pd.Categorical([None] * 1500)), pd.Series(pd.NaT, range(1500)),
], ids=["number", "category", "moment"])
def test_a_column_that_is_blank_throughout_is_passed_over(blank: pd.Series, tmp_path: Path) -> None:
    world = honest(seed=3)
    world.X["season"], world.X["products"] = blank, blank
    found = audit(*world.snapshot(tmp_path), overrule=["season"])
    assert (found.quarantined, set(found.single_column_auc)) == ((), set(world.X) - {"season", "products"})
    assert [(finding.severity, finding.where) for finding in found.findings] == [("note", "season")]


@pytest.mark.slow
def test_a_month_that_tells_no_more_than_others_is_kept_and_told(tmp_path: Path) -> None:
    for seed in range(40):
        world = honest(seed, 300 + 50 * seed)
        for month in ("apr", "may", "jun", "jul"):
            logins_of(world, month, 0.3)
        found = audit(*world.snapshot(tmp_path), seed=seed)
        assert found.quarantined == ()
        assert [finding.where for finding in found.findings if finding.severity == "warning"] == ["logins_jun"]


@pytest.mark.parametrize(("asked", "columns"), [
    ("churned_2024_06", ("logins_2024_05", "logins_2024_06")), ("Abgang Juni", ("Logins Mai", "Logins Juni")),
    ("churn_q2", ("spend_q1_2024", "spend_q2_2024")), ("Baja junio 2024", ("visitas_mayo_2024", "visitas_junio_2024")),
])
def test_the_month_about_which_the_answer_asks_is_known_in_many_writings(asked: str, columns: tuple[str, str]) -> None:
    weak, strong = columns
    assert list(of_the_answer(asked, {weak: 0.6, strong: 0.8}, 400, 900)[0]) == [strong]
    assert of_the_answer(asked, {weak: 0.8, strong: 0.6}, 400, 900) == ({}, (strong,))
    assert of_the_answer("churned", {weak: 0.6, strong: 0.8}, 400, 900) == ({}, ())
    assert of_the_answer(asked, {strong: 0.8}, 400, 900) == ({}, ()), "nothing to compare it with"


def test_of_a_month_that_is_not_used_no_trend_is_used_either(tmp_path: Path) -> None:
    world = honest(seed=12)
    for month in ("apr", "may"):
        logins_of(world, month, 0.1)
    world.X["logins_jun"] = np.where(world.y == 1, 0, world.X["logins_may"] + 1)
    snapshot, dataset = world.snapshot(tmp_path, replace(FLAG, asked="Answer"))
    dataset = replace(dataset, columns=tuple(Column(name, "number", "", "") for name in world.X))
    trend = derived(dataset)[0]
    assert (trend.column.name, trend.members) == ("logins_jun_trend", ("logins_apr", "logins_may", "logins_jun"))
    snapshot = replace(snapshot, X=snapshot.X.assign(**{trend.column.name: trend.of(snapshot.X)}))
    found = dict(audit(snapshot, dataset).quarantined)
    assert list(found) == ["logins_jun", "logins_jun_trend"]
    by_a_person = audit(snapshot, dataset, overrule=["logins_jun", "logins_jun_trend"])
    assert by_a_person.quarantined == ()


def test_honest_months_keep_their_trend(tmp_path: Path) -> None:
    world = honest(seed=13)
    for month in ("mar", "apr", "may", "jun"):
        logins_of(world, month, 0.1)
    snapshot, dataset = world.snapshot(tmp_path)
    dataset = replace(dataset, columns=tuple(Column(name, "number", "", "") for name in world.X))
    trend = derived(dataset)[0]
    assert trend.members == ("logins_mar", "logins_apr", "logins_may"), "the month asked about takes no part"
    snapshot = replace(snapshot, X=snapshot.X.assign(**{trend.column.name: trend.of(snapshot.X)}))
    assert audit(snapshot, dataset).quarantined == ()


def test_the_same_month_of_another_year_is_another() -> None:
    alone = {"logins_2023_06": 0.8, "logins_2024_05": 0.6}
    assert of_the_answer("churned_2024_06", alone, 400, 900) == ({}, ())


def test_an_honest_world_says_nothing(tmp_path: Path) -> None:
    found = audit(*honest(seed=3).snapshot(tmp_path))
    assert (found.quarantined, found.findings) == ((), ())


def test_the_same_seed_gives_the_same_audit(tmp_path: Path) -> None:
    snapshot, dataset = honest(seed=4).snapshot(tmp_path)
    assert audit(snapshot, dataset, seed=9) == audit(snapshot, dataset, seed=9)


def test_a_strong_column_is_severe_and_stays(tmp_path: Path) -> None:
    world = honest(seed=5)
    world.X["strong"] = world.y * 2.6 + world.rng.normal(size=len(world.y))
    found = audit(*world.snapshot(tmp_path))
    assert 0.95 < found.single_column_auc["strong"] < 0.99
    assert found.quarantined == ()
    assert [(f.severity, f.where) for f in found.findings] == [("severe", "strong")]


def sharp(world: World, *names: str) -> None:
    """Columns that say nearly the same, each alone with a ROC-AUC of .99 or so."""
    said = world.y * 3.5 + world.rng.normal(size=len(world.y))
    for name in names:
        world.X[name] = said + 0.2 * world.rng.normal(size=len(world.y))


def test_a_column_beyond_all_others_stays_where_others_come_near(tmp_path: Path) -> None:
    world = honest(seed=11)
    sharp(world, "sharp")
    reasons = dict(audit(*world.snapshot(tmp_path)).quarantined)
    assert list(reasons) == ["sharp"] and "all other columns together" in reasons["sharp"]
    for name in ("part", "counterpart"):  # each reaches .91, both together .97
        world.X[name] = world.y * 1.9 + world.rng.normal(size=len(world.y))
    found = audit(*world.snapshot(tmp_path))
    assert found.quarantined == () and [(f.severity, f.where) for f in found.findings] == [("severe", "sharp")]


def test_several_columns_too_good_are_of_the_moment_of_the_label_and_stay(tmp_path: Path) -> None:
    world = honest(seed=11)
    sharp(world, "a", "b", "c", "d")
    assert quarantined(world, tmp_path) == set()
    of_one_instant = honest(seed=11)
    sharp(of_one_instant, "a")
    label = replace(FLAG, same_instant=True)
    assert audit(*of_one_instant.snapshot(tmp_path, label)).quarantined == ()


@pytest.mark.parametrize(("name", "scored"), [
    ("health_score", True), ("Health Score", True), ("score_depart", True), ("ScoreDepart", True), ("ml_score", True),
    ("indice_de_fuga", True), ("Kündigungswahrscheinlichkeit", True), ("Risque de résiliation", True),
    ("churnRisk", True), ("credit_score", False), ("nps_score", False), ("Satisfaction Score", False),
    ("risk_class", False), ("fitness_index", False), ("department_index", False),
])
def test_scores_of_somebodys_own_are_known_by_many_names(name: str, scored: bool) -> None:
    y = np.arange(1000) % 5 == 0
    column = levels(pd.Series(np.random.default_rng(1).normal(size=1000)))  # what it says alone comes from outside
    fold = np.arange(1000) % 5
    assert bool(alone(name, column, 0.91, y.astype(int), fold)) == scored
    assert not alone(name, column, 0.89, y.astype(int), fold)


def test_a_name_alone_never_quarantines(tmp_path: Path) -> None:
    world = honest(seed=6)
    world.X["churn_score"] = world.y * 1.2 + world.rng.normal(size=len(world.y))
    world.X["cancellation_date"] = np.where(world.rng.random(len(world.y)) < 0.3, 1.0, np.nan)
    world.X["customer_number"] = world.rng.integers(0, 40, len(world.y))
    assert quarantined(world, tmp_path) == set()


@pytest.mark.parametrize("leavers_too", [0.1, 1.0])
def test_what_leavers_lack_is_kept_where_a_few_of_them_have_it(leavers_too: float, tmp_path: Path) -> None:
    """Who never came in lacks a first visit and mostly leaves: known beforehand, and most who leave have come in."""
    world = honest(seed=3, n=4000)
    never = world.rng.random(4000) < np.where(world.y == 1, 1 - 0.6 * leavers_too, 0.02)
    world.X["first_visit"] = np.where(never, np.nan, world.rng.integers(1, 400, 4000))
    never_left, came_stayed = world.y[never].mean(), 1 - world.y[~never].mean()
    assert never_left > 0.5 and came_stayed > 0.9
    assert quarantined(world, tmp_path) == set()


def test_nobody_is_advised_to_mend_what_is_never_used() -> None:
    blank, bad = (Finding(how, "winback_offer", "blank", "Write 0 at the source.") for how in ("warning", "error"))
    other = Finding("warning", "fee", "blank", "Write 0 at the source.")
    assert without_advice_on([("winback_offer", "a leak")], [blank, bad, other]) == (bad, other)


def test_what_leavers_have_far_more_often_is_asked_about_and_kept(tmp_path: Path) -> None:
    world = honest(seed=112, n=4000)
    world.X["objection"] = world.rng.random(4000) < np.where(world.y == 1, 0.35, 0.006)
    world.X["objection"] = pd.Categorical(np.where(world.X["objection"], "raised", "none"))
    found = audit(*world.snapshot(tmp_path))
    assert found.quarantined == ()
    told = [finding.what for finding in found.findings if finding.where == "objection"]
    assert len(told) == 1 and " % of leavers and 0." in told[0] and told[0].startswith("It is other than none for ")


def test_overruling_keeps_the_column_and_says_so(tmp_path: Path) -> None:
    world = honest(seed=7)
    PLANTS["threshold"](world)
    found = audit(*world.snapshot(tmp_path), overrule=["idle_days", "tenure"])
    assert found.quarantined == ()
    severities = {finding.where: finding.severity for finding in found.findings}
    assert severities == {"idle_days": "severe", "tenure": "note"}
    assert any("overruled" in finding.what for finding in found.findings)


def test_overruling_an_unknown_column_lists_the_known_ones(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no column 'Recency' to keep.*tenure"):
        audit(*honest(seed=7).snapshot(tmp_path), overrule=["Recency"])


def test_one_class_is_refused(tmp_path: Path) -> None:
    world = honest(seed=8)
    world.y = np.ones_like(world.y)
    with pytest.raises(DataError, match="nothing to compare"):
        audit(*world.snapshot(tmp_path))


def test_same_instant_heads_every_figure(tmp_path: Path) -> None:
    label = LabelRule("threshold", 90, "tenure above 60", "tenure", above=60, same_instant=True)
    world = honest(seed=9)
    world.y = (world.X["tenure"] > 60).astype(int).to_numpy()
    found = audit(*world.snapshot(tmp_path, label))
    assert found.findings[0].severity == "severe"
    assert "the figures describe, they do not predict" in found.findings[0].what
    assert "the customer left where it is above 60 " in dict(found.quarantined)["tenure"]


def test_reasons_say_the_rule_in_words(tmp_path: Path) -> None:
    world = honest(seed=10)
    for name in ("several_categories", "blank_for_leavers", "difference"):
        PLANTS[name](world)
    reasons = dict(audit(*world.snapshot(tmp_path)).quarantined)
    assert "left where it is 'price'" in reasons["why"] or "one of" in reasons["why"]
    assert "missing where the customer left" in reasons["renewal_in_days"]
    assert "together with notice_given" in reasons["last_seen"]


def test_a_file_sorted_by_an_honest_column_warns_and_keeps_it(tmp_path: Path) -> None:
    world = honest(seed=12)
    order = np.argsort(world.X["signal"].to_numpy(), kind="stable")
    world.X, world.y = world.X.iloc[order].reset_index(drop=True), world.y[order]
    found = audit(*world.snapshot(tmp_path))
    assert found.quarantined == ()
    (finding,) = [finding for finding in found.findings if finding.where == "row order"]
    assert "sorted by signal" in finding.what


def test_customers_gathered_from_orders_have_no_order_of_their_own(tmp_path: Path) -> None:
    world = honest(seed=13)
    order = np.argsort(world.y, kind="stable")
    world.X, world.y = world.X.iloc[order].reset_index(drop=True), world.y[order]
    assert any(f.where == "row order" for f in audit(*world.snapshot(tmp_path)).findings)
    assert audit(*world.snapshot(tmp_path, FLAG, "orders")).findings == ()


def test_an_identifier_repeats_over_moments_and_is_still_found(tmp_path: Path) -> None:
    world = honest(seed=14, n=600)
    world.X["serial"] = world.rng.permutation(600) + 1000
    snapshot, dataset = world.snapshot(tmp_path, FLAG, "orders")
    earlier = snapshot.X.index.set_levels([pd.Timestamp(AS_OF) - pd.Timedelta(days=90)], level="as_of")
    twice = replace(
        snapshot, X=pd.concat([snapshot.X.set_axis(earlier), snapshot.X]),
        y=pd.concat([snapshot.y.set_axis(earlier), snapshot.y]),
        windows=(replace(snapshot.windows[0], as_of=AS_OF - pd.Timedelta(days=90)), snapshot.windows[0]),
    )
    assert set(dict(audit(twice, dataset).quarantined)) == {"serial"}


def test_auc_equals_the_library_on_ties_and_missing(rng: np.random.Generator) -> None:
    from sklearn.metrics import roc_auc_score

    y, score = rng.integers(0, 2, 500), rng.integers(0, 12, 500)
    left, stayed = (np.bincount(score[y == kind], minlength=12) for kind in (1, 0))
    assert auc(np.arange(12.0), left, stayed) == pytest.approx(roc_auc_score(y, score), abs=1e-12)


def test_noise_has_an_auc_of_one_half(rng: np.random.Generator) -> None:
    y = (rng.random(4000) < 0.3).astype(int)
    fold = folds(y, np.arange(4000), rng)
    columns = [pd.Series(rng.normal(size=4000)), pd.Series(rng.choice(list("abcdefgh"), 4000)),
               pd.Series([f"row {i}" for i in range(4000)])]
    assert [single_column_auc(levels(c), y, fold) for c in columns] == pytest.approx([0.5] * 3, abs=0.04)


def test_folds_keep_customers_whole_and_leavers_even(rng: np.random.Generator) -> None:
    customers = np.repeat(np.arange(1000), 3)
    y = (customers % 4 == 0).astype(int)
    fold = folds(y, customers, rng)
    assert pd.Series(fold).groupby(customers).nunique().max() == 1
    assert pd.Series(y).groupby(fold).sum().tolist() == [150] * 5


def test_best_interval_equals_trying_every_interval(rng: np.random.Generator) -> None:
    for _ in range(50):
        left, stayed = rng.integers(0, 6, 7), rng.integers(0, 6, 7)
        tried = [left.sum()]
        for first in range(7):
            for last in range(first, 7):
                inside = np.zeros(7, dtype=bool)
                inside[first : last + 1] = True
                tried += [left[~inside].sum() + stayed[inside].sum(), left[inside].sum() + stayed[~inside].sum()]
        assert best_interval(left, stayed).errors <= min(tried[1:])
        assert best_interval(left, stayed).errors in tried


@pytest.mark.parametrize(("numbers", "left", "words"), [
    ([1, 2, 3, 4], [0, 0, 1, 1], "above 2"),
    ([1, 2, 3, 4], [1, 1, 0, 0], "at most 2"),
    ([1, 2, 3, 4], [0, 1, 1, 0], "within 2..3"),
    ([1, 2, 3, 4], [1, 0, 0, 1], "outside 2..3"),
    ([np.nan, 2, 3, 4], [1, 0, 0, 1], "missing or above 3"),
    ([np.nan, 2, 3, 4], [1, 1, 0, 0], "missing or at most 2"),
    ([np.nan, 2, 3, 4], [0, 1, 1, 0], "at most 3"),
    ([np.nan, 2, 3, 4], [0, 0, 1, 1], "above 2"),
    ([np.nan, 2, 3, 4], [1, 1, 0, 1], "missing or outside 3..3"),
])
def test_rules_in_words(numbers: list[float], left: list[int], words: str) -> None:
    column, y = levels_of_numbers(np.array(numbers, dtype=float)), np.array(left)
    rule = best_interval(column.counts(y == 1), column.counts(y == 0))
    assert rule.errors == 0
    assert in_words(rule, column) == words


def test_runs_test_by_hand() -> None:
    """Four leavers together among eight: 2 runs, expected 5, variance 32 (32 - 8) / (64 x 7) = 12/7."""
    y = np.array([1, 1, 1, 1, 0, 0, 0, 0])
    _, z = order_signal(y, np.arange(8), np.random.default_rng(0))
    assert z == pytest.approx((2 - 5) / np.sqrt(12 / 7))
    assert order_matters(0.5, -6.0, 100, 300)
    assert not order_matters(0.53, 1.0, 1000, 3000)


def test_honest_whole_numbers_are_no_identifiers(rng: np.random.Generator) -> None:
    place = np.arange(2000)
    cents = levels_of_numbers(rng.gamma(2, 5000, 2000).round() * 1.0)
    assert identifier("spend_cents", cents, place) == ""
    assert identifier("phone_hash", levels_of_numbers(rng.choice(10**9, 2000, replace=False) * 1.0), place) == ""
    assert identifier("total", levels(pd.Series([f"{i * 1.37:.2f}" for i in range(1, 2000)])), place[1:]) == ""
    assert identifier("n", levels_of_numbers(rng.permutation(2000) * 1.0), place) != ""


@pytest.mark.real
def test_telco_is_honest(real_data, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    raw = pd.read_csv(real_data("telco_ibm_21/Telco-Customer-Churn.csv"))
    raw["TotalCharges"] = pd.to_numeric(raw["TotalCharges"], errors="coerce")
    y = (raw["Churn"] == "Yes").astype(int).to_numpy()
    world = World(raw.drop(columns=["customerID", "Churn"]), y, np.random.default_rng(0))
    found = audit(*world.snapshot(tmp_path))
    assert (found.quarantined, found.findings) == ((), ())
    assert found.single_column_auc["tenure"] == pytest.approx(0.740, abs=0.003)
    world.X["customerID"] = raw["customerID"]
    assert quarantined(world, tmp_path) == {"customerID"}


@pytest.mark.real
def test_the_shop_snapshot_describes_and_does_not_predict(real_data, tmp_path: Path) -> None:  # type: ignore[no-untyped-def]
    raw = pd.read_csv(real_data("ecommerce_user_segmentation/ecommerce_user_segmentation.csv"))
    label = LabelRule("threshold", 90, "Recency above 90", "Recency", above=90, same_instant=True)
    behaviour = raw.drop(columns=["Customer_ID", "Segment_Label"])
    world = World(behaviour, (raw["Recency"] > 90).astype(int).to_numpy(), np.random.default_rng(0))
    found = audit(*world.snapshot(tmp_path, label))
    assert [name for name, _ in found.quarantined] == ["Recency"]
    assert next(f.where for f in found.findings if "describe, they do not predict" in f.what) == "label"
    assert sum(value > 0.95 for name, value in found.single_column_auc.items() if name != "Recency") == 8
    assert "8 columns alone exceed" in found.findings[1].what
