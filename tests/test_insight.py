"""Questions asked of stored scores: figures computed by hand, on a run small enough to count."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from engine import catalog, files, insight, saved, state
from engine.errors import EngineError, Refused
from engine.insight import (
    Filters,
    Scope,
    answers,
    ask,
    audiences,
    distributions,
    meaning,
    movement,
    overview,
    quadrant,
    segments,
)
from engine.schema import (
    REASONS,
    SCORES,
    SEGMENTS,
    Actor,
    Column,
    Dataset,
    Finding,
    LabelRule,
    ModelCard,
    MoneyRule,
    Reading,
    Source,
)

MEG, EVE, MAX = Actor("meg", "manager"), Actor("eve", "executive"), Actor("max", "marketer")
JUNE, JULY = datetime(2024, 6, 1), datetime(2024, 7, 1)
PLAN = 'pl"an'
COLUMNS = (Column("tenure_months", "count", "months", "Months since joining", 0, label="Tenure"),
           Column(PLAN, "category", "", "The plan", label="Plan"),
           Column("happy", "flag", "", "Says so", 0, 1), Column("spend", "number", "currency", "Spent", 0))
SURE = overview.Doubt(0.0, False, 16)

SCORED = ("customer_id", "segment", "churn_risk", "churn_probability", "churn_low", "churn_high", "ltv_if_stays",
          "expected_ltv", "has_left")
NOW = (
    ("a", "Champion", "LOW", 0.1, 0.05, 0.20, 100.0, 95.0, 0, 10, "basic", 1, 5.0),
    ("b", "Champion", "LOW", 0.2, 0.10, 0.30, 200.0, 180.0, 0, 20, "plus", 1, 7.0),
    ("c", "At-Risk VIP", "HIGH", 0.8, 0.70, 0.90, 300.0, 120.0, 0, 2, "basic", 0, 9.0),
    ("d", "Promising", "MEDIUM", 0.4, 0.30, 0.50, 50.0, 40.0, 0, 5, None, 0, None),
    ("e", "Promising", "LOW", 0.1, 0.05, 0.15, 60.0, 58.0, 0, 8, "plus", 1, 1.0),
    ("f", "Losing Customer", "HIGH", 0.9, 0.80, 0.95, 10.0, 5.0, 0, 1, "it's", 0, 2.0),
    ("g", "Losing Customer", "HIGH", 0.7, 0.50, 0.90, 20.0, 10.0, 1, 3, "basic", 0, 3.0),
    ("h", "Hibernating", "LOW", 0.2, 0.10, 0.30, 30.0, 25.0, 1, 30, "plus", 1, 4.0),
)
THEN = (
    ("a", "Champion", "MEDIUM", 0.3, 0.20, 0.40, 100.0, 90.0, 0, 9, "plus", 1, 5.0),
    ("b", "Champion", "LOW", 0.2, 0.10, 0.30, 200.0, 180.0, 0, 19, "plus", 1, 7.0),
    ("c", "Champion", "MEDIUM", 0.5, 0.40, 0.60, 300.0, 200.0, 0, 5, "basic", 1, 9.0),
    ("d", "Promising", "MEDIUM", 0.5, 0.40, 0.60, 50.0, 35.0, 0, 4, None, 0, None),
    ("f", "Losing Customer", "HIGH", 0.9, 0.80, 0.95, 10.0, 5.0, 0, 1, "it's", 0, 2.0),
    ("g", "Losing Customer", "HIGH", 0.6, 0.50, 0.70, 20.0, 10.0, 0, 2, "basic", 0, 3.0),
    ("h", "Hibernating", "LOW", 0.2, 0.10, 0.30, 30.0, 25.0, 1, 29, "plus", 1, 4.0),
    ("x", "Champion", "LOW", 0.1, 0.05, 0.15, 90.0, 85.0, 0, 40, "plus", 1, 4.0),
)
# id, rank, feature, value, contribution
WHY_NOW = (("a", 1, PLAN, "basic", -0.5), ("a", 2, "tenure_months", "10 months", 0.2),
           ("b", 1, "tenure_months", "20 months", -0.4), ("c", 1, "tenure_months", "2 months", 1.2),
           ("d", 1, PLAN, "unknown", 0.3), ("f", 1, "tenure_months", "1 month", 0.9),
           ("g", 1, "tenure_months", "3 months", 0.5), ("h", 1, PLAN, "plus", -0.6))
WHY_THEN = (("a", 1, PLAN, "plus", 0.1), ("c", 1, "tenure_months", "5 months", 0.2))


def made(rows: Sequence[Sequence[Any]], why: Sequence[Sequence[Any]], dataset: Dataset, as_of: datetime,
         model_id: str = "m1", in_use: bool = True, shuffled: bool = False) -> Scope:
    """A run of these rows, kept, and what a question is asked of."""
    run = catalog.Run.of(dataset, model_id, as_of, len(rows))
    told = pd.DataFrame(rows, columns=[*SCORED, *(column.name for column in COLUMNS)])
    scores = told.assign(run_id=run.run_id, margin_at_risk=told["churn_probability"] * told["ltv_if_stays"],
                         ltv_tier="Mid LTV", hold_back="", risk_score=told["churn_probability"])
    reasons = pd.DataFrame(why, columns=["customer_id", "rank", "feature", "value", "contribution"])
    features = told.set_index("customer_id")[[column.name for column in COLUMNS]]
    catalog.save_run(run, scores.reindex(columns=SCORES.names).astype({"next_order_at": "datetime64[ns]"}),
                     reasons.assign(run_id=run.run_id, words="")[REASONS.names],
                     features.iloc[::-1] if shuffled else features, actor=MEG, now=as_of, in_use=in_use)
    return Scope(dataset, run)


def acme_without_runs(folder: Path) -> Dataset:
    """The company, registered."""
    source = folder / "acme.csv"
    source.write_text("customer_id\n")
    with catalog.staging("acme") as staged:
        pd.DataFrame({"customer_id": [row[0] for row in NOW]}).to_parquet(staged / "customers.parquet")
        dataset = Dataset(
            "acme", "v1", "snapshot", "table", "telecom", "EUR", LabelRule("column", 90, "left", "left", "1"),
            MoneyRule("spend", "month"), JULY, False, staged / "customers.parquet", COLUMNS,
            sources=(Source(source.name, files.sha256(source), 8),))
        return catalog.register(Reading(dataset, (), pd.DataFrame()), staged, [source], actor=MEG, now=JULY)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Three homes, each made once: acme without runs, with that of July, with that of June too."""
    folder = tmp_path_factory.mktemp("homes")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_HOME", str(folder / "now"))
        patch.delenv("HOLDFAST_DATABASE_URL", raising=False)
        acme = acme_without_runs(folder)
        shutil.copytree(folder / "now", folder / "none")
        made(NOW, WHY_NOW, acme, JULY)
        shutil.copytree(folder / "now", folder / "both")
        patch.setenv("HOLDFAST_HOME", str(folder / "both"))
        made(THEN, WHY_THEN, catalog.dataset("acme"), JUNE, in_use=False)
    return folder


