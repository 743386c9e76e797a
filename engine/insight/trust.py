"""Can a model be trusted? Its card's evidence as figures and sentences; what a threshold would do, from stored curves.

A card that an earlier Holdfast wrote may lack a part: what rests on it is then absent (None or empty), never guessed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from engine.data.leakage import ONLY_DESCRIBE
from engine.schema import Estimate, ModelCard, jsonable, plural, share

POORLY_CALIBRATED = 0.05


@dataclass(frozen=True)
class Headline:
    """One figure of the evidence: its name, the value in words, what stands beside it, and what it says."""

    label: str
    value: str
    beside: str
    says: str


@dataclass(frozen=True)
class AtThreshold:
    """What happens to the held-out customers when everyone from a threshold on is contacted [customers].

    cost: false alarms plus cost_ratio for each leaver missed [false alarms].
    """

    threshold: float
    found: int
    missed: int
    false_alarms: int
    left_alone: int
    cost: float

    @property
    def precision(self) -> float:
        """Share of the contacted who would have left [0..1]; 0 when nobody is contacted."""
        return self.found / max(self.found + self.false_alarms, 1)

    @property
    def recall(self) -> float:
        """Share of the leavers who are contacted [0..1]."""
        return self.found / max(self.found + self.missed, 1)

    @property
    def contacted(self) -> float:
        """Share of all customers who are contacted [0..1]."""
        return (self.found + self.false_alarms) / max(self.customers, 1)

    @property
    def cost_per_1000(self) -> float:
        """Cost per 1,000 customers held out [false alarms]."""
        return 1_000 * self.cost / max(self.customers, 1)

    @property
    def customers(self) -> int:
        """How many customers were held out and judged."""
        return self.found + self.missed + self.false_alarms + self.left_alone


def part(card: ModelCard, *names: str) -> Any:
    """A part of the card's detail in plain values, by the names that lead to it; None where the card does not hold it.

    >>> part(ModelCard(*"id name v1 a b".split(), 0, None, 90, "", False, 0, 0, (), (), (), {}, 0.5, True, (), {}, {
    ...     "curves": {"roc": 1}}), "curves", "roc")
    1
    """
    found: Any = card.detail
    for name in names:
        found = found.get(name) if isinstance(found, Mapping) else None
    return jsonable(found)


def verdict(card: ModelCard) -> str:
    """Can it be trusted? One sentence: the answer, then ranking beside rule and chance, calibration, and leakage."""
    return f"{_answer(card)}: {_ranking(card)}; {_calibrated(card)}; {_leakage(card)}."


def _answer(card: ModelCard) -> str:
    severe = sum(finding.severity == "severe" for finding in card.findings)
    if not card.usable:
        return "No, it knows nothing about who leaves"
    if severe:
        return f"Not before {plural(severe, 'severe finding has', 'severe findings have')} been answered"
    if not _beats_the_rule(card):
        return "For little, as it is not surely better than a rule of one column"
    if card.metrics["model"]["ece"].low > POORLY_CALIBRATED:
        return "For the order of customers yes, for their probabilities with care"
    return "Yes"


def _beats_the_rule(card: ModelCard) -> bool:
    """Whether the paired difference excludes 0; cards without one: whether the two intervals lie apart."""
    difference = part(card, "minus_rule", "roc_auc")
    if difference:
        return bool(difference["low"] > 0)
    return card.metrics["model"]["roc_auc"].low > card.metrics["rule"]["roc_auc"].high


def _ranking(card: ModelCard) -> str:
    model, rule, random = (_of_100(card.metrics[name]["roc_auc"]) for name in ("model", "rule", "random"))
    return (f"shown a leaver and a stayer it has never met, it picks the leaver {model}, a rule of one column {rule}, "
            f"chance {random}")


def _of_100(auc: Estimate) -> str:
    return f"{100 * auc.value:.0f} times in 100 ({100 * auc.low:.0f} to {100 * auc.high:.0f})"


def _calibrated(card: ModelCard) -> str:
    return f"its probabilities are off by {100 * card.metrics['model']['ece'].value:.1f} points on average"


def _leakage(card: ModelCard) -> str:
    if any(ONLY_DESCRIBE in finding.what for finding in card.findings):
        return "its columns know more than was known before customers left"
    if card.quarantined:
        return plural(len(card.quarantined), "column that knew the answer was shut out",
                      "columns that knew the answer were shut out")
    alone: Mapping[str, float] = part(card, "single_column_auc") or {}
    if not alone:
        return "no column was found to give the answer away"
    return f"no column gives the answer away (the strongest alone: {100 * max(alone.values()):.0f} times in 100)"


def headlines(card: ModelCard) -> tuple[Headline, ...]:
    """The four figures of the evidence on customers whom the model had not seen, with their 95 % intervals."""
    model, chance = card.metrics["model"], card.metrics["random"]
    auc, brier, ece, lift = (model[name] for name in ("roc_auc", "brier", "ece", "lift_at_10"))
    skill = 1 - brier.value / chance["brier"].value
    return (
        Headline("Ranking (ROC-AUC)", f"{auc.value:.3f}", f"95 %: {auc.low:.3f} to {auc.high:.3f}",
                 "How often it puts a leaver above a stayer: 1 always, 0.5 is a coin."),
        Headline("Squared error (Brier)", f"{brier.value:.3f}",
                 f"{share(abs(skill))} {'below' if skill >= 0 else 'above'} chance",
                 f"Mean squared distance of probability and outcome, {brier.low:.3f} to {brier.high:.3f} (95 %): 0 is "
                 f"perfect; naming everyone the average reaches {chance['brier'].value:.3f}."),
        Headline("Calibration error (ECE)", f"{100 * ece.value:.1f} points",
                 f"95 %: {100 * ece.low:.1f} to {100 * ece.high:.1f}",
                 "How far probabilities and outcomes lie apart on average, in 15 bins: below 2 points is good, above 5 "
                 "take them with care."),
        Headline("Lift in the top 10 %", f"{lift.value:.2f} times", f"95 %: {lift.low:.2f} to {lift.high:.2f}",
                 "How many more leavers there are among the tenth with the highest probability than among as many "
                 f"drawn at random; at most {min(10.0, 1 / max(card.leavers / max(card.rows, 1), 0.1)):.1f} here."),
    )


def cost_ratio(card: ModelCard) -> float:
    """How many false alarms a missed leaver costs by the card's settings."""
    return float(card.settings.get("line", {}).get("cost_ratio", 5.0))


