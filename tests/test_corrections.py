"""Corrections: rules by hand, nothing from the future, and worlds whose truth is known."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import engine
from engine import catalog, correcting
from engine.data.corrections import IMPUTED, RULES, Changed, correct
from engine.data.features import features_at
from engine.data.labels import labels, windows_for
from engine.errors import EngineError, Refused
from engine.files import sha256
from engine.prediction.correction import Trial, trials
from engine.prediction.value import orders_of
from engine.schema import Actor

ANA, EVE = Actor("ana", "manager"), Actor("eve", "executive")
NOW, BEGAN = datetime(2025, 7, 2), datetime(2023, 1, 1)
QUICK = engine.Settings(quick=True)


def events(*rows: tuple[str, float, str, float], groups: bool = True) -> pd.DataFrame:
    """Events of (customer, day, kind, amount)."""
    frame = pd.DataFrame(rows, columns=["customer_id", "day", "kind", "amount"])
    frame = frame.assign(at=pd.Timestamp(BEGAN) + pd.to_timedelta((frame["day"] * 86_400).round(), unit="s"),
                         event_id=[f"e{i:04d}" for i in range(len(frame))], quantity=1.0)
    frame["group_id"] = frame["event_id"].where(frame["kind"] == "order") if groups else None
    names = ["event_id", "customer_id", "at", "kind", "group_id", "amount", "quantity"]
    return frame.sort_values(["customer_id", "at"], kind="stable")[names]


def ran(frame: pd.DataFrame, rule: str, folder: Path, until_day: float = 400) -> pd.DataFrame:
    """The events as the rule corrects them; what it says it did is held against what it did."""
    frame.to_parquet(folder / "events.parquet", index=False)
    changed = correct(folder / "events.parquet", rule, folder / "new.parquet", BEGAN + timedelta(days=until_day))
    made = pd.read_parquet(folder / "new.parquet")
    assert (changed.events, changed.added, changed.removed) == (
        len(frame), len(set(made["event_id"]) - set(frame["event_id"])),
        len(set(frame["event_id"]) - set(made["event_id"])))
    assert list(made) == list(frame)
    return made


def imputed(made: pd.DataFrame) -> pd.DataFrame:
    found = made[made["event_id"].str.startswith(IMPUTED)]
    return found.assign(day=(found["at"] - pd.Timestamp(BEGAN)) / pd.Timedelta(days=1))


# ------------------------------------------------------------------------------------------------------ by hand

MONTHLY = [("a", 30.0 * i, "order", 10.0 + i) for i in range(6)]


def test_the_usual_order_is_filled_in_once_when_its_absence_is_evident(tmp_path: Path) -> None:
    made = imputed(ran(events(*MONTHLY, ("a", 178, "session", 0)), "backfill_transactions", tmp_path))
    assert made[["customer_id", "day", "kind", "amount"]].to_numpy().tolist() == [["a", 187.5, "order", 12.5]]
    assert made["group_id"].tolist() == made["event_id"].tolist() == ["imputed-e0005"]


@pytest.mark.parametrize("why", [
    "nothing else happened", "it happened too early", "a payment failed", "the data end before", "it came late",
    "too few gaps", "no rhythm", "only a return",
])
def test_nothing_is_filled_in_without_evidence(tmp_path: Path, why: str) -> None:
    seen: dict[str, list[tuple[str, float, str, float]]] = {
        "nothing else happened": MONTHLY, "it happened too early": [*MONTHLY, ("a", 155, "session", 0)],
        "a payment failed": [*MONTHLY, ("a", 178, "session", 0), ("a", 181, "payment_failure", 10)],
        "the data end before": [*MONTHLY, ("a", 178, "session", 0)],
        "it came late": [*MONTHLY, ("a", 178, "session", 0), ("a", 186, "order", 10)],
        "too few gaps": [*MONTHLY[:3], ("a", 88, "session", 0)],
        "no rhythm": [*(("a", day, "order", 10.0) for day in (0, 5, 60, 70, 150)), ("a", 190, "session", 0)],
        "only a return": [*MONTHLY, ("a", 178, "return", 5)],
    }
    until = 185 if why == "the data end before" else 187 if why == "it came late" else 400
    assert imputed(ran(events(*seen[why]), "backfill_transactions", tmp_path, until)).empty


def test_payments_are_filled_in_too_and_a_gap_in_the_past(tmp_path: Path) -> None:
    paid = [("p", 30.0 * i, "payment", 20.0) for i in range(10) if i != 6]
    made = imputed(ran(events(*paid, ("p", 181, "usage", 0)), "backfill_transactions", tmp_path, 275))
    assert made[["kind", "day", "amount"]].to_numpy().tolist() == [["payment", 187.5, 20.0]]


def test_duplicates_are_dropped_as_whole_orders(tmp_path: Path) -> None:
    rows = [("a", 1, "order", 10.0), ("a", 1.01, "order", 10.0), ("a", 1.2, "order", 10.0), ("a", 2, "order", 11.0),
            ("b", 1.01, "order", 10.0), ("a", 1.011, "session", 10.0)]
    made = ran(events(*rows), "drop_duplicate_orders", tmp_path)
    assert set(made["event_id"]) == {"e0000", "e0002", "e0003", "e0004", "e0005"}
    assert len(ran(events(*rows, groups=False), "drop_duplicate_orders", tmp_path)) == len(rows), "no ids, no orders"


def test_amounts_are_cut_at_ten_times_the_median_so_far(tmp_path: Path) -> None:
    rows = [("a", day, "order", 10.0) for day in range(5)] + [("a", 6, "order", 900.0), ("b", 1, "order", 900.0)]
    made = ran(events(*rows), "winsorize_amounts", tmp_path).set_index("event_id")["amount"]
    assert made["e0005"] == 100.0 and made["e0006"] == 900.0, "of b nothing is known yet"


# ------------------------------------------------------------------------------------------------- no future

def shop(seed: int, customers: int, dropped: float = 0.0, visits: str = "usage", days: int = 730) -> pd.DataFrame:
    """Subscribers who order at their own steady pace, visit while they are there, and stop one day without a word.

    dropped: the chance that an order is missing from the records; what happened stays as it was.
    """
    rng = np.random.default_rng(seed)
    rows: list[tuple[str, float, str, float]] = []
    for number in range(customers):
        start, pace, stay = rng.uniform(0, 200), rng.uniform(14, 45), rng.exponential(420)
        ordered = np.arange(start, min(start + stay, days), pace) + rng.normal(0, 0.06 * pace)
        ordered = ordered + rng.normal(0, 0.04 * pace, len(ordered))
        seen = rng.uniform(start, min(start + stay, days), rng.poisson(max(min(stay, days - start), 1) / 16))
        kept = ordered[rng.random(len(ordered)) >= dropped]
        who = f"c{number:04d}"
        rows += [(who, day, "order", round(float(rng.gamma(4, 5)), 2)) for day in kept if 0 <= day < days]
        rows += [(who, day, visits, 0.0) for day in seen if day < days]
    return events(*rows)


@pytest.mark.parametrize("rule", list(RULES))
def test_no_rule_looks_ahead(tmp_path: Path, rule: str) -> None:
    """Correcting what was known by a day gives the events before it that correcting everything gives."""
    frame = shop(5, 60, dropped=0.2)
    whole = ran(frame, rule, tmp_path, 730)
    for day in (300, 411, 555):
        known = BEGAN + timedelta(days=day)
        part = ran(frame[frame["at"] < known], rule, tmp_path, day)
        pd.testing.assert_frame_equal(part.reset_index(drop=True), whole[whole["at"] < known].reset_index(drop=True))


# ------------------------------------------------------------------------------------------------------ worlds

def brought(folder: Path, frame: pd.DataFrame) -> None:
    """The company's orders and visits, read as any company's are."""
    orders = frame[frame["kind"] == "order"]
    orders[["customer_id", "at", "group_id", "amount"]].rename(
        columns={"at": "order_date", "group_id": "order_id"}).to_csv(folder / "orders.csv", index=False)
    frame[frame["kind"] != "order"][["event_id", "customer_id", "at", "kind", "amount", "quantity"]].to_csv(
        folder / "events.csv", index=False)
    engine.onboard([folder / "orders.csv", folder / "events.csv"], name="acme", adapter="orders", actor=ANA, now=NOW,
                   observed_until=BEGAN + timedelta(days=730), options={"horizon_days": 60})


@pytest.fixture(scope="module")
def gappy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a company of whose orders a quarter is missing from the records."""
    place = tmp_path_factory.mktemp("gappy")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_HOME", str(place / "home"))
        patch.delenv("HOLDFAST_DATABASE_URL", raising=False)
        brought(place, shop(7, 600, dropped=0.25))
    return place / "home"


