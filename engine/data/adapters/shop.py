"""The 13-column shop snapshot: one row per customer with recency, frequency, money and behaviour on the site."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from engine.data.adapters.assemble import Ask, finish, gather_snapshot
from engine.data.adapters.common import ID_FIELD, Field, Taken, horizon
from engine.data.readers import Raw
from engine.schema import Column, Finding, LabelRule, MoneyRule, Reading
from engine.schema.shop import RAW

INACTIVE_DAYS = 90
YEAR_DAYS = 365.0
SEGMENT = Column("segment_label", "category", "", "The shop's own segment", label="Own segment")
_NAMES = {"recency_days": ("recency",), "avg_session_minutes": ("avgsessionduration",)}
_NEEDED_CELLS = {"recency_days", "frequency", "monetary"}
FIELDS = (
    ID_FIELD,
    *(Field(column, _NAMES.get(column.name, ()), required=column.name in _NEEDED_CELLS) for column in RAW),
    Field(SEGMENT, needed=False),
)
REQUIRED = (
    "Customer_ID", "Recency", "Frequency", "Monetary", "Avg_Order_Value", "Session_Count", "Avg_Session_Duration",
    "Pages_Viewed", "Clicks", "Campaign_Response", "Wishlist_Adds", "Cart_Abandon_Rate", "Returns",
)


def read(ask: Ask, sources: Sequence[Path]) -> Reading:
    """The customers; who has not ordered for more than 90 days (or as told) counts as having left."""
    days, _ = horizon(ask.options, INACTIVE_DAYS)
    gathered = gather_snapshot(ask, sources, FIELDS, _as_taken)
    label = LabelRule("threshold", days, f"no order for more than {days} days, at the moment of the features",
                      "recency_days", above=float(days), same_instant=True)
    findings = (*gathered.findings, *_assumptions(days))
    return finish(ask, replace(gathered, findings=findings), label,
                  MoneyRule("monetary", "total", YEAR_DAYS, assumed=True))


def _as_taken(taken: Taken, _raw: Raw) -> Taken:
    return taken


def _assumptions(days: int) -> tuple[Finding, ...]:
    return (
        Finding("warning", "Recency", f"The label (Recency above {days} days) is measured at the same moment as the "
                "features.", "The figures describe who is gone; order lines would allow predicting who will go."),
        Finding("note", "Monetary", "The file does not say over which time money was spent; a year was taken.",
                "Give order lines, or scale Monetary to a year."),
    )
