"""Worklists: steps equal to the playbook's own, totals by hand, order, pages, reasons, contact data on the record."""

from __future__ import annotations

import math
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine import insight, state
from engine.decision.playbooks import Playbook, Range, Treatment
from engine.errors import EngineError, Refused
from engine.insight import Filters, Listing, Scope, ask, source, worklist
from engine.insight.planned import STANDINGS, WORKLIST, looked_at, planned, step_sql
from engine.insight.signs import lately
from engine.schema import SEGMENTS, Actor
from tests.desk import ANA, CUSTOMERS, EVE, HELD, IDS, desk


@pytest.fixture
def scope(own_desk: Scope) -> Scope:
    """Eight customers whose worklist is known by hand."""
    return own_desk


def ids(scope: Scope, listing: Listing, **more: int) -> list[str]:
    """The customers of a page of the list."""
    return worklist.rows(scope, listing, ANA, **more)["customer_id"].tolist()


# --- the step of everyone


def planned_steps(scope: Scope) -> pd.Series:
    """Everyone's step as the list has it."""
    held = looked_at(scope)
    frame = ask(scope, f"{planned(scope, held)} SELECT customer_id, next_step FROM planned", (), Filters(left=True),
                known=held)
    return frame.set_index("customer_id")["next_step"].sort_index()


def own_steps(scope: Scope) -> pd.Series:
    """Everyone's step as the playbook says, one customer after the other."""
    book, scores, known = scope.book, scope.run.scores(), scope.dataset.frame()
    computed = pd.read_parquet(scope.run.folder / "features.parquet").set_index("customer_id")
    known = known.join(computed[[name for name in computed if name not in known]])
    known = known.reindex(scores["customer_id"]).to_dict("records")
    steps = [book.steps(row["segment"], mine, hold_back=row["hold_back"], has_left=bool(row["has_left"] == 1))[0].name
             for row, mine in zip(scores.to_dict("records"), known, strict=True)]
    return pd.Series(steps, index=pd.Index(scores["customer_id"]), name="next_step").sort_index()


def test_the_step_is_the_playbooks_own_by_hand(scope: Scope) -> None:
    steps = ["contract_migration", "tech_support_call", "loyalty_discount", "leave_alone", "leave_alone", "win_back",
             "autopay_switch", "service_email"]
    assert planned_steps(scope).to_dict() == dict(zip(IDS, steps, strict=True)) == own_steps(scope).to_dict()


def test_a_run_holds_what_was_known_beside_its_scores_and_one_without_it_says_the_same(scope: Scope) -> None:
    beside = scope.run.folder / "known.parquet"
    known, scores = pd.read_parquet(beside), scope.run.scores()
    assert known["customer_id"].tolist() == scores["customer_id"].tolist()
    assert set(known) & {"first_name", "last_name", "email", "phone"} == set() and {"consent_email"} <= set(known)
    own = scope.dataset.frame().loc[scores["customer_id"]]
    for name in set(known) - {"customer_id"}:
        assert known[name].astype(str).tolist() == own[name].astype(str).tolist(), name
    steps = planned_steps(scope)
    beside.unlink()
    assert planned_steps(scope).equals(steps)


def test_a_step_may_hang_on_a_computed_feature(scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """A feature of the run that the customers' file has not is looked at like one of its columns."""
    path = scope.run.folder / "features.parquet"
    pd.read_parquet(path).assign(tickets_new=[float(k % 2) for k in range(len(IDS))]).to_parquet(path)
    source._columns.cache_clear()
    book = scope.book
    steps = {name: replace(one, only_if={"tickets_new": Range(1)} if name == "service_email" else {})
             for name, one in book.treatments.items()}
    own = replace(book, treatments=steps, segments=dict.fromkeys(SEGMENTS, ("service_email", "loyalty_discount")))
    monkeypatch.setattr(Scope, "book", property(lambda _: own))
    found, ordered = planned_steps(scope), pd.read_parquet(path)["customer_id"]
    for place, who in enumerate(ordered):
        if found[who] not in ("leave_alone", "win_back"):
            assert found[who] == ("service_email" if place % 2 else "loyalty_discount")
    assert set(found) >= {"service_email", "loyalty_discount"}
    page = worklist.rows(scope, Listing(standing=""), ANA).set_index("customer_id")["next_step"]
    assert page.sort_index().to_dict() == found.loc[page.sort_index().index].to_dict()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["demo-telecom", "demo-shop"])
