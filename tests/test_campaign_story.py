"""One campaign's story on the small telecom, over the shell, to what it saved, held to the demo's own truth."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from engine import catalog
from engine.__main__ import main
from engine.campaign import ledger
from engine.campaign.tables import ASSIGNMENTS, PLANNED

pytestmark = pytest.mark.slow
Shell = Callable[..., dict[str, Any]]
NAME = "demo-telecom"


@pytest.fixture
def shell(own_companies: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Shell:
    """A verb on the demo telecom, as somebody, with its JSON answer and exit code."""
    def run(who: str, *words: str) -> dict[str, Any]:
        monkeypatch.setenv("HOLDFAST_ACTOR", who)
        code = main([*words, "--dataset", NAME, "--json"])
        return {**json.loads(capsys.readouterr().out), "code": code}

    return run


def told_by_the_truth(rows: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Who stays, drawn from the demo's own truth: the chance to leave, less the offer's effect on those treated."""
    [path] = (catalog.dataset(NAME).customers.parent / "apart").glob("truth.parquet")
    truth = pd.read_parquet(path)
    truth = truth.set_index("customer_id") if "customer_id" in truth else truth
    leaves = rows["customer_id"].map(truth["churn_probability"]).to_numpy(float)
    effect = np.array([truth.loc[who].get(f"expected_uplift_{treatment}", 0.0)
                       for who, treatment in zip(rows["customer_id"], rows["treatment"], strict=True)])
    effect = np.where(rows["holdout"].astype(bool), 0.0, np.nan_to_num(effect.astype(float)))
    stayed = np.random.default_rng(seed).random(len(rows)) >= leaves - effect
    return pd.DataFrame({"customer_id": rows["customer_id"], "stayed": stayed.astype(int), "revenue": 90.0 * stayed})


def test_from_the_file_to_what_it_saved(shell: Shell, tmp_path: Path) -> None:
    mia, ana, eve = "mia:marketer", "ana:manager", "eve:executive"
    one = ("--campaign", "July save")

    shell(ana, "campaign", "budget", "--name", "Q3", "--total", "20000")
    assert "admin" in shell(ana, "campaign", "rules", "--set", "spend_limit=10")["error"]
    shell("ada:admin", "campaign", "rules", "--set", "spend_limit=10")
    draft = shell(mia, "campaign", "draft", "--name", "July save", "--money", "3000", "--holdout", "0.3", "--budget",
                  "Q3", "--sender", "Demo Telecom")
    assert draft["status"] == "draft" and 0 < draft["spend"] <= 3_000
    assert draft["held_out"] / (draft["held_out"] + draft["treated"]) == pytest.approx(0.3, abs=0.01)

    planned = ledger.table_of(ledger.campaign_id(NAME, "July save"), PLANNED)
    promised = draft["figures"]["treated"]
    assert promised["customers"] == draft["treated"] < draft["figures"]["customers"]
    margin = promised["margin"]["value"]
    assert margin == pytest.approx(planned.loc[~planned["holdout"].astype(bool), "incremental_margin"].sum())
    assert promised["margin"]["low"] < margin < promised["margin"]["high"]

    refused = shell(mia, "campaign", "approve", *one)
    assert refused["code"] == 2 and "a manager must approve it" in refused["error"]
    assert shell(mia, "campaign", "submit", *one)["status"] == "awaiting approval"
    assert shell(ana, "campaign", "approve", *one)["steps"]["approved"]["by"] == "ana"
    booked = shell(mia, "campaign", "launch", *one)
    assert shell(mia, "campaign", "launch", *one)["replayed"] and not booked["replayed"]
    [budget] = shell(eve, "campaign", "budget")["budgets"]
    assert budget["reserved"] == booked["spend"] == pytest.approx(draft["spend"])

    assert shell(eve, "campaign", "export", *one, "--to", "klaviyo", "--output", str(tmp_path / "no"))["code"] == 2
    sent = shell(mia, "campaign", "export", *one, "--to", "csv", "--output", str(tmp_path / "out"))
    rows = ledger.table_of(ledger.campaign_id(NAME, "July save"), ASSIGNMENTS)
    held = rows["holdout"].astype(bool)
    lists = [pd.read_csv(tmp_path / "out" / name, dtype=str) for name in sent["files"]
             if name.endswith(".csv") and "rejected" not in name]
    listed = set(pd.concat(lists)["customer_id"])
    assert listed <= set(rows.loc[~held, "customer_id"]) and not listed & set(rows.loc[held, "customer_id"])
    assert len(listed) + sum(sent["waiting"].values()) == int((~held).sum()) - sum(sent["rejected"].values())

    form = shell(mia, "campaign", "outcomes", *one, "--form", str(tmp_path / "form.csv"))
    assert form["customers"] == len(rows)
    assert set(pd.read_csv(tmp_path / "form.csv", dtype=str)["customer_id"]) == set(rows["customer_id"])
    assert shell(eve, "campaign", "outcomes", *one, "--form", str(tmp_path / "no.csv"))["code"] == 2

    outcomes = told_by_the_truth(rows, seed=5)
    outcomes.to_csv(tmp_path / "outcomes.csv", index=False)
    done = shell(mia, "campaign", "outcomes", *one, "--input", str(tmp_path / "outcomes.csv"))
    assert (done["new"], done["held_out"], done["unknown"]) == (len(rows), int(held.sum()), [])
    assert shell(mia, "campaign", "outcomes", *one, "--input", str(tmp_path / "outcomes.csv"))["known"] == len(rows)

    found = shell(eve, "campaign", "result", *one)
    assert found["whole"]["uplift"]["value"] == pytest.approx(by_hand(rows, outcomes), abs=1e-9)
    whole = found["whole"]
    assert whole["saves"]["value"] == pytest.approx(int((~held).sum()) * whole["uplift"]["value"])
    assert whole["cost"] == pytest.approx(rows.loc[~held, "expected_cost"].sum())
    assert whole["promised"]["saves"] == pytest.approx(rows.loc[~held, "uplift"].sum())
    assert whole["promised"]["within"] == promised["margin"]
    assert whole["verdict"] != "too small to tell" or whole["needed"] or whole["promised"]["saves"] <= 0
    assert shell(mia, "campaign", "close", *one, "--note", "read on the board")["status"] == "closed"
    verbs = {line["verb"] for line in shell_log(shell)}
    assert {"budget", "rules", "plan", "draft", "approve", "launch", "export", "outcomes", "close"} <= verbs


def by_hand(rows: pd.DataFrame, outcomes: pd.DataFrame) -> float:
    """The Mantel-Haenszel difference, stratum by stratum: sum of n1 n0 / n (share left held out - treated) over sum."""
    both = rows.merge(outcomes, on="customer_id")
    top = bottom = 0.0
    for _, mine in both.groupby(["segment", "treatment"]):
        held, treated = mine[mine["holdout"] == 1], mine[mine["holdout"] == 0]
        if len(held) and len(treated):
            weight = len(held) * len(treated) / len(mine)
            top += weight * (treated["stayed"].mean() - held["stayed"].mean())
            bottom += weight
    return top / bottom


def shell_log(shell: Shell) -> list[dict[str, Any]]:
    """Who did what, the newest first."""
    from engine import audit_log
    from engine.schema import Actor

    return [dict(line) for line in audit_log(100, Actor("root", "admin"))]
