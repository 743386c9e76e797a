"""The words: tables, columns, units, ranges, meaning; and the records that rooms hand to each other."""

from engine.schema.campaigns import (
    ASSIGNMENTS,
    CAMPAIGN_TABLES,
    DECISIONS,
    NOTHING_DONE,
    OFFERS,
    OUTCOMES,
)
from engine.schema.columns import Column, Table, bounds, out_of_range, plural, select
from engine.schema.dictionary import dictionary
from engine.schema.findings import SEVERITIES, Finding
from engine.schema.records import (
    MONTHS,
    Actor,
    Dataset,
    Estimate,
    LabelRule,
    ModelCard,
    MoneyRule,
    Reading,
    Snapshot,
    Source,
    Window,
    jsonable,
    to_json,
)
from engine.schema.tables import (
    CONTACT,
    CUSTOMER_ID,
    EVENT_EXTRAS,
    EVENT_KINDS,
    EVENTS,
    LTV_TIERS,
    OFFER_HISTORY,
    REASONS,
    RISK_BANDS,
    SCORES,
    SEGMENTS,
    TABLES,
)
from engine.schema.wording import (
    NO_REASONS,
    about,
    around,
    cost,
    give_or_take,
    money,
    money_in_full,
    money_range,
    share,
    to_the_cent,
)

__all__ = [
    "ASSIGNMENTS", "CAMPAIGN_TABLES", "CONTACT", "CUSTOMER_ID", "DECISIONS", "EVENTS", "EVENT_EXTRAS", "EVENT_KINDS",
    "LTV_TIERS", "MONTHS", "NOTHING_DONE", "NO_REASONS", "OFFERS", "OFFER_HISTORY", "OUTCOMES", "REASONS", "RISK_BANDS",
    "SCORES",
    "SEGMENTS", "SEVERITIES", "TABLES", "Actor", "Column", "Dataset", "Estimate", "Finding", "LabelRule", "ModelCard",
    "MoneyRule", "Reading", "Snapshot", "Source", "Table", "Window", "about", "around", "bounds", "cost", "dictionary",
    "give_or_take", "jsonable", "money", "money_in_full", "money_range", "out_of_range", "plural", "select", "share",
    "to_json", "to_the_cent",
]
