"""Where customers of the past stood when they were made an offer: their segment as it would have been said then."""

from __future__ import annotations

import numpy as np
import pandas as pd

from engine.data.features import features_then
from engine.prediction.ltv import LtvInputs
from engine.prediction.model import Model, terms
from engine.prediction.money import DAYS_PER_MONTH
from engine.prediction.segments import segments
from engine.prediction.value import TENURE
from engine.schema import Dataset


def segments_then(model: Model, dataset: Dataset, offers: pd.DataFrame) -> pd.Series | None:
    """The segment of each past offer's customer by what is known as of the offer; None where it is not known.

    What the model looks at and the offers do not hold counts as missing, so the segments are rougher than today's. They
    rest on nothing that happened after the offer, so comparing within them stays fair.
    """
    if dataset.kind != "snapshot" or dataset.money.column not in offers:
        return None
    X = features_then(dataset, offers.reset_index(drop=True))
    if X is None:
        return None
    p = model.churn.probability(X)
    revenue = pd.to_numeric(offers[dataset.money.column]).reset_index(drop=True).astype(float)
    months = 1.0 if dataset.money.per == "month" else dataset.money.period_days / DAYS_PER_MONTH
    margin = revenue.fillna(revenue.median()).clip(lower=0) / months * model.ltv.settings.margin_rate
    inputs = LtvInputs(X, pd.Series(p, X.index), dataset.label.horizon_days, margin, tenure_months=X.get(TENURE))
    worth = np.asarray(model.ltv.ltv(inputs)["expected_ltv"], dtype=float)
    placed = segments(p, worth, *terms(model.churn, X), cuts=model.cuts)
    return pd.Series(placed["segment"].astype(str).to_numpy(), index=offers.index)
