"""An invented telecom: who its customers are, what happened to them in two years, and what past offers did.

Customers are drawn by a latent "settledness" that pushes tenure, contract and services together. Nothing that decides
who leaves is drawn here: `telecom_truth` computes it from what this module makes observable.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from engine.data.demo import people, telecom_truth

OBSERVED_UNTIL = datetime(2025, 7, 1)
HISTORY_MONTHS = 24
PAST_PER_PRESENT = 6 / 7
WAVES = tuple(datetime(year, month, 1) for year, month in ((2024, 3), (2024, 6), (2024, 9), (2024, 12)))

HEADERS = {
    "customer_id": "customerID", "gender": "gender", "senior_citizen": "SeniorCitizen", "partner": "Partner",
    "dependents": "Dependents", "tenure_months": "tenure", "phone_service": "PhoneService",
    "multiple_lines": "MultipleLines", "internet_service": "InternetService", "online_security": "OnlineSecurity",
    "online_backup": "OnlineBackup", "device_protection": "DeviceProtection", "tech_support": "TechSupport",
    "streaming_tv": "StreamingTV", "streaming_movies": "StreamingMovies", "contract": "Contract",
    "paperless_billing": "PaperlessBilling", "payment_method": "PaymentMethod", "monthly_charges": "MonthlyCharges",
    "total_charges": "TotalCharges", "churned": "Churn",
}
OLD_BILL = ("old_share", "old_months")  # of today's bill, and how many months it was asked
YES_NO = ("partner", "dependents", "paperless_billing", "churned")
TENURE = ((0.0, 0.0015, 0.0016, 0.088, 0.12, 0.25, 0.5, 0.75, 0.9, 0.949, 1.0), (0, 0, 1, 1, 2, 9, 29, 55, 69, 72, 72))
PAYMENTS = ("Electronic check", "Mailed check", "Bank transfer (automatic)", "Credit card (automatic)")
FAILURE_RATE = {"Electronic check": 0.055, "Mailed check": 0.035, PAYMENTS[2]: 0.012, PAYMENTS[3]: 0.02}


@dataclass(frozen=True)
class Company:
    """Today's customers (index customer_id): canonical columns, contact columns, how their bill changed (OLD_BILL),
    what happened to them, and the truth. past: ids of people who were offered something before."""

    customers: pd.DataFrame
    contact: pd.DataFrame
    bills: pd.DataFrame
    events: pd.DataFrame
    truth: pd.DataFrame
    past: np.ndarray


def make(folder: Path, seed: int, customers: int) -> tuple[tuple[Path, ...], Path]:
    """Write customers.csv, events.csv, offers.csv and truth.parquet; returns the sources and the truth."""
    rng = np.random.default_rng(seed)
    company = drawn(customers, rng)
    sources = (
        people.write_csv(as_published(company.customers.join(company.contact)), folder / "customers.csv"),
        people.write_csv(company.events, folder / "events.csv"),
        people.write_csv(past_offers(company.past, rng), folder / "offers.csv"),
    )
    company.truth.to_parquet(folder / "truth.parquet")
    return sources, folder / "truth.parquet"


def drawn(customers: int, rng: np.random.Generator) -> Company:
    """The company as it is at OBSERVED_UNTIL."""
    ids = people.ids(customers + round(customers * PAST_PER_PRESENT), rng)
    everything = _population(ids[:customers], rng)
    bills = everything[list(OLD_BILL)]
    present = everything.drop(columns=list(OLD_BILL))
    events = history(present, OBSERVED_UNTIL, rng)
    truth = telecom_truth.truth(present, telecom_truth.recent(present.index, events, OBSERVED_UNTIL), rng)
    present["churned"] = (rng.random(customers) < truth["churn_probability"]).astype(int)
    women = (present["gender"] == "Female").to_numpy()
    contact = people.contacts(customers, rng, women).set_index(present.index)
    return Company(present, contact, bills, events, truth, ids[customers:])


def population(ids: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Customers with canonical columns (index customer_id), as they are on the day they are measured."""
    return _population(ids, rng).drop(columns=list(OLD_BILL))


