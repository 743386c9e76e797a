"""The onboarding doctor: recognition on companies made at random, cures by hand, the kept mapping, what is accepted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine import catalog, onboarding
from engine.data import adapters, headless
from engine.data.adapters import mapping as mappings
from engine.data.doctor import besides, changes, cures, joins, propose, recognise, tables
from engine.data.doctor.looks import look, looks
from engine.data.labels import snapshot, windows_for
from engine.data.names import snake
from engine.errors import DataError, EngineError, Refused
from engine.onboarding import Proposal
from engine.schema import Actor
from tests import fuzz
from tests.companies import Company, company
from tests.exports import company as export
from tests.files import small, visits

ANA = Actor("ana", "manager")
NOW = datetime(2024, 7, 1)


@pytest.fixture(autouse=True)
def _home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))


def proposed(made: Company, folder: Path) -> Proposal:
    return onboarding.propose(made.write(folder), name="acme", actor=ANA, now=NOW)


# -------------------------------------------------------------------------------------------- companies made at random

def _customers_in(made: Company, column: str) -> set[str]:
    """Whom a column names, over all files that have it: a further file may spell the id's name otherwise."""
    return {str(who) for frame in made.files.values() if column in frame for who in frame[column]}


def wrong(made: Company, parts: dict[str, Any], used: set[str]) -> list[str]:
    """What of a company is not recognised as it is."""
    label = parts["label"]
    value = {"<date>"} if label.value == "filled" else set(label.value.split("|"))
    found = [f"the label is {label.column!r}, not {made.label!r}"] if label.column != made.label else []
    found += [f"{value} means left, not {set(made.positive)}"] if not found and value != made.positive else []
    named = parts["id"].column
    same = named == made.id or _customers_in(made, named) == _customers_in(made, made.id) != set()
    found += [] if same else [f"the id is {named!r}, not {made.id!r}"]
    return found + [f"{name} is not used" for name in sorted(made.honest - used)]


@pytest.mark.parametrize("seed", range(100, 106))
@pytest.mark.slow
def test_a_company_nobody_has_met_is_recognised(seed: int, tmp_path: Path) -> None:
    made = company(seed, rows=500)
    whole = tables.together(made.write(tmp_path), NOW)
    draft = propose.of_table(whole.frame, whole.name, NOW)
    used = {part.column for part in (*draft.parts, *draft.columns) if part.role != "ignored"}
    assert wrong(made, {part.role: part for part in draft.parts}, used) == []


EXPORTS = {"sheets": "saas", "file of leavers": "card", "some unanswered": "web", "title lines": "telco"}


@pytest.mark.slow
@pytest.mark.parametrize("make", [*(partial(company, seed, rows=1_500) for seed in (200, 201)), *(
    partial(export, 7, sector=sector, layout=layout, rows=1_400) for layout, sector in EXPORTS.items())],
    ids=["200", "201", *EXPORTS])
def test_every_leak_is_quarantined_and_nothing_honest(make: Callable[[], Company], tmp_path: Path) -> None:
    made = make()
    proposal = proposed(made, tmp_path)
    parts = {part.role: part for part in proposal.parts}
    used = {part.column for part in (*proposal.parts, *proposal.columns) if part.role != "ignored"}
    assert wrong(made, parts, used) == []
    kept_out = {name for name, _ in proposal.examined.quarantined}
    assert {snake(name) for name in made.leaks & used} <= kept_out
    assert not {snake(name) for name in made.honest} & kept_out
    assert not proposal.examined.stopped and proposal.examined.left == pytest.approx(made.left.mean(), abs=0.01)


# --------------------------------------------------------------------------------------------------------------- cures

def test_cures_do_what_they_say_and_no_more() -> None:
    frame = pd.DataFrame({
        "plan": ["Basic", " basic", "BASIC ", "Pro"], "rate": ["17 %", "0.2", "30", ""],
        "fee": ["R$ 1,200.50", "x", "3", "-7"], "who": ["a", "a", "b", "c"], "ok": ["sim", "Não", "SIM", "?"],
        "age": ["40", "unknown", "-", "51"]}).astype("category")
    specs = [{"column": "plan", "cure": "spelling", "values": ["Basic", "Pro"]}, {"column": "rate", "cure": "percent"},
             {"column": "fee", "cure": "number"}, {"column": "ok", "cure": "yes_no"},
             {"column": "age", "cure": "missing", "words": ["unknown", "-"]}, {"column": "gone", "cure": "percent"}]
    done, _ = cures.cured(frame, specs, "file", "who")
    assert done["plan"].tolist() == ["Basic", "Basic", "Basic", "Pro"]
    assert done["rate"].tolist() == ["0.17", "0.2", "0.3", ""]
    assert done["fee"].tolist() == ["1200.5", "x", "3", "-7"]
    assert done["ok"].tolist() == ["Yes", "No", "Yes", ""] and done["age"].tolist() == ["40", "", "", "51"]


