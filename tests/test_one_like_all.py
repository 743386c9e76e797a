"""One function judges a batch and a single customer: the whole card of every customer is the same either way."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import engine
from engine import catalog, pipeline, reports
from engine.data.demo import DEMOS
from engine.decision.own_playbooks import playbook_for
from engine.prediction.model import Scored
from engine.schema import Actor

NOW, ANA = datetime(2025, 7, 2), Actor("ana", "admin")
SAID = {"churn_probability", "churn_low", "churn_high", "predicted_ltv", "ltv_tier", "risk_score", "segment", "drivers",
        "actions", "options", "way", "ahead", "unseen", "margin_at_risk", "hold_back"}

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home with both demo companies, so small that everybody can be asked for alone."""
    place = tmp_path_factory.mktemp("few")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_HOME", str(place))
        patch.delenv("HOLDFAST_DATABASE_URL", raising=False)
        engine.run_demos(seed=0, actor=ANA, now=NOW, customers=320,
                         settings=engine.Settings(quick=True))
        yield place


def plain(frame: pd.DataFrame) -> pd.DataFrame:
    """Without an index, categories as their text."""
    frame = frame.reset_index(drop=True)
    return frame.astype({name: object for name in frame if isinstance(frame[name].dtype, pd.CategoricalDtype)})


def assert_alike(alone: list[pd.DataFrame], batch: pd.DataFrame) -> None:
    together = pd.concat([plain(frame) for frame in alone], ignore_index=True)
    pd.testing.assert_frame_equal(together, plain(batch), check_dtype=False, check_exact=False, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", DEMOS)
def test_every_customers_card_alone_is_the_one_in_the_batch(few: Path, name: str) -> None:
    dataset, by = catalog.dataset(name), pipeline.production(name)
    batch = pipeline.judge(*by, dataset, dataset.observed_until)
    ids = batch.scores["customer_id"].tolist()
    alone = [pipeline.judge(*by, dataset, dataset.observed_until, [who]) for who in ids]
    assert len(ids) > 150 and [one.scores["customer_id"].tolist() for one in alone] == [[who] for who in ids]
    assert_alike([one.scores for one in alone], batch.scores)
    assert_alike([one.features for one in alone], batch.features)
    assert_alike([one.known for one in alone], batch.known)
    assert_alike([one.reasons for one in alone], batch.reasons.sort_values(["customer_id", "rank"], kind="stable"))
    for exact in ("churn_risk", "ltv_tier", "segment", "hold_back", "has_left"):
        assert [one.scores[exact].iloc[0] for one in alone] == batch.scores[exact].tolist()
    kept = catalog.run(name).scores().drop(columns="run_id")
    pd.testing.assert_frame_equal(kept, plain(batch.scores), check_dtype=False, check_exact=False, rtol=1e-9)


def alone_in(batch: Scored, who: str) -> Scored:
    """One customer's part of the batch."""
    mine = {name: frame[frame["customer_id"] == who] for name, frame in (("scores", batch.scores),
                                                                        ("reasons", batch.reasons))}
    return replace(batch, **mine, features=batch.features.loc[[who]], known=batch.known.loc[[who]])


def assert_same(one: Any, other: Any, where: str) -> None:
    """Equal all the way down: words and counts exactly, numbers to nine digits."""
    if isinstance(one, dict):
        assert one.keys() == other.keys(), where
        for name in one:
            assert_same(one[name], other[name], f"{where}.{name}")
    elif isinstance(one, list):
        assert len(one) == len(other), where
        for place, (mine, theirs) in enumerate(zip(one, other, strict=True)):
            assert_same(mine, theirs, f"{where}[{place}]")
    else:
        assert one == (pytest.approx(other, rel=1e-9, abs=1e-12) if isinstance(one, float) else other), where


@pytest.mark.parametrize("name", DEMOS)
def test_what_predict_says_of_each_customer_is_what_the_batch_says(few: Path, name: str) -> None:
    """The whole card: chance, interval, LTV, tier, risk score, segment, drivers in words, steps, and the rest."""
    dataset, (model, card) = catalog.dataset(name), pipeline.production(name)
    batch, book = pipeline.judge(model, card, dataset, dataset.observed_until), playbook_for(dataset)
    told = {who: engine.predict(name, who, actor=ANA, now=NOW) for who in batch.scores["customer_id"]}
    assert all(said.keys() >= SAID for said in told.values())
    assert len({said["segment"] for said in told.values()}) > 3
    for who, said in told.items():
        assert_same(said, reports.of_customer(dataset, card, alone_in(batch, who), book, model), who)