def thresholds(card: ModelCard) -> list[float]:
    """The thresholds at which the card knows what would happen, lowest first; empty for a card that keeps none."""
    return list(part(card, "thresholds", "threshold") or [])


def outcomes(card: ModelCard, cost_ratio: float) -> list[AtThreshold]:
    """What would happen from each threshold on; a missed leaver costs `cost_ratio` false alarms."""
    told = part(card, "thresholds")
    if not told:
        return []
    people, leavers = told["customers"], told["leavers"]
    steps = zip(told["threshold"], told["flagged"], told["caught"], strict=True)
    return [AtThreshold(line, caught, leavers - caught, flagged - caught, people - flagged - leavers + caught,
                    flagged - caught + cost_ratio * (leavers - caught)) for line, flagged, caught in steps]


def outcome(card: ModelCard, threshold: float, cost_ratio: float) -> AtThreshold | None:
    """What would happen from the stored threshold nearest to this one; None for a card that keeps none."""
    return min(outcomes(card, cost_ratio), key=lambda found: abs(found.threshold - threshold), default=None)


def cheapest(card: ModelCard, cost_ratio: float) -> AtThreshold | None:
    """The threshold with the least cost; of equal ones the lowest. None for a card that keeps none."""
    return min(outcomes(card, cost_ratio), key=lambda found: (found.cost, found.threshold), default=None)


def outcome_words(found: AtThreshold) -> str:
    """What a threshold does, as a manager would say it."""
    return (f"Contacting everyone from {share(found.threshold)} on reaches {plural(found.found, 'leaver')} of "
            f"{found.found + found.missed:,} ({share(found.recall)}) and {plural(found.false_alarms, 'customer')} who "
            f"would have stayed; {share(found.contacted)} of all customers are contacted, and of those "
            f"{share(found.precision)} would have left.")


def cost_words(card: ModelCard, found: AtThreshold, cost_ratio: float) -> str:
    """What a threshold costs beside the cheapest one, in words; "" for a card that keeps no thresholds."""
    best = cheapest(card, cost_ratio)
    if best is None:
        return ""
    told = f"It costs as much as {found.cost_per_1000:,.0f} false alarms per 1,000 customers"
    if found.cost <= best.cost:
        return f"{told}: no threshold costs less."
    return f"{told}; the cheapest, {share(best.threshold)}, {best.cost_per_1000:,.0f}."


def paired(card: ModelCard) -> pd.DataFrame:
    """The algorithms compared on the same folds and the model in use, best first: ROC-AUC, and its paired difference.

    Columns: algorithm, in_use, auc, auc_low, auc_high, difference, difference_low, difference_high, brier, ece. Empty
    for a model judged quickly.
    """
    rows = [{"algorithm": name, "in_use": name == card.algorithm, **_spelt("auc", told["metrics"]["roc_auc"]),
             **_spelt("difference", told["minus_model"]["roc_auc"]), "brier": told["metrics"]["brier"]["value"],
             "ece": told["metrics"]["ece"]["value"]} for name, told in (part(card, "benchmark") or {}).items()]
    if not rows:
        return pd.DataFrame()
    return pd.DataFrame(rows).sort_values(["auc", "algorithm"], ascending=[False, True], ignore_index=True)


def sampled(estimate: Mapping[str, Any]) -> str:
    """Where an estimate was measured on a sample of the rows, a sentence that says so.

    >>> sampled({"method": "5 folds; on a sample of 8,000 of 63,000 rows"}), sampled({"method": "5 folds"})
    (' Measured on a sample of 8,000 of 63,000 rows.', '')
    """
    _, found, words = str(estimate.get("method", "")).partition("; on a sample of ")
    return f" Measured on a sample of {words}." if found else ""


def apart(card: ModelCard, estimate: Mapping[str, Any]) -> str:
    """Where a ROC-AUC was measured on other folds than the headline's, a sentence that says so: the two need not agree.
    """
    whole = card.metrics["model"]["roc_auc"]
    here, there = (method.partition(";")[0] for method in (str(estimate.get("method", "")), whole.method))
    if here == there or "folds" not in here or "folds" not in there:
        return ""
    return f" Measured on {here}, the headline's {whole.value:.3f} on {there}: only figures of one kind compare."


def _spelt(name: str, estimate: Mapping[str, float]) -> dict[str, float]:
    return {name: estimate["value"], f"{name}_low": estimate["low"], f"{name}_high": estimate["high"]}
