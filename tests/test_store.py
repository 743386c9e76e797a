"""Models on disk: what is loaded is what was saved, byte by byte, or nothing."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import random
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.errors import EngineError
from engine.files import STAGING
from engine.prediction import store
from engine.schema import Estimate, Finding, ModelCard


def card(model_id: str = "m1", as_of: datetime = datetime(2024, 5, 31, 12, 0, 0, 5)) -> ModelCard:
    """A card in which every kind of field is used."""
    return ModelCard(
        model_id, "acme", "v1", "lightgbm", "survival", 7, as_of, 90, "Churn is Yes", False, 7043, 1869,
        ("tenure", "charges"), (("customerID", "an identifier"),), (Finding("severe", "x", "is odd.", "Look.", 3),),
        {"model": {"auc": Estimate(0.85, 0.84, 0.86, 7043, "5 x 5"), "none": Estimate(np.nan, -np.inf, np.inf, 0, "")},
         "rule": {}}, 0.37, True, ("A note.",), {"cost": 3.5}, {"curve": [[0.0, 0.1], [1.0, None]], "levels": {"a": 1}})


def bundle() -> dict[str, object]:
    """Parts of the kinds that a model has."""
    from sklearn.linear_model import LogisticRegression

    X = np.random.default_rng(3).normal(size=(50, 2))
    frame = pd.DataFrame({"c": pd.Categorical(["a", "b"])})
    return {"churn": LogisticRegression().fit(X, X[:, 0] > 0), "cuts": {"low": 0.2, "high": 0.5}, "rates": frame}


SPRUNG: list[str] = []


class Trap:
    """Says when it is unpickled."""

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return spring, ("unpickled",)


def spring(word: str) -> None:
    """What unpickling a Trap does."""
    SPRUNG.append(word)


def test_a_model_comes_back(home: Path) -> None:
    parts, told = bundle(), dataclasses.replace(card(), metrics={"model": {"auc": Estimate(0.85, 0.8, 0.9, 9, "cv")}})
    assert store.save(parts, told, "acme") == "m1"
    loaded, loaded_card = store.load("acme", "m1")
    assert loaded_card == told
    X = np.random.default_rng(4).normal(size=(20, 2))
    assert np.array_equal(loaded["churn"].predict_proba(X), parts["churn"].predict_proba(X))  # type: ignore[attr-defined]
    assert loaded["cuts"] == parts["cuts"]
    pd.testing.assert_frame_equal(loaded["rates"], parts["rates"])


def test_a_card_keeps_what_has_no_value(home: Path) -> None:
    store.save({}, card(), "acme")
    back = store.load("acme", "m1")[1].metrics["model"]["none"]
    assert np.isnan(back.value) and (back.low, back.high) == (-np.inf, np.inf)


def test_two_saves_give_the_same_bytes(home: Path, tmp_path: Path) -> None:
    store.save(bundle(), card(), "acme")
    store.save(bundle(), card(), "acme", tmp_path)
    first, second = (root / "models/acme/m1/MANIFEST.json" for root in (home, tmp_path))
    assert first.read_bytes() == second.read_bytes()


@pytest.mark.slow
def test_two_processes_give_the_same_bytes(home: Path, tmp_path: Path) -> None:
    """LightGBM too, and whatever Python's seed for hashing text is."""
    code = ("import sys; sys.path.insert(0, sys.argv[1])\n"
            "from test_store import *; from lightgbm import LGBMClassifier\n"
            "X = pd.DataFrame(np.random.default_rng(3).normal(size=(200, 3)), columns=list('abc'))\n"
            "model = LGBMClassifier(n_estimators=5, n_jobs=1, deterministic=True, force_row_wise=True, verbosity=-1)\n"
            "model.fit(X, X['a'] > 0)\n"
            "store.save({**bundle(), 'lgbm': model}, card(), 'acme', Path(sys.argv[2]))")
    for seed in "12":
        subprocess.run([sys.executable, "-c", code, Path(__file__).parent, tmp_path / seed], check=True,
                       env={**_environment(), "PYTHONHASHSEED": seed})
    assert len({(tmp_path / seed / "models/acme/m1/MANIFEST.json").read_bytes() for seed in "12"}) == 1


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(Path(store.__file__).parent.parent.parent)}


@pytest.mark.parametrize("name", ["trap.joblib", "card.json", "MANIFEST.json"])
def test_no_flipped_byte_is_loaded(home: Path, name: str) -> None:
    """Every bit counts: in each file many single bits are flipped, and nothing is unpickled."""
    store.save({"trap": Trap()}, card(), "acme")
    path = home / "models/acme/m1" / name
    sound = path.read_bytes()
    for position in random.Random(5).sample(range(len(sound)), min(60, len(sound))):
        path.write_bytes(sound[:position] + bytes([sound[position] ^ (1 << position % 8)]) + sound[position + 1:])
        with pytest.raises(EngineError, match=name.replace(".", r"\.")):
            store.load("acme", "m1")
    assert SPRUNG == []
    path.write_bytes(sound)
    store.load("acme", "m1")
    assert SPRUNG.pop() == "unpickled"


@pytest.mark.parametrize("name", ["cuts.joblib", "card.json", "MANIFEST.json"])
def test_a_missing_file_is_named(home: Path, name: str) -> None:
    store.save({"cuts": 1}, card(), "acme")
    (home / "models/acme/m1" / name).unlink()
    with pytest.raises(EngineError, match=rf"{name} is missing.*train again"):
        store.load("acme", "m1")


