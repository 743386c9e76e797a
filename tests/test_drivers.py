"""Drivers in words: the right ones, counted right, and never a claim that the data do not show."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

from engine.prediction.drivers import Rates, drivers, words
from engine.schema import REASONS, Column
from engine.schema.columns import A_DAY, AS_IN_FILE, Kind

CONTRACT = Column("contract", "category", "", "Kind of contract")
SUPPORT = Column("tech_support", "category", "", "Has support")
TENURE = Column("tenure_months", "count", "months", "Months since the contract began", label="Tenure")
SENIOR = Column("senior_citizen", "flag", "", "Is 65 or older")
CHARGES = Column("monthly_charges", "number", "currency/month", "What is paid each month")
COLUMNS = (CONTRACT, SUPPORT, TENURE, SENIOR, CHARGES)


def customers() -> tuple[pd.DataFrame, np.ndarray]:
    """200 customers: 100 month-to-month of whom 43 left, 60 one year (9 left), 40 two years (none), hand-made."""
    X = pd.DataFrame({
        "contract": pd.Categorical(["Month-to-month"] * 100 + ["One year"] * 60 + ["Two year"] * 40),
        "tech_support": pd.Categorical((["No"] * 60 + ["Yes"] * 40) * 2),
        "tenure_months": np.tile(np.arange(1.0, 51.0), 4), "senior_citizen": np.tile([0.0, 0.0, 0.0, 1.0], 50),
        "monthly_charges": np.where(np.arange(200) < 10, np.nan, 50.0),
    }, index=pd.Index([f"{number:03d}" for number in range(200)], name="customer_id"))
    left = np.zeros(200, int)
    left[:43] = left[100:109] = 1
    return X, left


def rates() -> Rates:
    X, left = customers()
    return Rates.learn(X, left, COLUMNS)


def test_counts_by_hand() -> None:
    told = rates()
    assert told.features["contract"].n == (100, 60, 40, 0)
    assert told.features["contract"].left == (43, 9, 0, 0)
    assert told.features["tenure_months"].edges == (10.0, 20.0, 30.0, 40.0)
    assert told.features["tenure_months"].n == (40, 40, 40, 40, 40, 0)
    assert told.features["senior_citizen"].n == (150, 50, 0)
    assert told.features["monthly_charges"].n == (190, 10)
    assert (told.n, told.left) == (200, 52)


@pytest.mark.parametrize(("column", "value", "raises", "said"), [
    (CONTRACT, "Month-to-month", True, "Month-to-month contract raises the risk: 43 % of such customers left."),
    (CONTRACT, "Two year", False, "Two year contract lowers the risk: 0 % of such customers left."),
    (CONTRACT, "Month-to-month", False,
     "Month-to-month contract lowers the risk here, though not by itself: 43 % of such customers left (others: 9 %)."),
    (CONTRACT, None, True,
     "Unknown contract raises the risk; no such customer was seen in training."),
    (SUPPORT, "No", True, "No tech support raises the risk: 43 % of such customers left."),
    (SUPPORT, "Yes", False, "Tech support lowers the risk: 0 % of such customers left."),
    (TENURE, 7.0, True, "Tenure of 7 months raises the risk: 48 % left of those with at most 10 months."),
    (TENURE, 50.0, False, "Tenure of 50 months lowers the risk: 8 % left of those with more than 40 months."),
    (TENURE, 15.0, True,
     "Tenure of 15 months raises the risk here, though not by itself: 25 % left of those with 11 to 20 months "
     "(others: 26 %)."),
    (SENIOR, 1.0, True,
     "Senior citizen raises the risk here, though not by itself: 24 % of such customers left (others: 27 %)."),
    (SENIOR, 0.0, True, "No senior citizen raises the risk: 27 % of such customers left."),
    (CHARGES, np.nan, True,
     "Unknown monthly charges raise the risk; only 10 such customers were seen, too few to quote a rate."),
])
def test_words(column: Column, value: object, raises: bool, said: str) -> None:
    told = rates()
    place = int(told.features[column.name].places(pd.Series([value]))[0])
    assert words(column, value, raises, place, told, "EUR") == said


@pytest.mark.parametrize(("kind", "meaning", "title", "value", "said"), [
    ("number", A_DAY, "Kunde seit", 44.0, "Kunde seit (44 days ago) raises the risk: "),
    ("number", A_DAY, "Vertragsende", -12.0, "Vertragsende (in 12 days) raises the risk: "),
    ("category", AS_IN_FILE, "Zahlart", "Rechnung", "Zahlart (Rechnung) raises the risk: "),
    ("number", AS_IN_FILE, "Nb Achats", np.nan, "Nb Achats (unknown) raises the risk: "),
    ("flag", AS_IN_FILE, "Abos aktiv", 0.0, "Abos aktiv (no) raises the risk: "),
])
def test_a_company_s_own_name_is_no_part_of_an_english_sentence(
    kind: Kind, meaning: str, title: str, value: object, said: str,
) -> None:
    column = Column("own", kind, "days" if meaning == A_DAY else "", meaning, label=title)
    X = pd.DataFrame({"own": pd.Series([value] * 60 + ["other" if kind == "category" else 100.0] * 60)})
    X["own"] = X["own"].astype("category") if kind == "category" else X["own"].astype(float)
    told = Rates.learn(X, np.arange(120) < 40, [column])
    place = int(told.features["own"].places(pd.Series([value]))[0])
    assert words(column, value, True, place, told).startswith(said)


SKIPS = Column("skip_share", "number", "", AS_IN_FILE, label="Skip share")


def told_of(column: Column, values: np.ndarray, value: float) -> str:
    """The words of a driver of one column, whatever its rate."""
    X = pd.DataFrame({column.name: values})
    told = Rates.learn(X, np.arange(len(values)) % 3 == 0, [column])
    place = int(told.features[column.name].places(pd.Series([value]))[0])
    return words(column, value, True, place, told)


@pytest.mark.parametrize(("column", "scale"), [
    (SKIPS, 1.0), (Column("skips", "number", "share 0..1", ""), 0.01), (Column("skips", "number", "days", ""), 10.0),
    (Column("bill", "number", "currency", ""), 1.0), (Column("skips", "number", "ratio", ""), 1.0),
])
def test_a_value_lies_within_the_span_that_is_told_of_it(column: Column, scale: float,
                                                               rng: np.random.Generator) -> None:
    """Values close above an edge would read as the edge itself by the digits that are usually shown."""
    values = np.sort(scale * np.round(rng.uniform(0.1, 0.9, 500), 6))
    told = Rates.learn(pd.DataFrame({column.name: values}), np.zeros(500), [column]).features[column.name]
    assert told.edges is not None
    for edge in told.edges:
        just_above = float(values[values > edge][0])
        said = told_of(column, values, just_above)
        low = re.search(r"more than [^\d]*([\d.,]+)", said)
        mine = re.search(r"(?:\(| of |^)[^\d]*([\d.,]+)", said)
        assert low is not None and mine is not None
        assert float(low[1].strip(".,")) < float(mine[1].strip(".,")), said


def test_the_case_that_contradicted_itself() -> None:
    values = np.repeat([0.05, 0.139, 0.1421, 0.219, 0.4, 0.5], [100, 100, 10, 90, 100, 100])
    said = told_of(SKIPS, values, 0.1421)
    assert said.startswith("Skip share (0.142)") and "more than 0.139 and at most 0.219" in said


def test_what_is_the_least_value_of_all_is_no_span() -> None:
    complaints = Column("complaints_90d", "number", "", AS_IN_FILE, label="Complaints 90d")
    values = np.r_[np.zeros(300), np.ones(100), np.full(100, 2.0)]
    assert "left of those with 0" in told_of(complaints, values, 0.0)
    assert "left of those with at most 0" in told_of(complaints, np.r_[values, -1.0], 0.0)


def test_a_title_of_two_parts_has_its_value_behind_it() -> None:
    mood = Column("mood_3m", "number", "-1..1", "Mean sentiment of tickets", label="Ticket sentiment, 3 months")
    X = pd.DataFrame({"mood_3m": np.linspace(-1, 1, 200)})
    told = Rates.learn(X, np.arange(200) < 60, [mood])
    place = int(told.features["mood_3m"].places(pd.Series([-0.9]))[0])
    assert words(mood, -0.9, True, place, told).startswith("Ticket sentiment, 3 months (-0.90) raises the risk: ")


def test_rates_that_read_alike_support_no_claim() -> None:
    """401 of 1,000 and 399 of 1,000 are both 40 %: neither value raises or lowers anything by itself."""
    X = pd.DataFrame({"contract": pd.Categorical(["a"] * 1000 + ["b"] * 1000)})
    told = Rates.learn(X, np.r_[np.arange(1000) < 401, np.arange(1000) < 399], COLUMNS)
    for value, place in (("a", 0), ("b", 1)):
        for raises in (True, False):
            said = words(CONTRACT, value, raises, place, told)
            assert said == (f"{value} contract {'raises' if raises else 'lowers'} the risk here, but only together "
                            "with what else is known: alone it makes no difference.")


def test_several_moments_are_counted_as_cases() -> None:
    X, left = customers()
    twice = pd.concat(dict.fromkeys((1, 2), X), names=["as_of"])
    told = Rates.learn(twice, np.r_[left, left], COLUMNS)
    assert words(CONTRACT, "Month-to-month", True, 0, told) == (
        "Month-to-month contract raises the risk: in 43 % of such cases the customer left.")
    assert words(TENURE, 7.0, True, 0, told) == (
        "Tenure of 7 months raises the risk: in 48 % of the cases with at most 10 months the customer left.")
    once = Rates.learn(twice.loc[[1]], left, COLUMNS)
    assert words(CONTRACT, "Month-to-month", True, 0, once).endswith("43 % of such customers left.")


def test_drivers_are_the_largest_contributions() -> None:
    X, _ = customers()
    phi = pd.DataFrame({"contract": [0.5, -0.1], "tech_support": [0.0, 0.0], "tenure_months": [-0.7, 0.0],
                        "senior_citizen": [0.1, 0.0], "monthly_charges": [0.2, 0.3], "base": [-1.0, -1.0]},
                       index=X.index[[20, 150]])
    table = drivers(phi, X.iloc[[20, 150]], COLUMNS, rates(), currency="EUR")
    assert table[["customer_id", "rank", "feature", "value", "contribution"]].to_numpy().tolist() == [
        ["020", 1, "tenure_months", "21 months", -0.7], ["020", 2, "contract", "Month-to-month", 0.5],
        ["020", 3, "monthly_charges", "50 EUR/month", 0.2], ["150", 1, "monthly_charges", "50 EUR/month", 0.3],
        ["150", 2, "contract", "One year", -0.1]]
    assert REASONS.validate(table.assign(run_id="r")) == []
    assert list(table) == REASONS.names[1:]


def test_no_claim_that_the_counts_do_not_show(rng: np.random.Generator) -> None:
    """Whatever the contributions say, "raises ...: r %" without a caveat only where r exceeds the others' rate."""
    X, left = customers()
    phi = pd.DataFrame(rng.normal(size=(200, 5)), index=X.index, columns=X.columns).assign(base=0.0)
    told = rates()
    table = drivers(phi, X, COLUMNS, told, top=5)
    plain = table[table.words.str.contains("risk: ")]
    assert len(plain) > 100
    for row in plain.itertuples():
        counts = told.features[row.feature]
        place = counts.places(X.loc[[row.customer_id], row.feature])[0]
        n, gone = counts.n[place], counts.left[place]
        here, others = gone / n, (left.sum() - gone) / max(200 - n, 1)
        assert n == 200 or (here > others) == (row.contribution > 0)
        assert f"{100 * here:.0f} %" in row.words
    assert not re.search(r"nan|None|currency", " ".join(table.words))


