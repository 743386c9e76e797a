"""Uplift learned from a dataset's past randomised offers, by what was known of each customer when it was made."""

from __future__ import annotations

from collections.abc import Sequence

import pandas as pd

from engine import catalog
from engine.data.features import features_then
from engine.errors import EngineError
from engine.prediction.uplift import Uplift, learn_uplift
from engine.schema import Dataset

NEEDED = ("treatment", "propensity", "churned")


def uplift_of_offers(dataset: Dataset, columns: Sequence[str], seed: int) -> Uplift | None:
    """What past offers tell of whom they move; None where there are none, too few, or nothing is known of then.

    They are the dataset's own or, where its files did not repeat them, those of the last delivery before it.

    columns: the features that may be used; those that the audit quarantined are not among them.
    """
    tried = catalog.with_offers(dataset)
    if tried is None or tried.offers is None:
        return None
    offers = pd.read_parquet(tried.offers)
    offers = offers.dropna(subset=list(NEEDED)).reset_index(drop=True)
    X = features_then(tried, offers)
    if X is None:
        return None
    known = [name for name in columns if name in X and X[name].notna().any()]
    try:
        return learn_uplift(X[known], offers["treatment"], offers["churned"], offers["propensity"], seed=seed)
    except EngineError:
        return None
