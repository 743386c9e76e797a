"""Segments: the published ones by the peer's definitions, ours by hand, and one customer as in the batch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.prediction.segments import SegmentCuts, _settled, segments
from engine.schema import LTV_TIERS, SEGMENTS

PUBLISHED = {"Champion": 2472, "At-Risk VIP": 828, "Promising": 2550, "Vulnerable": 850, "Hibernating": 2474,
             "Losing Customer": 826}
share = st.floats(0, 1, width=32)


@st.composite
def populations(draw: st.DrawFn) -> dict[str, Any]:
    """10 to 60 customers with many ties, with or without recency and carts, some values missing."""
    n = draw(st.integers(10, 60))

    def column(values: st.SearchStrategy) -> np.ndarray:
        return np.array(draw(st.lists(values, min_size=n, max_size=n)), dtype=float)

    told = {"p": column(st.one_of(share, st.sampled_from([0.1, 0.5]))),
            "ltv": column(st.one_of(st.floats(0, 1e6), st.sampled_from([0.0, 100.0])))}
    for name in ("recency", "cart_abandon"):
        if draw(st.booleans()):
            told[name] = column(st.one_of(st.floats(0, 400), st.sampled_from([0.0, 30.0, np.nan])))
    return told


def usable(population: dict[str, Any], definitions: str) -> bool:
    return definitions == "holdfast" or not any(np.isnan(values).any() for values in population.values())


@settings(max_examples=40, deadline=None)
@given(populations(), st.sampled_from(["holdfast", "peer"]))
def test_one_customer_is_placed_as_in_the_batch(population: dict[str, Any], definitions: Any) -> None:
    if not usable(population, definitions):
        population = {name: np.nan_to_num(values) for name, values in population.items()}
    cuts = SegmentCuts.learn(**population, definitions=definitions)
    batch = segments(**population, cuts=cuts)
    for row in range(0, len(batch), 7):
        alone = segments(**{name: values[row:row + 1] for name, values in population.items()}, cuts=cuts)
        assert alone.iloc[0].to_list() == batch.iloc[row].to_list()


@settings(max_examples=40, deadline=None)
@given(populations())
def test_segments_keep_their_promises(population: dict[str, Any]) -> None:
    cuts = SegmentCuts.learn(**population)
    table = segments(**population, cuts=cuts)
    assert table.risk_score.between(0, 1).all()
    tier = {"Champion": 2, "At-Risk VIP": 2, "Promising": 1, "Vulnerable": 1, "Hibernating": 0, "Losing Customer": 0}
    assert (table.ltv_tier.cat.codes == table.segment.astype(str).map(tier)).all()
    high = table.segment.isin(["At-Risk VIP", "Vulnerable", "Losing Customer"])
    for name in LTV_TIERS:
        inside = table.ltv_tier == name
        lows, highs = table.risk_score[inside & ~high], table.risk_score[inside & high]
        assert lows.empty or highs.empty or lows.max() < highs.min(), "equal risks are never torn apart"
    ordered = table.assign(ltv=population["ltv"]).sort_values("ltv")
    assert ordered.ltv_tier.cat.codes.is_monotonic_increasing


def test_thirds_and_quarters(rng: np.random.Generator) -> None:
    n = 6000
    columns = {"p": rng.random(n), "ltv": rng.lognormal(5, 1, n), "recency": rng.integers(0, 365, n),
               "cart_abandon": rng.random(n)}
    table = segments(**columns, cuts=SegmentCuts.learn(**columns))
    assert table.ltv_tier.value_counts()[list(LTV_TIERS)].tolist() == pytest.approx([1980, 2040, 1980], abs=1)
    for low, high in (SEGMENTS[0:2], SEGMENTS[2:4], SEGMENTS[4:6]):
        counts = table.segment.value_counts()
        assert counts[high] / (counts[low] + counts[high]) == pytest.approx(0.25, abs=0.001)


def test_risk_by_hand() -> None:
    """Recency 10, 20, 30, 40: percentiles 1/8, 3/8, 5/8, 7/8. Missing: 0.40 and 0.30 become 4/7 and 3/7."""
    recency, cart = np.array([10, 20, 30, 40.0]), np.array([0.0, 0.0, 0.5, 1.0])
    cuts = SegmentCuts.learn(np.array([0.1, 0.2, 0.3, 0.4]), np.arange(4.0), recency, cart)
    told = segments(np.array([0.5, 0.5]), np.array([3.0, 0.0]), np.array([40, 5.0]), np.array([0.0, np.nan]), cuts=cuts)
    assert told.risk_score.tolist() == pytest.approx([0.4 * 0.5 + 0.3 * 7 / 8 + 0.3 * 2 / 8, (4 / 7) * 0.5])


def test_without_other_terms_risk_is_the_probability() -> None:
    p = np.array([0.1, 0.9, 0.5])
    table = segments(p, np.ones(3), cuts=SegmentCuts.learn(p, np.ones(3)))
    assert table.risk_score.tolist() == pytest.approx(p.tolist())


@pytest.mark.parametrize("noise", [1e-15, -1e-15])
def test_a_tie_at_a_cut_does_not_hang_on_the_last_bit(noise: float, rng: np.random.Generator) -> None:
    """A customer computed alone may differ from the batch in the sixteenth digit, in what she is worth and risks."""
    p, ltv = rng.choice([0.1, 0.3, 0.7], 400) / 3, rng.choice([10.0, 70.0, 700.0], 400) / 7
    recency = rng.integers(0, 9, 400)
    cuts = SegmentCuts.learn(p, ltv, recency)
    nearly = segments(p * (1 + noise), ltv * (1 + noise), recency, cuts=cuts)
    assert nearly.equals(segments(p, ltv, recency, cuts=cuts))
    assert SegmentCuts.learn(p * (1 + noise), ltv * (1 + noise), recency) == cuts


@given(st.floats(-1e300, 1e300))
def test_settled_values_keep_nine_digits_and_stay_settled(value: float) -> None:
    once = _settled(np.array([value]))
    assert once[0] == pytest.approx(value, rel=5.1e-9, abs=1e-22)
    assert _settled(once)[0] == pytest.approx(once[0], rel=1e-15)


def test_equal_risks_are_all_low() -> None:
    p, ltv = np.full(30, 0.3), np.arange(30.0)
    table = segments(p, ltv, cuts=SegmentCuts.learn(p, ltv))
    assert set(table.segment) == {"Champion", "Promising", "Hibernating"}


def test_a_term_the_cuts_do_not_know_is_left_out() -> None:
    p, ltv, recency = np.linspace(0, 1, 20), np.arange(20.0), np.arange(20.0)
    cuts = SegmentCuts.learn(p, ltv)
    assert segments(p, ltv, recency, cuts=cuts).equals(segments(p, ltv, cuts=cuts))
    with pytest.raises(AssertionError, match="recency"):
        segments(p, ltv, cuts=SegmentCuts.learn(p, ltv, recency))


@pytest.mark.real
@pytest.mark.parametrize(("definitions", "agree"), [("peer", 1.0), ("holdfast", 0.97)])
def test_published_segments(real_data: Callable[[str], Path], definitions: Any, agree: float) -> None:
    """From the peer's own published probabilities and values; Recency and Cart_Abandon_Rate from its input."""
    folder = "ecommerce_user_segmentation"
    shop = pd.read_csv(real_data(f"{folder}/ecommerce_user_segmentation.csv"), index_col="Customer_ID")
    theirs = pd.read_csv(real_data(f"{folder}/customer_segments.csv"), index_col="Customer_ID").loc[shop.index]
    columns = {"p": theirs.Churn_Probability, "ltv": theirs.Predicted_LTV, "recency": shop.Recency,
               "cart_abandon": shop.Cart_Abandon_Rate}
    table = segments(**columns, cuts=SegmentCuts.learn(**columns, definitions=definitions))
    assert (table.segment.astype(str) == theirs.Segment).mean() >= agree
    if definitions == "peer":
        assert table.segment.value_counts().to_dict() == PUBLISHED
        assert np.allclose(table.risk_score, theirs.Composite_Risk_Score, atol=1e-9)
