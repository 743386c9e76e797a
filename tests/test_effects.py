"""Effects: by hand where one trial meets one assumption, then simulated worlds: coverage, and error against others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from engine.decision.effects import Effects, effects
from engine.decision.playbooks import Playbook, Treatment, playbook
from engine.decision.trials import ANY_SEGMENT, COLUMNS, Trials, of_campaign, of_offers
from engine.schema import SEGMENTS

NAMES = ("call", "gift", "mail")


def book(rate: float = 0.10, strength: float = 20.0) -> Playbook:
    """Three treatments with one assumption, beside what every playbook needs."""
    acting = {name: Treatment(name, "Do it.", "email", 1.0, recovery_rate=rate, strength=strength) for name in NAMES}
    return replace(playbook("telecom"), treatments=acting)


def trials(*cells: tuple[str, str, str, float, float, float, float]) -> Trials:
    """Cells of source, treatment, segment, treated, of whom left, control, of whom left."""
    rows = [[*cell, cell[3] + cell[5]] for cell in cells]
    return Trials(pd.DataFrame(rows, columns=list(COLUMNS)), np.eye(len(rows)))


# --- by hand


def test_without_trials_the_playbook_is_believed() -> None:
    table = effects(book(0.10, 20)).table
    assert table["rate"].to_numpy() == pytest.approx(0.10)
    assert table["deviation"].to_numpy() == pytest.approx(np.sqrt(0.1 * 0.9 / 21), rel=0.02), "that of Beta(2, 18)"
    assert (table["customers"] == 0).all()
    assert effects(book()).segments_differ == pytest.approx(1)
    assert "assumption" in effects(book()).estimate("call", "Champion").method


def test_by_segment_counts_where_it_is_given() -> None:
    found = effects(playbook("telecom"))
    assert found.estimate("contract_migration", "Champion").value == pytest.approx(0.06)
    assert found.estimate("contract_migration", "Vulnerable").value == pytest.approx(0.10)


def test_one_trial_meets_one_assumption_by_hand() -> None:
    """All segments alike (k = 0): the variance common to them is half of the prior's."""
    found = effects(book(), trials(("c1", "call", ANY_SEGMENT, 1000, 240, 1000, 300)), own=(0.0,), peculiar=(0.0,))
    deviation = np.log1p(0.09 / 21 / 0.81) / 2
    mean, variance = np.log(0.9) - deviation / 2, deviation
    noise = 1 / 240 - 1 / 1000 + 1 / 300 - 1 / 1000
    gain = variance / (variance + noise)
    theta, left = mean + gain * (np.log(0.24 / 0.30) - mean), variance * (1 - gain)
    mine = found.table.loc[("call", "Champion")]
    assert mine["rate"] == pytest.approx(1 - np.exp(theta + left / 2), abs=2e-4)
    assert mine["low"] == pytest.approx(1 - np.exp(theta + 1.645 * left**0.5), abs=5e-4)
    assert found.table.loc[("gift", "Champion"), "rate"] == pytest.approx(0.10), "nobody tried that"
    assert found.estimate("call", "Champion").n == 2000


def test_campaigns_that_agree_outweigh_any_assumption_and_one_alone_is_trusted_less() -> None:
    """Treated leave in 33 of 100 cases, untreated in 30: the contact drives people away."""
    found = [effects(book(), trials(*[(f"c{number}", "call", segment, 5e5, 1.65e5, 5e5, 1.5e5)
                                      for number in range(count) for segment in SEGMENTS])) for count in (1, 8)]
    one, many = (effect.table.loc["call"] for effect in found)
    assert many["rate"].to_numpy() == pytest.approx(-0.1, abs=0.02)
    assert (many["high"] < 0).all()
    assert (one["deviation"] > many["deviation"]).all()
    assert one["rate"].between(-0.1, 0.0).all()