def test_repeats_go_and_the_latest_row_of_a_customer_stays() -> None:
    frame = pd.DataFrame({"who": ["a", "a", "a", "b"], "month": ["2024-01", "2024-03", "2024-02", "2024-01"],
                          "x": ["1", "3", "2", "9"]})
    done, _ = cures.cured(pd.concat([frame, frame]), [{"cure": "repeats"}, {"column": "month", "cure": "date"},
                                                      {"column": "month", "cure": "latest"}], "file", "who")
    assert done["x"].tolist() == ["3", "9"]


def test_a_cure_that_is_none_is_refused() -> None:
    with pytest.raises(EngineError, match="no cure 'magic'"):
        mappings.check({"id": "a", "value": "months", "cures": [{"column": "x", "cure": "magic"}]})


def test_numbers_written_with_units_and_words_among_them_are_numbers() -> None:
    seen = look(pd.Series(["12 months", "2 years", "unknown", "7 months"] * 30), "t")
    assert (seen.kind, seen.low, seen.high) == ("number", 7, 24)
    keys = pd.Series(["7e12345678901", *map(str, range(50))])  # on the first one pandas' own parser ends the process
    assert look(keys, "key").kind == "number"


# ------------------------------------------------------------------------------------------------------------- proposal

def test_a_proposal_says_what_it_rests_on_and_keeps_nothing(tmp_path: Path) -> None:
    proposal = onboarding.propose([small(tmp_path)], name="acme", actor=ANA, now=NOW)
    assert proposal.trainable and proposal.kind == "snapshot" and proposal.examined.customers == 600
    told = {part.role: (part.column, part.value, part.word) for part in proposal.parts if part.column}
    assert told["id"] == ("client_no", "", "sure") and told["label"] == ("status", "cancelled", "sure")
    assert told["money"] == ("monthly_fee", "month", "sure") and told["tenure"] == ("months_active", "months", "sure")
    assert all(part.evidence for part in (*proposal.parts, *proposal.columns))
    assert "spelling" in [cure.spec["cure"] for cure in proposal.cures]
    assert mappings.parsed(proposal.toml, "kept")["label"] == {"column": "status", "positive": "cancelled"}
    assert catalog.datasets() == [] and onboarding.kept("acme") is None


def test_a_person_may_decide_otherwise(tmp_path: Path) -> None:
    before = onboarding.propose([small(tmp_path)], name="acme", actor=ANA, now=NOW)
    after = onboarding.amended(before, parts={"tenure": "", "per": "365", "currency": "EUR"}, uses={"plan": "ignored"},
                               cures=dict.fromkeys(range(len(before.cures)), False), horizon_days=30)
    plan = mappings.check(after.mapping)
    assert (plan.tenure, plan.per, plan.currency, plan.horizon_days, plan.cures) == ("", "total", "EUR", 30, ())
    assert "plan" in plan.ignored and "months_active" in plan.ignored and after.trainable
    with pytest.raises(EngineError, match="used as one of"):
        onboarding.amended(before, uses={"plan": "decoration"})


def test_without_a_label_it_says_so(tmp_path: Path) -> None:
    path = small(tmp_path)
    pd.read_csv(path).drop(columns="status").to_csv(path, index=False)
    proposal = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    assert proposal.kind == "snapshot without a label" and not proposal.trainable
    report = onboarding.accept(proposal, actor=ANA, now=NOW)
    assert report["trained"] is False and report["customers"] == 600 and catalog.dataset("acme").label.kind == "none"


def test_too_few_leavers_are_kept_and_nothing_is_predicted(tmp_path: Path) -> None:
    path = small(tmp_path)
    frame = pd.read_csv(path)
    frame[(frame["status"] == "active") | (frame.index < 60)].to_csv(path, index=False)
    proposal = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    assert "a model needs 50 of each kind" in proposal.examined.too_few
    assert not proposal.trainable and not proposal.examined.stopped
    report = onboarding.accept(proposal, actor=ANA, now=NOW)
    assert not report["trained"] and "Nothing is predicted" in report["why"] and "run_id" not in report
    assert "status" not in catalog.dataset("acme").frame()
    full = onboarding.propose([small(tmp_path / "june")], name="acme", actor=ANA, now=NOW)
    assert full.refresh and full.trainable and full.part("label").column == "status"


def test_totals_lines_above_and_a_column_that_stands_twice_are_no_customers_and_no_news(tmp_path: Path) -> None:
    path = small(tmp_path)
    head, *rows = path.read_text().splitlines()
    lines = ["Our customers", "", f"{head},plan", *(f"{row},{row.split(',')[2]}" for row in rows), "Total,600,,,,"]
    path.write_text("\n".join(lines) + "\n")
    proposal = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    assert proposal.trainable and proposal.examined.customers == 600
    assert proposal.part("id").column == "client_no" and "plan_2" in proposal.mapping["ignored"]


def test_percent_among_shares_is_read_as_shares_unasked_where_no_doubt_is_left(tmp_path: Path) -> None:
    share = np.round(np.random.default_rng(3).beta(2, 3, 600), 3)
    path = small(tmp_path, returned=np.where(np.arange(600) % 20 == 0, 100 * share, share), worth=np.exp(4 * share - 2))
    proposal = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    assert {"column": "returned", "cure": "percent"} in [cure.spec for cure in proposal.cures if cure.on]
    reading = adapters.read([path], tmp_path / "read", name="acme", now=NOW, options={"mapping": proposal.mapping})
    assert reading.dataset.frame()["returned"].to_numpy() == pytest.approx(share, abs=1e-9)


