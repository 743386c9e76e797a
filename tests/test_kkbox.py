"""KKBox's files: exact schemas in, events out; what is dirty is told, what repeats counts once; generated alike."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import engine
from engine import catalog
from engine.data.adapters import guess, read
from engine.data.answers import checked
from engine.data.demo import streaming
from engine.data.demo.streaming import OBSERVED_UNTIL
from engine.data.features import features
from engine.data.labels import freeze_labels, labels, windows_for
from engine.errors import DataError, EngineError
from engine.schema import Actor, Dataset, Reading, Window

NOW = datetime(2025, 7, 2)
MEMBERS = ["msno", "city", "bd", "gender", "registered_via", "registration_init_time"]
TRANSACTIONS = ["msno", "payment_method_id", "payment_plan_days", "plan_list_price", "actual_amount_paid",
                "is_auto_renew", "transaction_date", "membership_expire_date", "is_cancel"]
LOGS = ["msno", "date", "num_25", "num_50", "num_75", "num_985", "num_100", "num_unq", "total_secs"]


def small(folder: Path, transactions: list[list], logs: list[list] = (), members: list[list] = (), **options: object
          ) -> Reading:
    folder.mkdir(exist_ok=True)
    paths = []
    for name, head, rows in (("transactions", TRANSACTIONS, transactions), ("user_logs", LOGS, logs),
                             ("members_v3", MEMBERS, members)):
        if rows:
            paths.append(folder / f"{name}.csv")
            pd.DataFrame(rows, columns=head).to_csv(paths[-1], index=False)
    return read(paths, folder / "read", name="small", now=NOW, options=options)


def term(who: str, on: int, until: int, cancel: int = 0, price: int = 149, paid: float = 149, plan: int = 30) -> list:
    return [who, 41, plan, price, paid, 1, on, until, cancel]


def test_the_published_files_become_events(tmp_path: Path) -> None:
    reading = small(tmp_path, [term("a+/=", 20150930, 20151101), term("b", 20151001, 20151020, cancel=1)],
                    [["a+/=", 20151005, 2, 1, 0, 1, 6, 8, 1860.5]],
                    [["a+/=", 1, 0, "", 11, 20110911], ["c", 13, 28, "female", 9, 20150101]])
    dataset, events = reading.dataset, pd.read_parquet(reading.dataset.events)
    assert dataset.kind == "events"
    assert dataset.sector == "streaming"
    assert guess([tmp_path / "user_logs.csv", tmp_path / "transactions.csv"]).name == "kkbox"
    assert list(events["kind"]) == ["subscription", "play", "subscription_cancelled"]
    first = events.iloc[0]
    assert (first["at"], first["expires_at"]) == (datetime(2015, 9, 30, 23, 59, 59), datetime(2015, 11, 1))
    assert (first["amount"], first["quantity"], first["method"], first["auto_renew"]) == (149, 30, "41", 1)
    play = events.iloc[1]
    assert play[["quantity", "plays", "plays_full", "plays_left", "titles"]].tolist() == [1860.5 / 60, 10, 7, 2, 8]
    customers = dataset.frame()
    assert list(customers.index) == ["a+/=", "b", "c"]
    assert customers.loc["c", "age_years"] == 28
    assert np.isnan(customers.loc["a+/=", "age_years"]), "0 is nobody's age"
    assert customers.loc["a+/=", "registered_at"] == datetime(2011, 9, 11)


def test_rows_that_repeat_count_once_also_over_files(tmp_path: Path) -> None:
    rows = [term("a", 20240101, 20240131), term("a", 20240131, 20240301)]
    pd.DataFrame([*rows, rows[0]], columns=TRANSACTIONS).to_csv(tmp_path / "transactions.csv", index=False)
    pd.DataFrame(rows[1:], columns=TRANSACTIONS).to_csv(tmp_path / "transactions_v2.csv", index=False)
    reading = read([tmp_path / "transactions.csv", tmp_path / "transactions_v2.csv"], tmp_path / "r", name="x", now=NOW)
    assert len(pd.read_parquet(reading.dataset.events)) == 2
    assert any("2 rows repeat another exactly" in finding.what for finding in reading.findings)


def test_dirty_cells_are_told_and_left_out(tmp_path: Path) -> None:
    reading = small(tmp_path, [term("a", 20240101, 19700101), term("a", 20240102, 20240201),
                               term("b", 20240103, 20240102)],
                    [["a", 20240105, 1, 0, 0, 0, 1, 1, -9.2e15], ["a", 20240106, -3, 0, 0, 0, 1, 1, 90_000],
                     ["a", 20240107, 1, 0, 0, 0, 1, 1, 60]],
                    [["a", 1, 1051, "", 7, 20240101], ["b", 1, -43, "", 7, 20240101]])
    said = " ".join(finding.what for finding in reading.findings)
    assert "1 membership ends before the year 2000" in said
    assert "1 subscription had ended before the day of buying" in said
    assert "1 day of listening with an impossible length or count" in said
    assert "Row 1 holds -9200000000000000.0, which is no usable number." in said
    assert "2 ages are not from 5 to 100" in said
    assert reading.rejected["reason"].str.contains("1970-01-01 is no date").sum() == 1
    events = pd.read_parquet(reading.dataset.events)
    assert events.loc[events["kind"] == "play", "quantity"].dropna().tolist() == [1.0]


def test_money_given_back_buys_and_cancels_nothing(tmp_path: Path) -> None:
    dataset = small(tmp_path, [term("a", 20240101, 20240131), term("a", 20240110, 20240501, paid=-149)]).dataset
    events = pd.read_parquet(dataset.events)
    assert events["kind"].tolist() == ["subscription", "return"]
    assert events["amount"].tolist() == [149, 149]
    X = features(dataset, datetime(2024, 1, 20))
    assert X.loc["a", ["renewals", "days_to_expiry", "paid"]].tolist() == [1, 11, 149]


def test_a_day_is_sorted_as_kkbox_sorts_it(tmp_path: Path) -> None:
    """Within a day: the greatest of price, plan and method as text first; cancellations after what they cancel."""
    day = 20240105
    rows = [term("a", day, 20240204, price=149), term("a", day, 20240104, cancel=1, price=149),
            term("a", day, 20240304, price=99, plan=60), term("a", 20240101, 20240110),
            term("a", day, 20240206, price=149), term("a", day, 20240101, cancel=1, price=149)]
    events = pd.read_parquet(small(tmp_path, rows).dataset.events).sort_values("event_id")
    ends = events["expires_at"].dt.strftime("%m%d").tolist()
    assert ends == ["0110", "0304", "0204", "0206", "0104", "0101"], "'9960..' comes before '14930..' as text"


def test_rows_that_come_late_or_in_any_order_are_the_same_company(tmp_path: Path) -> None:
    rows = [term("a", 20240101 + n, 20240201 + n) for n in range(20)] + [term("b", 20240115, 20240215)]
    first = small(tmp_path / "one", rows)
    other = small(tmp_path / "two", rows[::-1])
    pd.testing.assert_frame_equal(pd.read_parquet(first.dataset.events), pd.read_parquet(other.dataset.events))


def test_transactions_alone_are_enough(tmp_path: Path) -> None:
    dataset = small(tmp_path, [term("a", 20240101, 20240131), term("a", 20240131, 20240301)]).dataset
    X = features(dataset, datetime(2024, 2, 10))
    assert X.loc["a", ["renewals", "days_to_expiry", "late_last_days"]].tolist() == [2, 20, 0]
    assert "listen_days_7d" not in X


def test_logs_alone_are_refused_with_advice(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match="fits no adapter"):
        small(tmp_path, [], [["a", 20240105, 1, 0, 0, 0, 1, 1, 60]])
    with pytest.raises(EngineError, match="None of the files holds transactions"):
        read([tmp_path / "user_logs.csv"], tmp_path / "r", "kkbox", name="x", now=NOW)


def test_a_file_of_mostly_unreadable_dates_is_refused(tmp_path: Path) -> None:
    rows = [term("a", "soon", 20240201) for _ in range(9)] + [term("b", 20240101, 20240201)]  # type: ignore[arg-type]
    with pytest.raises(DataError, match="cannot be used"):
        small(tmp_path, rows)


@pytest.mark.slow
class TestGenerated:
    @pytest.fixture(scope="class")
    def made(self, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, tuple[Path, ...]]:
        folder = tmp_path_factory.mktemp("made")
        return folder, streaming.make(folder, 2, 150)[0]

    def test_has_the_exact_schemas(self, made: tuple[Path, tuple[Path, ...]]) -> None:
        folder, _ = made
        for name, columns in (("members_v3", MEMBERS), ("transactions", TRANSACTIONS), ("user_logs", LOGS)):
            frame = pd.read_csv(folder / f"{name}.csv")
            assert list(frame.columns) == columns
            assert frame["msno"].str.fullmatch(r"[A-Za-z0-9+/]{43}=").all()
        logs = pd.read_csv(folder / "user_logs.csv")
        assert (logs["num_unq"] <= logs[LOGS[2:7]].sum(axis=1)).all()
        assert logs["total_secs"].between(0, 86_400).all()
        assert not logs.duplicated(["msno", "date"]).any()

    def test_says_nothing_of_what_comes_after(self, made: tuple[Path, tuple[Path, ...]]) -> None:
        folder, _ = made
        until = int(f"{OBSERVED_UNTIL:%Y%m%d}")
        assert pd.read_csv(folder / "transactions.csv")["transaction_date"].max() < until
        assert pd.read_csv(folder / "user_logs.csv")["date"].max() < until

    def test_comes_in_blocks_that_are_one_company(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Any size in little memory: as many members as asked for, each once, equal for equal seeds."""
        monkeypatch.setattr(streaming, "BLOCK", 40)
        for folder in ("one", "two"):
            (tmp_path / folder).mkdir()
            streaming.make(tmp_path / folder, 9, 100)
        members = pd.read_csv(tmp_path / "one" / "members_v3.csv")
        assert members["msno"].nunique() == 100
        for name in ("members_v3.csv", "transactions.csv", "user_logs.csv", "truth.parquet"):
            assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()

    def test_its_chances_come_true_as_often_as_they_say(self) -> None:
        """Known truth: in ten bands of the true chance, as many leave as it says."""
        rng = np.random.default_rng(4)
        members = streaming.draw_members(9_000, rng)
        truth = streaming.truth(streaming.live(members, rng), members)
        assert len(truth) > 3_000
        band = pd.qcut(truth["churn_probability"], 8, labels=False)
        for _, rows in truth.groupby(band):
            said, came = rows["churn_probability"].mean(), rows["churned"].mean()
            assert abs(said - came) < 4 * np.sqrt(said * (1 - said) / len(rows)) + 0.002


