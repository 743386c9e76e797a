"""Files brought together: what each join keeps, whatever the key looks like, and what is said of rows without one."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine import onboarding
from engine.data import adapters
from engine.data.doctor import besides, faults, joins, propose, tables
from engine.data.doctor.looks import looks
from engine.data.signal import ranked
from engine.schema import Actor, Reading

NOW = datetime(2026, 7, 1)
ANA = Actor("ana", "admin")


def written(folder: Path, **files: pd.DataFrame) -> list[Path]:
    for name, frame in files.items():
        frame.to_csv(folder / f"{name}.csv", index=False)
    return [folder / f"{name}.csv" for name in files]


def accounts(ids: list[str]) -> pd.DataFrame:
    rng = np.random.default_rng(1)
    return pd.DataFrame({"account_id": ids, "seats": rng.integers(1, 90, len(ids)),
                         "churned": rng.choice(["Yes", "No"], len(ids))})


@pytest.mark.slow
@pytest.mark.parametrize("shape", ["A-{:04d}", "R{:d}", "{:d}"])
@pytest.mark.parametrize("most", [2, 90])
def test_every_row_finds_its_customer_however_many_rows_a_key_has(shape: str, most: int, tmp_path: Path) -> None:
    """A key of which a few stand on many rows is no category whose rare words may become one, nor money in rand."""
    rng = np.random.default_rng(most)
    ids = [shape.format(number) for number in range(4000, 5200)]
    rows = np.repeat(ids, np.where(np.arange(len(ids)) < 60, most, rng.integers(1, 4, len(ids))))
    usage = pd.DataFrame({"account_id": rows, "uses": np.arange(len(rows))})
    whole = tables.together(written(tmp_path, accounts=accounts(ids), usage=usage), NOW)
    assert whole.frame["usage_rows"].sum() == len(rows) and not whole.findings
    assert whole.frame["usage_uses_sum"].sum() == pytest.approx(usage["uses"].sum())


def test_numbers_of_rows_are_not_counted_with(tmp_path: Path) -> None:
    ids = [f"A-{number:03d}" for number in range(300)]
    hours = np.tile([2.0, 5.5, 3.0], 200)
    tickets = pd.DataFrame({"ticket": np.arange(5_001, 5_601), "account_id": ids * 2, "hours": hours})
    whole = tables.together(written(tmp_path, accounts=accounts(ids), support_tickets=tickets), NOW)
    assert "support_tickets_hours_mean" in whole.frame and "support_tickets_ticket_mean" not in whole.frame


def test_a_kept_cure_of_the_key_is_not_carried_out(tmp_path: Path) -> None:
    ids = [f"A-{number}" for number in range(30)]
    usage = pd.DataFrame({"account_id": ids * 3, "uses": 1})
    spoilt = {"name": "usage", "key": "account_id", "to": "account_id", "many": True, "numeric": ["uses"],
              "columns": ["account_id", "uses"],
              "cures": [{"column": "account_id", "cure": "common", "words": ["A-1"]}]}
    raw, _, said = joins.joined(written(tmp_path, accounts=accounts(ids), usage=usage), besides.check([spoilt]))
    assert raw.frame["usage_uses_sum"].eq(3).all() and said == []


def test_rows_without_a_customer_are_told_apart_by_why(tmp_path: Path) -> None:
    ids = [f"A-{number:03d}" for number in range(300)]
    usage = pd.DataFrame({"account_id": [*ids, *ids, "B-1", "B-2", "", "", ""], "uses": 1})
    whole = tables.together(written(tmp_path, accounts=accounts(ids), usage=usage), NOW)
    assert [(found.severity, found.what) for found in whole.findings] == [
        ("note", "3 rows have no account_id."),
        ("note", "In 2 rows account_id is not found in account_id of the customers' table, such as 'B-1'.")]


def test_a_customers_id_is_mended_only_where_it_says_that_nothing_is_known() -> None:
    ids = ["A1", "a1 ", "unknown", "n/a", *(str(number) for number in range(200))]
    frame = pd.DataFrame({"id": ids, "plan": ["x", "y"] * 102})
    found = faults.of_columns(frame, looks(frame), NOW, "id")
    assert [fault.cure["words"] for fault in found if fault.finding.where == "id"] == [["n/a", "unknown"]]


def test_a_column_that_could_name_the_customers_too_is_no_category() -> None:
    rng = np.random.default_rng(3)
    numbers = [f"H{number}" for number in [*rng.integers(0, 40, 400), *range(100, 1700)]]
    frame = pd.DataFrame({"customer_id": [f"C{number:05d}" for number in range(2000)], "household": numbers,
                          "churned": rng.choice(["Yes", "No"], 2000)})
    draft = propose.of_table(frame, "file", NOW)
    assert "household" in draft.mapping["ignored"] and not [c for c in draft.mapping["cures"] if c["cure"] == "common"]


@pytest.mark.slow
@pytest.mark.parametrize(("until", "shared"), [(900, True), (360, False)])
def test_rows_that_go_on_after_the_first_have_left_tell_who_left(until: int, shared: bool, tmp_path: Path) -> None:
    """Everybody has a ticket each thirty days until they leave, on days 400 to 700, or the file ends."""
    day = pd.Timestamp("2023-01-01")
    gone = np.where(np.arange(400) % 3 == 0, 400 + np.arange(400) % 300, 10_000)
    ends = [f"{day + pd.Timedelta(days=int(end)):%Y-%m-%d}" if end < 10_000 else "" for end in gone]
    customers = pd.DataFrame({"customer_id": [f"C{n:03d}" for n in range(400)], "cancel_date": ends,
                              "monthly_fee": 10 + np.arange(400) % 7})
    rows = [(f"C{who:03d}", day + pd.Timedelta(days=at)) for who in range(400)
            for at in range(who % 30, min(until, int(gone[who])), 30)]
    tickets = pd.DataFrame(rows, columns=["customer_id", "opened_on"])
    paths = written(tmp_path, customers=customers, tickets=tickets)
    whole = tables.together(paths, NOW)
    draft = propose.of_table(whole.frame, whole.name, NOW)
    mapping = {**draft.mapping, "files": [besides.written(beside) for beside in whole.besides]}
    assert mapping["label"] == {"column": "cancel_date", "filled": True}
    read = adapters.read(paths, tmp_path / "read", "table", name="x", now=NOW, options={"mapping": mapping})
    severe = [found for found in read.findings if found.severity == "severe"]
    assert len(severe) == shared and all("they do not predict" in found.what for found in severe)
    names = {column.name for column in read.dataset.columns}
    assert "tickets_rows" in names and ("tickets_opened_on_last" in names) != shared


def test_whose_rows_come_of_late_is_told_from_whose_came_before(tmp_path: Path) -> None:
    from engine.data.doctor.besides import Beside
    from engine.data.doctor.joins import attach

    people = pd.DataFrame({"id": ["early", "late", "even", "none", "timeless"]})
    days = {"early": [0, 3, 9], "late": [70, 80, 90], "even": [0, 45, 90, 89]}
    began = pd.Timestamp("2024-01-01")
    rows = [(who, str((began + pd.Timedelta(days=day)).date())) for who, some in days.items() for day in some]
    visits = pd.DataFrame([*rows, ("timeless", "")], columns=["who", "at"]).sample(frac=1, random_state=1)
    beside = Beside("visits", "who", to="id", many=True, columns=("who", "at"), time="at", dates=("at",))
    made, _ = attach(people, {"visits": visits}, [beside])
    told = made.set_index(people["id"])["visits_recent"]
    assert told[["early", "late", "even"]].tolist() == [0.0, 1.0, 0.5]
    assert told[["none", "timeless"]].isna().all()
    counted = made.set_index(people["id"])["visits_rows"].dropna().to_dict()
    assert counted == {"early": 3, "late": 3, "even": 4, "timeless": 1}


@pytest.mark.slow
@pytest.mark.parametrize(("last", "moment"), [("2024-03-31", datetime(2024, 4, 1)), ("2031-01-01", None)])
def test_a_file_is_of_the_moment_at_which_its_joined_rows_end(last: str, moment: datetime | None,
                                                              tmp_path: Path) -> None:
    rows = 120
    pd.DataFrame({"id": [f"C{row:03d}" for row in range(rows)], "age": np.arange(rows) % 60 + 18,
                  "churned": np.arange(rows) % 4 == 0}).to_csv(tmp_path / "people.csv", index=False)
    days = pd.date_range(end=last, periods=300, freq="D").strftime("%Y-%m-%d")
    pd.DataFrame({"id": [f"C{row % rows:03d}" for row in range(300)], "played_at": days,
                  "minutes": np.arange(300) % 50}).to_csv(tmp_path / "plays.csv", index=False)
    sources, now = [tmp_path / "people.csv", tmp_path / "plays.csv"], datetime(2024, 9, 1, 9)
    made = onboarding.propose(sources, name="acme", actor=ANA, now=now)

    def read(drawn: datetime | None = None) -> Reading:
        return adapters.read(sources, tmp_path / f"read-{drawn}", "table", name="acme", now=now, observed_until=drawn,
                             options={"mapping": made.mapping})

    told = read()
    said = [found.what for found in told.findings if "does not say when it was drawn" in found.what]
    if moment is None:  # rows of a time to come tell nothing about the moment up to which the data are known
        assert told.dataset.observed_until <= now
    else:
        assert told.dataset.observed_until == moment
        assert said == ["The file does not say when it was drawn; the last row of plays is of 2024-03-31, and the data "
                        "are taken to be known up to then."]
    assert read(datetime(2024, 5, 1)).dataset.observed_until == datetime(2024, 5, 1)


def test_a_word_that_many_customers_have_once_is_counted_however_many_rows_there_are(tmp_path: Path) -> None:
    """Of 8,000 rows 58 say that a deposit was paid back, to 58 of 400 customers; three have paid a fine 30 times."""
    who = [f"M{row:03d}" for row in range(400)]
    often = [(one, f"kind {(row + each) % 6}") for row, one in enumerate(who) for each in range(20)]
    seldom = [(one, "deposit back") for one in who[::7]] + [(one, "fine") for one in who[:3] for _ in range(30)]
    payments = pd.DataFrame([*often, *seldom], columns=["account_id", "kind"]).sample(frac=1, random_state=1)
    payments["amount"] = np.arange(len(payments))
    whole = tables.together(written(tmp_path, accounts=accounts(who), payments=payments), NOW)
    beside, = whole.besides
    assert len(beside.words["kind"]) == 7 and beside.words["kind"][5:] == ("deposit back", "kind 5")
    assert (whole.frame["payments_kind_deposit_back"] > 0).sum() == len(who[::7])


# ------------------------------------------------------------------------- rows of the time after a customer has left

def club(folder: Path, **names: str) -> list[Path]:
    """Members of a club with their payments: most of those who left have paid a fee for it, after 30 June."""
    rng, rows = np.random.default_rng(8), 1_200
    age = rng.integers(18, 70, rows)
    left = rng.random(rows) < 1 / (1 + np.exp(0.06 * (age - 25)))
    who = [f"M{row:05d}" for row in range(rows)]
    every = [(one, f"2025-0{month}-0{1 + row % 8}", "monthly fee") for row, one in enumerate(who)
             for month in range(1, 7) if rng.random() < 0.9]
    fees = [(one, f"2025-07-{10 + row % 9}", "exit fee") for row, one in enumerate(who)
            if left[row] and rng.random() < 0.7]
    payments = pd.DataFrame([*every, *fees], columns=["member_id", "paid_on", "kind"])
    payments = payments.sample(frac=1, random_state=3).assign(amount=np.arange(len(payments)) % 9 + 30)
    members = pd.DataFrame({"member_id": who, "age": age, "status": np.where(left, "cancelled", "active")})
    folder.mkdir(exist_ok=True)
    for name, frame in (("members", members), ("payments", payments)):
        mine = {old: new for old, new in names.items() if old in frame}
        frame.rename(columns=mine).to_csv(folder / f"{name}.csv", index=False)
    return [folder / "members.csv", folder / "payments.csv"]


@pytest.mark.slow
def test_rows_written_because_a_customer_left_are_left_out_of_all_that_is_counted(tmp_path: Path) -> None:
    found = onboarding.propose(club(tmp_path), name="acme", actor=ANA, now=datetime(2025, 8, 1))
    payments, = besides.check(found.mapping["files"])
    assert (payments.without, payments.words) == ({"kind": ("exit fee",)}, {"kind": ("monthly fee",)})
    told = [finding for finding in found.examined.findings if "written because a customer had left" in finding.what]
    assert [finding.severity for finding in told] == ["warning"] and told[0].rows > 200
    first = found.examined.first
    assert first is not None and (pd.to_datetime(first["payments_paid_on_last"]) < pd.Timestamp("2025-07-01")).all()
    assert found.examined.quarantined == () and found.trainable


@pytest.mark.slow
def test_what_joined_files_say_of_the_moment_of_the_data_or_later_is_left_out(tmp_path: Path) -> None:
    found = onboarding.propose(club(tmp_path), name="acme", actor=ANA, now=datetime(2025, 8, 1),
                               observed_until=datetime(2025, 6, 1))
    late = next(finding for finding in found.examined.findings if "2025-06-01 or later" in finding.what)
    assert late.where == "payments" and late.rows > 1_000
    first = found.examined.first
    assert first is not None and first["payments_rows"].max() <= 5


@pytest.mark.slow
def test_joined_files_whose_columns_are_otherwise_written_are_known_again(tmp_path: Path,
                                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    now = datetime(2025, 8, 1)
    may = onboarding.propose(club(tmp_path), name="acme", actor=ANA, now=now)
    onboarding.keep(may, actor=ANA, now=now)
    june = onboarding.propose(club(tmp_path, member_id="Member ID", paid_on="Paid on", kind="Kind"), name="acme",
                              actor=ANA, now=now)
    assert june.refresh and not june.changes and june.examined.customers == may.examined.customers
    pd.testing.assert_frame_equal(june.examined.first, may.examined.first)


def suite(folder: Path, rows: int = 900) -> list[Path]:
    """Accounts with what they subscribed to and what was written when one left. Nothing tells beforehand who will."""
    rng = np.random.default_rng(12)
    ids = [f"A-{number:04d}" for number in range(rows)]
    left = rng.random(rows) < 0.3
    begun = [(one, day) for one in range(rows) for day in rng.integers(0, 500, rng.integers(3, 9))]
    ended = np.array([rng.random() < (0.45 if left[one] else 0.04) for one, _ in begun])
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta([day for _, day in begun], "D")
    subscriptions = pd.DataFrame({
        "subscription_id": [f"S{place:05d}" for place in range(len(begun))],
        "account_id": [ids[one] for one, _ in begun], "start_date": days.strftime("%Y-%m-%d"),
        "seats": rng.integers(1, 30, len(begun)), "churn_flag": ended,
        "end_date": np.where(ended, (days + pd.Timedelta(days=40)).strftime("%Y-%m-%d"), "")})
    gone = [one for one in range(rows) for _ in range(rng.integers(1, 3)) if left[one] or rng.random() < 0.08]
    events = pd.DataFrame({"churn_event_id": range(len(gone)), "account_id": [ids[one] for one in gone],
                           "reason_code": rng.choice(["price", "budget", "unknown"], len(gone)),
                           "refund": rng.gamma(2, 9, len(gone)).round(2)})
    members = pd.DataFrame({"account_id": ids, "industry": rng.choice(["fin", "edu", "dev"], rows),
                            "age": rng.integers(1, 60, rows), "churn_flag": left})
    for name, frame in (("accounts", members), ("subscriptions", subscriptions), ("churn_events", events)):
        frame.to_csv(folder / f"{name}.csv", index=False)
    return [folder / f"{name}.csv" for name in ("accounts", "subscriptions", "churn_events")]


@pytest.mark.slow
def test_a_file_about_leaving_is_left_out_and_what_was_written_with_it(tmp_path: Path,
                                                                       monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    paths, now = suite(tmp_path), datetime(2026, 8, 1)
    found = onboarding.propose(paths, name="acme", actor=ANA, now=now)
    leaving = {beside.name: beside.leaving for beside in besides.check(found.mapping["files"])}
    assert leaving == {"subscriptions": False, "churn_events": True}
    told, = (one for one in found.examined.findings if one.where == "churn_events")
    assert told.severity == "warning" and "because a customer had left" in told.what
    first = found.examined.first
    assert first is not None and not [name for name in first if name.startswith("churn_events")]
    known = {column for column, _ in found.examined.quarantined}
    assert {"subscriptions_end_date_first", "subscriptions_end_date_last", "subscriptions_churn_flag_mean"} <= known
    assert not {"subscriptions_seats_mean", "subscriptions_rows", "industry", "age"} & known
    onboarding.keep(found, actor=ANA, now=now)
    again = onboarding.propose(paths, name="acme", actor=ANA, now=now)
    assert again.refresh and not again.changes and again.examined.quarantined == found.examined.quarantined


# ------------------------------------------------------------------------------- rows that stop when a customer leaves

def gym(folder: Path, first_to_leave: int, days: int = 360) -> list[Path]:
    """Members who pay each month and come now and then until they leave, from some day on; nothing tells who will."""
    rng, rows = np.random.default_rng(21), 1_500
    left = rng.random(rows) < 0.25
    until = np.where(left, rng.integers(first_to_leave, days, rows), days)
    who = np.array([f"G-{row:04d}" for row in range(rows)])
    pd.DataFrame({"member_id": who, "age": rng.integers(18, 70, rows), "monthly_fee": rng.integers(20, 60, rows),
                  "status": np.where(left, "cancelled", "active")}).to_csv(folder / "members.csv", index=False)
    fees = [(row, day) for row in range(rows) for day in range(row % 28, until[row], 28)]
    visits = [(row, day) for row in range(rows) for day in rng.integers(0, until[row], rng.poisson(until[row] / 40))]
    for name, some, more in (("fees", fees, "amount"), ("visits", visits, "minutes")):
        row, day = np.array(some).T
        at = pd.Timestamp("2024-01-01") + pd.to_timedelta(day, "D")
        pd.DataFrame({"member_id": who[row], f"{name}_at": at.strftime("%Y-%m-%d"), more: rng.integers(5, 90, len(day)),
                      f"{name}_by": rng.choice(["web", "desk"], len(day))}).to_csv(folder / f"{name}.csv", index=False)
    return [folder / f"{name}.csv" for name in ("members", "fees", "visits")]


@pytest.mark.slow
def test_rows_that_stop_when_customers_leave_are_read_up_to_the_first_who_did(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    paths, now = gym(tmp_path, first_to_leave=240), datetime(2025, 2, 1)
    found = onboarding.propose(paths, name="acme", actor=ANA, now=now)
    assert [beside.stops for beside in besides.check(found.mapping["files"])] == [True, False]
    told, = (finding for finding in found.examined.findings if "stop when customers leave" in finding.what)
    assert (told.severity, told.where) == ("warning", "fees") and "fees, visits" in told.what
    assert found.examined.quarantined == ()
    read = adapters.read(paths, tmp_path / "read", "table", name="acme", now=now, options={"mapping": found.mapping})
    customers = pd.read_parquet(read.dataset.customers)
    left = customers["churned"].to_numpy() == 1
    day = (read.dataset.observed_until - datetime(2024, 1, 1)).days
    assert 240 - 28 <= day <= 240 + 3, "of 28 days between fees, and the first 2 % who left within 120 days"
    for name in ("fees_rows", "fees_recent", "visits_rows", "fees_amount_sum"):
        alone = ranked(-customers[name].fillna(0).to_numpy(), left.astype(int))
        assert alone == pytest.approx(0.5, abs=0.05), name
    onboarding.keep(found, actor=ANA, now=now)
    again = onboarding.propose(paths, name="acme", actor=ANA, now=now)
    assert again.refresh and not again.changes and again.examined.customers == found.examined.customers
    drawn = adapters.read(paths, tmp_path / "drawn", "table", name="acme", now=now,
                          observed_until=datetime(2024, 2, 1), options={"mapping": found.mapping})
    assert drawn.dataset.observed_until == datetime(2024, 2, 1), "who knows the moment tells it"


@pytest.mark.slow
def test_who_came_after_the_day_up_to_which_rows_are_read_is_scored_and_not_learned_from(tmp_path: Path) -> None:
    paths = gym(tmp_path, first_to_leave=240)
    fees = pd.read_csv(paths[1])
    late = set(fees["member_id"].unique()[:100])
    fees[~(fees["member_id"].isin(late) & (fees["fees_at"] < "2024-09-15"))].to_csv(paths[1], index=False)
    some = fees[fees["member_id"].isin(late) & (fees["fees_at"] >= "2024-09-15")]["member_id"].nunique()
    found = onboarding.propose(paths, name="acme", actor=ANA, now=datetime(2025, 2, 1))
    told, = (finding for finding in found.examined.findings if "not learned from" in finding.fix)
    assert (told.severity, told.where, told.rows) == ("note", "fees", some)
    read = adapters.read(paths, tmp_path / "read", "table", name="acme", now=datetime(2025, 2, 1),
                         options={"mapping": found.mapping})
    customers = pd.read_parquet(read.dataset.customers)
    assert len(customers) == 1_500 and customers["churned"].isna().sum() == some


@pytest.mark.slow
def test_where_customers_left_all_the_time_nothing_is_counted_of_rows_that_stop(tmp_path: Path) -> None:
    found = onboarding.propose(gym(tmp_path, first_to_leave=60), name="acme", actor=ANA, now=datetime(2025, 2, 1))
    assert [(beside.stops, beside.leaving) for beside in besides.check(found.mapping["files"])] == [(True, True)] * 2
    assert {finding.where for finding in found.examined.findings if "stop when a customer leaves" in finding.what} == \
        {"fees", "visits"}
    assert found.examined.first is not None and not [name for name in found.examined.first if "fees" in name[:5]]
    assert found.examined.quarantined == ()


@pytest.mark.slow
def test_rows_of_the_time_before_anybody_left_are_all_read(tmp_path: Path) -> None:
    """Who left did so after the files end; those who come seldom are among them more often."""
    paths, rng = gym(tmp_path, first_to_leave=359), np.random.default_rng(4)
    visits = pd.read_csv(paths[2])
    members = pd.read_csv(paths[0])
    last = pd.to_datetime(members["member_id"].map(visits.groupby("member_id")["visits_at"].max()))
    idle = (pd.Timestamp("2024-12-26") - last).dt.days.fillna(200)
    gone = idle / 30 - 1.5 + rng.logistic(size=len(members)) > 1
    members.assign(status=np.where(gone, "cancelled", "active")).to_csv(paths[0], index=False)
    found = onboarding.propose(paths, name="acme", actor=ANA, now=datetime(2025, 2, 1))
    assert 0.65 < ranked(idle.to_numpy(), gone.astype(int).to_numpy()) < 0.95
    assert not [beside for beside in besides.check(found.mapping["files"]) if beside.stops]
    assert found.examined.quarantined == ()