def test_the_step_is_the_playbooks_own_for_every_customer_of_a_demo(read_companies: Path, name: str) -> None:
    scope = insight.scope(name)
    steps = planned_steps(scope)
    assert len(steps) == scope.run.customers
    pd.testing.assert_series_equal(steps, own_steps(scope))


VALUES = st.sampled_from(["a", "it's", "1", 1, 0, 2.5, True])
RULES = st.dictionaries(st.sampled_from(["text", "number", "flag", "absent"]),
                        st.lists(VALUES, min_size=1, max_size=3).map(tuple) | st.builds(Range, st.sampled_from(
                            [-math.inf, 0.0, 1.0]), st.sampled_from([1.0, 2, math.inf])), max_size=3)
KNOWN = pd.DataFrame({"text": ["a", "it's", "1", None], "number": [1.0, 2.5, 0.0, None],
                      "flag": pd.array([True, False, True, False])})


@settings(max_examples=60, deadline=None)
@given(rules=st.lists(RULES, min_size=3, max_size=3), left=st.lists(st.booleans(), min_size=4, max_size=4),
       held=st.lists(st.sampled_from(["", "too new"]), min_size=4, max_size=4))
@pytest.mark.slow
def test_any_playbook_says_the_same_in_sql(rules: list[dict[str, tuple]], left: list[bool], held: list[str]) -> None:
    names = ["one", "two", "it's three"]
    treatments = {name: Treatment(name, "Do it.", "email", 0.1, rule) for name, rule in zip(names, rules, strict=True)}
    treatments |= {name: Treatment(name, "Do it.", "none", 0.0) for name in ("leave_alone", "win_back")}
    book = Playbook("any", treatments, dict.fromkeys(SEGMENTS, tuple(names)))
    who = pd.DataFrame({"segment": "Champion", "has_left": [int(one) for one in left], "hold_back": held})
    with duckdb.connect() as connection:
        connection.register("scores_", who)
        connection.register("known_", KNOWN.add_prefix("known_"))
        found = connection.execute(f"SELECT {step_sql(book, list(KNOWN))} AS step FROM scores_ POSITIONAL JOIN known_"
                                   ).df()["step"].tolist()
    assert found == [book.steps("Champion", mine, hold_back=held[place], has_left=left[place])[0].name
                     for place, mine in enumerate(KNOWN.to_dict("records"))]


def test_a_column_that_the_data_do_not_hold_rules_nothing_out(home: Path, tmp_path: Path, now: datetime) -> None:
    scope = desk(now, tmp_path, CUSTOMERS.drop(columns=["contract"]))
    columns = tuple(column for column in scope.dataset.columns if column.name != "contract")
    scope = Scope(replace(scope.dataset, columns=columns), scope.run)
    assert planned_steps(scope)["002"] == "contract_migration"


# --- totals


def test_totals_by_hand(scope: Scope) -> None:
    found = worklist.tally(scope, Filters(), ANA)
    total = found.total(Listing())
    assert (total.customers, total.refused, total.unsaid) == (5, 2, 0)
    assert total.margin_at_risk == pytest.approx(100 + 60 + 30 + 20 + 20)
    assert total.contact_cost == pytest.approx(4 + 6 + 3 * 0.1)
    segments = [(one.name, one.customers) for one in found.segments(Listing())]
    assert segments == [("At-Risk VIP", 3), ("Losing Customer", 2)]
    assert [(one.name, one.margin_at_risk) for one in found.steps(Listing())][:2] == [
        ("contract_migration", 100.0), ("tech_support_call", 60.0)]
    everyone = found.total(Listing(standing=""))
    assert everyone.customers == 8
    assert everyone.margin_at_risk == pytest.approx(290), "The margin of one who has left is not at risk any more."


def test_data_that_say_nothing_of_consent_are_not_counted_as_agreement(home: Path, tmp_path: Path,
                                                                        now: datetime) -> None:
    said = [name for name in CUSTOMERS if name.startswith("consent_")]
    scope = desk(now, tmp_path, CUSTOMERS.drop(columns=said))
    columns = tuple(column for column in scope.dataset.columns if column.name not in said)
    scope = Scope(replace(scope.dataset, columns=columns), scope.run)
    total = worklist.tally(scope, Filters(), ANA).total(Listing())
    assert (total.customers, total.refused, total.unsaid) == (5, 0, 5)


def test_what_a_rule_holds_back_is_told_with_its_cost(scope: Scope) -> None:
    found = worklist.tally(scope, Filters(), ANA)
    held = found.held_back(Listing(channels=("phone",)))
    assert (held.customers, held.margin_at_risk) == (1, 50.0)
    assert [(one.name, one.customers) for one in found.by_rule(Listing())] == [(HELD, 1)]
    assert found.held_back(Listing(segments=("Champion",))).customers == 0, "Champions are left alone by no rule."


