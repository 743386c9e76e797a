"""Six segments from value and risk (SCOPE.md B10): one function for a batch and for one customer.

Value: thirds of the customer base by lifetime value. Risk: 0.40 churn probability + 0.30 recency percentile + 0.30
cart-abandonment percentile; a term that the company has not, or that a customer lacks, is left out and the other
weights are scaled up. Within each value tier the riskiest quarter is high risk. All cuts are learned once, on the
training population, and stored; a single customer is placed by the same cuts as the batch. Values and risks are
settled to nine digits before they meet a cut, because the same customer computed alone may differ in the sixteenth.

The definitions "peer" are those of Customer_Churn_LTV_Engine, for comparison: terms scaled between their least and
greatest value instead of percentiles, rounded to four digits, money to two.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pandas as pd

from engine.schema import LTV_TIERS, SEGMENTS

Definitions = Literal["holdfast", "peer"]
WEIGHTS = {"churn": 0.40, "recency": 0.30, "cart_abandon": 0.30}
TIER_SHARES = (0.33, 0.67)
RISKY_SHARE = 0.25
GRID = 1001
DIGITS = 9
EXACT_POWER = 22


@dataclass(frozen=True)
class SegmentCuts:
    """Where the cuts lie, as learned on one population.

    scales: per risk term that the company has, what turns its value into 0..1 (see `Definitions`): sorted quantiles,
    or the least and the greatest value; empty = taken as it is. tiers: LTV at most the first is Low, at most the
    second is Mid. risky: per tier, from which risk score on a customer is high risk.
    """

    scales: Mapping[str, tuple[float, ...]]
    tiers: tuple[float, float]
    risky: Mapping[str, float]
    definitions: Definitions = "holdfast"

    @classmethod
    def learn(
        cls, p: np.ndarray | pd.Series, ltv: np.ndarray | pd.Series, recency: np.ndarray | pd.Series | None = None,
        cart_abandon: np.ndarray | pd.Series | None = None, *, definitions: Definitions = "holdfast",
    ) -> SegmentCuts:
        """The cuts of this population: churn probabilities, LTV [currency], recency [days], carts abandoned [share].

        Give None for a term that the company has not or that is quarantined. Equal risk scores stay together: the
        cut is where the share of high risk comes nearest to a quarter of the tier (below a quarter if equally near).

        >>> cuts = SegmentCuts.learn(np.arange(100) / 100, np.arange(100.0))
        >>> segments(np.array([0.99, 0.5]), np.array([99.0, 50.0]), cuts=cuts).segment.tolist()
        ['At-Risk VIP', 'Promising']
        """
        p, ltv = _rounded(p, ltv, definitions)
        terms = _terms(p, recency, cart_abandon)
        scales = {name: _scale(name, values, definitions) for name, values in terms.items()}
        thirds = np.quantile(ltv, TIER_SHARES)
        tiers = tuple((thirds if definitions == "peer" else _settled(thirds)).tolist())
        risk, tier = _risk(terms, scales, definitions), _tier(ltv, tiers)
        cut = _peer_cut if definitions == "peer" else _cut
        return cls(scales, tiers, {name: cut(risk[tier == k]) for k, name in enumerate(LTV_TIERS)}, definitions)


def segments(
    p: np.ndarray | pd.Series, ltv: np.ndarray | pd.Series, recency: np.ndarray | pd.Series | None = None,
    cart_abandon: np.ndarray | pd.Series | None = None, *, cuts: SegmentCuts,
) -> pd.DataFrame:
    """Each customer's ltv_tier, risk_score [0..1] and segment by the stored cuts; one row or a million, same answer."""
    index = p.index if isinstance(p, pd.Series) else None
    p, ltv = _rounded(p, ltv, cuts.definitions)
    terms = {name: values for name, values in _terms(p, recency, cart_abandon).items() if name in cuts.scales}
    missing = cuts.scales.keys() - terms.keys()
    assert not missing, f"The cuts were learned with {missing}; give the same terms."
    risk, tier = _risk(terms, cuts.scales, cuts.definitions), _tier(ltv, cuts.tiers)
    high = risk >= np.array([cuts.risky[name] for name in LTV_TIERS])[tier]
    place = 2 * (2 - tier) + high
    return pd.DataFrame({
        "ltv_tier": _named(tier, LTV_TIERS), "risk_score": risk,
        "segment": _named(place, SEGMENTS),
    }, index=index)


