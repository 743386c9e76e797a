"""IBM Telco: one row per customer of a telecom, 21 columns, with or without the answer who left."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

from engine.data.adapters.assemble import Ask, finish, gather_snapshot
from engine.data.adapters.common import ID_FIELD, Field, Options, Taken, horizon, unsaid_window
from engine.data.names import plain
from engine.data.parsing import BLANKS_READ
from engine.data.readers import Raw
from engine.schema import Column, Finding, LabelRule, MoneyRule, Reading, plural
from engine.schema.telecom import RAW

QUARTER_DAYS = 91
CHURNED = Column("churned", "flag", "", "The customer left within the label window", 0, 1, "Left")
_NAMES = {"tenure_months": ("tenure",), "monthly_charges": ("monthlycharge",), "total_charges": ("totalcharge",)}
_REQUIRED = {"tenure_months", "monthly_charges"}
FIELDS = (
    ID_FIELD,
    *(Field(column, _NAMES.get(column.name, ()), required=column.name in _REQUIRED) for column in RAW),
    Field(CHURNED, ("churn", "churnlabel", "churnvalue", "left"), needed=False),
)
REQUIRED = (
    "customerID", "gender", "SeniorCitizen", "Partner", "Dependents", "tenure", "PhoneService", "MultipleLines",
    "InternetService", "OnlineSecurity", "OnlineBackup", "DeviceProtection", "TechSupport", "StreamingTV",
    "StreamingMovies", "Contract", "PaperlessBilling", "PaymentMethod", "MonthlyCharges", "TotalCharges",
)


def read(ask: Ask, sources: Sequence[Path]) -> Reading:
    """The customers, their events and past offers; the label's window is taken as a quarter unless told."""
    gathered = gather_snapshot(ask, sources, FIELDS, _first_bills)
    label, assumed = label_rule(list(gathered.customers.columns), ask.options)
    return finish(ask, replace(gathered, findings=(*gathered.findings, *assumed)), label,
                  MoneyRule("monthly_charges", "month"))


def label_rule(names: Collection[str], options: Options) -> tuple[LabelRule, tuple[Finding, ...]]:
    """The rule of the file's own answer, and what to say about its window."""
    days, assumed = horizon(options, QUARTER_DAYS)
    if CHURNED.name not in names:
        return LabelRule("none", days, "the file does not say who left"), ()
    rule = LabelRule("column", days, f"the file says that the customer left; the window is {days} days",
                     CHURNED.name, "1", assumed=assumed)
    return rule, (_window_finding(days),) if assumed else ()


def _window_finding(days: int) -> Finding:
    return Finding("warning", "Churn", unsaid_window(days),
                   "If it means a month, give 30 days and every lifetime gets shorter; if it means a year or the whole "
                   "tenure, give 365 or more and lifetimes get longer.")


def _first_bills(taken: Taken, raw: Raw) -> Taken:
    """Total charges are 0, not unknown, for customers who have not been billed yet."""
    frame = taken.frame
    blank = frame["total_charges"].isna()
    new = blank & (frame["tenure_months"] == 0)
    where = next((name for name in raw.frame.columns if plain(name).startswith("totalcharge")), "total_charges")
    findings = [finding for finding in taken.findings if (finding.where, finding.fix) != (where, BLANKS_READ)]
    if new.any():
        what = f"{plural(int(new.sum()), 'value is', 'values are')} blank where tenure is 0."
        findings.append(Finding("note", where, what, "Read as 0: nothing has been billed yet.", int(new.sum())))
    if (blank & ~new).any():
        count = int((blank & ~new).sum())
        what = f"{plural(count, 'value is', 'values are')} blank although tenure is above 0."
        findings.append(Finding("warning", where, what, "Left missing; fill them at the source.", count))
    return replace(taken, frame=frame.assign(total_charges=frame["total_charges"].mask(new, 0.0)),
                   findings=tuple(findings))