def test_segments_that_differ_speak_for_themselves_and_equal_ones_are_pooled() -> None:
    def world(rates: list[float], n: int) -> Trials:
        return trials(*[("c1", name, segment, n, round(0.4 * (1 - rate) * n), n, round(0.4 * n))
                        for name in NAMES for segment, rate in zip(SEGMENTS, rates, strict=True)])

    apart = effects(book(), world([0.5, 0.4, 0.3, 0.0, -0.1, -0.2], 4_000))
    alike = effects(book(), world([0.1] * 6, 4_000))
    assert apart.segments_differ > 3 > 1 > alike.segments_differ
    assert apart.table.loc[("call", "Champion"), "rate"] > 0.4
    assert alike.table["deviation"].mean() < apart.table["deviation"].mean()


def test_a_log_ratio_is_the_one_of_katz_where_numbers_are_large() -> None:
    """Biometrics 34(3), 469-474: the variance of the log ratio of x1 / n1 to x0 / n0 is the sum of 1 / x - 1 / n."""
    value, variance = trials(("c1", "call", ANY_SEGMENT, 4000, 800, 4000, 1000)).log_ratio()
    assert value[0] == pytest.approx(np.log(800 / 1000), abs=4e-4)
    assert variance[0, 0] == pytest.approx(1 / 800 - 1 / 4000 + 1 / 1000 - 1 / 4000, rel=2e-3)


def test_nobody_left_on_one_side_is_no_crash_and_little_evidence() -> None:
    found = effects(book(), trials(("c1", "call", "Champion", 40, 0, 40, 0)))
    assert found.table.loc[("call", "Champion"), "rate"] == pytest.approx(0.10, abs=0.03)


# --- from records to trials


def test_past_offers_are_counted_beside_those_who_could_have_been_offered_them() -> None:
    offers = pd.DataFrame({
        "treatment": ["call"] * 4 + ["none"] * 6 + ["gift"] * 2, "segment": "Champion",
        "churned": [1, 0, 0, 0, 1, 1, 0, 0, 0, 0, 0, np.nan], "propensity": [0.3] * 4 + [0.4] * 6 + [0.3] * 2})
    fits = {"call": np.array([True] * 4 + [True, True, True, True, False, False] + [True] * 2)}
    found = of_offers(offers, fits)
    cells = found.cells.set_index("treatment")
    sides = ["treated", "treated_left", "control", "control_left"]
    assert cells.loc["call", sides].tolist() == pytest.approx([4, 1, 4, 2])
    assert cells.loc["gift", sides].tolist() == pytest.approx([1, 0, 6, 2])
    assert found.together[0, 1] == pytest.approx(4 / np.sqrt(4 * 6)), "four of the controls serve both"


def test_unequal_chances_are_weighted_and_cost_effective_numbers() -> None:
    offers = pd.DataFrame({"treatment": ["call", "call", "none", "none"], "segment": "", "churned": [1, 0, 1, 0],
                           "propensity": [0.25, 0.5, 0.75, 0.5]})
    cell = of_offers(offers, {}).cells.iloc[0]
    assert cell["treated"] == pytest.approx(6**2 / (4**2 + 2**2))
    assert cell["treated_left"] / cell["treated"] == pytest.approx(4 / 6)


@pytest.mark.parametrize("spoil", [{"propensity": np.nan}, {"propensity": 1.0}, {"churned": np.nan},
                                   {"treatment": "call"}])
def test_what_says_nothing_is_left_out(spoil: dict) -> None:
    offers = pd.DataFrame({"treatment": ["call", "none"], "segment": "", "churned": [1.0, 0.0],
                           "propensity": [0.5, 0.5]}).assign(**spoil)
    assert len(of_offers(offers, {}).cells) == 0


def test_a_campaign_is_counted_beside_its_own_holdout() -> None:
    rows = pd.DataFrame({"treatment": ["call"] * 5 + ["gift"] * 2, "segment": "Vulnerable",
                         "holdout": [0, 0, 0, 1, 1, 0, 0], "stayed": [1, 0, None, 0, 1, 1, 1]})
    cells = of_campaign(rows, "spring").cells
    assert cells["treatment"].tolist() == ["call"], "the gift has no holdout to stand beside"
    assert cells.loc[0, ["treated", "treated_left", "control", "control_left"]].tolist() == [2, 1, 2, 1]
    both = of_campaign(rows, "spring") + of_campaign(rows, "autumn")
    assert both.together.tolist() == np.eye(2).tolist()
    assert (Trials.none() + both).cells["source"].tolist() == ["spring", "autumn"]