@pytest.mark.slow
def test_a_flag_named_like_a_contact_field_and_infinite_ratios_are_learned_from(tmp_path: Path) -> None:
    path = small(tmp_path, Phone=[0, 1] * 300, ratio=[1.5, float("inf"), 2.5, 3.5] * 150)
    frame = pd.read_csv(path)
    for kind in ("csv", "parquet"):
        way = tmp_path / f"clients.{kind}"
        frame.to_csv(way, index=False) if kind == "csv" else frame.to_parquet(way)
        proposal = onboarding.propose([way], name="acme", actor=ANA, now=NOW)
        assert proposal.trainable, proposal.examined.findings
        reading = adapters.read([way], tmp_path / kind, "table", name="acme", now=NOW,
                                options={"mapping": proposal.mapping})
        X = snapshot(reading.dataset, windows_for(reading.dataset, n=1)).X
        assert {"phone_2", "ratio"} <= set(X) and X["ratio"].isna().mean() == 0.25


def test_what_is_advised_can_be_done_on_the_screen_and_in_a_shell(tmp_path: Path) -> None:
    """An option of the command line stands beside the field of the screen that says the same."""
    bare = onboarding.propose([small(tmp_path)], name="acme", actor=ANA, now=NOW)
    seen = [f"2024-06-{n % 28 + 1:02d}" for n in range(600)]
    dated = onboarding.propose([small(tmp_path / "dated", last_login=seen)], name="acme", actor=ANA, now=NOW)
    told = [fix for one in (bare, dated) for fix in (finding.fix for finding in one.examined.findings)]
    fields = {"--as-of": "Drawn on", "horizon_days": "Leaving within"}
    assert all(any(option in fix for fix in told) for option in fields)
    assert not [fix for fix in told for option, field in fields.items() if option in fix and field not in fix]


def test_yes_and_no_in_other_words_are_told_as_they_are_written(tmp_path: Path) -> None:
    path = small(tmp_path, newsletter=["ja", "nein"] * 300, calls=["Ja", "nein", "ja", "nein"] * 150)
    found = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    told = {fault.finding.where: fault.finding.what for fault in found.faults if fault.cure.get("cure") == "yes_no"}
    assert told["newsletter"] == "Yes and no are written ja and nein."
    assert told["calls"].startswith("Yes and no are spelled 3 ways: nein,")


def test_who_left_is_told_in_the_words_of_the_file_next_month_too(tmp_path: Path) -> None:
    def month(name: str, seed: int) -> Path:
        path = small(tmp_path / name, seed=seed)
        frame = pd.read_csv(path)
        left = frame.pop("status").map({"cancelled": "ja", "active": "nein"})
        frame.assign(cancelled=left).to_csv(path, index=False)
        return path

    first = onboarding.propose([month("may", 5)], name="acme", actor=ANA, now=NOW)
    assert (first.part("label").value, first.mapping["label"]["positive"]) == ("ja", "Yes")
    onboarding.keep(first, actor=ANA, now=NOW)
    again = onboarding.propose([month("june", 6)], name="acme", actor=ANA, now=NOW)
    assert again.refresh and again.part("label").value == "ja"
    moved = onboarding.amended(again, parts={"tenure": ""})
    assert moved.mapping["label"] == first.mapping["label"] and moved.examined.left == again.examined.left


def test_who_may_not_onboard_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Refused):
        onboarding.propose([small(tmp_path)], name="acme", actor=Actor("eve", "executive"), now=NOW)


def test_the_next_file_needs_no_clicks_and_differences_are_said(tmp_path: Path,
                                                                monkeypatch: pytest.MonkeyPatch) -> None:
    first = onboarding.propose([small(tmp_path / "may")], name="acme", actor=ANA, now=NOW)
    onboarding.keep(first, actor=ANA, now=NOW)
    path = small(tmp_path / "june", seed=6, region="north")
    frame = pd.read_csv(path)
    frame = frame.assign(monthly_fee=frame["monthly_fee"] * 100, plan=frame["plan"].replace("Pro", "Gold"))
    frame.drop(columns="months_active").to_csv(path, index=False)
    again = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    said = {(change.kind, change.where) for change in again.changes}
    assert again.refresh and said == {("new column", "region"), ("missing column", "months_active"),
                                      ("new categories", "plan"), ("unit", "monthly_fee")}
    told = {found.where: found.severity for found in onboarding.grave(again)}
    assert told == {"monthly_fee": "severe", "months_active": "warning"}, "A fee in cents heads every figure."
    with monkeypatch.context() as patch:
        patch.setattr("engine.pipeline.run", lambda *_, **more: {"said": more["said"]})
        assert onboarding.accept(again, actor=ANA, now=NOW)["said"] == onboarding.grave(again)
    assert again.trainable and again.part("label").evidence == "as agreed before"
    onboarding.keep(again, actor=ANA, now=NOW)
    assert onboarding.kept_portrait("acme").keys() >= {"months_active", "region"}


