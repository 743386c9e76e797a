"""The invented telecom's files as they were one to five months earlier, for looking back.

The same people: whoever joined since is absent, whoever left since is still there and not yet marked. Tenure, bills and
what has been billed are those of the time, and nothing that happened later is in the events.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from engine.data.demo import people
from engine.data.demo.telecom import OBSERVED_UNTIL, Company, as_published, drawn
from engine.data.demo.telecom_truth import WINDOW_DAYS

MONTHS = (5, 4, 3, 2, 1)


def as_it_was(folder: Path, seed: int, customers: int) -> Iterator[tuple[datetime, tuple[Path, ...]]]:
    """The first of each month before, the earliest first, and customers.csv and events.parquet of that day."""
    company = drawn(customers, np.random.default_rng(seed))
    left_at = leaving(company, np.random.default_rng([seed, 1]))
    for months in MONTHS:
        until = month_before(OBSERVED_UNTIL, months)
        aside = folder / f"{until:%Y-%m-%d}"
        aside.mkdir(parents=True)
        known = customers_then(company, months).assign(churned=(left_at < until).astype(int))
        happened = company.events[(company.events["at"] < until) & company.events["customer_id"].isin(known.index)]
        happened.to_parquet(aside / "events.parquet", index=False)
        yield until, (people.write_csv(as_published(known.join(company.contact)), aside / "customers.csv"),
                      aside / "events.parquet")


def month_before(moment: datetime, months: int) -> datetime:
    """The first of the month so many months before.

    >>> month_before(datetime(2025, 3, 1), 4)
    datetime.datetime(2024, 11, 1, 0, 0)
    """
    year, month = divmod(12 * moment.year + moment.month - 1 - months, 12)
    return datetime(year, month + 1, 1)


def leaving(company: Company, rng: np.random.Generator) -> pd.Series:
    """When each customer marked as gone left: at any time in the 91 days before; missing for all others."""
    ago = pd.to_timedelta(rng.uniform(0, WINDOW_DAYS, len(company.customers)), unit="D")
    return pd.Series(OBSERVED_UNTIL - ago, company.customers.index).where(company.customers["churned"] == 1)


def customers_then(company: Company, months: int) -> pd.DataFrame:
    """Who was there so many months ago, with tenure, bill and charges of the time."""
    here = company.customers[company.customers["tenure_months"] >= months]
    old = company.bills.loc[here.index]
    tenure, bill = here["tenure_months"] - months, here["monthly_charges"]
    before = np.minimum(tenure, old["old_months"])
    return here.assign(
        tenure_months=tenure,
        monthly_charges=bill.where(tenure >= old["old_months"], bill * old["old_share"]).round(2),
        total_charges=(bill * (tenure - before) + bill * old["old_share"] * before).round(2),
    )
