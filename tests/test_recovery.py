"""Revenue recovery: every figure by hand once, its laws on random companies, its band against simulation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from engine import insight, saved
from engine.catalog import Run
from engine.decision.playbooks import playbook, playbook_files
from engine.decision.recovery import CELLS, Scenario, Simulation, Terms, first_paying, sentence, simulate
from engine.decision.recovery.plan import break_even, contacted, priced, taken
from engine.errors import EngineError
from engine.insight import Scope
from engine.insight.overview import Doubt, standing
from engine.insight.past import effects_of
from engine.insight.recovery import EXACT
from engine.schema import SEGMENTS, Actor, Column, Dataset, LabelRule, MoneyRule

EVE = Actor("eve", "executive")
SURE = Doubt(level=0.0, tested=False, learned_from=10**9)
TERMS = Terms(contact_cost=4.0, offer_cost=10.0, recovery_rate=0.3)
ENOUGH = 1e9


def group(segment: str = "Vulnerable", n: float = 100.0, p: float = 0.2, worth: float = 200.0, own: float = 0.0,
          level: float = 0.0) -> dict[str, float | str]:
    """A group of equal customers: own is each probability's standard error, level what all of them share [log-odds]."""
    move = level * p * (1 - p)
    return dict(zip(CELLS, (segment, n, n * p, n * p * worth, n * p * worth**2, n * own**2, n * own**2 * worth,
                            n * own**2 * worth**2, n * move, n * move * worth), strict=True))


HAND = pd.DataFrame([group(own=0.05, level=0.3)])


def at(terms: Terms = TERMS, **more: float | bool) -> Scenario:
    """Everybody in Vulnerable contacted at these terms."""
    return Scenario({"Vulnerable": terms}, **({"budget": ENOUGH, "whole_budget": True} | more))


# --- by hand


def test_every_figure_of_one_segment_by_hand() -> None:
    total = simulate(HAND, at()).total
    assert total.saves.value == pytest.approx(0.3 * 20)
    assert total.gain == pytest.approx(0.3 * 4_000)
    assert (total.contacts, total.offers_kept, total.offers_stayed) == pytest.approx((400, 10 * 6, 10 * 0.5 * 80))
    assert total.investment == pytest.approx(860)
    assert total.net.value == pytest.approx(1_200 - 860)
    assert total.roi is not None
    assert total.roi.value == pytest.approx(340 / 860)
    assert total.break_even == pytest.approx(800 / (4_000 - 10 * 20))


def test_without_an_offer_the_break_even_is_cost_by_margin_at_risk() -> None:
    assert simulate(HAND, at(Terms(4.0, 0.0, 0.3))).total.break_even == pytest.approx(400 / 4_000)


def test_an_offer_dearer_than_the_customer_can_never_pay() -> None:
    found = simulate(HAND, at(Terms(4.0, 500.0, 0.3)))
    assert found.total.break_even == np.inf
    assert "cannot pay" in sentence(found, "USD")


def test_who_would_have_stayed_costs_nothing_when_nobody_of_them_takes_the_offer() -> None:
    assert simulate(HAND, at(redemption=0.0)).total.offers_stayed == 0
    assert simulate(HAND, at(redemption=1.0)).total.offers_stayed == pytest.approx(800)


def test_a_budget_buys_the_best_first_and_the_last_group_in_part() -> None:
    rows = [group("Vulnerable", 10, 0.5, 200), group("At-Risk VIP", 10, 0.8, 500)]
    terms = {name: Terms(10.0, 0.0, 0.1) for name in ("Vulnerable", "At-Risk VIP")}
    found = simulate(pd.DataFrame(rows), Scenario(terms, budget=150.0, whole_budget=True))
    assert {part.segment: part.customers for part in found.segments} == {"At-Risk VIP": 10.0, "Vulnerable": 5.0}
    assert found.total.net.value == pytest.approx((400 - 100) + (50 - 50))


def test_nobody_who_costs_more_than_they_bring_is_contacted_unless_all_must_be_spent() -> None:
    dear = Terms(20.0, 0.0, 0.3)
    thrifty, spent = simulate(HAND, at(dear, whole_budget=False)), simulate(HAND, at(dear))
    assert (thrifty.total.customers, thrifty.total.net.value, thrifty.total.roi) == (0, 0, None)
    assert spent.total.net.value == pytest.approx(1_200 - 2_000)


# --- laws on random companies

cells = st.lists(st.tuples(st.sampled_from(SEGMENTS), st.floats(60, 400), st.floats(0.1, 0.9), st.floats(5, 900)),
                 min_size=1, max_size=25)