@pytest.mark.parametrize("name", ["extra.joblib", "folder/extra.joblib", ".hidden"])
def test_an_extra_file_is_named(home: Path, name: str) -> None:
    store.save({"cuts": 1}, card(), "acme")
    extra = home / "models/acme/m1" / name
    extra.parent.mkdir(exist_ok=True)
    extra.write_text("extra")
    with pytest.raises(EngineError, match="does not belong to the model"):
        store.load("acme", "m1")


def test_a_sound_model_stays_and_a_damaged_one_is_replaced(home: Path) -> None:
    store.save({"cuts": 1}, card(), "acme")
    store.save({"cuts": 2}, card(), "acme")
    assert store.load("acme", "m1")[0] == {"cuts": 1}
    (home / "models/acme/m1/cuts.joblib").write_text("damaged")
    store.save({"cuts": 3}, card(), "acme")
    assert store.load("acme", "m1")[0] == {"cuts": 3}
    assert not list(home.rglob(f"{STAGING}*"))


def test_another_format_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store, "FORMAT", 99)
        store.save({"cuts": 1}, card(), "acme")
    with pytest.raises(EngineError, match=r"has format 99.*Train the model again"):
        store.load("acme", "m1")


def test_a_library_that_can_no_longer_read_it_is_named(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(store, "versions", lambda: {"lightgbm": "1.0"})
        store.save({"trap": Trap()}, card(), "acme")
    monkeypatch.delattr(sys.modules[__name__], "spring")
    with pytest.raises(EngineError, match=r"lightgbm 1\.0 \(now .*Train the model again"):
        store.load("acme", "m1")


def test_a_part_that_these_very_libraries_cannot_read_is_a_bug(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store.save({"trap": Trap()}, card(), "acme")
    monkeypatch.delattr(sys.modules[__name__], "spring")
    with pytest.raises(AttributeError):
        store.load("acme", "m1")


def test_pointers_and_the_way_back(home: Path) -> None:
    for model_id in ("m1", "m2", "m3"):
        store.save({"id": model_id}, card(model_id), "acme")
    with pytest.raises(EngineError, match="no production model"):
        store.load("acme")
    store.promote("acme", "m1")
    store.promote("acme", "m2", "staging")
    assert store.load("acme")[0]["id"] == store.load("acme", "production")[0]["id"] == "m1"
    assert store.load("acme", "staging")[0]["id"] == "m2"
    assert store.promote("acme", "staging", "production") == "m2"
    store.promote("acme", "m2")
    store.promote("acme", "m3")
    assert [store.rollback("acme"), store.rollback("acme")] == ["m2", "m1"]
    assert store.current("acme") == "m1"
    with pytest.raises(EngineError, match="no production model before"):
        store.rollback("acme")
    assert (home / "models/acme/production").read_text() == "m1\n"


def test_no_pointer_to_a_damaged_or_missing_model(home: Path) -> None:
    store.save({"cuts": 1}, card(), "acme")
    with pytest.raises(EngineError, match=r"no model 'm9'. Its models: m1"):
        store.promote("acme", "m9")
    (home / "models/acme/m1/cuts.joblib").write_text("damaged")
    with pytest.raises(EngineError, match="is not what was written"):
        store.promote("acme", "m1")
    with pytest.raises(EngineError, match="no pointer 'best'"):
        store.promote("acme", "m1", "best")
    assert store.current("acme") is None


def test_models_are_listed_in_order(home: Path) -> None:
    assert store.models("acme") == []
    store.save({}, card("b", datetime(2024, 1, 1)), "acme")
    store.save({}, card("a", datetime(2024, 2, 1)), "acme")
    store.promote("acme", "a")
    assert [(each.model_id, each.production, each.staging) for each in store.models("acme")] == [
        ("b", False, False), ("a", True, False)]
    assert store.models("acme")[0].card.as_of == datetime(2024, 1, 1)


@pytest.mark.parametrize("name", ["../acme", "..", "a/b", ""])
def test_no_id_leaves_the_folder(home: Path, name: str) -> None:
    with pytest.raises(EngineError):
        store.save({}, card(name), "acme")
    with pytest.raises(EngineError):
        store.load(name)
    assert list(home.iterdir()) == []


def _train(first: int, told: Any) -> None:
    """Save and promote model after model, and tell the number of the last that was done."""
    for number in range(first, 100_000):
        store.save({"weights": bytes(200_000), "n": number}, card(f"m{number}"), "acme")
        store.promote("acme", f"m{number}")
        told.value = number


@pytest.mark.slow
def test_a_kill_at_any_moment_leaves_the_last_good_model(home: Path) -> None:
    """Trainers are killed at random moments; production loads each time and is never older than what was told."""
    forked, chance = multiprocessing.get_context("fork"), random.Random(11)
    told = forked.Value("i", -1, lock=False)  # a killed writer would keep the lock
    for kills in range(16):
        trainer = forked.Process(target=_train, args=(told.value + 1, told))
        trainer.start()
        time.sleep(chance.uniform(0.01, 0.3))
        while kills == 15 and told.value < 0:  # on a busy machine: until one is done at all
            time.sleep(0.01)
        trainer.kill()
        trainer.join()
        assert all(store.load("acme", each.model_id) for each in store.models("acme"))
        assert told.value < 0 or store.load("acme")[0]["n"] >= told.value
    assert told.value >= 0