@pytest.mark.slow
def test_a_new_fault_is_mended_unasked_and_what_was_declined_stays_so(tmp_path: Path) -> None:
    first = onboarding.propose([small(tmp_path, seats=[3, 4, 5] * 200)], name="acme", actor=ANA, now=NOW)
    declined = onboarding.amended(first, cures=dict.fromkeys(range(len(first.cures)), False))
    onboarding.keep(declined, actor=ANA, now=NOW)
    june = onboarding.propose([small(tmp_path / "june", seats=["3", "unknown", "5"] * 200)], name="acme", actor=ANA,
                              now=NOW)
    plan = mappings.check(june.mapping)
    assert [(cure["column"], cure["cure"]) for cure in plan.cures] == [("seats", "missing")]
    assert {cure["column"] for cure in plan.declined} == {"plan"}
    onboarding.keep(june, actor=ANA, now=NOW)
    july = onboarding.propose([small(tmp_path / "july", seats=["3", "n.d.", "5"] * 200)], name="acme", actor=ANA,
                              now=NOW)
    assert set(mappings.check(july.mapping).cures[0]["words"]) == {"unknown", "n.d."}


def test_a_column_that_is_missing_once_is_not_forgotten(tmp_path: Path) -> None:
    first = onboarding.propose([small(tmp_path / "may")], name="acme", actor=ANA, now=NOW)
    onboarding.keep(first, actor=ANA, now=NOW)
    path = small(tmp_path / "june", seed=6)
    pd.read_csv(path).drop(columns="plan").to_csv(path, index=False)
    june = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    onboarding.keep(june, actor=ANA, now=NOW)
    assert "plan" not in june.mapping["categorical"] and "plan" in (onboarding.kept("acme") or {})["categorical"]


@pytest.mark.slow
def test_tenure_recency_and_contact_come_back_when_their_columns_are_there_again(tmp_path: Path) -> None:
    """June calls the months otherwise and lacks two columns; July is as May was, and is read as May was."""
    more = {"days_since_login": list(range(600)), "correo": [f"k{n}@example.org" for n in range(600)]}
    may = onboarding.propose([small(tmp_path / "may", **more)], name="acme", actor=ANA, now=NOW)
    first = onboarding.amended(may, parts={"tenure": "months_active", "recency": "days_since_login", "email": "correo"})
    onboarding.keep(first, actor=ANA, now=NOW)
    odd = small(tmp_path / "june", seed=6)
    pd.read_csv(odd).rename(columns={"months_active": "tenure_m"}).to_csv(odd, index=False)
    june = onboarding.propose([odd], name="acme", actor=ANA, now=NOW)
    assert "tenure" not in june.mapping and not june.examined.stopped, "June itself is read without them"
    onboarding.keep(june, actor=ANA, now=NOW)
    july = onboarding.propose([small(tmp_path / "july", seed=7, **more)], name="acme", actor=ANA, now=NOW)
    plan, then = mappings.check(july.mapping), mappings.check(first.mapping)
    assert (plan.tenure, plan.recency) == ("months_active", "days_since_login") == (then.tenure, then.recency)
    assert plan.contact == then.contact == {"email": "correo"}
    moved = onboarding.amended(june, parts={"tenure": "tenure_m"})
    onboarding.keep(moved, actor=ANA, now=NOW)
    assert (onboarding.kept("acme") or {})["tenure"] == "tenure_m", "what a person says of the file at hand counts more"


@pytest.mark.slow
def test_a_currency_once_named_is_kept_and_another_ones_signs_are_told(tmp_path: Path) -> None:
    may = onboarding.propose([small(tmp_path / "may")], name="acme", actor=ANA, now=NOW, options={"currency": "USD"})
    assert may.part("currency").value == "USD" and not [one for one in may.examined.findings if one.where == "currency"]
    onboarding.keep(may, actor=ANA, now=NOW)
    assert (onboarding.kept("acme") or {})["currency"] == "USD"
    path = small(tmp_path / "june", seed=6)
    frame = pd.read_csv(path)
    frame.assign(monthly_fee="€" + frame["monthly_fee"].astype(str)).to_csv(path, index=False)
    june = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    told = [one for one in june.examined.findings if one.severity == "severe"]
    assert [one.where for one in told] == ["currency"] and "USD" in told[0].what and "EUR" in told[0].what
    named = onboarding.propose([path], name="acme", actor=ANA, now=NOW, options={"currency": "EUR"})
    assert named.mapping["currency"] == "EUR"
    assert not [one for one in named.examined.findings if one.where == "currency"]


@pytest.mark.slow
def test_a_window_once_said_holds_next_month(tmp_path: Path) -> None:
    may = onboarding.propose([small(tmp_path / "may")], name="acme", actor=ANA, now=NOW, options={"horizon_days": 45})
    onboarding.keep(may, actor=ANA, now=NOW)
    june = onboarding.propose([small(tmp_path / "june", seed=6)], name="acme", actor=ANA, now=NOW)
    assert june.refresh and june.mapping["horizon_days"] == 45
    assert not [one for one in june.examined.findings if "days are taken" in one.what], "nothing is assumed any more"
    other = onboarding.propose([small(tmp_path / "july", seed=7)], name="acme", actor=ANA, now=NOW,
                               options={"horizon_days": 30})
    assert other.mapping["horizon_days"] == 30, "what is said now counts more"
    anew = onboarding.propose([small(tmp_path / "july", seed=7)], name="acme", actor=ANA, now=NOW, anew=True)
    assert "horizon_days" not in anew.mapping


