"""A small shop of which one customer has left traces of every kind; made by hand, without any training, in seconds."""

from __future__ import annotations

import dataclasses
import sys
from datetime import datetime, timedelta
from pathlib import Path

import pandas as pd

import engine
from engine import catalog, jobs, saved, state, uploads
from engine.campaign import desk, ledger, outcomes, suppression
from engine.campaign.suppression import Entry
from engine.campaign.tables import OUTCOMES
from engine.data.demo import DEMOS, DemoFiles
from engine.files import write_record
from engine.prediction import store
from engine.schema import REASONS, SCORES, Actor, Dataset, Estimate, Finding
from tests.campaigns import decisions, launched
from tests.test_store import card

ANA = Actor("ana", "manager")
CUSTOMERS = 300
LATER = timedelta(days=1)
AUC, BRIER = Estimate(0.81, 0.78, 0.84, 300, "by hand"), Estimate(0.15, 0.13, 0.17, 300, "by hand")


def contacts(dataset: Dataset) -> pd.DataFrame:
    """The customers with an address, in its order; the first has left the traces."""
    frame = dataset.frame()
    return frame[frame["email"].notna()].sort_values("email")


def leave_traces(home: Path, now: datetime) -> None:
    """Two versions of a shop, a run and a model of the newer one, an upload, a job, an audience, a look at the card, a
    campaign and the save desk."""
    demo = DEMOS["demo-shop"]
    files = demo.write(home.parent / f"{home.name}-raw", 1, CUSTOMERS)
    older = onboard(list(files.sources), files, now)
    customer = str(contacts(older).index[0])
    orders = next(path for path in files.sources if path.name == "orders.csv")
    with orders.open("a", encoding="utf-8") as file:
        file.write(f'{customer},999999,"SKU, ""0""\nthe second line",2024-03-01 10:00:00,many,1.5\n')
    dataset = onboard(list(files.sources), files, now + LATER)
    run_and_model(dataset, customer, now)
    uploads.keep([(path.name, path.read_bytes()) for path in files.sources], actor=ANA, now=now)
    saved.keep("audience", "acme", "call them", {"ids": [customer, "someone"]}, actor=ANA, now=now)
    said = f"import json; print(json.dumps({{'customer_id': {customer!r}}}))"
    jobs.wait(jobs.start(["predict", "--dataset", "acme", "--customer-id", customer], "acme", ANA, now,
                         command=[sys.executable, "-c", said]), 60)
    state.record(ANA, "predict", "acme", now, {"customer_id": customer})
    in_the_ledger(customer, now)
    state.connect().dispose()


def in_the_ledger(customer: str, now: datetime) -> None:
    """A campaign with the customer in it, among others; the desk, with a change; the suppression list; feedback."""
    there = decisions(30)
    there.loc[0, "customer_id"] = customer
    campaign = launched(now, rows=there, share=0.0)
    [item] = [item for item in desk.items("acme", actor=ANA) if item.customer_id == customer]
    desk.change(item.id, {"owner": "ana"}, actor=ANA, now=now)
    suppression.suppress("acme", [Entry(customer)], actor=ANA, now=now)
    outcomes.feedback("acme", customer, "called", "open", actor=ANA, now=now)
    with state.writer() as connection:
        seen = pd.DataFrame({"campaign_id": campaign.id, "customer_id": [customer, "00001"], "observed_at": now,
                             "stayed": True, "source": "by hand", "at": now})
        ledger.add(connection, OUTCOMES, seen)


def onboard(sources: list[Path], files: DemoFiles, now: datetime) -> Dataset:
    """The files as a version of acme."""
    return engine.onboard(sources, name="acme", adapter="orders", observed_until=files.observed_until, actor=ANA,
                          now=now, apart={"truth": files.truth}, options={"synthetic": True, "horizon_days": 90})[0]


def run_and_model(dataset: Dataset, customer: str, now: datetime) -> None:
    """A scoring run, and a model whose findings name the customer."""
    ids = sorted(dataset.frame().index)
    run = catalog.Run.of(dataset, "m1", dataset.observed_until, len(ids))
    figures = {column.name: 0.5 for column in SCORES if column.kind == "number"}
    words = {"churn_risk": "LOW", "ltv_tier": "Low LTV", "segment": "Champion", "hold_back": "", "has_left": 0,
             "next_order_at": pd.NaT, "best_contact_month": 1.0, "spend_index": 0.0}
    scores = pd.DataFrame({"run_id": run.run_id, "customer_id": ids, **figures, **words})[SCORES.names]
    reasons = pd.DataFrame({"run_id": run.run_id, "customer_id": ids, "rank": 1, "feature": "orders", "value": "2",
                            "contribution": 0.1, "words": "Buys."})[REASONS.names]
    catalog.save_run(run, scores, reasons, pd.DataFrame({"orders": 1.0}, index=pd.Index(ids)), actor=ANA, now=now)
    told = Finding("warning", "orders.csv", f"2 rows belong to nobody, such as {customer}.", "Check the ids.", 2)
    known = dataclasses.replace(card(), version=dataset.version, findings=(told,),
                                metrics={"model": {"roc_auc": AUC, "brier": BRIER}})
    store.save({"churn": {"cut": 0.5}}, known, "acme")
    store.promote("acme", "m1")
    path = dataset.customers.parent / "findings.json"
    write_record(path, (*catalog.findings(dataset), told), tuple[Finding, ...])