@pytest.mark.slow
def test_totals_are_of_the_list_that_the_rows_show(scope: Scope) -> None:
    for standing in (*STANDINGS, ""):
        for listing in (Listing(standing=standing), Listing(standing=standing, agreed=True),
                        Listing(standing=standing, segments=("Losing Customer",), channels=("email",)),
                        Listing(Filters(values={"churn_risk": ("HIGH", "LOW")}), standing)):
            rows = worklist.rows(scope, listing, ANA)
            total = worklist.tally(scope, listing.filters, ANA).total(listing)
            assert total.customers == len(rows), listing
            assert total.margin_at_risk == pytest.approx(rows["margin_at_risk"].sum())
            assert total.contact_cost == pytest.approx(rows["contact_cost"].sum())


# --- rows


def test_lists_stand_apart(scope: Scope) -> None:
    assert ids(scope, Listing()) == ["001", "002", "003", "007", "=8"]
    assert ids(scope, Listing(standing="win_back")) == ["006"]
    assert ids(scope, Listing(standing="leave_alone")) == ["005", "004"]
    assert set(ids(scope, Listing(standing=""))) == set(IDS)


@pytest.mark.parametrize(("order", "expected"), [
    ("margin_at_risk", ["001", "002", "003", "007", "=8"]), ("churn_probability", ["001", "007", "=8", "002", "003"]),
    ("best_contact_month", ["002", "007", "=8", "001", "003"]),
])
def test_orders_with_the_id_where_the_rest_is_equal(scope: Scope, order: str, expected: list[str]) -> None:
    assert ids(scope, Listing(order=order)) == expected


def test_pages_hold_everybody_once(scope: Scope) -> None:
    pages = [ids(scope, Listing(standing=""), start=start, most=3) for start in (0, 3, 6, 9)]
    assert [len(page) for page in pages] == [3, 3, 2, 0]
    assert sorted(who for page in pages for who in page) == sorted(IDS)


@pytest.mark.parametrize("first", [1, 3, 6])
def test_a_page_is_the_same_however_many_are_looked_at_first(scope: Scope, monkeypatch: pytest.MonkeyPatch,
                                                             first: int) -> None:
    monkeypatch.setattr(worklist, "FIRST", first)
    assert ids(scope, Listing(), most=2) == ["001", "002"]
    assert ids(scope, Listing(), start=2, most=2) == ["003", "007"]
    assert ids(scope, Listing(channels=("email",), order="churn_probability"), most=3) == ["007", "=8", "003"]


def test_an_unknown_order_lists_those_there_are(scope: Scope) -> None:
    with pytest.raises(EngineError, match="best_contact_month"):
        worklist.rows(scope, Listing(order="shoe size; DROP TABLE"), ANA)


def test_orders_are_offered_where_the_data_can_give_them(scope: Scope) -> None:
    assert "next_order_at" not in worklist.tally(scope, Filters(), ANA).orders()
    assert "best_contact_month" in worklist.tally(scope, Filters(), ANA).orders()


def test_names_the_driver_that_raises_the_risk_and_what_happened_lately(scope: Scope) -> None:
    rows = worklist.rows(scope, Listing(standing=""), ANA).set_index("customer_id")
    assert rows.loc["001", "reason"] == "Reason 2 of 001."
    assert rows.loc["004", "reason"] == f"{worklist.NOTHING_RAISES}Reason 1 of 004.", "Both of 004 lower the risk."
    assert rows.loc["001", "lately"] == "A support ticket 2 days ago; use fell by 50.0 % in a month"
    assert rows.loc["002", "lately"] == ""
    assert [*WORKLIST.names, "reason", "lately"] == ["customer_id", *rows.columns]


def test_lately_needs_none_of_its_columns() -> None:
    assert lately(pd.DataFrame({"spend": [1.0]})).tolist() == [""]
    assert lately(pd.DataFrame({"carts_abandoned_30d": [1.0], "days_since_ticket": [0.2]})).tolist() == [
        "A support ticket 1 day ago; 1 cart left behind in 30 days"]


def test_calls_are_of_those_who_may_be_called(scope: Scope) -> None:
    assert ids(scope, worklist.to_call(Listing())) == ["001"]


