"""Accounts, subscriptions, usage, tickets and payments: joined by id, by hand, one like all, nothing from later."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.data.adapters import guess, read
from engine.data.features import feature_columns, features, features_at
from engine.data.labels import how_they_left, labels, snapshot, windows_for
from engine.errors import EngineError
from engine.schema import Dataset, Window
from engine.schema.subscriptions import SUBSCRIPTION_FEATURES

AS_OF, NOW = datetime(2024, 7, 1), datetime(2025, 1, 2)
UNTIL = datetime(2025, 1, 1)


def on(days: int) -> str:
    """The date so many days before the moment (or after it, where negative)."""
    return f"{AS_OF - timedelta(days=days):%Y-%m-%d}"


def write(folder: Path, **files: pd.DataFrame) -> list[Path]:
    folder.mkdir(exist_ok=True)
    for name, frame in files.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return [folder / f"{name}.csv" for name in files]


def company(folder: Path, **files: pd.DataFrame) -> Dataset:
    return read(write(folder, **files), folder / "read", name="saas", now=NOW, observed_until=UNTIL).dataset


def terms(*rows: tuple) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["subscription_id", "account_id", "start_date", "end_date", "mrr", "plan_tier"])


TERMS = terms(
    ("s1", "A", on(400), on(100), 50, "basic"), ("s2", "A", on(100), "", 80, "pro"),
    ("s3", "A", on(30), "", 20, "add-on"),
    ("s4", "B", on(300), on(20), 40, "basic"), ("s5", "C", on(200), on(-10), 30, "pro"),
    ("s6", "D", on(200), on(-10), 30, "pro"), ("s7", "D", on(-25), "", 30, "basic"),
    ("s8", "E", on(200), on(-70), 30, "pro"), ("s9", "F", on(-3), "", 10, "basic"),
    ("s10", "G", on(200), on(-10), 30, "pro"), ("s11", "G", on(90), on(-40), 15, "add-on"),
)
USAGE = pd.DataFrame(
    [("s2", on(days), 10, feature) for days, feature in ((1, "api"), (2, "api"), (3, "board"), (40, "board"),
                                                         (100, "api"))]
    + [("s4", on(30), 7, "api"), ("s99", on(30), 7, "api"), ("s2", on(0), 500, "later")],
    columns=["subscription_id", "usage_date", "usage_count", "feature_name"])
TICKETS = pd.DataFrame([("t1", "A", f"{on(10)} 09:30:00", "high", 1), ("t2", "A", f"{on(50)} 12:00:00", "low", None),
                        ("t3", "A", f"{on(200)} 12:00:00", "urgent", 5)],
                       columns=["ticket_id", "account_id", "submitted_at", "priority", "satisfaction_score"])
PAYMENTS = pd.DataFrame([("A", on(60), 80, "paid"), ("A", on(30), 80, "failed"), ("A", on(20), 16, "refunded"),
                         ("C", on(-5), 30, "failed")], columns=["account_id", "payment_date", "amount", "status"])
ACCOUNTS = pd.DataFrame([("A", "Acme", "DE", 1), ("Z", "Zeta", "FR", 0)],
                        columns=["account_id", "account_name", "country", "churn_flag"])
ALL = {"subscriptions": TERMS, "usage": USAGE, "tickets": TICKETS, "payments": PAYMENTS, "accounts": ACCOUNTS}


def test_an_account_computed_by_hand(tmp_path: Path) -> None:
    dataset = company(tmp_path, **ALL)
    assert guess([tmp_path / "subscriptions.csv"]).name == dataset.adapter == "subscriptions"
    X = features(dataset, AS_OF)
    assert list(X.index) == ["A", "C", "D", "E", "G"], "B has left, F and the second of D come later, Z never had one"
    half = 1 / 86_400
    expected = {
        "tenure_months": (399 + half) / 30.4375, "mrr": 100, "mrr_change_90d": 20, "running": 2, "plans": 3,
        "starts": 3, "starts_90d": 1, "ends": 1, "ends_90d": 0, "start_recency_days": 29 + half,
        "end_recency_days": 99 + half, "uses_7d": 30, "uses_30d": 30, "uses_90d": 40, "active_days_30d": 3,
        "use_recency_days": half, "use_streak_days": 3, "use_gap_longest_90d": 60, "use_trend_30d": (30 - 10) / 40,
        "features_used_90d": 2, "uses_per_day_30d": 10, "uses_per_price": 0.3,
        "tickets_30d": 1, "tickets_90d": 2, "tickets_365d": 3, "ticket_mood_90d": -1, "urgent_tickets_90d": 1,
        "payment_failures_90d": 1, "paid_365d": 80, "refunded_share": 0.2,
    }  # fmt: skip
    assert {name: X.loc["A", name] for name in expected} == pytest.approx(expected, abs=1e-6)
    assert X.loc["A", "plan"] == "add-on"
    assert set(X) == {column.name for column in SUBSCRIPTION_FEATURES} == {c.name for c in feature_columns(dataset)}


def test_who_left_and_how(tmp_path: Path) -> None:
    told = how_they_left(company(tmp_path, **ALL), [Window(AS_OF, 90)]).droplevel("as_of")
    assert {str(who): (int(row.left), row.how) for who, row in told.iterrows()} == {
        "A": (0, ""), "C": (1, "payment failed"), "D": (0, ""), "E": (0, ""), "G": (1, "cancelled")}


def test_accounts_attributes_of_today_are_kept_and_never_learned(tmp_path: Path) -> None:
    dataset = company(tmp_path, **ALL)
    assert dataset.frame().loc["A", "churn_flag"] == 1
    assert "churn_flag" not in {column.name for column in feature_columns(dataset)}
    assert "Z" in dataset.frame().index


def test_usage_that_names_no_known_subscription_is_told(tmp_path: Path) -> None:
    paths = write(tmp_path, **ALL)
    findings = read(paths, tmp_path / "read", name="s", now=NOW).findings
    assert [f.rows for f in findings if "belongs to no account with a subscription" in f.what] == [1]


def test_subscriptions_alone_are_enough_and_nothing_else_is(tmp_path: Path) -> None:
    alone = company(tmp_path / "alone", subscriptions=TERMS)
    told = {column.name for column in feature_columns(alone)}
    assert "mrr" in told
    assert "uses_30d" not in told
    with pytest.raises(EngineError, match="None of the files holds subscriptions"):
        read(write(tmp_path / "none", tickets=TICKETS), tmp_path / "none" / "r", "subscriptions", name="s", now=NOW)


def test_an_end_is_not_known_before_its_day(tmp_path: Path) -> None:
    """A file says today when a subscription ended; at an earlier moment nobody knew."""
    dataset = company(tmp_path, **ALL)
    day_before, after = (features(dataset, AS_OF - timedelta(days=days)) for days in (21, 19))
    assert "B" in day_before.index
    assert "B" not in after.index


def world(seed: int, accounts: int) -> dict[str, pd.DataFrame]:
    """Accounts whose use falls before they leave: a company with known truth, in four files."""
    rng = np.random.default_rng(seed)
    rows, use = [], []
    for who in range(accounts):
        start = int(rng.integers(30, 900))
        unhappy = rng.random() < 0.4
        lasts = int(rng.exponential(250 if unhappy else 2_000)) + 40
        rows.append((f"s{who}", f"a{who:04d}", on(start), on(start - lasts) if start - lasts > -180 else "",
                     int(rng.choice([20, 50, 90])), str(rng.choice(["basic", "pro"]))))
        for day in range(start, max(start - lasts, -180), -1):
            near = day - (start - lasts) < 45
            if rng.random() < (0.03 if near else 0.12):
                use.append((f"s{who}", on(day), int(rng.integers(1, 9)), str(rng.choice(["api", "board", "chat"]))))
    return {"subscriptions": terms(*rows), "usage": pd.DataFrame(use, columns=USAGE.columns)}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, Path]:
    folder = tmp_path_factory.mktemp("saas")
    return company(folder, **world(3, 150)), folder


@pytest.mark.slow
def test_training_and_serving_say_the_same_of_random_accounts(made: tuple, rng: np.random.Generator) -> None:
    dataset, _ = made
    moments = [AS_OF - timedelta(days=200), AS_OF, UNTIL]
    batch = features_at(dataset, moments).astype({"plan": object})
    for as_of, who in batch.index[rng.choice(len(batch), 8, replace=False)]:
        alone = features(dataset, as_of.to_pydatetime(), [who]).astype({"plan": object})
        pd.testing.assert_frame_equal(alone, batch.loc[as_of].loc[[who]], check_exact=True)


@pytest.mark.slow
def test_rows_from_the_moment_on_move_no_feature(made: tuple, tmp_path: Path) -> None:
    """Raw rows are added to the files: use, new subscriptions, and ends that come later."""
    _, folder = made
    raw = {name: pd.read_csv(folder / f"{name}.csv", dtype=str) for name in ("subscriptions", "usage")}
    known = {"subscriptions": raw["subscriptions"][raw["subscriptions"]["start_date"] < on(0)],
             "usage": raw["usage"][raw["usage"]["usage_date"] < on(0)]}
    later = known["subscriptions"]["end_date"] >= on(0)
    past = known | {"subscriptions": known["subscriptions"].assign(
        end_date=known["subscriptions"]["end_date"].mask(later))}
    more = raw | {"usage": pd.concat([raw["usage"], raw["usage"].assign(usage_date=on(-1), usage_count="999")])}
    before, after = (features(company(tmp_path / name, **files), AS_OF) for name, files in
                     (("past", past), ("more", more)))
    assert before.nunique().gt(1).sum() > 15
    pd.testing.assert_frame_equal(before, after, check_exact=True)


@pytest.mark.slow
def test_it_can_be_learned_from(made: tuple) -> None:
    dataset, _ = made
    windows = windows_for(dataset, 4)
    known = snapshot(dataset, windows)
    assert known.X.index.equals(known.y.index), "whoever is asked has features and an answer"
    assert 0.02 < labels(dataset, windows).mean() < 0.5
    assert known.X.loc[known.y == 1, "use_trend_30d"].mean() < known.X.loc[known.y == 0, "use_trend_30d"].mean()


def test_other_names_and_a_currency_in_them_are_read_as_the_canonical_ones(tmp_path: Path) -> None:
    days = [on(day) for day in range(0, 120, 2)]
    usage = pd.DataFrame({"account_id": ["A", "B"] * 30, "usage_date": days, "usage_count": 3})
    tickets = pd.DataFrame({"ticket_id": range(60), "account_id": ["A", "B"] * 30, "submitted_at": days,
                            "priority": "low"})
    there = company(tmp_path / "one", subscriptions=TERMS, usage=usage, tickets=tickets)
    here = company(tmp_path / "other", subscriptions=TERMS.rename(columns={"mrr": "mrr_usd"}),
                   usage=usage.rename(columns={"usage_date": "date", "usage_count": "uses"}),
                   tickets=tickets.drop(columns="ticket_id").rename(columns={"submitted_at": "opened_at"}))
    assert here.currency == "USD" and there.currency == ""
    pd.testing.assert_frame_equal(pd.read_parquet(here.events), pd.read_parquet(there.events))  # type: ignore[arg-type]


def test_a_file_with_many_rows_an_account_is_no_file_of_accounts(tmp_path: Path) -> None:
    steps = pd.DataFrame({"account_id": ["A", "B", "C"] * 30, "opened_at": [on(day) for day in range(90)],
                          "wish": range(90)})
    accounts = pd.DataFrame({"account_id": ["A", "B", "C"], "opened_at": on(500), "size": [1, 2, 3]})
    reading = read(write(tmp_path / "in", subscriptions=TERMS, wishes=steps, accounts=accounts), tmp_path / "out",
                   name="saas", now=NOW, observed_until=UNTIL)
    [told] = [found for found in reading.findings if found.where == "wishes.csv"]
    assert told.severity == "warning" and "30.0 rows an account" in told.what and "left out" in told.fix
    assert reading.dataset.frame()["size"].notna().sum() == 3