@pytest.fixture
def acme(homes: Path, home: Path) -> Dataset:
    """A company without runs."""
    shutil.copytree(homes / "none", home, dirs_exist_ok=True)
    return catalog.dataset("acme")


@pytest.fixture
def now_there(homes: Path, home: Path) -> Scope:
    """The run of July."""
    shutil.copytree(homes / "now", home, dirs_exist_ok=True)
    return insight.scope("acme")


@pytest.fixture
def both(homes: Path, home: Path) -> tuple[Scope, Scope]:
    """The runs of July and of June."""
    shutil.copytree(homes / "both", home, dirs_exist_ok=True)
    return insight.scope("acme"), insight.scope("acme", catalog.runs("acme")[0].run_id)


def count(scope: Scope, filters: Filters) -> int:
    """How many customers the filter lets through."""
    return int(ask(scope, "SELECT count(*) AS n FROM people", filters=filters)["n"].iloc[0])


def ids(scope: Scope, filters: Filters) -> str:
    """Whom the filter lets through."""
    return "".join(sorted(ask(scope, "SELECT customer_id FROM people", filters=filters)["customer_id"]))


# --- filters


@pytest.mark.parametrize(("filters", "who"), [
    (Filters(), "abcdef"), (Filters(left=True), "abcdefgh"), (Filters(values={"segment": ()}), "abcdef"),
    (Filters(values={"segment": ("Champion", "Promising")}), "abde"), (Filters(values={PLAN: ("it's",)}), "f"),
    (Filters(values={PLAN: ("basic",), "churn_risk": ("LOW",)}), "a"), (Filters(ids=("b", "g")), "b"),
    (Filters(ranges={"tenure_months": (5, 10)}), "ade"),
    (Filters(ids=("nobody",)), ""), (Filters(ranges={"churn_probability": (0.9, 0.1)}), ""),
    (Filters(areas=({"churn_probability": (0.1, 0.2)}, {"expected_ltv": (0.0, 6.0)})), "aef"),
])
def test_filters_let_through(now_there: Scope, filters: Filters, who: str) -> None:
    assert ids(now_there, filters) == who


@pytest.mark.parametrize("value", ["'; DROP TABLE scores; --", "' OR '1'='1", 'x" OR 1=1 --', "it's", "?", "%", ""])
def test_values_are_never_sql(now_there: Scope, value: str) -> None:
    assert ids(now_there, Filters(values={PLAN: (value,)})) == ("f" if value == "it's" else "")
    assert ids(now_there, Filters(ids=(value,))) == ""
    assert ids(now_there, Filters()) == "abcdef"


@pytest.mark.parametrize("name", ['segment" = \'x\' OR 1=1 --', "no_such_column", "1=1"])
def test_names_are_never_sql(now_there: Scope, name: str) -> None:
    with pytest.raises(EngineError, match="cannot answer this"):
        ask(now_there, "SELECT count(*) FROM people", filters=Filters(values={name: ("x",)}))


def test_a_filter_of_the_wrong_kind_is_advice(now_there: Scope) -> None:
    with pytest.raises(EngineError, match="cannot answer this"):
        ask(now_there, "SELECT count(*) FROM people", filters=Filters(values={"tenure_months": ("many",)}))


