"""Finding a customer and seeing her among the others: roles, percentiles, distances and events by hand."""

from __future__ import annotations

import math
import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine import catalog, insight, permissions, state
from engine.errors import EngineError, Refused
from engine.insight import Scope, resemblance
from engine.schema import CONTACT, REASONS, SCORES, Actor, Column, Dataset, LabelRule, MoneyRule, Reading

MEG, EVE = Actor("meg", "manager"), Actor("eve", "executive")
AS_OF = datetime(2024, 6, 1)
NAN = float("nan")
PEOPLE = (  # id, first and last name, e-mail, segment, margin at risk, has left, held back
    ("A-10", "Ana", "Lopez", "ana.lopez@example.org", "Champion", 10.0, 0, ""),
    ("A-100", "Bo", "Anders", "bo@example.org", "Champion", 30.0, 0, ""),
    ("B-10", "Cy", "Lopez", "cy.l@example.com", "Champion", 20.0, 0, ""),
    ("a-2", "O'Hara", "_100%_", None, "Vulnerable", 90.0, 0, "Too new."),
    ("**x**", "Di", None, "di@example.org", "Vulnerable", 50.0, 0, ""),
    ("GONE", "Ed", "Ana", "ed@example.org", "Vulnerable", 99.0, 1, ""),
)
UNSCORED = ("Z-10", "Flo", "Lopez", "flo@example.org")
FEATURES = pd.DataFrame({
    "tenure_months": [1.0, 2.0, 2.0, 4.0, NAN, 50.0], "monthly_charges": [10.0, 20.0, 30.0, 40.0, 50.0, 60.0],
    "services_count": [1.0, 1.0, 3.0, 3.0, 5.0, 5.0], "senior_citizen": [0.0] * 6,
    "contract": pd.Categorical(["m", "m", "y", None, "m", "y"]),
})
COLUMNS = (Column("tenure_months", "count", "months", "Months", label="Tenure"),
           Column("contract", "category", "", "Contract"), Column("monthly_charges", "number", "currency", "Bill"),
           Column("services_count", "count", "services", "Services"),
           Column("senior_citizen", "flag", "", "Old"))
EVENTS = pd.DataFrame([
    ("A-10", "2024-05-20 10:00", "order", "g1", 10.0, 2.0), ("A-10", "2024-05-20 10:00", "order", "g1", 5.5, 1.0),
    ("A-10", "2024-05-21 10:00", "order", "g2", 4.0, 1.0), ("A-10", "2024-04-02 09:00", "ticket", None, NAN, -0.8),
    ("A-10", "2024-04-03 09:00", "ticket", None, NAN, 0.2), ("A-10", "2024-04-28 09:00", "usage", None, NAN, 120.4),
    ("A-10", "2024-06-01 00:00", "order", "later", 99.0, 9.0),
    ("B-10", "2024-05-01 00:00", "payment_failure", None, 7.0, NAN),
    ("B-10", "2024-05-02 00:00", "sponsored_dinner", None, NAN, NAN),
], columns=["customer_id", "at", "kind", "group_id", "amount", "quantity"])


@pytest.fixture
def hall(home: Path, tmp_path: Path, now: datetime) -> Callable[..., Scope]:
    """Register the company and its run; without events unless asked for."""
    source = tmp_path / "hall.csv"
    source.write_text("customer_id\n", encoding="utf-8")

    def made(events: pd.DataFrame | None = None, contact: bool = True) -> Scope:
        with catalog.staging("hall") as staged:
            _customers(contact).to_parquet(staged / "customers.parquet", index=False)
            if events is not None:
                told = events.assign(at=pd.to_datetime(events["at"]).astype("datetime64[us]"))
                told.insert(0, "event_id", [str(n) for n in range(len(told))])
                told.to_parquet(staged / "events.parquet", index=False)
            dataset = Dataset(
                "hall", "v1", "snapshot", "telco", "telecom", "EUR", LabelRule("column", 90, "left"),
                MoneyRule("monthly_charges", "month"), AS_OF, True, staged / "customers.parquet", (*COLUMNS, *CONTACT),
                events=staged / "events.parquet" if events is not None else None)
            dataset = catalog.register(Reading(dataset, (), pd.DataFrame()), staged, [source], actor=MEG, now=now)
        run = catalog.Run.of(dataset, "m1", AS_OF, len(PEOPLE))
        catalog.save_run(run, _scores(run), _reasons(run), FEATURES.set_index(pd.Index(ids(), name="customer_id")),
                         actor=MEG, now=now)
        return Scope(dataset, run)

    return made


