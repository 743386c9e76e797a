"""A column that says who left: found by its name and values, or chosen by a person, who is offered its values."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from engine import onboarding
from engine.data.doctor import cures, leavers, propose, recognise
from engine.data.doctor.looks import look, looks
from engine.schema import Actor

ANA, NOW = Actor("ana", "manager"), datetime(2026, 7, 1)


def answers(**columns: tuple[str, str]) -> pd.DataFrame:
    """A hundred customers, of whom thirty have the second answer of every column."""
    return pd.DataFrame({"customer_id": [f"C{n:03d}" for n in range(100)], "plan": ["a", "b"] * 50}
                        | {name: [stayed] * 70 + [left] * 30 for name, (stayed, left) in columns.items()})


@pytest.mark.parametrize(("name", "stayed", "left", "word"), [
    ("closed_within_6m", "N", "Y", "likely"), ("account_closed", "0", "1", "likely"), ("closed", "no", "yes", "likely"),
    ("policy_closed_in_90_days", "false", "true", "likely"), ("Konto geschlossen", "nein", "ja", "likely"),
    ("is_active", "1", "0", "likely"), ("active", "Yes", "No", "likely"), ("churned_within_3_months", "0", "1", "sure"),
])
def test_the_only_column_that_speaks_of_closing_or_activity_is_proposed(name: str, stayed: str, left: str, word: str
                                                                        ) -> None:
    draft = propose.of_table(answers(**{name: (stayed, left)}), "file", NOW)
    label = next(part for part in draft.parts if part.role == "label")
    assert (label.column, label.value, label.word) == (name, left, word)


@pytest.mark.parametrize("name", ["ticket_closed", "closed_deals", "deal_closed_in_30_days", "shop_closed_on_sunday"])
def test_what_else_can_be_closed_is_no_label(name: str) -> None:
    assert leavers.label(looks(answers(**{name: ("N", "Y")})))[0].column == ""


@pytest.mark.parametrize("better", ["Exited", "closed_within_6m", "account_closed", "left"])
@pytest.mark.parametrize("active", ["is_active_member", "is_active", "active"])
def test_activity_is_no_label_beside_a_better_one(better: str, active: str) -> None:
    seen = looks(answers(**{active: ("1", "0"), better: ("0", "1")}))
    assert leavers.label(seen)[0].column == better


@pytest.mark.parametrize(("values", "left"), [
    (["N", "N", "Y"], "Y"), (["1", "1", "2"], "2"), (["gone", "here", "here"], "gone"),
    (["churned", "moved", "closed", "open"], "churned|closed"), (["2026-01-02", "", ""], "filled"),
    (["x", "", ""], "filled"), (["red", "green", "blue"], ""),
])
def test_a_column_that_a_person_chooses_offers_its_values(values: list[str], left: str) -> None:
    assert set(leavers.who_left(look(pd.Series(values * 20), "a_column")).split("|")) == set(left.split("|"))


@pytest.mark.parametrize(("name", "days"), [
    ("closed_within_6m", 183), ("churned_within_3_months", 91), ("left_in_next_90_days", 90), ("churn_next_month", 30),
    ("cancelled_in_2024", None), ("churned", None), ("lapsed_60d", 60), ("retained_d30", 30), ("churn_90", 90),
    ("churn_30_days", 30), ("churn_next_quarter", 91), ("30_day_churn", 30), ("Churn90D", 90), ("churn_m3", 91),
    ("target_30d", 30), ("inactive_90d", 90), ("Churned (1=y, 0=n)", None), ("churned_1_yes_0_no", None),
    ("churn_2024", None), ("churn_2030", None), ("churn_2024_06_30", None), ("churn_30_jun", None), ("churn_v2", None),
    ("churn_q1", None), ("churn_202406", None), ("cancelled_12m_contract", None), ("closed_30_days", 30)])
def test_a_labels_name_may_say_within_how_many_days(name: str, days: int | None) -> None:
    assert propose.of_table(answers(**{name: ("N", "Y")}), "file", NOW).mapping.get("horizon_days") == days


def bank(folder: Path) -> Path:
    rng = np.random.default_rng(2)
    rows = 400
    frame = pd.DataFrame({
        "client_ref": [f"BK{n:05d}" for n in range(rows)], "annual_fee_eur": np.round(rng.gamma(3, 30, rows), 2),
        "went_in_spring": np.where(rng.random(rows) < 0.3, "Y", "N"), "churn": rng.choice([1, 0], rows),
        "gone_within_6m": np.where(rng.random(rows) < 0.4, "Y", "N"),
        "colour": rng.choice(["red", "blue", "tan"], rows)})
    frame.to_csv(folder / "bank.csv", index=False)
    return folder / "bank.csv"


@pytest.mark.slow
def test_another_label_comes_with_its_own_answer_and_without_one_the_way_on_stays_open(tmp_path: Path,
                                                                                       monkeypatch: pytest.MonkeyPatch
                                                                                       ) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    first = onboarding.propose([bank(tmp_path)], name="bank", actor=ANA, now=NOW)
    assert (first.part("label").column, first.part("label").value) == ("churn", "1")
    assert "horizon_days" not in first.mapping
    assert onboarding.amended(first, parts={"label": "gone_within_6m"}).mapping["horizon_days"] == 183
    assert onboarding.amended(first, parts={"label": "gone_within_6m"}, horizon_days=30).mapping["horizon_days"] == 30
    other = onboarding.amended(first, parts={"label": "went_in_spring"})
    assert other.part("label").value == "Y" and other.trainable
    assert other.examined.left == pytest.approx((pd.read_csv(tmp_path / "bank.csv")["went_in_spring"] == "Y").mean())
    unsaid = onboarding.amended(first, parts={"label": "colour"})
    assert not unsaid.trainable and not unsaid.examined.stopped and unsaid.part("label").word == "open"
    assert "not said yet" in unsaid.part("label").evidence
    assert onboarding.amended(first, parts={"label": "colour", "positive": "red|tan"}).trainable
    assert onboarding.amended(first, parts={"label": "churn", "positive": ""}).part("label").word == "open"


@pytest.mark.parametrize("wrong", [0, 9])
def test_a_second_column_that_says_who_left_is_told_with_the_rows_in_which_they_differ(wrong: int) -> None:
    left = np.arange(300) % 4 == 0
    other = left ^ (np.arange(300) < wrong)
    frame = pd.DataFrame({"id": [f"K{n:04d}" for n in range(300)], "fee": np.arange(300) % 70 + 0.5,
                          "renewed": np.where(left, "N", "Y"), "churned": np.where(other, "Yes", "No")})
    draft = propose.of_table(frame, "policies.csv", datetime(2024, 7, 1))
    told = [fault.finding for fault in draft.faults if "says who left as well as churned" in fault.finding.what]
    assert [(one.where, one.rows, one.severity) for one in told] == [("renewed", wrong, "warning" if wrong else "note")]


@pytest.mark.parametrize("never", ["9999-12-31", "", "n/a"])
def test_days_of_leaving_that_never_come_are_no_leaving_when_answers_are_compared(never: str) -> None:
    left = np.arange(300) % 4 == 0
    frame = pd.DataFrame({"id": [f"K{n:04d}" for n in range(300)], "fee": np.arange(300) % 70 + 0.5,
                          "exit_date": np.where(left, "2024-03-05", never),
                          "churned": np.where(left, "Yes", "No")})
    draft = propose.of_table(frame, "members.csv", datetime(2024, 7, 1))
    told = [fault.finding for fault in draft.faults if "says who left as well as churned" in fault.finding.what]
    assert [(one.where, one.rows) for one in told] == [("exit_date", 0)]


def guess_of(frame: pd.DataFrame) -> tuple[str, str]:
    label, _ = leavers.label(looks(frame), "customer_id")
    return label.column, label.value


def many(**columns: list[str]) -> pd.DataFrame:
    """Two hundred customers; the answers of each column are repeated in turn."""
    return pd.DataFrame({"customer_id": [f"C{n:03d}" for n in range(200)], "plan": ["a", "b"] * 100}
                        | {name: values * (200 // len(values)) for name, values in columns.items()})


@pytest.mark.parametrize(("name", "values", "left"), [
    ("churn_type", ["No", "No", "No", "Voluntary", "Involuntary"], "Voluntary|Involuntary"),
    ("Churn Category", ["None", "None", "None", "Voluntary", "Involuntary"], "Voluntary|Involuntary"),
    ("churn_type", ["No", "No", "Voluntary", "Non-payment"], "Voluntary|Non-payment"),
    ("cancellation_type", ["", "", "", "voluntary", "involuntary"], "filled"),
    ("churn", ["No", "No", "No", "Voluntary", "Involuntary"], "Voluntary|Involuntary"),
    ("Switched away", ["2", "2", "2", "1"], "1"), ("Switched away", ["No", "No", "Yes", "No"], "Yes"),
    ("moved_out", ["0", "0", "0", "1"], "1"), ("switched_supplier", ["N", "N", "N", "Y"], "Y"),
    ("Stat", ["A", "A", "A", "I"], "I"), ("Status", ["A", "A", "A", "C", "T"], "C|T"),
    ("acct_status", ["A", "A", "A", "X"], "X"), ("Status Code", ["A", "A", "A", "L"], "L"),
])
def test_who_left_is_told_by_kinds_of_leaving_and_by_letters(name: str, values: list[str], left: str) -> None:
    column, value = guess_of(many(**{name: values}))
    assert column == name
    assert set(value.split("|")) == set(left.split("|"))


def test_the_share_of_who_left_counts_those_of_whom_it_says_none() -> None:
    frame = many(churn_type=["None", "None", "None", "Voluntary", "Involuntary"])
    label, _ = leavers.label(looks(frame), "customer_id")
    assert label.evidence == "Voluntary or Involuntary means left (40.0 % of rows), beside None"


@pytest.mark.parametrize(("name", "values"), [
    ("cancel_policy", ["No", "Flexible", "Strict", "Strict"]), ("exit_survey_type", ["No", "Phone", "Web", "Web"]),
    ("churn_reason_type", ["", "Price", "Move", "Price"]), ("marital_status", ["A", "A", "D", "D"]),
    ("order_status", ["A", "A", "A", "C"]), ("loan_status", ["A", "C", "D", "A"]), ("grade", ["A", "A", "C", "D"]),
    ("Status", ["A", "B", "C", "D"]), ("Status", ["P", "P", "I", "S"]),
    ("Status", ["C"] * 9 + ["A"]),
    ("Region", ["A", "I", "A", "A"]), ("switched_plan", ["No", "No", "No", "Yes"]), ("state", ["CA", "TX", "IL", "AZ"]),
    ("contract_end_month", ["No", "Jan", "Feb", "Mar"]),
])
def test_letters_and_kinds_of_other_things_are_no_label(name: str, values: list[str]) -> None:
    assert guess_of(many(**{name: values})) == ("", "")


@pytest.mark.parametrize("never", ["31.12.9999", "9999-12-31", "12/31/9999", "99991231", "2999-12-31",
                                   "9999-12-31 00:00:00"])
@pytest.mark.parametrize("name", ["end_date", "Kündigungsdatum"])
def test_a_day_that_never_comes_means_that_nothing_is_known(name: str, never: str) -> None:
    days = pd.date_range("2025-01-01", periods=40).strftime(
        {"31.12.9999": "%d.%m.%Y", "12/31/9999": "%m/%d/%Y", "99991231": "%Y%m%d"}.get(never, "%Y-%m-%d"))
    frame = many(plan=["a"]).assign(**{name: [never] * 160 + list(days)})
    seen = look(frame[name], name)
    assert (seen.kind, round(seen.blank, 6), seen.missing) == ("date", 0.8, (never,))
    draft = propose.of_table(frame, "file", NOW)
    label = next(part for part in draft.parts if part.role == "label")
    assert (label.column, label.value) == (name, "filled")
    cure = next(fault.cure for fault in draft.faults if fault.finding.where == name)
    assert cures.cured(frame, [cure], "file")[0][name].astype(str).eq("").sum() == 160


def test_days_that_are_numbers_are_days_and_other_numbers_are_not() -> None:
    days = pd.Series([20240131, 20240229, 20240331, 99991231] * 20)
    assert (look(days, "end").kind, look(days, "end").missing) == ("date", ("99991231",))
    assert look(pd.Series([20240131, 20249931, 20245678] * 20), "key").kind == "number"
    assert look(pd.Series(["10412345", "99991231", "20240131"] * 20), "account").missing == ()


@pytest.mark.parametrize(("name", "values", "why"), [
    ("churn_wave", ["first", "second", "third", "third"], "speaks of leaving"),
    ("Status", ["1", "2", "3", "4"], "that of a status"),
    ("cancel_code", ["K1", "K2", "K9", "K1"], "speaks of leaving"),
])
def test_where_nobody_says_who_left_the_columns_that_come_nearest_are_named(name: str, values: list[str], why: str
                                                                            ) -> None:
    draft = propose.of_table(many(**{name: values}), "file", NOW)
    label = next(part for part in draft.parts if part.role == "label")
    assert (label.column, label.word) == ("", "open")
    assert f"{name} comes near" in label.evidence and why in label.evidence and values[0] in label.evidence
    assert [part.column for part in draft.others["label"]] == [name]
    assert all(part.word != "sure" and part.confidence < recognise.ENOUGH for part in draft.others["label"])


def test_where_no_column_comes_near_none_is_named() -> None:
    label = next(part for part in propose.of_table(many(colour=["red", "tan"]), "file", NOW).parts
                 if part.role == "label")
    assert label.evidence == "no column says who left"


@pytest.mark.slow
@pytest.mark.parametrize(("name", "stayed", "left"), [
    ("churn_type", "None", ["Voluntary", "Involuntary"]), ("churn_type", "No", ["Voluntary", "Non-payment"]),
    ("Vertragsende", "31.12.9999", ["01.03.2026", "15.04.2026"]), ("end_date", "99991231", ["20260301", "20260415"]),
    ("cancel_date", "9999-12-31", ["2026-03-01", "2026-04-15"]), ("Stat", "A", ["I", "I"]),
])
@pytest.mark.parametrize("kind", ["csv", "xlsx"])
def test_those_who_left_are_counted_as_the_file_says_them(name: str, stayed: str, left: list[str], kind: str,
                                                          tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_HOME", str(tmp_path / "home"))
    rng = np.random.default_rng(3)
    frame = pd.DataFrame({"customer_id": [f"C{n:04d}" for n in range(400)],
                          "monthly_fee": rng.gamma(4, 9, 400).round(2), "visits": rng.poisson(5, 400)})
    went = rng.random(400) < 0.3
    days = pd.Series(rng.choice(left if "date" not in name.lower() and name != "Vertragsende" else [
        *left, *(text.replace("15", str(day)) for text in left[1:] for day in range(16, 29))], 400))
    frame[name] = days.where(went, stayed)
    path = tmp_path / f"file.{kind}"
    frame.to_csv(path, index=False) if kind == "csv" else frame.to_excel(path, index=False)
    found = onboarding.propose([path], name="file", actor=ANA, now=NOW)
    assert found.part("label").column == name
    assert found.examined.left == pytest.approx(went.mean())


@pytest.mark.parametrize(("name", "values", "left"), [
    ("Lapsed (1=yes, 2=no)", ["2", "2", "1"], "1"), ("Lapsed (1=no, 2=yes)", ["2", "1", "1"], "2"),
    ("Lapsed (1=no; 2=yes)", ["2", "2", "1"], "2"), ("Active (1 = yes / 2 = no)", ["1", "1", "2"], "2"),
    ("Churn (Yes=1, No=0)", ["0", "0", "1"], "1"), ("Churn (Yes=0, No=1)", ["0", "0", "1"], "0"),
    ("Exited: 1 - yes; 2 - no", ["2", "2", "1"], "1"), ("lapsed_1_no_2_yes", ["2.0", "1.0", "1.0"], "2.0"),
    ("Outcome (0=left, 1=stayed)", ["1", "0", "1"], "0"), ("Status (A=active, B=closed)", ["A", "B", "A"], "B"),
    ("Kündigung (1=ja, 0=nein)", ["0", "0", "1"], "1"), ("Churn [0/1]", ["0", "0", "1"], "1"),
    ("Lapsed Y/N", ["N", "N", "Y"], "Y"), ("churned (yes/no)", ["no", "no", "yes"], "yes"),
])
def test_what_a_name_says_of_its_values_is_read(name: str, values: list[str], left: str) -> None:
    """Of one and two the rarer is no better guess than what the name says: here the rarer one stayed twice."""
    frame = many(**{"prev_lapse": ["Yes", "No", "No", "No"], name: values * 66 + values[:2]})
    label, _ = leavers.label(looks(frame), "customer_id")
    assert (label.column, label.value) == (name, left)
    assert label.confidence > propose.DOUBT or "active" in name.lower()


@pytest.mark.parametrize("name", ["Side (1=left, 2=right)", "Gender (1=male, 2=female)", "Plan (1 - basic; 2 - plus)",
                                  "left_hand", "left_review", "voicemail_left", "exit_row_seat", "days_left_flag",
                                  "cancel_insurance_option", "auto_renew", "active_card", "renewal_offer_sent",
                                  "PrevLapse", "previously_cancelled", "prior_churn", "past churn", "churned_before"])
def test_names_that_sound_like_leaving_or_speak_of_an_earlier_time_are_no_label(name: str) -> None:
    assert guess_of(many(**{name: ["1", "2", "2", "2"]})) == ("", "")
    assert guess_of(many(**{name: ["Y", "N", "N", "N"]})) == ("", "")


@pytest.mark.parametrize("name", ["prev_end_date", "previous_cancellation_date"])
def test_an_earlier_day_of_leaving_is_no_label(name: str) -> None:
    assert guess_of(many(**{name: ["2024-03-05", "", "", ""]})) == ("", "")


def test_a_status_before_is_no_label_beside_that_of_now() -> None:
    before, now = ["Active", "Lapsed", "Active", "Active"], ["Active", "Active", "Lapsed", "Active"]
    assert guess_of(many(previous_status=before, status=now)) == ("status", "Lapsed")


@pytest.mark.parametrize("name", ["left_team_last_year", "churned_last_season", "ever_churned"])
def test_leaving_of_a_time_just_before_is_a_guess(name: str) -> None:
    label, _ = leavers.label(looks(many(**{name: ["Y", "N", "N", "N"]})), "customer_id")
    assert (label.column, label.word) == (name, "a guess")


@pytest.mark.parametrize(("name", "values", "left"), [
    ("AC_STAT", ["A", "A", "C"], "C"), ("A/C status", ["A", "A", "C"], "C"), ("acc_sts_cd", ["A", "A", "T"], "T"),
    ("discontd", ["N", "N", "Y"], "Y"), ("deactd", ["N", "N", "Y"], "Y"), ("dereg_flg", ["0", "0", "1"], "1"),
    ("Term'd", ["N", "N", "Y"], "Y"), ("cncl_ind", ["N", "N", "Y"], "Y"), ("CXL", ["N", "N", "Y"], "Y"),
    ("inact_flg", ["0", "0", "1"], "1"), ("susp", ["N", "N", "Y"], "Y"), ("unsubd", ["N", "N", "Y"], "Y"),
    ("lpsd", ["N", "N", "Y"], "Y"), ("resgn", ["N", "N", "Y"], "Y"), ("abgemeldet", ["nein", "nein", "ja"], "ja"),
    ("desativado", ["nao", "nao", "sim"], "sim"), ("iptal", ["H", "H", "E"], "E"),
    ("ex_customer", ["N", "Y", "N"], "Y"),
    ("acct_sts", ["ACTV", "ACTV", "TERM"], "TERM"), ("cust_stat", ["Act", "Act", "Disc"], "Disc"),
    ("policy_cancelled", ["N", "N", "Y"], "Y"),
    *((name, ["2024-03-05", *[""] * 3, "2024-04-01", *[""] * 3], "filled") for name in (
        "dt_deact", "DEACT_DT", "disc_dt", "term_date", "fec_baja", "dt_resil", "date_left", "DT_CANC", "kuend_dat",
        "resgn_dt", "lapse_dt", "dt_disconn")),
])
def test_who_left_is_found_under_short_names(name: str, values: list[str], left: str) -> None:
    values = (values * 100)[:200]
    assert guess_of(many(plan=["a"], **{name: values})) == (name, left)


@pytest.mark.parametrize(("name", "values"), [
    ("disc_pct", ["0", "5", "10", "15"]), ("policy_type", ["regular", "regular", "term", "term"]),
    ("term_months", ["12", "24", "12", "36"]), ("retention_desk_flag", ["0"] * 9 + ["1"]),
    ("renewed", ["0"] * 9 + ["1"]), ("end_date", ["2024-03-05"] * 24 + [""]), ("active_since", ["2024-03-05", ""]),
])
def test_short_for_something_else_or_said_of_nearly_all_is_no_label(name: str, values: list[str]) -> None:
    assert guess_of(many(**{name: values})) == ("", "")


def test_where_no_name_speaks_of_leaving_the_columns_whose_values_could_are_to_be_looked_at() -> None:
    frame = many(plan=["a", "a", "b", "b"], zz_flag=["N", "N", "N", "Y"], kdt_7=["2024-03-05", *[""] * 7],
                 cust_st=["A", "A", "D", "A"], gender=["F", "F", "F", "M"], has_gas=["Y", "Y", "Y", "N"],
                 half=["Y", "N"], rare=["1"] * 1 + ["0"] * 199, date_joined=["2024-03-05", "", "", ""],
                 email_opt_in=["N", "N", "N", "Y"],
                 tierart=["Hund", "Katze", "Hund", "Hund"], few=["1", "0", "0", "0", "0"])
    label, others = leavers.label(looks(frame), "customer_id")
    assert (label.column, label.word) == ("", "open") and "comes near" not in label.evidence
    assert {part.column for part in others} == {"kdt_7", "cust_st", "zz_flag", "few"}
    assert all(part.value == "" and part.confidence < recognise.ENOUGH / 2 for part in others)
    for told in ("kdt_7 (12 % of rows have a day)", "cust_st (A 75 %, D 25 %)", "zz_flag (N 75 %, Y 25 %)"):
        assert told in label.evidence