VALUES = st.lists(st.sampled_from([*SEGMENTS, "LOW", "HIGH", "basic", "it's"]) | st.text(max_size=8), max_size=3)
FILTERS = st.builds(
    Filters,
    values=st.dictionaries(st.sampled_from(["segment", "churn_risk", "ltv_tier", PLAN]), VALUES.map(tuple), max_size=2),
    ranges=st.dictionaries(st.sampled_from(["churn_probability", "expected_ltv", "tenure_months"]), st.tuples(
        st.floats(allow_nan=False), st.floats(allow_nan=False)), max_size=2),
    ids=st.lists(st.sampled_from("abcdefghx") | st.text(max_size=3), max_size=4).map(tuple), left=st.booleans(),
    areas=st.lists(st.dictionaries(st.sampled_from(["churn_probability", "expected_ltv"]), st.tuples(
        st.floats(-1, 300), st.floats(-1, 300)), min_size=1, max_size=2), max_size=3).map(tuple))
OFTEN = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def test_what_leavers_bring_all_the_same_by_hand(now_there: Scope) -> None:
    assert overview.still_brought(now_there) == pytest.approx(1 - (5 + 20 + 180 + 10 + 2 + 5) / 325)
    assert overview.standing(now_there, SURE).still_brought == pytest.approx(overview.still_brought(now_there))


@pytest.mark.slow
@OFTEN
@given(filters=FILTERS)
def test_no_filter_breaks_and_parts_add_up(now_there: Scope, filters: Filters) -> None:
    found = overview.standing(now_there, SURE, filters)
    who = ask(now_there, "SELECT * FROM people", filters=filters)
    assert found.customers == len(who) == found.segments["customers"].sum()
    assert found.leavers.value == pytest.approx(who["churn_probability"].sum())
    assert found.margin_at_risk.value == pytest.approx(found.segments["margin_at_risk"].sum())
    assert 0 <= found.leavers.low <= found.leavers.value <= found.leavers.high <= found.customers
    plane = quadrant.plane(now_there, quadrant.axes(now_there), filters)
    assert plane.bins["customers"].sum() == plane.corners["customers"].sum() == found.customers
    assert segments.heatmap(now_there, COLUMNS[1], filters)["customers"].sum() == found.customers


@OFTEN
@given(one=FILTERS, other=FILTERS)
@pytest.mark.slow
def test_within_is_the_intersection(now_there: Scope, one: Filters, other: Filters) -> None:
    assert set(ids(now_there, one.within(other))) == set(ids(now_there, one)) & set(ids(now_there, other))


def test_the_order_of_the_files_does_not_matter(acme: Dataset) -> None:
    straight, shuffled = made(NOW, WHY_NOW, acme, JULY), made(NOW, WHY_NOW[::-1], acme, JUNE, shuffled=True)
    for filters in (Filters(), Filters(values={PLAN: ("basic",)}), Filters(ranges={"tenure_months": (2, 9)})):
        assert ids(straight, filters) == ids(shuffled, filters)
        pd.testing.assert_frame_equal(overview.drivers(straight, filters), overview.drivers(shuffled, filters))


@pytest.mark.parametrize("damage", [lambda raw: raw[:100], lambda raw: b"", lambda raw: b"no parquet at all" * 9,
                                    lambda raw: raw[:8] + bytes(400) + raw[408:]],
                         ids=["cut", "empty", "another", "holed"])
def test_a_damaged_file_is_advice_and_wrong_sql_a_bug(now_there: Scope, damage: Callable[[bytes], bytes]) -> None:
    import duckdb

    with pytest.raises(duckdb.Error):
        ask(now_there, "SELECT count(* FROM scores")
    path = now_there.run.folder / "scores.parquet"
    path.chmod(0o644)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(EngineError, match="not there any more or are damaged"):
        ask(now_there, "SELECT sum(churn_probability), max(customer_id), max(segment), max(expected_ltv) FROM scores")
    with pytest.raises(EngineError, match="damaged"):
        overview.standing(now_there, SURE)


def test_files_that_are_gone_are_advice(now_there: Scope) -> None:
    (now_there.run.folder / "scores.parquet").unlink()
    with pytest.raises(EngineError, match="not there any more"):
        overview.standing(now_there, SURE)


# --- where do we stand


def test_standing_by_hand(now_there: Scope) -> None:
    found = overview.standing(now_there, overview.Doubt(0.5, True, 16))
    assert (found.customers, found.mean_ltv, found.at_stake) == (6, 83.0, 720.0)
    assert found.leavers.value == pytest.approx(2.5)
    assert found.margin_at_risk.value == pytest.approx(325.0)
    chance, own = 0.83, 0.175 / 3.29**2
    spread = 1.645 * math.sqrt(chance + chance * 8 / 16 + own + (0.5 * chance) ** 2)
    assert (found.leavers.low, found.leavers.high) == pytest.approx((2.5 - spread, 2.5 + spread))
    own = (100**2 * 0.0225 + 200**2 * 0.04 + 300**2 * 0.04 + 50**2 * 0.04 + 60**2 * 0.01 + 10**2 * 0.0225) / 3.29**2
    moved = 100 * 0.09 + 200 * 0.16 + 300 * 0.16 + 50 * 0.24 + 60 * 0.09 + 10 * 0.09
    spread = 1.645 * math.sqrt(22_633 * 1.5 + own + (0.5 * moved) ** 2)
    assert found.margin_at_risk.low == pytest.approx(325 - spread)
    assert found.vip_share == pytest.approx(240 / 325)