def ids() -> list[str]:
    return [row[0] for row in PEOPLE]


def _customers(contact: bool) -> pd.DataFrame:
    rows = [*(row[:4] for row in PEOPLE), UNSCORED]
    frame = pd.DataFrame(rows, columns=["customer_id", "first_name", "last_name", "email"])
    frame = frame.assign(consent_email=[1, 0, None, 1, 1, 1, 1], monthly_charges=1.0)
    return frame if contact else frame[["customer_id", "monthly_charges"]]


def _scores(run: catalog.Run) -> pd.DataFrame:
    rest: dict[str, Any] = {column.name: 0.5 for column in SCORES if column.kind == "number"}
    told = {"churn_risk": "LOW", "ltv_tier": "Low LTV", "best_contact_month": 1.0, "next_order_at": pd.NaT,
            "segment": [row[4] for row in PEOPLE], "margin_at_risk": [row[5] for row in PEOPLE],
            "has_left": [row[6] for row in PEOPLE], "hold_back": [row[7] for row in PEOPLE]}
    frame = pd.DataFrame({"run_id": run.run_id, "customer_id": ids()}).assign(**{**rest, **told})
    return frame.reindex(columns=SCORES.names)


def _reasons(run: catalog.Run) -> pd.DataFrame:
    return pd.DataFrame({"run_id": run.run_id, "customer_id": ids(), "rank": 1, "feature": "contract", "value": "m",
                         "contribution": 0.1, "words": "Because."})[REASONS.names]


def found(scope: Scope, text: str, **more: Any) -> list[str]:
    return insight.search(scope, text, actor=MEG, **more)["customer_id"].tolist()


# ---- search


def test_ids_are_found_exact_first_then_by_beginning_then_by_any_part(hall: Callable[..., Scope]) -> None:
    scope = hall()
    assert found(scope, "a-10") == ["A-10", "A-100"]
    assert found(scope, "10") == ["A-100", "B-10", "A-10", "Z-10"], "Then by margin at risk, the unscored last."
    assert found(scope, "10", limit=2) == ["A-100", "B-10"]
    assert found(scope, "A-1") == ["A-100", "A-10"]
    assert found(scope, "**x**") == ["**x**"]
    assert found(scope, "%") == found(scope, "_") == ["a-2"], "Signs are taken as they are: his name has them."
    for nobody in ("", "   ", "nobody", "' OR 1=1 --", "%%", "a-10 zz"):
        assert found(scope, nobody) == [], nobody


def test_names_and_addresses_are_found_by_their_words(hall: Callable[..., Scope]) -> None:
    scope = hall()
    assert found(scope, "lopez") == ["B-10", "A-10", "Z-10"]
    assert found(scope, "LOPEZ ana") == ["A-10"]
    assert found(scope, "ana") == ["GONE", "A-10"]
    assert found(scope, "o'hara") == ["a-2"]
    assert found(scope, "cy.l@") == ["B-10"]
    assert found(scope, "@example.org") == ["GONE", "**x**", "A-100", "A-10", "Z-10"]
    rows = insight.search(scope, "lopez", actor=MEG).set_index("customer_id")
    assert rows["name"].to_dict() == {"B-10": "Cy Lopez", "A-10": "Ana Lopez", "Z-10": "Flo Lopez"}
    assert pd.isna(rows.loc["Z-10", "segment"]) and rows.loc["A-10", "segment"] == "Champion"
    assert insight.search(scope, "**x**", actor=MEG)["name"].tolist() == ["Di"], "A missing half is left out."


