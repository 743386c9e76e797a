"""The holdout: exact in size, the same whoever asks, and blind to everything known about a customer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.campaign import holdout
from engine.errors import EngineError


def people(n: int, treatments: int = 3, seed: int = 0) -> pd.DataFrame:
    """n customers in three segments."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame({"customer_id": [f"{k:06d}" for k in range(n)], "segment": rng.choice(list("ABC"), n),
                         "treatment": rng.choice([f"t{k}" for k in range(treatments)], n)})


def test_one_in_ten_of_every_stratum() -> None:
    rows = people(9_000)
    held = holdout.draw(rows, seed=7)
    assert held.sum() == pytest.approx(900, abs=1)
    shares = held.groupby([rows["segment"], rows["treatment"]]).agg(["sum", "size"])
    assert ((shares["sum"] - shares["size"] * 0.1).abs() < 1).all()


def test_the_same_whoever_asks_in_whatever_order() -> None:
    rows = people(2_000)
    held = holdout.draw(rows, seed=7)
    mixed = rows.sample(frac=1, random_state=3)
    assert held.loc[mixed.index].tolist() == holdout.draw(mixed, seed=7).tolist()
    assert held.tolist() != holdout.draw(rows, seed=8).tolist()


def test_two_campaigns_hold_out_unrelated_people() -> None:
    rows = people(20_000)
    one, other = (holdout.draw(rows, seed=seed) for seed in (1, 2))
    assert (one & other).mean() == pytest.approx(0.01, abs=0.003)


def test_neither_ids_nor_their_order_tell_who_is_held_out() -> None:
    held = holdout.draw(people(20_000), seed=5).to_numpy()
    assert abs(np.corrcoef(held, np.arange(20_000))[0, 1]) < 0.02
    assert (held[1:] & held[:-1]).mean() == pytest.approx(0.01, abs=0.004)


@pytest.mark.slow
def test_someone_alone_in_a_stratum_has_the_same_chance_as_all() -> None:
    """200 strata of one customer each: without systematic rounding nobody of them would ever be held out."""
    alone = pd.DataFrame({"customer_id": [f"c{k}" for k in range(200)], "segment": [f"s{k}" for k in range(200)],
                          "treatment": "t"})
    times = sum(holdout.draw(alone, seed=seed).to_numpy().astype(int) for seed in range(300))
    assert times.sum() / (200 * 300) == pytest.approx(0.1, abs=0.003)
    assert times.min() > 10 and times.max() < 60


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 300), st.floats(0, 0.5), st.integers(0, 10**9))
def test_the_total_is_within_one_of_the_share(n: int, share: float, seed: int) -> None:
    held = holdout.draw(people(n), seed=seed, share=share)
    assert abs(held.sum() - share * n) < 1 + 1e-6


@pytest.mark.parametrize("share", [-0.1, 0.6, float("nan")])
def test_a_senseless_share_is_refused(share: float) -> None:
    with pytest.raises(EngineError, match=r"within 0\.\.0\.5"):
        holdout.draw(people(10), seed=1, share=share)