@pytest.mark.slow
class TestFrozenAnswers:
    @pytest.fixture
    def company(self, tmp_path: Path) -> tuple[Dataset, tuple[Window, ...], Path]:
        sources, _ = streaming.make(tmp_path, 3, 150)
        dataset = read(sources, tmp_path / "read", "kkbox", name="x", now=NOW, observed_until=OBSERVED_UNTIL).dataset
        windows = windows_for(dataset, 5)
        return freeze_labels(dataset, windows, tmp_path / "read"), windows, tmp_path

    def test_are_those_that_were_computed(self, company: tuple[Dataset, tuple[Window, ...], Path]) -> None:
        dataset, windows, _ = company
        computed = labels(replace(dataset, answers=None), windows)
        pd.testing.assert_series_equal(labels(dataset, windows), computed)
        who = computed.index.get_level_values("customer_id")[3]
        alone = labels(replace(dataset, answers=None), windows, [who])
        pd.testing.assert_series_equal(labels(dataset, windows, [who]), alone)
        assert set(checked(dataset)["how"]) >= {"", "cancelled", "lapsed"}

    def test_do_not_move_with_what_came_later(self, company: tuple[Dataset, tuple[Window, ...], Path]) -> None:
        dataset, windows, _ = company
        before = labels(dataset, windows)
        events = pd.read_parquet(dataset.events)
        events[events["kind"] == "play"].to_parquet(dataset.events, index=False)
        pd.testing.assert_series_equal(labels(dataset, windows), before)

    def test_another_window_is_asked_of_the_events(self, company: tuple[Dataset, tuple[Window, ...], Path]) -> None:
        dataset, windows, _ = company
        other = Window(windows[0].as_of - timedelta(days=7), 60)
        assert len(labels(dataset, [other]))
        assert other.as_of not in checked(dataset)["as_of"].tolist()

    def test_forget_an_erased_customer_and_are_still_those_that_were_frozen(self, home: Path, tmp_path: Path) -> None:
        ana = Actor("ana", "admin")
        sources, _ = streaming.make(tmp_path, 3, 120)
        with catalog.staging("service") as staged:
            reading = read(sources, staged, "kkbox", name="service", now=NOW, observed_until=OBSERVED_UNTIL)
            windows = windows_for(reading.dataset, 4)
            reading = replace(reading, dataset=freeze_labels(reading.dataset, windows, staged))
            dataset = catalog.register(reading, staged, sources, actor=ana, now=NOW)
        before = labels(dataset, windows)
        who = before.index.get_level_values("customer_id")[0]
        engine.erase_customer("service", who, reason="asked for it", actor=ana, now=NOW)
        left = catalog.dataset("service")
        assert left.answers_sha256 != dataset.answers_sha256
        after = labels(left, windows)
        assert who not in after.index.get_level_values("customer_id")
        pd.testing.assert_series_equal(after, before.drop(who, level="customer_id"))
        holds = [path.name for path in left.customers.parent.rglob("*") if path.is_file()
                 and who.encode() in path.read_bytes()]
        assert holds == [], "no file of the version names the customer, the raw ones neither"

    def test_that_were_changed_are_refused(self, company: tuple[Dataset, tuple[Window, ...], Path]) -> None:
        dataset, windows, _ = company
        rows = pd.read_parquet(dataset.answers)
        rows.assign(churned=1 - rows["churned"]).to_parquet(dataset.answers)
        with pytest.raises(EngineError, match="are not those that were frozen"):
            labels(dataset, windows)
        dataset.answers.unlink()
        with pytest.raises(EngineError, match="are missing"):
            labels(dataset, windows)