def test_without_contact_only_ids_are_looked_through(hall: Callable[..., Scope],
                                                     monkeypatch: pytest.MonkeyPatch) -> None:
    scope = hall()
    monkeypatch.setitem(permissions.ALLOWED, "contact", frozenset({"admin"}))
    assert found(scope, "lopez") == found(scope, "ana.lopez@example.org") == []
    assert insight.search(scope, "A-10", actor=MEG)["name"].tolist() == ["", ""]
    with pytest.raises(Refused):
        insight.contact(scope, "A-10", actor=MEG)


def test_a_company_without_contact_fields_is_searched_by_id(hall: Callable[..., Scope]) -> None:
    scope = hall(contact=False)
    assert found(scope, "a-10") == ["A-10", "A-100"] and found(scope, "lopez") == []
    assert insight.contact(scope, "A-10", actor=MEG) == {}


def test_an_executive_finds_nobody(hall: Callable[..., Scope]) -> None:
    scope = hall(EVENTS)
    asked: tuple[Callable[[], object], ...] = (
        lambda: insight.search(scope, "a", actor=EVE), lambda: insight.examples(scope, actor=EVE),
        lambda: insight.anyone(scope, 1, actor=EVE), lambda: insight.contact(scope, "A-10", actor=EVE),
        lambda: insight.radar(scope, "A-10", actor=EVE), lambda: insight.unusual(scope, "A-10", (), actor=EVE),
        lambda: insight.similar(scope, "A-10", (), actor=EVE), lambda: insight.timeline_of(scope, "A-10", actor=EVE),
        lambda: insight.opened(scope, "A-10", actor=EVE, now=AS_OF))
    for ask in asked:
        with pytest.raises(Refused):
            ask()


def test_examples_are_those_with_most_at_stake_who_may_be_acted_on(hall: Callable[..., Scope]) -> None:
    scope = hall()
    assert insight.examples(scope, actor=MEG)["customer_id"].tolist() == ["**x**", "A-100", "B-10"]
    drawn = {insight.anyone(scope, seed, actor=MEG) for seed in range(60)}
    assert drawn == set(ids()) - {"GONE"}
    assert insight.anyone(scope, 5, actor=MEG) == insight.anyone(scope, 5, actor=MEG)


def test_contact_fields_are_those_that_are_known(hall: Callable[..., Scope]) -> None:
    scope = hall()
    assert insight.contact(scope, "A-10", actor=MEG) == {
        "first_name": "Ana", "last_name": "Lopez", "email": "ana.lopez@example.org", "consent_email": True}
    assert insight.contact(scope, "A-100", actor=MEG)["consent_email"] is False
    assert insight.contact(scope, "**x**", actor=MEG) == {
        "first_name": "Di", "email": "di@example.org", "consent_email": True}
    assert insight.contact(scope, "nobody", actor=MEG) == {}


def test_opening_a_card_is_told_to_the_log(hall: Callable[..., Scope], now: datetime) -> None:
    scope = hall()
    insight.opened(scope, "A-10", actor=MEG, now=now)
    [line] = state.audit_log(verb="predict", customer_id="A-10")
    assert (line.actor, line.about, line.at) == (MEG, "hall", now)
    assert "A-10" not in str(line.detail)


# ---- among the others


def test_percentiles_by_hand(hall: Callable[..., Scope]) -> None:
    scope = hall()
    table = insight.radar(scope, "B-10", actor=MEG).set_index("axis")
    assert list(table.index) == ["Expected LTV", "Tenure", "Monthly charges", "Services"]
    assert table.loc["Tenure", ["percentile", "median_percentile"]].tolist() == [50.0, 50.0]  # of 1 2 2 4
    assert table.loc["Monthly charges", "percentile"] == pytest.approx(100 * (2 + 0.5) / 5)
    assert table.loc["Monthly charges", "median_percentile"] == pytest.approx(100 * (1 + 0.5) / 5)  # median of 10 20 30
    assert table.loc["Services", "percentile"] == pytest.approx(100 * (2 + 1.0) / 5)  # of 1 1 3 3 5
    assert table.loc["Services", "median_percentile"] == pytest.approx(100 * 1.0 / 5)
    assert (table.loc["Tenure", "value"], table.loc["Monthly charges", "median"]) == ("2 months", "€20")