@pytest.fixture
def acme(gappy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of that home."""
    import shutil

    monkeypatch.setenv("HOLDFAST_HOME", str(shutil.copytree(gappy, tmp_path / "home")))
    monkeypatch.delenv("HOLDFAST_DATABASE_URL", raising=False)
    return tmp_path / "home"


@pytest.mark.slow
def test_where_orders_are_missing_backfilling_helps_and_is_kept(acme: Path) -> None:
    """What happened beside the orders (usage) is in no feature of a shop, so it is the rule that brings it in."""
    raw = catalog.dataset("acme")
    before = {path: sha256(path) for path in raw.customers.parent.rglob("*") if path.is_file()}
    told = correcting.correct("acme", "backfill_transactions", keep=True, actor=ANA, now=NOW, settings=QUICK)
    gain = told["gain"]["log_loss"]
    assert told["verdict"] == "keep" and gain["low"] <= gain["value"] <= gain["high"] < 0
    assert told["corrected"]["log_loss"]["value"] - told["raw"]["log_loss"]["value"] == pytest.approx(gain["value"])
    better = catalog.dataset("acme")
    assert better.version == told["kept_as"] != raw.version == told["version"]
    assert before == {path: sha256(path) for path in raw.customers.parent.rglob("*") if path.is_file()}, "as it came"
    assert [sha256(path) for path in catalog.raw(better)] == [sha256(path) for path in catalog.raw(raw)]
    _holds_what_was_recorded(raw, better, told["changed"]["added"])
    _is_told(told)
    with pytest.raises(EngineError, match="corrected by backfill_transactions already"):
        correcting.correct("acme", "backfill_transactions", actor=ANA, now=NOW)
    assert correcting.undo("acme", actor=ANA, now=NOW) == raw.version == catalog.dataset("acme").version
    with pytest.raises(EngineError, match="nothing to undo"):
        correcting.undo("acme", actor=ANA, now=NOW)


def _holds_what_was_recorded(raw: catalog.Dataset, better: catalog.Dataset, added: int) -> None:
    """Answers and money are those of recorded orders; features know of the others."""
    windows = windows_for(raw, 3)
    pd.testing.assert_series_equal(labels(raw, windows), labels(better, windows))
    pd.testing.assert_frame_equal(*(orders_of(each).sort_values(["customer_id", "at", "amount"], ignore_index=True)
                                    for each in (raw, better)))
    one = orders_of(raw)["customer_id"].iloc[:1]
    assert len(orders_of(raw, pd.Index(one))) == len(orders_of(better, pd.Index(one)))
    counts = [features_at(each, [windows[-1].as_of])["orders"].sum() for each in (raw, better)]
    assert 0 < counts[1] - counts[0] <= added


def _is_told(told: dict[str, object]) -> None:
    """The record lies with the dataset, the log says who, the version's findings say what."""
    [trial] = trials("acme")
    assert (trial.rule, trial.verdict, trial.by, trial.at) == ("backfill_transactions", "keep", "ana", NOW)
    assert correcting.trials("acme", EVE)[0]["kept_as"] == told["kept_as"]
    entry = engine.audit_log(1, Actor("ada", "admin"), verb="correct")[0]
    assert entry["actor"] == "ana" and entry["detail"]["verdict"] == "keep"
    assert any("Corrected by backfill_transactions" in finding.what
               for finding in catalog.findings(catalog.dataset("acme")))


@pytest.mark.slow
def test_the_next_file_is_read_the_same_way(acme: Path, tmp_path: Path) -> None:
    """Once a correction is kept, next month's file gets it too; the same file becomes the same version again."""
    first = catalog.dataset("acme")
    correcting._keep(first, _kept_trial(first), ANA, NOW)
    kept = catalog.dataset("acme")
    again = [tmp_path / path.name for path in catalog.raw(first)]
    for source, path in zip(catalog.raw(first), again, strict=True):
        path.write_bytes(source.read_bytes())
    dataset, found = engine.onboard(again, name="acme", adapter="orders", actor=ANA, now=NOW,
                                    observed_until=first.observed_until, options={"horizon_days": 60})
    assert dataset.version == kept.version and dataset.events is not None
    assert pd.read_parquet(dataset.events)["event_id"].str.startswith(IMPUTED).any()
    assert any("Corrected by" in finding.what for finding in found)


def _kept_trial(dataset: catalog.Dataset) -> Trial:
    """A trial as if it had been measured to help."""
    return Trial(dataset.name, dataset.version, "backfill_transactions", Changed(1, 1, 0, 0, 1), 1, "", {}, {}, {},
                 "keep", "", "ana", NOW)


@pytest.mark.slow
def test_where_nothing_is_missing_the_verdict_is_drop_and_nothing_is_kept(home: Path, tmp_path: Path) -> None:
    brought(tmp_path, shop(11, 350))
    with pytest.raises(Refused):
        correcting.correct("acme", "backfill_transactions", actor=Actor("mia", "marketer"), now=NOW)
    version = catalog.dataset("acme").version
    told = correcting.correct("acme", "backfill_transactions", keep=True, actor=ANA, now=NOW, settings=QUICK)
    assert told["verdict"] == "drop" and told["kept_as"] == "" and catalog.dataset("acme").version == version
    assert told["changed"]["added"] < 0.005 * told["changed"]["events"], "steady customers are hardly ever overdue"
    nothing = correcting.correct("acme", "drop_duplicate_orders", actor=ANA, now=NOW, settings=QUICK)
    assert (nothing["verdict"], nothing["why"], nothing["gain"]) == ("drop", "there is nothing to correct", {})
    assert {trial["rule"] for trial in correcting.trials("acme", EVE)} == {
        "backfill_transactions", "drop_duplicate_orders"}
    with pytest.raises(EngineError, match="correction"):
        correcting.correct("acme", "wish", actor=ANA, now=NOW)
