"""KKBox's rule of churn: by hand, against a second hand that walks row by row, and against every way to break it."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine.data.adapters import read
from engine.data.demo import streaming
from engine.data.features import features_at
from engine.data.labels import how_they_left, labels, snapshot, windows_for
from engine.data.renewals import renewal_answers
from engine.errors import EngineError
from engine.schema import Dataset, LabelRule, MoneyRule, Window

AS_OF = datetime(2024, 3, 1)
LATE = timedelta(seconds=86_399)


def day(number: int) -> datetime:
    """So many days after the moment."""
    return AS_OF + timedelta(days=number)


def write(folder: Path, rows: list[tuple[str, int, str, int | None, float | None]]) -> Path:
    """Rows of customer, day of the event, kind, day of the end, renews by itself; in the order in which they count."""
    frame = pd.DataFrame(rows, columns=["customer_id", "day", "kind", "ends", "auto_renew"])
    frame["at"] = [day(number) + LATE for number in frame["day"]]
    frame["expires_at"] = pd.to_datetime([None if pd.isna(ends) else day(int(ends)) for ends in frame["ends"]])
    frame["event_id"] = [f"{place:06d}" for place in range(len(frame))]
    frame = frame.assign(group_id=None, amount=1.0, quantity=30.0).astype({"group_id": object, "auto_renew": float})
    frame = frame.astype({"at": "datetime64[us]", "expires_at": "datetime64[us]"})
    path = folder / "events.parquet"
    frame.drop(columns=["day", "ends"]).to_parquet(path)
    return path


def told(path: Path, **more: object) -> dict[str, tuple[int, str]]:
    answers = renewal_answers(path, [AS_OF], 60, 30, **more).droplevel("as_of")
    return {str(who): (int(row.left), row.how) for who, row in answers.iterrows()}


BUY, CANCEL, FAIL = "subscription", "subscription_cancelled", "payment_failure"


def test_who_is_judged_and_who_left(tmp_path: Path) -> None:
    path = write(tmp_path, [
        ("renews on the day", -20, BUY, 10, 1.0), ("renews on the day", 10, BUY, 40, 1.0),
        ("29 days late", -20, BUY, 10, 0.0), ("29 days late", 39, BUY, 69, 0.0),
        ("30 days late", -20, BUY, 10, 0.0), ("30 days late", 40, BUY, 70, 0.0),
        ("never", -20, BUY, 10, 0.0),
        ("early", -20, BUY, 10, 1.0), ("early", 0, BUY, 40, 1.0),
        ("ends on the first day", -30, BUY, 0, 1.0),
        ("ended the day before", -31, BUY, -1, 1.0),
        ("ends on the last day", -1, BUY, 29, 1.0),
        ("ends after", -1, BUY, 30, 1.0),
        ("renewed before the moment", -20, BUY, 10, 1.0), ("renewed before the moment", -1, BUY, 40, 1.0),
        ("comes later", 5, BUY, 20, 1.0),
    ])
    assert told(path) == {
        "renews on the day": (0, ""), "29 days late": (0, ""), "30 days late": (1, "lapsed"), "never": (1, "lapsed"),
        "early": (0, ""), "ends on the first day": (1, "payment failed"), "ends on the last day": (1, "payment failed"),
    }


def test_a_cancellation_brings_the_end_forward_and_never_back(tmp_path: Path) -> None:
    path = write(tmp_path, [
        ("cancels at once", -20, BUY, 20, 1.0), ("cancels at once", 2, CANCEL, 2, 1.0),
        ("cancels at once", 25, BUY, 55, 1.0),
        ("too late after the cancellation", -20, BUY, 20, 1.0), ("too late after the cancellation", 2, CANCEL, 2, 1.0),
        ("too late after the cancellation", 32, BUY, 62, 1.0),
        ("a later end is no end", -20, BUY, 2, 1.0), ("a later end is no end", 1, CANCEL, 25, 1.0),
        ("a later end is no end", 32, BUY, 62, 1.0),
        ("cancels after renewing", -20, BUY, 10, 1.0), ("cancels after renewing", 9, BUY, 40, 1.0),
        ("cancels after renewing", 11, CANCEL, 11, 1.0),
        ("had cancelled before", -20, BUY, 40, 1.0), ("had cancelled before", -5, CANCEL, 5, 1.0),
        ("cancelled away from the moment", -20, BUY, 10, 1.0), ("cancelled away from the moment", -5, CANCEL, -5, 1.0),
    ])
    assert told(path) == {
        "cancels at once": (0, ""), "too late after the cancellation": (1, "cancelled"),
        "a later end is no end": (1, "cancelled"), "cancels after renewing": (0, ""),
        "had cancelled before": (1, "cancelled"),
    }


def test_voluntary_and_involuntary_are_kept_apart_where_the_data_tell(tmp_path: Path) -> None:
    path = write(tmp_path, [
        ("cancelled", -20, BUY, 10, 1.0), ("cancelled", 3, CANCEL, 10, 1.0),
        ("lapsed", -20, BUY, 10, 0.0),
        ("payment failed", -20, BUY, 10, 1.0),
        ("payment failed, told", -20, BUY, 10, None), ("payment failed, told", 10, FAIL, None, None),
        ("unknown", -20, BUY, 10, None),
    ])
    assert {who: how for who, (_, how) in told(path).items()} == {
        "cancelled": "cancelled", "lapsed": "lapsed", "payment failed": "payment failed",
        "payment failed, told": "payment failed", "unknown": "unknown"}


def test_a_subscription_that_had_ended_when_it_was_bought_renews_nothing(tmp_path: Path) -> None:
    path = write(tmp_path, [("a", -20, BUY, 10, 0.0), ("a", 12, BUY, 11, 0.0)])
    assert told(path) == {"a": (1, "lapsed")}


def test_where_everybody_is_judged_whoever_runs_on_has_stayed(tmp_path: Path) -> None:
    far = 5_000
    path = write(tmp_path, [
        ("runs on", -20, BUY, far, 1.0),
        ("upgrades, then leaves", -20, BUY, far, 1.0), ("upgrades, then leaves", 3, BUY, far, 1.0),
        ("upgrades, then leaves", 12, CANCEL, 13, 1.0),
        ("leaves and returns", -20, BUY, far, 1.0), ("leaves and returns", 3, CANCEL, 4, 1.0),
        ("leaves and returns", 20, BUY, far, 1.0),
        ("leaves after the asked days", -20, BUY, far, 1.0), ("leaves after the asked days", 35, CANCEL, 36, 1.0),
        ("gone", -20, BUY, far, 1.0), ("gone", -3, CANCEL, -2, 1.0),
    ])
    assert told(path, everybody=True) == {
        "runs on": (0, ""), "upgrades, then leaves": (1, "cancelled"), "leaves and returns": (0, ""),
        "leaves after the asked days": (0, "")}


def by_hand(rows: pd.DataFrame, as_of: datetime) -> int | None:
    """The published labeller's walk over one member's sorted transactions; None for whoever is not judged."""
    end = None
    for row in rows[rows["at"] < as_of].itertuples():
        end = row.expires_at
    if end is None or not as_of <= end < as_of + timedelta(days=30):
        return None
    for row in rows[(rows["at"] >= as_of) & (rows["at"] < as_of + timedelta(days=60))].itertuples():
        if row.kind == CANCEL:
            end = min(end, row.expires_at)
        else:
            return int((row.at.normalize() - end).days >= 30)
    return 1


@pytest.mark.slow
def test_random_histories_agree_with_the_walk(tmp_path: Path, rng: np.random.Generator) -> None:
    rows: list[tuple] = []
    for who in range(400):
        when, ends = int(rng.integers(-200, -20)), 0
        for _ in range(rng.integers(1, 14)):
            cancels = rng.random() < 0.25
            ends = when + int(rng.integers(0, 12)) if cancels else when + int(rng.integers(1, 45))
            rows.append((f"c{who:03d}", when, CANCEL if cancels else BUY, ends, float(rng.integers(2))))
            when += int(rng.integers(0, 40))
    path = write(tmp_path, rows)
    events = pd.read_parquet(path)
    moments = [day(-40), AS_OF, day(11)]
    found = renewal_answers(path, moments, 60, 30)["left"].astype(int).to_dict()
    walked = {(pd.Timestamp(as_of), who): answer for as_of in moments for who, mine in events.groupby("customer_id")
              if (answer := by_hand(mine, as_of)) is not None}
    assert len(walked) > 150
    assert 0.1 < np.mean(list(walked.values())) < 0.9
    assert found == walked


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> tuple[Dataset, pd.DataFrame]:
    """A generated service, read through its adapter, and its truth."""
    folder = tmp_path_factory.mktemp("service")
    sources, truth = streaming.make(folder, 5, 260)
    reading = read(sources, folder / "read", "kkbox", name="service", now=datetime(2025, 7, 2),
                   observed_until=streaming.OBSERVED_UNTIL)
    return reading.dataset, pd.read_parquet(truth)


@pytest.mark.slow
def test_the_moment_asks_the_members_whose_truth_is_known(service: tuple[Dataset, pd.DataFrame]) -> None:
    dataset, truth = service
    known = features_at(dataset, [streaming.OBSERVED_UNTIL]).droplevel("as_of")
    assert set(known.index) == set(truth.index)
    assert len(truth) > 60


@pytest.mark.slow
def test_what_the_rule_says_of_the_whole_future_is_the_truth(tmp_path: Path) -> None:
    """The generator goes on for the window; the files end before it. With the rest, the rule finds who left and how."""
    rng = np.random.default_rng(8)
    members = streaming.draw_members(600, rng)
    terms = streaming.live(members, rng)
    whole = streaming.transactions(terms, members, rng, until=streaming.LAST_DAY)
    whole.to_csv(tmp_path / "transactions.csv", index=False)
    until = streaming.OBSERVED_UNTIL + timedelta(days=streaming.WINDOW_DAYS)
    dataset = read([tmp_path / "transactions.csv"], tmp_path / "read", "kkbox", name="s", now=until,
                   observed_until=until).dataset
    found = how_they_left(dataset, [Window(streaming.OBSERVED_UNTIL, streaming.WINDOW_DAYS)]).droplevel("as_of")
    truth = streaming.truth(terms, members).reindex(found.index)
    assert len(found) > 150
    assert truth["churned"].notna().all()
    assert found["left"].astype(int).tolist() == truth["churned"].astype(int).tolist()
    left = found["left"] == 1
    assert found.loc[left, "how"].tolist() == truth.loc[left, "how"].tolist()


@pytest.mark.slow
def test_a_window_that_is_not_over_is_refused(service: tuple[Dataset, pd.DataFrame]) -> None:
    dataset, _ = service
    with pytest.raises(EngineError, match="observed until 2025-07-01"):
        labels(dataset, [Window(datetime(2025, 5, 3), 60)])
    assert windows_for(dataset, 1)[0].ends == dataset.observed_until


@pytest.mark.slow
def test_features_and_answers_ask_the_same_members(service: tuple[Dataset, pd.DataFrame]) -> None:
    dataset, _ = service
    windows = windows_for(dataset, 4)
    known = snapshot(dataset, windows)
    every = features_at(dataset, [window.as_of for window in windows])
    assert known.X.index.equals(every.index), "whoever is asked has features and an answer, and nobody else"
    assert all(earlier.ends <= later.as_of for earlier, later in pairwise(windows))


@pytest.mark.slow
def test_only_choices_count_where_that_is_asked(service: tuple[Dataset, pd.DataFrame]) -> None:
    dataset, _ = service
    windows = windows_for(dataset, 6)
    chosen = replace(dataset, label=replace(dataset.label, leavers="voluntary"))
    every, voluntary = labels(dataset, windows), labels(chosen, windows)
    forced = how_they_left(dataset, windows)["how"] == "payment failed"
    assert forced.sum() > 3
    assert set(every.index) - set(voluntary.index) == set(forced.index[forced])
    assert every[voluntary.index].equals(voluntary)


def test_the_rule_is_told_in_words_and_days(tmp_path: Path) -> None:
    rule = LabelRule("renewal", 60, "w", grace_days=30)
    assert rule.horizon_days - rule.grace_days == 30
    sources, _ = streaming.make(tmp_path, 1, 20)
    told_ = read(sources, tmp_path / "r", "kkbox", name="x", now=datetime(2025, 7, 2),
                 options={"horizon_days": 120, "grace_days": 20}).dataset.label
    assert (told_.horizon_days, told_.grace_days, told_.assumed) == (120, 20, False)
    assert "runs out within 100 days" in told_.words
    with pytest.raises(EngineError, match="no day beside"):
        read(sources, tmp_path / "r", "kkbox", name="x", now=datetime(2025, 7, 2), options={"horizon_days": 30})
    assert MoneyRule("price_per_month", "month").per == "month"