def _population(ids: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    settled = rng.standard_normal(len(ids))
    frame = pd.DataFrame(index=pd.Index(ids, name="customer_id"))
    _draw_people(frame, settled, rng)
    _draw_line(frame, settled, rng)
    _draw_add_ons(frame, settled, rng)
    _draw_billing(frame, rng)
    return frame[[*(name for name in HEADERS if name in frame), *OLD_BILL]]


def _draw_people(frame: pd.DataFrame, settled: np.ndarray, rng: np.random.Generator) -> None:
    count = len(frame)
    frame["gender"] = np.where(rng.random(count) < 0.495, "Female", "Male")
    partner = 0.6 * settled + 0.8 * rng.standard_normal(count) > 0.04
    dependents = rng.random(count) < np.where(partner, 0.51, 0.10)
    frame["partner"], frame["dependents"] = partner.astype(int), dependents.astype(int)
    frame["senior_citizen"] = (rng.random(count) < np.where(dependents, 0.045, 0.21)).astype(int)
    frame["tenure_months"] = np.rint(np.interp(_normal_cdf(settled), *TENURE)).astype(int)


def _draw_line(frame: pd.DataFrame, settled: np.ndarray, rng: np.random.Generator) -> None:
    """Internet, telephone and contract."""
    count, senior, dependents = len(frame), frame["senior_citizen"], frame["dependents"]
    internet = one_of({
        "DSL": np.zeros(count), "Fiber optic": 0.30 + 0.75 * senior - 0.55 * dependents,
        "No": -0.43 - 1.15 * senior + 0.30 * dependents,
    }, rng)
    frame["internet_service"] = internet
    frame["phone_service"] = np.where((internet == "DSL") & (rng.random(count) < 0.28), "No", "Yes")
    several = 0.75 * settled + 0.55 * (internet == "Fiber optic") - 0.6 * (internet == "No") > (
        rng.standard_normal(count) + 0.12)
    frame["multiple_lines"] = np.where(frame["phone_service"] == "No", "No phone service", _yes(several))
    commitment = (1.15 * settled + 0.35 * dependents + 0.7 * (internet == "No") - 0.55 * (internet == "Fiber optic")
                  + rng.standard_normal(count))
    frame["contract"] = np.select([commitment > 1.1, commitment > 0.15], ["Two year", "One year"], "Month-to-month")


def _draw_add_ons(frame: pd.DataFrame, settled: np.ndarray, rng: np.random.Generator) -> None:
    fiber, bound = frame["internet_service"] == "Fiber optic", frame["contract"] != "Month-to-month"
    help_wanted = -0.38 + 0.45 * settled + 0.5 * bound - 0.35 * fiber
    keep_safe = -0.36 + 0.55 * settled + 0.25 * bound + 0.2 * fiber
    fun = -0.35 + 0.45 * settled + 0.1 * bound + 0.55 * fiber
    wants = {"online_security": help_wanted, "online_backup": keep_safe, "device_protection": keep_safe,
             "tech_support": help_wanted, "streaming_tv": fun, "streaming_movies": fun}
    shared = rng.standard_normal(len(frame))
    for service, want in wants.items():
        taken = want + 0.5 * shared + 0.85 * rng.standard_normal(len(frame)) > 0
        frame[service] = np.where(frame["internet_service"] == "No", "No internet service", _yes(taken))


def _draw_billing(frame: pd.DataFrame, rng: np.random.Generator) -> None:
    """How and how much the customer pays; total charges add up month by month, through one change of the bill."""
    count, internet, bound = len(frame), frame["internet_service"], frame["contract"] != "Month-to-month"
    fiber, none = internet == "Fiber optic", internet == "No"
    frame["paperless_billing"] = (rng.random(count) < 0.55 + 0.21 * fiber - 0.24 * none - 0.04 * bound).astype(int)
    frame["payment_method"] = one_of(dict(zip(PAYMENTS, (
        0.15 + 0.75 * fiber - 1.3 * none - 0.75 * bound, -0.1 - 0.75 * fiber + 0.7 * none - 0.25 * bound,
        -0.35 + 0.55 * bound, -0.35 + 0.55 * bound), strict=True)), rng)
    held = {"online_security": 5, "online_backup": 5, "device_protection": 5, "tech_support": 5, "streaming_tv": 10,
            "streaming_movies": 10, "multiple_lines": 5, "phone_service": 20}
    price = internet.map({"DSL": 25.0, "Fiber optic": 50.0, "No": 0.0}).astype(float)
    price = price + sum(cost * (frame[service] == "Yes") for service, cost in held.items())
    bill = np.round((price + rng.normal(0, 0.8, count)) / 0.05) * 0.05
    old_share, changed = 1 + rng.normal(0, 0.07, count), rng.random(count)
    months = frame["tenure_months"]
    old_months = np.floor(changed * months)
    frame["old_share"], frame["old_months"] = old_share, old_months
    frame["monthly_charges"] = bill.round(2)
    frame["total_charges"] = (bill * (months - old_months) + bill * old_share * old_months).round(2)


def history(customers: pd.DataFrame, until: datetime, rng: np.random.Generator) -> pd.DataFrame:
    """What happened in the 24 months before `until`: usage, payments, failures and tickets, in order of time."""
    months = np.minimum(customers["tenure_months"].to_numpy(), HISTORY_MONTHS)
    row = np.repeat(np.arange(len(customers)), months)
    ago = np.arange(len(row)) - np.repeat(np.cumsum(months) - months, months)
    events = pd.concat([_usage(customers, row, ago, until, rng), _payments(customers, row, ago, until, rng),
                        _tickets(customers, until, rng)], ignore_index=True)
    events = events.sort_values(["at", "customer_id", "kind"], kind="stable", ignore_index=True)
    return events[["customer_id", "at", "kind", "amount", "quantity"]]


def closing_day(ago: np.ndarray, until: datetime) -> np.ndarray:
    """The 28th of the month that ended `ago` months before the month of `until`.

    >>> closing_day(np.array([0, 1]), datetime(2025, 7, 1)).astype(str).tolist()
    ['2025-06-28T00:00:00', '2025-05-28T00:00:00']
    """
    month = np.datetime64(until, "M") - 1 - ago
    return month.astype("datetime64[D]").astype("datetime64[s]") + np.timedelta64(27, "D")


def _usage(customers: pd.DataFrame, row: np.ndarray, ago: np.ndarray, until: datetime, rng: np.random.Generator,
           ) -> pd.DataFrame:
    """Gigabytes per month: a level, a wobble, and for some customers a decline that set in some months ago."""
    count = len(customers)
    level = customers["internet_service"].map({"DSL": 110.0, "Fiber optic": 290.0, "No": 0.0}).to_numpy()
    level = level * 1.25 ** _held(customers, ("streaming_tv", "streaming_movies")) * rng.lognormal(0, 0.4, count)
    began = np.where(rng.random(count) < 0.28, rng.integers(2, 10, count), 0)
    pace = rng.uniform(0.72, 0.95, count)
    decline = pace[row] ** np.clip(began[row] - ago, 0, None)
    used = level[row] * decline * rng.lognormal(0, 0.13, len(row))
    online = level[row] > 0
    at = closing_day(ago, until) + np.timedelta64(43200, "s")
    return pd.DataFrame({"customer_id": customers.index.to_numpy()[row], "at": at, "kind": "usage", "amount": np.nan,
                         "quantity": used.round(1)})[online]


def _payments(customers: pd.DataFrame, row: np.ndarray, ago: np.ndarray, until: datetime, rng: np.random.Generator,
              ) -> pd.DataFrame:
    """One payment a month; some fail first and are made good four days later."""
    rate = customers["payment_method"].map(FAILURE_RATE).to_numpy() * rng.gamma(0.7, 1 / 0.7, len(customers))
    failed = rng.random(len(row)) < np.clip(rate, 0, 0.6)[row]
    at = closing_day(ago, until) - np.timedelta64(86400 * 8, "s") + rng.integers(0, 86400, len(row)).astype("m8[s]")
    paid = pd.DataFrame({"customer_id": customers.index.to_numpy()[row], "at": at, "kind": "payment",
                         "amount": customers["monthly_charges"].to_numpy()[row], "quantity": np.nan})
    late = paid[failed].assign(kind="payment_failure")
    paid.loc[failed, "at"] += pd.Timedelta(days=4)
    return pd.concat([paid, late])


def _tickets(customers: pd.DataFrame, until: datetime, rng: np.random.Generator) -> pd.DataFrame:
    """Support tickets: more of them, and angrier, where fiber comes without support or the customer is new."""
    fiber = (customers["internet_service"] == "Fiber optic").to_numpy()
    helped = (customers["tech_support"] == "Yes").to_numpy()
    per_year = (0.45 + 0.55 * fiber + 0.3 * ~helped) * rng.gamma(1.2, 1 / 1.2, len(customers))
    months = np.minimum(customers["tenure_months"].to_numpy(), HISTORY_MONTHS)
    count = rng.poisson(per_year * months / 12)
    row = np.repeat(np.arange(len(customers)), count)
    seconds = np.maximum(rng.random(len(row)) * months[row] * 30.4375 * 86400, 60).astype("m8[s]")
    mood = 0.1 - 0.35 * (fiber & ~helped) + 0.15 * helped
    sentiment = np.clip(rng.normal(mood[row], 0.42), -1, 1).round(2)
    return pd.DataFrame({"customer_id": customers.index.to_numpy()[row], "at": np.datetime64(until, "s") - seconds,
                         "kind": "ticket", "amount": np.nan, "quantity": sentiment})


def past_offers(ids: np.ndarray, rng: np.random.Generator) -> pd.DataFrame:
    """Past randomised offers in four waves: who they were then, what they got by chance, and what became of them."""
    return pd.concat([_wave(part, offered_at, rng) for part, offered_at in zip(np.array_split(ids, len(WAVES)), WAVES,
                                                                              strict=True)], ignore_index=True)


def _wave(ids: np.ndarray, offered_at: datetime, rng: np.random.Generator) -> pd.DataFrame:
    customers = population(ids, rng)
    recent = telecom_truth.recent(customers.index, history(customers, offered_at, rng), offered_at)
    truth = telecom_truth.truth(customers, recent, rng)
    log = telecom_truth.offered(customers, truth, rng)
    log.insert(0, "offered_at", pd.Timestamp(offered_at))
    return pd.concat([log, customers, recent], axis=1).reset_index()


def as_published(customers: pd.DataFrame) -> pd.DataFrame:
    """Canonical customers in the headers and value texts of the 21-column file, contact columns behind them."""
    frame = customers.reset_index()
    for name in YES_NO:
        frame[name] = _yes(frame[name] == 1)
    total = frame["total_charges"].map("{:.2f}".format)
    frame["total_charges"] = np.where(frame["tenure_months"] == 0, " ", total)
    contact = [name for name in frame if name not in HEADERS]
    return frame[[*HEADERS, *contact]].rename(columns=HEADERS)


def one_of(scores: Mapping[str, np.ndarray | pd.Series], rng: np.random.Generator) -> np.ndarray:
    """One name per row, drawn with chances proportional to exp(score) (Gumbel-max).

    >>> drawn = one_of({"a": np.zeros(9000), "b": np.full(9000, np.log(2))}, np.random.default_rng(0))
    >>> round(float((drawn == "b").mean()), 1)
    0.7
    """
    table = np.column_stack([np.asarray(score, dtype=float) for score in scores.values()])
    return np.array(list(scores), dtype=object)[np.argmax(table + rng.gumbel(size=table.shape), axis=1)]


def _held(customers: pd.DataFrame, services: tuple[str, ...]) -> np.ndarray:
    return (customers[list(services)] == "Yes").sum(axis=1).to_numpy()


def _yes(answer: np.ndarray | pd.Series) -> np.ndarray:
    return np.where(answer, "Yes", "No")


def _normal_cdf(values: np.ndarray) -> np.ndarray:
    from scipy.special import ndtr

    return ndtr(values)
