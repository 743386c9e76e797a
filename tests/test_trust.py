"""What is said of a model: the verdict by hand-made cards, a threshold's outcome by counting, words for every part."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.insight import card_words, trust
from engine.schema import Estimate, Finding, ModelCard
from tests.cards import about, full_card


def with_model(card: ModelCard, **metrics: Estimate) -> ModelCard:
    """The card with other figures of the model."""
    return replace(card, metrics=card.metrics | {"model": {**card.metrics["model"], **metrics}})


def test_the_verdict_names_ranking_calibration_and_leakage_with_their_figures() -> None:
    assert trust.verdict(full_card()) == (
        "Yes: shown a leaver and a stayer it has never met, it picks the leaver 85 times in 100 (83 to 87), a rule of "
        "one column 77 times in 100 (75 to 79), chance 50 times in 100 (48 to 52); its probabilities are off by 1.2 "
        "points on average; 1 column that knew the answer was shut out.")


@pytest.mark.parametrize(("card", "begins"), [
    (full_card(usable=False), "No, it knows nothing"),
    (full_card(findings=(Finding("severe", "label", "shares one instant"),)), "Not before 1 severe finding has"),
    (full_card(detail={"minus_rule": {"roc_auc": about(0.01)}}), "For little"),
    (with_model(full_card(), ece=about(0.09)), "For the order of customers yes"),
    (full_card(detail={}), "Yes"),
    (with_model(full_card(detail={}), roc_auc=about(0.79)), "For little"),
])
def test_the_verdict_is_no_better_than_the_evidence(card: ModelCard, begins: str) -> None:
    assert trust.verdict(card).startswith(begins)


def test_the_strongest_single_column_is_told_where_nothing_was_shut_out() -> None:
    card = full_card(quarantined=(), detail={"single_column_auc": {"a": 0.61, "b": 0.784}})
    assert "no column gives the answer away (the strongest alone: 78 times in 100)" in trust.verdict(card)


def test_four_headlines_with_intervals() -> None:
    told = trust.headlines(full_card())
    assert [(figure.value, figure.beside) for figure in told] == [
        ("0.850", "95 %: 0.830 to 0.870"), ("0.140", "30.0 % below chance"), ("1.2 points", "95 %: 0.7 to 1.7"),
        ("2.80 times", "95 %: 2.60 to 3.00")]


def test_an_error_above_chance_is_not_called_below() -> None:
    worse = trust.headlines(with_model(full_card(), brier=about(0.21)))[1]
    assert worse.beside == "5.0 % above chance"


def test_a_threshold_is_counted_by_hand() -> None:
    """Ten customers, four leavers; from 0.5 on five are contacted, three of them leavers."""
    card = full_card(detail={"thresholds": {"threshold": [0.0, 0.5, 0.9], "flagged": [10, 5, 1], "caught": [4, 3, 1],
                                            "customers": 10, "leavers": 4}})
    found = trust.outcome(card, 0.5, cost_ratio=5.0)
    assert found is not None
    assert (found.found, found.missed, found.false_alarms, found.left_alone) == (3, 1, 2, 4)
    assert found.cost == 2 + 5 * 1
    assert (found.precision, found.recall, found.contacted) == (0.6, 0.75, 0.5)
    assert trust.outcome_words(found) == (
        "Contacting everyone from 50.0 % on reaches 3 leavers of 4 (75.0 %) and 2 customers who would have stayed; "
        "50.0 % of all customers are contacted, and of those 60.0 % would have left.")


def test_the_cheapest_threshold_moves_with_what_a_missed_leaver_costs() -> None:
    card = full_card(detail={"thresholds": {"threshold": [0.0, 0.5, 0.9], "flagged": [10, 5, 1], "caught": [4, 3, 1],
                                            "customers": 10, "leavers": 4}})
    cheapest = {ratio: trust.cheapest(card, ratio) for ratio in (0.5, 2.0, 20.0)}
    assert {ratio: found.threshold for ratio, found in cheapest.items() if found} == {0.5: 0.9, 2.0: 0.5, 20.0: 0.0}


def test_a_card_without_a_part_says_so_and_guesses_nothing() -> None:
    bare = full_card(detail={})
    assert trust.outcomes(bare, 5.0) == []
    assert trust.outcome(bare, 0.3, 5.0) is trust.cheapest(bare, 5.0) is None
    assert trust.paired(bare).empty
    assert trust.part(bare, "ltv", "deciles") is None


def test_the_model_in_use_is_marked_among_the_algorithms_compared() -> None:
    table = trust.paired(full_card())
    assert table.loc[table["in_use"], "algorithm"].tolist() == ["lightgbm"]
    assert len(table) == 3


def test_the_card_reads_without_raw_names() -> None:
    card = full_card()
    pairs = [*card_words.identity(card), *card_words.settings_words(card)]
    text = " ".join([*(f"{name} {words}" for name, words in pairs), *card_words.limits(card)])
    assert "_" not in text
    assert "1 July 2025" in text
    assert dict(pairs)["Margin"] == "30.0 % of revenue"
    assert card_words.quarantine_table(card).values.tolist() == [
        ["Exit survey", "It is filled only once the customer has left."]]


def test_tables_hold_every_metric_with_its_interval() -> None:
    card = full_card()
    table = card_words.metrics_table(card).set_index("Metric")
    assert table.loc["Ranking (ROC-AUC)", "Model"] == "0.850 (0.830 to 0.870)"
    assert len(table) == len(card.metrics["model"])
    worth = card_words.value_table(card, "EUR").set_index("Metric")
    assert worth.loc["Mean error (MAE)", "Value"] == "€12.00 (€11.00 to €13.00)"
    assert len(worth) == len(card.metrics["ltv"])


def test_features_are_named_with_unit_and_meaning_strongest_first() -> None:
    table = card_words.features_table(full_card(), "EUR")
    assert table["Feature"].tolist()[0] == "Tenure"
    assert table.set_index("Feature").loc["Monthly bill", "Unit"] == "EUR per month"
    assert card_words.title_of(full_card(detail={}), "exit_survey") == "Exit survey"


def test_limits_say_what_was_not_measured() -> None:
    assert any("judged quickly" in line for line in card_words.limits(full_card(detail={})))
    assert not any("judged quickly" in line for line in card_words.limits(full_card()))
    assert any("invented" in line for line in card_words.limits(full_card()))
    assert card_words.limits(full_card(usable=False))[0] == "Nothing: do not act on its scores."