def test_consent_that_the_data_do_not_hold_keeps_nobody_away(home: Path, tmp_path: Path, now: datetime) -> None:
    scope = desk(now, tmp_path, CUSTOMERS.drop(columns=["consent_phone", "consent_email", "consent_sms"]))
    rows = worklist.rows(scope, worklist.to_call(Listing()), ANA)
    assert rows["customer_id"].tolist() == ["001", "002"]
    assert rows["agreed"].isna().all()


def test_filters_narrow_the_list(scope: Scope) -> None:
    assert ids(scope, Listing(Filters(ranges={"margin_at_risk": (30, 60)}))) == ["002", "003"]
    assert ids(scope, Listing(Filters(values={"ltv_tier": ("Low LTV",)}))) == ["007", "=8"]
    assert ids(scope, Listing(Filters(ranges={"days_since_ticket": (0, 30)}))) == ["001"], "A feature filters too."
    assert ids(scope, Listing(Filters(ids=("=8", "004")))) == ["=8"]
    assert ids(scope, Listing(Filters(ids=("nobody",)))) == []


# --- who may see what


@pytest.mark.parametrize("verb", ["rows", "tally", "contacts"])
def test_an_executive_sees_no_list(scope: Scope, now: datetime, verb: str) -> None:
    calls = {"rows": lambda: worklist.rows(scope, Listing(), EVE),
             "tally": lambda: worklist.tally(scope, Filters(), EVE),
             "contacts": lambda: worklist.contacts(scope, ["001"], actor=EVE, now=now)}
    with pytest.raises(Refused, match="executive"):
        calls[verb]()


def test_a_list_holds_no_contact_field(scope: Scope) -> None:
    held = {column.name for column in worklist.contact_columns(scope)}
    assert held == {"first_name", "last_name", "email", "phone", "consent_email", "consent_sms", "consent_phone"}
    assert not held & set(worklist.rows(scope, Listing(standing=""), ANA))


def test_contact_fields_are_shown_on_the_record(scope: Scope, now: datetime) -> None:
    found = worklist.contacts(scope, ["007", "001"], actor=ANA, now=now)
    assert found["first_name"].tolist() == ["Gus", "Ann"], "In the order asked for."
    [entry] = state.audit_log(verb="contact")
    assert (entry.actor, entry.about, len(entry.detail["customers"])) == (Actor("ana", "marketer"), "desk", 2)
    assert not any(part in str(entry.detail) for part in ("Gus", "example.org", "+49"))
    assert not {"001", "007"} & set(entry.detail["customers"]), "Pseudonyms, in which such digits may stand by chance."


def test_nothing_is_recorded_where_nothing_is_shown(scope: Scope, now: datetime) -> None:
    assert worklist.contacts(scope, [], actor=ANA, now=now).empty
    assert state.audit_log(verb="contact") == []


def test_a_step_that_answers_what_the_data_do_not_hold_is_nobodys(scope: Scope,
                                                                  monkeypatch: pytest.MonkeyPatch) -> None:
    book, named = scope.book, str(planned_steps(scope)["001"])
    needing = replace(book.treatments[named], only_if={"open_repairs": Range(1)}, needs=("open_repairs",))
    own = replace(book, treatments={**book.treatments, named: needing})
    monkeypatch.setattr(Scope, "book", property(lambda _: own))
    assert named not in set(planned_steps(scope)) and planned_steps(scope).equals(own_steps(scope))
    assert not needing.fits({}) and needing.fits({"open_repairs": 2})


def test_a_channel_of_which_nobody_says_who_agreed_comes_last_and_nobody_agreed_to_it(
        scope: Scope, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first step goes by SMS; of that the data say nothing, though they say who may be written to and called."""
    known, book = scope.dataset.frame().drop(columns="consent_sms"), scope.book
    text = replace(book.treatments["loyalty_discount"], name="text", channel="sms", only_if={})
    own = replace(book, treatments={**book.treatments, "text": text},
                  segments={segment: ("text", *names) for segment, names in book.segments.items()})
    monkeypatch.setattr(Scope, "book", property(lambda _: own))
    assert "text" in set(planned_steps(scope)), "who agreed is known: it stays the first step"
    held = [name for name in looked_at(scope) if name != "consent_sms"]
    sql = f"{planned(scope, held)} SELECT customer_id, next_step, agreed FROM planned WHERE channel = 'sms'"
    found = ask(scope, sql, (), Filters(), known=held)
    assert set(found["agreed"]) <= {0} and len(found) < (planned_steps(scope) == "text").sum()
    assert own.steps("Champion", known.loc["001"].to_dict())[0].name != "text"
