"""Who left, said under many names: which column is taken, and which of its values means that a customer left."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine.data.doctor import cures, faults, leavers, monies, propose, recognise, sectors
from engine.data.doctor.looks import look, looks

LABELS = (
    ("labels", "1", "0"), ("Target", "1", "0"), ("class", "1", "0"), ("Y", "Yes", "No"), ("output", "1", "0"),
    ("Subscriber", "NO", "YES"), ("is_subscriber", "0", "1"), ("CHURN_IND", "1", "0"), ("hasChurned", "True", "False"),
    ("LEAVE", "LEAVE", "STAY"), ("Stay/Leave", "Leave", "Stay"), ("resigned", "1", "0"), ("Resignation", "Yes", "No"),
    ("is_canceled", "1", "0"), ("booking_status", "Canceled", "Not_Canceled"), ("Renewed", "N", "Y"),
    ("will_renew", "No", "Yes"), ("non_renewal", "1", "0"), ("not_renewed", "1", "0"), ("not_retained", "Y", "N"),
    ("discontinued", "1", "0"), ("disconnected", "1", "0"), ("port_out", "1", "0"), ("switched", "1", "0"),
    ("dormant", "1", "0"), ("expired", "Y", "N"), ("Unsubscribe", "1", "0"), ("still_member", "No", "Yes"),
    ("retained_binary", "0", "1"), ("Customer_Flag", "Attrited", "Existing"), ("Engagement", "Disengaged", "Engaged"),
)


@pytest.mark.parametrize(("name", "left", "stayed"), LABELS)
def test_who_left_is_known_under_many_names(name: str, left: str, stayed: str, rng: np.random.Generator) -> None:
    rows = 600
    frame = pd.DataFrame({
        "id": [f"C{row:05d}" for row in range(rows)], "age": rng.integers(18, 80, rows),
        "Partner": rng.choice(["Yes", "No"], rows), "IsActiveMember": rng.integers(0, 2, rows),
        "is_tv_subscriber": rng.integers(0, 2, rows), name: np.where(rng.random(rows) < 0.2, left, stayed),
        "plan": rng.choice(["Basic", "Pro"], rows)})
    found, _ = leavers.label(looks(frame), "id")
    assert (found.column, found.value) == (name, left)


@pytest.mark.parametrize("texts", [["5261 S Main St", "12 E Lincoln Ave"], ["3 GB", "500 MB"], ["2 rooms", "3 beds"]])
def test_numbers_of_several_unknown_units_are_words(texts: list[str]) -> None:
    assert np.isnan(cures.decorated(pd.Series(texts))).all()
    assert look(pd.Series(texts * 50), "what").kind == "category"


def test_one_unit_in_the_singular_and_plural_is_one() -> None:
    assert cures.decorated(pd.Series(["1 visit", "3 visits"])).tolist() == [1.0, 3.0]


@pytest.mark.parametrize(("texts", "kind"), [
    (["3G", "4G", "5G"], "category"), (["4G"], "category"), (["4g", "5G NR", "LTE"], "category"),
    (["3 GB", "4 GB", "12 GB"], "number"), (["2 g", "40 g", "7 g"], "number"), (["3%", "4%"], "number"),
])
def test_the_generation_of_a_network_is_a_name(texts: list[str], kind: str) -> None:
    assert look(pd.Series(texts * 50), "network").kind == kind


def test_spellings_of_yes_and_no_are_each_named_once() -> None:
    said = pd.DataFrame({"plan": pd.Series(["no", " no", "yes", "No", "NO", "Yes", "Y", "N"] * 9)})
    told = [fault.finding.what for fault in faults.of_columns(said, looks(said), NOW)]
    line = next(what for what in told if "spelled" in what)
    assert line.startswith("Yes and no are spelled 7 ways: ") and line.endswith(" and 1 more.")
    named = line.removesuffix(" and 1 more.").split(": ")[1].split(", ")
    assert len(named) == len(set(named)) == 6
    assert any("blanks around" in what for what in told)


@pytest.mark.parametrize("name", ["price_data_rows", "orders_recent", "days_rate"])
def test_counts_of_rows_are_no_money(name: str, rng: np.random.Generator) -> None:
    seen = looks(pd.DataFrame({name: rng.integers(1, 50, 300)}))
    assert monies.money(seen, frozenset())[0].column == ""


@pytest.mark.parametrize("name", ["monthly_dues", "bill_avg", "avg_bill_amount"])
def test_two_prices_and_an_average_bill_are_money(name: str, rng: np.random.Generator) -> None:
    seen = looks(pd.DataFrame({name: rng.choice([25.0, 40.0], 300), "agreed": rng.integers(0, 2, 300)}))
    found, _ = monies.money(seen, frozenset())
    assert (found.column, found.value) == (name, "month")


@pytest.mark.parametrize("name", ["Nº socio", "N° client", "Matricule", "policy", "Membership #"])
def test_customers_are_named_by_numbers_of_many_names(name: str, rng: np.random.Generator) -> None:
    seen = looks(pd.DataFrame({name: rng.permutation(90_000)[:600] + 10_000, "age": rng.integers(18, 80, 600)}))
    assert recognise.identity(seen).column == name


@pytest.mark.parametrize(("name", "values", "positive"), [
    ("Attrition_Flag", ["Existing Customer", "Attrited Customer"], "Attrited Customer"),
    ("is_active", [1, 0], "0"), ("Churn?", [" False.", " True."], "True."),
    ("status", ["active", "churned"], "churned"),
    ("Kündigung", ["nein", "ja"], "ja"), ("renewed", ["Yes", "No"], "No"), ("target", [0, 1], "1"),
    ("membership_status", ["Active", "Expired"], "Expired"), ("churn", [-1, 1], "1"), ("not_churned", [1, 0], "0"),
    ("state", ["trialing", "past_due_canceled"], "past_due_canceled"),
])
def test_who_left_is_found_however_it_is_spelled(name: str, values: list[Any], positive: str) -> None:
    frame = pd.DataFrame({"plan": ["a", "b"] * 50, name: pd.Series([values[0]] * 70 + [values[1]] * 30).map(str)})
    label, _ = leavers.label(looks(frame))
    assert (label.column, label.value) == (name, positive)


@pytest.mark.parametrize(("name", "values"), [
    ("churn_score", [str(number) for number in range(100)]), ("gender", ["M", "F"]), ("Partner", ["Yes", "No"]),
    ("risk", ["low", "high"]), ("last_login", ["2024-01-01", "2024-02-01"]), ("calls_left_over", ["3", "9"]),
])
def test_what_does_not_say_who_left_is_no_label(name: str, values: list[str]) -> None:
    frame = pd.DataFrame({name: (values * 100)[:100]})
    assert leavers.label(looks(frame))[0].column == ""


def test_an_income_or_a_balance_is_not_what_a_customer_pays() -> None:
    frame = pd.DataFrame({"MonthlyIncome": range(1000, 1100), "Balance": range(100), "fee": [5, 9] * 50,
                          "HourSpendOnApp": range(100), "time_spend_company": range(100)})
    assert monies.money(looks(frame.astype(str)), frozenset())[0].column == ""
    frame["monthly_premium"] = range(20, 120)
    found = monies.money(looks(frame.astype(str)), frozenset())[0]
    assert (found.column, found.value, found.word) == ("monthly_premium", "month", "sure")


NOW = datetime(2026, 7, 1)


def amounts(rng: np.random.Generator, **columns: Any) -> pd.DataFrame:
    """Six hundred customers and columns of theirs; a column given as None holds amounts of its own."""
    paid = {name: np.round(rng.gamma(4, 20, 600), 2) if values is None else values for name, values in columns.items()}
    return pd.DataFrame({"customer_id": [f"C{row:04d}" for row in range(600)], "agreed": ["yes", "no"] * 300} | paid)


def money_of(frame: pd.DataFrame) -> tuple[str, str]:
    found, _ = monies.money(looks(frame.astype(str)), frozenset())
    return found.column, found.value


@pytest.mark.parametrize(("name", "days"), [
    ("Weekly Price", "7"), ("price_per_week", "7"), ("weekly_fee", "7"), ("avg_weekly_spend", "7"),
    ("Wochenpreis", "7"), ("fortnightly_fee", "14"), ("quarterly_premium", "91"), ("premium_per_quarter", "91"),
    ("daily_charge", "1"), ("price_per_day", "1"), ("monthly_fee", "month"), ("annual_premium", "365"),
    ("preco_mensal", "month"), ("Bedrag per mnd", "month"), ("Mo Prem", "month"), ("leasingrate_mtl", "month"),
    ("Beitrag pro Monat", "month"), ("prix_mensuel", "month"), ("quota mensile", "month"),
    ("spend_90d", "90"), ("Spend (12m) €", "365"), ("revenue_last_30_days", "30"), ("amount_spent_6m", "183"),
    ("gross_bookings_90d", "90"), ("Production 12mo", "365"), ("sales_3_months", "91"), ("premium_90d_paid", "90"),
    ("Umsatz 12 Monate", "365"), ("gasto_6_meses", "183"),
])
def test_the_time_that_money_covers_is_read_from_its_name(name: str, days: str, rng: np.random.Generator) -> None:
    assert money_of(amounts(rng, **{name: None})) == (name, days)


@pytest.mark.parametrize("name", [
    "DailyRate", "Avg Daily Rate", "Total day charge count", "daily_minutes", "weekly_hours", "weekly_price_change",
    "weekly_visits", "revenue_next_90d", "gross_bookings_next_90d", "predicted_spend_90d", "spend_change_90d",
    "claims_paid_12m", "late_payments_12m", "trips_90d", "cancelled_bookings_90d", "income_12m", "logins_30d",
])
def test_what_is_no_money_of_the_past_is_none_for_its_window(name: str, rng: np.random.Generator) -> None:
    assert money_of(amounts(rng, **{name: None})) == ("", "")


@pytest.mark.parametrize(("name", "days"), [
    ("spend_d7", "7"), ("revenue_d30", "30"), ("D90 Revenue", "90"), ("spend_w1", "7"), ("spend_m1", "30"),
    ("spend_7_days", "7"), ("spend_w2", "365"),  # in or within the second week: nobody knows
])
def test_the_days_since_joining_that_money_covers_are_read_from_its_name(name: str, days: str,
                                                                         rng: np.random.Generator) -> None:
    assert money_of(amounts(rng, **{name: None})) == (name, days)


@pytest.mark.parametrize(("name", "beside", "period"), [
    ("fee_eur", "plan", "month"), ("price", "Subscription Type", "month"), ("charge", "tier", "month"),
    ("plan_fee", "contract", "month"), ("fee", "colour", "365"), ("total_charges", "plan", "365"),
    ("annual_fee", "plan", "365"), ("fee", "contract_end_month", "365"), ("weekly_fee", "plan", "7"),
])
def test_a_bare_price_beside_plans_is_a_month_s_and_a_guess(name: str, beside: str, period: str,
                                                            rng: np.random.Generator) -> None:
    frame = amounts(rng, **{name: rng.choice([5.99, 10.99, 14.99], 600), beside: rng.choice(["Solo", "Duo"], 600)})
    part, _ = monies.money(looks(frame.astype(str)), frozenset())
    assert (part.column, part.value) == (name, period)
    if period == "month":
        assert part.confidence < propose.DOUBT and f"the plans in {beside}" in part.evidence


def test_a_bare_price_in_a_sector_of_subscriptions_is_a_month_s_but_an_insurer_s_premium_a_year_s(
    rng: np.random.Generator,
) -> None:
    seen = looks(amounts(rng, fee=None, premium=None, plan=rng.choice(["a", "b"], 600)).astype(str))
    just = {name: seen[name] for name in ("fee",)}
    assert monies.money(just, frozenset(), "telecom")[0].value == "month"
    assert monies.money(just, frozenset(), "retail")[0].value == "365"
    found = monies.money({name: seen[name] for name in ("premium", "plan")}, frozenset(), "insurance")[0]
    assert (found.column, found.value) == ("premium", "365")


@pytest.mark.parametrize(("name", "paying", "taken"), [
    ("fee", 0.6, True), ("fee", 0.4, False), ("closure_fee_amt", 1.0, False), ("late_payment_fee", 1.0, False),
    ("setup_fee", 1.0, False), ("penalty_charge", 1.0, False), ("total_spend", 0.4, True), ("total_spend", 0.05, False),
    ("monthly_fee", 0.3, True), ("monthly_fee", 0.07, False), ("spend_90d", 0.2, True), ("spend_d7", 0.08, False),
])
@pytest.mark.parametrize("none", [0.0, np.nan])
def test_what_most_customers_do_not_pay_and_what_is_paid_once_is_no_money(
    name: str, paying: float, taken: bool, none: float, rng: np.random.Generator,
) -> None:
    frame = amounts(rng, **{name: np.where(np.arange(600) < 600 * paying, np.round(rng.gamma(4, 9, 600), 2), none)})
    assert (money_of(frame.fillna(""))[0] == name) == taken
    told = [fault.finding for fault in monies.passed_over(looks(frame.fillna("").astype(str)), frozenset())]
    few = not taken and paying < 1
    assert [finding.where for finding in told] == [name] * few
    assert not few or f"is 0 or blank for {100 * (1 - paying):.0f} % of customers" in told[0].what


@pytest.mark.parametrize("name", ["adr", "AvgGift", "avg_order_value", "price_per_night", "Average Donation"])
def test_what_is_paid_each_time_is_not_taken_and_it_is_said_what_to_bring(name: str, rng: np.random.Generator) -> None:
    draft = propose.of_table(amounts(rng, **{name: None, "nights": rng.poisson(3, 600)}), "file", NOW)
    assert draft.mapping["money"] == {} and draft.mapping["value"] == "months"
    told = [fault.finding for fault in draft.faults if fault.finding.where == name]
    assert len(told) == 1 and told[0].severity == "warning" and "times how often" in told[0].fix
    known = propose.of_table(amounts(rng, **{name: None, "monthly_fee": None}), "file", NOW)
    assert [fault for fault in known.faults if fault.finding.where == name] == []


@pytest.mark.parametrize("name", ["avg_minutes", "mean_score", "max_order", "avg_quiz"])
def test_averages_of_other_things_are_passed_over_in_silence(name: str, rng: np.random.Generator) -> None:
    assert monies.passed_over(looks(amounts(rng, **{name: None}).astype(str)), frozenset()) == ()


@pytest.mark.parametrize("name", ["bookings_90d", "production_12mo", "purchases_90d", "payments_6m",
                                  "paid_orders_90d"])
def test_what_is_counted_in_a_window_is_no_money(name: str, rng: np.random.Generator) -> None:
    assert money_of(amounts(rng, **{name: rng.poisson(9, 600)})) == ("", "")
    assert money_of(amounts(rng, **{name: [f"${n}" for n in rng.poisson(900, 600)]}))[0] == name


def test_units_are_no_money_and_a_currency_in_cells_or_name_is_a_guess(rng: np.random.Generator) -> None:
    sizes = [f"{number} GB" for number in rng.integers(1, 90, 600)]
    assert money_of(amounts(rng, used=sizes)) == ("", "")
    assert money_of(amounts(rng, used=[text.replace("GB", "PLN") for text in sizes])) == ("used", "month")
    assert money_of(amounts(rng, **{"Recarga media (EUR)": None})) == ("Recarga media (EUR)", "month")
    assert money_of(amounts(rng, **{"Saldo (EUR)": None})) == ("", "")


def currency_of(frame: pd.DataFrame) -> tuple[str, str]:
    part = next(part for part in propose.of_table(frame, "file", NOW).parts if part.role == "currency")
    return part.value, part.evidence


@pytest.mark.parametrize(("name", "code"), [
    ("Spend (12m) €", "EUR"), ("Recarga media (EUR)", "EUR"), ("monthly_fee_usd", "USD"), ("Monthly fee R$", "BRL"),
    ("monthly_amount_try", "TRY"), ("monthly_fee", ""),
])
def test_the_currency_is_read_from_the_moneys_name(name: str, code: str, rng: np.random.Generator) -> None:
    assert currency_of(amounts(rng, **{name: None}, try_count=rng.integers(0, 9, 600)))[0] == code


def test_the_currency_of_other_columns_is_taken_where_they_agree(rng: np.random.Generator) -> None:
    limits = [f"${number:,.2f}" for number in rng.gamma(4, 900, 600)]
    frame = amounts(rng, monthly_fee=None, credit_limit=limits)
    value, evidence = currency_of(frame)
    assert value == "USD" and evidence.startswith("monthly_fee does not say it; the sign $ stands in '$")
    assert evidence.endswith("of credit_limit")
    assert currency_of(frame.assign(worth=[text.replace("$", "€") for text in limits])) == (
        "", "no sign or code says which; other columns say several: EUR, USD")
    assert currency_of(amounts(rng, monthly_fee=None, height=[f"{n} Ft" for n in rng.integers(3, 7, 600)]))[0] == ""


def test_a_column_of_currencies_says_one_or_that_there_are_several(rng: np.random.Generator) -> None:
    frame = amounts(rng, monthly_fee=None).assign(**{"plan.currency": "USD"})
    assert currency_of(frame) == ("USD", "every value of plan.currency is USD")
    frame["plan.currency"] = ["USD", "EUR"] * 300
    assert currency_of(frame) == ("", "plan.currency says several: EUR, USD")
    assert currency_of(amounts(rng, monthly_fee=None, currency=["red", "tan"] * 300))[0] == ""


def tenure_of(name: str, rng: np.random.Generator) -> tuple[str, str]:
    found = recognise.tenure(looks(amounts(rng, **{name: rng.integers(1, 60, 600)})), frozenset())
    return found.column, found.value


@pytest.mark.parametrize(("name", "unit"), [
    ("years_insured", "years"), ("weeks_subscribed", "weeks"), ("plan.weeks_subscribed", "weeks"),
    ("Months on supply", "months"), ("months_insured", "months"), ("Years with us", "years"), ("weeks_active", "weeks"),
    ("days_subscribed", "days"), ("Jahre versichert", "years"), ("Monate Kunde", "months"),
    ("policy_yrs", "years"), ("yrs_supplied", "years"), ("member_for_months", "months"), ("policy_age_years", "years"),
    ("age_of_account_days", "days"), ("cust_yrs", "years"), ("years_of_service", "years"),
    ("time_with_us_months", "months"), ("months_covered", "months"), ("subscriber_for_weeks", "weeks"),
    ("membership_years", "years"),
    ("kunde_seit_jahren", "years"), ("años asegurado", "years"), ("subscribed_months", "months"),
])
def test_how_long_somebody_has_been_a_customer_is_known_under_many_names(name: str, unit: str, rng: np.random.Generator
                                                                         ) -> None:
    assert tenure_of(name, rng) == (name, unit)


@pytest.mark.parametrize("name", ["Months to tariff end", "contract_months_left", "months_in_arrears", "years_old",
                                  "weeks_to_renewal", "policy_yrs_left", "no_claims_years", "policy_term",
                                  "member_visits", "cust_count", "contract_months_remaining", "months_supply_overdue",
                                  "insured_value"])
def test_other_times_are_no_tenure(name: str, rng: np.random.Generator) -> None:
    assert tenure_of(name, rng) == ("", "")


def test_weeks_and_years_as_a_customer_become_months(rng: np.random.Generator) -> None:
    frame = amounts(rng, weeks_subscribed=rng.integers(1, 200, 600))
    draft = propose.of_table(frame, "file", NOW)
    cure = next(cure for cure in draft.mapping["cures"] if cure["cure"] == "times")
    assert draft.mapping["tenure"] == "weeks_subscribed"
    assert cure["by"] == pytest.approx(7 * 12 / 365.25, rel=0.01)


@pytest.mark.parametrize(("names", "sector"), [
    (["Fixed tariff", "Months to tariff end", "Annual kWh"], "other"), (["Credit Notes", "Close-out Credit"], "other"),
    (["Saldo", "Saldo devuelto"], "other"), (["event_time", "event_type"], "other"),
    (["Points Balance", "Nights"], "other"), (["plan.price", "plan.currency", "plan.weeks"], "other"),
    (["feature_0", "feature_1", "feature_2"], "other"), (["Balance", "CreditScore", "NumOfProducts"], "bank"),
    (["credit_limit", "credit_score"], "other"), (["MSISDN", "Minutos voz", "Recargas 90d", "Saldo"], "telecom"),
    (["speed_mbps", "gb_downloaded"], "telecom"), (["mobile_tariff", "roaming_days"], "telecom"),
    (["Total eve calls", "Total intl minutes"], "telecom"), (["plan", "seats", "logins_30d"], "saas"),
    (["policy_type", "claims"], "insurance"), (["recency", "frequency", "monetary"], "retail"),
    (["days_since_last_login", "plan", "exit_row_seat", "listen_hours_30d", "tracks_saved"], "streaming"),
    (["plan", "logins_30d", "trial"], "other"), (["plan", "last_login", "exit_row_seat", "toll_trips"], "other"),
    (["lease_end", "plan", "logins_30d", "subscription_type"], "other"), (["plan", "feature_0", "mrr"], "saas"),
    (["premium_member", "vehicle_km", "minutes_total"], "other"), (["seat_count", "api_calls"], "saas"),
    (["seats", "logins_30d", "loan", "branch"], "other"), (["seats", "logins_30d", "loan", "branch", "iban"], "bank"),
])
def test_a_sector_is_known_by_two_words_of_its_own_and_a_tie_is_none(names: list[str], sector: str) -> None:
    found = sectors.sector(looks(pd.DataFrame({name: range(30) for name in names})))
    assert (found.value, found.word == "open") == (sector, sector == "other")


def test_a_tie_of_sectors_is_told() -> None:
    seen = looks(pd.DataFrame({name: range(30) for name in ("seats", "logins_30d", "loan", "branch")}))
    assert sectors.sector(seen).evidence == "the columns speak of bank and saas alike"


@pytest.mark.parametrize("texts", [True, False])
def test_a_total_below_is_no_customer_in_any_evidence(texts: bool, rng: np.random.Generator) -> None:
    frame = pd.DataFrame({"Subscriber #": [f"{row:05d}" for row in range(600)], "plan": ["a", "b"] * 300,
                          "complaints": rng.integers(0, 5, 600).astype(str), "left": rng.choice(["0", "1"], 600),
                          "note": [" x", "y"] * 300})
    total = pd.DataFrame([{"Subscriber #": "Total", "plan": "", "complaints": "1234", "left": "", "note": ""}])
    frame = pd.concat([frame, total], ignore_index=True)
    draft = propose.of_table(frame.astype("category") if texts else frame, "file", NOW)
    told = {part.column: part.evidence for part in (*draft.parts, *draft.columns) if part.column}
    assert told["Subscriber #"].endswith("600 different values in 600 rows")
    assert told["complaints"] == "numbers from 0 to 4"
    assert draft.looks["complaints"].distinct == 5 and draft.looks["plan"].distinct == 2
    assert [fault.cure["cure"] for fault in draft.faults] == ["strip", "totals"]


@pytest.mark.parametrize("name", ["discountPct", "reajuste_pct"])
def test_whole_percents_that_are_mostly_zero_are_percents(name: str, rng: np.random.Generator) -> None:
    frame = amounts(rng, **{name: rng.choice([0, 5, 10, 20, 50], 600, p=[0.7, 0.1, 0.1, 0.05, 0.05])})
    assert [fault for fault in faults.of_columns(frame, looks(frame), NOW) if fault.finding.where == name] == []
    shares = amounts(rng, **{name: np.append(np.round(rng.uniform(0.01, 0.6, 598), 2), [25.0, 40.0])})
    told = [fault.finding.what for fault in faults.of_columns(shares, looks(shares), NOW)]
    assert any("2 values between 1 and 100 in a column of shares" in what for what in told)