def test_segments_by_hand(now_there: Scope) -> None:
    table = overview.standing(now_there, SURE).segments.set_index("segment")
    assert list(table.index) == ["Champion", "At-Risk VIP", "Promising", "Losing Customer"], "Hibernating has left."
    champion = table.loc["Champion"]
    assert champion[["customers", "share"]].tolist() == pytest.approx([2, 1 / 3])
    assert champion[["churn_probability", "leavers"]].tolist() == pytest.approx([0.15, 0.3])
    assert champion[["expected_ltv", "margin_at_risk", "margin_share"]].tolist() == pytest.approx([137.5, 50, 50 / 325])
    assert table["median"].isna().all(), "Nobody has asked for it."
    with_medians = overview.standing(now_there, SURE, medians=True)
    assert (with_medians.median_of, with_medians.segments["median"].tolist()) == ("tenure_months", [15, 2, 6.5, 1])


def test_nobody_stands_nowhere(now_there: Scope) -> None:
    found = overview.standing(now_there, SURE, Filters(ids=("nobody",)))
    assert (found.customers, found.leavers.value, found.leavers.high, found.vip_share) == (0, 0, 0, 0)
    assert math.isnan(found.mean_ltv)
    assert found.segments.empty
    assert overview.sentence(found, 90) == "No customer passes these filters."
    assert overview.drivers(now_there, Filters(ids=("nobody",))).empty


def test_a_sure_model_still_leaves_chance(now_there: Scope) -> None:
    sure, unsure = (overview.standing(now_there, overview.Doubt(level, True, 10**9)) for level in (0.0, 1.0))
    assert sure.leavers.high - sure.leavers.value == pytest.approx(1.645 * math.sqrt(0.83 + 0.175 / 3.29**2))
    assert unsure.leavers.high > sure.leavers.high


def test_the_contrast_names_the_ends(now_there: Scope) -> None:
    assert overview.contrast(overview.standing(now_there, SURE), "USD") == (
        "The mean chance to leave goes from 15.0 % (Champion) to 90.0 % (Losing Customer), the mean LTV from $5.00 "
        "(Losing Customer) to $138 (Champion).")
    alone = overview.standing(now_there, SURE, Filters({"segment": ("Champion",)}))
    assert overview.contrast(alone, "USD") == "Champion alone: 15.0 % chance to leave on average, worth $138 each."
    nobody = overview.standing(now_there, SURE, Filters({"segment": ("Nobody",)}))
    assert overview.contrast(nobody, "USD") == "No customer passes these filters."


def test_the_sentence_says_where_the_margin_sits(now_there: Scope) -> None:
    assert overview.sentence(overview.standing(now_there, SURE), 90) == (
        "About 2 in 5 customers are expected to leave within 90 days; 73.8 % of the margin at risk sits in At-Risk "
        "VIP, with 16.7 % of the customers.")


def card(**more: Any) -> ModelCard:
    """A card with nothing on it but what is given."""
    plain = ModelCard("m1", "acme", "v1", "a", "b", 0, JULY, 90, "", False, 500, 50, (), (), (), {}, 0.5, True, ())
    return replace(plain, **more)


def test_what_errors_have_in_common_is_read_from_the_card() -> None:
    assert overview.doubt(card()) == overview.Doubt(0.0, False, 500)
    season = [{"shift": 0.1, "with": 0.1, "without": 0.1, "missed_with": 0.3, "missed_without": 0.3},
              {"shift": 0.2, "with": 0.01, "without": 0.05, "missed_with": 0.4, "missed_without": 0.8}]
    found = overview.doubt(card(detail={"season": season}))
    assert (found.level, found.tested) == (pytest.approx(math.sqrt(0.125)), True)


def test_the_age_of_the_data(now_there: Scope) -> None:
    fresh, old = (overview.age(now_there, JULY + timedelta(days=days)) for days in (3, 91))
    assert (fresh.days, fresh.over, old.days, old.over) == (3, False, 91, True)
    assert "3 days ago" in fresh.words
    assert "ended on 29 Sep 2024" in old.words
    assert overview.age(now_there, JULY - timedelta(days=9)).days == 0, "A clock set back makes no negative age."


def test_drivers_by_hand(now_there: Scope) -> None:
    table = overview.drivers(now_there)
    assert table["title"].tolist() == ["Tenure", "Plan"]
    assert table[["raises", "lowers"]].to_numpy().tolist() == [[2, 1], [1, 1]], "e has no reason; g and h have left."
    assert table["share"].tolist() == [0.6, 0.4]
    assert table["margin_at_risk"].tolist() == pytest.approx([249, 20])