@pytest.mark.slow
def test_a_window_once_said_of_orders_holds_next_month(tmp_path: Path) -> None:
    path = tmp_path / "visits.csv"
    visits(customers=300).assign(amount=5).to_csv(path, index=False)
    first = onboarding.propose([path], name="acme", actor=ANA, now=NOW, options={"horizon_days": 33})
    onboarding.keep(first, actor=ANA, now=NOW)
    again = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    assert first.mapping["horizon_days"] == again.mapping["horizon_days"] == 33 != first.silence.days


@pytest.mark.slow
def test_a_file_of_json_is_proposed_as_the_csv_is(tmp_path: Path) -> None:
    path = small(tmp_path)
    told = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    lines = pd.read_csv(path, dtype=str, keep_default_na=False).to_json(orient="records", lines=True).splitlines()
    (tmp_path / "clients.jsonl").write_text("\n".join([*lines[:300], '{"client_no": "K9', *lines[300:]]))
    same = onboarding.propose([tmp_path / "clients.jsonl"], name="acme", actor=ANA, now=NOW)
    assert (same.toml, same.examined.customers, same.examined.rejected) == (told.toml, 600, 1)
    assert any(one.where == "clients.jsonl" and "no JSON" in one.what for one in same.examined.findings)


@pytest.mark.slow
@pytest.mark.parametrize(("ids", "words"), [("K{:05d}", ("1", "0")), ("{}", ("yes", "no"))])
def test_a_label_file_without_a_header_is_read_by_the_ids_it_shares(tmp_path: Path, ids: str, words: tuple[str, str]
                                                                    ) -> None:
    path = small(tmp_path)
    frame = pd.read_csv(path).assign(client_no=[ids.format(10_000 + n) for n in range(600)])
    left = np.where(frame["status"].eq("cancelled"), *words)
    frame.drop(columns="status").to_csv(path, index=False)
    label = tmp_path / "labels.csv"
    pd.DataFrame({"id": frame["client_no"], "left": left}).sample(frac=1, random_state=1).to_csv(
        label, index=False, header=False, sep=";")
    for month in ("may", "june"):
        told = onboarding.propose([path, label], name="acme", actor=ANA, now=NOW)
        assert told.part("id").column == "client_no" and told.part("label").value == words[0]
        assert told.examined.left == pytest.approx((left == words[0]).mean()) and told.examined.customers == 600
        (said,) = [fault.finding for fault in told.faults if fault.finding.where == "labels.csv" and
                   "client_no of clients.csv" in fault.finding.what]
        assert said.severity == "warning" and told.refresh == (month == "june")
        onboarding.keep(told, actor=ANA, now=NOW)


def test_two_columns_of_strangers_are_no_label_file_without_a_header(tmp_path: Path) -> None:
    path = small(tmp_path)
    (tmp_path / "labels.csv").write_text("Z1,1\nK00001,0\nK00002,1\n")
    assert headless.headers([path, tmp_path / "labels.csv"]) == {}, "its first line is no customer's"
    (tmp_path / "labels.csv").write_text("client_no,left\nK00001,0\nK00002,1\n")
    assert headless.headers([path, tmp_path / "labels.csv"]) == {}, "it has a header"


def _with_earlier_rows(path: Path) -> Path:
    """The same customers, of whom ten stand there once more with what was true before, and a total below."""
    frame = pd.read_csv(path, dtype=str)
    earlier = frame.head(10).assign(monthly_fee="1.00")
    total = pd.DataFrame({frame.columns[0]: ["Total"]})
    pd.concat([earlier, frame, total]).to_csv(path, index=False)
    return path


@pytest.mark.slow
def test_customers_on_several_rows_are_mended_next_month_too_and_run_says_what_does_it(tmp_path: Path) -> None:
    onboarding.keep(onboarding.propose([small(tmp_path)], name="acme", actor=ANA, now=NOW), actor=ANA, now=NOW)
    may = (tmp_path / "home" / "data" / "acme" / "mapping.toml").read_text()
    path = _with_earlier_rows(small(tmp_path / "june", seed=6))
    with pytest.raises(DataError, match=r"python -m engine onboard clients\.csv --name acme\."):
        adapters.read([path], tmp_path / "read", name="acme", now=NOW, options={"mapping": mappings.parsed(may, "may")})
    june = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    assert june.refresh and june.trainable and june.examined.customers == 600
    assert {"client_no", "clients.csv"} <= {fault.finding.where for fault in june.faults}
    assert {cure.spec["cure"] for cure in june.cures} >= {"latest", "totals"}
    assert june.examined.first["monthly_fee"].min() > 1, "the later row counts"
    onboarding.keep(june, actor=ANA, now=NOW)
    july = onboarding.propose([_with_earlier_rows(small(tmp_path / "july", seed=7))], name="acme", actor=ANA, now=NOW)
    assert [cure.spec for cure in july.cures] == [cure.spec for cure in june.cures] and july.examined.customers == 600
    assert not july.faults, "what was mended before is no news"