def test_unknown_axes_are_left_out_and_too_few_make_no_picture(hall: Callable[..., Scope]) -> None:
    scope = hall()
    assert "Tenure" not in set(insight.radar(scope, "**x**", actor=MEG)["axis"])
    assert insight.radar(scope, "nobody", actor=MEG).empty and insight.radar(scope, "Z-10", actor=MEG).empty
    gone = insight.radar(scope, "GONE", actor=MEG).set_index("axis")
    assert gone.loc["Tenure", "percentile"] == 100, "Compared with those who are still there."


def test_distances_by_hand(hall: Callable[..., Scope]) -> None:
    scope = hall()
    near = insight.similar(scope, "A-10", ["tenure_months", "monthly_charges", "contract"], actor=MEG)
    tenure, bill = np.nanstd([1, 2, 2, 4, 50]), np.std([10, 20, 30, 40, 50, 60])
    squares = {"A-100": (1 / tenure) ** 2 + (10 / bill) ** 2 + 0, "B-10": (1 / tenure) ** 2 + (20 / bill) ** 2 + 2,
               "a-2": (3 / tenure) ** 2 + (30 / bill) ** 2 + 2, "**x**": 2 + (40 / bill) ** 2 + 0,
               "GONE": min(49 / tenure, 3) ** 2 + (50 / bill) ** 2 + 2}
    expected = {who: math.sqrt(total / 3) for who, total in squares.items()}
    assert near["customer_id"].tolist() == sorted(expected, key=expected.__getitem__)
    np.testing.assert_allclose(near["distance"], [expected[who] for who in near["customer_id"]], rtol=1e-5)
    assert near.set_index("customer_id").loc["GONE", "has_left"] == 1
    assert list(near.columns) == ["customer_id", "distance", *resemblance.BECAME]


def test_features_of_one_family_count_together_and_what_all_share_counts_nothing(hall: Callable[..., Scope]) -> None:
    scope = hall()
    alone = insight.similar(scope, "A-10", ["monthly_charges", "contract"], actor=MEG)
    more = insight.similar(scope, "A-10", ["monthly_charges", "contract", "senior_citizen"], actor=MEG)
    np.testing.assert_allclose(more["distance"], alone["distance"] * math.sqrt(2 / 3), rtol=1e-5)
    missing = insight.similar(scope, "a-2", ["contract"], actor=MEG).set_index("customer_id")["distance"]
    assert missing.unique().tolist() == [pytest.approx(math.sqrt(2))], "Everybody else has a contract."
    assert insight.similar(scope, "A-10", ["contract"], 2, actor=MEG)["customer_id"].tolist() == ["**x**", "A-100"]
    assert insight.similar(scope, "nobody", ["contract"], actor=MEG).empty
    assert insight.similar(scope, "A-10", ["nonsense"], actor=MEG).empty


def test_a_family_weighs_as_much_as_one_feature(hall: Callable[..., Scope]) -> None:
    from engine.insight.meaning import meanings

    scope = hall()
    families = {name: meanings(scope)[name].family for name in ("monthly_charges", "contract")}
    assert families == {"monthly_charges": "charges", "contract": "contract"}, "What the hand computation rests on."


