"""What a person may decide about learning; every default is written here once."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from engine.errors import choose
from engine.prediction import churn
from engine.prediction.balance import BALANCES
from engine.prediction.churn import ChurnOptions
from engine.prediction.ltv import LTV_MODELS
from engine.prediction.money import LtvSettings
from engine.prediction.segments import Definitions
from engine.prediction.thresholds import THRESHOLDS, Line
from engine.prediction.value import SUITS
from engine.schema import Dataset
from engine.schema.codec import loads


@dataclass(frozen=True)
class Settings:
    """How to learn.

    algorithm and ltv_algorithm "" take what suits the kind of data. line: how the threshold is drawn. overrule:
    quarantined columns to use nevertheless. segments: "holdfast", or "peer" for the definitions of
    Customer_Churn_LTV_Engine. quick judges with fewer folds and replicates, so thresholds and intervals are rougher.
    """

    algorithm: str = ""
    ltv_algorithm: str = ""
    balance: str = "none"
    line: Line = field(default_factory=Line)
    overrule: tuple[str, ...] = ()
    segments: Definitions = "holdfast"
    seed: int = 0
    quick: bool = False
    money: LtvSettings = field(default_factory=LtvSettings)

    def __post_init__(self) -> None:
        choose("churn model", self.algorithm or "lightgbm", churn.CHURN_MODELS)
        choose("LTV model", self.ltv_algorithm or "survival", LTV_MODELS)
        choose("cure for class imbalance", self.balance, BALANCES)
        choose("threshold rule", self.line.rule, THRESHOLDS)
        choose("definition of segments", self.segments, dict.fromkeys(("holdfast", "peer")))

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Settings:
        """The settings that a model's card tells; algorithms that suited the kind of data are left open again.

        >>> Settings.of({"algorithm": "lightgbm", "money": {"margin_rate": 0.5}, "quick": True}).money.margin_rate
        0.5
        """
        found = loads(cls, json.dumps(told))
        who, worth = ("" if name in suits.values() else name for name, suits in (
            (found.algorithm, churn.SUITS), (found.ltv_algorithm, SUITS)))
        return replace(found, algorithm=who, ltv_algorithm=worth, quick=False)

    def suited(self, dataset: Dataset) -> Settings:
        """These settings with the algorithms that suit the dataset where none was chosen."""
        return replace(self, algorithm=self.algorithm or churn.SUITS[dataset.kind],
                       ltv_algorithm=self.ltv_algorithm or SUITS[dataset.kind])

    def churn_options(self, moments: int) -> ChurnOptions:
        """The churn model's options. Over several moments the level is not calibrated: the seasons differ."""
        options = replace(churn.QUICK if self.quick else ChurnOptions(), balance=self.balance, line=self.line)
        return options if moments == 1 else replace(options, calibration="none")
