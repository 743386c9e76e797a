"""What the leakage audit costs, and what it says of the real files."""

from __future__ import annotations

import tempfile
from datetime import datetime
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.common import Row, clock
from engine.data.leakage import Audit, audit
from engine.schema import Dataset, LabelRule, MoneyRule, Snapshot, Window

AS_OF = datetime(2024, 1, 1)
FLAG = LabelRule("column", 90, "left", "churned", "1")
RECENCY = LabelRule("threshold", 90, "Recency above 90", "Recency", above=90, same_instant=True)


def run(real_data: Path) -> list[Row]:
    """The audit of Telco, of the shop snapshot, and of 10,000 customers with 40 columns."""
    return [_telco(real_data), _shop(real_data), _speed()]


def _audit(X: pd.DataFrame, y: np.ndarray, label: LabelRule) -> tuple[Audit, float]:
    ids = np.array([f"{place:07d}" for place in range(len(X))])
    index = pd.MultiIndex.from_product([[pd.Timestamp(AS_OF)], ids.tolist()], names=["as_of", "customer_id"])
    snapshot = Snapshot(X.set_axis(index), pd.Series(y, index), (Window(AS_OF, 90),), ())
    with tempfile.TemporaryDirectory() as folder:
        customers = Path(folder) / "customers.parquet"
        pd.DataFrame({"customer_id": ids}).to_parquet(customers)
        money = MoneyRule("", "month")
        dataset = Dataset("bench", "v1", "snapshot", "table", "any", "EUR", label, money, AS_OF, False, customers, ())
        with clock() as took:
            found = audit(snapshot, dataset)
    return found, took.cpu


def _telco(real_data: Path) -> Row:
    raw = pd.read_csv(real_data / "telco_ibm_21" / "Telco-Customer-Churn.csv")
    y = (raw["Churn"] == "Yes").to_numpy(dtype=int)
    found, _ = _audit(raw.drop(columns="Churn"), y, FLAG)
    names = [name for name, _ in found.quarantined]
    return Row("Telco, columns quarantined", ", ".join(names), "the id alone", names == ["customerID"])


def _shop(real_data: Path) -> Row:
    raw = pd.read_csv(real_data / "ecommerce_user_segmentation" / "ecommerce_user_segmentation.csv")
    X = raw.drop(columns=["Customer_ID", "Segment_Label"])
    found, _ = _audit(X, (raw["Recency"] > 90).to_numpy(dtype=int), RECENCY)
    names = [name for name, _ in found.quarantined]
    best = sum(auc > 0.95 for name, auc in found.single_column_auc.items() if name not in names)
    measured = f"{', '.join(names)}; {best}"
    return Row("Shop snapshot, quarantined; columns alone above .95", measured, "Recency; 8", measured == "Recency; 8")


def _speed() -> Row:
    rng = np.random.default_rng(0)
    X = pd.DataFrame(rng.normal(size=(10_000, 40))).rename(columns=str)
    y = (X["0"] + rng.logistic(size=10_000) > 1).to_numpy(dtype=int)
    _, cpu = _audit(X, y, FLAG)
    return Row("Leakage audit, 10,000 x 40", f"{cpu:.2f} CPU s", "3 CPU s", cpu <= 3)