terms = st.builds(Terms, st.floats(0.01, 30), st.floats(0, 60), st.floats(0.01, 0.9), st.floats(2, 200))


def company(drawn: list[tuple[str, float, float, float]]) -> pd.DataFrame:
    """Groups of customers: (segment, customers, p, L)."""
    return pd.DataFrame([group(segment, n, p, worth, own=0.1 * p, level=0.2) for segment, n, p, worth in drawn])


def everywhere(terms: Terms, **more: float | bool) -> Scenario:
    """The same terms for all six segments."""
    return Scenario(dict.fromkeys(SEGMENTS, terms), **({"budget": ENOUGH, "whole_budget": True} | more))


@pytest.mark.slow
@given(cells, terms, st.floats(0, 1), st.floats(0, 50_000))
@settings(max_examples=30, deadline=None)
def test_bands_hold_their_points_and_nothing_is_spent_beyond_the_budget(drawn: list, terms: Terms, redemption: float,
                                                                        budget: float) -> None:
    found = simulate(company(drawn), everywhere(terms, redemption=redemption, budget=budget))
    for outcome in (found.total, *found.segments):
        for estimate in (outcome.saves, outcome.net, *((outcome.roi,) if outcome.roi else ())):
            assert estimate.low <= estimate.value <= estimate.high
    assert found.total.investment <= budget + 1e-6
    assert found.total.saves.value <= found.total.leavers + 1e-9
    assert all(0 <= part <= 1 for part in found.total.unsure)


