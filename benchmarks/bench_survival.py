"""IBM Telco: when contracts end. Tenure is the duration, TotalCharges (a function of it) is left out."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.common import Row, clock
from benchmarks.since_joining import judge_survival
from engine.prediction.survival import fit_hazard

DROPPED = ["customerID", "tenure", "TotalCharges", "Churn"]
SEED = 0


def run(real_data: Path) -> list[Row]:
    """Concordance, S(12) by decile and integrated Brier, five-fold, each customer judged by a model without her."""
    raw = pd.read_csv(real_data / "telco_ibm_21" / "Telco-Customer-Churn.csv")
    X, left = raw.drop(columns=DROPPED), (raw["Churn"] == "Yes").astype(int)
    with clock() as took:
        longest = fit_hazard(X, raw["tenure"], left).longest
    found = judge_survival(X, raw["tenure"], left, SEED, np.random.default_rng(SEED), longest)
    note = "score S(12), discrete-time hazard, five-fold"
    order = found["concordance"]
    return [
        Row("Telco survival, concordance", str(order), ">= .864", order.value >= 0.864, note),
        Row("Telco survival, S(12) by decile, mean error", f"{found['s12_decile_error'].value:.4f}", "<= .010",
            found["s12_decile_error"].value <= 0.010),
        Row("Telco survival, integrated Brier", f"{found['integrated_brier'].value:.4f}", "about .0805", None,
            "months 1..72, weighted for censoring"),
        Row("Telco survival, one fit", f"{took.cpu:.1f} CPU s"),
    ]