# --- simulated worlds


def world(rng: np.random.Generator, spread: float, most: int = 900) -> tuple[pd.Series, Trials]:
    """True rates and a trial of each: treatments around the assumption, segments around their treatment."""
    cells = pd.MultiIndex.from_product([NAMES, SEGMENTS], names=["treatment", "segment"])
    prior = np.log1p(0.09 / 21 / 0.81) ** 0.5
    theta = np.repeat(rng.normal(np.log(0.9) - prior**2 / 2, prior * 0.7, len(NAMES)), len(SEGMENTS))
    theta = theta + rng.normal(0, spread, len(cells))
    base, sizes = rng.uniform(0.1, 0.5, len(cells)), rng.integers(150, most, (2, len(cells)))
    left = [rng.binomial(sizes[0], np.minimum(base * np.exp(theta), 1)), rng.binomial(sizes[1], base)]
    found = trials(*[("t", *cell, n1, x1, n0, x0) for cell, n1, x1, n0, x0 in
                     zip(cells, sizes[0], left[0], sizes[1], left[1], strict=True)])
    return pd.Series(1 - np.exp(theta), cells), found


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.0, 0.05, 0.15])
def test_nine_in_ten_intervals_hold_the_truth_whether_segments_differ_or_not(spread: float) -> None:
    rng = np.random.default_rng(5)
    held = []
    for _ in range(150):
        truth, found = world(rng, spread)
        table = effects(book(), found).table
        held.append(((table["low"] <= truth) & (truth <= table["high"])).mean())
    assert 0.87 <= np.mean(held) <= (0.96 if spread else 0.99), "where all are alike there is nothing left to learn"


@pytest.mark.slow
@pytest.mark.parametrize("spread", [0.03, 0.15])
def test_pooling_in_part_errs_less_than_not_pooling_and_than_pooling_all(spread: float) -> None:
    rng = np.random.default_rng(6)
    errors: dict[str, list[float]] = {"part": [], "none": [], "all": []}
    for _ in range(120):
        truth, found = world(rng, spread)
        value = found.log_ratio()[0]
        weight = 1 / np.diag(found.log_ratio()[1])
        by = pd.Series(value * weight, truth.index).groupby("treatment").sum() / pd.Series(
            weight, truth.index).groupby("treatment").sum()
        guesses = {"part": effects(book(), found).table["rate"], "none": pd.Series(1 - np.exp(value), truth.index),
                   "all": 1 - np.exp(by.reindex(truth.index.get_level_values("treatment"))).set_axis(truth.index)}
        for name, guess in guesses.items():
            errors[name].append(float(((guess - truth) ** 2).mean()))
    means = {name: np.mean(found) for name, found in errors.items()}
    assert means["part"] < 0.97 * means["none"]
    assert means["part"] < 0.97 * means["all"]


@pytest.mark.slow
def test_sums_over_segments_are_covered_too_because_doubts_are_shared() -> None:
    """Errors of one treatment's segments go together: the interval of their mean must know that."""
    rng = np.random.default_rng(7)
    held, naive = [], []
    for _ in range(200):
        truth, found = world(rng, 0.03, most=300)
        result: Effects = effects(book(), found)
        mine = (result.table.index.get_level_values("treatment") == "call") / len(SEGMENTS)
        error = abs(float(mine @ (result.table["rate"] - truth)))
        held.append(error <= 1.645 * np.sqrt(mine @ result.covariance @ mine))
        naive.append(error <= 1.645 * np.sqrt(mine**2 @ np.diag(result.covariance)))
    assert 0.84 <= np.mean(held) <= 0.97
    assert np.mean(naive) < np.mean(held)


def test_the_same_trials_in_another_order_give_the_same_rates() -> None:
    _, found = world(np.random.default_rng(8), 0.1)
    order = np.random.default_rng(9).permutation(len(found.cells))
    shuffled = Trials(found.cells.iloc[order].reset_index(drop=True), found.together[np.ix_(order, order)])
    pd.testing.assert_frame_equal(effects(book(), found).table, effects(book(), shuffled).table)