@pytest.mark.slow
def test_a_table_that_an_adapter_knows_is_mended_where_customers_stand_on_several_rows(tmp_path: Path) -> None:
    frame = fuzz._snapshot(np.random.default_rng(0), 200)
    path = tmp_path / "telecom.csv"
    pd.concat([frame, frame.head(2).assign(tenure="99")]).to_csv(path, index=False)
    with pytest.raises(DataError, match=r"python -m engine onboard telecom\.csv --name acme --anew\."):
        adapters.read([path], tmp_path / "read", name="acme", now=NOW)
    told = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    assert told.adapter == "table" and told.examined.customers == 200 and not told.examined.stopped
    frame.to_csv(path, index=False)
    assert onboarding.propose([path], name="acme", actor=ANA, now=NOW).adapter == "telco"


def test_next_month_without_an_answer_is_kept_to_be_scored_and_the_label_is_not_forgotten(tmp_path: Path) -> None:
    onboarding.keep(onboarding.propose([small(tmp_path)], name="acme", actor=ANA, now=NOW), actor=ANA, now=NOW)
    path = small(tmp_path / "june")
    pd.read_csv(path).drop(columns="status").to_csv(path, index=False)
    june = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    assert june.kind == "snapshot without a label" and june.refresh and not june.trainable
    report = onboarding.accept(june, actor=ANA, now=NOW)
    assert report["customers"] == 600 and not report["trained"]
    assert (onboarding.kept("acme") or {})["label"] == {"column": "status", "positive": "cancelled"}


@pytest.mark.slow
def test_the_same_file_once_more_is_the_same_version(tmp_path: Path) -> None:
    path = small(tmp_path)
    pd.read_csv(path).drop(columns="status").to_csv(path, index=False)

    def version() -> str:
        again = onboarding.propose([path], name="acme", actor=ANA, now=NOW, observed_until=NOW)
        return str(onboarding.accept(again, actor=ANA, now=NOW)["version"])

    assert version() == version(), "what is empty in a proposal is left out in what is kept of it"
    assert len(catalog.versions("acme")) == 1


def test_a_file_that_the_kept_mapping_does_not_fit_is_told_the_way_out(tmp_path: Path) -> None:
    onboarding.keep(onboarding.propose([small(tmp_path)], name="acme", actor=ANA, now=NOW), actor=ANA, now=NOW)
    path = small(tmp_path / "june")
    pd.read_csv(path).rename(columns={"client_no": "customer_number"}).to_csv(path, index=False)
    with pytest.raises(EngineError, match=r"lacks 'client_no', by which acme was read before.*--anew"):
        onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    anew = onboarding.propose([path], name="acme", actor=ANA, now=NOW, anew=True)
    assert anew.part("id").column == "customer_number"


def test_no_single_customer_is_in_what_is_kept_for_comparison(tmp_path: Path) -> None:
    proposal = onboarding.propose([small(tmp_path)], name="acme", actor=ANA, now=NOW)
    onboarding.keep(proposal, actor=ANA, now=NOW)
    kept = "".join(path.read_text() for path in (tmp_path / "home" / "data" / "acme").iterdir())
    assert "K00007" not in kept


def test_a_unit_that_changed_is_told_from_a_customer_base_that_grew() -> None:
    def of(values: np.ndarray) -> dict[str, Any]:
        frame = pd.DataFrame({"x": values.astype(str)})
        return changes.portrait(frame, looks(frame))

    values = np.linspace(10, 90, 200)
    assert [change.kind for change in changes.compared(of(values), of(values * 12))] == ["unit"]
    assert changes.compared(of(values), of(values * 1.3)) == ()


def test_the_kept_mapping_says_by_itself_how_a_file_is_read(tmp_path: Path) -> None:
    path = small(tmp_path)
    kept = onboarding.keep(onboarding.propose([path], name="acme", actor=ANA, now=NOW), actor=ANA, now=NOW)
    reading = adapters.read([path], tmp_path / "read", name="acme", now=NOW, options={"mapping": kept})
    assert reading.dataset.adapter == "table" and set(reading.dataset.frame()["plan"]) == {"Basic", "Pro"}


@pytest.mark.slow
def test_what_is_accepted_is_learned_from_and_read_alike_next_month(tmp_path: Path) -> None:
    from engine.prediction.settings import Settings

    proposal = onboarding.propose([small(tmp_path)], name="acme", actor=ANA, now=NOW)
    report = onboarding.accept(proposal, actor=ANA, now=NOW, settings=Settings(quick=True))
    assert report["models"]["lightgbm"]["roc_auc"]["value"] > 0.6
    assert set(catalog.dataset("acme").frame()["plan"]) == {"Basic", "Pro"}
    again = onboarding.propose([small(tmp_path / "june", seed=8)], name="acme", actor=ANA, now=NOW)
    assert again.refresh and again.mapping["cures"] == list(proposal.mapping["cures"])