def _named(places: np.ndarray, names: tuple[str, ...]) -> pd.Categorical:
    return pd.Categorical(np.array(names, dtype=object)[places], categories=list(names), ordered=names is LTV_TIERS)


def _rounded(p: Any, ltv: Any, definitions: Definitions) -> tuple[np.ndarray, np.ndarray]:
    p, ltv = np.asarray(p, dtype=np.float64), np.asarray(ltv, dtype=np.float64)
    assert not (np.isnan(p).any() or np.isnan(ltv).any()), "Every customer has a probability and a lifetime value."
    return (p.round(4), ltv.round(2)) if definitions == "peer" else (p, _settled(ltv))


def _settled(values: np.ndarray) -> np.ndarray:
    """Rounded to nine significant digits (finite values; below 1e-14 to 22 decimals).

    >>> _settled(np.array([0.1 + 0.2, 1234567.894999, 0.0])).tolist()
    [0.3, 1234567.89, 0.0]
    """
    size = np.floor(np.log10(np.abs(values), out=np.zeros(values.shape), where=values != 0))
    decimals = np.minimum(DIGITS - 1 - size, EXACT_POWER)
    up, down = 10.0 ** np.maximum(decimals, 0), 10.0 ** np.maximum(-decimals, 0)
    return np.asarray(np.rint(values * up / down) / up * down)


def _terms(p: np.ndarray, recency: Any, cart_abandon: Any) -> dict[str, np.ndarray]:
    given = {"churn": p, "recency": recency, "cart_abandon": cart_abandon}
    return {name: np.asarray(values, dtype=np.float64) for name, values in given.items() if values is not None}


def _scale(name: str, values: np.ndarray, definitions: Definitions) -> tuple[float, ...]:
    known = values[~np.isnan(values)]
    if definitions == "peer":
        return float(known.min()), float(known.max())
    if name == "churn" or not len(known):
        return ()
    at = np.linspace(0, 1, min(GRID, len(known)))
    return tuple(np.quantile(known, at, method="inverted_cdf").tolist())


def _scaled(name: str, values: np.ndarray, scale: tuple[float, ...], definitions: Definitions) -> np.ndarray:
    """0..1: the value itself, its place between least and greatest, or its percentile (half of its equals below)."""
    if definitions == "peer":
        low, high = scale
        return (values - low) / (high - low) if high > low else np.zeros(len(values))
    if name == "churn":
        return values
    below, up_to = np.searchsorted(scale, values, "left"), np.searchsorted(scale, values, "right")
    return np.where(np.isnan(values), np.nan, (below + up_to) / (2 * max(len(scale), 1)))


def _risk(
    terms: Mapping[str, np.ndarray], scales: Mapping[str, tuple[float, ...]], definitions: Definitions
) -> np.ndarray:
    """The weighted mean of the terms that are known [0..1]."""
    total = weight = np.zeros(len(terms["churn"]))
    for name, values in terms.items():
        term = _scaled(name, values, scales[name], definitions)
        known = ~np.isnan(term)
        total = total + np.where(known, WEIGHTS[name] * term, 0.0)
        weight = weight + np.where(known, WEIGHTS[name], 0.0)
    risk = total / weight
    return risk.round(4) if definitions == "peer" else _settled(risk)


def _tier(ltv: np.ndarray, tiers: tuple[float, float]) -> np.ndarray:
    """0 Low, 1 Mid, 2 High."""
    return (ltv > tiers[0]).astype(np.int8) + (ltv > tiers[1])


def _cut(risk: np.ndarray) -> float:
    """The risk score from which on the share of customers comes nearest to RISKY_SHARE; none if even one is too many.

    >>> _cut(np.array([0.1, 0.2, 0.3, 0.4])), _cut(np.array([0.5, 0.5, 0.5, 0.5]))
    (0.4, inf)
    """
    values, counts = np.unique(risk, return_counts=True)
    candidates = np.append(values, np.inf)
    shares = np.append(np.cumsum(counts[::-1])[::-1], 0) / max(len(risk), 1)
    nearest = len(shares) - 1 - int(np.argmin(np.abs(shares - RISKY_SHARE)[::-1]))
    return float(candidates[nearest])


def _peer_cut(risk: np.ndarray) -> float:
    """The least risk score whose mean rank in the tier, as a share rounded to four digits, reaches 0.75."""
    values, counts = np.unique(risk, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2
    reached = values[(rank / max(len(risk), 1)).round(4) >= 1 - RISKY_SHARE]
    return float(reached[0]) if len(reached) else np.inf
