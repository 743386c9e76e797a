"""The promises of each family, held for every member of its registry: a new member brings these tests for free."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.campaign.checking import FORMS, problems
from engine.campaign.messages import brief_of
from engine.campaign.writers import WRITERS, Commission, writer
from engine.data import adapters
from engine.data.adapters import ADAPTERS
from engine.data.checks import CHECKS
from engine.data.demo import EVERY_DEMO
from engine.data.features import FEATURE_SETS, feature_columns, features
from engine.data.labels import windows_for
from engine.decision.playbooks import playbook, playbook_files
from engine.prediction.calibration import CALIBRATIONS
from engine.prediction.churn import CHURN_MODELS, align, levels
from engine.prediction.comparison import ALGORITHMS
from engine.prediction.ltv import LTV_MODELS, LtvInputs, train_ltv
from engine.prediction.metrics import FLAGS, METRICS, RANGES
from engine.prediction.thresholds import THRESHOLDS, Line
from engine.schema import SEVERITIES, Actor, Dataset, Finding

NOW = datetime(2025, 7, 2)
SMALL = 900
LEARNERS = {**ALGORITHMS, **CHURN_MODELS}


@pytest.fixture(scope="module", params=[
    pytest.param(name, marks=[pytest.mark.slow] if name == "demo-streaming" else []) for name in sorted(EVERY_DEMO)])
def company(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dataset]:
    """A small demo company, read through its adapter."""
    folder = tmp_path_factory.mktemp(request.param)
    made = EVERY_DEMO[request.param].write(folder / "raw", seed=3, customers=SMALL)
    (folder / "read").mkdir()
    yield adapters.read(made.sources, folder / "read", made.adapter, name=request.param, now=NOW,
                        observed_until=made.observed_until, options={"synthetic": True}).dataset


class TestEveryAdapter:
    @pytest.mark.parametrize("name", sorted(ADAPTERS))
    def test_says_what_it_reads_and_needs(self, name: str) -> None:
        adapter = ADAPTERS[name]
        assert adapter.name == name
        assert adapter.describes
        assert adapter.required
        assert name in FEATURE_SETS

    def test_keeps_the_customers_contract(self, company: Dataset) -> None:
        frame = company.frame()
        assert frame.index.is_unique
        assert list(frame.columns) == company.names
        assert company.synthetic
        assert len(company.version) == 12


class TestEveryCheck:
    @pytest.mark.parametrize("name", sorted(CHECKS))
    def test_returns_findings_and_never_raises(self, name: str, company: Dataset) -> None:
        for finding in CHECKS[name](company, windows_for(company, 1)[0]):
            assert isinstance(finding, Finding)
            assert finding.severity in SEVERITIES
            assert finding.where
            assert finding.what.endswith(".")
            assert finding.fix


class TestEveryFeature:
    def test_has_its_words(self, company: Dataset) -> None:
        X = features(company, company.observed_until)
        assert list(X.columns) == [column.name for column in feature_columns(company)]
        assert all(column.meaning for column in feature_columns(company))
        assert X.index.is_unique
        assert X.index.name == "customer_id"

    def test_does_not_move_when_the_future_changes(self, company: Dataset, tmp_path: Path) -> None:
        as_of = company.observed_until if company.kind == "snapshot" else company.observed_until - timedelta(days=200)
        happened = pd.read_parquet(company.events)
        later = happened.sample(400, random_state=1)
        later = later.assign(event_id=[f"later-{n}" for n in range(400)], amount=1e6, quantity=1e3,
                             at=[as_of + timedelta(hours=n) for n in range(400)])
        changed = pd.concat([happened[happened["at"] < as_of], later]).sort_values(["customer_id", "at"])
        path = tmp_path / "events.parquet"
        changed.to_parquet(path, index=False)
        pd.testing.assert_frame_equal(features(company, as_of), features(replace(company, events=path), as_of))

    def test_is_the_same_for_one_customer_as_in_the_batch(self, company: Dataset) -> None:
        batch = features(company, company.observed_until)
        for who in batch.index[[0, 7, 100, -1]]:
            alone = features(company, company.observed_until, [who])
            pd.testing.assert_frame_equal(alone, batch.loc[[who]], check_categorical=False)
            known = tuple(batch.columns), levels(batch)
            pd.testing.assert_frame_equal(align(alone, *known), align(batch.loc[[who]], *known))


class TestEveryLearner:
    @pytest.fixture(scope="class")
    def world(self) -> tuple[pd.DataFrame, np.ndarray]:
        rng = np.random.default_rng(11)
        X = pd.DataFrame({"use": rng.normal(size=600), "plan": pd.Categorical(rng.choice(["a", "b", "c"], 600)),
                          "age": rng.integers(18, 80, 600).astype(float)})
        X.loc[rng.random(600) < 0.1, "use"] = np.nan
        y = rng.random(600) < 1 / (1 + np.exp(1 - 1.5 * X["use"].fillna(0) - (X["plan"] == "a")))
        return X, y.to_numpy().astype(int)

    @pytest.mark.parametrize("name", sorted(LEARNERS))
    @pytest.mark.slow
    def test_gives_probabilities_that_rank_repeat_and_survive_storage(self, name: str, world: tuple) -> None:
        X, y = world
        first, again = (LEARNERS[name](seed=4).fit(X, y).predict_proba(X) for _ in range(2))
        assert first.shape == (600, 2)
        assert first.sum(axis=1) == pytest.approx(np.ones(600))
        assert ((first >= 0) & (first <= 1)).all()
        assert METRICS["roc_auc"](y, first[:, 1]) > 0.65
        assert np.array_equal(first, again)
        stored = pickle.loads(pickle.dumps(LEARNERS[name](seed=4).fit(X, y)))
        assert np.array_equal(stored.predict_proba(X), first)


class TestEveryValueModel:
    @pytest.mark.parametrize("name", sorted(LTV_MODELS))
    @pytest.mark.slow
    def test_counts_churn_once_and_stays_within_the_horizon(self, name: str) -> None:
        inputs, target = _shop(500)
        model, _, _ = train_ltv(inputs, target, name, seed=2, period_days=90.0)
        table = pickle.loads(pickle.dumps(model)).ltv(inputs, 365.0, 0.1)
        assert table.index.equals(inputs.X.index)
        assert np.isfinite(table[["ltv_if_stays", "expected_ltv", "expected_months"]].to_numpy()).all()
        assert (table[["ltv_if_stays", "expected_ltv"]] >= 0).all(axis=None)
        assert table["expected_months"].between(0, 365 / (365.25 / 12) + 1e-9).all()
        assert (table["expected_ltv"] >= (1 - inputs.p) * table["ltv_if_stays"] - 1e-9).all()
        assert (table["expected_ltv"] <= table["ltv_if_stays"] + 1e-9).mean() > 0.95


def _shop(n: int) -> tuple[LtvInputs, pd.Series]:
    """Customers with a purchase history, a churn probability and a margin in the period after."""
    rng = np.random.default_rng(8)
    index = pd.Index([f"c{k}" for k in range(n)], name="customer_id")
    pace, age = rng.gamma(2.0, 0.01, n), rng.uniform(100, 400, n)
    frequency = rng.poisson(pace * age).astype(float)
    recency = np.where(frequency > 0, age * rng.beta(np.maximum(frequency, 1), 1.2), 0.0)
    value = rng.gamma(5, 8, n)
    purchases = pd.DataFrame({"frequency": frequency, "recency_days": recency, "T_days": age, "order_value": value,
                              "monetary_value": np.where(frequency > 0, value, 0.0)}, index=index)
    p = pd.Series(np.clip(np.exp(-90 * pace), 0.02, 0.98), index=index)
    target = pd.Series(rng.poisson(pace * 30) * value * 0.3, index=index)
    return LtvInputs(purchases.copy(), p, 90.0, pd.Series(pace * 30 * value * 0.3, index=index), purchases), target


class TestEveryCalibrationMetricAndThreshold:
    @pytest.fixture
    def told(self) -> tuple[np.ndarray, np.ndarray]:
        rng = np.random.default_rng(1)
        p = rng.beta(2, 5, 2000)
        return (rng.random(2000) < p).astype(int), p

    @pytest.mark.parametrize("name", sorted(CALIBRATIONS))
    def test_calibration_keeps_order_and_range(self, name: str, told: tuple) -> None:
        y, p = told
        calibrated = CALIBRATIONS[name](p, y)(np.sort(p))
        assert ((calibrated >= 0) & (calibrated <= 1)).all()
        assert (np.diff(calibrated) >= -1e-12).all()

    @pytest.mark.parametrize("name", sorted(METRICS))
    def test_metric_is_in_its_range(self, name: str, told: tuple) -> None:
        y, p = told
        low, high = RANGES.get(name, (0.0, 1.0))
        assert low <= METRICS[name](y, p > 0.3 if name in FLAGS else p) <= high

    @pytest.mark.parametrize("name", sorted(THRESHOLDS))
    def test_threshold_flags_some_and_not_all(self, name: str, told: tuple) -> None:
        y, p = told
        assert 0 < (p >= THRESHOLDS[name](y, p, Line(name))).mean() < 1


@pytest.mark.parametrize("name", sorted(WRITERS))
@pytest.mark.parametrize("sector", sorted(playbook_files()))
class TestEveryWriter:
    def test_writes_what_may_be_sent(self, name: str, sector: str, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Also where the language model cannot be reached."""
        monkeypatch.setenv("HOLDFAST_LLM_BASE_URL", "http://127.0.0.1:9/v1")
        monkeypatch.setenv("HOLDFAST_LLM_MODEL", "none")
        write = writer(name, Commission("desk", Actor("ana", "marketer"), NOW, sleep=lambda seconds: None))
        book = playbook(sector)
        for treatment in book.treatments.values():
            for who, called in (("1", "Ann"), ("2", ""), ("3", "=cmd()"), ("4", "Wolfeschlegelsteinhausen")):
                brief = replace(brief_of(book, treatment, "Acme"), customer_id=who, first_name=called, seed=1)
                message = write(brief)
                assert message == write(brief)
                assert message.problems == ()
                assert message.source.split(" (")[0] in {"template", "llm"}
                if treatment.channel in FORMS:
                    assert problems(message.text, brief.rules) == ()
                else:
                    assert message.text == ""