# ------------------------------------------------------------------------------------------------------- several files

@pytest.mark.slow
def test_files_are_joined_through_each_other_and_known_again(tmp_path: Path) -> None:
    """Uses belong to subscriptions, subscriptions to accounts; counted by hand."""
    accounts = pd.read_csv(small(tmp_path / "base", rows=300)).rename(columns={"client_no": "account_id"})
    accounts.to_csv(tmp_path / "accounts.csv", index=False)
    rng = np.random.default_rng(1)
    owner = accounts["account_id"].to_numpy()[rng.integers(0, 300, 500)]
    plans = pd.DataFrame({"subscription_id": [f"S{n:04d}" for n in range(500)], "account_id": owner,
                          "seats": rng.integers(1, 9, 500)})
    plans.to_csv(tmp_path / "subscriptions.csv", index=False)
    way = rng.integers(0, 500, 3_000)
    uses = pd.DataFrame({"usage_id": range(3_000), "subscription_id": plans["subscription_id"].to_numpy()[way],
                         "used_on": "2024-05-01", "minutes": rng.integers(1, 60, 3_000)})
    uses.to_csv(tmp_path / "usage.csv", index=False)
    pd.DataFrame({"column": ["seats"], "meaning": ["licences"]}).to_csv(tmp_path / "dictionary.csv", index=False)
    paths = [tmp_path / f"{name}.csv" for name in ("usage", "dictionary", "subscriptions", "accounts")]
    whole = tables.together(paths, NOW)
    found = {beside.name: beside for beside in whole.besides}
    assert found["usage"].through == "subscriptions" and found["subscriptions"].to == "account_id"
    assert found["dictionary"].unused and whole.frame["account_id"].tolist() == accounts["account_id"].tolist()
    by_hand = pd.Series(uses["minutes"].to_numpy()).groupby(owner[way]).sum()
    sums = whole.frame.set_index("account_id")["usage_minutes_sum"].dropna()
    assert sums.to_dict() == by_hand.to_dict()
    kept = {beside.name: besides.written(beside) for beside in whole.besides}
    pd.DataFrame({"usage_id": range(0, 3_000, 2), "stars": rng.integers(1, 6, 1_500)}).to_csv(tmp_path / "votes.csv")
    deeper = tables.together([*paths, tmp_path / "votes.csv"], NOW)
    assert deeper.frame["votes_rows"].sum() == 1_500 and kept.keys() < {beside.name for beside in deeper.besides}
    again, _, _ = joins.joined(paths[::-1], besides.check([besides.written(beside) for beside in whole.besides]))
    assert again.frame["usage_minutes_sum"].equals(whole.frame["usage_minutes_sum"])


def test_a_file_that_the_mapping_joins_must_be_there(tmp_path: Path) -> None:
    path = small(tmp_path)
    with pytest.raises(EngineError, match="joins the file 'tickets'"):
        joins.joined([path], besides.check([{"name": "tickets", "key": "client", "to": "client_no",
                                           "columns": ["client"]}]))


def test_a_table_of_plans_is_looked_up_by_the_customers_word_for_theirs(tmp_path: Path) -> None:
    customers = pd.read_csv(small(tmp_path))
    customers["plan"] = np.array(["Basic", "Pro", "Team"])[customers.index % 3]
    customers.to_csv(tmp_path / "clients.csv", index=False)
    pd.DataFrame({"tariff": ["Pro", "Team", "Basic"], "seats": [5, 40, 1]}).to_csv(tmp_path / "plans.csv", index=False)
    whole = tables.together([tmp_path / "plans.csv", tmp_path / "clients.csv"], NOW)
    [beside] = whole.besides
    assert (beside.key, beside.to, beside.many, beside.unused) == ("tariff", "plan", False, False)
    seats = customers["plan"].map({"Basic": 1, "Pro": 5, "Team": 40})
    assert whole.frame["seats"].astype(float).tolist() == seats.tolist()
    again, _, _ = joins.joined([tmp_path / "clients.csv", tmp_path / "plans.csv"], whole.besides)
    assert again.frame["seats"].tolist() == whole.frame["seats"].tolist()


def test_keys_meet_without_the_zeros_before_them_unless_that_would_make_two_customers_one() -> None:
    here, there = pd.Series(["7.0", "12"]), pd.Series(["007", "012"])
    assert joins.met(*joins.paired(here, there)) == 1
    assert joins.met(*joins.paired(here, pd.Series(["007", "012", "7x", "0012"]))) == 0


def test_frequent_words_make_a_category_though_there_are_many_rare_ones() -> None:
    words = pd.Series(["Berlin", "Hamburg", "Munich"] * 200 + [f"village {n}" for n in range(80)])
    assert look(words, "city").kind == "category"
    assert look(pd.Series([f"name {n % 400}" for n in range(1_000)]), "who").kind == "text"


