"""A campaign from decisions to its result on a small shop: who is in it, who is left out and why, and what came."""

from __future__ import annotations

import io
import shutil
from datetime import datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine import campaigning, catalog, insight, pipeline, settling, state
from engine.__main__ import main
from engine.campaign import desk, ledger, outcomes, suppression
from engine.campaign.rules import set_rules
from engine.campaign.suppression import Entry
from engine.campaign.tables import ASSIGNMENTS, EXCLUSIONS, OUTCOMES, PLANNED
from engine.campaign.vendors import Settings
from engine.data.demo import DEMOS
from engine.errors import DataError, EngineError, Refused
from engine.evidence.trials import trials, version
from engine.insight.past import effects_of
from engine.insight.stopped import stopped
from engine.schema import DECISIONS
from tests import fuzz
from tests.campaigns import ADA, ANA, EVE, MIA
from tests.traces import onboard, run_and_model

NOW = datetime(2025, 7, 2, 12)
CUSTOMERS = 600


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop with a scoring run made by hand."""
    home = tmp_path_factory.mktemp("campaigning")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_HOME", str(home))
        patch.delenv("HOLDFAST_DATABASE_URL", raising=False)
        written = DEMOS["demo-shop"].write(home.parent / "raw", 1, CUSTOMERS)
        dataset = onboard(list(written.sources), written, NOW)
        run_and_model(dataset, "nobody", NOW)
        state.connect().dispose()
    return home


@pytest.fixture(scope="module")
def launched(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """That shop with its campaign of July running."""
    home = shutil.copytree(made, tmp_path_factory.mktemp("launched") / "home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOLDFAST_HOME", str(home))
        patch.delenv("HOLDFAST_DATABASE_URL", raising=False)
        running(insight.scope("acme"))
        state.connect().dispose()
    return home


@pytest.fixture
def shop(request: pytest.FixtureRequest, made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> insight.Scope:
    """A copy of that shop, for this test alone; with the campaign of July where the test asks for it."""
    whole = request.getfixturevalue("launched") if "there" in request.fixturenames else made
    monkeypatch.setenv("HOLDFAST_HOME", str(shutil.copytree(whole, tmp_path / "home")))
    monkeypatch.delenv("HOLDFAST_DATABASE_URL", raising=False)
    return insight.scope("acme")


@pytest.fixture
def there(shop: insight.Scope) -> ledger.Campaign:
    """The campaign of July, which mia has launched for everybody of the shop."""
    return ledger.named("acme", "July")


def chosen(shop: insight.Scope, treatment: str = "loyalty_points", channel: str = "email", **more: Any) -> pd.DataFrame:
    """One treatment for everybody."""
    ids = sorted(shop.dataset.frame().index)
    return pd.DataFrame({
        "customer_id": ids, "segment": "Champion", "churn_probability": 0.5, "ltv_if_stays": 100.0,
        "treatment": treatment, "channel": channel, "uplift": 0.1, "expected_cost": 2.0, "incremental_margin": 8.0,
        "minutes": 0.0, "propensity": 1.0, **more})[DECISIONS.names]


def drafted(shop: insight.Scope, rows: pd.DataFrame | None = None, **more: Any) -> ledger.Campaign:
    """A draft by mia."""
    asked = {"name": "July", "actor": MIA, "now": NOW, "sender": "Acme", **more}
    return campaigning.draft(shop, chosen(shop) if rows is None else rows, **asked)


def running(shop: insight.Scope, rows: pd.DataFrame | None = None, **more: Any) -> ledger.Campaign:
    """The same, approved and launched by mia."""
    there = drafted(shop, rows, **more)
    campaigning.approve(there.id, actor=MIA, now=NOW)
    return campaigning.launch(there.id, actor=MIA, now=NOW).campaign


def agreed(shop: insight.Scope) -> set[str]:
    """Who may be written to, by the data."""
    frame = shop.dataset.frame()
    return set(frame.index[(frame["consent_email"] == 1) & frame["email"].notna()])


class TestDraft:
    def test_everybody_is_in_it_or_left_out_with_a_reason(self, shop: insight.Scope) -> None:
        there = drafted(shop)
        rows, out = (ledger.table_of(there.id, table) for table in (PLANNED, EXCLUSIONS))
        assert set(rows["customer_id"]) == agreed(shop)
        assert set(rows["customer_id"]) | set(out["customer_id"]) == set(shop.dataset.frame().index)
        assert set(out["reason"]) <= {"no consent to e-mail", "no email known"} and len(out) > 50
        assert abs(rows["holdout"].sum() - 0.1 * len(rows)) < 1
        told = campaigning.described(there.id, actor=EVE)
        assert told["treated"] + told["held_out"] == len(rows) and sum(told["left_out"].values()) == len(out)

    def test_those_treated_get_a_message_and_the_holdout_none(self, shop: insight.Scope) -> None:
        rows = ledger.table_of(drafted(shop).id, PLANNED)
        held = rows["holdout"].astype(bool)
        assert rows.loc[held, "message"].isna().all() and rows.loc[~held, "message"].str.len().between(10, 160).all()
        assert set(rows.loc[~held, "message_source"]) == {"template"}
        without = ledger.table_of(drafted(shop, name="August", sender="").id, PLANNED)
        assert without["message"].isna().all()

    def test_the_same_draft_is_the_same_and_another_seed_another(self, shop: insight.Scope) -> None:
        first, again = drafted(shop), drafted(shop)
        assert first == again
        other = drafted(shop, seed=first.seed + 1)
        assert other.id == first.id and other.content_sha256 != first.content_sha256

    def test_whoever_is_to_be_left_alone_is_passed_over(self, shop: insight.Scope) -> None:
        rows = chosen(shop)
        rows.loc[rows.index[:300], "treatment"] = "none"
        rows.loc[rows.index[300:400], "treatment"] = "leave_alone"
        there = drafted(shop, rows)
        tables = [ledger.table_of(there.id, table) for table in (PLANNED, EXCLUSIONS)]
        assert set(pd.concat(tables)["customer_id"]) == set(rows["customer_id"][400:])
        with pytest.raises(EngineError, match="leaves everybody alone"):
            drafted(shop, chosen(shop, "none"))

    def test_data_without_consent_say_what_is_missing(self, shop: insight.Scope,
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
        bare = pd.DataFrame(index=pd.Index([], name="customer_id"))
        monkeypatch.setattr(campaigning, "contact_of", lambda *_: bare)
        with pytest.raises(EngineError, match=r"Nobody of this plan may be contacted\. 600 customers: the data do not "
                           r"say who agreed to e-mail \(no column consent_email\)\. Bring contact data"):
            drafted(shop)

    def test_broken_decisions_are_refused(self, shop: insight.Scope) -> None:
        with pytest.raises(DataError, match="repeat a key"):
            drafted(shop, pd.concat([chosen(shop), chosen(shop).head(1)]))

    def test_what_was_planned_is_remembered(self, shop: insight.Scope) -> None:
        there = drafted(shop, told={"audience": {"segment": ["Champion"]}, "constraints": {"budget": 500.0},
                                    "figures": {"margin": 12.5}})
        assert (there.audience, there.constraints, there.figures) == (
            {"segment": ["Champion"]}, {"budget": 500.0}, {"margin": 12.5})
        assert (there.run_id, there.version, there.model_id) == (
            shop.run.run_id, shop.dataset.version, shop.run.model_id)
        assert there.synthetic and there.currency == shop.dataset.currency


class TestApprovalAndLaunch:
    def test_the_limit_is_the_datasets_rule(self, shop: insight.Scope) -> None:
        set_rules("acme", {"spend_limit": 100.0}, actor=ADA, now=NOW)
        there = drafted(shop)
        with pytest.raises(Refused, match="a manager must approve it"):
            campaigning.approve(there.id, actor=MIA, now=NOW)
        assert campaigning.approve(there.id, actor=ANA, now=NOW).status == "approved"

    def test_who_unsubscribed_since_the_draft_is_left_out(self, shop: insight.Scope) -> None:
        there = drafted(shop)
        campaigning.approve(there.id, actor=MIA, now=NOW)
        gone = ledger.table_of(there.id, PLANNED)["customer_id"].iloc[:5].tolist()
        suppression.suppress("acme", [Entry(who, "email", "STOP") for who in gone], actor=MIA, now=NOW)
        campaigning.launch(there.id, actor=MIA, now=NOW)
        assert not set(gone) & set(ledger.table_of(there.id, ASSIGNMENTS)["customer_id"])
        out = ledger.table_of(there.id, EXCLUSIONS).set_index("customer_id")["reason"]
        assert set(out[gone]) == {"on the suppression list: STOP"}

    def test_a_second_campaign_spares_holdouts_and_those_who_rest(self, shop: insight.Scope) -> None:
        first = ledger.table_of(running(shop).id, ASSIGNMENTS).set_index("customer_id")["holdout"].astype(bool)
        with pytest.raises(EngineError, match=r"Nobody of this plan may be contacted.*had the same offer"):
            drafted(shop, name="August", now=NOW + timedelta(days=1))
        later = NOW + timedelta(days=80)
        there = drafted(shop, name="September", now=later)
        out = ledger.table_of(there.id, EXCLUSIONS).set_index("customer_id")["reason"]
        held = set(first.index[first])
        assert held == {who for who, why in out.items() if why.startswith('held out by the campaign "July" until')}
        after = drafted(shop, name="October", now=NOW + timedelta(days=91))
        assert held <= set(ledger.table_of(after.id, PLANNED)["customer_id"]), "Its window is over."

    def test_a_closed_campaign_lets_its_holdout_go(self, shop: insight.Scope, there: ledger.Campaign) -> None:
        ledger.close(there.id, "", actor=MIA, now=NOW)
        later = drafted(shop, name="September", now=NOW + timedelta(days=80))
        assert not ledger.table_of(later.id, EXCLUSIONS)["reason"].str.startswith("held out").any()


class TestExport:
    def test_the_list_is_those_treated_and_nobody_held_out(self, there: ledger.Campaign, tmp_path: Path) -> None:
        rows = ledger.table_of(there.id, ASSIGNMENTS)
        held = rows["holdout"].astype(bool)
        made, waiting = campaigning.export(there.id, "csv", tmp_path / "out", actor=MIA, now=NOW)
        [name] = [name for name in made.files if name.endswith(".csv") and "rejected" not in name]
        sent = pd.read_csv(tmp_path / "out" / name, dtype=str)
        assert set(sent["customer_id"]) == set(rows.loc[~held, "customer_id"]) and len(waiting) == 0
        everything = b"".join(made.files.values()).decode("utf-8", "replace")
        assert not [who for who in rows.loc[held, "customer_id"] if who in everything]
        [line] = state.audit_log(verb="export")
        assert line.detail["rows"] == len(sent) and line.detail["campaign"] == there.id
        assert set(line.detail["files"]) == set(made.files)

    def test_whoever_is_called_has_a_file_of_their_own(self, shop: insight.Scope) -> None:
        there = running(shop, chosen(shop, "personal_call", "phone", minutes=10.0))
        made, _ = campaigning.export(there.id, "calls", settings=Settings("July", country="US"), actor=MIA, now=NOW)
        [content] = [content for name, content in made.files.items() if name.endswith("-calls.csv")]
        called = pd.read_csv(io.BytesIO(content), dtype=str).set_index("Customer")
        rows = ledger.table_of(there.id, ASSIGNMENTS).set_index("customer_id")
        left = set(made.rejected["customer_id"])
        assert set(called.index) | left == set(rows.index[~rows["holdout"].astype(bool)])
        assert not left & set(called.index)
        assert called["Message"].to_dict() == rows.loc[called.index, "message"].to_dict()
        assert set(called["Minutes"]) == {"10"} and called["Phone"].str.startswith("+").all()

    def test_klaviyo_takes_it(self, shop: insight.Scope) -> None:
        made, _ = campaigning.export(running(shop).id, "klaviyo", actor=MIA, now=NOW)
        assert made.manifest and any(b"Email Address" in content for content in made.files.values())

    def test_who_was_suppressed_since_is_not_sent(self, there: ledger.Campaign) -> None:
        rows, _ = campaigning.sendable(there.id, actor=MIA, now=NOW)
        suppression.suppress("acme", [Entry(rows["email"].iloc[0], kind="address")], actor=MIA, now=NOW)
        left, waiting = campaigning.sendable(there.id, actor=MIA, now=NOW)
        assert len(left) == len(rows) - 1 and waiting["reason"].tolist() == ["on the suppression list"]
        assert waiting["customer_id"].iloc[0] == rows["customer_id"].iloc[0]

    def test_who_has_left_since_is_not_sent(self, shop: insight.Scope, there: ledger.Campaign) -> None:
        rows, _ = campaigning.sendable(there.id, actor=MIA, now=NOW)
        path = shop.run.folder / "scores.parquet"
        scores = pd.read_parquet(path)
        scores.assign(has_left=(scores["customer_id"] == rows["customer_id"].iloc[0]).astype(int)).to_parquet(
            path, index=False)
        left, stopped = campaigning.sendable(there.id, actor=MIA, now=NOW)
        assert list(left["customer_id"]) == list(rows["customer_id"].iloc[1:])
        assert stopped["reason"].tolist() == ["the customer has left"]
        made, _ = campaigning.export(there.id, "csv", actor=MIA, now=NOW)
        [rejected] = [content for name, content in made.files.items() if name.endswith("-rejected.csv")]
        told = pd.read_csv(io.BytesIO(rejected), dtype=str, encoding="utf-8-sig").iloc[0]
        assert (told["column"], told["reason"]) == ("since the launch", "the customer has left")
        assert made.manifest["rows"] == len(rows) == made.manifest["written"] + 1

    @pytest.mark.parametrize("kind", ["csv", "klaviyo"])
    def test_who_withdrew_or_was_suppressed_since_is_rejected_with_the_reason(
            self, shop: insight.Scope, there: ledger.Campaign, tmp_path: Path, kind: str) -> None:
        """One has withdrawn consent in the data, one wrote STOP; the ledger keeps what was assigned to them."""
        before = ledger.table_of(there.id, ASSIGNMENTS)
        treated = list(before.loc[~before["holdout"].astype(bool), "customer_id"])
        refuses, stops = treated[:2]
        customers = pd.read_parquet(shop.dataset.customers)
        customers.loc[customers["customer_id"] == refuses, "consent_email"] = 0
        customers.to_parquet(shop.dataset.customers, index=False)
        suppression.suppress("acme", [Entry(stops, "email", "STOP")], actor=MIA, now=NOW)
        made, waiting = campaigning.export(there.id, kind, tmp_path, actor=MIA, now=NOW)
        [name] = [name for name in made.files if name.endswith("-rejected.csv")]
        rejected = pd.read_csv(tmp_path / name, dtype=str, encoding="utf-8-sig").set_index("customer_id")
        assert rejected.loc[[refuses, stops], "reason"].tolist() == [
            "no consent to e-mail", "on the suppression list: STOP"]
        assert set(rejected["effect"]) == {"row left out"} and waiting.empty
        [sent] = [content.decode("utf-8-sig") for name, content in made.files.items()
                  if name.endswith(".csv") and "rejected" not in name]
        addresses = customers.set_index("customer_id", drop=False)
        named = addresses["customer_id" if kind == "csv" else "email"]
        assert named[refuses] not in sent and named[stops] not in sent and named[treated[2]] in sent
        assert made.manifest["rows"] == len(treated) == made.manifest["written"] + made.manifest["left_out"]
        pd.testing.assert_frame_equal(ledger.table_of(there.id, ASSIGNMENTS), before)

    def test_nobody_is_called_at_night(self, shop: insight.Scope) -> None:
        there = running(shop, chosen(shop, "personal_call", "phone", minutes=10.0))
        _, waiting = campaigning.sendable(there.id, actor=MIA, now=NOW.replace(hour=23))
        assert set(waiting["reason"]) == {"quiet hours until 2025-07-03 08:00 UTC"}
        with pytest.raises(EngineError, match=r"may be contacted at this moment: .* quiet hours until"):
            campaigning.export(there.id, "csv", actor=MIA, now=NOW.replace(hour=23))
        rows, _ = campaigning.sendable(there.id, actor=MIA, now=NOW)
        assert len(rows) == len(desk.items("acme", actor=MIA)) > 0

    def test_only_what_is_under_way_and_for_those_who_may(self, shop: insight.Scope) -> None:
        there = drafted(shop)
        with pytest.raises(EngineError, match="is draft; only a launched campaign"):
            campaigning.sendable(there.id, actor=MIA, now=NOW)
        with pytest.raises(Refused, match="executive"):
            campaigning.export(running(shop).id, "csv", actor=EVE, now=NOW)


@pytest.mark.slow
class TestOutcomes:
    def file(self, there: ledger.Campaign, path: Path, **more: Any) -> Path:
        """Half of everybody left, in order of id; a stranger beside them."""
        ids = ledger.table_of(there.id, ASSIGNMENTS)["customer_id"]
        frame = pd.DataFrame({"customer_id": [*ids, "stranger"], "stayed": [k % 2 for k in range(len(ids) + 1)],
                              "revenue": 50.0, **more})
        frame.to_csv(path / "outcomes.csv", index=False)
        return path / "outcomes.csv"

    def test_a_file_is_taken_once_and_nobody_is_lost(self, there: ledger.Campaign, tmp_path: Path) -> None:
        file = self.file(there, tmp_path)
        done, read = settling.settle_file(there.id, file, actor=MIA, now=NOW)
        rows = outcomes.with_outcomes(there.id)
        assert (done.new, done.held_out, done.unknown) == (len(rows), int(rows["holdout"].sum()), ("stranger",))
        assert len(read.rejected) == 0 and rows["stayed"].notna().all()
        again, _ = settling.settle_file(there.id, file, actor=MIA, now=NOW + timedelta(days=1))
        assert (again.new, again.known, again.contradicting) == (0, len(rows), ())
        pd.testing.assert_frame_equal(outcomes.with_outcomes(there.id), rows)

    def test_everybody_treated_or_held_out_is_on_the_form(self, shop: insight.Scope, there: ledger.Campaign,
                                                          tmp_path: Path) -> None:
        rows = ledger.table_of(there.id, ASSIGNMENTS)
        name, content = settling.outcome_form(there.id, actor=MIA, now=NOW)
        blank = pd.read_csv(io.BytesIO(content), dtype=str, encoding="utf-8-sig")
        assert set(blank["customer_id"]) == set(rows["customer_id"]) and rows["holdout"].sum() > 0
        assert blank[["stayed", "revenue"]].isna().all(axis=None) and "holdout" not in blank
        assert there.id in name and state.audit_log(verb="export")[0].detail["rows"] == len(rows)
        blank.assign(stayed="yes").to_csv(tmp_path / "form.csv", index=False)
        done, read = settling.settle_file(there.id, tmp_path / "form.csv", actor=MIA, now=NOW)
        assert (done.new, done.held_out) == (len(rows), int(rows["holdout"].sum())) and read.rejected.empty
        with pytest.raises(Refused, match="may not outcomes"):
            settling.outcome_form(there.id, actor=EVE, now=NOW)
        with pytest.raises(EngineError, match="was never launched"):
            settling.outcome_form(drafted(shop, chosen(shop, "early_access"), name="Two").id, actor=MIA, now=NOW)

    def test_a_file_by_address_alone_is_the_same_customers(self, shop: insight.Scope, there: ledger.Campaign,
                                                           tmp_path: Path) -> None:
        """As Klaviyo's files are: they hold no customer_id. Whoever shares an address is told, not guessed."""
        rows = ledger.table_of(there.id, ASSIGNMENTS)
        emails = rows["customer_id"].map(shop.dataset.frame()["email"]).str.strip().str.lower()
        alone = ~emails.duplicated(keep=False)
        pd.DataFrame({"Email": emails, "Churned": "no"}).to_csv(tmp_path / "sent.csv", index=False)
        done, read = settling.settle_file(there.id, tmp_path / "sent.csv", actor=MIA, now=NOW)
        known = outcomes.with_outcomes(there.id)
        assert set(known.loc[known["stayed"] == 1, "customer_id"]) == set(rows.loc[alone, "customer_id"])
        assert done.new + len(read.rejected) == len(rows) and done.new > 100

    def test_what_contradicts_is_told_and_left_unless_meant(self, there: ledger.Campaign, tmp_path: Path) -> None:
        settling.settle_file(there.id, self.file(there, tmp_path), actor=MIA, now=NOW)
        before = outcomes.with_outcomes(there.id)
        file = self.file(there, tmp_path, stayed=1)
        told, _ = settling.settle_file(there.id, file, actor=MIA, now=NOW)
        assert len(told.contradicting) == int((before["stayed"] == 0).sum()) and not told.corrected
        pd.testing.assert_frame_equal(outcomes.with_outcomes(there.id), before)
        settling.settle_file(there.id, file, correct=True, actor=MIA, now=NOW)
        assert (outcomes.with_outcomes(there.id)["stayed"] == 1).all()

    @pytest.mark.slow
    def test_the_next_snapshot_tells_who_left(self, shop: insight.Scope, made: Path, tmp_path: Path) -> None:
        """The newer data: the same shop drawn later, of whom those ids that were in the campaign are asked."""
        early = shop.dataset.observed_until - timedelta(days=95)
        there = drafted(shop, now=early)
        campaigning.approve(there.id, actor=MIA, now=early)
        there = campaigning.launch(there.id, actor=MIA, now=early).campaign
        with pytest.raises(EngineError, match=r"who stayed shows on .*, 90 days after the launch\. Bring newer data"):
            settling.settle_from_data(there.id, actor=MIA, now=NOW)
        raw = sorted((shop.dataset.customers.parent / "raw").iterdir())
        copies = [Path(shutil.copy(path, tmp_path / path.name)) for path in raw]
        orders = next(path for path in copies if path.name == "orders.csv")
        orders.chmod(0o644)
        lines = orders.read_text(encoding="utf-8").splitlines()
        orders.write_text("\n".join(lines[:-1]) + "\n", encoding="utf-8")
        newer = onboard(copies, SimpleNamespace(observed_until=shop.dataset.observed_until, truth=copies[0]), NOW)  # type: ignore[arg-type]
        assert newer.version != shop.dataset.version
        done = settling.settle_from_data(there.id, actor=MIA, now=NOW)
        rows = outcomes.with_outcomes(there.id)
        known = rows[rows["stayed"].notna()]
        assert done.new == len(known) > 100 and done.unknown == ()
        events = pd.read_parquet(newer.events)
        late = events[(events["kind"] == "order") & events["at"].between(early, early + timedelta(days=90), "left")]
        bought = known["customer_id"].isin(set(late["customer_id"]))
        assert (known["stayed"] == bought.astype(float)).all()

    @pytest.mark.slow
    def test_of_snapshots_the_first_after_the_window_says_who_stayed(
            self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
        frame, versions = fuzz._snapshot(np.random.default_rng(1), 600), []
        for month in range(1, 9):
            frame.assign(tenure=str(month)).to_csv(tmp_path / "telecom.csv", index=False)
            versions.append(pipeline.onboard([tmp_path / "telecom.csv"], name="acme", actor=ANA, now=NOW,
                                             observed_until=datetime(2025, month, 1))[0].version)
        there: Any = SimpleNamespace(dataset="acme", version=versions[0], horizon_days=91)
        assert settling._told_by(there, datetime(2025, 4, 15)).version == versions[4]
        assert settling._told_by(there, datetime(2025, 9, 1)).version == versions[-1], "Which is too early, as is told."
        with pytest.raises(EngineError, match="drawn on 2025-01-01, 91 days or more after the window's end"):
            settling._told_by(there, datetime(2024, 9, 1))

    def test_feedback_of_one_customer(self, there: ledger.Campaign) -> None:
        rows = ledger.table_of(there.id, ASSIGNMENTS)
        who, gone = rows.loc[rows["holdout"] == 0, "customer_id"].iloc[:2]
        assert there.ends is not None
        say = {"campaign": there.id, "note": "was glad", "actor": MIA, "now": there.ends}
        early = outcomes.feedback("acme", who, "called", "stayed", 25.0, **say | {"now": NOW})
        assert not early["booked"] and f"once the window ends, on {there.ends:%Y-%m-%d}" in early["not_booked"]
        assert outcomes.feedback("acme", gone, "called", "left", **say | {"now": NOW})["booked"]
        held = rows.loc[rows["holdout"] == 1, "customer_id"].iloc[0]
        mistaken = outcomes.feedback("acme", held, "called by mistake", "stayed", **say)
        assert not mistaken["booked"] and "is held out" in mistaken["not_booked"]
        done = outcomes.feedback("acme", who, "called", "stayed", 25.0, **say)
        assert done["booked"] and not done["replayed"]
        assert outcomes.feedback("acme", who, "called", "stayed", 25.0, **say)["replayed"]
        assert len(outcomes.feedback_of("acme", who, actor=MIA)) == 2
        row = outcomes.with_outcomes(there.id).set_index("customer_id").loc[who]
        assert (row["stayed"], row["revenue"]) == (1.0, 25.0)
        with pytest.raises(EngineError, match="does not know the customer 'stranger'"):
            outcomes.feedback("acme", "stranger", "called", "left", campaign=there.id, actor=MIA, now=NOW)
        assert not outcomes.feedback("acme", "stranger", "called", "open", actor=MIA, now=NOW)["booked"]
        with pytest.raises(EngineError, match="no outcome 'perhaps'"):
            outcomes.feedback("acme", who, "called", "perhaps", actor=MIA, now=NOW)

    def test_feedback_at_the_end_is_news_of_whoever_was_seen_staying_before(self, there: ledger.Campaign) -> None:
        assert there.ends is not None
        rows = ledger.table_of(there.id, ASSIGNMENTS)
        one, two = rows.loc[rows["holdout"] == 0, "customer_id"].iloc[:2]
        seen = pd.DataFrame({"customer_id": [one, two], "stayed": True, "revenue": 5.0, "observed_at": NOW})
        outcomes.settle(there.id, seen, "launch day", actor=MIA, now=NOW)
        assert outcomes.feedback("acme", one, "called", "left", campaign=there.id, actor=MIA,
                                 now=NOW + timedelta(days=3))["booked"]
        assert outcomes.feedback("acme", two, "called", "stayed", campaign=there.id, actor=MIA,
                                 now=there.ends)["booked"]
        again = outcomes.feedback("acme", two, "called again", "left", campaign=there.id, actor=MIA, now=there.ends)
        assert again["not_booked"] == "its outcome is known already"
        known = outcomes.with_outcomes(there.id).set_index("customer_id")
        assert known.loc[[one, two], "stayed"].tolist() == [0.0, 1.0] and known.loc[two, "observed_at"] == there.ends

    def test_a_few_seen_staying_too_early_are_not_known_and_more_are_no_result(self) -> None:
        """100 told at the end of a window on 30 August; five of them may be unknown, six leave too little."""
        ends = datetime(2024, 8, 30, 14)
        told = pd.DataFrame({"stayed": [1.0] * 90 + [0.0] * 10, "observed_at": [datetime(2024, 8, 30)] * 100})
        five, six = (told.assign(observed_at=[NOW.replace(year=2023)] * few + [datetime(2024, 8, 30)] * (100 - few))
                     for few in (5, 6))
        found = outcomes.final(five, ends)
        assert found is not None and found["stayed"].isna().sum() == 5 and outcomes.final(six, ends) is None
        left = told[told["stayed"] == 0].assign(observed_at=datetime(2024, 8, 1))
        assert outcomes.final(left, ends) is None, "Those who left by then are not all who leave."
        both = outcomes.final(pd.concat([left, told[told["stayed"] == 1]], ignore_index=True), ends)
        assert both is not None and both["stayed"].notna().all()

    def test_feedback_is_of_customers_alone(self, shop: insight.Scope) -> None:
        say = {"actor": MIA, "now": NOW}
        with pytest.raises(EngineError, match="acme knows no customer 'NOPE', so nothing was written down"):
            settling.feedback("acme", "NOPE", "called", "open", **say)
        assert outcomes.feedback_of("acme", "NOPE", actor=MIA) == []
        who = shop.dataset.frame().index[0]
        assert settling.feedback("acme", who, "called", "open", **say)["replayed"] is False
        assert len(outcomes.feedback_of("acme", who, actor=MIA)) == 1

    def test_nothing_becomes_of_what_was_not_launched(self, shop: insight.Scope, tmp_path: Path) -> None:
        there = drafted(shop)
        seen = pd.DataFrame({"customer_id": ["1"], "stayed": [True], "revenue": [1.0], "observed_at": [NOW]})
        for act in (lambda: outcomes.settle(there.id, seen, "x", actor=MIA, now=NOW),
                    lambda: settling.result(there.id, actor=MIA),
                    lambda: settling.settle_from_data(there.id, actor=MIA, now=NOW)):
            with pytest.raises(EngineError, match="was never launched"):
                act()
        assert ledger.table_of(there.id, OUTCOMES).empty


@pytest.mark.slow
class TestResult:
    def test_is_measured_on_the_ledger_and_feeds_the_next_plan(self, shop: insight.Scope) -> None:
        """All held out left, all treated stayed: as many saves as were treated."""
        there = running(shop, holdout_share=0.3)
        rows = ledger.table_of(there.id, ASSIGNMENTS)
        treated = int((~rows["holdout"].astype(bool)).sum())
        seen = pd.DataFrame({"customer_id": rows["customer_id"], "stayed": ~rows["holdout"].astype(bool),
                             "revenue": float("nan"), "observed_at": there.ends})
        outcomes.settle(there.id, seen, "by hand", actor=MIA, now=NOW)
        found = settling.result(there.id, actor=EVE).whole
        assert found.saves is not None and found.saves.value == pytest.approx(treated)
        assert found.margin is not None and found.margin.value == pytest.approx(treated * (100 - 2.0))
        assert found.roi is not None and found.roi.value == pytest.approx(49.0)
        assert found.promised.saves == pytest.approx(0.1 * treated) and found.verdict == "it works"
        [whole, part] = settling.measured("acme", actor=EVE)
        assert (whole.treatment, whole.segment, part.segment) == ("loyalty_points", "", "Champion")
        tried = trials("acme")
        assert tried.cells[["treated", "treated_left", "control", "control_left"]].to_numpy().tolist() == [
            [treated, 0, len(rows) - treated, len(rows) - treated]]

    def test_an_outcome_moves_the_rates_of_plans_and_sliders_at_once(self, shop: insight.Scope) -> None:
        there = running(shop, chosen(shop, "early_access"), holdout_share=0.3)
        rows = ledger.table_of(there.id, ASSIGNMENTS)
        seen = pd.DataFrame({"customer_id": rows["customer_id"], "stayed": ~rows["holdout"].astype(bool),
                             "revenue": float("nan"), "observed_at": there.ends})
        cell = ("early_access", "Champion")
        assumed, none = effects_of(shop).estimate(*cell), version("acme")
        assert assumed.n == 0
        outcomes.settle(there.id, seen, "by hand", actor=MIA, now=NOW)
        measured = effects_of(shop).estimate(*cell)
        assert measured.value > assumed.value and measured.n == len(rows)
        start = insight.recovery_starts(shop)["Champion"]
        assert start.treatment.name == cell[0] and start.measured == measured
        wrong, before = seen.assign(stayed=True), version("acme")
        outcomes.settle(there.id, wrong, "again", correct=True, actor=MIA, now=NOW)
        assert len({none, before, version("acme")}) == 3
        assert effects_of(shop).estimate(*cell).value < measured.value, "all stayed: nothing was kept"

    def test_what_is_told_before_the_windows_end_is_so_far_and_teaches_nothing(self, shop: insight.Scope) -> None:
        """A third of those held out left at once, all others are there still; at the end a tenth of them has gone."""
        there = running(shop, chosen(shop, "early_access"), holdout_share=0.3)
        assert there.ends is not None
        rows = ledger.table_of(there.id, ASSIGNMENTS)
        held = rows["holdout"].astype(bool)
        gone = held & (rows.index % 3 == 0)
        seen = pd.DataFrame({"customer_id": rows["customer_id"], "stayed": ~gone, "revenue": 7.0, "observed_at": NOW})
        assumed = effects_of(shop).estimate("early_access", "Champion")
        outcomes.settle(there.id, seen, "launch day", actor=MIA, now=NOW)
        found = settling.result(there.id, actor=EVE)
        assert found.whole.verdict == "it works" and found.caution.startswith(
            f"So far only: the window ends on {there.ends:%Y-%m-%d}, and of {len(rows)} outcomes 0 were seen then or ")
        assert settling.measured("acme", actor=EVE) == () and not len(trials("acme").cells)
        assert effects_of(shop).estimate("early_access", "Champion") == assumed
        leaves = ~held & (rows.index % 10 == 0)
        last = seen.assign(stayed=~(gone | leaves), revenue=float("nan"), observed_at=there.ends)
        done = outcomes.settle(there.id, last, "the end", actor=MIA, now=there.ends)
        assert (done.new, done.known, done.renewed, done.contradicting) == (0, gone.sum(), (~gone).sum(), ())
        assert settling.result(there.id, actor=EVE).caution == ""
        cells = trials("acme").cells[["treated", "treated_left", "control", "control_left"]]
        assert cells.to_numpy().tolist() == [[(~held).sum(), leaves.sum(), held.sum(), gone.sum()]]
        assert (outcomes.with_outcomes(there.id)["revenue"] == 7.0).all(), "What was paid is not forgotten."

    def test_the_shell_gives_the_same_caution(self, there: ledger.Campaign, capsys: pytest.CaptureFixture[str]) -> None:
        rows = ledger.table_of(there.id, ASSIGNMENTS)
        seen = pd.DataFrame({"customer_id": rows["customer_id"], "stayed": ~rows["holdout"].astype(bool),
                             "revenue": float("nan"), "observed_at": NOW})
        outcomes.settle(there.id, seen, "launch day", actor=MIA, now=NOW)
        assert main(["campaign", "result", "--dataset", "acme", "--campaign", "July"]) == 0
        assert settling.result(there.id, actor=EVE).caution in " ".join(capsys.readouterr().out.split())

    def test_nothing_is_tried_before_any_outcome(self, shop: insight.Scope) -> None:
        running(shop)
        assert settling.measured("acme", actor=EVE) == () and not len(trials("acme").cells)


def test_the_catalog_keeps_what_campaigns_rest_on(there: ledger.Campaign) -> None:
    assert catalog.dataset("acme", there.version).customers.is_file()


class TestTheDesk:
    def calls(self, shop: insight.Scope) -> pd.DataFrame:
        """Twelve minutes with everybody, but for the first customer, who gets an e-mail."""
        rows = chosen(shop, "vip_outreach", "post", minutes=12.0)
        rows.loc[0, "minutes"] = 0.0
        return rows

    def test_takes_over_what_needs_an_agent_but_nobody_held_out(self, shop: insight.Scope,
                                                                there: ledger.Campaign) -> None:
        """Post needs no consent, so that only the holdout and whoever was stopped stay off."""
        first = ledger.table_of(there.id, ASSIGNMENTS).set_index("customer_id")["holdout"].astype(bool)
        held = set(first.index[first])
        rows = self.calls(shop)
        stopped = next(who for who in rows["customer_id"][1:] if who not in held)
        suppression.suppress("acme", [Entry(stopped, "all", "STOP")], actor=MIA, now=NOW)
        number, out = campaigning.to_desk(shop, rows, actor=MIA, now=NOW + timedelta(hours=1))
        spared = {*held, stopped} - {rows["customer_id"][0]}
        assert set(out["customer_id"]) == spared and held
        there_now = {item.customer_id: item for item in desk.items("acme", actor=MIA)}
        assert number == len(there_now) == len(rows) - 1 - len(spared)
        assert not there_now.keys() & {*spared, rows["customer_id"][0]}
        assert {(item.stage, item.campaign_id, item.minutes) for item in there_now.values()} == {
            ("at risk", None, 12.0)}
        assert campaigning.to_desk(shop, rows, actor=MIA, now=NOW + timedelta(hours=2))[0] == 0, "Once is enough."

    def test_whoever_is_stopped_since_is_not_among_todays_conversations(self, shop: insight.Scope) -> None:
        """One is suppressed for calls, one withdraws consent, one leaves by the run in use, one is stopped by e-mail,
        which closes no call, and one is as before."""
        scores, path = shop.run.scores(), shop.run.folder / "scores.parquet"
        frame = shop.dataset.frame()
        called, refuses, leaves, mailed, free = frame.index[frame["consent_phone"] == 1][:5]
        rows = chosen(shop, "vip_outreach", "phone", minutes=12.0).set_index("customer_id")
        desk.put("acme", rows.loc[[called, refuses, leaves, mailed, free]].reset_index(), actor=MIA, now=NOW)
        assert stopped("acme", actor=MIA) == {}
        suppression.suppress("acme", [Entry(called, "phone", "STOP"), Entry(mailed, "email")], actor=MIA, now=NOW)
        customers = pd.read_parquet(shop.dataset.customers)
        customers.loc[customers["customer_id"] == refuses, "consent_phone"] = 0
        customers.to_parquet(shop.dataset.customers, index=False)
        scores.assign(has_left=(scores["customer_id"] == leaves).astype(int)).to_parquet(path, index=False)
        why = stopped("acme", actor=MIA)
        assert why == {called: "on the suppression list: STOP", refuses: "no consent to telephone",
                       leaves: "the customer has left"}
        found = desk.worklist("acme", 1_000, NOW.date(), stopped=why, actor=MIA)
        assert {item.customer_id for item in found.today} == {mailed, free} and not found.later
        assert {item.customer_id: item.stopped for item in desk.items("acme", why, actor=MIA)} == {
            **why, mailed: "", free: ""}
        gone = next(item for item in desk.items("acme", actor=MIA) if item.customer_id == leaves)
        desk.change(gone.id, {"stage": "lost", "reason": "left"}, actor=MIA, now=NOW)
        assert leaves not in stopped("acme", actor=MIA), "What has ended is not stopped."

    def test_executives_put_nobody_there(self, shop: insight.Scope) -> None:
        with pytest.raises(Refused, match="may not desk"):
            campaigning.to_desk(shop, self.calls(shop), actor=EVE, now=NOW)
        assert desk.items("acme", actor=MIA) == []