def test_values_out_of_the_ordinary_are_named_once_a_family(hall: Callable[..., Scope],
                                                          monkeypatch: pytest.MonkeyPatch) -> None:
    scope = hall()
    assert insight.unusual(scope, "A-10", ["tenure_months", "monthly_charges"], actor=MEG) == []
    monkeypatch.setattr(resemblance, "RARE", (0.2, 0.8))
    resemblance._read.cache_clear()
    low, = insight.unusual(scope, "A-10", ["tenure_months"], actor=MEG)
    assert low.words == "Tenure 1 month: lower than 99 % of customers"
    high, = insight.unusual(scope, "GONE", ["monthly_charges", "monthly_charges"], actor=MEG)
    assert high.words == "Monthly charges €60: higher than 99 % of customers"
    assert insight.unusual(scope, "**x**", ["tenure_months"], actor=MEG) == [], "Unknown is not unusual."
    resemblance._read.cache_clear()


def test_who_is_erased_is_compared_with_no_more(hall: Callable[..., Scope]) -> None:
    scope = hall()
    assert "A-100" in set(insight.similar(scope, "A-10", ["contract"], actor=MEG)["customer_id"])
    for name in ("features", "scores"):
        path = scope.run.folder / f"{name}.parquet"
        frame = pd.read_parquet(path)
        frame[frame["customer_id"] != "A-100"].to_parquet(path, index=False)
        os.utime(path, ns=(1, 1))
    assert "A-100" not in set(insight.similar(scope, "A-10", ["contract"], actor=MEG)["customer_id"])


def test_a_long_run_is_compared_by_a_fixed_part_of_it(hall: Callable[..., Scope],
                                                      monkeypatch: pytest.MonkeyPatch) -> None:
    scope = hall()
    monkeypatch.setattr(resemblance, "MOST_COMPARED", 3)
    first = insight.similar(scope, "A-10", ["contract"], actor=MEG)["customer_id"].tolist()
    resemblance._read.cache_clear()
    assert insight.similar(scope, "A-10", ["contract"], actor=MEG)["customer_id"].tolist() == first
    assert len(first) < len(PEOPLE) - 1


# ---- what happened


def test_a_timeline_by_hand(hall: Callable[..., Scope]) -> None:
    told = insight.timeline_of(hall(EVENTS), "A-10", actor=MEG)
    assert told is not None and told.events == 5, "Two lines make one order; the day of the run is not known yet."
    words = {(f"{row.month:%Y-%m}", row.kind): row.words for row in told.months.itertuples()}
    assert words == {("2024-04", "ticket"): "2 tickets, unhappy (-0.30)", ("2024-04", "usage"): "120 GB used",
                     ("2024-05", "order"): "2 orders, €19.50"}
    assert told.months.set_index("kind")["trouble"].to_dict() == {"order": False, "ticket": True, "usage": False}
    assert told.latest["words"].tolist() == [
        "Ordered 1 piece for €4.00", "Ordered 3 pieces for €15.50", "Used 120 GB", "Wrote to support, content (+0.20)",
        "Wrote to support, angry (-0.80)"]
    assert told.latest["at"].is_monotonic_decreasing


def test_kinds_that_nobody_described_are_called_by_their_name(hall: Callable[..., Scope]) -> None:
    told = insight.timeline_of(hall(EVENTS), "B-10", 1, actor=MEG)
    assert told is not None and told.latest["words"].tolist() == ["Sponsored dinner"]
    assert set(told.months["words"]) == {"1 failed payment, €7.00", "1 sponsored dinner"}


def test_without_events_there_is_no_timeline(hall: Callable[..., Scope]) -> None:
    assert insight.timeline_of(hall(), "A-10", actor=MEG) is None
    quiet = insight.timeline_of(hall(EVENTS), "**x**", actor=MEG)
    assert quiet is None or quiet.events == 0


def test_nobody_can_be_drawn_from_an_empty_house(hall: Callable[..., Scope]) -> None:
    scope = hall()
    path = scope.run.folder / "scores.parquet"
    pd.read_parquet(path).assign(has_left=1).to_parquet(path, index=False)
    with pytest.raises(EngineError, match="left already"):
        insight.anyone(scope, 1, actor=MEG)
    assert insight.examples(scope, actor=MEG).empty