def test_of_very_many_words_those_that_many_customers_share_are_told_apart(tmp_path: Path) -> None:
    towns = pd.Series([*["Berlin"] * 100, *["Hamburg"] * 60, *(f"village {n}" for n in range(440))], dtype=object)
    path = small(tmp_path, rows=600, town=towns)
    told = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    [cure] = [dict(cure) for cure in told.mapping["cures"] if cure["cure"] == "common"]
    assert cure == {"column": "town", "cure": "common", "words": ["Berlin", "Hamburg"]}
    assert "town" in told.mapping["categorical"]
    done, _ = cures.cured(pd.DataFrame({"town": ["berlin", "village 7", "", "elsewhere"]}), [cure], "next month")
    assert done["town"].tolist() == ["berlin", "(others)", "", "(others)"]


@pytest.mark.slow
def test_numbers_that_a_person_calls_words_are_the_same_words_next_month(tmp_path: Path) -> None:
    rows = np.arange(600)
    path = small(tmp_path, term=np.array([12, 24, 36])[rows % 3], visits=rows % 10)
    told = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    assert {"term", "visits"} <= set(told.mapping["numeric"]), "Trees find kinds and order in numbers by themselves."
    told = onboarding.amended(told, uses={"term": "categorical"})
    assert "term" in told.mapping["categorical"]
    onboarding.keep(told, actor=ANA, now=NOW)
    frame = pd.read_csv(path)
    frame.assign(term=frame["term"].where(frame.index > 9)).to_csv(path, index=False)
    assert ",12.0," in path.read_text(), "As pandas writes whole numbers with gaps."
    june = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    reading = adapters.read([path], tmp_path / "read", name="acme", now=NOW, options={"mapping": june.mapping})
    assert set(reading.dataset.frame()["term"].dropna()) == {"12", "24", "36"}


def test_a_column_in_which_one_value_stands_for_nobody_names_no_customers() -> None:
    rng = np.random.default_rng(4)
    made = {"".join(rng.choice(list("ABCDEFGH23456789"), 7)) for _ in range(500)}
    rows = range(len(made))
    frame = pd.DataFrame({"referral_id": [f"CID{n}" if n > 200 else "xxxxxxxx" for n in rows],
                          "security_no": sorted(made), "seen_at": [f"{n // 60:02d}:{n % 60:02d}" for n in rows]})
    assert recognise.identity(looks(frame)).column == "security_no"
    assert recognise.identity(looks(frame.drop(columns="security_no"))).column == ""


@pytest.mark.slow
def test_sheets_that_belong_together_are_read_as_files(tmp_path: Path) -> None:
    accounts = pd.read_csv(small(tmp_path / "base"))
    path = tmp_path / "acme.xlsx"
    with pd.ExcelWriter(path) as book:
        pd.DataFrame({"Read me": ["Our customers", "ask Jo"]}).to_excel(book, sheet_name="About", index=False)
        accounts[["client_no", "plan", "status"]].to_excel(book, sheet_name="Customers", index=False)
        accounts[["client_no", "monthly_fee", "months_active"]].sample(frac=1, random_state=1).to_excel(
            book, sheet_name="Contract data", index=False)
    found = onboarding.propose([path], name="acme", actor=ANA, now=NOW)
    assert found.trainable and found.part("joined").value == "contract_data"
    assert found.part("money").column == "monthly_fee"
    assert any("2 sheets hold tables" in fault.finding.what for fault in found.faults)
    onboarding.keep(found, actor=ANA, now=NOW)
    assert onboarding.propose([path], name="acme", actor=ANA, now=NOW).changes == ()


# ------------------------------------------------------------------------------------------------- as good as by hand

def by_hand(X: pd.DataFrame, y: np.ndarray) -> float:
    """ROC-AUC out of fold of a regularised LightGBM, the mean of two cuts into five folds."""
    from lightgbm import LGBMClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold

    plain = pd.DataFrame({f"c{place}": X[name].astype("category") if X[name].dtype == object else X[name]
                          for place, name in enumerate(X)})
    aucs = []
    for seed in range(2):
        p = np.zeros(len(y))
        for train, test in StratifiedKFold(5, shuffle=True, random_state=seed).split(plain, y):
            model = LGBMClassifier(n_estimators=150, learning_rate=0.04, num_leaves=12, min_child_samples=40,
                                   reg_lambda=5, colsample_bytree=0.6, subsample=0.8, subsample_freq=1, verbose=-1,
                                   n_jobs=1, random_state=seed)
            p[test] = model.fit(plain.iloc[train], y[train]).predict_proba(plain.iloc[test])[:, 1]
        aucs.append(roc_auc_score(y, p))
    return float(np.mean(aucs))


@pytest.mark.slow
@pytest.mark.parametrize("seed", [300, 302])
def test_what_is_prepared_is_as_good_as_what_a_careful_person_prepares(seed: int, tmp_path: Path) -> None:
    made = company(seed, signal=True)
    proposal = proposed(made, tmp_path / "files")
    reading = adapters.read(proposal.sources, tmp_path / "read", "table", name="acme", now=NOW,
                            options={"mapping": proposal.mapping})
    known = snapshot(reading.dataset, windows_for(reading.dataset, n=1))
    prepared = known.X.drop(columns=[name for name, _ in proposal.examined.quarantined if name in known.X])
    assert by_hand(prepared, known.y.to_numpy()) >= by_hand(made.clean, made.left.to_numpy()) - 0.005
