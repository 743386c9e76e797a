"""Small files whose answer is known, for tests of reading and onboarding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd


def small(folder: Path, rows: int = 600, seed: int = 5, **columns: Any) -> Path:
    """A file of which the answer is known: who pays much leaves more."""
    rng = np.random.default_rng(seed)
    fee = np.round(20 + 60 * rng.random(rows), 2)
    left = rng.random(rows) < 0.05 + 0.5 * (fee > 50)
    frame = pd.DataFrame({"client_no": [f"K{n:05d}" for n in range(rows)], "monthly_fee": fee,
                          "plan": rng.choice(["Basic", "Pro", "basic "], rows, p=[0.45, 0.45, 0.1]),
                          "months_active": rng.integers(1, 60, rows),
                          "status": np.where(left, "cancelled", "active"), **columns})
    folder.mkdir(parents=True, exist_ok=True)
    frame.to_csv(folder / "clients.csv", index=False)
    return folder / "clients.csv"


def visits(seed: int = 0, customers: int = 1_500) -> pd.DataFrame:
    """Customers who come every 20 days on average and stop for good after each visit with a chance of one in ten."""
    rng = np.random.default_rng(seed)
    count = rng.geometric(0.1, customers)
    who = np.repeat(np.arange(customers), count)
    pause = rng.exponential(20, len(who))
    first = np.concatenate([[True], who[1:] != who[:-1]])
    pause[first] = rng.uniform(0, 700, customers)
    day = pd.Series(pause).groupby(who).cumsum().to_numpy()
    at = pd.Timestamp("2021-06-01") + pd.to_timedelta(np.round(day * 24), unit="h")
    frame = pd.DataFrame({"customer_id": [f"K{number:05d}" for number in who], "at": at})
    return frame[frame["at"] < "2024-01-01"]