@pytest.mark.slow
@given(cells, terms, st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_a_dearer_contact_never_pays_more_and_a_better_rate_never_keeps_fewer(drawn: list, terms: Terms,
                                                                               redemption: float) -> None:
    def found(changed: Terms) -> Simulation:
        return simulate(company(drawn), everywhere(changed, redemption=redemption))

    plain = found(terms)
    assert found(replace(terms, contact_cost=terms.contact_cost + 1)).total.net.value < plain.total.net.value
    assert found(replace(terms, offer_cost=terms.offer_cost + 1)).total.net.value < plain.total.net.value
    better = found(replace(terms, recovery_rate=min(1.0, terms.recovery_rate + 0.05)))
    assert better.total.saves.value > plain.total.saves.value
    assert found(replace(terms, offer_cost=0.0, recovery_rate=1.0)).total.net.value >= plain.total.net.value


@pytest.mark.slow
@given(cells, terms, st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_at_the_break_even_rate_the_net_return_is_nothing(drawn: list, terms: Terms, redemption: float) -> None:
    found = simulate(company(drawn), everywhere(terms, redemption=redemption))
    if found.total.break_even <= 1:
        again = simulate(company(drawn), everywhere(replace(terms, recovery_rate=found.total.break_even),
                                                    redemption=redemption))
        assert again.total.net.value == pytest.approx(0, abs=1e-6 * found.total.investment)


def test_rates_that_differ_break_even_in_proportion() -> None:
    drawn = company([("Vulnerable", 100, 0.2, 200), ("At-Risk VIP", 50, 0.3, 500)])
    scenario = Scenario({"Vulnerable": Terms(4, 10, 0.3), "At-Risk VIP": Terms(6, 0, 0.1)}, ENOUGH, whole_budget=True)
    total = simulate(drawn, scenario).total
    factor = total.break_even / total.kept
    moved = {name: replace(each, recovery_rate=each.recovery_rate * factor) for name, each in scenario.segments.items()}
    assert simulate(drawn, replace(scenario, segments=moved)).total.net.value == pytest.approx(0, abs=1e-6)


@pytest.mark.slow
@given(cells, terms, st.floats(0, 1))
@settings(max_examples=30, deadline=None)
def test_the_budget_curve_is_concave_ends_at_everybody_and_peaks_at_the_best(drawn: list, terms: Terms,
                                                                            redemption: float) -> None:
    found = simulate(company(drawn), everywhere(terms, redemption=redemption))
    spent, net = found.curve["investment"].to_numpy(), found.curve["net"].to_numpy()
    step = np.diff(spent) > 1e-6 * spent[-1]
    slopes = np.diff(net)[step] / np.diff(spent)[step]
    assert (np.diff(slopes) <= 1e-6 * np.abs(slopes).max()).all()
    assert (spent[0], net[0]) == (0, 0)
    assert (spent[-1], net[-1]) == pytest.approx((found.total.investment, found.total.net.value))
    thrifty = simulate(company(drawn), everywhere(terms, redemption=redemption, whole_budget=False)).total
    assert (thrifty.investment, thrifty.net.value) == pytest.approx((found.best, net.max()))


def test_the_greedy_order_beats_every_other_one() -> None:
    rng = np.random.default_rng(5)
    drawn = company([("Vulnerable", 20.0, rng.uniform(0.3, 0.9), rng.uniform(20, 400)) for _ in range(8)])
    scenario = at(budget=300.0)
    rows = priced(drawn, scenario)
    best = float(contacted(rows, [300.0], whole_budget=True)[0] @ rows["net"])
    for _ in range(200):
        shuffled = rows.sample(frac=1, random_state=rng.integers(2**31)).reset_index(drop=True)
        assert float(contacted(shuffled, [300.0], whole_budget=True)[0] @ shuffled["net"]) <= best + 1e-9


def test_the_same_input_gives_the_same_output() -> None:
    first, second = simulate(HAND, at()), simulate(HAND.copy(), at())
    assert (first.total, first.segments, first.whole) == (second.total, second.segments, second.whole)
    pd.testing.assert_frame_equal(first.curve, second.curve)
    pd.testing.assert_frame_equal(first.sweep, second.sweep)


# --- the band


def campaigns(rng: np.random.Generator, worlds: int, level: float) -> np.ndarray:
    """Net returns of a campaign to two segments in as many worlds: customer by customer, errors, rates and chance."""
    net = np.zeros(worlds)
    shared, where = rng.standard_normal((worlds, 1)) * level, rng.uniform(size=worlds)
    for n, p, worth, rate, contact, offer in ((300, 0.2, 200.0, 0.3, 4.0, 10.0), (150, 0.4, 500.0, 0.15, 6.0, 0.0)):
        true = p + p * (1 - p) * shared + rng.standard_normal((worlds, n)) * 0.06
        kept_rate = stats.beta.ppf(where, rate * 20, (1 - rate) * 20)
        leaves = rng.uniform(size=true.shape) < true
        kept = leaves & (rng.uniform(size=true.shape) < kept_rate[:, None])
        net += kept.sum(axis=1) * (worth - offer) - contact * n - offer * 0.5 * (n - true.sum(axis=1))
    return net


def test_the_band_holds_nine_in_ten_simulated_campaigns(rng: np.random.Generator) -> None:
    groups = pd.DataFrame([group("Vulnerable", 300, 0.2, 200, own=0.06, level=0.4),
                           group("At-Risk VIP", 150, 0.4, 500, own=0.06, level=0.4)])
    terms = {"Vulnerable": Terms(4, 10, 0.3), "At-Risk VIP": Terms(6, 0, 0.15)}
    net = simulate(groups, Scenario(terms, ENOUGH, whole_budget=True)).total.net
    drawn = campaigns(rng, 8_000, level=0.4)
    assert drawn.mean() == pytest.approx(net.value, rel=0.02)
    assert 0.88 <= np.mean((net.low <= drawn) & (drawn <= net.high)) <= 0.92
    assert 0.035 <= np.mean(drawn < net.low) <= 0.065


def test_the_band_is_split_between_the_rate_the_model_and_chance() -> None:
    assert sum(simulate(HAND, at()).total.unsure) == pytest.approx(1)
    sure = simulate(pd.DataFrame([group()]), at()).total
    assert sure.unsure[1] == 0
    certain = simulate(HAND, at(replace(TERMS, strength=1e9))).total
    assert certain.unsure[0] < 1e-6
    weak, strong = (simulate(HAND, at(replace(TERMS, strength=strength))).total for strength in (5.0, 200.0))
    assert weak.net.high - weak.net.low > strong.net.high - strong.net.low
    assert weak.unsure[0] > strong.unsure[0]
    crowd = simulate(pd.DataFrame([group(n=1e6)]), at()).total
    assert crowd.unsure[2] < 0.001, "Among a million, chance evens out."


def test_the_sweep_goes_through_the_assumption_and_the_break_even() -> None:
    found = simulate(HAND, at())
    line = found.sweep
    assert np.interp(found.total.kept, line["rate"], line["net"]) == pytest.approx(found.total.net.value)
    assert np.interp(found.total.break_even, line["rate"], line["net"]) == pytest.approx(0, abs=1e-6)
    assert line["rate"].iloc[-1] > found.likely[1] > found.total.kept > found.likely[0]


# --- where nobody can be kept


@pytest.mark.parametrize(("customers", "leavers", "credited"), [
    (400, 4.9, False), (400, 5.1, True), (1_000, 9.9, False), (1_000, 10.1, True), (0, 0.0, False)])
def test_no_saves_are_credited_where_almost_nobody_leaves(customers: float, leavers: float, credited: bool) -> None:
    found = simulate(pd.DataFrame([group(n=customers, p=leavers / max(customers, 1), worth=2_000)]), at())
    assert (found.total.saves.value > 0) == credited
    assert (found.total.investment > 0) == credited
    assert ("Vulnerable" in found.refused) != credited
    if not credited:
        assert "nobody" in sentence(found, "USD").lower()


def test_a_segment_without_anybody_is_refused_beside_one_with_customers() -> None:
    found = simulate(HAND, Scenario({"Vulnerable": TERMS, "At-Risk VIP": TERMS}, ENOUGH))
    assert list(found.refused) == ["At-Risk VIP"]
    assert found.total.saves.value > 0


# --- words and settings


def test_the_sentence_answers_what_the_budget_buys() -> None:
    assert sentence(simulate(HAND, at(budget=430.0)), "USD").startswith(
        "At these assumptions $430 buys 3.0 saves and returns $170 net (90 % band -$")
    assert "only $860 of the $20,000 is worth spending" in sentence(
        simulate(HAND, at(budget=20_000.0, whole_budget=False)), "USD")
    assert "loses $800 net" in sentence(simulate(HAND, at(Terms(20.0, 0.0, 0.3), budget=2_000.0)), "USD")
    assert "no contact pays" in sentence(simulate(HAND, at(Terms(20.0, 0.0, 0.3), whole_budget=False)), "USD")
    assert "Nothing is invested" in sentence(simulate(HAND, at(budget=0.0)), "USD")


@pytest.mark.parametrize("wrong", [{"recovery_rate": 1.2}, {"recovery_rate": float("nan")}, {"contact_cost": -1.0},
                                   {"offer_cost": float("inf")}, {"strength": 0.0}])
def test_impossible_terms_are_refused_with_advice(wrong: dict[str, float]) -> None:
    with pytest.raises(EngineError, match="choose a number"):
        replace(TERMS, **wrong)


def test_a_scenario_that_is_damaged_says_so() -> None:
    with pytest.raises(EngineError, match="Delete it"):
        Scenario.of({"segments": {"Vulnerable": {"contact": 1}}})


def test_an_executive_keeps_reads_and_deletes_scenarios(home: Path, now: datetime) -> None:
    saved.keep("scenario", "acme", "bold", vars(at(budget=500.0)), actor=EVE, now=now)
    [entry] = saved.kept("scenario", "acme", actor=EVE)
    assert Scenario.of(entry.content) == at(budget=500.0)
    saved.forget("scenario", "acme", "bold", actor=EVE)
    assert saved.kept("scenario", "acme", actor=EVE) == []


def test_every_segment_of_every_playbook_has_a_step_that_costs_something() -> None:
    for sector in playbook_files():
        assert all(first_paying(playbook(sector), segment).contact_cost > 0 for segment in SEGMENTS)
    assert first_paying(playbook("retail"), "At-Risk VIP").name == "personal_call"


# --- asked of stored scores and past offers


def stored(home: Path, people: pd.DataFrame, offers: pd.DataFrame | None = None, sector: str = "telecom") -> Scope:
    """A run of these customers as it lies on the disk: segment, p, L, and optionally low, high, held, left."""
    folder = home / "data" / "acme"
    (folder / "v1").mkdir(parents=True)
    rows = pd.DataFrame({"low": people["p"] * 0.8, "high": people["p"] * 1.2, "held": "", "left": 0}).assign(**people)
    ids = [f"c{number}" for number in range(len(rows))]
    scores = pd.DataFrame({
        "customer_id": ids, "segment": rows["segment"], "churn_probability": rows["p"], "churn_low": rows["low"],
        "churn_high": rows["high"], "ltv_if_stays": rows["L"], "expected_ltv": rows["L"],
        "margin_at_risk": rows["p"] * rows["L"],
        "hold_back": rows["held"], "has_left": rows["left"]})
    run = Run("r1", "acme", "v1", "m1", datetime(2024, 6, 1), len(rows), False)
    run.folder.mkdir(parents=True)
    scores.to_parquet(run.folder / "scores.parquet")
    scores[["customer_id"]].assign(x=0.0).to_parquet(run.folder / "features.parquet")
    scores[["customer_id"]].to_parquet(folder / "v1" / "customers.parquet")
    if offers is not None:
        offers.to_parquet(folder / "v1" / "offers.parquet")
    label = LabelRule("column", 90, "Churn is Yes", "Churn", "Yes")
    dataset = Dataset("acme", "v1", "snapshot", "table", sector, "EUR", label, MoneyRule("spend", "month"),
                      datetime(2024, 6, 1), False, folder / "v1" / "customers.parquet", (),
                      offers=None if offers is None else folder / "v1" / "offers.parquet")
    return Scope(dataset, run)


def test_only_who_is_still_there_and_not_held_back_is_counted(home: Path) -> None:
    people = pd.DataFrame({"segment": "Vulnerable", "p": [0.5, 0.25, 0.9, 0.9], "L": [100.0, 200.0, 999.0, 999.0],
                           "held": ["", "", "too new", ""], "left": [0, 0, 0, 1]})
    found = insight.recovery_cells(stored(home, people), Doubt(level=0.2, tested=True, learned_from=2))
    assert found["customers"].tolist() == [1, 1]
    sums = found.drop(columns="segment").sum()
    assert sums["leavers"] == pytest.approx(0.75)
    assert sums["at_risk"] == pytest.approx(0.5 * 100 + 0.25 * 200)
    assert sums["squares"] == pytest.approx(0.5 * 100**2 + 0.25 * 200**2)
    own = [(0.2 / 3.29) ** 2 + 0.25 * 4 / 2, (0.1 / 3.29) ** 2 + 0.1875 * 4 / 2]
    assert (sums["noise"], sums["noise_worth"]) == pytest.approx((sum(own), own[0] * 100 + own[1] * 200))
    assert sums["noise_squares"] == pytest.approx(own[0] * 100**2 + own[1] * 200**2)
    assert (sums["drift"], sums["drift_worth"]) == pytest.approx((0.2 * 0.4375, 0.2 * (0.25 * 100 + 0.1875 * 200)))


def test_who_has_not_agreed_to_be_called_is_not_counted_and_said(home: Path) -> None:
    """At-Risk VIPs are called: of four two agreed, one refused, of one it is not known; e-mail is no call."""
    people = pd.DataFrame({"segment": "At-Risk VIP", "p": [0.5, 0.25, 0.9, 0.9], "L": [100.0, 200.0, 999.0, 999.0]})
    place = stored(home, people)
    asked = pd.read_parquet(place.dataset.customers).assign(consent_phone=[1, 1, 0, None], consent_email=[0, 0, 1, 1])
    asked.to_parquet(place.dataset.customers)
    flags = tuple(Column(name, "flag", "", "") for name in ("consent_phone", "consent_email"))
    place = replace(place, dataset=replace(place.dataset, columns=flags))
    found = insight.recovery_cells(place, SURE)
    assert found["at_risk"].sum() == pytest.approx(0.5 * 100 + 0.25 * 200)
    start = insight.recovery_starts(place)["At-Risk VIP"]
    assert start.treatment.channel == "phone"
    assert start.source(0.1).endswith("2 customers have not agreed to be called and are not counted.")
    assert insight.recovery_starts(place)["Vulnerable"].left_out == ""
    everybody = insight.recovery_cells(stored_again(place), SURE)
    assert everybody["customers"].sum() == 4, "data without consents ask nobody"


def test_who_has_no_number_to_be_called_by_is_not_counted_and_said(home: Path) -> None:
    """At-Risk VIPs are called: of four one has refused and two of the others have no number; e-mail is no call."""
    people = pd.DataFrame({"segment": "At-Risk VIP", "p": [0.5, 0.25, 0.9, 0.9], "L": [100.0, 200.0, 999.0, 999.0]})
    place = stored(home, people)
    asked = pd.read_parquet(place.dataset.customers).assign(consent_phone=[1, 1, 0, 1], phone=["+491", " ", "", None],
                                                            email="a@example.org")
    asked.to_parquet(place.dataset.customers)
    known = tuple(Column(name, "text", "", "") for name in ("consent_phone", "phone", "email"))
    place = replace(place, dataset=replace(place.dataset, columns=known))
    assert insight.recovery_cells(place, SURE)["at_risk"].sum() == pytest.approx(0.5 * 100)
    start = insight.recovery_starts(place)["At-Risk VIP"]
    assert (start.refused, start.unreached) == (1, 2)
    assert start.source(0.1).endswith("1 customer has not agreed to be called and is not counted. "
                                      "2 customers have no telephone number and are not counted.")
    e_mails_only = replace(place, dataset=replace(place.dataset, columns=(Column("email", "text", "", ""),)))
    assert insight.recovery_cells(e_mails_only, SURE).empty
    assert insight.recovery_starts(e_mails_only)["At-Risk VIP"].unreached == 4
    assert insight.recovery_cells(stored_again(place), SURE)["customers"].sum() == 4, "no addresses: nobody is asked"


def test_nobody_is_counted_where_the_playbook_lets_nothing_go_out(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    people = pd.DataFrame({"segment": ["At-Risk VIP", "Champion"], "p": [0.5, 0.25], "L": [100.0, 200.0]})
    place, book = stored(home, people), playbook("telecom")
    phone = book.channels["phone"]
    assert insight.recovery_cells(place, SURE)["customers"].sum() == 2
    for shut in (replace(book, channels={**book.channels, "phone": replace(phone, contacts_a_day=0.0)}),
                 replace(book, teams={**book.teams, phone.team: 0.0})):
        monkeypatch.setattr(Scope, "book", shut)
        assert set(insight.recovery_cells(place, SURE)["segment"]) == {"Champion"}
        starts = insight.recovery_starts(place)
        assert starts["At-Risk VIP"].left_out == "Nobody is counted: by the playbook nothing goes out by telephone now."
        assert starts["Champion"].left_out == ""


def stored_again(place: Scope) -> Scope:
    """The same customers, of whom the data hold no consents."""
    return replace(place, dataset=replace(place.dataset, columns=()))


def test_what_is_unsure_about_leavers_is_what_the_overview_counts(home: Path, rng: np.random.Generator) -> None:
    people = pd.DataFrame({"segment": "Vulnerable", "p": rng.beta(1, 3, 900), "L": rng.lognormal(5, 0.8, 900)})
    scope, doubt = stored(home, people), Doubt(level=0.2, tested=True, learned_from=700)
    sums = insight.recovery_cells(scope, doubt).drop(columns="segment").sum()
    stands = standing(scope, doubt)
    chance, chance_of_margin = ((people["p"] * (1 - people["p"]) * people["L"] ** power).sum() for power in (0, 2))
    widths = [np.sqrt(chance + sums["noise"] + sums["drift"] ** 2),
              np.sqrt(chance_of_margin + sums["noise_squares"] + sums["drift_worth"] ** 2)]
    assert stands.leavers.high - stands.leavers.value == pytest.approx(1.645 * widths[0])
    assert stands.margin_at_risk.high - stands.margin_at_risk.value == pytest.approx(1.645 * widths[1])


def test_large_segments_are_grouped_without_losing_anybody(home: Path, rng: np.random.Generator) -> None:
    people = pd.DataFrame({"segment": rng.choice(["Vulnerable", "Champion"], 6_000, p=[0.99, 0.01]),
                           "p": rng.beta(1, 3, 6_000), "L": rng.lognormal(5, 0.8, 6_000)})
    found = insight.recovery_cells(stored(home, people), SURE)
    sizes = found.groupby("segment").size()
    assert sizes["Vulnerable"] <= EXACT
    assert sizes["Champion"] == (people["segment"] == "Champion").sum()
    assert found["customers"].sum() == 6_000
    assert found["at_risk"].sum() == pytest.approx((people["p"] * people["L"]).sum())


def test_grouping_costs_almost_nothing_of_the_best_plan(home: Path, rng: np.random.Generator) -> None:
    people = pd.DataFrame({"segment": "Vulnerable", "p": rng.beta(1, 3, 6_000), "L": rng.lognormal(5, 0.8, 6_000)})
    alone = pd.DataFrame([group(n=1, p=p, worth=worth) for p, worth in people[["p", "L"]].to_numpy()])
    cells = insight.recovery_cells(stored(home, people), SURE)
    for budget in (2_000.0, 10_000.0, ENOUGH):
        scenario = at(budget=budget, whole_budget=False)
        grouped = simulate(cells, scenario).total.net.value
        exact = simulate(alone, scenario).total.net.value
        assert 0.99 * exact <= grouped <= exact + 1e-6


@pytest.fixture
def log() -> Callable[..., pd.DataFrame]:
    """Past offers: contract_migration against none, with those for whom it fits; n per arm, share who left."""

    def make(treated: float, control: float, n: int = 1_000, fits: int = 1_000) -> pd.DataFrame:
        rows = [("contract_migration", treated, 0.5), ("none", control, 0.5)]
        frame = pd.concat([pd.DataFrame({"treatment": name, "propensity": chance, "contract": "Month-to-month",
                                         "churned": (np.arange(n) < round(share * n)).astype(float)})
                           for name, share, chance in rows], ignore_index=True)
        unfit = pd.DataFrame({"treatment": "none", "propensity": 0.5, "contract": "Two year", "churned": 0.0},
                             index=range(fits))
        return pd.concat([frame, unfit], ignore_index=True)

    return make


ANYBODY = pd.DataFrame({"segment": ["Vulnerable"], "p": [0.5], "L": [100.0]})


def pooled(segment: str, log_ratio: float, noise: float) -> float:
    """The recovery rate by the formula of decision/effects.py, of contract_migration in a segment, for one trial of all
    six: for each k and j of its grids, the normal posterior of the segment's log ratio given their mean, weighted by
    how likely the trial is under it, and by 1 / (1 + j)^2."""
    rates = {name: {"Champion": 0.06, "Promising": 0.08}.get(name, 0.10) for name in SEGMENTS}
    d = {name: math.sqrt(math.log1p(rate / 21 / (1 - rate))) for name, rate in rates.items()}
    weighted = []
    for k, j in itertools.product((0, 0.25, 1, 4, 16, 64), (0, 1, 4, 16)):
        mean = {name: math.log(1 - rate) - d[name] ** 2 * (1 + k) / 4 for name, rate in rates.items()}
        own, beside = d[segment] ** 2 * (1 + k) / 2, d[segment] * (sum(d.values()) + k * d[segment]) / 12
        total = (sum(d.values()) ** 2 + k * sum(each**2 for each in d.values())) / 72 + noise + (
            j * (sum(d.values()) / 6) ** 2 / 8)
        surprise = log_ratio - sum(mean.values()) / 6
        weight = stats.norm.pdf(surprise, 0, math.sqrt(total)) / (1 + j) ** 2
        weighted.append((weight, math.exp(mean[segment] + beside / total * surprise + (own - beside**2 / total) / 2)))
    return 1 - sum(weight * stays for weight, stays in weighted) / sum(weight for weight, _ in weighted)


def of_trial(treated: float, control: float, n: int = 1_000) -> tuple[float, float]:
    """The log ratio of two shares of n that left and its variance, each the logarithm of a Beta(x + 1/2, n - x + 1/2).
    """
    sides = [stats.beta(round(share * n) + 0.5, n - round(share * n) + 0.5) for share in (treated, control)]
    means = [side.expect(np.log) for side in sides]
    spread = [side.expect(lambda x, mean=mean: (np.log(x) - mean) ** 2)
              for side, mean in zip(sides, means, strict=True)]
    return means[0] - means[1], sum(spread)


def test_a_rate_is_that_of_the_plan_measured_on_those_whom_the_step_fits(home: Path, log: Callable) -> None:
    """20 % of would-be leavers were kept, 10 % were assumed with the strength of 20: the rate is believed between."""
    place = stored(home, ANYBODY, log(treated=0.24, control=0.30))
    starts, plans = insight.recovery_starts(place), effects_of(place)
    vip, expected = starts["At-Risk VIP"], pooled("At-Risk VIP", *of_trial(0.24, 0.30))
    assert vip.measured is not None
    assert 0.13 < expected < 0.20
    assert vip.measured.value == pytest.approx(expected, abs=2e-4)
    assert vip.measured == plans.estimate(vip.treatment.name, "At-Risk VIP")
    assert vip.measured.n == 2_000
    assert vip.terms.recovery_rate == pytest.approx(expected, abs=0.0026)
    told = f"by trials of this step, pooled with the playbook's 10.0 %: {100 * vip.measured.value:.1f} % kept"
    assert vip.source(vip.terms.recovery_rate).startswith(f"Measured {told}")
    assert "n = 2,000" in vip.source(vip.terms.recovery_rate)
    assert vip.source(0.3).startswith(f"Assumption. Measured {told}")


def test_what_was_not_tried_begins_with_the_playbooks_rate_of_the_segment(home: Path, log: Callable) -> None:
    place = stored(home, ANYBODY, log(treated=0.24, control=0.30))
    start = insight.recovery_starts(place)["Losing Customer"]
    assert start.measured is None
    assert start.terms.recovery_rate == start.assumed == start.treatment.rate("Losing Customer")
    assert start.source(start.assumed).startswith("Assumption (the playbook's is")


def test_an_offer_that_drove_people_away_begins_at_nothing_and_says_so(home: Path, log: Callable) -> None:
    """Ten times as many left as without it, on numbers that no assumption outweighs."""
    start = insight.recovery_starts(stored(home, ANYBODY, log(treated=0.5, control=0.3, n=4_000)))["At-Risk VIP"]
    assert start.measured is not None
    assert start.measured.value == pytest.approx(pooled("At-Risk VIP", *of_trial(0.5, 0.3, 4_000)), abs=2e-4)
    assert start.measured.value < 0
    assert start.terms.recovery_rate == 0
    assert start.source(0.0).startswith("Measured by")
    assert "it may be nothing" in start.source(0.0)


def test_a_trial_too_weak_to_tell_moves_the_assumption_a_little(home: Path, log: Callable) -> None:
    start = insight.recovery_starts(stored(home, ANYBODY, log(treated=0.32, control=0.30, n=120)))["At-Risk VIP"]
    expected = pooled("At-Risk VIP", *of_trial(0.32, 0.30, 120))
    assert start.measured is not None
    assert start.measured.value == pytest.approx(expected, abs=2e-4)
    assert 0.05 < expected < 0.10


@pytest.mark.parametrize("spoil", [
    lambda frame: frame.assign(propensity=np.nan), lambda frame: frame.drop(columns="propensity"),
    lambda frame: frame[frame["treatment"] != "none"],
    lambda frame: frame.assign(propensity=1.0)])
def test_without_chance_or_control_nothing_is_measured(home: Path, log: Callable, spoil: Callable) -> None:
    starts = insight.recovery_starts(stored(home, ANYBODY, spoil(log(treated=0.24, control=0.30))))
    assert all(start.measured is None for start in starts.values())
    assert starts["At-Risk VIP"].source(0.1).startswith("Assumption")


def test_without_past_offers_the_playbook_speaks(home: Path) -> None:
    start = insight.recovery_starts(stored(home, ANYBODY, sector="retail"))["At-Risk VIP"]
    assert start.terms == Terms(5.0, 0.0, 0.08)
    assert "campaigns will measure it" in start.source(0.08)


def test_weighting_undoes_who_was_offered_more_often(home: Path) -> None:
    """Calm customers were offered three times as often and nobody was kept: unweighted the offer would shine."""
    groups = [("contract_migration", 0.75, 0.1, 750), ("none", 0.25, 0.1, 250),
              ("contract_migration", 0.25, 0.5, 250), ("none", 0.75, 0.5, 750)]
    frame = pd.concat([pd.DataFrame({"treatment": name, "propensity": chance,
                                     "churned": (np.arange(n) < left * n).astype(float)})
                       for name, chance, left, n in groups], ignore_index=True)
    start = insight.recovery_starts(stored(home, ANYBODY, frame))["At-Risk VIP"]
    naive = frame.groupby(frame["treatment"] == "none")["churned"].mean()
    assert 1 - naive[False] / naive[True] > 0.4
    assert start.measured is not None
    counted = 2_000**2 / (750 / 0.75**2 + 250 / 0.25**2)
    expected = pooled("At-Risk VIP", *of_trial(0.3, 0.3, round(counted)))
    assert (counted, 0 < expected < 0.10) == (pytest.approx(750), True)
    assert start.measured.value == pytest.approx(expected, abs=2e-4), "as of 750 on each side, of whom 30 % left"


def test_break_even_of_nobody_is_nothing() -> None:
    rows = priced(HAND, at())
    assert break_even(taken(rows, np.zeros((1, len(rows)))), at()) == 0


def test_no_band_goes_below_what_is_spent_when_nobody_is_kept() -> None:
    """A handful of would-be leavers: chance is wide, but nobody keeps fewer than no one."""
    few = pd.DataFrame([group(n=434, p=0.03, worth=50, own=0.05, level=0.5)])
    spent = Scenario({"Vulnerable": Terms(0.14, 0.0, 0.3)}, ENOUGH, whole_budget=True)
    found = simulate(few, spent)
    assert (found.total.saves.low, found.total.net.low) == pytest.approx((0, -found.total.investment))
    assert found.total.roi is not None and found.total.roi.low == pytest.approx(-1)
    assert (found.curve["net_low"] >= -found.curve["investment"] - 1e-9).all()
    assert (found.sweep["net_low"] >= -found.total.investment - 1e-9).all()


def test_who_takes_an_offer_worth_more_than_they_are_is_a_loss_beyond_the_contacts() -> None:
    found = simulate(HAND, at(Terms(4.0, 500.0, 0.3)))
    assert found.total.net.low < found.total.net.value < -found.total.contacts - found.total.offers_stayed