def test_one_customer_is_told_the_same_as_in_the_batch(rng: np.random.Generator) -> None:
    X, _ = customers()
    phi = pd.DataFrame(rng.normal(size=(200, 5)), index=X.index, columns=X.columns).assign(base=0.0)
    batch = drivers(phi, X, COLUMNS, rates())
    for row in (0, 7, 120, 199):
        alone = drivers(phi.iloc[[row]], X.iloc[[row]], COLUMNS, rates())
        same = batch[batch.customer_id == X.index[row]].reset_index(drop=True)
        pd.testing.assert_frame_equal(alone, same)


def test_features_of_one_family_speak_once_and_plainly() -> None:
    told = [Column("contract", "category", "", "", family="contract"), Column("age", "number", "years", ""),
            Column("contract_months", "count", "months", "", family="contract")]
    X = pd.DataFrame({"contract": pd.Categorical(["flex"] * 60 + ["bound"] * 60), "age": [30.0] * 120,
                      "contract_months": [1.0] * 60 + [12.0] * 60}, index=[f"c{k}" for k in range(120)])
    counted = Rates.learn(X, np.repeat([1, 0], 60), told)
    phi = pd.DataFrame({"contract": [0.2], "age": [-0.5], "contract_months": [0.4], "base": [-1.0]}, index=["c0"])
    table = drivers(phi, X.iloc[[0]], told, counted)
    assert table["feature"].tolist() == ["contract", "age"]
    assert table["contribution"].tolist() == [0.6, -0.5]
    assert table["words"].iloc[0] == "flex contract raises the risk: 100 % of such customers left."


def test_what_two_exact_algorithms_dispute_decides_nothing() -> None:
    """Contributions that differ by less than half a millionth are equal, and the first column goes first."""
    X, _ = customers()
    index = X.index[[20]]
    phi = pd.DataFrame({"contract": 0.3, "tech_support": 0.3 + 1e-8, "tenure_months": 1e-7, "senior_citizen": 0.0,
                        "monthly_charges": -0.1, "base": -1.0}, index=index)
    table = drivers(phi, X.loc[index], COLUMNS, rates(), top=5)
    assert table["feature"].tolist() == ["contract", "tech_support", "monthly_charges"]
    assert table["contribution"].tolist() == [0.3, 0.3, -0.1]
