"""Looking back: what today's model says of what was known then, kept beside the current run, never in its place."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import engine
from engine import catalog, pipeline, state
from engine.data.demo import DEMOS, DemoFiles, telecom_past
from engine.data.demo.telecom import OBSERVED_UNTIL, drawn
from engine.errors import Refused
from engine.schema import Actor

ANA = Actor("ana", "admin")
NOW = datetime(2025, 7, 2)
SHOP, TELECOM = "demo-shop", "demo-telecom"


class TestTheTelecomAsItWas:
    """The same people, with what was so and known on the first of each month before."""

    @pytest.fixture(scope="class")
    def files(self, tmp_path_factory: pytest.TempPathFactory) -> tuple[DemoFiles, dict[datetime, tuple[Path, ...]]]:
        demo, folder = DEMOS[TELECOM], tmp_path_factory.mktemp("telecom")
        return demo.write(folder, 3, 900), dict(demo.earlier(folder, 3, 900))

    @pytest.mark.slow
    def test_there_are_five_months_the_earliest_first(self, files: tuple) -> None:
        assert list(files[1]) == [datetime(2025, month, 1) for month in (2, 3, 4, 5, 6)]

    def test_nobody_is_there_before_joining_and_nobody_else_is(self, files: tuple) -> None:
        today = pd.read_csv(files[0].sources[0]).set_index("customerID")
        for months, (customers, _) in zip((5, 4, 3, 2, 1), files[1].values(), strict=True):
            then = pd.read_csv(customers).set_index("customerID")
            assert list(then.index) == list(today.index[today["tenure"] >= months])
            assert (then["tenure"] == today.loc[then.index, "tenure"] - months).all()
            unchanged = ["gender", "Contract", "InternetService", "email", "consent_sms"]
            assert then[unchanged].equals(today.loc[then.index, unchanged])

    def test_bills_add_up_from_month_to_month(self, files: tuple) -> None:
        """What was billed in a month lies between the bill before and the bill after a change of it."""
        tables = [pd.read_csv(paths[0], na_values=" ").set_index("customerID") for paths in files[1].values()]
        tables.append(pd.read_csv(files[0].sources[0], na_values=" ").set_index("customerID"))
        assert (tables[0]["MonthlyCharges"] != tables[-1]["MonthlyCharges"].loc[tables[0].index]).any()
        for before, after in pairwise(tables):
            both = after.loc[before.index]
            billed = both["TotalCharges"].fillna(0) - before["TotalCharges"].fillna(0)
            bills = pd.concat([before["MonthlyCharges"], both["MonthlyCharges"]], axis=1)
            assert (billed >= bills.min(axis=1) - 0.02).all() and (billed <= bills.max(axis=1) + 0.02).all()

    def test_who_left_later_is_still_there_and_nobody_returns(self, files: tuple) -> None:
        today = pd.read_csv(files[0].sources[0]).set_index("customerID")["Churn"] == "Yes"
        marked = [frame.index[frame["Churn"] == "Yes"] for frame in
                  (pd.read_csv(paths[0]).set_index("customerID") for paths in files[1].values())]
        assert [len(ids) for ids in marked[:3]] == [0, 0, 0], "they left within the 91 days before today"
        assert 0 < len(marked[3]) < len(marked[4]) < today.sum()
        assert set(marked[3]) < set(marked[4]) < set(today.index[today])

    def test_nothing_that_came_later_is_in_the_events(self, files: tuple) -> None:
        later = pd.read_csv(files[0].sources[1], parse_dates=["at"])
        for until, (customers, events) in files[1].items():
            known = pd.read_parquet(events)
            here = set(pd.read_csv(customers)["customerID"])
            expected = later[(later["at"] < until) & later["customer_id"].isin(here)].reset_index(drop=True)
            pd.testing.assert_frame_equal(known, expected, check_dtype=False)

    def test_the_same_seed_gives_the_same_files(self, files: tuple, tmp_path: Path) -> None:
        again = dict(DEMOS[TELECOM].earlier(tmp_path, 3, 900))
        for until, paths in files[1].items():
            assert [path.read_bytes() for path in paths] == [path.read_bytes() for path in again[until]]

    def test_leaving_lies_in_the_window_before_today(self) -> None:
        company = drawn(400, np.random.default_rng(1))
        left_at = telecom_past.leaving(company, np.random.default_rng(2))
        assert left_at.notna().equals(company.customers["churned"] == 1)
        assert left_at.dropna().between(OBSERVED_UNTIL - timedelta(days=91), OBSERVED_UNTIL).all()

    def test_a_shop_has_no_earlier_files(self, tmp_path: Path) -> None:
        assert list(DEMOS[SHOP].earlier(tmp_path, 3, 900)) == []


@pytest.mark.slow
class TestTheDemoCompanies:
    def test_earlier_runs_lie_beside_the_current_one(self, read_companies: Path) -> None:
        for name, days in ((TELECOM, [150, 122, 91, 61, 30, 0]), (SHOP, [150, 120, 90, 60, 30, 7, 0])):
            runs = catalog.runs(name)
            assert [(OBSERVED_UNTIL - run.as_of).days for run in runs] == days
            assert catalog.run(name) == runs[-1] and catalog.previous(runs[-1]) == runs[-2]
            assert [run.looks_back for run in runs] == [True] * (len(runs) - 1) + [False]
            assert len({run.model_id for run in runs}) == 1
            told = engine.describe_runs(name, Actor("eve", "executive"))
            assert [run["looks_back"] for run in told] == [run.looks_back for run in runs]
            assert [run["in_use"] for run in told] == [False] * (len(runs) - 1) + [True]

    def test_each_telecom_run_has_the_version_of_its_day(self, read_companies: Path) -> None:
        current = catalog.dataset(TELECOM)
        for run in catalog.runs(TELECOM):
            then = catalog.dataset(TELECOM, run.version)
            assert then.observed_until == run.as_of and then.synthetic and run.customers == len(then.frame())
        assert current.observed_until == OBSERVED_UNTIL and len(catalog.versions(TELECOM)) == 6
        assert {run.version for run in catalog.runs(SHOP)} == {catalog.dataset(SHOP).version}

    def test_the_scores_are_those_of_one_function(self, read_companies: Path) -> None:
        for name in (TELECOM, SHOP):
            run = catalog.runs(name)[1]
            card = engine.predict(name, run.scores()["customer_id"].iloc[5], actor=ANA, now=NOW, run_id=run.run_id)
            kept = run.scores().set_index("customer_id").loc[card["customer_id"]]
            assert card["churn_probability"] == pytest.approx(kept["churn_probability"], rel=1e-9)
            assert card["as_of"] == run.as_of.isoformat()

    def test_people_move_but_not_all_at_once(self, read_companies: Path) -> None:
        for name in (TELECOM, SHOP):
            before, now = (run.scores().set_index("customer_id") for run in catalog.runs(name)[-2:])
            both = before.index.intersection(now.index)
            was, has = before.loc[both, "churn_probability"], now.loc[both, "churn_probability"]
            assert 0.5 < np.corrcoef(was, has)[0, 1] < 1
            assert 0 < (has - was).abs().mean() < 0.2

    def test_done_again_it_adds_nothing(self, own_companies: Path) -> None:
        runs = catalog.runs(SHOP)
        moments = [run.as_of for run in runs[:2]]
        again = pipeline.look_back(catalog.dataset(SHOP), moments, actor=ANA, now=NOW)
        assert again == runs[:2] and catalog.runs(SHOP) == runs and catalog.run(SHOP) == runs[-1]
        entry = state.audit_log(1)[0]
        assert entry.verb == "score" and entry.detail == {"run_ids": [run.run_id for run in again], "looks_back": True}

    def test_moments_without_enough_before_them_are_left_out(self, own_companies: Path) -> None:
        shop = catalog.dataset(SHOP)
        assert pipeline.look_back(shop, [datetime(2021, 12, 1), shop.observed_until], actor=ANA, now=NOW) == []
        assert pipeline.look_back(catalog.dataset(TELECOM), [datetime(2025, 4, 2)], actor=ANA, now=NOW) == []

    def test_not_everybody_may(self, read_companies: Path) -> None:
        with pytest.raises(Refused):
            pipeline.look_back(catalog.dataset(SHOP), actor=Actor("eve", "executive"), now=NOW)


MAPPING = """
id = "id"
horizon_days = 30
tenure = "months"
numeric = ["calls"]
ignored = ["seats"]
[label]
column = "left"
positive = "yes"
[money]
column = "fee"
per = "month"
"""


def month(calls: float, rng: np.random.Generator) -> pd.DataFrame:
    """400 customers of whom those who call leave more often."""
    frame = pd.DataFrame({"id": [f"c{n:03d}" for n in range(400)], "months": rng.integers(1, 40, 400), "fee": 20.0,
                          "calls": rng.poisson(calls, 400), "seats": rng.integers(1, 9, 400)})
    return frame.assign(left=np.where(rng.uniform(size=400) < 0.1 + 0.6 * (frame["calls"] > 2), "yes", "no"))


@pytest.mark.slow
def test_one_files_own_months_are_looked_back_on(home: Path, tmp_path: Path, rng: np.random.Generator) -> None:
    """February's model asks for seats, which January's mapping ignored, and passes it over; March's judges February."""
    (tmp_path / "plain.toml").write_text(MAPPING, encoding="utf-8")
    (tmp_path / "seats.toml").write_text(MAPPING.replace('ignored = ["seats"]', "").replace(
        '["calls"]', '["calls", "seats"]'), encoding="utf-8")
    for place, (mapping, calls) in enumerate([("plain", 1.0), ("seats", 1.5), ("seats", 2.0)], start=1):
        month(calls, rng).to_csv(tmp_path / "acme.csv", index=False)
        engine.run([tmp_path / "acme.csv"], name="acme", adapter="table", actor=ANA,
                   now=NOW + timedelta(days=place), observed_until=datetime(2025, place, 1),
                   options={"mapping": tmp_path / f"{mapping}.toml"},
                   settings=engine.Settings(quick=True))
    runs = catalog.runs("acme")
    told = [(run.as_of.month, run.looks_back) for run in runs]
    assert told == [(1, False), (2, False), (2, True), (3, False)]
    assert runs[2].model_id == runs[3].model_id != runs[1].model_id
    assert catalog.run("acme") == runs[3] and catalog.previous(runs[3]) == runs[2]
    assert catalog.dataset("acme").observed_until == datetime(2025, 3, 1)