def test_features_of_one_family_count_together(acme: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    family = {c.name: replace(c, family="life") for c in COLUMNS[:2]}
    monkeypatch.setattr(overview, "meanings", lambda _scope: family)
    table = overview.drivers(made(NOW, WHY_NOW, acme, JULY))
    assert table[["title", "raises", "lowers", "members"]].to_numpy().tolist() == [["Tenure", 3, 2, "Tenure, Plan"]]


# --- how value is spread


def test_histogram_by_hand(now_there: Scope) -> None:
    found = distributions.histogram(now_there, COLUMNS[3])
    assert (found.median, found.unknown, found.bins["customers"].sum()) == (5.0, 1, 5)
    for value in (1.0, 2.0, 5.0, 7.0):
        holds = (found.bins["left"] <= value) & (value < found.bins["right"])
        assert found.bins.loc[holds, "customers"].tolist() == [1]
    assert found.beyond + found.bins["customers"].iloc[:-1].sum() <= 5
    nobody = distributions.histogram(now_there, COLUMNS[3], Filters(ids=("d",)))
    assert nobody.bins.empty
    assert nobody.unknown == 1


def test_an_outlier_does_not_flatten_the_histogram(acme: Dataset) -> None:
    worth = [*(10.0 + n % 50 for n in range(300)), 1e6]
    scope = made([(f"{n:03}", *NOW[0][1:7], value, *NOW[0][8:]) for n, value in enumerate(worth)], (), acme, JULY)
    found = distributions.histogram(scope, meaning.meaning(scope, "expected_ltv"))
    assert found.bins["right"].iloc[-1] < 100
    assert found.beyond >= 1
    assert found.bins["customers"].sum() == 301
    assert found.column.title == "Expected LTV"


def test_densities_know_the_quantiles(acme: Dataset, rng: np.random.Generator) -> None:
    worth = np.sort(rng.lognormal(4, 0.7, 2_000))
    rows = [(f"{n:05}", "Champion" if n % 2 else "Promising", *NOW[0][2:7], float(value), *NOW[0][8:])
            for n, value in enumerate(worth)]
    table = distributions.densities(made(rows, (), acme, JULY)).set_index("segment")
    assert list(table.index) == ["Champion", "Promising"]
    for name, at in (("p5", 0.05), ("p25", 0.25), ("p50", 0.5), ("p95", 0.95)):
        assert table.at["Champion", name] == pytest.approx(np.quantile(worth[1::2], at), rel=0.02)
    x, density = (np.asarray(table[name]["Champion"]) for name in ("x", "density"))
    assert density.max() == pytest.approx(1.0, abs=0.02)
    assert len(x) <= distributions.DRAWN
    assert x[density.argmax()] == pytest.approx(np.exp(4), rel=0.25)


def test_densities_of_nobody_and_of_the_worthless(acme: Dataset) -> None:
    scope = made([("a", *NOW[0][1:6], 0.0, 0.0, *NOW[0][8:])], (), acme, JULY)
    assert distributions.densities(scope)["p50"].iloc[0] == pytest.approx(0.01, rel=0.01)
    assert distributions.densities(scope, Filters(ids=("nobody",))).empty


def test_money_columns_begin_with_ltv(now_there: Scope) -> None:
    assert [column.title for column in distributions.money_columns(now_there)] == ["Expected LTV", "Spend"]
    assert meaning.meaning(now_there, "spend").unit == "EUR"
    assert meaning.meaning(now_there, "never described").title == "Never described"


# --- movement


def test_changes_by_hand(both: tuple[Scope, Scope]) -> None:
    now, then = both
    found = movement.changes(now, then.run.run_id, MEG)
    assert found.bands.to_numpy().tolist() == [[1, 0, 0], [1, 1, 1], [0, 0, 1]]
    assert found.stayed == 5
    assert found.segments.at["Champion", "At-Risk VIP"] == 1
    assert (found.newcomers, found.gone, found.left, found.back) == (1, 1, 1, 0)
    assert found.came_and_went == "1 came, 1 left, 1 is in the newer data no more"
    assert found.mean_change == pytest.approx(0.0)
    assert found.same_model
    risers, fallers = found.risers, found.fallers
    assert risers is not None
    assert fallers is not None
    assert risers[["customer_id", "segment"]].to_numpy().tolist() == [["c", "At-Risk VIP"]]
    assert risers[["then", "now", "margin_at_risk"]].iloc[0].tolist() == pytest.approx([0.5, 0.8, 240])
    assert fallers["customer_id"].tolist() == ["a", "d"]


def test_whoever_came_back_is_counted(acme: Dataset) -> None:
    left = [(*row[:8], 1, *row[9:]) if row[0] == "a" else row for row in THEN]
    now, then = made(NOW, (), acme, JULY), made(left, (), acme, JUNE, in_use=False)
    assert movement.changes(now, then.run.run_id, MEG).back == 1


def test_why_a_chance_changed(both: tuple[Scope, Scope], now: datetime) -> None:
    later, than = both[0], both[1].run.run_id
    found = movement.changes(later, than, MEG)
    assert found.risers is not None
    assert found.fallers is not None
    assert movement.why(later, than, found.risers, actor=MEG, now=now) == {"c": "Tenure: 2 months, was 5 months"}
    assert movement.why(later, than, found.fallers, actor=MEG, now=now) == {"a": "Plan: basic, was plus"}, "d has none."
    assert movement.why(later, than, found.risers.iloc[:0], actor=MEG, now=now) == {}
    assert [entry.detail["shown"] for entry in state.audit_log()] == [0, 2, 1]
    with pytest.raises(Refused):
        movement.why(later, than, found.risers, actor=EVE, now=now)


def test_reasons_that_come_and_go_are_told(acme: Dataset, now: datetime) -> None:
    later = made(NOW, [("a", 1, PLAN, "basic", -0.5), ("c", 1, "tenure_months", "2 months", 1.2)], acme, JULY)
    then = made(THEN, [("a", 1, "tenure_months", "9 months", 0.4), ("c", 1, "tenure_months", "2 months", 0.2)], acme,
                JUNE, in_use=False)
    found = movement.changes(later, then.run.run_id, MEG)
    assert found.fallers is not None
    assert found.risers is not None
    told = movement.why(later, then.run.run_id, found.fallers, actor=MEG, now=now)
    assert told == {"a": "Plan: basic (new)"}
    told = movement.why(later, then.run.run_id, found.risers, actor=MEG, now=now)
    assert told == {"c": "Tenure: 2 months, as before"}


def test_executives_see_no_single_customer_move(both: tuple[Scope, Scope]) -> None:
    found = movement.changes(both[0], both[1].run.run_id, EVE)
    assert found.risers is None
    assert found.fallers is None
    assert found.stayed == 5


def test_another_model_is_told(acme: Dataset) -> None:
    now, then = made(NOW, (), acme, JULY), made(THEN, (), acme, JUNE, model_id="m0", in_use=False)
    assert not movement.changes(now, then.run.run_id, MEG).same_model


def test_totals_by_hand(now_there: Scope) -> None:
    found = movement.totals(now_there)
    assert (found.customers, found.mean_ltv) == (6, 83.0)
    assert (found.leavers, found.margin_at_risk, found.vip_share) == pytest.approx((2.5, 325.0, 240 / 325))
    known = movement.totals_of(overview.standing(now_there, SURE), now_there)
    assert (known.as_of, known.customers, known.mean_ltv) == (found.as_of, found.customers, found.mean_ltv)
    assert (known.leavers, known.vip_share) == pytest.approx((found.leavers, found.vip_share))


def test_runs_to_compare_with(acme: Dataset) -> None:
    runs = {days: made(THEN, (), acme, JULY - timedelta(days=days), in_use=False).run for days in (90, 31, 8, 3)}
    now = made(NOW, (), acme, JULY).run
    assert movement.earlier(now) == {"the run before": runs[3], "a week or more before": runs[8],
                                     "a month or more before": runs[31]}
    assert movement.earlier(runs[3]) == {"the run before": runs[8], "a week or more before": runs[31],
                                         "a month or more before": runs[90]}
    assert movement.earlier(runs[90]) == {}
    assert movement.history(now) == [runs[90], runs[31], runs[8], runs[3], now]


def test_one_far_run_is_offered_once(both: tuple[Scope, Scope]) -> None:
    assert movement.earlier(both[0].run) == {"the run before": both[1].run}
    assert movement.history(both[1].run) == [both[1].run]


def test_a_large_company_has_a_short_history(acme: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    runs = [made(THEN, (), acme, JULY - timedelta(days=days), in_use=False).run for days in (30, 20, 10, 0)]
    monkeypatch.setattr(movement, "ROWS_READ", 3 * len(THEN))
    assert movement.history(runs[-1]) == runs[1:]
    monkeypatch.setattr(movement, "ROWS_READ", 1)
    assert movement.history(runs[-1]) == runs[2:]


# --- value beside risk


def test_the_plane_by_hand(now_there: Scope) -> None:
    axes = quadrant.axes(now_there)
    assert (axes.risk_cut, axes.value_cut) == pytest.approx((2.5 / 6, 76.5))
    plane = quadrant.plane(now_there, axes)
    assert plane.corners[["corner", "customers"]].to_numpy().tolist() == [
        ["Save first", 1], ["Keep close", 2], ["Let it run", 2], ["Automate", 1]]
    assert plane.corners["margin_at_risk"].tolist() == pytest.approx([240, 50, 26, 9])
    assert plane.bins["customers"].sum() == 6
    assert ids(now_there, quadrant.in_corner(Filters(), axes, "Save first")) == "c"
    assert ids(now_there, quadrant.in_corner(Filters(), axes, "Keep close")) == "ab"
    assert ids(now_there, quadrant.in_corner(Filters(), axes, "Let it run")) == "de"
    assert ids(now_there, quadrant.in_corner(Filters(), axes, "Automate")) == "f"


def test_a_value_that_can_be_negative_is_drawn_in_equal_steps(acme: Dataset) -> None:
    rows = [(f"{n:03}", *NOW[0][1:7], float(n - 50), *NOW[0][8:]) for n in range(200)]
    axes = quadrant.axes(made(rows, (), acme, JULY))
    assert not axes.ratios
    assert "Equal steps" in axes.words
    assert axes.value(axes.place(np.array([10.0]))) == pytest.approx([10.0])
    assert quadrant.plane(made(rows, (), acme, JULY), axes).bins["customers"].sum() == 200


@pytest.fixture(scope="module")
def many() -> list[tuple[Any, ...]]:
    """Four hundred customers all over the plane."""
    rng = np.random.default_rng(5)
    chance, worth = rng.beta(1, 2, 400), rng.lognormal(4, 1, 400)
    return [(f"{n:03}", SEGMENTS[n % 6], "LOW", p, p, p, value, value, 0, 1, "basic", 1, 1.0)
            for n, (p, value) in enumerate(zip(chance.tolist(), worth.tolist(), strict=True))]


@pytest.mark.slow
@OFTEN
@given(data=st.data())
def test_what_is_picked_is_what_is_counted(acme: Dataset, many: list[tuple[Any, ...]], data: st.DataObject) -> None:
    scope = made(many, (), acme, JULY)
    axes = quadrant.axes(scope)
    bins = quadrant.plane(scope, axes).bins
    places = list(zip(bins["column"].tolist(), bins["row"].tolist(), strict=True))
    picked = data.draw(st.lists(st.sampled_from(places), min_size=1, unique=True))
    wanted = bins[[place in picked for place in places]]["customers"].sum()
    assert count(scope, quadrant.in_bins(Filters(), axes, picked)) == wanted
    assert count(scope, quadrant.in_bins(Filters(), axes, places)) == 400


def test_neighbouring_bins_become_one_rectangle(now_there: Scope) -> None:
    axes = quadrant.axes(now_there)
    block = [(column, row) for column in (3, 4, 5) for row in (2, 3)]
    assert len(quadrant.in_bins(Filters(), axes, block).areas) == 1
    assert len(quadrant.in_bins(Filters(), axes, [*block, (7, 2), (5, 9)]).areas) == 3


def test_points_are_for_those_who_may_see_customers(now_there: Scope, now: datetime) -> None:
    found = quadrant.points(now_there, Filters(values={"segment": ("Champion",)}), actor=MAX, now=now)
    assert found["customer_id"].tolist() == ["b", "a"], "Most margin at risk first."
    assert state.audit_log()[0].detail == {"run_id": now_there.run.run_id, "shown": 2}
    with pytest.raises(Refused):
        quadrant.points(now_there, actor=EVE, now=now)
    assert ids(now_there, quadrant.among(Filters(), ["a", "c", "g"])) == "ac", "g has left."


# --- segments


def test_heatmap_of_a_category(now_there: Scope) -> None:
    table = segments.heatmap(now_there, COLUMNS[1]).set_index(["segment", "group"])
    assert table.loc[("Champion", "basic"), "churn_probability"] == pytest.approx(0.1)
    assert table.loc[("Promising", "unknown"), "customers"] == 1
    assert list(segments.heatmap(now_there, COLUMNS[1])["group"].cat.categories) == ["basic", "plus", "it's", "unknown"]


def test_rare_levels_count_together(acme: Dataset) -> None:
    rows = [(f"{n:03}", *NOW[0][1:10], f"plan {n // (1 + n % 3)}", *NOW[0][11:]) for n in range(60)]
    table = segments.heatmap(made(rows, (), acme, JULY), COLUMNS[1])
    assert table["group"].nunique() == segments.MOST_LEVELS + 1
    assert "other" in set(table["group"])
    assert table["customers"].sum() == 60


def test_heatmap_of_a_flag_and_of_a_number(now_there: Scope) -> None:
    flags = segments.heatmap(now_there, COLUMNS[2]).groupby("group", observed=True)["customers"].sum()
    assert flags.to_dict() == {"yes": 3, "no": 3}
    quarters = segments.heatmap(now_there, COLUMNS[0]).groupby("group", observed=True)["customers"].sum()
    assert quarters.to_dict() == {"up to 2 months": 2, "3 to 5 months": 1, "6 to 10 months": 2, "over 10 months": 1}


@pytest.mark.parametrize("column", COLUMNS, ids=lambda column: column.kind)
def test_a_group_lets_through_whom_the_heatmap_counts(now_there: Scope, column: Column) -> None:
    counted = segments.heatmap(now_there, column).groupby("group", observed=True)["customers"].sum()
    for label, group in segments.groups(now_there, column).items():
        assert count(now_there, segments.in_groups(Filters(), column, [group])) == counted.get(label, 0)
    assert count(now_there, segments.in_groups(Filters(), column, [])) == 6


def test_two_segments_compared_by_hand(acme: Dataset) -> None:
    rows = [("a", "Champion", *NOW[0][2:9], 10, "basic", 1, 5.0), ("b", "Champion", *NOW[0][2:9], 20, "basic", 1, 5.0),
            ("c", "Promising", *NOW[0][2:9], 40, "plus", 1, 5.0), ("d", "Promising", *NOW[0][2:9], 50, "basic", 1, 5.0)]
    scope = made(rows, (), acme, JULY)
    table = segments.compare(scope, "Champion", "Promising", [column.name for column in COLUMNS])
    assert table["title"].tolist() == ["Tenure", "Plan: basic"], "What is the same for all says nothing."
    assert table[["one", "other"]].to_numpy().tolist() == [["15 months", "45 months"], ["100 %", "50 %"]]
    assert table["size"].tolist() == pytest.approx([-30 / math.sqrt(50), 0.5 / math.sqrt(0.75 * 0.25)])
    assert segments.compare(scope, "Champion", "Hibernating", [column.name for column in COLUMNS]).empty
    assert segments.compare(scope, "Champion", "Promising", ["no such feature"]).empty


def test_customers_behind_a_filter_are_recorded(now_there: Scope, now: datetime) -> None:
    found = segments.customers(now_there, Filters(values={"churn_risk": ("HIGH",)}), actor=MAX, now=now)
    assert found["customer_id"].tolist() == ["c", "f"]
    assert segments.customers(now_there, actor=MEG, now=now, most=2)["customer_id"].tolist() == ["c", "b"]
    first, second = state.audit_log()[:2]
    assert (first.verb, first.actor, first.detail["shown"]) == ("customers", MEG, 2)
    assert second.actor == MAX
    with pytest.raises(Refused):
        segments.customers(now_there, actor=EVE, now=now)
    assert len(state.audit_log()) == 2


# --- answers and audiences

SEVERE = Finding("severe", "leak", "The column *left_at* tells the answer.", "Leave it out.")
WARNING = Finding("warning", "level", "Missed by 5 points.", "Look.")


def test_a_manager_answers_a_finding(acme: Dataset, now: datetime) -> None:
    told = card(version=acme.version, findings=(WARNING, Finding("note", "x", "y"), SEVERE))
    assert [(one.finding, one.answer) for one in answers.asked(told, acme, EVE)] == [(SEVERE, None), (WARNING, None)]
    answers.answer_finding("acme", SEVERE, "  The column was dropped. ", actor=MEG, now=now)
    last = answers.asked(told, acme, EVE)[-1]
    assert last.finding == SEVERE
    assert last.answer is not None
    assert (last.answer.content, last.answer.actor) == ({"reason": "The column was dropped."}, "meg")
    other = replace(acme, name="other")
    assert answers.asked(told, other, EVE)[0].answer is None, "Another dataset's finding is another."
    entry = state.audit_log()[0]
    assert (entry.verb, entry.about, entry.detail["reason"]) == ("answer", "acme", "The column was dropped.")
    answers.take_back("acme", SEVERE, actor=MEG, now=now)
    assert answers.asked(told, acme, MEG)[0].answer is None
    assert len(state.audit_log()) == 2


def test_a_model_that_has_not_seen_the_delivery_does_not_hide_its_findings(
        acme: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(catalog, "findings", lambda dataset: (WARNING,))
    told = [one.finding for one in answers.asked(card(version="earlier", findings=(SEVERE, WARNING)), acme, EVE)]
    assert told == [SEVERE, WARNING], "Each once."
    assert answers.findings(card(version="earlier", findings=()), acme) == (WARNING,)


@pytest.mark.parametrize("reason", ["", "   ", "x" * 1_001])
def test_an_answer_needs_a_reason(home: Path, now: datetime, reason: str) -> None:
    with pytest.raises(EngineError, match="Say in 1 to 1,000"):
        answers.answer_finding("acme", SEVERE, reason, actor=MEG, now=now)


def test_only_managers_answer(home: Path, now: datetime) -> None:
    for actor in (EVE, MAX):
        with pytest.raises(Refused):
            answers.answer_finding("acme", SEVERE, "because", actor=actor, now=now)
    assert state.audit_log() == []


def test_an_audience_comes_back_as_it_was(now_there: Scope, now: datetime) -> None:
    filters = Filters({"segment": ("Champion",), PLAN: ("it's", "plus")}, {"churn_probability": (0.0, 0.5)}, (), False,
                      ({"expected_ltv": (-insight.source.OPEN, 200.0)},))
    audiences.keep_audience("acme", " Quiet *ones* ", filters, actor=MAX, now=now)
    assert audiences.audiences("acme", MEG) == ["Quiet *ones*"]
    assert audiences.audience("acme", "Quiet *ones*", MEG) == filters
    assert ids(now_there, audiences.audience("acme", "Quiet *ones*", MEG)) == "b"
    audiences.forget_audience("acme", "Quiet *ones*", actor=MAX, now=now)
    assert audiences.audiences("acme", MEG) == []
    with pytest.raises(EngineError, match="There is no audience"):
        audiences.audience("acme", "Quiet *ones*", MEG)
    assert [entry.verb for entry in state.audit_log()] == ["customers", "customers"]


def test_an_audience_whose_customers_are_erased_does_not_become_everybody(now_there: Scope, now: datetime) -> None:
    audiences.keep_audience("acme", "two", Filters(ids=("a", "b")), actor=MAX, now=now)
    saved.forget_customer("acme", "a")
    assert ids(now_there, audiences.audience("acme", "two", MAX)) == "b"
    saved.forget_customer("acme", "b")
    with pytest.raises(EngineError, match="erased"):
        audiences.audience("acme", "two", MAX)


def test_executives_have_no_audiences(home: Path, now: datetime) -> None:
    for refused in (lambda: audiences.audiences("acme", EVE), lambda: audiences.audience("acme", "x", EVE),
                    lambda: audiences.keep_audience("acme", "x", Filters(), actor=EVE, now=now),
                    lambda: audiences.forget_audience("acme", "x", actor=EVE, now=now)):
        with pytest.raises(Refused):
            refused()
